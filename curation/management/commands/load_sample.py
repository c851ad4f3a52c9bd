"""./t2j manage load_sample: the taxonomy and the sample dataset."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from curation.enums import MemberRole
from curation.importers.source import PathSource
from curation.management.commands.load_taxonomy import load_taxonomy
from curation.models import Dataset
from curation.services.datasets import create_dataset
from curation.services.imports import import_files, remove_outdated

SLUG = "sample"


class Command(BaseCommand):
    help = (
        "Load fixtures/sample/sample.json into the dataset “sample”; nothing is loaded twice, and "
        "examples that people worked on are left alone."
    )

    def handle(self, **options: Any) -> None:
        load_taxonomy()
        path = settings.BASE_DIR / "fixtures" / "sample" / "sample.json"
        if not path.is_file():
            raise CommandError(f"{path} is missing: is this a whole checkout?")
        dataset = Dataset.objects.filter(slug=SLUG).first() or create_dataset(
            slug=SLUG,
            title="Sample dataset",
            description="Small programs and modules written for this product, with their repair.",
            everyone=MemberRole.LEAD,
            by=None,
        )
        source = PathSource(path, path.name)
        # A newer version of the product may bring a newer sample.
        positions = remove_outdated(dataset, source, by=None)
        report = import_files(dataset, [source], by=None, update=False)
        for example_id, position in positions.items():
            dataset.examples.filter(example_id=example_id).update(position=position)
        for note in report.notes:
            self.stdout.write(str(note))
        self.stdout.write(f"{SLUG}: {report.summary()}")
