"""./t2j manage load_prompts: the prompts that come with the product."""

from typing import Any

from django.core.management.base import BaseCommand

from curation.llm.prompts import load_shipped


class Command(BaseCommand):
    help = (
        "Add the shipped prompts, or their new wording; those that people changed are left alone."
    )

    def handle(self, **options: Any) -> None:
        added = load_shipped()
        self.stdout.write(f"Prompts: {added} added." if added else "Prompts: up to date.")
