"""An exported example as a row of a table, for the formats that hold the whole dataset."""

from typing import Any

from scoring.exporters.selection import Item

# Column, and what it holds; all are text but the two lists.
COLUMNS = {
    "example_id": "Name of the example in its dataset",
    "title": "Title",
    "difficulty": "easy, medium, hard, or empty",
    "source": "Where the program comes from",
    "licence": "Licence of the program",
    "model": "Model that wrote the draft",
    "status": "State of the draft: approved, verified, repairing or draft",
    "approval_reason": "Why it was approved although it was not verified",
    "pytorch_code": "The PyTorch reference",
    "draft_code": "The JAX draft, as the model wrote it",
    "fixed_code": "The repaired JAX program; empty when the repair is not finished",
}
STEP_COLUMNS = {
    "error_code": "The code that was wrong",
    "error": "What was wrong",
    "fix_info": "How it was mended",
    "fixed_code": "The code in its place",
    "category": "Category of the bug",
    "subcategory": "Subcategory of the bug",
    "kind": "behaviour, format or reference",
}


def row_of(item: Item) -> dict[str, Any]:
    """The columns of COLUMNS."""
    record = item.record
    return {
        "example_id": record.example_id,
        "title": record.title,
        "difficulty": record.difficulty,
        "source": record.source,
        "licence": record.licence,
        "model": item.draft.model,
        "status": item.draft.status,
        "approval_reason": record.approval_reason,
        "pytorch_code": record.pytorch_code,
        "draft_code": record.draft_code,
        "fixed_code": record.final_code,
    }


def step_rows(item: Item) -> list[dict[str, Any]]:
    """The columns of STEP_COLUMNS, in the order of the steps."""
    return [
        {
            "error_code": step.error_code,
            "error": step.error,
            "fix_info": step.fix_info,
            "fixed_code": step.fixed_code,
            "category": step.category or "",
            "subcategory": step.subcategory or "",
            "kind": step.kind,
        }
        for step in item.draft.steps
    ]


def revision_rows(item: Item) -> list[dict[str, Any]]:
    """The code after each step, the draft first, and its present verdict or ""."""
    return [
        {"code": revision.code, "outcome": item.outcomes.get(revision.sha256, "")}
        for revision in item.revisions
    ]
