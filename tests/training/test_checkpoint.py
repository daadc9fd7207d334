"""A checkpoint exists whole or not at all; a damaged one is named; an outdated worker changes nothing."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestune.durable import sealed
from orchestune.errors import CheckpointDamaged
from orchestune.storage.folder import Folder
from orchestune.training.checkpoint import MANIFEST, CheckpointStore, Fenced, Manifest, Place
from tests.running.simulation import Crash, crash_at
from tests.training.stores import folder_of, opened

TRIAL = "0000"
MOMENTS = ("before", "after")


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    store = CheckpointStore(Folder(tmp_path / "trials"))
    store.fence(TRIAL, 1)
    return store


def at(epoch: int, leg: int = 1) -> Place:
    return Place(epoch, leg, TRIAL)


def fill(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "state.pt").write_text(text)
        (folder / "parts").mkdir()
        (folder / "parts" / "more.bin").write_bytes(text.encode() * 100)

    return write


def write(store: CheckpointStore, *places: Place) -> None:
    for place in places:
        store.write(place, [{"epoch": place.epoch, "metrics": {"score": 0.5}}], fill(f"at {place.epoch}"))


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file with what is in it, every folder with nothing."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


class Said(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)


# ---- whole


def test_what_is_written_is_found(store: CheckpointStore) -> None:
    write(store, at(1), at(2))
    assert store.places(TRIAL) == [at(1), at(2)]
    assert (opened(store, at(2)) / "state.pt").read_text() == "at 2"
    assert store.manifest(at(2)).reports == [{"epoch": 2, "metrics": {"score": 0.5}}]
    assert set(store.manifest(at(2)).files) == {"state.pt", "parts/more.bin"}
    assert store.newest(TRIAL, pytest.fail) == store.manifest(at(2))
    assert store.newest(TRIAL, pytest.fail, until=1) == store.manifest(at(1))


def test_the_newest_is_of_the_last_epoch_and_then_of_the_last_leg(store: CheckpointStore) -> None:
    write(store, at(9), at(10))
    store.fence(TRIAL, 2)
    write(store, at(10, leg=2))
    store.fence(TRIAL, 10)
    write(store, at(9, leg=10))
    assert store.places(TRIAL) == [at(9), at(9, leg=10), at(10), at(10, leg=2)]


def test_none_is_no_checkpoint(store: CheckpointStore) -> None:
    assert store.places("0007") == []
    assert store.newest("0007", pytest.fail) is None


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_crash_at_every_durable_step_of_a_write(
    moment: str, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, at(1))
    nth, leg, crashed, existed = 0, 1, True, 0
    while crashed:
        nth, leg = nth + 1, leg + 1
        store.fence(TRIAL, leg)
        try:
            with crash_at(nth, moment, monkeypatch):
                write(store, at(2, leg))
            crashed = False
        except Crash:
            pass
        found = store.newest(TRIAL, pytest.fail)
        assert found
        if found.place == at(2, leg):
            existed += 1
            assert (opened(store, found.place) / "state.pt").read_text() == "at 2"
            store.keep_only(TRIAL, {at(1)})
        else:
            assert found.place == at(1)
    assert nth > 4, "two files, the manifest, two folders"
    assert existed > 1, "from the manifest on it exists, crash or not"


def test_what_breaks_off_leaves_nothing(store: CheckpointStore) -> None:
    def broken(folder: Path) -> None:
        fill("half")(folder)
        raise KeyError("lr")

    write(store, at(1))
    before = snapshot(Path(store.depot.where))
    with pytest.raises(KeyError, match="lr"):
        store.write(at(2), [], broken)
    with pytest.raises(ValueError, match="JSON"):
        store.write(at(2), [{"metrics": {"score": math.nan}}], fill("whole"))
    assert snapshot(Path(store.depot.where)) == before


# ---- damaged


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped": (flip, "is not what was written"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is not what was written"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "is not what was written"),
    "empty": (lambda path: path.write_bytes(b""), "is not what was written"),
    "missing": (Path.unlink, "is missing"),
}


@pytest.mark.parametrize("name", ["state.pt", "parts/more.bin"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_the_checkpoint_before_used(damage: str, name: str, store: CheckpointStore) -> None:
    write(store, at(1), at(2))
    harm, words = DAMAGES[damage]
    path = folder_of(store, at(2)) / name
    harm(path)
    with pytest.raises(CheckpointDamaged, match=f"{path} {words}"):
        opened(store, at(2))
    said = Said()
    assert store.newest(TRIAL, said) == store.manifest(at(1))
    assert len(said) == 1
    assert "using the one before" in said[0]
    assert str(path) in said[0]


def test_each_damaged_one_is_said(store: CheckpointStore) -> None:
    write(store, at(1), at(2), at(3))
    for epoch in (1, 2, 3):
        flip(folder_of(store, at(epoch)) / "state.pt")
    said = Said()
    assert store.newest(TRIAL, said) is None
    assert [text[text.index("epoch-") :][:11] for text in said] == ["epoch-00003", "epoch-00002", "epoch-00001"]


def test_every_flipped_bit_of_a_manifest_is_noticed(store: CheckpointStore) -> None:
    write(store, at(1), at(2))
    path = folder_of(store, at(2)) / MANIFEST
    whole = path.read_bytes()
    for position in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << bit
            path.write_bytes(flipped)
            with pytest.raises(CheckpointDamaged, match=str(path)):
                store.manifest(at(2))
    assert store.newest(TRIAL, Said()) == store.manifest(at(1))


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", sealed({"files": {}})])
def test_a_manifest_of_something_else(text: str, store: CheckpointStore) -> None:
    write(store, at(1), at(2))
    (folder_of(store, at(2)) / MANIFEST).write_text(text + "\n")
    with pytest.raises(CheckpointDamaged, match=r"manifest\.json: "):
        opened(store, at(2))
    said = Said()
    assert store.newest(TRIAL, said) == store.manifest(at(1))
    assert len(said) == 1


# ---- fenced


def test_an_older_leg_changes_nothing(store: CheckpointStore) -> None:
    write(store, at(1))
    store.fence(TRIAL, 2)
    before = snapshot(Path(store.depot.where))
    with pytest.raises(Fenced, match=r"trial 0000 went on as a later leg than 1"):
        store.write(at(2), [], lambda folder: pytest.fail("nothing is asked of its trainable either"))
    assert snapshot(Path(store.depot.where)) == before
    write(store, at(2, leg=2))
    store.write(Place(2, 1, "0001"), [], fill("another trial is none of its business"))


def test_legs_are_compared_as_numbers(store: CheckpointStore) -> None:
    store.fence(TRIAL, 9)
    store.fence(TRIAL, 10)
    assert store.is_fenced(TRIAL, 9)
    assert not store.is_fenced(TRIAL, 10)


# ---- kept and copied


def test_keep_only(store: CheckpointStore) -> None:
    write(store, at(1), at(2), at(3))
    store.fence(TRIAL, 2)
    write(store, at(4, leg=2))
    store.keep_only(TRIAL, {at(2), at(4, leg=2)})
    assert store.places(TRIAL) == [at(2), at(4, leg=2)]
    assert not folder_of(store, at(1)).exists()
    opened(store, at(2))
    store.keep_only(TRIAL, {at(2), at(4, leg=2)})
    store.keep_only(TRIAL, set())
    assert store.places(TRIAL) == []
    assert store.is_fenced(TRIAL, 1), "the folder of the newest leg stays: it is the fence"


def test_what_is_half_deleted_does_not_exist(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write(store, at(1), at(2))
    with monkeypatch.context() as dying:
        dying.setattr("shutil.rmtree", lambda folder: pytest.fail("died"))
        with pytest.raises(pytest.fail.Exception, match="died"):
            store.keep_only(TRIAL, {at(2)})
    assert store.places(TRIAL) == [at(2)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_crash_at_every_durable_step_of_a_copy(
    moment: str, store: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, at(1), at(2))
    best = tmp_path / "best"
    store.copy(at(1), best, {"lr": 1})
    old, nth, crashed = snapshot(best), 0, True
    with monkeypatch.context() as undisturbed:
        undisturbed.setattr("os.getpid", lambda: 0)
        store.copy(at(2), tmp_path / "new", {"lr": 2})
    new = snapshot(tmp_path / "new")
    while crashed:
        nth += 1
        store.copy(at(1), best, {"lr": 1})
        try:
            with crash_at(nth, moment, monkeypatch):
                store.copy(at(2), best, {"lr": 2})
            crashed = False
        except Crash:
            pass
        assert snapshot(best) in (old, new)
    assert nth > 4
    assert snapshot(best) == new
    assert json.loads((best / "config.json").read_text()) == {"lr": 2}


def test_a_damaged_checkpoint_is_not_copied(store: CheckpointStore, tmp_path: Path) -> None:
    write(store, at(1))
    flip(folder_of(store, at(1)) / "state.pt")
    with pytest.raises(CheckpointDamaged, match=r"state\.pt"):
        store.copy(at(1), tmp_path / "best", {})
    write(store, at(2))
    with pytest.raises(ValueError, match="JSON"):
        store.copy(at(2), tmp_path / "best", {"lr": math.nan})
    assert not (tmp_path / "best").exists()


# ---- storage


def test_a_full_disk(small_disk: Path) -> None:
    """Whatever is raised for it: torch says only that a write failed."""

    def by_torch(folder: Path) -> None:
        torch.save(torch.zeros(2_000_000), folder / "state.pt")

    def by_python(folder: Path) -> None:
        (folder / "state.pt").write_bytes(b"." * 8_000_000)

    store = CheckpointStore(Folder(small_disk / "trials"))
    write(store, at(1))
    before = snapshot(Path(store.depot.where))
    causes = []
    for fill_up in (by_torch, by_python):
        with pytest.raises(OSError, match="No space left on device") as full:
            store.write(at(2), [], fill_up)
        assert full.value.errno == errno.ENOSPC
        assert store.depot.where in str(full.value)
        causes.append(type(full.value.__cause__))
        assert snapshot(Path(store.depot.where)) == before, "what was half written makes room again"
    assert causes[0] is RuntimeError, "this is what torch raises"
    write(store, at(2))


def test_an_error_with_room_left_is_itself(small_disk: Path) -> None:
    def broken(folder: Path) -> None:
        raise RuntimeError("the model is None")

    with pytest.raises(RuntimeError, match="the model is None"):
        CheckpointStore(Folder(small_disk)).write(at(1), [], broken)


def test_a_place_that_cannot_be_written(read_only_disk: Path) -> None:
    with pytest.raises(OSError, match="Read-only file system") as problem:
        CheckpointStore(Folder(read_only_disk)).write(at(1), [], fill(""))
    assert problem.value.errno == errno.EROFS


def test_a_manifest_is_plain_data(store: CheckpointStore) -> None:
    write(store, at(1))
    assert store.manifest(at(1)) == Manifest(at(1), store.manifest(at(1)).files, store.manifest(at(1)).reports)
    record: dict[str, Any] = json.loads((folder_of(store, at(1)) / MANIFEST).read_text())
    assert (record["trial"], record["leg"], record["epoch"]) == (TRIAL, 1, 1)
