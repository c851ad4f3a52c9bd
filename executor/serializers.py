"""What the API says and takes about runs and their verdicts."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from curation.models import Draft, Example, Revision
from curation.permissions import access_to
from curation.serializers import CodeField, StepSerializer, UserField, VisibleField
from executor import runtimes
from executor.models import ImportJob, Run, Verdict, Worker
from executor.parity.contract import Contract, ContractError
from executor.progress import Progress, progress_of


class VerdictListSerializer(serializers.ModelSerializer[Verdict]):
    """A verdict without its evidence."""

    class Meta:
        model = Verdict
        fields = ["outcome", "stage", "kind", "reason", "message", "strength", "seconds"]


class VerdictSerializer(VerdictListSerializer):
    class Meta(VerdictListSerializer.Meta):
        fields = [*VerdictListSerializer.Meta.fields, "isolation", "report"]


class RunListSerializer(serializers.ModelSerializer[Run]):
    dataset = serializers.CharField(source="example.dataset.slug", read_only=True)
    verdict = VerdictListSerializer(read_only=True, allow_null=True, default=None)
    part = serializers.CharField(read_only=True, help_text="What a running run is at")

    class Meta:
        model = Run
        fields = [
            "id",
            "dataset",
            "example",
            "draft",
            "code_hash",
            "contract_hash",
            "runtime",
            "device",
            "state",
            "part",
            "attempts",
            "note",
            "created_at",
            "started_at",
            "finished_at",
            "verdict",
        ]
        read_only_fields = fields


class ProgressSerializer(serializers.Serializer[Progress]):
    title = serializers.CharField()
    seconds = serializers.FloatField()
    ahead = serializers.IntegerField()
    percent = serializers.IntegerField(allow_null=True)
    waits_for_gpu = serializers.BooleanField()


class RunSerializer(RunListSerializer):
    verdict = VerdictSerializer(read_only=True, allow_null=True, default=None)
    progress = serializers.SerializerMethodField()

    @extend_schema_field(ProgressSerializer(allow_null=True))
    def get_progress(self, run: Run) -> Any:
        """Where a run is that is not over; null afterwards."""
        return None if run.is_over else ProgressSerializer(progress_of(run)).data

    class Meta(RunListSerializer.Meta):
        fields = [*RunListSerializer.Meta.fields, "progress", "code"]
        read_only_fields = fields


def candidate_runtimes() -> list[str]:
    """Names of the runtimes that a candidate can run in."""
    return [name for name in runtimes.names() if runtimes.describe(name).side == "candidate"]


class NewRunSerializer(serializers.Serializer[Any]):
    """What to run: a stored revision, or code held against an example."""

    revision: "VisibleField[Revision]" = VisibleField(
        "draft__example__dataset",
        queryset=Revision.objects.select_related("draft__example__dataset"),
        required=False,
    )
    example: "VisibleField[Example]" = VisibleField(
        "dataset", queryset=Example.objects.select_related("dataset"), required=False
    )
    draft: "VisibleField[Draft]" = VisibleField(
        "example__dataset",
        queryset=Draft.objects.select_related("example__dataset"),
        required=False,
        help_text="Whose working copy `code` is",
    )
    code = CodeField(required=False)
    runtime = serializers.CharField(required=False, help_text="A candidate runtime")

    def validate_runtime(self, value: str) -> str:
        known = candidate_runtimes()
        if value not in known:
            raise serializers.ValidationError(
                f"There is no candidate runtime “{value}”. Runtimes: {', '.join(known)}."
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Fill in `example`, `draft` and `code` from what was given."""
        if "revision" in attrs:
            revision = attrs.pop("revision")
            if attrs.keys() & {"code", "example", "draft"}:
                raise serializers.ValidationError("Give a revision or code, not both.")
            draft = revision.draft
            return attrs | {"example": draft.example, "draft": draft, "code": revision.code}
        if "code" not in attrs or not attrs.keys() & {"example", "draft"}:
            raise serializers.ValidationError(
                "Give a revision, or code with the example or draft that it belongs to."
            )
        if "draft" in attrs and attrs.setdefault("example", attrs["draft"].example) != (
            attrs["draft"].example
        ):
            raise serializers.ValidationError("The draft belongs to another example.")
        return attrs


class AdoptSerializer(serializers.Serializer[Any]):
    repair = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, help_text="Id of one of the draft's repairs that are in"
    )

    def validate_repair(self, value: int) -> Draft:
        found: Draft | None = self.context["repairs"].filter(pk=value).first()
        if found is None:
            raise serializers.ValidationError(f"This draft has no repair {value} that is in.")
        return found


