"""Runtime files are read strictly, and their mistakes named."""

import re
from pathlib import Path

import pytest

from executor import runtimes
from executor.runtimes import RuntimeUnavailable


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of runtime files in place of the project's, with its own environments."""
    monkeypatch.setattr(runtimes, "HERE", tmp_path)
    monkeypatch.setenv("T2J_RUNTIMES", str(tmp_path / "environments"))
    return tmp_path


def _write(folder: Path, **changes: str) -> None:
    values = {"name": '"small"', "side": '"candidate"', "requirements": "[]", **changes}
    text = "\n".join(f"{key} = {value}" for key, value in values.items() if value)
    (folder / "small.toml").write_text(text)


def test_the_projects_own_runtimes_are_described() -> None:
    assert {"jax", "torch"} <= set(runtimes.names())
    sides = {name: runtimes.describe(name).side for name in ("jax", "torch")}
    assert sides == {"jax": "candidate", "torch": "reference"}
    assert runtimes.load("jax").python.exists()


def test_an_unknown_runtime_names_the_known_ones(described: Path) -> None:
    _write(described)
    with pytest.raises(RuntimeUnavailable, match=r"There is no runtime 'other'; known: small"):
        runtimes.load("other")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": '"else"'}, "`name` must be 'small'"),
        ({"side": '"both"'}, "`side` must be 'reference' or 'candidate'"),
        ({"requirements": '"numpy"'}, "`requirements` must be a list of texts"),
        ({"requirements": ""}, "`requirements` must be a list of texts"),
        ({"colour": '"red"'}, "unknown key 'colour'"),
        ({"env": "{ A = 1 }"}, "every value of"),
        ({"side": "candidate"}, "small.toml: Invalid value"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(
    described: Path, changes: dict[str, str], sentence: str
) -> None:
    _write(described, **changes)
    with pytest.raises(RuntimeUnavailable, match=r"small\.toml") as caught:
        runtimes.describe("small")
    assert sentence in str(caught.value)


def test_a_runtime_without_its_environment_says_how_to_get_it(described: Path) -> None:
    _write(described)
    sentence = "Runtime 'small' is not installed: ./t2j manage install_runtime small"
    with pytest.raises(RuntimeUnavailable, match=re.escape(sentence)):
        runtimes.load("small")


def test_the_stamp_changes_with_the_description_and_with_the_pins(described: Path) -> None:
    _write(described)
    stamps = [runtimes.stamp("small")]
    _write(described, summary='"other"')
    stamps.append(runtimes.stamp("small"))
    (described / "small.lock").write_text("numpy==2.4.6\n")
    stamps.append(runtimes.stamp("small"))
    assert len(set(stamps)) == 3
