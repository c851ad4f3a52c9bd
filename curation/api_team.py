"""The API of history, deleted records, webhooks, prompts and language models."""

from typing import Any

import django_filters
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from curation.api_base import Filters, Refused, Visible, refusal
from curation.enums import MemberRole, WebhookEvent
from curation.llm.prompts import PromptRefused, save_version
from curation.models import (
    AuditEvent,
    Delivery,
    LanguageModel,
    PromptTemplate,
    PromptVersion,
    Trash,
    Webhook,
)
from curation.permissions import access_to, hidden, leads_any, led_by, require
from curation.serializers import CodeField, TrashSerializer, VisibleDatasetField
from curation.services import webhooks
from curation.services.audit import actor_of
from curation.services.members import MemberRefused
from curation.services.review import ReviewRefused
from curation.services.steps import StepRefused
from curation.services.trash import TrashRefused, bring_back
from curation.services.undo import UndoRefused, can_undo, undo, undone_among
from curation.services.webhooks import WebhookRefused
from curation.transitions import NotAllowed
from curation.webhooks.pipeline import secret_of


class EventSerializer(serializers.ModelSerializer[AuditEvent]):
    """Who did what to which record. What exactly it changed is told on the record's own page."""

    dataset = serializers.CharField(source="dataset.slug", read_only=True)
    actor = serializers.CharField(
        source="actor.username",
        read_only=True,
        allow_null=True,
        default=None,
        help_text="null: the machine",
    )
    draft = serializers.IntegerField(source="draft_pk", read_only=True, allow_null=True)

    class Meta:
        model = AuditEvent
        fields = ["id", "at", "actor", "action", "dataset", "draft"]
        fields += ["target_type", "target_id", "target"]
        read_only_fields = fields


class EventDetailSerializer(EventSerializer):
    undone = serializers.SerializerMethodField()
    undoable = serializers.SerializerMethodField()

    class Meta(EventSerializer.Meta):
        fields = [*EventSerializer.Meta.fields, "undone", "undoable"]

    def get_undone(self, event: AuditEvent) -> bool:
        """Whether it was taken back."""
        return event.pk in undone_among([event.pk])

    def get_undoable(self, event: AuditEvent) -> bool:
        """Whether you may take it back, as far as can be told before it is tried."""
        assert event.dataset is not None, "events of no dataset are not shown"
        user = actor_of(self.context["request"].user)
        offered = can_undo(event, access_to(user, event.dataset), user)
        return offered and not self.get_undone(event)


class EventFilter(Filters):
    dataset = django_filters.CharFilter("dataset__slug")
    draft = django_filters.NumberFilter("draft_pk")
    actor = django_filters.CharFilter("actor__username")

    class Meta:
        model = AuditEvent
        fields = ["dataset", "draft", "actor", "action", "target_type", "target_id"]


class EventViewSet(Visible[AuditEvent], mixins.ListModelMixin, mixins.RetrieveModelMixin):
    """Everything that was done in datasets, newest first."""

    dataset_path = "dataset"
    row_order = ("-id",)
    queryset = AuditEvent.objects.select_related("dataset", "actor")
    filterset_class = EventFilter

    def get_queryset(self) -> QuerySet[AuditEvent]:
        blind = hidden(self.request.user).values("pk")
        return super().get_queryset().exclude(draft_pk__in=blind)

    def get_serializer_class(self) -> type[BaseSerializer[AuditEvent]]:
        return EventSerializer if self.action == "list" else EventDetailSerializer

    @extend_schema(request=None, responses={200: EventDetailSerializer, 409: Refused})
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Take back what the event tells of."""
        event = self.get_object()
        assert event.dataset is not None, "events of no dataset are not shown"
        access = access_to(request.user, event.dataset)
        try:
            undo(event, access=access, by=actor_of(request.user))
        except (UndoRefused, StepRefused, ReviewRefused, MemberRefused, NotAllowed) as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(self.get_serializer(self.get_object()).data)


class TrashFilter(Filters):
    dataset = django_filters.CharFilter("dataset__slug")


class TrashViewSet(Visible[Trash], mixins.ListModelMixin):
    """Deleted examples and drafts, newest first."""

    dataset_path = "dataset"
    row_order = ("-id",)
    queryset = Trash.objects.defer("content").select_related("dataset", "deleted_by")
    serializer_class = TrashSerializer
    filterset_class = TrashFilter

    @extend_schema(request=None, responses={204: None, 409: Refused})
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Bring a deleted example or draft back under its old ids."""
        try:
            bring_back(self.get_object(), by=actor_of(request.user))
        except TrashRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(status=status.HTTP_204_NO_CONTENT)


