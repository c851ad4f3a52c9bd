"""Requests made from the OpenAPI document itself: none ends in a 5xx or an undocumented answer."""

import io
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from schemathesis import checks
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks

from curation.models import AuditEvent
from curation.services.tokens import make_token
from tests.api.calls import V1
from tests.curation.test_access import World
from tests.factories import head_of

pytestmark = pytest.mark.django_db
# So many requests per operation, half of them right and half of them wrong. More of them by hand:
# T2J_API_EXAMPLES=300 ./t2j test tests/api/test_schemathesis.py
EXAMPLES = int(os.environ.get("T2J_API_EXAMPLES", "4"))
SEED = int(os.environ.get("T2J_API_SEED", "0"))
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.response_headers_conformance,
]


@pytest.fixture
def world() -> World:
    call_command("load_prompts", stdout=io.StringIO())
    return World("mine")


def records(world: World) -> dict[str, Any]:
    """What stands in bodies and addresses where they name records, so that requests get far."""
    return {
        "dataset": "mine",
        "example": world.example.pk,
        "draft": world.draft.pk,
        "step": world.step.pk,
        "revision": head_of(world.draft).pk,
        "base": head_of(world.draft).number,
        "username": "boss",
        "model": "m-mine",
        "url": "https://8.8.8.8/hook",
    }


def address_of(world: World, path: str) -> dict[str, Any]:
    """The parts of an address that lead to what there is."""
    kind = path.removeprefix(V1).split("/")[1]
    ids = {
        "attachments": world.file.pk,
        "comments": world.comment.pk,
        "drafts": world.draft.pk,
        "events": AuditEvent.objects.filter(dataset=world.dataset).earliest("pk").pk,
        "examples": world.example.pk,
        "revisions": head_of(world.draft).pk,
        "runs": world.run.pk,
        "steps": world.step.pk,
        "translations": world.translation.pk,
        "trash": world.trash.pk,
        "webhooks": world.webhook.pk,
    }
    slugs = {"experiments": "x-mine", "prompts": "standard"}
    known = {
        "id": ids.get(kind),
        "slug": slugs.get(kind, "mine"),
        "key": "2",
        "export_format": "t2j",
        "name": "mine.json",
    }
    return {name: value for name, value in known.items() if f"{{{name}}}" in path}


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Requests to the WSGI application leave the test's transaction open."""
    signals = (request_started, request_finished)
    for each in signals:
        each.disconnect(close_old_connections)
    yield
    for each in signals:
        each.connect(close_old_connections)


def test_no_request_ends_in_a_5xx_or_an_undocumented_answer(
    world: World, settings: Any, one_connection: None
) -> None:
    settings.T2J_API_RATE = settings.T2J_SIGN_IN_RATE = 0
    boss = User.objects.create_superuser("boss", password="x")
    _, token = make_token(boss, name="schemathesis", by=boss)
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    schema = schemathesis.openapi.from_dict(document)
    schema.app = get_wsgi_application()
    known, wrong, requests = records(world), [], 0

    def check(case: Any) -> None:
        nonlocal requests
        requests += 1
        if isinstance(case.body, dict) and requests % 2:
            case.body |= {name: known[name] for name in case.body.keys() & known.keys()}
        with transaction.atomic():
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            transaction.set_rollback(True)
        try:
            case.validate_response(response, checks=CHECKS)
        except BaseException as failure:
            if not isinstance(failure, schemathesis.errors.FailureGroup | AssertionError):
                raise
            wrong.append(f"{case.operation.label}: {failure}")

    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        address = address_of(world, operation.path)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            strategy = operation.as_strategy(generation_mode=mode, path_parameters=address)
            run = hypothesis_settings(
                max_examples=EXAMPLES // 2,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            seed(SEED)(run(given(case=strategy)(check)))()
    assert requests > 100
    assert not wrong, "\n\n".join(dict.fromkeys(wrong))
