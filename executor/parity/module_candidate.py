"""One run of a candidate module, read as hostile data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from executor.harness import effort, recipe
from executor.parity.arrays import Unreadable, read_json, read_packet
from executor.parity.contract import Contract
from executor.parity.module_reference import SHARED, Recorded, limits
from executor.sandbox.job import Job, JobResult

MAX_ENTRIES = 20_000
MAX_TEXT = 20_000
PROBES = ("train", "gradients", "training", "observed")
PHASES = (
    "import",
    "load",
    "own_inputs",
    "construct",
    "map_parameters",
    "outputs",
    "train",
    "gradients",
    "training",
    "observe",
    "alternatives",
    "finished",
)


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception that ended the candidate."""

    type: str
    text: str
    line: int | None
    traceback: str
    module: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Filled:
    """One parameter of the candidate, and how it was filled."""

    path: str
    recipe: Mapping[str, Any]
    certain: bool
    why: str
    open: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "candidate": self.path,
            "reference": recipe.names(self.recipe),
            "how": recipe.words(self.recipe),
            "certain": self.certain,
            "why": self.why,
            "open": list(self.open),
        }


@dataclass(frozen=True, slots=True)
class Observed:
    """What one candidate's run left."""

    result: JobResult
    unreadable: str = ""
    phase: str = ""
    error: Raised | None = None
    library: str = ""
    has_mode: bool = False
    own_inputs: Sequence[tuple[tuple[int, ...], str]] | None = None
    mapping: tuple[Filled, ...] = ()
    extra: tuple[str, ...] = ()
    tree: Mapping[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unanswered: bool = False
    times: Mapping[str, float] = field(default_factory=dict)

    def packet(self, name: str) -> Any:
        """One phase's packet, None when it was not left or cannot be read."""
        try:
            return read_packet(self.result.files, name)
        except Unreadable:
            return None


def job(
    code: str,
    contract: Contract,
    recorded: Recorded,
    runtime: str,
    forced: Mapping[str, Any],
) -> Job:
    """The job that runs the candidate: its code, the inputs, the initial parameters."""
    report = recorded.report
    probes = [name for name in PROBES if name in recorded.hidden]
    settings = {
        "seed": contract.seed,
        "constants": dict(report["constants"]),
        "pins": {p: {"source": q.source, "layout": q.layout} for p, q in contract.pins.items()},
        "forced": dict(forced),
        "probes": probes,
        "reference": {"modules": report["modules"], "calls": report["calls"]},
        "varied": report.get("varied", []),
        "sharp_case": recorded.sharp_case,
        "mode_matters": bool(report.get("mode_matters")),
        "training_steps": contract.training_steps,
        "observe": contract.observe_candidate,
        "optimise": effort.is_worth_it(recorded.result.cpu_s),
    }
    return Job(
        runtime=runtime,
        entry="candidate_module",
        files={
            "candidate.py": code.encode(),
            "job.json": json.dumps(settings).encode(),
            SHARED: recorded.shared,
        },
        limits=limits(contract),
        cache_scope=recorded.key,
    )


def read(result: JobResult) -> Observed:
    """Read a candidate's report. Never raises for what a candidate left."""
    try:
        report = read_json(result.files, "report.json")
    except Unreadable as error:
        return Observed(result, unreadable=str(error))
    phase = report.get("phase")
    return Observed(
        result=result,
        phase=phase if phase in PHASES else "import",
        error=_error(report.get("error")),
        library=_text(report.get("library"), 40),
        has_mode=report.get("has_mode") is True,
        own_inputs=_shapes(report.get("own_inputs")),
        mapping=tuple(_mapping(report.get("mapping"))),
        extra=_texts(report.get("extra")),
        tree=_tree(report.get("tree")),
        versions=_versions(report.get("versions")),
        notes=_texts(report.get("notes"))[:20],
        unanswered=bool(report.get("unanswered")),
        times=_times(report.get("times")),
    )


def _error(data: Any) -> Raised | None:
    if not isinstance(data, dict):
        return None
    line = data.get("line")
    return Raised(
        type=_text(data.get("type"), 200) or "Error",
        text=_text(data.get("text"), MAX_TEXT),
        line=line if isinstance(line, int) and 0 < line < 10_000_000 else None,
        traceback=_text(data.get("traceback"), 2 * MAX_TEXT),
        module=_text(data.get("module"), 200),
        ours=data.get("ours") is True,
    )


def _mapping(data: Any) -> list[Filled]:
    if not isinstance(data, list) or len(data) > MAX_ENTRIES:
        return []
    return [entry for each in data if (entry := _filled(each)) is not None]


def _filled(data: Any) -> Filled | None:
    if not isinstance(data, dict) or not isinstance(data.get("recipe"), dict):
        return None
    plan = data["recipe"]
    try:
        recipe.names(plan)
        recipe.words(plan)
        combine, steps = str(plan["combine"]), list(plan["steps"])
        sources = [{"name": str(s["name"]), "steps": list(s["steps"])} for s in plan["sources"]]
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return Filled(
        path=_text(data.get("candidate"), 500),
        recipe={"sources": sources, "combine": combine, "steps": steps},
        certain=data.get("certain") is True,
        why=_text(data.get("why"), 100),
        open=_texts(data.get("open"))[:20],
    )


def _tree(data: Any) -> dict[str, tuple[tuple[int, ...], str]]:
    if not isinstance(data, list) or len(data) > MAX_ENTRIES:
        return {}
    found = {}
    for each in data:
        if isinstance(each, dict) and (shape := _shape(each.get("shape"))) is not None:
            found[_text(each.get("path"), 500)] = (shape, _text(each.get("dtype"), 40))
    return found


def _shapes(data: Any) -> list[tuple[tuple[int, ...], str]] | None:
    if not isinstance(data, list) or len(data) > MAX_ENTRIES:
        return None
    found = []
    for each in data:
        if not isinstance(each, list) or len(each) != 2 or (shape := _shape(each[0])) is None:
            return None
        found.append((shape, _text(each[1], 40)))
    return found


def _shape(data: Any) -> tuple[int, ...] | None:
    if not isinstance(data, list) or not all(isinstance(n, int) for n in data):
        return None
    return tuple(data)


def _versions(data: Any) -> dict[str, str]:
    if not isinstance(data, dict):
        return {}
    return {_text(key, 40): _text(value, 80) for key, value in list(data.items())[:40]}


def _times(data: Any) -> dict[str, float]:
    if not isinstance(data, dict):
        return {}
    return {
        name: float(data[name])
        for name in PHASES
        if isinstance(data.get(name), int | float) and 0 <= data[name] < 1e6
    }


def _texts(data: Any) -> tuple[str, ...]:
    if not isinstance(data, list):
        return ()
    return tuple(_text(each, 500) for each in data[:MAX_ENTRIES] if isinstance(each, str))


def _text(value: Any, limit: int) -> str:
    return value[:limit] if isinstance(value, str) else ""
