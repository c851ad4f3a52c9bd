"""What every route of the API shares: rows that the person may read, refusals, filters."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import django_filters
from django.db.models import Model, QuerySet
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from curation import serializers
from curation.conditional import unchanged
from curation.permissions import hidden, visible

Refused = serializers.RefusalSerializer
M = TypeVar("M", bound=Model)


def refusal(error: Exception, code: int, **more: Any) -> Response:
    """A service's sentence as the answer."""
    return Response({"detail": str(error), **more}, status=code)


class Download(APIView):
    """Answers with a file, whose type is its own: what the client accepts cannot turn it away."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)


class Visible(viewsets.GenericViewSet[M]):
    """Rows of the datasets that the person may read; `dataset_path` leads from a row to its own."""

    dataset_path: str
    # Leads to the draft, so that blind repairs stay hidden; None where there is none.
    draft_path: str | None = None
    # The columns that order the rows of a list: see t2j_site.api_rules.Pages.
    row_order: tuple[str, ...] = ("id",)
    # No more digits than the database has.
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[M]:
        user = self.request.user
        rows = super().get_queryset().filter(**{f"{self.dataset_path}__in": visible(user)})
        return rows.exclude(**{f"{self.draft_path}__in": hidden(user)}) if self.draft_path else rows

    def shown(self, row: M) -> BaseSerializer[M]:
        """The row as its own address shows it."""
        return self.get_serializer(row)

    @contextmanager
    def unchanged(self, *locks: Model) -> Iterator[None]:
        """A transaction in which the row is as the request's If-Match says.

        Raises:
            ChangedMeanwhile: it is not.
        """
        with unchanged(self.request, lambda: self.shown(self.get_object()).data, *locks):
            yield


class Filters(django_filters.FilterSet):  # type: ignore[misc]  # the package ships no types
    """Base of every filter of the API."""
