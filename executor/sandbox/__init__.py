"""Runs untrusted programs in boxes of Linux namespaces. Plain Python, no Django.

    from executor import sandbox
    result = sandbox.run(sandbox.Job(runtime="jax", entry="probe", files={"code.py": b"..."}))

`docs/sandbox.md` says what a box holds back and what each platform gets.
"""

from .job import Job, JobResult, Limits, SandboxUnavailable
from .runner import close, isolation_report, prepare, require, run
from .selftest import Probe, SelfTest, selftest
from .stop import Stop, Stopped

__all__ = [
    "Job",
    "JobResult",
    "Limits",
    "Probe",
    "SandboxUnavailable",
    "SelfTest",
    "Stop",
    "Stopped",
    "close",
    "isolation_report",
    "prepare",
    "require",
    "run",
    "selftest",
]
