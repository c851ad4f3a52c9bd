"""The API of the taxonomy: read it, look at a change, make it, take it back."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from curation.api_base import Refused, refusal
from curation.models import AuditEvent, Category, FixStep, Subcategory
from curation.serializers import CategorySerializer
from curation.services import taxonomy
from curation.services import taxonomy_changes as changes
from curation.services.audit import actor_of
from curation.services.taxonomy import Change
from curation.services.taxonomy_changes import Operation, Place, TaxonomyRefused, Words

MOST = 1000
MOST_TEXT = 1000
MOST_ID = 2**63 - 1


class PlaceSerializer(serializers.Serializer[Any]):
    """A category, or with `subcategory` that subcategory of it, by their slugs."""

    category = serializers.SlugField(max_length=50)
    subcategory = serializers.SlugField(
        max_length=50, required=False, allow_null=True, default=None
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The slugs become `place`."""
        category = Category.objects.filter(slug=attrs["category"]).first()
        if category is None:
            message = f"“{attrs['category']}” is not a known category."
            raise serializers.ValidationError({"category": [message]})
        if attrs["subcategory"] is None:
            return attrs | {"place": Place(category)}
        found = Subcategory.objects.filter(category=category, slug=attrs["subcategory"])
        sub = found.select_related("category").first()
        if sub is None:
            message = f"“{attrs['subcategory']}” is no known subcategory of “{category}”."
            raise serializers.ValidationError({"subcategory": [message]})
        return attrs | {"place": Place(category, sub)}


class PreviewSerializer(serializers.Serializer[Any]):
    preview = serializers.BooleanField(
        default=False, help_text="Say what it would do, and change nothing"
    )


class NewCategorySerializer(PreviewSerializer):
    name = serializers.CharField(max_length=changes.NAME_LENGTH)
    description = serializers.CharField(
        max_length=MOST_TEXT, required=False, default="", allow_blank=True
    )
    category = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=Category.objects.all(),
        required=False,
        allow_null=True,
        default=None,
        help_text="It becomes a subcategory of this; null: a category",
        error_messages={"does_not_exist": "“{value}” is not a known category."},
    )


class WordsSerializer(PlaceSerializer):
    """A new name and description of a place; what is left out stays."""

    name = serializers.CharField(max_length=changes.NAME_LENGTH, required=False)
    description = serializers.CharField(max_length=MOST_TEXT, required=False, allow_blank=True)


class RenameSerializer(PreviewSerializer):
    words = serializers.ListField(child=WordsSerializer(), allow_empty=False, max_length=MOST)


class MergeCategoriesSerializer(PreviewSerializer):
    sources = serializers.ListField(child=PlaceSerializer(), allow_empty=False, max_length=MOST)
    target = PlaceSerializer()


class SplitCategorySerializer(PreviewSerializer):
    place = PlaceSerializer()
    steps = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MOST_ID),
        required=False,
        allow_null=True,
        default=None,
        max_length=100_000,
        help_text="Ids; null: all that are there in datasets that you lead, and match `q`",
    )
    q = serializers.CharField(
        max_length=MOST_TEXT,
        required=False,
        default="",
        allow_blank=True,
        help_text="A text in the words or the code of the steps",
    )
    target = PlaceSerializer(required=False, allow_null=True, default=None)
    name = serializers.CharField(
        max_length=changes.NAME_LENGTH,
        required=False,
        default="",
        allow_blank=True,
        help_text="Makes a new subcategory of the target's category; without target a category",
    )


class DissolveSerializer(PreviewSerializer, PlaceSerializer):
    """The subcategory that goes; its steps have its category alone."""


class MoveCategorySerializer(PreviewSerializer, PlaceSerializer):
    to = serializers.IntegerField(
        min_value=1, max_value=100_000, help_text="Its place from 1 among those beside it"
    )


class TouchedSerializer(serializers.Serializer[Any]):
    dataset = serializers.CharField(source="dataset.slug")
    steps = serializers.IntegerField()
    may = serializers.BooleanField(help_text="Whether you lead it")


class OutcomeSerializer(serializers.Serializer[Any]):
    """What a change does, or would do; `change` is what takes it back, null after a preview."""

    change = serializers.IntegerField(allow_null=True)
    title = serializers.CharField()
    steps = serializers.IntegerField(help_text="How many fix steps it touches")
    datasets = TouchedSerializer(many=True)
    hidden = serializers.IntegerField(help_text="Steps in datasets that you may not read")
    refused = serializers.CharField(help_text="Why it cannot be done; empty when it can")


class TaxonomyChangeSerializer(serializers.ModelSerializer[AuditEvent]):
    """A change of the taxonomy that was made."""

    actor = serializers.CharField(
        source="actor.username", read_only=True, allow_null=True, default=None
    )
    undoable = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields = ["id", "at", "actor", "action", "target", "undoable"]
        read_only_fields = fields

    def get_undoable(self, event: AuditEvent) -> bool:
        """Whether it is the newest that stands, which alone can be taken back."""
        return event.pk in self.context["undoable"]


def _check_editor(request: Request) -> None:
    if not taxonomy.may_edit(request.user):
        raise PermissionDenied("The taxonomy is changed by those who lead a dataset.")


