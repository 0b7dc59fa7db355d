"""Fitted heads: one estimator with its calibration, combinations of them, and decisions with thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from headroom.heads.calibration import FLOOR, Calibration, margins
from headroom.heads.thresholds import Rule


class Model(Protocol):
    """A fitted head."""

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Labels, shape (n,)."""

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities, shape (n, k)."""


@dataclass(frozen=True, eq=False)
class Single:
    """One estimator: labels by its own rule, scores by its calibration.

    ``tilt``, shape (k,), says how much more frequent each class was in fitting than it is.
    """

    estimator: Any
    calibration: Calibration
    tilt: np.ndarray

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """What the estimator itself predicts."""
        return np.asarray(self.estimator.predict(vectors)).astype(np.int64)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Calibrated class probabilities."""
        return self.calibration(margins(self.estimator, vectors))

    def votes(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities at the frequencies of fitting, which a fitted calibration has undone."""
        scores = self.scores(vectors)
        return scores if self.calibration.map is None else tilted(scores, self.tilt)


@dataclass(frozen=True, eq=False)
class Voting:
    """Soft voting: the mean of the members' probabilities, for labels at the class frequencies they were fitted on."""

    members: Sequence[Single]

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """The class with most votes."""
        return np.mean([member.votes(vectors) for member in self.members], axis=0).argmax(axis=1)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Mean class probabilities."""
        return np.mean([member.scores(vectors) for member in self.members], axis=0)


@dataclass(frozen=True, eq=False)
class Stacking:
    """A last estimator on the members' log-probabilities (Wolpert, Neural Networks 1992)."""

    members: Sequence[Single]
    last: Any
    tilt: np.ndarray

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """The most probable class at the frequencies that the members were fitted on."""
        return tilted(self.scores(vectors), self.tilt).argmax(axis=1)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities of the last estimator."""
        return self.last.predict_proba(stacked([member.scores(vectors) for member in self.members]))


@dataclass(frozen=True, eq=False)
class Thresholded:
    """A head whose labels follow a rule fitted on unseen images; its scores stay as they are."""

    model: Model
    rule: Rule

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """What the rule makes of the scores."""
        return self.rule(self.model.scores(vectors))

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities of the head."""
        return self.model.scores(vectors)


def tilted(scores: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    """Probabilities, shape (n, k), at other class frequencies (Saerens et al., Neural Computation 2002)."""
    weighted = scores * tilt
    return weighted / weighted.sum(axis=1, keepdims=True)


def stacked(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Members' probabilities side by side as logarithms, shape (n, members * k)."""
    return np.log(np.clip(np.hstack(scores), FLOOR, 1.0))
