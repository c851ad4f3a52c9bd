"""The dashboards of a dataset, their files, and the rows behind their numbers."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.cache import cache as kept
from django.forms import model_to_dict
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_GET, require_http_methods

from curation.enums import Difficulty
from curation.models import Category, Dataset
from curation.models.base import sha256
from curation.permissions import visible
from curation.queries import funnel_of
from curation.services.audit import actor_of
from scoring.behind import BadFilter, Behind, drafts_behind, steps_behind
from scoring.dashboard_forms import PlanForm, PublishedForm
from scoring.dashboards import DASHBOARDS, Chosen, Data, board_of
from scoring.dashboards.base import Heat
from scoring.dashboards.data import BREAKDOWNS
from scoring.dashboards.figures import Linked, svg_of
from scoring.dashboards.pixels import png_of
from scoring.dashboards.published import PAPER, TAKEN, columns_of, form_of
from scoring.models import Plan
from scoring.services import set_plan, set_published
from scoring.summaries import State, state_of
from scoring.summary_tasks import send
from scoring.tables.base import Table, text_of
from scoring.tables.render import FORMATS

ROWS = 50
# More rows than this are not counted again: the number that led here says how many there are.
COUNTED = 1_000
# A heat map of more columns takes the page's whole width, as a table with published ones does.
WIDE = 5
# Names of people who are shown by name may change: nothing else that is drawn does.
KEPT_SECONDS = 600
DRAWN = ("svg", "png")
ENDINGS = ("csv", "json", *DRAWN)
FILE_ENDINGS = (*FORMATS, *DRAWN)


@require_GET
def dashboard(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    data, states = data_of(request, dataset)
    difficulties, models = data.facets()
    statuses = {key[0]: number for key, number in data.counts("draft", 0).items()}
    context = {
        "dataset": dataset,
        "chosen": data.chosen,
        "state": states[dataset.pk],
        "difficulties": [(v, label) for v, label in Difficulty.choices if difficulties[v]],
        "models": [name for name, _ in models.most_common() if name],
        "breakdowns": BREAKDOWNS.items(),
        "funnel": funnel_of(statuses),
        "boards": _boards(data, states),
    }
    return render(request, "scoring/dashboard.html", context)


def _boards(data: Data, states: Mapping[int, State]) -> SafeString:
    """The cards of the page, drawn once for the same counts, plan and words."""
    words = [(each.slug, each.name, [*_words(each)]) for each in data.categories]
    counted = sorted((pk, str(state.made_at)) for pk, state in states.items())
    rest = (
        *(data.dataset.slug, data.chosen, model_to_dict(data.plan), timezone.now().date()),
        *sorted(data.published.items()),
    )
    key = f"boards-{sha256(repr((counted, words, rest)))}"
    found: SafeString | None = kept.get(key)
    if found is None:
        linked = _linked(data.dataset, data.chosen)
        context = {
            "dataset": data.dataset,
            "query": urlencode(data.chosen.narrowing | {"by": data.chosen.by}),
            "boards": [_shown(key, data, linked) for key in DASHBOARDS],
            "endings": ENDINGS,
            "drawn": DRAWN,
        }
        found = render_to_string("scoring/_boards.html", context)
        kept.set(key, found, KEPT_SECONDS)
    return found


def _words(category: Category) -> Iterator[tuple[str, str]]:
    return ((sub.slug, sub.name) for sub in category.subcategories.all())


@require_GET
def board_file(request: HttpRequest, slug: str, board: str, ending: str) -> HttpResponse:
    """One dashboard as a file: its table, or its drawing."""
    return file_of(request, slug, board, ending)


def file_of(request: HttpRequest, slug: str, board: str, ending: str) -> HttpResponse:
    """
    Raises:
        Http404: there is no such dashboard or kind of file, or nothing to draw.
    """
    if board not in DASHBOARDS:
        raise Http404(f"There is no dashboard {board}. There are: {', '.join(DASHBOARDS)}.")
    if ending not in FILE_ENDINGS:
        raise Http404(f"Dashboards come as {', '.join(FILE_ENDINGS)}.")
    dataset = get_object_or_404(Dataset, slug=slug)
    data, _ = data_of(request, dataset)
    made = board_of(board, data)
    content: str | bytes
    if ending in DRAWN:
        content = svg_of(made, _linked(dataset, data.chosen), alone=True)
        if not content:
            raise Http404("There is nothing to draw yet.")
        media_type = "image/svg+xml"
        if ending == "png":
            media_type, content = "image/png", png_of(content)
    else:
        media_type, render_as = FORMATS[ending]
        content = render_as(made.table)
    name = f"{slug}-{made.table.name}.{ending}"
    return HttpResponse(
        content,
        content_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_GET
def rows(request: HttpRequest, slug: str) -> HttpResponse:
    """The drafts or fix steps that a number counts, a page at a time."""
    dataset = get_object_or_404(Dataset, slug=slug)
    behind = Behind.of_query(request.GET.dict())
    find: Callable[..., Any] = steps_behind if behind.of == "steps" else drafts_behind
    try:
        found = find(dataset, behind.keys)
    except BadFilter as error:
        return HttpResponseBadRequest(str(error), content_type="text/plain; charset=utf-8")
    after = request.GET.get("after", "")
    later = found.filter(pk__gt=int(after)) if _is_id(after) else found
    page = list(later[: ROWS + 1])
    context = {
        "dataset": dataset,
        "behind": behind,
        "count": found.order_by()[: COUNTED + 1].count(),
        "most": COUNTED,
        "rows": page[:ROWS],
        "after": page[ROWS - 1].pk if len(page) > ROWS else None,
        "is_first": later is found,
        "queue": urlencode(behind.queue_query),
    }
    return render(request, "scoring/rows.html", context)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


@require_http_methods(["GET", "POST"])
def plan(request: HttpRequest, slug: str) -> HttpResponse:
    """A lead says what is wanted until when, and whether people are named."""
    dataset = get_object_or_404(Dataset, slug=slug)
    stored = Plan.objects.filter(dataset=dataset).first()
    form = PlanForm(request.POST if request.method == "POST" else None, instance=stored)
    if form.is_bound and form.is_valid():
        values = {name: form.cleaned_data[name] for name in form.Meta.fields}
        set_plan(dataset, **values, by=actor_of(request.user))
        messages.success(request, "The plan is saved.")
        return redirect("dataset-dashboard", slug)
    status = 422 if form.errors else 200
    return render(request, "scoring/plan.html", {"dataset": dataset, "form": form}, status=status)


@require_http_methods(["GET", "POST"])
def published(request: HttpRequest, slug: str, board: str) -> HttpResponse:
    """A lead lays figures that others published beside a dashboard, or takes them away."""
    dataset = get_object_or_404(Dataset, slug=slug)
    if board not in TAKEN:
        raise Http404(f"Published figures go beside: {', '.join(TAKEN)}.")
    data = Data(dataset, Chosen())
    table = DASHBOARDS[board].make(data).table
    back = f"{reverse('dataset-dashboard', args=[slug])}#{board}"
    if request.method == "POST" and "remove" in request.POST:
        set_published(dataset, board, None, by=actor_of(request.user))
        messages.success(request, "The published figures are gone from the dashboard.")
        return redirect(back)
    source, rows = data.published.get(board) or PAPER.get(board) or (None, ())
    form = PublishedForm(
        request.POST if request.method == "POST" else None,
        table=table,
        initial={
            "name": source.name if source else "",
            "source": source.text if source else "",
            "figures": form_of(table, rows),
        },
    )
    if form.is_bound and form.is_valid():
        set_published(dataset, board, form.said, form.rows, by=actor_of(request.user))
        messages.success(request, "The published figures are laid beside the dashboard.")
        return redirect(back)
    context = {
        "dataset": dataset,
        "board": board,
        "boards": [(key, DASHBOARDS[key].make(data).table.title) for key in TAKEN],
        "table": table,
        "columns": [column for columns in columns_of(table) for column in columns],
        "form": form,
        "back": back,
        "stored": board in data.published,
    }
    status = 422 if form.errors else 200
    return render(request, "scoring/published.html", context, status=status)


def data_of(request: HttpRequest, dataset: Dataset) -> tuple[Data, dict[int, State]]:
    """The dataset's counts, made anew here or by a worker where they are old."""
    chosen = Chosen.of(request.GET.dict())
    beside = list(visible(request.user)) if chosen.by == "dataset" else []
    states = state_of([dataset, *(each for each in beside if each != dataset)])
    for pk, state in states.items():
        if state.outdated:
            send(pk)
    return Data(dataset, chosen, beside), states


