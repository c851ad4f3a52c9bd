"""The API of exports and statistics."""

from dataclasses import asdict
from typing import Any

from django.http import Http404, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from curation.api_base import Download
from curation.models import Dataset
from scoring.exporters import FORMATS, Exporter, ExportFile, ExportRefused, Options, make
from scoring.queries import category_table, fixcost
from scoring.serializers import ExportFormatSerializer, StatisticsSerializer


def download(file: ExportFile) -> StreamingHttpResponse:
    """The file, sent while it is read."""
    response = StreamingHttpResponse(file.read(), content_type=file.media_type)
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return response


def find_file(request: Request, slug: str, format_: str, name: str | None) -> ExportFile:
    """An export's file by name, or its main file; the query says which drafts (`only`, `split`).

    Raises:
        Http404: no such dataset, format or file.
        ValidationError: the format is not made that way.
    """
    dataset = get_object_or_404(Dataset, slug=slug)
    if format_ not in FORMATS:
        raise Http404(f"There is no export format {format_}. Formats: {', '.join(FORMATS)}.")
    try:
        files = make(format_, dataset, Options.of(request.query_params)).files
    except ExportRefused as refused:
        raise ValidationError({"detail": str(refused)}) from None
    for file in files:
        if name in (None, file.name):
            return file
    raise Http404(f"This export has no file {name}.")


class ExportList(APIView):
    """The formats in which a dataset can be taken away, and their files."""

    @extend_schema(responses=ExportFormatSerializer(many=True), operation_id="export_formats")
    def get(self, request: Request, slug: str) -> Response:
        dataset = get_object_or_404(Dataset, slug=slug)
        found = [_described(request, dataset, exporter) for exporter in FORMATS.values()]
        return Response(ExportFormatSerializer(found, many=True).data)


def _described(request: Request, dataset: Dataset, exporter: Exporter) -> dict[str, Any]:
    def url(name: str) -> str:
        return reverse("api-export-file", [dataset.slug, exporter.name, name], request=request)

    files = exporter.export(dataset).files
    return {
        "format": exporter.name,
        "title": exporter.title,
        "files": [
            {"name": file.name, "media_type": file.media_type, "url": url(file.name)}
            for file in files
        ],
    }


class ExportMainFile(Download):
    """The main file of an export."""

    @extend_schema(
        responses={(200, "*/*"): OpenApiTypes.ANY},
        operation_id="exports_main_file",
    )
    def get(self, request: Request, slug: str, export_format: str) -> StreamingHttpResponse:
        return download(find_file(request, slug, export_format, None))


class ExportNamedFile(Download):
    """One file of an export."""

    @extend_schema(
        responses={(200, "*/*"): OpenApiTypes.ANY},
        operation_id="exports_file",
    )
    def get(
        self, request: Request, slug: str, export_format: str, name: str
    ) -> StreamingHttpResponse:
        return download(find_file(request, slug, export_format, name))


class Statistics(APIView):
    """FixCost and category counts of a dataset."""

    @extend_schema(responses=StatisticsSerializer)
    def get(self, request: Request, slug: str) -> Response:
        dataset = get_object_or_404(Dataset, slug=slug)
        found = {
            "dataset": dataset.slug,
            "fixcost": asdict(fixcost(dataset)),
            "categories": asdict(category_table(dataset)),
        }
        return Response(found)
