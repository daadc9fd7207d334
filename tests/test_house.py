"""The house itself: arrows point one way, files can be read in one sitting, the README's tree is true."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
ENGINE = HOUSE / "orchestune"

# Which folder may import from which. To add an arrow is a decision, made here in the open.
FOLDERS = {
    "orchestune": {"orchestune"},
    "trainables": {"trainables", "orchestune"},
    "experiments": {"experiments", "trainables", "orchestune"},
}

# The same inside the engine, from the ground up: a room imports itself and what is named.
GROUND = {"errors", "durable", "environment"}
READING = {"running.journal", "running.record", "running.paths"}  # the half of running that reads; no Ray, no torch
ROOMS = {
    "errors": set(),
    "durable": set(),
    "environment": set(),
    "space": GROUND,
    "surrogate": GROUND | {"space"},
    "searchers": GROUND | {"space", "surrogate"},
    "schedulers": GROUND | {"space", "surrogate"},
    "pairs": GROUND | {"searchers", "schedulers"},
    "storage": GROUND,
    "training": GROUND | {"space", "storage"},
    "define_by_run": GROUND | {"space", "training"},
    "mistakes": GROUND | {"space", "searchers", "schedulers", "pairs", "training", "define_by_run"},
    "experiment": GROUND | {"space", "searchers", "schedulers", "training", "define_by_run", "pairs", "mistakes"},
    "running": GROUND | {"storage", "space", "searchers", "schedulers", "training", "experiment"},
    "planning": GROUND | {"space", "searchers", "schedulers", "training", "experiment", "running", "debugging"},
    "report": GROUND | READING,
    "catalog": GROUND | {"experiment"},
    "overrides": GROUND | {"pairs", "space", "searchers", "schedulers", "training", "define_by_run", "experiment"},
    "console": GROUND | READING | {"experiment", "report"},
    "debugging": GROUND | {"experiment", "report"},
    "asked": GROUND | READING | {"catalog", "overrides", "experiment", "training.files"},
    "winner": GROUND
    | {
        "asked",
        "catalog",
        "console",
        "debugging",
        "experiment",
        "report",
        "running",
        "schedulers",
        "searchers",
        "space",
        "storage",
        "training",
    },
    "cluster": GROUND
    | READING
    | {
        "arguments",
        "catalog",
        "overrides",
        "experiment",
        "planning",
        "storage",
        "training.resources",
        "running.room",
    },
    "arguments": GROUND | {"storage.storage", "running.mirror"},
    "new": GROUND,
    "cli": GROUND
    | {
        "arguments",
        "asked",
        "catalog",
        "cluster",
        "overrides",
        "console",
        "debugging",
        "new",
        "running",
        "planning",
        "report",
        "experiment",
        "winner",
    },
    "__init__": {
        "running.record",
        "planning",
        "define_by_run",
        "experiment",
        "schedulers",
        "searchers",
        "space",
        "training",
    },
}

MOST_LINES = 300  # of one file; a longer one wants a noun taken out of it


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere, in functions too, but not for type checking alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(folder: Path) -> list[Path]:
    """All but the project that `orchestune new` writes, which is data."""
    return sorted(path for path in folder.rglob("*.py") if not path.is_relative_to(ENGINE / "template"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_arrows_between_folders_point_one_way(folder: str) -> None:
    assert sources(HOUSE / folder)
    wrong = [
        f"{path.relative_to(HOUSE)} imports {name}"
        for path in sources(HOUSE / folder)
        for name in imports(path)
        if name.split(".")[0] in {*FOLDERS, "tests", "benchmarks"} and name.split(".")[0] not in FOLDERS[folder]
    ]
    assert not wrong


def room(path: Path) -> str:
    return path.relative_to(ENGINE).with_suffix("").parts[0]


def test_every_room_is_in_the_table() -> None:
    assert {room(path) for path in sources(ENGINE)} == set(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_arrows_inside_the_engine_point_one_way(name: str) -> None:
    wrong = []
    for path in sources(ENGINE):
        if room(path) != name:
            continue
        for target in imports(path):
            parts = target.split(".")
            if parts[0] != "orchestune" or len(parts) < 2:
                continue
            allowed = {name, *ROOMS[name]}
            reached = {parts[1], ".".join(parts[1:3])}
            only_exact = [a for a in allowed if "." in a]
            if parts[1] in {a.split(".")[0] for a in only_exact} - allowed and len(parts) == 2:
                continue  # the package itself; what is taken from it is judged by its full name
            if not reached & allowed:
                wrong.append(f"{path.relative_to(HOUSE)} imports {target}")
    assert not wrong


@pytest.mark.parametrize("path", [p for f in FOLDERS for p in sources(HOUSE / f)], ids=lambda p: str(p.name))
def test_files_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


def tree() -> list[tuple[int, str]]:
    """(indent, entry) of the README's tree."""
    found = re.search(r"```text\n(README\.md .*?)```", (HOUSE / "README.md").read_text(), re.DOTALL)
    assert found, "the README has a tree in a ```text block"
    lines = found[1].rstrip().splitlines()
    return [(len(line) - len(line.lstrip()), line.split()[0]) for line in lines]


def test_the_readmes_tree_is_true() -> None:
    for indent, entry in tree():
        path = (ENGINE if indent else HOUSE) / entry
        assert path.is_dir() if entry.endswith("/") else path.is_file(), f"the README names {entry}"


def test_the_readmes_tree_is_whole() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=HOUSE, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("not in a git checkout: which files belong to the house cannot be told")
    named = {entry.rstrip("/") for indent, entry in tree() if not indent}
    assert {path.split("/")[0] for path in tracked if not path.startswith(".")} == named
    inside = {entry.rstrip("/") for indent, entry in tree() if indent}
    there = {path.split("/")[1] for path in tracked if path.startswith("orchestune/")}
    assert there - {"__init__.py", "py.typed"} == inside


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_front_door_opens_and_is_light() -> None:
    assert python("from orchestune import *; print(Experiment, TorchTrainable, HyperOpt, Asha, when, Data)")
    loaded = python(
        "import orchestune, sys; print(sorted({'ray', 'torch', 'numpy'} & set(sys.modules)));"
        "import orchestune.running.runner; print(sorted({'torch', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    assert loaded.splitlines() == ["[]", "[]"], "also a run imports only what it needs: that is a second or two"


def test_the_wheel_would_hold_the_engine_alone() -> None:
    from setuptools import find_packages

    found = find_packages(str(HOUSE), include=["orchestune*"])
    assert {name.split(".")[0] for name in found} == {"orchestune"}
    assert 'include = ["orchestune*"]' in (HOUSE / "pyproject.toml").read_text()
    without = {f.parent for f in sources(ENGINE)} - {ENGINE.joinpath(*name.split(".")[1:]) for name in found}
    assert not without, "every folder of the engine is a package"
