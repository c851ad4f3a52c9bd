"""Prompts: versioned texts with placeholders, and the messages they become."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from django.db import transaction

from curation.enums import PromptUse
from curation.models import PromptTemplate, PromptVersion
from curation.models.base import sha256
from curation.services.audit import Actor, record

Messages = list[dict[str, str]]

# What a prompt of each use must hold; nothing else is filled in.
PLACEHOLDERS: dict[PromptUse, frozenset[str]] = {
    PromptUse.STANDARD: frozenset({"pytorch_code"}),
    PromptUse.AUGMENTED: frozenset({"pytorch_code", "fixed_bugs"}),
    PromptUse.USE_REF: frozenset({"pytorch_code", "jax_code", "reference"}),
    PromptUse.USE_NOREF: frozenset({"pytorch_code", "jax_code"}),
    PromptUse.FUNC_REF: frozenset({"pytorch_code", "jax_code", "reference"}),
    PromptUse.FUNC_NOREF: frozenset({"pytorch_code", "jax_code"}),
    PromptUse.COMPARISON: frozenset({"pytorch_code", "first", "second"}),
}
SHIPPED = Path(__file__).parent / "shipped"

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SEPARATOR = "\n---\n"


class PromptRefused(Exception):
    """Why a prompt was not saved; the text is for the person who wrote it."""


def current(use: PromptUse, slug: str = "") -> PromptVersion:
    """The newest version of the template `slug`, or of the one that was shipped for a use.

    A shipped one is loaded when nobody has done so yet.

    Raises:
        PromptRefused: there is no such template.
    """
    found = _newest(use, slug or use.value)
    if found is None and not slug:
        load_shipped()
        found = _newest(use, use.value)
    if found is None:
        known = PromptTemplate.objects.filter(use=use).values_list("slug", flat=True)
        raise PromptRefused(
            f"There is no prompt “{slug}” of this use. Known: {', '.join(known) or 'none yet'}."
        )
    return found


def _newest(use: PromptUse, slug: str) -> PromptVersion | None:
    versions = PromptVersion.objects.filter(template__use=use, template__slug=slug)
    return versions.select_related("template").order_by("-number").first()


def fill(version: PromptVersion, values: Mapping[str, str]) -> Messages:
    """The messages of a prompt; what is filled in is not searched for placeholders again."""

    def value(match: re.Match[str]) -> str:
        return values[match[1]]

    parts = {"system": version.system, "user": version.text}
    return [
        {"role": role, "content": _PLACEHOLDER.sub(value, text)}
        for role, text in parts.items()
        if text.strip()
    ]


def hash_of(messages: Messages) -> str:
    """SHA-256 over the messages."""
    return sha256(json.dumps(messages, sort_keys=True))


def check(use: PromptUse, system: str, text: str) -> None:
    """
    Raises:
        PromptRefused: a placeholder is missing, unknown, or in the system message.
    """
    wanted, found = PLACEHOLDERS[use], set(_PLACEHOLDER.findall(text))
    if in_system := _PLACEHOLDER.findall(system):
        raise PromptRefused(
            f"The system message holds {_named(in_system)}; placeholders belong in the prompt."
        )
    if missing := wanted - found:
        raise PromptRefused(f"The prompt lacks {_named(missing)}.")
    if unknown := found - wanted:
        raise PromptRefused(
            f"The prompt holds {_named(unknown)}, which nothing fills in. This prompt knows "
            f"{_named(wanted)}."
        )


@transaction.atomic
def save_version(template: PromptTemplate, *, system: str, text: str, by: Actor) -> PromptVersion:
    """Add the next version of a prompt; the present one when nothing changed.

    Raises:
        PromptRefused: see `check`.
    """
    system, text = _tidy(system), _tidy(text)
    check(PromptUse(template.use), system, text)
    template = PromptTemplate.objects.select_for_update().get(pk=template.pk)
    newest = template.versions.order_by("-number").first()
    digest = sha256(json.dumps([system, text]))
    if newest is not None and newest.sha256 == digest:
        return newest
    version = PromptVersion.objects.create(
        template=template,
        number=newest.number + 1 if newest else 1,
        system=system,
        text=text,
        sha256=digest,
        created_by=by,
    )
    record("prompt.saved", version, dataset=None, by=by, sha256=digest)
    return version


def load_shipped() -> int:
    """Add the prompts that come with the product; one that a person changed is left alone.

    Returns:
        How many versions were added.
    """
    before = PromptVersion.objects.count()
    for use in PromptUse:
        system, _, text = (SHIPPED / f"{use.value}.md").read_text().partition(_SEPARATOR)
        template, _ = PromptTemplate.objects.get_or_create(
            slug=use.value, defaults={"title": use.label, "use": use}
        )
        if not template.versions.filter(created_by__isnull=False).exists():
            save_version(template, system=system, text=text, by=None)
    return PromptVersion.objects.count() - before


def _tidy(text: str) -> str:
    """Line ends as the database keeps them, none at the ends: browsers add and change them."""
    return text.replace("\r\n", "\n").strip("\n") + "\n" if text.strip() else ""


def _named(names: object) -> str:
    assert isinstance(names, list | set | frozenset)
    return ", ".join(f"{{{{{name}}}}}" for name in sorted(names))
