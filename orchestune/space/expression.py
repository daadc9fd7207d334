"""A line of a space, or a call with settings, as text on the command line. It is read, never evaluated.

lr='loguniform(1e-4, 1e-1)'     a range: any of Ray Tune's functions below, `tune.` in front or not
hidden='[64, qrandint(32, 256, 32)]'
lr='perturb(loguniform(1e-4, 1e-1))'
momentum='when("optimizer", "sgd", uniform(0, 1))'
optimizer=sgd                   a bare word is a string; true, false and null are JSON's
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any

from orchestune.errors import SpaceError, UnknownName
from orchestune.space.condition import when
from orchestune.space.mark import perturb

FUNCTIONS = (
    *("uniform", "loguniform", "quniform", "qloguniform", "randint", "lograndint", "qrandint", "qlograndint"),
    *("randn", "qrandn", "choice", "grid_search"),
)
OURS: dict[str, Callable[..., Any]] = {"when": when, "perturb": perturb}
WORDS = {"true": True, "false": False, "null": None}
# no bracket, quote, comma or space: what a shell passes without quotes
WORD = re.compile(r"[^\s()\[\]{}'\",]+")

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def parse_expression(text: str, parameter: str = "") -> Any:
    """The range (a Ray domain), `when(...)` or constant that `text` writes. SpaceError names `parameter`."""
    text = text.strip()
    if text in WORDS:
        return WORDS[text]
    tree = _tree(text)
    if tree is None or not _is_value(tree):
        if WORD.fullmatch(text):
            return text
        raise SpaceError(
            parameter,
            f"cannot read {text!r}; write a range such as 'loguniform(1e-4, 1e-1)', a number or a word.",
        )
    return _value(tree, parameter, lambda name, args, kwargs: _domain(name, args, kwargs, parameter))


def parse_call(text: str) -> Call:
    """Name, arguments and keyword arguments of `hyperopt(gamma=0.1)` or of the plain name `hyperopt`.

    Arguments are Python literals. SpaceError where `text` is neither.
    """
    tree = _tree(text.strip())
    if isinstance(tree, ast.Name):
        return tree.id, (), {}
    if not isinstance(tree, ast.Call):
        raise SpaceError("", f"cannot read {text!r}; write a name, or a name with its settings: name(setting=1).")
    return _call(tree, "", None)


def _tree(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: absurdly deep brackets
        return None


def _is_value(tree: ast.expr) -> bool:
    """Whether `tree` can be meant as a value: `resnet-18` is arithmetic to Python, and a word to us."""
    if isinstance(tree, ast.UnaryOp):
        return isinstance(tree.operand, ast.Constant)
    return isinstance(tree, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set | ast.Call)


def _value(tree: ast.expr, parameter: str, make: Callable[..., Any] | None) -> Any:
    if isinstance(tree, ast.Call) and make is not None:
        return make(*_call(tree, parameter, make))
    if isinstance(tree, ast.List | ast.Tuple):
        return [_value(item, parameter, make) for item in tree.elts]
    if isinstance(tree, ast.Dict) and None not in tree.keys:
        pairs = zip(tree.keys, tree.values, strict=True)
        return {_value(key, parameter, None): _value(item, parameter, make) for key, item in pairs if key is not None}
    if isinstance(tree, ast.Name) and tree.id in WORDS:
        return WORDS[tree.id]
    if isinstance(tree, ast.Name):
        raise SpaceError(parameter, f"cannot read {tree.id}; a word inside brackets needs quotes: {tree.id!r}.")
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise SpaceError(
            parameter, f"cannot read {ast.unparse(tree)!r}; only literal values may stand here."
        ) from error


def _call(tree: ast.Call, parameter: str, make: Callable[..., Any] | None) -> Call:
    function = tree.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "tune":
        name = function.attr
    elif isinstance(function, ast.Name):
        name = function.id
    else:
        raise SpaceError(parameter, f"cannot read {ast.unparse(tree)!r}; write a plain name before the brackets.")
    if any(isinstance(item, ast.Starred) for item in tree.args) or any(item.arg is None for item in tree.keywords):
        raise SpaceError(parameter, f"cannot read {ast.unparse(tree)!r}; write its arguments without stars.")
    args = tuple(_value(item, parameter, make) for item in tree.args)
    return name, args, {str(item.arg): _value(item.value, parameter, make) for item in tree.keywords}


def _domain(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], parameter: str) -> Any:
    from ray import tune  # two seconds, which commands that only read need not spend

    if name not in (*FUNCTIONS, *OURS):
        raise UnknownName("function", name, (*FUNCTIONS, *OURS))
    function = OURS[name] if name in OURS else getattr(tune, name)
    try:
        inspect.signature(function).bind(*args, **kwargs)
        return function(*args, **kwargs)
    except (TypeError, ValueError, AssertionError, ArithmeticError) as error:
        taken = [text for text in inspect.signature(function).parameters if text != "base"]  # Ray: deprecated
        raise SpaceError(parameter, f"{name}({', '.join(taken)}): {error}") from error
