"""A run whose checkpoints lie in a bucket: its journal is copied there, and its machine may be lost for good."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestune import Asha, Experiment, Fifo, HyperBand
from orchestune.cli import main
from orchestune.errors import ClusterError, RunStateError, RunTaken, StorageError
from orchestune.running import mirror
from orchestune.running.journal import Event, Journal, read_events
from orchestune.running.keeping import Keeping
from orchestune.running.mirror import Mirror, folder_of_run, pieces, rebuild
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record
from orchestune.storage.bucket import Bucket
from orchestune.storage.storage import Storage, below
from tests.conftest import Plan, Server
from tests.running.simulation import Crash, session, toy
from tests.running.test_crashes import essence, witnessed

EXPERIMENTS = {
    "fifo": toy(scheduler=Fifo()),
    "asha": toy(scheduler=Asha(reduction_factor=3)),
    "hyperband": toy(scheduler=HyperBand(reduction_factor=2), num_samples=7),
}


@pytest.fixture
def bucket(s3: Server) -> Bucket:
    return Bucket(below(s3.new(), "run"))


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces are sent when the tests say so."""
    monkeypatch.setattr(mirror, "EVERY_S", 3600.0)


def silent(text: str) -> None:
    raise AssertionError(text)


def mirrored(
    experiment: Experiment, root: Path, bucket: Bucket, *, sent_at: int | None = None, lost_at: int | None = None
) -> Record:
    """A session that copies its journal at its `sent_at`th event, and whose machine is lost at the `lost_at`th."""
    paths, seen = RunPaths(root), 0
    root.mkdir(exist_ok=True)
    journal = Journal(paths.events)
    sending: Any = Mirror(bucket, paths, journal, silent)
    keeping = Keeping(bucket.where, paths)
    if journal.events:
        keeping.store.forget_unknown({t.id: t.leg for t in Record.of(journal.events).trials.values()})
    journal.close()

    def observe(event: Event, record: Record) -> None:
        nonlocal seen
        seen += 1
        sending._journal = Sized(paths.events)  # the session's own Journal is not at hand
        if seen == sent_at:
            sending.send()
        if seen == lost_at:
            raise Crash

    record = session(experiment, root, observe=observe, store=keeping.store)
    sending._journal = Sized(paths.events)
    sending.close()
    return record


class Sized:
    """What a mirror needs of a journal."""

    def __init__(self, path: Path) -> None:
        self.size = path.stat().st_size


@pytest.mark.parametrize("lost", [1, 2, 5, 9])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_machine_lost_for_good(name: str, lost: int, tmp_path: Path, plan: Plan, bucket: Bucket) -> None:
    """What was copied comes back, the rest is done again, and nothing that the lost events made is ever read."""
    experiment, root = EXPERIMENTS[name], tmp_path / "run"
    witness = plan()
    unbroken = session(experiment, tmp_path / "unbroken")
    witness.unlink()
    with pytest.raises(Crash):
        mirrored(experiment, root, bucket, sent_at=8, lost_at=8 + lost)
    before = len(witnessed(witness)[0])
    known = RunPaths(root).events.read_bytes()
    shutil.rmtree(root)
    rebuild(bucket, RunPaths(root))
    copied = RunPaths(root).events.read_bytes()
    assert known.startswith(copied)
    assert len(copied) < len(known)
    record = mirrored(experiment, root, bucket)
    if name == "fifo":
        assert essence(record) == essence(unbroken)
    assert {t.id: t.config for t in record.trials.values()} == {t.id: t.config for t in unbroken.trials.values()}
    assert record.run_end
    epochs = witnessed(witness)[0]
    assert len(epochs) - before <= record.epochs - before + lost, "no more is trained again than what was lost"
    assert (root / "best" / "config.json").exists()
    away = RunPaths(tmp_path / "elsewhere")
    rebuild(bucket, away)
    assert away.events.read_bytes() == RunPaths(root).events.read_bytes()
    assert (away.best / "config.json").read_text() == (root / "best" / "config.json").read_text()


