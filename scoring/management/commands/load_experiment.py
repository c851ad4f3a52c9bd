"""./t2j manage load_experiment: the sample experiment, on the sample dataset."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from curation.llm.calls import LlmError
from curation.models import Dataset
from scoring.experiments import sample
from scoring.experiments.queries import progress_of


class Command(BaseCommand):
    help = (
        "Load the experiment “sample”: recorded answers of our own writing over the sample "
        "dataset. Its drafts are executed by the workers. Nothing is loaded twice."
    )

    def handle(self, **options: Any) -> None:
        dataset = Dataset.objects.filter(slug=sample.SLUG).first()
        if dataset is None:
            raise CommandError(
                "The dataset “sample” is missing: ./t2j manage load_sample loads it."
            )
        try:
            experiment = sample.load(dataset)
        except LlmError as error:
            raise CommandError(str(error)) from None
        progress = progress_of(experiment)
        self.stdout.write(f"Experiment {experiment.slug}: {progress.over} translations.")
