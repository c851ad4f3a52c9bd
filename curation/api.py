"""The API of datasets, examples and their data files. Writes go through the services."""

import io

import django_filters
from django.db.models import Count
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from curation import serializers
from curation.api_base import Download, Filters, Refused, Visible, refusal
from curation.enums import MemberRole
from curation.importers.runnable import why_not_runnable
from curation.models import Attachment, Dataset, Example
from curation.permissions import require
from curation.queries import drafts_with_counts
from curation.services import trash
from curation.services.assignment import NothingToDo, next_draft
from curation.services.audit import actor_of
from curation.services.datasets import add_example, create_dataset
from curation.services.members import (
    MemberRefused,
    set_everyone,
    set_repairs,
    set_role,
    set_times_shown,
)


@extend_schema_view(create=extend_schema(description="Make an empty dataset, and be its admin."))
class DatasetViewSet(
    mixins.CreateModelMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    Visible[Dataset],
):
    """Named collections of examples."""

    dataset_path = "pk"
    row_order = ("slug",)
    queryset = Dataset.objects.annotate(example_count=Count("examples"))
    serializer_class = serializers.DatasetSerializer
    lookup_field = "slug"
    lookup_value_regex = "[-a-zA-Z0-9_]+"
    filterset_fields = ["licence"]

    def perform_create(self, serializer: BaseSerializer[Dataset]) -> None:
        data = dict(serializer.validated_data)
        everyone = data.pop("everyone", "")
        serializer.instance = create_dataset(
            **data,
            everyone=MemberRole(everyone) if everyone else None,
            by=actor_of(self.request.user),
        )

    @extend_schema(
        request=serializers.DatasetChangeSerializer, responses=serializers.DatasetSerializer
    )
    def partial_update(self, request: Request, slug: str) -> Response:
        """Say who may see the dataset and its times, and how many repairs each draft is to get."""
        dataset, user = self.get_object(), actor_of(request.user)
        asked = serializers.DatasetChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        if said.keys() - {"times_shown"}:
            require(request.user, dataset, MemberRole.ADMIN)
        with self.unchanged(dataset):
            if "times_shown" in said:
                set_times_shown(dataset, said["times_shown"], by=user)
            if "everyone" in said:
                role = said["everyone"]
                set_everyone(dataset, MemberRole(role) if role else None, by=user)
            if "repairs_wanted" in said:
                set_repairs(dataset, said["repairs_wanted"], by=user)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses=serializers.MemberSerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None)
    def members(self, request: Request, slug: str) -> Response:
        """Who is in the dataset, in which role."""
        return self._members(self.get_object())

    @extend_schema(
        request=serializers.NewMemberSerializer,
        responses={200: serializers.MemberSerializer(many=True), 409: Refused},
        filters=False,
    )
    @members.mapping.post
    def set_member(self, request: Request, slug: str) -> Response:
        """Give a person a role in the dataset; null takes them out of it."""
        dataset = self.get_object()
        asked = serializers.NewMemberSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        role = asked.validated_data["role"]
        try:
            set_role(
                dataset,
                asked.validated_data["username"],
                MemberRole(role) if role else None,
                by=actor_of(request.user),
            )
        except MemberRefused as error:
            return refusal(error, status.HTTP_409_CONFLICT)
        return self._members(dataset)

    def _members(self, dataset: Dataset) -> Response:
        found = dataset.memberships.select_related("user").order_by("user__username")
        return Response(serializers.MemberSerializer(found, many=True).data)

    @extend_schema(request=None, responses={200: serializers.DraftSerializer, 409: Refused})
    @action(detail=True, methods=["post"])
    def next(self, request: Request, slug: str) -> Response:
        """Take what is to be repaired next: what is yours already, else a free draft."""
        try:
            draft = next_draft(self.get_object(), by=actor_of(request.user))
        except NothingToDo as nothing:
            return refusal(nothing, status.HTTP_409_CONFLICT)
        return Response(serializers.DraftSerializer(drafts_with_counts().get(pk=draft.pk)).data)


class ExampleFilter(Filters):
    dataset = django_filters.CharFilter("dataset__slug")

    class Meta:
        model = Example
        fields = ["dataset", "example_id", "difficulty", "licence"]


@extend_schema_view(create=extend_schema(description="Add a PyTorch program to a dataset."))
class ExampleViewSet(
    mixins.CreateModelMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    Visible[Example],
):
    """PyTorch programs; the list leaves their code out."""

    dataset_path = "dataset"
    queryset = (
        Example.objects.select_related("dataset")
        .prefetch_related("attachments")
        .defer("attachments__content")
    )
    row_order = ("dataset_id", "position", "id")
    filterset_class = ExampleFilter

    def get_serializer_class(self) -> type[BaseSerializer[Example]]:
        if self.action == "list":
            return serializers.ExampleListSerializer
        return serializers.ExampleSerializer

    def perform_create(self, serializer: BaseSerializer[Example]) -> None:
        data = dict(serializer.validated_data)
        require(self.request.user, data["dataset"], MemberRole.LEAD)
        serializer.instance = add_example(
            data.pop("dataset"),
            **data,
            not_runnable=why_not_runnable(data["pytorch_code"]),
            by=actor_of(self.request.user),
        )

    @extend_schema(request=None, responses={200: serializers.TrashSerializer})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete an example with its drafts; the answer is what restores it."""
        example = self.get_object()
        with self.unchanged(example):
            kept = trash.delete(example, by=actor_of(request.user))
        return Response(serializers.TrashSerializer(kept).data)


class AttachmentViewSet(Download, Visible[Attachment]):
    """Data files that programs find in their work folder."""

    dataset_path = "example__dataset"
    queryset = Attachment.objects.all()
    serializer_class = serializers.AttachmentSerializer

    @extend_schema(
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}, filters=False
    )
    def retrieve(self, request: Request, pk: str) -> FileResponse:
        """The file, byte for byte."""
        file = self.get_object()
        return FileResponse(
            io.BytesIO(bytes(file.content)),
            content_type="application/octet-stream",
            as_attachment=True,
            filename=file.name,
        )
