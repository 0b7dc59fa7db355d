"""Real images and ImageNet weights, through the command and OpenVINO, against Keras on TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from headroom.features.store import read_embeddings
from tests.running import ROOT, headroom

GOLDEN = {
    "mobilenet-0.25": "mobilenet_2_5_224_tf_no_top.h5",
    "mobilenet-0.75": "mobilenet_7_5_224_tf_no_top.weights.h5",
}


@pytest.fixture
def first_three(real_data, tmp_path):
    """List the first three images of aptos, where they lie."""
    images = sorted((real_data / "aptos" / "train_images").iterdir())[:3]
    rows = [f"{path},{number % 2}" for number, path in enumerate(images)]
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "labels.csv").write_text("\n".join(["image,label", *rows]))
    return tmp_path / "three"


def extracted(folder: Path, *arguments: object) -> np.ndarray:
    done = headroom(
        *("extract", "--dataset", folder, "--cache", folder.parent / "cache", "--precision", "float32", "--json"),
        *("--engine", "openvino", *arguments),
        cwd=ROOT,
    )
    assert done.code == 0, done.stderr
    return read_embeddings(ROOT / done.json["runs"][0]["file"]).vectors


@pytest.mark.weights
@pytest.mark.parametrize("model", list(GOLDEN))
def test_golden_vectors(first_three, real_data, model):
    """The numbers are of Keras 3.15 on TensorFlow 2.21, by ``tests.features.reference``."""
    golden = json.loads((Path(__file__).with_name("golden.json")).read_text())[model]
    vectors = extracted(first_three, "--model", model, "--weights", real_data / "weights" / GOLDEN[model])
    np.testing.assert_allclose(vectors[:, golden["columns"]], golden["values"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(vectors.sum(axis=1), golden["sums"], rtol=1e-4)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("model", "file"),
    [
        ("mobilenet", "mobilenet_2_5_224_tf_no_top.h5"),
        pytest.param("vgg16", "mobilenet_2_5_224_tf_no_top.h5", marks=pytest.mark.slow),
        pytest.param("mobilenet-0.5", "mobilenet_7_5_224_tf_no_top.weights.h5", marks=pytest.mark.slow),
        pytest.param("efficientnetb0", "mobilenet_7_5_224_tf_no_top.weights.h5", marks=pytest.mark.slow),
    ],
)
def test_weights_of_another_architecture(first_three, real_data, model, file):
    weights = real_data / "weights" / file
    done = headroom(
        "extract", "--dataset", first_three, "--model", model, "--weights", weights, "--cache", first_three, cwd=ROOT
    )
    assert done.code == 1
    got, remedy = done.error
    assert f"do not fit {model}" in got
    assert f"weights of {model}" in remedy
    assert not list(first_three.rglob("*.npz"))


@pytest.mark.slow
def test_weights_that_are_no_weights_at_all(tmp_path):
    from tests.pictures import folder_set

    folder_set(tmp_path / "scans", {"a": 2, "b": 2})
    (tmp_path / "mine.h5").write_text("not HDF5")
    arguments = ("--model", "mobilenet-0.25", "--weights", tmp_path / "mine.h5", "--size", "32")
    done = headroom("extract", "--dataset", tmp_path / "scans", *arguments, "--cache", tmp_path / "cache", cwd=ROOT)
    assert done.code == 1
    assert "do not fit mobilenet-0.25" in done.error[0]


@pytest.mark.slow
def test_efficientnet_from_a_file_is_what_keras_builds_for_imagenet(tmp_path):
    """Keras's files hold the deviation where the layer expects the variance; see headroom.features.build."""
    from headroom.features.engines import ENGINES, relative_error
    from headroom.features.network import Network, Weights, file_digest
    from tests.features.parity import pictures

    pixels = pictures(96)
    np.save(tmp_path / "pixels.npy", pixels)
    weights = tmp_path / "e.weights.h5"
    task = {"task": "efficientnet", "pixels": str(tmp_path / "pixels.npy"), "weights": str(weights)}
    task["to"] = str(tmp_path / "wanted.npy")
    command = [sys.executable, "-m", "tests.features.reference", json.dumps(task)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    network = Network("efficientnetb0", 96, "none", "avg", Weights("file", weights, file_digest(weights)))
    record = ENGINES["openvino"]
    engine = record.__class__(record.name, record.module, len(pixels)).load(network, "float32", tmp_path / "engines")
    wanted = np.load(tmp_path / "wanted.npy")
    assert np.ptp(wanted, axis=0).max() > 0.1
    assert relative_error(engine.start(pixels)(), wanted) < 1e-4