# Pings are sent on demand; they are nothing to subscribe to.
EVENTS = [(each.value, each.label) for each in (WebhookEvent.APPROVED, WebhookEvent.RELEASED)]


class WebhookSerializer(serializers.ModelSerializer[Webhook]):
    dataset = VisibleDatasetField(slug_field="slug")
    events = serializers.ListField(
        child=serializers.ChoiceField(EVENTS), allow_empty=False, max_length=len(EVENTS)
    )

    class Meta:
        model = Webhook
        fields = ["id", "dataset", "url", "events", "enabled", "created_at"]
        read_only_fields = ["enabled", "created_at"]


class WebhookChangeSerializer(serializers.Serializer[Any]):
    """What is changed of a webhook; what is left out stays."""

    url = serializers.CharField(required=False, max_length=500)
    events = serializers.ListField(
        child=serializers.ChoiceField(EVENTS),
        required=False,
        allow_empty=False,
        max_length=len(EVENTS),
    )
    enabled = serializers.BooleanField(required=False)


class SecretWebhookSerializer(WebhookSerializer):
    secret = serializers.SerializerMethodField()

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]

    def get_secret(self, webhook: Webhook) -> str:
        """What messages are signed with; shown when it is made and never again."""
        return secret_of(webhook)


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    class Meta:
        model = Delivery
        fields = ["id", "event", "body", "state", "attempts", "due_at", "status", "note"]
        fields += ["created_at", "finished_at"]
        read_only_fields = fields


class RetrySerializer(serializers.Serializer[Any]):
    delivery = serializers.UUIDField(help_text="One that was given up")


class WebhookFilter(Filters):
    dataset = django_filters.CharFilter("dataset__slug")


class WebhookViewSet(Visible[Webhook], mixins.ListModelMixin, mixins.RetrieveModelMixin):
    """Addresses that are told when a draft is approved or a version is released."""

    dataset_path = "dataset"
    queryset = Webhook.objects.select_related("dataset")
    serializer_class = WebhookSerializer
    filterset_class = WebhookFilter

    def get_queryset(self) -> QuerySet[Webhook]:
        return super().get_queryset().filter(dataset__in=led_by(self.request.user))

    @extend_schema(responses={201: SecretWebhookSerializer})
    def create(self, request: Request) -> Response:
        """Register an address, https and outside our own network. The secret is shown only now."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        require(request.user, data["dataset"], MemberRole.LEAD)
        try:
            made = webhooks.register(
                data["dataset"],
                url=data["url"],
                events=[WebhookEvent(each) for each in data["events"]],
                by=actor_of(request.user),
            )
        except WebhookRefused as refused:
            raise ValidationError({"url": [str(refused)]}) from refused
        return Response(SecretWebhookSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=WebhookChangeSerializer, responses=WebhookSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change its address or events, or switch it off and on."""
        webhook = self.get_object()
        asked = WebhookChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        data = dict(asked.validated_data)
        if "events" in data:
            data["events"] = [WebhookEvent(each) for each in data["events"]]
        try:
            with self.unchanged(webhook):
                changed = webhooks.change(webhook, **data, by=actor_of(request.user))
        except WebhookRefused as refused:
            raise ValidationError({"url": [str(refused)]}) from refused
        return Response(self.get_serializer(changed).data)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a webhook with its log."""
        webhooks.remove(self.get_object(), by=actor_of(request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=SecretWebhookSerializer)
    @action(detail=True, methods=["post"])
    def secret(self, request: Request, pk: str) -> Response:
        """Make a new secret; the old one is used no more."""
        renewed = webhooks.renew_secret(self.get_object(), by=actor_of(request.user))
        return Response(SecretWebhookSerializer(renewed).data)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def ping(self, request: Request, pk: str) -> Response:
        """Send a message of its own, to try the address."""
        sent = webhooks.ping(self.get_object(), by=actor_of(request.user))
        return Response(DeliverySerializer(sent).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        request=RetrySerializer, responses={202: DeliverySerializer, 404: Refused, 409: Refused}
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Send a message anew that was given up."""
        webhook = self.get_object()
        asked = RetrySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        delivery = get_object_or_404(webhook.deliveries, pk=asked.validated_data["delivery"])
        try:
            sent = webhooks.retry(delivery, by=actor_of(request.user))
        except WebhookRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(DeliverySerializer(sent).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=DeliverySerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None)
    def deliveries(self, request: Request, pk: str) -> Response:
        """The last hundred messages and what came of them, newest first."""
        found = self.get_object().deliveries.order_by("-created_at")[:100]
        return Response(DeliverySerializer(found, many=True).data)


