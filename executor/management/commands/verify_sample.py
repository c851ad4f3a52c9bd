"""Verify the sample dataset and hold every verdict against the recorded one."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from curation.models import AuditEvent, Dataset, Draft, Revision
from executor import batch
from executor.management.commands.run_dataset import wait_with_bar
from executor.models import Verdict

EXPECTED = settings.BASE_DIR / "fixtures" / "sample" / "expected.json"


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        dataset = Dataset.objects.filter(slug="sample").first()
        if dataset is None:
            raise CommandError("The sample dataset is not loaded: ./t2j manage load_sample")
        expected = recorded()
        # What people made of the sample has no recorded verdicts.
        changed = changed_by_people(dataset)
        expected = {key: words for key, words in expected.items() if key[0] not in changed}
        revisions = [
            revision
            for revision in batch.revisions_of(dataset)
            if revision.created_by_id is None and key_of(revision) in expected
        ]
        runs = batch.request_runs(revisions, by=None)
        wait_with_bar(list(runs.values()))
        verdicts = {v.run_id: v for v in Verdict.objects.filter(run__in=runs.values())}
        found = {key_of(r): describe(verdicts.get(runs[r.pk])) for r in revisions}
        wrong = [key for key, words in expected.items() if found.get(key) != words]
        for example_id, number in wrong:
            self.stdout.write(
                f"  {example_id} revision {number}: expected {expected[example_id, number]}, "
                f"got {found.get((example_id, number), 'no such revision')}"
            )
        passed = sum(words.startswith("pass") for words in found.values())
        self.stdout.write(
            f"Sample dataset: {len(expected)} revisions, {passed} pass, "
            f"{len(expected) - len(wrong)} verdicts as recorded, {len(wrong)} not."
        )
        if wrong:
            raise CommandError("The sample verdicts are not as recorded (see above).")


def changed_by_people(dataset: Dataset) -> set[str]:
    """Example_ids of the drafts whose ledger is not as it was loaded."""
    events = AuditEvent.objects.filter(dataset=dataset, data__has_key="ledger_was")
    drafts = Draft.objects.filter(pk__in=events.values("draft_pk"))
    return set(drafts.values_list("example__example_id", flat=True))


def recorded() -> dict[tuple[str, int], str]:
    """(Example_id, revision number) -> the recorded verdict in words."""
    rows = json.loads(EXPECTED.read_text())
    return {
        (example_id, row["revision"]): f"{row['outcome']} {row['stage'] or ''} {row['kind'] or ''}"
        for example_id, verdicts in rows.items()
        for row in verdicts
    }


def key_of(revision: Revision) -> tuple[str, int]:
    return revision.draft.example.example_id, revision.number


def describe(verdict: Verdict | None) -> str:
    if verdict is None:
        return "no verdict"
    return f"{verdict.outcome} {verdict.stage} {verdict.kind or verdict.reason}"
