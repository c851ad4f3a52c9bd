"""What it adds up to: experiments, their translations and scores; exports; dashboards' counts."""

from scoring.models.experiment import Experiment, Setting, Translation
from scoring.models.export import ExportJob, Release
from scoring.models.score import Score, Signature
from scoring.models.summary import DraftFact, Plan, Published, Summary, Tally

__all__ = [
    "DraftFact",
    "Experiment",
    "ExportJob",
    "Plan",
    "Published",
    "Release",
    "Score",
    "Setting",
    "Signature",
    "Summary",
    "Tally",
    "Translation",
]
