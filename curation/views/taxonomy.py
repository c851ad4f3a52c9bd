"""The taxonomy: read it, look at a change before it is made, make it, take it back."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from curation.models import AuditEvent, Category, FixStep, Subcategory
from curation.permissions import visible
from curation.queries import categories
from curation.services import taxonomy as service
from curation.services import taxonomy_changes as changes
from curation.services.audit import actor_of
from curation.services.taxonomy_changes import Item, Operation, Place, TaxonomyRefused

STEPS_PER_PAGE = 50
CHANGES_SHOWN = 30
MOST_TEXT = 1000


@require_GET
def taxonomy(request: HttpRequest) -> HttpResponse:
    """Categories with their subcategories, their steps in the person's datasets, the changes."""
    counts = service.step_counts(visible(request.user))
    found: list[Any] = list(categories())
    for category in found:
        category.subs = list(category.subcategories.all())
        category.step_count = sum(n for (of, _), n in counts.items() if of == category.pk)
        for sub in category.subs:
            sub.step_count = counts.get((category.pk, sub.pk), 0)
    _focus(found, request.GET.get("moved", ""))
    undoable = service.undoable()
    made = list(service.history()[:CHANGES_SHOWN])
    for change in made:
        change.undoable = change.pk in undoable  # type: ignore[attr-defined]
    context = {
        "categories": found,
        "without": counts.get((None, None), 0),
        "changes": made,
        "may_edit": service.may_edit(request.user),
    }
    return render(request, "curation/taxonomy.html", context)


def _focus(categories: list[Any], moved: str) -> None:
    """Mark what was moved, so that its button can be pressed again at once."""
    key, _, way = moved.partition(":")
    for category in categories:
        category.focus = way if key == f"c{category.pk}" else ""
        for sub in category.subs:
            sub.focus = way if key == f"s{sub.pk}" else ""


@require_POST
def taxonomy_change(request: HttpRequest) -> HttpResponse:
    """Show what a change would do; with `confirmed` make it. A move by one place needs no look."""
    _check_editor(request)
    user = actor_of(request.user)
    try:
        operation = _operation(request)
        if isinstance(operation, changes.Move):
            return _moved(request, operation)
        if request.POST.get("confirmed"):
            done = service.apply(operation, by=user)
            messages.success(request, f"Done: {done.target}. It can be taken back below.")
            return redirect("taxonomy")
    except TaxonomyRefused as refused:
        messages.error(request, str(refused))
        return redirect("taxonomy")
    sent = [(name, value) for name, values in request.POST.lists() for value in values]
    context = {
        "change": service.preview(operation, by=user),
        "sent": [pair for pair in sent if pair[0] != "csrfmiddlewaretoken"],
    }
    return render(request, "curation/taxonomy_preview.html", context)


def _moved(request: HttpRequest, move: changes.Move) -> HttpResponse:
    """Made at once; the page opens with the same button focused, to be pressed again."""
    service.apply(move, by=actor_of(request.user))
    query = urlencode({"moved": request.POST["move"]})
    # No fragment: browsers focus nothing where an address has one.
    return redirect(f"{reverse('taxonomy')}?{query}")


@require_GET
def taxonomy_split(request: HttpRequest) -> HttpResponse:
    """The steps of one place, to choose those that go elsewhere."""
    _check_editor(request)
    place = _place(_item(request.GET.get("place", "")))
    text = _text(request.GET, "q")
    found = service.steps_at(place, request.user, text)
    found = found.select_related("draft__example__dataset", "category", "subcategory")
    page = Paginator(found, STEPS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "place": place,
        "key": request.GET["place"],
        "q": text,
        "page": page,
        "categories": categories(),
    }
    return render(request, "curation/taxonomy_split.html", context)


@require_POST
def taxonomy_undo(request: HttpRequest, pk: int) -> HttpResponse:
    _check_editor(request)
    event = get_object_or_404(AuditEvent, pk=pk, target_type="taxonomy")
    try:
        service.undo(event, by=actor_of(request.user))
    except TaxonomyRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"Taken back: {event.target}.")
    return redirect("taxonomy")


