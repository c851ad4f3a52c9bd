"""From programs that are run and measured to Tables 4 and 9: every part is the real one."""

import io

import pytest
from django.core.management import CommandError, call_command

from curation.models import Example
from executor.models import Measurement, Run
from executor.pipeline import execute
from executor.services import request_run
from scoring.enums import TranslationState
from scoring.models import Experiment, Score, Setting, Translation
from scoring.score_tasks import states
from scoring.scores import update
from scoring.tables import build
from scoring.tables.base import Cell
from tests.factories import make_example
from tests.scoring.tables.build import make_experiment

# A run's watcher looks at the database from a thread of its own.
pytestmark = pytest.mark.django_db(transaction=True)
SLOW = "import time\nimport torch\ntime.sleep(0.4)\nprint('sum', torch.ones(3).sum().item())\n"
QUICK = "import jax.numpy as jnp\nprint('sum', float(jnp.ones(3).sum()))\n"
WRONG = "import jax.numpy as jnp\nprint('sum', float(jnp.ones(4).sum()))\n"


@pytest.fixture
def example() -> Example:
    experiment = make_experiment("timed")
    Translation.objects.filter(setting__experiment=experiment).delete()
    return make_example(experiment.dataset, code=SLOW)


@pytest.fixture
def experiment(example: Example) -> Experiment:
    """One program: the first setting gets it wrong, the two others translate it alike."""
    found = Experiment.objects.get(slug="timed")
    codes = {"cheap-standard": WRONG, "cheap-augmented": QUICK, "costly-standard": QUICK}
    for name, code in codes.items():
        run = request_run(example, code, by=None)
        if run.state != "finished":
            execute(run.pk)
        Translation.objects.create(
            setting=Setting.objects.get(experiment=found, name=name),
            example=example,
            state=TranslationState.DRAFTED,
            code=code,
            code_hash=run.code_hash,
            run=Run.objects.get(pk=run.pk),
        )
    return found


def cells(experiment: Experiment, key: str, row: str) -> dict[str, Cell]:
    table = build(experiment, key)
    found = next(each for each in table.rows if each[0].value == row)
    return dict(zip((column.key for column in table.columns), found, strict=True))


def test_measured_run_times_reach_the_tables(experiment: Experiment, example: Example) -> None:
    update(experiment, metrics=["run_time", "execution"])
    assert "while it was verified" in build(experiment, "4").notes[0]
    before = dict(states())[experiment.pk]

    told = io.StringIO()
    call_command("measure_experiment", "timed", stdout=told)
    # One program that matches, twice translated alike; the wrong one is not measured.
    sides = [line.split()[1] for line in told.getvalue().splitlines()[1:]]
    assert sides == ["reference", "candidate"]
    rows = {each.side: each for each in Measurement.objects.all()}
    assert {each.outcome for each in rows.values()} == {"ok"}
    assert dict(states())[experiment.pk] != before, "scores follow measurements by themselves"

    reference, own = rows["reference"].wall_s, rows["candidate"].wall_s
    assert reference is not None and own is not None
    assert reference >= 0.4
    table = cells(experiment, "4", "cheap-augmented")
    assert table["timed"].value == 1
    assert table["seconds"].value == pytest.approx(own)
    assert table["reference_seconds"].value == pytest.approx(reference)
    assert table["speedup"].value == pytest.approx(reference / own)
    assert table["speedup_baseline"].why == "no translation that matches was timed"
    assert cells(experiment, "4", "cheap-standard")["seconds"].value is None
    by_example = cells(experiment, "9", example.example_id)
    assert by_example["reference"].value == pytest.approx(reference)
    assert by_example["costly-standard"].value == pytest.approx(own)
    assert by_example["costly-standard_speedup"].value == pytest.approx(reference / own)
    assert by_example["cheap-standard"].value is None
    (note,) = (note for note in build(experiment, "4").notes if note.startswith("Measured"))
    assert "median of measured runs of the whole program" in note
    assert rows["candidate"].machine in note
    why = Score.objects.get(setting__name="cheap-standard", measure="seconds").why
    assert why == "does not match: its time says nothing"

    # What was measured stays measured; of another machine it is not compared.
    call_command("measure_experiment", "timed", stdout=told)
    assert Measurement.objects.count() == 2
    Measurement.objects.filter(side="reference").update(machine="another")
    update(experiment, metrics=["run_time"])
    assert "while it was verified" in build(experiment, "4").notes[0]


def test_the_command_says_what_there_is_not(example: Example) -> None:
    with pytest.raises(CommandError, match="There is no experiment “nope”"):
        call_command("measure_experiment", "nope")
    with pytest.raises(CommandError, match="must be above 0"):
        call_command("measure_experiment", "timed", repeat=0)
