"""The API of translations: what was asked, what came of it, asking by hand and anew."""

import json
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from curation.api_base import Filters, Refused, Visible, refusal
from curation.enums import PromptUse
from curation.llm.calls import LlmError
from curation.models import Example
from curation.services.audit import actor_of
from scoring import experiment_serializers as serializers
from scoring.experiments import planning, services
from scoring.experiments.policy import Choice, PolicyRefused
from scoring.experiments.prompting import Prompt, prompt_by_hand
from scoring.models import Translation


class TranslationFilter(Filters):
    experiment = django_filters.CharFilter("setting__experiment__slug")
    setting = django_filters.CharFilter("setting__name")
    outcome = django_filters.CharFilter("run__verdict__outcome")
    kind = django_filters.CharFilter("run__verdict__kind")

    class Meta:
        model = Translation
        fields = ["experiment", "setting", "example", "state", "outcome", "kind"]


class TranslationViewSet(Visible[Translation], mixins.ListModelMixin, mixins.RetrieveModelMixin):
    """Examples translated under settings; the list leaves their code out."""

    dataset_path = "example__dataset"
    queryset = Translation.objects.select_related(
        "setting__experiment__dataset",
        "setting__experiment__context_dataset",
        "setting__model",
        "setting__prompt__template",
        "example__dataset",
        "run__verdict",
        "run__example__dataset",
        "call",
    )
    filterset_class = TranslationFilter

    def get_queryset(self) -> QuerySet[Translation]:
        rows = super().get_queryset()
        if self.action == "list":
            return rows.defer("code", "example__pytorch_code", "run__code", "run__verdict__report")
        return rows

    def get_serializer_class(self) -> type[BaseSerializer[Translation]]:
        if self.action == "list":
            return serializers.TranslationListSerializer
        return serializers.TranslationSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "messages": _messages}

    @extend_schema(
        request=serializers.PasteSerializer,
        responses={200: serializers.TranslationSerializer, 409: Refused},
    )
    @action(detail=True, methods=["post"])
    def paste(self, request: Request, pk: str) -> Response:
        """Bring an answer that was fetched by hand; its code is executed."""
        asked = serializers.PasteSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        answer, code = asked.validated_data["answer"], asked.validated_data.get("code")
        translation = self.get_object()
        if code is None:
            code = services.look_at_answer(answer).code
        try:
            services.paste_answer(translation, answer=answer, code=code, by=actor_of(request.user))
        except services.ExperimentRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses={200: serializers.TranslationSerializer, 409: Refused})
    @action(detail=True, methods=["post"])
    def anew(self, request: Request, pk: str) -> Response:
        """Ask the model once more, and pay for it; the old answer is kept."""
        translation, by = self.get_object(), actor_of(request.user)
        try:
            services.ask_anew(translation, by=by)
        except services.ExperimentRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        services.start(translation.setting.experiment, by=by)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses={200: OpenApiTypes.OBJECT, 409: Refused}, filters=False)
    @action(detail=True, pagination_class=None)
    def context(self, request: Request, pk: str) -> Response:
        """The fixed examples in the prompt, as the fixed-bug JSON holds them."""
        try:
            prompt = planning.prompt_of(self.get_object())
        except (LlmError, PolicyRefused) as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(_context(prompt))

    @extend_schema(request=None, responses={200: serializers.TranslationSerializer, 409: Refused})
    @action(detail=True, methods=["post"])
    def queue(self, request: Request, pk: str) -> Response:
        """Put a translation's draft into its dataset's repair queue."""
        try:
            services.send_to_queue(self.get_object(), by=actor_of(request.user))
        except services.ExperimentRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(self.get_serializer(self.get_object()).data)


def _messages(translation: Translation) -> list[dict[str, str]]:
    """What a model was asked, or would be."""
    if translation.call is not None:
        asked: list[dict[str, str]] = translation.call.messages
        return asked
    try:
        return planning.prompt_of(translation).messages
    except (LlmError, PolicyRefused):
        return []


def _context(prompt: Prompt) -> Any:
    return json.loads(prompt.chosen.text) if prompt.chosen else {}


class ExamplePrompt(APIView):
    """The finished prompt for one program, to be asked by hand."""

    @extend_schema(
        parameters=[serializers.PromptAskedSerializer],
        responses=serializers.PromptSaidSerializer,
    )
    def get(self, request: Request, pk: int) -> Response:
        """Its messages, and the fixed examples in them."""
        asked = serializers.PromptAskedSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        example = get_object_or_404(Example.objects.select_related("dataset"), pk=pk)
        use, choice = PromptUse(said["prompt"]), Choice(said["choice"])
        prompt = prompt_by_hand(example, use, choice, said.get("keep"))
        found = {"messages": prompt.messages, "context": _context(prompt)}
        return Response(serializers.PromptSaidSerializer(found).data)
