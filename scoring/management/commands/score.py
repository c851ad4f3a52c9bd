"""./t2j manage score EXPERIMENT [--metric NAME]..."""

import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from curation.enums import ModelRole
from curation.models import LanguageModel
from scoring.experiments.terminal import find_experiment
from scoring.judging import default_judges, open_purse
from scoring.metrics import METRICS
from scoring.models import Experiment, Score
from scoring.scores import REPEATS, UnknownMetric, update
from scoring.tables.aggregate import summaries


class Command(BaseCommand):
    help = (
        "Compute every missing or outdated score of an experiment, and ask its judges. Interrupt "
        "it as you like: run again it goes on, and no answer is paid for twice."
    )
    needs_services = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("experiment", metavar="EXPERIMENT")
        parser.add_argument(
            "--metric", action="append", default=[], metavar="NAME", help=", ".join(METRICS)
        )
        parser.add_argument(
            "--judge",
            action="append",
            default=[],
            metavar="MODEL",
            help="who judges; by default the judges of before, else every enabled judge model",
        )
        parser.add_argument(
            "--repeats", type=int, default=REPEATS, help="how often each judge is asked"
        )
        parser.add_argument("--json", action="store_true", help="print every score as a JSON line")

    def handle(self, **options: Any) -> None:
        experiment = find_experiment(options["experiment"])
        judges = _judges(experiment, options["judge"])
        open_purse(experiment)
        try:
            with _Bars() as bars:
                report = update(
                    experiment,
                    metrics=options["metric"],
                    judges=judges,
                    repeats=options["repeats"],
                    progress=bars.show,
                )
        except UnknownMetric as error:
            raise CommandError(str(error)) from None
        # What was done this time differs from run to run; the scores on stdout do not.
        self.stderr.write(f"{report.stored} scores stored, {report.current} were current.")
        for sentence, count in report.unasked.items():
            self.stderr.write(f"{count} questions without an answer: {sentence}")
        for line in _json_lines(experiment) if options["json"] else _lines(experiment):
            self.stdout.write(line)
        if report.stopped:
            raise CommandError(f"Stopped: {report.stopped} Run the command again to go on.")


def _judges(experiment: Experiment, names: list[str]) -> list[LanguageModel]:
    if not names:
        return default_judges(experiment)
    known = {each.name: each for each in LanguageModel.objects.filter(role=ModelRole.JUDGE)}
    for name in names:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none yet"
            raise CommandError(f"There is no judge model “{name}”. Judges: {listed}.")
    return [known[name] for name in names]


class _Bars:
    """A bar per metric on stderr."""

    def __enter__(self) -> "_Bars":
        self.bar: Any = None
        return self

    def show(self, name: str, done: int, total: int) -> None:
        if self.bar is None or self.bar.desc != f"{name}: ":
            self.__exit__()
            self.bar = tqdm(total=total, desc=name, unit="score", dynamic_ncols=True)
        self.bar.update(done - self.bar.n)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def _lines(experiment: Experiment) -> Iterator[str]:
    yield f"{'setting':<24}{'measure':<28}{'judge':<20}{'n':>6}{'mean':>12}"
    for row in summaries(experiment):
        mean = "–" if row.mean is None else f"{row.mean:.6f}"
        yield f"{row.setting:<24}{row.measure:<28}{row.judge:<20}{row.n:>6}{mean:>12}"


def _json_lines(experiment: Experiment) -> Iterator[str]:
    rows = (
        Score.objects.filter(setting__experiment=experiment)
        .select_related("setting", "translation__example", "other__setting")
        .order_by(
            *("setting__position", "setting__name", "translation__example__example_id"),
            *("translation__sample", "measure", "judge", "repeat"),
            *("other__setting__position", "other__setting__name"),
        )
    )
    for row in rows.iterator(chunk_size=2000):
        found = {
            "setting": row.setting.name,
            "example": row.translation.example.example_id,
            "sample": row.translation.sample,
            "measure": row.measure,
            "other": row.other.setting.name if row.other else None,
            "judge": row.judge,
            "repeat": row.repeat,
            "value": row.value,
            "why": row.why,
            "inputs": row.inputs,
            "signature": row.signature_id,
        }
        yield json.dumps(found, ensure_ascii=False)
