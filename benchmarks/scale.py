"""Dashboards, queue, export and import with 100,000 examples, 1,000,000 steps, 3,000,000 runs.

    DATABASE_URL=postgres://superuser@host/name .venv/bin/python benchmarks/scale.py
        [--examples 100000] [--import-examples 4350] [--import-rows 100000]
        [--keep | --reuse] [--only PART ...]

Makes a database of its own beside NAME (test_NAME), fills it by COPY, measures, and drops it;
`--keep` leaves it there and `--reuse` measures again in it. `cold` is the first answer of a fresh
process on fresh connections; for cold database buffers, too, restart PostgreSQL between a run with
`--only fill count --keep` and one with `--reuse`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import io
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "t2j_site.settings")

import django  # noqa: E402

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from curation.models import (  # noqa: E402
    AuditEvent,
    Category,
    Dataset,
    Draft,
    Example,
    FixStep,
    Revision,
)
from executor.contracts import runtime_hash, runtime_or_default  # noqa: E402
from executor.models import Run, Verdict  # noqa: E402
from executor.parity.engine import contract_hash  # noqa: E402
from executor.parity.outcome import Kind, Reason, Stage  # noqa: E402
from scoring.exporters import FORMATS, Only, Options  # noqa: E402
from scoring.models import DraftFact, Tally  # noqa: E402
from scoring.summaries import rebuild  # noqa: E402

SLUG = "scale"
PARTS = ("fill", "count", "pages", "export", "import")
TIMES, TRIES = 9, 3
# Steps of a draft: 1 to 19, ten in the mean. Three runs a step.
MOST_STEPS, RUNS_A_STEP = 19, 3
NOW = dt.datetime.now(dt.UTC)
LINE = "value_{0} = jnp.einsum('ij,jk->ik', weights_{0}, inputs) + bias\n"
KINDS, REASONS, STAGES = list(Kind), list(Reason), list(Stage)
FILLED = (Example, Draft, Revision, FixStep, Run, Verdict, AuditEvent)


def steps_of(example: int) -> int:
    return 1 + example * 7919 % MOST_STEPS


def moment(number: int) -> dt.datetime:
    """Some time within the last year, the same for the same number."""
    return NOW - dt.timedelta(minutes=number * 7919 % (365 * 24 * 60))


def program(example: int, step: int) -> str:
    return f"# {example} step {step}\n{_body(example)}"


@lru_cache(maxsize=1)
def _body(example: int) -> str:
    return "".join(LINE.format(f"{example}_{number}") for number in range(4))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def said_of(example: int, number: int) -> dict[str, str]:
    """The verdict on a revision: failing until the last, which passes six times in ten."""
    chance = example * 31 % 10
    if number >= steps_of(example) and chance < 6:
        return {"outcome": "pass", "stage": "behavioral"}
    if number >= steps_of(example) and chance == 9:
        return {"outcome": "undecided", "reason": REASONS[example % len(REASONS)]}
    at = (example * 17 + number * 5) % len(KINDS)
    return {"outcome": "fail", "stage": STAGES[at * len(STAGES) // len(KINDS)], "kind": KINDS[at]}


def judged(example: int) -> str:
    """The newest verdict as a draft keeps it."""
    said = said_of(example, steps_of(example))
    return "/".join(said.get(part, "") for part in ("outcome", "kind", "reason"))


class Generator:
    """Rows of every table, in the order of their ids, without anything held in memory."""

    def __init__(self, dataset: Dataset, examples: int, people: list[int]) -> None:
        self.dataset, self.examples, self.people = dataset, examples, people
        self.kinds = list(Category.objects.values_list("pk", "subcategories__pk"))
        self.runtime = runtime_or_default(None)
        self.packages = runtime_hash(self.runtime)

    def rows(self, model: type[models.Model]) -> Iterator[dict[str, Any]]:
        return getattr(self, f"_{model._meta.model_name}")()  # type: ignore[no-any-return]

    def _example(self) -> Iterator[dict[str, Any]]:
        levels = ("easy", "medium", "hard", "unknown")
        for n in range(1, self.examples + 1):
            yield {
                "id": n,
                "dataset_id": self.dataset.pk,
                "example_id": f"e{n}",
                "position": n,
                "title": f"Program {n}",
                "difficulty": levels[n % 4],
                "pytorch_code": program(n, 0).replace("jnp", "torch"),
                "created_at": moment(n),
            }

    def _draft(self) -> Iterator[dict[str, Any]]:
        for n in range(1, self.examples + 1):
            status = ("approved", "verified", "repairing", "repairing")[n % 4]
            yield {
                "id": n,
                "example_id": n,
                "model": f"model-{n % 5}",
                "status": status,
                "judged": judged(n),
                "approved_by_id": self.people[n % len(self.people)] if n % 4 == 0 else None,
                "created_at": moment(n),
            }

    def _revision(self) -> Iterator[dict[str, Any]]:
        pk = 0
        for n in range(1, self.examples + 1):
            for number in range(steps_of(n) + 1):
                pk += 1
                code = program(n, number)
                yield {
                    "id": pk,
                    "draft_id": n,
                    "number": number,
                    "code": code,
                    "sha256": digest(code),
                    "origin": "step" if number else "draft",
                    "created_at": moment(n + number),
                }

    def _fixstep(self) -> Iterator[dict[str, Any]]:
        pk = revision = 0
        for n in range(1, self.examples + 1):
            revision += 1
            for order in range(1, steps_of(n) + 1):
                pk, revision = pk + 1, revision + 1
                category, sub = self.kinds[pk * 31 % len(self.kinds)]
                yield {
                    "id": pk,
                    "draft_id": n,
                    "order": order,
                    "error_code": f"# {n} step {order - 1}\n",
                    "error": "It computes another number than the reference.",
                    "fix_info": "The axis was another one.",
                    "fixed_code": f"# {n} step {order}\n",
                    "category_id": category,
                    "subcategory_id": sub,
                    "kind": "format" if pk % 10 == 0 else "behaviour",
                    "located": "exact",
                    "before_id": revision - 1,
                    "after_id": revision,
                    "author_id": self.people[pk % len(self.people)],
                    "seconds": 60 + pk % 600,
                    "created_at": moment(n + order),
                }

    def _run(self) -> Iterator[dict[str, Any]]:
        pk = 0
        for n in range(1, self.examples + 1):
            reference = program(n, 0).replace("jnp", "torch")
            # Every tenth rests on a contract that is no more.
            contract = contract_hash(reference, None) if n % 10 else "0" * 64
            for number in range(RUNS_A_STEP * steps_of(n)):
                pk += 1
                # Beyond the revisions: what was tried and not saved.
                code = program(n, number)
                yield {
                    "id": pk,
                    "example_id": n,
                    "draft_id": n,
                    "code": code,
                    "code_hash": digest(code),
                    "contract_hash": contract,
                    "runtime": self.runtime,
                    "runtime_hash": self.packages,
                    "state": "finished",
                    "created_at": moment(n + number),
                    "queued_at": moment(n + number),
                    "finished_at": moment(n + number),
                }

    def _verdict(self) -> Iterator[dict[str, Any]]:
        pk = 0
        for n in range(1, self.examples + 1):
            for number in range(RUNS_A_STEP * steps_of(n)):
                pk += 1
                row = {"id": pk, "run_id": pk, "report": "{}", "created_at": moment(n + number)}
                yield row | said_of(n, number)

    def _auditevent(self) -> Iterator[dict[str, Any]]:
        approved = (n for n in range(1, self.examples + 1) if n % 4 == 0)
        for pk, n in enumerate(approved, start=1):
            yield {
                "id": 1_000_000 + pk,
                "at": moment(n),
                "actor_id": self.people[n % len(self.people)],
                "action": "draft.approved",
                "dataset_id": self.dataset.pk,
                "draft_pk": n,
                "target_type": "draft",
                "target_id": str(n),
                "data": "{}",
            }


def copy(model: type[models.Model], rows: Iterable[dict[str, Any]]) -> tuple[int, float]:
    """COPY the rows into the model's table; columns that a row does not name take the default."""
    fields = model._meta.concrete_fields
    usual = {field.attname: _usual(field) for field in fields}
    columns = ", ".join(f'"{field.column}"' for field in fields)
    began, count = time.perf_counter(), 0
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {model._meta.db_table} ({columns}) FROM STDIN") as out,
    ):
        for row in rows:
            out.write_row([row.get(name, value) for name, value in usual.items()])
            count += 1
    return count, time.perf_counter() - began


