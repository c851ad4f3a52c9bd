"""./t2j manage load_taxonomy: the categories of fix steps, from fixtures/taxonomy.json."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from curation.models import Category, Subcategory


class Command(BaseCommand):
    help = "Add the categories and subcategories of fixtures/taxonomy.json, or update their words."

    def handle(self, **options: Any) -> None:
        changed = load_taxonomy()
        self.stdout.write(f"Taxonomy: {changed} changed." if changed else "Taxonomy: up to date.")


@transaction.atomic
def load_taxonomy() -> int:
    """Bring the database in line with the file, by slug; nothing is removed.

    What people renamed, merged, described or moved stays as they left it.

    Returns:
        How many categories and subcategories were added or changed.
    """
    path = settings.BASE_DIR / "fixtures" / "taxonomy.json"
    changed = 0
    for position, item in enumerate(json.loads(path.read_text())["categories"]):
        category, did = _put(Category, {"slug": item["slug"]}, item, position)
        changed += did
        if category is None or category.retired:
            continue
        for place, sub in enumerate(item["subcategories"]):
            _, did = _put(Subcategory, {"slug": sub["slug"], "category": category}, sub, place)
            changed += did
    return changed


def _put(
    model: type[Category] | type[Subcategory],
    key: dict[str, Any],
    item: dict[str, Any],
    position: int,
) -> tuple[Any, bool]:
    """The row with `key` (None: people gave its name to another), and whether it was written."""
    wanted = {"name": item["name"], "description": item.get("description", "")}
    row = model.ever.filter(**key).first()
    if row is not None and (row.edited or row.retired):
        return row, False
    scope = {name: value for name, value in key.items() if name != "slug"}
    same = model.objects.filter(name=wanted["name"], **scope).exclude(slug=key["slug"])
    if same.exists():
        return row, False
    if row is None:
        return model.ever.create(**key, **wanted, position=position), True
    if all(getattr(row, name) == value for name, value in wanted.items()):
        return row, False
    for name, value in wanted.items():
        setattr(row, name, value)
    row.save(update_fields=list(wanted))
    return row, True
