"""Up to which learning rate does the MLP on MNIST train stably, and between which rates is it worth searching?"""

from math import isfinite

from orchestune import Experiment, Plateau, Random, Record
from trainables.lr_range import MnistLrRange

BOUNDED = "mnist_mlp"  # the experiment whose rates are bounded: the same optimizer and batch size
TOLERATED = 1.5  # times the lowest loss: what is more is no longer stable
BEGUN = 0.1  # of the way from the first loss to the lowest: what is less is not yet learning


def answer(record: Record) -> str:
    """The largest stable rate, half of it, and the range from where learning begins as another experiment takes it."""
    trial = next(iter(record.trials.values()))
    rates = trial.curves["lr"]
    losses = {epoch: loss for epoch, loss in trial.scores.items() if isfinite(loss)}
    best, last = min(losses, key=losses.__getitem__), max(losses)
    stable = max(epoch for epoch, loss in losses.items() if loss <= TOLERATED * losses[best])
    if stable == max(trial.scores):
        return f"Still stable at {rates[stable]:.2g}, where the test ended: give it more epochs (--max-epochs)."
    begun = next(epoch for epoch, loss in losses.items() if loss <= losses[1] - BEGUN * (losses[1] - losses[best]))
    ended = f"it is {losses[last]:.3f} at {rates[last]:.2g}, where the test ended"
    return (
        f"The loss falls from a rate of {rates[begun]:.2g} on, is lowest, {losses[best]:.3f}, at {rates[best]:.2g}, "
        f"and returns to less than {TOLERATED:g} times that up to {rates[stable]:.2g}, the largest stable rate; {ended}"
        f"{', and not finite then' if last < max(trial.scores) else ''}. Suggested: half of the largest stable rate, "
        f"{rates[stable] / 2:.2g}. To search around it: orchestune run {BOUNDED} --set "
        f"lr='loguniform({rates[begun]:.2g},{rates[stable]:.2g})'"
    )


experiment = Experiment(
    trainable=MnistLrRange,
    space={
        "lr": 1e-5,  # where it starts
        "schedule": {"name": "exponential", "gamma": 1.2, "per": "step"},
        "steps": 20,
        "hidden": (128, 128),
        "optimizer": "adam",
        "batch_size": 32,
    },
    metric="val_loss",
    mode="min",
    searcher=Random(),
    scheduler=Plateau(patience=20),  # by then the rate is 38 times the one of the lowest loss
    num_samples=1,
    max_epochs=80,
    answer=answer,
)
