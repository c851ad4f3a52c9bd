"""Training, validation and test examples: by problem, near-duplicates on one side. Plain Python."""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from curation.near import groups_of, signature_of

SHARES: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}


def split_of(programs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """From (Example_id, code) to the split and the group (its first Example_id) of each.

    The same programs give the same splits, in whatever order they come: groups go by the hash of
    their name to the split that lacks most of its share.
    """
    names, rows = [], []
    for name, code in programs:
        names.append(name)
        rows.append(signature_of(code))
    if not rows:
        return {}
    order = sorted(range(len(names)), key=names.__getitem__)
    ordered = [names[index] for index in order]
    groups = [ordered[row] for row in groups_of(np.stack([rows[index] for index in order]))]
    members: dict[str, list[str]] = {}
    for name, group in zip(ordered, groups, strict=True):
        members.setdefault(group, []).append(name)
    return _dealt(members, len(names))


def _dealt(members: dict[str, list[str]], total: int) -> dict[str, tuple[str, str]]:
    lacking = {split: share * total for split, share in SHARES.items()}
    found: dict[str, tuple[str, str]] = {}
    for group in sorted(members, key=lambda name: hashlib.sha256(name.encode()).digest()):
        split = max(lacking, key=lambda each: lacking[each] / SHARES[each])
        lacking[split] -= len(members[group])
        found |= dict.fromkeys(members[group], (split, group))
    return found
