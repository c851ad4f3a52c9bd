"""./t2j manage run_dataset: verify every revision of every draft."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from curation.models import Dataset
from executor import batch
from executor.enums import Device
from executor.models import Run


class Command(BaseCommand):
    help = (
        "Verify every revision of every draft of a dataset; what has its verdict is not run again, "
        "so that a batch that was stopped goes on where it was."
    )
    needs_workers = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument(
            "--only-stale",
            action="store_true",
            help="only revisions whose reference, contract, verifier or packages changed since",
        )
        parser.add_argument(
            "--device",
            choices=Device.values,
            help="where new runs go; by default each contract's device, else the CPU",
        )
        parser.add_argument("--wait", action="store_true", help="stay until every run is over")

    def handle(self, *args: Any, **options: Any) -> None:
        dataset = Dataset.objects.filter(slug=options["slug"]).first()
        if dataset is None:
            raise CommandError(f"There is no dataset {options['slug']!r}.")
        revisions = batch.revisions_of(dataset)
        if options["only_stale"]:
            revisions = batch.stale_among(revisions)
        runs = list(batch.request_runs(revisions, device=options["device"], by=None).values())
        self.stdout.write(f"{len(runs)} revisions of {dataset.slug} asked for.")
        if options["wait"]:
            self._wait(runs)
            self.stdout.write(outcome_table(runs))

    def _wait(self, runs: list[int]) -> None:
        try:
            wait_with_bar(runs)
        except KeyboardInterrupt:
            taken_back = batch.stop(runs)
            self.stdout.write(outcome_table(runs))
            raise CommandError(
                f"Stopped; {taken_back} runs were taken back. The same command goes on with them.",
                returncode=130,
            ) from None


def wait_with_bar(run_ids: list[int]) -> None:
    """A bar on the terminal until every run is over."""
    with tqdm(total=len(set(run_ids)), unit="run", desc="Verifying", dynamic_ncols=True) as bar:
        for over, _ in batch.wait_for(run_ids):
            bar.update(over - bar.n)


def outcome_table(run_ids: list[int]) -> str:
    rows = Run.objects.filter(pk__in=run_ids).select_related("verdict")
    counts = Counter(_label(run) for run in rows)
    return "\n".join(f"  {count:5}  {label}" for label, count in sorted(counts.items()))


def _label(run: Run) -> str:
    if not hasattr(run, "verdict"):
        return run.state
    verdict = run.verdict
    detail = verdict.kind or verdict.reason
    return f"{verdict.outcome} {verdict.stage} {detail}".strip()
