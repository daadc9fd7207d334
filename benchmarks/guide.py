"""Runs the experiment of each page in docs/guide/, writes its last lines into the page, and draws the page's picture.

    python -m benchmarks.guide [NAME ...]

Those lines are the page's block that begins with `answer`, up to the line that says what was trained. A
page that shows NAME.svg has it drawn by `orchestune plot`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HOUSE = Path(__file__).parents[1]
PAGES = HOUSE / "docs" / "guide"
QUOTED = re.compile(r"(?<=```text\n)answer .*?(?=```)", re.DOTALL)


def orchestune(*words: str) -> str:
    """What the command prints."""
    command = [sys.executable, "-m", "orchestune.cli", *words]
    return subprocess.run(command, cwd=HOUSE, stdout=subprocess.PIPE, text=True, check=True).stdout


def last_lines(name: str, storage: str) -> str:
    """What `orchestune run` says at its end, without the paths of this machine."""
    printed = orchestune("run", name, "--storage", storage, "--run-name", name)
    said = printed[printed.index("\nanswer ") + 1 :]
    return said[: said.index("\nlook ") + 1].replace(f"{storage}/", "runs/")


def main(names: list[str]) -> None:
    for page in sorted(PAGES.glob("*.md")):
        if names and page.stem not in names:
            continue
        with tempfile.TemporaryDirectory(prefix="orchestune-guide-") as storage:
            lines = last_lines(page.stem, storage)
            if f"({page.stem}.svg)" in page.read_text():
                orchestune("plot", f"{storage}/{page.stem}", "--out", str(page.with_suffix(".svg")))
        text, count = QUOTED.subn(lambda _, lines=lines: lines, page.read_text())
        if count != 1:
            raise SystemExit(f"{page} has {count} blocks that begin with `answer`: one is needed")
        page.write_text(text)
        print(f"{page.stem}\n{lines}")


if __name__ == "__main__":
    main(sys.argv[1:])
