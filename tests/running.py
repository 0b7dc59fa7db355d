"""What a command left behind, and what must be true of every command."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        assert self.stdout, self.stderr
        return json.loads(self.stdout)

    @property
    def error(self) -> tuple[str, str]:
        """What was got and what to do, of a command that ends in the two lines of an error."""
        got, remedy = self.stderr.strip().splitlines()[-2:]
        assert got.startswith("error: "), self.stderr
        assert remedy.startswith("   do: "), self.stderr
        return got.removeprefix("error: "), remedy.removeprefix("   do: ")


def checked_answer(done: Done) -> Any:
    """Return the object of a command that must have succeeded."""
    assert done.code == 0, done.stderr
    return done.json


def checked(done: Done) -> Done:
    """Let no command end in a traceback."""
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert done.code in (0, 1, 2, 130), done
    return done


def finished(process: subprocess.Popen) -> Done:
    """Wait for a launched command."""
    stdout, stderr = process.communicate(timeout=120)
    return checked(Done(process.returncode, stdout, stderr))


def headroom(*arguments: object, **options: Any) -> Done:
    """Run a command in a process of its own, with the real engines."""
    command = [sys.executable, "-m", "headroom", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, **options)
    return checked(Done(done.returncode, done.stdout, done.stderr))


def brought(module: str, least: str | None = None) -> None:
    """Skip a test for what the development environment lacks; in CI that is a failure."""
    if os.environ.get("CI"):
        importlib.import_module(module)
    pytest.importorskip(module, least)


def contents(path: Path) -> dict[str, bytes]:
    """Return all that an embedding file holds; HDF5 itself adds the time of writing."""
    with h5py.File(path) as file:
        return {
            **{name: dataset[()].tobytes() for name, dataset in file.items()},
            **{f"@{name}": np.asarray(value).tobytes() for name, value in file.attrs.items()},
        }
