"""Where snippets are found, and what an edit is said to have replaced."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation import ledger
from curation.enums import Located

CODE = """import jax

key = jax.random.PRNGKey(0)  # seed
x = jax.random.normal(key, (2, 3))
key = jax.random.PRNGKey(0)  # again
y = (x *
     2.0)
print(y.sum())
"""


@pytest.mark.parametrize(
    ("snippet", "located"),
    [
        ("x = jax.random.normal(key, (2, 3))", Located.EXACT),
        ("key = jax.random.PRNGKey(0)", Located.AMBIGUOUS),
        ("y = (x * 2.0)", Located.WHITESPACE),
        ("y = (x *   # scaled\n 2.0)", Located.WHITESPACE),
        ("x = jax.random.normal(key, (2, 4))", Located.FUZZY),
        ("# No gradient computation", Located.ABSENT),
        ("", Located.ABSENT),
        ("  \n", Located.ABSENT),
        ("loss.backward()", Located.TARGETS_INPUT),
    ],
)
def test_locate_says_how_the_snippet_was_found(snippet: str, located: Located) -> None:
    assert ledger.locate(snippet, CODE, "loss = f(x)\nloss.backward()\n").located == located


def test_locate_gives_the_characters_of_the_place() -> None:
    found = ledger.locate("y = (x * 2.0)", CODE)
    assert CODE[found.start : found.end] == "y = (x *\n     2.0)"


def test_fuzzy_place_is_whole_lines() -> None:
    found = ledger.locate("x = jax.random.normal(key, (2, 4))", CODE)
    assert CODE[found.start : found.end] == "x = jax.random.normal(key, (2, 3))"


def test_two_equally_similar_places_are_not_guessed() -> None:
    assert ledger.locate("a = f(1, 3)", "a = f(1, 2)\nb\na = f(1, 4)\n").located == Located.ABSENT


def test_propose_quotes_the_changed_lines_only() -> None:
    step = ledger.propose(CODE, CODE.replace("(2, 3)", "(3, 2)"))
    assert step is not None
    assert step.error_code == "x = jax.random.normal(key, (2, 3))"
    assert step.fixed_code == "x = jax.random.normal(key, (3, 2))"


def test_propose_widens_an_ambiguous_line_until_it_is_unique() -> None:
    after = CODE.replace("key = jax.random.PRNGKey(0)  # again", "key = jax.random.PRNGKey(1)")
    step = ledger.propose(CODE.replace("  # seed", "").replace("  # again", ""), after)
    assert step is not None
    assert CODE.replace("  # seed", "").replace("  # again", "").count(step.error_code) == 1


def test_propose_of_an_insertion_quotes_a_neighbour() -> None:
    step = ledger.propose("a\nb\n", "a\nnew\nb\n")
    assert step is not None
    assert (step.error_code, step.fixed_code) == ("a", "a\nnew")


def test_propose_takes_in_the_lines_that_are_wanted() -> None:
    step = ledger.propose("a\nb\nc\nd\n", "a\nb\nC\nd\n", (2, 3))
    assert step is not None
    assert (step.error_code, step.fixed_code) == ("b\nc", "b\nC")


def test_propose_never_leaves_out_what_changed() -> None:
    step = ledger.propose("a\nb\nc\n", "a\nB\nc\n", (3, 3))
    assert step is not None
    assert (step.error_code, step.fixed_code) == ("b\nc", "B\nc")


def test_propose_of_nothing() -> None:
    assert ledger.propose(CODE, CODE) is None


LINES = st.lists(st.sampled_from(["a", "b", "", "  c", "a a", "\tx"]), max_size=8)


WANTED = st.none() | st.tuples(st.integers(1, 10), st.integers(1, 10))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LINES, LINES, st.booleans(), st.booleans(), WANTED)
def test_what_is_proposed_always_replays(
    old: list[str],
    new: list[str],
    old_ends: bool,
    new_ends: bool,
    wanted: tuple[int, int] | None,
) -> None:
    before = "\n".join(old) + "\n" * old_ends
    after = "\n".join(new) + "\n" * new_ends
    step = ledger.propose(before, after, wanted)
    if step is None:
        assert before == after
        return
    assert before[step.start : step.end] == step.error_code
    assert ledger.apply(before, step.start, step.end, step.fixed_code) == after
    if before.strip() and after:
        assert ledger.replay(before, step.error_code, step.fixed_code) == after
