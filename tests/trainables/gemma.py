"""A Gemma so small that it knows nothing, in a moment: for tests that look at everything but what it writes."""

from __future__ import annotations

import importlib.util

import pytest

from trainables.hugging_face import NEEDED
from trainables.small_gemma import small_gemma

MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
NEEDS_LORA = pytest.mark.skipif(bool(MISSING), reason=f"not installed, as the extra [lora] has it: {MISSING}")


def tiny_gemma() -> str:
    return str(small_gemma(hidden=16, layers=1, updates=2))