def _usual(field: Any) -> Any:
    value = field.get_default()
    return json.dumps(value) if isinstance(value, dict | list) else value


def fill(examples: int) -> None:
    call_command("load_taxonomy", verbosity=0, stdout=io.StringIO())
    people = [User.objects.create(username=f"annotator{n}").pk for n in range(8)]
    dataset = Dataset.objects.create(slug=SLUG, title="Scale")
    generator = Generator(dataset, examples, people)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # rows are made to fit
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%%USING gin%%'"
        )
        searches = cursor.fetchall()
        for name, _ in searches:
            cursor.execute(f'DROP INDEX "{name}"')
    for model in FILLED:
        count, seconds = copy(model, generator.rows(model))
        rate = count / seconds
        print(f"filled {model._meta.db_table:<22} {count:>9} rows {seconds:7.1f} s {rate:9.0f} /s")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = origin")
        # Replicas' rows pass no trigger, which would have counted them.
        cursor.execute(import_module("curation.migrations.0016_draft_counts").RECOUNT)
        began = time.perf_counter()
        for _, definition in searches:
            cursor.execute(definition)
        print(f"indexes for searching in code: {time.perf_counter() - began:.1f} s")
        for model in FILLED:
            table = model._meta.db_table
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608
            )
        cursor.execute("VACUUM ANALYZE")


