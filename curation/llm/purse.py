"""What a batch has spent, and whether a model may be asked right now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Min, Q, Sum
from django.utils import timezone

from curation.enums import CallState
from curation.models import Call, CallBatch, LanguageModel

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Spend:
    """Money of a batch, in the currency of the price table.

    `paid` for answers; `under_way` for requests that are open, at the most they can cost; `lost`
    for requests that broke off or came too late and may have been charged.
    """

    paid: Decimal
    under_way: Decimal
    lost: Decimal

    @property
    def total(self) -> Decimal:
        return self.paid + self.under_way + self.lost


def spend_of(batch: CallBatch) -> Spend:
    """In one query."""
    found = Call.objects.filter(batch=batch).aggregate(
        paid=Sum("cost"),
        under_way=Sum("reserved_cost", filter=Q(state=CallState.ASKING)),
        lost=Sum("reserved_cost", filter=~Q(state=CallState.ASKING)),
    )
    return Spend(*(found[name] or Decimal(0) for name in ("paid", "under_way", "lost")))


def wait_for_model(model: LanguageModel, tokens: int) -> float:
    """Seconds until the model's limits allow another call of about `tokens`; 0: now.

    The caller holds the model's row, so that two callers do not take the same place.
    """
    now = timezone.now()
    if model.paused_until is not None and model.paused_until > now:
        return (model.paused_until - now).total_seconds()
    if Call.objects.filter(model=model, state=CallState.ASKING).count() >= model.concurrency:
        return 0.1
    if model.requests_per_minute is None and model.tokens_per_minute is None:
        return 0.0
    return _wait_for_window(model, tokens, now)


def _wait_for_window(model: LanguageModel, tokens: int, now: datetime) -> float:
    """Until the oldest call of the last minute leaves it, when the minute is full."""
    recent = Call.objects.filter(model=model, asked_at__gt=now - MINUTE)
    calls = list(
        recent.values_list("state", "reserved_tokens", "prompt_tokens", "completion_tokens")
    )
    used = sum(
        (prompt or 0) + (completion or 0) if state == CallState.ANSWERED else reserved
        for state, reserved, prompt, completion in calls
    )
    rpm, tpm = model.requests_per_minute, model.tokens_per_minute
    full = rpm is not None and len(calls) >= rpm
    # A call larger than a whole minute's tokens goes alone.
    full = full or (tpm is not None and bool(calls) and used + tokens > tpm)
    if not full:
        return 0.0
    oldest: datetime = recent.aggregate(at=Min("asked_at"))["at"]
    return max((oldest + MINUTE - now).total_seconds(), 0.05)