class PromptVersionSerializer(serializers.ModelSerializer[PromptVersion]):
    system = CodeField(required=False, default="", help_text="The system message, if any")
    text = CodeField(help_text="The user message, with {{placeholders}}")
    created_by = serializers.CharField(
        source="created_by.username",
        read_only=True,
        allow_null=True,
        default=None,
        help_text="null: came with the product",
    )

    class Meta:
        model = PromptVersion
        fields = ["number", "system", "text", "sha256", "created_at", "created_by"]
        read_only_fields = ["number", "sha256", "created_at"]


class PromptSerializer(serializers.ModelSerializer[PromptTemplate]):
    """A prompt with all its wordings, the newest first."""

    versions = PromptVersionSerializer(many=True, read_only=True)

    class Meta:
        model = PromptTemplate
        fields = ["slug", "title", "use", "versions"]
        read_only_fields = fields


class PromptViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[PromptTemplate]
):
    """What models and judges are asked."""

    row_order = ("slug",)
    queryset = PromptTemplate.objects.prefetch_related(
        Prefetch(
            "versions",
            PromptVersion.objects.select_related("created_by").order_by("-number"),
        )
    )
    serializer_class = PromptSerializer
    lookup_field = "slug"
    lookup_value_regex = "[-a-zA-Z0-9_]+"
    filter_backends: list[Any] = []

    @extend_schema(request=PromptVersionSerializer, responses={200: PromptSerializer})
    @action(detail=True, methods=["post"])
    def versions(self, request: Request, slug: str) -> Response:
        """Write the next version, which is used from then on. Takes the lead of any dataset."""
        template = self.get_object()
        if not leads_any(request.user):
            raise PermissionDenied("Prompts are changed by those who lead a dataset.")
        asked = PromptVersionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        try:
            save_version(
                template, system=said["system"], text=said["text"], by=actor_of(request.user)
            )
        except PromptRefused as refused:
            raise ValidationError({"text": [str(refused)]}) from refused
        return Response(self.get_serializer(self.get_object()).data)


class LanguageModelSerializer(serializers.ModelSerializer[LanguageModel]):
    """A model that experiments may ask; neither its address nor its key."""

    class Meta:
        model = LanguageModel
        fields = ["name", "role", "model_id", "input_price", "output_price", "concurrency"]
        fields += ["context_window", "max_output_tokens", "params", "enabled"]
        read_only_fields = fields


class LanguageModelViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[LanguageModel]):
    """Language models; an admin enters them."""

    row_order = ("name",)
    queryset = LanguageModel.objects.all()
    serializer_class = LanguageModelSerializer
    filterset_fields = ["role", "enabled"]
