"""Sums over scores that the database makes: a table never loads the rows behind it."""

from dataclasses import dataclass

from django.db import connection

from scoring.models import Experiment, Setting

# Whole billionths: their sums are the same in whatever order rows come, sums of floats are not.
# Setting by setting, so that the index's order is the order of the groups.
_SUMMARIES = """
    SELECT setting.id, of_setting.*
    FROM unnest(%s::bigint[]) AS setting(id)
    CROSS JOIN LATERAL (
        SELECT measure, judge, count(mean), sum(rows)::int, (avg(mean) / 1e9)::float8,
               (stddev_samp(mean) / 1e9)::float8, (avg(spread) / 1e9)::float8
        FROM (
            SELECT measure, judge, count(*) AS rows,
                   avg((value * 1e9)::int8)::int8 AS mean,
                   stddev_samp((value * 1e9)::int8)::int8 AS spread
            FROM scoring_score
            WHERE setting_id = setting.id
            GROUP BY measure, judge, translation_id
        ) AS by_translation
        GROUP BY measure, judge
    ) AS of_setting
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """A measure over the translations of a setting.

    `n` translations have a value; `rows` scores were stored, repeats and open ones included.
    `sd` is between translations, `spread` the mean of what repeats of a judge differ by.
    """

    setting: str
    measure: str
    judge: str
    n: int
    rows: int
    mean: float | None
    sd: float | None
    spread: float | None


def summaries(experiment: Experiment) -> list[Summary]:
    """Every measure of every setting, settings in their order, in two queries."""
    settings = Setting.objects.filter(experiment=experiment).order_by("position", "pk")
    names = dict(settings.values_list("pk", "name"))
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARIES, [list(names)])
        rows = cursor.fetchall()
    order = {pk: at for at, pk in enumerate(names)}
    rows.sort(key=lambda row: (order[row[0]], row[1], row[2]))
    return [Summary(names[row[0]], *row[1:]) for row in rows]
