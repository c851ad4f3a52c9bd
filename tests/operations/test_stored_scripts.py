"""No text that people or programs leave becomes markup, a script or a link that runs one.

Every free text field of every model of ours is filled, whatever services would let in, and every
address that answers HTML is looked at. New fields, models and addresses are covered by themselves.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, models
from django.test import Client
from django.urls import NoReverseMatch, reverse
from psycopg.types.json import Jsonb

from curation.enums import MemberRole
from curation.models import AuditEvent, Category
from executor import pipeline
from executor.parity.outcome import Kind, Outcome, ProbeRecord, Stage, failed
from executor.parity.outcome import Verdict as ParityVerdict
from executor.services import request_run
from scoring.models import Published
from t2j_site.access import RULES
from tests.curation.test_access import NAMES, World, _fills, mine
from tests.factories import FIXED

__all__ = ["mine"]

pytestmark = pytest.mark.django_db

# As a link it runs; in an attribute it leaves it; in a text, a title or a script it ends it.
PAYLOAD = "javascript:xss()//'\"><xss-probe onxss=1></textarea></title></script>"
SHORT = "'\"><xss-probe>"

# Words that our own code chooses and keys that it makes; nobody else writes them.
CHOSEN = {
    *("Run.runtime", "Measurement.runtime", "Setting.runtime", "Measurement.outcome"),
    *("Measurement.device", "Verdict.stage", "Verdict.kind", "Verdict.reason"),
    *("AuditEvent.action", "AuditEvent.target_type", "AuditEvent.target_id"),
    "ApiToken.start",
    *("Score.metric", "Score.measure", "WorkingCopy.tab"),
    *("LanguageModel.base_url", "LanguageModel.key_env", "LanguageModel.sealed_key"),
    *("Draft.judged", "Release.version", "Release.path", "ExportJob.version", "ExportJob.path"),
    *("ExportJob.format", "Summary.stamp"),
    *(f"DraftFact.{name}" for name in ("difficulty", "status", "outcome", "stage", "kind")),
    *("DraftFact.reason", "DraftFact.freshness", "DraftFact.judged_in"),
    *("Tally.measure", "Tally.difficulty"),
    *(f"DraftCount.{name}" for name in ("difficulty", "status", "judged")),
    # Serialized records; a plain name, which a constraint of the database holds.
    *("Trash.content", "Attachment.name"),
}
LINKS = {"href", "src", "action", "formaction", "hx-get", "hx-post"}
HASHES = re.compile(r"sha256$|_hash$|^inputs$")


def words(app: str) -> Iterator[tuple[type[models.Model], "models.Field[Any, Any]"]]:
    for model in apps.get_app_config(app).get_models():
        for field in model._meta.local_concrete_fields:
            free = isinstance(field, models.CharField | models.TextField)
            chosen = isinstance(field, models.SlugField) or field.choices or field.primary_key
            if free and not chosen and not HASHES.search(field.name):
                yield model, field


FIELDS = [
    (model, field)
    for app in ("curation", "executor", "scoring")
    for model, field in words(app)
    if f"{model.__name__}.{field.name}" not in CHOSEN
]


def payload_for(field: "models.Field[Any, Any]") -> str:
    longest = field.max_length or len(PAYLOAD)
    return PAYLOAD if longest >= len(PAYLOAD) + 8 else SHORT


def fill() -> None:
    """Straight into the tables, past services, forms and the triggers that keep history."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for model, field in FIELDS:
            table, column = model._meta.db_table, field.column
            # Unique ones stay unique by the key; the payload stands first.
            ending = f" || {model._meta.pk.column}" if field.unique else ""
            cursor.execute(f'UPDATE "{table}" SET "{column}" = %s{ending}', [payload_for(field)])
        for pk, data in AuditEvent.objects.values_list("pk", "data"):
            changed: list[Any] = [Jsonb(_filled(data)), pk]
            cursor.execute("UPDATE curation_auditevent SET data = %s WHERE id = %s", changed)
        cursor.execute("SET session_replication_role = DEFAULT")
    User.objects.update(first_name=SHORT, last_name=SHORT)


