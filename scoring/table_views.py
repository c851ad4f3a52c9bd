"""Pages of an experiment's numbers: tables, the rows behind a cell, experiments compared."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Avg, Count, Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from curation.permissions import visible
from curation.services.audit import actor_of
from scoring import judging, score_tasks
from scoring.experiments import services
from scoring.metrics import MEASURES
from scoring.models import Experiment, Score
from scoring.tables import TABLES, Table, build
from scoring.tables.base import Cell, Column, text_of
from scoring.tables.charts import panels
from scoring.tables.compare import side_by_side
from scoring.tables.render import FORMATS

ROWS = 50


@require_GET
def table(request: HttpRequest, slug: str, key: str = "2") -> HttpResponse:
    experiment = _experiment(slug)
    found = table_of(experiment, key)
    context = {
        "experiment": experiment,
        "table": found,
        "heads": [(each.title, _is_text(found, at)) for at, each in enumerate(found.columns)],
        "rows": _rows(experiment, found),
        "panels": panels(found),
        "formats": list(FORMATS),
        "judges": judging.at_work(experiment),
        "outdated": score_tasks.outdated().filter(pk=experiment.pk).exists(),
    }
    return render(request, "scoring/tables.html", context)


@require_GET
def table_file(request: HttpRequest, slug: str, key: str, ending: str) -> HttpResponse:
    """One table in one format: what the command `tables` writes."""
    found = table_of(_experiment(slug), key)
    if ending not in FORMATS:
        raise Http404(f"Tables come as {', '.join(FORMATS)}.")
    media_type, make = FORMATS[ending]
    name = f"{slug}-{found.name}.{ending}"
    return HttpResponse(
        make(found),
        content_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_GET
def scores(request: HttpRequest, slug: str) -> HttpResponse:
    """The rows behind a cell, each with how it was made."""
    experiment = _experiment(slug)
    chosen = {
        name: request.GET.get(name, "")
        for name in ("setting", "measure", "judge", "example", "mark")
    }
    page = Paginator(_chosen(experiment, chosen), ROWS).get_page(request.GET.get("page"))
    context = {
        "experiment": experiment,
        "chosen": chosen,
        "page": page,
        "settings": list(experiment.settings.values_list("name", flat=True)),
        "measures": [(each.name, each.title) for each in MEASURES.values()],
    }
    return render(request, "scoring/scores.html", context)


@require_POST
def score_now(request: HttpRequest, slug: str) -> HttpResponse:
    """Have everything scored that is not, by judges that cost something, too."""
    services.request_scores(_experiment(slug), by=actor_of(request.user))
    messages.success(request, "A worker brings the scores up to date; load the page again soon.")
    return redirect("experiment-tables", slug)


@require_POST
def stop_judges(request: HttpRequest, slug: str) -> HttpResponse:
    if services.stop_judges(_experiment(slug), by=actor_of(request.user)):
        messages.success(request, "No judge is asked any more. Marks that are there stay.")
    return redirect("experiment-tables", slug)


@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Experiments side by side: a column per setting, a row per measure."""
    known = Experiment.objects.filter(dataset__in=visible(request.user)).order_by("slug")
    by_slug = {each.slug: each for each in known}
    chosen = [by_slug[slug] for slug in dict.fromkeys(request.GET.getlist("of")) if slug in by_slug]
    found = compared(chosen)
    context = {"known": known, "chosen": chosen, "table": found, "rows": _texts(found)}
    return render(request, "scoring/compare.html", context)


def compared(experiments: Sequence[Experiment]) -> Table:
    """Experiments side by side."""
    return side_by_side(
        [(each.slug, table_of(each, "2"), table_of(each, "5")) for each in experiments]
    )


def _experiment(slug: str) -> Experiment:
    return get_object_or_404(Experiment.objects.select_related("dataset"), slug=slug)


