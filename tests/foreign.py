"""A third library: a head, a balancer and a metric that headroom has never heard of."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from headroom.heads.balancing import BalancerRecord
from headroom.heads.classifiers import HeadRecord
from headroom.heads.scores.metrics import CONFUSION, MetricRecord
from headroom.heads.scores.predictions import Sums


class NearestMean(ClassifierMixin, BaseEstimator):
    """The class whose mean is nearest."""

    def fit(self, vectors, labels):
        self.classes_ = np.unique(labels)
        self.means_ = np.array([vectors[labels == label].mean(axis=0) for label in self.classes_])
        return self

    def decision_function(self, vectors):
        return -np.linalg.norm(vectors[:, None] - self.means_, axis=2)

    def predict(self, vectors):
        return self.classes_[self.decision_function(vectors).argmax(axis=1)]


class Doubler:
    """Every image of a class that is not the largest, twice."""

    def fit_resample(self, vectors, labels):
        counts = np.bincount(labels)
        rows = np.concatenate([np.arange(len(labels)), np.flatnonzero(counts[labels] < counts.max())])
        return vectors[rows], labels[rows]


def _worst_recall(sums: Sums) -> np.ndarray:
    hits = np.diagonal(sums.confusion, axis1=1, axis2=2)
    return (hits / np.maximum(sums.confusion.sum(axis=2), 1)).min(axis=1)


HEAD = HeadRecord("nearest-mean", "Nearest mean", "tests.foreign:NearestMean", seeded=False, weighting="")
BALANCER = BalancerRecord("doubler", "doubling", "tests.foreign:Doubler", seeded=False, least=9, synthetic=True)
METRIC = MetricRecord(
    "worst recall", "worst", True, CONFUSION, _worst_recall, "Smallest recall of a class.",
    main=True, printed=True, compared=True,
)  # fmt: skip