def count() -> None:
    dataset = Dataset.objects.get(slug=SLUG)
    for time_ in ("first", "again"):
        print(f"counting everything, {time_}: {rebuild(dataset).seconds:.1f} s")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE scoring_draftfact, scoring_tally")
    facts, tallies = DraftFact.objects.count(), Tally.objects.count()
    print(f"kept ready: {facts} drafts, {tallies} tallies")


def pages() -> None:
    chief, _ = User.objects.get_or_create(username="chief", is_superuser=True, is_staff=True)
    browser = Client(HTTP_HOST="127.0.0.1")
    browser.force_login(chief)
    board, queue = (reverse(name, args=[SLUG]) for name in ("dataset-dashboard", "dataset-detail"))
    rows = reverse("dataset-rows", args=[SLUG])
    category = Category.objects.values_list("slug", flat=True)[0]
    for name, url in (
        ("dashboard", board),
        ("dashboard, one model", f"{board}?model=model-1&difficulty=hard"),
        ("dashboard, by dataset", f"{board}?by=dataset"),
        ("one board as CSV", f"{board}categories.csv"),
        ("rows: failed drafts", f"{rows}?of=drafts&outcome=fail"),
        ("rows: a category", f"{rows}?of=steps&category={category}"),
        ("queue", queue),
        ("queue, filtered", f"{queue}?status=verified"),
    ):
        times = []
        for _ in range(TIMES + 1):
            began = time.perf_counter()
            response = browser.get(url)
            times.append((time.perf_counter() - began) * 1000)
            assert response.status_code == 200, (url, response.status_code)
        print(f"{name:<24} cold {times[0]:8.0f} ms   median {statistics.median(times[1:]):8.0f} ms")


