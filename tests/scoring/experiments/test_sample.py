"""The shipped experiment: recorded answers, taken over without a key and without a request."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from django.conf import settings as site
from django.core.management import call_command

from curation.enums import BatchState, CallState
from curation.llm.calls import LlmError
from curation.llm.runner import ask
from curation.models import Call, Dataset, LanguageModel
from executor.models import Run
from scoring.enums import TranslationState
from scoring.experiments import sample
from scoring.models import Translation

FOLDER = site.BASE_DIR / "fixtures" / "experiments" / "sample"


pytestmark = pytest.mark.django_db


def test_every_example_is_drafted_under_every_setting() -> None:
    call_command("load_sample", verbosity=0)
    experiment = sample.load(Dataset.objects.get(slug="sample"))
    translations = Translation.objects.filter(setting__experiment=experiment)
    assert set(translations.values_list("state", flat=True)) == {TranslationState.DRAFTED}
    assert translations.count() == 4 * experiment.dataset.examples.filter(not_runnable="").count()
    experiment.batch.refresh_from_db()
    assert experiment.batch.state == BatchState.FINISHED
    # Each is a revision of the dataset's own draft: its run is the same, its repair is known.
    assert Run.objects.count() == translations.values("code_hash", "example").distinct().count()
    left: Counter[str] = Counter()
    for each in translations.select_related("draft", "setting", "run"):
        assert each.draft is not None and each.run is not None
        assert each.draft.revisions.get(number=each.from_revision).code == each.code
        assert each.run.code == each.code
        left[each.setting.name] += each.draft.steps.filter(order__gt=each.from_revision).count()
    assert left["cheap-standard"] > left["cheap-augmented"] > left["costly-augmented"] > 0
    # Loading it again changes nothing, and nobody was ever asked.
    before = (Call.objects.count(), Run.objects.count())
    sample.load(experiment.dataset)
    assert (Call.objects.count(), Run.objects.count()) == before
    assert set(Call.objects.values_list("state", "attempts")) == {(CallState.ANSWERED, 0)}


def test_the_judge_is_recorded_too() -> None:
    judge = LanguageModel.objects.create(name="judge", base_url="recorded:sample", model_id="j")
    messages = [{"role": "user", "content": "How useful?"}]
    subject = "judge/use_ref/cheap-standard/e1/0"
    answers = [ask(judge, messages, subject=subject, sample=number).text for number in range(2)]
    assert all("Score: " in answer for answer in answers)
    with pytest.raises(LlmError, match="No answer to “nothing” was recorded"):
        ask(judge, messages, subject="nothing")


def test_the_recording_is_what_its_rule_makes() -> None:
    """Run `python fixtures/experiments/sample/build.py` when the sample dataset has changed."""
    done = subprocess.run(
        [sys.executable, FOLDER / "build.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"DATABASE_URL": ""},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "No model gave these answers" in json.loads((FOLDER / "answers.json").read_text())["note"]
    )
