"""Every probe of a module, compared: outputs, train mode, gradients, short training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from executor.harness import recipe
from executor.harness.recipe import BadRecipe
from executor.parity.comparison import PROFILES, Tolerance, agree, compare, scale_of
from executor.parity.contract import Contract
from executor.parity.flatten import arrays, flatten
from executor.parity.module_candidate import Filled, Observed
from executor.parity.module_reference import Recorded
from executor.parity.outcome import Difference, Kind, Outcome, ProbeRecord, Stage

Array = np.ndarray[Any, Any]
# A JAX program may round this much worse than the reference does.
NOISE_FACTOR = 16.0
# Rounding never explains more than this share of the reference's scale.
NOISE_CAP = 1e-3
ROUNDING = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
HALF = {"bfloat16": "bf16", "float16": "fp16"}
CURVE_RTOL = 1e-4
MOVE_RTOL = 1e-3
# Gradients this far below the largest are compared on its scale: below lies rounding.
GRADIENT_FLOOR = 0.1


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares the probes of one module under one contract."""

    contract: Contract
    recorded: Recorded

    def outputs(self, found: Any) -> Iterator[ProbeRecord]:
        """One record per output leaf and case."""
        hidden = self.recorded.hidden["outputs"]
        double = self._double("outputs", {})
        for case in self.recorded.report["cases"]:
            theirs = found.get(case) if isinstance(found, dict) else None
            yield from self.tree(f"output({case})", hidden[case], theirs, double.get(case))

    def train(self, found: Any, mapping: tuple[Filled, ...]) -> Iterator[ProbeRecord]:
        """Output and running statistics of one train-mode call."""
        hidden = self.recorded.hidden["train"]
        theirs = found if isinstance(found, dict) else {}
        yield from self.tree(
            "train output", hidden["output"], theirs.get("output"), self._double("train", None)
        )
        statistics = theirs.get("statistics")
        yield from self._statistics(
            hidden, statistics if isinstance(statistics, dict) else {}, mapping
        )

    def _statistics(
        self, hidden: Mapping[str, Any], theirs: Mapping[str, Any], mapping: tuple[Filled, ...]
    ) -> Iterator[ProbeRecord]:
        taken = {name: entry for entry in mapping for name in recipe.names(entry.recipe)}
        for name, value in hidden["statistics"].items():
            entry = taken.get(name)
            if entry is None:
                continue
            record = self.array(f"statistic {name}", value, theirs.get(entry.path), entry=entry)
            biased = hidden["biased"].get(name)
            if record.outcome is Outcome.FAIL and biased is not None:
                other = self.array(f"statistic {name}", biased, theirs.get(entry.path), entry=entry)
                if other.outcome is Outcome.PASS:
                    record = replace(
                        other, message="Agrees with the biased variance that JAX libraries keep."
                    )
            yield record

    def gradients(self, found: Any, mapping: tuple[Filled, ...]) -> Iterator[ProbeRecord]:
        """The loss, and its gradient for every parameter and floating input."""
        hidden = self.recorded.hidden["gradients"]
        double = self._double("gradients", None) or {}
        theirs = found if isinstance(found, dict) else {}
        yield self.array(
            "loss",
            hidden["loss"],
            theirs.get("loss"),
            noise=_distance(hidden["loss"], double.get("loss")),
        )
        everything = [*hidden["parameters"].values(), *hidden["inputs"].values()]
        floor = GRADIENT_FLOOR * max((scale_of(each) for each in everything), default=0.0)
        for entry, expected, noise in self._mapped("gradients", "parameters", mapping, True):
            yield self.array(
                f"gradient {entry.path}",
                expected,
                _member(theirs, "parameters", entry.path),
                noise=noise,
                floor=floor,
                kind=Kind.GRADIENT_MISMATCH,
            )
        for name, value in hidden["inputs"].items():
            yield self.array(
                f"gradient {name}",
                value,
                _member(theirs, "inputs", name),
                noise=_distance(value, (double.get("inputs") or {}).get(name)),
                floor=floor if floor * 0.01 > scale_of(value) else 0.0,
                kind=Kind.GRADIENT_MISMATCH,
            )

    def training(self, found: Any, mapping: tuple[Filled, ...]) -> Iterator[ProbeRecord]:
        """The loss curve, and how far every parameter moved."""
        hidden = self.recorded.hidden["training"]
        double = self._double("training", None) or {}
        theirs = found if isinstance(found, dict) else {}
        yield self.array(
            "loss curve",
            hidden["losses"],
            theirs.get("losses"),
            tier=Stage.BEHAVIORAL,
            rtol=CURVE_RTOL,
            noise=_distance(hidden["losses"], double.get("losses")),
            kind=Kind.LOSS_CURVE_MISMATCH,
        )
        moves = hidden["moved"].values()
        floor = GRADIENT_FLOOR * max((scale_of(each) for each in moves), default=0.0)
        for entry, expected, noise in self._mapped("training", "moved", mapping, False):
            yield self.array(
                f"trained {entry.path}",
                expected,
                _member(theirs, "moved", entry.path),
                tier=Stage.BEHAVIORAL,
                rtol=MOVE_RTOL,
                noise=noise,
                floor=max(floor, self._step_floor(entry)),
            )

    def _step_floor(self, entry: Filled) -> float:
        """Half-precision parameters move in steps of their own rounding."""
        values = self.recorded.visible["parameters"]
        sources = [values[n] for n in recipe.names(entry.recipe) if n in values]
        half = [v for v in sources if v.dtype.name in HALF]
        if not half:
            return 0.0
        largest = max(float(np.abs(v.astype(np.float64)).max(initial=0.0)) for v in half)
        steps = 2 * ROUNDING[half[0].dtype.name] * largest
        return steps / PROFILES[HALF[half[0].dtype.name]].rtol

    def observed(self, found: Any, mapping: tuple[Filled, ...]) -> Iterator[ProbeRecord]:
        """The annotator's own probes."""
        theirs = found if isinstance(found, dict) else {}
        for name, value in self.recorded.hidden["observed"].items():
            yield from self.tree(name, value, theirs.get(name), None)

    def _mapped(
        self, phase: str, group: str, mapping: tuple[Filled, ...], average: bool
    ) -> Iterator[tuple[Filled, Array, float]]:
        """The reference's arrays in the candidate's layout, with their rounding error."""
        hidden = self.recorded.hidden[phase][group]
        double = (self._double(phase, None) or {}).get(group) or {}
        frozen = set(self.recorded.visible["frozen"])
        for entry in mapping:
            names = recipe.names(entry.recipe)
            if not all(name in hidden for name in names) or set(names) <= frozen:
                continue
            try:
                make = recipe.averaged if average else recipe.moved
                expected = make(entry.recipe, hidden)
            except BadRecipe:
                # A recipe that does not apply was not used either: nothing can agree with it.
                expected = np.full((0, 0), np.nan)
            noise = max(_distance(hidden[name], double.get(name)) for name in names)
            yield entry, expected, noise * len(names)

    def tree(self, name: str, reference: Any, candidate: Any, double: Any) -> list[ProbeRecord]:
        """Records of every leaf; a leaf that is missing or too much fails by itself."""
        ours, theirs = flatten(reference, name), flatten(candidate, name)
        exact = arrays(double, name)
        records = []
        for key, value in ours.items():
            if isinstance(value, str):
                continue
            other = theirs.get(key)
            noise = _distance(value, exact.get(key))
            records.append(self.array(key, value, other, noise=noise))
        surplus = [key for key, each in theirs.items() if key not in ours]
        if surplus and ours:
            records.append(_surplus(name, surplus[0], len(ours), len(theirs)))
        return records

    def array(
        self,
        name: str,
        reference: Array,
        candidate: Any,
        *,
        tier: Stage = Stage.NUMERIC,
        rtol: float | None = None,
        noise: float = 0.0,
        floor: float = 0.0,
        kind: Kind = Kind.VALUE_MISMATCH,
        entry: Filled | None = None,
    ) -> ProbeRecord:
        """Compare one array; what is not an array on the candidate's side is missing."""
        if entry is not None:
            try:
                reference = recipe.apply(entry.recipe, {recipe.names(entry.recipe)[0]: reference})
            except BadRecipe:
                return missing(name, tier, reference)
        if not isinstance(candidate, np.ndarray):
            return missing(name, tier, reference)
        allowed = self.tolerance(name, reference, rtol)
        noise = min(noise * NOISE_FACTOR, NOISE_CAP * max(scale_of(reference), floor))
        record = compare(
            name, tier, reference, candidate, replace(allowed, noise=noise, floor=floor), kind=kind
        )
        # Shapes and dtypes are the interface's.
        of_interface = record.kind in (Kind.SHAPE_MISMATCH, Kind.DTYPE_MISMATCH)
        return replace(record, tier=Stage.SPEC) if of_interface else record

    def accepts(self, case: str, reference: Mapping[str, Array], fake: Mapping[str, Any]) -> bool:
        """Whether one case's outputs would pass for the reference's, leaf by leaf."""
        exact = arrays(self._double("outputs", {}).get(case), "output")
        for name, value in reference.items():
            other = fake.get(name)
            probe = f"output({case}){name.removeprefix('output')}"
            noise = min(
                _distance(value, exact.get(name)) * NOISE_FACTOR, NOISE_CAP * scale_of(value)
            )
            allowed = replace(self.tolerance(probe, value, None), noise=noise)
            if not isinstance(other, np.ndarray) or not agree(value, other, allowed):
                return False
        return True

    def tolerance(self, name: str, reference: Array, rtol: float | None) -> Tolerance:
        """The tolerance of a probe: the contract's own, else by the reference's dtype."""
        profile = HALF.get(reference.dtype.name, self.contract.profile)
        if name.startswith(("loss", "gradient", "trained")):
            profile = self._half_profile() or profile
        allowed = replace(PROFILES[profile], allow_nan=self.contract.allow_nan)
        if rtol is not None:
            allowed = replace(allowed, rtol=max(rtol, allowed.rtol))
        for pattern, own in self.contract.tolerances.items():
            if fnmatchcase(name, pattern):
                allowed = replace(allowed, rtol=own)
        return allowed

    def _half_profile(self) -> str:
        """The profile of what is computed through half-precision numbers, "" where none is."""
        outputs = arrays(self.recorded.hidden["outputs"]["declared"], "output").values()
        passed = [*outputs, *self.recorded.visible["parameters"].values()]
        return next((HALF[v.dtype.name] for v in passed if v.dtype.name in HALF), "")

    def _double(self, phase: str, default: Any) -> Any:
        double = self.recorded.hidden.get("double")
        return double.get(phase, default) if isinstance(double, dict) else default


