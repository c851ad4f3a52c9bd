"""Models that stand in the file T2J_MODELS."""

from pathlib import Path
from typing import Any

import pytest

from curation.llm.calls import LlmError
from curation.llm.registry import find_model
from curation.models import LanguageModel

pytestmark = pytest.mark.django_db

GOOD = """
[small]
role = "cheap"
base_url = "https://host.example/v1"
model_id = "vendor/small"
key_env = "VENDOR_KEY"
input_price = 0.15
output_price = 0.6
params = { temperature = 0.0 }
"""


@pytest.fixture
def models_file(settings: Any, tmp_path: Path) -> Path:
    file = tmp_path / "models.toml"
    settings.T2J_MODELS = str(file)
    return file


def test_models_of_the_file_are_found_by_name(models_file: Path) -> None:
    models_file.write_text(GOOD)
    model = find_model("small")
    assert (model.model_id, model.key_env, model.params) == (
        "vendor/small",
        "VENDOR_KEY",
        {"temperature": 0.0},
    )
    models_file.write_text(GOOD.replace("vendor/small", "vendor/newer"))
    assert find_model("small").model_id == "vendor/newer"
    assert LanguageModel.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[small\n", "is not TOML"),
        ("small = 3\n", r"\[small\] is not a table"),
        (GOOD + 'api_key = "sk-1"\n', "holds a key. Name the variable"),
        (GOOD + "colour = 3\n", "unknown colour"),
        (GOOD.replace('"cheap"', '"free"'), "free"),
        (GOOD.replace('model_id = "vendor/small"\n', ""), "model_id"),
    ],
)
def test_a_file_that_is_wrong_says_where(models_file: Path, text: str, words: str) -> None:
    models_file.write_text(text)
    with pytest.raises(LlmError, match=words) as caught:
        find_model("small")
    assert str(models_file) in str(caught.value)
    assert "sk-1" not in str(caught.value)


def test_a_file_that_is_not_there(models_file: Path) -> None:
    with pytest.raises(LlmError, match="cannot be read: No such file"):
        find_model("small")


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(LlmError, match=r"There is no model “big”\. Known: none yet"):
        find_model("big")
