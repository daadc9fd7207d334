"""Finds experiments by name in the folder the command is started in: `experiments/NAME.py` defines `experiment`."""

from __future__ import annotations

import ast
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from orchestune.errors import ExperimentError, OrchestuneError, UnknownName

if TYPE_CHECKING:
    from orchestune.experiment import Experiment

FOLDER = "experiments"


def names(project: Path) -> list[str]:
    """The experiments there are, in alphabetical order."""
    return sorted(path.stem for path in (project / FOLDER).glob("*.py") if not path.stem.startswith("_"))


def questions(project: Path) -> dict[str, str]:
    """Each experiment's name and the first line of its docstring, read without running any of them."""
    found = {}
    for name in names(project):
        try:
            text = ast.get_docstring(ast.parse((project / FOLDER / f"{name}.py").read_text())) or "(no docstring)"
        except SyntaxError as broken:
            text = f"(does not parse: line {broken.lineno}: {broken.msg})"
        found[name] = text.strip().splitlines()[0]
    return found


def check_name(name: str, project: Path) -> None:
    """Raises UnknownName, and OrchestuneError where there are no experiments at all."""
    known = names(project)
    if not known:
        raise OrchestuneError(
            f"no experiments here: {project / FOLDER} holds none. Start orchestune in the folder that has {FOLDER}/."
        )
    if name not in known:
        raise UnknownName("experiment", name, known)


def load(name: str, project: Path) -> Experiment:
    """Imports the experiment. Raises UnknownName, ExperimentError with what is wrong in the file."""
    from orchestune.experiment import Experiment

    check_name(name, project)
    # The project's folder comes first, here and in Ray's workers, whichever way Python was started.
    if sys.path[:1] != [str(project)]:
        sys.path.insert(0, str(project))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(project), *filter(None, [os.environ.get("PYTHONPATH")])])
    _check_package(project)
    try:
        module = importlib.import_module(f"{FOLDER}.{name}")
    except ExperimentError as wrong:
        raise ExperimentError(wrong.mistakes, f"{FOLDER}/{name}.py") from wrong
    except OrchestuneError:
        raise
    except Exception as broken:
        raise ExperimentError([_where(broken, project)], f"{FOLDER}/{name}.py") from broken
    experiment = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise ExperimentError(["it defines no `experiment = Experiment(...)`"], f"{FOLDER}/{name}.py")
    return experiment


def _check_package(project: Path) -> None:
    """Makes sure that the name `experiments` means this project's folder."""
    known = sys.modules.get(FOLDER)
    if known is not None and str(project / FOLDER) not in known.__path__:  # of a project loaded before this one
        for module in [name for name in sys.modules if name == FOLDER or name.startswith(f"{FOLDER}.")]:
            del sys.modules[module]
    importlib.invalidate_caches()
    found = list(importlib.import_module(FOLDER).__path__)
    if str(project / FOLDER) not in found:
        raise OrchestuneError(
            f"the name {FOLDER!r} means {found[0]} here, not {project / FOLDER}: add an empty {FOLDER}/__init__.py"
        )


def _where(broken: Exception, project: Path) -> str:
    """The error with the last line of the project's own code that it passed through."""
    what = f"{type(broken).__name__}: {broken}"
    if isinstance(broken, SyntaxError):
        return f"{broken.filename}, line {broken.lineno}: {what}"
    own = [f for f in traceback.extract_tb(broken.__traceback__) if Path(f.filename).is_relative_to(project)]
    return f"{Path(own[-1].filename).relative_to(project)}, line {own[-1].lineno}: {what}" if own else what
