"""How well can a small MLP read handwritten digits, and with which widths, step size, batch size and weight decay?"""

from ray import tune

from orchestune import Asha, Experiment, HyperOpt, Resources
from trainables.mlp import MLP

experiment = Experiment(
    trainable=MLP,
    space={
        "hidden": (tune.qrandint(16, 128, 16), tune.qrandint(16, 128, 16)),
        "lr": tune.loguniform(1e-4, 1e-1),
        "batch_size": tune.choice([16, 32, 64, 128]),
        "weight_decay": tune.loguniform(1e-6, 1e-1),
    },
    metric="val_accuracy",
    mode="max",
    searcher=HyperOpt(),
    scheduler=Asha(grace_period=2),
    num_samples=60,
    max_epochs=30,
    resources=Resources(cpu=1),
)
