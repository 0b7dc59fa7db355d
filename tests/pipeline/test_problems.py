"""From embedding files in the cache to the problems of stage two."""

import numpy as np
import pytest

from headroom.errors import FeatureError, UsageError
from headroom.pipeline.cache import read_cache
from headroom.pipeline.problems import load_problem, plan_problems
from tests.embeddings import LABELS, store


def plan(cache, datasets=(), models=()):
    return [(dataset, model) for dataset, model, _ in plan_problems(read_cache(cache), datasets, models)]


def load(cache, model):
    ((dataset, name, files),) = plan_problems(read_cache(cache), (), [model])
    return load_problem(dataset, name, files)


class TestPlan:
    @pytest.fixture
    def cache(self, tmp_path):
        for dataset in ("aptos", "brain"):
            for model in ("mobilenet", "xception"):
                store(tmp_path, dataset, model)
        return tmp_path

    def test_all(self, cache):
        assert len(plan(cache)) == 4

    def test_wildcards(self, cache):
        assert plan(cache, ["a*"], ["x*"]) == [("aptos", "xception")]

    def test_joined(self, cache):
        assert plan(cache, ["brain"], ["mobilenet+xception", "xception"]) == [
            ("brain", "mobilenet+xception"),
            ("brain", "xception"),
        ]

    def test_each_once(self, cache):
        assert plan(cache, ["brain"], ["xception", "x*", "xception"]) == [("brain", "xception")]

    def test_one_of_several_files(self, cache):
        store(cache, "aptos", "xception", "e" * 64)
        assert plan(cache, ["aptos"], ["xception@eeeeeeee"]) == [("aptos", "xception@eeeeeeee")]

    @pytest.mark.parametrize("model", ["xceptoin", "mobilenet+xceptoin", "xception@00000000"])
    def test_unknown_model_is_answered_with_the_nearest(self, cache, model):
        with pytest.raises(UsageError, match="unknown stored model") as caught:
            plan(cache, ["aptos"], [model])
        assert "xception" in caught.value.remedy

    def test_unknown_set(self, cache):
        with pytest.raises(UsageError, match="unknown data set") as caught:
            plan(cache, ["aptoss"])
        assert "aptos" in caught.value.remedy

    def test_nothing_stored(self, tmp_path):
        with pytest.raises(UsageError, match="no embeddings") as caught:
            plan(tmp_path)
        assert "extract" in caught.value.remedy


