"""Which widths of two hidden layers, and which step size, read MNIST's handwritten digits best?"""

from ray import tune

from orchestune import Asha, Experiment, HyperOpt, Resources
from trainables.mlp import MnistMLP

experiment = Experiment(
    trainable=MnistMLP,
    space={
        "hidden": (tune.qrandint(32, 256, 32), tune.qrandint(32, 256, 32)),
        "lr": tune.loguniform(1e-4, 1e-2),
        "optimizer": "adam",
        "batch_size": 32,
    },
    metric="val_accuracy",
    mode="max",
    searcher=HyperOpt(),
    scheduler=Asha(),
    num_samples=10,
    max_epochs=10,
    resources=Resources(cpu=1),
)
