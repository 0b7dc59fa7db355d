"""What the cache holds: each file opened once, its header and its vectors when they are asked for."""

import os

from headroom.pipeline.cache import Cached, read_cache
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
