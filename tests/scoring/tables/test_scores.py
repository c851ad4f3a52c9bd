"""Scores: what is stored, when it is made anew, and what a judge's answers become."""

from pathlib import Path

import pytest

from curation.llm.prompts import save_version
from curation.models import Call, PromptTemplate
from scoring.judging import NO_NUMBER, default_judges
from scoring.metrics import MEASURES
from scoring.models import Experiment, Score, Translation
from scoring.scores import UnknownMetric, update
from tests.scoring.tables.build import CRASHED, PASSED, decided, make_experiment, make_judge

pytestmark = pytest.mark.django_db


def values(experiment: Experiment, measure: str) -> dict[tuple[str, int], float | None]:
    """(setting, position of the example) -> value."""
    rows = Score.objects.filter(setting__experiment=experiment, measure=measure, repeat=0)
    ids = sorted({row.translation.example_id for row in rows})
    return {(r.setting.name, ids.index(r.translation.example_id)): r.value for r in rows}


def test_execution_says_what_parses_runs_and_matches(scored: Experiment) -> None:
    found = {name: values(scored, name) for name in ("parses", "runs", "matches")}
    crashed, differs = ("cheap-standard", 0), ("cheap-standard", 1)
    assert [found[name][crashed] for name in found] == [1, 0, 0]
    assert [found[name][differs] for name in found] == [1, 1, 0]
    # Undecided: neither. No code in the answer: none of the three.
    assert [found[name]["cheap-standard", 2] for name in found] == [None, None, None]
    assert [found[name]["cheap-standard", 3] for name in found] == [0, 0, 0]
    assert [found[name]["costly-standard", 0] for name in found] == [1, 1, 1]
    undecided = Score.objects.get(setting__experiment=scored, measure="matches", value=None)
    assert undecided.why == "undecided: needs_data"


def test_only_what_matches_is_timed(scored: Experiment) -> None:
    assert values(scored, "speedup")["costly-standard", 0] == 4.0
    assert values(scored, "speedup")["cheap-standard", 0] is None


def test_fixcost_is_known_where_somebody_repaired(scored: Experiment) -> None:
    assert values(scored, "fixcost") == {("cheap-augmented", 0): 2}
    assert values(scored, "fixcost_behaviour") == {("cheap-augmented", 0): 1}


def test_every_score_is_signed(scored: Experiment) -> None:
    rows = Score.objects.filter(setting__experiment=scored).select_related("signature")
    assert set(rows.values_list("measure", flat=True)) == set(MEASURES)
    for row in rows:
        content = row.signature.content
        assert content["metric"] == row.metric
        assert content["runtime"] == "jax"
        assert len(content["prompt"]) == 64
        assert (content["judge"] is not None) == bool(row.judge)
        assert len(row.inputs) == 64


def test_nothing_is_scored_twice(scored: Experiment) -> None:
    before = list(Score.objects.order_by("pk").values())
    report = update(scored, judges=default_judges(scored))
    assert report.stored == 0
    assert report.current == len(before)
    assert list(Score.objects.order_by("pk").values()) == before


def test_only_what_changed_is_scored_anew(scored: Experiment) -> None:
    translation = Translation.objects.get(run__verdict__reason="needs_data")
    translation.code += "# mended\n"
    translation.run = decided(translation.example, translation.code, PASSED)
    translation.save()
    report = update(scored)
    # Five values of each CodeBLEU, three of execution, three times that were not known before.
    assert report.stored == 16
    assert values(scored, "matches")["cheap-standard", 2] == 1


def test_a_new_wording_of_a_prompt_asks_again(scored: Experiment) -> None:
    template = PromptTemplate.objects.get(slug="use_ref")
    newest = template.versions.order_by("-number")[0]
    save_version(template, system=newest.system, text=f"{newest.text}\nBe strict.", by=None)
    asked = Call.objects.count()
    report = update(scored, metrics=["use_ref"], judges=default_judges(scored))
    assert report.stored == Call.objects.count() - asked == 22


def test_repeats_and_orders_of_judges(scored: Experiment) -> None:
    marks = Score.objects.filter(setting__experiment=scored, measure="func_ref")
    # 11 translations with code, asked twice.
    assert marks.count() == 22
    assert set(marks.values_list("repeat", flat=True)) == {0, 1}
    pairs = Score.objects.filter(setting__experiment=scored, metric="comparison")
    # Examples 0 to 2 have three pairs, example 3 has one; two orders, two repeats.
    assert pairs.count() == (3 * 3 + 1) * 2 * 2


def test_an_answer_without_a_score_is_asked_for_again_and_then_left_open(recordings: Path) -> None:
    experiment = make_experiment("vague")
    example = experiment.dataset.examples.earliest("position").example_id
    subject = f"judge/use_ref/cheap-standard/{example}/0"
    judge = make_judge(experiment, recordings, answers={subject: ["Perhaps 3 or 4.", "Score: 2"]})
    update(experiment, metrics=["use_ref"], judges=[judge])
    row, other = Score.objects.filter(call__subject=subject).order_by("repeat")
    assert (row.value, row.why) == (None, NO_NUMBER)
    assert row.call is not None and row.call.edition == 1
    assert other.value == 2
    assert update(experiment, metrics=["use_ref"], judges=[judge]).stored == 0


def test_a_question_without_an_answer_is_counted_and_asked_next_time(recordings: Path) -> None:
    experiment = make_experiment("missing")
    example = experiment.dataset.examples.earliest("position").example_id
    subject = f"judge/use_ref/cheap-standard/{example}/0"
    judge = make_judge(experiment, recordings, answers={subject: []})
    report = update(experiment, metrics=["use_ref"], judges=[judge])
    assert report.unasked.total() == 2
    assert report.stored == 20
    assert update(experiment, metrics=["use_ref"], judges=[judge]).unasked.total() == 2


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownMetric, match="Metrics: codebleu, "):
        update(make_experiment("odd"), metrics=["bleu"])


def test_a_reference_setting_is_what_others_are_held_against(scored: Experiment) -> None:
    scored.reference = scored.settings.get(name="costly-standard")
    scored.save()
    update(scored, metrics=["codebleu"])
    found = values(scored, "codebleu")
    assert found["costly-standard", 0] is None
    example = Translation.objects.filter(setting__name="costly-standard").earliest("example_id")
    assert found["cheap-augmented", 0] is not None
    assert decided(example.example, "x = 1\n", CRASHED).state == "finished"
