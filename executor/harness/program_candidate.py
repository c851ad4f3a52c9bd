"""Entry: runs a JAX program on the reference's random draws and writes down what it showed."""

from __future__ import annotations

import contextlib
import platform
from dataclasses import asdict
from typing import Any

import jax
import numpy as np

from . import (
    compiled,
    contexts,
    effort,
    program_run,
    program_values,
    random_hand,
    random_log,
    random_numpy,
    random_replay,
    random_samplers,
    report,
)
from .flatten_order import channels_last
from .random_match import Replayer
from .random_request import Options

DRAWS = "t2j-draws.npz"
PHOTOS = "t2j-photos.npz"
MAX_TOLD = 500


def main() -> None:
    settings = program_run.settings()
    effort.spare(settings)
    program_run.prepare()
    program_run.open_providers(int(settings["data_examples"]))
    program_run.seed_generators(int(settings["seed"]))
    compiled.install()
    contexts.install()
    replayer = start_replay(settings)
    libraries = settings.get("libraries", [])
    carrier = start_carrying(settings) if replayer is not None and libraries else None
    ending = program_run.execute(settings["constants"])
    with contextlib.suppress(Exception):
        jax.effects_barrier()
    observed = program_run.observe(settings.get("observe", ""), "candidate", ending, convert)
    record = {
        "error": ending.error,
        "values": program_values.module_values(ending.namespace, convert) | observed,
        "files": program_values.written_files(ending.before),
        "data": program_run.data_used(),
        "versions": versions(),
        "random": None if replayer is None else told(replayer),
        "plots": program_run.plots(),
        "scalars": program_run.scalars(),
        "trained": [] if carrier is None else trained(carrier, ending.namespace),
        "mapping": [] if carrier is None else carrier.mapping[:MAX_TOLD],
        "unmatched": [] if carrier is None else carrier.unmatched[:MAX_TOLD],
    }
    report.write(program_run.RECORD, record)


def start_replay(settings: dict[str, Any]) -> Replayer | None:
    """Share the reference's draws, if the job brings them."""
    path = report.IN / DRAWS
    if not path.exists():
        return None
    replayer = Replayer(random_log.decode(path.read_bytes()), Options(**settings["options"]))
    random_samplers.install(replayer)
    random_hand.install(replayer)
    program_run.share_with_providers(
        lambda family, values, low, high: replayer.natural_or_shared(
            random_numpy.Call(family, values, low, high)
        )
    )
    random_numpy.install(replayer.natural_or_shared)
    return replayer


def start_carrying(settings: dict[str, Any]) -> Any:
    """Carry initial parameters over into the modules of the libraries that the program uses."""
    from .random_carry import Carrier

    libraries, photos = settings["libraries"], report.read(PHOTOS)
    if settings.get("channels_last"):
        photos = [
            {**photo, "parameters": channels_last(photo["modules"], photo["parameters"])}
            for photo in photos
        ]
    carrier = Carrier(photos)
    if "flax" in libraries:
        from . import random_carry_linen, random_carry_nnx

        random_carry_linen.install(carrier)
        random_carry_nnx.install(carrier)
    if "haiku" in libraries:
        from . import random_carry_haiku

        random_carry_haiku.install(carrier)
    return carrier


def trained(carrier: Any, namespace: dict[str, Any]) -> list[dict[str, Any]]:
    """Trained parameters of the modules that were carried over, as the program leaves them."""
    from . import random_trained

    try:
        return random_trained.reported(carrier, namespace)
    except Exception:
        return []


def told(replayer: Replayer) -> dict[str, Any]:
    """What was asked and what was left, for the story of a difference."""
    left = [entry.number for entry in replayer.entries if not entry.used]
    return {
        "asked": replayer.asked,
        "unanswered": replayer.unanswered,
        "squares": replayer.squares,
        "masks": replayer.masks,
        "by_hand": random_hand.State.made[:MAX_TOLD],
        "served": [asdict(each) for each in replayer.served[:MAX_TOLD]],
        "left": left[:MAX_TOLD],
        "trouble": list(dict.fromkeys(random_replay.State.trouble))[:20],
    }


def versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "jax": jax.__version__,
        "numpy": np.__version__,
    }


def convert(value: Any) -> np.ndarray[Any, Any] | None:
    """A JAX array as NumPy's; random keys are not numbers."""
    if not isinstance(value, jax.Array) or jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key):
        return None
    return np.asarray(value)
