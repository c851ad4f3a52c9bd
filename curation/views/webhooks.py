"""The webhooks of a dataset: add one, try it, switch it off, see what came of its messages."""

from collections.abc import Callable
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from curation.enums import WebhookEvent
from curation.models import Dataset, Delivery, Webhook
from curation.services import webhooks as service
from curation.services.audit import actor_of
from curation.services.webhooks import WebhookRefused
from curation.webhooks.pipeline import secret_of

DELIVERIES = 50
EVENTS = [
    (WebhookEvent.APPROVED.value, "A draft is approved"),
    (WebhookEvent.RELEASED.value, "A version is released"),
]


class WebhookForm(forms.Form):
    url = forms.CharField(
        max_length=500,
        label="Address",
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
        help_text="https, and outside the studio's own network.",
    )
    events = forms.MultipleChoiceField(
        choices=EVENTS, widget=forms.CheckboxSelectMultiple, label="Tell it when"
    )


@never_cache
@require_http_methods(["GET", "POST"])
def webhooks(request: HttpRequest, slug: str) -> HttpResponse:
    """The list with the newest messages; POST adds one, or does something with one."""
    dataset = get_object_or_404(Dataset, slug=slug)
    if request.method == "POST" and "do" in request.POST:
        return _act(request, dataset)
    form = WebhookForm(request.POST or None)
    made = None
    if form.is_valid():
        events = [WebhookEvent(each) for each in form.cleaned_data["events"]]
        url, user = form.cleaned_data["url"], actor_of(request.user)
        try:
            made = service.register(dataset, url=url, events=events, by=user)
        except WebhookRefused as refused:
            form.add_error("url", str(refused))
        else:
            form = WebhookForm()
    return _page(request, dataset, form, made)


def _page(
    request: HttpRequest, dataset: Dataset, form: WebhookForm, made: Webhook | None = None
) -> HttpResponse:
    newest = Delivery.objects.filter(webhook__dataset=dataset).select_related("webhook")
    context = {
        "dataset": dataset,
        "form": form,
        # It is told once: whoever comes later makes a new one.
        "made": made,
        "secret": secret_of(made) if made else "",
        "webhooks": dataset.webhooks.all(),
        "deliveries": newest.order_by("-created_at", "id")[:DELIVERIES],
    }
    status = 422 if form.errors else 200
    return render(request, "curation/webhooks.html", context, status=status)


def _act(request: HttpRequest, dataset: Dataset) -> HttpResponse:
    actions: dict[str, Callable[[Webhook, User], str]] = {
        "on": _switch_on,
        "off": _switch_off,
        "remove": _remove,
        "ping": _ping,
    }
    do, user = request.POST["do"], actor_of(request.user)
    try:
        if do == "retry":
            said = _retry(dataset, request.POST.get("delivery", ""), user)
        elif do == "secret":
            renewed = service.renew_secret(_webhook(request, dataset), by=user)
            return _page(request, dataset, WebhookForm(), renewed)
        elif do in actions:
            said = actions[do](_webhook(request, dataset), user)
        else:
            raise Http404("There is nothing of that name to do.")
    except WebhookRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, said)
    return redirect("dataset-webhooks", dataset.slug)


def _webhook(request: HttpRequest, dataset: Dataset) -> Webhook:
    pk = request.POST.get("webhook", "")
    # Eighteen digits are within the database's numbers.
    found = dataset.webhooks.filter(pk=pk).first() if pk.isdecimal() and len(pk) <= 18 else None
    if found is None:
        raise WebhookRefused("There is no such webhook in this dataset; it may be removed already.")
    return found


def _switch_on(webhook: Webhook, by: User) -> str:
    service.change(webhook, enabled=True, by=by)
    return f"{webhook.url} is told again from now on."


def _switch_off(webhook: Webhook, by: User) -> str:
    service.change(webhook, enabled=False, by=by)
    return f"{webhook.url} is told nothing until you switch it on again."


def _remove(webhook: Webhook, by: User) -> str:
    service.remove(webhook, by=by)
    return f"{webhook.url} is removed with its log."


def _ping(webhook: Webhook, by: User) -> str:
    if not webhook.enabled:
        raise WebhookRefused("The webhook is switched off. Switch it on first.")
    service.ping(webhook, by=by)
    return f"A message to try {webhook.url} is on its way: see what came of it below."


def _retry(dataset: Dataset, number: str, by: User) -> str:
    try:
        found = Delivery.objects.filter(webhook__dataset=dataset, pk=UUID(number)).first()
    except ValueError:
        found = None
    if found is None:
        raise WebhookRefused("There is no such message any more.")
    service.retry(found, by=by)
    return "The message is sent again."
