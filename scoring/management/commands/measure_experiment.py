"""./t2j manage measure_experiment EXPERIMENT [--repeat N]"""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.models import Example
from executor import run_times
from executor.management.commands.measure import HEAD, row
from executor.models import Measurement
from executor.parity.outcome import Outcome
from executor.parity.run_times import LIMIT_S
from executor.sandbox import SandboxUnavailable
from scoring.experiments.terminal import find_experiment
from scoring.models import Experiment, Translation
from scoring.scores import update


class Command(BaseCommand):
    help = (
        "Measure how long the translations that match and their references take, one after "
        "another, for Tables 4 and 9. What was measured stays measured."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("experiment", metavar="EXPERIMENT")
        parser.add_argument("--repeat", type=int, default=1, help="fresh boxes each (1)")
        parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="seconds for each (180)")
        parser.add_argument("--again", action="store_true", help="also what has been measured")

    def handle(self, **options: Any) -> None:
        if options["repeat"] < 1 or options["limit_s"] <= 0:
            raise CommandError("--repeat and --limit-s must be above 0.")
        experiment = find_experiment(options["experiment"])
        self.stdout.write(HEAD)
        for example, code, runtime in programs(experiment):
            self.stdout.write(row(_measured(example, code, runtime, options)))
        update(experiment, metrics=["run_time"])


def _measured(
    example: Example, code: str | None, runtime: str, options: dict[str, Any]
) -> Measurement:
    known = run_times.newest_measurement(example, code, runtime=runtime)
    if known is not None and not options["again"]:
        return known
    try:
        return run_times.measure_example(
            example,
            code,
            repeat=options["repeat"],
            limit_s=options["limit_s"],
            runtime=runtime,
        )
    except SandboxUnavailable as error:
        raise CommandError(str(error)) from error


def programs(experiment: Experiment) -> Iterator[tuple[Example, str | None, str]]:
    """Each reference (None) and its matching translations, every program once."""
    seen: set[tuple[int, str, str]] = set()
    matching = Translation.objects.filter(
        setting__experiment=experiment, run__verdict__outcome=Outcome.PASS
    )
    for each in matching.select_related("example", "setting").order_by(
        "example__position", "example_id", "setting__position", "sample"
    ):
        runtime = each.setting.runtime
        for key, code in (("", None), (each.code_hash, each.code)):
            place = (each.example_id, key, runtime if key else "")
            if place not in seen:
                seen.add(place)
                yield each.example, code, runtime
