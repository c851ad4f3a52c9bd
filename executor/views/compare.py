"""Two texts of one draft beside or under each other: reference, revisions, working copies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from curation import difference
from curation.enums import Origin
from curation.models import Draft, Revision, WorkingCopy
from curation.services import copies
from curation.services.audit import actor_of
from executor import presentation, queries
from executor.models import Run

REFERENCE = "reference"


@dataclass(slots=True)
class Side:
    """One text that can be compared; `run` is what judged it, if anything did."""

    key: str
    label: str
    code: str
    run: Run | None = None

    @property
    def error_line(self) -> int | None:
        """Where the traceback points, counted from 1."""
        verdict = presentation.finished_verdict(self.run)
        return verdict.report.get("error_line") if verdict else None


@dataclass(frozen=True, slots=True)
class Preset:
    """A comparison that is often wanted: against what, and its left side's key."""

    label: str
    left: str


@require_GET
def draft_compare(request: HttpRequest, pk: int) -> HttpResponse:
    """`?left=` and `?right=` name the sides (reference, a revision's number, copy-ID), `?view=`
    is split or inline, `?all=1` shows the unchanged lines too."""
    draft = get_object_or_404(Draft.objects.select_related("example__dataset"), pk=pk)
    revisions = list(draft.revisions.order_by("number"))
    sides = _sides(draft, revisions, copies.unsaved(draft, actor_of(request.user)))
    newest = str(revisions[-1].number)
    left = _chosen(sides, request.GET.get("left", ""), "0")
    right = _chosen(sides, request.GET.get("right", ""), newest)
    _judge(draft, {side.key: side for side in (left, right)}.values())
    rows = difference.rows_of(left.code, right.code)
    shown = rows if request.GET.get("all") else difference.folded(rows)
    inline = request.GET.get("view") == "inline"
    context = {
        "draft": draft,
        "example": draft.example,
        "dataset": draft.example.dataset,
        "sides": sides,
        "left": left,
        "right": right,
        "inline": inline,
        "rows": [] if inline else shown,
        "lines": difference.inline(shown) if inline else [],
        "changes": difference.changes_in(rows),
        "same_text": left.code == right.code,
        "presets": _presets(right, newest),
    }
    return render(request, "executor/compare.html", context)


def _sides(
    draft: Draft, revisions: Sequence[Revision], unsaved: Sequence[WorkingCopy]
) -> list[Side]:
    """Everything that can stand on either side, in the order of its making."""
    sides = [Side(REFERENCE, "PyTorch reference", draft.example.pytorch_code)]
    sides += [Side(str(r.number), _label(r, revisions[-1]), r.code) for r in revisions]
    return sides + [
        Side(f"copy-{copy.pk}", f"Your unsaved edit of revision {copy.base}", copy.code)
        for copy in unsaved
        if copy.code is not None
    ]


def _label(revision: Revision, newest: Revision) -> str:
    words = [f"Revision {revision.number}"]
    if revision.number == 0:
        words.append("the draft")
    if revision.origin == Origin.FINAL:
        words.append("the file's fixed code")
    if revision.pk == newest.pk and revision.number > 0:
        words.append("the newest")
    return ", ".join(words)


def _chosen(sides: Sequence[Side], key: str, otherwise: str) -> Side:
    by_key = {side.key: side for side in sides}
    return by_key.get(key) or by_key[otherwise]


def _presets(right: Side, newest: str) -> list[Preset]:
    presets = [Preset("the draft", "0")]
    if right.key.isdigit() and int(right.key) > 0:
        presets.append(Preset("the step before", str(int(right.key) - 1)))
    return [*presets, Preset("the reference", REFERENCE), Preset("the final version", newest)]


def _judge(draft: Draft, sides: Iterable[Side]) -> None:
    """Give the sides the runs that judged their code."""
    for side in sides:
        if side.key != REFERENCE:
            side.run = queries.run_of_code(draft.example, side.code)
