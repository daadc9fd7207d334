"""Any torch.nn.Module as a trainable: the arguments of its constructor are what may be tuned."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from orchestune.errors import OrchestuneError, UnknownName
from orchestune.training import TorchTrainable

_PLAIN = ("int", "float", "bool", "str")  # annotations that `Params` checks values by
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class AnyModule(TorchTrainable):
    """Trains a module of somebody else's making. A subclass says `module` and writes `make_data`.

    Its parameters are those of every training (lr, batch_size, optimizer, ...) and the constructor's own arguments,
    with their defaults and, where they are int, float, bool or str, their kinds. An argument without a default has to
    be `fixed` or in the space. A module that is not called with a batch's inputs wants a wrapper, or another
    `train_epoch` and `evaluate`.
    """

    module: ClassVar[type[nn.Module] | str]  # a class, or its import path, "package.Class"
    fixed: ClassVar[Mapping[str, Any]] = {}  # arguments that are not searched

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Raises OrchestuneError for a module that is none, UnknownName for a fixed argument that it has not."""
        super().__init_subclass__(**kwargs)
        if {"module", "fixed"} & set(vars(cls)) and hasattr(cls, "module") and "Params" not in vars(cls):
            cls.Params = _params(_class_of(cls.module), cls.fixed)

    def make_model(self) -> nn.Module:
        if not hasattr(self, "module"):
            raise NotImplementedError(f"{type(self).__name__} needs module, a class or its import path")
        made = _class_of(self.module)
        tuned = {name: getattr(self.params, name) for name in _arguments(made) if name not in self.fixed}
        return made(**self.fixed, **tuned)


def _class_of(module: type[nn.Module] | str) -> type[nn.Module]:
    """Raises UnknownName for a class that its home has not, and OrchestuneError for what is no module at all."""
    found: Any = module
    if isinstance(module, str):
        home, _, name = module.rpartition(".")
        try:
            package = importlib.import_module(home or "torch.nn")
        except ModuleNotFoundError as absent:
            raise OrchestuneError(f"module {module!r}: {absent}; a path such as 'torch.nn.Linear' is needed") from None
        if not hasattr(package, name):
            known = [key for key, value in vars(package).items() if _is_module(value)]
            raise UnknownName(f"module of {package.__name__}", name, known)
        found = getattr(package, name)
    if not _is_module(found):
        raise OrchestuneError(f"module is {module!r}: a class derived from torch.nn.Module, or its path, is needed")
    return found  # type: ignore[no-any-return]


def _is_module(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, nn.Module)


def _arguments(module: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """The constructor's arguments that have a name of their own."""
    return {name: found for name, found in inspect.signature(module).parameters.items() if found.kind in _NAMED}


def _params(module: type[nn.Module], fixed: Mapping[str, Any]) -> type[Any]:
    """What may be set of the training and of the module, as a dataclass: checked as any parameters are."""
    arguments = _arguments(module)
    settings = {field.name for field in dataclasses.fields(TorchTrainable.Params)}
    for name in fixed:
        if name not in arguments:
            raise UnknownName(f"argument of {module.__name__}", name, arguments)
    own = []
    for name, argument in arguments.items():
        if name in fixed:
            continue
        if name in settings:
            raise OrchestuneError(
                f"{module.__name__}'s argument {name!r} is also a setting of the training: give it in `fixed`, or "
                "derive a module from it that calls it otherwise"
            )
        own.append((name, _kind(argument), _field(module, argument)))
    bases = (TorchTrainable.Params,)
    return dataclasses.make_dataclass("Params", own, bases=bases, frozen=True, kw_only=True)


def _kind(argument: inspect.Parameter) -> str:
    """The annotation, a name where its file has `from __future__ import annotations`, if it is a plain one."""
    kind = argument.annotation if isinstance(argument.annotation, str) else getattr(argument.annotation, "__name__", "")
    return kind if kind in _PLAIN else "Any"


def _field(module: type[nn.Module], argument: inspect.Parameter) -> Any:
    doc = {"doc": f"argument of {module.__name__}"}
    if argument.default is argument.empty:
        return dataclasses.field(metadata=doc)
    return dataclasses.field(default_factory=lambda value=argument.default: value, metadata=doc)
