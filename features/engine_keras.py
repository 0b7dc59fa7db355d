"""Keras on whichever back end it runs (TensorFlow, JAX, PyTorch): the engine of GPUs."""

from pathlib import Path

import numpy as np

from features.building import Network, build


class KerasEngine:
    """A compiled Keras model."""

    def __init__(self, network: Network, precision: str) -> None:
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
        try:
            self._model = build(network)
        finally:
            keras.config.set_dtype_policy(before)
        self._model.compile(jit_compile="auto")

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Turn uint8 ``(batch, size, size, 3)`` into float32 ``(batch, dim)``."""
        return np.asarray(self._model.predict_on_batch(pixels), dtype=np.float32)


def reduced_precision() -> str | None:
    """Return bfloat16 where Keras sees a GPU, else None."""
    import keras

    return "bfloat16" if keras.distribution.list_devices("gpu") else None


def load(network: Network, precision: str, batch: int, folder: Path) -> KerasEngine:
    """Load a network; nothing is kept in ``folder``."""
    return KerasEngine(network, precision)