def _filled(data: Any) -> Any:
    """With the payload in place of every text that has a space or a line end: people's words."""
    if isinstance(data, dict):
        return {key: _filled(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_filled(value) for value in data]
    return PAYLOAD if isinstance(data, str) and re.search(r"\s", data) else data


class Markup(HTMLParser):
    """Notes what the payload must never become."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.seen = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "xss-probe" or any(name.startswith("onxss") for name, _ in attrs):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            runs = (value or "").strip().lower().startswith(("javascript:", "data:"))
            if runs and name in LINKS:
                self.found.append(f"{name}={value}")
            self.seen = self.seen or "xss-probe" in (value or "")

    def handle_data(self, data: str) -> None:
        self.seen = self.seen or "xss-probe" in data


def problems(response: Any) -> tuple[list[str], bool]:
    """What is wrong with an answer, and whether it shows a payload as text at all."""
    assert response["X-Content-Type-Options"] == "nosniff"
    kind = response.get("Content-Type", "")
    if "html" not in kind and "svg" not in kind:
        return [], False
    markup = Markup()
    markup.feed(response.content.decode())
    markup.close()
    return markup.found, markup.seen


def verdict() -> ParityVerdict:
    probe = ProbeRecord(
        name=PAYLOAD, tier=Stage.RUN, outcome=Outcome.FAIL, dtype=PAYLOAD, message=PAYLOAD
    )
    return failed(
        Stage.RUN,
        Kind.RUNTIME_ERROR,
        PAYLOAD,
        exception_type=PAYLOAD,
        traceback=PAYLOAD,
        probes=(probe,),
        parameter_mapping=({"reference": PAYLOAD, "candidate": PAYLOAD},),
        stdout={"reference": f"1\n{PAYLOAD}", "candidate": f"{PAYLOAD}\n2"},
        notes=(PAYLOAD,),
        isolation=PAYLOAD[:60],
    )


@pytest.fixture
def world(mine: World) -> World:
    run = pipeline.claim(request_run(mine.example, FIXED, draft=mine.draft, by=None).pk)
    assert run is not None and pipeline.store(run, verdict())
    category = Category.objects.create(slug="a", name="A")
    category.subcategories.create(slug="b", name="B")
    rows = [{"labels": [PAYLOAD], "values": {"steps": 1}}]
    Published.objects.create(dataset=mine.dataset, board="categories", rows=rows)
    fill()
    return mine


def test_every_address_of_the_site(world: World) -> None:
    client = Client()
    client.force_login(world.people[MemberRole.ADMIN])
    wrong, shown = {}, set()
    for name in NAMES:
        url = world.url(name) if RULES[name].lookup else reverse(name, kwargs=_fills(name))
        response = client.get(url)
        assert response.status_code < 500 or name == "readyz", name
        found, seen = problems(response)
        if found:
            wrong[name] = found
        if seen:
            shown.add(name)
    assert wrong == {}
    # The texts do reach the pages: the test would be blind otherwise.
    assert {
        *("workbench", "dataset-list", "dataset-detail", "example-detail", "revision-detail"),
        *("run-detail", "dataset-history", "step-edit", "dataset-members", "draft-adjudicate"),
        *("dataset-dashboard", "dataset-published"),
        *("translation-detail", "experiment-list", "dataset-trash"),
    } <= shown


def test_every_page_of_the_admin(world: World) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    wrong, shown = {}, set()
    for app in ("curation", "executor", "scoring"):
        for model in apps.get_app_config(app).get_models():
            name = f"admin:{app}_{model._meta.model_name}"
            urls = [reverse(f"{name}_changelist")]
            if row := model._default_manager.first():
                urls.append(reverse(f"{name}_change", args=[row.pk]))
                urls.append(reverse(f"{name}_history", args=[row.pk]))
            for url in urls:
                response = client.get(url)
                assert response.status_code == 200, url
                found, seen = problems(response)
                if found:
                    wrong[url] = found
                if seen:
                    shown.add(model.__name__)
    assert wrong == {}
    assert {
        "Dataset",
        "Draft",
        "FixStep",
        "Comment",
        "Run",
        "Verdict",
        "Category",
        "Subcategory",
    } <= shown


def test_errors_do_not_repeat_what_was_asked(world: World) -> None:
    client = Client()
    client.force_login(world.people[MemberRole.ADMIN])
    for url in ("/no/<xss-probe>/", "/?q=<xss-probe>", "/login/?next=javascript:xss()"):
        assert problems(client.get(url))[0] == []
    with pytest.raises(NoReverseMatch):
        reverse("dataset-detail", args=[PAYLOAD])
