"""What a network may have kept from happening is tried again; what will never be is not."""

from __future__ import annotations

import errno
import threading
import time

import pytest

from orchestune.errors import StorageError
from orchestune.storage import patience
from orchestune.storage.bucket import Bucket
from tests.conftest import Server


def test_a_bucket_that_is_cut_off_for_a_while(s3: Server) -> None:
    bucket = Bucket(s3.new())
    bucket.write("a", "before")
    written = threading.Thread(target=bucket.write, args=("a", "after"))
    with s3.cut():
        written.start()
        time.sleep(1)
        assert written.is_alive(), "it waits"
    written.join(timeout=60)
    assert bucket.read("a") == "after"


def test_patience_has_an_end(s3: Server) -> None:
    bucket = Bucket(s3.new(), patience_s=1)
    with s3.cut(), pytest.raises(StorageError, match=r"was out of reach for 1 s: .*NETWORK_CONNECTION"):
        bucket.write("a", "text")


def test_a_bucket_that_is_not_there_is_said_at_once(s3: Server) -> None:
    address = s3.new().replace("runs-", "none-")
    started = time.monotonic()
    with pytest.raises(StorageError, match="NO_SUCH_BUCKET"):
        Bucket(address).write("a", "text")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "said",
    [
        "AWS Error ACCESS_DENIED during PutObject operation: Access Denied",
        "AWS Error UNKNOWN (HTTP status 403) during HeadObject operation: No response body.",
        "AWS Error INVALID_ACCESS_KEY_ID during ListObjectsV2 operation",
        "Bucket 'x' not found. To create buckets, enable the allow_bucket_creation option.",
        "Cannot delete directory contents at 'a': because it is a file",
    ],
)
def test_a_refusal_is_final(said: str) -> None:
    tried = []

    def act() -> None:
        tried.append(1)
        raise OSError(said)

    with pytest.raises(StorageError, match="storage there: "):
        patience.patiently("there", act)
    assert len(tried) == 1


@pytest.mark.parametrize(
    "said",
    [
        "AWS Error UNKNOWN (HTTP status 429) during PutObject operation",
        "AWS Error SERVICE_UNAVAILABLE (HTTP status 503) during PutObject operation",
        "AWS Error NETWORK_CONNECTION during PutObject operation: curlCode: 28, Timeout was reached",
    ],
)
def test_being_busy_is_not(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: None)
    answers = iter([OSError(said), OSError(said), None])

    def act() -> str:
        if problem := next(answers):
            raise problem
        return "done"

    assert patience.patiently("there", act) == "done"


def test_a_full_disk_here_is_not_the_storages_fault() -> None:
    def act() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as told:
        patience.patiently("there", act)
    assert told.value.errno == errno.ENOSPC
