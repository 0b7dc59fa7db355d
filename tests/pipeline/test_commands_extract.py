"""``extract``: what is computed, what is reused, what is refused, and in which words."""

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from headroom.features.store import read_embeddings
from tests.pictures import folder_set, picture, table_set, write_picture

REPORT_KEYS = {
    "model",
    "dim",
    "images",
    "computed",
    "reused",
    "bad",
    "seconds",
    "images_per_second",
    "engine",
    "precision",
    "precision_error",
    "file",
}


@pytest.fixture
def scans(tmp_path):
    return folder_set(tmp_path / "scans", {"cyst": 6, "normal": 5})


def counts(done):
    (row,) = done.json["runs"]
    return row["computed"], row["reused"], len(row["bad"])


def stored(done):
    (row,) = done.json["runs"]
    return read_embeddings(Path(row["file"]))


def rename_class(scans, old, new):
    (scans / old).rename(scans / new)


class TestFirstRun:
    def test_json_has_the_agreed_form(self, extract, scans):
        done = extract("scans")
        assert done.code == 0
        assert set(done.json) == {"dataset", "runs", "without_patient"}
        (row,) = done.json["runs"]
        assert set(row) >= REPORT_KEYS
        assert (row["model"], row["dim"], row["images"], row["bad"]) == ("fake", 8, 11, [])
        assert (row["engine"], row["precision"], row["precision_error"]) == ("openvino", "float32", None)

    def test_stdout_holds_one_object_and_nothing_else(self, extract, scans):
        assert len(extract("scans").stdout.strip().splitlines()) == 1

    def test_without_json_the_summary_names_counts_and_random_weights(self, run, scans):
        done = run("extract", "--model", "fake", "--weights", "random", "--dataset", "scans")
        assert done.code == 0
        assert "11 computed" in done.stdout
        assert "RANDOM" in done.stdout

    def test_file_holds_what_the_scan_says(self, extract, scans):
        embeddings = stored(extract("scans"))
        assert embeddings.classes == ("cyst", "normal")
        assert embeddings.vectors.shape == (11, 8)
        assert embeddings.vectors.dtype == np.float32
        assert embeddings.labels.tolist() == [0] * 6 + [1] * 5
        assert embeddings.ids[0] == "cyst/cyst000.png"
        assert embeddings.about["weights"] == "random"

    def test_vectors_are_those_of_each_image(self, extract, scans, fake):
        from headroom.features.decode import decode

        embeddings = stored(extract("scans"))
        constant = embeddings.vectors[0, :3] - _means(scans / embeddings.ids[0], decode)
        for name, vector in zip(embeddings.ids, embeddings.vectors, strict=True):
            np.testing.assert_allclose(vector[:3] - constant, _means(scans / name, decode), atol=1e-3)

    def test_file_can_be_read_without_headroom(self, extract, scans):
        (row,) = extract("scans").json["runs"]
        with h5py.File(row["file"]) as file:
            assert file["vectors"].shape == (11, 8)
            assert [bytes(name).decode() for name in file["classes"]] == ["cyst", "normal"]
            assert len(file.attrs["fingerprint"]) == 64

    def test_several_models_in_one_pass(self, run, scans):
        done = run("extract", "--model", "fake*", "--weights", "random", "--dataset", "scans", "--json")
        assert [row["model"] for row in done.json["runs"]] == ["fake", "fake-wide"]
        assert [row["computed"] for row in done.json["runs"]] == [11, 11]

    def test_one_pass_gives_the_vectors_of_separate_passes(self, run, extract, scans):
        together = run("extract", "--model", "fake*", "--weights", "random", "--dataset", "scans", "--json")
        for row in together.json["runs"]:
            alone = extract("scans", "--cache", "other", model=row["model"])
            np.testing.assert_array_equal(stored(alone).vectors, read_embeddings(Path(row["file"])).vectors)

    @pytest.mark.parametrize(("pattern", "count"), [("(normal)", 6), (".", 0)], ids=["part", "all"])
    def test_patients_missing_for_part_of_the_images_are_counted_and_said(self, extract, run, scans, pattern, count):
        done = extract("scans", "--group-pattern", pattern)
        assert done.json["without_patient"] == count
        said = (
            "note: 5 of 11 images have a patient; each other one counts as a patient of its own, the first being cyst/"
        )
        assert (said in done.stderr) == bool(count)
        found = {one["code"]: one["message"] for one in run("check", "--json").json["checks"]}
        assert ("M017" in found) == bool(count)
        assert not count or "6 of 11 images have no patient id" in found["M017"]

    def test_no_patients_at_all_are_no_note(self, extract, scans):
        done = extract("scans")
        assert done.json["without_patient"] == 11
        assert "have a patient" not in done.stderr

    def test_table_with_patients(self, extract, tmp_path):
        rows = [(f"{number}.png", "sick" if number % 2 else "well", f"p{number // 2}") for number in range(6)]
        table_set(tmp_path / "cohort", rows, ("image", "label", "patient"))
        embeddings = stored(extract("cohort"))
        assert embeddings.classes == ("sick", "well")
        assert embeddings.groups.tolist() == ["p0", "p0", "p1", "p1", "p2", "p2"]

    def test_a_hundred_images_more_than_a_block_and_an_odd_batch(self, extract, tmp_path, blocks_of):
        blocks_of(8)
        folder_set(tmp_path / "many", {"a": 14, "b": 13})
        blocks = stored(extract("many")).vectors
        blocks_of(256)
        np.testing.assert_array_equal(stored(extract("many", "--cache", "other")).vectors, blocks)

    @pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif", "gif", "webp"])
    def test_formats(self, extract, tmp_path, ending):
        folder_set(tmp_path / "forms", {"a": 2, "b": 2}, ending)
        assert counts(extract("forms")) == (4, 0, 0)


