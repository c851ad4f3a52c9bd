import ast
import json
import socket
import subprocess
import sys

import pytest

from t2j_site.launch import cli, paths, ports
from t2j_site.launch.errors import LaunchError


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (["up", "--data", "d"], ("d", ["up"])),
        (["--data=d", "up"], ("d", ["up"])),
        (["manage", "x", "--data", "d", "y"], ("d", ["manage", "x", "y"])),
        (["manage", "x", "--", "--data", "d"], (None, ["manage", "x", "--", "--data", "d"])),
    ],
)
def test_data_may_stand_anywhere(given: list[str], taken: tuple[str | None, list[str]]) -> None:
    assert cli.take_data(given) == taken


def test_data_without_a_folder() -> None:
    with pytest.raises(LaunchError, match="--data needs a folder"):
        cli.take_data(["up", "--data"])


def test_older_pythons_get_a_sentence() -> None:
    ast.parse((paths.ROOT / "t2j").read_text(), feature_version=(3, 4))
    code = (
        "import runpy, sys; sys.version_info = (3, 8, 1);"
        f"runpy.run_path({str(paths.ROOT / 't2j')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["upp"]) == 2
    assert "there is no command 'upp'" in capsys.readouterr().err


def test_nothing_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("none") / "never made"
    arguments = ["--data", str(data)]
    command = [sys.executable, str(paths.ROOT / "t2j")]
    status = subprocess.run(
        [*command, "status", "--json", *arguments], capture_output=True, text=True, check=False
    )
    assert status.returncode == 3
    assert json.loads(status.stdout) == {"running": False, "data": str(data)}
    stop = subprocess.run(
        [*command, "stop", *arguments], capture_output=True, text=True, check=False
    )
    assert (stop.returncode, stop.stdout) == (0, f"Nothing runs on {data}.\n")
    assert not data.exists()


def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=rf"Port {port} is in use .*--port {port + 1}"):
            ports.check_free("127.0.0.1", port)


def test_a_number_that_is_no_port() -> None:
    with pytest.raises(LaunchError, match="70000 is no port"):
        ports.check_free("127.0.0.1", 70000)
