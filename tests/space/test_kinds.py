"""Laws of the typed parameters, for any of them, and Ray's own draws as the oracle of their bounds."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray import tune

from orchestune.errors import SpaceError
from orchestune.space import Choice, Condition, Float, Int, Normal, Parameter, Space

units = st.floats(0, 1)
bounds = st.floats(-1e6, 1e6, allow_subnormal=False)
positive = st.floats(1e-6, 1e6)


@st.composite
def floats(draw: st.DrawFn) -> Float:
    log = draw(st.booleans())
    low, high = sorted(draw(st.lists(positive if log else bounds, min_size=2, max_size=2, unique=True)))
    return Float(name="x", low=low, high=high, log=log)


@st.composite
def stepped(draw: st.DrawFn) -> Float:
    log, step = draw(st.booleans()), draw(st.sampled_from([0.1, 0.05, 0.25, 1e-3, 3.0, 7.5]))
    first = draw(st.integers(1 if log else -1000, 1000))
    last = first + draw(st.integers(0, 1000))
    return Float(name="x", low=first * step, high=last * step, log=log, step=step)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    log, step = draw(st.booleans()), draw(st.integers(1, 50))
    first = draw(st.integers(1 if log else -(10**6), 10**6))
    low, high = first * step, (first + draw(st.integers(0, 10**6))) * step
    return Int(name="x", low=low, high=high, log=log, step=step)


normals = st.builds(
    Normal,
    name=st.just("x"),
    mean=st.floats(-100, 100),
    sd=st.floats(0.01, 100),
    step=st.sampled_from([None, 0.1, 2.0]),
)
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["1", "a"])
choices = st.builds(
    Choice,
    name=st.just("x"),
    values=st.lists(scalars | st.lists(scalars, max_size=2), min_size=1, max_size=6).map(tuple),
)
ranges = floats() | stepped() | ints()
discrete = stepped() | ints() | choices
anything = ranges | normals | choices


@given(anything, units)
def test_what_the_unit_interval_maps_to_is_legal(parameter: Parameter, u: float) -> None:
    value = parameter.from_unit(u)
    assert parameter.contains(value)
    assert json.loads(json.dumps(value)) == value
    assert parameter.snap(value) == value
    assert 0 <= parameter.to_unit(value) <= 1


@given(discrete, units)
def test_discrete_values_round_trip_exactly(parameter: Parameter, u: float) -> None:
    value = parameter.from_unit(u)
    again = parameter.from_unit(parameter.to_unit(value))
    assert json.dumps(again) == json.dumps(value)  # 1, True and 1.0 are three


@given(floats() | normals, st.floats(1e-9, 1 - 1e-9))
def test_real_values_round_trip_closely(parameter: Float | Normal, u: float) -> None:
    value = parameter.from_unit(u)
    again = parameter.from_unit(parameter.to_unit(value))
    width = parameter.high - parameter.low if isinstance(parameter, Float) else parameter.sd
    assert again == pytest.approx(value, rel=1e-9, abs=1e-6 * width)


@given(ranges)
def test_both_ends_are_included_exactly(parameter: Float | Int) -> None:
    assert parameter.from_unit(0) == parameter.from_unit(-0.1) == parameter.low
    assert parameter.from_unit(1) == parameter.from_unit(1.1) == parameter.high
    assert parameter.contains(parameter.low)
    assert parameter.contains(parameter.high)


@given(ranges, st.floats(-1e9, 1e9))
def test_snapping_finds_the_nearest(parameter: Float | Int, value: float) -> None:
    snapped = parameter.snap(value)
    assert parameter.contains(snapped)
    step = parameter.step or 0
    for other in (parameter.low, parameter.high, snapped - step, snapped + step):
        if parameter.contains(other):
            assert abs(snapped - value) <= abs(other - value) * (1 + 1e-9) + 1e-9


@given(stepped())
def test_steps_are_written_as_people_write_them(parameter: Float) -> None:
    digits = len(repr(parameter.step).rstrip("0").split(".")[-1])
    for value in parameter.grid(5):
        assert value == round(value, digits)


@given(anything, st.integers(2, 9))
def test_grids_are_legal_different_and_include_the_ends(parameter: Parameter, points: int) -> None:
    values = parameter.grid(points)
    assert all(parameter.contains(value) for value in values)
    assert len({json.dumps(value) for value in values}) == len(values)
    if isinstance(parameter, Float | Int):
        assert values[0] == parameter.low
        assert values[-1] == parameter.high
        assert len(values) <= points
        if parameter.count is not None and parameter.count <= points:
            assert len(values) == parameter.count


@given(ints(), units, units)
def test_equal_cells_or_equal_in_log_space(parameter: Int, a: float, b: float) -> None:
    low, high = sorted((parameter.from_unit(a), parameter.from_unit(b)))
    assert (parameter.to_unit(low) < parameter.to_unit(high)) == (low < high)


@given(anything)
def test_json_tells_everything_and_survives(parameter: Parameter) -> None:
    told = parameter.to_json()
    assert json.loads(json.dumps(told)) == told
    assert told["name"] == "x"


# Ray kind, values it can take at most (ends included); drawn 3000 times: with at most 12 values, each of a
# share
# of at least 2 %, an end stays unseen with probability 0.98 ** 3000, below 1e-26.
RAY = {
    "randint": (tune.randint(1, 10), range(1, 10)),
    "randint_one": (tune.randint(3, 4), [3]),
    "lograndint": (tune.lograndint(1, 10), range(1, 10)),
    "lograndint_small": (tune.lograndint(1, 4), [1, 2, 3]),
    "qrandint": (tune.qrandint(32, 256, 32), range(32, 257, 32)),
    "qrandint_off": (tune.qrandint(5, 55, 10), [10, 20, 30, 40, 50]),
    "qrandint_lo": (tune.qrandint(3, 58, 10), [10, 20, 30, 40, 50]),
    "qrandint_q1": (tune.qrandint(1, 5, 1), [1, 2, 3, 4]),
    "qlograndint": (tune.qlograndint(16, 96, 16), range(16, 97, 16)),
    "qlograndint_q1": (tune.qlograndint(1, 5, 1), [1, 2, 3, 4]),
    "quniform": (tune.quniform(0, 10, 2), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]),
    "quniform_dec": (tune.quniform(0, 1, 0.1), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
    "qloguniform": (tune.qloguniform(0.1, 0.8, 0.1), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
    "choice": (tune.choice(["a", 1, True, None]), ["a", 1, True, None]),
}


@pytest.mark.parametrize("kind", RAY)
def test_discrete_kinds_have_exactly_rays_values(kind: str) -> None:
    domain, expected = RAY[kind]
    [parameter] = Space.parse({"x": domain}).parameters
    assert parameter.count == len(expected)
    assert [json.dumps(v) for v in parameter.grid(100)] == [json.dumps(v) for v in expected]
    drawn = domain.sample(size=3000, random_state=np.random.RandomState(0))
    canonical = {json.dumps(parameter.snap(value)) for value in drawn}
    assert canonical == {json.dumps(value) for value in expected}
    for value in drawn:
        parameter.accept(value)  # none is moved by snapping, but for the rounding of floats


@pytest.mark.parametrize("domain", [tune.uniform(-1, 1), tune.loguniform(1e-5, 1e-1), tune.randn(3, 2)])
def test_real_kinds_hold_rays_draws_evenly(domain: Any) -> None:
    [parameter] = Space.parse({"x": domain}).parameters
    where = [
        parameter.to_unit(float(value)) for value in domain.sample(size=4000, random_state=np.random.RandomState(0))
    ]
    shares = np.histogram(where, bins=10, range=(0, 1))[0] / 4000
    assert np.abs(shares - 0.1).max() < 6 * math.sqrt(0.1 * 0.9 / 4000)  # six sigma, and the draws are fixed


def test_log_ints_have_rays_shares() -> None:
    [parameter] = Space.parse({"x": tune.lograndint(1, 4)}).parameters
    shares = np.bincount([parameter.from_unit((i + 0.5) / 10_000) for i in range(10_000)])[1:] / 10_000
    assert shares == pytest.approx([math.log(2, 4), math.log(1.5, 4), math.log(4 / 3, 4)], abs=1e-3)


def test_canonical_decimals() -> None:
    tenths = Float(name="x", low=0, high=1, step=0.1)
    assert [tenths.from_unit(i / 11 + 0.01) for i in range(11)] == [
        0.0,
        0.1,
        0.2,
        0.3,
        0.4,
        0.5,
        0.6,
        0.7,
        0.8,
        0.9,
        1.0,
    ]
    assert tenths.accept(0.1 + 0.2) == 0.3
    assert not tenths.contains(0.1 + 0.2)
    assert Float(name="x", low=0.1 + 0.2, high=1, step=0.1).low == 0.3


def test_cells_have_centers_and_grids_no_repeats() -> None:
    assert [Int(name="x", low=0, high=1).to_unit(k) for k in (0, 1)] == [0.25, 0.75]
    assert Int(name="x", low=1, high=6, log=True).grid(5) == [1, 2, 4, 6]
    assert Normal(name="x", mean=0, sd=1).grid(3) == pytest.approx([-0.9674215661, 0, 0.9674215661])


def test_types_are_kept_apart() -> None:
    mixed = Choice(name="x", values=(1, True, 1.0, "1"))
    assert [mixed.index(value) for value in (1, True, 1.0, "1")] == [0, 1, 2, 3]
    assert [type(mixed.from_unit(mixed.to_unit(value))) for value in mixed.values] == [int, bool, float, str]
    assert not Int(name="x", low=0, high=1).contains(True)
    assert not Int(name="x", low=0, high=1).contains(1.0)
    assert not Float(name="x", low=0, high=1).contains(np.float64(0.5))
    assert Float(name="x", low=0, high=2).accept(1) == 1.0


def test_a_value_that_is_changed_does_not_change_the_space() -> None:
    lists = Choice(name="x", values=([1], [2]))
    lists.from_unit(0).append(9)
    assert lists.from_unit(0) == [1]


WRONG = {
    "low above high": (lambda: Float(name="lr", low=1, high=0), "needs low < high, got low=1.0, high=0.0"),
    "no width": (lambda: Float(name="lr", low=1, high=1), "needs low < high"),
    "no int": (lambda: Int(name="lr", low=5, high=4), "has no value: its smallest is 5, its largest 4"),
    "nan": (lambda: Float(name="lr", low=math.nan, high=1), "the lower bound must be finite, got nan"),
    "inf": (lambda: Float(name="lr", low=0, high=math.inf), "the upper bound must be finite, got inf"),
    "text": (lambda: Float(name="lr", low="0", high=1), "the lower bound must be a number, got '0'"),
    "bool": (lambda: Int(name="lr", low=False, high=3), "the lower bound must be a number, got False"),
    "fraction": (lambda: Int(name="lr", low=0.5, high=3), "must be a whole number, got 0.5"),
    "too wide": (lambda: Float(name="lr", low=-1.7e308, high=1.7e308), "is wider than a float"),
    "log of zero": (lambda: Float(name="lr", low=0, high=1, log=True), "needs low > 0, got low=0.0"),
    "log int of zero": (lambda: Int(name="lr", low=0, high=9, log=True), "needs low > 0, got low=0"),
    "no step": (lambda: Float(name="lr", low=0, high=1, step=0), "the step must be above 0, got 0.0"),
    "negative step": (lambda: Int(name="lr", low=0, high=9, step=-1), "the step must be above 0, got -1"),
    "no multiple": (
        lambda: Int(name="lr", low=11, high=19, step=10),
        "no multiple of the step 10 lies between 11 and 19",
    ),
    "too many": (lambda: Int(name="lr", low=0, high=2**60), "has too many values"),
    "too many for cells": (lambda: Int(name="lr", low=0, high=2**45), "has too many values"),
    "no sd": (lambda: Normal(name="lr", mean=0, sd=0), "the standard deviation must be above 0, got 0.0"),
    "no choices": (lambda: Choice(name="lr", values=()), "has no values to choose from"),
    "nan choice": (lambda: Choice(name="lr", values=(math.nan,)), "nan is not a JSON value"),
}


@pytest.mark.parametrize("case", WRONG)
def test_impossible_parameters_are_refused_by_name(case: str) -> None:
    make, sentence = WRONG[case]
    with pytest.raises(SpaceError) as error:
        make()
    assert str(error.value).startswith("parameter 'lr': ")
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("parameter", "value", "sentence"),
    [
        (Float(name="x", low=0, high=1), 1.5, "1.5 is not in 0.0..1.0; nearest: 1.0"),
        (Float(name="x", low=0, high=1), math.nan, "must be finite"),
        (Float(name="x", low=0, high=1, step=0.1), 0.25, "in steps of 0.1; nearest: 0.2"),
        (Int(name="x", low=10, high=50, step=10), 5, "5 is not in 10..50 in steps of 10; nearest: 10"),
        (Int(name="x", low=1, high=3), 1.5, "must be a whole number, got 1.5"),
        (Normal(name="x", mean=0, sd=1, step=0.5), 0.3, "no multiple of 0.5; nearest: 0.5"),
        (Choice(name="x", values=("relu", "tanh")), "rellu", "is never 'rellu'. Did you mean 'relu'?"),
        (Choice(name="x", values=(1, 2)), True, "is never True. Choices: 1, 2"),
    ],
)
def test_illegal_values_are_refused_with_the_nearest(parameter: Parameter, value: Any, sentence: str) -> None:
    assert not parameter.contains(value)
    with pytest.raises(SpaceError) as error:
        parameter.accept(value)
    assert sentence in str(error.value)


def test_nan_is_no_coordinate() -> None:
    for parameter in (Float(name="x", low=0, high=1), Int(name="x", low=0, high=3), Normal(name="x", mean=0, sd=1)):
        with pytest.raises(ValueError, match="NaN"):
            parameter.from_unit(math.nan)


def test_a_condition_compares_types() -> None:
    assert Condition("a", (1,)).holds({"a": 1})
    assert not Condition("a", (1,)).holds({"a": True})
    assert not Condition("a", (1,)).holds({})
    assert Condition("a", ({"x": 1, "y": 2},)).holds({"a": {"y": 2, "x": 1}})


settings.register_profile("orchestune", deadline=None, max_examples=100, derandomize=True)
settings.load_profile("orchestune")