def _means(path, decode):
    pixels = decode(path, (16,))[1][16]
    return pixels.astype(np.float64).mean(axis=(0, 1))


class TestReuse:
    def test_second_run_computes_nothing_and_loads_no_network(self, extract, scans, fake):
        first = extract("scans")
        before = Path(first.json["runs"][0]["file"]).read_bytes()
        fake.loaded.clear()
        second = extract("scans")
        assert counts(second) == (0, 11, 0)
        assert fake.loaded == []
        assert Path(second.json["runs"][0]["file"]).read_bytes() == before

    def test_second_report_says_the_same_of_the_vectors(self, extract, scans):
        first, second = (extract("scans").json["runs"][0] for _ in range(2))
        kept = ("model", "dim", "images", "engine", "precision", "precision_error", "file")
        assert {name: first[name] for name in kept} == {name: second[name] for name in kept}

    def test_changing_one_image_recomputes_one(self, extract, scans):
        before = stored(extract("scans"))
        write_picture(scans / "cyst" / "cyst003.png", 99)
        done = extract("scans")
        assert counts(done) == (1, 10, 0)
        changed = np.flatnonzero((stored(done).vectors != before.vectors).any(axis=1))
        assert changed.tolist() == [3]

    def test_changing_one_byte_but_neither_size_nor_name(self, extract, scans):
        extract("scans")
        path = scans / "normal" / "normal000.png"
        picture(7).save(scans / "new.png")
        (scans / "new.png").rename(path)
        assert counts(extract("scans"))[:2] == (1, 10)

    def test_plain_touch_recomputes_none(self, extract, scans):
        extract("scans")
        for path in scans.rglob("*.png"):
            os.utime(path, (1, 1))
        assert counts(extract("scans")) == (0, 11, 0)

    def test_after_a_touch_nothing_is_read_again(self, extract, scans):
        extract("scans")
        path = scans / "cyst" / "cyst000.png"
        os.utime(path, (1, 1))
        extract("scans")
        path.write_bytes(bytes(path.stat().st_size))
        os.utime(path, (1, 1))
        assert counts(extract("scans")) == (0, 11, 0)

    def test_new_image_is_computed_alone(self, extract, scans):
        extract("scans")
        write_picture(scans / "cyst" / "aaa.png", 77)
        done = extract("scans")
        assert counts(done) == (1, 11, 0)
        np.testing.assert_array_equal(stored(done).vectors, stored(extract("scans", "--cache", "fresh")).vectors)

    def test_deleted_image_leaves(self, extract, scans):
        extract("scans")
        (scans / "cyst" / "cyst000.png").unlink()
        done = extract("scans")
        assert counts(done) == (0, 10, 0)
        assert "cyst/cyst000.png" not in stored(done).ids

    def test_renamed_class_and_files_are_only_relabelled(self, extract, scans):
        extract("scans")
        rename_class(scans, "cyst", "zyst")
        done = extract("scans")
        assert counts(done) == (0, 11, 0)
        assert stored(done).classes == ("normal", "zyst")
        np.testing.assert_array_equal(stored(done).vectors, stored(extract("scans", "--cache", "fresh")).vectors)

    def test_new_label_in_a_table_is_only_relabelled(self, extract, tmp_path):
        rows = [("a.png", "0"), ("b.png", "1"), ("c.png", "1")]
        table_set(tmp_path / "cohort", rows)
        extract("cohort")
        text = (tmp_path / "cohort" / "labels.csv").read_text().replace("c.png,1", "c.png,0")
        (tmp_path / "cohort" / "labels.csv").write_text(text)
        done = extract("cohort")
        assert counts(done) == (0, 3, 0)
        assert stored(done).labels.tolist() == [0, 1, 0]

    def test_an_image_outside_the_folder_is_noticed_when_it_changes(self, extract, tmp_path):
        write_picture(tmp_path / "elsewhere" / "far.png", 1)
        table_set(tmp_path / "cohort", [("a.png", "0"), ("b.png", "1")])
        with (tmp_path / "cohort" / "labels.csv").open("a") as file:
            file.write(f"{tmp_path / 'elsewhere' / 'far.png'},1\n")
        assert counts(extract("cohort")) == (3, 0, 0)
        write_picture(tmp_path / "elsewhere" / "far.png", 2)
        assert counts(extract("cohort")) == (1, 2, 0)

    @pytest.mark.parametrize("change", [("--size", "24"), ("--seed", "1"), ("--pooling", "max")])
    def test_another_setting_never_reuses(self, extract, scans, change):
        first = extract("scans")
        second = extract("scans", *change)
        assert counts(second) == (11, 0, 0)
        assert second.json["runs"][0]["file"] != first.json["runs"][0]["file"]
        assert not np.array_equal(stored(first).vectors, stored(second).vectors)
        assert counts(extract("scans")) == (0, 11, 0)

    def test_other_weights_never_reuse_even_under_the_same_name(self, extract, scans, tmp_path):
        weights = tmp_path / "mine.weights.h5"
        weights.write_bytes(b"one")
        first = extract("scans", weights=weights)
        weights.write_bytes(b"two")
        second = extract("scans", weights=weights)
        assert (counts(first), counts(second)) == ((11, 0, 0), (11, 0, 0))
        assert not np.array_equal(stored(first).vectors, stored(second).vectors)

    def test_same_weights_under_another_name_reuse(self, extract, scans, tmp_path):
        (tmp_path / "a.h5").write_bytes(b"one")
        (tmp_path / "b.h5").write_bytes(b"one")
        extract("scans", weights=tmp_path / "a.h5")
        assert counts(extract("scans", weights=tmp_path / "b.h5")) == (0, 11, 0)

    def test_another_model_added_later_leaves_the_first_alone(self, run, extract, scans):
        extract("scans")
        done = run("extract", "--model", "fake*", "--weights", "random", "--dataset", "scans", "--json")
        assert [(row["computed"], row["reused"]) for row in done.json["runs"]] == [(0, 11), (11, 0)]

    def test_moved_data_set_is_reused(self, extract, scans, tmp_path):
        extract("scans")
        (tmp_path / "disk").mkdir()
        shutil.move(scans, tmp_path / "disk" / "scans")
        assert counts(extract(tmp_path / "disk" / "scans")) == (0, 11, 0)

    def test_two_data_sets_of_one_name_are_not_mixed(self, extract, scans, tmp_path):
        extract("scans")
        folder_set(tmp_path / "other" / "scans", {"a": 2, "b": 2})
        done = extract("other/scans")
        assert done.code == 1
        assert "--name" in done.error[1]
        assert counts(extract("other/scans", "--name", "second")) == (4, 0, 0)
        assert counts(extract("scans")) == (0, 11, 0)


