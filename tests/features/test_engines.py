"""Every engine's record, and the precision that a probe allows."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from headroom.errors import FeatureError
from headroom.features.engines import ENGINES, PROBE_LIMIT, choose_engine, load_probed, relative_error
from headroom.features.engines import keras as engine_keras
from headroom.features.network import Network, Weights
from headroom.features.store import read_embeddings
from tests import fake_engine
from tests.pictures import folder_set
from tests.running import ROOT, checked_answer, headroom

NETWORK = Network("fake", 16, "none", "avg", Weights("random", None, "random-0"))


@pytest.mark.parametrize("record", ENGINES.values(), ids=lambda row: row.name)
def test_every_record(record):
    assert ENGINES[record.name] is record
    assert record.batch > 0
    assert record.probe > 0
    assert importlib.util.find_spec(record.module) is not None


def test_auto_is_one_of_the_records():
    assert choose_engine("auto") in ENGINES.values()


@pytest.mark.parametrize("name", list(ENGINES))
def test_by_name(name):
    assert choose_engine(name) is ENGINES[name]


@pytest.mark.parametrize(("visible", "devices"), [("2,0", ["2", "0"]), ("1", ["1"]), ("", []), ("-1", [])])
def test_gpus_that_the_user_chose(monkeypatch, request, visible, devices):
    """The variable is then narrowed to one for this process; the others must not be forgotten."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    engine_keras.devices.cache_clear()
    request.addfinalizer(engine_keras.devices.cache_clear)
    expected = [{"CUDA_VISIBLE_DEVICES": name} for name in devices] or [{}]
    assert engine_keras.devices() == expected
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert engine_keras.devices() == expected
    assert choose_engine("auto").name == ("keras" if devices else "openvino")


@pytest.mark.slow
def test_one_export_that_fails_costs_the_others_nothing(tmp_path):
    (tmp_path / "no.weights.h5").write_text("no weights")
    sound = Network("mobilenet-0.25", 32, "unit", "avg", Weights("random", None, "random-0"))
    broken = Network("mobilenet-0.25", 32, "unit", "avg", Weights("file", tmp_path / "no.weights.h5", "none"))
    with pytest.raises(FeatureError, match=r"do not fit mobilenet-0\.25"):
        ENGINES["openvino"].set_up([broken, sound], tmp_path / "engines")
    [exported] = (tmp_path / "engines").iterdir()
    assert (exported / "model.xml").is_file()


SCRIPT = """
from pathlib import Path
from headroom.features.engines import ENGINES
from headroom.features.network import NetworkOptions, find_networks
ENGINES["openvino"].set_up(find_networks(["mobilenet-0.25"], NetworkOptions(["random"], size=32)), Path("engines"))
"""
EXTRACT = ("extract", "--model", "mobilenet-0.25", "--weights", "random", "--size", "32", "--dataset", "scans")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "not_there"),
    [
        pytest.param(("script.py",), "headroom.py", id="a script without a guard"),
        pytest.param(("-m", "headroom", *EXTRACT, "--engine", "openvino"), "headroom.py", id="python -m headroom"),
        pytest.param(("-P", "-m", "headroom", *EXTRACT, "--engine", "openvino"), "", id="as a command"),
    ],
)
def test_export_beside_modules_of_the_users_own(tmp_path, words, not_there):
    folder_set(tmp_path / "scans", {"a": 2, "b": 2})
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "features").mkdir()
    for name in {"keras.py", "headroom.py", "features/__init__.py"} - {not_there}:
        (tmp_path / name).write_text("raise SystemExit('a module of the user')")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.rglob("model.xml"))) == 1


def test_export_that_dies_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr("headroom.features.network.sys.executable", "/bin/false")
    network = Network("mobilenet-0.25", 32, "unit", "avg", Weights("random", None, "random-0"))
    with pytest.raises(FeatureError, match=r"could not be exported to OpenVINO: exit status 1"):
        ENGINES["openvino"].set_up([network], tmp_path / "engines")
    assert not list((tmp_path / "engines").iterdir())


BACK_ENDS = ("tensorflow", "jax", *(["torch"] if importlib.util.find_spec("torch") else []))


