"""Figures for Prometheus, in its text format. Never public by accident."""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import quantiles

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseError
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from executor import fleet
from executor.enums import Device, RunState
from executor.models import Run, Verdict
from executor.parity.outcome import Outcome
from t2j_site.counters import BUCKETS, here

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REFUSED = (
    "Metrics are for this machine itself, or for whoever sends `Authorization: Bearer` with the"
    " token of T2J_METRICS_TOKEN.\n"
)
# The newest verdicts that latency is told of.
_NEWEST, _RECENT = 1000, timedelta(hours=1)

Labels = dict[str, str]


@dataclass(slots=True)
class Family:
    """A metric with its samples: a name's ending, labels, value."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, value: float, labels: Labels | None = None, ending: str = "") -> None:
        self.samples.append((ending, labels or {}, value))

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for ending, labels, value in self.samples:
            yield f"{self.name}{ending}{_written(labels)} {value:.10g}"


def _written(labels: Labels) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + inner + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not _may_read(request):
        return HttpResponse(_REFUSED, status=403, content_type="text/plain")
    return HttpResponse(text(), content_type=_CONTENT_TYPE)


def _may_read(request: HttpRequest) -> bool:
    if token := settings.T2J_METRICS_TOKEN:
        sent = request.headers.get("Authorization", "")
        return constant_time_compare(sent, f"Bearer {token}")
    # A proxy on this machine makes everyone look local; it says so in these headers.
    if any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP")):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def text() -> str:
    """All figures. With the database away only those of the web server, and that it is away."""
    families = [*_requests()]
    up = Family("t2j_database_up", "gauge", "Whether the database answers.")
    try:
        families += [family for read in _FROM_DATABASE for family in read()]
        up.add(1)
    except DatabaseError:
        up.add(0)
    return "".join(f"{line}\n" for family in [up, *families] for line in family.lines())


def _requests() -> Iterable[Family]:
    count = Family("t2j_http_requests_total", "counter", "Requests answered since the start.")
    times = Family("t2j_http_request_seconds", "histogram", "Seconds until an answer began.")
    for totals in here.totals():
        for (method, status), value in totals.requests.items():
            count.add(value, {"kind": totals.kind, "method": method, "status": status})
        if not totals.count:
            continue
        so_far = 0
        for end, value in zip(BUCKETS, totals.buckets, strict=True):
            so_far += value
            times.add(so_far, {"kind": totals.kind, "le": f"{end:g}"}, "_bucket")
        times.add(totals.count, {"kind": totals.kind, "le": "+Inf"}, "_bucket")
        times.add(totals.seconds, {"kind": totals.kind}, "_sum")
        times.add(totals.count, {"kind": totals.kind}, "_count")
    return count, times


def _runs() -> Iterable[Family]:
    family = Family("t2j_runs", "gauge", "Runs by state, finished ones by outcome.")
    unfinished = Run.objects.exclude(state=RunState.FINISHED).order_by()
    states = dict(unfinished.values_list("state").annotate(Count("pk")))
    for state in RunState.values:
        if state != RunState.FINISHED:
            family.add(states.get(state, 0), {"state": state, "outcome": ""})
    outcomes = dict(Verdict.objects.order_by().values_list("outcome").annotate(Count("pk")))
    for outcome in Outcome:
        family.add(outcomes.get(outcome.value, 0), {"state": "finished", "outcome": outcome.value})
    return (family,)


def _queues() -> Iterable[Family]:
    length = Family("t2j_queue_runs", "gauge", "Runs that wait for a worker.")
    oldest = Family("t2j_queue_oldest_seconds", "gauge", "How long the oldest of them waits.")
    now = timezone.now()
    queued = Run.objects.filter(state=RunState.QUEUED).order_by()
    rows = queued.values("device").annotate(count=Count("pk"), since=Min("queued_at"))
    found = {row["device"]: row for row in rows}
    for device in Device.values:
        row = found.get(device)
        length.add(row["count"] if row else 0, {"queue": device})
        age = (now - row["since"]).total_seconds() if row else 0.0
        oldest.add(max(age, 0.0), {"queue": device})
    return length, oldest


def _latency() -> Iterable[Family]:
    """From asking to the verdict, over at most the newest thousand of the last hour."""
    family = Family(
        "t2j_verdict_latency_seconds",
        "gauge",
        "From a run's request to its verdict, newest verdicts of the last hour; no sample: none.",
    )
    newest = Verdict.objects.order_by("-pk").values_list("run__created_at", "created_at")[:_NEWEST]
    since = timezone.now() - _RECENT
    seconds = [(judged - asked).total_seconds() for asked, judged in newest if judged > since]
    if seconds:
        # One value has no quantiles of its own; it is all of them.
        cuts = quantiles(seconds * 2 if len(seconds) == 1 else seconds, n=100, method="inclusive")
        for percent in (50, 90, 99):
            family.add(cuts[percent - 1], {"quantile": f"{percent / 100:g}"})
    return (family,)


def _workers() -> Iterable[Family]:
    living = Family("t2j_workers", "gauge", "Living workers that serve a queue.")
    places = Family("t2j_worker_places", "gauge", "Runs that they work on at a time, at most.")
    workers = list(fleet.living())
    for queue in Device.values:
        serving = [worker for worker in workers if queue in worker.queues]
        living.add(len(serving), {"queue": queue})
        places.add(sum(worker.concurrency for worker in serving), {"queue": queue})
    return living, places


_FROM_DATABASE: tuple[Callable[[], Iterable[Family]], ...] = (_runs, _queues, _latency, _workers)
