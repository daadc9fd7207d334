"""A training of two epochs without Ray, in a second: what is wrong with a model shows here first."""

from experiments.line import experiment


def test_the_loss_falls() -> None:
    line = experiment.trainable({"lr": 0.01, "width": 8})
    first, second = line.step(), line.step()
    assert set(line.metrics) < set(first)
    assert second["val_loss"] < first["val_loss"]
