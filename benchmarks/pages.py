"""How long the server takes for its pages with 2,000 examples and 20,000 steps.

    ./t2j manage shell < benchmarks/pages.py

Everything is made in a transaction that is rolled back at the end.
"""

import statistics
import time

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from curation.enums import Located, Origin
from curation.models import Category, Dataset, Draft, Example, FixStep, Revision
from curation.models.base import sha256
from executor import standing
from executor.models import Run, Verdict
from executor.queries import run_key

EXAMPLES, STEPS, TIMES = 2_000, 10, 15
LINE = "value_{0} = jnp.einsum('ij,jk->ik', weights_{0}, inputs) + bias_{0}\n"


def program(example: int, step: int) -> str:
    lines = [LINE.format(f"{example}_{number}") for number in range(60)]
    lines[step] = f"fixed_{example}_{step} = jnp.dot(a, b)\n"
    return "".join(lines)


def fill() -> Dataset:
    dataset = Dataset.objects.create(slug="pages-benchmark", title="Pages")
    category = Category.objects.create(slug="pages-benchmark", name="Pages benchmark")
    examples = Example.objects.bulk_create(
        Example(dataset=dataset, example_id=f"e{n}", position=n, pytorch_code=program(n, 0))
        for n in range(EXAMPLES)
    )
    drafts = Draft.objects.bulk_create(Draft(example=example) for example in examples)
    for number, draft in enumerate(drafts):
        codes = [program(number, step) for step in range(STEPS + 1)]
        revisions = Revision.objects.bulk_create(
            Revision(
                draft=draft,
                number=n,
                code=code,
                sha256=sha256(code),
                origin=Origin.STEP if n else Origin.DRAFT,
            )
            for n, code in enumerate(codes)
        )
        FixStep.objects.bulk_create(
            FixStep(
                draft=draft,
                order=n,
                error_code="a",
                fixed_code="b",
                category=category,
                located=Located.EXACT,
                before=revisions[n - 1],
                after=revisions[n],
            )
            for n in range(1, STEPS + 1)
        )
        key = run_key(draft.example, revisions[-1].sha256)
        run = Run.objects.create(
            **key, code=codes[-1], draft=draft, state="finished", finished_at=timezone.now()
        )
        Verdict.objects.create(run=run, outcome="pass", stage="numeric", seconds=1.0, report={})
    standing.refresh(Draft.objects.filter(example__dataset=dataset))
    return dataset


def measure(client: Client, name: str, url: str) -> None:
    client.get(url)
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        response = client.get(url)
        times.append((time.perf_counter() - began) * 1000)
        assert response.status_code == 200, (name, response.status_code)
    print(f"{name:<22} {statistics.median(times):7.1f} ms")


def urls(dataset: Dataset) -> dict[str, str]:
    queue = reverse("dataset-detail", args=[dataset.slug])
    draft = Draft.objects.filter(example__dataset=dataset).order_by("pk")[1000]
    return {
        "datasets": reverse("dataset-list"),
        "queue": queue,
        "queue, filtered": f"{queue}?status=draft&outcome=pass",
        "queue, by category": f"{queue}?category=pages-benchmark&assignee=(nobody)",
        "queue, search in code": f"{queue}?q=fixed_1234_7",
        "queue, page 30": f"{queue}?page=30",
        "categories": reverse("taxonomy"),
        "workbench": reverse("workbench", args=[draft.pk]),
        "example": reverse("example-detail", args=[draft.example_id]),
        "history": reverse("draft-history", args=[draft.pk]),
        "dataset history": reverse("dataset-history", args=[dataset.slug]),
        "dashboard": reverse("dataset-dashboard", args=[dataset.slug]),
        "exports": reverse("dataset-exports", args=[dataset.slug]),
        "agreement": reverse("dataset-agreement", args=[dataset.slug]),
        "API: steps": reverse("api-step-list") + f"?dataset={dataset.slug}",
        "API: drafts": reverse("api-draft-list") + f"?dataset={dataset.slug}",
    }


with transaction.atomic():
    chief = User.objects.create_superuser("pages-benchmark")
    data = fill()
    with connection.cursor() as cursor:
        # As autovacuum leaves a database some minutes after an import.
        for index in ("curation_revision_code", "curation_example_pytorch_code"):
            cursor.execute(f"SELECT gin_clean_pending_list('{index}_search')")
        cursor.execute("ANALYZE")
    browser = Client(HTTP_HOST="127.0.0.1")
    browser.force_login(chief)
    for page, address in urls(data).items():
        measure(browser, page, address)
    transaction.set_rollback(True)
