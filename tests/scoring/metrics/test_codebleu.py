"""CodeBLEU against the package where that is right, and against hand-computed values."""

import math
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scoring.metrics.code import dataflow
from scoring.metrics.code.comments import without_comments
from scoring.metrics.codebleu import NO_DATA_FLOW, Components, codebleu, codebleu_batch
from tests.scoring.metrics.package import ROOT, package_values

CASES = ROOT / "fixtures" / "parity" / "cases"

STEP = "def step(w, x):\n    y = w * x\n    return y + w\n"
PAIRS: dict[str, tuple[str, str]] = {
    "identical": (STEP, STEP),
    "renamed": (STEP, STEP.replace("w", "weight").replace("x", "data")),
    "empty candidate": (STEP, ""),
    "blank candidate": (STEP, "  \n\n"),
    "nonsense candidate": (STEP, "the quick brown fox jumps over the lazy dog"),
    "comments only": (STEP, "# nothing\n# at all\n"),
    "comment only reference": ("# nothing\n", STEP),
    "docstring only": ('"""Words."""\n', STEP),
    "both empty": ("", ""),
    "empty reference": ("", STEP),
    "no data flow": ("import jax\n", STEP),
    "no data flow on either side": ("pass\n", "print(1)\n"),
    "syntax error": (STEP, "def step(w, x:\n    y = w *\n    return y + w\n"),
    "syntax error on both sides": ("def f(:\n  x = = 1\n", "def f(:\n  x = = 2\n"),
    "unclosed string": (STEP, "y = 'never closed\nz = y\n"),
    "bad indentation": (STEP, "def f():\n        a = 1\n    b = a\n  return b\n"),
    "tabs": ("def f(a):\n\tb = a\n\treturn b\n", "def f(a):\n    b = a\n    return b\n"),
    "windows lines": (STEP.replace("\n", "\r\n"), STEP),
    "unicode names": ("größe\n = 1\n", "größe = 2\n"),
    "unicode text": ('print("日本語 ✓")\nx = 1\ny = x\n', 'print("日本語")\nx = 1\ny = x\n'),
    "elif": (
        "def f(a):\n    if a > 1:\n        b = a\n    elif a:\n        b = 1\n    else:\n"
        "        b = 2\n    return b\n",
        "def f(a):\n    if a:\n        b = a\n    return b\n",
    ),
    "for": (
        "t = 0\nfor i in range(9):\n    t = t + i\nprint(t)\n",
        "t = 0\nfor k in range(9):\n    t += k\n",
    ),
    "while": ("n = 3\nwhile n:\n    n = n - 1\n", "n = 3\nwhile n > 0:\n    n -= 1\n"),
    "comprehension": ("s = [a * b for a in xs for b in a]\n", "s = [q for q in xs if q]\n"),
    "unpacking": ("a, b = b, a\nc = a\n", "b, a = a, b\nc = a\n"),
    "defaults": ("def f(a, b=1, *c, d=a):\n    return b\n", "def f(a, b=1):\n    return b\n"),
    "lambda": ("f = lambda a: a + c\ng = f\n", "f = lambda b: b + c\ng = f\n"),
    "walrus": ("if (n := len(a)) > 1:\n    print(n)\n", "n = len(a)\nprint(n)\n"),
    "decorator": ("@jit\ndef f(x):\n    return x\n", "def f(x):\n    return x\nf = jit(f)\n"),
    "class": (
        "class A(B):\n    def __init__(self, n):\n        self.n = n\n",
        "class A:\n    n: int\n    def __init__(self, m):\n        self.n = m\n",
    ),
    "f-string": ('x = 1\ny = f"{x} and {x}"\n', 'x = 1\ny = "%s" % x\n'),
    "type hints": ("x: int = 1\ny: float\nz = x\n", "x = 1\nz = x\n"),
    "very long": (
        "\n".join(f"v{n} = v{n - 1} + {n}" for n in range(1, 700)),
        "\n".join(f"v{n} = v{n - 1} * {n}" for n in range(1, 600)),
    ),
    "one line of signs": (STEP, "(" * 3000),
    "a fence around": (STEP, f"```python\n{STEP}```"),
}


def of_fixtures() -> Iterator[tuple[str, tuple[str, str]]]:
    """A reference and a candidate of each of the first 30 parity cases, and two candidates."""
    for case in sorted(CASES.iterdir())[:30]:
        first, *_, last = sorted(case.glob("*.py"))
        reference = (case / "reference.py").read_text()
        yield f"{case.name}: {last.stem}", (reference, last.read_text())
        yield f"{case.name}: {first.stem} and {last.stem}", (first.read_text(), last.read_text())


def values(found: Components) -> list[float]:
    return [found.ngram, found.weighted_ngram, found.syntax, found.dataflow or 0]


def test_components_are_the_packages_where_it_is_right() -> None:
    named = {**PAIRS, **dict(of_fixtures())}
    pairs = list(named.values())
    by_seed = [package_values(pairs, seed) for seed in (1, 2)]
    steady = [one == other for one, other in zip(*by_seed, strict=True)]
    ours = [values(codebleu(*pair)) for pair in pairs]
    compared = zip(named, ours, by_seed[0], steady, strict=True)
    wrong = {name: (own, theirs) for name, own, theirs, same in compared if same and own != theirs}
    assert wrong == {}
    assert sum(steady) >= 80


