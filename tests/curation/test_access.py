"""Who may use what: every address of the URL configuration, every role, own and foreign datasets.

The list of addresses is taken from the URL configuration. An address without a rule, or a rule
that this test cannot exercise, fails here.
"""

import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from curation.enums import MemberRole, WebhookEvent
from curation.models import (
    AuditEvent,
    CallBatch,
    Dataset,
    Example,
    LanguageModel,
    PromptTemplate,
    PromptVersion,
)
from curation.services import comments, members, steps, trash, webhooks
from curation.services.steps import StepText
from executor.models import ImportJob
from executor.services import request_run
from scoring.exporters import make
from scoring.exports import files, pipeline, services
from scoring.models import Experiment, Release, Setting, Signature, Translation
from t2j_site.access import RULES, Rule, rule_of
from tests.factories import FIXED, head_of, make_dataset, make_draft, make_example, make_user

pytestmark = pytest.mark.django_db
API = "/api/v1"

# What other parts of an address are filled with.
OTHER_PARTS: dict[str, Any] = {
    "number": 0,
    "name": "t2j",
    "file": "mine.json",
    "export_format": "t2j",
    "format": "json",
    "key": "2",
    "board": "categories",
    "ending": "csv",
}
# An address that means something else by such a part.
OWN_PARTS = {"api-export-file": {"name": "mine.json"}}


def names() -> Iterator[str]:
    """Every name in the URL configuration but those of Django's admin, which rules itself."""

    def walk(patterns: list[Any]) -> Iterator[str]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                if pattern.namespace != "admin":
                    yield from walk(pattern.url_patterns)
            else:
                assert isinstance(pattern, URLPattern)
                assert pattern.name, f"{pattern} has no name"
                yield pattern.name

    return iter(dict.fromkeys(walk(get_resolver().url_patterns)))


NAMES = list(names())
OF_A_DATASET = [name for name in NAMES if name in RULES and RULES[name].lookup]


def test_every_address_has_a_rule_and_every_rule_an_address() -> None:
    assert set(NAMES) == set(RULES)


def test_an_address_without_a_rule_answers_nobody() -> None:
    with pytest.raises(ImproperlyConfigured, match="“made-up” has no rule"):
        rule_of("made-up")


class World:
    """A dataset with one of everything, and a person for each role."""

    def __init__(self, slug: str) -> None:
        self.dataset = make_dataset(slug, everyone=None)
        self.people: dict[MemberRole | None, User] = {None: make_user()}
        for role in MemberRole:
            self.people[role] = make_user()
            members.set_role(self.dataset, self.people[role], role, by=None)
        self.example = make_example(self.dataset)
        self.draft = make_draft(example=self.example)
        self.step = steps.save_step(self.draft, base=0, code=FIXED, text=StepText(), by=None)
        self.run = request_run(self.example, FIXED, draft=self.draft, by=None)
        author = self.people[MemberRole.ANNOTATOR]
        self.comment = comments.add_comment(self.draft, text="Why?", by=author)
        self.trash = trash.delete(make_draft(example=self.example), by=None)
        self.translation = _translation_of(self.example)
        ImportJob.objects.create(dataset=self.dataset, folder=uuid.uuid4())
        self.release = _release_of(self.dataset)
        self.webhook = webhooks.register(
            self.dataset, url="https://8.8.8.8/", events=[WebhookEvent.APPROVED], by=None
        )
        signature, _ = Signature.objects.get_or_create(sha256="0", content={})
        self.translation.scores.create(
            setting=self.translation.setting,
            metric="m",
            measure="m",
            value=1.0,
            inputs="0",
            signature=signature,
        )
        self.file = self.example.attachments.create(name="data.csv", content=b"1")

    def key(self, rule: Rule) -> Any:
        """The key of this dataset's record that the rule's lookup leads to."""
        return (
            Dataset.objects.filter(pk=self.dataset.pk)
            .order_by(rule.lookup)
            .values_list(rule.lookup, flat=True)[0]
        )

    def url(self, name: str) -> str:
        rule = RULES[name]
        parts = _parts_of(name) - {rule.key}
        missing = parts - OTHER_PARTS.keys()
        assert not missing, f"Say in OTHER_PARTS what {missing} of {name} is filled with."
        known = OTHER_PARTS | OWN_PARTS.get(name, {})
        fills = {part: known[part] for part in parts if part != "format"}
        return reverse(name, kwargs={rule.key: self.key(rule)} | fills)


def _translation_of(example: Example) -> Translation:
    slug = example.dataset.slug
    model = LanguageModel.objects.create(name=f"m-{slug}", base_url="recorded:none", model_id="m")
    template = PromptTemplate.objects.create(slug=f"p-{slug}", title="P", use="standard")
    prompt = PromptVersion.objects.create(template=template, number=1, text="Say.", sha256="0")
    experiment = Experiment.objects.create(
        slug=f"x-{slug}",
        title="X",
        kind="intrinsic",
        dataset=example.dataset,
        batch=CallBatch.objects.create(title="X"),
    )
    setting = Setting.objects.create(
        experiment=experiment, name="s", model=model, prompt=prompt, runtime="jax"
    )
    return Translation.objects.create(setting=setting, example=example)


