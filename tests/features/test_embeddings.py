"""The embedding file: round trip, and every way in which it can be damaged."""

import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom.errors import FeatureError
from headroom.features.store import read_about, read_embeddings, read_header, read_vectors, write_embeddings
from tests.records import header_of, image_set
from tests.running import ROOT, contents

CACHE_OF_0_1 = ROOT / "tests" / "data" / "cache-0.1.tar.xz"
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def write(path: Path, count: int = 7, **changes):
    labels = [index % 3 for index in range(count)]
    images = image_set(labels, groups=tuple(f"p{index // 2}" for index in range(count)))
    header = header_of(images, np.arange(2 * count, dtype=np.int64).reshape(count, 2), **changes)
    vectors = np.random.default_rng(0).standard_normal((count, 8), dtype=np.float32)
    write_embeddings(path, header, np.array_split(vectors, 2))
    return header, vectors


def test_round_trip(tmp_path):
    header, vectors = write(tmp_path / "a.h5", bad={"x.png": "broken"}, bad_stamps=np.array([[1, 2]]))
    embeddings = read_embeddings(tmp_path / "a.h5")
    np.testing.assert_array_equal(embeddings.vectors, vectors)
    assert embeddings.vectors.dtype == np.float32
    np.testing.assert_array_equal(embeddings.labels, header.labels)
    assert embeddings.classes == header.classes
    assert tuple(embeddings.ids) == tuple(header.ids)
    assert tuple(embeddings.groups) == tuple(header.groups)
    assert tuple(embeddings.split) == tuple(header.split)
    assert [text.encode() for text in embeddings.content_hash] == header.content_hash.tolist()
    assert embeddings.fingerprint == header.about["fingerprint"]
    again = read_header(tmp_path / "a.h5")
    assert again.bad == {"x.png": "broken"}
    np.testing.assert_array_equal(again.bad_stamps, [[1, 2]])
    np.testing.assert_array_equal(again.stamps, header.stamps)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6, unique_by=lambda row: row[0]), TEXTS, TEXTS)
@settings(max_examples=40, deadline=None)
def test_any_text_comes_back(tmp_path_factory, rows, label, reason):
    path = tmp_path_factory.mktemp("texts") / "a.h5"
    ids, groups = (tuple(column) for column in zip(*rows, strict=True))
    header, _ = write(
        path, len(rows), ids=ids, groups=groups, classes=(label,), bad={"x": reason}, bad_stamps=np.array([[0, 0]])
    )
    again = read_header(path)
    assert (tuple(again.ids), tuple(again.groups), again.classes, again.bad) == (ids, groups, (label,), {"x": reason})
    assert tuple(read_embeddings(path).ids) == tuple(header.ids)


def test_every_column_is_taken_by_the_same_rows(tmp_path):
    write(tmp_path / "a.h5")
    whole = read_embeddings(tmp_path / "a.h5")
    part = whole.take([5, 1])
    assert type(part) is type(whole)
    assert part.ids.tolist() == ["005.png", "001.png"]
    for name in whole.columns:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[[5, 1]])
    arrays = {name for name, value in vars(whole).items() if isinstance(value, np.ndarray)}
    assert set(whole.columns) == arrays - {"bad_stamps"}


def test_files_of_version_0_1_are_read_and_would_be_written_the_same(tmp_path):
    with tarfile.open(CACHE_OF_0_1) as archive:
        archive.extractall(tmp_path, filter="data")
    files = [path for path in tmp_path.rglob("*.h5") if "embeddings" in path.parts]
    assert files
    for path in files:
        header = read_header(path)
        write_embeddings(tmp_path / "again.h5", header, [read_vectors(path, 0, len(header))])
        assert contents(tmp_path / "again.h5") == contents(path)


def test_about_keeps_plain_values(tmp_path):
    about = {"dataset": "s", "model": "m", "root": "r", "fingerprint": "f", "ordinal": True, "dim": 8}
    about |= {"view": "", "precision_error": None}
    write(tmp_path / "a.h5", about=about)
    assert read_about(tmp_path / "a.h5") == about
    assert [type(value) for value in read_about(tmp_path / "a.h5").values()].count(np.bool_) == 0


def test_slices_of_the_vectors(tmp_path):
    _, vectors = write(tmp_path / "a.h5")
    np.testing.assert_array_equal(read_vectors(tmp_path / "a.h5", 2, 5), vectors[2:5])


