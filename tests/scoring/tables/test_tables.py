"""Tables 2, 3, 4, 5 and 9 and those beside them, from the scores of a small experiment."""

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from scoring.metrics.base import Verdict
from scoring.metrics.comparison import read_choice
from scoring.metrics.execution import reached
from scoring.metrics.judges import read_mark
from scoring.models import Experiment, Score
from scoring.statistics.correlation import spearman
from scoring.tables import TABLES, build, build_all
from scoring.tables.base import Cell, Column, Table
from scoring.tables.data import Choice
from scoring.tables.quality import Tally, tally
from scoring.tables.render import FORMATS, as_csv, as_latex, as_markdown


def cells(table: Table) -> dict[str, dict[str, Cell]]:
    """First cell of a row -> column -> cell."""
    keys = [column.key for column in table.columns]
    return {str(row[0].value): dict(zip(keys, row, strict=True)) for row in table.rows}


def test_table_2(scored: Experiment) -> None:
    found = cells(build(scored, "2"))
    assert list(found) == ["cheap-standard", "cheap-augmented", "costly-standard"]
    cheap, augmented = found["cheap-standard"], found["cheap-augmented"]
    # Of four: crashed, differs, undecided, no code.
    assert (cheap["matches"].value, cheap["matches"].n) == (0, 3)
    assert cheap["parses"].value == pytest.approx(2 / 3)
    assert cheap["runs"].value == pytest.approx(1 / 3)
    assert augmented["matches"].value == augmented["pass_at_1"].value == 0.5
    assert (augmented["func_ref"].value, augmented["func_ref"].n) == (3, 4)
    own = Score.objects.filter(setting__name="cheap-augmented", measure="codebleu")
    mean = sum(row.value or 0 for row in own) / 4
    assert augmented["codebleu"].value == pytest.approx(mean)
    assert augmented["codebleu"].drill["measure"] == "codebleu"


def test_comparisons_count_both_orders(scored: Experiment) -> None:
    found = cells(build(scored, "2"))
    assert found["cheap-standard"]["comparison"].why == "the baseline"
    augmented = found["cheap-augmented"]
    # Three examples have code under both; each judged twice in both orders, always the same way.
    assert (augmented["comparison"].value, augmented["comparison"].n) == (1, 6)
    assert (augmented["ties"].value, augmented["orders_agree"].value) == (0, 1)


def test_a_judge_that_likes_what_it_sees_first_gives_ties() -> None:
    choices = [
        Choice("a", "b", "j", -1, 1, 5),
        Choice("a", "b", "j", 1, 1, 2),
        Choice("a", "b", "j", 0, 0, 1),
        Choice("a", "b", "j", None, 1, 9),
        Choice("a", "c", "j", 1, 1, 9),
    ]
    assert tally(choices, "a", "b", "j") == Tally(both=8, won=2, lost=0, agreed=3)
    assert tally(choices, "b", "a", "j") == Tally(both=8, won=0, lost=2, agreed=3)
    assert tally(choices, "a", "b", "j").tied == 6


def test_table_3_has_n_p_and_intervals(scored: Experiment) -> None:
    table = build(scored, "3")
    keys = [column.key for column in table.columns]
    named = [dict(zip(keys, row, strict=True)) for row in table.rows]
    rows = {(str(row["first"].value), str(row["second"].value)): row for row in named}
    row = rows["Function, with reference", "Matches"]
    scores = Score.objects.filter(setting__experiment=scored, repeat=0, value__isnull=False)
    by_id = {
        name: dict(scores.filter(measure=name).values_list("translation_id", "value"))
        for name in ("func_ref", "matches")
    }
    ids = sorted(by_id["func_ref"].keys() & by_id["matches"].keys())
    expected = spearman([by_id["func_ref"][pk] for pk in ids], [by_id["matches"][pk] for pk in ids])
    assert row["n"].value == len(ids) == 10
    assert row["spearman"].value == pytest.approx(expected.value)
    assert row["spearman_p"].value == pytest.approx(expected.p)
    assert row["spearman"].low is not None
    # One repair is no column of numbers.
    assert rows["CodeBLEU", "Fix steps"]["pearson"].why == "undefined: 1 pairs, 3 are needed"
    assert any("Holm" in note for note in table.notes)
    # What is undefined says so wherever it is read.
    text = "undefined: 1 pairs, 3 are needed"
    for render in (as_csv, as_markdown, as_latex):
        assert text in render(table)


def test_tables_4_and_9_time_what_matches(scored: Experiment) -> None:
    by_setting = cells(build(scored, "4"))
    assert by_setting["costly-standard"]["timed"].value == 3
    assert by_setting["costly-standard"]["speedup"].value == pytest.approx(4)
    assert by_setting["cheap-standard"]["seconds"].why
    by_example = list(cells(build(scored, "9")).values())
    assert len(by_example) == 4
    assert by_example[0]["reference"].value == 2
    assert by_example[0]["costly-standard_speedup"].value == 4
    assert by_example[3]["costly-standard"].value is None


def test_table_5(scored: Experiment) -> None:
    found = cells(build(scored, "5"))
    repaired = found["cheap-augmented"]
    assert [repaired[key].value for key in ("repaired", "total", "mean")] == [1, 2, 2.0]
    assert repaired["behaviour_total"].value == 1
    assert repaired["weighted_total"].value == pytest.approx(2)
    assert found["cheap-standard"]["total"].why == "no translation was taken up for repair"


