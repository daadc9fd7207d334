"""What a benchmark has to say: its headline, the machine it ran on, and every figure behind it."""

from __future__ import annotations

import argparse
import json
import operator
import os
import platform
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
_AIMS = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The one number a benchmark is for. `aim` is such as `>= 40`."""

    name: str
    value: float
    aim: str

    @property
    def holds(self) -> bool:
        sign, bound = self.aim.split()
        return bool(_AIMS[sign](self.value, float(bound)))

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": round(self.value, 2), "aim": self.aim, "holds": self.holds}

    def __str__(self) -> str:
        return f"{self.name}: {self.value:.3g} (aim {self.aim}: {'holds' if self.holds else 'DOES NOT HOLD'})"


def options(description: str) -> argparse.Namespace:
    """The command line that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="under a minute, to see that it works; keeps no result")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the result goes (default: results/)")
    return parser.parse_args()


def keep(script: str, chosen: argparse.Namespace, headline: Headline, figures: dict[str, Any]) -> None:
    """Prints the headline and writes the result, unless this was only a quick look."""
    print(f"\n{headline}" + (" - a quick look, too small to judge by" if chosen.quick else ""))
    if chosen.quick and chosen.output is None:
        return
    target = chosen.output or FOLDER / f"{Path(script).stem}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    result = {"headline": headline.to_json(), "machine": machine(), "quick": chosen.quick, **figures}
    target.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {target}")


def machine() -> dict[str, Any]:
    """Where and when the figures were taken."""
    return {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("ray", "torch")},
    }