class LedgerSerializer(serializers.Serializer[Any]):
    """A draft's steps after a change of one."""

    steps = StepSerializer(many=True)
    lost = serializers.ListField(
        child=serializers.IntegerField(), help_text="Orders of the steps that ceased to apply"
    )


class MoveSerializer(serializers.Serializer[Any]):
    to = serializers.IntegerField(min_value=1, help_text="The new place, counted from 1")


class SplitSerializer(serializers.Serializer[Any]):
    first = serializers.ListField(
        child=serializers.IntegerField(min_value=0),
        allow_empty=False,
        max_length=10_000,
        help_text="Indices of the changes that become the first step: see its hunks",
    )


class HunkSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    start = serializers.IntegerField(help_text="First line of the old text, counted from 0")
    end = serializers.IntegerField(help_text="One past its last line")
    old = serializers.CharField()
    new = serializers.CharField()


class StepCodeSerializer(serializers.Serializer[Any]):
    """The new text of a step: `error_code`, or the lines of the code before it."""

    error_code = CodeField(required=False)
    first_line = serializers.IntegerField(required=False, min_value=1, help_text="From 1")
    last_line = serializers.IntegerField(required=False, min_value=1)
    fixed_code = CodeField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        lines = {"first_line", "last_line"} & attrs.keys()
        if ("error_code" in attrs) == bool(lines) or len(lines) == 1:
            raise serializers.ValidationError(
                "Give error_code, or first_line and last_line, beside fixed_code."
            )
        return attrs


class ContractSerializer(serializers.Serializer[Any]):
    example = serializers.IntegerField()
    contract = serializers.DictField(
        child=serializers.JSONField(), allow_null=True, help_text="null: it is recognised"
    )


class NewContractSerializer(serializers.Serializer[Any]):
    contract = serializers.DictField(
        child=serializers.JSONField(),
        allow_null=True,
        help_text="Its fields as in docs/parity.md; what is left out has its default. null: "
        "leave it to recognition",
    )

    def validate_contract(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """What a person left out is filled in."""
        try:
            return None if value is None else Contract.from_json(value).to_json()
        except ContractError as error:
            raise serializers.ValidationError(str(error)) from None


class WorkerSerializer(serializers.ModelSerializer[Worker]):
    class Meta:
        model = Worker
        fields = ["name", "queues", "concurrency", "isolation", "seen_at"]
        read_only_fields = fields


class QueueSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    queued = serializers.IntegerField(help_text="Runs that wait in it")
    served = serializers.BooleanField(help_text="Whether a living worker takes them")


class FleetSerializer(serializers.Serializer[Any]):
    workers = WorkerSerializer(many=True)
    queues = QueueSerializer(many=True)


class BulkSerializer(serializers.Serializer[Any]):
    do = serializers.ChoiceField(["assign", "run", "delete"])
    drafts = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        allow_empty=False,
        max_length=10_000,
        help_text="Their ids",
    )
    username = UserField(
        required=False, allow_null=True, default=None, help_text="To assign to; null: nobody"
    )

    def validate_username(self, value: Any) -> Any:
        if value is not None and not access_to(value, self.context["dataset"]).may_repair:
            raise serializers.ValidationError(f"“{value}” is no annotator of this dataset.")
        return value


class BulkReportSerializer(serializers.Serializer[Any]):
    changed = serializers.IntegerField(help_text="Drafts that changed hands, are run, are deleted")
    known = serializers.IntegerField(required=False, help_text="Have a verdict that holds")
    not_runnable = serializers.IntegerField(required=False)
    left = serializers.IntegerField(required=False, help_text="Left for the next time")
    trash = serializers.IntegerField(required=False, help_text="What restores the deleted ones")


class NewImportSerializer(serializers.Serializer[Any]):
    files = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True), allow_empty=False, max_length=1_000
    )
    dry_run = serializers.BooleanField(default=False)
    sample = serializers.IntegerField(
        required=False, min_value=1, max_value=10**9, help_text="So many programs of rows of code"
    )
    seed = serializers.IntegerField(default=0, min_value=0, max_value=2**31 - 1)
    any_licence = serializers.BooleanField(
        default=False, help_text="Take programs whose licence does not allow sharing, too"
    )


class ImportJobSerializer(serializers.ModelSerializer[ImportJob]):
    """An import; its report counts records, files and steps, and holds a sentence per refusal.

    Of a snapshot it says in `lines` what was restored, or why nothing was.
    """

    dataset = serializers.CharField(source="dataset.slug", read_only=True)
    report = serializers.DictField(
        child=serializers.JSONField(), read_only=True, allow_null=True, help_text="null: not over"
    )

    class Meta:
        model = ImportJob
        fields = ["id", "dataset", "names", "bytes", "dry_run", "state", "file", "percent"]
        fields += ["problem", "report", "created_at"]
        read_only_fields = fields
