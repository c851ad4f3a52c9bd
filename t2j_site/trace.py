"""Which request and which run a line of the log is about, from the web server to the workers."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun
from django.http import HttpRequest, HttpResponse

from t2j_site.counters import here

HEADER = "X-Request-ID"
# In the headers of a Celery message.
_MESSAGE_HEADER = "t2j_request"
_SHAPE = re.compile(r"[A-Za-z0-9._-]{8,64}")
_RUN_TASK = "executor.tasks.verify_run"

_request: ContextVar[str] = ContextVar("request", default="")
_run: ContextVar[int | None] = ContextVar("run", default=None)
logger = logging.getLogger("t2j_site.requests")


def ids() -> dict[str, str | int]:
    """The request and the run that are worked on, as far as there are such."""
    known: dict[str, str | int] = {}
    if request := _request.get():
        known["request"] = request
    if (run := _run.get()) is not None:
        known["run"] = run
    return known


def taken_or_made(given: str | None) -> str:
    """The id that came with a request, if it is a plain one; else a new one."""
    return given if given and _SHAPE.fullmatch(given) else uuid.uuid4().hex


class TraceMiddleware:
    """Gives each request an id, returns it in X-Request-ID, counts the answer and logs it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name, began = taken_or_made(request.headers.get(HEADER)), time.monotonic()
        token = _request.set(name)
        try:
            response = self.get_response(request)
            seconds = time.monotonic() - began
            here.count(request.path, request.method or "", response.status_code, seconds)
            _log(request, response.status_code, seconds)
        finally:
            _request.reset(token)
        response[HEADER] = name
        return response


def _log(request: HttpRequest, status: int, seconds: float) -> None:
    # Without the query: filters hold what people look for, links may hold tokens.
    logger.info(
        "request",
        extra={
            "method": request.method,
            "path": request.path,
            "status": status,
            "ms": round(seconds * 1000),
            "user": _person(request),
        },
    )


def _person(request: HttpRequest) -> int | None:
    """The person's number, where somebody asked for it already: a log line reads no database."""
    user = getattr(request, "_cached_user", None)
    return user.pk if user is not None else None


def connect() -> None:
    """Has messages carry the request's id, and workers take it up; called once, by the app."""
    before_task_publish.connect(_send_along)
    task_prerun.connect(_take_up)
    task_postrun.connect(_put_down)
    setup_logging.connect(_use_our_logging)


def _send_along(headers: dict[str, Any] | None = None, **_: object) -> None:
    if headers is not None and (name := _request.get()):
        headers[_MESSAGE_HEADER] = name


def _take_up(task: Any = None, args: Any = (), **_: object) -> None:
    _request.set(task.request.get(_MESSAGE_HEADER) or "")
    _run.set(args[0] if task.name == _RUN_TASK and args else None)


def _put_down(**_: object) -> None:
    _request.set("")
    _run.set(None)


def _use_our_logging(**_: object) -> None:
    """Celery would set up lines of its own in its workers."""
    import logging.config

    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
