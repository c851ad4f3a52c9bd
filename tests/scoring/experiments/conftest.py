import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.enums import PromptUse
from curation.importers.source import PathSource
from curation.llm import pipeline
from curation.llm.prompts import current, load_shipped
from curation.management.commands.load_taxonomy import load_taxonomy
from curation.models import Dataset, LanguageModel
from curation.services.imports import import_files
from scoring.enums import ExperimentKind
from scoring.experiments import services
from scoring.experiments.policy import Policy, Source
from scoring.models import Experiment
from tests.factories import make_dataset
from tests.llm_server import LlmServer, llm_server


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with llm_server() as running:
        yield running


@pytest.fixture(scope="session")
def journal_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("data")
    pipeline.courier().close()


@pytest.fixture(autouse=True)
def quick(settings: Any, journal_folder: Path) -> None:
    settings.T2J_LLM_BACKOFF, settings.T2J_LLM_PATIENCE = 0.02, 60.0
    settings.T2J_DATA = journal_folder


@pytest.fixture
def model(db: None, server: LlmServer) -> LanguageModel:
    load_shipped()
    return LanguageModel.objects.create(
        name="cheap",
        base_url=server.url,
        model_id="m",
        input_price=1,
        output_price=10,
        concurrency=1,  # asked by the test's own thread, so that no test needs a flush
    )


@pytest.fixture
def fixed(db: None, tmp_path: Path) -> Dataset:
    """Six examples with fix steps of several categories."""
    load_taxonomy()
    file = tmp_path / "fixed.json"
    file.write_text(json.dumps({"Pytorch_to_JAX_Examples": [_fixed(n) for n in range(6)]}))
    dataset = make_dataset("fixed")
    report = import_files(dataset, [PathSource(file, file.name)], by=None)
    assert report.new == 6, report.notes
    return dataset


CATEGORIES = ["Numerical", "Initialization", "API Hallucination"]


def _fixed(number: int) -> dict[str, Any]:
    draft = f"import jax.numpy as jnp\nx{number} = jnp.one(2)\nprint(x{number}.sum())\n"
    fix = draft.replace(".one(", ".ones(")
    layer = ["Linear", "Conv2d", "LSTM"][number % 3]
    return {
        "Example_id": f"e{number}",
        "Input_Code": f"import torch.nn as nn\nm = nn.{layer}(2, {number})\nprint(m)\n",
        "LLM_weak_output": draft,
        "LLM_fix_output": fix,
        "Errors": [
            {
                "Error_Code": f"x{number} = jnp.one(2)",
                "Error": "AttributeError",
                "Fix_info": f"There is no one; program {number} means ones.",
                "Fixed_Code": f"x{number} = jnp.ones(2)",
            }
        ],
    }


def make_experiment(
    dataset: Dataset,
    model: LanguageModel,
    *,
    context: Policy | None = None,
    samples: int = 1,
    **fields: Any,
) -> Experiment:
    policy = context or Policy()
    use = PromptUse.STANDARD if policy.source == Source.NONE else PromptUse.AUGMENTED
    plan = services.SettingPlan("one", model, current(use), policy, samples=samples)
    options = {"slug": "x", "title": "X", "kind": ExperimentKind.INTRINSIC, "by": None} | fields
    return services.create_experiment(dataset, settings=[plan], **options)