class TestDamagedCache:
    @pytest.mark.parametrize("keep", [0.5, 0.05, 0.0])
    def test_file_cut_short_is_computed_again_with_a_note(self, extract, scans, keep):
        first = extract("scans")
        whole, path = stored(first), Path(first.json["runs"][0]["file"])
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])
        done = extract("scans")
        assert counts(done) == (11, 0, 0)
        assert "damaged" in done.stderr
        np.testing.assert_array_equal(stored(done).vectors, whole.vectors)

    def test_text_in_place_of_the_file(self, extract, scans):
        path = Path(extract("scans").json["runs"][0]["file"])
        path.write_text("this is no HDF5")
        assert counts(extract("scans")) == (11, 0, 0)

    def test_foreign_hdf5_in_place_of_the_file(self, extract, scans):
        path = Path(extract("scans").json["runs"][0]["file"])
        with h5py.File(path, "w") as file:
            file["vectors"] = np.zeros((11, 8))
        assert counts(extract("scans")) == (11, 0, 0)

    def test_bit_flip_in_cached_vectors_is_never_carried_on(self, extract, scans):
        first = extract("scans")
        whole, path = stored(first), Path(first.json["runs"][0]["file"])
        data = bytearray(path.read_bytes())
        data[bytes(data).index(whole.vectors[4].tobytes())] ^= 1
        path.write_bytes(bytes(data))
        write_picture(scans / "cyst" / "zzz.png", 5000)
        done = extract("scans")
        if done.code:
            assert "damaged" in done.error[0]
            path.unlink()
            done = extract("scans")
        np.testing.assert_array_equal(stored(done).vectors, stored(extract("scans", "--cache", "fresh")).vectors)

    def test_damaged_block_is_computed_again(self, extract, scans, monkeypatch, blocks_of):
        blocks_of(4)
        monkeypatch.setenv("FAKE_ENGINE_INTERRUPT", "3")
        assert extract("scans").code == 130
        monkeypatch.delenv("FAKE_ENGINE_INTERRUPT")
        block = sorted(Path("cache").rglob("*.npz"))[0]
        block.write_bytes(block.read_bytes()[:100])
        done = extract("scans")
        for _ in range(2):  # a second run may be asked for, never a third
            if done.code:
                done = extract("scans")
        assert done.code == 0
        np.testing.assert_array_equal(stored(done).vectors, stored(extract("scans", "--cache", "fresh")).vectors)


