"""100,000 stored scores to Table 2.

    DATABASE_URL=postgres://user@host/name .venv/bin/python benchmarks/scores.py

Makes a database of its own beside NAME (test_NAME), fills it with five settings of 400 examples,
50 scores a translation, builds Table 2 five times from nothing, and drops the database.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "t2j_site.settings")

import django  # noqa: E402

django.setup()

from django.db import connection  # noqa: E402

from curation.enums import ModelRole, PromptUse  # noqa: E402
from curation.llm.prompts import current, load_shipped  # noqa: E402
from curation.models import CallBatch, Dataset, Example, LanguageModel  # noqa: E402
from scoring.metrics import COMPUTED, JUDGED  # noqa: E402
from scoring.models import Experiment, Score, Setting, Signature, Translation  # noqa: E402
from scoring.tables import build  # noqa: E402

SETTINGS, EXAMPLES, REPEATS = 5, 400, 8
TIMES = 5


def fill() -> Experiment:
    load_shipped()
    dataset = Dataset.objects.create(slug="bench", title="Bench")
    examples = Example.objects.bulk_create(
        Example(dataset=dataset, example_id=f"e{n}", position=n) for n in range(EXAMPLES)
    )
    experiment = Experiment.objects.create(
        slug="bench", title="Bench", kind="intrinsic", dataset=dataset, batch=_batch()
    )
    model = LanguageModel.objects.create(
        name="bench", role=ModelRole.CHEAP, base_url="recorded:bench", model_id="bench"
    )
    prompt = current(PromptUse.STANDARD)
    Signature.objects.create(sha256="0" * 64, content={})
    rows: list[list[Translation]] = []
    for at in range(SETTINGS):
        setting = Setting.objects.create(
            experiment=experiment,
            name=f"s{at}",
            position=at,
            model=model,
            prompt=prompt,
            runtime="jax",
        )
        rows.append(
            Translation.objects.bulk_create(
                Translation(setting=setting, example=each, state="drafted") for each in examples
            )
        )
    scores = [score for of_example in zip(*rows, strict=True) for score in _scores(of_example)]
    Score.objects.bulk_create(scores, batch_size=5000)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE scoring_score")
    return experiment


def _batch() -> CallBatch:
    return CallBatch.objects.create(title="bench")


def _scores(translations: tuple[Translation, ...]) -> list[Score]:
    """50 scores of each setting's translation of one example, with the first as baseline."""
    found = []
    for at, translation in enumerate(translations):
        value = (translation.pk * 7919 % 1000) / 1000
        names = [m.name for metric in list(COMPUTED.values())[:3] for m in metric.measures]
        found += [_score(translation, name, value) for name in [*names, "seconds"]]
        marks = [name for name in JUDGED if name != "comparison"]
        for name, repeat in product(marks, range(REPEATS)):
            found.append(_score(translation, name, round(4 * value), judge="j", repeat=repeat))
        other = translations[at + 1 if at == 0 else 0]
        for name, repeat in product(("comparison_forward", "comparison_backward"), range(2)):
            chosen = float(translation.pk % 3 - 1)
            found.append(_score(translation, name, chosen, judge="j", repeat=repeat, other=other))
    return found


def _score(translation: Translation, measure: str, value: float, **fields: Any) -> Score:
    return Score(
        setting_id=translation.setting_id,
        translation=translation,
        metric=measure,
        measure=measure,
        value=value,
        inputs="0" * 64,
        signature_id="0" * 64,
        **fields,
    )


def main() -> None:
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        experiment = fill()
        print(f"{Score.objects.count()} scores of {Translation.objects.count()} translations")
        took = []
        for _ in range(TIMES):
            began = time.perf_counter()
            table = build(experiment, "2")
            took.append(1000 * (time.perf_counter() - began))
        print(
            f"Table 2, {len(table.rows)} rows: median {statistics.median(took):.0f} ms of {TIMES}"
        )
        print(", ".join(f"{each:.0f}" for each in took))
    finally:
        connection.creation.destroy_test_db("unused", verbosity=0)


if __name__ == "__main__":
    main()
