"""The parameter bridge: the right tensor in the right layout, and never a silent guess."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.harness import recipe
from executor.harness.bridge import Bridge, match
from executor.harness.layouts import Slot, options
from executor.harness.units import Leaf, reference_tensors

Array = np.ndarray[Any, Any]


def linear(path: str) -> dict[str, Any]:
    return module(path, ["Linear"], ["weight", "bias"])


def module(
    path: str, types: list[str], parameters: list[str], buffers: Sequence[str] = (), **config: Any
) -> dict[str, Any]:
    return {
        "path": path,
        "types": types,
        "config": config,
        "parameters": parameters,
        "buffers": list(buffers),
    }


def dense(path: str, shape: tuple[int, ...], order: int) -> list[Leaf]:
    """A Flax Dense layer's two parameters."""
    parts = tuple(path.split("/"))
    common = {"order": order, "library": "linen", "layer_types": ("Dense",), "library_layer": True}
    return [
        Leaf(f"params/{path}/bias", (*parts, "bias"), shape[-1:], **common),  # type: ignore[arg-type]
        Leaf(f"params/{path}/kernel", (*parts, "kernel"), shape, **common),  # type: ignore[arg-type]
    ]


def plain(shapes: Mapping[str, tuple[int, ...]]) -> list[Leaf]:
    """Parameters of a plain tree."""
    return [
        Leaf(path, tuple(path.split(".")), shape, order)
        for order, (path, shape) in enumerate(shapes.items())
    ]


def bridge(
    modules: list[dict[str, Any]],
    arrays: Mapping[str, Array],
    leaves: list[Leaf],
    calls: Sequence[str] | None = None,
    pins: Mapping[str, Mapping[str, str]] | None = None,
) -> Bridge:
    names = {f"{m['path']}.{p}" if m["path"] else p for m in modules for p in m["buffers"]}
    order = list(calls) if calls is not None else [m["path"] for m in modules]
    description = {"modules": modules, "calls": order}
    tensors = reference_tensors(
        description,
        {n: a.shape for n, a in arrays.items() if n not in names},
        {n: a.shape for n, a in arrays.items() if n in names},
        {},
    )
    return match(description, tensors, leaves, pins or {})


def random_arrays(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=shape) for name, shape in shapes.items()}


WIDTHS = st.lists(st.integers(2, 5), min_size=2, max_size=6)


@given(WIDTHS, st.booleans())
@settings(max_examples=60)
def test_a_stack_of_dense_layers_is_paired_in_order_of_calls(
    widths: list[int], named: bool
) -> None:
    """Also where layers have the same shape: order of calls or names tell them apart."""
    pairs = list(itertools.pairwise(widths))
    modules = [linear(f"fc{i}") for i in range(len(pairs))]
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (inputs, outputs) in enumerate(pairs):
        shapes |= {f"fc{i}.weight": (outputs, inputs), f"fc{i}.bias": (outputs,)}
    arrays = random_arrays(shapes)
    name = "fc{}" if named else "Dense_{}"
    leaves = [leaf for i, pair in enumerate(pairs) for leaf in dense(name.format(i), pair, i)]
    found = bridge(modules, arrays, leaves[::-1] if named else leaves)
    assert (found.missing, found.extra, found.open) == ([], [], {})
    for i in range(len(pairs)):
        plan = found.entries[f"params/{name.format(i)}/kernel"].recipe
        assert np.array_equal(recipe.apply(plan, arrays), arrays[f"fc{i}.weight"].T)


def test_the_order_of_calls_counts_where_names_were_made_by_the_library() -> None:
    """In Dense(1)(relu(Dense(16)(x))) Python builds the outer layer first."""
    arrays = random_arrays(
        {"out.weight": (4, 4), "out.bias": (4,), "enter.weight": (4, 4), "enter.bias": (4,)}
    )
    leaves = [*dense("Dense_0", (4, 4), 1), *dense("Dense_1", (4, 4), 0)]
    found = bridge([linear("out"), linear("enter")], arrays, leaves, calls=["enter", "out"])
    plan = found.entries["params/Dense_0/kernel"].recipe
    assert recipe.names(plan) == ["out.weight"]


def test_a_lone_square_matrix_is_left_open() -> None:
    arrays = random_arrays({"fc.weight": (4, 4)})
    found = bridge([module("fc", ["Linear"], ["weight"])], arrays, plain({"w": (4, 4)}))
    assert not found.entries["w"].certain
    assert len(found.open["w"]) == 1


def test_a_square_matrix_lies_as_its_siblings_do() -> None:
    modules = [module("a", ["Linear"], ["weight"]), module("b", ["Linear"], ["weight"])]
    arrays = random_arrays({"a.weight": (4, 3), "b.weight": (4, 4)})
    for shape, turned in (((3, 4), True), ((4, 3), False)):
        found = bridge(modules, arrays, plain({"w1": shape, "w2": (4, 4)}))
        expected = arrays["b.weight"].T if turned else arrays["b.weight"]
        assert found.entries["w2"].certain
        assert np.array_equal(recipe.apply(found.entries["w2"].recipe, arrays), expected)


