"""An engine without a network: eight numbers from an image's pixels and the weights' digest."""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from headroom.features.backbones import Backbone
from headroom.features.network import Network

DIM = 8
SIZE = 16
BATCH = 4
BACKBONE = Backbone("fake", "Fake", SIZE, "none", DIM, 0, "fake_no_top.h5")
OTHER_BACKBONE = Backbone("fake-wide", "FakeWide", 2 * SIZE, "none", DIM, 0, "fake_wide_no_top.h5")

loaded: list[tuple[str, str]] = []
batches = 0

ERRORS = {"float32": 1.0, "bfloat16": 1.005, "float16": 1.0005}


class FakeEngine:
    """Sums of pixels, so that a row never depends on the other rows of its batch."""

    def __init__(self, network: Network, precision: str) -> None:
        loaded.append((network.model, precision))
        digest = hashlib.sha256(f"{network.model}|{network.weights.digest}|{network.pooling}".encode()).digest()
        self._offset = np.frombuffer(digest[:DIM], np.uint8).astype(np.float32)
        self._half = network.size // 2
        self._precision = precision

    def start(self, pixels: np.ndarray) -> Callable[[], np.ndarray]:
        """Look at the pixels only when the answer is asked for, as late as an engine may."""
        return lambda: self.embed(pixels)

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Turn uint8 ``(batch, size, size, 3)`` into float32 ``(batch, 8)``."""
        global batches
        batches += 1
        time.sleep(float(os.environ.get("FAKE_ENGINE_SECONDS", "0")))
        if "FAKE_ENGINE_LOG" in os.environ:
            with Path(os.environ["FAKE_ENGINE_LOG"]).open("ab") as log:
                log.write(b".")
        if os.environ.get("FAKE_ENGINE_INTERRUPT") == str(batches):
            raise KeyboardInterrupt
        if os.environ.get("FAKE_ENGINE_DEAD"):
            return np.full((len(pixels), DIM), np.nan, np.float32)
        values = pixels.astype(np.int64)
        half = self._half
        columns = [
            *np.moveaxis(values.sum(axis=(1, 2)), 1, 0),
            values[:, :half].sum(axis=(1, 2, 3)),
            values[:, :, :half].sum(axis=(1, 2, 3)),
            (values**2).sum(axis=(1, 2, 3)) // 256,
            values.max(axis=(1, 2, 3)) * values.shape[1] ** 2,
            values.min(axis=(1, 2, 3)) * values.shape[1] ** 2,
        ]
        vectors = (np.stack(columns, axis=1) / values.shape[1] ** 2).astype(np.float32) + self._offset
        return vectors * np.float32(ERRORS[self._precision])


def set_up(networks: Sequence[Network], folder: Path) -> None:
    """Need nothing."""


def load(network: Network, precision: str, folder: Path) -> FakeEngine:
    """Load a network."""
    return FakeEngine(network, precision)


def reduced_precisions() -> tuple[str, ...]:
    """Return what the machine is to have."""
    return tuple(os.environ.get("FAKE_ENGINE_REDUCED", "").split())


def devices() -> list[dict[str, str]]:
    """Return one device, which needs nothing in its environment."""
    return [{}]
