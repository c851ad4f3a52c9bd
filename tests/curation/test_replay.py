"""Placing and replaying the steps of a record."""

from curation.enums import Located
from curation.importers.replay import plan
from curation.records import Record, StepRecord

DRAFT = "a = 1\nb = 2\nc = 3\n"


def record(*steps: tuple[str, str], final: str = "", draft: str = DRAFT) -> Record:
    return Record(
        example_id="e1",
        pytorch_code="import torch\nw = torch.ones(2)\n",
        draft_code=draft,
        final_code=final,
        steps=tuple(StepRecord(error_code=old, fixed_code=new) for old, new in steps),
    )


def test_chained_steps_replay_to_the_fixed_output() -> None:
    found = plan(record(("a = 1", "a = 9"), ("a = 9", "a = 8"), final="a = 8\nb = 2\nc = 3\n"))
    assert found.codes == (DRAFT, "a = 9\nb = 2\nc = 3\n", "a = 8\nb = 2\nc = 3\n")
    assert [(s.located, s.before, s.after) for s in found.steps] == [
        (Located.EXACT, 0, 1),
        (Located.EXACT, 1, 2),
    ]
    assert not found.final


def test_steps_that_quote_the_draft_throughout_are_found_there() -> None:
    found = plan(record(("a = 1\nb = 2", "a = 9\nb = 2"), ("a = 1\nb = 2\nc = 3", "d = 4")))
    assert [(s.located, s.before, s.after) for s in found.steps] == [
        (Located.EXACT, 0, 1),
        (Located.EXACT, 0, None),
    ]
    assert (found.steps[1].start, found.steps[1].end) == (0, 17)


def test_a_fixed_output_that_the_steps_do_not_reach_is_the_last_revision() -> None:
    found = plan(record(("a = 1", "a = 9"), final="other\n"))
    assert found.codes == (DRAFT, "a = 9\nb = 2\nc = 3\n", "other\n")
    assert found.final


def test_a_fixed_output_equal_to_the_draft_is_kept_as_such() -> None:
    found = plan(record(final=DRAFT))
    assert (found.codes, found.final) == ((DRAFT, DRAFT), True)


def test_how_each_step_was_found() -> None:
    steps = [
        ("b=2  # two", "b = 4"),
        ("w = torch.ones(2)", "w = 1"),
        ("# No gradient computation", "x = 1"),
        ("", "x = 1"),
        ("1", "2"),
        ("rows = read_the_whole_file(path)", "x"),
    ]
    draft = "a = 1\nb = 2\nc = 1\nrows = read_the_whole_files(path)\n"
    found = plan(record(*steps, draft=draft))
    assert [step.located for step in found.steps] == [
        Located.WHITESPACE,
        Located.TARGETS_INPUT,
        Located.ABSENT,
        Located.ABSENT,
        Located.AMBIGUOUS,
        Located.FUZZY,
    ]
    assert found.codes == (draft,)
    assert [step.before for step in found.steps] == [0, None, None, None, 0, 0]


def test_a_placeholder_for_fixed_code_is_not_put_into_the_program() -> None:
    found = plan(record(("b = 2", "# (See LLM_fix_output)"), final="a = 1\nb = 5\nc = 3\n"))
    assert found.steps[0].located == Located.EXACT
    assert found.steps[0].after is None
    assert found.codes == (DRAFT, "a = 1\nb = 5\nc = 3\n")


def test_an_empty_fixed_code_deletes_when_that_leads_to_the_fixed_output() -> None:
    found = plan(record(("b = 2\n", ""), final="a = 1\nc = 3\n"))
    assert found.codes == (DRAFT, "a = 1\nc = 3\n")
    assert not found.final


def test_alternatives_are_no_code() -> None:
    found = plan(record(("b = 2", "Option 1: b = 3\nOption 2: b = 4")))
    assert found.codes == (DRAFT,)
