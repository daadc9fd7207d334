"""What TensorBoard is told of a journal's event, in the bytes of its event files.

The bytes depend on the events and the run's name alone, so that what a file lacks can be told from what it holds. They
are few: TensorBoard's checksum of a record is a loop in Python, at 0.15 microseconds a byte.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from orchestune.report.column import Column
from orchestune.running.journal import Event
from orchestune.running.record import Record, may_be_number

if TYPE_CHECKING:
    from orchestune.space import Space

BEST = "best/"  # before the tags that hold a trial's best epoch
TELEMETRY = ("lr", "examples_per_second")  # what is shown of it, where a report has it
FORMAT = event_pb2.Event(file_version="brain.Event:2")  # opens every event file
STATUS = {
    "finished": api_pb2.STATUS_SUCCESS,
    "stopped": api_pb2.STATUS_SUCCESS,
    "diverged": api_pb2.STATUS_FAILURE,
    "failed": api_pb2.STATUS_FAILURE,
}


def picture(tag: str, png: bytes, t: float, step: int, *, first: bool) -> bytes:
    """A PNG for TensorBoard's images; `first` in its file."""
    width, height = struct.unpack_from(">II", png, 16)  # of its header, which every PNG begins with
    shown = summary_pb2.Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)  # 4: RGBA
    told = _event(t, step, summary_pb2.Summary.Value(tag=tag, image=shown))
    return _records(FORMAT, told) if first else _records(told)


class Summaries:
    """Of the run of this name, whose configurations lie in `space`."""

    def __init__(self, run: str, space: Space) -> None:
        self._run, self._space = run, space
        self._columns = {parameter.name: Column.of(parameter) for parameter in space.parameters}

    def of(self, event: Event, record: Record) -> bytes:
        """What `event`, the newest that `record` has taken in, adds to its trial's file; often nothing."""
        kind = event["event"]
        if kind == "leg" and event["leg"] == 1:
            return _records(FORMAT, _event(event["t"], 0, self._start(event)))
        if kind == "report":
            values = [*_curves(event), *_best(event, record)]
            if _is_first(event, record):
                values.append(self._experiment(event, record))
            return _records(_event(event["t"], event["epoch"], *values))
        if kind == "end":
            return _records(_event(event["t"], record.trials[event["trial"]].epochs, _end(event)))
        return b""

    def _start(self, event: Event) -> Any:
        """The trial's row. Trials of one group are one row, so that the group, shown as `Trial ID`, must not be that of
        another run's trial beside it; what is too long for its column is cut at the end, hence the number first."""
        group = f"{event['trial']} {self._run}"
        start = plugin_data_pb2.SessionStartInfo(group_name=group, start_time_secs=event["t"])
        # names that a trial met beyond the space have no column: columns are told once
        for name, value in self._space.values(self._space.known(event["config"])).items():
            start.hparams[name].CopyFrom(self._columns[name].value(value))
        return _hparams(metadata.SESSION_START_INFO_TAG, session_start_info=start)

    def _experiment(self, event: Event, record: Record) -> Any:
        """The table's columns. TensorBoard takes them from the one file of a run that has them, whichever it is."""
        others = [name for name, value in event["metrics"].items() if name != record.metric and may_be_number(value)]
        experiment = api_pb2.Experiment(
            time_created_secs=event["t"],
            hparam_infos=[column.info() for column in self._columns.values()],
            metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=BEST + m)) for m in (record.metric, *others)],
        )
        return _hparams(metadata.EXPERIMENT_TAG, experiment=experiment)


def _is_first(event: Event, record: Record) -> bool:
    """Whether no report of the run came before it: only a report tells what all the metrics are."""
    reported = (trial for trial in record.trials.values() if trial.scores)
    first = next(reported)
    return first.id == event["trial"] and len(first.scores) == 1 and next(reported, None) is None


def _curves(event: Event) -> Iterator[Any]:
    shown = {name: value for name, value in event.get("telemetry", {}).items() if name in TELEMETRY}
    return _scalars({**shown, **event["metrics"]})


def _best(event: Event, record: Record) -> Iterator[Any]:
    """The epoch's metrics where it is the trial's best so far: the table shows the newest value of a tag."""
    best = record.trials[event["trial"]].best
    if best is None or best[0] != event["epoch"]:
        return iter(())
    # Where it is not finite it is said so, or the one of an epoch before would stand beside this epoch's others.
    whole = {name: math.nan if value is None else value for name, value in event["metrics"].items()}
    return _scalars({BEST + name: value for name, value in whole.items()})


def _scalars(values: Mapping[str, Any]) -> Iterator[Any]:
    for name, value in values.items():
        if value is not None and may_be_number(value):
            yield summary_pb2.Summary.Value(tag=name, simple_value=value)


def _end(event: Event) -> Any:
    end = plugin_data_pb2.SessionEndInfo(status=STATUS[event["status"]], end_time_secs=event["t"])
    return _hparams(metadata.SESSION_END_INFO_TAG, session_end_info=end)


def _hparams(tag: str, **content: Any) -> Any:
    """A value of the HParams table. TensorBoard's own helpers write maps in an order that changes by process."""
    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    plugin = summary_pb2.SummaryMetadata.PluginData(
        plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString(deterministic=True)
    )
    about = summary_pb2.SummaryMetadata(plugin_data=plugin)
    return summary_pb2.Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)


def _event(t: float, step: int, *values: Any) -> Any:
    return event_pb2.Event(wall_time=t, step=step, summary=summary_pb2.Summary(value=values))


def _records(*events: Any) -> bytes:
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    return buffer.getvalue()