ANSWERS = {200: OutcomeSerializer, 409: Refused}


class CategoryViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Category]):
    """The kinds of bugs that steps mend, one taxonomy for all datasets."""

    row_order = ("position", "name")
    queryset = Category.objects.prefetch_related("subcategories")
    serializer_class = CategorySerializer
    filter_backends: list[Any] = []

    @extend_schema(
        request=NewCategorySerializer,
        responses={200: OutcomeSerializer, 201: OutcomeSerializer, 409: Refused},
    )
    def create(self, request: Request) -> Response:
        """Add a category or subcategory. Takes the lead of any dataset."""
        said = self._said(NewCategorySerializer)
        operation = changes.Add(said["name"], said["description"], said["category"])
        return self._answer(operation, said, made=status.HTTP_201_CREATED)

    @extend_schema(request=RenameSerializer, responses=ANSWERS)
    @action(detail=False, methods=["post"])
    def rename(self, request: Request) -> Response:
        """Give new names and descriptions, any number at once; names may change places."""
        said = self._said(RenameSerializer)
        return self._answer(changes.Rename([_words(each) for each in said["words"]]), said)

    @extend_schema(request=MergeCategoriesSerializer, responses=ANSWERS)
    @action(detail=False, methods=["post"])
    def merge(self, request: Request) -> Response:
        """Make several categories, or several subcategories, one."""
        said = self._said(MergeCategoriesSerializer)
        sources = [each["place"].item for each in said["sources"]]
        return self._answer(changes.Merge(sources, said["target"]["place"].item), said)

    @extend_schema(request=SplitCategorySerializer, responses=ANSWERS)
    @action(detail=False, methods=["post"])
    def split(self, request: Request) -> Response:
        """Move steps of datasets that you lead out of a place, into another or a new one."""
        said = self._said(SplitCategorySerializer)
        source, to = said["place"]["place"], said["target"] and said["target"]["place"]
        chosen = self._chosen(source, said["steps"], said["q"])
        return self._answer(changes.Split(source, chosen, to, said["name"]), said)

    @extend_schema(request=DissolveSerializer, responses=ANSWERS)
    @action(detail=False, methods=["post"])
    def dissolve(self, request: Request) -> Response:
        """Take a subcategory away."""
        said = self._said(DissolveSerializer)
        item = said["place"].item
        if isinstance(item, Category):
            message = "A category is merged into another, not dissolved: name a subcategory."
            raise ValidationError({"subcategory": [message]})
        return self._answer(changes.Dissolve(item), said)

    @extend_schema(request=MoveCategorySerializer, responses=ANSWERS)
    @action(detail=False, methods=["post"])
    def move(self, request: Request) -> Response:
        """Change the order: of categories, or of the subcategories of one."""
        said = self._said(MoveCategorySerializer)
        return self._answer(changes.Move(said["place"].item, said["to"]), said)

    def _said(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        _check_editor(self.request)
        asked = serializer(data=self.request.data)
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)

    def _chosen(self, source: Place, ids: list[int] | None, text: str) -> list[int]:
        found = taxonomy.steps_at(source, self.request.user, text)
        if ids is not None:
            found = FixStep.objects.filter(pk__in=found.values("pk")).filter(pk__in=ids)
        chosen = list(found.order_by("pk").values_list("pk", flat=True))
        if ids is not None and (missing := sorted(set(ids) - set(chosen))):
            message = f"Step {missing[0]} is not there, or in no dataset that you lead."
            raise ValidationError({"steps": [message]})
        return chosen

    def _answer(
        self, operation: Operation, said: dict[str, Any], made: int = status.HTTP_200_OK
    ) -> Response:
        user = actor_of(self.request.user)
        change = taxonomy.preview(operation, by=user)
        if said["preview"]:
            return Response(_outcome(change, None))
        try:
            event = taxonomy.apply(operation, by=user)
        except TaxonomyRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(_outcome(change, event.pk), status=made)


def _words(said: dict[str, Any]) -> Words:
    item = said["place"].item
    return Words(item, said.get("name", item.name), said.get("description", item.description))


def _outcome(change: Change, event: int | None) -> Any:
    return OutcomeSerializer(
        {
            "change": event,
            "title": change.title,
            "steps": change.steps,
            "datasets": change.datasets,
            "hidden": change.hidden,
            "refused": change.refused,
        }
    ).data


class TaxonomyChangeViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[AuditEvent]):
    """What was changed of the taxonomy, newest first."""

    row_order = ("-id",)
    queryset = AuditEvent.objects.filter(target_type="taxonomy")
    serializer_class = TaxonomyChangeSerializer
    filter_backends: list[Any] = []
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[AuditEvent]:
        return taxonomy.history()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "undoable": taxonomy.undoable()}

    @extend_schema(request=None, responses={200: TaxonomyChangeSerializer, 409: Refused})
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Take the newest change back that stands."""
        _check_editor(request)
        event = self.get_object()
        try:
            taxonomy.undo(event, by=actor_of(request.user))
        except TaxonomyRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(self.get_serializer(self.get_object()).data)
