"""What machines find out: runs and their verdicts, and the machines themselves."""

from executor.models.import_job import ImportJob
from executor.models.measurement import Measurement
from executor.models.run import Run
from executor.models.verdict import Verdict
from executor.models.worker import Worker

__all__ = ["ImportJob", "Measurement", "Run", "Verdict", "Worker"]
