"""The project that `orchestune new` writes: it runs as it is, and spoils nothing that is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from orchestune.cli import main
from orchestune.new import TEMPLATE, new
from orchestune.running.journal import read_events
from orchestune.running.record import Record

HOUSE = Path(__file__).parents[1]
FILES = {
    "README.md", "cluster.yaml",
    "experiments/__init__.py", "experiments/line.py",
    "tests/__init__.py", "tests/test_line.py",
    "trainables/__init__.py", "trainables/line.py",
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    new(tmp_path / "mine")
    return tmp_path / "mine"


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """As in a new shell, where orchestune is installed."""
    environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_it_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a" / "project"
    assert main(["new", str(folder)]) == 0
    *written, last = capsys.readouterr().out.splitlines()
    assert {str(Path(line).relative_to(folder)) for line in written} == FILES
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == FILES
    assert last == f"go on with: cd {folder} && orchestune run line"


def test_without_a_name_it_is_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").mkdir()  # what is not in the way may be there
    monkeypatch.chdir(tmp_path)
    assert main(["new"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "go on with: orchestune run line"
    assert (tmp_path / "experiments" / "line.py").exists()


def test_nothing_is_written_where_a_project_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "README.md").write_text("mine")
    assert main(["new", str(tmp_path)]) == 2
    assert f"{tmp_path} has README.md and experiments already: choose an empty folder" in capsys.readouterr().err
    assert {path.name for path in tmp_path.rglob("*")} == {"README.md", "experiments"}
    assert main(["new", str(tmp_path / "README.md")]) == 2
    assert "is a file" in capsys.readouterr().err


def test_a_disk_that_cannot_be_written(read_only_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(read_only_disk / "mine")]) == 2
    assert "Choose another folder" in capsys.readouterr().err


ITS_TEST_TWICE = """
import sys
from pathlib import Path
import pytest
words, model = ["-q", "-p", "no:cacheprovider"], Path("trainables", "line.py")
passes = pytest.main(words)
for name in [name for name in sys.modules if name.split(".")[0] in ("trainables", "experiments", "tests")]:
    del sys.modules[name]
whole = model.read_text()
model.write_text(whole.replace("mse_loss(output, target)", "mse_loss(output, target).detach()") + "# of another size")
print("and then", int(passes), int(pytest.main(words)))
"""


def test_its_own_test_passes_and_can_fail(project: Path) -> None:
    """In one process: torch takes seconds to come."""
    done = python(project, "-c", ITS_TEST_TWICE)
    assert "1 passed" in done.stdout, done.stdout
    assert "1 failed" in done.stdout, done.stdout
    assert done.stdout.splitlines()[-1] == "and then 0 1"


@pytest.mark.ray
@pytest.mark.timeout(200)
def test_it_runs_at_once(project: Path) -> None:
    done = python(project, "-m", "orchestune.cli", "run", "line", "--run-name", "first")
    assert done.returncode == 0, done.stderr
    record = Record.of(read_events(project / "runs" / "first" / "events.jsonl"))
    assert record.best
    assert record.test["test_loss"] < 3  # of a line whose values lie between -3 and 3; 3 is that of saying 0


def test_the_guide_shows_the_same_files() -> None:
    shown = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", (HOUSE / "docs" / "guide.md").read_text(), re.DOTALL)
    for name in ("trainables/line.py", "experiments/line.py"):
        assert (name, (TEMPLATE / name).read_text()) in shown


def test_its_cluster_is_the_one_that_comes_along() -> None:
    """All but where orchestune's source lies."""
    ours, theirs = ((folder / "cluster.yaml").read_text().splitlines() for folder in (HOUSE, TEMPLATE))
    assert len(ours) == len(theirs)
    other = [(mine, its) for mine, its in zip(ours, theirs, strict=True) if mine != its]
    assert all(its == mine.replace(": ./", ": CHECKOUT/") for mine, its in other if "#" not in mine)
    assert len(other) == 6
    assert sum("CHECKOUT/" in its for _, its in other) == 5


def test_what_is_left_to_fill_in_is_told(project: Path) -> None:
    from orchestune.cluster.description import PLACEHOLDERS, Description
    from orchestune.errors import ClusterError

    with pytest.raises(ClusterError) as told:
        Description.read(project / "cluster.yaml")
    assert [word for word in PLACEHOLDERS if f" {word}: " not in str(told.value)] == []


def test_the_wheel_would_hold_it() -> None:
    patterns = tomllib.loads((HOUSE / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["orchestune"]
    held = {path for pattern in patterns for path in TEMPLATE.parent.glob(pattern)}
    assert {TEMPLATE / name for name in FILES} <= held
