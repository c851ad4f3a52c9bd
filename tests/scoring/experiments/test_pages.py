"""The pages of experiments, as a person uses them."""

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from curation.enums import BatchState, CallState, PromptUse
from curation.llm import prompts
from curation.llm.keys import key_of
from curation.models import Call, Dataset, LanguageModel, PromptTemplate
from scoring.enums import TranslationState
from scoring.experiments.pipeline import Work
from scoring.experiments.policy import Policy, Source
from scoring.experiments.services import start
from scoring.models import Experiment, Translation
from tests.factories import make_user
from tests.llm_server import CODE, LlmServer
from tests.scoring.experiments.conftest import make_experiment

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_user("ada"))
    return client


@pytest.fixture
def done(fixed: Dataset, model: LanguageModel, server: LlmServer) -> Experiment:
    """An experiment whose answers are there."""
    experiment = make_experiment(fixed, model, context=Policy(Source.LOO))
    start(experiment, by=None, here=True)
    Work(experiment).run()
    return experiment


def html_of(client: Client, name: str, *args: object, query: str = "") -> str:
    response = client.get(reverse(name, args=args) + query)
    assert response.status_code == 200, name
    html = response.content.decode()
    assert " style=" not in html and " onclick=" not in html and html.count("<h1") == 1
    return html


def test_an_experiment_is_made_in_the_browser(
    client: Client, fixed: Dataset, model: LanguageModel
) -> None:
    url = reverse("experiment-new", args=[fixed.slug])
    assert "cheap" in html_of(client, "experiment-new", fixed.slug)
    fields = {
        "title": "First",
        "slug": "first",
        "kind": "intrinsic",
        "models": [model.pk],
        "prompts": ["standard", "augmented"],
        "choice": "cover",
        "keep": "3",
        "samples": "2",
        "runtime": "jax",
        "spend_limit": "1.5",
    }
    assert client.post(url, fields).status_code == 302
    experiment = Experiment.objects.get(slug="first")
    names = [setting.name for setting in experiment.settings.all()]
    assert names == ["cheap-standard", "cheap-augmented"]
    policy = Policy.of(experiment.settings.get(name="cheap-augmented").context)
    assert (policy.source, policy.choice.value, policy.keep) == (Source.LOO, "cover", 3)
    assert str(experiment.batch.spend_limit) == "1.50000000"
    again = client.post(url, fields)
    assert again.status_code == 422
    assert "There is an experiment “first” already." in again.content.decode()
    refused = client.post(url, fields | {"slug": "second", "kind": "extrinsic"})
    assert "takes its fix steps from another dataset" in refused.content.decode()


def test_it_is_started_stopped_and_limited(
    client: Client, fixed: Dataset, model: LanguageModel
) -> None:
    experiment = make_experiment(fixed, model)
    assert "Start" in html_of(client, "experiment-detail", "x")
    client.post(reverse("experiment-start", args=["x"]))
    experiment.batch.refresh_from_db()
    assert experiment.batch.state == BatchState.RUNNING
    assert 'hx-trigger="every 2s"' in html_of(client, "experiment-detail", "x")
    client.post(reverse("experiment-stop", args=["x"]))
    assert "Stopped by ada" in html_of(client, "experiment-detail", "x")
    client.post(reverse("experiment-limit", args=["x"]), {"spend_limit": "0.25"})
    experiment.batch.refresh_from_db()
    assert str(experiment.batch.spend_limit) == "0.25000000"
    client.post(reverse("experiment-limit", args=["x"]), {"spend_limit": "-1"})
    experiment.batch.refresh_from_db()
    assert str(experiment.batch.spend_limit) == "0.25000000"


