"""What the API says and takes about datasets, examples, drafts, revisions and steps."""

from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model, QuerySet
from rest_framework import serializers

from curation.enums import Difficulty, MemberRole, PromptKind, Role, StepKind
from curation.models import (
    Attachment,
    Category,
    Comment,
    Dataset,
    Draft,
    Example,
    FixStep,
    Membership,
    Revision,
    Subcategory,
    Trash,
)
from curation.permissions import access_to, hidden, sees_time, visible
from curation.services.review import ACTIONS

M = TypeVar("M", bound=Model)


class CodeField(serializers.CharField):
    """Text whose white space counts."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, **kwargs)


class VisibleField(serializers.PrimaryKeyRelatedField[M]):
    """A record by its id; those of datasets that the person may not read do not exist."""

    def __init__(self, dataset: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset

    def get_queryset(self) -> QuerySet[M]:
        rows = super().get_queryset()
        assert rows is not None, "made with a queryset"
        user = self.context["request"].user
        rows = rows.filter(**{f"{self.dataset}__in": visible(user)})
        # "draft__example__dataset" names the draft's own path, too.
        draft, found, _ = self.dataset.rpartition("example__dataset")
        path = draft.removesuffix("__") or "pk"
        return rows.exclude(**{f"{path}__in": hidden(user)}) if found else rows


class VisibleDatasetField(serializers.SlugRelatedField[Dataset]):
    """A dataset by its slug; those that the person may not read do not exist."""

    def get_queryset(self) -> QuerySet[Dataset]:
        return visible(self.context["request"].user)


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    examples = serializers.IntegerField(source="example_count", read_only=True, default=0)

    class Meta:
        model = Dataset
        fields = [
            "slug",
            "title",
            "description",
            "source",
            "licence",
            "everyone",
            "repairs_wanted",
            "times_shown",
            "created_at",
            "examples",
        ]
        read_only_fields = ["repairs_wanted", "times_shown", "created_at"]


class DatasetChangeSerializer(serializers.Serializer[Any]):
    """What is changed of a dataset, by admins but for `times_shown`; what is left out stays."""

    everyone = serializers.ChoiceField(
        MemberRole.choices,
        required=False,
        allow_blank=True,
        help_text="Role of every signed-in person; empty: members only",
    )
    repairs_wanted = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=5,
        help_text="Independent repairs per draft; from 2 on they are blind",
    )
    times_shown = serializers.BooleanField(
        required=False, help_text="Whether members see how long each person took; by leads, too"
    )


class UserField(serializers.CharField):
    """A person's user name, taken as the person; unknown ones are refused."""

    def to_internal_value(self, data: Any) -> Any:
        name = super().to_internal_value(data)
        user = User.objects.filter(username=name, is_active=True).first()
        if user is None:
            raise serializers.ValidationError(f"There is no account “{name}”.")
        return user


class MemberSerializer(serializers.ModelSerializer[Membership]):
    username = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = Membership
        fields = ["username", "role"]


class NewMemberSerializer(serializers.Serializer[Any]):
    username = UserField()
    role = serializers.ChoiceField(
        MemberRole.choices, allow_null=True, help_text="null: no member any more"
    )


class AssigneeSerializer(serializers.Serializer[Any]):
    username = UserField(allow_null=True, help_text="null: nobody")

    def validate_username(self, value: User | None) -> User | None:
        dataset = self.context["draft"].example.dataset
        if value is not None and not access_to(value, dataset).may_repair:
            raise serializers.ValidationError(f"“{value}” is no annotator of this dataset.")
        return value


