"""Rules for every list, every body and every answer of the API."""

import base64
import binascii
import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, NoReturn

from django.conf import settings
from django.core.cache import caches
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from redis.exceptions import RedisError
from rest_framework.exceptions import APIException, ParseError
from rest_framework.pagination import BasePagination
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.utils.urls import replace_query_param

from curation.conditional import etag_of, names_it

if TYPE_CHECKING:
    from rest_framework.views import APIView

ROWS, MOST_ROWS = 50, 500


class Pages(BasePagination):
    """Pages that stay right while rows come and go: each begins after the last row of another.

    The view's `row_order` names the columns that order its rows, together unique, all ascending
    or all descending. Asking for the 1000th page costs what the first one costs.
    """

    def paginate_queryset(
        self, queryset: Any, request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        order: Sequence[str] = view.row_order  # type: ignore[union-attr]
        self.request, limit = request, _limit(request)
        rows: QuerySet[Any] = queryset.order_by(*order)
        if cursor := request.query_params.get("cursor"):
            rows = rows.filter(_after(order, _values(cursor, order, rows.model)))
        found = list(rows[: limit + 1])
        more = len(found) > limit
        names = [name.removeprefix("-") for name in order]
        self.next = _cursor([getattr(found[limit - 1], name) for name in names]) if more else None
        return found[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        url = self.request.build_absolute_uri()
        link = self.next and replace_query_param(url, "cursor", self.next)
        return Response({"next": link, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {
            "type": ["string", "null"],
            "format": "uri",
            "description": "Where the rows after these are; null at the end",
        }
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {"next": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        cursor = "Where to go on: what `next` of the page before says"
        limit = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": ROWS}
        return [
            {"name": "cursor", "in": "query", "description": cursor, "schema": {"type": "string"}},
            {"name": "limit", "in": "query", "description": "Rows of a page", "schema": limit},
        ]


def _limit(request: Request) -> int:
    asked = request.query_params.get("limit", str(ROWS))
    # Nine digits are enough to be told the most there is.
    if not re.fullmatch(r"[0-9]{1,9}", asked) or not 1 <= int(asked) <= MOST_ROWS:
        raise ParseError(f"“limit” takes 1 to {MOST_ROWS}.")
    return int(asked)


def _cursor(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _values(cursor: str, order: Sequence[str], model: type[Model]) -> list[Any]:
    """What the last row of the page before had in the columns of the order."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        values = json.loads(text)
        if not isinstance(values, list) or "\\u0000" in text:
            raise ValueError(text)
        columns = [model._meta.get_field(name.removeprefix("-")) for name in order]
        return [column.to_python(value) for column, value in zip(columns, values, strict=True)]  # type: ignore[union-attr]
    except (ValueError, TypeError, binascii.Error, ValidationError, RecursionError):
        raise ParseError("This cursor is not one of ours. Begin again without it.") from None


def _after(order: Sequence[str], values: Sequence[Any]) -> Q:
    """Rows behind these values: (a, b) > (x, y) as a > x or (a = x and b > y)."""
    behind, same = Q(), Q()
    for name, value in zip(order, values, strict=True):
        column, how = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
        behind |= same & Q(**{f"{column}__{how}": value})
        same &= Q(**{column: value})
    return behind


class StrictJSON(JSONParser):
    """JSON as UTF-8, of texts the database can hold and finite numbers, not nested too deeply."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            text = _read(stream).decode("utf-8")
            found = json.loads(text, parse_constant=_no_number, parse_float=_finite)
            _check_texts(text, found)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"This is not JSON: {error}") from None
        return found


class TooLarge(APIException):
    status_code = 413
    default_detail = "The body is too large."


def _read(stream: IO[Any]) -> bytes:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body: bytes = stream.read(most + 1)
    if len(body) > most:
        raise TooLarge
    return body


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no finite number")


_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def _check_texts(text: str, found: Any) -> None:
    """
    Raises:
        ValueError: a text holds a NUL or half a character, which no database column takes.
    """
    if not _SUSPECT.search(text):
        return
    again = json.dumps(found, ensure_ascii=False)
    try:
        again.encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half of a surrogate pair") from None
    if re.search(r"(?<!\\)(?:\\\\)*\\u0000", again):
        raise ValueError("a text holds a NUL character")


class Limit(BaseThrottle):
    """So many requests a minute of one person; `Retry-After` says when there are more again.

    The count is shared by all web processes where the broker is a Redis, else each counts its own.
    """

    rate = "T2J_API_RATE"

    def allow_request(self, request: Request, view: "APIView") -> bool:
        most: int = getattr(settings, self.rate)
        self.now = time.time()
        if not most:
            return True
        key = f"{self.rate}:{self.who(request)}:{int(self.now // 60)}"
        try:
            cache = caches["limits"]
            cache.add(key, 0, timeout=120)
            return cache.incr(key) <= most
        except (RedisError, ValueError):
            return True  # a broker that is away must not close the API

    def who(self, request: Request) -> str:
        user = request.user
        return f"u{user.pk}" if user.is_authenticated else self.get_ident(request)

    def wait(self) -> float:
        return 60 - self.now % 60


class SignInLimit(Limit):
    """Tries at passwords from one place."""

    rate = "T2J_SIGN_IN_RATE"

    def who(self, request: Request) -> str:
        return self.get_ident(request)


class Tags:
    """Gives what the API answers its ETag, and says 304 to whoever has that already."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path.startswith("/api/") or request.method != "GET":
            return response
        if response.status_code != 200 or response.streaming:
            return response
        tag = etag_of(response.content)
        response["ETag"] = tag
        response["Cache-Control"] = "private, no-cache"
        if not names_it(request.headers.get("If-None-Match", ""), tag):
            return response
        not_modified = HttpResponseNotModified()
        for name in ("ETag", "Cache-Control", "Vary"):
            if name in response:
                not_modified[name] = response[name]
        return not_modified
