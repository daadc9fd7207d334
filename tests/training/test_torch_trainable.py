"""TorchTrainable itself: batches, data, checkpoints, threads, folders, and its complaints."""
# ruff: noqa: NPY002  numpy's global stream is what is tested

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ray.tune import PlacementGroupFactory
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from orchestune.training import Data, TorchTrainable
from orchestune.training.data import Split, batches, epoch_order
from orchestune.training.randomness import capture, preserved, restore
from tests.training.tiny import Tiny, examples

CPU = torch.device("cpu")


class Stream(IterableDataset[torch.Tensor]):
    """Examples without a length."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        yield torch.zeros(1)


class Items(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The same examples as a map-style dataset that is asked one by one."""

    def __init__(self, tensors: tuple[torch.Tensor, ...]) -> None:
        self.tensors_ = tensors

    def __len__(self) -> int:
        return len(self.tensors_[0])

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.tensors_[0][index], self.tensors_[1][index]


@pytest.mark.parametrize("kind", [lambda tensors: TensorDataset(*tensors), Items], ids=["TensorDataset", "Dataset"])
def test_a_dataset_trains_as_its_tensors_do(kind: Any) -> None:
    class Wrapped(Tiny):
        def make_data(self) -> Data:
            data = super().make_data()
            assert isinstance(data.train, tuple)
            return Data(train=kind(data.train), validation=kind(examples(30, 2)), test=kind(examples(30, 3)))

    def outcome(trained: Tiny) -> list[dict[str, float]]:
        return [trained.step(), trained.step(), trained.test()]

    assert outcome(Tiny({})) == outcome(Wrapped({}))


@pytest.mark.parametrize("kind", [tuple, Items])
def test_batches_are_the_split_in_the_given_order(kind: Any) -> None:
    split: Split = kind((torch.arange(5), 10 * torch.arange(5)))

    def cut(order: torch.Tensor | None) -> list[list[list[int]]]:
        return [[part.tolist() for part in batch] for batch in batches(split, 2, order)]

    assert cut(None) == [[[0, 1], [0, 10]], [[2, 3], [20, 30]], [[4], [40]]]
    assert cut(torch.tensor([4, 0, 2, 3, 1])) == [[[4, 0], [40, 0]], [[2, 3], [20, 30]], [[1], [10]]]


