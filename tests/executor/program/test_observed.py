"""What is observed of a program besides its prints, and parameters that are made by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from executor.harness.flatten_order import channels_last
from executor.parity.cache import DiskCache
from executor.parity.contract import Contract, Shape
from executor.parity.engine import verify
from executor.parity.outcome import Outcome, Reason, Verdict

REFERENCE = """
import torch
import torch.nn as nn
import matplotlib.pyplot as plt
def main():
    torch.manual_seed(0)
    x = torch.randn(20, 3)
    y = x.sum(1, keepdim=True)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for epoch in range(6):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    print(f"first loss: {history[0]:.4f}")
    plt.plot(history)
    plt.show()
main()
"""
RIGHT = """
import jax
import jax.numpy as jnp
import flax.linen as nn
import optax
import matplotlib.pyplot as plt
def main():
    kx, kp = jax.random.split(jax.random.PRNGKey(0))
    x = jax.random.normal(kx, (20, 3))
    y = x.sum(1, keepdims=True)
    model = nn.Dense(1)
    params = model.init(kp, x)
    tx = optax.sgd(0.1)
    state = tx.init(params)
    losses = []
    for epoch in range(6):
        loss, grads = jax.value_and_grad(lambda p: jnp.mean((model.apply(p, x) - y) ** 2))(params)
        updates, state = tx.update(grads, state)
        params = optax.apply_updates(params, updates)
        losses.append(float(loss))
    print(f"first loss: {losses[0]:.4f}")
    plt.plot(losses)
    plt.show()
main()
"""
BY_HAND = RIGHT.replace(
    "params = model.init(kp, x)",
    'params = {"params": {"kernel": jax.random.normal(kp, (3, 1)) * 0.3, "bias": jnp.zeros(1)}}',
)


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> DiskCache:
    return DiskCache(tmp_path_factory.mktemp("references"))


def judge(
    candidate: str, references: DiskCache, reference: str = REFERENCE, **fields: Any
) -> Verdict:
    contract = Contract(kind=Shape.PROGRAM, wall_s=60.0, **fields)
    return verify(reference, candidate, contract=contract, cache=references)


def test_variables_of_main_figures_and_trained_parameters(references: DiskCache) -> None:
    verdict = judge(RIGHT, references)
    assert verdict.outcome is Outcome.PASS, verdict.message
    assert {probe.name for probe in verdict.probes} >= {
        "printed: first loss #",
        "variable: x",
        "variable: loss",
        "plot: figure 1 axes 1 line 1",
        "parameter: params/kernel",
        "parameter: params/bias",
    }


@pytest.mark.parametrize(
    ("change", "probe"),
    [
        (("losses.append", "loss = loss * (epoch < 3); losses.append"), "plot: "),
        (
            ("    print(f", "    params = optax.apply_updates(params, updates)\n    print(f"),
            "param",
        ),
    ],
)
def test_a_bug_that_no_print_shows(
    change: tuple[str, str], probe: str, references: DiskCache
) -> None:
    verdict = judge(RIGHT.replace(*change), references)
    assert verdict.outcome is Outcome.FAIL, verdict.message
    failing = [each.name for each in verdict.probes if each.outcome is Outcome.FAIL]
    assert any(name.startswith(probe) for name in failing), failing


def test_probes_can_be_dropped_and_names_mapped(references: DiskCache) -> None:
    wrong = RIGHT.replace("losses.append", "loss = loss * 1.5; losses.append")
    fields: dict[str, Any] = {
        "names": {"history": "losses"},
        "ignore": ("printed: first*", "plot: *", "loss"),
    }
    verdict = judge(wrong, references, **fields)
    failing = [each.name for each in verdict.probes if each.outcome is Outcome.FAIL]
    assert failing == ["variable: history"]
    assert "The curves part at step 1 of 6 (history)" in verdict.message


def test_parameters_made_by_hand_are_carried_over(references: DiskCache) -> None:
    verdict = judge(BY_HAND, references)
    assert verdict.outcome is Outcome.PASS, verdict.message
    assert any("carried over" in note for note in verdict.notes)


def test_a_bug_beside_parameters_made_by_hand_fails(references: DiskCache) -> None:
    verdict = judge(BY_HAND.replace("optax.sgd(0.1)", "optax.sgd(0.15)"), references)
    assert verdict.outcome is Outcome.FAIL, verdict.message


@pytest.mark.parametrize(
    "candidate", [RIGHT, BY_HAND, BY_HAND.replace("optax.sgd(0.1)", "optax.sgd(0.15)")]
)
def test_the_same_verdict_again_but_for_times(candidate: str, references: DiskCache) -> None:
    first, second = (judge(candidate, references).to_json() for _ in range(2))
    for verdict in (first, second):
        del verdict["seconds"], verdict["timings"]
    assert json.dumps(first) == json.dumps(second)


DATA = """
import torch
from torchvision import datasets, transforms
torch.manual_seed(0)
flip = transforms.RandomHorizontalFlip()
data = datasets.MNIST("data", train=True, download=True, transform=transforms.ToTensor())
images = torch.stack([flip(data[place][0]) for place in range(16)])
print("count", len(data), "mean", (images * torch.arange(28)).mean().item())
print("labels", data.targets[:8])
"""
DATA_JAX = """
import jax, jax.numpy as jnp, numpy as np
import tensorflow_datasets as tfds
data = tfds.as_numpy(tfds.load("mnist", split="train", batch_size=-1))
pixels = jnp.asarray(data["image"][:16, :, :, 0] / 255.0, jnp.float32)
keys = jax.random.split(jax.random.PRNGKey(0), 16)
flipped = [img[:, ::-1] if jax.random.uniform(k) < 0.5 else img for k, img in zip(keys, pixels)]
print("count", len(data["label"]), "mean", (jnp.stack(flipped) * jnp.arange(28)).mean().item())
print("labels", data["label"][:8])
"""


def test_data_that_would_be_downloaded_needs_a_provider(references: DiskCache) -> None:
    verdict = judge(DATA_JAX, references, DATA)
    assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, Reason.NEEDS_DATA)
    assert "`data_provider` set to `stand_in`" in verdict.message


def test_a_provider_makes_the_same_data_for_both_sides(references: DiskCache) -> None:
    fields = {"data_provider": "stand_in", "data_examples": 64}
    verdict = judge(DATA_JAX, references, DATA, **fields)
    assert verdict.outcome is Outcome.PASS, verdict.message
    assert any("Stand-in data was used for MNIST" in note for note in verdict.notes)
    wrong = DATA_JAX.replace("[:, ::-1]", "[::-1]")
    assert judge(wrong, references, DATA, **fields).outcome is Outcome.FAIL


def test_weights_after_a_flattening_follow_the_channels() -> None:
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    weight = np.random.default_rng(1).normal(size=(6, 60)).astype(np.float32)
    modules = [
        {"path": "conv", "types": ["Conv2d"], "config": {"out_channels": 3}},
        {"path": "fc", "types": ["Linear"], "config": {"in_features": 60, "out_features": 6}},
    ]
    turned = channels_last(modules, {"fc.weight": weight})["fc.weight"]
    last = np.moveaxis(images, 1, -1).reshape(2, -1)
    assert np.allclose(images.reshape(2, -1) @ weight.T, last @ turned.T, atol=1e-5)