def test_a_trial_that_is_born_anew_does_not_meet_its_namesakes_checkpoint(tmp_path: Path, bucket: Bucket) -> None:
    """The journal that came back does not know the last trial; another question now has its number."""
    root = tmp_path / "run"
    with pytest.raises(Crash):  # events: the session, then trials 0, 1, ... at one CPU, a report an epoch
        mirrored(toy(scheduler=Fifo(), max_epochs=2), root, bucket, sent_at=4, lost_at=7)
    stale = [t for t in Bucket(below(bucket.where, "trials")).below("") if t == "0001"]
    assert stale, "the lost trial has left a checkpoint"
    shutil.rmtree(root)
    rebuild(bucket, RunPaths(root))
    assert "0001" not in Record.of(read_events(RunPaths(root).events)).trials
    other = toy(scheduler=Fifo(), max_epochs=2, seed=1)
    record = mirrored(other, root, bucket)
    second = record.trials["0001"]
    assert second.scores[1] == pytest.approx(second.config["x"] / 2), "it has begun at its own beginning"


def test_pieces_are_whole_lines_and_together_the_journal(tmp_path: Path, bucket: Bucket) -> None:
    paths = RunPaths(tmp_path)
    journal = Journal(paths.events)
    copy = Mirror(bucket, paths, journal, silent)
    for n in range(3):
        journal.append({"event": "session", "v": 1, "n": 2 * n}, {"event": "session", "v": 1, "n": 2 * n + 1})
        copy.send()
        copy.send()
    journal.append({"event": "session", "v": 1, "last": "é"})
    copy.close()
    assert len(pieces(bucket)) == 4
    for start in pieces(bucket):
        assert bucket.read(f"journal/{start:015d}").endswith("\n")
    rebuild(bucket, RunPaths(tmp_path / "again"))
    assert (tmp_path / "again" / "events.jsonl").read_bytes() == paths.events.read_bytes()


def written(paths: RunPaths, *names: str) -> Journal:
    paths.root.mkdir(exist_ok=True)
    journal = Journal(paths.events)
    for name in names:
        journal.append({"event": "session", "v": 1, "name": name})
    return journal


def test_another_session_goes_on_with_the_copy(tmp_path: Path, bucket: Bucket) -> None:
    paths = RunPaths(tmp_path)
    journal = written(paths, "a")
    Mirror(bucket, paths, journal, silent).close()
    journal.close()
    journal = written(paths, "b")
    Mirror(bucket, paths, journal, silent).close()
    assert len(pieces(bucket)) == 2


def test_a_folder_that_knows_more_is_left_as_it_is(tmp_path: Path, bucket: Bucket) -> None:
    paths = RunPaths(tmp_path)
    journal = written(paths, "a")
    Mirror(bucket, paths, journal, silent).close()
    journal.append({"event": "session", "v": 1, "name": "b"})
    before = paths.events.read_bytes()
    rebuild(bucket, paths)
    assert paths.events.read_bytes() == before


def test_a_folder_is_brought_to_what_the_bucket_knows(tmp_path: Path, bucket: Bucket) -> None:
    here, there = RunPaths(tmp_path / "here"), RunPaths(tmp_path / "there")
    journal = written(here, "a")
    Mirror(bucket, here, journal, silent).close()
    rebuild(bucket, there)
    journal.append({"event": "session", "v": 1, "name": "b"})
    Mirror(bucket, here, journal, silent).close()
    rebuild(bucket, there)
    assert there.events.read_bytes() == here.events.read_bytes()


def test_two_machines_do_not_go_on_with_one_run(tmp_path: Path, bucket: Bucket) -> None:
    here, there = RunPaths(tmp_path / "here"), RunPaths(tmp_path / "there")
    first = written(here, "a")
    Mirror(bucket, here, first, silent).close()
    rebuild(bucket, there)
    first.append({"event": "session", "v": 1, "name": "first"})
    Mirror(bucket, here, first, silent).close()
    second = written(there, "second")
    with pytest.raises(RunStateError, match="the run went on elsewhere"):
        Mirror(bucket, there, second, silent)
    with pytest.raises(RunStateError, match="the run went on elsewhere"):
        rebuild(bucket, there)


