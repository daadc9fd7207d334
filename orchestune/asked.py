"""A run and the experiment that it was asked by: what every command about a run begins with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestune import catalog
from orchestune.errors import RunStateError
from orchestune.running.journal import read_events
from orchestune.running.paths import RunPaths
from orchestune.running.record import Record

if TYPE_CHECKING:
    from orchestune.experiment import Experiment


def read(run: Path) -> Record:
    """What became of the run so far. Raises RunStateError, JournalDamaged."""
    record = Record.of(read_events(RunPaths(run).events))
    if not record.question:
        raise RunStateError(f"{run} holds no question: its run never began")
    return record


def experiment_of(record: Record, run: Path) -> Experiment:
    """The experiment as it was asked, imported from this folder. Raises RunStateError where it is not here."""
    project, question = Path.cwd(), record.question
    if question["name"] not in catalog.names(project):
        raise RunStateError(
            f"{run} was asked by {catalog.FOLDER}/{question['name']}.py, which is not in {project}: "
            "go to the folder of its project"
        )
    from orchestune.overrides import apply_overrides  # here: reading a run is to be quick

    return apply_overrides(catalog.load(question["name"], project), question["overrides"])


def use_data(folder: Path | str | None) -> None:
    """Where the data's files lie, from now on; None leaves that as it is. Raises DataError."""
    if folder is not None:
        from orchestune.training.files import use_data_folder

        use_data_folder(Path(folder))
