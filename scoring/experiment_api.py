"""The API of experiments: plan one, watch it, read its numbers."""

import math
from dataclasses import asdict
from typing import Any

import django_filters
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from curation.api_base import Download, Filters, Refused, Visible, refusal
from curation.enums import MemberRole
from curation.models import Dataset
from curation.permissions import require
from curation.services.audit import actor_of
from scoring import experiment_serializers as serializers
from scoring.agreement import agreement_of
from scoring.experiments import services
from scoring.models import Experiment, Score
from scoring.table_views import compared, table_file, table_of
from scoring.tables import TABLES, Table
from scoring.tables.base import Cell, rounded
from scoring.tables.render import FORMATS


class ExperimentFilter(Filters):
    dataset = django_filters.CharFilter("dataset__slug")
    state = django_filters.CharFilter("batch__state")

    class Meta:
        model = Experiment
        fields = ["dataset", "kind", "state"]


class ExperimentViewSet(Visible[Experiment], mixins.ListModelMixin, mixins.RetrieveModelMixin):
    """Settings that are tried on the same dataset, newest first."""

    dataset_path = "dataset"
    row_order = ("-id",)
    queryset = Experiment.objects.select_related("dataset", "batch", "context_dataset", "reference")
    lookup_field = "slug"
    lookup_value_regex = "[-a-zA-Z0-9_]+"
    filterset_class = ExperimentFilter

    def get_serializer_class(self) -> type[BaseSerializer[Experiment]]:
        if self.action == "list":
            return serializers.ExperimentListSerializer
        return serializers.ExperimentSerializer

    def _shown(self) -> Response:
        return Response(serializers.ExperimentSerializer(self.get_object()).data)

    @extend_schema(
        request=serializers.NewExperimentSerializer,
        responses={201: serializers.ExperimentSerializer},
    )
    def create(self, request: Request) -> Response:
        """Plan an experiment; nothing is asked before it is started."""
        context = self.get_serializer_context()
        asked = serializers.NewExperimentSerializer(data=request.data, context=context)
        asked.is_valid(raise_exception=True)
        data = dict(asked.validated_data)
        dataset = data.pop("dataset")
        require(request.user, dataset, MemberRole.LEAD)
        plans = [serializers.plan_of(each) for each in data.pop("settings")]
        try:
            made = services.create_experiment(
                dataset, **data, settings=plans, by=actor_of(request.user)
            )
        except services.ExperimentRefused as refused:
            raise ValidationError({"settings": [str(refused)]}) from refused
        shown = serializers.ExperimentSerializer(self.get_queryset().get(pk=made.pk))
        return Response(shown.data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=serializers.ExperimentSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, slug: str) -> Response:
        """Ask what is open; what was answered is kept."""
        services.start(self.get_object(), by=actor_of(request.user))
        return self._shown()

    @extend_schema(request=None, responses=serializers.ExperimentSerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, slug: str) -> Response:
        """Ask nothing more; answers under way are still kept."""
        services.stop(self.get_object(), by=actor_of(request.user))
        return self._shown()

    @extend_schema(request=serializers.LimitSerializer, responses=serializers.ExperimentSerializer)
    @action(detail=True, methods=["post"])
    def limit(self, request: Request, slug: str) -> Response:
        """Change what the experiment may spend."""
        experiment = self.get_object()
        asked = serializers.LimitSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        limit = asked.validated_data["spend_limit"]
        with self.unchanged(experiment.batch):
            services.set_limit(experiment, limit, by=actor_of(request.user))
        return self._shown()

    @extend_schema(
        request=serializers.ExperimentReferenceSerializer,
        responses={200: serializers.ExperimentSerializer, 409: Refused},
    )
    @action(detail=True, methods=["post"])
    def reference(self, request: Request, slug: str) -> Response:
        """Say what drafts are held against; scores that depend on it are made anew."""
        asked = serializers.ExperimentReferenceSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        name, by = asked.validated_data["reference"], actor_of(request.user)
        try:
            services.set_reference(self.get_object(), name, by=by)
        except services.ExperimentRefused as refused:
            return refusal(refused, status.HTTP_409_CONFLICT)
        return self._shown()

    @extend_schema(request=None, responses=serializers.ExperimentSerializer)
    @action(detail=True, methods=["post"], url_path="stop-judges")
    def stop_judges(self, request: Request, slug: str) -> Response:
        """Ask no judge any more; marks that are there stay."""
        services.stop_judges(self.get_object(), by=actor_of(request.user))
        return self._shown()

    @extend_schema(
        responses=serializers.TableSerializer,
        filters=False,
        parameters=[OpenApiParameter("of", str, required=True, description="Names, by commas")],
    )
    @action(detail=False, pagination_class=None)
    def compare(self, request: Request) -> Response:
        """Experiments side by side: a column per setting, a row per measure."""
        names = dict.fromkeys(request.query_params.get("of", "").split(","))
        known = {each.slug: each for each in self.get_queryset().filter(slug__in=names)}
        if lacking := [name for name in names if name not in known]:
            raise ValidationError({"of": [f"No experiment of yours: {', '.join(lacking)}."]})
        return Response(said_of(compared([known[name] for name in names])))

    @extend_schema(request=None, responses={202: serializers.ExperimentSerializer})
    @action(detail=True, methods=["post"])
    def score(self, request: Request, slug: str) -> Response:
        """Have a worker score what is not scored, by judges that cost something, too."""
        experiment = self.get_object()
        services.request_scores(experiment, by=actor_of(request.user))
        shown = serializers.ExperimentSerializer(experiment)
        return Response(shown.data, status=status.HTTP_202_ACCEPTED)


