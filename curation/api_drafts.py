"""The API of drafts: their revisions, fix steps and comments."""

from typing import Any

import django_filters
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from curation import serializers
from curation.api_base import Filters, Refused, Visible, refusal
from curation.enums import Difficulty, MemberRole, StepKind
from curation.models import (
    Comment,
    Draft,
    FixStep,
    Revision,
)
from curation.permissions import require
from curation.queries import drafts_with_counts
from curation.services import trash
from curation.services.assignment import assign
from curation.services.audit import actor_of
from curation.services.comments import CommentRefused, add_comment, delete_comment, set_resolved
from curation.services.drafts import add_draft
from curation.services.review import ACTIONS, ReviewRefused, act
from curation.services.steps import StaleDraft, StepRefused, StepText, edit_step, save_step
from curation.transitions import NotAllowed

ALL = Q()


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
