"""What the API says and takes about experiments, their translations and their scores."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from curation.enums import ModelRole, PromptUse
from curation.llm.prompts import PromptRefused, current
from curation.models import Category, Dataset, LanguageModel, PromptVersion
from curation.serializers import CodeField, VisibleDatasetField
from executor.serializers import RunListSerializer, candidate_runtimes
from scoring.enums import ExperimentKind
from scoring.experiments import queries
from scoring.experiments.policy import Choice, Policy, Source
from scoring.experiments.services import SettingPlan
from scoring.metrics import MEASURES
from scoring.models import Experiment, Score, Setting, Translation

# A file's examples are brought by the command `draft`.
SOURCES = [Source.NONE, Source.LOO, Source.ALL]


class ContextSerializer(serializers.Serializer[Any]):
    """Which fixed examples an augmented prompt carries."""

    # Field's own `source` is a name; here it is one of the policy's fields.
    source = serializers.ChoiceField(  # type: ignore[assignment]
        [str(each) for each in SOURCES], default=Source.NONE
    )
    choice = serializers.ChoiceField([str(each) for each in Choice], default=Choice.NEAREST)
    budget = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, allow_null=True, default=None, help_text="In tokens"
    )
    keep = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, allow_null=True, default=None, help_text="Examples"
    )
    without: "serializers.SlugRelatedField[Category]" = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=Category.objects.all(),
        many=True,
        default=list,  # type: ignore[arg-type]
    )


class NewSettingSerializer(serializers.Serializer[Any]):
    """One column of an experiment: which model is asked, how, with what context."""

    name = serializers.SlugField(max_length=64)
    model: "serializers.SlugRelatedField[LanguageModel]" = serializers.SlugRelatedField(
        slug_field="name",
        queryset=LanguageModel.objects.filter(enabled=True).exclude(role=ModelRole.JUDGE),
        error_messages={"does_not_exist": "There is no model “{value}” to translate with."},
    )
    use = serializers.ChoiceField([PromptUse.STANDARD.value, PromptUse.AUGMENTED.value])
    prompt = serializers.SlugField(
        required=False, default="", allow_blank=True, help_text="Empty: the prompt of that use"
    )
    version = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="Left out: the newest"
    )
    context = ContextSerializer(required=False)  # type: ignore[assignment]
    runtime = serializers.CharField(required=False, default="", allow_blank=True)
    samples = serializers.IntegerField(min_value=1, max_value=100, default=1)

    def validate_runtime(self, value: str) -> str:
        known = candidate_runtimes()
        if value and value not in known:
            raise serializers.ValidationError(
                f"There is no candidate runtime “{value}”. Runtimes: {', '.join(known)}."
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The prompt's name and number become its version."""
        try:
            found = current(PromptUse(attrs["use"]), attrs["prompt"])
        except PromptRefused as refused:
            raise serializers.ValidationError({"prompt": [str(refused)]}) from None
        number = attrs.get("version", found.number)
        version = PromptVersion.objects.filter(template=found.template_id, number=number).first()
        if version is None:
            message = f"“{found.template}” has no version {number}."
            raise serializers.ValidationError({"version": [message]})
        return attrs | {"prompt": version}


class NewExperimentSerializer(serializers.Serializer[Any]):
    dataset = VisibleDatasetField(slug_field="slug", queryset=Dataset.objects.all())
    slug = serializers.SlugField(
        max_length=64,
        validators=[
            UniqueValidator(
                Experiment.objects.all(), message="There is an experiment of that name already."
            )
        ],
    )
    title = serializers.CharField(max_length=200)
    description = serializers.CharField(required=False, default="", allow_blank=True)
    kind = serializers.ChoiceField(ExperimentKind.choices)
    context_dataset = VisibleDatasetField(
        slug_field="slug", queryset=Dataset.objects.all(), required=False, allow_null=True
    )
    spend_limit = serializers.DecimalField(
        max_digits=14,
        decimal_places=8,
        min_value=0,
        required=False,
        allow_null=True,
        help_text="In the currency of the models' prices; nothing is asked that might pass it",
    )
    to_queue = serializers.BooleanField(default=False)
    settings = NewSettingSerializer(  # type: ignore[call-arg]
        many=True, allow_empty=False, max_length=50
    )
    reference = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        help_text="The setting whose translations are the reference; empty: the fixed code",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        names = [each["name"] for each in attrs["settings"]]
        if attrs["reference"] and attrs["reference"] not in names:
            message = f"There is no setting “{attrs['reference']}”."
            raise serializers.ValidationError({"reference": [message]})
        return attrs


