"""Table 2: what each setting's translations are worth, by metric, by judge and by execution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from scoring.metrics import MEASURES, Measure
from scoring.statistics.pass_at_k import pass_at_k
from scoring.tables.aggregate import Summary
from scoring.tables.base import Cell, Column, Table
from scoring.tables.data import Choice, Data

CODEBLEU = (
    "codebleu",
    *(f"codebleu_{p}" for p in ("ngram", "weighted_ngram", "syntax", "dataflow")),
)
JUDGED = ("use_ref", "use_noref", "func_ref", "func_noref")
EXECUTED = ("parses", "runs", "matches")
PAPER = (
    "Reference: the paper (arXiv 2510.09898, abstract) reports for GPT-4o-mini with its augmented "
    "prompt up to 10 % more CodeBLEU, 1.33 points more T2J_CodeTrans, 100 % of comparisons won."
)


def table_2(data: Data) -> Table:
    """A row per setting."""
    columns, rows = _columns(data), []
    for setting in data.settings:
        cells = [
            Cell(setting.name, drill={"setting": setting.name}),
            Cell(setting.model.name, drill={"setting": setting.name}),
            Cell(setting.prompt.template.use, drill={"setting": setting.name}),
            Cell(setting.count, drill={"setting": setting.name, "measure": "matches"}),
        ]
        cells += [_mean(data, setting.name, name) for name in CODEBLEU]
        for judge in data.judges:
            cells += [_mean(data, setting.name, name, judge) for name in JUDGED]
            cells += comparison_cells(data, setting.name, judge)
        cells += [_mean(data, setting.name, name, percent=True) for name in EXECUTED]
        cells += [_pass_at(data, setting.name, k) for k in _ks(data)]
        rows.append(tuple(cells))
    notes = [
        "Means over translations with 95 % intervals (t distribution; Wilson for shares); repeats "
        "of a judge are averaged first.",
        "Shares are of decided translations: an undecided verdict is neither a pass nor a fail. "
        "An answer without code counts as one that does not parse.",
        f"T2J_Comparison is against {data.baseline}, both orders asked; a win counts only when "
        "both orders say so, everything else but a loss is a tie.",
        f"CodeBLEU and judges with reference are against {_reference(data)}.",
        *_unscored(data),
        PAPER,
    ]
    return Table(
        "2",
        "Table 2",
        "Translation quality by setting.",
        columns,
        tuple(rows),
        tuple(notes),
    )


def _reference(data: Data) -> str:
    name = data.names.get(data.experiment.reference_id or 0)
    return f"the translations of {name}" if name else "the dataset's fixed code"


def _columns(data: Data) -> tuple[Column, ...]:
    columns = [
        Column("setting", "Setting"),
        Column("model", "Model"),
        Column("prompt", "Prompt"),
        Column("translations", "Translations"),
        *(Column(name, MEASURES[name].title, 3, interval=True) for name in CODEBLEU),
    ]
    several = len(data.judges) > 1
    for judge in data.judges:
        key, title = (f"_{judge}", f" ({judge})") if several else ("", "")
        columns += [
            Column(f"{name}{key}", MEASURES[name].title + title, interval=True) for name in JUDGED
        ]
        columns += [
            Column(f"comparison{key}", f"Comparison won{title}", percent=True, interval=True),
            Column(f"ties{key}", f"Comparison tied{title}", percent=True),
            Column(f"orders_agree{key}", f"Orders agree{title}", percent=True),
        ]
    columns += [
        Column(name, MEASURES[name].title, percent=True, interval=True) for name in EXECUTED
    ]
    return (*columns, *(Column(f"pass_at_{k}", f"pass@{k}", percent=True) for k in _ks(data)))


def _mean(
    data: Data, setting: str, measure: str, judge: str = "", *, percent: bool = False
) -> Cell:
    drill = {"setting": setting, "measure": measure, "judge": judge}
    summary = data.summaries.get((setting, measure, judge))
    if summary is None:
        return Cell(None, n=0, why="not scored yet", drill=drill)
    if summary.mean is None:
        return Cell(None, n=0, why="no score has a value", drill=drill)
    low, high = _share_interval(summary) if percent else _t_interval(summary, MEASURES[measure])
    return Cell(summary.mean, n=summary.n, low=low, high=high, drill=drill)


def _t_interval(summary: Summary, measure: Measure) -> tuple[float | None, float | None]:
    """The interval of the mean, as far as the scale goes."""
    if summary.mean is None or summary.sd is None:
        return None, None
    reach = float(stats.t.ppf(0.975, summary.n - 1)) * summary.sd / math.sqrt(summary.n)
    low, high = summary.mean - reach, summary.mean + reach
    return max(0.0, low), high if measure.high is None else min(measure.high, high)


def _share_interval(summary: Summary) -> tuple[float | None, float | None]:
    """Wilson's interval: shares near 0 and 1 have no symmetrical one."""
    return wilson((summary.mean or 0) * summary.n, summary.n)


