"""Scikit-learn's handwritten digits: 1797 images of 8 x 8 pixels, which need no download."""

from __future__ import annotations

from functools import cache

import torch

from orchestune.training import Data


@cache  # once per process, however many trials it trains
def digits() -> Data:
    """Images of shape (count, 64) in [0, 1] and their digits; 60 % train, 20 % validation, 20 % test.

    The split is stratified and the same for every seed: trials are compared on the same images.
    """
    from sklearn.datasets import load_digits  # here: the command trains nothing, and starts half a second sooner
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    image, digit = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64)
    rest, test = train_test_split(range(len(labels)), test_size=0.2, stratify=labels, random_state=0)
    train, validation = train_test_split(rest, test_size=0.25, stratify=labels[rest], random_state=0)
    return Data(
        train=(image[train], digit[train]),
        validation=(image[validation], digit[validation]),
        test=(image[test], digit[test]),
    )
