"""Everything of a dataset, to be taken in by another server, or kept as a release."""

from functools import partial

from curation.models import Dataset
from scoring.exporters.base import Export, ExportFile, Tally
from scoring.exporters.options import USUAL, Only, Options
from scoring.snapshots.write import write_snapshot


class SnapshotExporter:
    name = "snapshot"
    title = "Snapshot: everything, to be imported again"
    takes: frozenset[str] = frozenset()
    usual = Only.ALL

    def export(self, dataset: Dataset, options: Options = USUAL) -> Export:
        tally = Tally()
        read = partial(write_snapshot, dataset, tally)
        file = ExportFile(f"{dataset.slug}-snapshot.zip", "application/zip", read)
        return Export((file,), tally)
