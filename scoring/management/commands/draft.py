"""Have a model translate every program of a dataset, and execute what it writes."""

import hashlib
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.text import slugify

from curation.enums import PromptUse
from curation.llm.prompts import PromptRefused, current
from curation.llm.registry import find_model
from scoring.enums import ExperimentKind
from scoring.experiments import context_file, services
from scoring.experiments.context_file import NoContext
from scoring.experiments.policy import Choice, Policy, Source
from scoring.experiments.terminal import (
    REFUSALS,
    ask_with_bar,
    find_dataset,
    money,
    summary,
    wait_for_verdicts,
)
from scoring.models import Experiment


class Command(BaseCommand):
    help = (
        "Have a model translate every program of a dataset. The same command again goes on where "
        "it was stopped: an answer that is there is never paid for twice."
    )
    needs_workers = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dataset")
        parser.add_argument("--model", required=True, metavar="NAME")
        parser.add_argument("--prompt", required=True, choices=["standard", "augmented"])
        parser.add_argument(
            "--context",
            default="",
            metavar="loo|all|FILE",
            help="fixed examples of an augmented prompt: all others (loo, the default), all, or "
            "those of a fixed-bug JSON file",
        )
        parser.add_argument("--choose", choices=list(Choice), default=Choice.NEAREST)
        parser.add_argument("--budget", type=int, metavar="TOKENS", help="for the fixed examples")
        parser.add_argument("--keep", type=int, metavar="K", help="so many fixed examples at most")
        parser.add_argument("--without", action="append", default=[], metavar="CATEGORY")
        parser.add_argument("--samples", type=int, default=1, help="translations per program")
        parser.add_argument("--runtime", default="", help="where the drafts are executed")
        parser.add_argument("--limit", metavar="MONEY", help="what all answers may cost")
        parser.add_argument("--queue", action="store_true", help="put drafts into the repair queue")
        parser.add_argument("--no-wait", action="store_true", help="do not wait for the verdicts")

    def handle(self, **options: Any) -> None:
        try:
            experiment = _experiment(options)
        except (*REFUSALS, PromptRefused, NoContext) as error:
            raise CommandError(str(error)) from None
        ask_with_bar(experiment)
        if not options["no_wait"]:
            wait_for_verdicts(experiment)
        self.stdout.write(summary(experiment))


def _experiment(options: dict[str, Any]) -> Experiment:
    """The experiment that these options describe: there already, or made now."""
    dataset = find_dataset(options["dataset"])
    model = find_model(options["model"])
    prompt = current(PromptUse(options["prompt"]))
    policy = _policy(options)
    limit = money(options["limit"])
    told = [
        *(model.base_url, model.model_id, prompt.sha256, policy.to_json()),
        *(options["samples"], options["runtime"]),
    ]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
    name = slugify(f"{model.name}-{options['prompt']}")[:40]
    slug = f"{slugify(f'draft-{dataset.slug}-{name}')[:55]}-{digest}"
    found = Experiment.objects.filter(slug=slug).select_related("batch", "dataset").first()
    if found is None:
        found = services.create_experiment(
            dataset,
            slug=slug,
            title=f"Drafts of {dataset.title} by {model.name}, {options['prompt']} prompt",
            kind=ExperimentKind.ABLATION if policy.is_narrowed else ExperimentKind.INTRINSIC,
            settings=[
                services.SettingPlan(
                    name, model, prompt, policy, options["runtime"], max(options["samples"], 1)
                )
            ],
            spend_limit=limit,
            to_queue=options["queue"],
            by=None,
        )
    elif limit is not None and limit != found.batch.spend_limit:
        services.set_limit(found, limit, by=None)
    return found


def _policy(options: dict[str, Any]) -> Policy:
    if options["prompt"] == "standard":
        if options["context"]:
            raise CommandError("A standard prompt takes no --context.")
        return Policy()
    context = options["context"] or "loo"
    narrowed = {
        "choice": Choice(options["choose"]),
        "budget": options["budget"],
        "keep": options["keep"],
        "without": tuple(options["without"]),
    }
    if context in ("loo", "all"):
        return Policy(Source(context), **narrowed)
    examples = context_file.read(Path(context))
    return Policy(Source.FILE, **narrowed, name=Path(context).name, examples=examples)
