"""What the tables of one experiment are made from, read once."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from django.db import connection
from django.db.models import Count

from curation.enums import PromptUse
from scoring.models import Experiment, Score, Setting, Translation
from scoring.tables.aggregate import Summary, summaries

_MEANS = """
    SELECT translation_id, measure, judge, (avg((value * 1e9)::int8) / 1e9)::float8
    FROM scoring_score
    WHERE setting_id = ANY(%s) AND value IS NOT NULL AND measure = ANY(%s)
    GROUP BY translation_id, measure, judge
"""
_CHOICES = """
    SELECT forward.setting_id, other.setting_id, forward.judge, forward.value, backward.value,
           count(*)
    FROM scoring_score AS forward
    JOIN scoring_score AS backward ON backward.setting_id = forward.setting_id
        AND backward.translation_id = forward.translation_id
        AND backward.other_id = forward.other_id AND backward.judge = forward.judge
        AND backward.repeat = forward.repeat AND backward.measure = 'comparison_backward'
    JOIN scoring_translation AS other ON other.id = forward.other_id
    WHERE forward.setting_id = ANY(%s) AND forward.measure = 'comparison_forward'
    GROUP BY 1, 2, 3, 4, 5
"""
_SAMPLES = """
    SELECT setting_id, n, matching, count(*)
    FROM (
        SELECT score.setting_id, translation.example_id, count(*) AS n,
               sum(score.value)::int AS matching
        FROM scoring_score AS score
        JOIN scoring_translation AS translation ON translation.id = score.translation_id
        WHERE score.setting_id = ANY(%s) AND score.measure = 'matches'
            AND score.value IS NOT NULL
        GROUP BY score.setting_id, translation.example_id
    ) AS by_example
    GROUP BY setting_id, n, matching
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """How often a judge answered so about two settings: 1 for the second, -1 for the first.

    `forward` with the first shown first, `backward` with the orders swapped and turned back.
    """

    first: str
    second: str
    judge: str
    forward: float | None
    backward: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a translation stands."""

    setting: str
    example: str
    sample: int


class Data:
    """Reads what a table asks for; each part once."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        settings = Setting.objects.filter(experiment=experiment).order_by("position", "pk")
        self.settings = list(
            settings.select_related("model", "prompt__template").annotate(
                count=Count("translations")
            )
        )
        self.names = {setting.pk: setting.name for setting in self.settings}

    @property
    def baseline(self) -> str:
        """The setting that others are compared with: the first with the standard prompt."""
        standard = (
            each.name for each in self.settings if each.prompt.template.use == PromptUse.STANDARD
        )
        return next(standard, self.settings[0].name if self.settings else "")

    @cached_property
    def summaries(self) -> dict[tuple[str, str, str], Summary]:
        """(setting, measure, judge) -> summary."""
        found = summaries(self.experiment)
        return {(row.setting, row.measure, row.judge): row for row in found}

    @cached_property
    def judges(self) -> list[str]:
        return sorted({judge for _, _, judge in self.summaries if judge})

    @cached_property
    def places(self) -> dict[int, Place]:
        """Translation id -> where it stands, settings in order, then examples."""
        rows = (
            Translation.objects.filter(setting__experiment=self.experiment)
            .order_by(
                "setting__position", "setting_id", "example__position", "example_id", "sample"
            )
            .values_list("pk", "setting_id", "example__example_id", "sample")
        )
        return {pk: Place(self.names[at], example, sample) for pk, at, example, sample in rows}

    def means(self, measures: list[str]) -> dict[tuple[str, str], dict[int, float]]:
        """(measure, judge) -> translation id -> mean over repeats."""
        with connection.cursor() as cursor:
            cursor.execute(_MEANS, [list(self.names), measures])
            rows = sorted(cursor.fetchall())
        found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        for translation, measure, judge, mean in rows:
            found[measure, judge][translation] = mean
        return found

    @cached_property
    def choices(self) -> list[Choice]:
        """Answers of comparisons, both orders side by side."""
        with connection.cursor() as cursor:
            cursor.execute(_CHOICES, [list(self.names)])
            rows = cursor.fetchall()
        found = [
            Choice(self.names[a], self.names[b], judge, ahead, None if back is None else -back, n)
            for a, b, judge, ahead, back, n in rows
        ]
        return sorted(found, key=lambda each: (each.first, each.second, each.judge, str(each)))

    @cached_property
    def samples(self) -> dict[str, list[tuple[int, int, int]]]:
        """Setting -> (decided samples of an example, matching ones, how many examples)."""
        with connection.cursor() as cursor:
            cursor.execute(_SAMPLES, [list(self.names)])
            rows = sorted(cursor.fetchall())
        found: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for setting, n, right, examples in rows:
            found[self.names[setting]].append((n, right, examples))
        return found

    @cached_property
    def efforts(self) -> dict[int, list[dict[str, float | None]]]:
        """Translation id -> the effort of each of its fix steps."""
        rows = Score.objects.filter(setting__experiment=self.experiment, measure="fixcost")
        return {
            pk: detail["efforts"] for pk, detail in rows.values_list("translation_id", "detail")
        }
