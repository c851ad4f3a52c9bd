"""The API of exports that a worker makes, and of releases."""

from typing import Any

import django_filters
from django.http import Http404, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from curation.api_base import Filters, Refused, Visible, refusal
from curation.enums import MemberRole
from curation.importers.snapshots import SnapshotRefused
from curation.models import Dataset
from curation.permissions import require
from curation.serializers import VisibleDatasetField
from curation.services.audit import actor_of
from scoring.downloads import send_file
from scoring.enums import ExportState
from scoring.exporters import BY_PROBLEM, FORMATS, ExportRefused, Only, Options
from scoring.exports import files, services
from scoring.models import ExportJob, Release
from scoring.snapshots import compare as snapshots

FILE = {(200, "*/*"): OpenApiTypes.ANY, (206, "*/*"): OpenApiTypes.ANY, 416: None}


class ExportJobSerializer(serializers.ModelSerializer[ExportJob]):
    """An export, how far it is, and what is in it and left out (`tally`)."""

    dataset = serializers.CharField(source="dataset.slug", read_only=True)
    options = serializers.DictField(child=serializers.JSONField(), read_only=True)
    tally = serializers.DictField(child=serializers.JSONField(), read_only=True)
    requested_by = serializers.CharField(
        source="requested_by.username", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = ExportJob
        fields = ["id", "dataset", "format", "options", "version", "changelog", "state", "total"]
        fields += ["done", "written", "tally", "sha256", "error", "requested_by", "created_at"]
        fields += ["finished_at"]
        read_only_fields = fields


class NewExportSerializer(serializers.Serializer[Any]):
    dataset = VisibleDatasetField(slug_field="slug", queryset=Dataset.objects.all())
    format = serializers.ChoiceField(list(FORMATS))
    only = serializers.ChoiceField(
        [each.value for each in Only],
        required=False,
        help_text="Which drafts; left out: as usual for the format",
    )
    split = serializers.ChoiceField([BY_PROBLEM], required=False)
    leave_one_out = serializers.BooleanField(default=False)


class NewReleaseSerializer(serializers.Serializer[Any]):
    dataset = VisibleDatasetField(slug_field="slug", queryset=Dataset.objects.all())
    version = serializers.CharField(max_length=64, help_text="Semantic, such as 1.0.0")
    changelog = serializers.CharField(
        max_length=20_000, required=False, default="", allow_blank=True
    )


class ReleaseSerializer(serializers.ModelSerializer[Release]):
    """A snapshot of a dataset under a version, kept for good."""

    dataset = serializers.CharField(source="dataset.slug", read_only=True)
    files = serializers.DictField(
        child=serializers.JSONField(), read_only=True, help_text="Hash and size of each"
    )
    created_by = serializers.CharField(
        source="created_by.username", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = Release
        fields = ["id", "dataset", "version", "changelog", "sha256", "size", "files"]
        fields += ["examples", "steps", "created_at", "created_by"]
        read_only_fields = fields


class ReleaseBaseSerializer(serializers.Serializer[Any]):
    dataset = serializers.CharField(help_text="What an experiment on the release is made of")


class ChangeSerializer(serializers.Serializer[Any]):
    example_id = serializers.CharField()
    what = serializers.ListField(child=serializers.CharField())


class CountSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    before = serializers.IntegerField()
    after = serializers.IntegerField()


class DifferenceSerializer(serializers.Serializer[Any]):
    """What changed from one release to another."""

    added = serializers.ListField(child=serializers.CharField())
    removed = serializers.ListField(child=serializers.CharField())
    changed = ChangeSerializer(many=True)
    totals = CountSerializer(many=True)
    categories = CountSerializer(many=True)
    verdicts = CountSerializer(many=True)


class OfDataset(Filters):
    dataset = django_filters.CharFilter("dataset__slug")


class _Files(Visible[Any]):
    """Rows with a file, whose type is its own: what the client accepts must not turn it away."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force or self.action == "file")


class ExportJobViewSet(_Files, mixins.ListModelMixin, mixins.RetrieveModelMixin):
    """Exports that a worker makes, newest first."""

    dataset_path = "dataset"
    row_order = ("-id",)
    queryset = ExportJob.objects.select_related("dataset", "requested_by")
    serializer_class = ExportJobSerializer
    filterset_class = OfDataset

    @extend_schema(request=NewExportSerializer, responses={202: ExportJobSerializer})
    def create(self, request: Request) -> Response:
        """Ask for an export; one that waits already for the same is that one."""
        context = self.get_serializer_context()
        asked = NewExportSerializer(data=request.data, context=context)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        require(request.user, said["dataset"], MemberRole.ANNOTATOR)
        try:
            job = services.request_export(
                said["dataset"],
                format=said["format"],
                options=Options.of(said),
                by=actor_of(request.user),
            )
        except ExportRefused as refused:
            raise ValidationError({"detail": str(refused)}) from None
        return Response(self.get_serializer(job).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={204: None, 409: Refused})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take an export and its file away."""
        try:
            services.delete_export(self.get_object(), by=actor_of(request.user))
        except ExportRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=FILE, filters=False)
    @action(detail=True, pagination_class=None)
    def file(self, request: Request, pk: str) -> HttpResponseBase:
        """The file of an export that is ready; a broken download is resumed with `Range`."""
        job = self.get_object()
        if job.state != ExportState.FINISHED or not files.path_of(job.path).is_file():
            raise Http404("That file is not there: make the export again.")
        kind = "application/zip" if job.path.endswith(".zip") else "application/octet-stream"
        path = files.path_of(job.path)
        return send_file(request._request, path, tag=job.sha256, media_type=kind)


class ReleaseViewSet(_Files, mixins.ListModelMixin, mixins.RetrieveModelMixin):
    """Versions of datasets, newest first."""

    dataset_path = "dataset"
    row_order = ("-id",)
    queryset = Release.objects.select_related("dataset", "created_by")
    serializer_class = ReleaseSerializer
    filterset_class = OfDataset

    @extend_schema(request=NewReleaseSerializer, responses={202: ExportJobSerializer})
    def create(self, request: Request) -> Response:
        """Release a dataset as it is; the answer is the export that a worker makes of it."""
        context = self.get_serializer_context()
        asked = NewReleaseSerializer(data=request.data, context=context)
        asked.is_valid(raise_exception=True)
        said = dict(asked.validated_data)
        dataset = said.pop("dataset")
        require(request.user, dataset, MemberRole.LEAD)
        try:
            job = services.request_release(dataset, **said, by=actor_of(request.user))
        except ExportRefused as refused:
            raise ValidationError({"version": [str(refused)]}) from None
        return Response(ExportJobSerializer(job).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=FILE, filters=False)
    @action(detail=True, pagination_class=None)
    def file(self, request: Request, pk: str) -> HttpResponseBase:
        """The snapshot; a broken download is resumed with `Range`."""
        release = self.get_object()
        path = files.path_of(release.path)
        if not path.is_file():
            raise Http404("The file of this release is missing on the server.")
        kind = "application/zip"
        return send_file(request._request, path, tag=release.sha256, media_type=kind)

    @extend_schema(
        responses=DifferenceSerializer,
        filters=False,
        parameters=[OpenApiParameter("to", str, required=True, description="A version")],
    )
    @action(detail=True, pagination_class=None)
    def compare(self, request: Request, pk: str) -> Response:
        """What changed from this release to the version `to` of the same dataset."""
        before = self.get_object()
        known = {each.version: each for each in before.dataset.releases.all()}
        after = known.get(request.query_params.get("to", ""))
        if after is None:
            raise ValidationError({"to": [f"One of the versions {', '.join(known)}."]})
        paths = [files.path_of(each.path) for each in (before, after)]
        if not all(path.is_file() for path in paths):
            raise Http404("The file of one of these releases is missing on the server.")
        return Response(DifferenceSerializer(snapshots.compare(*paths)).data)

    @extend_schema(
        request=None, responses={200: ReleaseBaseSerializer, 409: Refused}, filters=False
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def experiment(self, request: Request, pk: str) -> Response:
        """Restore the release as a dataset of its own, for experiments; once."""
        try:
            base = services.base_dataset(self.get_object(), by=actor_of(request.user))
        except (ExportRefused, SnapshotRefused) as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(ReleaseBaseSerializer({"dataset": base.slug}).data)
