"""A person's tokens for the API: make one, see it once, revoke it."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from curation.services.audit import actor_of
from curation.services.tokens import TokenRefused, make_token, revoke_token


class TokenForm(forms.Form):
    name = forms.CharField(max_length=100, label="What it is for")
    days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=3650,
        label="Good for so many days",
        help_text="Empty: until you revoke it.",
    )


@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """One's own tokens; POST makes one, or revokes the one that `revoke` names."""
    user = actor_of(request.user)
    if request.method == "POST" and "revoke" in request.POST:
        return _revoke(request, request.POST["revoke"])
    form = TokenForm(request.POST or None)
    made = ""
    if form.is_valid():
        data = form.cleaned_data
        try:
            _, made = make_token(user, name=data["name"], days=data["days"], by=user)
        except TokenRefused as refused:
            form.add_error(None, str(refused))
        else:
            form = TokenForm()
    context = {"form": form, "made": made, "tokens": user.api_tokens.all()}
    return render(request, "curation/tokens.html", context, status=422 if form.errors else 200)


def _revoke(request: HttpRequest, pk: str) -> HttpResponse:
    user = actor_of(request.user)
    # Eighteen digits are within the database's numbers.
    token = user.api_tokens.filter(pk=pk).first() if pk.isdecimal() and len(pk) <= 18 else None
    if token is None:
        messages.error(request, "You have no such token; it may be revoked already.")
    else:
        revoke_token(token, by=user)
        messages.success(request, f"{token.name} is revoked: it opens nothing any more.")
    return redirect("tokens")
