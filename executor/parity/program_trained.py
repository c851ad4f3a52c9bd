"""Trained parameters compared through the bridge that carried the initial ones over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from executor.harness import recipe
from executor.harness.codec import PacketError, unpack
from executor.harness.flatten_order import channels_last
from executor.parity.arrays import Unreadable, read_packet
from executor.parity.outcome import Outcome, ProbeRecord
from executor.parity.program_compare import Yardstick, compare_array, wanders
from executor.parity.program_reference import Reference
from executor.parity.program_side import Array, Side, read_arrays

TRAINED = "trained.npz"
MAX_MODULES = 64
MAX_HOLDERS = 8
MAX_PARAMETERS = 400


def compare_trained(
    known: Reference, side: Side, yardstick: Yardstick, turned: bool
) -> list[ProbeRecord]:
    """One record for each trained parameter of the modules that were carried over.

    A program may hold several trained trees (the last, the best, an average): one has to agree.
    With `turned`, weights beside a flattening were carried over for channels last.
    """
    records: list[ProbeRecord] = []
    for report in as_list(side.extra.get("trained"))[:MAX_MODULES]:
        if not isinstance(report, dict):
            continue
        held = [read_arrays(each) for each in as_list(report.get("holders"))[:MAX_HOLDERS]]
        tried = [
            compare_tree(recipes, *pair, each, yardstick)
            for recipes, pair in expected(known, report, turned)
            for each in held
        ]
        right = (each for each in tried if all(r.outcome is Outcome.PASS for r in each))
        records += next(right, tried[-1] if tried else [])
    return records


def expected(
    known: Reference, report: Mapping[str, Any], turned: bool
) -> Iterator[tuple[Mapping[str, Any], tuple[Mapping[str, Array], Mapping[str, Array]]]]:
    """(recipes, the reference's trained parameters plain and nudged) of each module of a kind."""
    ours, again = trained_of(known.side), trained_of(known.again)
    for module in as_list(report.get("modules"))[:MAX_MODULES]:
        number = module.get("photo") if isinstance(module, dict) else None
        if not isinstance(number, int) or not 0 <= number < len(ours):
            continue
        modules = modules_of(known, number) if turned else None
        nudged = in_order(again[number], modules) if number < len(again) else {}
        yield recipes_of(module), (in_order(ours[number], modules), nudged)


def compare_tree(
    recipes: Mapping[str, Any],
    ours: Mapping[str, Array],
    nudged: Mapping[str, Array],
    theirs: Mapping[str, Array],
    yardstick: Yardstick,
) -> list[ProbeRecord]:
    records = []
    for path, plan in list(recipes.items())[:MAX_PARAMETERS]:
        held = theirs.get(path)
        expected = made(plan, ours, held)
        if held is None or expected is None:
            continue
        moved = made(plan, nudged, held)
        if moved is not None and wanders(expected, moved, yardstick):
            continue
        records.append(compare_array(f"parameter: {path}", expected, held, moved, yardstick))
    return records


def made(plan: Any, arrays: Mapping[str, Array], like: Array | None) -> Array | None:
    """What a recipe makes of the reference's parameters, None where it does not apply."""
    if like is None:
        return None
    try:
        return recipe.apply(plan, arrays).reshape(like.shape)
    except (recipe.BadRecipe, ValueError, TypeError):
        return None


def in_order(arrays: Mapping[str, Array], modules: Any) -> Mapping[str, Array]:
    return arrays if modules is None else channels_last(modules, arrays)


def trained_of(side: Side | None) -> list[Mapping[str, Array]]:
    if side is None:
        return []
    try:
        found = read_packet(side.result.files, TRAINED)
    except Unreadable:
        return []
    return [read_arrays(each) for each in as_list(found)]


def modules_of(known: Reference, number: int) -> Any:
    try:
        return unpack(known.photos)[number]["modules"]
    except (PacketError, KeyError, IndexError, TypeError):
        return None


def recipes_of(report: Mapping[str, Any]) -> Mapping[str, Any]:
    recipes = report.get("recipes")
    return recipes if isinstance(recipes, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
