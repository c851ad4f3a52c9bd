"""Which part of a model's answer is the program, and what is said about the rest."""

import time

import pytest

from curation.llm.extraction import Extraction, extract_code

FENCE = "```"


def fenced(code: str, label: str = "python") -> str:
    return f"{FENCE}{label}\n{code}{FENCE}\n"


def test_a_plain_program_is_taken_as_it_is() -> None:
    code = "import jax\n\nprint(jax.__version__)  "
    assert extract_code(code) == Extraction(code)


def test_prose_around_a_block_is_left_out_and_counted() -> None:
    answer = "Here is the code:\n\n" + fenced("x = 1\n") + "\nIt works.\nReally.\n"
    assert extract_code(answer) == Extraction("x = 1\n", "Left out 3 lines around the code.")


def test_parts_of_one_program_are_joined_in_order() -> None:
    answer = "\n".join(
        ["First:", fenced("import jax\n") + "Then:", fenced("def f():\n    return 1\n")]
    )
    found = extract_code(answer)
    assert found.code == "import jax\n\ndef f():\n    return 1\n"
    assert found.note == ("Joined 2 code blocks in their order. Left out 2 lines around the code.")


def test_of_several_versions_the_longest_is_taken() -> None:
    short, long = "def f():\n    return 1\n", "def f():\n    x = 2\n    return x\n"
    found = extract_code(f"{fenced(short)}Better:\n{fenced(long)}")
    assert found.code == long
    assert found.note == "Took the longest of 2 code blocks. Left out 3 lines around the code."


@pytest.mark.parametrize("label", ["bash", "text", "json", "console"])
def test_blocks_in_other_languages_are_no_code(label: str) -> None:
    answer = fenced("pip install jax\n", label) + fenced("import jax\n")
    assert extract_code(answer).code == "import jax\n"


def test_printed_output_beside_a_python_block_is_no_code() -> None:
    answer = fenced("print(3)\n") + "prints\n" + fenced("3\n", "")
    assert extract_code(answer).code == "print(3)\n"


def test_an_answer_that_was_cut_off_says_so() -> None:
    found = extract_code(f"{FENCE}python\nimport jax\nx = jax.nu")
    assert found == Extraction(
        "import jax\nx = jax.nu\n",
        "The last code block is not closed: the answer may be cut off.",
    )


def test_tagged_code() -> None:
    assert extract_code("[PYTHON]\nimport jax\n[/PYTHON]").code == "import jax\n"


def test_prose_without_fences_is_left_out() -> None:
    answer = "Here is the JAX version:\n\nimport jax\nprint(1)\n\nThis code prints a one.\n"
    assert extract_code(answer) == Extraction(
        "import jax\nprint(1)\n", "Left out 2 lines around the code."
    )


def test_code_that_does_not_parse_is_kept_whole() -> None:
    code = "import jax\nx = = 3\nprint(x)\n"
    assert extract_code(f"Here is the code:\n{code}").code == code


def test_longer_fences_may_hold_shorter_ones() -> None:
    answer = '````python\ntext = """\n```\n"""\n````\n'
    assert extract_code(answer) == Extraction('text = """\n```\n"""\n')


def test_fences_within_a_list_lose_their_indentation() -> None:
    assert extract_code("1. Do\n   ```python\n   x = 1\n   ```\n").code == "x = 1\n"


def test_thinking_is_left_out_and_said() -> None:
    found = extract_code("<think>" + fenced("wrong = 1\n") + "</think>\n" + fenced("right = 1\n"))
    assert found == Extraction("right = 1\n", "Left out the model's thinking.")


@pytest.mark.parametrize("answer", ["", "\n", "I cannot do that.", f"{FENCE}\n{FENCE}"])
def test_an_answer_without_code_stays_what_it_is(answer: str) -> None:
    assert extract_code(answer).code.strip() == answer.strip()


@pytest.mark.parametrize(
    "answer",
    [
        "a" + " " * 300_000 + "b\nHere",
        f"{FENCE}{'a' * 300_000}`\n" * 3,
        "x = " + "0" * 500_000 + "\nHere is it.\n",
        "[PYTHON]" * 50_000,
        "(" * 100_000 + "\nHere is it.",
    ],
)
def test_hostile_answers_take_no_time(answer: str) -> None:
    started = time.monotonic()
    extract_code(answer)
    assert time.monotonic() - started < 30