def table_of(experiment: Experiment, key: str) -> Table:
    """The table, built once while no score changes.

    Raises:
        Http404: there is no such table.
    """
    if key not in TABLES:
        raise Http404(f"There is no table {key}. Tables: {', '.join(TABLES)}.")
    stored = Score.objects.filter(setting__experiment=experiment)
    state = stored.aggregate(count=Count("pk"), newest=Max("created_at"), last=Max("pk"))
    plan = experiment.settings.aggregate(
        settings=Count("pk", distinct=True), n=Count("translations")
    )
    return _built(experiment.pk, key, str([state, plan, experiment.reference_id]))


@lru_cache(maxsize=64)
def _built(experiment_id: int, key: str, _state: str) -> Table:
    return build(Experiment.objects.get(pk=experiment_id), key)


def _rows(experiment: Experiment, found: Table) -> list[list[dict[str, object]]]:
    """Every cell with its text and the address of the rows behind it."""
    return [
        [_cell(cell, column, experiment.slug) for cell, column in _pairs(row, found)]
        for row in found.rows
    ]


def _pairs(row: tuple[Cell, ...], found: Table) -> Iterator[tuple[Cell, Column]]:
    return zip(row, found.columns, strict=True)


def _is_text(found: Table, at: int) -> bool:
    """Whether a column holds names and no numbers."""
    return all(isinstance(row[at].value, str) for row in found.rows)


def _marked(rows: QuerySet[Score], measures: list[str], mark: str) -> QuerySet[Any, Any]:
    """Translations that a judge gave this mark on the mean."""
    value = float(mark) if re.fullmatch(r"\d(\.\d+)?", mark) else -1.0
    means = rows.filter(measure__in=measures[:1]).order_by().values("translation")
    near = means.annotate(mean=Avg("value")).filter(mean__range=(value - 1e-5, value + 1e-5))
    return near.values("translation")


def _texts(found: Table) -> list[list[dict[str, object]]]:
    return [
        [
            _cell(cell, column, cell.drill.get("experiment", ""))
            for cell, column in _pairs(row, found)
        ]
        for row in found.rows
    ]


def _cell(cell: Cell, column: Column, slug: str) -> dict[str, object]:
    return {
        "text": text_of(cell, column),
        "url": _rows_behind(slug, cell.drill) if cell.drill and slug else "",
        "why": cell.why if cell.value is None else "",
        "n": cell.n,
        "is_text": isinstance(cell.value, str),
    }


def _rows_behind(slug: str, drill: Mapping[str, str]) -> str:
    """The address of the scores that a cell was made from."""
    query = {name: value for name, value in drill.items() if value and name != "experiment"}
    base = reverse("experiment-scores", args=[slug])
    return f"{base}?{urlencode(query, safe=',')}" if query else base


def _chosen(experiment: Experiment, chosen: dict[str, str]) -> QuerySet[Score]:
    """The scores of what is chosen; several names stand after commas."""
    rows = Score.objects.filter(setting__experiment=experiment)
    settings, measures, judges = (
        [name for name in chosen[key].split(",") if name] for key in ("setting", "measure", "judge")
    )
    if measures == ["comparison"]:
        rows = rows.filter(metric="comparison")
    elif measures:
        rows = rows.filter(measure__in=measures)
    if settings:
        rows = rows.filter(setting__name__in=settings)
    if settings and measures == ["comparison"]:
        rows = rows.filter(other__setting__name__in=settings)
    if judges:
        # What is computed has no judge, and stands beside the judge's marks.
        rows = rows.filter(Q(judge__in=judges) | Q(judge=""))
    if chosen["example"]:
        rows = rows.filter(translation__example__example_id=chosen["example"])
    if chosen["mark"]:
        rows = rows.filter(translation__in=_marked(rows, measures, chosen["mark"]))
    return rows.select_related(
        "setting",
        "signature",
        "translation__example",
        "translation__run",
        "translation__draft",
        "other__setting",
    ).order_by(
        *("setting__position", "translation__example__position", "translation_id"),
        *("measure", "judge", "repeat", "other__setting__position"),
    )
