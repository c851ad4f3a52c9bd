"""The look for holes in dependencies, against an index of the test's own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from t2j_site.launch import paths

HOLE = {"id": "PYSEC-0000-1", "fixed_in": ["9.9"], "withdrawn": None}
Answer = Callable[[str, str], tuple[int, Any]]


class Index:
    """A package index that knows of holes; `answer` says what it tells of a name and version."""

    def __init__(self) -> None:
        self.answer: Answer = lambda name, version: (200, {"vulnerabilities": []})
        self.asked: list[tuple[str, str]] = []
        self.port = 0


@pytest.fixture
def index() -> Iterator[Index]:
    own = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, kind, name, version, last = self.path.split("/")
            assert (kind, last) == ("pypi", "json")
            own.asked.append((name, version))
            status, body = own.answer(name, version)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own.port = server.server_port
        yield own
        server.shutdown()


def audit(port: int, *, ci: bool = True, **more: str) -> tuple[int, str]:
    env = os.environ | {
        "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple/",
        "PIP_CONFIG_FILE": os.devnull,
        "CI": "true" if ci else "",
        "no_proxy": "127.0.0.1",
        **more,
    }
    command = [sys.executable, "-m", "t2j_site.launch.audit"]
    done = subprocess.run(
        command, env=env, cwd=paths.ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def one_hole(name: str, version: str) -> tuple[int, Any]:
    holes = [HOLE] if name in ("jax", "numpy") else []
    return 200, {"vulnerabilities": holes}


def test_every_pin_is_asked_once(index: Index) -> None:
    code, said = audit(index.port)
    assert code == 0 and "0 known holes" in said
    assert len(index.asked) == len(set(index.asked)) > 100
    names = {name for name, _ in index.asked}
    assert {"django", "torch", "jax"} <= names
    assert not [version for _, version in index.asked if "+" in version]


def test_a_hole_is_named_and_fails_where_it_is_watched(index: Index) -> None:
    index.answer = one_hole
    code, said = audit(index.port)
    assert code == 1 and ": PYSEC-0000-1, fixed in 9.9" in said
    assert audit(index.port, ci=False) == (0, said)


def test_what_does_not_reach_us_is_accepted_with_a_reason(index: Index, tmp_path: Path) -> None:
    index.answer = one_hole
    file = tmp_path / "accepted.txt"
    file.write_text("# why\nPYSEC-0000-1 no picture of a stranger is read\n")
    assert audit(index.port, T2J_ACCEPTED_HOLES=str(file))[0] == 0
    index.answer = lambda *_: (200, {"vulnerabilities": [HOLE | {"withdrawn": "2026-01-01"}]})
    assert audit(index.port)[0] == 0


@pytest.mark.parametrize(
    "answer",
    [(404, b""), (500, b"x"), (200, b"<html>"), (200, {"info": {}}), (200, {"vulnerabilities": 3})],
)
def test_an_index_that_tells_nothing_is_skipped(index: Index, answer: tuple[int, Any]) -> None:
    index.answer = lambda *_: answer
    code, said = audit(index.port)
    assert code == 0 and "does not tell of holes: skipped" in said
    assert len(index.asked) == 1, "what has not even Django is asked for nothing else"


def test_without_a_network_it_is_skipped(index: Index) -> None:
    code, said = audit(1)
    assert code == 0 and "skipped" in said and index.asked == []


def test_single_packages_that_it_does_not_know_are_counted(index: Index) -> None:
    index.answer = lambda name, _: (404, b"") if name == "jax" else (200, {"vulnerabilities": []})
    code, said = audit(index.port)
    asked, _, total = said.partition(" of ")
    assert code == 0 and 0 < int(total.split()[0]) - int(asked) < 5
