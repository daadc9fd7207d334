"""Points that run as the same configuration look the same to the model, others do not."""

from __future__ import annotations

import numpy as np
import pytest

from orchestune.space import Choice, Space
from orchestune.space.plain import form
from orchestune.surrogate.encoding import Encoding
from tests.contracts.spaces import SPACES

PARSED = {name: Space.parse(mapping) for name, mapping in SPACES.items()}


@pytest.mark.parametrize("name", SPACES)
def test_features_are_those_of_the_configuration(name: str) -> None:
    space = PARSED[name]
    encoding, chance = Encoding(space), np.random.default_rng(0)
    points = chance.random((60, space.dimensions))
    configs = [encoding.config(point) for point in points]
    features = encoding.features(points)
    again = encoding.features(np.array([encoding.point(config) for config in configs]).reshape(60, -1))
    assert features.shape == (60, len(encoding.group))
    np.testing.assert_allclose(features, again, atol=1e-9)


@pytest.mark.parametrize(
    "name", ["mixed", "when_chained", "when_member", "cond_same_key", "choice_mixed", "lograndint"]
)
def test_different_configurations_have_different_features(name: str) -> None:
    space = PARSED[name]
    encoding = Encoding(space)
    points = np.random.default_rng(1).random((200, space.dimensions))
    seen: dict[bytes, str] = {}
    for point, row in zip(points, encoding.features(points).round(12), strict=True):
        text = form(encoding.config(point))
        assert seen.setdefault(row.tobytes(), text) == text


@pytest.mark.parametrize("name", SPACES)
def test_the_model_sees_what_would_run(name: str) -> None:
    """The features of a point are those of its configuration's own columns, choices at sqrt(1/2)."""
    space = PARSED[name]
    encoding = Encoding(space)
    points = np.random.default_rng(2).random((50, space.dimensions))
    rows = np.array([encoding.columns.point(space.values(encoding.config(point))) for point in points])
    np.testing.assert_allclose(encoding.features(points), rows * encoding.unit, atol=1e-9)
    assert set(encoding.unit) <= {1.0, np.sqrt(0.5)}


def test_neighbours_stay_near_and_inside() -> None:
    encoding = Encoding(PARSED["mixed"])
    point = np.full(encoding.dimensions, 0.5)
    near = encoding.neighbours(point, 500, np.random.default_rng(0), step=0.02)
    assert near.shape == (500, encoding.dimensions)
    assert ((near >= 0) & (near <= 1)).all()
    assert (near != point).any(axis=1).all(), "each has moved"
    lr = [p.name for p in encoding.space.parameters].index("lr")
    assert np.abs(near[:, lr] - 0.5).max() < 0.1
    few = [k for k, p in enumerate(encoding.space.parameters) if p.count and p.count <= 8 and not isinstance(p, Choice)]
    moved = encoding.features(near) != encoding.features(point[None])
    assert moved[:, [list(encoding.group).index(k) for k in few]].any(), "a step crosses the cells of a short range"
