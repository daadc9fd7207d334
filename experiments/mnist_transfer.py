"""To read 5 to 9 from 100 examples, how many layers of a network for 0 to 4 are best frozen, if reused at all?"""

from ray import tune

from orchestune import Experiment, Fifo, HyperOpt, Record, Resources, when
from orchestune.running.record import Trial
from trainables.transfer import RANDOM, REUSED, STAGES, MnistTransfer


def answer(record: Record) -> str:
    """The best way to start, and of each way its best trial's accuracy and its seconds an epoch."""
    best: dict[str, Trial] = {}
    for trial in sorted(record.ranked, key=lambda trial: -trial.best[1]):
        best.setdefault(way(trial.config), trial)
    told = [f"{name} {t.best[1]:.4f} ({t.seconds / t.epochs:.3f} s an epoch)" for name, t in sorted(best.items())]
    c = record.best.config
    rates = f"lr {c['lr']:.2g}" + (f" and lr_reused {c['lr_reused']:.2g}" if "lr_reused" in c else "")
    tested = " On digits that the search never saw its accuracy is {test_accuracy:.4f}." if record.test else ""
    return (
        f"Best of {len(record.trials)} is {way(c)}, with {rates}. Accuracy of the best of each way: "
        f"{', '.join(told)}.{tested.format(**record.test)}"
    )


def way(config: dict) -> str:
    return "from scratch" if config["start"] == RANDOM else f"{config['frozen']} of {STAGES} layers frozen"


experiment = Experiment(
    trainable=MnistTransfer,
    space={
        "start": tune.choice([REUSED, RANDOM]),
        "frozen": when("start", REUSED, tune.randint(0, STAGES + 1)),
        "lr": tune.loguniform(1e-4, 3e-2),
        "lr_reused": when("frozen", tuple(range(STAGES)), tune.loguniform(1e-5, 1e-2)),
        "examples": 100,
    },
    metric="val_accuracy",
    mode="max",
    searcher=HyperOpt(),
    scheduler=Fifo(),
    num_samples=40,
    max_epochs=10,
    resources=Resources(cpu=1),
    prepare=MnistTransfer.trunk,
    answer=answer,
)
