"""Writes what a benchmark found into the page of docs/ that reckons with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def quote(page: str, tables: Iterable[str]) -> None:
    """Puts each of them in the place of the page's ```text block that begins with the same word."""
    path = DOCS / f"{page}.md"
    text = path.read_text()
    for table in tables:
        word = table.split(maxsplit=1)[0]
        block = re.compile(rf"(?<=```text\n){re.escape(word)} .*?(?=```)", re.DOTALL)
        text, count = block.subn(lambda _, table=table: table, text)
        if count != 1:
            raise SystemExit(f"{path} has {count} blocks that begin with {word!r}: one is needed")
    path.write_text(text)
