"""A small experiment: three settings over four examples, with verdicts, repairs and judges."""

import json
from pathlib import Path
from typing import Any

from curation.enums import ModelRole, PromptUse, StepKind
from curation.llm.prompts import current, load_shipped
from curation.models import CallBatch, Dataset, Example, LanguageModel
from curation.models.base import sha256
from curation.services.steps import StepText, save_step
from executor import pipeline
from executor.models import Run
from executor.parity.outcome import Kind, Outcome, Reason, Stage, Verdict, failed, undecided
from executor.services import request_run
from scoring.enums import ExperimentKind, TranslationState
from scoring.models import Experiment, Setting, Translation
from tests.factories import make_dataset, make_draft, make_example

FIXED = "import jax.numpy as jnp\n\ndef step(w, x):\n    y = jnp.dot(w, x)\n    return y + w\n"
PASSED = Verdict(Outcome.PASS, stage=Stage.BEHAVIORAL, timings={"reference": 2.0, "candidate": 0.5})
CRASHED = failed(
    Stage.RUN, Kind.RUNTIME_ERROR, "It broke.", timings={"reference": 2.0, "candidate": 0.1}
)
DIFFERS = failed(Stage.NUMERIC, Kind.VALUE_MISMATCH, "It differs.")
UNKNOWN = undecided(Reason.NEEDS_DATA, "A file is missing.")
# Setting -> verdict of each example; None: the answer had no code.
STORY: dict[str, list[Verdict | None]] = {
    "cheap-standard": [CRASHED, DIFFERS, UNKNOWN, None],
    "cheap-augmented": [PASSED, PASSED, CRASHED, DIFFERS],
    "costly-standard": [PASSED, PASSED, PASSED, CRASHED],
}
MARKS = {"cheap-standard": "1", "cheap-augmented": "3", "costly-standard": "4"}


def make_experiment(slug: str = "little") -> Experiment:
    """The experiment, not scored yet. Example 0 of cheap-augmented was repaired in two steps."""
    load_shipped()
    dataset = make_dataset(f"{slug}-set")
    examples = [_example(dataset, at) for at in range(4)]
    experiment = Experiment.objects.create(
        slug=slug,
        title="A little experiment",
        kind=ExperimentKind.INTRINSIC,
        dataset=dataset,
        batch=CallBatch.objects.create(title=slug),
    )
    for position, (name, verdicts) in enumerate(STORY.items()):
        setting = _setting(experiment, name, position)
        for at, verdict in enumerate(verdicts):
            _translation(setting, examples[at], verdict, at)
    return experiment


def _example(dataset: Dataset, at: int) -> Example:
    """An example whose fixed code is known: a repaired and approved draft."""
    example = make_example(dataset, code=f"import torch\nprint({at})\n")
    draft = make_draft(FIXED + f"print({at})\n", example=example)
    draft.status = "verified"
    draft.save(update_fields=["status"])
    return example


def _setting(experiment: Experiment, name: str, position: int) -> Setting:
    role, _, use = name.partition("-")
    model, _ = LanguageModel.objects.get_or_create(
        name=f"{role}-{experiment.slug}",
        defaults={
            "role": ModelRole(role),
            "base_url": f"recorded:{experiment.slug}",
            "model_id": role,
        },
    )
    return Setting.objects.create(
        experiment=experiment,
        name=name,
        position=position,
        model=model,
        prompt=current(PromptUse(use)),
        runtime="jax",
    )


def _translation(setting: Setting, example: Example, verdict: Verdict | None, at: int) -> None:
    if verdict is None:
        Translation.objects.create(setting=setting, example=example, state=TranslationState.NO_CODE)
        return
    code = FIXED.replace("dot", "matmul" if at % 2 else "dot") + f"# {setting.name} {at}\n"
    translation = Translation(
        setting=setting,
        example=example,
        state=TranslationState.DRAFTED,
        code=code,
        code_hash=sha256(code),
        run=decided(example, code, verdict),
    )
    if setting.name == "cheap-augmented" and at == 0:
        translation.draft = make_draft(code, example=example)
        for number, kind in enumerate((StepKind.BEHAVIOUR, StepKind.FORMAT)):
            text = StepText(fix_info="Why.", kind=kind)
            new = f"{code}# {number}\n"
            save_step(translation.draft, base=number, code=new, text=text, by=None)
    translation.save()


def decided(example: Example, code: str, verdict: Verdict) -> Run:
    """A run with this verdict, stored through the machines' own door."""
    run = pipeline.claim(request_run(example, code, by=None).pk)
    assert run is not None
    assert pipeline.store(run, verdict)
    return Run.objects.get(pk=run.pk)


def make_judge(experiment: Experiment, folder: Path, **changes: Any) -> LanguageModel:
    """A judge that answers from a recording in `folder` (the tests' BASE_DIR).

    It likes costly best and cheap-standard least, but calls what it sees first the better one of
    cheap-augmented and costly. `changes` are answers by subject.
    """
    answers: dict[str, list[str]] = {}
    for row in _drafted(experiment):
        name, example = row.setting.name, row.example.example_id
        for use in ("use_ref", "use_noref", "func_ref", "func_noref"):
            text = f"Fine.\nScore: {MARKS[name]}"
            answers[f"judge/{use}/{name}/{example}/0"] = [text, text]
        for other in STORY:
            text = f"So so.\nBetter: {_better(name, other)}"
            answers[f"judge/comparison/{name}/{other}/{example}/0"] = [text, text]
    answers |= changes.pop("answers", {})
    target = folder / "fixtures" / "experiments" / experiment.slug
    target.mkdir(parents=True, exist_ok=True)
    rows = [{"subject": subject, "answers": texts} for subject, texts in answers.items()]
    (target / "answers.json").write_text(json.dumps({"answers": rows}))
    return LanguageModel.objects.create(
        name=f"judge-{experiment.slug}",
        role=ModelRole.JUDGE,
        base_url=f"recorded:{experiment.slug}",
        model_id="judge",
        **changes,
    )


def _drafted(experiment: Experiment) -> list[Translation]:
    rows = Translation.objects.filter(setting__experiment=experiment, state="drafted")
    return list(rows.select_related("setting", "example"))


def _better(first: str, second: str) -> str:
    if "cheap-standard" not in (first, second):
        return "1"
    return "1" if MARKS[first] > MARKS[second] else "2"
