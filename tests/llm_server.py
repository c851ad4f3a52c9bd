"""An OpenAI-compatible server for tests: it answers, streams, and misbehaves on command.

It charges as providers do: an answer that was begun is paid for, whether or not anyone is there
to receive it, and a request with the idempotency key of an earlier one is that earlier one.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass(slots=True)
class Request:
    """What came in."""

    body: Body
    key: str
    idempotency_key: str

    @property
    def prompt(self) -> str:
        return "\n".join(message["content"] for message in self.body["messages"])


def completion(text: str | None = None, *, finish: str = "stop", **message: Any) -> Body:
    """A chat completion as the official API sends it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "test-model-2026-01-01",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish,
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


@dataclass(slots=True)
class Behaviour:
    """What to do with one request."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None  # instead of a body
    hangs: bool = False  # takes the request and never answers
    cut: bool = False  # closes the connection in the middle of the answer
    wait: threading.Event | None = None  # answers only once this is set


def error(status: int, message: str = "no", code: str = "", **headers: str) -> Behaviour:
    body = {"error": {"message": message, "type": "test", "code": code or None}}
    return Behaviour(status, body, {name.replace("_", "-"): v for name, v in headers.items()})


class LlmServer:
    """Behaviours are taken from `script` first; when it is empty, `usual` decides."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.paid: dict[str, int] = {}
        self.script: deque[Behaviour] = deque()
        self.usual: Callable[[Request], Behaviour | str] = lambda _: CODE
        self.valid_key = ""
        self.delay = 0.0
        self.began = threading.Condition()
        self._ended = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Also after `stop`, on the same port."""
        self._ended.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._ended.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait_for_requests(self, number: int, seconds: float = 120) -> None:
        with self.began:
            assert self.began.wait_for(lambda: len(self.requests) >= number, seconds)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers.get("Authorization", "").removeprefix("Bearer ")
                request = Request(body, key, self.headers.get("Idempotency-Key", ""))
                server._take(self, request)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _take(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        with self.began:
            self.requests.append(request)
            behaviour = self._behaviour(request)
            if behaviour.status == 200 and not behaviour.hangs:
                self.paid[request.idempotency_key] = self.paid.get(request.idempotency_key, 0) + 1
            self.began.notify_all()
        if behaviour.hangs:
            self._ended.wait(300)
            return
        if behaviour.wait is not None:
            behaviour.wait.wait(300)
        time.sleep(self.delay)
        with suppress(OSError):
            _send(handler, request, behaviour)

    def _behaviour(self, request: Request) -> Behaviour:
        if self.valid_key and request.key != self.valid_key:
            return error(401, f"Incorrect API key provided: {request.key}", "invalid_api_key")
        if self.script:
            return self.script.popleft()
        found = self.usual(request)
        return Behaviour(body=completion(found)) if isinstance(found, str) else found


CODE = "Here it is.\n```python\nimport jax.numpy as jnp\nprint(jnp.ones(2).sum())\n```\n"


def _send(handler: BaseHTTPRequestHandler, request: Request, behaviour: Behaviour) -> None:
    completes = isinstance(behaviour.body, dict) and "choices" in behaviour.body
    streams = bool(request.body.get("stream")) and behaviour.status == 200 and completes
    if behaviour.raw is not None:
        content, kind = behaviour.raw, "text/plain"
    elif streams:
        content, kind = b"".join(_events(behaviour.body)), "text/event-stream"
    else:
        content, kind = json.dumps(behaviour.body).encode(), "application/json"
    handler.send_response(behaviour.status)
    for name, value in {"Content-Type": kind, **behaviour.headers}.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2] if behaviour.cut else content)
    handler.close_connection = True


def _events(body: Body) -> Iterator[bytes]:
    """A completion as server-sent events, a few characters each."""

    def event(**parts: Any) -> bytes:
        chunk = {"id": body["id"], "model": body["model"], "choices": []} | parts
        return f"data: {json.dumps(chunk)}\n\n".encode()

    for choice in body["choices"]:
        message = choice["message"]
        yield event(choices=[{"index": 0, "delta": {"role": "assistant"}}])
        for name in ("reasoning_content", "content", "refusal"):
            text = message.get(name) or ""
            for start in range(0, len(text), 7):
                delta = {name: text[start : start + 7]}
                yield event(choices=[{"index": 0, "delta": delta, "finish_reason": None}])
        for index, call in enumerate(message.get("tool_calls") or []):
            delta = {"tool_calls": [{"index": index, "function": call["function"]}]}
            yield event(choices=[{"index": 0, "delta": delta}])
        yield event(choices=[{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}])
    yield event(usage=body["usage"])
    yield b"data: [DONE]\n\n"


@contextmanager
def llm_server() -> Iterator[LlmServer]:
    server = LlmServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
