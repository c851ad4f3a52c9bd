"""Experiments of every kind, made in the browser and from the shell, down to their numbers."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from curation.enums import ModelRole, PromptUse
from curation.models import AuditEvent, Category, Dataset, Example, LanguageModel
from scoring.enums import ExperimentKind
from scoring.experiments import services
from scoring.experiments.grid import Grid, keeps_of
from scoring.experiments.pipeline import Work
from scoring.experiments.policy import Policy, PolicyRefused, Source
from scoring.models import Experiment, Score, Translation
from scoring.scores import update
from scoring.tables import build
from tests.factories import make_dataset, make_example, make_user
from tests.llm_server import LlmServer, Request
from tests.scoring.experiments.conftest import make_experiment

pytestmark = pytest.mark.django_db
STRONG = "import jax.numpy as jnp\n\ndef main(n):\n    x = jnp.ones(n)\n    return x.sum()\n"
WEAK = STRONG.replace("x.sum()", "jnp.mean(x)")


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_user("ada"))
    return client


@pytest.fixture
def strong(model: LanguageModel, server: LlmServer) -> LanguageModel:
    """A costly model beside the cheap one; each answers with code of its own."""

    def answer(request: Request) -> str:
        code = STRONG if request.body["model"] == "strong" else WEAK
        return f"```python\n{code}```"

    server.usual = answer
    return LanguageModel.objects.create(
        name="strong",
        role=ModelRole.COSTLY,
        base_url=server.url,
        model_id="strong",
        concurrency=1,
    )


@pytest.fixture
def other() -> Dataset:
    """Programs that nobody has repaired: their fixed code is not known."""
    dataset = make_dataset("other")
    make_example(dataset)
    make_example(dataset, code="import torch\nprint(torch.zeros(3).mean())\n")
    return dataset


def run(slug: str) -> Experiment:
    experiment = Experiment.objects.select_related("batch", "dataset").get(slug=slug)
    services.start(experiment, by=None, here=True)
    Work(experiment).run()
    update(experiment, metrics=["codebleu"])
    return experiment


def fields_of(*models: LanguageModel, **changes: Any) -> dict[str, Any]:
    fields = {
        "title": "First",
        "slug": "first",
        "kind": "intrinsic",
        "models": [model.pk for model in models],
        "prompts": ["standard", "augmented"],
        "choice": "nearest",
        "samples": "1",
        "runtime": "jax",
    }
    return fields | changes


def check_extrinsic(experiment: Experiment, fixed: Dataset) -> None:
    """All steps of `fixed` are told; drafts are held against those of the costly model."""
    assert experiment.kind == ExperimentKind.EXTRINSIC
    assert experiment.context_dataset == fixed
    assert str(experiment.reference).endswith("/strong-standard")
    told = Translation.objects.filter(setting__name="cheap-augmented")
    assert [each.context["examples"] for each in told] == [[f"e{n}" for n in range(6)]] * 2
    values = {
        name: list(
            Score.objects.filter(setting__name=name, measure="codebleu").values_list(
                "value", flat=True
            )
        )
        for name in ("strong-standard", "strong-augmented", "cheap-standard")
    }
    assert values["strong-standard"] == [None, None], "held against itself it would say nothing"
    assert values["strong-augmented"] == [1.0, 1.0]
    assert all(value is not None and 0 < value < 1 for value in values["cheap-standard"])
    assert "against the translations of strong-standard" in " ".join(build(experiment, "2").notes)


@pytest.mark.django_db(transaction=True)
def test_an_extrinsic_experiment_in_the_browser(
    client: Client, fixed: Dataset, other: Dataset, model: LanguageModel, strong: LanguageModel
) -> None:
    url = reverse("experiment-new", args=[other.slug])
    page = client.get(url).content.decode()
    assert "the drafts of strong, standard prompt" in page
    assert f'<option value="{fixed.pk}">' in page
    fields = fields_of(
        model, strong, kind="extrinsic", context_dataset=fixed.pk, reference="strong-standard"
    )
    lacking = client.post(url, fields | {"models": [model.pk]})
    assert lacking.status_code == 422
    assert "is none of the settings: cheap-standard" in lacking.content.decode()
    assert not Experiment.objects.exists()
    assert client.post(url, fields).status_code == 302
    check_extrinsic(run("first"), fixed)
    detail = client.get(reverse("experiment-detail", args=["first"])).content.decode()
    assert "with the fix steps of Dataset fixed" in detail
    assert detail.count(">reference</span>") == 1


@pytest.mark.django_db(transaction=True)
def test_an_extrinsic_experiment_from_the_shell(
    fixed: Dataset, other: Dataset, model: LanguageModel, strong: LanguageModel
) -> None:
    out = StringIO()
    call_command(
        *("new_experiment", "shell", "other", "--model", "cheap", "--model", "strong"),
        *("--prompt", "standard", "--prompt", "augmented", "--from", "fixed"),
        *("--reference", "strong-standard"),
        stdout=out,
    )
    assert "strong-augmented" in out.getvalue() and "all examples" in out.getvalue()
    call_command("experiment", "start", "shell", no_wait=True, stdout=out)
    assert "shell: finished, 8 translations" in out.getvalue()
    check_extrinsic(run("shell"), fixed)


def test_an_ablation_has_a_setting_for_each_context(
    client: Client, fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    category = Category.objects.get(name="API misuse")
    url = reverse("experiment-new", args=[fixed.slug])
    refused = client.post(url, fields_of(model, kind="ablation"))
    assert "An ablation leaves something out" in refused.content.decode()
    assert "“few” is no number" in client.post(url, fields_of(model, keep="few")).content.decode()
    fields = fields_of(model, kind="ablation", keep="0, 2, all", without=[category.pk])
    assert client.post(url, fields | {"each_alone": "on"}).status_code == 302
    experiment = run("first")
    told = {
        setting.name: len(setting.translations.earliest("pk").context.get("examples", []))
        for setting in experiment.settings.all()
    }
    whole = {"keep-0": 0, "keep-2": 2, "all": 5}
    assert told == {
        "cheap-standard": 0,
        **{f"cheap-augmented-{name}": count for name, count in whole.items()},
        **{f"cheap-augmented-{name}-no-api-misuse": count for name, count in whole.items()},
    }


def test_an_ablation_from_the_shell(fixed: Dataset, model: LanguageModel) -> None:
    def make(name: str, *options: str) -> Experiment:
        always = (name, "fixed", "--model", "cheap", "--prompt", "augmented")
        call_command("new_experiment", *always, *options, stdout=StringIO())
        return Experiment.objects.get(slug=name)

    ablation = make("few", "--keep", "1,3", "--without", "api misuse")
    assert ablation.kind == ExperimentKind.ABLATION
    policies = [Policy.of(setting.context) for setting in ablation.settings.all()]
    assert [(each.keep, each.without) for each in policies] == [
        (1, ("API misuse",)),
        (3, ("API misuse",)),
    ]
    assert make("plain").kind == ExperimentKind.INTRINSIC
    for words, arguments in [
        ("There is an experiment “few” already", ["few"]),
        ("“a b” cannot be a short name", ["a b"]),
        ("There is no category “nope”. Categories: ", ["x", "--without", "nope"]),
        ("There is no dataset “nope”. Known: fixed", ["x", "--from", "nope"]),
        ("There is no runtime 'nope'", ["x", "--runtime", "nope"]),
        ("which is for references", ["x", "--runtime", "torch"]),
        ("number of 0 or more, not “-1”", ["x", "--limit=-1"]),
    ]:
        with pytest.raises(CommandError, match=words):
            make(*arguments)


def test_numbers_of_examples_are_read() -> None:
    assert keeps_of("") == (None,)
    assert keeps_of("0, 5 all,5") == (0, 5, None)
    for text in ("-1", "1.5", "1" * 5000, "none"):
        with pytest.raises(PolicyRefused, match="is no number of examples"):
            keeps_of(text)


def test_names_of_settings_fit_and_differ(model: LanguageModel) -> None:
    model.name = "vendor/" + "long" * 20
    grid = Grid(
        [model],
        list(PromptUse)[:2],
        Policy(Source.LOO),
        keeps=(None, 999_999),
        without=("A category with a very long name indeed", "B"),
        each_alone=True,
    )
    names = [each.name for each in grid.settings()]
    assert len(set(names)) == len(names) == 1 + 2 * 3
    assert max(map(len, names)) <= 64


def test_the_reference_is_changed_later(
    client: Client, fixed: Dataset, model: LanguageModel
) -> None:
    experiment = make_experiment(fixed, model)
    url = reverse("experiment-reference", args=["x"])
    client.post(url, {"reference": "one"})
    assert str(Experiment.objects.get().reference) == "x/one"
    assert str(AuditEvent.objects.get(action="experiment.reference").actor) == "ada"
    said = client.post(url, {"reference": "two"}, follow=True).content.decode()
    assert "Nothing was changed. Select a valid choice." in said
    with pytest.raises(services.ExperimentRefused, match="is none of the settings: one"):
        services.set_reference(experiment, "two", by=None)
    assert str(Experiment.objects.get().reference) == "x/one"
    client.post(url, {"reference": ""})
    assert Experiment.objects.get().reference is None


def test_answered_questions_are_asked_anew_only_when_a_person_says_so(
    client: Client, fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    make_experiment(fixed, model)
    run("x")
    translation = Translation.objects.earliest("pk")
    first, url = translation.call, reverse("translation-anew", args=[translation.pk])
    assert "Ask anew" in client.get(url.replace("anew/", "")).content.decode()
    client.post(url)
    translation.refresh_from_db()
    assert (translation.state, translation.code, translation.run) == ("planned", "", None)
    refused = client.post(url, follow=True).content.decode()
    assert "This was not answered yet" in refused
    run("x")
    translation.refresh_from_db()
    assert translation.call != first and translation.call is not None
    assert (translation.state, translation.call.edition) == ("drafted", 1)
    assert len(server.requests) == 7
    call_command("experiment", "start", "x", "--anew", "--no-wait", stdout=StringIO())
    assert len(server.requests) == sum(server.paid.values()) == len(server.paid) == 13
    LanguageModel.objects.update(base_url="by-hand:")
    with pytest.raises(CommandError, match="cheap is not asked over a network"):
        call_command("experiment", "start", "x", "--anew", "--no-wait", stdout=StringIO())


def test_a_prompt_can_be_copied_before_anyone_loaded_prompts(
    client: Client, other: Dataset
) -> None:
    example = Example.objects.filter(dataset=other).earliest("pk")
    for query in ("", "?prompt=standard"):
        url = reverse("example-prompt", args=[example.pk]) + query
        assert "The finished prompt" in client.get(url).content.decode()
