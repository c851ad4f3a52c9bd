"""An experiment run from a terminal: bars, and what came of it in words."""

from collections import Counter
from decimal import Decimal, InvalidOperation

from django.core.management.base import CommandError
from tqdm import tqdm

from curation.llm.calls import LlmError
from curation.llm.purse import spend_of
from curation.models import Dataset
from executor import batch
from scoring.experiments import queries, services
from scoring.experiments.pipeline import Work
from scoring.experiments.policy import PolicyRefused
from scoring.models import Experiment

REFUSALS = (LlmError, PolicyRefused, services.ExperimentRefused)


def ask_with_bar(experiment: Experiment) -> None:
    """Start or resume in this process, until every answer is there.

    Raises:
        CommandError: it was stopped; the text says why and how to go on.
    """
    services.start(experiment, by=None, here=True)
    try:
        with tqdm(unit="draft", desc="Drafting", dynamic_ncols=True) as bar:

            def progress(over: int, total: int) -> None:
                bar.total = total
                bar.update(over - bar.n)

            Work(experiment, progress).run()
    except REFUSALS as error:
        raise CommandError(f"{error}\nWhat was answered is kept.") from None
    except KeyboardInterrupt:
        raise CommandError("Stopped. What was answered is kept; start again to go on.") from None


def wait_for_verdicts(experiment: Experiment) -> None:
    """Stay until every draft was executed; interrupting it stops the waiting only."""
    runs = [each.run_id for each in queries.translations_of(experiment) if each.run_id]
    try:
        with tqdm(total=len(set(runs)), unit="run", desc="Verifying", dynamic_ncols=True) as bar:
            for over, _ in batch.wait_for(runs):
                bar.update(over - bar.n)
    except KeyboardInterrupt:
        raise CommandError("The drafts are stored; their verdicts come with the workers.") from None


def summary(experiment: Experiment) -> str:
    """Translations by what came of them, and the money."""
    counts = Counter(queries.outcome_of(each) for each in queries.translations_of(experiment))
    experiment.batch.refresh_from_db()
    lines = [f"  {number:5}  {outcome}" for outcome, number in sorted(counts.items())]
    batch_, spend = experiment.batch, spend_of(experiment.batch)
    lines.append(
        f"{experiment.slug}: {batch_.get_state_display().lower()}, "
        f"{sum(counts.values())} translations, {spend.total.normalize():f} spent."
    )
    return "\n".join([*lines, batch_.reason] if batch_.reason else lines)


def find_dataset(slug: str) -> Dataset:
    """The dataset named on the command line.

    Raises:
        CommandError: there is none; the message lists those there are.
    """
    dataset = Dataset.objects.filter(slug=slug).first()
    if dataset is None:
        known = ", ".join(Dataset.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no dataset “{slug}”. Known: {known}.")
    return dataset


def find_experiment(slug: str) -> Experiment:
    """The experiment named on the command line.

    Raises:
        CommandError: there is none; the message lists those there are.
    """
    experiment = Experiment.objects.filter(slug=slug).select_related("batch", "dataset").first()
    if experiment is None:
        slugs = ", ".join(Experiment.objects.values_list("slug", flat=True)[:20]) or "none yet"
        raise CommandError(f"There is no experiment “{slug}”. Experiments: {slugs}.")
    return experiment


def money(text: str | None) -> Decimal | None:
    """The number after --limit; None where it is not given.

    Raises:
        CommandError: it is no amount.
    """
    if text is None:
        return None
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--limit is a number, not “{text}”.") from None
    if not found.is_finite() or found < 0:
        raise CommandError(f"--limit is a number of 0 or more, not “{text}”.")
    return found
