from django.apps import AppConfig


class ExecutorConfig(AppConfig):
    name = "executor"

    def ready(self) -> None:
        from curation.signals import head_changed
        from executor.standing import on_head_changed

        head_changed.connect(on_head_changed, dispatch_uid="executor.standing")
