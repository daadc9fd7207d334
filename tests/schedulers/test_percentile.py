"""NumPy is the oracle, to the last bit: a recorded run must replay to the same decisions."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestune.schedulers.percentile import percentile

numbers = st.one_of(
    st.integers(-2, 2).map(float),  # ties
    st.sampled_from([math.inf, -math.inf]),
    st.floats(allow_nan=False),
    st.floats(0.9, 1.0),
)
percents = st.one_of(
    st.sampled_from([1 - 1 / factor for factor in (1.5, 2, 2.5, 3, 4, 10)]).map(lambda keep: keep * 100),
    st.floats(0, 100),
)


def bits(number: float) -> bytes:
    return b"NaN" if math.isnan(number) else struct.pack("d", number)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(scores=st.lists(numbers, min_size=1, max_size=60), percent=percents)
@example(scores=[1.0], percent=75.0)
@example(scores=[math.inf, math.inf], percent=50.0)
@example(scores=[0.1, 0.2, 0.7, 0.9], percent=100.0)
@pytest.mark.filterwarnings("ignore:(invalid|overflow):RuntimeWarning")
def test_says_what_numpy_says(scores: list[float], percent: float) -> None:
    assert bits(percentile(sorted(scores), percent)) == bits(float(np.percentile(scores, percent)))
