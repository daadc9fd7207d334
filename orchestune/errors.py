"""Every error that a user can cause: one class per thing that can be done about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path


class OrchestuneError(Exception):
    """A mistake to tell in words, without a traceback. `exit_code` is what the command line ends with."""

    exit_code = 2


def nearest(name: str, known: Iterable[str]) -> str:
    """`" Did you mean 'lr'?"`, or nothing where no known name is close."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


class UnknownName(OrchestuneError):
    """A name outside a closed set: correct its spelling."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(str(k) for k in known)
        self.kind, self.name, self.known = kind, name, names
        listed = ", ".join(names) if names else "none"
        super().__init__(f"no {kind} named {name!r}.{nearest(name, names)} Known: {listed}.")


class SpaceError(OrchestuneError):
    """A parameter that cannot be searched as it is written: change its line in the space."""

    def __init__(self, parameter: str, problem: str) -> None:
        self.parameter, self.problem = parameter, problem
        super().__init__(f"parameter {parameter!r}: {problem}" if parameter else problem)


class ExperimentError(OrchestuneError):
    """An experiment that cannot be run as it is declared; all its mistakes at once."""

    def __init__(self, mistakes: Sequence[str], name: str = "experiment") -> None:
        self.mistakes = tuple(mistakes)
        lines = "".join(f"\n  - {mistake}" for mistake in self.mistakes)
        super().__init__(f"{name} cannot run:{lines}")


class DataError(OrchestuneError):
    """Files to learn from that are absent or not what they should be: put the right ones where the message says."""


class ResourcesError(OrchestuneError):
    """A function of an experiment that does not say what a trial occupies: mend it, or make its `resources` fixed."""


class StorageError(OrchestuneError):
    """A folder that cannot hold a run, or ran out of space: make room or choose another with --storage."""


class RunNameError(OrchestuneError):
    """A run's name that is taken or not a plain name: choose another with --run-name."""


class RunTaken(RunNameError):
    """A run of that name is there: go on with it, or choose another name."""

    def __init__(self, storage: object, name: str, at: object) -> None:
        super().__init__(
            f"run {name!r} is taken in {storage}: choose another --run-name, or go on with it: orchestune resume {at}"
        )


class FolderTaken(OrchestuneError):
    """A folder that has already what was to be written there: choose another one."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        super().__init__(f"{folder} has {' and '.join(names)} already: choose an empty folder. Nothing was written.")


class RunStateError(OrchestuneError):
    """A run that is not in the state the command needs: running, finished, changed, or no run at all."""


class JournalDamaged(OrchestuneError):
    """A journal whose lines are not what was written: restore the file from a copy."""

    def __init__(self, path: object, line: int, problem: str) -> None:
        self.line, self.problem = line, problem
        super().__init__(f"{path}, line {line}: {problem}. Nothing was changed.")


class CheckpointDamaged(OrchestuneError):
    """A checkpoint whose files are not what its manifest says; the engine falls back to the one before."""


class ExportError(OrchestuneError):
    """A model that would not be, in a folder of its own, what the run trained: mend what the message names."""


class ClusterError(OrchestuneError):
    """Ray could not be started or reached, or has not what a trial asks for."""


class RunAborted(OrchestuneError):
    """The trainable's code fails whatever the configuration: mend it, then resume."""

    exit_code = 1