def test_what_came_of_it_is_shown_down_to_the_answer(client: Client, done: Experiment) -> None:
    html = html_of(client, "experiment-detail", "x")
    assert "6 of 6 answered" in html and "leave one out" in html
    translation = Translation.objects.filter(example__example_id="e1").get()
    assert reverse("translation-detail", args=[translation.pk]) in html
    page = html_of(client, "translation-detail", translation.pk)
    assert "e0, e2, e3, e4, e5" in page
    assert "e1: it is the one that is translated" in page
    assert "100 + 20 tokens" in page and "cost 0.0003" in page
    assert "test-model-2026-01-01" in page
    file = client.get(reverse("translation-context", args=[translation.pk]))
    assert file["Content-Disposition"] == 'attachment; filename="x-e1-context.json"'
    told = json.loads(file.content)["Pytorch_to_JAX_Examples"]
    assert [each["Example_id"] for each in told] == ["e0", "e2", "e3", "e4", "e5"]


def test_what_is_asked_by_hand_is_shown_with_its_context(
    client: Client, fixed: Dataset, model: LanguageModel
) -> None:
    model.base_url = "by-hand:"
    model.save()
    experiment = make_experiment(fixed, model, context=Policy(Source.LOO))
    start(experiment, by=None, here=True)
    Work(experiment).run()
    pk = Translation.objects.filter(example__example_id="e1").get().pk
    page = html_of(client, "translation-detail", pk)
    assert "e0, e2, e3, e4, e5" in page
    assert reverse("translation-context", args=[pk]) in page


def test_a_context_that_fits_no_more_is_told_in_a_sentence(
    client: Client, done: Experiment, model: LanguageModel
) -> None:
    LanguageModel.objects.filter(pk=model.pk).update(context_window=1)
    pk = Translation.objects.filter(example__example_id="e1").get().pk
    page = client.get(reverse("translation-context", args=[pk]), follow=True)
    assert page.redirect_chain == [(reverse("translation-detail", args=[pk]), 302)]
    assert "no room for fixed examples" in page.content.decode()
    api = client.get(f"/api/v1/translations/{pk}/context/")
    assert (api.status_code, "no room" in api.json()["detail"]) == (409, True)


def test_only_what_changes_is_sent_while_it_runs(client: Client, done: Experiment) -> None:
    url = reverse("experiment-detail", args=["x"])
    fragment = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert fragment.lstrip().startswith("<section") and "<html" not in fragment


def test_an_answer_is_pasted_looked_at_and_kept(
    client: Client, fixed: Dataset, model: LanguageModel
) -> None:
    model.base_url = "by-hand:"
    model.save()
    experiment = make_experiment(fixed, model, context=Policy(Source.LOO))
    start(experiment, by=None, here=True)
    Work(experiment).run()
    translation = Translation.objects.filter(example__example_id="e0").get()
    page = html_of(client, "translation-detail", translation.pk)
    assert "Ask by hand" in page
    assert "There is no one; program 3" in page and "There is no one; program 0" not in page
    url = reverse("translation-paste", args=[translation.pk])
    looked = client.post(url, {"answer": f"Sure.\r\n{CODE}"}).content.decode()
    assert "Is this the code?" in looked and "Left out 2 lines around the code." in looked
    code = "import jax.numpy as jnp\r\nprint(jnp.ones(2).sum())\r\n"
    assert client.post(url, {"answer": f"Sure.\n{CODE}", "code": code}).status_code == 302
    translation.refresh_from_db()
    assert translation.state == TranslationState.DRAFTED
    assert translation.code == code.replace("\r\n", "\n")
    assert Call.objects.get(state=CallState.ANSWERED).text == f"Sure.\n{CODE}"
    queued = client.post(reverse("translation-queue", args=[translation.pk]))
    translation.refresh_from_db()
    assert translation.draft is not None
    assert queued["Location"] == reverse("workbench", args=[translation.draft.pk])


def test_the_prompt_of_one_program_to_copy(
    client: Client, fixed: Dataset, model: LanguageModel
) -> None:
    example = fixed.examples.get(example_id="e2")
    page = html_of(client, "example-prompt", example.pk, query="?keep=2")
    assert "2 fixed examples" in page
    assert "There is no one; program 2 " not in page
    plain = html_of(client, "example-prompt", example.pk, query="?prompt=standard")
    assert "Fixed bugs" not in plain and "nn.LSTM(2, 2)" in plain
    file = client.get(reverse("example-prompt", args=[example.pk]) + "?file&keep=2")
    assert len(json.loads(file.content)["Pytorch_to_JAX_Examples"]) == 2


