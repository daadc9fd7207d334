"""A training whose model is written as a `build_model(hp)`, in KerasTuner's style."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ClassVar

from torch import nn

from orchestune.define_by_run.hyperparameters import HyperParameters
from orchestune.training.params import parse_params
from orchestune.training.torch_trainable import TorchTrainable

ALIASES = {"learning_rate": "lr"}  # KerasTuner's own examples call it so


class BuildModel(TorchTrainable):
    """Trains what `build_model(hp)` builds. A subclass names that function and writes `make_data`.

    A name asked for that is a field of `Params` (lr, batch_size, optimizer, ...) is that setting of the training, so is
    `learning_rate`; every other one is the model's own. What the trial's configuration lacks is drawn from the trial's
    seed, told with the next report, and from then on a parameter of the run's space. `self.hp` may be asked elsewhere
    too, such as in `loss`, as long as it is asked in each trial.
    """

    build_model: ClassVar[Callable[[HyperParameters], nn.Module]]

    hp: HyperParameters
    trial_seed: int | None = None  # of several trainings of one configuration: what is drawn is the same in all
    met: dict[str, dict[str, Any]] = {}  # what was drawn since the report before, by name: its parameter and its value

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__dict__.get("build_model")
        if inspect.isfunction(own):  # `build_model = build_model`, which would be called with self
            cls.build_model = staticmethod(own)

    @classmethod
    def settings(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a configuration, or of a space, that is the training's: fields of `Params`.

        ValueError where the same one stands there under two names.
        """
        known = {field.name for field in fields(cls.Params)}
        found: dict[str, Any] = {}
        for name, value in config.items():
            field = name if name in known else ALIASES.get(name, name)
            if field in found:
                raise ValueError(f"parameter {field!r} is also called {name!r} here: ask for one of the two")
            if field in known and value != {}:  # empty: a name scope of which nothing exists here
                found[field] = value
        return found

    def make_model(self) -> nn.Module:
        if not hasattr(self, "build_model"):
            raise NotImplementedError(f"{type(self).__name__} needs build_model, a function from hp to the model")
        model: Any = type(self).build_model(self.hp)
        if not isinstance(model, nn.Module):
            raise TypeError(f"build_model returned a {type(model).__name__}: it must return the model, an nn.Module")
        self.params = parse_params(self.Params, self.settings(self.hp.config))  # with what was drawn
        return model

    def step(self) -> dict[str, Any]:
        report = super().step()
        self.met = self.hp.take_new()
        return report

    def _build(self, config: dict[str, Any]) -> None:
        seed = self.seed if self.trial_seed is None else self.trial_seed
        self.hp, self.met = HyperParameters(config, seed=seed), {}
        super()._build(self.settings(config))