def test_hand_computed_components() -> None:
    found = codebleu("a = b + c\n", "a = b - c\n")
    # 5 tokens each: 4 of 5 single ones shared, 2 of 4 pairs, 1 of 3 triples, 0.1 for none of 2.
    grams = [4 / 5, 2 / 4, 1 / 3, 0.1 / 2]
    assert found.ngram == pytest.approx(math.prod(grams) ** 0.25)
    # No keyword: all weights 0.2, the denominator at least 1.
    weighted = [4 * 0.2 / 1, 2 / 4, 1 / 3, 0.1 / 2]
    assert found.weighted_ngram == pytest.approx(math.prod(weighted) ** 0.25)
    # (module (expression_statement (assignment (binary_operator)))): signs do not show.
    assert found.syntax == 1.0
    assert found.dataflow == 1.0
    mean = (found.ngram + found.weighted_ngram + 2) / 4
    assert found.total == pytest.approx(mean)


def test_keywords_weigh_five_times_as_much() -> None:
    # Reference: 2 keywords and 3 names weigh 2 + 3 * 0.2; the candidate has the keywords only.
    found = codebleu("return a if b c", "return x if y z")
    assert found.weighted_ngram == pytest.approx((2 / 2.6 * 0.1 / 4 * 0.1 / 3 * 0.1 / 2) ** 0.25)


def test_no_match_of_data_flow_is_zero_and_not_one() -> None:
    found = codebleu(STEP, "some quick brown fox jumps over that lazy dog")
    assert (found.ngram, found.syntax, found.dataflow) == (0, 0, 0)
    assert found.total == 0


@pytest.mark.parametrize("reference", ["import jax\n", "", "# only words\n", "pass\n"])
def test_a_reference_without_data_flow_is_said_not_scored(reference: str) -> None:
    found = codebleu(reference, STEP)
    assert found.dataflow is None
    assert found.note == NO_DATA_FLOW
    three = (found.ngram + found.weighted_ngram + found.syntax) / 3
    assert found.total == pytest.approx(three)


def test_identical_programs_score_one() -> None:
    for code in (STEP, (CASES / "lstm" / "reference.py").read_text()):
        assert values(codebleu(code, code)) == [1, 1, 1, 1]
        assert codebleu(code, code, strict=True).total == 1


def test_a_long_sum_keeps_its_data_flow() -> None:
    # The package loses it without a word: its own recursion ends at about 1,000 levels.
    code = "x = 1\ny = " + " + ".join(["x"] * 3000) + "\n"
    assert codebleu(code, code).dataflow == 1.0


def test_an_attribute_set_to_text_keeps_the_data_flow() -> None:
    # Both sides of this assignment have three parts; the package pairs the string's inside.
    code = 'a = 1\nself.name = "text"\nb = a\n'
    assert codebleu(code, code).dataflow == 1.0


def test_names_after_other_scripts_on_a_line_are_read_whole() -> None:
    # The package cuts names by bytes from text that has fewer characters.
    assert codebleu('s = "日本語"; a = s; b = a\n', 's = "nihon"; a = s; c = a\n').dataflow == 1.0
    assert codebleu("größe = 1\nπ = größe\n", "size = 1\npi = size\n").dataflow == 1.0


def test_what_nests_too_deeply_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataflow, "MAX_DEPTH", 900)
    monkeypatch.setattr(dataflow, "MAX_WORK", 20_000)
    deep = "x = " + "(" * 900 + "1" + ")" * 900 + "\ny = x\n"
    found = codebleu(STEP, deep)
    assert found.dataflow is None
    assert "nest" in found.note and "candidate" in found.note
    loops = "".join(f"{'  ' * n}for i{n} in a:\n" for n in range(40)) + "  " * 40 + "b = a\n"
    assert "too deeply" in codebleu(loops, loops).note


def test_strict_is_the_printed_definition() -> None:
    # The reference calls twice, the candidate once: released 2 of 2, printed 1 of 2 such trees.
    twice, once = "f(a)\nf(a)\n", "f(a)\n"
    released, printed = codebleu(twice, once), codebleu(twice, once, strict=True)
    # Trees: module, 2 statements, 2 calls, 2 argument lists; the modules differ.
    assert released.syntax == 6 / 7
    assert printed.syntax == 3 / 7
    # One token of two: its precision is 1 and the brevity penalty exp(1 - 2/1).
    ones = [0.2 / 1, 0.1 / 1, 0.1 / 1, 0.1 / 1]
    assert printed.weighted_ngram == pytest.approx(math.exp(-1) * math.prod(ones) ** 0.25)


def test_comments_and_docstrings_go_and_strings_stay() -> None:
    code = '"""Words."""\ndef f():\n    "Says."\n    # why\n    return "kept"  # so\n\n'
    lines = without_comments(code).split("\n")
    assert [line.split() for line in lines] == [["def", "f():"], ["return", '"kept"']]


def test_a_batch_is_the_pairs_one_by_one_in_their_order() -> None:
    pairs = [pair for _, pair in of_fixtures()] * 2
    one_by_one = [codebleu(*pair) for pair in pairs]
    assert codebleu_batch(pairs, processes=2) == one_by_one
    assert codebleu_batch(pairs[:3]) == one_by_one[:3]


def test_the_same_in_every_process() -> None:
    # Six sources of one loop variable: a set would order them by the hash seed.
    program = (
        "from scoring.metrics.codebleu import codebleu\n"
        "a = 'for i in r:\\n    t = a + b + c + d + e + t\\n    d = t\\n'\n"
        "b = 'for i in r:\\n    t = e + d + c + b + a + t\\n    e = t\\n'\n"
        "print(codebleu(a, b).to_json())\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(found) == 1
