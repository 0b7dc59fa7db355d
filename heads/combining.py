"""Fitted heads: one estimator with its calibration, and combinations of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from heads.calibration import apply_calibration, margins


class Model(Protocol):
    """A fitted head."""

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Labels, shape (n,)."""

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities, shape (n, k)."""


@dataclass(frozen=True, eq=False)
class Single:
    """One estimator; its scores are its own outputs under a temperature and class offsets."""

    estimator: Any
    slope: float
    offsets: np.ndarray

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Labels by the estimator's own rule."""
        return np.asarray(self.estimator.predict(vectors)).astype(np.int64)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Calibrated class probabilities."""
        return apply_calibration(margins(self.estimator, vectors), self.slope, self.offsets)


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
