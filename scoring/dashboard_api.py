"""The API of dashboards: their numbers, their files, the rows behind a number, the plan."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from curation.api_base import Download
from curation.enums import Difficulty
from curation.models import Dataset
from curation.services.audit import actor_of
from scoring import dashboard_views as views
from scoring.behind import DRAFT_KEYS, STEP_KEYS, BadFilter, Behind, drafts_behind, steps_behind
from scoring.dashboards import DASHBOARDS, Chosen, Data, board_of
from scoring.dashboards.data import BREAKDOWNS
from scoring.dashboards.published import TAKEN, Source, Unreadable, form_of, read
from scoring.experiment_api import cell_of
from scoring.experiment_serializers import CellSerializer, TableSerializer
from scoring.models import Plan
from scoring.services import set_plan, set_published
from scoring.summaries import State
from scoring.tables.base import Cell, Table

ROWS = 500


class LinkedCellSerializer(CellSerializer):
    drill = serializers.DictField(
        child=serializers.CharField(),
        help_text="What the address of the rows takes to find those that it counts; may be empty",
    )


class BoardSerializer(TableSerializer):
    """One dashboard: its table, and when its counts were made."""

    rows = serializers.ListField(child=LinkedCellSerializer(many=True))
    counted_at = serializers.DateTimeField(allow_null=True)
    outdated = serializers.BooleanField(help_text="A worker was asked to count anew")


class ChoicesSerializer(serializers.Serializer[Any]):
    """What dashboards can be narrowed to, and by what categories are broken down."""

    difficulty = serializers.ListField(child=serializers.CharField())
    model = serializers.ListField(child=serializers.CharField())
    by = serializers.ListField(child=serializers.CharField())


class BoardNameSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    caption = serializers.CharField()


class BoardsSerializer(serializers.Serializer[Any]):
    boards = BoardNameSerializer(many=True)
    choices = ChoicesSerializer()


class RowSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    draft = serializers.IntegerField()
    example = serializers.CharField(help_text="The example's own id in its dataset")


class BehindSerializer(serializers.Serializer[Any]):
    """The drafts or fix steps that a number counts, in the order of their ids."""

    of = serializers.ChoiceField(["drafts", "steps"])
    after = serializers.IntegerField(
        allow_null=True, help_text="`after` of the next page; null at the end"
    )
    rows = RowSerializer(many=True)


class PlanSerializer(serializers.ModelSerializer[Plan]):
    """What is wanted of a dataset until when, and whether its dashboards name people."""

    class Meta:
        model = Plan
        fields = ["approved_wanted", "due", "names_shown"]
        # Without it a field that is left out would be set back unseen.
        extra_kwargs = {name: {"required": True} for name in fields}


class PublishedSerializer(serializers.Serializer[Any]):
    """Figures that others published, laid beside a dashboard."""

    name = serializers.CharField(max_length=40, help_text="Whose they are: heads their columns")
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=300, help_text="Where they stand"
    )
    figures = serializers.CharField(
        max_length=50_000,
        help_text="CSV: the first line names columns of the dashboard, the first cells name a row",
    )


def _query(name: str, description: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=description, **more)


FILTERS = [
    _query("difficulty", "Only examples of this difficulty", enum=list(Difficulty.values)),
    _query("model", "Only drafts of this model"),
    _query("by", "What categories are broken down by", enum=list(BREAKDOWNS)),
]
BOARD = OpenApiParameter("board", OpenApiTypes.STR, "path", enum=list(DASHBOARDS))
TAKING = OpenApiParameter("board", OpenApiTypes.STR, "path", enum=list(TAKEN))
ENDING = OpenApiParameter("ending", OpenApiTypes.STR, "path", enum=list(views.FILE_ENDINGS))
BEHIND = [
    _query("of", "What is counted", enum=["drafts", "steps"]),
    OpenApiParameter("after", OpenApiTypes.INT, description="Go on behind the row of this id"),
    *(_query(name, "As a cell's `drill` says") for name in dict.fromkeys(DRAFT_KEYS + STEP_KEYS)),
]


class Boards(APIView):
    """The dashboards of a dataset."""

    @extend_schema(responses=BoardsSerializer, parameters=FILTERS, operation_id="dashboards_list")
    def get(self, request: Request, slug: str) -> Response:
        """What dashboards there are, and what they can be narrowed to."""
        data, _ = _data(request, slug)
        difficulties, models = data.facets()
        tables = [(key, board_of(key, data).table) for key in DASHBOARDS]
        found = {
            "boards": [
                {"key": key, "title": table.title, "caption": table.caption}
                for key, table in tables
            ],
            "choices": {
                "difficulty": [each for each in Difficulty.values if difficulties[each]],
                "model": [name for name, _ in models.most_common() if name],
                "by": list(BREAKDOWNS),
            },
        }
        return Response(BoardsSerializer(found).data)


class BoardDetail(APIView):
    """One dashboard of a dataset."""

    @extend_schema(
        responses=BoardSerializer, parameters=[BOARD, *FILTERS], operation_id="dashboards_retrieve"
    )
    def get(self, request: Request, slug: str, board: str) -> Response:
        """Its numbers as JSON, narrowed as on the page; cells say how their rows are found."""
        if board not in DASHBOARDS:
            raise Http404(f"There is no dashboard {board}. There are: {', '.join(DASHBOARDS)}.")
        data, state = _data(request, slug)
        table = board_of(board, data).table
        said = {
            "key": board,
            "title": table.title,
            "caption": table.caption,
            "columns": [{"key": each.key, "title": each.title} for each in table.columns],
            "rows": [[_linked(cell, data) for cell in row] for row in table.rows],
            "notes": table.notes,
            "counted_at": state.made_at,
            "outdated": state.outdated,
        }
        return Response(BoardSerializer(said).data)


class BoardFile(Download):
    """One dashboard as a file."""

    @extend_schema(
        responses={(200, "*/*"): OpenApiTypes.ANY},
        parameters=[BOARD, ENDING, *FILTERS],
        operation_id="dashboards_file",
    )
    def get(self, request: Request, slug: str, board: str, ending: str) -> HttpResponse:
        """CSV, JSON, Markdown or LaTeX of its table, or its drawing as SVG or PNG."""
        return views.file_of(request._request, slug, board, ending)


class BoardPublished(APIView):
    """What others published, beside one dashboard."""

    @extend_schema(
        responses=PublishedSerializer, parameters=[TAKING], operation_id="dashboards_published"
    )
    def get(self, request: Request, slug: str, board: str) -> Response:
        """The figures that lie beside it, as CSV; without any, a form to fill in and no name."""
        data, table = _taking(slug, board)
        source, rows = data.published.get(board, (Source("", ""), []))
        said = {"name": source.name, "source": source.text, "figures": form_of(table, rows)}
        return Response(PublishedSerializer(said).data)

    @extend_schema(
        request=PublishedSerializer,
        responses=PublishedSerializer,
        parameters=[TAKING],
        operation_id="dashboards_published_update",
    )
    def put(self, request: Request, slug: str, board: str) -> Response:
        """Lay figures beside it, in the place of those that were there."""
        data, table = _taking(slug, board)
        asked = PublishedSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        try:
            rows = read(table, said["figures"])
        except Unreadable as error:
            raise serializers.ValidationError({"figures": [str(error)]}) from error
        source = Source(said["name"], said["source"])
        set_published(data.dataset, board, source, rows, by=actor_of(request.user))
        return Response(PublishedSerializer({**said, "figures": form_of(table, rows)}).data)

    @extend_schema(
        responses={204: None}, parameters=[TAKING], operation_id="dashboards_published_destroy"
    )
    def delete(self, request: Request, slug: str, board: str) -> Response:
        """Take them away."""
        data, _ = _taking(slug, board)
        set_published(data.dataset, board, None, by=actor_of(request.user))
        return Response(status=204)


class BoardRows(APIView):
    """The rows behind a number."""

    @extend_schema(responses=BehindSerializer, parameters=BEHIND, operation_id="dashboards_rows")
    def get(self, request: Request, slug: str) -> Response:
        """The drafts or fix steps that a number of a dashboard counts."""
        # Drafts are found as they were counted: that must have been done once.
        data, _ = _data(request, slug)
        behind = Behind.of_query(request.query_params.dict())
        find: Callable[..., Any] = steps_behind if behind.of == "steps" else drafts_behind
        try:
            found = find(data.dataset, behind.keys).filter(pk__gt=_after(request))
        except BadFilter as error:
            raise ParseError(str(error)) from error
        draft = "draft" if behind.of == "steps" else "pk"
        example = "draft__example" if behind.of == "steps" else "example"
        rows = list(found.values_list("pk", draft, f"{example}__example_id")[: ROWS + 1])
        said = {
            "of": behind.of,
            "after": rows[ROWS - 1][0] if len(rows) > ROWS else None,
            "rows": [
                dict(zip(("id", "draft", "example"), row, strict=True)) for row in rows[:ROWS]
            ],
        }
        return Response(BehindSerializer(said).data)


class DatasetPlan(APIView):
    """The plan of a dataset."""

    @extend_schema(responses=PlanSerializer, operation_id="plan_retrieve")
    def get(self, request: Request, slug: str) -> Response:
        """What is wanted of the dataset until when."""
        dataset = get_object_or_404(Dataset, slug=slug)
        plan = Plan.objects.filter(dataset=dataset).first() or Plan(dataset=dataset)
        return Response(PlanSerializer(plan).data)

    @extend_schema(request=PlanSerializer, responses=PlanSerializer, operation_id="plan_update")
    def put(self, request: Request, slug: str) -> Response:
        """Say what is wanted until when, and whether people are named."""
        asked = PlanSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        dataset = get_object_or_404(Dataset, slug=slug)
        plan = set_plan(dataset, **asked.validated_data, by=actor_of(request.user))
        return Response(PlanSerializer(plan).data)


def _data(request: Request, slug: str) -> tuple[Data, State]:
    dataset = get_object_or_404(Dataset, slug=slug)
    data, states = views.data_of(request._request, dataset)
    return data, states[dataset.pk]


def _taking(slug: str, board: str) -> tuple[Data, Table]:
    if board not in TAKEN:
        raise Http404(f"Published figures go beside: {', '.join(TAKEN)}.")
    data = Data(get_object_or_404(Dataset, slug=slug), Chosen())
    return data, DASHBOARDS[board].make(data).table


def _linked(cell: Cell, data: Data) -> dict[str, Any]:
    drill = {**data.chosen.narrowing, **dict(cell.drill)} if cell.drill else {}
    return cell_of(cell) | {"drill": drill}


def _after(request: Request) -> int:
    asked = request.query_params.get("after", "0")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 19):
        raise ParseError("“after” takes the id of a row.")
    return int(asked)
