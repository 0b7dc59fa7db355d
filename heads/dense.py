"""A small dense network as a scikit-learn classifier; the only place of stage two that imports Keras."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight

TRAINERS = ("tensorflow", "torch", "jax")  # Keras back ends that can train


@dataclass(eq=False, repr=False)
class DenseHead(ClassifierMixin, BaseEstimator):
    """One hidden layer with dropout and a softmax over the classes, trained with Adam.

    Parameters
    ----------
    width : int
        Units of the hidden layer.
    dropout : float
        Share of units dropped in training.
    loss : {"cross-entropy", "margin"}
        ``"margin"`` is the multi-class squared hinge loss on the outputs before softmax.
    epochs, batch : int
    rate : float
        Learning rate of Adam.
    class_weight : {None, "balanced"}
        Whether an image weighs as much as its class is rare.
    random_state : int

    Examples
    --------
    >>> DenseHead(width=64).get_params()["width"]
    64
    """

    width: int = 256
    dropout: float = 0.3
    loss: str = "cross-entropy"
    epochs: int = 20
    batch: int = 64
    rate: float = 0.001
    class_weight: str | None = None
    random_state: int = 0

    def fit(self, vectors: np.ndarray, labels: np.ndarray) -> "DenseHead":
        """Train the network on vectors, shape (n, d), and labels, shape (n,)."""
        keras = _keras()
        keras.utils.set_random_seed(self.random_state)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        count = len(self.classes_)
        network = keras.Sequential(
            [
                keras.layers.Input((vectors.shape[1],)),
                keras.layers.Dense(self.width, activation="relu"),
                keras.layers.Dropout(self.dropout, seed=self.random_state),
                keras.layers.Dense(count),
            ]
        )
        losses = {
            "cross-entropy": keras.losses.CategoricalCrossentropy(from_logits=True),
            "margin": keras.losses.CategoricalHinge(),
        }
        network.compile(optimizer=keras.optimizers.Adam(self.rate), loss=losses[self.loss])
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=labels)
        network.fit(
            np.asarray(vectors, dtype=np.float32),
            np.eye(count, dtype=np.float32)[codes],
            sample_weight=weights[codes].astype(np.float32),
            epochs=self.epochs,
            batch_size=self.batch,
            verbose=0,
        )
        self.layers_ = [np.asarray(weight) for weight in network.get_weights()]
        return self

    def decision_function(self, vectors: np.ndarray) -> np.ndarray:
        """Outputs before softmax, shape (n, k)."""
        hidden_weights, hidden_bias, weights, bias = self.layers_
        return np.maximum(vectors @ hidden_weights + hidden_bias, 0) @ weights + bias

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Class of the largest output, shape (n,)."""
        return self.classes_[self.decision_function(vectors).argmax(axis=1)]


def _keras() -> Any:
    """Keras on a back end that can train."""
    if os.environ.get("KERAS_BACKEND") not in TRAINERS:
        os.environ["KERAS_BACKEND"] = TRAINERS[0]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    return keras
