"""Table 5: FixCost by setting."""

from scoring.metrics.fixcost import SettingCost, StepEffort, setting_costs
from scoring.tables.base import Cell, Column, Table
from scoring.tables.data import Data

PAPER = (
    "Reference: the paper (arXiv 2510.09898, abstract) reports for GPT-4o-mini with its augmented "
    "prompt an improvement of T2J_FixCost by up to 50 %."
)


def table_5(data: Data) -> Table:
    """A row per setting: what repairing its translations took."""
    efforts = data.efforts
    drafts: dict[str, list[list[StepEffort]]] = {each.name: [] for each in data.settings}
    for pk, place in data.places.items():
        if pk in efforts:
            drafts[place.setting].append([_effort(step) for step in efforts[pk]])
    costs = setting_costs(list(drafts.values()))
    rows = tuple(
        _row(setting.name, setting.count, cost)
        for setting, cost in zip(data.settings, costs, strict=True)
    )
    columns = (
        Column("setting", "Setting"),
        Column("translations", "Translations"),
        Column("repaired", "Taken up"),
        Column("total", "Total"),
        Column("mean", "Mean"),
        Column("median", "Median", 1),
        Column("min", "Min"),
        Column("max", "Max"),
        Column("behaviour_total", "Behaviour only, total"),
        Column("behaviour_mean", "Behaviour only, mean"),
        Column("weighted_total", "Weighted, total"),
        Column("weighted_mean", "Weighted, mean"),
    )
    return Table(
        "5",
        "Table 5",
        "T2J_FixCost: fix steps until a translation does what its reference does.",
        columns,
        rows,
        (
            "Total and mean as in Equation 1, over translations that were taken up for repair; of "
            "the others the cost is not known.",
            "Weighted: a step of average effort counts 1. Effort is active time, changed lines, "
            "changed tokens and rungs climbed, as far as they are known, each over its mean.",
            PAPER,
        ),
    )


def _row(setting: str, translations: int, cost: SettingCost) -> tuple[Cell, ...]:
    drill = {"setting": setting, "measure": "fixcost"}
    behaviour = drill | {"measure": "fixcost_behaviour"}
    head = (
        Cell(setting, drill={"setting": setting}),
        Cell(translations, drill={"setting": setting}),
        Cell(cost.all.drafts, drill=drill),
    )
    if not cost.all.drafts:
        return head + (Cell(None, why="no translation was taken up for repair", drill=drill),) * 9
    values = (cost.all.total, cost.all.mean, cost.all.median, cost.all.min, cost.all.max)
    return (
        *head,
        *(Cell(value, drill=drill) for value in values),
        Cell(cost.behaviour.total, drill=behaviour),
        Cell(cost.behaviour.mean, drill=behaviour),
        Cell(cost.weighted_total, drill=drill),
        Cell(cost.weighted_mean, drill=drill),
    )


def _effort(step: dict[str, float | None]) -> StepEffort:
    return StepEffort(**step)  # type: ignore[arg-type]
