"""The API of what machines find out: runs, and the changes of drafts that machines then verify."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import django_filters
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from curation import api_drafts as curation
from curation import hunks
from curation.api_base import Filters, Refused, Visible, refusal
from curation.conditional import unchanged
from curation.enums import MemberRole
from curation.models import Dataset, Draft, Example, FixStep, Revision
from curation.permissions import require
from curation.serializers import DraftSerializer, NewStepSerializer, StepSerializer
from curation.services import ledger
from curation.services.adjudication import adopt
from curation.services.assignment import assign_all
from curation.services.audit import actor_of
from curation.services.datasets import set_contract
from curation.services.steps import StepRefused
from curation.services.trash import TrashRefused, delete_drafts
from executor import draft_list, fleet, serializers
from executor.batch import request_runs
from executor.bulk import run_newest
from executor.models import Run
from executor.parity.contract import ContractError
from executor.parity.outcome import Kind, Outcome, Reason
from executor.serializers import NewRunSerializer, RunListSerializer, RunSerializer
from executor.services import cancel_run, request_run, send_to_cpu


class RunFilter(Filters):
    dataset = django_filters.CharFilter("example__dataset__slug")
    outcome = django_filters.CharFilter("verdict__outcome")
    kind = django_filters.CharFilter("verdict__kind")
    reason = django_filters.CharFilter("verdict__reason")

    class Meta:
        model = Run
        fields = ["dataset", "example", "draft", "code_hash", "runtime", "device", "state"]


class RunViewSet(
    Visible[Run], mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Run]
):
    """Runs, newest first. The list leaves code and evidence out."""

    dataset_path, draft_path = "example__dataset", "draft"
    row_order = ("-id",)
    queryset = Run.objects.select_related("example__dataset", "verdict")
    filterset_class = RunFilter

    def get_serializer_class(self) -> type[BaseSerializer[Run]]:
        return RunListSerializer if self.action == "list" else RunSerializer

    @extend_schema(request=NewRunSerializer, responses={200: RunSerializer, 202: RunSerializer})
    def create(self, request: Request) -> Response:
        """Have code verified: 202 while the verdict is awaited, 200 when it is known already."""
        asked = NewRunSerializer(data=request.data, context={"request": request})
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        require(request.user, data["example"].dataset, MemberRole.ANNOTATOR)
        try:
            run = request_run(
                data["example"],
                data["code"],
                draft=data.get("draft"),
                runtime=data.get("runtime"),
                by=actor_of(request.user),
            )
        except ContractError as error:
            raise ValidationError({"example": [f"Its contract is not valid: {error}"]}) from error
        run = self.get_queryset().get(pk=run.pk)
        code = status.HTTP_200_OK if run.is_over else status.HTTP_202_ACCEPTED
        return Response(RunSerializer(run).data, status=code)

    @extend_schema(request=None, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End a run; one that is over stays as it is."""
        cancel_run(self.get_object(), by=actor_of(request.user))
        return Response(RunSerializer(self.get_object()).data)

    @extend_schema(request=None, responses=RunSerializer)
    @action(detail=True, methods=["post"], url_path="to-cpu")
    def to_cpu(self, request: Request, pk: str) -> Response:
        """Have a run that waits for a GPU worker done on CPU; any other stays as it is."""
        send_to_cpu(self.get_object(), by=actor_of(request.user))
        return Response(RunSerializer(self.get_object()).data)


class DraftFilter(curation.DraftFilter):
    """The filters of the queue page."""

    outcome = django_filters.ChoiceFilter(
        choices=[(each, each) for each in (*Outcome, draft_list.NOT_RUN)],
        method="filter_queue",
        label="Outcome of the newest revision; none: not run",
    )
    kind = django_filters.ChoiceFilter(
        choices=[(each, each) for each in Kind], method="filter_queue", label="Kind of failure"
    )
    reason = django_filters.ChoiceFilter(
        choices=[(each, each) for each in Reason],
        method="filter_queue",
        label="Why it is undecided",
    )
    category = django_filters.CharFilter(
        method="filter_queue", max_length=200, label="Has a step of this category"
    )
    assignee = django_filters.CharFilter(
        method="filter_queue",
        max_length=200,
        label=f"User name of who works on it; {draft_list.NOBODY}: nobody",
    )
    q = django_filters.CharFilter(
        method="filter_queue", max_length=200, label="Words in names or in the code of a side"
    )

    def filter_queue(self, rows: QuerySet[Draft], name: str, value: str) -> QuerySet[Draft]:
        return draft_list.narrowed(rows, draft_list.Filters(**{name: value}))


