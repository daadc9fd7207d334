"""Real texts that come with every Python: its reference manual in prose, and its standard library's source code."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

from orchestune.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Three disjoint texts: to learn from, to choose configurations by, and to judge the chosen one by once."""

    train: str
    validation: str
    test: str


def manual() -> str:
    """The language reference, as `help("with")` and its like show it: about half a million characters."""
    return "\n\n".join(topics[name] for name in sorted(topics))


def source(*modules: str) -> str:
    """The source of modules of the standard library, one after another. Raises DataError where there is none."""
    found = []
    for name in modules:
        spec = importlib.util.find_spec(name)
        path = Path(spec.origin) if spec and spec.origin else None
        if path is None or path.suffix != ".py" or not path.is_file():
            raise DataError(f"the source of the module {name!r} is not installed with this Python")
        found.append(path.read_text(encoding="utf-8"))
    return "\n\n".join(found)


def python_code() -> Texts:
    """Modules to learn from, others to choose by, and another one to be tested on."""
    return Texts(train=source("configparser", "textwrap", "queue"), validation=source("csv"), test=source("shlex"))
