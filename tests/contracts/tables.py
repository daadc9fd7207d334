"""What goes with what, from the declarations' own words: the two tables of the guide.

Write them anew with `python -m tests.contracts.tables`.
"""

from __future__ import annotations

import re
from pathlib import Path

from orchestune.pairs import Pair
from orchestune.schedulers import SCHEDULERS, Asha
from orchestune.searchers import SEARCHERS, Optuna
from orchestune.space import Space
from tests.contracts.spaces import SPACES

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
ASKS = {**{name: declared() for name, declared in SEARCHERS.items()},
        **{f"optuna, {sampler}": Optuna(sampler=sampler) for sampler in ("gp", "cmaes", "qmc")}}  # fmt: skip
KEEPS = {**{name: declared() for name, declared in SCHEDULERS.items()}, "asha, promoting": Asha(promote=True)}


def allowed() -> list[tuple[str, str]]:
    """Every pair that is not refused."""
    return [(a, k) for a, asks in ASKS.items() for k, keeps in KEEPS.items() if not Pair(asks, keeps).refusals()]


def pairs() -> str:
    """Searchers by schedulers: yes, or the number of the sentence that refuses it."""
    reasons: dict[str, int] = {}
    lines = ["| searcher | " + " | ".join(KEEPS) + " |", "| --- |" + " --- |" * len(KEEPS)]
    for name, asks in ASKS.items():
        cells = []
        for keeps in KEEPS.values():
            refusals = Pair(asks, keeps).refusals()
            cells.append(
                "yes" if not refusals else f"no ({reasons.setdefault(general(refusals[0]), len(reasons) + 1)})"
            )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"{number}. {reason}." for reason, number in reasons.items())])


def general(refusal: str) -> str:
    """The sentence without the searcher's name."""
    text = re.sub(r"^searcher \w+ ", "the searcher ", refusal)
    text = re.sub(r"searcher \w+ would", "another searcher would", text)
    return re.sub(r", or \w+ with 'asha'", ", or any other with 'asha'", text)


def spaces() -> str:
    """Searchers by what they refuse of the contract suite's spaces."""
    lines = ["| searcher | searched exactly | refused |", "| --- | --- | --- |"]
    for name, asks in ASKS.items():
        refused = [kind for kind, space in SPACES.items() if asks.refuse(Space.parse(space))]
        searched = [kind for kind in SPACES if kind not in refused]
        kinds = ", ".join(f"`{kind}`" for kind in refused) or "nothing"
        if len(searched) < 5:  # it is for these alone
            kinds = "all but " + ", ".join(f"`{kind}`" for kind in searched)
        lines.append(f"| {name} | {len(SPACES) - len(refused)} of {len(SPACES)} | {kinds} |")
    return "\n".join(lines)


TABLES = {"pairs": pairs, "spaces": spaces}


def written(text: str) -> str:
    """The guide's text with its tables as they are now."""
    for name, table in TABLES.items():
        mark = f"<!-- table: {name} -->"
        pattern = re.compile(re.escape(mark) + r".*?" + re.escape("<!-- end -->"), re.DOTALL)
        text = pattern.sub(lambda _, mark=mark, table=table: f"{mark}\n{table()}\n<!-- end -->", text)
    return text


if __name__ == "__main__":
    GUIDE.write_text(written(GUIDE.read_text()))
