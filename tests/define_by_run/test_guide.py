"""The guide's example of a build_model, as it stands there."""

from __future__ import annotations

from pathlib import Path

from tests.test_docs import GUIDE, blocks, run

CODE = """
from pathlib import Path
from orchestune import catalog

experiment = catalog.load("deep_line", Path.cwd())
space = experiment.typed_space
assert str(space["units_2"].condition) == "'layers' is 3"
assert str(space["rate"].condition) == "'dropout' is True"
assert space.constants == {"batch_size": 32}
config = experiment.build_searcher().ask(0)
trial = experiment.trainable(config)
losses = [trial.train()["val_loss"] for _ in range(5)]
assert trial.params.lr == config["lr"]
print(losses[-1] < losses[0])
"""


def test_the_guides_example(tmp_path: Path) -> None:
    for block in blocks(GUIDE, "python"):
        name = block.splitlines()[0].removeprefix("# ")
        if name.endswith("line.py"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(block)
    done = run(tmp_path, "-c", CODE)
    assert done.stdout == "True\n", done.stderr
