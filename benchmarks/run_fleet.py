"""What the run fleet does on this machine, beside the plain way, in one run.

    .venv/bin/python benchmarks/run_fleet.py [--write] [--plain N] [--quick]

Everything runs on a data folder of its own with an embedded database and broker, over the sample
dataset. `--plain N` runs every N-th revision the plain way (1: all of them); `--quick` takes three
examples only, to try this program itself. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from t2j_site.launch import programs  # noqa: E402 - needs the path above
from t2j_site.launch.folder import Folder  # noqa: E402
from t2j_site.launch.services import Services  # noqa: E402

if TYPE_CHECKING:
    from curation.models import Dataset, Draft, Revision

SMALL_EXAMPLES = 7
SMALL_CHANGES = 5
LOAD_MODULE = """
import sys, runpy, numpy
space = runpy.run_path(sys.argv[1])
inputs = space["get_inputs"]()
model = space["Model"](*space.get("get_init_inputs", list)())
"""
PLAIN_TORCH = LOAD_MODULE + "numpy.save(sys.argv[2], model(*inputs).detach().numpy())"
PLAIN_JAX = (
    LOAD_MODULE
    + """
import jax
variables = model.init(jax.random.PRNGKey(0), *inputs)
numpy.save(sys.argv[2], numpy.asarray(model.apply(variables, *inputs)))
"""
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/run_fleet.md")
    parser.add_argument("--plain", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="t2j-fleet-") as scratch, site(Path(scratch)) as place:
        dataset = sample(quick=options.quick)
        report = measure(dataset, place, options.plain)
    text = as_markdown(report)
    print(text)
    if options.write:
        (ROOT / "benchmarks" / "run_fleet.md").write_text(text)


@contextmanager
def site(scratch: Path) -> Iterator[Folder]:
    """Database and broker of our own, and this process set up to use them."""
    folder = Folder(scratch / "data")
    folder.prepare()
    for name in ("DATABASE_URL", "BROKER_URL", "T2J_COMPILE_CACHE"):
        os.environ.pop(name, None)
    services = Services.of(folder)
    try:
        services.start(print)
        os.environ |= services.environment() | {"DJANGO_SETTINGS_MODULE": "t2j_site.settings"}
        import django

        django.setup()
        yield folder
    finally:
        services.stop()


def sample(*, quick: bool) -> Dataset:
    from django.core.management import call_command

    from curation.models import Dataset

    call_command("migrate", interactive=False, verbosity=0)
    call_command("load_sample", verbosity=0)
    dataset = Dataset.objects.get(slug="sample")
    if quick:
        dataset.examples.exclude(example_id__in=["e1", "e2", "m1"]).delete()
    return dataset


def measure(dataset: Dataset, place: Folder, every: int) -> dict[str, object]:
    from executor import batch, sandbox

    revisions = batch.revisions_of(dataset)
    facts: dict[str, object] = {"revisions": len(revisions), "cores": os.cpu_count()}
    say("the plain way ...")
    facts["plain_s"] = plain_seconds(revisions[::every])
    facts["plain_count"] = len(revisions[::every])
    for workers in (1, 2):
        forget_results(place)
        say(f"{len(revisions)} revisions on {workers} worker(s) ...")
        with fleet(place, workers):
            facts[f"fleet_{workers}_s"], facts["as_recorded"] = verify_all(revisions)
            if workers == 2:
                say("fix steps of small examples ...")
                facts["steps"] = list(fix_steps(dataset, place))
    say("one warm isolated run ...")
    facts["overhead_s"] = warm_overhead()
    sandbox.close()
    return facts


# The plain way.


def plain_seconds(revisions: list[Revision]) -> float:
    """Seconds for two fresh processes per revision, one after another, and a comparison."""
    total = 0.0
    for revision in revisions:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            lay_out(folder, revision)
            began = time.perf_counter()
            module = "get_inputs" in revision.draft.example.pytorch_code
            printed = [
                plainly(folder, "torch", "reference.py", PLAIN_TORCH if module else ""),
                plainly(folder, "jax", "candidate.py", PLAIN_JAX if module else ""),
            ]
            same(folder, printed, module=module)
            total += time.perf_counter() - began
    return total


def lay_out(folder: Path, revision: Revision) -> None:
    example = revision.draft.example
    (folder / "reference.py").write_text(example.pytorch_code)
    (folder / "candidate.py").write_text(revision.code)
    for attached in example.attachments.all():
        (folder / attached.name).write_bytes(bytes(attached.content))


def plainly(folder: Path, runtime: str, program: str, loader: str) -> str:
    python = ROOT / ".runtimes" / runtime / "bin" / "python"
    arguments = ["-c", loader, program, f"{runtime}.npy"] if loader else [program]
    found = subprocess.run(
        [python, *arguments], cwd=folder, check=False, capture_output=True, text=True, timeout=600
    )
    return found.stdout


def same(folder: Path, printed: list[str], *, module: bool) -> bool:
    import numpy as np

    if not module:
        return printed[0] == printed[1]
    outputs = [folder / "torch.npy", folder / "jax.npy"]
    if not all(path.exists() for path in outputs):
        return False
    ours, theirs = (np.load(path) for path in outputs)
    return ours.shape == theirs.shape and bool(np.allclose(ours, theirs, rtol=1e-3))


# The fleet.


@contextmanager
def fleet(place: Folder, concurrency: int) -> Iterator[None]:
    """A worker with so many processes, each of them warm."""
    os.environ["T2J_WORKERS"] = str(concurrency)
    worker = programs.worker(place, dict(os.environ))
    worker.start()
    try:
        warm_up(concurrency)
        yield
    finally:
        worker.stop(10.0)


def warm_up(concurrency: int) -> None:
    """Runs that keep every process of the worker busy until each has had one."""
    from curation.services.datasets import add_example, create_dataset
    from executor import batch
    from executor.models import Run
    from executor.services import request_run

    dataset = create_dataset(slug=f"warm-{time.time_ns()}", title="Warm-up", by=None)
    code = "import time\nimport {0}\ntime.sleep(0.5)\nprint(2.5)\n"
    example = add_example(dataset, example_id="warm", pytorch_code=code.format("torch"), by=None)
    served: set[str] = set()
    while len(served) < concurrency:
        runs = [
            request_run(example, f"{code.format('jax')}# {time.time_ns()}\n", by=None).pk
            for _ in range(2 * concurrency)
        ]
        for _ in batch.wait_for(runs):
            pass
        served |= set(Run.objects.filter(pk__in=runs).values_list("worker", flat=True))
    dataset.delete()


def forget_results(place: Folder) -> None:
    from executor.models import Run

    Run.objects.all().delete()
    for cache in ("cache", "compile-cache"):
        shutil.rmtree(place.path / cache, ignore_errors=True)


def verify_all(revisions: list[Revision]) -> tuple[float, int]:
    """Seconds from the first request to the last verdict, and verdicts that are as recorded."""
    from executor import batch
    from executor.management.commands.verify_sample import describe, key_of, recorded
    from executor.models import Verdict

    began = time.perf_counter()
    runs = batch.request_runs(revisions, by=None)
    for _ in batch.wait_for(list(runs.values()), poll_seconds=0.05):
        pass
    took = time.perf_counter() - began
    verdicts = {v.run_id: v for v in Verdict.objects.filter(run__in=runs.values())}
    expected = recorded()
    right = sum(describe(verdicts.get(runs[r.pk])) == expected.get(key_of(r)) for r in revisions)
    return took, right


def fix_steps(dataset: Dataset, place: Folder) -> Iterator[dict[str, object]]:
    """For the smallest examples: their last fix step, and one-line changes after it.

    Compiled code is forgotten before, and the revision before the step is verified, as it was when
    a person made the step. The reference is known, as it is to whoever repairs a draft.
    """
    drafts = [
        draft
        for example in dataset.examples.all()
        for draft in example.drafts.all()
        if draft.revisions.count() > 1
    ]
    drafts.sort(key=lambda draft: len(draft.revisions.latest("number").code))
    for draft in drafts[:SMALL_EXAMPLES]:
        before, after = list(draft.revisions.order_by("number"))[-2:]
        shutil.rmtree(place.path / "compile-cache", ignore_errors=True)
        draft.example.runs.all().delete()
        submit(draft, before.code)
        yield {
            "example": draft.example.example_id,
            "step_s": submit(draft, after.code),
            "change_s": statistics.median(
                submit(draft, f"{after.code}\nanother_line = {number}\n")
                for number in range(SMALL_CHANGES)
            ),
        }


def submit(draft: Draft, code: str) -> float:
    """Seconds from asking for a run until its verdict is stored."""
    from django.utils import timezone

    from executor.models import Run
    from executor.services import request_run

    began = timezone.now()
    run = request_run(draft.example, code, draft=draft, by=None)
    while not run.is_over:
        time.sleep(0.01)
        run = Run.objects.get(pk=run.pk)
    assert run.finished_at is not None
    return (run.finished_at - began).total_seconds()


def warm_overhead() -> float:
    """Median seconds of a whole warm run of a program that does next to nothing.

    In an already warm process the same program takes well under a millisecond.
    """
    from executor import sandbox

    job = sandbox.Job("jax", "selftest_program", {"code.py": b"print(1)"})
    sandbox.prepare("jax")
    taken = []
    for _ in range(60):
        began = time.perf_counter()
        result = sandbox.run(job)
        taken.append(time.perf_counter() - began)
        if result.stdout != "1\n":
            raise SystemExit(f"The overhead was not measured: {result.stderr or result.detail}")
    return statistics.median(taken[10:])


# The report.


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def as_markdown(facts: dict[str, object]) -> str:
    number = json.loads(json.dumps(facts))
    plain = 60 * number["plain_count"] / number["plain_s"]
    one, two = (60 * number["revisions"] / number[f"fleet_{n}_s"] for n in (1, 2))
    steps = number["steps"]
    step, change = (
        statistics.median(each[key] for each in steps) for key in ("step_s", "change_s")
    )
    rows = [
        (
            "fix step of a small example, submit to verdict",
            f"{step:.2f} s",
            "0.6 s",
        ),
        ("one more line in it, likewise", f"{change:.2f} s", "0.6 s"),
        ("revisions verified a minute, 2 workers, nothing known before", f"{two:.0f}", ""),
        ("revisions a minute, 1 worker", f"{one:.0f}", ""),
        ("revisions a minute the plain way", f"{plain:.1f}", ""),
        ("2 workers against the plain way", f"{two / plain:.1f} times", "8 times"),
        ("2 workers against 1", f"{two / one:.2f} times", "1.7 times"),
        (
            "warm isolated run over the same code in a warm process",
            f"{1000 * number['overhead_s']:.0f} ms",
            "30 ms",
        ),
    ]
    table = "\n".join(f"| {what} | {value} | {target} |" for what, value, target in rows)
    each = "\n".join(f"| {s['example']} | {s['step_s']:.2f} | {s['change_s']:.2f} |" for s in steps)
    return HEAD.format(
        cores=number["cores"],
        revisions=number["revisions"],
        recorded=number["as_recorded"],
        plain=number["plain_count"],
        table=table,
        each=each,
    )


HEAD = """# What the run fleet does

By `benchmarks/run_fleet.py`, in one run on {cores} CPU cores, over the sample dataset: {revisions}
revisions, {recorded} verdicts as recorded. *The plain way* runs `python reference.py` and
`python candidate.py` in fresh processes, one after another, and compares what they print (of a
module: one output), for {plain} of the revisions.

| | measured | target |
| --- | ---: | ---: |
{table}

Small examples: the last step of each, with the revision before it verified and the reference known;
then the median of five further one-line changes. Seconds.

| example | fix step | one more line |
| --- | ---: | ---: |
{each}
"""

if __name__ == "__main__":
    main()
