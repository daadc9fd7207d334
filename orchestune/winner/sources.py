"""Which source files it takes to import a trainable's class, and their text: its project's, and the engine's."""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from orchestune import catalog
from orchestune.winner.cut import cut

ENGINE = Path(__file__).parents[1]
REPLACED = {"orchestune.training.worker": Path(__file__).with_name("exported") / "worker.py"}


def sources(trainable: type, project: Path) -> dict[str, str]:
    """Path, relative to a folder that Python is to look in -> text: of the module that defines the class, of what it
    imports, and so on, as far as it is the project's or the engine's.

    An experiment's own file is cut down to what the class needs: its question imports Ray.
    """
    found: dict[str, str] = {}
    left = [trainable.__module__]
    while left:
        name = left.pop()
        path = _file(name, project)
        if path is None or (where := _relative(name, path)) in found:
            continue
        text = REPLACED.get(name, path).read_text()
        if name == trainable.__module__ and name.startswith(f"{catalog.FOLDER}."):
            text = cut(text, trainable.__qualname__.split(".")[0])
        found[where] = text
        left += _imported(text, name)
        if parent := name.rpartition(".")[0]:
            left.append(parent)
    return found


def _file(name: str, project: Path) -> Path | None:
    """Where the module lies; None for what is installed, Ray's and Python's own."""
    first = importlib.util.find_spec(name.split(".")[0])  # the rest would be imported to be found
    if first is None or not any(_ours(Path(path), project) for path in _paths(first)):
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a name inside a module; an optional package that is not there
        return None
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    path = Path(spec.origin)
    return path if _ours(path, project) and path.suffix == ".py" else None


def _paths(spec: ModuleSpec) -> list[str]:
    """Where a module lies, or the folders of a package, which may have no file of its own."""
    return [*(spec.submodule_search_locations or []), *([spec.origin] if spec.has_location and spec.origin else [])]


def _ours(path: Path, project: Path) -> bool:
    installed = any(path.is_relative_to(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib"))
    return path.is_relative_to(ENGINE) or (path.is_relative_to(project) and not installed)


def _relative(name: str, path: Path) -> str:
    return name.replace(".", "/") + ("/__init__.py" if path.name == "__init__.py" else ".py")


def _imported(text: str, name: str) -> Iterator[str]:
    """The modules that a file imports anywhere, in functions too, but not for type checking alone."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    module = sys.modules[name] if name in sys.modules else importlib.import_module(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = importlib.util.resolve_name("." * node.level + (node.module or ""), module.__package__)
            yield home
            for alias in node.names:
                yield f"{home}.{alias.name}"
                yield from _lazy(home, alias.name)


def _lazy(home: str, name: str) -> Iterator[str]:
    """Where a package has a name from that it imports when it is first asked for it."""
    package: ModuleType | None = sys.modules.get(home)
    target = getattr(package, "_HOMES", {}).get(name)
    if target is not None:
        yield target
        yield from _lazy(target, name)
