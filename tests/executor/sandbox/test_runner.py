"""What callers of the sandbox rely on: results, warmth, recovery, the compilation cache."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from executor import runtimes, sandbox
from executor.runtimes import PROJECT
from executor.sandbox import (
    Job,
    JobResult,
    Limits,
    SandboxUnavailable,
    Stop,
    Stopped,
    pool,
    zygotes,
)
from executor.sandbox.zygotes import Zygote

from .host import clean_host

PATIENT = Limits(wall_s=60)


def program(
    code: str, *, runtime: str = "jax", warm: bool = True, scope: str | None = None,
    limits: Limits = PATIENT, **files: bytes,
) -> JobResult:  # fmt: skip
    texts = {"code.py": code.encode()} | {name.replace("_dot_", "."): files[name] for name in files}
    return sandbox.run(Job(runtime, "selftest_program", texts, limits, scope), warm=warm)


def warm_zygote(runtime: str = "jax") -> Zygote:
    sandbox.prepare(runtime)
    zygote = pool.shared._shelves[runtime, None].zygote
    assert zygote is not None
    return zygote


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_a_program_gets_its_files_and_gives_its_results(warm: bool) -> None:
    code = (
        "import sys, os\n"
        "text = open('/work/in/data.csv').read()\n"
        "open('/work/out/copy.txt', 'w').write(text.upper())\n"
        "print(os.getcwd(), os.environ['HOME'], sys.stdin.read() == '')\n"
        "print('careful', file=sys.stderr)\n"
        "sys.exit(3)\n"
    )
    result = program(code, warm=warm, data_dot_csv=b"a,b\n")
    assert (result.end, result.exit_code, result.signal, result.detail) == ("exited", 3, None, "")
    assert result.stdout == "/work /tmp True\n"
    assert result.stderr == "careful\n"
    assert result.files == {"copy.txt": b"A,B\n"}
    assert result.isolation.startswith("namespaces+seccomp+rlimits+")


def test_what_was_printed_before_the_time_ran_out_is_kept() -> None:
    result = program("print('so far')\nwhile True: pass", limits=Limits(wall_s=0.5))
    assert (result.end, result.stdout) == ("timeout", "so far\n")
    assert result.detail == "It ran longer than 0.5 s."
    assert 0.5 <= result.wall_s < 2


def test_use_is_measured() -> None:
    code = (
        "import time\n"
        "x = b'x' * (300 << 20)\n"
        "end = time.process_time() + 0.4\n"
        "while time.process_time() < end: pass\n"
    )
    result = program(code)
    assert result.end == "exited"
    assert 0.4 <= result.cpu_s <= result.wall_s * 2 + 0.1
    assert 300 <= result.peak_memory_mb <= 700


def test_a_warm_box_has_the_packages_imported_and_no_backend() -> None:
    code = (
        "import sys, jax\n"
        "from jax._src import xla_bridge\n"
        "print('optax' in sys.modules, xla_bridge.backends_are_initialized())\n"
        "print(jax.jit(lambda x: x + 1)(1), jax.devices()[0].platform)\n"
    )
    assert program(code).stdout == "True False\n2 cpu\n"


def test_the_reference_side_runs_torch_with_workers_and_without_jax() -> None:
    code = (
        "import torch\n"
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "data = TensorDataset(torch.arange(32.0))\n"
        "print(len(list(DataLoader(data, batch_size=4, num_workers=2))), torch.get_num_threads())\n"
        "try:\n    import jax\nexcept ImportError:\n    print('no jax')\n"
    )
    result = program(code, runtime="torch")
    assert (result.stdout, result.end) == ("8 1\nno jax\n", "exited"), result.stderr


def test_torch_is_an_import_error_for_candidates() -> None:
    assert "ModuleNotFoundError: No module named 'torch'" in program("import torch").stderr


def test_threads_share_one_zygote_and_keep_their_results_apart() -> None:
    zygote = warm_zygote()
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda n: program(f"print({n} ** 2)"), range(24)))
    assert [result.stdout for result in results] == [f"{n * n}\n" for n in range(24)]
    assert warm_zygote() is zygote


@pytest.mark.parametrize("generation", [0, 1, 2], ids=["room", "steward", "zygote"])
def test_a_killed_zygote_is_replaced_and_no_job_is_lost(generation: int) -> None:
    zygote = warm_zygote()
    family = [psutil.Process(zygote.pid)]
    for _ in range(generation):
        family.append(family[-1].children()[0])
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(program, "import time; time.sleep(1); print('done')")
        time.sleep(0.4)
        family[-1].kill()
        assert job.result().stdout == "done\n"
    assert program("print('next')").stdout == "next\n"
    assert warm_zygote() is not zygote


def test_a_zygote_is_replaced_after_its_share_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.close()
    monkeypatch.setattr(pool, "JOBS_PER_ZYGOTE", 3)
    with clean_host():
        first = warm_zygote()
        results = [program(f"print({n})") for n in range(6)]
        assert warm_zygote() is not first
        sandbox.close()
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(6)]


def test_a_changed_harness_is_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = tmp_path / "harness"
    harness.mkdir()
    (harness / "__init__.py").touch()
    monkeypatch.setattr(zygotes, "HARNESS", harness)
    for text in ("first", "second one"):
        (harness / "probe.py").write_text(f"def main():\n    print({text!r})\n")
        assert sandbox.run(Job("jax", "probe", {})).stdout == f"{text}\n"
    sandbox.close()


def test_a_broken_harness_module_is_told_by_its_own_job_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = tmp_path / "harness"
    harness.mkdir()
    (harness / "__init__.py").touch()
    (harness / "broken.py").write_text("def main(:\n")
    (harness / "sound.py").write_text("def main():\n    print('sound')\n")
    monkeypatch.setattr(zygotes, "HARNESS", harness)
    assert sandbox.run(Job("jax", "sound", {})).stdout == "sound\n"
    assert "SyntaxError" in sandbox.run(Job("jax", "broken", {})).stderr
    sandbox.close()


def test_a_forked_worker_gets_its_own_zygote() -> None:
    mine = warm_zygote()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, f"{warm_zygote().pid} {program('print(1)').stdout}".encode())
            sandbox.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    pid, printed = os.read(read, 100).split()
    assert (int(pid) != mine.pid, printed) == (True, b"1")
    assert mine.alive()
    assert program("print(2)").stdout == "2\n"


_PARENT = """
import sys, time
sys.path.insert(0, {project!r})
from executor import sandbox
from executor.sandbox import Job
sandbox.prepare("jax")
print("ready", flush=True)
sandbox.run(Job("jax", "selftest_program", {{"code.py": b"import time; time.sleep(600)"}}))
"""


def test_nothing_outlives_a_killed_worker() -> None:
    code = _PARENT.format(project=str(PROJECT))
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    time.sleep(0.5)
    family = psutil.Process(parent.pid).children(recursive=True)
    assert len(family) >= 5
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_a_compilation_is_kept_for_its_scope_only(own_compile_cache: Path) -> None:
    code = (
        "import jax, os\n"
        "print(len(os.listdir('/tmp/compile-cache')))\n"
        "jax.jit(lambda x: (x @ x).sum())(jax.numpy.ones((8, 8)))\n"
    )
    held = [program(code, scope=scope).stdout for scope in ("one", "one", "two")]
    assert held[0] == held[2] == "0\n"
    assert int(held[1]) > 0
    assert own_compile_cache.stat().st_mode & 0o777 == 0o700


def test_a_job_cannot_change_what_its_scope_holds(own_compile_cache: Path) -> None:
    write = "open('/tmp/compile-cache/entry', 'w').write({!r})"
    read = "print(open('/tmp/compile-cache/entry').read())"
    program(write.format("honest"), scope="one")
    program(write.format("poisoned"), scope="one")
    assert program(read, scope="one").stdout == "honest\n"
    assert "FileNotFoundError" in program(read, scope="two").stderr
    assert "No such file" in program("open('/tmp/compile-cache/../../root/x', 'w')").stderr


def test_a_scope_holds_a_limited_amount(
    own_compile_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.compile_cache, "SCOPE_MB", 2)
    for name in "abc":
        program(f"open('/tmp/compile-cache/{name}', 'wb').write(bytes(900_000))", scope="one")
    kept = sorted(path.name for path in own_compile_cache.glob("*/*"))
    assert kept == ["b", "c"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "a b", "a\n"])
def test_job_files_cannot_leave_their_folder(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a job file"):
        Job("jax", "selftest_program", {name: b""})


def test_a_missing_entry_is_told_as_an_import_error() -> None:
    result = sandbox.run(Job("jax", "no_such_entry", {}))
    assert (result.end, result.exit_code) == ("exited", 1)
    assert "No module named 'harness.no_such_entry'" in result.stderr


def test_a_runtime_that_is_not_installed_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T2J_RUNTIMES", str(tmp_path))
    with pytest.raises(SandboxUnavailable) as caught:
        program("pass")
    assert str(caught.value) == ("Runtime 'jax' is not installed: ./t2j manage install_runtime jax")


def test_a_project_inside_a_system_folder_stays_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in an image that puts the project into /usr/src; only root may try it.
    if os.geteuid():
        pytest.skip("only root can write below /usr")
    place = Path("/usr/local/share/t2j-test-project")
    place.mkdir()
    try:
        (place / "secret").write_text("secret")
        monkeypatch.setenv("T2J_DATA", str(place))
        result = program(f"import os; print(os.listdir({str(place)!r}))", warm=False)
    finally:
        shutil.rmtree(place)
    assert result.stdout == "[]\n"


def test_the_selftest_tells_what_it_tried() -> None:
    told = sandbox.selftest()
    assert (told.held, told.why) == (True, "")
    assert [probe.name for probe in told.probes] == [
        "network", "host files", "processes", "environment", "rights", "memory",
        "process count", "disk", "output", "time",
    ]  # fmt: skip
    assert sandbox.isolation_report()["level"] == told.level


def _when_it_runs(process: psutil.Process, fewest: int) -> None:
    end = time.monotonic() + 120
    while len(process.children(recursive=True)) < fewest and time.monotonic() < end:
        time.sleep(0.01)


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_a_stopped_job_is_killed_at_once_and_leaves_nothing(warm: bool) -> None:
    zygote = warm_zygote()
    code = "import os, time\nfor _ in range(3):\n    os.fork()\ntime.sleep(600)"
    job = Job("jax", "selftest_program", {"code.py": code.encode()}, Limits(wall_s=600))
    stop = Stop()
    with clean_host(), ThreadPoolExecutor(1) as threads:
        before = len(psutil.Process().children(recursive=True))
        running = threads.submit(sandbox.run, job, warm=warm, stop=stop)
        _when_it_runs(psutil.Process(), before + 8)
        stop.set()
        with pytest.raises(Stopped):
            running.result()
        with pytest.raises(Stopped):
            sandbox.run(job, warm=warm, stop=stop)
    assert warm_zygote() is zygote
    assert program("print('next')").stdout == "next\n"


def test_an_abandoned_box_says_so_once_its_processes_are_gone() -> None:
    """A program holds a GPU's memory until its end, and the next run waits for the GPU."""
    code = "open('/proc/self/comm', 'w').write('t2j-held')\nwhile True: pass"
    job = Job("jax", "selftest_program", {"code.py": code.encode()}, Limits(wall_s=600))
    end = time.monotonic() + 60
    with contextlib.closing(pool.shared.take(runtimes.load("jax"))) as box:
        box.start(job, None)
        while not _alive("t2j-held") and time.monotonic() < end:
            time.sleep(0.01)
        assert _alive("t2j-held")
        box.abandon()
        outcome, _ = box.finish(job)
        assert not _alive("t2j-held")
    assert (outcome["end"], outcome["detail"]) == ("infrastructure", "the caller went away")


def _alive(name: str) -> bool:
    """Whether a process of this name lives or is ending (a zombie holds nothing any more)."""
    dead = psutil.STATUS_ZOMBIE
    found = psutil.process_iter(["name", "status"])
    return any(one.info["name"] == name and one.info["status"] != dead for one in found)


def test_a_stop_ends_only_the_jobs_that_were_given_it() -> None:
    stop = Stop()
    sleeper = Job("jax", "selftest_program", {"code.py": b"import time; time.sleep(600)"})
    with ThreadPoolExecutor(2) as threads:
        stopped = threads.submit(sandbox.run, sleeper, stop=stop)
        kept = threads.submit(program, "import time; time.sleep(1); print('kept')")
        time.sleep(0.3)
        stop.set()
        with pytest.raises(Stopped):
            stopped.result()
        assert kept.result().stdout == "kept\n"
