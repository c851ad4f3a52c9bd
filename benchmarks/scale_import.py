"""What imports cost, each against COPY of the rows that it leaves."""

from __future__ import annotations

import io
import json
import random
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection, models, transaction
from scale_rows import peak_mb, program

from curation.models import AuditEvent, Dataset, Draft, Example, FixStep, Revision


def measure_imports(examples: int, rows: int) -> None:
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
    slug, before = f"import-{uuid.uuid4().hex[:8]}", peak_mb()
    began = time.perf_counter()
    call_command("import_dataset", str(path), dataset=slug, stdout=io.StringIO())
    took = time.perf_counter() - began
    peak = peak_mb()
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
