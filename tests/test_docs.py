"""README and docs: links lead somewhere, the command reference is what ``--help`` says, and every command runs.

A ``console`` block is run line by line, page by page, in a folder with small sets in the layouts that the pages speak
of, and with an engine without a network. What a block shows after a command matters only where it is an error: then
the command has to end in it (``...`` stands for anything). In a ``console parsed`` block options are only parsed, for
what needs hours, a network or another program. The ``python`` blocks of a page run in between, all in one namespace.
"""

import doctest
import re
import shlex
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np
import pytest

import headroom
from docs import make_commands
from headroom.features.backbones import BACKBONES
from headroom.features.engines import ENGINES, EngineRecord
from headroom.features.network import Network
from headroom.pipeline.commands import program
from tests import fake_engine
from tests.pictures import folder_set, table_set, write_picture
from tests.running import brought

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<words>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADROOM = ("headroom", "extract", "fit", "report")
OTHERS = ("cd", "export", "git", "make", "pip", "python", "python3", ".")


@dataclass(frozen=True)
class Step:
    """A command of a page, the error it is to end in, and whether it is only parsed."""

    words: tuple[str, ...]
    error: str
    parsed: bool

    @property
    def arguments(self) -> list[str]:
        """Its words after ``headroom``."""
        return list(self.words[1:] if self.words[0] == "headroom" else self.words)


def steps(page: Path) -> Iterator[Step | str]:
    """Yield the commands of a page, and its Python snippets as text."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        language, *tags = block["words"].split() or [""]
        body = block["body"].replace("\\\n", " ")
        if language == "python":
            yield body
        if language != "console":
            continue
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            words = tuple(shlex.split(line, comments=True))
            assert words[0] in HEADROOM + OTHERS, f"{page.name}: {line}"
            if words[0] in HEADROOM:
                yield Step(words, "\n".join(re.findall(r"^(?:error| +do): .*$", shown, re.MULTILINE)), bool(tags))


def commands_of(page: Path) -> list[Step]:
    return [step for step in steps(page) if isinstance(step, Step)]


def plain(text: str) -> str:
    """Leave out of help texts what differs between versions of Typer: spaces and the names of types."""
    return re.sub(r"<[^>]*>|\s+", "", text)


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub gives the headings of a page."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    named = re.findall(r'<a id="([^"]+)">', text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(named)


def pages_with(kind: type | UnionType) -> list:
    found = [page for page in PAGES if page.is_file() and any(isinstance(step, kind) for step in steps(page))]
    return [pytest.param(page, id=page.name) for page in found]


def test_command_reference_is_what_help_says():
    assert plain(make_commands.PAGE.read_text(encoding="utf-8")) == plain(make_commands.page()), "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in LINK.finditer(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        place, _, anchor = link["target"].partition("#")
        if place.startswith("http"):
            continue
        target = page.parent / place if place else page
        assert target.exists(), link["target"]
        assert not anchor or anchor in anchors(target), link["target"]


@pytest.mark.parametrize("page", pages_with(Step))
def test_every_command_line_parses(page):
    for step in commands_of(page):
        name, *arguments = step.arguments
        if name.startswith("-"):
            continue
        command = program.commands[name]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        assert given <= known | {"--help"}, " ".join(step.words)
        if "--help" not in given:
            command.make_context(name, arguments)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with(Step | str))
def test_every_command_and_every_snippet_runs(page, run, world):
    wrong = []
    names: dict[str, Any] = {}
    for step in steps(page):
        if isinstance(step, str):
            if "import pandas" in step:
                brought("pandas")
            exec(compile(step, page.name, "exec"), names)
        elif not step.parsed:
            done = run(*step.arguments)
            expected = re.escape(step.error).replace(r"\.\.\.", ".*")
            if (done.code == 0) != (not step.error) or not re.search(expected, done.stderr):
                wrong.append((" ".join(step.words), done.code, done.stderr))
    assert not wrong


@pytest.mark.slow
def test_examples_of_the_python_interface(run, world):
    brought("pandas")
    import pandas

    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert (
        doctest.testmod(headroom, extraglobs={"headroom": headroom, "pandas": pandas}, optionflags=options).failed == 0
    )


class ProjectingEngine:
    """Vectors of a backbone's own length: fixed random combinations of coarse pixels."""

    def __init__(self, network: Network) -> None:
        dim = BACKBONES[network.model].dim if network.model in BACKBONES else 64
        self._axes = np.random.default_rng(dim).normal(size=(192, dim)).astype(np.float32)

    def start(self, pixels: np.ndarray) -> Callable[[], np.ndarray]:
        """Embed uint8 ``(batch, size, size, 3)``."""
        places = np.linspace(0, pixels.shape[1] - 1, 8).astype(int)
        coarse = pixels[:, places][:, :, places].reshape(len(pixels), -1).astype(np.float32)
        return lambda: np.tanh(coarse / 255 @ self._axes)


@pytest.fixture
def world(run, tmp_path, monkeypatch):
    """Fill the working folder with what the pages name: sets in every layout, weights files, a model file."""
    for name in ("openvino", "keras"):
        monkeypatch.setitem(ENGINES, name, EngineRecord(name, "tests.fake_engine", fake_engine.BATCH))
    monkeypatch.setattr(fake_engine, "load", lambda network, *_: ProjectingEngine(network))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for record in BACKBONES.values():
        _write(tmp_path / "keras" / "models" / record.weights_file, record.name)
    for name in ("mobilenet_7_5_224_tf_no_top.weights.h5", "mobilenet_2_5_224_tf_no_top.h5"):
        _write(tmp_path / "data" / "weights" / name, name)
    with zipfile.ZipFile(tmp_path / "own.keras", "w") as archive:
        archive.writestr("config.json", '{"build_config": {"input_shape": [null, 64, 64, 3]}}')
    _write_sets(tmp_path)


def _write_sets(place: Path) -> None:
    folder_set(place / "scans", {"benign": 30, "malignant": 18, "normal": 24})
    patients = [(f"P{number // 2:02d}_{number % 2}.jpg", number % 3, f"P{number // 2:02d}") for number in range(72)]
    table_set(place / "cohort", patients, ("image", "grade", "patient"))
    grades = [(f"{number:04x}", min(number % 7, 4)) for number in range(84)]
    for seed, (name, grade) in enumerate(grades):
        write_picture(place / "data" / "aptos" / "train_images" / f"{name}.jpg", seed, 30 * grade)
    _write(
        place / "data" / "aptos" / "train.csv",
        "id_code,diagnosis\n" + "".join(f"{name},{grade}\n" for name, grade in grades),
    )
    tumours = {"glioma": 12, "meningioma": 12, "notumor": 16, "pituitary": 12}
    for part, ending in (("Training", "jpg"), ("Testing", "png")):  # the same pictures, but other files
        folder_set(place / "data" / "brain-tumor" / part, tumours, ending)
    folder_set(place / "one-class", {"benign": 4})
    folder_set(place / "rare", {"benign": 8, "malignant": 8, "rare": 1})
    (place / "empty").mkdir()
    folder_set(place / "broken", {"benign": 8, "malignant": 8})
    _write(place / "broken" / "benign" / "benign000.png", "no image")
    table_set(place / "table", [("a.png", "x"), ("b.png", "y")], ("picture", "finding"))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
