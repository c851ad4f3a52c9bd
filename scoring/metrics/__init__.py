"""Metrics of translations, plain Python. A new one is one module and one line here.

`COMPUTED` metrics work on what is stored; `JUDGED` ones ask a language model.
"""

from scoring.metrics.base import Computed, Judged, Measure, Metric
from scoring.metrics.codebleu import CodeBLEU
from scoring.metrics.comparison import Comparison
from scoring.metrics.execution import Execution
from scoring.metrics.fix_steps import FixSteps
from scoring.metrics.judges import CodeTrans
from scoring.metrics.run_time import RunTime

COMPUTED: dict[str, Computed] = {
    metric.name: metric
    for metric in (CodeBLEU(), CodeBLEU(strict=True), Execution(), FixSteps(), RunTime())
}
JUDGED: dict[str, Judged] = {
    metric.name: metric
    for metric in (
        CodeTrans("use_ref", "Usefulness, with reference"),
        CodeTrans("use_noref", "Usefulness, without reference"),
        CodeTrans("func_ref", "Function, with reference"),
        CodeTrans("func_noref", "Function, without reference"),
        Comparison(),
    )
}
METRICS: dict[str, Metric] = {**COMPUTED, **JUDGED}
MEASURES: dict[str, Measure] = {
    measure.name: measure for metric in METRICS.values() for measure in metric.measures
}

__all__ = ["COMPUTED", "JUDGED", "MEASURES", "METRICS", "Computed", "Judged", "Measure", "Metric"]
