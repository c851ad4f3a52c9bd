"""./t2j manage experiment list | show NAME | start NAME | stop NAME"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scoring.enums import TranslationState
from scoring.experiments import queries, services
from scoring.experiments.terminal import (
    ask_with_bar,
    find_experiment,
    summary,
    wait_for_verdicts,
)
from scoring.models import Experiment


class Command(BaseCommand):
    help = (
        "List experiments, show one, start or resume it here, or stop it wherever it runs. An "
        "answer that is there is never paid for twice."
    )
    needs_workers = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "show", "start", "resume", "stop"])
        parser.add_argument("name", nargs="?", default="")
        parser.add_argument(
            "--anew", action="store_true", help="ask everything once more, and pay for it"
        )
        parser.add_argument("--no-wait", action="store_true", help="do not wait for the verdicts")

    def handle(self, **options: Any) -> None:
        if options["action"] == "list":
            for each in Experiment.objects.select_related("batch", "dataset"):
                self.stdout.write(
                    f"{each.slug:40} {each.batch.get_state_display():12} {each.title}"
                )
            return
        experiment = find_experiment(options["name"])
        if options["action"] in ("start", "resume"):
            if options["anew"]:
                _ask_anew(experiment)
            ask_with_bar(experiment)
            if not options["no_wait"]:
                wait_for_verdicts(experiment)
        elif options["action"] == "stop":
            services.stop(experiment, by=None)
        self.stdout.write(summary(experiment))


def _ask_anew(experiment: Experiment) -> None:
    answered = queries.translations_of(experiment).exclude(state=TranslationState.PLANNED)
    for translation in answered:
        try:
            services.ask_anew(translation, by=None)
        except services.ExperimentRefused as refused:
            raise CommandError(str(refused)) from None
