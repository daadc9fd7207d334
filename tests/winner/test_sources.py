"""Which files an exported model takes along, and what is cut out of an experiment's own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from orchestune.winner.cut import cut
from orchestune.winner.sources import sources
from trainables.mlp import MLP

HOUSE = Path(__file__).parents[2]
MODULE = '''"""What for?"""

from __future__ import annotations

import math
from os import path, sep

import ray
from other import Experiment

SIZE = 3  # used
HUGE = SIZE * 10
print(HUGE)


def helper(x):
    """Used by another one."""
    return math.sqrt(x) + SIZE


@decorated(path)
class Model(Base):
    width = helper(4)


experiment = Experiment(Model, ray)
'''


def test_what_a_class_needs_is_kept_as_it_is_written() -> None:
    assert cut(MODULE, "Model") == (
        '"""What for?"""\n\nfrom __future__ import annotations\nimport math\nfrom os import path\n\n\n'
        'SIZE = 3  # used\n\n\ndef helper(x):\n    """Used by another one."""\n    return math.sqrt(x) + SIZE\n\n\n'
        "@decorated(path)\nclass Model(Base):\n    width = helper(4)\n"
    )


def test_a_name_that_is_bound_in_branches_keeps_them_all() -> None:
    text = "import a, b\nif a:\n    f = a.f\nelse:\n    f = b.f\ng = 1\nclass C:\n    h = f\n"
    assert cut(text, "C") == "import a, b\n\n\nif a:\n    f = a.f\nelse:\n    f = b.f\n\n\nclass C:\n    h = f\n"


def test_the_readmes_class_is_cut_out_of_its_experiment() -> None:
    (code,) = re.findall(r"```python\n# experiments/digits.py\n(.*?)```", (HOUSE / "README.md").read_text(), re.DOTALL)
    kept = cut(code, "Digits")
    assert "from orchestune import Data, TorchTrainable\n" in kept
    assert "import tune" not in kept
    assert "experiment" not in kept
    compile(kept, "digits.py", "exec")


def test_a_model_takes_along_what_its_file_imports_and_nothing_of_the_search() -> None:
    found = sources(MLP, HOUSE)
    assert {"trainables/__init__.py", "trainables/mlp.py", "trainables/digits.py", "trainables/mnist.py"} <= set(found)
    assert {"orchestune/__init__.py", "orchestune/training/torch_trainable.py"} <= set(found)
    rooms = {name.split("/")[1] for name in found if name.startswith("orchestune/")}
    assert rooms == {"__init__.py", "errors.py", "durable.py", "training"}
    assert not [name for name, text in found.items() if re.search(r"^\s*(import|from) ray\b", text, re.MULTILINE)]
    assert found["trainables/mlp.py"] == (HOUSE / "trainables" / "mlp.py").read_text()


@pytest.mark.parametrize("init", [True, False], ids=["package", "namespace"])
def test_a_project_of_ones_own(init: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative imports, imports in functions, and names that `orchestune` has from elsewhere; nothing installed."""
    package = tmp_path / f"mine_{init}"
    package.mkdir()
    (package / "model.py").write_text(
        "import json, torch\nfrom typing import TYPE_CHECKING\nfrom orchestune import Data\n"
        "from .layers import Layer\nif TYPE_CHECKING:\n    from . import never\n"
        "class Model:\n    def f(self):\n        from . import late\n"
    )
    for name in ("layers", "late", "never"):
        (package / f"{name}.py").write_text("class Layer: pass\n")
    if init:
        (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = sources(__import__(f"{package.name}.model", fromlist=["Model"]).Model, tmp_path)
    own = {name.removeprefix(f"{package.name}/") for name in found if name.startswith("mine")}
    assert own == {"model.py", "layers.py", "late.py"} | ({"__init__.py"} if init else set())
    assert "orchestune/training/data.py" in found
    assert not [name for name in found if name.startswith(("torch", "json"))]
    for name in [name for name in sys.modules if name.startswith(package.name)]:
        del sys.modules[name]
