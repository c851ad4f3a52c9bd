"""The API of datasets, examples, drafts, revisions and steps. Writes go through the services."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import django_filters
from django.contrib.auth.models import User
from django.db.models import Count, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from curation import serializers
from curation.conditional import unchanged
from curation.enums import Difficulty, MemberRole, StepKind
from curation.importers.runnable import why_not_runnable
from curation.models import (
    Attachment,
    Comment,
    Dataset,
    Draft,
    Example,
    FixStep,
    Revision,
)
from curation.permissions import hidden, require, visible
from curation.services import trash
from curation.services.assignment import NothingToDo, assign, next_draft
from curation.services.audit import actor_of
from curation.services.comments import CommentRefused, add_comment, delete_comment, set_resolved
from curation.services.datasets import add_example, create_dataset
from curation.services.drafts import add_draft
from curation.services.members import MemberRefused, set_everyone, set_repairs, set_role
from curation.services.review import ACTIONS, ReviewRefused, act
from curation.services.steps import StaleDraft, StepRefused, StepText, edit_step, save_step
from curation.transitions import NotAllowed

Refused = serializers.RefusalSerializer
M = TypeVar("M", bound=Model)
ALL = Q()


def refusal(error: Exception, code: int, **more: Any) -> Response:
    """A service's sentence as the answer."""
    return Response({"detail": str(error), **more}, status=code)


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
        """Say who may see the dataset, and how many independent repairs each draft is to get."""
        dataset, user = self.get_object(), actor_of(request.user)
        asked = serializers.DatasetChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        with self.unchanged(dataset):
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


class AttachmentViewSet(Visible[Attachment]):
    """Data files that programs find in their work folder."""

    dataset_path = "example__dataset"
    queryset = Attachment.objects.all()
    serializer_class = serializers.AttachmentSerializer

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # The file's type is its own; whatever the client accepts must not turn it away.
        return super().perform_content_negotiation(request, force=True)

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


class DraftFilter(Filters):
    dataset = django_filters.CharFilter("example__dataset__slug")
    difficulty = django_filters.ChoiceFilter(
        field_name="example__difficulty", choices=Difficulty.choices
    )
    submitted = django_filters.BooleanFilter(
        "submitted_at", "isnull", exclude=True, label="Waits for a reviewer"
    )
    mine = django_filters.BooleanFilter(method="filter_mine", label="Is assigned to you")

    class Meta:
        model = Draft
        fields = [
            "dataset",
            "example",
            "difficulty",
            "status",
            "submitted",
            "mine",
            "original",
            "role",
            "model",
            "prompt_kind",
        ]

    def filter_mine(self, rows: QuerySet[Draft], _: str, wanted: bool) -> QuerySet[Draft]:
        mine = Q(assignee=self.request.user.pk)
        return rows.filter(mine if wanted else ~mine | Q(assignee=None))


def drafts_with_counts() -> QuerySet[Draft]:
    """Drafts with what the API says about them."""
    newest = Revision.objects.filter(draft=OuterRef("pk")).order_by("-number")
    steps = FixStep.objects.filter(draft=OuterRef("pk")).order_by().values("draft")
    return Draft.objects.select_related("example__dataset", "created_by", "assignee").annotate(
        head_number=Subquery(newest.values("number")[:1]),
        step_count=Coalesce(Subquery(steps.annotate(n=Count("pk")).values("n")), 0),
    )