T2J_READS: tuple[type[models.Model], ...] = (Example, Draft, Revision, FixStep)
EXPORTS = {
    "t2j": (Options(only=Only.ALL), T2J_READS),
    "snapshot": (Options(), FILLED),
}


def export() -> None:
    """Exports of everything, each against COPY of the rows that it reads; the best of several."""
    dataset = Dataset.objects.get(slug=SLUG)
    for name, (options, reads) in EXPORTS.items():
        _export(dataset, name, options)  # loads what is loaded once
        before, raws, tooks = _peak(), [], []
        for _ in range(TRIES):
            raws.append(_copied_out(dataset, reads))
            tooks.append(_export(dataset, name, options))
        (raw, raw_size), (took, size) = min(raws), min(tooks)
        print(
            f"export {name}: {took:.1f} s, {size / 1e6:.0f} MB; raw COPY {raw:.1f} s, "
            f"{raw_size / 1e6:.0f} MB: {took / raw:.1f} times; "
            f"peak memory {_peak():.0f} MB ({before:.0f} MB after the first)"
        )


def _export(dataset: Dataset, name: str, options: Options) -> tuple[float, int]:
    began, size = time.perf_counter(), 0
    for file in FORMATS[name].export(dataset, options).files:
        size += sum(len(block) for block in file.read())
    return time.perf_counter() - began, size


def _copied_out(dataset: Dataset, tables: Iterable[type[models.Model]]) -> tuple[float, int]:
    """Seconds and bytes of COPY of the rows that were filled in, and of no others."""
    example = dataset.examples.latest("id")
    draft, run = example.drafts.latest("id"), example.runs.latest("id")
    most: dict[type[models.Model], int] = {
        Example: example.pk,
        Draft: draft.pk,
        Revision: draft.revisions.latest("id").pk,
        FixStep: draft.steps.latest("id").pk,
        Run: run.pk,
        Verdict: run.pk,
    }
    seconds, size = 0.0, 0
    with connection.cursor() as cursor:
        for model in tables:
            where = f"id <= {most[model]}" if model in most else f"dataset_id = {dataset.pk}"
            began = time.perf_counter()
            with cursor.copy(
                f"COPY (SELECT * FROM {model._meta.db_table} WHERE {where}) TO STDOUT"  # noqa: S608
            ) as found:
                size += sum(len(block) for block in found)
            seconds += time.perf_counter() - began
    return seconds, size


def _peak() -> float:
    """Most memory that this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def import_(examples: int, rows: int) -> None:
    """New examples of T2J JSON, and rows of code, each against COPY of what is stored of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scale.json"
        path.write_text(
            json.dumps({"Pytorch_to_JAX_Examples": [_record(n) for n in range(examples)]})
        )
        _import(path, f"{examples} examples of T2J JSON")
        path = Path(folder) / "scale.jsonl"
        with path.open("w") as out:
            out.writelines(json.dumps(_code_row(n)) + "\n" for n in range(rows))
        _import(path, f"{rows} rows of code")


def _import(path: Path, what: str) -> None:
    slug, before = f"import-{uuid.uuid4().hex[:8]}", _peak()
    began = time.perf_counter()
    call_command("import_dataset", str(path), dataset=slug, stdout=io.StringIO())
    took = time.perf_counter() - began
    peak = _peak()
    raw, stored = _copied_again(Dataset.objects.get(slug=slug))
    print(
        f"import {what}: {took:.1f} s, {stored} rows stored; raw COPY of these {raw:.1f} s: "
        f"{took / raw:.1f} times, {stored / took:.0f} rows a second; "
        f"peak memory {peak:.0f} MB ({before:.0f} MB before)"
    )


def _record(number: int) -> dict[str, Any]:
    code, steps = program(number, 0), []
    for step in range(10):
        wrong, right = f"# {number} step {step}", f"# {number} step {step + 1}"
        steps.append({"Error_Code": wrong, "Error": "e", "Fix_info": "f", "Fixed_Code": right})
    return {
        "Example_id": f"i{number}",
        "Input_Code": code.replace("jnp", "torch"),
        "LLM_weak_output": code,
        "LLM_fix_output": program(number, 10),
        "Errors": steps,
    }


