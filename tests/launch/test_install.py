"""Real environments, with a package of our own instead of a download."""

import dataclasses
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from t2j_site.launch import install
from t2j_site.launch.errors import LaunchError
from t2j_site.launch.install import Target


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two versions of a wheel; pip sees nothing else."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for version in ("1.0", "2.0"):
        wheel(shelf, version)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("T2J_RUNTIMES", str(tmp_path / "runtimes"))
    return shelf


def wheel(shelf: Path, version: str) -> None:
    info = f"little-{version}.dist-info"
    with zipfile.ZipFile(shelf / f"little-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("little.py", f"VERSION = {version!r}\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: little\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


def target(tmp_path: Path, version: str) -> Target:
    lock = tmp_path / "lock"
    lock.write_text(f"little=={version}\n")
    prefix = tmp_path / "environment"
    return Target(
        name="little",
        prefix=prefix,
        stamp=prefix / "stamp",
        requirements=("little",),
        constraints=lock,
        covers=(version,),
        expected=1,
        free_mb=1,
    )


def test_an_environment_is_made_skipped_when_current_and_follows_its_pins(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = target(tmp_path, "1.0")
    install.ensure([first])
    told = capsys.readouterr().err
    assert "little: 1 of 1, 0.0 MB, little (0.0 MB)" in told
    assert "little: ready in" in told
    assert version_in(first) == "1.0"

    install.ensure([first])
    assert capsys.readouterr().err == ""

    second = target(tmp_path, "2.0")
    assert not install.is_current(second)
    install.ensure([second])
    assert version_in(second) == "2.0"
    assert not install.is_current(first)


def test_a_failure_shows_the_end_of_pip_and_what_to_do(shelf: Path, tmp_path: Path) -> None:
    missing = dataclasses.replace(target(tmp_path, "1.0"), requirements=("absent",))
    with pytest.raises(LaunchError) as caught:
        install.ensure([missing])
    words = str(caught.value)
    assert "No matching distribution found for absent" in words
    assert "Your package index does not offer this version" in words
    assert str(missing.log) in words
    assert not install.is_current(missing)


def test_no_disk_space(shelf: Path, tmp_path: Path) -> None:
    huge = dataclasses.replace(target(tmp_path, "1.0"), free_mb=10**9)
    with pytest.raises(LaunchError, match=r"No disk space for little .*T2J_VENV"):
        install.ensure([huge])


def test_a_python_without_ensurepip(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "venv" or None)
    with pytest.raises(LaunchError, match=r"ensurepip is missing.*apt-get install python3"):
        install.ensure([target(tmp_path, "1.0")])


def version_in(made: Target) -> str:
    done = subprocess.run(
        [made.python, "-c", "import little; print(little.VERSION)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
