"""Who is in a dataset, in which role."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from curation.enums import MemberRole
from curation.forms import EveryoneForm, MemberForm
from curation.models import Dataset
from curation.services.audit import actor_of
from curation.services.members import (
    MemberRefused,
    set_everyone,
    set_repairs,
    set_role,
    set_times_shown,
)


@require_http_methods(["GET", "POST"])
def members(request: HttpRequest, slug: str) -> HttpResponse:
    """The members; an admin adds one, changes a role, or opens the dataset to everyone."""
    dataset = get_object_or_404(Dataset, slug=slug)
    if request.method == "POST" and "everyone" in request.POST:
        everyone = EveryoneForm(request.POST)
        if everyone.is_valid():
            role = everyone.cleaned_data["everyone"]
            user = actor_of(request.user)
            set_everyone(dataset, MemberRole(role) if role else None, by=user)
            set_repairs(dataset, everyone.cleaned_data["repairs_wanted"], by=user)
            return redirect("dataset-members", slug)
    form = MemberForm(request.POST if "username" in request.POST else None)
    if form.is_bound and form.is_valid():
        return _set(request, dataset, form)
    context = {
        "dataset": dataset,
        "form": form,
        "everyone": EveryoneForm(
            initial={"everyone": dataset.everyone, "repairs_wanted": dataset.repairs_wanted}
        ),
        "members": dataset.memberships.select_related("user"),
        "roles": MemberRole.choices,
    }
    status = 422 if form.errors else 200
    return render(request, "curation/members.html", context, status=status)


@require_POST
def dataset_times(request: HttpRequest, slug: str) -> HttpResponse:
    """Whether members see each other's time."""
    dataset = get_object_or_404(Dataset, slug=slug)
    shown = request.POST.get("shown") == "yes"
    set_times_shown(dataset, shown, by=actor_of(request.user))
    said = "Members see each other's time now." if shown else "Everyone sees their own time only."
    messages.success(request, said)
    return redirect("dataset-members", slug)


def _set(request: HttpRequest, dataset: Dataset, form: MemberForm) -> HttpResponse:
    role, user = form.cleaned_data["role"], form.cleaned_data["username"]
    try:
        set_role(dataset, user, MemberRole(role) if role else None, by=actor_of(request.user))
    except MemberRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{user} is {role or 'no member any more'}.")
    return redirect("dataset-members", dataset.slug)