def test_a_piece_that_is_gone_is_named(tmp_path: Path, bucket: Bucket) -> None:
    paths = RunPaths(tmp_path)
    journal = written(paths, "a")
    copy = Mirror(bucket, paths, journal, silent)
    first = journal.size
    journal.append({"event": "session", "v": 1, "name": "b"})
    copy.send()
    second = journal.size
    journal.append({"event": "session", "v": 1, "name": "c"})
    copy.close()
    bucket.at("journal")._files.delete_file(bucket._path(f"journal/{first:015d}"))
    with pytest.raises(RunStateError, match=f"the bytes from {first} to {second} are missing"):
        rebuild(bucket, RunPaths(tmp_path / "again"))


def test_no_run(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RunStateError, match="is not a run: it has no journal"):
        folder_of_run(bucket.where)


def test_a_runs_name_is_taken_in_the_bucket(tmp_path: Path, bucket: Bucket) -> None:
    paths = RunPaths(tmp_path)
    Keeping(bucket.where, paths).check_new()
    Mirror(bucket, paths, written(paths, "a"), silent).close()
    with pytest.raises(RunTaken, match=r"orchestune resume s3://.*/run"):
        Keeping(bucket.where, paths).check_new()


def test_a_bucket_out_of_reach_is_said_once_and_made_up_for(
    tmp_path: Path, s3: Server, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "EVERY_S", 0.1)
    said: list[str] = []
    told = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        told.set()

    paths = RunPaths(tmp_path)
    journal = written(paths, "a")
    copy = Mirror(replace(bucket, patience_s=0.5), paths, journal, say)
    with s3.cut():
        journal.append({"event": "session", "v": 1, "name": "b"})
        assert told.wait(60)
    copy.close()
    assert len(said) == 1
    assert "the journal is not copied at the moment" in said[0]
    assert sum(len(bucket.read(f"journal/{start:015d}").encode()) for start in pieces(bucket)) == journal.size


def test_what_ends_a_run_is_told_and_not_the_bucket_that_is_gone(
    tmp_path: Path, s3: Server, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "LAST_PATIENCE_S", 0.5)
    monkeypatch.setattr(mirror, "THREADS_PATIENCE_S", 0.5)
    said: list[str] = []
    paths = RunPaths(tmp_path)
    journal = written(paths, "a")
    copied = Keeping(bucket.where, paths).copied(journal, said.append)
    with s3_gone(s3) as cut, pytest.raises(ClusterError, match="asks for too much"), copied:  # noqa: PT012
        cut()
        journal.append({"event": "session", "v": 1, "name": "b"})
        raise ClusterError("asks for too much")
    assert "lacks the journal from byte" in said[0]


