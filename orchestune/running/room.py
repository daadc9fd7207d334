"""What the cluster's machines have, which legs are live on them, and what still fits beside those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestune.training.legs import Leg
from orchestune.training.resources import LEAST, Resources

ONE = round(1 / LEAST)  # Ray counts in ten-thousandths; whole numbers of those add up without an error


class Room:
    """Keeps Tune from being given a leg that would have to wait there.

    Where Ray puts a leg is not asked: it is taken to go where the least is free, as Ray's do. Should Ray have done
    otherwise, or something else run on the cluster, the leg waits inside Tune until another one ends.
    """

    def __init__(self, machines: Sequence[Mapping[str, float]], most: int | None = None) -> None:
        """`machines`: what each of them has, under Ray's names. `most`: how many legs may be live at a time."""
        self._has, self._most = machines, most
        self._machines = [_Machine(has) for has in machines]
        self._live: dict[tuple[str, int], _Stay] = {}

    @property
    def is_empty(self) -> bool:
        return not self._live

    def lacking(self, needs: Resources) -> str | None:
        """Why a trial could not start here even if nothing else ran, as "asks for 3 CPUs, and there are 2"; None where
        it could."""
        if any(not needs.lacking(has) for has in self._has):
            return None
        names = {name for has in self._has for name in has}
        facts = needs.lacking({name: max(has.get(name, 0) for has in self._has) for name in names})
        where = " on one machine" if len(self._has) > 1 else ""
        if not facts:
            return f"asks{where} for {needs.words()}, and there is none that has all of it"
        return f"asks{where} for " + "; for ".join(facts)

    def fits(self, needs: Resources) -> bool:
        """Whether a leg could start now, beside those that are live."""
        if self._most is not None and len(self._live) >= self._most:
            return False
        return any(machine.fits(needs) for machine in self._machines)

    def enter(self, leg: Leg) -> None:
        """The leg, which fits, is live from now on."""
        machine = min((m for m in self._machines if m.fits(leg.resources)), key=_Machine.free)
        self._live[leg.trial, leg.leg] = machine.take(leg.resources)

    def leave(self, leg: Leg) -> None:
        """Ray has let go of the leg's actor."""
        stay = self._live.pop((leg.trial, leg.leg), None)
        if stay:
            stay.machine.give_back(stay)


@dataclass(frozen=True)
class _Stay:
    """What one leg has taken of a machine, in ten-thousandths."""

    machine: _Machine
    amounts: Mapping[str, int]
    gpus: Sequence[int]  # which ones
    share: int  # of each of them


class _Machine:
    """What one machine has free. A fraction of a GPU is of one device: three trials of 0.6 do not fit on two."""

    def __init__(self, has: Mapping[str, float]) -> None:
        self._free = {name: round(amount * ONE) for name, amount in has.items() if name != "GPU"}
        whole, part = divmod(round(has.get("GPU", 0) * ONE), ONE)
        self._gpus = [ONE] * whole + [part] * bool(part)

    def free(self) -> tuple[int, int]:
        return sum(self._gpus), self._free.get("CPU", 0)

    def fits(self, needs: Resources) -> bool:
        amounts, gpus = _split(needs)
        return all(self._free.get(name, 0) >= amount for name, amount in amounts.items()) and (
            gpus == 0 or bool(self._choose(gpus))
        )

    def take(self, needs: Resources) -> _Stay:
        amounts, gpus = _split(needs)
        stay = _Stay(self, amounts, self._choose(gpus) if gpus else [], min(gpus, ONE))
        self._change(stay, -1)
        return stay

    def give_back(self, stay: _Stay) -> None:
        self._change(stay, +1)

    def _change(self, stay: _Stay, sign: int) -> None:
        for name, amount in stay.amounts.items():
            self._free[name] += sign * amount
        for gpu in stay.gpus:
            self._gpus[gpu] += sign * stay.share

    def _choose(self, amount: int) -> list[int]:
        """The GPUs to take: idle ones, or, for a fraction, the one with the least room for it. Empty where it has none
        such."""
        if amount >= ONE:
            idle = [gpu for gpu, free in enumerate(self._gpus) if free == ONE]
            return idle[: amount // ONE] if len(idle) * ONE >= amount else []
        return sorted((gpu for gpu, free in enumerate(self._gpus) if free >= amount), key=self._gpus.__getitem__)[:1]


def _split(needs: Resources) -> tuple[dict[str, int], int]:
    """The amounts that are needed, and of the GPUs apart."""
    amounts = {name: round(amount * ONE) for name, amount in needs.bundle.items()}
    return amounts, amounts.pop("GPU", 0)
