"""Lines of the logs, for people or as JSON, without code bodies and without secrets."""

import json
import logging
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from t2j_site.trace import ids

_LONGEST = 500
# An error's own words may quote a program or a row: one short line says enough.
_LONGEST_ERROR = 200
_LINE_END = re.compile(r"\r|\n|\\n")
_SECRETS = (
    (re.compile(r"(\w://)[^/\s@]+@"), r"\1…@"),
    (re.compile(r"\b(Token|Bearer|Basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE), r"\1 …"),
    (
        re.compile(
            r"((?:password|passwd|secret|token(?!s)|api[_-]?key|authorization|sessionid)"
            r"[\w-]*[\"']?\s*[=:]\s*)[\"']?[^\s\"'&,;]+",
            re.IGNORECASE,
        ),
        r"\1…",
    ),
    (re.compile(r"\b(?:sk|pk|hf|ghp|xox[a-z])[-_][\w-]{12,}"), "…"),
)
# What a line of ours may carry beside its text.
EXTRAS = ("method", "path", "status", "ms", "user")


def short(text: str, longest: int = _LONGEST) -> str:
    """The first line of a text, cut, with what looks like a secret blacked out."""
    line = _LINE_END.split(text, maxsplit=1)[0]
    for pattern, instead in _SECRETS:
        line = pattern.sub(instead, line)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _errors(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, the newest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> list[str]:
    """Where it happened: places in our files, no lines of them."""
    return [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]


def _told(error: BaseException) -> str:
    said = short(str(error), _LONGEST_ERROR)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


class Line(logging.Formatter):
    """One line, and the places of an error below it."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(" ", "milliseconds")
        known = "".join(f" {name}={value}" for name, value in ids().items())
        lines = [f"{when} {record.levelname} {record.name}:{known} {short(record.getMessage())}"]
        for error in _errors(record.exc_info[1] if record.exc_info else None):
            lines.append(f"  {_told(error)}")
            lines += [f"    {frame}" for frame in _frames(error)]
        return "\n".join(lines)


class Json(logging.Formatter):
    """One JSON object a line: what collectors of logs take."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": short(record.getMessage()),
            "process": record.process,
            **ids(),
        }
        for name in EXTRAS:
            if (value := getattr(record, name, None)) is not None:
                line[name] = short(value) if isinstance(value, str) else value
        errors = list(_errors(record.exc_info[1] if record.exc_info else None))
        if errors:
            line["error"] = [{"said": _told(error), "at": _frames(error)} for error in errors]
        return json.dumps(line, ensure_ascii=False, default=str)


_FORMATTERS = {"line": Line, "json": Json}


def logging_for(form: str, level: str) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes.

    Raises:
        ImproperlyConfigured: there is no such form.
    """
    if form not in _FORMATTERS:
        raise ImproperlyConfigured(
            f"T2J_LOG_FORMAT is {form!r}: it is one of {', '.join(_FORMATTERS)}."
        )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"safe": {"()": _FORMATTERS[form]}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "safe"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Django's own handler would write its lines a second time while debugging.
            "django": {"handlers": [], "propagate": True},
            "gunicorn.error": {"handlers": ["console"], "propagate": False, "level": level},
            # A line for each request is for collectors; people would drown in it.
            "t2j_site.requests": {"level": level if form == "json" else "WARNING"},
        },
    }
