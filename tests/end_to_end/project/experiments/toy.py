"""Which x is the largest?"""

from models.toy import WithTest
from ray import tune

from orchestune import Asha, Experiment, HyperOpt

experiment = Experiment(
    trainable=WithTest,
    space={"x": tune.uniform(0, 1)},
    metric="score",
    mode="max",
    searcher=HyperOpt(n_initial_points=4),
    scheduler=Asha(reduction_factor=3),
    num_samples=12,
    max_epochs=9,
    max_concurrent_trials=1,
)
