"""MNIST as it is read, prepared and refused."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
import torch

from orchestune.errors import DataError
from orchestune.training import node_data
from tests.conftest import MNIST, NEEDS_MNIST
from trainables.mlp import MnistMLP
from trainables.mnist import FILES, mnist


@NEEDS_MNIST
def test_the_splits() -> None:
    data = mnist()
    assert [tuple(x.shape) for x in data.train] == [(50_000, 784), (50_000,)]  # type: ignore[union-attr]
    assert [tuple(x.shape) for x in data.validation] == [(10_000, 784), (10_000,)]  # type: ignore[union-attr]
    assert [tuple(x.shape) for x in data.test] == [(10_000, 784), (10_000,)]  # type: ignore[union-attr]
    images, digits = data.train  # type: ignore[misc]
    assert images.dtype == torch.uint8
    assert digits[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.test[1][:5].tolist() == [7, 2, 1, 0, 4]  # type: ignore[index]
    assert 0.129 < images.double().mean() / 255 < 0.132  # 0.1307 over all 60,000
    assert images[0].reshape(28, 28)[5, 12:16].tolist() == [3, 18, 18, 18]


@NEEDS_MNIST
def test_a_part_is_the_first_images() -> None:
    part, whole = mnist(300), mnist()
    assert torch.equal(part.train[0], whole.train[0][:300])  # type: ignore[index]
    assert torch.equal(part.validation[0], whole.validation[0])  # type: ignore[index]
    with pytest.raises(ValueError, match="1 to 50000 images to train on, not 50001"):
        mnist(50_001)


@NEEDS_MNIST
def test_a_wrong_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in FILES:
        shutil.copy(MNIST / file.name, tmp_path)
    (tmp_path / FILES[3].name).write_bytes(gzip.compress(b"\0\0\x08\1\0\0\0\1\7"))
    monkeypatch.setenv("ORCHESTUNE_DATA", str(tmp_path))
    monkeypatch.setenv("ORCHESTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(node_data, "_opened", {})
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is not the file that was meant"):
        MnistMLP.prepare()


def test_without_files_and_network_it_says_which_files_go_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORCHESTUNE_DATA", raising=False)
    monkeypatch.setenv("ORCHESTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(node_data, "_opened", {})
    monkeypatch.setattr("trainables.mnist.MIRRORS", ("http://127.0.0.1:9/", "http://127.0.0.1:9/again/"))
    with pytest.raises(DataError, match=r"mnist could not be downloaded") as told:
        MnistMLP.prepare()
    assert all(file.name in str(told.value) for file in FILES)
    assert str(told.value).count("Connection refused") == 2
