"""Which low-rank adapters teach a language model of prose to write Python: what rank, on which layers, how fast?"""

from ray import tune

from orchestune import Asha, Experiment, HyperOpt, Record, Resources
from trainables.language_model import LanguageModelLora
from trainables.small_gemma import small_gemma

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]


def answer(record: Record) -> str:
    """The best adapters, how many weights train in them, the loss without and with them, and what is written."""
    c = record.best.config
    chosen = (
        f"Of {len(record.trials)} configurations the best is rank {c['rank']} beside {', '.join(c['targets'])}, with "
        f"alpha {c['alpha']}, dropout {c['dropout']:.2f} and lr {c['lr']:.2g}"
    )
    if not record.test:
        return f"{chosen}: loss {record.best.best[1]:.3f} a token."
    return (
        "{chosen}: {test_trainable_parameters:,} weights train, {test_trainable_share:.1%} of all, and on code that "
        "the search never saw the loss a token falls from {test_base_loss:.3f} to {test_loss:.3f}. "
        "It wrote {test_text_before!r}, and writes {test_text_after!r}."
    ).format(chosen=chosen, **record.test)


experiment = Experiment(
    trainable=LanguageModelLora,
    space={
        "rank": tune.choice([2, 4, 8, 16, 32]),
        "alpha": tune.choice([8, 16, 32, 64]),
        "dropout": tune.uniform(0, 0.3),
        "targets": tune.choice([["q_proj", "v_proj"], ATTENTION, [*ATTENTION, "gate_proj", "up_proj", "down_proj"]]),
        "lr": tune.loguniform(1e-3, 3e-2),
    },
    metric="val_loss",
    mode="min",
    searcher=HyperOpt(n_initial_points=8),
    scheduler=Asha(grace_period=2),
    num_samples=16,
    max_epochs=8,
    resources=Resources(cpu=1),
    prepare=small_gemma,
    answer=answer,
)
