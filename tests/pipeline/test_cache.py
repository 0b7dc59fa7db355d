"""What the cache holds: each file opened once, its header and its vectors when they are asked for."""

import os
from collections import Counter
from pathlib import Path

import h5py
import pytest

from headroom.pipeline.cache import Cached, read_cache
from headroom.pipeline.problems import load_problem, plan_problems
from tests.embeddings import store


class TestRead:
    def test_ordered_by_set_and_model(self, tmp_path):
        for dataset, model in (("b", "y"), ("a", "z"), ("b", "x")):
            store(tmp_path, dataset, model)
        cached = read_cache(tmp_path)
        assert [(item.dataset, item.model) for item in cached.files] == [("a", "z"), ("b", "x"), ("b", "y")]
        assert cached.unreadable == ()

    def test_empty_cache(self, tmp_path):
        assert read_cache(tmp_path / "nowhere") == Cached((), ())

    def test_damaged_file_is_named_and_the_rest_read(self, tmp_path):
        store(tmp_path, model="good")
        store(tmp_path, model="bad").write_bytes(b"half")
        cached = read_cache(tmp_path)
        assert [item.model for item in cached.files] == ["good"]
        assert "bad-ffffffff.h5" in cached.unreadable[0]

    def test_newest_of_one_model_first(self, tmp_path):
        for age, fingerprint in enumerate(("1" * 64, "2" * 64)):
            os.utime(store(tmp_path, fingerprint=fingerprint), (age, age))
        cached = read_cache(tmp_path)
        assert [item.fingerprint[0] for item in cached.files] == ["2", "1"]


@pytest.fixture
def opened(monkeypatch):
    """Count how often each file is opened."""
    found = Counter()

    class File(h5py.File):
        def __init__(self, path, *arguments, **options):
            found[Path(path).name] += 1
            super().__init__(path, *arguments, **options)

    monkeypatch.setattr(h5py, "File", File)
    return found


class TestOpened:
    @pytest.fixture
    def cache(self, tmp_path):
        for model in ("one", "two"):
            store(tmp_path, model=model)
        store(tmp_path, model="one", fingerprint="1" * 64, about={"view": "1", "view_of": "f" * 64})
        return tmp_path

    def test_each_file_once_whoever_asks(self, cache, opened):
        cached = read_cache(cache)
        plan_problems(cached, (), ("one", "two", "one+two"))
        assert [item.about["dim"] for item in cached.newest("scans").values()] == [8, 8]
        assert opened == {"one-ffffffff.h5": 1, "two-ffffffff.h5": 1, "one-11111111.h5": 1}

    def test_a_header_once_however_often_it_is_asked_for(self, cache, opened):
        cached = read_cache(cache)
        opened.clear()
        for vectors in (False, False, True):
            load_problem("scans", "two", [cached.newest("scans")["two"]], vectors=vectors)
        assert opened == {"two-ffffffff.h5": 2}

    def test_header_tells_what_the_settings_tell(self, cache):
        for item in read_cache(cache).files:
            assert item.header.about == item.about