def _release_of(dataset: Dataset) -> Release:
    job = services.request_release(dataset, version="1.0.0", changelog="", by=None)
    claimed = pipeline.claim(job.pk)
    assert claimed is not None
    stored = f"access/{dataset.slug}.zip"
    path = files.path_of(stored)
    export = make("snapshot", dataset)
    path.unlink(missing_ok=True)
    digest = files.save(export.files[0], path, lambda _: None)
    assert pipeline.store(claimed, export.tally, stored, digest)
    return dataset.releases.get()


def _fills(name: str) -> dict[str, Any]:
    """Parts of an address that is about no dataset."""
    return {part: 1 if part == "pk" else "standard" for part in _parts_of(name) - {"format"}}


def _parts_of(name: str) -> set[str]:
    (_, parts), *_ = get_resolver().reverse_dict.getlist(name)[0][0]
    return set(parts)


@pytest.fixture
def mine() -> World:
    call_command("load_prompts", stdout=io.StringIO())
    return World("mine")


def status_of(client: Client, method: str, url: str, data: Any = None) -> int:
    """The status of one request, all of whose writes are undone again."""
    with transaction.atomic():
        body = {} if data is None else {"data": data, "content_type": "application/json"}
        code = getattr(client, method)(url, **body).status_code
        transaction.set_rollback(True)
    return int(code)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("role", [None, *MemberRole])
def test_every_role_at_every_address_of_a_dataset(mine: World, role: MemberRole | None) -> None:
    client, wrong = client_of(mine.people[role]), {}
    for name in OF_A_DATASET:
        rule = RULES[name]
        for method, least in (("get", rule.read), ("post", rule.write), ("delete", rule.write)):
            code = status_of(client, method, mine.url(name))
            if role is None:
                fine = code == 404
            elif role.rank < least.rank:
                fine = code == 403
            else:
                # Past the rule: a service may still refuse what is someone else's.
                fine = code < 500 and code not in (401, 403, 404)
            if not fine and (name, method, role) not in OWN_ONLY:
                wrong[name, method] = code
    assert wrong == {}


# Comments are taken back by who wrote them: the annotator here.
OWN_ONLY = {
    ("api-comment-detail", "delete", role) for role in MemberRole if role != MemberRole.ANNOTATOR
}


def test_others_work_is_taken_back_by_a_lead_only(mine: World) -> None:
    event = AuditEvent.objects.filter(action="comment.added").get()
    url = reverse("event-undo", args=[event.pk])
    client_of(mine.people[MemberRole.REVIEWER]).post(url)
    assert mine.draft.comments.count() == 1
    client_of(mine.people[MemberRole.LEAD]).post(url)
    assert mine.draft.comments.count() == 0


def test_only_its_author_takes_a_comment_back(mine: World) -> None:
    url = reverse("comment-delete", args=[mine.comment.pk])
    client_of(mine.people[MemberRole.ADMIN]).post(url)
    assert mine.draft.comments.count() == 1
    client_of(mine.people[MemberRole.ANNOTATOR]).post(url)
    assert mine.draft.comments.count() == 0


def test_members_of_another_dataset_find_nothing(mine: World) -> None:
    stranger = client_of(World("theirs").people[MemberRole.ADMIN])
    for name in OF_A_DATASET:
        for method in ("get", "post", "delete"):
            assert status_of(stranger, method, mine.url(name)) == 404, (name, method)


def test_who_is_not_signed_in_gets_nothing(mine: World) -> None:
    for name in NAMES:
        if RULES[name].public:
            continue
        url = mine.url(name) if RULES[name].lookup else reverse(name, kwargs=_fills(name))
        assert status_of(Client(), "get", url) in (302, 401, 403), name
        assert status_of(Client(), "post", url) in (302, 401, 403), name


LISTS = [name for name in NAMES if name.startswith("api-") and name.endswith("-list")]
# The taxonomy, prompts and models are everyone's.
OF_ALL = {
    *("api-category-list", "api-category-change-list", "api-prompt-list", "api-model-list"),
}


@pytest.mark.parametrize("name", [name for name in LISTS if name not in OF_ALL])
def test_lists_show_own_datasets_only(mine: World, name: str) -> None:
    url = reverse(name)
    stranger = client_of(World("theirs").people[MemberRole.ADMIN])
    theirs = json.dumps(stranger.get(url).json())
    # Webhooks are shown to those who lead.
    least = MemberRole.LEAD if name == "api-webhook-list" else MemberRole.VIEWER
    viewer = client_of(mine.people[least]).get(url).json()
    assert viewer["results"]
    ids = {str(row.get("id", row.get("slug"))) for row in viewer["results"]}
    shown = {str(row.get("id", row.get("slug"))) for row in json.loads(theirs)["results"]}
    assert shown and not shown & ids


