"""`./t2j test` gives pytest fast services of its own and hands its exit code on."""

import subprocess
from collections.abc import Callable
from pathlib import Path

_TEST = """
import os
import psycopg

def test_services():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)
    assert os.environ["BROKER_URL"].startswith("redis://")
    assert not os.environ["T2J_DATA"].startswith(os.getcwd())
    assert {expected}
"""


def test_exit_codes_and_services(
    launcher: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    for expected, code, words in (("True", 0, "1 passed"), ("False", 1, "1 failed")):
        file = tmp_path / f"test_{expected.lower()}.py"
        file.write_text(_TEST.format(expected=expected))
        process = launcher("test", str(file), "-q", "-p", "no:cacheprovider")
        said = process.communicate(timeout=120)[0]
        assert process.returncode == code, said
        assert words in said.splitlines()[-1]
