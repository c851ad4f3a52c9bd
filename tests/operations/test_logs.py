"""Lines of the logs: with the ids of request and run, without programs and secrets."""

import json
import logging
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.test import Client

from curation.models import Revision
from t2j_site.logs import Json, Line, logging_for
from t2j_site.trace import TraceMiddleware, taken_or_made
from tests.factories import head_of, make_draft

PROGRAM = "import jax\nsecret_sauce = jax.numpy.ones(3)\n"


def record(text: str, *args: object, error: bool = False, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("t2j", logging.ERROR, __file__, 1, text, args, None)
    made.exc_info = sys.exc_info() if error else None
    vars(made).update(extra)
    return made


def both(made: logging.LogRecord) -> list[str]:
    return [Line().format(made), Json().format(made)]


def test_a_line_of_json() -> None:
    line = json.loads(Json().format(record("run %s: done", 7, method="GET", ms=12)))
    assert line.pop("time").endswith("+00:00")
    assert line.pop("process") > 0
    assert line == {
        "level": "ERROR",
        "logger": "t2j",
        "message": "run 7: done",
        "method": "GET",
        "ms": 12,
    }


@pytest.mark.parametrize(
    "text",
    [
        "postgres://t2j:hunter22@db/t2j refused",
        "Authorization: Token hunter22hunter22",
        "sent Bearer hunter22.hunter22",
        "password=hunter22&next=/",
        '{"api_key": "hunter22"}',
        "T2J_SECRET_KEY = 'hunter22'",
        "the key sk-hunter22-hunter22 was refused",
        "Cookie sessionid=hunter22",
    ],
)
def test_secrets_are_blacked_out(text: str) -> None:
    for line in both(record(text)):
        assert "hunter22" not in line
        assert "…" in line
    try:
        raise ValueError(text)
    except ValueError:
        for line in both(record("broke", error=True)):
            assert "hunter22" not in line


def test_programs_are_not_quoted() -> None:
    """Not in a message, not by an error, not by the repr of one, not by what led to it."""
    try:
        try:
            raise SyntaxError(f"what is this?\n{PROGRAM}")
        except SyntaxError as first:
            raise RuntimeError(repr(first)) from first
    except RuntimeError as error:
        lines = both(record("task raised %r\n%s", error, PROGRAM, error=True))
    for line in lines:
        assert "secret_sauce" not in line
        assert "RuntimeError" in line and "SyntaxError: what is this?" in line
        assert "test_logs.py:" in line
    assert len(lines[1].splitlines()) == 1
    assert len(json.loads(Json().format(record("x" * 10_000)))["message"]) == 500


@pytest.mark.django_db
def test_the_database_s_words_do_not_quote_rows() -> None:
    revision = head_of(make_draft(PROGRAM))
    fields = {"draft": revision.draft, "number": revision.number, "code": PROGRAM}
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        Revision.objects.create(**fields, sha256="0" * 64)
    assert "DETAIL" in str(caught.value)
    made = record("not stored: %s", caught.value)
    made.exc_info = (IntegrityError, caught.value, caught.value.__traceback__)
    for line in both(made):
        assert "DETAIL" not in line and "secret_sauce" not in line


def test_a_form_that_is_none_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="one of line, json"):
        logging_for("xml", "INFO")


@pytest.mark.parametrize("given", ["abc-123_DEF.4", "0" * 64])
def test_a_plain_id_is_taken(client: Client, given: str) -> None:
    assert client.get("/healthz", HTTP_X_REQUEST_ID=given)["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given", [None, "", "short", "0" * 65, "a b c d e f", "x\x1b[31mredx", "é" * 9]
)
def test_another_gets_a_new_one(given: str | None) -> None:
    made = taken_or_made(given)
    assert made != given and len(made) == 32
    assert made != taken_or_made(given)


def test_every_answer_has_an_id(client: Client, db: None) -> None:
    for path in ("/login/", "/nothing/here/", "/api/v1/", "/static/css/studio.css"):
        assert len(client.get(path)["X-Request-ID"]) == 32, path


@pytest.mark.django_db
def test_the_line_of_a_request(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "t2j_site.requests")
    caplog.handler.setFormatter(Json())
    client.get("/?q=looked-for", HTTP_X_REQUEST_ID="the-request")
    line = json.loads(caplog.text.splitlines()[-1])
    assert line["request"] == "the-request"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/", 200)
    assert "looked-for" not in caplog.text
    assert isinstance(line["user"], int)


def test_ids_end_with_their_request(rf: Any) -> None:
    def broken(request: Any) -> Any:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        TraceMiddleware(broken)(rf.get("/"))
    assert "request" not in json.loads(Json().format(record("later")))