def missing(name: str, tier: Stage, reference: Array) -> ProbeRecord:
    """The record of an array that the candidate did not give."""
    return ProbeRecord(
        name=name,
        tier=Stage.SPEC if tier is Stage.NUMERIC else tier,
        outcome=Outcome.FAIL,
        kind=Kind.MISSING_OUTPUT,
        shape=tuple(reference.shape),
        dtype=reference.dtype.name,
        first_difference=Difference(name, (), str(reference.shape), None),
        message=f"{name}: the candidate gives no array, the reference one of shape "
        f"{tuple(reference.shape)}.",
    )


def _surplus(name: str, key: str, ours: int, theirs: int) -> ProbeRecord:
    return ProbeRecord(
        name=name,
        tier=Stage.SPEC,
        outcome=Outcome.FAIL,
        kind=Kind.SHAPE_MISMATCH,
        first_difference=Difference(name, (), f"{ours} arrays", f"{theirs} arrays"),
        message=f"{name}: the candidate returns {theirs} arrays ({key} is one too many), the "
        f"reference returns {ours}.",
    )


def _member(data: Mapping[str, Any], group: str, name: str) -> Any:
    found = data.get(group)
    return found.get(name) if isinstance(found, dict) else None


def _distance(single: Array, double: Any) -> float:
    """The reference's largest rounding error, 0 where it is not known."""
    if not isinstance(double, np.ndarray) or double.shape != single.shape or not single.size:
        return 0.0
    if single.dtype.kind not in "fc" or double.dtype.kind not in "fc":
        return 0.0
    with np.errstate(all="ignore"):
        gap = np.abs(single - double)
    gap = gap[np.isfinite(gap)]
    return float(gap.max()) if gap.size else 0.0


def records_of(
    judge: Judge, observed: Observed, wanted: Mapping[str, Any]
) -> dict[str, list[ProbeRecord]]:
    """Phase -> its records, for the phases that the reference recorded and the candidate left."""
    found: dict[str, list[ProbeRecord]] = {}
    outputs = observed.packet("outputs.npz")
    if outputs is not None:
        found["outputs"] = list(judge.outputs(outputs))
    makers = {
        "train": judge.train,
        "gradients": judge.gradients,
        "training": judge.training,
        "observed": judge.observed,
    }
    for phase, make in makers.items():
        packet = observed.packet(f"{phase}.npz") if phase in wanted else None
        if packet is not None:
            found[phase] = list(make(packet, observed.mapping))
    return {
        phase: [r for r in records if not _ignored(judge.contract, r.name)]
        for phase, records in found.items()
    }


def _ignored(contract: Contract, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in contract.ignore)