def _code_row(number: int) -> dict[str, str]:
    """A file of 1.3 KB, like no other."""
    draw = random.Random(number)  # noqa: S311
    lines = (
        f"layer{draw.randrange(10**6)} = torch.nn.Linear({draw.randrange(999)}, size{number})\n"
        for _ in range(25)
    )
    return {
        "content": f"import torch\n{''.join(lines)}",
        "repo_name": "some/repository",
        "path": f"{number}.py",
        "license": "mit",
    }


def _copied_again(dataset: Dataset) -> tuple[float, int]:
    """Seconds for COPY of all rows of a dataset once more into the same tables, with their
    indexes, constraints and triggers, in one transaction; and their number.

    They are the rows of a twin of the dataset, with ids that nothing else has.
    """
    twin = Dataset.objects.create(slug=f"{dataset.slug}-twin", title="Twin")
    shift = twin.pk * 10**9
    of_draft = "draft_id IN (SELECT d.id FROM curation_draft d JOIN curation_example e"
    of_draft += f" ON e.id = d.example_id WHERE e.dataset_id = {dataset.pk})"
    of_example = "example_id IN (SELECT id FROM curation_example"
    of_example += f" WHERE dataset_id = {dataset.pk})"
    chosen: dict[type[models.Model], str] = {
        Example: f"dataset_id = {dataset.pk}",
        Draft: of_example,
        Revision: of_draft,
        FixStep: of_draft,
        AuditEvent: f"dataset_id = {dataset.pk} AND target_type = 'example'",
    }
    shifted = {"id", "example_id", "draft_id", "before_id", "after_id"}
    data, rows = [], 0
    with connection.cursor() as cursor:
        for model, where in chosen.items():
            columns = [str(field.column) for field in model._meta.concrete_fields]
            own = {name: f'"{name}" + {shift}' for name in shifted} | {"dataset_id": f"{twin.pk}"}
            own |= {"example_id": '"example_id"'} if model is Example else {}
            asked = ", ".join(own.get(name, f'"{name}"') for name in columns)
            table = model._meta.db_table
            with cursor.copy(f"COPY (SELECT {asked} FROM {table} WHERE {where}) TO STDOUT") as out:  # noqa: S608
                blocks = [bytes(block) for block in out]
            names = ", ".join(f'"{name}"' for name in columns)
            data.append((f"COPY {table} ({names}) FROM STDIN", blocks))
            rows += sum(block.count(b"\n") for block in blocks)
        began = time.perf_counter()
        with transaction.atomic():
            for statement, blocks in data:
                with cursor.copy(statement) as into:
                    for block in blocks:
                        into.write(block)
        return time.perf_counter() - began, rows


def measure(part: str, options: argparse.Namespace) -> None:
    if part == "fill":
        fill(options.examples)
    elif part == "import":
        import_(options.import_examples, options.import_rows)
    else:
        {"count": count, "pages": pages, "export": export}[part]()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100_000)
    # 23 rows of the database each: a hundred thousand rows in all.
    parser.add_argument("--import-examples", type=int, default=4_350)
    parser.add_argument("--import-rows", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--keep", action="store_true", help="leave the database there")
    parser.add_argument("--reuse", action="store_true", help="measure in the one that was kept")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    made = connection.creation
    if options.part:
        made.create_test_db(verbosity=0, keepdb=True, serialize=False)
        measure(options.part, options)
        return
    made.create_test_db(verbosity=0, autoclobber=True, keepdb=options.reuse, serialize=False)
    connection.close()
    try:
        for part in options.only:
            # A process each: memory and cold answers are its own.
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--part", part], check=True)
    finally:
        if not (options.keep or options.reuse):
            made.destroy_test_db("unused", verbosity=0)


if __name__ == "__main__":
    main()