KEY = OpenApiParameter("key", OpenApiTypes.STR, "path", enum=list(TABLES))


class ExperimentTable(APIView):
    """One table of an experiment's numbers."""

    @extend_schema(responses=serializers.TableSerializer, parameters=[KEY])
    def get(self, request: Request, slug: str, key: str) -> Response:
        """A table of the paper, or one beside them, with the interval of each number."""
        return Response(said_of(table_of(get_object_or_404(Experiment, slug=slug), key)))


class ExperimentTableFile(Download):
    """One table of an experiment in a format for papers and spreadsheets."""

    @extend_schema(
        responses={(200, "*/*"): OpenApiTypes.ANY},
        parameters=[KEY, OpenApiParameter("ending", str, "path", enum=list(FORMATS))],
    )
    def get(self, request: Request, slug: str, key: str, ending: str) -> HttpResponse:
        """What the command `tables` writes."""
        return table_file(request._request, slug, key, ending)


def said_of(table: Table) -> Any:
    """A table as the API says it."""
    said = {
        "key": table.key,
        "title": table.title,
        "caption": table.caption,
        "columns": [{"key": each.key, "title": each.title} for each in table.columns],
        "rows": [[cell_of(cell) for cell in row] for row in table.rows],
        "notes": table.notes,
    }
    return serializers.TableSerializer(said).data


def cell_of(cell: Cell) -> dict[str, Any]:
    """A cell as the API says it."""
    value = cell.value
    # JSON has no way to write what is no number.
    known = not isinstance(value, float) or math.isfinite(value)
    return {
        "value": rounded(value) if known else None,
        "n": cell.n,
        "low": rounded(cell.low),
        "high": rounded(cell.high),
        "why": cell.why,
    }


class ScoreFilter(Filters):
    experiment = django_filters.CharFilter("setting__experiment__slug")
    setting = django_filters.CharFilter("setting__name")
    example = django_filters.CharFilter("translation__example__example_id")
    measure = django_filters.ChoiceFilter(choices=serializers.MEASURE_CHOICES)

    class Meta:
        model = Score
        fields = ["experiment", "setting", "example", "translation", "metric", "measure", "judge"]


class ScoreViewSet(Visible[Score], mixins.ListModelMixin):
    """Numbers about translations, each with how it was made."""

    dataset_path = "translation__example__dataset"
    queryset = Score.objects.select_related(
        "setting__experiment", "translation__example", "signature"
    ).defer("translation__code", "translation__example__pytorch_code", "detail")
    serializer_class = serializers.ScoreSerializer
    filterset_class = ScoreFilter


class Agreement(APIView):
    """How far independent repairs of the same drafts agree."""

    @extend_schema(responses=serializers.AgreementReportSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """Coefficients over all repairs, by pairs of people, and by month."""
        found = asdict(agreement_of(get_object_or_404(Dataset, slug=slug)))
        return Response(serializers.AgreementReportSerializer(found).data)
