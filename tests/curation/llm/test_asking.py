"""Calls asked one at a time: the store, what is kept, retries, limits, money, keys."""

import json
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core import serializers
from django.db import connection
from django.utils import timezone

from curation.enums import BatchState, CallState, PromptUse
from curation.llm import pipeline, prompts, purse
from curation.llm.calls import LlmError
from curation.llm.keys import key_of, seal
from curation.llm.runner import ask
from curation.models import Call, CallBatch, LanguageModel
from tests.llm_server import CODE, Behaviour, LlmServer, completion, error

pytestmark = pytest.mark.django_db
MESSAGES = [{"role": "user", "content": "Translate x = 1"}]


def test_an_answer_is_kept_with_all_that_belongs_to_it(
    model: LanguageModel, server: LlmServer
) -> None:
    version = prompts.current(PromptUse.STANDARD)
    messages = prompts.fill(version, {"pytorch_code": "import torch"})
    call = ask(model, messages, prompt=version, params={"temperature": 0.5}, subject="e1")
    assert call.state == CallState.ANSWERED
    assert call.text == CODE
    assert call.raw is not None and call.raw["id"] == "chatcmpl-1"
    assert (call.prompt_tokens, call.completion_tokens) == (100, 20)
    assert call.cost == (100 * Decimal(1) + 20 * Decimal(10)) / 1_000_000
    assert (call.model_version, call.finish_reason) == ("test-model-2026-01-01", "stop")
    assert call.seconds > 0
    assert call.attempts == 1
    assert call.params == {"temperature": 0.5, "max_tokens": 8192}
    assert server.requests[0].body["messages"] == messages == call.messages
    assert list(pipeline.journal().entries()) == []


def test_identical_calls_are_answered_from_the_store(
    model: LanguageModel, server: LlmServer
) -> None:
    first = ask(model, MESSAGES)
    assert ask(model, MESSAGES) == first
    assert ask(model, MESSAGES, params={"stream": True}) == first
    assert len(server.requests) == 1
    others = [
        ask(model, MESSAGES, anew=True),
        ask(model, MESSAGES, sample=1),
        ask(model, MESSAGES, params={"temperature": 1.0}),
        ask(model, [{"role": "user", "content": "Another"}]),
    ]
    assert len({call.pk for call in [first, *others]}) == len(server.requests) == 5
    assert ask(model, MESSAGES) == others[0], "the newest answer to a question is the one"


@pytest.mark.django_db(transaction=True)
def test_a_question_that_is_asked_by_two_at_a_time_is_sent_once(
    model: LanguageModel, server: LlmServer
) -> None:
    gate = threading.Event()
    server.usual = lambda _: Behaviour(body=completion(CODE), wait=gate)
    found: list[int] = []

    def other() -> None:
        found.append(ask(model, MESSAGES).pk)
        connection.close()

    threads = [threading.Thread(target=other) for _ in range(2)]
    for thread in threads:
        thread.start()
    server.wait_for_requests(1)
    gate.set()
    for thread in threads:
        thread.join(120)
    assert len(set(found)) == 1 and len(found) == 2
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "trouble",
    [error(429, retry_after_ms="20"), error(500), error(503), Behaviour(raw=b"nonsense")],
)
def test_what_passes_is_tried_again(
    model: LanguageModel, server: LlmServer, trouble: Behaviour
) -> None:
    server.script.extend([trouble, trouble])
    assert ask(model, MESSAGES).text == CODE
    assert len(server.requests) == 3
    assert len({request.idempotency_key for request in server.requests}) == 1


def test_a_storm_of_refusals_pauses_the_model_for_everyone(
    model: LanguageModel, server: LlmServer
) -> None:
    server.script.extend(error(429) for _ in range(7))
    assert ask(model, MESSAGES).text == CODE
    model.refresh_from_db()
    assert model.paused_until is not None


def test_a_request_that_is_refused_fails_with_the_providers_words(
    model: LanguageModel, server: LlmServer
) -> None:
    server.script.append(error(400, "maximum context length is 10"))
    with pytest.raises(LlmError, match="maximum context length is 10") as caught:
        ask(model, MESSAGES)
    assert not caught.value.stops_batch
    assert Call.objects.get().state == CallState.FAILED
    assert ask(model, MESSAGES).text == CODE, "asked for again, it gets another try"


def test_nonsense_is_not_asked_for_for_ever(model: LanguageModel, server: LlmServer) -> None:
    server.usual = lambda _: Behaviour(raw=b"nonsense")
    with pytest.raises(LlmError, match="Tried 3 times"):
        ask(model, MESSAGES)
    assert len(server.requests) == pipeline.MAX_ATTEMPTS


def test_a_provider_that_stays_away_is_given_up(
    model: LanguageModel, server: LlmServer, settings: Any
) -> None:
    server.stop()
    settings.T2J_LLM_PATIENCE = 0.3
    with pytest.raises(LlmError, match="cannot be reached") as caught:
        ask(model, MESSAGES)
    assert caught.value.stops_batch
    call = Call.objects.get()
    assert call.state == CallState.WAITING
    assert (call.attempts, call.reserved_cost) == (0, Decimal(0))


@pytest.mark.parametrize("trouble", [error(401), error(402), error(404)])
def test_what_no_other_call_would_escape_stops_the_batch(
    model: LanguageModel, server: LlmServer, trouble: Behaviour
) -> None:
    server.script.append(trouble)
    with pytest.raises(LlmError, match="then resume") as caught:
        ask(model, MESSAGES)
    assert caught.value.stops_batch
    assert ask(model, MESSAGES).text == CODE


