from django.apps import AppConfig


class ScoringConfig(AppConfig):
    name = "scoring"

    def ready(self) -> None:
        from curation.importers.snapshots import restore_with
        from scoring.snapshots.read import restore_snapshot

        restore_with(restore_snapshot)
