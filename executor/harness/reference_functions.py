"""Run a reference and the annotator's lines after it, twice: `observed.npz`, `again.npz`."""

from __future__ import annotations

import platform
from typing import Any

import torch

from . import observations, report, snippet, torch_cpu
from .seeds import set_seeds
from .torch_values import plain


def main() -> None:
    settings = report.job()
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
    state: dict[str, Any] = {"ok": False, "error": None, "versions": versions, "phase": "load"}
    torch.set_num_threads(1)
    name = "reference"
    try:
        with torch_cpu.everything_on_cpu():
            for file_name, offset in (("observed.npz", 0), ("again.npz", 31337)):
                name = "reference"
                set_seeds(int(settings["seed"]) + offset)
                module = snippet.load(
                    report.IN / "reference.py", "reference", settings["constants"]
                )
                state["phase"], name = "observe", "observe_reference"
                found = observations.collect(settings["observe"], "reference", vars(module), plain)
                report.write(file_name, found)
        state["ok"] = True
    except BaseException as error:
        state["error"] = snippet.describe_error(error, name)
    report.write_json("report.json", state)


if __name__ == "__main__":
    main()
