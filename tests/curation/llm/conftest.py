from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.llm import pipeline, prompts
from curation.models import LanguageModel
from tests.llm_server import LlmServer, llm_server


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with llm_server() as running:
        yield running


@pytest.fixture(scope="session")
def journal_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder, and so one courier, for all tests: a courier takes a second to start."""
    yield tmp_path_factory.mktemp("data")
    pipeline.courier().close()


@pytest.fixture(autouse=True)
def quick(settings: Any, journal_folder: Path) -> None:
    """Short pauses, and a journal of the tests' own."""
    settings.T2J_LLM_BACKOFF, settings.T2J_LLM_PATIENCE = 0.02, 60.0
    settings.T2J_DATA = journal_folder


@pytest.fixture
def model(db: None, server: LlmServer) -> LanguageModel:
    prompts.load_shipped()
    return LanguageModel.objects.create(
        name="cheap", base_url=server.url, model_id="test-model", input_price=1, output_price=10
    )
