"""The client against a real server: every answer shape and every failure."""

import time
from email.utils import formatdate
from typing import Any

import pytest

from curation.llm.answers import find_code, read_message
from curation.llm.client import Answer, Endpoint, Trouble, TroubleKind, complete
from tests.llm_server import CODE, Behaviour, LlmServer, completion, error

PROGRAM = "import jax.numpy as jnp\nprint(jnp.ones(2).sum())\n"
MESSAGES = [{"role": "user", "content": "Translate."}]


def ask(server: LlmServer, *, timeout: float = 30, **params: Any) -> Answer:
    endpoint = Endpoint(server.url, "test-model", timeout, "secret-key")
    return complete(endpoint, MESSAGES, params, idempotency_key="one")


def test_it_sends_what_it_was_given(server: LlmServer) -> None:
    ask(server, temperature=0.3, max_tokens=77)
    (request,) = server.requests
    assert request.body == {
        "model": "test-model",
        "messages": MESSAGES,
        "stream": False,
        "temperature": 0.3,
        "max_tokens": 77,
    }
    assert (request.key, request.idempotency_key) == ("secret-key", "one")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        completion(CODE),
        completion(CODE, reasoning_content="First I think.\n```python\nwrong = 1\n```"),
        completion(tool_calls=[{"function": {"name": "f", "arguments": '{"code": "x = 1\\n"}'}}]),
        completion(refusal="I cannot help with that."),
        completion(CODE[:50], finish="length"),
        completion(""),
    ],
)
def test_streamed_or_not_an_answer_is_the_same(
    server: LlmServer, body: dict[str, Any], stream: bool
) -> None:
    server.script.append(Behaviour(body=body))
    raw = ask(server, stream=stream).raw
    assert read_message(raw) == read_message(body)
    assert raw["usage"] == body["usage"]
    assert raw["model"] == "test-model-2026-01-01"


SHAPES: list[tuple[str, dict[str, Any], str, str]] = [
    ("plain text", completion(CODE), PROGRAM, "Left out 1 line around the code."),
    (
        "content parts",
        completion(
            None, content=[{"type": "text", "text": CODE[:30]}, {"type": "text", "text": CODE[30:]}]
        ),
        PROGRAM,
        "Left out 1 line around the code.",
    ),
    (
        "parts with reasoning between",
        completion(
            None, content=[{"type": "reasoning", "text": "hm"}, {"type": "text", "text": CODE}]
        ),
        PROGRAM,
        "Left out 1 line around the code.",
    ),
    (
        "tool call",
        completion(
            tool_calls=[{"function": {"name": "run", "arguments": '{"code": "x = 1\\n", "n": 3}'}}]
        ),
        "x = 1\n",
        "The answer came as a tool call.",
    ),
    (
        "tool call with broken arguments",
        completion(tool_calls=[{"function": {"name": "run", "arguments": "import jax\nx = 1\n"}}]),
        "import jax\nx = 1\n",
        "The answer came as a tool call.",
    ),
    (
        "legacy function call",
        completion(function_call={"name": "run", "arguments": '{"source": "x = 2\\n"}'}),
        "x = 2\n",
        "The answer came as a tool call.",
    ),
    ("refusal", completion(refusal="Not today."), "", "The model refused: Not today."),
    (
        "only reasoning",
        completion("", reasoning="I would write x = 1"),
        "",
        "The model only reasoned and answered nothing.",
    ),
    ("nothing", completion(None), "", "The answer is empty."),
    (
        "no choices",
        completion("x") | {"choices": []},
        "",
        "The provider answered without any choice.",
    ),
    ("no message", {"choices": [{"finish_reason": "stop"}]}, "", "The answer is empty."),
    (
        "cut off in a block",
        completion("```python\nx = 1\ny = (", finish="length"),
        "x = 1\ny = (\n",
        "The last code block is not closed: the answer may be cut off. "
        "The answer is cut off: it reached the limit of tokens.",
    ),
    (
        "filtered",
        completion("```python\nx = 1\n```", finish="content_filter"),
        "x = 1\n",
        "The provider's filter ended the answer.",
    ),
    (
        "thinking in the text",
        completion("<think>\n```python\nbad = 1\n```\n</think>\n```python\nx = 1\n```"),
        "x = 1\n",
        "Left out the model's thinking.",
    ),
    (
        "prose only",
        completion("I am sorry, this cannot be translated."),
        "",
        "No code was found: the answer was taken as it is.",
    ),
    ("no fence", completion("import jax\nx = 1\n"), "import jax\nx = 1\n", ""),
]