def test_the_limit_of_requests_a_minute(model: LanguageModel, server: LlmServer) -> None:
    model.requests_per_minute = 2
    model.save()
    calls = [ask(model, [{"role": "user", "content": str(n)}]) for n in range(2)]
    assert 50 < purse.wait_for_model(model, 10) <= 60
    Call.objects.filter(pk=calls[0].pk).update(asked_at=timezone.now() - timedelta(seconds=61))
    assert purse.wait_for_model(model, 10) == 0


def test_the_limit_of_tokens_a_minute_counts_what_was_used(
    model: LanguageModel, server: LlmServer
) -> None:
    model.tokens_per_minute = 200
    assert purse.wait_for_model(model, 10_000) == 0, "one that is larger than a minute goes alone"
    ask(model, MESSAGES)  # 120 tokens, as the provider counts them
    assert purse.wait_for_model(model, 80) == 0
    assert purse.wait_for_model(model, 81) > 50


def test_calls_at_a_time(model: LanguageModel, server: LlmServer) -> None:
    model.concurrency = 1
    model.save()
    first = ask(model, MESSAGES)
    assert purse.wait_for_model(model, 1) == 0
    Call.objects.filter(pk=first.pk).update(state=CallState.ASKING, claim=uuid4())
    assert purse.wait_for_model(model, 1) > 0


def test_the_spend_limit_is_never_passed(model: LanguageModel, server: LlmServer) -> None:
    batch = CallBatch.objects.create(title="b", spend_limit=Decimal("0.0005"))
    model.params = {"max_tokens": 20}
    model.save()
    asked = 0
    with pytest.raises(LlmError, match=r"spend limit of 0\.0005 is reached") as caught:
        for number in range(10):
            ask(model, [{"role": "user", "content": str(number)}], batch=batch)
            asked += 1
    assert caught.value.stops_batch
    assert asked == len(server.requests) == 1, "0.0003 an answer: a second might pass it"
    assert purse.spend_of(batch).total == Decimal("0.0003")
    batch.spend_limit = Decimal("0.0006")
    batch.save()
    ask(model, [{"role": "user", "content": "1"}], batch=batch)


def test_a_spend_limit_needs_prices(model: LanguageModel, server: LlmServer) -> None:
    model.output_price = None
    model.save()
    batch = CallBatch.objects.create(title="b", spend_limit=1)
    with pytest.raises(LlmError, match="prices of cheap are unknown"):
        ask(model, MESSAGES, batch=batch)
    assert server.requests == []


def test_what_a_lost_answer_may_have_cost_counts(model: LanguageModel, server: LlmServer) -> None:
    batch = CallBatch.objects.create(title="b")
    server.script.append(Behaviour(raw=b"nonsense"))
    call = ask(model, MESSAGES, batch=batch)
    spend = purse.spend_of(batch)
    assert spend.paid == call.cost
    assert spend.lost > 0
    assert spend.under_way == 0


def test_a_stopped_batch_asks_nothing(model: LanguageModel, server: LlmServer) -> None:
    batch = CallBatch.objects.create(title="b", state=BatchState.STOPPED, reason="By you.")
    with pytest.raises(LlmError, match="By you"):
        ask(model, MESSAGES, batch=batch)
    assert server.requests == []


def test_a_prompt_that_is_too_long_is_not_sent(model: LanguageModel, server: LlmServer) -> None:
    model.context_window = 9000
    with pytest.raises(LlmError, match="reads 9000 in all"):
        ask(model, [{"role": "user", "content": "x" * 10_000}])
    assert server.requests == []


def test_a_key_is_sent_and_stands_nowhere(
    model: LanguageModel, server: LlmServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    secret = "sk-very-secret-0123456789"
    model.sealed_key = seal(secret)
    model.save()
    server.script.append(Behaviour(body=completion(f"Your key is {secret}.")))
    call = ask(model, MESSAGES)
    assert server.requests[0].key == secret
    assert call.text == "Your key is [key]."
    server.valid_key = "another"
    with pytest.raises(LlmError) as caught:
        ask(model, MESSAGES, sample=1)
    everything = serializers.serialize("json", [*Call.objects.all(), model])
    for where in (everything, str(caught.value), caplog.text, repr(call), str(call.raw)):
        assert secret not in where
    assert key_of(model) == secret


def test_a_key_from_the_environment(
    model: LanguageModel, server: LlmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.key_env = "TEST_PROVIDER_KEY"
    model.save()
    with pytest.raises(LlmError, match="TEST_PROVIDER_KEY is empty"):
        ask(model, MESSAGES)
    monkeypatch.setenv("TEST_PROVIDER_KEY", "from-outside")
    ask(model, MESSAGES)
    assert server.requests[-1].key == "from-outside"


def test_a_key_that_was_sealed_under_another_secret(model: LanguageModel, settings: Any) -> None:
    model.sealed_key = seal("abc")
    model.save()
    settings.SECRET_KEY = "another"
    with pytest.raises(LlmError, match="Enter it again"):
        ask(model, MESSAGES)


def test_what_the_database_cannot_hold_is_kept_as_far_as_it_can(
    model: LanguageModel, server: LlmServer
) -> None:
    body = json.dumps(completion("a\0b")).replace('"chatcmpl-1"', '"\\ud800"')
    body = body.replace('"total_tokens": 120', '"total_tokens": NaN')
    server.script.append(Behaviour(raw=body.encode()))
    call = ask(model, MESSAGES)
    assert call.text == "a\ufffdb"
    assert call.raw is not None
    assert (call.raw["id"], call.raw["usage"]["total_tokens"]) == ("?", None)


def test_answers_without_usage_are_estimated(model: LanguageModel, server: LlmServer) -> None:
    body = completion("x" * 300)
    del body["usage"]
    server.script.append(Behaviour(body=body))
    call = ask(model, MESSAGES)
    assert call.completion_tokens == 100
    assert call.cost is not None and call.cost > 0
