"""Files for trainables: from the user's folder, or downloaded once, whole and right, by one process at a time."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import multiprocessing
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestune.errors import DataError
from orchestune.training import files
from orchestune.training.files import RemoteFile, content, obtain

TEXT = {"a.gz": b"some pictures" * 1000, "b.txt": b"their names"}
FILES = tuple(RemoteFile(name=name, sha256=hashlib.sha256(text).hexdigest()) for name, text in TEXT.items())
NOWHERE = "http://127.0.0.1:9/"


def packed(name: str) -> bytes:
    return gzip.compress(TEXT[name]) if name.endswith(".gz") else TEXT[name]


class Mirror(ThreadingHTTPServer):
    """Serves the files over HTTP on this machine; `bad` says how it spoils them."""

    bad = ""

    def __init__(self) -> None:
        self.served: list[str] = []
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.server.served.append(name)
        data = packed(name)
        if self.server.bad == "other":
            data = packed("b.txt")
        self.send_response(404 if self.server.bad == "absent" else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.server.bad == "cut" else data)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def mirrors() -> Iterator[tuple[Mirror, Mirror]]:
    with contextlib.ExitStack() as stack:
        pair = Mirror(), Mirror()
        for mirror in pair:
            threading.Thread(target=mirror.serve_forever, daemon=True).start()
            stack.callback(mirror.server_close)
            stack.callback(mirror.shutdown)
        yield pair


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ORCHESTUNE_DATA", raising=False)
    monkeypatch.setenv("ORCHESTUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def given(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(packed(name))
    return folder


def test_downloaded_once(mirrors: tuple[Mirror, Mirror], cache: Path) -> None:
    for _ in range(3):
        folder = obtain("pictures", FILES, [mirrors[0].address])
        assert [content(folder, file) for file in FILES] == list(TEXT.values())
    assert mirrors[0].served == ["a.gz", "b.txt"]
    assert folder == cache / "pictures"
    assert {path.name for path in folder.iterdir()} == {"a.gz", "b.txt", ".lock"}


@pytest.mark.parametrize("bad", ["other", "cut", "absent"])
def test_the_next_mirror_is_asked_where_one_is_wrong(bad: str, mirrors: tuple[Mirror, Mirror]) -> None:
    mirrors[0].bad = bad
    folder = obtain("pictures", FILES, [mirrors[0].address, mirrors[1].address])
    assert [content(folder, file) for file in FILES] == list(TEXT.values())
    assert mirrors[1].served == (["a.gz", "b.txt"] if bad != "other" else ["a.gz"])


def test_what_every_mirror_said_and_what_to_do(mirrors: tuple[Mirror, Mirror], cache: Path) -> None:
    mirrors[0].bad = "other"
    with pytest.raises(DataError) as told:
        obtain("pictures", FILES, [NOWHERE, mirrors[0].address])
    said = str(told.value)
    assert "a.gz: <urlopen error [Errno 111] Connection refused>" in said
    assert f"{mirrors[0].address}a.gz: " in said
    assert "damaged or cut off" in said
    assert "put these files into a folder: a.gz, b.txt; then name it: --data FOLDER, or ORCHESTUNE_DATA=FOLDER" in said
    assert [path.name for path in (cache / "pictures").iterdir()] == [".lock"]


def fetch(address: str, start: threading.Event) -> None:
    start.wait()
    obtain("pictures", FILES, [address])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 on: this process has threads
def test_many_processes_download_once(mirrors: tuple[Mirror, Mirror]) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Event()
    processes = [context.Process(target=fetch, args=(mirrors[0].address, start)) for _ in range(6)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 6
    assert sorted(mirrors[0].served) == ["a.gz", "b.txt"]


@pytest.mark.parametrize("sub", ["", "pictures"])
def test_the_users_folder_is_read_and_never_written(sub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = given(tmp_path / "mine" / sub, monkeypatch, "a.gz", "b.txt")
    monkeypatch.setenv("ORCHESTUNE_DATA", str(tmp_path / "mine"))
    assert obtain("pictures", FILES, [NOWHERE]) == folder
    assert sorted(path.name for path in folder.iterdir()) == ["a.gz", "b.txt"]


def test_what_the_users_folder_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTUNE_DATA", str(tmp_path / "mine"))
    with pytest.raises(DataError, match="mine does not exist: give another with --data or ORCHESTUNE_DATA"):
        obtain("pictures", FILES, [NOWHERE])
    given(tmp_path / "mine", monkeypatch)
    with pytest.raises(DataError, match=r"a\.gz, b\.txt missing\. Needed there, or in its subfolder 'pictures': a\.gz"):
        obtain("pictures", FILES, [NOWHERE])
    given(tmp_path / "mine" / "pictures", monkeypatch, "a.gz")
    with pytest.raises(DataError, match=r"not whole in the data folder .*mine/pictures: b\.txt missing"):
        obtain("pictures", FILES, [NOWHERE])


def test_damaged_and_wrong_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = given(tmp_path / "mine", monkeypatch, "a.gz", "b.txt")
    (folder / "a.gz").write_bytes(packed("a.gz")[:-9])
    with pytest.raises(DataError, match=r"mine/a\.gz is damaged or cut off .*put the right one there"):
        content(folder, FILES[0])
    (folder / "a.gz").write_bytes(gzip.compress(b"other pictures"))
    with pytest.raises(DataError, match=r"mine/a\.gz is not the file that was meant: SHA-256"):
        content(folder, FILES[0])
    flipped = bytearray(packed("a.gz"))
    flipped[40] ^= 1
    (folder / "a.gz").write_bytes(flipped)
    with pytest.raises(DataError, match=r"mine/a\.gz is "):
        content(folder, FILES[0])


def test_an_archive_packed_anew_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = given(tmp_path / "mine", monkeypatch)
    (folder / "a.gz").write_bytes(gzip.compress(TEXT["a.gz"], compresslevel=1, mtime=7))
    assert content(folder, FILES[0]) == TEXT["a.gz"]


def test_a_damaged_download_says_that_it_may_be_deleted(mirrors: tuple[Mirror, Mirror], cache: Path) -> None:
    folder = obtain("pictures", FILES, [mirrors[0].address])
    (folder / "b.txt").write_bytes(b"")
    with pytest.raises(DataError, match="delete it, and it is downloaded again"):
        content(folder, FILES[1])


def test_a_cache_that_cannot_be_written(
    read_only_disk: Path, mirrors: tuple[Mirror, Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTUNE_CACHE", str(read_only_disk))
    with pytest.raises(DataError, match=r"cannot be kept in .*Read-only file system\. Choose another with ORCHESTUNE"):
        obtain("pictures", FILES, [mirrors[0].address])


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORCHESTUNE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert files.cache_folder() == Path("/x/orchestune")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert files.cache_folder() == Path.home() / ".cache" / "orchestune"
