"""Where a run is on its way to a verdict, in words that a page or the API can show."""

from dataclasses import dataclass
from statistics import median

from django.utils import timezone

from executor import fleet, queries
from executor.enums import Device, RunState
from executor.models import Run, Verdict

# Earlier verdicts of the same example that tell how long one takes.
LOOKED_AT = 5
MOST_PERCENT = 95


@dataclass(frozen=True, slots=True)
class Progress:
    """`ahead` runs go before a queued one; `percent` is an estimate for a running one."""

    title: str
    seconds: float
    ahead: int = 0
    part: str = ""
    percent: int | None = None
    waits_for_gpu: bool = False


def progress_of(run: Run) -> Progress:
    """Of a run that is not over."""
    since = run.started_at if run.state == RunState.RUNNING else run.queued_at
    seconds = (timezone.now() - (since or run.queued_at)).total_seconds()
    if run.state == RunState.RUNNING:
        part = run.get_part_display()
        return Progress("Running", seconds, part=part, percent=percent_of(run, seconds))
    if run.device == Device.GPU and not fleet.serves(Device.GPU):
        return Progress("Waiting for a GPU worker", seconds, waits_for_gpu=True)
    title = "Waiting before the next try" if run.due_at else "Queued"
    return Progress(title, seconds, ahead=queries.position(run))


def percent_of(run: Run, seconds: float) -> int | None:
    """By how long verdicts of its example took lately; None before the first."""
    lately = Verdict.objects.filter(run__example=run.example_id, run__device=run.device)
    known = list(lately.order_by("-id").values_list("seconds", flat=True)[:LOOKED_AT])
    if not known or not median(known):
        return None
    return min(MOST_PERCENT, int(100 * seconds / median(known)))
