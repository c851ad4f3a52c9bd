"""Records for tests, made through the services that people use."""

from itertools import count

from django.contrib.auth.models import User

from curation.enums import MemberRole
from curation.models import Dataset, Draft, Example, Revision
from curation.services import datasets, drafts

REFERENCE = "import torch\nprint(torch.ones(2).sum().item())\n"
DRAFT = "import jax.numpy as jnp\nprint(jnp.ones(3).sum())\n"
FIXED = "import jax.numpy as jnp\nprint(jnp.ones(2).sum())\n"
PASSWORD = "correct horse battery"

_numbers = count(1)


def make_user(username: str = "", *, staff: bool = False) -> User:
    name = username or f"person{next(_numbers)}"
    return User.objects.create_user(name, password=PASSWORD, is_staff=staff)


def make_dataset(
    slug: str = "", *, everyone: MemberRole | None = MemberRole.LEAD, by: User | None = None
) -> Dataset:
    """A dataset in which everyone is lead, unless the test is about who may what."""
    slug = slug or f"set-{next(_numbers)}"
    return datasets.create_dataset(slug=slug, title=f"Dataset {slug}", everyone=everyone, by=by)


def make_example(
    dataset: Dataset | None = None, *, code: str = REFERENCE, by: User | None = None
) -> Example:
    return datasets.add_example(
        dataset or make_dataset(), example_id=f"e{next(_numbers)}", pytorch_code=code, by=by
    )


def make_draft(
    code: str = DRAFT, *, example: Example | None = None, by: User | None = None
) -> Draft:
    """A pasted draft with revision 0."""
    return drafts.add_draft(example or make_example(), raw_answer=code, code=code, by=by)


def head_of(draft: Draft) -> Revision:
    """The newest revision."""
    revision = draft.revisions.order_by("-number").first()
    assert revision is not None
    return revision


def tell_verdict(draft: Draft, *, passed: bool) -> None:
    """The machine's word on the newest revision, without a run."""
    judged = "pass//" if passed else "fail/runtime_error/"
    drafts.note_verdict(draft, code_hash=head_of(draft).sha256, passed=passed, judged=judged)
