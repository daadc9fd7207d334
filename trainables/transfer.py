"""Transfer learning: lower layers of a network that reads digits 0 to 4, reused to read 5 to 9 from few examples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from orchestune.errors import UnknownName
from orchestune.training import Data, TorchTrainable, optimizers
from orchestune.training.data import SPLITS
from orchestune.training.node_data import once_per_node
from orchestune.training.node_folder import folder_once_per_node
from trainables.digits import digits
from trainables.mlp import Pixels
from trainables.mnist import mnist

SOURCES: dict[str, Callable[[], Data]] = {"digits": digits, "mnist": mnist}  # all ten digits
REUSED, RANDOM = "reused", "random"
STAGES = 3  # layers below the head that may be reused
CLASSES = 5
UPDATES, BATCH = 400, 64  # of the network that is reused
TRUNK = "trunk.pt"


class Staged(nn.Module):
    """Two convolutions and a hidden layer, the stages, and a head with the classes' scores; from stage `skipped` on."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.head = nn.Linear(64, CLASSES)
        first = [Pixels(), nn.Unflatten(1, (1, side, side)), nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        third = [nn.Flatten(), nn.Linear(16 * (side // 4) ** 2, 64), nn.ReLU()]
        self.stages = nn.ModuleList(nn.Sequential(*layers) for layers in (first, second, third))
        self.skipped = 0

    def forward(self, features: Tensor) -> Tensor:
        """Of what `features` gives for `skipped`: the images themselves where that is 0."""
        for stage in self.stages[self.skipped :]:
            features = stage(features)
        scores: Tensor = self.head(features)
        return scores

    def features(self, images: Tensor, stages: int) -> Tensor:
        """What the lowest `stages` make of images of shape (count, pixels)."""
        for stage in self.stages[:stages]:
            images = stage(images)
        return images


class Transfer(TorchTrainable):
    """Reads 5 to 9 with a new head on layers that read 0 to 4, the lowest `frozen` as they are; or from scratch.

    What frozen layers make of the images is computed once on a node, and trials train on that. The reused network is
    trained once on a node as well. On scikit-learn's digits.
    """

    metrics = ("train_loss", "val_loss", "val_accuracy")
    source: ClassVar[str] = "digits"  # one of SOURCES
    most: ClassVar[int] = 2000  # images of the validation split, and of the test split

    @dataclass(frozen=True, kw_only=True)
    class Params(TorchTrainable.Params):
        start: str = REUSED  # "reused": with the layers that read 0 to 4; "random": from scratch
        frozen: int = 2  # of the three reused layers, from the lowest, those that stay as they are
        lr_reused: float = 1e-4  # step size of the reused layers that are not frozen; `lr` is that of what is new
        examples: int = 100  # images to learn from
        batch_size: int = 10  # examples at a time

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.start not in (REUSED, RANDOM):
                raise UnknownName("start", self.start, (REUSED, RANDOM))
            if not 0 <= self.frozen <= STAGES:
                raise ValueError(f"parameter 'frozen' is {self.frozen!r}: 0 to {STAGES} layers can be frozen")
            if self.examples < 1:
                raise ValueError(f"parameter 'examples' is {self.examples!r}: 1 or more is needed")

    model: Staged

    @classmethod
    def prepare(cls) -> None:
        cls.trunk()

    @classmethod
    def trunk(cls) -> Path:
        """The state of the network that reads 0 to 4, trained by the first process of the node that asks."""
        return folder_once_per_node(_reads_0_to_4, cls.source, *_versions(cls.source)) / TRUNK

    @property
    def kept(self) -> int:
        """How many layers stay as they are."""
        return self.params.frozen if self.params.start == REUSED else 0

    def make_data(self) -> Data:
        """Images of 5 to 9 as the frozen layers leave them, and which of the five they are, 0 to 4."""
        trunk = str(self.trunk()) if self.kept else ""
        examples, most = self.params.examples, self.most
        return once_per_node(_five_to_nine, trunk, self.kept, examples, most, self.source, *_versions(self.source))

    def make_model(self) -> nn.Module:
        model = Staged(_side(self.source))
        if self.params.start == REUSED:
            lower = torch.load(self.trunk(), weights_only=True)
            model.load_state_dict({name: v for name, v in lower.items() if name.startswith("stages")}, strict=False)
        model.skipped = self.kept
        model.stages[: self.kept].requires_grad_(False)
        return model

    def make_optimizer(self) -> Optimizer:
        """Of the head, and of all that starts at random, by `lr`; of reused layers that may change, by `lr_reused`."""
        new, reused = [*self.model.head.parameters()], [*self.model.stages[self.kept :].parameters()]
        if self.params.start == RANDOM:
            new, reused = new + reused, []
        p = self.params
        optimizer = optimizers.make_optimizer(p.optimizer, new, lr=p.lr, weight_decay=p.weight_decay)
        if reused:
            optimizer.add_param_group({"params": reused, "lr": p.lr_reused})
        return optimizer

    def measure(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """Share of images whose highest class score, of shape (images, 5), is at the right digit."""
        return {"accuracy": (output.argmax(dim=1) == target).double().mean().item()}


class MnistTransfer(Transfer):
    """The same on MNIST."""

    source = "mnist"


# What is built once per node is named after what it is built from: the images, and this file's text.


def _reads_0_to_4(folder: Path, source: str, checksum: str, made_by: str) -> None:
    images, digit = _of(SOURCES[source](), "train", first=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Staged(_side(source))
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, fused=True)
        for _ in range(UPDATES):
            batch = torch.randint(len(images), (BATCH,))
            loss = nn.functional.cross_entropy(network(images[batch]), digit[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.save(network.state_dict(), folder / TRUNK)


def _five_to_nine(trunk: str, kept: int, examples: int, most: int, source: str, checksum: str, made_by: str) -> Data:
    network = Staged(_side(source))
    if trunk:
        network.load_state_dict(torch.load(trunk, weights_only=True))
    found = {}
    for name in SPLITS:
        images, digit = _of(SOURCES[source](), name, first=5)
        chosen = slice(examples if name == "train" else most)
        with torch.no_grad():
            found[name] = (network.features(images[chosen], kept), digit[chosen])
    return Data(**found)


def _versions(source: str) -> tuple[str, str]:
    return _checksum(source), Path(__file__).read_text(encoding="utf-8")


@cache  # once per process
def _checksum(source: str) -> str:
    digest, data = hashlib.sha256(), SOURCES[source]()
    for name in SPLITS:
        for tensor in getattr(data, name):
            digest.update(tensor.contiguous().numpy())
    return digest.hexdigest()


def _of(data: Data, split: str, *, first: int) -> tuple[Tensor, Tensor]:
    """The split's images of five digits, `first` the lowest, and which of them they are, 0 to 4."""
    images, digit = getattr(data, split)
    chosen = (first <= digit) & (digit < first + CLASSES)
    return images[chosen], digit[chosen] - first


def _side(source: str) -> int:
    """Pixels along an image's side."""
    return round(SOURCES[source]().train[0].shape[1] ** 0.5)  # type: ignore[index]
