"""A page that lists the API from its own schema; no outside script, unlike Swagger's or Redoc's."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the API does."""

    method: str
    path: str
    summary: str
    parameters: tuple[str, ...]
    answers: tuple[str, ...]


@lru_cache(maxsize=1)
def operations() -> tuple[Operation, ...]:
    """Every operation of the schema, in the order of the addresses."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(  # type: ignore[no-untyped-call]
        request=None, public=True
    )
    return tuple(
        Operation(
            method=method.upper(),
            path=path,
            summary=described.get("description", ""),
            parameters=tuple(
                item["name"] for item in described.get("parameters", []) if item["in"] == "query"
            ),
            answers=tuple(described["responses"]),
        )
        for path, methods in schema["paths"].items()
        for method, described in methods.items()
    )


def api_docs(request: HttpRequest) -> HttpResponse:
    return render(request, "api_docs.html", {"operations": operations()})