def test_the_same_is_written_every_time(tmp_path):
    for name in ("a.h5", "b.h5"):
        write(tmp_path / name)
    assert contents(tmp_path / "a.h5") == contents(tmp_path / "b.h5")


def test_an_error_while_writing_leaves_what_was_there(tmp_path):
    _, vectors = write(tmp_path / "a.h5")

    def chunks():
        yield np.zeros((3, 8), np.float32)
        raise KeyboardInterrupt

    header = read_header(tmp_path / "a.h5")
    with pytest.raises(KeyboardInterrupt):
        write_embeddings(tmp_path / "a.h5", header, chunks())
    np.testing.assert_array_equal(read_embeddings(tmp_path / "a.h5").vectors, vectors)
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


class TestDamage:
    @pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.5, 0.9, 0.999])
    @pytest.mark.parametrize("read", [read_embeddings, read_header, read_about])
    def test_cut_short(self, tmp_path, share, read):
        path = tmp_path / "a.h5"
        write(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(FeatureError, match="damaged") as caught:
            read(path)
        assert "extract" in caught.value.remedy

    def test_text(self, tmp_path):
        (tmp_path / "a.h5").write_text("no")
        with pytest.raises(FeatureError, match="no embedding file"):
            read_embeddings(tmp_path / "a.h5")

    def test_missing(self, tmp_path):
        with pytest.raises(FeatureError):
            read_about(tmp_path / "a.h5")

    @pytest.mark.parametrize("name", ["vectors", "labels", "ids", "stamps", "bad_reasons", "content_hash"])
    def test_foreign_file_without_or_with_another_kind_of_part(self, tmp_path, name):
        path = tmp_path / "a.h5"
        write(path)
        with h5py.File(path, "a") as file:
            del file[name]
        with pytest.raises(FeatureError):
            read_embeddings(path)
        with h5py.File(path, "a") as file:
            file.create_group(name)
        with pytest.raises(FeatureError):
            read_embeddings(path)

    @pytest.mark.parametrize("name", ["fingerprint", "dataset", "model", "ordinal", "view"])
    def test_foreign_file_without_an_attribute(self, tmp_path, name):
        path = tmp_path / "a.h5"
        write(path)
        with h5py.File(path, "a") as file:
            del file.attrs[name]
        with pytest.raises(FeatureError):
            read_about(path)

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("labels", np.zeros(3, np.int64)),
            ("labels", np.ones(7, np.int64)),
            ("stamps", np.zeros((7, 2), np.int64)),
            ("ids", [f"{index}.png" for index in range(7)]),
            ("groups", [""] * 7),
            ("vectors", np.zeros((6, 8), np.float32)),
        ],
    )
    def test_values_that_were_changed(self, tmp_path, name, values):
        path = tmp_path / "a.h5"
        write(path)
        with h5py.File(path, "a") as file:
            del file[name]
            file[name] = values
        with pytest.raises(FeatureError, match="damaged"):
            read_embeddings(path)

    @given(st.integers(0, 7 * 8 * 32 - 1))
    @settings(max_examples=60, deadline=None)
    def test_any_bit_flip_in_the_vectors_is_noticed(self, tmp_path_factory, bit):
        path = tmp_path_factory.mktemp("flip") / "a.h5"
        _, vectors = write(path)
        data = bytearray(path.read_bytes())
        data[bytes(data).index(vectors.tobytes()) + bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(data))
        with pytest.raises(FeatureError, match="damaged"):
            read_embeddings(path)

    @given(st.data())
    @settings(max_examples=200, deadline=None)
    def test_any_bit_flip_gives_the_right_values_or_one_error(self, tmp_path_factory, data):
        path = tmp_path_factory.mktemp("flip") / "a.h5"
        header, vectors = write(path)
        stored = bytearray(path.read_bytes())
        bit = data.draw(st.integers(0, 8 * len(stored) - 1))
        stored[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(stored))
        try:
            read = read_embeddings(path)
        except FeatureError as error:
            assert "damaged" in error.got  # noqa: PT017
        else:
            np.testing.assert_array_equal(read.vectors, vectors)
            np.testing.assert_array_equal(read.labels, header.labels)
            assert (tuple(read.ids), tuple(read.groups)) == (tuple(header.ids), tuple(header.groups))
            assert read.classes == header.classes
            assert {name: read.about[name] for name in header.about} == header.about
