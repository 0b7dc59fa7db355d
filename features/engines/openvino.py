"""OpenVINO on the CPU: exported once by Keras's own OpenVINO back end in its own process, then run without Keras."""

import hashlib
import importlib.metadata
import json
import os
import pickle
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Semaphore
from typing import Any

import numpy as np

from headroom.errors import FeatureError
from headroom.features.build import build
from headroom.features.engines import Pending
from headroom.features.engines.channels_first import keep_channels_first
from headroom.features.network import Network, last_line, run_keras

PRECISION_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
NATIVE = {"bfloat16": "BF16", "float16": "FP16"}  # the faster first; float16 is the more exact
EXPORT_VERSION = 2
EXPORTERS = 2  # at a time: each holds a network several times over
MICRO_BATCH = 8  # small enough for a core's cache; the streams share out a batch


class OpenVinoEngine:
    """A compiled network on the CPU, one stream a group of cores."""

    def __init__(self, model_file: Path, precision: str) -> None:
        import openvino

        options = {
            "INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision],
            "PERFORMANCE_HINT": "THROUGHPUT",
            "CACHE_DIR": str(model_file.parent),
        }
        compiled = openvino.Core().compile_model(model_file, "CPU", options)
        if compiled.get_property("INFERENCE_PRECISION_HINT").to_string() != PRECISION_HINTS[precision]:
            raise FeatureError(
                got=f"this CPU does not compute in {precision}", remedy="use --precision auto or float32"
            )
        self._dim = compiled.output(0).shape[1]
        self._queue = openvino.AsyncInferQueue(compiled)
        self._queue.set_callback(_keep)

    def start(self, pixels: np.ndarray) -> Pending:
        """Begin to embed uint8 ``(batch, size, size, 3)``."""
        vectors = np.empty((len(pixels), self._dim), np.float32)
        finished = Semaphore(0)
        starts = range(0, len(pixels), MICRO_BATCH)
        for start in starts:
            part = slice(start, start + MICRO_BATCH)
            self._queue.start_async([pixels[part]], (vectors[part], finished), share_inputs=True)

        def wait() -> np.ndarray:
            for _ in starts:
                finished.acquire()
            return vectors

        return wait


def _keep(request: Any, place: tuple[np.ndarray, Semaphore]) -> None:
    """Copy a finished micro-batch to its place."""
    vectors, finished = place
    vectors[:] = request.get_output_tensor(0).data
    finished.release()


def reduced_precisions() -> tuple[str, ...]:
    """Return what the CPU computes natively: bfloat16 with AVX-512 BF16 or AMX, float16 with AVX-512 FP16."""
    import openvino

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(name for name, word in NATIVE.items() if word in capabilities)


def devices() -> list[dict[str, str]]:
    """Return one device: the CPU."""
    return [{}]


def set_up(networks: Sequence[Network], folder: Path) -> None:
    """Export the networks that ``folder`` does not hold yet, side by side.

    Raises
    ------
    FeatureError
        The weights do not fit, or the export failed.
    """
    homes = {folder / _export_key(network): network for network in networks}
    missing = [home for home in homes if not (home / "model.xml").is_file()]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, EXPORTERS), "export") as exporters:
        for done in [exporters.submit(_export, homes[home], home) for home in missing]:
            done.result()


def load(network: Network, precision: str, folder: Path) -> OpenVinoEngine:
    """Load a network, exporting it first where ``folder`` does not hold it yet; see `set_up`."""
    set_up([network], folder)
    return OpenVinoEngine(folder / _export_key(network) / "model.xml", precision)


def _export_key(network: Network) -> str:
    """Name an exported network after everything that determined it."""
    versions = [importlib.metadata.version(package) for package in ("keras", "openvino")]
    settings = {**asdict(network), "weights": network.weights.digest}
    about = json.dumps([settings, MICRO_BATCH, EXPORT_VERSION, versions], sort_keys=True)
    return f"{network.label}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"


def _export(network: Network, home: Path) -> None:
    """Export in a process of its own, whose Keras runs on the OpenVINO back end, and move the result into place.

    Not a pool of ``multiprocessing``: that runs a user's script anew in every process where it has no ``__main__``
    guard, and lets a user's ``keras.py`` in the working folder take the place of Keras.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{home.name}.", dir=home.parent, ignore_cleanup_errors=True) as place:
        beside = Path(place, "export")
        beside.mkdir()
        done = run_keras("-m", __name__, str(beside), input=pickle.dumps(network))
        if (beside / "error").is_file():
            raise pickle.loads((beside / "error").read_bytes())
        if done.returncode:
            raise FeatureError(
                got=f"{network.model} could not be exported to OpenVINO: "
                + last_line(done, f"exit status {done.returncode}")[:200],
                remedy="use --engine keras",
            )
        with suppress(OSError):  # another run may have moved the same export there meanwhile
            beside.rename(home)


def _export_here(network: Network, folder: Path) -> None:
    """Build and serialise the network; runs in the exporting process."""
    import keras
    import openvino

    shape = (MICRO_BATCH, network.size, network.size, 3)
    signature = [keras.InputSpec(shape=shape, dtype="uint8", name="pixels")]
    raw = folder / "raw.xml"
    build(network).export(str(raw), format="openvino", verbose=False, input_signature=signature)
    exported = openvino.Core().read_model(raw)
    keep_channels_first(exported)
    openvino.serialize(exported, folder / "model.xml")
    del exported  # it may still read the raw weights
    for part in folder.glob("raw.*"):
        part.unlink()


if __name__ == "__main__":
    to = Path(sys.argv[1])
    try:
        _export_here(pickle.load(sys.stdin.buffer), to)
    except FeatureError as error:
        (to / "error").write_bytes(pickle.dumps(error))