@pytest.mark.parametrize(
    ("body", "code", "note"), [s[1:] for s in SHAPES], ids=[s[0] for s in SHAPES]
)
def test_the_code_in_every_shape_of_answer(body: dict[str, Any], code: str, note: str) -> None:
    found = find_code(read_message(body))
    assert (found.code, found.note) == (code, note)


FAILURES: list[tuple[str, Behaviour, TroubleKind, float | None]] = [
    ("busy", error(429, "slow down", retry_after="7"), TroubleKind.BUSY, 7.0),
    ("busy, in ms", error(429, "slow down", retry_after_ms="1500"), TroubleKind.BUSY, 1.5),
    ("no money", error(429, "pay", "insufficient_quota"), TroubleKind.MONEY, None),
    ("payment", error(402), TroubleKind.MONEY, None),
    ("bad key", error(401), TroubleKind.KEY, None),
    ("forbidden", error(403), TroubleKind.KEY, None),
    ("no such model", error(404, "no such model"), TroubleKind.SETUP, None),
    ("too long", error(400, "too long", "context_length_exceeded"), TroubleKind.REFUSED, None),
    ("broken", error(500), TroubleKind.DOWN, None),
    ("overloaded", error(503, retry_after="2"), TroubleKind.DOWN, 2.0),
    ("bad gateway page", Behaviour(502, raw=b"<html>bad gateway</html>"), TroubleKind.DOWN, None),
    ("nonsense", Behaviour(raw=b"hello there"), TroubleKind.CUT, None),
    ("not a completion", Behaviour(body={"answer": 42}), TroubleKind.CUT, None),
    ("a list", Behaviour(body=[1, 2]), TroubleKind.CUT, None),
    ("cut", Behaviour(body=completion(CODE), cut=True), TroubleKind.CUT, None),
    (
        "a router's error inside a 200",
        Behaviour(body={"error": {"code": 429, "message": "upstream busy"}}),
        TroubleKind.BUSY,
        None,
    ),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "kind", "retry_after"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES]
)
def test_every_failure_has_its_kind(
    server: LlmServer,
    behaviour: Behaviour,
    kind: TroubleKind,
    retry_after: float | None,
    stream: bool,
) -> None:
    server.script.append(behaviour)
    with pytest.raises(Trouble) as caught:
        ask(server, stream=stream)
    assert (caught.value.kind, caught.value.retry_after) == (kind, retry_after)
    assert len(server.requests) == 1, "the client itself never asks twice"


def test_a_retry_after_may_be_a_date(server: LlmServer) -> None:
    server.script.append(error(429, retry_after=formatdate(time.time() + 3600, usegmt=True)))
    with pytest.raises(Trouble) as caught:
        ask(server)
    assert caught.value.retry_after is not None and 3000 < caught.value.retry_after <= 3600


def test_a_stream_that_tells_an_error_or_breaks_off(server: LlmServer) -> None:
    for raw in (b'data: {"error": {"message": "gone", "code": 502}}\n\n', b"data: {bad\n\n"):
        server.script.append(Behaviour(raw=raw, headers={"Content-Type": "text/event-stream"}))
        with pytest.raises(Trouble) as caught:
            ask(server, stream=True)
        assert caught.value.kind == TroubleKind.CUT


def test_a_server_that_never_answers(server: LlmServer) -> None:
    server.script.append(Behaviour(hangs=True))
    with pytest.raises(Trouble) as caught:
        ask(server, timeout=0.3)
    assert caught.value.kind == TroubleKind.LATE


def test_a_server_that_is_not_there(server: LlmServer) -> None:
    server.stop()
    with pytest.raises(Trouble) as caught:
        ask(server)
    assert caught.value.kind == TroubleKind.DOWN
    assert server.url in caught.value.sentence
