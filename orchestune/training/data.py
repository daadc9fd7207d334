"""The examples a trainable learns from and is judged on, and how they are cut into batches."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset, TensorDataset, default_collate

# Tensors of one length, inputs first and the target last; or a map-style dataset whose items are such tuples; or a
# loader whose batches are, and which then says how large they are.
Split = tuple[Tensor, ...] | Dataset[Any] | DataLoader[Any]
SPLITS = ("train", "validation", "test")


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
        for name in SPLITS:
            split = getattr(self, name)
            if split is not None:
                _check(name, split)


def together(one: Split, other: Split) -> Split:
    """The examples of two splits as one. TypeError for loaders: each has an order and a batch size of its own."""
    if isinstance(one, DataLoader) or isinstance(other, DataLoader):
        raise TypeError("two splits of which one is a DataLoader cannot be joined: give tensors, or a torch Dataset")
    if isinstance(one, tuple) and isinstance(other, tuple):
        return tuple(torch.cat(parts) for parts in zip(one, other, strict=True))
    return ConcatDataset([TensorDataset(*part) if isinstance(part, tuple) else part for part in (one, other)])


def batch_count(split: Split, batch_size: int) -> int:
    """Batches in an epoch. TypeError for a loader that cannot tell."""
    if isinstance(split, DataLoader):
        return len(split)
    return -(-_size(split) // batch_size)


def shuffled(split: Split, batch_size: int, seed: int, epoch: int) -> Iterator[tuple[Tensor, ...]]:
    """The epoch's batches to learn from, in an order drawn from (seed, epoch).

    A loader's generator, and its sampler where it counts epochs as DistributedSampler does, is set from the two as
    well; one without a generator of its own draws from torch's global stream, which a checkpoint holds.
    """
    if not isinstance(split, DataLoader):
        yield from batches(split, batch_size, epoch_order(_size(split), seed, epoch))
        return
    if split.generator is not None:
        split.generator.manual_seed(_seed_of(seed, epoch))
    if hasattr(split.sampler, "set_epoch"):
        split.sampler.set_epoch(epoch)
    yield from batches(split, batch_size)


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch visits its examples, of shape (count,): a function of its arguments alone.

    So a resumed trial needs no saved position, and no other use of chance can shift the order.
    """
    source = torch.Generator().manual_seed(_seed_of(seed, epoch))
    return torch.randperm(count, generator=source)


def batches(split: Split, batch_size: int, order: Tensor | None = None) -> Iterator[tuple[Tensor, ...]]:
    """The split in batches, each a tuple of tensors, the last one smaller where it does not come out even.

    `order` (shape (examples,), int64) says which example comes when; None keeps them as they are stored.
    Draws from no random stream of its own. A loader's batches are taken as they come.
    """
    if isinstance(split, DataLoader):
        for batch in split:
            if not (isinstance(batch, list | tuple) and len(batch) >= 2):
                raise TypeError(
                    f"a DataLoader's batch is a {type(batch).__name__}: inputs first and the target last are needed; "
                    "for another form, override train_epoch and evaluate"
                )
            yield tuple(batch)
        return
    tensors = split.tensors if isinstance(split, TensorDataset) else split
    count = _size(split)
    for start in range(0, count, batch_size):
        chosen = None if order is None else order[start : start + batch_size]
        if isinstance(tensors, tuple):
            if chosen is None:
                yield tuple(tensor[start : start + batch_size] for tensor in tensors)
            else:
                yield tuple(tensor.index_select(0, chosen.to(tensor.device)) for tensor in tensors)
        else:
            end = min(start + batch_size, count)
            indices = range(start, end) if chosen is None else chosen.tolist()
            yield tuple(default_collate([tensors[index] for index in indices]))


def _size(split: tuple[Tensor, ...] | Dataset[Any]) -> int:
    """Number of examples."""
    return len(split[0]) if isinstance(split, tuple) else len(split)  # type: ignore[arg-type]


def _seed_of(seed: int, epoch: int) -> int:
    return random.Random(f"{seed}-{epoch}").getrandbits(63)


def _check(name: str, split: Split) -> None:
    if isinstance(split, DataLoader):
        if split.persistent_workers:
            raise ValueError(
                f"Data.{name}: a DataLoader with persistent_workers=True carries random state from epoch to epoch that "
                "no checkpoint can hold; leave it False"
            )
        return  # how much it holds is seen when it is read
    if isinstance(split, tuple):
        if len(split) < 2 or not all(isinstance(part, Tensor) for part in split):
            raise TypeError(f"Data.{name}: a tuple of tensors, inputs first and the target last")
        lengths = [len(part) for part in split]
        if len(set(lengths)) > 1:
            raise ValueError(f"Data.{name}: tensors of different lengths, {lengths}")
    elif not (isinstance(split, Dataset) and isinstance(split, Sized)):
        kind = type(split).__name__
        raise TypeError(f"Data.{name}: a tuple of tensors, a torch Dataset with a length or a DataLoader, not a {kind}")
    if _size(split) == 0:
        raise ValueError(f"Data.{name} is empty")
