"""Which step size and width fit a noisy line best?"""

from ray import tune

from orchestune import Asha, Experiment, HyperOpt
from trainables.line import Line

experiment = Experiment(
    trainable=Line,
    space={"lr": tune.loguniform(1e-4, 1e-1), "width": tune.randint(2, 17)},
    metric="val_loss",
    mode="min",
    searcher=HyperOpt(n_initial_points=4),
    scheduler=Asha(grace_period=1),
    num_samples=6,
    max_epochs=5,
)