def test_each_epoch_visits_each_example_once_in_its_own_order() -> None:
    tiny = Tiny({})
    everyone = sorted(tiny.data.train[0][:, 0].view(torch.int32).tolist())
    orders = []
    for _ in range(3):
        tiny.step()
        orders.append(tiny.visited)
    assert all(sorted(order) == everyone for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    orders = {(seed, epoch): tuple(epoch_order(50, seed, epoch).tolist()) for seed in range(4) for epoch in range(4)}
    assert len(set(orders.values())) == 16
    torch.manual_seed(5)
    assert tuple(epoch_order(50, 2, 3).tolist()) == orders[2, 3]
    # Pinned: whoever changes the order changes every resumed run.
    assert epoch_order(8, 0, 0).tolist() == [3, 0, 5, 4, 7, 6, 1, 2]


def test_no_other_use_of_chance_shifts_the_order() -> None:
    plain, shifted = Tiny({}), Tiny({})
    torch.rand(7)
    for tiny in (plain, shifted):
        tiny.step()
    assert plain.visited == shifted.visited


@pytest.mark.parametrize("cached", [True, False])
def test_data_that_draws_leaves_the_weights_alone(cached: bool) -> None:
    class Drawn(Tiny):
        def make_data(self) -> Data:
            if not cached or "kept" not in vars(Drawn):
                Drawn.kept = Data(train=(torch.randn(20, 6), torch.randint(2, (20,))))
            return Drawn.kept

    first = Drawn({})
    torch.manual_seed(99)
    second = Drawn({})
    assert torch.equal(first.data.train[0], second.data.train[0])
    assert torch.equal(next(first.model.parameters()), next(second.model.parameters()))
    assert torch.equal(next(first.model.parameters()), next(Tiny({}).model.parameters()))


def test_testing_looks_at_the_test_split_alone() -> None:
    tiny = Tiny({})
    assert isinstance(tiny.data.test, tuple)
    expected = tiny.evaluate(tiny.data.test)
    assert tiny.test() == {f"test_{name}": value for name, value in expected.items()}
    assert tiny.test()["test_loss"] != tiny.evaluate(tiny.data.train)["loss"]


def test_a_resumed_trial_visits_the_same_examples(tmp_path: Path) -> None:
    straight, resumed = Tiny({}), Tiny({})
    straight.step()
    straight.write_state(tmp_path)
    straight.step()
    resumed.read_state(tmp_path)
    resumed.step()
    assert resumed.visited == straight.visited


def test_a_checkpoint_is_one_file_that_runs_no_code(tmp_path: Path) -> None:
    tiny = Tiny({})
    tiny.step()
    assert tiny.save_checkpoint(str(tmp_path)) is None
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
    assert torch.load(tmp_path / "state.pt", weights_only=True)["epoch"] == 1


def test_random_streams_come_back() -> None:
    random.gauss(0, 1), np.random.normal()  # each now holds the second half of a pair
    state = capture(CPU)

    def draw() -> list[float]:
        return [
            random.gauss(0, 1),
            random.random(),
            np.random.normal(),
            np.random.rand(),
            torch.rand(()).item(),
        ]

    first = draw()
    with preserved(CPU):
        inside = draw()
    after = draw()
    restore(state, CPU)
    assert draw() == first
    assert inside == draw() == after


def test_measure_sees_the_whole_split_at_once() -> None:
    class Small(Tiny):
        evaluation_batch_size = 7

        def measure(self, output: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
            assert output.shape == (30, 2)
            assert not self.model.training
            assert not output.requires_grad
            return super().measure(output, target)

    assert Small({}).step() == pytest.approx(Tiny({}).step())


def test_train_loss_is_the_mean_over_examples() -> None:
    class Noiseless(Tiny):
        def train_batches(self) -> Any:
            return TorchTrainable.train_batches(self)

        def make_model(self) -> nn.Module:
            return nn.Linear(6, 2)

    trained = Noiseless({"lr": 0.0, "batch_size": 40})  # 40, 40 and 10 examples
    loss = trained.evaluate(trained.data.train)["loss"]
    assert trained.step()["train_loss"] == pytest.approx(loss)


def test_a_finite_training_with_a_broken_validation_is_diverged() -> None:
    class Late(Tiny):
        def train_epoch(self) -> dict[str, float]:
            report = super().train_epoch()
            with torch.no_grad():
                next(self.model.parameters()).fill_(math.nan)  # as the last update of an epoch may do
            return report

    report = Late({}).step()
    assert all(math.isnan(report[name]) for name in Late.metrics)


def test_what_is_reported_has_to_be_declared() -> None:
    class Undeclared(Tiny):
        metrics = ("train_loss", "val_loss", "val_acuracy")

    with pytest.raises(ValueError, match=r"Undeclared declares .*'val_acuracy'.* and reported .*'val_accuracy'"):
        Undeclared({}).step()


def test_another_loop_needs_no_validation() -> None:
    class Count(TorchTrainable):
        metrics = ("reward",)

        def make_data(self) -> Data:
            return Data(train=examples(4, 0))

        def make_model(self) -> nn.Module:
            return nn.Linear(6, 2)

        def train_epoch(self) -> dict[str, float]:
            return {"reward": 2 * self.epoch}

    count = Count({})
    assert type(Count({}).step()["reward"]) is float
    assert [count.step() for _ in range(2)] == [
        {"reward": 0.0, "training_iteration": 1},
        {"reward": 2.0, "training_iteration": 2},
    ]
    with pytest.raises(ValueError, match=r"Count has no test split: give Data\(test=\.\.\.\) in make_data"):
        count.test()


def test_the_schedule_steps_once_an_epoch() -> None:
    tiny = Tiny({"lr": 0.08})
    rates = []
    for _ in range(4):
        tiny.step()
        rates.append(tiny.optimizer.param_groups[0]["lr"])
    assert rates == [0.08, 0.04, 0.02, 0.02]


def test_a_plateau_is_judged_by_the_validation_loss() -> None:
    class Plateau(Tiny):
        def make_schedule(self, optimizer: Optimizer) -> LRScheduler:
            return ReduceLROnPlateau(optimizer)

    plateau = Plateau({})
    report = plateau.step()
    assert isinstance(plateau.schedule.scheduler, ReduceLROnPlateau)
    assert plateau.schedule.scheduler.best == report["val_loss"]


@pytest.mark.parametrize(("cpus", "threads"), [(3, 3), (0.5, 1), (2.9, 2)])
def test_a_trial_uses_its_own_cpus(cpus: float, threads: int) -> None:
    before = torch.get_num_threads()
    trial = SimpleNamespace(trial_resources=PlacementGroupFactory([{"CPU": cpus}]))
    try:
        Tiny({"__trial_info__": trial})
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_alone_it_keeps_torchs_threads() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        Tiny({})
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_gpu_is_used_where_the_trial_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Tiny({})
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    for visible, granted, kind in [
        (True, 1, "cuda"),
        (True, 0, "cpu"),
        (False, 1, "cpu"),
        (True, None, "cuda"),
    ]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda visible=visible: visible)
        resources = None if granted is None else PlacementGroupFactory([{"CPU": 1, "GPU": granted}])
        tiny._trial_info = SimpleNamespace(trial_resources=resources)
        assert tiny.occupy().type == kind


def test_alone_it_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, temporary = tmp_path / "ray_results", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(results))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    tiny = Tiny({})
    tiny.train()
    assert tiny.reset({"lr": 0.1})
    assert not results.exists()
    assert list(temporary.glob("orchestune-*")) == []  # torch makes a folder of its own
    folder = Path(tiny.logdir)
    assert folder.is_dir()
    assert folder == Path(tiny.logdir)
    tiny.stop()
    del tiny
    assert not folder.exists()


def test_train_is_rays_own() -> None:
    tiny = Tiny({})
    assert [tiny.train()["training_iteration"] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize(
    ("split", "error", "words"),
    [
        (
            (torch.zeros(3), torch.zeros(4)),
            ValueError,
            r"Data\.train: tensors of different lengths, \[3, 4\]",
        ),
        ((torch.zeros(0, 2), torch.zeros(0)), ValueError, r"Data\.train is empty"),
        ((torch.zeros(3),), TypeError, "inputs first and the target last"),
        (([1, 2], [3, 4]), TypeError, "a tuple of tensors"),
        ([1, 2], TypeError, r"a torch Dataset with a length or a DataLoader, not a list"),
        (Stream(), TypeError, r"a torch Dataset with a length or a DataLoader, not a Stream"),
    ],
)
def test_data_is_refused(split: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Data(train=split)


def test_what_is_missing_is_named() -> None:
    class Nothing(TorchTrainable):
        pass

    with pytest.raises(NotImplementedError, match=r"Nothing needs make_data\(self\) -> Data"):
        Nothing({})
