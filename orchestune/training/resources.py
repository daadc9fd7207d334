"""What one trial occupies while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestune.errors import nearest
from orchestune.training.params import is_number

LEAST = 0.0001  # of any resource: Ray counts in ten-thousandths
OWN_FIELDS = {"CPU": "cpu", "GPU": "gpu", "memory": "memory"}  # what Ray calls the fields of Resources


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one trial occupies: it starts where all of this is free on one machine.

    All of it is for placement alone, so that no more trials are started than fit. What a trial then does with it is up
    to its code: nothing stops one that takes more memory. `custom` are amounts of what the machines were given names
    for when their Ray was started, or that Ray found there itself: `{"accelerator_type:A100": 0.001}`.
    """

    cpu: float = 1  # cores; fractions let several trials share one
    gpu: float = 0  # fractions of one, which several trials share, or whole ones
    memory: int = 0  # bytes; 0 asks for none
    custom: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if isinstance(self.custom, Mapping):
            object.__setattr__(self, "custom", dict(self.custom))  # a copy: nobody else's changes reach it

    @property
    def bundle(self) -> dict[str, float]:
        """The amounts under Ray's names, without those of which none is asked for."""
        asked = {"CPU": self.cpu, "GPU": self.gpu, "memory": self.memory, **self.custom}
        return {name: amount for name, amount in asked.items() if amount}

    def mistakes(self) -> list[str]:
        """What is not legal, a sentence each."""
        wrong = []
        if not is_number(self.cpu) or self.cpu <= 0:
            wrong.append(f"resources.cpu is {self.cpu!r}: it must be a number above 0")
        if not is_number(self.gpu) or self.gpu < 0:
            wrong.append(f"resources.gpu is {self.gpu!r}: it must be 0 or more")
        elif self.gpu > 1 and self.gpu != int(self.gpu):
            wrong.append(f"resources.gpu is {self.gpu!r}: above 1 it must be a whole number")
        if not is_number(self.memory) or self.memory < 0 or self.memory != int(self.memory):
            wrong.append(f"resources.memory is {self.memory!r}: it must be a whole number of bytes, 0 or more")
        elif 0 < self.memory < 2**20:  # no process is so small: GiB were meant
            wrong.append(
                f"resources.memory is {self.memory!r}: it is in bytes, and no trial needs so few; 2 GiB are 2 * 2**30"
            )
        return wrong + self._custom_mistakes() + ([] if wrong else self._too_little())

    def _custom_mistakes(self) -> list[str]:
        if not isinstance(self.custom, Mapping):
            like = '{"accelerator_type:A100": 0.001}'
            return [f"resources.custom is {self.custom!r}: it must be a dictionary from name to amount, such as {like}"]
        wrong = []
        for name, amount in self.custom.items():
            if not isinstance(name, str) or not name:
                wrong.append(f"resources.custom names {name!r}: a name must be a string of at least one character")
            elif name in OWN_FIELDS:
                wrong.append(f"resources.custom names {name!r}: write resources.{OWN_FIELDS[name]} instead")
            elif not is_number(amount) or amount < LEAST:
                wrong.append(f"resources.custom[{name!r}] is {amount!r}: it must be a number, {LEAST} or more")
        return wrong

    def _too_little(self) -> list[str]:
        return [
            f"resources.{name} is {amount!r}: Ray counts in steps of {LEAST}, it must be at least that"
            for name, amount in (("cpu", self.cpu), ("gpu", self.gpu))
            if 0 < amount < LEAST
        ]

    def lacking(self, available: Mapping[str, float]) -> list[str]:
        """What a machine with so much could not give to one trial even if it were idle: how much is asked for, and how
        much there is."""
        wrong = []
        for name, amount in self.bundle.items():
            there = available.get(name, 0)
            if amount > there:
                have = f"there {'is' if there == 1 else 'are'} {figure(name, there)}" if there else "there is none"
                wrong.append(f"{_words(name, amount)}, and {have}" + ("" if there else _similar(name, available)))
        return wrong

    def words(self) -> str:
        """`2 CPUs, 1 GPU, 4 GiB of memory`"""
        return ", ".join(_words(name, amount) for name, amount in self.bundle.items())

    def to_json(self) -> dict[str, Any]:
        return {"cpu": self.cpu, "gpu": self.gpu, "memory": self.memory, "custom": dict(self.custom)}


def figure(name: str, amount: float) -> str:
    """An amount of the resource that Ray calls `name`."""
    return f"{amount / 2**30:.6g} GiB" if name == "memory" else f"{amount:g}"


def _words(name: str, amount: float) -> str:
    if name == "memory":
        return f"{figure(name, amount)} of memory"
    if name in OWN_FIELDS:
        return f"{amount:g} {name}{'' if amount == 1 else 's'}"
    return f"{amount:g} of {name!r}"


def _similar(name: str, available: Mapping[str, float]) -> str:
    """The custom name that was meant, as ". Did you mean 'slot'?"; nothing where none is near."""
    meant = "" if name in OWN_FIELDS else nearest(name, [known for known in available if known not in OWN_FIELDS])
    return meant and "." + meant
