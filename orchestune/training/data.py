"""The examples a trainable learns from and is judged on, and how they are cut into batches."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset, default_collate

# Tensors of one length, inputs first and the target last, or a map-style dataset whose items are such tuples.
Split = tuple[Tensor, ...] | Dataset[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """Three disjoint splits: to learn from, to choose configurations by, and to judge the chosen one by once.

    Without `validation` a trainable reports no val_ metrics; without `test` it cannot be tested.
    ValueError where a split is empty or its tensors differ in length, TypeError where it is neither kind.
    """

    train: Split
    validation: Split | None = None
    test: Split | None = None

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test"):
            split = getattr(self, name)
            if split is not None:
                _check(name, split)


def size(split: Split) -> int:
    """Number of examples."""
    return len(split[0]) if isinstance(split, tuple) else len(split)  # type: ignore[arg-type]


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch visits its examples, of shape (count,): a function of its arguments alone.

    So a resumed trial needs no saved position, and no other use of chance can shift the order.
    """
    source = torch.Generator().manual_seed(random.Random(f"{seed}-{epoch}").getrandbits(63))
    return torch.randperm(count, generator=source)


def batches(split: Split, batch_size: int, order: Tensor | None = None) -> Iterator[tuple[Tensor, ...]]:
    """The split in batches, each a tuple of tensors, the last one smaller where it does not come out even.

    `order` (shape (examples,), int64) says which example comes when; None keeps them as they are stored.
    Draws from no random stream of its own, unlike a DataLoader.
    """
    tensors = split.tensors if isinstance(split, TensorDataset) else split
    for start in range(0, size(split), batch_size):
        chosen = None if order is None else order[start : start + batch_size]
        if isinstance(tensors, tuple):
            if chosen is None:
                yield tuple(tensor[start : start + batch_size] for tensor in tensors)
            else:
                yield tuple(tensor.index_select(0, chosen.to(tensor.device)) for tensor in tensors)
        else:
            end = min(start + batch_size, size(split))
            indices = range(start, end) if chosen is None else chosen.tolist()
            yield tuple(default_collate([tensors[index] for index in indices]))


def _check(name: str, split: Split) -> None:
    if isinstance(split, tuple):
        if len(split) < 2 or not all(isinstance(part, Tensor) for part in split):
            raise TypeError(f"Data.{name}: a tuple of tensors, inputs first and the target last")
        lengths = [len(part) for part in split]
        if len(set(lengths)) > 1:
            raise ValueError(f"Data.{name}: tensors of different lengths, {lengths}")
    elif not (isinstance(split, Dataset) and isinstance(split, Sized)):
        kind = type(split).__name__
        raise TypeError(f"Data.{name}: a tuple of tensors or a torch Dataset with a length, not a {kind}")
    if size(split) == 0:
        raise ValueError(f"Data.{name} is empty")
