"""What is a legal configuration: typed parameters, their conditions, and the maps that searchers need.

A space is written with Ray Tune's own functions and parsed once:

    space = Space.parse({
        "hidden": [tune.qrandint(32, 256, 32), tune.qrandint(32, 256, 32)],
        "lr": tune.loguniform(1e-4, 1e-1),
        "optimizer": tune.choice(["sgd", "adam"]),
        "momentum": when("optimizer", "sgd", tune.uniform(0, 1)),
    })
    space.names                      # ("hidden/0", "hidden/1", "lr", "optimizer", "momentum")
    space.from_unit([0.5] * 5)       # a nested configuration of plain Python values

Nothing here imports Ray except `parse.py` and `expression.py`, when they are called.
"""

from orchestune.space.choice import Choice as Choice
from orchestune.space.condition import Condition as Condition
from orchestune.space.condition import When as When
from orchestune.space.condition import when as when
from orchestune.space.expression import parse_call as parse_call
from orchestune.space.expression import parse_expression as parse_expression
from orchestune.space.integer import Int as Int
from orchestune.space.mark import perturb as perturb
from orchestune.space.normal import Normal as Normal
from orchestune.space.parameter import Parameter as Parameter
from orchestune.space.real import Float as Float
from orchestune.space.space import Space as Space
