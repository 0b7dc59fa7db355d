"""What is fitted: an estimator with its calibration, decisions moved by thresholds, combinations of heads."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headroom.heads.calibration import Calibration, Outputs
from headroom.heads.thresholds import Rule

FLOOR = 1e-6  # smallest probability that a last estimator is told apart


class FittedHead(ABC):
    """A fitted head; ``shift``, shape (k,), is how much more frequent each class was in fitting than in its scores."""

    shift: np.ndarray

    @abstractmethod
    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities, shape (n, k)."""

    def votes(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities at the frequencies of fitting."""
        return shifted(self.scores(vectors), self.shift)

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Labels, shape (n,)."""
        return self.votes(vectors).argmax(axis=1)


@dataclass(frozen=True, eq=False)
class Single(FittedHead):
    """One estimator: labels by its own rule, scores by its calibration."""

    estimator: Any
    calibration: Calibration
    shift: np.ndarray
    added: float

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Calibrated class probabilities."""
        return self.calibration(Outputs.of(self.estimator, vectors, self.added))

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """What the estimator itself predicts."""
        return np.asarray(self.estimator.predict(vectors)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Voting(FittedHead):
    """Soft voting: the mean of the members' probabilities, for labels at the class frequencies they were fitted on."""

    members: Sequence[FittedHead]

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Mean class probabilities."""
        return np.mean([member.scores(vectors) for member in self.members], axis=0)

    def votes(self, vectors: np.ndarray) -> np.ndarray:
        """Mean votes."""
        return np.mean([member.votes(vectors) for member in self.members], axis=0)


@dataclass(frozen=True, eq=False)
class Stacking(FittedHead):
    """A last estimator on the members' log-probabilities (Wolpert, Neural Networks 1992)."""

    members: Sequence[FittedHead]
    last: Any
    shift: np.ndarray

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities of the last estimator."""
        return self.last.predict_proba(stacked([member.scores(vectors) for member in self.members]))


@dataclass(frozen=True, eq=False)
class Thresholded(FittedHead):
    """A head whose labels follow a rule fitted on unseen images; its scores stay as they are."""

    head: FittedHead
    rule: Rule

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities of the head."""
        return self.head.scores(vectors)

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """What the rule makes of the scores."""
        return self.rule(self.scores(vectors))


def shifted(scores: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Probabilities, shape (n, k), at other class frequencies (Saerens et al., Neural Computation 2002)."""
    weighted = scores * shift
    return weighted / weighted.sum(axis=1, keepdims=True)


def stacked(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Members' probabilities side by side as logarithms, shape (n, members * k)."""
    return np.log(np.clip(np.hstack(scores), FLOOR, 1.0))
