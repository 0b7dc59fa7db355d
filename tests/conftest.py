"""What all tests share: the fake engine, commands in this process and in one of their own, the real data."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from headroom.features.backbones import BACKBONES
from headroom.features.engines import ENGINES, EngineRecord
from tests import fake_engine
from tests.launch import BLOCK, with_block_size
from tests.pipeline.in_process import in_this_process
from tests.running import ROOT, Done, checked

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put two 8-d backbones and an engine without a network into the tables."""
    for record in (fake_engine.BACKBONE, fake_engine.OTHER_BACKBONE):
        monkeypatch.setitem(BACKBONES, record.name, record)
    monkeypatch.setitem(ENGINES, "openvino", EngineRecord("openvino", "tests.fake_engine", fake_engine.BATCH))
    monkeypatch.setattr(fake_engine, "batches", 0)
    monkeypatch.setattr(fake_engine, "loaded", [])
    return fake_engine


@pytest.fixture
def run(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Run a command in this process, with the fake engine and in an empty folder: ``run("extract", ...)``."""
    from headroom.pipeline.commands import main

    for name in ("HEADROOM_DEBUG", "HEADROOM_CACHE", "HEADROOM_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["headroom", *map(str, arguments)])
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
            main()
        return checked(Done(left.value.code or 0, out.getvalue(), err.getvalue()))

    return call


@pytest.fixture
def extract(run: Callable[..., Done]) -> Callable[..., Done]:
    """Run ``extract --json`` with the fake backbone and random weights: ``extract("scans")``."""

    def call(dataset: object, *arguments: object, model: str = "fake", weights: object = "random") -> Done:
        return run("extract", "--model", model, "--weights", weights, "--dataset", dataset, "--json", *arguments)

    return call


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let cells be fitted in this process, for workers take seconds to start."""
    in_this_process(monkeypatch)


@pytest.fixture
def blocks_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set how many images make a block, so that few make several: ``blocks_of(8)``."""

    def change(count: int) -> None:
        for module in with_block_size():
            monkeypatch.setattr(module, BLOCK, count)

    return change


@pytest.fixture
def launch(tmp_path: Path) -> Callable[..., subprocess.Popen]:
    """Start a command in a process of its own with the fake engine; ``variables`` go to its environment."""
    started = []

    def start(*arguments: object, **variables: object) -> subprocess.Popen:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADROOM_", "FAKE_"))}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.launch", *map(str, arguments)],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": path, **{name: str(value) for name, value in variables.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder with the real images and weights."""
    folder = Path(os.environ.get("HEADROOM_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: name its folder with HEADROOM_TEST_DATA")
    return folder
