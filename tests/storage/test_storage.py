"""The word that says where runs live."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestune.errors import OrchestuneError, UnknownName
from orchestune.storage.bucket import Bucket
from orchestune.storage.storage import Storage, below, split_run


def test_a_folder() -> None:
    storage = Storage.parse("runs/of/mine")
    assert (storage.folder, storage.kept_at("a"), str(storage)) == (Path("runs/of/mine"), None, "runs/of/mine")


def test_a_bucket() -> None:
    storage = Storage.parse("s3://ours/tuning/?region=eu-west-1")
    assert storage.folder == Path.home() / "orchestune-runs"
    assert storage.kept_at("a") == "s3://ours/tuning/a?region=eu-west-1"
    assert str(storage) == "s3://ours/tuning/?region=eu-west-1"


def test_the_heads_disk() -> None:
    storage = Storage.parse("head:/data/runs")
    assert (storage.folder, storage.kept_at("a"), str(storage)) == (Path("/data/runs"), "head:", "head:/data/runs")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3://", "write s3://BUCKET/PREFIX"),
        ("head:runs", "an absolute path on the head's disk"),
        ("gs://bucket/runs", "a folder, s3://BUCKET/PREFIX or head:/FOLDER is needed"),
    ],
)
def test_what_is_no_storage(text: str, said: str) -> None:
    with pytest.raises(OrchestuneError, match=said):
        Storage.parse(text)


def test_a_run_in_a_bucket() -> None:
    storage, run = split_run("s3://ours/tuning/a?scheme=http")
    assert (str(storage), run) == ("s3://ours/tuning?scheme=http", "a")
    assert split_run(below("s3://ours", "a"))[1] == "a"
    with pytest.raises(OrchestuneError, match="write s3://BUCKET/PREFIX/RUN"):
        split_run("s3://ours")


def test_an_option_that_there_is_not() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'endpoint_override'"):
        Bucket("s3://ours/tuning?endpoint=localhost:9000")


def test_secrets_do_not_belong_into_an_address() -> None:
    with pytest.raises(UnknownName):
        Bucket("s3://ours/tuning?secret_key=abc")
    with pytest.raises(OrchestuneError, match="write s3://BUCKET/PREFIX"):
        Bucket("s3://key:secret@ours/tuning")
