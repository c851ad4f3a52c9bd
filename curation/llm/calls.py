"""Questions to models, each asked and paid once."""

import json
from typing import Any

from django.db import transaction

from curation.enums import CallState
from curation.llm.prompts import Messages, hash_of
from curation.llm.tokens import tokens_of_messages
from curation.models import Call, CallBatch, LanguageModel, PromptVersion
from curation.models.base import sha256

RECORDED, BY_HAND = "recorded:", "by-hand:"


class LlmError(Exception):
    """Why there is no answer, and what to do.

    `stops_batch`: no other call of the batch would fare better.
    """

    def __init__(self, sentence: str, *, stops_batch: bool = False) -> None:
        super().__init__(sentence)
        self.stops_batch = stops_batch


def plan(
    model: LanguageModel,
    messages: Messages,
    *,
    prompt: PromptVersion | None = None,
    params: dict[str, Any] | None = None,
    sample: int = 0,
    anew: bool = False,
    batch: CallBatch | None = None,
    subject: str = "",
) -> Call:
    """The call for a question: the stored one, whatever its state, or a new one that waits.

    With `anew` an answered question is asked once more. `sample` tells apart repeats of one
    question. A recorded model answers by `subject`, so that it is part of the question.

    Raises:
        LlmError: the prompt is longer than the model reads.
    """
    sent = params_of(model, params)
    check_window(model, messages, sent)
    content_hash = _content_hash(model, messages, sent, subject)
    with transaction.atomic():
        # Claiming locks the purse first, too: the other way round they wait for one another.
        if batch is not None:
            CallBatch.objects.select_for_update().get(pk=batch.pk)
        # Two plans of one question at a time would both find none.
        LanguageModel.objects.select_for_update().get(pk=model.pk)
        known = Call.objects.filter(content_hash=content_hash, sample=sample)
        last = known.order_by("-edition").first()
        if last is not None and not (anew and last.state == CallState.ANSWERED):
            return _again(last)
        return Call.objects.create(
            model=model,
            batch=batch,
            subject=subject[:300],
            prompt=prompt,
            content_hash=content_hash,
            prompt_hash=hash_of(messages),
            sample=sample,
            edition=0 if last is None else last.edition + 1,
            messages=messages,
            params=sent,
        )


def _again(call: Call) -> Call:
    """A failed call waits for another try."""
    failed = Call.objects.filter(pk=call.pk, state=CallState.FAILED)
    if failed.update(state=CallState.WAITING, attempts=0, error=""):
        call.refresh_from_db()
    return call


def params_of(model: LanguageModel, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """What is sent beside the messages: the model's own parameters, then the call's."""
    sent: dict[str, Any] = {**model.params, **(params or {})}
    if "max_completion_tokens" not in sent:
        sent.setdefault("max_tokens", model.max_output_tokens)
    return sent


def room_for_answer(params: dict[str, Any]) -> int:
    """Tokens that the answer may take."""
    return int(params.get("max_completion_tokens") or params.get("max_tokens") or 0)


def check_window(model: LanguageModel, messages: Messages, params: dict[str, Any]) -> None:
    """
    Raises:
        LlmError: prompt and answer do not fit into the model's window.
    """
    tokens, room = tokens_of_messages(messages), room_for_answer(params)
    if tokens + room > model.context_window:
        raise LlmError(
            f"The prompt has about {tokens} tokens and the answer may take {room}, but "
            f"{model.name} reads {model.context_window} in all. Choose a context policy with a "
            "smaller budget, or a model with a larger window."
        )


def _content_hash(
    model: LanguageModel, messages: Messages, params: dict[str, Any], subject: str
) -> str:
    # How an answer is transported changes nothing about it.
    told = {name: value for name, value in params.items() if name != "stream"}
    parts = [model.base_url.rstrip("/"), model.model_id, messages, told]
    if model.base_url.startswith(RECORDED):
        parts.append(subject)
    return sha256(json.dumps(parts, sort_keys=True))
