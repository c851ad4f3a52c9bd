"""Which fixed examples a prompt carries; and that it never carries those of its own example."""

import json
from typing import Any

import pytest
from django.conf import settings as site

from curation.llm.tokens import tokens_of
from scoring.experiments.context import Chosen, Target, all_lines, choose, own_lines
from scoring.experiments.policy import Choice, Policy, PolicyRefused, Source
from scoring.experiments.similarity import similarities

PLENTY = 10**9
Fixed = dict[str, Any]


@pytest.fixture(scope="module")
def sample() -> list[Fixed]:
    path = site.BASE_DIR / "fixtures" / "sample" / "sample.json"
    found: list[Fixed] = json.loads(path.read_text())["Pytorch_to_JAX_Examples"]
    return found


def chosen_for(example: Fixed, pool: list[Fixed], policy: Policy, room: int = PLENTY) -> Chosen:
    target = Target(example["Example_id"], example["Input_Code"], own_lines(example))
    return choose(policy, target, pool, same_dataset=True, room=room, tokens_of=tokens_of)


@pytest.mark.parametrize("choice", list(Choice))
@pytest.mark.parametrize("budget", [None, 8000])
def test_no_fold_is_told_a_line_of_its_own_fixes(
    sample: list[Fixed], choice: Choice, budget: int | None
) -> None:
    policy = Policy(Source.LOO, choice, budget)
    for example in sample:
        chosen = chosen_for(example, sample, policy)
        told = {" ".join(line.split()) for line in _texts(chosen.text)}
        leaked = own_lines(example) & told
        assert leaked == set(), example["Example_id"]
        assert example["Example_id"] not in chosen.examples
        assert own_lines(example), "a fold without lines of its own would test nothing"


def _texts(text: str) -> list[str]:
    """Every line of every field of a context, as a model reads it."""
    lines: list[str] = []
    for example in json.loads(text)["Pytorch_to_JAX_Examples"]:
        lines += all_lines(example)
    return lines + text.splitlines()


def test_the_leak_would_be_seen(sample: list[Fixed]) -> None:
    """The search above finds the fixes when the example is told."""
    policy = Policy(Source.ALL)
    for example in sample:
        told = set(_texts(chosen_for(example, sample, policy).text))
        assert own_lines(example) & told


def test_plain_leave_one_out_leaves_out_one(sample: list[Fixed]) -> None:
    policy = Policy(Source.LOO, strict=False)
    chosen = chosen_for(sample[0], sample, policy)
    assert list(chosen.left_out.values()) == ["it is the one that is translated"]
    assert len(chosen.examples) == len(sample) - 1


def test_a_copy_of_the_program_under_another_name_is_left_out(sample: list[Fixed]) -> None:
    twin = sample[0] | {"Example_id": "twin", "Input_Code": sample[0]["Input_Code"] + "\n\n"}
    chosen = chosen_for(sample[0], [*sample, twin], Policy(Source.LOO, strict=False))
    assert chosen.left_out["twin"] == "it is the same program"


def test_what_does_not_fit_is_left_out_and_said(sample: list[Fixed]) -> None:
    chosen = chosen_for(sample[0], sample, Policy(Source.LOO, strict=False), room=10_000)
    assert 0 < len(chosen.examples) < len(sample) - 1
    assert tokens_of(chosen.text) == chosen.tokens <= 10_000
    assert set(chosen.examples) | set(chosen.left_out) == {e["Example_id"] for e in sample}
    assert "it does not fit into the budget" in chosen.left_out.values()
    smaller = chosen_for(sample[0], sample, Policy(Source.LOO, budget=5000), room=10_000)
    assert smaller.tokens <= 5000


def test_the_same_choice_every_time(sample: list[Fixed]) -> None:
    policy = Policy(Source.LOO, Choice.COVER, budget=9000)
    first = chosen_for(sample[0], sample, policy)
    again = chosen_for(sample[0], list(sample), policy)
    assert first == again
    assert first.to_json()["sha256"] == again.to_json()["sha256"]


def example(name: str, code: str, *categories: str) -> Fixed:
    step = {"Error_Code": "a", "Error": "b", "Fix_info": "", "Fixed_Code": ""}
    return {
        "Example_id": name,
        "Input_Code": code,
        "LLM_weak_output": "",
        "LLM_fix_output": "",
        "Errors": [step | {"Category": category} for category in categories],
    }


def test_the_nearest_are_chosen_by_what_they_call() -> None:
    pool = [
        example("lstm", "m = nn.LSTM(3, 4); h = torch.zeros(2)", "A"),
        example("conv", "m = nn.Conv2d(1, 2, 3); y = nn.MaxPool2d(2)", "A"),
        example("linear", "m = nn.Linear(1, 2)", "B"),
    ]
    target = example("target", "net = nn.Conv2d(3, 8, 3); pool = nn.MaxPool2d(2)")
    chosen = chosen_for(target, pool, Policy(Source.LOO, keep=1))
    assert chosen.examples == ("conv",)
    assert chosen.left_out == {
        "lstm": "1 were chosen before it",
        "linear": "1 were chosen before it",
    }


def test_cover_prefers_kinds_of_bugs_not_seen_yet() -> None:
    code = "m = nn.Conv2d(1, 2, 3)"
    pool = [
        example("near", code, "A"),
        example("near too", code, "A"),
        example("far", "x = torch.rand(1)", "B", "C"),
    ]
    target = example("target", "m = nn.Conv2d(1, 2, 3)\nprint(m)")
    chosen = chosen_for(target, pool, Policy(Source.LOO, Choice.COVER, keep=2))
    assert chosen.examples == ("near", "far")


def test_categories_that_are_taken_out_are_gone_with_what_would_show_them() -> None:
    pool = [example("mixed", "a", "Keep", "Drop"), example("only", "b", "Drop")]
    pool[0]["LLM_fix_output"] = "the repaired program"
    chosen = chosen_for(example("t", "c"), pool, Policy(Source.LOO, without=("drop",)))
    (told,) = json.loads(chosen.text)["Pytorch_to_JAX_Examples"]
    assert [step["Category"] for step in told["Errors"]] == ["Keep"]
    assert told["LLM_fix_output"] == ""
    assert list(chosen.left_out) == ["only"]


def test_similarity_is_one_for_the_same_and_none_for_nothing_shared() -> None:
    same, none, some = similarities("nn.Linear(a)", ["nn.Linear(a)", "x = y", "nn.Conv2d(a)"])
    assert same == pytest.approx(1.0)
    assert none == 0.0
    assert 0.0 < some < 1.0
    assert similarities("", ["a", ""]) == [0.0, 0.0]


def test_a_policy_is_read_back_as_it_was_written() -> None:
    policy = Policy(Source.FILE, Choice.COVER, 10, 2, ("A",), False, "f.json", ({"a": 1},))
    assert Policy.of(json.loads(json.dumps(policy.to_json()))) == policy
    assert str(Policy(Source.LOO, keep=3)) == "leave one out, at most 3, chosen by similarity"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"source": "most"}, "'most' is not a valid Source"),
        ({"budget": -1}, "“budget” of a context policy"),
        ({"keep": "3"}, "“keep” of a context policy"),
        ({"colour": 1}, "no field colour"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(found: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyRefused, match=words):
        Policy.of(found)