@contextmanager
def s3_gone(s3: Server) -> Iterator[Callable[[], None]]:
    """What is yielded cuts the bucket off, until the block ends."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(s3.cut())


def test_a_run_does_not_begin_where_something_is(tmp_path: Path, s3: Server) -> None:
    """Nor does it delete any of it."""
    address = s3.new()
    Bucket(address).write("datasets/images/a", "precious")
    storage = Storage.parse(address)
    with pytest.raises(RunTaken):
        Keeping(storage.kept_at("datasets"), RunPaths(tmp_path)).check_new()
    Keeping(storage.kept_at("datasets"), RunPaths(tmp_path)).discard()
    assert Bucket(address).read("datasets/images/a") == "precious"


def test_a_run_that_never_began_leaves_nothing_and_no_more(tmp_path: Path, bucket: Bucket) -> None:
    paths = RunPaths(tmp_path)
    keeping = Keeping(bucket.where, paths)
    paths.question.write_text("{}")
    with keeping.copied(written(paths, "a"), silent):
        pass
    bucket.write("journal-of-mine", "stays")
    keeping.discard()
    assert bucket.below("") == ["journal-of-mine"]


def test_who_comes_second_does_not_delete_the_firsts(tmp_path: Path, bucket: Bucket) -> None:
    here, there = RunPaths(tmp_path / "here"), RunPaths(tmp_path / "there")
    late = Keeping(bucket.where, there)
    late.check_new()
    Mirror(bucket, here, written(here, "first"), silent).close()
    with pytest.raises(RunStateError, match="the run went on elsewhere"), late.copied(written(there, "second"), silent):
        pass
    late.discard()
    assert len(pieces(bucket)) == 1


def test_the_best_checkpoint_is_there_before_its_runs_end(tmp_path: Path, bucket: Bucket) -> None:
    paths, away = RunPaths(tmp_path / "run"), RunPaths(tmp_path / "away")
    journal = written(paths, "a")
    copy = Mirror(bucket, paths, journal, silent)
    rebuild(bucket, away)
    assert not away.best.exists()
    paths.best.mkdir()
    for name in ("config.json", "state.pt", "manifest.json"):
        (paths.best / name).write_text(name)
    journal.append({"event": "session", "v": 1, "name": "the end"})
    copy.send()
    rebuild(bucket, away)
    assert sorted(path.name for path in away.best.iterdir()) == ["config.json", "manifest.json", "state.pt"]
    shutil.rmtree(away.best)
    rebuild(bucket, away)
    assert (away.best / "state.pt").exists(), "also where the journal is complete"
    copy.close()


def test_a_long_journal_goes_up_in_pieces_of_whole_lines(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "PIECE", 200)
    paths = RunPaths(tmp_path)
    journal = written(paths, *(f"name {n}" for n in range(20)), "long " * 200, "short")
    Mirror(bucket, paths, journal, silent).close()
    found = [bucket.read(f"journal/{start:015d}") for start in pieces(bucket)]
    assert len(found) > 8
    assert all(piece.endswith("\n") for piece in found)
    assert all(len(piece) <= 200 for piece in found if "long" not in piece)
    assert "".join(found) == paths.events.read_text()


def test_only_what_is_not_here_is_read(tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, away = RunPaths(tmp_path / "run"), RunPaths(tmp_path / "away")
    journal = written(paths, "a")
    copy = Mirror(bucket, paths, journal, silent)
    for name in "bcdefg":
        journal.append({"event": "session", "v": 1, "name": name})
        copy.send()
    rebuild(bucket, away)
    journal.append({"event": "session", "v": 1, "name": "h"})
    copy.close()
    read: list[str] = []
    reads = Bucket.read
    monkeypatch.setattr(Bucket, "read", lambda self, key: read.append(key) or reads(self, key))
    rebuild(bucket, away)
    assert away.events.read_bytes() == paths.events.read_bytes()
    assert len(read) == 2, "the newest that is here, by which the two are compared, and the new one"


def test_what_the_bucket_lacks_at_the_end_is_said(tmp_path: Path, s3: Server, bucket: Bucket) -> None:
    paths = RunPaths(tmp_path)
    journal = written(paths, "a")
    copy = Mirror(replace(bucket, patience_s=0.5), paths, journal, silent)
    sent = journal.size
    journal.append({"event": "session", "v": 1, "name": "b"})
    with s3.cut(), pytest.raises(StorageError, match=f"lacks the journal from byte {sent} on"):
        copy.close()


def test_commands_read_a_run_in_a_bucket(
    tmp_path: Path, plan: Plan, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is by then: the machine that reads is another one than that which runs."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(Crash):
        mirrored(EXPERIMENTS["fifo"], tmp_path / "run", bucket, sent_at=8, lost_at=9)
    assert main(["show", bucket.where]) == 0
    assert "running" in capsys.readouterr().out
    record = mirrored(EXPERIMENTS["fifo"], tmp_path / "run", bucket)
    assert main(["best", bucket.where, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert record.best
    assert told["config"] == record.best.config
    assert Path(told["checkpoint"]) == tmp_path / "home" / "orchestune-runs" / "run" / "best"
    assert Path(told["checkpoint"], "toy.json").exists()
