"""What is free on each of a cluster's machines.

Machines of which the same is free are looked at together: a question costs as much on a thousand of them as on ten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestune.training.resources import LEAST, Resources

ONE = round(1 / LEAST)  # Ray counts in ten-thousandths; whole numbers of those add up without an error


class Pool:
    """Machines, and what their guests leave free of them."""

    def __init__(self, machines: Sequence[Mapping[str, float]]) -> None:
        """`machines`: what each of them has, under Ray's names."""
        self._machines = [_Machine(has) for has in machines]
        self._names: tuple[str, ...] = ("CPU",)  # what has been asked for, beside GPUs; only in these machines differ
        self._alike: dict[_Free, dict[_Machine, None]] = {}  # an ordered set of machines for each
        self._sort()

    def fits(self, needs: Resources) -> bool:
        """Whether one of them has that much free."""
        return bool(self._able(*self._split(needs)))

    def take(self, needs: Resources) -> Stay | None:
        """Room for one guest, where the least is free; None where nobody has as much."""
        amounts, gpus = self._split(needs)
        able = self._able(amounts, gpus)
        if not able:
            return None
        free = min(able, key=lambda free: (sum(free.gpus), free.amounts[0]))
        machine = next(reversed(self._alike[free]))
        stay = Stay(machine, amounts, _choose(machine.gpus, gpus), min(gpus, ONE))
        self._change(stay, -1)
        return stay

    def give_back(self, stay: Stay) -> None:
        """The guest is gone."""
        self._change(stay, +1)

    def _change(self, stay: Stay, sign: int) -> None:
        machine = stay.machine
        before = machine.free(self._names)
        del self._alike[before][machine]
        if not self._alike[before]:
            del self._alike[before]
        for name, amount in stay.amounts.items():
            machine.amounts[name] += sign * amount
        for gpu in stay.gpus:
            machine.gpus[gpu] += sign * stay.share
        self._alike.setdefault(machine.free(self._names), {})[machine] = None

    def _able(self, amounts: Mapping[str, int], gpus: int) -> list[_Free]:
        wanted = [amounts.get(name, 0) for name in self._names]
        return [
            free
            for free in self._alike
            if all(there >= amount for there, amount in zip(free.amounts, wanted, strict=True))
            and (gpus == 0 or _choose(free.gpus, gpus))
        ]

    def _split(self, needs: Resources) -> tuple[dict[str, int], int]:
        """The amounts that are needed, and of the GPUs apart."""
        amounts = {name: round(amount * ONE) for name, amount in needs.bundle.items()}
        gpus = amounts.pop("GPU", 0)
        if new := [name for name in amounts if name not in self._names]:
            self._names += tuple(new)
            self._sort()
        return amounts, gpus

    def _sort(self) -> None:
        self._alike = {}
        for machine in self._machines:
            self._alike.setdefault(machine.free(self._names), {})[machine] = None


@dataclass(frozen=True)
class Stay:
    """What one guest has taken of a machine, in ten-thousandths."""

    machine: _Machine
    amounts: Mapping[str, int]
    gpus: Sequence[int]  # which ones
    share: int  # of each of them


@dataclass(frozen=True)
class _Free:
    """What is free: equal for machines between which a guest need not choose."""

    amounts: tuple[int, ...]  # CPUs first
    gpus: tuple[int, ...]  # of each of them, in ascending order


class _Machine:
    """What one machine has free. A fraction of a GPU is of one device: three guests of 0.6 do not fit on two."""

    def __init__(self, has: Mapping[str, float]) -> None:
        self.amounts = {name: round(amount * ONE) for name, amount in has.items() if name != "GPU"}
        whole, part = divmod(round(has.get("GPU", 0) * ONE), ONE)
        self.gpus = [ONE] * whole + [part] * bool(part)

    def free(self, names: Sequence[str]) -> _Free:
        return _Free(tuple(self.amounts.get(name, 0) for name in names), tuple(sorted(self.gpus)))


def _choose(gpus: Sequence[int], amount: int) -> list[int]:
    """Which GPUs to take: idle ones, or, for a fraction, the one with the least room for it. Empty where there is none
    such."""
    if amount == 0:
        return []
    if amount >= ONE:
        idle = [gpu for gpu, free in enumerate(gpus) if free == ONE]
        return idle[: amount // ONE] if len(idle) * ONE >= amount else []
    return sorted((gpu for gpu, free in enumerate(gpus) if free >= amount), key=gpus.__getitem__)[:1]
