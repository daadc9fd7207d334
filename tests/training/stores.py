"""Looks into a store whose depot is a folder."""

from __future__ import annotations

from pathlib import Path

from orchestune.training.checkpoint import CheckpointStore, Place


def folder_of(store: CheckpointStore, place: Place) -> Path:
    return Path(store.depot.where, store.key(place))


def opened(store: CheckpointStore, place: Place) -> Path:
    """After everything in it was compared with its manifest."""
    with store.opened(place) as folder:
        return folder
