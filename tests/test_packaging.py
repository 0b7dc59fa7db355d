"""The wheel: one name, real files, all of them; installed, it runs beside anything that a user's folder holds."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from docs import make_minimum
from headroom.features.synthetic import write_fundus
from tests.pictures import folder_set
from tests.running import ROOT, brought

USERS_OWN = ("features/__init__.py", "heads/__init__.py", "pipeline/__init__.py", "headroom.py", "keras.py")
SOURCES = ("features", "headroom", "heads", "pipeline", "pyproject.toml", "README.md", "LICENSE")
BUILT_BY = "77"
SCRIPT = """\
import sys
sys.path[:0] = sys.argv[1:]
import headroom
runs = headroom.extract("mobilenet", "scans", weights="random", jobs=1, cache="from-python")["runs"]
cells = headroom.fit("gaussian-nb", folds=2, jobs=1, cache="from-python")["cells"]
assert (runs[0]["computed"], cells[0]["status"]) == (16, "fitted"), (runs, cells)
print(headroom.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, for setuptools leaves things beside the sources."""
    brought("setuptools", BUILT_BY)
    place = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(place), str(place)], check=True)
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, without what it needs, into a folder of its own; programs are in its ``bin``."""
    place = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place)]
    subprocess.run([*pip, str(wheel)], check=True)
    return place


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A folder with packages and modules of a user's, all of which end what imports them."""
    for name in USERS_OWN:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"raise SystemExit('{name} of the user was imported')\n")
    folder_set(tmp_path / "scans", {"a": 8, "b": 8})
    return tmp_path


def test_wheel_has_one_name_and_all_files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert not any((entry.external_attr >> 16) & 0o170000 == 0o120000 for entry in archive.infolist())  # links
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        assert "License-File: LICENSE" in archive.read(metadata).decode()
    assert {name.partition("/")[0] for name in names} == {"headroom"}
    here = {path for room in ("features", "heads", "pipeline") for path in (ROOT / room).rglob("*") if path.is_file()}
    wanted = {f"headroom/{path.relative_to(ROOT)}" for path in here if "__pycache__" not in path.parts}
    wanted |= {f"headroom/{path.name}" for path in (ROOT / "headroom").glob("*.py")}
    assert names == wanted


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_commands_run_beside_a_users_own_names(installed, crowded):
    def run(*words: str) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADROOM_")}
        environment = kept | {"PYTHONPATH": str(installed), "PATH": f"{installed / 'bin'}{os.pathsep}{kept['PATH']}"}
        program = str(installed / "bin" / words[0])
        done = subprocess.run(
            [program, *words[1:]], cwd=crowded, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("extract", "--model", "mobilenet", "--weights", "random", "--dataset", "scans")
    run("fit", "--head", "gaussian-nb", "--head", "dense", "--smote", "--folds", "2", "--repeats", "1", "--jobs", "2")
    run("report", "--format", "html")
    assert (crowded / "cache" / "reports" / "report.html").is_file()
    write_fundus(crowded / "data" / "synthetic-fundus", counts=(12,) * 5)  # the whole set would take minutes
    run("headroom", "demo", "--cache", "demo")
    assert (crowded / "demo" / "reports" / "report.html").is_file()


@pytest.mark.slow
def test_a_script_needs_no_main_guard(installed, tmp_path):
    """Neither workers nor exports run a user's script a second time."""
    folder_set(tmp_path / "scans", {"a": 8, "b": 8})
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py", str(installed)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(installed / "headroom" / "__init__.py")]


def test_minimum_versions_are_those_of_the_project():
    assert make_minimum.PAGE.read_text(encoding="utf-8") == make_minimum.page(), "run: make docs"


def test_programs_are_those_of_the_project():
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert set(tomllib.load(file)["project"]["scripts"]) == {"headroom", "extract", "fit", "report"}