# Writes whose dataset stands in what is sent: the body, and the least role.
BODIES: dict[str, tuple[MemberRole, Any]] = {
    "api-example-list": (
        MemberRole.LEAD,
        lambda w: {"dataset": "mine", "example_id": "new", "pytorch_code": "x = 1\n"},
    ),
    "api-draft-list": (
        MemberRole.ANNOTATOR,
        lambda w: {"example": w.example.pk, "raw_answer": "x = 1\n"},
    ),
    "api-step-list": (
        MemberRole.ANNOTATOR,
        lambda w: {"draft": w.draft.pk, "base": 1, "code": "x = 1\n"},
    ),
    "api-comment-list": (MemberRole.ANNOTATOR, lambda w: {"draft": w.draft.pk, "text": "So?"}),
    "api-webhook-list": (
        MemberRole.LEAD,
        lambda w: {"dataset": "mine", "url": "https://8.8.8.8/", "events": ["approved"]},
    ),
    "api-experiment-list": (
        MemberRole.LEAD,
        lambda w: {
            "dataset": "mine",
            "slug": "new",
            "title": "New",
            "kind": "intrinsic",
            "settings": [{"name": "s", "model": "m-mine", "use": "standard"}],
        },
    ),
    "api-export-job-list": (
        MemberRole.ANNOTATOR,
        lambda w: {"dataset": "mine", "format": "t2j", "only": "all"},
    ),
    "api-release-list": (MemberRole.LEAD, lambda w: {"dataset": "mine", "version": "9.0.0"}),
    "api-run-list": (MemberRole.ANNOTATOR, lambda w: {"draft": w.draft.pk, "code": "x = 1\n"}),
}
# Lists that take no write, or one that is about no dataset yet.
NO_BODY = OF_ALL | {
    *("api-dataset-list", "api-revision-list", "api-event-list", "api-trash-list"),
    *("api-translation-list", "api-score-list"),
}


def test_every_list_is_known_to_write_or_not() -> None:
    assert set(LISTS) == BODIES.keys() | NO_BODY


@pytest.mark.parametrize("name", sorted(BODIES))
def test_writes_that_name_their_dataset_in_the_body(mine: World, name: str) -> None:
    least, body = BODIES[name]
    url, data = reverse(name), json.dumps(body(mine))
    for role, person in mine.people.items():
        code = status_of(client_of(person), "post", url, data)
        if role is None:
            assert code == 400, "a foreign record is as if it were not there"
        elif role.rank < least.rank:
            assert code == 403, role
        else:
            assert code in (201, 202), role


@pytest.mark.parametrize(
    ("do", "least"),
    [
        ("submit", MemberRole.ANNOTATOR),
        ("withdraw", MemberRole.ANNOTATOR),
        ("approve", MemberRole.REVIEWER),
        ("return", MemberRole.REVIEWER),
        ("reopen", MemberRole.REVIEWER),
    ],
)
def test_what_an_annotator_may_do_with_a_state(mine: World, do: str, least: MemberRole) -> None:
    page = reverse("draft-status", args=[mine.draft.pk])
    api = reverse("api-draft-change-status", args=[mine.draft.pk])
    for role in MemberRole:
        client = client_of(mine.people[role])
        refused = role.rank < least.rank
        with transaction.atomic():
            assert (client.post(page, {"do": do}).status_code == 403) == refused
            transaction.set_rollback(True)
        data = json.dumps({"do": do, "text": "x"})
        assert (status_of(client, "post", api, data) == 403) == refused


def test_everyones_role_and_ones_own_count_the_higher(mine: World) -> None:
    members.set_everyone(mine.dataset, MemberRole.ANNOTATOR, by=None)
    url = reverse("draft-run", args=[mine.draft.pk])
    for role in (None, MemberRole.VIEWER, MemberRole.ADMIN):
        assert status_of(client_of(mine.people[role]), "post", url) == 302


def test_a_superuser_is_admin_everywhere(mine: World) -> None:
    chief = User.objects.create_superuser("chief", password="x")
    url = reverse("dataset-members", args=["mine"])
    client_of(chief).post(url, {"username": "chief", "role": "viewer"})
    assert mine.dataset.memberships.get(user=chief).role == MemberRole.VIEWER
    assert client_of(chief).get(url).status_code == 200


def test_the_last_admin_stays(mine: World) -> None:
    admin = mine.people[MemberRole.ADMIN]
    url = reverse("dataset-members", args=["mine"])
    response = client_of(admin).post(url, {"username": admin.username, "role": ""}, follow=True)
    assert "is the only admin" in response.content.decode()
    assert mine.dataset.memberships.filter(user=admin).exists()


def test_who_makes_a_dataset_is_its_admin() -> None:
    maker = make_user()
    dataset = make_dataset("own", everyone=None, by=maker)
    assert dataset.memberships.get().role == MemberRole.ADMIN
    draft = make_draft(example=make_example(dataset))
    assert client_of(maker).get(reverse("workbench", args=[draft.pk])).status_code == 200
    assert head_of(draft).number == 0
