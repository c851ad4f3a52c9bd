"""Badges of long lists: the same few, each drawn once."""

from functools import cache

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from curation.models import Draft
from executor.models import Run

register = template.Library()


@register.simple_tag
def status_badge(draft: Draft) -> SafeString:
    return _status(draft.status, draft.get_status_display(), draft.submitted_at is not None)


@register.simple_tag
def verdict_badge(run: Run | None) -> SafeString:
    if run is None:
        return _no_verdict()
    verdict = getattr(run, "verdict", None)
    said = (verdict.outcome, verdict.kind, verdict.reason) if verdict else ("", "", "")
    return _verdict(run.state, run.is_over, run.stale, said)


@cache
def _status(status: str, label: str, submitted: bool) -> SafeString:
    draft = {"status": status, "get_status_display": label, "submitted_at": submitted}
    return render_to_string("components/status_badge.html", {"draft": draft})


@cache
def _no_verdict() -> SafeString:
    return render_to_string("components/verdict_badge.html", {"run": None})


@cache
def _verdict(state: str, is_over: bool, stale: bool, said: tuple[str, str, str]) -> SafeString:
    verdict = dict(zip(("outcome", "kind", "reason"), said, strict=True))
    run = {"state": state, "is_over": is_over, "stale": stale, "verdict": verdict}
    return render_to_string("components/verdict_badge.html", {"run": run})