def test_judges_are_held_against_execution_and_people(scored: Experiment) -> None:
    table = build(scored, "judges")
    keys = [column.key for column in table.columns]
    rows = [dict(zip(keys, row, strict=True)) for row in table.rows]
    row = next(r for r in rows if r["witness"].value == "execution")
    # Ten are decided and judged: eight called good (3 or 4), five of them right.
    assert (row["n"].value, row["claimed"].value, row["right"].value) == (10, 0.8, 0.5)
    assert row["bias"].value == pytest.approx((2 * 0.25 + 4 * 0.75 + 4 * 1) / 10 - 0.5)
    people = next(r for r in rows if r["witness"].value == "people")
    assert (people["n"].value, people["auc"].why) == (1, "undefined: constant")
    witnessed = build(scored, "reliability").rows
    assert [row[5].value for row in witnessed[:3]] == [0, 0.5, 0.75]
    assert [cell.value for cell in witnessed[3]][2:] == ["people", 3.0, 1, 0.0]


def test_differences_are_paired_and_corrected(scored: Experiment) -> None:
    table = build(scored, "differences")
    keys = [column.key for column in table.columns]
    rows = [dict(zip(keys, row, strict=True)) for row in table.rows]
    row = next(
        r
        for r in rows
        if (r["setting"].value, r["measure"].value) == ("costly-standard", "Matches")
    )
    # Examples 0 and 1 turn from 0 to 1, 2 is undecided, 3 stays 0.
    assert row["n"].value == 3
    assert row["difference"].value == pytest.approx(2 / 3)
    assert row["permutation_p"].value == pytest.approx(0.5)
    assert "Holm" in table.notes[0]


def test_the_command_writes_what_the_page_shows(scored: Experiment, tmp_path: Path) -> None:
    out = tmp_path / "tables"
    call_command("tables", scored.slug, out=out, stdout=io.StringIO())
    names = {f"table{n}" for n in "23459"} | {"differences", "judges", "reliability"}
    assert {file.name for file in out.iterdir()} == {f"{n}.{e}" for n in names for e in FORMATS}
    for table in build_all(scored):
        for ending, (_, render) in FORMATS.items():
            assert (out / f"{table.name}.{ending}").read_text() == render(table)
    found = json.loads((out / "table2.json").read_text())
    assert found["rows"][1]["matches"]["value"] == 0.5
    rows = list(csv.DictReader((out / "table2.csv").open()))
    assert rows[1]["matches"] == "0.5"
    assert rows[1]["matches_n"] == "4"


def test_an_unknown_experiment_is_refused(scored: Experiment, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"no experiment “nope”. Experiments: .*{scored.slug}"):
        call_command("tables", "nope", out=tmp_path)


@pytest.mark.django_db
def test_tables_of_an_experiment_without_scores_say_so() -> None:
    from tests.scoring.tables.build import make_experiment

    experiment = make_experiment("bare")
    for key in TABLES:
        build(experiment, key)
    assert cells(build(experiment, "2"))["cheap-standard"]["codebleu"].why == "not scored yet"


def test_formats_escape_what_they_must() -> None:
    columns = (Column("a", "A_b & c"), Column("b", "B", percent=True, interval=True))
    row = (Cell("=x|y_%"), Cell(0.5, n=4, low=0.1, high=0.9))
    table = Table("2", "Table 2", "Of 50 %.", columns, (row, (Cell("z"), Cell(None, why="none"))))
    assert as_csv(table).splitlines() == [
        "a,b,b_low,b_high,b_n",
        "'=x|y_%,0.5,0.1,0.9,4",
        "z,none,,,",
    ]
    assert "| =x\\|y_% | 50 % [10 %, 90 %] |" in as_markdown(table)
    assert r"=x|y\_\% & 50 \% [10 \%, 90 \%] \\" in as_latex(table)
    assert r"A\_b \& c" in as_latex(table)


@pytest.mark.parametrize(
    ("answer", "mark"),
    [
        ("It runs.\nScore: 3", 3),
        ("**Score: 4**", 4),
        ("score = 2/4.", 2),
        ("3", 3),
        ("  0 ", 0),
        ("Final score: 1 out of 4", 1),
        ("Score: 3\nOn reflection:\nScore: 3", 3),
        ("Score: 3\nScore: 2", None),
        ("Score: 3.5", None),
        ("Score: 7", None),
        ("Score: N", None),
        ("I would give 3 points", None),
        ("The score: 3 shows that", None),
        ("", None),
        ("Score: -1", None),
    ],
)
def test_marks_are_read_strictly(answer: str, mark: float | None) -> None:
    assert read_mark(answer) == mark


@pytest.mark.parametrize(
    ("answer", "choice"),
    [
        ("Both run.\nBetter: 1", -1),
        ("Better: 2", 1),
        ("**Better: Tie**", 0),
        ("Better: translation 2.", 1),
        ("Better: 1\nBetter: 2", None),
        ("Better: 3", None),
        ("The first is better", None),
    ],
)
def test_choices_are_read_strictly(answer: str, choice: float | None) -> None:
    assert read_choice(answer) == choice


@pytest.mark.parametrize(
    ("stage", "reaches"),
    [
        ("parse", (False, False, False)),
        ("import", (True, False, False)),
        ("run", (True, False, False)),
        ("spec", (True, True, False)),
        ("behavioral", (True, True, False)),
    ],
)
def test_how_far_a_failure_got(stage: str, reaches: tuple[bool, ...]) -> None:
    verdict = Verdict("fail", stage, "runtime_error", "")
    assert tuple(reached(verdict, name) for name in ("parses", "runs", "matches")) == reaches
