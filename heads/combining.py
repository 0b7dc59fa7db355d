"""Fitted heads: one estimator with its calibration, combinations of them, and decisions with thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from heads.calibration import FLOOR, Calibration, margins
from heads.thresholds import Rule


class Model(Protocol):
    """A fitted head."""

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Labels, shape (n,)."""

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities, shape (n, k)."""


@dataclass(frozen=True, eq=False)
class Single:
    """One estimator: labels by its own rule, scores by its calibration."""

    estimator: Any
    calibration: Calibration

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """What the estimator itself predicts."""
        return np.asarray(self.estimator.predict(vectors)).astype(np.int64)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Calibrated class probabilities."""
        return self.calibration(margins(self.estimator, vectors))


@dataclass(frozen=True, eq=False)
class Voting:
    """Soft voting: the mean of the members' probabilities."""

    members: Sequence[Model]

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """The most probable class."""
        return self.scores(vectors).argmax(axis=1)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Mean class probabilities."""
        return np.mean([member.scores(vectors) for member in self.members], axis=0)


@dataclass(frozen=True, eq=False)
class Stacking:
    """A last estimator on the members' log-probabilities (Wolpert, Neural Networks 1992)."""

    members: Sequence[Model]
    last: Any

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """What the last estimator predicts."""
        return self.last.predict(stacked([member.scores(vectors) for member in self.members])).astype(np.int64)

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


def stacked(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Members' probabilities side by side as logarithms, shape (n, members * k)."""
    return np.log(np.clip(np.hstack(scores), FLOOR, 1.0))
