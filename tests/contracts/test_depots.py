"""What every depot does, wherever its files are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestune.errors import CheckpointDamaged
from orchestune.storage.bucket import Bucket
from orchestune.storage.depot import Depot, depot_at
from orchestune.storage.folder import Folder
from orchestune.training.checkpoint import CheckpointStore, Fenced, Place

BLOCKS = b"0123456789abcdef" * (1 << 20)  # 16 MiB and a byte: more than travels at a time
FILES = {"state.pt": b"weights", "parts/large": BLOCKS + b"!", "parts/empty": b""}


@pytest.fixture(params=["folder", "bucket", pytest.param("head", marks=pytest.mark.ray)])
def depot(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Depot]:
    if request.param == "folder":
        yield Folder(tmp_path / "runs")
    elif request.param == "bucket":
        yield Bucket(request.getfixturevalue("s3").new()).at("run")
    else:
        request.getfixturevalue("ray_cluster")
        from orchestune.storage.head import FromAfar, Kept

        kept = Kept(tmp_path / "runs")
        with kept.served():
            yield FromAfar(kept.where)


def fill(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def whole(folder: Path) -> None:
    fill(folder)
    (folder / "last").write_text("all are there")


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_small_files(depot: Depot) -> None:
    with pytest.raises(FileNotFoundError):
        depot.read("a/b.json")
    depot.write("a/b.json", "first: é")
    depot.write("a/b.json", "second: é")
    assert depot.read("a/b.json") == "second: é"


def test_what_is_below_a_folder(depot: Depot) -> None:
    assert depot.below("a") == []
    depot.make("a/empty")
    depot.write("a/b/c", "text")
    depot.write("ab", "beside")
    assert sorted(depot.below("a")) == ["b", "b/c", "empty"]
    assert sorted(depot.below("")) == ["a", "a/b", "a/b/c", "a/empty", "ab"]


def test_a_folder_comes_back_as_it_was(depot: Depot) -> None:
    depot.fill("a/b", whole, "last")
    with depot.opened("a/b") as folder:
        assert content(folder) == {**FILES, "last": b"all are there"}


def test_a_folder_that_could_not_be_filled(depot: Depot) -> None:
    def broken(folder: Path) -> None:
        fill(folder)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        depot.fill("a/b", broken, "last")
    assert not [key for key in depot.below("a") if key.startswith("b")]


def test_deleting(depot: Depot) -> None:
    depot.delete("a")
    depot.fill("a/b", whole, "last")
    depot.write("a/c", "stays")
    depot.delete("a/b", first="last")
    assert depot.below("a") == ["c"]
    depot.delete("a")
    assert depot.below("a") == []


def test_another_machine_finds_the_same(depot: Depot) -> None:
    depot.write("a", "text")
    assert depot_at(depot.where).read("a") == "text"


def test_a_name_that_a_user_can_look_up(depot: Depot) -> None:
    assert "a/b" in depot.called("a/b")


# ---- a store of checkpoints on it


def written(store: CheckpointStore, *places: Place) -> None:
    for place in places:
        store.fence(place.trial, place.leg)
        store.write(place, [{"epoch": place.epoch, "metrics": {"score": 0.5}}], fill)


def test_checkpoints(depot: Depot) -> None:
    store = CheckpointStore(depot)
    first, second, third = Place(1, 1, "0000"), Place(2, 1, "0000"), Place(3, 2, "0000")
    written(store, first, second)
    assert store.places("0000") == [first, second]
    found = store.newest("0000", pytest.fail)
    assert found
    assert (found.place, found.reports[0]["epoch"]) == (second, 2)
    with store.opened(second) as folder:
        assert FILES.items() <= content(folder).items()
    store.fence("0000", 2)
    with pytest.raises(Fenced):
        store.write(Place(3, 1, "0000"), [], fill)
    store.write(third, [], fill)
    store.keep_only("0000", {second, third})
    assert store.places("0000") == [second, third]


def test_a_checkpoint_of_which_a_file_is_gone(depot: Depot) -> None:
    store = CheckpointStore(depot)
    first, second = Place(1, 1, "0000"), Place(2, 1, "0000")
    written(store, first, second)
    depot.delete(store.key(second), first="state.pt")
    depot.delete(f"{store.key(second)}/parts")
    depot.write(f"{store.key(second)}/manifest.json", depot.read(f"{store.key(first)}/manifest.json"))
    said: list[str] = []
    found = store.newest("0000", said.append)
    assert found
    assert found.place == first
    assert "is missing" in said[0]
    with pytest.raises(CheckpointDamaged, match="is missing"), store.opened(second):
        pass


def test_a_checkpoint_that_is_not_what_was_written(depot: Depot) -> None:
    """Far away it shows only when one is opened; then it is not chosen again."""
    store = CheckpointStore(depot)
    first, second = Place(1, 1, "0000"), Place(2, 1, "0000")
    written(store, first, second)
    depot.write(f"{store.key(second)}/state.pt", "weighty")
    with pytest.raises(CheckpointDamaged, match=r"state\.pt is not what was written"), store.opened(second):
        pass
    said: list[str] = []
    found = store.newest("0000", said.append)
    assert found
    assert found.place == first
    assert "is not what was written" in said[0] or "checksum" in said[0]
    store.fence("0001", 1)
    written(store, Place(3, 1, "0000"))
    depot.write(f"{store.key(Place(3, 1, '0000'))}/state.pt", "weighty")
    assert store.adopt(Place(3, 1, "0000"), "0001", 1, said.append) is None
    assert "is not what was written" in said[-1]


def test_a_checkpoint_that_is_gone(depot: Depot) -> None:
    """Between the look at it and its opening, by whatever hand."""
    store = CheckpointStore(depot)
    with pytest.raises(CheckpointDamaged), store.opened(Place(1, 1, "0000")):
        pass


def test_what_is_nobodys_checkpoint_stays(depot: Depot) -> None:
    depot.write("notes/of-mine", "text")
    depot.write("loose", "text")
    CheckpointStore(depot).forget_unknown({})
    assert sorted(depot.below("")) == ["loose", "notes", "notes/of-mine"]


def test_a_checkpoint_that_another_trial_adopts(depot: Depot) -> None:
    store = CheckpointStore(depot)
    written(store, Place(2, 1, "0000"))
    store.fence("0001", 1)
    mine = store.adopt(Place(2, 1, "0000"), "0001", 1, pytest.fail)
    assert mine
    with store.opened(mine) as folder:
        assert FILES.items() <= content(folder).items()
    assert store.manifest(mine).reports == []


def test_what_a_journal_does_not_know_is_forgotten(depot: Depot) -> None:
    store = CheckpointStore(depot)
    written(store, Place(1, 1, "0000"), Place(2, 2, "0000"), Place(1, 1, "0001"))
    store.forget_unknown({"0000": 1})
    assert (store.places("0000"), store.places("0001")) == ([Place(1, 1, "0000")], [])
    assert not store.is_fenced("0000", 1)


def test_the_test_splits_metrics_are_kept(depot: Depot) -> None:
    store = CheckpointStore(depot)
    written(store, Place(1, 1, "0000"), Place(2, 1, "0000"))
    assert store.kept_test(Place(2, 1, "0000")) is None
    store.keep_test(Place(2, 1, "0000"), {"test_accuracy": 0.97})
    assert store.kept_test(Place(2, 1, "0000")) == {"test_accuracy": 0.97}
    assert store.kept_test(Place(1, 1, "0000")) is None, "it is another checkpoint's"
    assert len(store.places("0000")) == 2
