"""Facts that are dear to learn: once per state of the data, and never from what cannot be trusted."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from headroom.features.store import read_header, read_vectors, write_embeddings
from headroom.pipeline.cache import read_cache
from headroom.pipeline.checks import facts
from headroom.pipeline.checks.checks import findings
from headroom.pipeline.checks.facts import gather
from tests.embeddings import store
from tests.pictures import folder_set, write_picture
from tests.running import Done

Run = Callable[..., Done]

ONCE = {"near_duplicates": 1, "file_facts": 1}
KEPT = Path("cache/embeddings/scans/facts.json")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Count what is dear."""
    found: Counter = Counter()

    def counted(name: str) -> Callable:
        honest = getattr(facts, name)

        def call(*arguments: Any) -> Any:
            found[name] += 1
            return honest(*arguments)

        return call

    for name in ONCE:
        monkeypatch.setattr(facts, name, counted(name))
    return found


@pytest.fixture
def cache(extract: Run) -> Path:
    """Embeddings of a folder of images; those of one class are grey, which the files give away."""
    folder_set(Path("scans"), {"ill": 12, "well": 20})
    extract("scans")
    return Path("cache")


def told(cache: Path) -> dict[str, Any]:
    """Gather anew, as another run of a command does."""
    evidence = gather("scans", read_cache(cache), [], {}, {}, Path("data"))
    assert evidence is not None
    (model,) = evidence.models
    return asdict(model) | {"files": evidence.files and asdict(evidence.files)}


def test_facts_are_computed_once(cache: Path, calls: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    first = told(cache)
    assert calls == ONCE
    assert first["files"]["majority"] == 20 / 32
    monkeypatch.setattr(facts.Image, "open", None)
    monkeypatch.setattr("headroom.pipeline.problems.read_vectors", None)
    assert told(cache) == first
    assert calls == ONCE


def test_facts_of_files_are_computed_again_where_an_image_changed(cache: Path, calls: Counter) -> None:
    told(cache)
    write_picture(Path("scans/ill/ill003.png"), seed=9)
    told(cache)
    assert calls == ONCE | {"file_facts": 2}


def test_facts_of_files_are_computed_again_elsewhere(cache: Path, calls: Counter) -> None:
    told(cache)
    Path("data").mkdir()
    shutil.move("scans", "data/scans")
    told(cache)
    assert calls == ONCE | {"file_facts": 2}


def test_all_facts_are_computed_again_where_the_embeddings_changed(cache: Path, calls: Counter, extract: Run) -> None:
    told(cache)
    write_picture(Path("scans/ill/one-more.png"), seed=9)
    extract("scans")
    told(cache)
    assert calls == dict.fromkeys(ONCE, 2)


def test_facts_are_computed_again_by_another_version(
    cache: Path, calls: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(cache)
    monkeypatch.setattr(facts, "VERSION", facts.VERSION + 1)
    told(cache)
    assert calls == dict.fromkeys(ONCE, 2)


def test_too_few_files_to_tell_are_opened_once_too(extract: Run, calls: Counter) -> None:
    folder_set(Path("scans"), {"ill": 3, "well": 20})
    extract("scans")
    assert told(Path("cache"))["files"] is None
    assert told(Path("cache"))["files"] is None
    assert calls == ONCE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b'{"kept": {}}',
        b'{"checksum": "0", "kept": {"fake": {"key": "1", "facts": {}}}}',
        lambda kept: kept[: len(kept) // 2],
        lambda kept: kept.replace(b'"dim": 8', b'"dim": 9'),
    ],
)
def test_damaged_and_foreign_content_is_computed_again(cache: Path, calls: Counter, content: Any) -> None:
    first = told(cache)
    KEPT.write_bytes(content(KEPT.read_bytes()) if callable(content) else content)
    assert told(cache) == first
    assert calls == dict.fromkeys(ONCE, 2)
    assert told(cache) == first
    assert calls == dict.fromkeys(ONCE, 2)


def test_a_cache_that_cannot_be_written_is_read_all_the_same(
    cache: Path, calls: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def refusing(path: Path):
        raise PermissionError(path)
        yield path

    monkeypatch.setattr("headroom.pipeline.cache.replacing", refusing)
    assert told(cache) == told(cache)
    assert calls == dict.fromkeys(ONCE, 2)
    assert not KEPT.exists()


def test_damaged_vectors_are_not_kept(cache: Path, calls: Counter) -> None:
    (file,) = cache.glob("embeddings/scans/*.h5")
    header, vectors = read_header(file), read_vectors(file, 0, 32)
    content = bytearray(file.read_bytes())
    content[content.index(vectors[3].tobytes())] ^= 1
    file.write_bytes(content)
    assert gather("scans", read_cache(cache), [], {}, {}, Path("data")) is None
    assert not calls
    write_embeddings(file, header, [vectors])
    assert told(cache)["dim"] == 8


def test_both_models_of_a_set_are_kept_side_by_side(cache: Path, calls: Counter, extract: Run) -> None:
    extract("scans", model="fake-wide")
    for _ in range(2):
        evidence = gather("scans", read_cache(cache), [], {}, {}, Path("data"))
        assert evidence is not None
        assert sorted(model.model for model in evidence.models) == sorted(["fake", "fake-wide"])
    assert calls == {"near_duplicates": 2, "file_facts": 1}
    assert sorted(json.loads(KEPT.read_text())["kept"]) == sorted(["fake", "image files", "fake-wide"])


def test_findings_are_those_of_facts_computed_anew(cache: Path) -> None:
    found = [findings(read_cache(cache), [], {}, {}, ["scans"], Path("data")) for _ in range(2)]
    assert found[0] == found[1]
    assert {one["code"] for one in found[0]} >= {"M004"}
    assert "M004" not in {
        one["code"] for one in findings(read_cache(cache), [], {}, {}, ["scans"], Path("data"), ["M004"])
    }


def test_near_duplicates_share_neither_patient_nor_content(tmp_path: Path) -> None:
    store(tmp_path, offset=1, groups=("p", "p", "", "", "", ""), about={"weights": "imagenet"})
    for _ in range(2):
        evidence = gather("scans", read_cache(tmp_path), [], {}, {}, Path("data"))
        assert evidence is not None
        assert evidence.models[0].near == 6 * 5 // 2 - 1
        assert list(evidence.models[0].pair) == ["0.png", "2.png"]


def test_what_changed_since_extract_is_never_kept(cache: Path) -> None:
    told(cache)
    image = Path("scans/ill/ill003.png")
    os.utime(image, (1, 1))
    evidence = gather("scans", read_cache(cache), [], {}, {}, Path("data"))
    assert evidence is not None
    assert evidence.changed == ("ill/ill003.png",)
