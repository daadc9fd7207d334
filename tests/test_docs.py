"""The guide's first experiment, as it stands in the guide: its files written, its commands run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestune.schedulers import SCHEDULERS
from orchestune.searchers import SEARCHERS
from orchestune.space.expression import parse_call

HOUSE = Path(__file__).parents[1]
GUIDE = (HOUSE / "docs" / "guide.md").read_text()


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_the_guides_first_experiment(tmp_path: Path) -> None:
    python = blocks(GUIDE, "python")
    for block in python:
        if named := re.match(r"# (\S+\.py)\n", block):
            path = tmp_path / named[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block)
    assert (tmp_path / "experiments" / "line.py").exists()
    commands = blocks(GUIDE, "sh")[0].strip().splitlines()
    assert len(commands) == 5
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "orchestune"
        done = run(tmp_path, "-m", "orchestune.cli", *words[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    weights = next(block for block in python if "read_state" in block)
    done = run(tmp_path, "-c", weights + "print(sum(p.numel() for p in model.parameters()))")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 6


def test_the_guides_simulation(tmp_path: Path) -> None:
    (code,) = (block for block in blocks(GUIDE, "python") if block.startswith("# compare.py\n"))
    done = run(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    found = {name: float(score) for name, score in map(str.split, done.stdout.splitlines())}
    assert [*found] == ["fifo", "asha", "hyperband"]
    assert found["fifo"] < min(found["asha"], found["hyperband"]) < 1


def test_the_guides_plan_has_the_lines_that_a_plan_has() -> None:
    """All but what is measured, on two cores."""
    from orchestune import catalog
    from orchestune.planning.plan import plan
    from orchestune.planning.timing import Timing

    (shown,) = (block.splitlines() for block in blocks(GUIDE, "text") if block.startswith("question "))
    made = plan(catalog.load("digits_mlp", HOUSE), Timing(0.0311, 172_700, "an epoch timed now"), [{"CPU": 2.0}])
    assert made.lines == shown


@pytest.mark.parametrize("declared", [*SEARCHERS.values(), *SCHEDULERS.values()])
def test_every_declaration_has_a_row_with_its_defaults(declared: Any) -> None:
    row = re.search(rf"^\| `({declared.__name__}\(.*?\))` \| \w", GUIDE, re.MULTILINE)
    assert row, f"the guide's tables lack {declared.__name__}"
    _, _, settings = parse_call(row[1])
    assert declared(**settings) == declared()


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_the_readmes_script_and_its_search(tmp_path: Path) -> None:
    """Both files as they stand there; the search's own test of 20 trials takes half a minute."""
    for block in blocks((HOUSE / "README.md").read_text(), "python"):
        path = tmp_path / block.splitlines()[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(block)
    script = run(tmp_path, "train.py")
    assert float(script.stdout.split()[-1]) > 0.9, script.stderr
    search = run(tmp_path, "-m", "orchestune.cli", "run", "digits", "--run-name", "first", "--num-samples", "6")
    assert search.returncode == 0, search.stderr
    best = json.loads(run(tmp_path, "-m", "orchestune.cli", "best", "runs/first", "--json").stdout)
    assert best["score"] > 0.93
    given = run(tmp_path, "-m", "orchestune.cli", "best", "runs/first", "--export", "model")
    assert given.returncode == 0, given.stderr  # its class, cut out of the experiment, scores the same without Ray
    code = (tmp_path / "experiments" / "digits.py").read_text()
    lines = [line for line in code.splitlines() if line and not line.startswith(("#", '"""'))]
    assert len(lines) < 30, "about twenty lines beside the imports"


def run(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # as in a new shell
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, input=stdin, capture_output=True, text=True, check=False
    )


PAGES = [f"docs/guide/{page.name}" for page in sorted((HOUSE / "docs" / "guide").glob("*.md"))]


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/guide.md", "docs/cluster.md", "docs/scale.md", *PAGES]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (HOUSE / page).read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (HOUSE / page).parent.joinpath(target).exists(), f"{page} links to {target}"


QUOTED = [
    ("scale", "scale_tables", "scale"),
    ("speed_up", "speed_up", "scale"),
    ("head_storage", "head_storage", "cluster"),
]


@pytest.mark.parametrize(("name", "module", "page"), QUOTED)
def test_pages_quote_what_was_measured(name: str, module: str, page: str) -> None:
    result = HOUSE / "benchmarks" / "results" / f"{name}.json"
    code = f"import json, sys; from benchmarks.{module} import tables; print(json.dumps(tables(json.load(sys.stdin))))"
    done = run(
        HOUSE, "-c", code, stdin=result.read_text()
    )  # in a process of its own: a benchmark sets what NumPy reads at import
    assert done.returncode == 0, done.stderr
    tables = json.loads(done.stdout)
    assert tables
    assert set(tables) <= set(blocks((HOUSE / "docs" / f"{page}.md").read_text(), "text"))


def test_commands_in_the_readme_exist() -> None:
    from orchestune.arguments import parser_of
    from orchestune.cli import COMMANDS

    _, commands = parser_of(COMMANDS)
    text = "\n".join(blocks((HOUSE / "README.md").read_text(), "sh"))
    named = re.findall(r"^orchestune (\w+)", text, re.MULTILINE)
    assert (
        set(named)
        == {"new", "list", "plan", "run", "resume", "show", "best", "verify", "plot"}
        <= set(commands.choices)
    )
    targets = re.findall(r"^make (\w+)", text, re.MULTILINE)
    makefile = (HOUSE / "Makefile").read_text()
    assert targets == ["demo", "test"]
    assert all(f"\n{target}: " in makefile for target in targets)