class TestBadImages:
    @pytest.fixture
    def spoilt(self, scans):
        (scans / "cyst" / "cyst001.png").write_text("not an image")
        (scans / "normal" / "empty.png").write_bytes(b"")
        whole = (scans / "normal" / "normal000.png").read_bytes()
        (scans / "normal" / "half.png").write_bytes(whole[: len(whole) // 2])
        return scans

    def test_are_listed_and_the_rest_is_kept(self, extract, spoilt):
        done = extract("scans")
        assert done.code == 1
        assert "3 of 13 images" in done.error[0]
        assert "--max-bad" in done.error[0]
        (row,) = done.json["runs"]
        assert {item["path"] for item in row["bad"]} == {
            "cyst/cyst001.png",
            "normal/empty.png",
            "normal/half.png",
        }
        assert all(item["reason"] for item in row["bad"])
        assert counts(done) == (10, 0, 3)
        assert len(stored(done).ids) == 10

    def test_fewer_than_allowed_are_no_error(self, extract, spoilt):
        done = extract("scans", "--max-bad", "0.3")
        assert done.code == 0
        assert "unreadable: normal/empty.png: the file is empty" in done.stderr

    def test_are_not_tried_again(self, extract, spoilt, fake):
        extract("scans")
        fake.loaded.clear()
        assert counts(extract("scans")) == (0, 10, 3)
        assert fake.loaded == []

    def test_mended_ones_are_computed(self, extract, spoilt):
        extract("scans")
        write_picture(spoilt / "normal" / "empty.png", 333)
        done = extract("scans", "--max-bad", "1")
        assert counts(done) == (1, 10, 2)
        whole = stored(extract("scans", "--cache", "fresh"))
        np.testing.assert_array_equal(stored(done).vectors, whole.vectors)
        assert stored(done).ids.tolist() == whole.ids.tolist()

    def test_one_that_spoils_later_leaves(self, extract, scans):
        extract("scans")
        (scans / "cyst" / "cyst000.png").write_bytes(b"\x89PNG broken")
        done = extract("scans", "--max-bad", "1")
        assert counts(done) == (0, 10, 1)
        assert "cyst/cyst000.png" not in stored(done).ids

    def test_one_that_the_table_names_but_does_not_exist(self, extract, tmp_path):
        table_set(tmp_path / "cohort", [("a.png", "0"), ("b.png", "1"), ("c.png", "1")])
        (tmp_path / "cohort" / "images" / "c.png").unlink()
        done = extract("cohort", "--max-bad", "0.5")
        assert counts(done) == (2, 0, 1)
        assert done.json["runs"][0]["bad"][0]["path"] == "c.png"

    def test_all_of_them(self, extract, scans):
        for path in scans.rglob("*.png"):
            path.write_text("no")
        done = extract("scans")
        assert done.code == 1
        assert "none of the" in done.error[0]

    def test_reason_is_one_line(self, extract, spoilt):
        for item in extract("scans").json["runs"][0]["bad"]:
            assert len(item["reason"].splitlines()) == 1


class TestPrecision:
    def test_reduced_is_used_where_the_probe_allows_it(self, extract, scans, monkeypatch):
        monkeypatch.setenv("FAKE_ENGINE_REDUCED", "bfloat16")
        (row,) = extract("scans").json["runs"]
        assert row["precision"] == "bfloat16"
        assert row["precision_error"] == pytest.approx(0.005, rel=0.01)

    def test_reduced_by_default_is_reused_by_default(self, extract, scans, monkeypatch):
        monkeypatch.setenv("FAKE_ENGINE_REDUCED", "bfloat16")
        first, second = extract("scans"), extract("scans")
        assert counts(second) == (0, 11, 0)
        kept = ("precision", "precision_error", "file")
        assert [first.json["runs"][0][name] for name in kept] == [second.json["runs"][0][name] for name in kept]

    def test_too_coarse_is_refused_by_name_and_passed_over_by_default(self, extract, scans, monkeypatch):
        monkeypatch.setenv("FAKE_ENGINE_REDUCED", "bfloat16")
        monkeypatch.setattr("headroom.features.engines.PROBE_LIMIT", 0.001)
        (row,) = extract("scans").json["runs"]
        assert row["precision"] == "float32"
        done = extract("scans", "--precision", "bfloat16")
        assert done.code == 1
        assert "float32" in done.error[1]

    def test_precisions_are_kept_apart(self, extract, scans):
        exact = extract("scans", "--precision", "float32")
        fast = extract("scans", "--precision", "bfloat16")
        assert counts(fast) == (11, 0, 0)
        assert exact.json["runs"][0]["file"] != fast.json["runs"][0]["file"]

    def test_vectors_that_are_no_numbers_are_refused(self, extract, scans, monkeypatch):
        monkeypatch.setenv("FAKE_ENGINE_DEAD", "1")
        done = extract("scans")
        assert done.code == 1
        assert "not finite" in done.error[0]
        assert not list(Path("cache").rglob("*.h5"))


class TestMachine:
    @pytest.fixture
    def gpu_that_keras_does_not_see(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        monkeypatch.setattr("headroom.features.engines.keras.devices", lambda: [{"CUDA_VISIBLE_DEVICES": "0"}])
        monkeypatch.setattr("headroom.features.engines.keras.gpus", list)

    @pytest.fixture
    def back_end_that_is_missing(self, monkeypatch):
        def gpus():
            got = "No module named 'torch'"
            raise ModuleNotFoundError(got)

        monkeypatch.setattr("headroom.features.engines.keras.gpus", gpus)

    @pytest.mark.usefixtures("gpu_that_keras_does_not_see")
    def test_a_gpu_that_cannot_be_used_costs_a_line(self, extract, scans):
        done = extract("scans")
        assert counts(done) == (11, 0, 0)
        assert done.json["runs"][0]["engine"] == "openvino"
        assert "note: there is an NVIDIA GPU, but Keras does not see it; going on with openvino" in done.stderr

    @pytest.mark.usefixtures("gpu_that_keras_does_not_see")
    def test_a_gpu_that_cannot_be_used_is_an_error_where_it_was_asked_for(self, extract, scans):
        done = extract("scans", "--engine", "keras")
        assert done.code == 1
        assert "--engine openvino" in done.error[1]

    @pytest.mark.usefixtures("back_end_that_is_missing")
    def test_missing_back_end(self, extract, scans):
        done = extract("scans", "--engine", "keras")
        assert done.code == 1
        assert done.error[0] == "Keras does not start: No module named 'torch'"
        assert "KERAS_BACKEND" in done.error[1]


class TestViews:
    def test_each_is_a_file_of_its_own_and_computed_once(self, extract, scans, fake):
        first = extract("scans", "--views", "2").json["runs"]
        assert [(row["view"], row["computed"]) for row in first] == [(0, 11), (1, 11), (2, 11)]
        assert len({row["file"] for row in first}) == 3
        vectors = [read_embeddings(Path(row["file"])).vectors for row in first]
        assert not np.array_equal(vectors[0], vectors[1])
        assert not np.array_equal(vectors[1], vectors[2])
        more = extract("scans", "--views", "3").json["runs"]
        assert [row["computed"] for row in more] == [0, 0, 0, 11]

    def test_the_images_themselves_are_the_same_with_and_without(self, extract, scans):
        alone = stored(extract("scans", "--cache", "alone")).vectors
        with_views = extract("scans", "--views", "1").json["runs"][0]
        np.testing.assert_array_equal(read_embeddings(Path(with_views["file"])).vectors, alone)

    def test_unmirrored_views_are_kept_apart(self, extract, scans):
        mirrored, plain = (extract("scans", "--views", "1", flag) for flag in ("--mirror", "--no-mirror"))
        assert mirrored.json["runs"][1]["file"] != plain.json["runs"][1]["file"]


class TestInterrupted:
    def test_goes_on_at_the_block(self, extract, tmp_path, monkeypatch, fake, blocks_of):
        blocks_of(8)
        folder_set(tmp_path / "many", {"a": 20, "b": 20})
        monkeypatch.setenv("FAKE_ENGINE_INTERRUPT", "8")
        done = extract("many")
        assert done.code == 130
        assert done.error[0] == "interrupted"
        monkeypatch.delenv("FAKE_ENGINE_INTERRUPT")
        fake.batches = 0
        done = extract("many")
        assert done.code == 0
        assert fake.batches <= 40 // fake.BATCH - 3 * 8 // fake.BATCH
        np.testing.assert_array_equal(stored(done).vectors, stored(extract("many", "--cache", "fresh")).vectors)
        assert not list(Path("cache").rglob("*.npz"))

    def test_blocks_of_images_that_changed_meanwhile_are_not_used(self, extract, tmp_path, monkeypatch, blocks_of):
        blocks_of(8)
        many = folder_set(tmp_path / "many", {"a": 20, "b": 20})
        monkeypatch.setenv("FAKE_ENGINE_INTERRUPT", "8")
        extract("many")
        monkeypatch.delenv("FAKE_ENGINE_INTERRUPT")
        write_picture(many / "a" / "a000.png", 500)
        (many / "a" / "a019.png").unlink()
        np.testing.assert_array_equal(
            stored(extract("many")).vectors, stored(extract("many", "--cache", "fresh")).vectors
        )


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "near"),
        [
            (("--model", "fale", "--dataset", "scans"), "fake"),
            (("--model", "exception", "--dataset", "scans"), "xception"),
            (("--model", "resnet5", "--dataset", "scans"), "resnet50"),
            (("--model", "fake", "--dataset", "apots"), "aptos"),
            (("--model", "fake", "--dataset", "brain_tumour"), "brain-tumor"),
        ],
    )
    def test_unknown_names_are_answered_with_the_nearest(self, run, scans, arguments, near):
        done = run("extract", "--weights", "random", *arguments)
        assert done.code == 2
        assert near in done.error[1]

    def test_wildcard_without_a_hit(self, run, scans):
        done = run("extract", "--model", "nothing*", "--weights", "random", "--dataset", "scans")
        assert done.code == 2
        assert "unknown model" in done.error[0]

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            (("--weights", "missing.h5"), "no such file"),
            (("--weights", "scans/cyst/cyst000.png"), "neither 'imagenet'"),
            (("--weights", "random", "--weights", "random"), "2 times --weights"),
            (("--weights", "random", "--size", "3"), "--size 3"),
            (("--weights", "random", "--preprocessing", "unit"), "--preprocessing"),
            (("--weights", "random", "--labels", "nowhere.csv"), "nowhere.csv"),
            (("--weights", "random", "--group-pattern", "("), "--group-pattern"),
            (("--weights", "random", "--group-pattern", "nobody"), "matches none"),
            (("--weights", "random", "--name", "..."), "name"),
        ],
    )
    def test_other_wrong_input(self, run, scans, arguments, word):
        done = run("extract", "--model", "fake", "--dataset", "scans", *arguments)
        assert done.code in (1, 2)
        assert word in done.error[0]

    def test_missing_folder(self, extract):
        done = extract("./nowhere")
        assert done.code == 2
        assert "nowhere" in done.error[0]

    def test_empty_folder(self, extract, tmp_path):
        (tmp_path / "empty").mkdir()
        done = extract("empty")
        assert done.code == 1
        assert "no class folder" in done.error[0]

    def test_file_in_place_of_a_folder(self, extract, tmp_path):
        (tmp_path / "note.txt").write_text("x")
        assert extract("./note.txt").code == 2

    def test_folder_with_one_class(self, extract, tmp_path):
        folder_set(tmp_path / "single", {"only": 3})
        done = extract("single")
        assert done.code == 1
        assert "one class only" in done.error[0]

    def test_known_set_that_is_not_there_says_how_to_get_it(self, extract):
        done = extract("aptos")
        assert done.code == 1
        assert "Kaggle" in done.error[1]

    def test_own_model_that_is_no_keras_file(self, run, scans, tmp_path):
        (tmp_path / "mine.keras").write_text("no")
        done = run("extract", "--model", "mine.keras", "--dataset", "scans")
        assert done.code == 1
        assert "no .keras file" in done.error[0]

    def test_own_model_that_is_missing(self, run, scans):
        done = run("extract", "--model", "mine.keras", "--dataset", "scans")
        assert done.code == 1
        assert "mine.keras" in done.error[0]

    @pytest.mark.parametrize(
        "arguments", [("--engine", "abacus"), ("--max-bad", "2"), ("--size", "big"), ("--frobnicate",)]
    )
    def test_what_the_parser_refuses(self, run, scans, arguments):
        done = run("extract", "--model", "fake", "--dataset", "scans", *arguments)
        assert done.code == 2
        assert arguments[0] in done.stderr

    def test_no_arguments(self, run):
        done = run("extract")
        assert done.code == 2
        assert "--" in done.stderr


