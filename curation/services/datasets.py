"""Datasets and examples: make one, add a program to it."""

from typing import Any

from django.db import transaction

from curation.enums import Difficulty, MemberRole
from curation.models import Dataset, Example, Membership
from curation.services.audit import Actor, record


@transaction.atomic
def create_dataset(
    *,
    slug: str,
    title: str,
    description: str = "",
    source: str = "",
    licence: str = "",
    everyone: MemberRole | None = None,
    by: Actor,
) -> Dataset:
    """A new dataset, whose maker is its admin; `everyone` is the role of all who sign in."""
    dataset = Dataset.objects.create(
        slug=slug,
        title=title,
        description=description,
        source=source,
        licence=licence,
        everyone=everyone or "",
        created_by=by,
    )
    if by is not None:
        Membership.objects.create(dataset=dataset, user=by, role=MemberRole.ADMIN)
    record("dataset.created", dataset, dataset=dataset, by=by)
    return dataset


@transaction.atomic
def add_example(
    dataset: Dataset,
    *,
    example_id: str,
    pytorch_code: str,
    title: str = "",
    difficulty: Difficulty = Difficulty.UNKNOWN,
    source: str = "",
    licence: str = "",
    not_runnable: str = "",
    by: Actor,
) -> Example:
    example = Example.objects.create(
        dataset=dataset,
        example_id=example_id,
        pytorch_code=pytorch_code,
        title=title,
        difficulty=difficulty,
        source=source or dataset.source,
        licence=licence or dataset.licence,
        not_runnable=not_runnable,
        position=dataset.examples.count(),
    )
    record("example.added", example, dataset=dataset, by=by)
    return example


@transaction.atomic
def set_contract(example: Example, contract: dict[str, Any] | None, *, by: Actor) -> Example:
    """Store what is observed of an example; None leaves it to recognition again.

    The caller has checked that `contract` can be read (executor.parity.contract).
    """
    example = Example.objects.select_for_update().select_related("dataset").get(pk=example.pk)
    if example.contract != contract:
        was, example.contract = example.contract, contract
        example.save(update_fields=["contract"])
        record("example.contract", example, dataset=example.dataset, by=by, was=was, now=contract)
    return example
