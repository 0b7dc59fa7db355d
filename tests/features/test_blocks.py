"""Files and blocks appear whole or not at all."""

import numpy as np
import pytest

from headroom.errors import FeatureError
from headroom.features.store import Block, BlockFolder, block_key, replacing


class TestReplacing:
    def test_an_error_leaves_the_old_file_and_nothing_beside(self, tmp_path):
        (tmp_path / "a").write_text("old")
        with pytest.raises(FileNotFoundError), replacing(tmp_path / "a") as beside:
            beside.with_name("missing").rename(beside)
        assert (tmp_path / "a").read_text() == "old"
        assert len(list(tmp_path.iterdir())) == 1

    def test_folders_are_made(self, tmp_path):
        with replacing(tmp_path / "deep" / "er" / "a") as beside:
            beside.write_text("new")
        assert (tmp_path / "deep" / "er" / "a").read_text() == "new"

    def test_nothing_is_there_before_the_end(self, tmp_path):
        with replacing(tmp_path / "a") as beside:
            beside.write_text("new")
            assert not (tmp_path / "a").exists()

    def test_a_file_in_place_of_the_folder(self, tmp_path):
        (tmp_path / "taken").write_text("x")
        with pytest.raises(OSError, match="taken"), replacing(tmp_path / "taken" / "a"):
            pytest.fail("there is no place to write")


class TestBlocks:
    @pytest.fixture
    def block(self):
        vectors = np.random.default_rng(0).standard_normal((3, 8), dtype=np.float32)
        return Block(vectors, np.array(["a" * 64, "", "b" * 64], "S64"), np.array(["", "broken", ""]))

    def test_round_trip(self, tmp_path, block):
        folder = BlockFolder(tmp_path / "x.blocks")
        folder.save("000004-key", block)
        again = folder.load("000004-key")
        np.testing.assert_array_equal(again.vectors, block.vectors)
        assert again.hashes.tolist() == block.hashes.tolist()
        assert again.reasons.tolist() == block.reasons.tolist()

    @pytest.mark.parametrize("share", [0, 0.5, 0.95])
    def test_damaged_one_is_removed(self, tmp_path, block, share):
        folder = BlockFolder(tmp_path / "x.blocks")
        folder.save("000000-key", block)
        path = folder.file("000000-key")
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(FeatureError, match="damaged"):
            folder.load("000000-key")
        assert not path.exists()

    def test_bit_flip_is_noticed(self, tmp_path, block):
        folder = BlockFolder(tmp_path / "x.blocks")
        folder.save("000000-key", block)
        path = folder.file("000000-key")
        data = bytearray(path.read_bytes())
        data[bytes(data).index(block.vectors.tobytes()) + 5] ^= 4
        path.write_bytes(bytes(data))
        with pytest.raises(FeatureError, match="damaged"):
            folder.load("000000-key")

    @pytest.mark.parametrize("text", [None, "", "{", "[]", "null"])
    def test_what_was_decided_is_read_or_forgotten(self, tmp_path, text):
        folder = BlockFolder(tmp_path / "x.blocks")
        if text is not None:
            folder.path.mkdir()
            (folder.path / "about.json").write_text(text)
        assert folder.about == {}

    def test_what_was_decided_comes_back(self, tmp_path):
        folder = BlockFolder(tmp_path / "x.blocks")
        folder.begin({"engine": "keras", "precision_error": None})
        assert folder.about == {"engine": "keras", "precision_error": None}

    def test_key_stands_for_names_sizes_and_times(self):
        stamps = np.array([[10, 1], [20, 2]])
        keys = {
            block_key(["a", "b"], stamps),
            block_key(["b", "a"], stamps),
            block_key(["a", "b"], stamps + 1),
            block_key(["a"], stamps[:1]),
            block_key(["ab"], stamps[:1]),
        }
        assert len(keys) == 5