class TestPlaces:
    def test_cache_that_is_a_file(self, extract, scans, tmp_path):
        (tmp_path / "taken").write_text("x")
        done = extract("scans", "--cache", "taken")
        assert done.code == 1
        assert "taken" in done.error[0]

    @pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no folder here that refuses even root")
    def test_cache_where_nobody_may_write(self, extract, scans):
        done = extract("scans", "--cache", "/proc/headroom")
        assert done.code == 1
        assert "/proc/headroom" in done.error[0]

    def test_cache_and_data_from_the_environment(self, extract, scans, tmp_path, monkeypatch):
        monkeypatch.setenv("HEADROOM_CACHE", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("HEADROOM_DATA", str(tmp_path))
        monkeypatch.chdir(scans)
        (row,) = extract("scans").json["runs"]
        assert Path(row["file"]).is_relative_to(tmp_path / "elsewhere")

    def test_names_with_spaces_and_letters_of_any_language(self, extract, tmp_path):
        folder_set(tmp_path / "Bilder für Ärzte 眼底", {"gesund": 2, "крайне": 2, "=cmd()": 2})
        done = extract("Bilder für Ärzte 眼底")
        assert counts(done) == (6, 0, 0)
        assert set(stored(done).classes) == {"gesund", "крайне", "=cmd()"}

    def test_json_is_plain_utf8(self, extract, tmp_path):
        folder_set(tmp_path / "Ärzte", {"a": 2, "b": 2})
        assert json.loads(extract("Ärzte").stdout)["dataset"] == "Ärzte"


def test_blocks_that_a_run_left_which_was_killed_at_its_very_end_are_removed(extract, tmp_path):
    folder_set(tmp_path / "scans", {"a": 6, "b": 6})
    file = tmp_path / extract("scans").json["runs"][0]["file"]
    left = file.with_suffix(".blocks")
    left.mkdir()
    (left / "000000-abc.npz").write_bytes(b"finished before")
    assert extract("scans").json["runs"][0]["computed"] == 0
    assert not left.exists()