@pytest.mark.parametrize(("layout", "turned"), [("as_is", False), ("transposed", True)])
def test_a_pin_settles_a_square_matrix(layout: str, turned: bool) -> None:
    arrays = random_arrays({"fc.weight": (4, 4)})
    found = bridge(
        [module("fc", ["Linear"], ["weight"])],
        arrays,
        plain({"w": (4, 4)}),
        pins={"w": {"source": "fc.weight", "layout": layout}},
    )
    assert found.entries["w"].why == "pinned"
    expected = arrays["fc.weight"].T if turned else arrays["fc.weight"]
    assert np.array_equal(recipe.apply(found.entries["w"].recipe, arrays), expected)


def test_a_missing_bias_is_named() -> None:
    arrays = random_arrays({"fc.weight": (5, 3), "fc.bias": (5,)})
    kernel = dense("Dense_0", (3, 5), 0)[1]
    found = bridge([linear("fc")], arrays, [kernel])
    assert found.missing == ["fc.bias"]


def test_a_parameter_too_many_is_named() -> None:
    arrays = random_arrays({"fc.weight": (5, 3)})
    found = bridge([module("fc", ["Linear"], ["weight"])], arrays, dense("Dense_0", (3, 5), 0))
    assert found.extra == ["params/Dense_0/bias"]


def test_running_statistics_go_to_statistics() -> None:
    arrays = random_arrays(
        {"bn.weight": (3,), "bn.bias": (3,), "bn.running_mean": (3,), "bn.running_var": (3,)}
    )
    bn = module(
        "bn", ["BatchNorm2d", "_NormBase"], ["weight", "bias"], ["running_mean", "running_var"]
    )
    common: dict[str, Any] = {
        "order": 0,
        "library": "linen",
        "layer_types": ("BatchNorm",),
        "library_layer": True,
    }
    leaves = [
        Leaf("params/BatchNorm_0/scale", ("BatchNorm_0", "scale"), (3,), **common),
        Leaf("params/BatchNorm_0/bias", ("BatchNorm_0", "bias"), (3,), **common),
        Leaf(
            "batch_stats/BatchNorm_0/mean", ("BatchNorm_0", "mean"), (3,), statistic=True, **common
        ),
        Leaf("batch_stats/BatchNorm_0/var", ("BatchNorm_0", "var"), (3,), statistic=True, **common),
    ]
    found = bridge([bn], arrays, leaves)
    taken = {path: recipe.names(entry.recipe) for path, entry in found.entries.items()}
    assert taken == {
        "params/BatchNorm_0/scale": ["bn.weight"],
        "params/BatchNorm_0/bias": ["bn.bias"],
        "batch_stats/BatchNorm_0/mean": ["bn.running_mean"],
        "batch_stats/BatchNorm_0/var": ["bn.running_var"],
    }


@given(
    st.permutations([2, 3, 5]).flatmap(
        lambda sizes: st.tuples(st.just(sizes), st.integers(1, 2), st.integers(2, 4))
    )
)
@settings(max_examples=40)
def test_a_convolution_kernel_is_moved_channels_last(drawn: Any) -> None:
    (outputs, inputs, size), rank, other = drawn
    spatial = (size, other)[:rank]
    shape = (outputs, inputs, *spatial)
    weight = np.random.default_rng(0).normal(size=shape)
    slot = Slot((*spatial, inputs, outputs), "kernel", "linen", ("Conv",))
    found = options("conv.weight", shape, "conv", slot)
    assert len(found) == 1
    assert found[0].certain
    moved = recipe.apply(found[0].recipe, {"conv.weight": weight})
    assert np.array_equal(moved, np.moveaxis(weight, (0, 1), (-1, -2)))


@given(st.data())
@settings(max_examples=60)
def test_recipes_are_linear_and_cover_what_they_use(data: st.DataObject) -> None:
    """Gradients and moves go through the same recipe as values: it must be linear."""
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=4)))
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    axes = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1))))
    plan = recipe.simple("a", ("transpose", order), ("flip", axes))
    first, second = random_arrays({"x": shape, "y": shape}).values()
    total = recipe.apply(plan, {"a": 2 * first + second})
    assert np.allclose(
        total, 2 * recipe.apply(plan, {"a": first}) + recipe.apply(plan, {"a": second})
    )
    assert len(recipe.used(plan, "a", shape)) == first.size


def test_summed_biases_share_their_gradient() -> None:
    plan = recipe.recipe([("b_ih", []), ("b_hh", [])], "sum")
    arrays = {"b_ih": np.array([1.0, 2.0]), "b_hh": np.array([10.0, 20.0])}
    assert recipe.apply(plan, arrays).tolist() == [11.0, 22.0]
    gradients = {"b_ih": np.array([3.0, 4.0]), "b_hh": np.array([3.0, 4.0])}
    assert recipe.averaged(plan, gradients).tolist() == [3.0, 4.0]
    assert recipe.counts(plan, gradients).tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "steps",
    [
        [["reshape", [10**12]]],
        [["reshape", [-1, 2]]],
        [["transpose", [0, 0]]],
        [["unknown", [1]]],
        [["flip", [7]]],
        [["transpose", [1, 0]]] * 9,
        [["slice", [0]]],
    ],
)
def test_hostile_recipes_are_refused(steps: list[Any]) -> None:
    plan = {"sources": [{"name": "a", "steps": steps}], "combine": "one", "steps": []}
    with pytest.raises(recipe.BadRecipe):
        recipe.apply(plan, {"a": np.zeros((2, 3))})


def test_a_recipe_that_cuts_is_seen_to_use_less() -> None:
    plan = recipe.simple("a", ("slice", (0, 0, 1)))
    assert len(recipe.used(plan, "a", (4, 3))) == 3
