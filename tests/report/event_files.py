"""What TensorBoard's own readers find in a run's files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from orchestune.running.paths import RunPaths


@dataclass(frozen=True)
class Curves:
    """Of one trial of the run in `root`."""

    root: Path
    trial: str

    @cached_property
    def _read(self) -> EventAccumulator:
        return EventAccumulator(str(RunPaths(self.root).curves(self.trial).parent), {"scalars": 0}).Reload()

    @property
    def tags(self) -> set[str]:
        return set(self._read.Tags()["scalars"])

    def points(self, tag: str) -> list[tuple[int, float]]:
        """(step, value), in the order in which they are written."""
        return [(point.step, point.value) for point in self._read.Scalars(tag)] if tag in self.tags else []

    def times(self, tag: str) -> list[float]:
        return [point.wall_time for point in self._read.Scalars(tag)]

    def _hparams(self, tag: str) -> Any:
        return self._read.PluginTagToContent(metadata.PLUGIN_NAME).get(tag)

    @property
    def start(self) -> Any:
        return metadata.parse_session_start_info_plugin_data(self._hparams(metadata.SESSION_START_INFO_TAG))

    @property
    def end(self) -> Any:
        """None while the trial goes on."""
        content = self._hparams(metadata.SESSION_END_INFO_TAG)
        return content and metadata.parse_session_end_info_plugin_data(content)

    @property
    def experiment(self) -> Any:
        """The table's columns; None in all files of a run but one."""
        content = self._hparams(metadata.EXPERIMENT_TAG)
        return content and metadata.parse_experiment_plugin_data(content)

    @property
    def parameters(self) -> dict[str, Any]:
        """As they are in the table: numbers, truth values and text."""
        return {name: getattr(value, value.WhichOneof("kind")) for name, value in self.start.hparams.items()}
