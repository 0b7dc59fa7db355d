"""Every backbone's record, and its vectors against Keras's own."""

import json
import os
import re
import subprocess
import sys

import pytest

from headroom.features.backbones import BACKBONES
from headroom.features.build import PREPROCESSING
from tests.running import ROOT

RECORDS = list(BACKBONES.values())
TOLERANCE = 1e-4
SIDE = 96
# One of each family; HEADROOM_ALL_BACKBONES=1 runs them all.
FAMILIES = (
    *("mobilenet-0.25", "mobilenetv2", "mobilenetv3small", "xception", "inceptionv3", "resnet50", "resnet50v2"),
    *("densenet121", "vgg16", "efficientnetb0", "efficientnetv2b0", "nasnetmobile", "convnexttiny"),
)
CHOSEN = list(BACKBONES) if os.environ.get("HEADROOM_ALL_BACKBONES") else list(FAMILIES)


@pytest.mark.parametrize("record", RECORDS, ids=lambda row: row.name)
class TestEveryRecord:
    def test_is_under_its_name(self, record):
        assert BACKBONES[record.name] is record
        assert re.fullmatch(r"[a-z0-9.-]+", record.name)

    def test_numbers_are_plausible(self, record):
        assert 224 <= record.size <= 600
        assert 256 <= record.dim <= 4096
        assert 200_000 < record.parameters < 400_000_000

    def test_preprocessing_is_known(self, record):
        assert record.preprocessing in PREPROCESSING

    def test_weights_file_is_one_without_the_classifier(self, record):
        assert re.fullmatch(r"[\w.-]*no_?top[\w.]*\.h5", record.weights_file)
        assert [row.name for row in RECORDS if row.weights_file == record.weights_file] == [record.name]


def measured(names: list[str]) -> dict[str, dict]:
    """Compare backbones with Keras in a process of its own."""
    command = [sys.executable, "-m", "tests.features.parity", *(f"{name}:{SIDE}" for name in names)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(rows) == len(names), done.stderr[-2000:]
    return {row["model"]: row for row in rows}


@pytest.fixture(scope="module")
def rows():
    return measured(CHOSEN)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CHOSEN)
def test_vectors_are_those_of_keras(rows, name):
    row = rows[name]
    assert "error" not in row, row
    assert row["dim"] == BACKBONES[name].dim
    assert row["parameters"] == BACKBONES[name].parameters
    assert row["spread"] > 0.01, "the images cannot be told apart, so the comparison says nothing"
    assert row["openvino"] < TOLERANCE
    assert row["keras"] < TOLERANCE


@pytest.mark.slow
def test_every_builder_exists_in_keras():
    script = "import keras.applications as a, sys; print([n for n in sys.argv[1:] if not hasattr(a, n)])"
    builders = sorted({record.builder for record in RECORDS})
    done = subprocess.run(
        [sys.executable, "-c", script, *builders],
        env={**os.environ, "KERAS_BACKEND": "openvino"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
