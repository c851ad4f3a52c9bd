"""A dirty fixed-bug file of our own writing, with the dirt that public files show."""

from typing import Any

REFERENCE = """import torch

weights = torch.linspace(-1.0, 1.0, 6).reshape(2, 3)
loss = torch.nn.functional.huber_loss(weights, torch.zeros(2, 3))
print(f"loss {loss.item():.4f}")
"""
DRAFT = """import jax.numpy as jnp
key = random.PRNGKey(0)
weights = jnp.linspace(-1.0, 1.0, 6).view(2, 3)
loss = jnp.huber_loss(weights, jnp.zeros((2, 3)))
print(f"loss {loss:.4f}")
key = random.PRNGKey(0)
"""
FIXED = """import jax.numpy as jnp
import optax
weights = jnp.linspace(-1.0, 1.0, 6).reshape(2, 3)
loss = optax.huber_loss(weights, jnp.zeros((2, 3))).mean()
print(f"loss {loss:.4f}")
"""


def step(code: Any = "", fixed: Any = "", error: str = "AttributeError.", **more: Any) -> Any:
    return {
        "Error_Code": code,
        "Error": error,
        "Fix_info": "Said by a person.",
        "Fixed_Code": fixed,
    } | more


CHAINED = {
    "Example_id": "e1",
    "Input_Code": REFERENCE,
    "LLM_weak_output": DRAFT,
    "LLM_fix_output": FIXED,
    "Errors": [
        step(".view(2, 3)", ".reshape(2, 3)"),
        step("jnp.huber_loss(weights, jnp.zeros((2, 3)))", "optax.huber_loss(weights)"),
        # Quotes what the step before wrote.
        step("optax.huber_loss(weights)", "optax.huber_loss(weights, jnp.zeros((2, 3))).mean()"),
        # Stands in two places.
        step("key = random.PRNGKey(0)", "key = jax.random.PRNGKey(0)"),
        step("weights = jnp.linspace( -1.0, 1.0, 6 ).reshape(2, 3)  # six", ""),
        step("# No gradient computation", "# (See LLM_fix_output ...)"),
        step("[entire output has no HuberLoss implementation]", "Option 1: a\nOption 2: b"),
        step("", "", error=""),
        step("torch.nn.functional.huber_loss", "", error="The input's own bug."),
    ],
}
LOCATED = {
    "exact": 3,
    "whitespace": 1,
    "fuzzy": 0,
    "ambiguous": 1,
    "absent": 3,
    "targets_input": 1,
}
UNCHAINED = {
    "Example_id": "m1",
    "Input_Code": REFERENCE,
    "LLM_weak_output": DRAFT,
    # The other public name of the fixed output.
    "LLM_weak_fix": FIXED,
    "Errors": [
        step("weights = jnp.linspace(-1.0, 1.0, 6).view(2, 3)", "weights = 0"),
        step("6).view(2, 3)\nloss = jnp.huber_loss(", "6)\nloss = optax.huber_loss("),
    ],
}
ELIDED = {
    "Example_id": "h1",
    "Input_Code": "import torch\n# ... (Data Gen) ...\nprint(x)\n",
    "LLM_weak_output": "Here is the JAX code:\n```python\nprint(" + "0" * 20_000 + ")\n```",
    "LLM_fix_output": "",
    "Errors": [],
}
EXAMPLES = [CHAINED, UNCHAINED, ELIDED]
