"""Who may use which address: one rule for every page and every route of the API.

An address without a rule answers nobody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from curation.enums import MemberRole
from curation.permissions import Access, Person, access_by

if TYPE_CHECKING:
    from rest_framework.views import APIView

V, A, R, L, ADMIN = MemberRole


@dataclass(frozen=True, slots=True)
class Rule:
    """The least role for reading and for writing an address.

    `lookup` leads from Dataset to the record that the address's `key` names. Without it the
    address is about no one dataset: its view shows what the person may read, and checks the
    dataset of what it writes.
    """

    read: MemberRole = V
    write: MemberRole = A
    lookup: str = ""
    key: str = "pk"
    public: bool = False


DATASET, EXAMPLE, DRAFT = "slug", "examples__pk", "examples__drafts__pk"
REVISION, STEP = "examples__drafts__revisions__pk", "examples__drafts__steps__pk"
COMMENT, RUN = "examples__drafts__comments__pk", "examples__runs__pk"
ATTACHMENT, EVENT, WEBHOOK = "examples__attachments__pk", "auditevent__pk", "webhooks__pk"
SIGNED_IN, PUBLIC = Rule(), Rule(public=True)
EXPERIMENT = "experiments__slug"
EXPERIMENT_READ = Rule(V, V, EXPERIMENT, "slug")
EXPERIMENT_LEAD = Rule(L, L, EXPERIMENT, "slug")
TRANSLATION = "examples__translations__pk"


def of_dataset(read: MemberRole, write: MemberRole) -> Rule:
    return Rule(read, write, DATASET, "slug")


RULES: dict[str, Rule] = {
    # For what watches the site; /metrics asks for a token or the machine itself
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "metrics": PUBLIC,
    # Signing in and out, and what belongs to no dataset
    "login": PUBLIC,
    "logout": SIGNED_IN,
    "dataset-list": SIGNED_IN,
    "dataset-new": SIGNED_IN,
    "fleet": SIGNED_IN,
    "layout-keep": SIGNED_IN,
    "preference-keep": SIGNED_IN,
    "tokens": SIGNED_IN,
    # Datasets
    "dataset-detail": of_dataset(V, V),
    "queue-bulk": of_dataset(L, L),
    "dataset-import": of_dataset(L, L),
    "import-job": Rule(L, L, "import_jobs__pk"),
    "dataset-next": of_dataset(A, A),
    "dataset-agreement": of_dataset(V, V),
    "dataset-trash": of_dataset(V, V),
    "trash-restore": Rule(L, L, "trash__pk"),
    "dataset-history": of_dataset(V, V),
    "dataset-members": of_dataset(V, ADMIN),
    "dataset-times": of_dataset(L, L),
    "dataset-webhooks": of_dataset(L, L),
    "example-new": of_dataset(L, L),
    "dataset-dashboard": of_dataset(V, V),
    "dataset-board-file": of_dataset(V, V),
    "dataset-rows": of_dataset(V, V),
    "dataset-plan": of_dataset(L, L),
    "dataset-published": of_dataset(L, L),
    "dataset-exports": of_dataset(V, A),
    "export-file": of_dataset(V, V),
    "export-download": Rule(V, V, "exports__pk"),
    "export-delete": Rule(L, L, "exports__pk"),
    "dataset-releases": of_dataset(V, L),
    "release-compare": of_dataset(V, V),
    "release-detail": Rule(V, V, "releases__pk"),
    "release-download": Rule(V, V, "releases__pk"),
    "release-experiment": Rule(L, L, "releases__pk"),
    # Experiments, their translations, prompts
    "experiment-list": SIGNED_IN,
    "experiment-new": of_dataset(L, L),
    "experiment-detail": EXPERIMENT_READ,
    "experiment-start": EXPERIMENT_LEAD,
    "experiment-stop": EXPERIMENT_LEAD,
    "experiment-limit": EXPERIMENT_LEAD,
    "experiment-reference": EXPERIMENT_LEAD,
    "translation-detail": Rule(V, V, TRANSLATION),
    "translation-paste": Rule(A, A, TRANSLATION),
    "translation-anew": Rule(L, L, TRANSLATION),
    "translation-queue": Rule(A, A, TRANSLATION),
    "translation-context": Rule(V, V, TRANSLATION),
    "example-prompt": Rule(V, V, EXAMPLE),
    "prompt-list": SIGNED_IN,
    "prompt-edit": SIGNED_IN,
    # Numbers of experiments
    "experiment-tables": EXPERIMENT_READ,
    "experiment-table": EXPERIMENT_READ,
    "experiment-table-file": EXPERIMENT_READ,
    "experiment-scores": EXPERIMENT_READ,
    "experiment-score": EXPERIMENT_LEAD,
    "experiment-judges-stop": EXPERIMENT_LEAD,
    "experiment-compare": SIGNED_IN,
    # The taxonomy, one for all datasets: its service asks who leads the datasets it touches
    "taxonomy": SIGNED_IN,
    "taxonomy-change": SIGNED_IN,
    "taxonomy-split": SIGNED_IN,
    "taxonomy-undo": SIGNED_IN,
    # Examples
    "example-detail": Rule(V, L, EXAMPLE),
    "example-delete": Rule(L, L, EXAMPLE),
    "contract-edit": Rule(V, L, EXAMPLE),
    "draft-new": Rule(A, A, EXAMPLE),
    "attachment": Rule(V, V, ATTACHMENT),
    # Drafts
    "workbench": Rule(V, A, DRAFT),
    "draft-run": Rule(A, A, DRAFT),
    "draft-status": Rule(A, A, DRAFT),
    "draft-history": Rule(V, A, DRAFT),
    "draft-compare": Rule(V, A, DRAFT),
    "step-new": Rule(A, A, DRAFT),
    "step-save": Rule(A, A, DRAFT),
    "step-take-back": Rule(A, A, DRAFT),
    "revision-detail": Rule(V, A, DRAFT),
    "step-edit": Rule(A, A, STEP),
    "step-change": Rule(A, A, STEP),
    "step-split": Rule(A, A, STEP),
    "step-code": Rule(A, A, STEP),
    "event-undo": Rule(A, A, EVENT),
    "run-detail": Rule(V, A, RUN),
    "run-cancel": Rule(A, A, RUN),
    "run-to-cpu": Rule(A, A, RUN),
    "draft-claim": Rule(A, A, DRAFT),
    "draft-assign": Rule(L, L, DRAFT),
    "draft-adjudicate": Rule(R, R, DRAFT),
    "copy-keep": Rule(A, A, DRAFT),
    "copy-drop": Rule(A, A, DRAFT),
    "copy-merged": Rule(A, A, DRAFT),
    "draft-delete": Rule(L, L, DRAFT),
    "draft-comments": Rule(A, A, DRAFT),
    "comment-resolve": Rule(A, A, COMMENT),
    "comment-delete": Rule(A, A, COMMENT),
    # The API
    "api-root": SIGNED_IN,
    "api-token": PUBLIC,
    "api-schema": SIGNED_IN,
    "api-docs": SIGNED_IN,
    # The taxonomy's service asks who leads the datasets that a change touches.
    "api-category-list": SIGNED_IN,
    "api-category-rename": SIGNED_IN,
    "api-category-merge": SIGNED_IN,
    "api-category-split": SIGNED_IN,
    "api-category-dissolve": SIGNED_IN,
    "api-category-move": SIGNED_IN,
    "api-category-change-list": SIGNED_IN,
    "api-category-change-undo": SIGNED_IN,
    "api-dataset-list": SIGNED_IN,
    "api-dataset-detail": of_dataset(V, L),  # its view asks for admins where it must
    "api-dataset-members": of_dataset(V, ADMIN),
    "api-dataset-next": of_dataset(A, A),
    "api-statistics": of_dataset(V, V),
    "api-boards": of_dataset(V, V),
    "api-board": of_dataset(V, V),
    "api-board-file": of_dataset(V, V),
    "api-board-rows": of_dataset(V, V),
    "api-plan": of_dataset(L, L),
    "api-published": of_dataset(V, L),
    "api-agreement": of_dataset(V, V),
    "api-exports": of_dataset(V, V),
    "api-export": of_dataset(V, V),
    "api-export-file": of_dataset(V, V),
    "api-import": of_dataset(L, L),
    "api-import-job": Rule(L, L, "import_jobs__pk"),
    "api-export-job-list": SIGNED_IN,
    "api-export-job-detail": Rule(V, L, "exports__pk"),
    "api-export-job-file": Rule(V, V, "exports__pk"),
    "api-release-list": SIGNED_IN,
    "api-release-detail": Rule(V, V, "releases__pk"),
    "api-release-file": Rule(V, V, "releases__pk"),
    "api-release-experiment": Rule(L, L, "releases__pk"),
    "api-release-compare": Rule(V, V, "releases__pk"),
    "api-bulk": of_dataset(L, L),
    "api-example-list": SIGNED_IN,
    "api-example-detail": Rule(V, L, EXAMPLE),
    "api-example-prompt": Rule(V, V, EXAMPLE),
    "api-contract": Rule(V, L, EXAMPLE),
    "api-attachment-detail": Rule(V, V, ATTACHMENT),
    "api-draft-list": SIGNED_IN,
    "api-draft-detail": Rule(V, L, DRAFT),
    "api-draft-change-status": Rule(A, A, DRAFT),
    "api-draft-assign": Rule(L, L, DRAFT),
    "api-draft-claim": Rule(A, A, DRAFT),
    "api-draft-release": Rule(A, A, DRAFT),
    "api-draft-adopt": Rule(R, R, DRAFT),
    "api-revision-list": SIGNED_IN,
    "api-revision-detail": Rule(V, A, REVISION),
    "api-step-list": SIGNED_IN,
    "api-step-detail": Rule(V, A, STEP),
    "api-step-move": Rule(A, A, STEP),
    "api-step-merge": Rule(A, A, STEP),
    "api-step-split": Rule(A, A, STEP),
    "api-step-hunks": Rule(V, A, STEP),
    "api-step-code": Rule(A, A, STEP),
    "api-step-settle": Rule(A, A, STEP),
    "api-step-unsettle": Rule(A, A, STEP),
    "api-comment-list": SIGNED_IN,
    "api-comment-detail": Rule(V, A, COMMENT),
    "api-comment-resolve": Rule(A, A, COMMENT),
    "api-comment-reopen": Rule(A, A, COMMENT),
    "api-event-list": SIGNED_IN,
    "api-event-detail": Rule(V, V, EVENT),
    "api-event-undo": Rule(A, A, EVENT),
    "api-trash-list": SIGNED_IN,
    "api-trash-restore": Rule(L, L, "trash__pk"),
    "api-webhook-list": SIGNED_IN,
    "api-webhook-detail": Rule(L, L, WEBHOOK),
    "api-webhook-secret": Rule(L, L, WEBHOOK),
    "api-webhook-ping": Rule(L, L, WEBHOOK),
    "api-webhook-retry": Rule(L, L, WEBHOOK),
    "api-webhook-deliveries": Rule(L, L, WEBHOOK),
    "api-run-list": SIGNED_IN,
    "api-run-detail": Rule(V, A, RUN),
    "api-run-cancel": Rule(A, A, RUN),
    "api-run-to-cpu": Rule(A, A, RUN),
    "api-workers": SIGNED_IN,
    "api-experiment-list": SIGNED_IN,
    "api-experiment-detail": EXPERIMENT_READ,
    "api-experiment-start": EXPERIMENT_LEAD,
    "api-experiment-stop": EXPERIMENT_LEAD,
    "api-experiment-limit": EXPERIMENT_LEAD,
    "api-experiment-score": EXPERIMENT_LEAD,
    "api-experiment-reference": EXPERIMENT_LEAD,
    "api-experiment-stop-judges": EXPERIMENT_LEAD,
    "api-experiment-compare": SIGNED_IN,
    "api-experiment-table": EXPERIMENT_READ,
    "api-experiment-table-file": EXPERIMENT_READ,
    "api-translation-list": SIGNED_IN,
    "api-translation-detail": Rule(V, V, TRANSLATION),
    "api-translation-anew": Rule(L, L, TRANSLATION),
    "api-translation-context": Rule(V, V, TRANSLATION),
    "api-translation-paste": Rule(A, A, TRANSLATION),
    "api-translation-queue": Rule(A, A, TRANSLATION),
    "api-score-list": SIGNED_IN,
    "api-prompt-list": SIGNED_IN,
    "api-prompt-detail": SIGNED_IN,
    "api-prompt-versions": SIGNED_IN,
    "api-model-list": SIGNED_IN,
}


def rule_of(name: str) -> Rule:
    """
    Raises:
        ImproperlyConfigured: the address has no rule.
    """
    try:
        return RULES[name]
    except KeyError:
        raise ImproperlyConfigured(
            f"The address “{name}” has no rule: add a line to RULES in t2j_site/access.py."
        ) from None


def check(user: Person, name: str, kwargs: Mapping[str, Any], *, safe: bool) -> Access | None:
    """The person's access to the dataset of an address, or None where it is about none.

    Raises:
        Http404, PermissionDenied: the person may not use it.
    """
    rule = rule_of(name)
    if not rule.lookup:
        return None
    access = access_by(user, rule.lookup, kwargs[rule.key])
    access.check(rule.read if safe else rule.write)
    return access


class AccessMiddleware:
    """Holds every page to its rule, and keeps what was found out as `request.access`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        match = request.resolver_match
        assert match is not None
        api = hasattr(getattr(view, "cls", None), "permission_classes")
        # Django's admin has its own rules; the API knows its person only later (ApiRule).
        if "admin" in match.namespaces or api or rule_of(match.view_name).public:
            return
        if not request.user.is_authenticated:
            return  # the login middleware has turned them away
        safe = request.method in SAFE_METHODS
        request.access = check(  # type: ignore[attr-defined]
            request.user, match.view_name, kwargs, safe=safe
        )


class ApiRule(BasePermission):
    """The same rules for the API, however the person proved who they are."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        match = request.resolver_match
        assert match is not None
        if rule_of(match.view_name).public:
            return True
        if not request.user.is_authenticated:
            return False
        safe = request.method in SAFE_METHODS
        access = check(request.user, match.view_name, match.kwargs, safe=safe)
        request._request.access = access  # type: ignore[attr-defined]
        return True