class TestLoad:
    def test_what_was_stored(self, tmp_path):
        store(tmp_path)
        problem = load(tmp_path, "fake")
        assert problem.vectors[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
        assert problem.labels.tolist() == LABELS
        assert problem.classes == ("a", "b", "c")

    def test_groups_join_patients_and_identical_content(self, tmp_path):
        store(tmp_path, groups=("p", "p", "", "q", "", "q"))
        groups = load(tmp_path, "fake").groups
        assert groups[0] == groups[1]
        assert groups[3] == groups[5]
        assert len(set(groups)) == 4

    def test_groups_are_numbered_by_content_whatever_orders_the_rows(self, tmp_path):
        order = [5, 3, 1, 0, 2, 4]
        patients = np.array(["p", "", "q", "p", "", "q"])
        store(tmp_path / "before", groups=patients)
        store(tmp_path / "after", rows=order, groups=np.char.replace(patients, "p", "z")[order])
        before, after = (load(tmp_path / name, "fake").groups for name in ("before", "after"))
        assert before[order].tolist() == after.tolist()
        assert len(set(after.tolist())) == 4

    def test_fusion_joins_vectors_of_the_same_image_whatever_the_order(self, tmp_path):
        store(tmp_path, model="one")
        store(tmp_path, model="two", rows=[5, 3, 1, 0, 2, 4], offset=100)
        problem = load(tmp_path, "one+two")
        assert problem.vectors.shape == (6, 16)
        assert problem.vectors[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
        assert (problem.vectors[:, 8] - 100).tolist() == [0, 1, 2, 3, 4, 5]
        assert problem.labels.tolist() == LABELS

    def test_fusion_leaves_out_what_one_model_lacks(self, tmp_path):
        store(tmp_path, model="one", rows=[0, 1, 2, 4])
        store(tmp_path, model="two", rows=[1, 2, 3, 4])
        problem = load(tmp_path, "one+two")
        assert problem.ids.tolist() == ["1.png", "2.png", "4.png"]
        assert problem.labels.tolist() == [1, 0, 2]

    def test_fusion_of_nothing_in_common(self, tmp_path):
        store(tmp_path, model="one", rows=[0, 1, 2])
        store(tmp_path, model="two", rows=[3, 4, 5])
        with pytest.raises(FeatureError, match="no image in common"):
            load(tmp_path, "one+two")

    def test_fingerprint_changes_with_whatever_determines_the_problem(self, tmp_path):
        variants = [
            {},
            {"rows": [0, 1, 2, 3, 4]},
            {"groups": ("p",) * 6},
            {"split": ("train",) * 6},
            {"ordinal": True},
            {"fingerprint": "e" * 64},
            {"labels": np.array([1, 1, 0, 1, 2, 2])},
        ]
        fingerprints = set()
        for number, variant in enumerate(variants):
            store(tmp_path / str(number), **variant)
            fingerprints.add(load(tmp_path / str(number), "fake").fingerprint)
        assert len(fingerprints) == len(variants)

    def test_fingerprint_stays_with_time_and_place(self, tmp_path):
        store(tmp_path / "a")
        store(tmp_path / "b")
        assert load(tmp_path / "a", "fake").fingerprint == load(tmp_path / "b", "fake").fingerprint

    def test_damaged_vectors(self, tmp_path):
        path = store(tmp_path)
        data = bytearray(path.read_bytes())
        data[bytes(data).index(np.full(8, 3, np.float32).tobytes())] ^= 1
        path.write_bytes(bytes(data))
        with pytest.raises(FeatureError, match="damaged"):
            load(tmp_path, "fake")


class TestViews:
    def view(self, cache, number, *, of="f" * 64, **options):
        about = {"view": str(number), "view_of": of}
        store(cache, fingerprint=f"{number:02d}" * 32, offset=1000 * number, about=about, **options)

    def views(self, cache, model):
        ((dataset, name, files),) = plan_problems(read_cache(cache), (), [model])
        return load_problem(dataset, name, files, views=True).views

    def test_are_no_models_of_their_own(self, tmp_path):
        store(tmp_path)
        self.view(tmp_path, 1)
        assert plan(tmp_path) == [("scans", "fake")]

    def test_are_read_beside_the_images(self, tmp_path):
        store(tmp_path)
        self.view(tmp_path, 1)
        self.view(tmp_path, 2, rows=[5, 4, 3, 2, 1, 0])
        views = self.views(tmp_path, "fake")
        assert views.shape == (6, 2, 8)
        assert views[:, 1, 0].tolist() == [2000, 2001, 2002, 2003, 2004, 2005]

    def test_are_left_out_where_none_are_wanted_or_there(self, tmp_path):
        store(tmp_path)
        assert self.views(tmp_path, "fake") is None
        self.view(tmp_path, 1)
        assert load(tmp_path, "fake").views is None

    def test_of_two_models_are_joined_number_by_number(self, tmp_path):
        store(tmp_path, model="one")
        store(tmp_path, model="two", fingerprint="e" * 64)
        for number in (1, 2):
            self.view(tmp_path, number, model="one")
        for number in (1, 10, 2):
            self.view(tmp_path, number, model="two", of="e" * 64)
        views = self.views(tmp_path, "one+two")
        assert views.shape == (6, 2, 16)
        assert (views[..., 0] == views[..., 8]).all()
