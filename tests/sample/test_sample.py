"""The sample dataset as it is shipped: complete, replaying, categorised and free to use."""

import ast
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.sample import build

SAMPLE = Path(build.__file__).parent
RECORDS = json.loads((SAMPLE / "sample.json").read_text())["Pytorch_to_JAX_Examples"]
EXPECTED = json.loads((SAMPLE / "expected.json").read_text())
TAXONOMY = json.loads((SAMPLE.parent / "taxonomy.json").read_text())
IDS = [record["Example_id"] for record in RECORDS]
MODULES = [record for record in RECORDS if "def get_init_inputs" in record["Input_Code"]]
# Revisions that do not parse: (Example_id, revision).
UNPARSABLE = {("e7", 0)}


def revisions(record: dict[str, Any]) -> list[str]:
    """Replayed here by hand, so that a mistake in build.py cannot hide itself."""
    codes = [record["LLM_weak_output"]]
    for step in record["Errors"]:
        before, found, after = codes[-1].partition(step["Error_Code"])
        assert found and step["Error_Code"] not in after
        codes.append(before + step["Fixed_Code"] + after)
    return codes


def test_sample_json_is_what_the_folders_say() -> None:
    assert build.render(build.load()) == (SAMPLE / "sample.json").read_text()


def test_every_example_passes_the_checks_of_build() -> None:
    known = build.subcategories()
    for example in build.load():
        build.check(example, known)


@pytest.mark.parametrize("record", RECORDS, ids=IDS)
def test_steps_replay_from_the_draft_to_the_fixed_code(record: dict[str, Any]) -> None:
    codes = revisions(record)
    assert codes[-1] == record["LLM_fix_output"]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("record", RECORDS, ids=IDS)
def test_every_text_is_filled(record: dict[str, Any]) -> None:
    assert record["Licence"] == "CC0-1.0"
    assert record["Title"] and record["Source"]
    assert 2 <= len(record["Errors"]) <= 5
    for step in record["Errors"]:
        for key in ("Error_Code", "Error", "Fix_info", "Fixed_Code", "Category"):
            assert step[key].strip(), key


def test_ids_are_unique_and_the_mix_is_as_promised() -> None:
    assert len(set(IDS)) == len(IDS)
    levels = Counter(record["Difficulty"] for record in RECORDS)
    assert min(levels[level] for level in ("easy", "medium", "hard")) >= 8
    assert len(MODULES) >= 6
    assert sum(len(record["Errors"]) for record in RECORDS) >= 150


def test_there_are_programs_enough_and_most_of_them_draw() -> None:
    programs = [record for record in RECORDS if record not in MODULES]
    assert len(programs) >= 24
    seeded = re.compile(r"torch\.manual_seed|RandomState")
    assert sum(bool(seeded.search(record["Input_Code"])) for record in programs) >= 24


def test_every_program_has_mutants() -> None:
    for record in RECORDS:
        if record in MODULES:
            continue
        path = SAMPLE / "examples" / record["Example_id"] / "mutants.json"
        assert len(json.loads(path.read_text())["fixed.py"]) >= 3, record["Example_id"]


@pytest.mark.parametrize("record", RECORDS, ids=IDS)
def test_every_revision_parses_but_the_ones_that_are_about_syntax(record: dict[str, Any]) -> None:
    ast.parse(record["Input_Code"])
    for number, code in enumerate(revisions(record)):
        if (record["Example_id"], number) in UNPARSABLE:
            with pytest.raises(SyntaxError):
                ast.parse(code)
        else:
            ast.parse(code)


@pytest.mark.parametrize("record", RECORDS, ids=IDS)
def test_reference_uses_torch_only_and_candidates_never(record: dict[str, Any]) -> None:
    assert re.search(r"^import torch$", record["Input_Code"], re.MULTILINE)
    assert "jax" not in record["Input_Code"]
    for code in revisions(record):
        assert not re.search(r"^\s*(import|from) torch", code, re.MULTILINE)


def test_no_path_of_a_machine_is_in_the_sample() -> None:
    text = (SAMPLE / "sample.json").read_text() + (SAMPLE / "expected.json").read_text()
    assert not re.search(r"(?<![\w.])/(?:home|root|usr|tmp|var|work|opt)/", text)