def wilson(hits: float, n: int) -> tuple[float, float]:
    z = float(stats.norm.ppf(0.975))
    share, room = hits / n, z * z / n
    middle = (share + room / 2) / (1 + room)
    reach = z * math.sqrt(share * (1 - share) / n + room / (4 * n)) / (1 + room)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def comparison_cells(data: Data, setting: str, judge: str) -> list[Cell]:
    """Won, tied and agreed shares of a setting against the baseline."""
    pair = f"{data.baseline},{setting}"
    drill = {"setting": pair, "measure": "comparison", "judge": judge}
    if setting == data.baseline:
        return [Cell(None, why="the baseline", drill=drill)] * 3
    counts = tally(data.choices, data.baseline, setting, judge)
    if not counts.both:
        return [Cell(None, n=0, why="not compared yet", drill=drill)] * 3
    low, high = wilson(counts.won, counts.both)
    return [
        Cell(counts.won / counts.both, n=counts.both, low=low, high=high, drill=drill),
        Cell(counts.tied / counts.both, n=counts.both, drill=drill),
        Cell(counts.agreed / counts.both, n=counts.both, drill=drill),
    ]


@dataclass(slots=True)
class Tally:
    """Comparisons of a setting with the baseline that were answered in both orders.

    `won` and `lost` where both orders say so; `agreed` where they say the same.
    """

    both: int = 0
    won: int = 0
    lost: int = 0
    agreed: int = 0

    @property
    def tied(self) -> int:
        return self.both - self.won - self.lost


def tally(choices: Sequence[Choice], baseline: str, setting: str, judge: str) -> Tally:
    """How `setting` does against `baseline` in the eyes of a judge."""
    counts = Tally()
    for choice in choices:
        if {choice.first, choice.second} != {baseline, setting} or choice.judge != judge:
            continue
        if choice.forward is None or choice.backward is None:
            continue
        counts.both += choice.count
        if choice.forward == choice.backward:
            sign = 1 if choice.second == setting else -1
            counts.agreed += choice.count
            counts.won += choice.count * (choice.forward * sign > 0)
            counts.lost += choice.count * (choice.forward * sign < 0)
    return counts


def _ks(data: Data) -> list[int]:
    most = max((setting.samples for setting in data.settings), default=1)
    return [k for k in (1, 5, 10) if k <= most]


def _pass_at(data: Data, setting: str, k: int) -> Cell:
    values = [(pass_at_k(n, right, k), each) for n, right, each in data.samples.get(setting, [])]
    known = [(value, examples) for value, examples in values if value is not None]
    drill = {"setting": setting, "measure": "matches"}
    count = sum(examples for _, examples in known)
    if not count:
        return Cell(None, n=0, why=f"no example has {k} decided samples", drill=drill)
    return Cell(sum(value * each for value, each in known) / count, n=count, drill=drill)


def _unscored(data: Data) -> list[str]:
    """How many scores are open, said per measure."""
    names = (*CODEBLEU[:1], "codebleu_dataflow", *JUDGED, "matches")
    said = []
    for name in names:
        rows = [row for (_, measure, _), row in data.summaries.items() if measure == name]
        asked = sum(setting.count for setting in data.settings) * max(
            1, len({r.judge for r in rows})
        )
        missing = asked - sum(row.n for row in rows)
        if rows and missing:
            said.append(f"{MEASURES[name].title}: {missing} of {asked} translations have no value.")
    return said