def plan_of(said: dict[str, Any]) -> SettingPlan:
    """A checked setting as the services take it."""
    context = said.get("context")
    policy = Policy()
    if context:
        policy = Policy(
            Source(context["source"]),
            Choice(context["choice"]),
            context["budget"],
            context["keep"],
            tuple(category.name for category in context["without"]),
        )
    return SettingPlan(
        said["name"], said["model"], said["prompt"], policy, said["runtime"], said["samples"]
    )


class LimitSerializer(serializers.Serializer[Any]):
    spend_limit = serializers.DecimalField(
        max_digits=14, decimal_places=8, min_value=0, allow_null=True, help_text="null: no limit"
    )


class ExperimentReferenceSerializer(serializers.Serializer[Any]):
    reference = serializers.CharField(
        allow_blank=True,
        max_length=64,
        help_text="The setting whose translations are the reference; empty: the fixed code",
    )


class ExperimentListSerializer(serializers.ModelSerializer[Experiment]):
    dataset = serializers.CharField(source="dataset.slug", read_only=True)
    context_dataset = serializers.CharField(
        source="context_dataset.slug", read_only=True, allow_null=True, default=None
    )
    reference = serializers.CharField(
        source="reference.name", read_only=True, allow_null=True, default=None
    )
    state = serializers.CharField(source="batch.state", read_only=True)
    reason = serializers.CharField(
        source="batch.reason", read_only=True, help_text="Why it stopped, and what to do"
    )
    spend_limit = serializers.DecimalField(
        source="batch.spend_limit",
        max_digits=14,
        decimal_places=8,
        read_only=True,
        allow_null=True,
    )

    class Meta:
        model = Experiment
        fields = ["id", "slug", "title", "description", "kind", "dataset", "context_dataset"]
        fields += ["reference", "to_queue", "state", "reason", "spend_limit", "created_at"]
        read_only_fields = fields


class SettingSerializer(serializers.ModelSerializer[Setting]):
    model = serializers.CharField(source="model.name", read_only=True)
    prompt = serializers.CharField(source="prompt.template.slug", read_only=True)
    version = serializers.IntegerField(source="prompt.number", read_only=True)
    context = serializers.SerializerMethodField()  # type: ignore[assignment]

    class Meta:
        model = Setting
        fields = ["name", "model", "prompt", "version", "context", "runtime", "samples"]
        read_only_fields = fields

    def get_context(self, setting: Setting) -> str:
        """Which fixed examples the prompt carries, in words."""
        return str(Policy.of(setting.context))


class SettingProgressSerializer(serializers.Serializer[queries.SettingRow]):
    """A setting and how many of its translations are where."""

    setting = SettingSerializer()
    planned = serializers.IntegerField()
    drafted = serializers.IntegerField()
    no_code = serializers.IntegerField()
    failed = serializers.IntegerField()
    passed = serializers.IntegerField()
    rejected = serializers.IntegerField()
    undecided = serializers.IntegerField()
    waiting = serializers.IntegerField()


class ExperimentSerializer(ExperimentListSerializer):
    settings = serializers.SerializerMethodField()
    spent = serializers.SerializerMethodField()

    class Meta(ExperimentListSerializer.Meta):
        fields = [*ExperimentListSerializer.Meta.fields, "settings", "spent"]

    def to_representation(self, instance: Experiment) -> dict[str, Any]:
        self.progress = queries.progress_of(instance)
        said: dict[str, Any] = super().to_representation(instance)
        return said

    def get_settings(self, _: Experiment) -> Any:
        return SettingProgressSerializer(
            self.progress.rows,  # type: ignore[arg-type]
            many=True,
        ).data

    def get_spent(self, _: Experiment) -> str:
        """In the currency of the models' prices."""
        return str(self.progress.spent)