@pytest.mark.slow
@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_keras_runs_on_any_back_end(tmp_path, back_end):
    """With precision auto, which asks for GPUs; PyTorch where it is installed."""
    folder_set(tmp_path / "scans", {"a": 2, "b": 2})
    arguments = ("extract", "--model", "mobilenet-0.25", "--weights", "random", "--size", 32, "--json")
    arguments += ("--dataset", tmp_path / "scans", "--cache")
    exact = headroom(*arguments, tmp_path / "exact", "--engine", "openvino", "--precision", "float32", cwd=ROOT)
    environment = {**os.environ, "KERAS_BACKEND": back_end, "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = headroom(*arguments, tmp_path / "found", "--engine", "keras", cwd=ROOT, env=environment)
    [wanted], [run] = checked_answer(exact)["runs"], checked_answer(found)["runs"]
    assert run["engine"] == "keras"
    slow = "scans: 4 of 4"  # progress, told only where it took half a minute
    assert [line for line in found.stderr.splitlines() if line != slow] == []
    vectors, reference = (read_embeddings(Path(each["file"])).vectors for each in (run, wanted))
    assert relative_error(vectors, reference) < (1e-4 if run["precision"] == "float32" else PROBE_LIMIT)


class TestProbe:
    @pytest.fixture
    def record(self, fake):
        return ENGINES["openvino"]

    @pytest.fixture
    def batch(self):
        return np.random.default_rng(0).integers(0, 256, (fake_engine.BATCH, 16, 16, 3), dtype=np.uint8)

    def test_float32_needs_none(self, record, tmp_path):
        _, probed = load_probed(record, NETWORK, "float32", tmp_path, lambda: pytest.fail("probed"))
        assert (probed.precision, probed.error) == ("float32", None)

    def test_machine_without_reduced_precision_needs_none(self, record, tmp_path):
        _, probed = load_probed(record, NETWORK, "auto", tmp_path, lambda: pytest.fail("probed"))
        assert (probed.precision, probed.error) == ("float32", None)

    def test_reduced_within_the_limit(self, record, tmp_path, batch, monkeypatch):
        monkeypatch.setenv("FAKE_ENGINE_REDUCED", "bfloat16")
        _, probed = load_probed(record, NETWORK, "auto", tmp_path, lambda: batch)
        assert probed.precision == "bfloat16"
        assert 0 < probed.error <= PROBE_LIMIT

    def test_reduced_beyond_the_limit(self, record, tmp_path, batch, monkeypatch):
        monkeypatch.setattr("headroom.features.engines.PROBE_LIMIT", 0.001)
        monkeypatch.setenv("FAKE_ENGINE_REDUCED", "bfloat16")
        _, probed = load_probed(record, NETWORK, "auto", tmp_path, lambda: batch)
        assert (probed.precision, probed.error) == ("float32", None)
        with pytest.raises(FeatureError, match=r"bfloat16 vectors of fake differ from float32 by 0\.5%"):
            load_probed(record, NETWORK, "bfloat16", tmp_path, lambda: batch)

    def test_the_more_exact_where_the_faster_is_beyond_the_limit(self, record, tmp_path, batch, monkeypatch):
        monkeypatch.setattr("headroom.features.engines.PROBE_LIMIT", 0.001)
        monkeypatch.setenv("FAKE_ENGINE_REDUCED", "bfloat16 float16")
        _, probed = load_probed(record, NETWORK, "auto", tmp_path, lambda: batch)
        assert (probed.precision, probed.error) == ("float16", pytest.approx(0.0005, rel=0.01))


class TestRelativeError:
    def test_is_the_worst_row(self):
        exact = np.array([[1.0, 0.0], [0.0, 10.0]])
        assert relative_error(exact + np.array([[0.0, 0.5], [0.0, 0.0]]), exact) == pytest.approx(0.5)

    def test_zero_where_equal_even_at_zero(self):
        assert relative_error(np.zeros((2, 3)), np.zeros((2, 3))) == 0

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_infinite_where_not_finite(self, value):
        assert relative_error(np.array([[value, 1.0]]), np.ones((1, 2))) == np.inf
