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
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "t2j_site.settings")

import django  # noqa: E402

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402
from scale_import import measure_imports  # noqa: E402
from scale_rows import FILLED, SLUG, fill, peak_mb  # noqa: E402

from curation.models import (  # noqa: E402
    Category,
    Dataset,
    Draft,
    Example,
    FixStep,
    Revision,
)
from executor.models import Run, Verdict  # noqa: E402
from scoring.exporters import FORMATS, Only, Options  # noqa: E402
from scoring.models import DraftFact, Tally  # noqa: E402
from scoring.summaries import rebuild  # noqa: E402

PARTS = ("fill", "count", "pages", "export", "import")
TIMES, TRIES = 9, 3


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
    by_size = Category.objects.alias(size=models.Count("steps")).order_by("-size")
    category = by_size.values_list("slug", flat=True)[0]
    for name, url in (
        ("dashboard", board),
        ("dashboard, one model", f"{board}?model=model-1&difficulty=hard"),
        ("dashboard, by dataset", f"{board}?by=dataset"),
        ("one board as CSV", f"{board}categories.csv"),
        ("rows: failed drafts", f"{rows}?of=drafts&outcome=fail"),
        ("rows: a category", f"{rows}?of=steps&category={category}"),
        ("queue", queue),
        ("queue, filtered", f"{queue}?status=verified"),
        ("queue, a category", f"{queue}?category={category}"),
        ("queue, with nobody", f"{queue}?assignee=(nobody)"),
        ("queue, a rare word", f"{queue}?q=example-999"),
        ("queue, a frequent word", f"{queue}?q=jnp"),
        ("queue, page 1,000", f"{queue}?page=1000"),
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
        before, raws, tooks = peak_mb(), [], []
        for _ in range(TRIES):
            raws.append(_copied_out(dataset, reads))
            tooks.append(_export(dataset, name, options))
        (raw, raw_size), (took, size) = min(raws), min(tooks)
        print(
            f"export {name}: {took:.1f} s, {size / 1e6:.0f} MB; raw COPY {raw:.1f} s, "
            f"{raw_size / 1e6:.0f} MB: {took / raw:.1f} times; "
            f"peak memory {peak_mb():.0f} MB ({before:.0f} MB after the first)"
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


def measure(part: str, options: argparse.Namespace) -> None:
    if part == "fill":
        fill(options.examples)
    elif part == "import":
        measure_imports(options.import_examples, options.import_rows)
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
