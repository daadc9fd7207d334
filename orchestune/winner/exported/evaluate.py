"""Builds the model of this folder again and evaluates it, without Ray.

    python evaluate.py
    python evaluate.py --split test --data FOLDER --json

From Python, in this folder: `from evaluate import rebuilt`; `rebuilt().model` is the model, ready to be called.

Needed: torch, safetensors, and what the files in source/ import. They are the model's own, as they were when it was
exported. config.json is its configuration, origin.json says where it comes from and what it scored there.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from safetensors.torch import load_model

HERE = Path(__file__).resolve().parent
SOURCE = str(HERE / "source")


def rebuilt() -> Any:
    """The trainable as it was after its last epoch: its `model`, with its weights, and its `data`."""
    origin = json.loads((HERE / "origin.json").read_text())
    config = json.loads((HERE / "config.json").read_text())
    if sys.path[:1] != [SOURCE]:
        sys.path.insert(0, SOURCE)
    module, _, name = origin["trainable"].partition(":")
    trainable: Any = importlib.import_module(module)
    for part in name.split("."):
        trainable = getattr(trainable, part)
    own = {"seed": origin["seed"], "max_epochs": origin["max_epochs"], "__module__": module}
    made = type(trainable.__name__, (trainable,), own)(config)
    load_model(made.model, HERE / "model.safetensors")
    made.model.eval()
    return made


def evaluate(split: str) -> dict[str, float]:
    """The metrics of one of its splits, `validation` or `test`. SystemExit where there is none such."""
    made = rebuilt()
    examples = getattr(made.data, split)
    if examples is None:
        raise SystemExit(f"{type(made).__name__} has no {split} split")
    short = {"validation": "val"}.get(split, split)
    return {f"{short}_{name}": value for name, value in made.evaluate(examples).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluates the model of this folder.")
    parser.add_argument("--split", choices=("train", "validation", "test"), default="validation")
    parser.add_argument("--data", metavar="FOLDER", help="a folder with the data's files")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    if options.data:
        os.environ["ORCHESTUNE_DATA"] = options.data
    found = evaluate(options.split)
    print(json.dumps(found) if options.json else "\n".join(f"{name} {value:.6g}" for name, value in found.items()))


if __name__ == "__main__":
    main()
