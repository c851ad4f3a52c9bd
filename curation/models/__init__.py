"""What people make: datasets, drafts, revisions, fix steps, history; models, prompts, calls."""

from curation.models.api import ApiToken, Delivery, Webhook
from curation.models.audit import AuditEvent
from curation.models.copy import Layout, Preference, Trash, WorkingCopy
from curation.models.count import DraftCount
from curation.models.dataset import Attachment, Dataset, Example
from curation.models.draft import Draft, KeptText, Revision
from curation.models.llm import (
    Call,
    CallBatch,
    LanguageModel,
    PromptTemplate,
    PromptVersion,
)
from curation.models.step import FixStep
from curation.models.taxonomy import Category, Subcategory
from curation.models.team import Comment, Membership

__all__ = [
    "ApiToken",
    "Attachment",
    "AuditEvent",
    "Call",
    "CallBatch",
    "Category",
    "Comment",
    "Dataset",
    "Delivery",
    "Draft",
    "DraftCount",
    "Example",
    "FixStep",
    "KeptText",
    "LanguageModel",
    "Layout",
    "Membership",
    "Preference",
    "PromptTemplate",
    "PromptVersion",
    "Revision",
    "Subcategory",
    "Trash",
    "Webhook",
    "WorkingCopy",
]