def _check_editor(request: HttpRequest) -> None:
    if not service.may_edit(request.user):
        raise PermissionDenied("The taxonomy is changed by those who lead a dataset.")


def _operation(request: HttpRequest) -> Operation:
    """What was asked for.

    Raises:
        TaxonomyRefused: a choice is missing.
        Http404: something chosen is not there any more.
    """
    kinds: dict[str, Callable[[HttpRequest], Operation]] = {
        "words": _words,
        "add": _add,
        "merge": _merge,
        "split": _split,
        "dissolve": _dissolve,
        "move": _move,
    }
    kind = kinds.get(request.POST.get("do", ""))
    if kind is None:
        raise Http404("There is no such change.")
    return kind(request)


def _words(request: HttpRequest) -> Operation:
    """Only what the person changed: what others changed meanwhile stays."""
    post = request.POST
    keys = [name.removeprefix("name-") for name in post if name.startswith("name-")]
    said = {key: (_text(post, f"name-{key}"), _text(post, f"about-{key}")) for key in keys}
    was = {key: (_text(post, f"wasname-{key}"), _text(post, f"wasabout-{key}")) for key in keys}
    changed = [key for key in keys if said[key] != was[key]]
    return changes.Rename([changes.Words(_item(key), *said[key]) for key in changed])


def _add(request: HttpRequest) -> Operation:
    post = request.POST
    owner = _item(post["category"]) if post.get("category") else None
    if isinstance(owner, Subcategory):
        raise TaxonomyRefused("A subcategory has no subcategories of its own.")
    return changes.Add(_text(post, "name"), _text(post, "about"), owner)


def _merge(request: HttpRequest) -> Operation:
    if not request.POST.get("target"):
        raise TaxonomyRefused("Choose what they are merged into.")
    sources = [_item(key) for key in request.POST.getlist("source")]
    return changes.Merge(sources, _item(request.POST["target"]))


def _split(request: HttpRequest) -> Operation:
    post = request.POST
    source = _place(_item(post.get("place", "")))
    target = _place(_item(post["target"])) if post.get("target") else None
    return changes.Split(source, _chosen(request, source), target, _text(post, "name"))


def _chosen(request: HttpRequest, source: Place) -> list[int]:
    """Ids of the steps that were ticked, or of all that match the search."""
    post = request.POST
    steps = service.steps_at(source, request.user, _text(post, "q"))
    if not post.get("all"):
        ticked = [int(pk) for pk in post.getlist("step") if pk.isdecimal() and len(pk) < 19]
        steps = FixStep.objects.filter(pk__in=steps.values("pk")).filter(pk__in=ticked)
    return list(steps.order_by("pk").values_list("pk", flat=True))


def _dissolve(request: HttpRequest) -> Operation:
    item = _item(request.POST.get("place", ""))
    if isinstance(item, Category):
        raise TaxonomyRefused("A category is merged into another, not dissolved.")
    return changes.Dissolve(item)


def _move(request: HttpRequest) -> Operation:
    """One place up or down: "c3:up", "s7:down"."""
    key, _, way = request.POST.get("move", "").partition(":")
    item = _item(key)
    place = changes.siblings(item).index(item) + 1
    return changes.Move(item, place - 1 if way == "up" else place + 1)


def _text(query: QueryDict, name: str) -> str:
    return query.get(name, "").replace("\0", "").strip()[:MOST_TEXT]


def _item(key: str) -> Item:
    """The category ("c3") or subcategory ("s7") of a form's value.

    Raises:
        Http404: it is not there, or not any more.
    """
    kind, pk = key[:1], key[1:]
    if kind not in ("c", "s") or not pk.isdecimal() or len(pk) > 18:
        raise Http404("There is no such category.")
    found: Item | None = (
        Category.objects.filter(pk=pk).first()
        if kind == "c"
        else Subcategory.objects.select_related("category").filter(pk=pk).first()
    )
    if found is None:
        raise Http404("This category was merged or removed meanwhile.")
    return found


def _place(item: Item) -> Place:
    return Place(item.category, item) if isinstance(item, Subcategory) else Place(item)
