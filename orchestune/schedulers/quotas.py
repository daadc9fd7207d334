"""Which paused trial goes on by its rung's quota, as in asynchronous successive halving."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


def by_quota(
    rungs: NDArray[np.float64], heading: Rows, able: Mask, kind: Mask, rows: Rows, losses: NDArray[np.float64],
    factor: float,
) -> int | None:  # fmt: skip
    """The best able one among the best 1/`factor` of its rung, the highest rung first (Li et al. 2018, Algorithm 2).

    `rungs` (n, levels) are the losses of n trials at their rungs, NaN where one has not been. `heading` (n,) is the
    rung where each is or will arrive, -1 before the first. `able` (n,): who may go on. `kind` (n,): whose quotas these
    are. `losses` are those by which the trials in `rows`, all of that kind, are ranked. None where no quota is free.

    The share is rounded down, as in the paper. With the first of a rung always let on, one of eight trials would be
    trained to the end at once, on the word of its first epochs.
    """
    levels, going = rungs.shape[1], np.where(kind, heading, -1)
    for k in range(levels - 2, -1, -1):
        share = int((going >= k).sum() / factor)
        here = np.flatnonzero(able[rows] & (heading[rows] == k))
        if len(here) and (going > k).sum() < share:
            best = here[np.argmin(losses[here])]
            arrived = (~np.isnan(rungs[rows, k:])).any(1)
            if (losses[arrived] < losses[best]).sum() < share:
                return int(rows[best])
    return None


def copies(rungs: NDArray[np.float64], heading: Rows, rows: Rows, factor: float) -> Mask:
    """Whether each of the waiting trials in `rows` has exactly the score of one that has gone on from its rung.

    On a plateau a quota would be filled with copies of one trial. Where more than a quota's worth of trials score alike
    (nothing has learnt anything yet), that is no sign of a copy.
    """
    found = np.zeros(len(rows), dtype=bool)
    for k in range(rungs.shape[1] - 1):
        here, scores = np.flatnonzero(heading[rows] == k), rungs[:, k]
        mine = scores[rows[here]]
        few = (mine[:, None] == scores).sum(1) <= np.isfinite(scores).sum() / factor
        found[here] = few & np.isin(mine, scores[heading > k])
    return found
