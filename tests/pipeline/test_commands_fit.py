"""Both stages through the commands: extract, fit, report; what is fitted, reused, refused."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.pictures import folder_set, write_picture
from tests.pipeline.in_process import in_this_process

HEADS = ("--head", "gaussian-nb", "--head", "knn")
CELL_KEYS = {"dataset", "model", "head", "balance", "status", "reason", "seconds", "repeats"}
METRICS = {
    *("accuracy", "balanced_accuracy", "recall_macro", "specificity_macro", "precision_macro", "f1_macro", "mcc"),
    *("kappa_quadratic", "auroc_ovr", "auprc_macro", "log_loss", "brier", "ece"),
}


@pytest.fixture
def embedded(extract, tmp_path):
    """Extract a small imbalanced set with the fake backbone."""
    scans = folder_set(tmp_path / "scans", {"many": 24, "some": 14, "few": 10})
    assert extract("scans").code == 0
    return scans


@pytest.fixture
def fit(run, monkeypatch):
    """Run ``fit --json``; its cells are fitted in this process, for workers take seconds to start."""

    in_this_process(monkeypatch)

    def call(*arguments, head=HEADS):
        return run("fit", *head, "--folds", "3", "--jobs", "1", "--json", *arguments)

    return call


def statuses(done):
    return {(cell["head"], cell["balance"]): cell["status"] for cell in done.json["cells"]}


class TestFit:
    def test_json_has_the_agreed_form(self, embedded, fit):
        done = fit()
        assert done.code == 0
        assert set(done.json) == {"cells", "seconds"}
        assert all(set(cell) == CELL_KEYS for cell in done.json["cells"])
        assert statuses(done) == {("gaussian-nb", "none"): "fitted", ("knn", "none"): "fitted"}

    def test_a_second_fit_reuses_all(self, embedded, fit):
        fit("--smote")
        done = fit("--smote")
        assert set(statuses(done).values()) == {"reused"}
        assert len(statuses(done)) == 4

    def test_smote_is_fitted_beside_none(self, embedded, fit):
        fit()
        assert statuses(fit("--smote")) == {
            ("gaussian-nb", "none"): "reused",
            ("knn", "none"): "reused",
            ("gaussian-nb", "smote"): "fitted",
            ("knn", "smote"): "fitted",
        }

    @pytest.mark.parametrize("change", [("--folds", "2"), ("--seed", "1"), ("--repeats", "2"), ("--reduce", "pca:3")])
    def test_another_setting_never_reuses(self, embedded, fit, change):
        fit()
        assert set(statuses(fit(*change)).values()) == {"fitted"}
        assert set(statuses(fit()).values()) == {"reused"}

    def test_three_repeats_unless_there_are_very_many_images(self, embedded, fit, monkeypatch):
        def repeats(*arguments):
            done = fit(*arguments, head=("--head", "gaussian-nb"))
            return [cell["repeats"] for cell in done.json["cells"]], "more than 40: 1 repeat" in done.stderr

        assert repeats() == ([3], False)
        monkeypatch.setattr("headroom.heads.folds.MANY_IMAGES", 40)
        assert repeats() == ([1], True)
        assert repeats("--repeats", "2") == ([2], False)

    def test_repeats_that_would_be_the_same_are_counted_once_and_that_is_said(self, extract, fit, tmp_path):
        images = sorted(folder_set(tmp_path / "scans", {"many": 8, "few": 8}).glob("*/*.png"))
        rows = [f"{path.parent.name}/{path.name},{path.parent.name},p{row // 4}" for row, path in enumerate(images)]
        (tmp_path / "scans" / "labels.csv").write_text("\n".join(["image,label,patient", *rows]))
        extract("scans")
        done = fit("--folds", "2", "--repeats", "5", head=("--head", "gaussian-nb"))
        assert [cell["repeats"] for cell in done.json["cells"]] == [2]
        assert "scans: only 2 of 5 repeats divide the patients differently" in done.stderr
        again = fit("--folds", "2", "--repeats", "2", head=("--head", "gaussian-nb"))
        assert set(statuses(again).values()) == {"reused"}
        assert "only" not in again.stderr

    def test_seeds_of_resampling_are_no_cells_of_their_own(self, embedded, fit, run):
        fit("--smote", "--repeats", "1", "--balance-seeds", "2", head=("--head", "gaussian-nb"))
        rows = {row["balance"]: row for row in run("report", "--json").json["rows"]}
        assert set(rows) == {"none", "smote"}
        assert rows["none"]["balance_seed_sd"] is None
        assert rows["smote"]["balance_seed_sd"]["recall_macro"] >= 0

    def test_a_changed_image_is_fitted_anew(self, embedded, extract, fit):
        fit()
        write_picture(embedded / "few" / "few000.png", 12345)
        extract("scans")
        assert set(statuses(fit()).values()) == {"fitted"}

    def test_a_touched_image_is_not(self, embedded, extract, fit):
        import os

        fit()
        os.utime(embedded / "few" / "few000.png", (1, 1))
        extract("scans")
        assert set(statuses(fit()).values()) == {"reused"}

    def test_two_models_joined(self, embedded, extract, fit):
        extract("scans", model="fake-wide")
        done = fit("--model", "fake+fake-wide")
        assert {cell["model"] for cell in done.json["cells"]} == {"fake+fake-wide"}
        assert set(statuses(done).values()) == {"fitted"}

    def test_a_class_with_one_image(self, run, extract, fit, tmp_path):
        folder_set(tmp_path / "rare", {"a": 8, "b": 8, "single": 1})
        assert extract("rare").code == 0
        done = fit()
        assert done.code == 1
        assert "single" in done.error[0]


class TestTwoStages:
    def test_report_follows_from_what_was_fitted(self, embedded, fit, run):
        fit("--smote")
        done = run("report", "--format", "json")
        assert done.code == 0
        report = json.loads(done.stdout)
        assert {"rows", "comparisons", "checks"} <= set(report)
        assert len(report["rows"]) == 4
        for row in report["rows"]:
            assert set(row["metrics"]) >= METRICS
            assert row["n"] == 48
            assert (row["dataset"], row["model"], row["protocol"]) == ("scans", "fake", "cv")
        assert {(item["head"], item["balance"], item["against"]) for item in report["comparisons"]} == {
            ("gaussian-nb", "smote", "none"),
            ("knn", "smote", "none"),
        }

    def test_brightness_is_learned(self, embedded, fit, run):
        """The classes of the made images differ in brightness, which the fake backbone sees."""
        fit()
        rows = json.loads(run("report", "--json").stdout)["rows"]
        assert min(row["metrics"]["balanced_accuracy"] for row in rows) > 0.9

    def test_report_before_fit(self, run):
        done = run("report")
        assert done.code == 2
        assert "fit" in done.error[1]


class TestWrongUse:
    def test_nothing_extracted(self, fit):
        done = fit()
        assert done.code == 2
        assert "extract" in done.error[1]

    @pytest.mark.parametrize(
        ("arguments", "near"),
        [
            (("--head", "smv"), "svm"),
            (("--head", "randomforest"), "random-forest"),
            (("--head", "knn", "--balance", "smoote"), "smote"),
            (("--head", "knn", "--balance", "borderline"), "borderline-smote"),
            (("--head", "knn", "--model", "fale"), "fake"),
            (("--head", "knn", "--dataset", "scan"), "scans"),
            (("--head", "knn", "--model", "fake+fale"), "fake"),
        ],
    )
    def test_unknown_names_are_answered_with_the_nearest(self, embedded, run, arguments, near):
        done = run("fit", *arguments)
        assert done.code == 2
        assert near in done.error[1]

    @pytest.mark.parametrize("reduce", ["pca", "pca:0", "pca:x", "tsne:2", ""])
    def test_reduction_that_is_not_understood(self, embedded, fit, reduce):
        done = fit("--reduce", reduce)
        assert done.code in (1, 2)
        assert "reduce" in done.error[0]

    @pytest.mark.parametrize("arguments", [("--folds", "1"), ("--folds", "x"), ("--protocol", "guess")])
    def test_what_the_parser_refuses(self, embedded, run, arguments):
        done = run("fit", "--head", "knn", *arguments)
        assert done.code == 2
        assert arguments[0] in done.stderr

    def test_official_split_where_there_is_none(self, embedded, fit):
        done = fit("--protocol", "split")
        assert done.code == 1
        assert "official train and test parts" in done.error[0]

    def test_one_set_that_cannot_be_divided_does_not_stop_the_others(self, embedded, extract, fit, tmp_path):
        for part, ending in (("train", "png"), ("test", "jpg")):
            folder_set(tmp_path / "divided" / part, {"many": 14, "few": 8}, ending)
        assert extract("divided").code == 0
        done = fit("--protocol", "split")
        assert done.code == 0
        assert {cell["dataset"] for cell in done.json["cells"]} == {"divided"}
        assert any("left out: scans fake: the data set has no official" in line for line in done.stderr.splitlines())

    def test_more_folds_than_the_smallest_class_has_images(self, embedded, fit):
        done = fit("--folds", "20")
        assert done.code == 1
        assert "few" in done.error[0]


class TestDamagedCache:
    def test_damaged_embeddings_are_named_and_left_out(self, embedded, fit):
        (path,) = Path("cache").rglob("*.h5")
        path.write_bytes(path.read_bytes()[:2000])
        done = fit()
        assert done.code == 2
        assert path.name in done.stderr

    def test_flipped_vectors_are_refused(self, embedded, fit):
        (path,) = Path("cache").rglob("*.h5")
        with h5py.File(path) as file:
            row = file["vectors"][5].tobytes()
        data = bytearray(path.read_bytes())
        data[bytes(data).index(row)] ^= 1
        path.write_bytes(bytes(data))
        done = fit()
        assert done.code == 1
        assert "damaged" in done.error[0]

    @pytest.mark.parametrize("content", [b"no database", b"", bytes(4096)])
    def test_results_that_are_no_database(self, embedded, fit, content):
        Path("cache/results.db").write_bytes(content)
        done = fit()
        if done.code:
            assert "results.db" in done.error[0]
        else:
            assert set(statuses(done).values()) == {"fitted"}

    def test_vectors_that_are_no_numbers_are_refused(self, embedded, fit, monkeypatch):
        from headroom.pipeline import problems

        honest = problems.read_vectors

        def spoilt(*asked):
            vectors = honest(*asked)
            vectors[0, 0] = np.nan
            return vectors

        monkeypatch.setattr(problems, "read_vectors", spoilt)
        done = fit()
        assert done.code == 1
        assert "no numbers" in done.error[0]
