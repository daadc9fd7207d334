"""What one trial occupies while it trains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Resources:
    """CPU cores and GPUs of one trial; fractions let several trials share one."""

    cpu: float = 1
    gpu: float = 0

    def mistakes(self) -> list[str]:
        wrong = []
        if not _is_number(self.cpu) or self.cpu <= 0:
            wrong.append(f"resources.cpu is {self.cpu!r}: it must be a number above 0")
        if not _is_number(self.gpu) or self.gpu < 0:
            wrong.append(f"resources.gpu is {self.gpu!r}: it must be 0 or more")
        elif self.gpu > 1 and self.gpu != int(self.gpu):
            wrong.append(f"resources.gpu is {self.gpu!r}: above 1 it must be a whole number")
        return wrong

    def lacking(self, available: Mapping[str, float]) -> list[str]:
        """What even an idle cluster could not give to one trial, in words."""
        wrong = []
        cpus, gpus = available.get("CPU", 0), available.get("GPU", 0)
        if self.cpu > cpus:
            wrong.append(
                f"a trial asks for {self.cpu:g} CPUs, and there are {cpus:g}: set --cpus-per-trial to at most {cpus:g}"
            )
        if self.gpu > gpus:
            have = f"there are {gpus:g}" if gpus else "there is none"
            wrong.append(f"a trial asks for {self.gpu:g} GPUs, and {have}: set --gpus-per-trial to at most {gpus:g}")
        return wrong

    def fit(self, available: Mapping[str, float]) -> int:
        """How many trials fit side by side."""
        room = [available.get("CPU", 0) / self.cpu]
        if self.gpu:
            room.append(available.get("GPU", 0) / self.gpu)
        return max(1, int(min(room) + 1e-9))

    def to_json(self) -> dict[str, float]:
        return {"cpu": self.cpu, "gpu": self.gpu}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
