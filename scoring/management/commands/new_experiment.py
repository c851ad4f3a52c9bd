"""./t2j manage new_experiment NAME DATASET --model NAME... --prompt standard|augmented..."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.enums import PromptUse
from curation.llm.prompts import PromptRefused
from curation.llm.registry import find_model
from curation.models import Category
from scoring.enums import ExperimentKind
from scoring.experiments import services
from scoring.experiments.grid import Grid, keeps_of, source_of
from scoring.experiments.policy import Choice, Policy
from scoring.experiments.terminal import REFUSALS, find_dataset, money
from scoring.models import Experiment


class Command(BaseCommand):
    help = (
        "Make an experiment: every model with every prompt over a dataset. Nothing is asked until "
        "./t2j manage experiment start NAME."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("dataset")
        parser.add_argument("--model", action="append", required=True, metavar="NAME")
        parser.add_argument(
            "--prompt", action="append", required=True, choices=["standard", "augmented"]
        )
        parser.add_argument("--title", default="")
        parser.add_argument(
            "--from",
            default="",
            dest="source",
            metavar="DATASET",
            help="whose fix steps are told (an extrinsic experiment); else this one's, "
            "leaving one out",
        )
        parser.add_argument(
            "--reference",
            default="",
            metavar="SETTING",
            help="drafts are held against those of this setting, like strong-standard; else "
            "against the dataset's fixed code",
        )
        parser.add_argument(
            "--keep",
            default="",
            metavar="K,...",
            help="so many fixed examples at most; several numbers (or all): a setting for each",
        )
        parser.add_argument("--without", action="append", default=[], metavar="CATEGORY")
        parser.add_argument(
            "--each-alone",
            action="store_true",
            help="leave out each --without alone, a setting for each, beside the whole context",
        )
        parser.add_argument("--choose", choices=list(Choice), default=Choice.NEAREST)
        parser.add_argument("--budget", type=int, metavar="TOKENS", help="for the fixed examples")
        parser.add_argument("--samples", type=int, default=1, help="translations per program")
        parser.add_argument("--runtime", default="", help="where the drafts are executed")
        parser.add_argument("--limit", metavar="MONEY", help="what all answers may cost")
        parser.add_argument("--queue", action="store_true", help="put drafts into the repair queue")

    def handle(self, **options: Any) -> None:
        try:
            experiment = _create(options)
        except (*REFUSALS, PromptRefused) as error:
            raise CommandError(str(error)) from None
        for setting in experiment.settings.all():
            self.stdout.write(f"{setting.name:40} {Policy.of(setting.context)}")
        self.stdout.write(f"To ask: ./t2j manage experiment start {experiment.slug}")


def _create(options: dict[str, Any]) -> Experiment:
    grid = _grid(options)
    source = find_dataset(options["source"]) if options["source"] else None
    kind = ExperimentKind.INTRINSIC
    if source is not None:
        kind = ExperimentKind.EXTRINSIC
    elif any(each.context.is_narrowed for each in grid.settings()):
        kind = ExperimentKind.ABLATION
    return services.create_experiment(
        find_dataset(options["dataset"]),
        slug=options["name"],
        title=options["title"] or options["name"],
        kind=kind,
        settings=grid.settings(),
        context_dataset=source,
        spend_limit=money(options["limit"]),
        to_queue=options["queue"],
        reference=options["reference"],
        by=None,
    )


def _grid(options: dict[str, Any]) -> Grid:
    source = source_of(other_dataset=bool(options["source"]))
    return Grid(
        models=[find_model(name) for name in dict.fromkeys(options["model"])],
        uses=[PromptUse(use) for use in dict.fromkeys(options["prompt"])],
        context=Policy(source, Choice(options["choose"]), options["budget"]),
        keeps=keeps_of(options["keep"]),
        without=[_category(name) for name in options["without"]],
        each_alone=options["each_alone"],
        runtime=options["runtime"],
        samples=max(options["samples"], 1),
    )


def _category(name: str) -> str:
    known = list(Category.objects.values_list("name", flat=True))
    for each in known:
        if each.lower() == name.lower():
            return each
    listed = ", ".join(known) or "none yet"
    raise CommandError(f"There is no category “{name}”. Categories: {listed}.")