class TrashSerializer(serializers.ModelSerializer[Trash]):
    dataset = serializers.CharField(source="dataset.slug", read_only=True)
    deleted_by = serializers.CharField(
        source="deleted_by.username", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = Trash
        fields = ["id", "dataset", "name", "deleted_at", "deleted_by"]
        read_only_fields = fields


class AttachmentSerializer(serializers.ModelSerializer[Attachment]):
    class Meta:
        model = Attachment
        fields = ["id", "name", "sha256"]


class ExampleListSerializer(serializers.ModelSerializer[Example]):
    """An example without its code."""

    dataset = VisibleDatasetField(slug_field="slug", queryset=Dataset.objects.all())
    attachments = AttachmentSerializer(many=True, read_only=True)

    class Meta:
        model = Example
        fields = [
            "id",
            "dataset",
            "example_id",
            "title",
            "difficulty",
            "source",
            "licence",
            "not_runnable",
            "position",
            "attachments",
            "created_at",
        ]
        read_only_fields = ["not_runnable", "position", "created_at"]


class ExampleSerializer(ExampleListSerializer):
    pytorch_code = CodeField()
    difficulty = serializers.ChoiceField(Difficulty.choices, default=Difficulty.UNKNOWN)

    class Meta(ExampleListSerializer.Meta):
        fields = [*ExampleListSerializer.Meta.fields, "pytorch_code"]


class DraftListSerializer(serializers.ModelSerializer[Draft]):
    """A draft without the answer that it came from."""

    dataset = serializers.CharField(source="example.dataset.slug", read_only=True)
    created_by = serializers.CharField(
        source="created_by.username", read_only=True, allow_null=True, default=None
    )
    head = serializers.IntegerField(
        source="head_number", read_only=True, help_text="Number of the newest revision"
    )
    steps = serializers.IntegerField(source="step_count", read_only=True)
    assignee = serializers.CharField(
        source="assignee.username", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = Draft
        fields = [
            "id",
            "dataset",
            "example",
            "role",
            "model",
            "prompt_kind",
            "status",
            "original",
            "assignee",
            "lease_until",
            "submitted_at",
            "approval_reason",
            "head",
            "steps",
            "created_at",
            "created_by",
        ]
        read_only_fields = [
            "status",
            "original",
            "lease_until",
            "submitted_at",
            "approval_reason",
            "created_at",
        ]


class DraftSerializer(DraftListSerializer):
    raw_answer = CodeField(help_text="The model's whole answer")
    code = CodeField(
        required=False,
        write_only=True,
        help_text="Revision 0; extracted from raw_answer when it is not given",
    )
    role = serializers.ChoiceField(Role.choices, default=Role.CHEAP)
    prompt_kind = serializers.ChoiceField(PromptKind.choices, default=PromptKind.UNKNOWN)

    class Meta(DraftListSerializer.Meta):
        fields = [*DraftListSerializer.Meta.fields, "raw_answer", "code"]

    def get_fields(self) -> dict[str, Any]:
        rows = Example.objects.select_related("dataset")
        return super().get_fields() | {"example": VisibleField("dataset", queryset=rows)}


class ReviewSerializer(serializers.Serializer[Any]):
    """What a person may do with a draft's state; verified is said by the verifier alone."""

    do = serializers.ChoiceField(list(ACTIONS))
    text = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        help_text="Why it is approved without a pass, or what is to be changed",
    )


class CommentSerializer(serializers.ModelSerializer[Comment]):
    author = serializers.CharField(
        source="author.username", read_only=True, allow_null=True, default=None
    )
    draft: "VisibleField[Draft]" = VisibleField("example__dataset", queryset=Draft.objects.all())
    step: "VisibleField[FixStep]" = VisibleField(
        "draft__example__dataset",
        queryset=FixStep.objects.all(),
        required=False,
        allow_null=True,
    )

    class Meta:
        model = Comment
        fields = [
            "id",
            "draft",
            "step",
            "revision",
            "line",
            "quote",
            "text",
            "author",
            "created_at",
            "resolved_at",
        ]
        read_only_fields = ["quote", "created_at", "resolved_at"]


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    class Meta:
        model = Revision
        fields = ["id", "draft", "number", "code", "sha256", "origin", "created_at"]


class SubcategorySerializer(serializers.ModelSerializer[Subcategory]):
    class Meta:
        model = Subcategory
        fields = ["slug", "name", "description"]


class CategorySerializer(serializers.ModelSerializer[Category]):
    subcategories = SubcategorySerializer(many=True, read_only=True)

    class Meta:
        model = Category
        fields = ["slug", "name", "description", "subcategories"]


class StepTextSerializer(serializers.ModelSerializer[FixStep]):
    """What a person says about a step."""

    error = CodeField(required=False)
    traceback = CodeField(required=False)
    fix_info = CodeField(required=False)
    category: "serializers.SlugRelatedField[Category]" = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=Category.objects.all(),
        required=False,
        allow_null=True,
        error_messages={"does_not_exist": "“{value}” is not a known category."},
    )
    subcategory = serializers.CharField(
        source="subcategory.slug",
        required=False,
        allow_null=True,
        help_text="A slug of one of the category's subcategories",
    )
    kind = serializers.ChoiceField(StepKind.choices, required=False)
    seconds = serializers.IntegerField(
        min_value=0, max_value=2_147_483_647, required=False, help_text="Active seconds spent"
    )

    class Meta:
        model = FixStep
        fields = ["error", "traceback", "fix_info", "category", "subcategory", "kind", "seconds"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The subcategory's slug becomes the row within the category."""
        if "subcategory" not in attrs:
            if "category" in attrs and self.instance is not None:
                # Another category makes the old subcategory meaningless.
                assert isinstance(self.instance, FixStep)
                if self.instance.category != attrs["category"]:
                    attrs["subcategory"] = None
            return attrs
        slug = (attrs["subcategory"] or {}).get("slug")
        owner = attrs.get("category", getattr(self.instance, "category", None))
        attrs["subcategory"] = None
        if slug:
            found = Subcategory.objects.filter(category=owner, slug=slug).first()
            if found is None:
                whose = f"of “{owner}”" if owner else "without a category"
                message = f"“{slug}” is no known subcategory {whose}."
                raise serializers.ValidationError({"subcategory": [message]})
            attrs["subcategory"] = found
        return attrs


class StepSerializer(StepTextSerializer):
    """A whole step, as it is read."""

    before = serializers.IntegerField(
        source="before.number", read_only=True, allow_null=True, default=None
    )
    after = serializers.IntegerField(
        source="after.number", read_only=True, allow_null=True, default=None
    )
    author = serializers.CharField(
        source="author.username", read_only=True, allow_null=True, default=None
    )
    subcategory = serializers.CharField(
        source="subcategory.slug", read_only=True, allow_null=True, default=None
    )

    class Meta(StepTextSerializer.Meta):
        fields = [
            "id",
            "draft",
            "order",
            "error_code",
            "fixed_code",
            *StepTextSerializer.Meta.fields,
            "located",
            "settled",
            "before",
            "after",
            "span_start",
            "span_end",
            "author",
            "created_at",
        ]
        read_only_fields = fields

    def to_representation(self, instance: FixStep) -> dict[str, Any]:
        """How long a person took is told to that person alone, unless a lead shows it to all."""
        said: dict[str, Any] = super().to_representation(instance)
        request = self.context.get("request")
        user = request.user if request is not None else AnonymousUser()
        if not sees_time(user, instance.draft.example.dataset, instance.author_id):
            said["seconds"] = None
        return said


class NewStepSerializer(StepTextSerializer):
    """An edit of a draft, to be saved as its next step."""

    draft: "VisibleField[Draft]" = VisibleField(
        "example__dataset", queryset=Draft.objects.select_related("example__dataset")
    )
    base = serializers.IntegerField(
        min_value=0, help_text="Number of the revision that the edit began with"
    )
    code = CodeField(help_text="The whole program after the edit")

    class Meta(StepTextSerializer.Meta):
        fields = ["draft", "base", "code", *StepTextSerializer.Meta.fields]


class RefusalSerializer(serializers.Serializer[Any]):
    """Why something was refused, as a sentence for a person."""

    detail = serializers.CharField()
    head = serializers.IntegerField(
        required=False, help_text="Number of the newest revision, when the base was an old one"
    )