class DraftViewSet(curation.DraftViewSet):
    filterset_class = DraftFilter

    def perform_create(self, serializer: BaseSerializer[Draft]) -> None:
        super().perform_create(serializer)
        draft = serializer.instance
        assert isinstance(draft, Draft)
        code = draft.revisions.get(number=0).code
        request_run(draft.example, code, draft=draft, by=actor_of(self.request.user))

    @extend_schema(
        request=serializers.AdoptSerializer, responses={200: DraftSerializer, 409: Refused}
    )
    @action(detail=True, methods=["post"])
    def adopt(self, request: Request, pk: str) -> Response:
        """Decide between independent repairs: take the steps of one of them."""
        draft, user = self.get_object(), actor_of(request.user)
        repairs = draft.repairs.filter(blind=False)
        asked = serializers.AdoptSerializer(data=request.data, context={"repairs": repairs})
        asked.is_valid(raise_exception=True)
        try:
            with self.unchanged(draft):
                adopt(asked.validated_data["repair"], by=user)
        except StepRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        request_runs(_revisions_of(draft), by=user)
        return Response(self.shown(self.get_object()).data)


def _revisions_of(draft: Draft) -> list[Revision]:
    return list(draft.revisions.select_related("draft__example__dataset"))


Change = Callable[..., ledger.Outcome]


