"""Files that people take away. A new format is one module and one line in FORMATS."""

from curation.models import Dataset
from scoring.exporters.base import CannotWrite, Export, Exporter, ExportFile, Tally, check, write
from scoring.exporters.croissant import CroissantExporter
from scoring.exporters.dpo import DpoExporter
from scoring.exporters.hf import HuggingFaceExporter
from scoring.exporters.openai_dpo import OpenAIDpoExporter
from scoring.exporters.openai_sft import OpenAISftExporter
from scoring.exporters.options import BY_PROBLEM, USUAL, ExportRefused, Only, Options
from scoring.exporters.sft import SftExporter
from scoring.exporters.snapshot import SnapshotExporter
from scoring.exporters.statistics import StatisticsExporter
from scoring.exporters.stepwise import StepwiseExporter
from scoring.exporters.t2j import T2JExporter

FORMATS: dict[str, Exporter] = {
    exporter.name: exporter
    for exporter in (
        T2JExporter(),
        SftExporter(),
        DpoExporter(),
        StepwiseExporter(),
        OpenAISftExporter(),
        OpenAIDpoExporter(),
        HuggingFaceExporter(),
        CroissantExporter(),
        StatisticsExporter(),
        SnapshotExporter(),
    )
}


def make(name: str, dataset: Dataset, options: Options = USUAL) -> Export:
    """An export of a dataset; nothing is read from it yet.

    Raises:
        ExportRefused: there is no such format, or it is not made that way.
    """
    if name not in FORMATS:
        raise ExportRefused(f"There is no export format {name}. Formats: {', '.join(FORMATS)}.")
    check(FORMATS[name], options)
    return FORMATS[name].export(dataset, options)


__all__ = [
    "BY_PROBLEM",
    "FORMATS",
    "CannotWrite",
    "Export",
    "ExportFile",
    "ExportRefused",
    "Exporter",
    "Only",
    "Options",
    "Tally",
    "make",
    "write",
]
