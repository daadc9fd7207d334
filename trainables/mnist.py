"""MNIST's handwritten digits, as LeCun, Cortes and Burges published them: 70,000 images of 28 x 28 pixels."""

from __future__ import annotations

import struct
from pathlib import Path

import torch
from torch import Tensor

from orchestune.training import Data
from orchestune.training.files import RemoteFile, content, obtain
from orchestune.training.node_data import once_per_node

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# The checksums are those of the unpacked IDX files.
TRAIN_IMAGES, TRAIN_DIGITS, TEST_IMAGES, TEST_DIGITS = FILES = (
    RemoteFile(
        name="train-images-idx3-ubyte.gz", sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    RemoteFile(
        name="train-labels-idx1-ubyte.gz", sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    RemoteFile(
        name="t10k-images-idx3-ubyte.gz", sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    RemoteFile(
        name="t10k-labels-idx1-ubyte.gz", sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
)
TRAIN = 50_000  # of the 60,000 published for training; the other 10,000 are the validation split


def mnist(train: int = TRAIN) -> Data:
    """Images of shape (count, 784), uint8 from 0 (background) to 255, and their digits, int64.

    `train` of the first 50,000 images to learn from, the next 10,000 for validation, the 10,000 of the test files.
    Prepared once per node. Raises DataError, ValueError.
    """
    if not 1 <= train <= TRAIN:
        raise ValueError(f"MNIST has 1 to {TRAIN} images to train on, not {train}")
    return once_per_node(_mnist, train, [file.sha256 for file in FILES])


def _mnist(train: int, sha256: list[str]) -> Data:
    folder = obtain("mnist", FILES, MIRRORS)
    images, digits = _idx(folder, TRAIN_IMAGES).flatten(1), _idx(folder, TRAIN_DIGITS).long()
    return Data(
        train=(images[:train], digits[:train]),
        validation=(images[TRAIN:], digits[TRAIN:]),
        test=(_idx(folder, TEST_IMAGES).flatten(1), _idx(folder, TEST_DIGITS).long()),
    )


def _idx(folder: Path, file: RemoteFile) -> Tensor:
    """An IDX file's array: two zero bytes, the type (8: unsigned byte), the number of axes, their lengths, the data."""
    data = content(folder, file)
    axes = data[3]
    shape = struct.unpack_from(f">{axes}I", data, 4)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=4 + 4 * axes).reshape(shape)