class StepViewSet(curation.StepViewSet):
    """Fix steps, in their drafts' order. After every change of code, what is new is verified."""

    @extend_schema(
        request=NewStepSerializer,
        responses={201: StepSerializer, 400: Refused, 409: Refused},
    )
    def create(self, request: Request) -> Response:
        """Save an edit as the draft's next step; 409 when `base` is no longer the newest."""
        response = super().create(request)
        if response.status_code == status.HTTP_201_CREATED:
            step = FixStep.objects.select_related("draft__example__dataset", "after").get(
                pk=response.data["id"]
            )
            assert step.after is not None, "a step that was just saved applies"
            user = actor_of(request.user)
            request_run(step.draft.example, step.after.code, draft=step.draft, by=user)
        return response

    def _change(self, change: Callable[[FixStep], Change]) -> Response:
        """Change the ledger, have what is new verified, and say what no longer applies."""
        step, user = self.get_object(), actor_of(self.request.user)
        try:
            with self.unchanged(step.draft, step):
                outcome = change(step)(by=user)
        except StepRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        request_runs(_revisions_of(outcome.draft), by=user)
        steps = self.queryset.filter(draft=outcome.draft).order_by("order")
        said = {"steps": self.get_serializer(steps, many=True).data, "lost": list(outcome.lost)}
        return Response(said)

    def _said(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        asked = serializer(data=self.request.data)
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)

    @extend_schema(request=None, responses={200: serializers.LedgerSerializer, 409: Refused})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take a step out; those after it are replayed without it."""
        return self._change(lambda step: partial(ledger.remove_step, step))

    @extend_schema(
        request=serializers.MoveSerializer,
        responses={200: serializers.LedgerSerializer, 409: Refused},
    )
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Response:
        """Put a step at another place of the order."""
        to = self._said(serializers.MoveSerializer)["to"]
        return self._change(lambda step: partial(ledger.move_step, step, to=to))

    @extend_schema(request=None, responses={200: serializers.LedgerSerializer, 409: Refused})
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: str) -> Response:
        """Make one step of this one and the next."""
        return self._change(lambda step: partial(ledger.merge_with_next, step))

    @extend_schema(
        request=serializers.SplitSerializer,
        responses={200: serializers.LedgerSerializer, 409: Refused},
    )
    @action(detail=True, methods=["post"])
    def split(self, request: Request, pk: str) -> Response:
        """Make two steps of one: the changes that are named, then the others."""
        first = self._said(serializers.SplitSerializer)["first"]
        return self._change(lambda step: partial(ledger.split_step, step, first=first))

    @extend_schema(responses=serializers.HunkSerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None)
    def hunks(self, request: Request, pk: str) -> Response:
        """The separate changes of a step, to be split; none where it does not apply."""
        step = self.get_object()
        found = []
        if step.before and step.after:
            found = hunks.hunks_of(step.before.code, step.after.code)
        return Response(serializers.HunkSerializer(found, many=True).data)

    @extend_schema(
        request=serializers.StepCodeSerializer,
        responses={200: serializers.LedgerSerializer, 409: Refused},
    )
    @action(detail=True, methods=["post"])
    def code(self, request: Request, pk: str) -> Response:
        """Say otherwise what a step replaces: by its text, or by its lines."""
        said = self._said(serializers.StepCodeSerializer)

        def change(step: FixStep) -> Change:
            if "error_code" in said:
                return partial(ledger.edit_code, step, **said)
            start, end = _place(ledger.code_before(step), said["first_line"], said["last_line"])
            fixed = said["fixed_code"]
            return partial(ledger.anchor, step, start=start, end=end, fixed_code=fixed)

        return self._change(change)

    @extend_schema(request=None, responses=StepSerializer)
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, pk: str) -> Response:
        """Say that a step which does not apply is meant to stay as it is."""
        return self._settle(True)

    @extend_schema(request=None, responses=StepSerializer)
    @action(detail=True, methods=["post"])
    def unsettle(self, request: Request, pk: str) -> Response:
        """Say that a step which does not apply is still to be mended."""
        return self._settle(False)

    def _settle(self, settled: bool) -> Response:
        step = self.get_object()
        with self.unchanged(step.draft, step):
            ledger.settle(step, settled, by=actor_of(self.request.user))
        return Response(self.get_serializer(self.get_object()).data)


def _place(code: str, first: int, last: int) -> tuple[int, int]:
    """Where lines `first` to `last` stand, without the last one's end.

    Raises:
        StepRefused: there are no such lines.
    """
    lines = code.splitlines(keepends=True)
    if not first <= last <= len(lines):
        raise StepRefused(f"The code before this step has lines 1 to {len(lines)}.")
    start = sum(map(len, lines[: first - 1]))
    quoted = "".join(lines[first - 1 : last])
    return start, start + len(quoted.removesuffix("\n"))


class ExampleContract(APIView):
    """What is observed of an example when two programs are compared."""

    @extend_schema(responses=serializers.ContractSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """The contract, and whether a person set it; docs/parity.md says what each field means."""
        return Response(self._shown(pk))

    @extend_schema(
        request=serializers.NewContractSerializer, responses=serializers.ContractSerializer
    )
    def put(self, request: Request, pk: int) -> Response:
        """Set the contract; null leaves it to recognition. Every revision then runs again."""
        example, user = self._example(pk), actor_of(request.user)
        asked = serializers.NewContractSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with unchanged(request, lambda: self._shown(pk), example):
            set_contract(example, asked.validated_data["contract"], by=user)
        revisions = Revision.objects.filter(draft__example=example, draft__example__not_runnable="")
        request_runs(list(revisions.select_related("draft__example__dataset")), by=user)
        return Response(self._shown(pk))

    def _example(self, pk: int) -> Example:
        return get_object_or_404(Example.objects.select_related("dataset"), pk=pk)

    def _shown(self, pk: int) -> dict[str, Any]:
        example = self._example(pk)
        return {"example": example.pk, "contract": example.contract}


class Workers(APIView):
    """The workers that live, and what waits for them."""

    @extend_schema(responses=serializers.FleetSerializer)
    def get(self, request: Request) -> Response:
        found = {"workers": fleet.living(), "queues": [asdict(each) for each in fleet.waiting()]}
        return Response(serializers.FleetSerializer(found).data)


class Bulk(APIView):
    """Many drafts of a dataset at once."""

    @extend_schema(
        request=serializers.BulkSerializer,
        responses={200: serializers.BulkReportSerializer, 409: Refused},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Assign, run or delete drafts: those that are named. One undo takes it all back."""
        dataset, user = get_object_or_404(Dataset, slug=slug), actor_of(request.user)
        asked = serializers.BulkSerializer(data=request.data, context={"dataset": dataset})
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        drafts = draft_list.drafts_of(dataset).filter(pk__in=said["drafts"])
        try:
            report = _bulk(dataset, drafts, said, user)
        except TrashRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return Response(report)


def _bulk(
    dataset: Dataset, drafts: draft_list.Drafts, said: dict[str, Any], user: User
) -> dict[str, Any]:
    """What was done, as numbers.

    Raises:
        TrashRefused: none of the drafts is there to be deleted.
    """
    if said["do"] == "assign":
        return {"changed": assign_all(dataset, drafts, said["username"], by=user)}
    if said["do"] == "run":
        done = run_newest(dataset, drafts, by=user)
        known = {"known": done.known, "not_runnable": done.not_runnable, "left": done.left}
        return {"changed": done.asked, **known}
    count = drafts.count()
    return {"changed": count, "trash": delete_drafts(dataset, drafts, by=user).pk}
