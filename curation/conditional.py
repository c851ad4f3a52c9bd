"""ETags of the API's answers, and If-Match for changes that may overwrite what nobody has seen."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.utils.http import parse_etags
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request


class ChangedMeanwhile(APIException):
    """The record is not as the request's If-Match says."""

    status_code = 412
    default_detail = "This was changed since you read it. Read it again, then repeat your change."
    default_code = "changed_meanwhile"


def etag_of(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def names_it(header: str, tag: str) -> bool:
    """Whether an If-Match or If-None-Match header names the tag; `*` names every one."""
    named = parse_etags(header)
    return "*" in named or tag in named


@contextmanager
def unchanged(request: Request, shown: Callable[[], Any], *locks: Model) -> Iterator[None]:
    """A transaction in which the record is as If-Match says; without that header, as it is.

    `shown` reads the record as its own address shows it; `locks` are the rows that a change of
    it locks, in that order.

    Raises:
        ChangedMeanwhile: it is not as the header says.
    """
    with transaction.atomic():
        wanted = request.headers.get("If-Match")
        if wanted is not None:
            for row in locks:
                type(row)._base_manager.select_for_update().filter(pk=row.pk).first()
            if not names_it(wanted, etag_of(JSONRenderer().render(shown()))):
                raise ChangedMeanwhile
        yield
