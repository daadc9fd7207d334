"""Writes the smallest project that runs at once, to be changed into one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestune.errors import FolderTaken, StorageError

TEMPLATE = Path(__file__).with_name("template")  # a project as it is, file for file
EXPERIMENT = "line"  # what is asked in it


def new(folder: Path) -> list[Path]:
    """Copies the template into `folder`, made where there is none; returns what was written, relative to it.

    Raises FolderTaken, naming all that is in the way, and StorageError.
    """
    files = [path.relative_to(TEMPLATE) for path in sorted(TEMPLATE.rglob("*")) if _is_ours(path)]
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder} is a file: a project is a folder")
    taken = sorted({file.parts[0] for file in files if (folder / file.parts[0]).exists()})
    if taken:
        raise FolderTaken(folder, taken)
    try:
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(TEMPLATE / file, folder / file)
    except OSError as problem:
        raise StorageError(f"{folder}: {problem.strerror}. Choose another folder.") from problem
    return files


def _is_ours(path: Path) -> bool:
    """Not what Python and tools leave beside a file that was run."""
    return path.is_file() and not any(
        part.startswith((".", "__pycache__")) for part in path.relative_to(TEMPLATE).parts
    )