def test_attached_files_are_named_by_reference_and_candidate() -> None:
    for record in RECORDS:
        for name in record["Files"]:
            assert f'"{name}"' in record["Input_Code"] and f'"{name}"' in record["LLM_fix_output"]
    assert sum(bool(record["Files"]) for record in RECORDS) >= 2


def test_every_revision_has_a_recorded_verdict_and_only_the_last_passes() -> None:
    assert set(EXPECTED) == set(IDS)
    for record in RECORDS:
        verdicts = EXPECTED[record["Example_id"]]
        assert [row["revision"] for row in verdicts] == list(range(len(record["Errors"]) + 1))
        outcomes = [row["outcome"] for row in verdicts]
        assert outcomes == ["fail"] * len(record["Errors"]) + ["pass"], record["Example_id"]


@pytest.mark.parametrize("record", RECORDS, ids=IDS)
def test_an_exception_in_a_step_goes_with_a_recorded_crash(record: dict[str, Any]) -> None:
    """A step whose Error is an exception mends a revision that breaks before any comparison."""
    for step, row in zip(record["Errors"], EXPECTED[record["Example_id"]], strict=False):
        crashed = re.match(r"[\w.]*(Error|Exception): ", step["Error"]) is not None
        assert crashed == (row["stage"] in ("parse", "import", "run")), (step["Error"], row)


def test_the_recorded_verdicts_show_many_kinds_of_failure() -> None:
    kinds = {row["kind"] for verdicts in EXPECTED.values() for row in verdicts}
    assert {
        "syntax_error",
        "import_error",
        "runtime_error",
        "parameter_tree_mismatch",
        "shape_mismatch",
        "dtype_mismatch",
        "value_mismatch",
        "loss_curve_mismatch",
        "text_mismatch",
    } <= kinds


def test_taxonomy_slugs_and_names_are_unique() -> None:
    categories = TAXONOMY["categories"]
    assert TAXONOMY["source"] == "ours"
    for key in ("slug", "name"):
        values = [category[key] for category in categories]
        assert len(set(values)) == len(values)
    for category in categories:
        assert category["table"] == 6
        subs = [sub["slug"] for sub in category["subcategories"]]
        assert len(set(subs)) == len(subs)
        assert all(sub["description"] for sub in category["subcategories"])


def test_tables_7_and_8_refine_the_two_largest_categories_of_the_sample() -> None:
    counted = Counter(step["Category"] for record in RECORDS for step in record["Errors"])
    refined = {c["slug"]: c["subcategories"] for c in TAXONOMY["categories"] if c["subcategories"]}
    assert {slug for slug, _ in counted.most_common(2)} == set(refined)
    assert sorted({sub["table"] for subs in refined.values() for sub in subs}) == [7, 8]
    assert set(counted) == {category["slug"] for category in TAXONOMY["categories"]}


def example(name: str) -> build.Example:
    return next(each for each in build.load() if each.example_id == name)


def test_build_refuses_a_step_that_has_no_place_in_its_revision() -> None:
    whole = example("e1")
    moved = replace(whole, steps=(whole.steps[1], whole.steps[1], *whole.steps[2:]))
    with pytest.raises(build.SampleError, match="e1 step 2: Error_Code occurs 0 times"):
        moved.revisions()


def test_build_refuses_a_step_that_fits_twice() -> None:
    whole = example("e1")
    doubled = replace(whole, draft=whole.draft + whole.steps[0].error_code + "\n")
    with pytest.raises(build.SampleError, match="e1 step 1: Error_Code occurs 2 times"):
        doubled.revisions()


def test_build_refuses_a_fixed_code_that_the_steps_do_not_reach() -> None:
    whole = example("e1")
    with pytest.raises(build.SampleError, match=r"e1: the last revision is not fixed\.py"):
        build.check(replace(whole, fixed=whole.fixed + "\n"), build.subcategories())


def test_build_refuses_a_category_and_a_subcategory_that_it_does_not_know() -> None:
    known = build.subcategories()
    step = example("e1").steps[0]
    with pytest.raises(build.SampleError, match="x: unknown category 'magic'"):
        build.check_step("x", replace(step, category="magic"), known)
    with pytest.raises(build.SampleError, match="x: subcategory 'axis' is not of 'api'"):
        build.check_step("x", replace(step, subcategory="axis"), known)
