"""The random streams that training draws from, torch's, numpy's and Python's, handled as one.

A model's code (dropout, augmentation) uses these global streams, so here alone they are touched: to seed,
to save them with a checkpoint and to keep an evaluation from moving them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Starts every stream anew; numpy's takes the seed modulo 2**32."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  the stream that user code draws from
    torch.manual_seed(seed)


def capture(device: torch.device) -> dict[str, Any]:
    """Where each stream stands, in tensors and numbers only, as `torch.load(weights_only=True)` asks for."""
    version, words, gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002
    state = {
        "torch": torch.get_rng_state(),
        "numpy": {
            "key": torch.from_numpy(numpy["state"]["key"].astype(np.int64)),
            "pos": int(numpy["state"]["pos"]),
            "has_gauss": int(numpy["has_gauss"]),
            "gauss": float(numpy["gauss"]),
        },
        "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore(state: dict[str, Any], device: torch.device) -> None:
    """Puts each stream where `capture` found it. A state taken on a CPU leaves a GPU's stream alone."""
    torch.set_rng_state(state["torch"])
    numpy, python = state["numpy"], state["python"]
    key = numpy["key"].numpy().astype(np.uint32)
    np.random.set_state(  # noqa: NPY002
        ("MT19937", key, numpy["pos"], numpy["has_gauss"], numpy["gauss"])
    )
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


@contextmanager
def preserved(device: torch.device) -> Iterator[None]:
    """Whatever is drawn inside, the streams go on afterwards as if nothing had been."""
    state = capture(device)
    try:
        yield
    finally:
        restore(state, device)
