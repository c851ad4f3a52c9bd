"""Run a candidate and the annotator's lines after it: `observed.npz`, `report.json`."""

from __future__ import annotations

from typing import Any

from . import observations, report, snippet
from .candidate_module import versions
from .jax_values import plain
from .seeds import set_seeds


def main() -> None:
    settings = report.job()
    state: dict[str, Any] = {"phase": "load", "error": None, "versions": versions()}
    name = "candidate"
    try:
        set_seeds(int(settings["seed"]))
        module = snippet.load(report.IN / "candidate.py", "candidate", settings["constants"])
        state["phase"], name = "observe", "observe_candidate"
        found = observations.collect(settings["observe"], "candidate", vars(module), plain)
        report.write("observed.npz", found)
        state["phase"] = "finished"
    except BaseException as error:
        described = snippet.describe_error(error, "candidate")
        if described["line"] is None:
            described = snippet.describe_error(error, name) | {"line": None}
        state["error"] = described
    report.write_json("report.json", state)


if __name__ == "__main__":
    main()
