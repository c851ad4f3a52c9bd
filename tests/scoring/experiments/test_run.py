"""An experiment from its settings to executed drafts, and every way it can be interrupted."""

import json
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from curation.enums import BatchState, CallState, Origin, PromptKind
from curation.llm.calls import LlmError
from curation.llm.purse import spend_of
from curation.models import Call, Dataset, Draft, LanguageModel
from executor.models import Run
from scoring.enums import ExperimentKind, TranslationState
from scoring.experiments import queries, services
from scoring.experiments.context import own_lines
from scoring.experiments.pipeline import Work
from scoring.experiments.policy import Policy, Source
from scoring.experiments.prompting import Prompts
from scoring.models import Experiment, Translation
from tests.factories import make_dataset, make_example, make_user
from tests.llm_server import CODE, Behaviour, LlmServer, Request, completion, error
from tests.scoring.experiments.conftest import make_experiment

pytestmark = pytest.mark.django_db
PROGRAM = "import jax.numpy as jnp\nprint(jnp.ones(2).sum())\n"


def run(experiment: Experiment) -> list[Translation]:
    services.start(experiment, by=None, here=True)
    Work(experiment).run()
    experiment.batch.refresh_from_db()
    return list(Translation.objects.filter(setting__experiment=experiment))


def test_every_program_is_drafted_and_its_code_executed(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    seen: list[tuple[int, int]] = []
    experiment = make_experiment(fixed, model, samples=2)
    services.start(experiment, by=None, here=True)
    Work(experiment, lambda over, total: seen.append((over, total))).run()
    translations = list(Translation.objects.filter(setting__experiment=experiment))
    assert len(translations) == len(server.requests) == 12
    assert seen[0] == (0, 12) and seen[-1] == (12, 12)
    assert {each.state for each in translations} == {TranslationState.DRAFTED}
    assert {each.code for each in translations} == {PROGRAM}
    # Two samples of one program gave the same code: it is executed once.
    assert Run.objects.count() == 6
    assert all(each.run is not None and each.run.code == PROGRAM for each in translations)
    assert Draft.objects.filter(example__dataset=fixed).count() == 6, "none of them is new"
    experiment.batch.refresh_from_db()
    assert experiment.batch.state == BatchState.FINISHED
    assert spend_of(experiment.batch).paid == 12 * (100 + 200) / Decimal(1_000_000)


def test_no_prompt_of_a_fold_holds_a_line_of_its_own_fixes(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    translations = run(make_experiment(fixed, model, context=Policy(Source.LOO)))
    told = {each["Example_id"]: each for each in Prompts(fixed).fixed(fixed)}
    prompts = {request.prompt for request in server.requests}
    assert len(prompts) == len(translations) == 6
    for translation in translations:
        name = translation.example.example_id
        assert translation.call is not None
        prompt = "\n".join(message["content"] for message in translation.call.messages)
        assert prompt in prompts, "what is stored is what was sent"
        for line in own_lines(told[name]):
            assert line not in prompt, name
        others = set(told) - {name}
        assert set(translation.context["examples"]) == others
        assert all(f"There is no one; program {other[1:]}" in prompt for other in others)


def test_an_extrinsic_experiment_takes_the_steps_of_another_dataset(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    other = make_dataset("other")
    make_example(other)
    with pytest.raises(services.ExperimentRefused, match="another dataset"):
        make_experiment(other, model, kind=ExperimentKind.EXTRINSIC, context=Policy(Source.ALL))
    (translation,) = run(
        make_experiment(
            other,
            model,
            kind=ExperimentKind.EXTRINSIC,
            context=Policy(Source.ALL),
            context_dataset=fixed,
        )
    )
    assert translation.context["examples"] == [f"e{n}" for n in range(6)]


def test_answers_without_code_are_kept_and_named(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    server.script.extend(
        [
            Behaviour(body=completion(refusal="No.")),
            Behaviour(body=completion("Sorry, I cannot.")),
            error(400, "too long"),
        ]
    )
    found = {each.note: each.state for each in run(make_experiment(fixed, model))}
    assert found == {
        "The model refused: No.": TranslationState.NO_CODE,
        "No code was found: the answer was taken as it is.": TranslationState.NO_CODE,
        "The provider answered 400: too long": TranslationState.FAILED,
        "Left out 1 line around the code.": TranslationState.DRAFTED,
    }


def test_code_that_a_draft_holds_already_takes_over_its_repair(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    draft = Draft.objects.get(example__dataset=fixed, example__example_id="e2")
    fixed_code = draft.revisions.get(origin=Origin.STEP).code
    server.usual = lambda _: f"```python\n{fixed_code}```"
    found = {each.example.example_id: each for each in run(make_experiment(fixed, model))}
    assert (found["e2"].draft, found["e2"].from_revision) == (draft, 1)
    assert found["e1"].draft is None


def test_drafts_go_into_the_repair_queue_where_that_is_wanted(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    translations = run(make_experiment(fixed, model, to_queue=True, context=Policy(Source.LOO)))
    for translation in translations:
        draft = translation.draft
        assert draft is not None
        assert (draft.model, draft.prompt_kind) == ("cheap", PromptKind.AUGMENTED)
        assert draft.raw_answer == CODE
        assert draft.revisions.get().code == PROGRAM


def test_one_draft_is_sent_into_the_queue_by_a_person(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    translation = run(make_experiment(fixed, model))[0]
    person = make_user()
    first = services.send_to_queue(translation, by=person).draft
    assert first is not None
    assert services.send_to_queue(translation, by=person).draft == first


def test_a_limit_stops_and_a_higher_one_goes_on_without_paying_twice(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    model.params = {"max_tokens": 20}
    model.save()
    # An answer costs 0.0003; what the next may cost is counted before it is asked.
    experiment = make_experiment(fixed, model, spend_limit=Decimal("0.0012"))
    with pytest.raises(LlmError, match="spend limit"):
        run(experiment)
    experiment.batch.refresh_from_db()
    assert experiment.batch.state == BatchState.STOPPED
    assert "Raise the limit" in experiment.batch.reason
    asked = len(server.requests)
    assert 0 < asked < 6
    assert spend_of(experiment.batch).total <= Decimal("0.0012")
    services.set_limit(experiment, None, by=None)
    assert {each.state for each in run(experiment)} == {TranslationState.DRAFTED}
    assert len(server.requests) == 6


def test_a_key_that_is_revoked_midway(
    fixed: Dataset, model: LanguageModel, server: LlmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.key_env = "TEST_KEY"
    model.save()
    monkeypatch.setenv("TEST_KEY", "first")
    server.valid_key = "first"

    def revoke(request: Request) -> str:
        if len(server.requests) == 3:
            server.valid_key = "second"
        return CODE

    server.usual = revoke
    experiment = make_experiment(fixed, model)
    with pytest.raises(LlmError, match="Give the model a valid key, then resume"):
        run(experiment)
    experiment.batch.refresh_from_db()
    assert experiment.batch.state == BatchState.STOPPED
    assert Call.objects.filter(state=CallState.ANSWERED).count() == 3
    assert Call.objects.filter(state=CallState.FAILED).count() == 0
    server.usual = lambda _: CODE
    monkeypatch.setenv("TEST_KEY", "second")
    assert {each.state for each in run(experiment)} == {TranslationState.DRAFTED}
    assert sum(server.paid.values()) == len(server.paid) == 6


def test_a_provider_that_is_down_and_comes_back(
    fixed: Dataset, model: LanguageModel, server: LlmServer, settings: Any
) -> None:
    server.stop()
    settings.T2J_LLM_PATIENCE = 0.2
    experiment = make_experiment(fixed, model)
    with pytest.raises(LlmError, match="cannot be reached"):
        run(experiment)
    server.start()
    assert {each.state for each in run(experiment)} == {TranslationState.DRAFTED}
    assert len(server.requests) == 6


@pytest.mark.django_db(transaction=True)
def test_a_storm_of_refusals(fixed: Dataset, model: LanguageModel, server: LlmServer) -> None:
    """Several threads, every other request refused: each call is answered and paid once."""
    model.concurrency = 4
    model.save()

    def every_other(request: Request) -> Behaviour | str:
        busy = len(server.requests) % 2 == 1
        return error(429, "slow down", retry_after_ms="30") if busy else CODE

    server.usual = every_other
    assert {each.state for each in run(make_experiment(fixed, model))} == {TranslationState.DRAFTED}
    assert sum(server.paid.values()) == len(server.paid) == 6


def test_identical_prompts_of_two_experiments_are_paid_once(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    run(make_experiment(fixed, model))
    second = make_experiment(fixed, model, slug="y")
    assert {each.state for each in run(second)} == {TranslationState.DRAFTED}
    assert len(server.requests) == 6
    assert spend_of(second.batch).total == 0


@pytest.mark.django_db(transaction=True)
def test_a_stopped_experiment_asks_no_more(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    experiment = make_experiment(fixed, model)
    person = make_user("ada")

    def stop_after_two(_: Request) -> str:
        if len(server.requests) == 2:
            services.stop(experiment, by=person)
        return CODE

    server.usual = stop_after_two
    with pytest.raises(LlmError, match="Stopped by ada"):
        run(experiment)
    assert len(server.requests) == 2
    # The answer that was under way when it was stopped is kept.
    assert Call.objects.filter(state=CallState.ANSWERED).count() == 2
    run(experiment)
    assert len(server.requests) == 6


def test_an_answer_by_hand_goes_the_same_way(fixed: Dataset, model: LanguageModel) -> None:
    model.base_url = "by-hand:"
    model.save()
    experiment = make_experiment(fixed, model, context=Policy(Source.LOO))
    translations = run(experiment)
    assert experiment.batch.state == BatchState.STOPPED
    assert experiment.batch.reason == "6 answers are to be pasted by hand."
    person = make_user()
    answer = f"Sure!\n{CODE}Good luck."
    found = services.look_at_answer(answer)
    assert found.code == PROGRAM
    done = services.paste_answer(translations[0], answer=answer, code=found.code, by=person)
    assert done.call is not None and done.call.text == answer
    assert (done.call.pasted_by, done.call.cost) == (person, Decimal(0))
    assert done.state == TranslationState.DRAFTED
    assert done.run is not None
    assert len(done.context["examples"]) == 5
    with pytest.raises(services.ExperimentRefused, match="has its code already"):
        services.paste_answer(done, answer=answer, code="x", by=person)


def draft(dataset: Dataset, *arguments: str) -> str:
    out = StringIO()
    call_command("draft", dataset.slug, "--no-wait", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_drafts_and_goes_on(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    said = draft(fixed, "--model", "cheap", "--prompt", "augmented", "--limit", "1")
    assert "6  queued" in said and "0.0018 spent" in said
    experiment = Experiment.objects.get()
    assert Policy.of(experiment.settings.get().context).source == Source.LOO
    assert draft(fixed, "--model", "cheap", "--prompt", "augmented") == said
    assert len(server.requests) == 6
    draft(fixed, "--model", "cheap", "--prompt", "standard")
    assert len(server.requests) == 12
    assert Experiment.objects.count() == 2


def test_the_command_takes_context_from_a_file(
    fixed: Dataset, model: LanguageModel, server: LlmServer, tmp_path: Path
) -> None:
    file = tmp_path / "context.json"
    step = {"Error_Code": "a", "Error": "b", "Fix_info": "from the file", "Fixed_Code": "c"}
    content = {"Example_id": "q", "Input_Code": "import torch", "LLM_weak_output": "a\n"}
    file.write_text(json.dumps([content | {"LLM_fix_output": "c\n", "Errors": [step]}]))
    draft(fixed, "--model", "cheap", "--prompt", "augmented", "--context", str(file))
    assert all("from the file" in request.prompt for request in server.requests)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "nobody", "--prompt", "standard"], "There is no model “nobody”. Known: cheap"),
        (["--model", "cheap", "--prompt", "standard", "--context", "loo"], "takes no --context"),
        (["--model", "cheap", "--prompt", "augmented", "--context", "no.json"], "there is no file"),
        (["--model", "cheap", "--prompt", "standard", "--limit", "much"], "--limit is a number"),
    ],
)
def test_the_command_says_what_is_wrong(
    fixed: Dataset, model: LanguageModel, arguments: list[str], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        draft(fixed, *arguments)


def test_progress_is_counted_in_few_queries(
    fixed: Dataset, model: LanguageModel, django_assert_num_queries: Any
) -> None:
    experiment = make_experiment(fixed, model)
    run(experiment)
    with django_assert_num_queries(2):
        progress = queries.progress_of(experiment)
    assert (progress.over, progress.total, progress.waiting) == (6, 6, 6)
    assert queries.is_live(experiment, progress)
