"""The newest verdict on a draft's newest revision, stored on the draft for the queue."""

from collections.abc import Sequence
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat

from curation.models import Draft, Revision
from executor.models import Verdict

_PARTS = ("outcome", Value("/"), "kind", Value("/"), "reason")


def refresh(drafts: QuerySet[Draft]) -> None:
    """Look the verdicts up and store them, in one query. The newest run's counts, stale or not."""
    revisions = Revision.objects.filter(draft=OuterRef(OuterRef("pk"))).order_by("-number")
    verdicts = (
        Verdict.objects.filter(
            run__example=OuterRef("example"),
            run__code_hash=Subquery(revisions.values("sha256")[:1]),
        )
        .order_by("-run")
        .annotate(text=Concat(*_PARTS))
    )
    drafts.order_by().update(judged=Coalesce(Subquery(verdicts.values("text")[:1]), Value("")))


def on_head_changed(*, drafts: Sequence[int], **_: Any) -> None:
    """The code is another now: what was said about it before does not count."""
    refresh(Draft.objects.filter(pk__in=drafts))
