"""The API of imports: files brought into a dataset, and how far that is."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from curation.importers.base import Options
from curation.models import Dataset
from curation.services.audit import actor_of
from executor import import_jobs, serializers
from executor.models import ImportJob


class Import(APIView):
    """Files brought into a dataset."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        request={"multipart/form-data": serializers.NewImportSerializer},
        responses={200: serializers.ImportJobSerializer, 202: serializers.ImportJobSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Import files: 200 with the report of small ones, 202 while a worker does large ones.

        `dry_run` says what would be new, changed, the same or refused, and why.
        """
        dataset = get_object_or_404(Dataset, slug=slug)
        asked = serializers.NewImportSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        job = import_jobs.keep(
            dataset,
            [(str(file.name), file) for file in said["files"]],
            dry_run=said["dry_run"],
            options=Options(said.get("sample"), said["seed"], said["any_licence"]),
            by=actor_of(request.user),
        )
        if import_jobs.is_small(job):
            import_jobs.run(job.pk)
        else:
            import_jobs.send(job)
        job.refresh_from_db()
        over = job.state in (ImportJob.State.FINISHED, ImportJob.State.FAILED)
        code = status.HTTP_200_OK if over else status.HTTP_202_ACCEPTED
        return Response(serializers.ImportJobSerializer(job).data, status=code)


class ImportDetail(APIView):
    """One import."""

    @extend_schema(responses=serializers.ImportJobSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """How far an import is, and its report."""
        job = get_object_or_404(ImportJob.objects.select_related("dataset"), pk=pk)
        return Response(serializers.ImportJobSerializer(job).data)
