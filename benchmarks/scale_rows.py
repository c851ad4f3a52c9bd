"""A made-up dataset of any size, written by COPY: examples, drafts, steps, runs, verdicts."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import resource
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, models

from curation.models import AuditEvent, Category, Dataset, Draft, Example, FixStep, Revision
from executor.contracts import runtime_hash, runtime_or_default
from executor.models import Run, Verdict
from executor.parity.engine import contract_hash
from executor.parity.outcome import Kind, Reason, Stage

SLUG = "scale"
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


def peak_mb() -> float:
    """Most memory that this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
