"""The Gaussian process under `BayesOpt`: bayesian-optimization's acquisition over the columns of a space.

Imported only where it is searched with: scikit-learn takes a second to start.

Bent away from that library's habits, each for a reason measured here: the unit cube instead of raw bounds
(regret 4e-6 to 4e-4 instead of 4e-3 to 5e-2), bounded length scales (with few points they collapse), noise in
the model but not in the uncertainty that acquisition sees (else it asks the best point again), and pending
trials as lies.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from bayes_opt import acquisition
from bayes_opt.acquisition import AcquisitionFunction
from bayes_opt.parameter import BayesParameter, wrap_kernel
from bayes_opt.target_space import TargetSpace
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from orchestune.surrogate.columns import Columns, Floats
from orchestune.surrogate.threads import one_thread

FITTED = 100  # observations that the length scales are fitted to
TRIED = 800  # points that the acquisition is evaluated at first
NEAR = 160  # points around the best five of these, closer and closer
STEPS = (0.1, 0.03, 0.01, 0.003)  # standard deviations of the way there, in the unit cube


class Cube(BayesParameter):
    """The whole space as one parameter of bayes_opt: a condition reaches from one parameter to another.

    Half of the points it draws are near the best observed ones.
    """

    def __init__(self, columns: Columns, best: Floats) -> None:
        super().__init__("cube", np.tile([0.0, 1.0], (columns.width, 1)))
        self.columns, self.best = columns, best

    @property
    def is_continuous(self) -> bool:
        return True  # the others are snapped by the kernel; bayes_opt would go over to differential evolution

    @property
    def dim(self) -> int:
        return self.columns.width

    def random_sample(self, n_samples: int, random_state: Any) -> Floats:
        anywhere = random_state.uniform(size=(n_samples - n_samples // 2, self.dim))
        near = self.near(self.best, n_samples // 2, STEPS[0], random_state)
        return np.vstack([self.columns.snapped(anywhere), near])

    def near(self, start: Any, count: int, step: float, chance: np.random.RandomState) -> Floats:
        """`count` points that differ from one of `start` in about half of the parameters: by a step, or freely."""
        points: Floats = start[chance.randint(len(start), size=count)]
        moved = np.clip(points + step * chance.standard_normal(points.shape), 0, 1)
        free = chance.uniform(size=points.shape)
        for name, kind in self.columns.kinds.items():
            place = self.columns.places[name]
            other = moved[:, place] if kind.continuous else free[:, place]
            points[:, place] = np.where(chance.uniform(size=(count, 1)) < 0.5, points[:, place], other)
        return self.columns.snapped(points)

    def to_float(self, value: Any) -> Any:
        return value

    def to_param(self, value: Any) -> Any:
        return value

    def kernel_transform(self, value: Any) -> Floats:
        return self.columns.snapped(np.atleast_2d(value))


class Posterior(GaussianProcessRegressor):  # type: ignore[misc]  # scikit-learn ships no types
    """A fitted process whose standard deviation is never 0: acquisitions divide by it."""

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        found = super().predict(X, return_std=return_std, return_cov=return_cov)
        return (found[0], np.maximum(found[1], 1e-9)) if return_std else found


def acquisition_named(name: str, kappa: float, xi: float) -> AcquisitionFunction:
    """bayes_opt's acquisition of that name: "ucb", "ei" or "poi"."""
    if name == "ucb":
        return acquisition.UpperConfidenceBound(kappa=kappa)
    kinds = {"ei": acquisition.ExpectedImprovement, "poi": acquisition.ProbabilityOfImprovement}
    return kinds[name](xi=xi)


@one_thread()
def propose(
    columns: Columns,
    points: Floats,
    losses: Floats,
    pending: Floats,
    wanted: AcquisitionFunction,
    chance: np.random.RandomState,
) -> list[Floats]:
    """Rows to ask next, the most promising first; `points` with their `losses` are told, `pending` are not yet.

    Pending ones enter with what the model expects of them (kriging believer, Ginsbourger et al. 2010).
    """
    cube = Cube(columns, points[np.argsort(losses, kind="stable")[:5]])
    targets = standardized(losses)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # convergence, length scales at their bounds, "experimental" parameters: expected, and no concern of a user
        warnings.simplefilter("ignore")
        bounds: Any = {"cube": cube}  # its annotation leaves out what it takes: a parameter
        space = TargetSpace(None, bounds)
        model = fitted(points, targets, space.kernel_transform, chance)
        if len(pending):
            points, targets = np.vstack([points, pending]), np.append(targets, model.predict(pending))
            model.fit(points, targets)
        smooth = model.predict(points)
        top = int(np.argmax(smooth))
        space.register(points[top], smooth[top])  # what improvement is measured from
        # its own climb, by the slope in one point after another, takes three times as long and knows no choices
        found = wanted.suggest(model, space, n_random=TRIED, n_smart=0, fit_gp=False, random_state=chance)
        rows, worth = found[None], wanted.base_acq(*model.predict(found[None], return_std=True))
        for step in (None, *(STEPS if columns.continuous else STEPS[:1])):
            more = cube.random_sample(TRIED, chance) if step is None else cube.near(rows[:5], NEAR, step, chance)
            rows = np.vstack([rows, more])
            worth = np.append(worth, wanted.base_acq(*model.predict(more, return_std=True)))
            order = np.argsort(-worth, kind="stable")
            rows, worth = rows[order], worth[order]
    return list(rows)


def standardized(losses: Floats) -> Floats:
    """Targets, higher is better, of mean 0 and standard deviation 1. How bad the worse half is hardly matters:
    what is further below the median than three times the way from it to the best counts as just there."""
    best, median = losses.min(), np.median(losses)
    if best < median:
        losses = np.minimum(losses, median + 3 * (median - best))
    spread = losses.std()
    targets: Floats = -(losses - losses.mean()) / (spread if spread > 0 else 1.0)
    return targets


def fitted(points: Floats, targets: Floats, transform: Any, chance: np.random.RandomState) -> Posterior:
    """A process with one length scale a column, by maximum likelihood; its noise only where it was observed."""
    some = np.arange(len(points))
    if len(points) > FITTED:
        some = np.sort(chance.permutation(len(points))[:FITTED])
    kernel = ConstantKernel(1.0, (0.1, 20.0)) * Matern(
        np.full(points.shape[1], 0.5), length_scale_bounds=(0.05, 20.0), nu=2.5
    ) + WhiteKernel(1e-2, (1e-6, 1.0))
    likely = GaussianProcessRegressor(kernel, alpha=1e-8).fit(points[some], targets[some]).kernel_
    signal, noise = wrap_kernel(likely.k1, transform), float(likely.k2.noise_level)
    model = Posterior(signal, alpha=noise + 1e-8, optimizer=None)
    model.fit(points, targets)
    return model
