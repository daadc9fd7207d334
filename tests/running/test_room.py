"""What fits beside what: on one machine and on several, with whole GPUs and with fractions."""

from __future__ import annotations

import random

import pytest

from orchestune import Resources
from orchestune.running.room import LOOK_EVERY, Room
from orchestune.training.legs import Leg

GIB = 2**30


def leg(number: int, needs: Resources) -> Leg:
    asked = {"trial": f"{number:04d}", "leg": 1, "start": None, "until": 1}
    return Leg(**asked, store="", seed=0, metric="score", mode="max", resources=needs)


def packed(room: Room, *wanted: Resources, first: int = 0) -> list[Leg]:
    """The legs that got in, of those that ask one after the other."""
    inside = []
    for number, needs in enumerate(wanted, start=first):
        if room.fits(needs):
            inside.append(leg(number, needs))
            room.enter(inside[-1])
    return inside


MACHINE = {"CPU": 4.0, "GPU": 2.0, "memory": 8.0 * GIB, "slot": 1.0}
COUNTS = [
    (Resources(), 4),
    (Resources(cpu=3), 1),
    (Resources(cpu=0.1), 40),  # in floats 4 / 0.1 may be less
    (Resources(cpu=0.3), 13),
    (Resources(cpu=0.1, gpu=1), 2),
    (Resources(cpu=0.1, gpu=2), 1),
    (Resources(cpu=0.1, gpu=0.5), 4),
    (Resources(cpu=0.1, gpu=0.4), 4),  # two on each device; the rest of both is of no use to a fifth
    (Resources(cpu=0.1, gpu=0.6), 2),
    (Resources(cpu=0.1, memory=3 * GIB), 2),
    (Resources(cpu=0.1, custom={"slot": 0.25}), 4),
    (Resources(cpu=5), 0),
    (Resources(gpu=3), 0),
    (Resources(custom={"quota": 1}), 0),
]


@pytest.mark.parametrize(("needs", "count"), COUNTS, ids=[needs.words() for needs, _ in COUNTS])
def test_how_many_fit_side_by_side(needs: Resources, count: int) -> None:
    assert len(packed(Room([MACHINE]), *[needs] * 50)) == count
    assert len(packed(Room([MACHINE, MACHINE]), *[needs] * 100)) == 2 * count
    assert (Room([MACHINE]).lacking(needs) is None) == (count > 0)


def test_who_leaves_gives_back_what_it_took() -> None:
    room = Room([MACHINE])
    sizes = [Resources(cpu=1, gpu=0.5), Resources(cpu=0.3, gpu=1), Resources(cpu=0.7, memory=GIB), Resources(gpu=0.5)]
    for _ in range(20):
        inside = packed(room, *sizes)
        assert len(inside) == 4
        assert not room.is_empty
        for one in inside:
            room.leave(one)
            room.leave(one)  # told twice, of a leg that failed
        assert room.is_empty
    assert len(packed(room, *[Resources(gpu=1)] * 3)) == 2


def test_fractions_share_a_device_and_leave_the_other_whole() -> None:
    half = Resources(cpu=0.1, gpu=0.5)
    assert len(packed(Room([MACHINE]), half, half, Resources(cpu=0.1, gpu=1))) == 3
    assert len(packed(Room([MACHINE]), half, Resources(cpu=0.1, gpu=2))) == 1


def test_a_leg_is_on_one_machine() -> None:
    room = Room([{"CPU": 2.0}, {"CPU": 4.0}])
    assert room.lacking(Resources(cpu=5)) == "asks on one machine for 5 CPUs, and there are 4"
    assert [one.resources.cpu for one in packed(room, *[Resources(cpu=n) for n in (2, 3, 2, 1)])] == [2, 3, 1]


def test_small_legs_leave_the_large_machine_to_large_ones() -> None:
    room = Room([{"CPU": 4.0, "GPU": 1.0}, {"CPU": 2.0}])
    assert len(packed(room, Resources(cpu=2), Resources(cpu=4, gpu=1))) == 2


def test_no_machine_has_all_of_it() -> None:
    room = Room([{"CPU": 8.0}, {"CPU": 1.0, "GPU": 1.0}])
    words = "asks on one machine for 4 CPUs, 1 GPU, and there is none that has all of it"
    assert room.lacking(Resources(cpu=4, gpu=1)) == words
    assert room.lacking(Resources(cpu=9, gpu=2)) == (
        "asks on one machine for 9 CPUs, and there are 8; for 2 GPUs, and there is 1"
    )


def test_no_more_at_a_time_than_were_allowed() -> None:
    assert len(packed(Room([MACHINE], most=3), *[Resources(cpu=0.1)] * 9)) == 3


def test_machines_come_and_go() -> None:
    """Looked at every few seconds; legs that are live keep their place, or lose it with the machine."""
    small, large = {"CPU": 1.0}, {"CPU": 2.0, "GPU": 1.0}
    there, now, said = [small], [0.0], list[str]()
    room = Room(there, look=lambda: list(there), clock=lambda: now[0])
    first = packed(room, *[Resources(cpu=1)] * 9)
    assert len(first) == 1
    there.append(large)
    room.refresh(said.append)
    assert not said, "too soon to look again"
    now[0] += LOOK_EVERY
    room.refresh(said.append)
    assert said == ["machines of the cluster: 1 before, 2 now"]
    more = packed(room, *[Resources(cpu=1)] * 9, first=10)
    assert len(more) == 2
    there.remove(large)
    now[0] += LOOK_EVERY
    room.refresh(said.append)
    assert said[1:] == ["machines of the cluster: 2 before, 1 now"]
    for one in [*first, *more]:
        room.leave(one)
    assert room.is_empty
    assert len(packed(room, *[Resources(cpu=1)] * 9)) == 1
    assert room.lacking(Resources(cpu=2, gpu=1)) is None, "it may come back: a trial waits for it"
    assert not room.fits(Resources(cpu=2, gpu=1))


def test_an_empty_cluster() -> None:
    assert Room([]).lacking(Resources()) == "asks for 1 CPU, and there is none"
    assert not Room([]).fits(Resources())


def test_what_could_run_on_an_idle_machine_fits_there() -> None:
    """Else the run would wait for ever: there would be nothing to wait for."""
    chance = random.Random(7)
    for _ in range(2000):
        cpus, gpus = chance.choice([0.5, 1, 2.5]), chance.choice([0, 0.5, 1, 1.5, 2])
        machine = {"CPU": cpus, "GPU": gpus, "slot": chance.random()}
        needs = Resources(
            cpu=chance.choice([chance.uniform(0.0001, 3), machine["CPU"]]),
            gpu=chance.choice([0, chance.random(), 1, 2]),
            custom={"slot": chance.choice([chance.uniform(0.0001, 1.1), machine["slot"]])},
        )
        room = Room([machine])
        if room.lacking(needs) is None:
            assert room.fits(needs), (machine, needs)