def _linked(dataset: Dataset, chosen: Chosen) -> Linked:
    """Where the rows behind a cell are."""
    own = reverse("dataset-rows", args=[dataset.slug])

    @cache
    def url_of(drill: tuple[tuple[str, str], ...]) -> str:
        query = {**chosen.narrowing, **dict(drill)}
        other = query.pop("in", "")
        base = reverse("dataset-rows", args=[other]) if other else own
        return f"{base}?{urlencode(query)}"

    return lambda cell: url_of(tuple(cell.drill.items())) if cell.drill else ""


def _shown(key: str, data: Data, linked: Linked) -> dict[str, object]:
    board = board_of(key, data)
    table = board.table
    return {
        "key": key,
        "wide": (isinstance(board.figure, Heat) and len(board.figure.columns) > WIDE)
        or key in data.published,
        "table": table,
        "heads": [(column.title, _is_text(table, at)) for at, column in enumerate(table.columns)],
        "rows": [
            [
                (text_of(cell, column), linked(cell), isinstance(cell.value, str))
                for cell, column in zip(row, table.columns, strict=True)
            ]
            for row in table.rows
        ],
        # Made by ElementTree, which escapes every text and attribute.
        "svg": mark_safe(svg_of(board, linked)),  # noqa: S308
    }


def _is_text(table: Table, at: int) -> bool:
    return at == 0 or all(isinstance(row[at].value, str) for row in table.rows)
