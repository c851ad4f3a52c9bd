"""Measure how long references and the newest revisions of drafts take, one after another."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.models import Dataset, Example
from executor import run_times
from executor.models import Measurement
from executor.parity.run_times import LIMIT_S
from executor.sandbox import SandboxUnavailable

HEAD = (
    f"{'example':12} {'side':10} {'wall':>9} {'CPU':>9} {'compile':>9} {'steady':>10} {'peak':>9}"
)


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--example", metavar="ID", help="only this one")
        parser.add_argument("--repeat", type=int, default=1, help="fresh boxes each (1)")
        parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="seconds for each (180)")
        parser.add_argument("--runtime", help="of the candidates (the studio's default)")
        parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
        parser.add_argument("--again", action="store_true", help="also what has been measured")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["repeat"] < 1 or options["limit_s"] <= 0:
            raise CommandError("--repeat and --limit-s must be above 0.")
        examples = chosen(options["slug"], options["example"])
        self.stdout.write(HEAD)
        for example, code in programs(examples):
            self.stdout.write(row(self._measure(example, code, options)))

    def _measure(self, example: Example, code: str | None, options: dict[str, Any]) -> Measurement:
        where = {"runtime": options["runtime"], "device": options["device"]}
        known = run_times.newest_measurement(example, code, **where)
        if known is not None and not options["again"]:
            return known
        try:
            return run_times.measure_example(
                example, code, repeat=options["repeat"], limit_s=options["limit_s"], **where
            )
        except SandboxUnavailable as error:
            raise CommandError(str(error)) from error


def chosen(slug: str, example_id: str | None) -> list[Example]:
    dataset = Dataset.objects.filter(slug=slug).first()
    if dataset is None:
        raise CommandError(f"There is no dataset {slug!r}.")
    examples = dataset.examples.order_by("id")
    if example_id is not None:
        examples = examples.filter(example_id=example_id)
        if not examples:
            raise CommandError(f"Dataset {slug!r} has no example {example_id!r}.")
    return list(examples)


def programs(examples: list[Example]) -> Iterator[tuple[Example, str | None]]:
    """Each reference (None), then the newest revision of each of its drafts."""
    for example in examples:
        yield example, None
        for draft in example.drafts.order_by("id"):
            head = draft.revisions.order_by("-number").first()
            if head is not None:
                yield example, head.code


def row(found: Measurement) -> str:
    name = f"{found.example.example_id:12} {found.side:10}"
    if found.outcome != "ok":
        return f"{name} {found.outcome}: {found.message}"
    return (
        f"{name} {found.wall_s:7.3f} s {found.cpu_s:7.3f} s {found.compile_s:7.3f} s "
        f"{found.steady_s:8.5f} s {found.peak_memory_mb:6.0f} MB{on_gpu(found)}"
    )


def on_gpu(found: Measurement) -> str:
    """What arrays held on the GPU at most, and which one that is."""
    if found.device != "gpu":
        return ""
    held = max(each.get("device_memory_mb", 0.0) for each in found.repetitions)
    return f", {held:.0f} MB on {found.machine.partition(',')[0]}"
