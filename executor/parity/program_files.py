"""Files that two runs wrote and figures that they drew, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from executor.parity.outcome import Kind, Outcome, ProbeRecord, Stage
from executor.parity.program_compare import Yardstick, array_failure, compare_array
from executor.parity.program_printed import compare_text
from executor.parity.program_side import Array, Side, WrittenFile, read_arrays


def compare_files(reference: Side, candidate: Side, yardstick: Yardstick) -> list[ProbeRecord]:
    """One record for each text, array or image file that the reference wrote."""
    records: list[ProbeRecord] = []
    for name, ours in sorted(reference.files.items()):
        if ours.kind == "other":
            continue
        theirs = candidate.files.get(name)
        records.append(compare_file(name, ours, theirs, yardstick))
    return records


def compare_file(
    name: str, ours: WrittenFile, theirs: WrittenFile | None, yardstick: Yardstick
) -> ProbeRecord:
    probe = f"file: {name}"
    base = ProbeRecord(probe, Stage.BEHAVIORAL, Outcome.PASS)
    if theirs is None or theirs.kind != ours.kind:
        return array_failure(base, Kind.MISSING_OUTPUT, (), "written", "not written")
    if ours.kind == "text":
        records = compare_text(ours.text, theirs.text, Yardstick(yardstick.rtol))
        return worst(base, records)
    if ours.kind == "image":
        return compare_image(base, ours.arrays.get("pixels"), theirs.arrays.get("pixels"))
    records = [
        compare_array(f"{probe} {key}".strip(), array, theirs.arrays[key], None, yardstick)
        if key in theirs.arrays
        else array_failure(base, Kind.MISSING_OUTPUT, (), f"array {key!r}", "no such array")
        for key, array in sorted(ours.arrays.items())
    ]
    return worst(base, records)


def compare_image(base: ProbeRecord, ours: Array | None, theirs: Array | None) -> ProbeRecord:
    """Same size, and pixels alike: curves drawn a hair apart touch few pixels."""
    if ours is None or theirs is None or ours.shape != theirs.shape:
        shapes = [str(None if each is None else each.shape) for each in (ours, theirs)]
        return array_failure(base, Kind.SHAPE_MISMATCH, (), *shapes)
    gap = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    share = float(np.mean(gap > 32)) if gap.size else 0.0
    if share > 0.02:
        return array_failure(
            base, Kind.VALUE_MISMATCH, (), "the image", f"an image with {share:.1%} other pixels"
        )
    return base


def worst(base: ProbeRecord, records: Sequence[ProbeRecord]) -> ProbeRecord:
    """The first failing record under the file's own name, else the passing base."""
    failing = next((each for each in records if each.outcome is Outcome.FAIL), None)
    return base if failing is None else replace(failing, name=base.name)


def compare_shown(
    reference: Side, candidate: Side, again: Side | None, yardstick: Yardstick
) -> list[ProbeRecord]:
    """One record for each part of a figure, and each TensorBoard curve, that both programs make."""
    records = []
    for kind, key in (("plot", "plots"), ("scalar", "scalars")):
        ours, theirs, nudged = (arrays_under(key, each) for each in (reference, candidate, again))
        records += [
            compare_array(f"{kind}: {name}", array, theirs[name], nudged.get(name), yardstick)
            for name, array in ours.items()
            if name in theirs
        ]
    return records


def arrays_under(key: str, side: Side | None) -> Mapping[str, Array]:
    return {} if side is None else read_arrays(side.extra.get(key))
