"""Keras on whichever back end it runs (TensorFlow, JAX, PyTorch): the engine of GPUs."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from headroom.features.build import build
from headroom.features.engines import NoDevice, Pending
from headroom.features.network import Network


class KerasEngine:
    """A compiled Keras model; batches run on a thread of their own, so that the next one is prepared meanwhile."""

    def __init__(self, network: Network, precision: str) -> None:
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
        try:
            self._model = build(network)
        finally:
            keras.config.set_dtype_policy(before)
        self._model.compile(jit_compile="auto")
        self._thread = ThreadPoolExecutor(1, "keras")

    def start(self, pixels: np.ndarray) -> Pending:
        """Begin to embed uint8 ``(batch, size, size, 3)``."""
        future = self._thread.submit(self._model.predict_on_batch, pixels)
        return lambda: np.asarray(future.result(), dtype=np.float32)


def reduced_precisions() -> tuple[str, ...]:
    """Return float16, which is the more exact, then bfloat16, which never overflows, where Keras sees a GPU."""
    return ("float16", "bfloat16") if gpus() else ()


def gpus() -> list[str]:
    """Return the names of the GPUs that Keras's back end sees."""
    import keras

    if keras.backend.backend() == "torch":  # which Keras cannot ask for its devices
        import torch

        return [f"gpu:{number}" for number in range(torch.cuda.device_count())]
    return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]


@cache
def devices() -> list[dict[str, str]]:
    """Return what a process must find in its environment to see one GPU; one item a GPU.

    Asked for once: what is returned is then put into this process's own environment.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    all_here = [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]  # counted from 0 by CUDA
    chosen = all_here if visible is None else [name for name in visible.split(",") if name not in ("", "-1")]
    return [{"CUDA_VISIBLE_DEVICES": name} for name in chosen] or [{}]


def set_up(networks: Sequence[Network], folder: Path) -> None:
    """Make sure that Keras runs, on the GPU where there is one; networks are built where they run.

    Raises
    ------
    NoDevice
        Its back end is not installed or does not see the GPU.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _quiet():
            seen = gpus()
    except (ImportError, ValueError) as error:
        raise NoDevice(
            got=f"Keras does not start: {error}",
            remedy="install what is missing, or set KERAS_BACKEND to a back end that is installed",
        ) from error
    if devices() != [{}] and not seen:
        raise NoDevice(
            got="there is an NVIDIA GPU, but Keras does not see it",
            remedy="pip install '.[gpu]' brings what TensorFlow needs; without a GPU use --engine openvino",
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the terminal what TensorFlow's C++ part says of itself before its log level is read."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def load(network: Network, precision: str, folder: Path) -> KerasEngine:
    """Load a network; nothing is kept in ``folder``."""
    return KerasEngine(network, precision)
