"""Work in other processes, and what becomes of them when the one that shares it out is killed."""

import subprocess
import sys
from pathlib import Path

import psutil
from django.conf import settings

from scoring.metrics.parallel import over_processes
from tests.waiting import until

SHARES_OUT = """
import time
from scoring.metrics.parallel import over_processes

if __name__ == "__main__":
    over_processes(time.sleep, [300.0] * 4, processes=2)
"""


def test_results_come_in_order() -> None:
    assert over_processes(abs, [-3, 2, -1], processes=2) == [3, 2, 1]


def test_killed_it_leaves_no_process(tmp_path: Path) -> None:
    program = tmp_path / "shares_out.py"
    program.write_text(SHARES_OUT)
    process = subprocess.Popen(
        [sys.executable, program], env={"PYTHONPATH": str(settings.BASE_DIR)}
    )
    parent = psutil.Process(process.pid)
    # Two that work and the one that keeps track of what they share.
    until(lambda: len(parent.children()) == 3)
    children = parent.children()
    until(lambda: sum(child.cpu_times().user for child in children) > 0)
    process.kill()
    process.wait()
    until(lambda: not any(map(runs, children)), 60)


def runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