def test_a_prompt_gets_its_next_version(client: Client, fixed: Dataset) -> None:
    prompts.load_shipped()
    assert "shipped" in html_of(client, "prompt-list")
    url = reverse("prompt-edit", args=["standard"])
    refused = client.post(url, {"system": "", "text": "Translate it."})
    assert refused.status_code == 422
    assert "The prompt lacks {{pytorch_code}}." in refused.content.decode()
    text = "Translate this:\r\n{{pytorch_code}}"
    assert client.post(url, {"system": "Be brief.", "text": text}).status_code == 302
    version = prompts.current(PromptUse.STANDARD)
    assert (version.number, str(version.created_by)) == (2, "ada")
    messages = prompts.fill(version, {"pytorch_code": "x = '{{pytorch_code}}'"})
    assert messages == [
        {"role": "system", "content": "Be brief.\n"},
        {"role": "user", "content": "Translate this:\nx = '{{pytorch_code}}'\n"},
    ]
    assert prompts.load_shipped() == 0, "what a person wrote is not written over"
    assert "shipped with the product" in html_of(
        client, "prompt-edit", "standard", query="?version=1"
    )


def test_a_prompt_version_is_never_changed(fixed: Dataset) -> None:
    from django.db import IntegrityError

    prompts.load_shipped()
    version = prompts.current(PromptUse.STANDARD)
    version.text = "another"
    with pytest.raises(IntegrityError, match="is never changed"):
        version.save()


def test_only_those_who_lead_change_prompts_and_experiments(
    fixed: Dataset, model: LanguageModel
) -> None:
    make_experiment(fixed, model)
    Dataset.objects.update(everyone="viewer")
    viewer = Client()
    viewer.force_login(make_user())
    assert "Save as version" not in html_of(viewer, "prompt-edit", "standard")
    for url, fields in [
        (reverse("prompt-edit", args=["standard"]), {"text": "{{pytorch_code}}"}),
        (reverse("experiment-start", args=["x"]), {}),
        (reverse("experiment-stop", args=["x"]), {}),
        (reverse("experiment-limit", args=["x"]), {}),
        (reverse("experiment-new", args=[fixed.slug]), {}),
    ]:
        assert viewer.post(url, fields).status_code == 403, url
    assert PromptTemplate.objects.get(slug="standard").versions.count() == 1
    Dataset.objects.update(everyone="")
    assert viewer.get(reverse("experiment-detail", args=["x"])).status_code == 404
    assert "X</a>" not in html_of(viewer, "experiment-list")


def test_a_key_is_entered_and_never_shown(model: LanguageModel) -> None:
    admin = Client()
    admin.force_login(User.objects.create_superuser("root", password="x"))
    url = reverse("admin:curation_languagemodel_change", args=[model.pk])
    fields = {
        "name": "cheap",
        "role": "cheap",
        "base_url": "https://host.example/v1",
        "model_id": "m",
        "concurrency": "4",
        "context_window": "1000",
        "max_output_tokens": "100",
        "timeout_seconds": "60",
        "params": '{"temperature": 0}',
        "enabled": "on",
        "new_key": "sk-secret-1234",
    }
    assert admin.post(url, fields).status_code == 302
    model.refresh_from_db()
    assert key_of(model) == "sk-secret-1234"
    for page in (url, reverse("admin:curation_languagemodel_changelist")):
        html = admin.get(page).content.decode()
        assert "sk-secret-1234" not in html and model.sealed_key not in html
    assert admin.post(url, fields | {"new_key": ""}).status_code == 302
    model.refresh_from_db()
    assert key_of(model) == "sk-secret-1234"
    assert admin.post(url, fields | {"new_key": "", "forget_key": "on"}).status_code == 302
    model.refresh_from_db()
    assert key_of(model) == ""
    refused = admin.post(url, fields | {"base_url": "https://me:secret@host.example/v1"})
    assert "Keys do not belong in the address" in refused.content.decode()
