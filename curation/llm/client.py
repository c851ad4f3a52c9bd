"""One request to an OpenAI-compatible provider. Plain Python: no Django, no retries.

Every failure is a `Trouble` of a named kind; who asked decides what to do about it.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import httpx2
import openai

LARGEST_ANSWER = 32 * 1024 * 1024
_CONNECT_SECONDS = 20.0


class TroubleKind(StrEnum):
    BUSY = "busy"  # 429: ask later
    DOWN = "down"  # not reached, or a fault of the provider
    LATE = "late"  # no answer in time; it may have been charged
    CUT = "cut"  # broken off or not understood; it may have been charged
    KEY = "key"  # the key is missing, wrong or revoked
    MONEY = "money"  # the provider's account is empty
    SETUP = "setup"  # no such model or address
    REFUSED = "refused"  # this request is not taken, whenever it is sent


class Trouble(Exception):
    """Why there is no answer; `retry_after` is what the provider asked for, in seconds."""

    def __init__(self, kind: TroubleKind, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.kind, self.sentence, self.retry_after = kind, sentence, retry_after


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, and with which key."""

    base_url: str
    model_id: str
    timeout: float
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion as it was sent, and how long it took in seconds."""

    raw: dict[str, Any]
    seconds: float


def complete(
    endpoint: Endpoint,
    messages: list[dict[str, Any]],
    params: dict[str, Any],
    *,
    idempotency_key: str,
) -> Answer:
    """Ask once and wait for the whole answer; `params` go into the request's body as they are.

    Raises:
        Trouble: there is no answer.
    """
    began = time.monotonic()
    body = {name: value for name, value in params.items() if name != "stream"}
    streams = bool(params.get("stream"))
    if streams:
        body.setdefault("stream_options", {"include_usage": True})
    try:
        with _client(endpoint).chat.completions.with_streaming_response.create(
            model=endpoint.model_id,
            messages=messages,  # type: ignore[arg-type]
            stream=streams,
            extra_body=body,
            extra_headers={"Idempotency-Key": idempotency_key},
        ) as response:
            content = _read(response.iter_bytes(), began + endpoint.timeout)
    except openai.APIError as error:
        raise _trouble(error, endpoint) from None
    except httpx2.HTTPError as error:  # the body broke off after its head had come
        late = isinstance(error, httpx2.TimeoutException)
        raise _cut(error, endpoint, TroubleKind.LATE if late else TroubleKind.CUT) from None
    raw = _parse_stream(content) if streams and _is_stream(content) else _parse(content)
    return Answer(raw, time.monotonic() - began)


@lru_cache(maxsize=16)
def _client(endpoint: Endpoint) -> openai.OpenAI:
    """Making one takes a tenth of a second: it reads every certificate of the machine.

    Connections are not kept: one that the provider closed meanwhile would look like a request
    that broke off, which may have been charged.
    """
    timeout = httpx2.Timeout(endpoint.timeout, connect=_CONNECT_SECONDS)
    limits = httpx2.Limits(max_keepalive_connections=0)
    return openai.OpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.key or "none",
        max_retries=0,
        http_client=openai.DefaultHttpxClient(timeout=timeout, limits=limits),
        timeout=timeout,
    )


def _read(chunks: Iterable[bytes], deadline: float) -> bytes:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if time.monotonic() > deadline:
            raise Trouble(TroubleKind.LATE, "The answer was still coming when its time was up.")
        if len(content) > LARGEST_ANSWER:
            raise Trouble(TroubleKind.CUT, "The answer is larger than 32 MB.")
    return bytes(content)


def _parse(content: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(content)
    except ValueError:
        start = content[:80].decode("utf-8", "replace")
        raise Trouble(TroubleKind.CUT, f"The provider's answer is not JSON: {start!r}.") from None
    return _checked(raw)


def _checked(raw: object) -> dict[str, Any]:
    if isinstance(raw, dict) and raw.get("error") and not raw.get("choices"):
        raise _told(raw["error"])
    if not isinstance(raw, dict) or not isinstance(raw.get("choices"), list):
        raise Trouble(TroubleKind.CUT, "The provider's answer is not a chat completion.")
    return raw


def _is_stream(content: bytes) -> bool:
    return not content.lstrip().startswith(b"{")


def _parse_stream(content: bytes) -> dict[str, Any]:
    """The chunks of an event stream, put together to one completion."""
    found: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant"}
    finish: str | None = None
    ended = False
    for line in content.decode("utf-8", "replace").splitlines():
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            ended = True
            break
        chunk = _chunk(data)
        found |= {name: chunk[name] for name in ("id", "model", "usage") if chunk.get(name)}
        for choice in chunk.get("choices") or []:
            if isinstance(choice, dict) and not choice.get("index"):
                _add_delta(message, choice.get("delta") or {})
                finish = choice.get("finish_reason") or finish
    if not ended and finish is None:
        raise Trouble(TroubleKind.CUT, "The answer's stream broke off.")
    return found | {"streamed": True, "choices": [{"message": message, "finish_reason": finish}]}


def _chunk(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except ValueError:
        chunk = None
    if not isinstance(chunk, dict):
        raise Trouble(TroubleKind.CUT, "The answer's stream holds something that is not JSON.")
    if chunk.get("error"):
        raise _told(chunk["error"])
    return chunk


def _add_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name in ("content", "refusal", "reasoning", "reasoning_content"):
        if isinstance(delta.get(name), str):
            message[name] = message.get(name, "") + delta[name]
    for call in delta.get("tool_calls") or []:
        calls = message.setdefault("tool_calls", [])
        while len(calls) <= call.get("index", 0):
            calls.append({"function": {"name": "", "arguments": ""}})
        function = calls[call.get("index", 0)]["function"]
        for name, text in (call.get("function") or {}).items():
            function[name] = function.get(name, "") + (text or "")


def _told(error: object) -> Trouble:
    """An error that came inside an answer of status 200, as routers send them."""
    body = error if isinstance(error, dict) else {"message": error}
    sentence = str(body.get("message") or "no words")[:500]
    kind = _KINDS.get(str(body.get("code")), TroubleKind.CUT)
    return Trouble(kind, f"The provider says: {sentence}")


_KINDS = {
    "400": TroubleKind.REFUSED,
    "401": TroubleKind.KEY,
    "402": TroubleKind.MONEY,
    "403": TroubleKind.KEY,
    "404": TroubleKind.SETUP,
    "405": TroubleKind.SETUP,
    "408": TroubleKind.LATE,
    "409": TroubleKind.DOWN,
    "429": TroubleKind.BUSY,
}
_EMPTY_ACCOUNT = {"insufficient_quota", "billing_hard_limit_reached", "insufficient_credits"}


def _trouble(error: openai.APIError, endpoint: Endpoint) -> Trouble:
    if isinstance(error, openai.APIStatusError):
        return _of_status(error)
    cause = error.__cause__
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
        words = str(cause) or type(cause).__name__
        sentence = f"{endpoint.base_url} cannot be reached: {words}"
        return Trouble(TroubleKind.DOWN, sentence)
    if isinstance(error, openai.APITimeoutError):
        return _cut(error, endpoint, TroubleKind.LATE)
    return _cut(cause or error, endpoint, TroubleKind.CUT)


def _cut(error: BaseException, endpoint: Endpoint, kind: TroubleKind) -> Trouble:
    if kind == TroubleKind.LATE:
        return Trouble(kind, f"There was no answer within {endpoint.timeout:.0f} s.")
    return Trouble(kind, f"The connection broke off: {error or type(error).__name__}")


def _of_status(error: openai.APIStatusError) -> Trouble:
    status = error.status_code
    kind = _KINDS.get(str(status), TroubleKind.DOWN if status >= 500 else TroubleKind.REFUSED)
    if _EMPTY_ACCOUNT & {str(error.code), str(error.type)}:
        kind = TroubleKind.MONEY
    body = error.body if isinstance(error.body, dict) else {}
    words = str(body.get("message") or error.message)[:500]
    return Trouble(
        kind, f"The provider answered {status}: {words}", _retry_after(error.response.headers)
    )


def _retry_after(headers: Any) -> float | None:
    """Seconds of a Retry-After header, given in (milli)seconds or as a date."""
    try:
        if "retry-after-ms" in headers:
            return max(float(headers["retry-after-ms"]) / 1000, 0.0)
        return max(float(headers["retry-after"]), 0.0)
    except KeyError:
        return None
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