class TranslationListSerializer(serializers.ModelSerializer[Translation]):
    """A translation without its code."""

    experiment = serializers.CharField(source="setting.experiment.slug", read_only=True)
    setting = serializers.CharField(source="setting.name", read_only=True)
    example_id = serializers.CharField(source="example.example_id", read_only=True)
    outcome = serializers.SerializerMethodField()

    class Meta:
        model = Translation
        fields = ["id", "experiment", "setting", "example", "example_id", "sample", "state"]
        fields += ["outcome", "note", "run", "draft", "from_revision"]
        read_only_fields = fields

    def get_outcome(self, translation: Translation) -> str:
        """What came of it, in a word or two."""
        return queries.outcome_of(translation)


class TranslationSerializer(TranslationListSerializer):
    run = RunListSerializer(read_only=True, allow_null=True, default=None)
    prompt = serializers.SerializerMethodField()
    answer = serializers.CharField(
        source="call.text", read_only=True, allow_null=True, default=None
    )

    class Meta(TranslationListSerializer.Meta):
        fields = [*TranslationListSerializer.Meta.fields, "code", "prompt", "answer"]

    def get_prompt(self, translation: Translation) -> list[dict[str, str]]:
        """The messages that are asked; none where they cannot be made."""
        found: list[dict[str, str]] = self.context["messages"](translation)
        return found


class PromptAskedSerializer(serializers.Serializer[Any]):
    """Which prompt is wanted; fixed examples are of the program's own dataset, without its own."""

    prompt = serializers.ChoiceField(
        [PromptUse.STANDARD.value, PromptUse.AUGMENTED.value], default=PromptUse.AUGMENTED.value
    )
    choice = serializers.ChoiceField([str(each) for each in Choice], default=Choice.NEAREST)
    keep = serializers.IntegerField(
        required=False, min_value=0, max_value=2**31 - 1, help_text="At most so many examples"
    )


class PromptSaidSerializer(serializers.Serializer[Any]):
    messages = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    context = serializers.DictField(  # type: ignore[assignment]
        child=serializers.JSONField(), help_text="The fixed examples, as the fixed-bug JSON"
    )


class PasteSerializer(serializers.Serializer[Any]):
    answer = CodeField(help_text="The model's whole answer")
    code = CodeField(required=False, help_text="Left out: what is found in the answer")


class ScoreSerializer(serializers.ModelSerializer[Score]):
    """One number about a translation, or why there is none, and how it was made."""

    experiment = serializers.CharField(source="setting.experiment.slug", read_only=True)
    setting = serializers.CharField(source="setting.name", read_only=True)
    example_id = serializers.CharField(source="translation.example.example_id", read_only=True)
    signature = serializers.DictField(
        source="signature.content", child=serializers.JSONField(), read_only=True
    )

    class Meta:
        model = Score
        fields = ["id", "experiment", "setting", "translation", "example_id", "other", "metric"]
        fields += ["measure", "judge", "repeat", "value", "why", "signature", "created_at"]
        read_only_fields = fields


@extend_schema_field({"type": ["string", "number", "null"]})
class CellValue(serializers.JSONField):
    """What stands in a cell of a table."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, read_only=True)


class CellSerializer(serializers.Serializer[Any]):
    value = CellValue(help_text="A name, a number, or null")
    n = serializers.IntegerField(allow_null=True, help_text="Over how many scores")
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    why = serializers.CharField(help_text="Why there is no value")


class ColumnSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()


class TableSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    caption = serializers.CharField()
    columns = ColumnSerializer(many=True)
    rows = serializers.ListField(child=CellSerializer(many=True))
    notes = serializers.ListField(child=serializers.CharField())


class AgreementSerializer(serializers.Serializer[Any]):
    """A coefficient over `n` units; null with the reason where there is none."""

    name = serializers.CharField()
    n = serializers.IntegerField()
    value = serializers.FloatField(allow_null=True)
    why = serializers.CharField()


class AgreementRowSerializer(serializers.Serializer[Any]):
    of = serializers.CharField()
    category = AgreementSerializer()
    steps = AgreementSerializer()


class AgreementReportSerializer(serializers.Serializer[Any]):
    drafts = serializers.IntegerField(help_text="With two repairs or more")
    repairs = serializers.IntegerField()
    fleiss = AgreementSerializer()
    whole = AgreementRowSerializer()
    pairs = AgreementRowSerializer(many=True)
    months = AgreementRowSerializer(many=True)


MEASURE_CHOICES = [(each.name, each.title) for each in MEASURES.values()]
