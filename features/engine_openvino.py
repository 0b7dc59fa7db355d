"""OpenVINO on the CPU: exported once by Keras's own OpenVINO back end in its own process, then run without Keras."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from features.building import Network, build
from features.errors import FeatureError
from features.weights import Weights

PRECISION_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


class OpenVinoEngine:
    """A compiled network on the CPU."""

    def __init__(self, model_file: Path, precision: str, blobs: Path) -> None:
        import openvino

        core = openvino.Core()
        options = {
            "INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "CACHE_DIR": str(blobs),
        }
        self._request = core.compile_model(model_file, "CPU", options).create_infer_request()

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Turn uint8 ``(batch, size, size, 3)`` into float32 ``(batch, dim)``."""
        return np.array(self._request.infer([pixels], share_inputs=True)[0], dtype=np.float32)


def reduced_precision() -> str | None:
    """Return what the CPU computes natively: bfloat16 with AVX-512 BF16 or AMX, else None."""
    import openvino

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bfloat16" if "BF16" in capabilities else None


def load(network: Network, precision: str, batch: int, folder: Path) -> OpenVinoEngine:
    """Load a network, exporting it first where ``folder`` does not hold it yet.

    Parameters
    ----------
    network : Network
    precision : {"float32", "bfloat16", "float16"}
    batch : int
    folder : Path
        Where exported networks are kept, by a digest of everything that determined them.

    Returns
    -------
    OpenVinoEngine

    Raises
    ------
    FeatureError
        The weights do not fit, or the export failed.
    """
    home = folder / _export_key(network, batch)
    if not (home / "model.xml").is_file():
        _export(network, batch, home)
    return OpenVinoEngine(home / "model.xml", precision, home)


def _export_key(network: Network, batch: int) -> str:
    """Name an exported network after everything that determined it."""
    versions = [importlib.metadata.version(package) for package in ("keras", "openvino")]
    about = json.dumps([asdict(network), batch, versions], default=str, sort_keys=True)
    return f"{Path(network.model).stem}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"


def _export(network: Network, batch: int, home: Path) -> None:
    """Export in a process of its own, whose Keras runs on the OpenVINO back end, and move the result into place."""
    home.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".export-", dir=home.parent))
    try:
        task = json.dumps({"network": asdict(network), "batch": batch, "to": str(beside)}, default=str)
        done = subprocess.run(
            [sys.executable, "-m", "features.engine_openvino"],
            input=task,
            env={**os.environ, "KERAS_BACKEND": "openvino", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        answer = _last_json(done.stdout)
        if answer is None:
            cause = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:200]
            got = f"{network.model} could not be exported to OpenVINO: {cause}"
            raise FeatureError(got, "use --engine keras")
        if "got" in answer:
            raise FeatureError(answer["got"], answer["remedy"])
        if home.exists():
            shutil.rmtree(home)
        beside.rename(home)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _last_json(text: str) -> dict | None:
    """Return the object on the last line, or None."""
    try:
        return json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return None


def _export_here(task: dict) -> dict:
    """Build and serialise the network; runs in the exporting process."""
    import keras

    about = task["network"]
    weights = about.pop("weights")
    path = weights.pop("path")
    network = Network(**about, weights=Weights(**weights, path=Path(path) if path and path != "None" else None))
    try:
        model = build(network)
        shape = (task["batch"], network.size, network.size, 3)
        signature = [keras.InputSpec(shape=shape, dtype="uint8", name="pixels")]
        model.export(f"{task['to']}/model.xml", format="openvino", verbose=False, input_signature=signature)
    except FeatureError as error:
        return {"got": error.got, "remedy": error.remedy}
    return {"dim": int(model.output_shape[-1])}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(_export_here(json.load(sys.stdin))) + "\n")
