"""What the cluster's machines have, which legs are live on them, and what still fits beside those."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from orchestune.running.pool import Pool, Stay
from orchestune.training.legs import Leg
from orchestune.training.resources import Resources

LOOK_EVERY = 5.0  # seconds between two looks at which machines there are

Machines = Sequence[Mapping[str, float]]


class Room:
    """Keeps Tune from being given a leg that would have to wait there.

    Where Ray puts a leg is not asked: it is taken to go where the least is free, as Ray's do. Should Ray have done
    otherwise, or something else run on the cluster, the leg waits inside Tune until another one ends.
    """

    def __init__(
        self, machines: Machines, most: int | None = None, *, look: Callable[[], Machines] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`machines`: what each of them has, under Ray's names; `look` tells it again later, for machines that join or
        go away. `most`: how many legs may be live at a time."""
        self._has, self._most = list(machines), most
        self._ever = list(machines)  # with those that are gone: they may come back
        self._pool = Pool(machines)
        self._live: dict[tuple[str, int], tuple[Resources, Stay | None]] = {}
        self._look, self._clock, self._looked = look, clock, clock()

    @property
    def is_empty(self) -> bool:
        return not self._live

    def lacking(self, needs: Resources) -> str | None:
        """Why a trial could not start here even if nothing else ran, as "asks for 3 CPUs, and there are 2"; None where
        it could."""
        if any(not needs.lacking(has) for has in self._ever):
            return None
        names = {name for has in self._ever for name in has}
        facts = needs.lacking({name: max(has.get(name, 0) for has in self._ever) for name in names})
        where = " on one machine" if len(self._ever) > 1 else ""
        if not facts:
            return f"asks{where} for {needs.words()}, and there is none that has all of it"
        return f"asks{where} for " + "; for ".join(facts)

    def refresh(self, say: Callable[[str], None]) -> None:
        """Looks, now and then, which machines there are, and says what has changed.

        The legs that are live are placed anew. One for which there is no place any more goes on where it is, or Ray
        tells of its loss.
        """
        if self._look is None or self._clock() < self._looked + LOOK_EVERY:
            return
        self._looked, machines = self._clock(), list(self._look())
        if machines == self._has:
            return
        before, self._has = len(self._has), machines
        self._ever += [has for has in machines if has not in self._ever]
        self._pool = Pool(machines)
        for leg, (needs, _) in self._live.items():
            self._live[leg] = (needs, self._pool.take(needs))
        if len(machines) != before:  # one that was promised, and has come, changes no count
            say(f"machines of the cluster: {before} before, {len(machines)} now")

    def fits(self, needs: Resources) -> bool:
        """Whether a leg could start now, beside those that are live."""
        if self._most is not None and len(self._live) >= self._most:
            return False
        return self._pool.fits(needs)

    def enter(self, leg: Leg) -> None:
        """The leg, which fits, is live from now on."""
        self._live[leg.trial, leg.leg] = (leg.resources, self._pool.take(leg.resources))

    def leave(self, leg: Leg) -> None:
        """Ray has let go of the leg's actor."""
        _, stay = self._live.pop((leg.trial, leg.leg), (None, None))
        if stay:
            self._pool.give_back(stay)
