"""Whether the process lives, and whether the studio can do its work: for load balancers."""

import logging
from collections.abc import Callable

from celery import current_app
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import KombuError

from executor import fleet
from executor.enums import Device

logger = logging.getLogger(__name__)

_BROKER_S = 3


class Missing(Exception):
    """What is not there; the text is for a person and names no address."""


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers. It looks at nothing else: a restart would not bring a database back."""
    return HttpResponse("alive\n", content_type="text/plain")


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when everything that work needs is there; else 503 and which is missing."""
    found = {name: _said(check) for name, check in CHECKS.items()}
    missing = [name for name, said in found.items() if said != "ok"]
    answer = {"ready": not missing, "missing": missing, "checks": found}
    return JsonResponse(answer, status=503 if missing else 200)


def _said(check: Callable[[], None]) -> str:
    try:
        check()
    except Missing as error:
        return str(error)
    except DatabaseError as error:
        logger.warning("not ready: %s", error)
        return "The database does not answer."
    return "ok"


def _database() -> None:
    if not settings.DATABASES:
        raise Missing("No database is set: DATABASE_URL is empty.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        raise Missing(f"{len(waiting)} migrations are not applied: run `migrate`.")


def _broker() -> None:
    if not settings.CELERY_BROKER_URL:
        raise Missing("No broker is set: BROKER_URL is empty.")
    with current_app.connection_for_write(connect_timeout=_BROKER_S) as broker:
        try:
            broker.ensure_connection(max_retries=1, timeout=_BROKER_S)
        except (OSError, KombuError) as error:
            logger.warning("not ready: %s", error)
            raise Missing("The broker does not answer.") from error


def _worker() -> None:
    if not fleet.serves(Device.CPU):
        raise Missing("No living worker serves the queue cpu.")


CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker,
    "worker": _worker,
}