@extend_schema_view(
    create=extend_schema(description="Paste a model's answer; its code becomes revision 0.")
)
class DraftViewSet(
    mixins.CreateModelMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    Visible[Draft],
):
    """JAX translations of examples; the list leaves the models' answers out."""

    dataset_path, draft_path = "example__dataset", "pk"
    queryset = drafts_with_counts()
    filterset_class = DraftFilter

    def get_serializer_class(self) -> type[BaseSerializer[Draft]]:
        if self.action == "list":
            return serializers.DraftListSerializer
        return serializers.DraftSerializer

    def shown(self, row: Draft) -> BaseSerializer[Draft]:
        return serializers.DraftSerializer(row, context=self.get_serializer_context())

    def perform_create(self, serializer: BaseSerializer[Draft]) -> None:
        data = dict(serializer.validated_data)
        require(self.request.user, data["example"].dataset, MemberRole.ANNOTATOR)
        draft = add_draft(data.pop("example"), **data, by=actor_of(self.request.user))
        serializer.instance = self.get_queryset().get(pk=draft.pk)

    @extend_schema(
        request=serializers.ReviewSerializer,
        responses={200: serializers.DraftSerializer, 409: Refused},
    )
    @action(detail=True, methods=["post"], url_path="status")
    def change_status(self, request: Request, pk: str) -> Response:
        """Submit, withdraw, approve, return or open again."""
        wanted = serializers.ReviewSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        draft, said = self.get_object(), wanted.validated_data
        chosen = ACTIONS[said["do"]]
        require(request.user, draft.example.dataset, chosen.least)
        try:
            with self.unchanged(draft):
                act(draft, chosen, text=said["text"], by=actor_of(request.user))
        except (ReviewRefused, NotAllowed) as error:
            return refusal(error, status.HTTP_409_CONFLICT)
        return Response(self.shown(self.get_object()).data)

    @extend_schema(request=serializers.AssigneeSerializer, responses=serializers.DraftSerializer)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        """Give a draft to an annotator for a week; null gives it to nobody."""
        draft = self.get_object()
        asked = serializers.AssigneeSerializer(data=request.data, context={"draft": draft})
        asked.is_valid(raise_exception=True)
        return self._assigned(draft, asked.validated_data["username"])

    @extend_schema(request=None, responses=serializers.DraftSerializer)
    @action(detail=True, methods=["post"])
    def claim(self, request: Request, pk: str) -> Response:
        """Take a draft for a week."""
        return self._assigned(self.get_object(), actor_of(request.user))

    @extend_schema(request=None, responses=serializers.DraftSerializer)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        """Give a draft of one's own back; someone else's stays with them."""
        draft = self.get_object()
        return self._assigned(draft, None, Q(assignee=request.user.pk))

    def _assigned(self, draft: Draft, to: User | None, only: Q = ALL) -> Response:
        with self.unchanged(draft):
            rows = Draft.objects.filter(only, pk=draft.pk)
            assign(rows, to, by=actor_of(self.request.user))
        return Response(self.shown(self.get_object()).data)

    @extend_schema(request=None, responses={200: serializers.TrashSerializer})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a draft with its steps; the answer is what restores it."""
        draft = self.get_object()
        with self.unchanged(draft):
            kept = trash.delete(draft, by=actor_of(request.user))
        return Response(serializers.TrashSerializer(kept).data)


class RevisionFilter(Filters):
    dataset = django_filters.CharFilter("draft__example__dataset__slug")

    class Meta:
        model = Revision
        fields = ["dataset", "draft", "number", "sha256", "origin"]


class RevisionViewSet(Visible[Revision], viewsets.ReadOnlyModelViewSet[Revision]):
    """The full code of drafts, point by point. Revisions are never changed."""

    dataset_path, draft_path = "draft__example__dataset", "draft"
    row_order = ("draft_id", "number")
    queryset = Revision.objects.all()
    serializer_class = serializers.RevisionSerializer
    filterset_class = RevisionFilter


class StepFilter(Filters):
    dataset = django_filters.CharFilter("draft__example__dataset__slug")
    category = django_filters.CharFilter("category__slug")
    subcategory = django_filters.CharFilter("subcategory__slug")

    class Meta:
        model = FixStep
        fields = ["dataset", "draft", "category", "subcategory", "kind", "located"]


class StepViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Visible[FixStep]):
    """Fix steps, in their drafts' order."""

    dataset_path, draft_path = "draft__example__dataset", "draft"
    row_order = ("draft_id", "order", "id")
    queryset = FixStep.objects.select_related(
        "category", "subcategory", "before", "after", "author", "draft__example__dataset"
    ).defer("draft__raw_answer", "draft__example__pytorch_code")
    serializer_class = serializers.StepSerializer
    filterset_class = StepFilter

    @extend_schema(
        request=serializers.NewStepSerializer,
        responses={201: serializers.StepSerializer, 400: Refused, 409: Refused},
    )
    def create(self, request: Request) -> Response:
        """Save an edit as the draft's next step; 409 when `base` is no longer the newest."""
        asked = serializers.NewStepSerializer(data=request.data, context={"request": request})
        asked.is_valid(raise_exception=True)
        data = dict(asked.validated_data)
        require(request.user, data["draft"].example.dataset, MemberRole.ANNOTATOR)
        draft, base, code = data.pop("draft"), data.pop("base"), data.pop("code")
        try:
            step = save_step(
                draft, base=base, code=code, text=_text(data), by=actor_of(request.user)
            )
        except StaleDraft as error:
            return refusal(error, status.HTTP_409_CONFLICT, head=error.head.number)
        except NotAllowed as error:
            return refusal(error, status.HTTP_409_CONFLICT)
        except StepRefused as error:
            raise ValidationError({"detail": str(error)}) from error
        return Response(self.get_serializer(step).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=serializers.StepTextSerializer,
        responses={200: serializers.StepSerializer, 400: Refused},
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is said about a step; its code stays."""
        step = self.get_object()
        try:
            with self.unchanged(step.draft, step):
                step = self.get_object()
                asked = serializers.StepTextSerializer(step, data=request.data, partial=True)
                asked.is_valid(raise_exception=True)
                said = {name: getattr(step, name) for name in StepText.__dataclass_fields__}
                if step.author_id not in (None, request.user.pk):
                    # Someone else's time is neither shown nor changed.
                    asked.validated_data.pop("seconds", None)
                text = _text({**said, **asked.validated_data})
                edit_step(step, text=text, by=actor_of(request.user))
        except StepRefused as error:
            raise ValidationError({"detail": str(error)}) from error
        return Response(self.get_serializer(self.get_object()).data)


def _text(data: dict[str, Any]) -> StepText:
    kind = StepKind(data.get("kind") or StepKind.BEHAVIOUR)
    return StepText(**{**data, "kind": kind})


class CommentFilter(Filters):
    dataset = django_filters.CharFilter("draft__example__dataset__slug")

    class Meta:
        model = Comment
        fields = ["dataset", "draft", "step"]


class CommentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Visible[Comment]):
    """What people say about drafts, their steps and lines."""

    dataset_path, draft_path = "draft__example__dataset", "draft"
    queryset = Comment.objects.select_related("author")
    serializer_class = serializers.CommentSerializer
    filterset_class = CommentFilter

    @extend_schema(responses={201: serializers.CommentSerializer, 400: Refused})
    def create(self, request: Request) -> Response:
        """Say something about a draft, a step of it, or a line of one of its revisions."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        data = dict(asked.validated_data)
        draft = data.pop("draft")
        require(request.user, draft.example.dataset, MemberRole.ANNOTATOR)
        try:
            comment = add_comment(draft, **data, by=actor_of(request.user))
        except CommentRefused as error:
            raise ValidationError({"detail": str(error)}) from error
        return Response(self.get_serializer(comment).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={204: None, 403: Refused})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take back one's own comment."""
        try:
            delete_comment(self.get_object(), by=actor_of(request.user))
        except CommentRefused as error:
            return refusal(error, status.HTTP_403_FORBIDDEN)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=serializers.CommentSerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """Mark a comment as dealt with."""
        comment = set_resolved(self.get_object(), True, by=actor_of(request.user))
        return Response(self.get_serializer(comment).data)

    @extend_schema(request=None, responses=serializers.CommentSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Open a comment again that was dealt with."""
        comment = set_resolved(self.get_object(), False, by=actor_of(request.user))
        return Response(self.get_serializer(comment).data)
