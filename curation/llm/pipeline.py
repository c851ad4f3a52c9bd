"""The machines' door to calls: claim one, ask, store its one answer.

Who asks is a courier: a process that outlives this one. A killed worker's answers are found in
the journal, a finished answer waits there for the database, and nothing is asked twice that a
courier still waits for.
"""

import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar
from uuid import uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import DecimalField, F, Q, QuerySet
from django.db.models.functions import Greatest
from django.utils import timezone

from curation.enums import BatchState, CallState
from curation.llm import recorded
from curation.llm.alive import is_alive
from curation.llm.answers import read_message
from curation.llm.calls import BY_HAND, RECORDED, LlmError, room_for_answer
from curation.llm.client import Answer, Endpoint, Trouble, TroubleKind
from curation.llm.courier import Courier, Job
from curation.llm.journal import Journal
from curation.llm.keys import NoKey, key_of, without_key
from curation.llm.purse import spend_of, wait_for_model
from curation.llm.tokens import cost_of, tokens_of, tokens_of_messages
from curation.models import Call, CallBatch, LanguageModel

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Requests that broke off or came too late may have been charged: not for ever.
MAX_ATTEMPTS = 3
LONGEST_PAUSE = 60.0
# Troubles that the next call would meet as well, and what a person can do about each.
STOPS: dict[TroubleKind, str] = {
    TroubleKind.KEY: "Give the model a valid key, then resume.",
    TroubleKind.MONEY: "Top up the provider's account, then resume.",
    TroubleKind.SETUP: "Mend the model's address or model id, then resume.",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """A call cannot be asked yet: look again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Over:
    """A call has its answer, or failed for good."""


def journal() -> Journal:
    return Journal(settings.T2J_DATA / "answers")


def courier() -> Courier:
    """This process's courier; a forked child gets its own."""
    return _courier(os.getpid())


@lru_cache(maxsize=1)
def _courier(pid: int) -> Courier:
    return Courier(journal())


def patiently(do: Callable[[], T]) -> T:
    """`do` through a restart of the database, as long as that may reasonably take."""
    deadline = time.monotonic() + settings.T2J_LLM_PATIENCE
    while True:
        try:
            return do()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > deadline or connection.in_atomic_block:
                raise
            logger.warning("the database is away, trying again: %s", str(error).split("\n")[0])
            connection.close()
            time.sleep(0.5)


@transaction.atomic
def claim(call_id: int, batch: CallBatch | None, worker: str) -> Call | Wait | Over:
    """Take a waiting call for this process, when limits and purse allow it.

    Raises:
        LlmError: the batch was stopped, or cannot pay for the call.
    """
    model_id = Call.objects.values_list("model_id", flat=True).get(pk=call_id)
    if batch is not None:
        batch = CallBatch.objects.select_for_update().get(pk=batch.pk)
    model = LanguageModel.objects.select_for_update().get(pk=model_id)
    call = Call.objects.select_related("model").get(pk=call_id)
    if call.state in (CallState.ANSWERED, CallState.FAILED):
        return Over()
    if call.state == CallState.ASKING:
        return _look_after(call)
    if batch is not None and batch.state == BatchState.STOPPED:
        raise LlmError(batch.reason or "It was stopped.", stops_batch=True)
    if not model.enabled:
        raise LlmError(f"{model.name} is switched off.", stops_batch=True)
    tokens = tokens_of_messages(call.messages)
    room = room_for_answer(call.params)
    cost = cost_of(model, tokens, room)
    wait = wait_for_model(model, tokens + room) or _wait_for_purse(batch, cost, model)
    if wait:
        return Wait(wait)
    call.state, call.claim, call.worker = CallState.ASKING, uuid4(), worker
    call.batch, call.attempts, call.asked_at = batch, call.attempts + 1, timezone.now()
    call.reserved_tokens, call.reserved_cost = tokens + room, call.reserved_cost + (cost or 0)
    call.save(
        update_fields=[
            *("state", "claim", "worker", "batch", "attempts", "asked_at"),
            *("reserved_tokens", "reserved_cost"),
        ]
    )
    return call


def _wait_for_purse(batch: CallBatch | None, cost: Decimal | None, model: LanguageModel) -> float:
    """0 when the batch can pay for the call, else how long to wait for others to end.

    Raises:
        LlmError: it cannot pay for it.
    """
    if batch is None or batch.spend_limit is None:
        return 0.0
    if cost is None:
        raise LlmError(
            f"The prices of {model.name} are unknown, so that its spend limit cannot be kept. "
            "Enter the prices, or take the limit away.",
            stops_batch=True,
        )
    spend = spend_of(batch)
    if spend.total + cost <= batch.spend_limit:
        return 0.0
    if spend.under_way:
        return 0.5
    raise LlmError(
        f"The spend limit of {batch.spend_limit.normalize():f} is reached: "
        f"{spend.total.normalize():f} is spent and the next call may cost up to "
        f"{cost.normalize():f}. Raise the limit, then resume.",
        stops_batch=True,
    )


def _look_after(call: Call) -> Wait | Over:
    """A call that someone asks: its answer is in the journal, on its way, or lost."""
    assert call.asked_at is not None
    entry = journal().read(str(call.claim))
    if entry is not None:
        store(call.pk, entry.answer)
        return Over()
    if is_alive(call.worker, call.asked_at, call.model.timeout_seconds):
        return Wait(0.5)
    _give_back(call, "The process that asked was lost; asked again.")
    return Wait(0.0)


def ask_claimed(call: Call) -> None:
    """Get and store the answer to a call that this process has claimed.

    Raises:
        LlmError: no other call would fare better.
        Trouble: of kind BUSY or DOWN; the call waits for another try.
    """
    try:
        answer = _request(call)
    except NoKey as error:
        sentence = str(error)
        patiently(lambda: _give_back(call, sentence, sent=False))
        raise LlmError(sentence, stops_batch=True) from None
    except Trouble as error:
        key = _key_or_none(call.model)
        trouble = Trouble(error.kind, without_key(error.sentence, key), error.retry_after)
        patiently(lambda: _after_trouble(call, trouble))
        return
    patiently(lambda: store(call.pk, answer))
    journal().remove(str(call.claim))


def take_recorded(call_id: int) -> bool:
    """Answer a recorded model's call; False when it is not one's. Nobody is asked or paid."""
    call = Call.objects.select_related("model").get(pk=call_id)
    if not call.model.base_url.startswith(RECORDED):
        return False
    if call.state == CallState.WAITING:
        try:
            store(call.pk, recorded.answer(call))
        except Trouble as trouble:
            waiting = Call.objects.filter(pk=call.pk, state=CallState.WAITING)
            waiting.update(state=CallState.FAILED, error=trouble.sentence)
    return True


def _request(call: Call) -> Answer:
    model = call.model
    if model.base_url.startswith(BY_HAND):
        raise Trouble(TroubleKind.REFUSED, "This model is asked by hand: paste its answer.")
    endpoint = Endpoint(model.base_url, model.model_id, float(model.timeout_seconds), key_of(model))
    job = Job(
        call.pk,
        str(call.claim),
        endpoint,
        call.messages,
        call.params,
        # The same for every try, so that a provider that knows it charges once.
        f"t2j-{call.content_hash[:32]}-{call.sample}-{call.edition}",
    )
    return courier().ask(job)


def _after_trouble(call: Call, trouble: Trouble) -> None:
    """What a failed request means for its call, its model and its batch."""
    kind, sentence = trouble.kind, trouble.sentence
    if kind in STOPS:
        _give_back(call, sentence, sent=False)
        raise LlmError(f"{call.model.name}: {sentence} {STOPS[kind]}", stops_batch=True)
    if kind in (TroubleKind.BUSY, TroubleKind.DOWN):
        _pause(call.model, trouble.retry_after)
        _give_back(call, sentence, sent=False)
        raise trouble
    if kind == TroubleKind.REFUSED or call.attempts >= MAX_ATTEMPTS:
        tried = "" if call.attempts == 1 else f" Tried {call.attempts} times."
        _fail(call, sentence + tried)
        return
    _give_back(call, sentence)


def _pause(model: LanguageModel, seconds: float | None) -> None:
    """Nobody asks the model for a while: as long as it wants, or longer each time in a row."""
    _IN_A_ROW[model.pk] += 1
    if seconds is None:
        seconds = settings.T2J_LLM_BACKOFF * 2 ** min(_IN_A_ROW[model.pk] - 1, 6)
    until = timezone.now() + timedelta(seconds=min(seconds, LONGEST_PAUSE))
    free = Q(paused_until__isnull=True) | Q(paused_until__lt=until)
    LanguageModel.objects.filter(free, pk=model.pk).update(paused_until=until)


# Refusals of a model since its last answer, as this process saw them.
_IN_A_ROW: Counter[int] = Counter()


def _give_back(call: Call, sentence: str, *, sent: bool = True) -> None:
    """The call waits for another try; one that was not `sent` cost nothing."""
    changes: dict[str, Any] = {"state": CallState.WAITING, "claim": None, "error": sentence}
    if not sent:
        changes |= {"attempts": F("attempts") - 1, "reserved_cost": _freed(call)}
    _mine(call).update(**changes)


def _fail(call: Call, sentence: str) -> None:
    _mine(call).update(state=CallState.FAILED, claim=None, error=sentence)


def _mine(call: Call) -> QuerySet[Call]:
    return Call.objects.filter(pk=call.pk, state=CallState.ASKING, claim=call.claim)


def _freed(call: Call) -> Greatest:
    """What stays reserved without this try: tries before it that may have been charged."""
    room = call.reserved_tokens - (tokens := tokens_of_messages(call.messages))
    cost = cost_of(call.model, tokens, max(room, 0)) or Decimal(0)
    return Greatest(F("reserved_cost") - cost, Decimal(0), output_field=DecimalField())


@transaction.atomic
def store(call_id: int, answer: Answer) -> bool:
    """Keep the answer to a call; False when it has one. The first to come is the one."""
    call = Call.objects.select_for_update(of=["self"]).select_related("model").get(pk=call_id)
    if call.state == CallState.ANSWERED:
        return False
    raw = _storable(answer.raw, _key_or_none(call.model))
    message = read_message(raw)
    usage = raw.get("usage") if isinstance(raw.get("usage"), dict) else {}
    prompt = _count(usage, "prompt_tokens", tokens_of_messages(call.messages))
    completion = _count(usage, "completion_tokens", tokens_of(message.text))
    Call.objects.filter(pk=call.pk).update(
        state=CallState.ANSWERED,
        claim=None,
        answered_at=timezone.now(),
        reserved_cost=_freed(call),
        raw=raw,
        text=message.text,
        finish_reason=message.finish_reason[:50],
        model_version=str(raw.get("model") or "")[:200],
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost=cost_of(call.model, prompt, completion),
        seconds=answer.seconds,
        error="",
    )
    _IN_A_ROW.pop(call.model_id, None)
    return True


def absorb() -> int:
    """Store every answer in the journal, whoever asked for it; says how many were new."""
    new = 0
    for entry in journal().entries():
        if Call.objects.filter(pk=entry.call).exists():
            new += store(entry.call, entry.answer)
        journal().remove(entry.claim)
    return new


def _count(usage: dict[str, Any], name: str, otherwise: int) -> int:
    """A number of tokens as the provider counted them, else our estimate."""
    value = usage.get(name)
    return value if isinstance(value, int) and 0 <= value < 2**31 else otherwise


def _key_or_none(model: LanguageModel) -> str:
    try:
        return key_of(model)
    except NoKey:
        return ""


def _storable(value: Any, key: str) -> Any:
    """What the database takes: no NUL, no half characters, no NaN; and never the key."""
    if isinstance(value, str):
        text = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        return without_key(text, key)
    if isinstance(value, dict):
        return {str(_storable(name, key)): _storable(item, key) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item, key) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
