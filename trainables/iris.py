"""Fisher's iris flowers: 150 of three species, four lengths of each; and two of scikit-learn's classifiers on them."""

from __future__ import annotations

from functools import cache

from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from trainables.estimator import Estimator, Table


@cache  # once per process, however many trials it trains
def iris() -> Table:
    """Lengths in cm, of shape (rows, 4), and the species, 0 to 2: 105 flowers to learn from, 45 to be tested on."""
    lengths, species = load_iris(return_X_y=True)
    x, test_x, y, test_y = train_test_split(lengths, species, test_size=0.3, random_state=42)
    return Table(x=x, y=y, test_x=test_x, test_y=test_y)


class IrisSVC(Estimator):
    """A support vector machine with radial basis functions."""

    estimator = "sklearn.svm.SVC"

    def make_data(self) -> Table:
        return iris()


class IrisForest(Estimator):
    """A random forest whose trees are the same in every trial, as far as two forests have the same trees."""

    estimator = "sklearn.ensemble.RandomForestClassifier"
    fixed = {"random_state": 42}

    def make_data(self) -> Table:
        return iris()
