"""The numbered checks: each finds what it is for, stays silent otherwise, is explained, and can be muted."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from benchmarks.fabricated import fabricate
from headroom.heads.balancing import BALANCERS, BalancerRecord
from headroom.heads.results import Results
from headroom.heads.samples import Problem
from headroom.heads.scores.scored import Scored
from headroom.pipeline.cache import read_cache
from headroom.pipeline.checks.checks import CHECKS, DAMAGE, run_checks
from headroom.pipeline.checks.facts import Evidence, FileFacts, ModelFacts, file_facts
from headroom.pipeline.report.source import read_cells
from tests.pictures import folder_set
from tests.pipeline.reports import write_results
from tests.records import header_of, image_set
from tests.running import ROOT, Done

Run = Callable[..., Done]

SIZE = 120
LABELS = np.repeat([0, 1, 2], SIZE // 3)


def problem_of(classes: tuple[str, ...], labels: np.ndarray, dataset: str = "aptos", **changes: Any) -> Problem:
    """Make a problem in which every image is a case of its own."""
    count = len(labels)
    about = {"ids": np.arange(count).astype(str), "split": np.full(count, ""), "ordinal": False, "fingerprint": dataset}
    values = {"dataset": dataset, "model": "m", "classes": classes, "labels": labels, "groups": np.arange(count)}
    return Problem(**{**about, **values, **changes})


def with_header(evidence: Evidence, **changes: Any) -> Evidence:
    return replace(evidence, header=replace(evidence.header, **changes))


def files(telling: bool) -> FileFacts | None:
    """What the properties of files tell; the mode gives the class away where ``telling``."""
    random = np.random.default_rng(0)
    modes = np.where(LABELS == 0, "L", "RGB") if telling else random.choice(["L", "RGB"], SIZE)
    sizes = random.integers(1000, 9000, SIZE).tolist()
    properties = [(64, 64, mode, "PNG", size) for mode, size in zip(modes, sizes, strict=True)]
    return file_facts(np.array(properties, dtype=object), LABELS)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A data set with nothing to find."""
    cache = tmp_path_factory.mktemp("cache")
    options = {"heads": ("svm", "knn"), "balancers": ("none", "random-over", "threshold"), "repeats": 2}
    write_results(cache, skills=dict.fromkeys(product(options["heads"], options["balancers"]), 0.4), **options)
    cells, _, scored = read_cells(cache)
    images = image_set(LABELS.tolist(), groups=tuple(f"p{row // 2}" for row in range(SIZE)))
    return Evidence(
        problem=problem_of(("a", "b", "c"), LABELS, split=np.where(np.arange(SIZE) % 2, "train", "test")),
        header=header_of(images, np.zeros((SIZE, 2), np.int64)),
        files=files(telling=False),
        models=(ModelFacts("mobilenet", 768),),
        cells=tuple(cells),
        scored=equally_well_known(scored),
    )


def equally_well_known(scored: dict[str, Scored]) -> dict[str, Scored]:
    """Let the cells of a large set vary together, so that a small difference could have been found."""
    alike = next(iter(scored.values())).drawn
    many = {"drawn": alike, "n": 12_000, "units": [12_000.0, 4000.0, 4000.0, 4000.0]}
    return {key: replace(each, **many) for key, each in scored.items()}


def same_content(evidence: Evidence, one: int, other: int) -> Evidence:
    """Give an image the content of another."""
    changed = evidence.header.content_hash.copy()
    changed[one] = changed[other]
    return with_header(evidence, content_hash=changed)


def renamed(evidence: Evidence, old: str, new: str) -> Evidence:
    """Let the cells of one balancer be of another."""
    cells = tuple(replace(cell, balance=new) if cell.balance == old else cell for cell in evidence.cells)
    return replace(evidence, cells=cells)


def without_class(evidence: Evidence) -> Evidence:
    """Take a class out of the test part of one fold."""
    key, first = next(iter(evidence.scored.items()))
    emptied = first.tested.copy()
    emptied[0, 2] = 0
    return replace(evidence, scored={**evidence.scored, key: replace(first, tested=emptied)})


def tiny_class(evidence: Evidence) -> Evidence:
    """Leave one image each of two classes, before anything is fitted."""
    return replace(
        evidence, cells=(), scored={}, problem=replace(evidence.problem, labels=np.minimum(np.arange(SIZE), 2))
    )


def noisier(evidence: Evidence) -> Evidence:
    """Let every difference of balancers vary widely between replicates."""
    noise = np.random.default_rng(0).normal(0, 0.1, len(next(iter(evidence.scored.values())).drawn["recall_macro"]))
    scored = {
        key: replace(
            each, drawn=each.drawn | {"recall_macro": each.drawn["recall_macro"] + noise * ("none" not in key)}
        )
        for key, each in evidence.scored.items()
    }
    return replace(evidence, scored=scored)


def worse_calibrated(evidence: Evidence) -> Evidence:
    losses = np.random.default_rng(0).normal(0.02, 0.005, 1001)
    return replace(
        evidence,
        scored={
            key: replace(each, calibration_loss=losses + 0.1 * ("over" in key)) for key, each in evidence.scored.items()
        },
    )


def few_patients(evidence: Evidence) -> Evidence:
    """Let a class be of 40 images, 30 of them of one patient."""
    groups = evidence.problem.groups.copy()
    groups[-30:] = groups[-1]
    return replace(evidence, problem=replace(evidence.problem, groups=groups))


FAULTS: dict[str, tuple[Callable[[Evidence], Evidence], str]] = {
    "M001": (lambda e: same_content(e, 0, SIZE - 1), "1 group of identical images"),
    "M002": (lambda e: same_content(e, 0, 1), "1 image with the same content"),
    "M003": (lambda e: replace(e, models=(ModelFacts("m", 8, near=1, pair=("a.png", "b.png")),)), "a.png and b.png"),
    "M004": (lambda e: with_header(e, groups=("",) * SIZE), "no patient ids"),
    "M005": (without_class, "class c is missing from one side of 1 fold"),
    "M006": (tiny_class, "class a has 0 training images"),
    "M007": (lambda e: replace(e, changed=("a.png",)), "1 image changed or gone"),
    "M008": (lambda e: with_header(e, bad={"a.png": "cut short"}), "a.png (cut short)"),
    "M009": (lambda e: renamed(e, "random-over", "smote"), "k-NN with smote on 768 columns"),
    "M010": (worse_calibrated, "2 of 2 resampled"),
    "M011": (noisier, "a true difference in macro recall in 80 % of cases only if it is above 0."),
    "M012": (lambda e: renamed(e, "threshold", "adasyn"), "to compare with: knn, svm"),
    "M013": (lambda e: replace(e, models=(ModelFacts("m", 768, not_finite=3),)), "3 columns with values that are no"),
    "M014": (lambda e: replace(e, files=files(telling=True)), "mode most"),
    "M016": (few_patients, "the images tell no more than 1"),
    "M017": (lambda e: with_header(e, groups=("",) * 40 + ("p",) * (SIZE - 40)), "40 of 120 images have no patient id"),
}


@pytest.mark.parametrize("code", CHECKS)
def test_every_check_finds_its_fault_and_nothing_else(clean: Evidence, code: str) -> None:
    assert run_checks([clean]) == []
    fault, message = FAULTS[code]
    found = {one["code"]: one for one in run_checks([fault(clean)])}
    assert found[code]["message"].startswith("aptos: ")
    assert message in found[code]["message"]
    assert found[code]["severity"] in ("note", "warning")
    assert code not in {one["code"] for one in run_checks([fault(clean)], ignored=[code])}


@pytest.mark.parametrize("code", CHECKS)
def test_every_check_bears_having_nothing_to_look_at(code: str) -> None:
    assert CHECKS[code].find(Evidence(problem_of(("a", "b"), np.repeat([0, 1], 20)))) is None


@pytest.mark.parametrize("check", [DAMAGE, *CHECKS.values()], ids=lambda check: check.code)
def test_every_check_is_explained(check: Any) -> None:
    text = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    section = text.partition(f'<a id="{check.docs.partition("#")[2]}"></a>\n## {check.code}: {check.title}\n')[2]
    section = section.partition("<a id=")[0]
    for part in ("**What it means.**", "**Why it matters.**", "**What to do.**"):
        assert part in section


def test_calibration_that_differs_by_chance_is_no_finding(clean: Evidence) -> None:
    random = np.random.default_rng(1)
    found = []
    for _ in range(40):
        noise = {
            key: replace(each, calibration_loss=random.normal(random.normal(0.06, 0.04), 0.04, 1001))
            for key, each in clean.scored.items()
        }
        found.append(found_in(replace(clean, scored=noise), "M010"))
    assert sum(message is not None for message in found) <= 5


def test_patients_count_for_what_they_tell(clean: Evidence) -> None:
    whole = replace(clean.problem, groups=np.arange(SIZE) % 19)
    assert found_in(replace(clean, problem=whole), "M016") == (
        "the images tell no more than 18.9 patients with as many images each would, fewer than 25"
    )
    assert found_in(replace(clean, problem=replace(whole, groups=np.arange(SIZE) % 40)), "M016") is None


def test_of_an_official_split_the_tested_patients_count(clean: Evidence) -> None:
    part = replace(clean.problem, split=np.where(np.arange(SIZE) % 8, "train", "test"))
    split = tuple(replace(cell, protocol="split") for cell in clean.cells)
    assert found_in(replace(clean, problem=part), "M016") is None
    found = found_in(replace(clean, problem=part, cells=split), "M016")
    assert str(found).startswith("in the official test part the images tell no more than 15 ")


def test_classes_too_small_for_folds_are_found_before_fitting() -> None:
    few = Evidence(problem_of(("a", "b"), np.array([0] * 20 + [1] * 3)))
    assert {one["code"] for one in run_checks([few])} == {"M005", "M006", "M016"}


@pytest.fixture
def demanding(monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a balancer of another library into the table."""
    record = BalancerRecord("ninth", "Ninth", "other.library:Ninth", least=9, synthetic=True)
    monkeypatch.setitem(BALANCERS, record.name, record)
    return record.name


def found_in(evidence: Evidence, code: str) -> str | None:
    return CHECKS[code].find(evidence)


def with_smallest(evidence: Evidence, count: int) -> Evidence:
    """Leave so many training images of the last class in one fold."""
    key, first = next(iter(evidence.scored.items()))
    fewer = first.before.copy()
    fewer[0, -1] = count
    return replace(evidence, scored={**evidence.scored, key: replace(first, before=fewer)})


def test_balancers_of_other_libraries_do_not_change_what_is_said_of_smote(clean: Evidence, demanding: str) -> None:
    smote = renamed(clean, "random-over", "smote")
    assert found_in(smote, "M009") == "k-NN with smote on 768 columns"
    assert found_in(with_smallest(smote, 7), "M006") is None
    said = "class c has 5 training images in a fold; SMOTE and its kin need 6"
    assert found_in(with_smallest(smote, 5), "M006") == said


def test_balancers_of_other_libraries_are_judged_by_their_records(clean: Evidence, demanding: str) -> None:
    ninth = renamed(clean, "random-over", demanding)
    assert found_in(ninth, "M009") == "k-NN with ninth on 768 columns"
    assert found_in(with_smallest(ninth, 7), "M006") == "class c has 7 training images in a fold; Ninth needs 9"
    assert found_in(with_smallest(ninth, 9), "M006") is None
    both = renamed(ninth, "threshold", "smote")
    assert found_in(with_smallest(both, 5), "M006") == (
        "class c has 5 training images in a fold; Ninth needs 9, SMOTE and its kin need 6"
    )


def test_classes_are_not_judged_by_balancers_that_were_not_used(clean: Evidence) -> None:
    assert found_in(with_smallest(clean, 2), "M006") is None
    assert found_in(with_smallest(renamed(clean, "random-over", "near-miss"), 2), "M006") == (
        "class c has 2 training images in a fold; NearMiss-1 needs 3"
    )


def test_results_of_a_balancer_that_is_not_installed_are_borne(clean: Evidence) -> None:
    assert run_checks([renamed(clean, "random-over", "of-yesterday")]) == []


@pytest.fixture
def cache(extract: Run, run: Run) -> Path:
    """A cache with embeddings of a folder of images, and two fitted cells."""
    folder_set(Path("scans"), {"ill": 12, "well": 20})
    extract("scans")
    done = run("fit", "--head", "gaussian-nb", "--balance", "random-over", "--folds", "3", "--jobs", "1")
    assert done.code == 0, done.stderr
    return Path("cache")


def codes(done: Done) -> set[str]:
    return {one["code"] for one in done.json["checks"]}


def test_command_reads_a_sound_cache(cache: Path, run: Run) -> None:
    done = run("check", "--json")
    assert done.code == 0
    assert "M004" in codes(done)
    assert all(set(one) == {"code", "severity", "message", "docs"} for one in done.json["checks"])
    assert "M004" not in codes(run("check", "--json", "--ignore", "M004"))
    assert max(map(len, run("check").stdout.splitlines())) <= 80


def flip(file: Path) -> None:
    """Change one byte of the stored vectors."""
    with h5py.File(file) as opened:
        place = opened["vectors"].id.get_chunk_info(0).byte_offset
    content = bytearray(file.read_bytes())
    content[place] ^= 0xFF
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("embeddings/*/*.h5", flip),
        ("embeddings/*/*.h5", cut),
        ("embeddings/*/*.h5", lambda file: file.write_text("no HDF5")),
        ("results.db", lambda file: file.write_text("no database")),
    ],
)
def test_command_finds_damage(cache: Path, run: Run, pattern: str, damage: Callable[[Path], object]) -> None:
    file = next(cache.glob(pattern))
    damage(file)
    done = run("check", "--json", "--ignore", "M004")
    assert done.code == 1
    found = [one for one in done.json["checks"] if one["code"] == "M000"]
    assert len(found) == 1
    assert str(file) in found[0]["message"]
    assert found[0]["severity"] == "error"


def test_report_bears_damaged_vectors(cache: Path, run: Run) -> None:
    flip(next(cache.glob("embeddings/*/*.h5")))
    done = run("report", "--format", "html")
    assert done.code == 0, done.stderr


def test_command_sees_changed_and_missing_images(cache: Path, run: Run) -> None:
    changed, gone, *_ = sorted(Path("scans").glob("*/*.png"))
    changed.write_bytes(changed.read_bytes() + b" ")
    gone.unlink()
    stale = next(one for one in run("check", "--json").json["checks"] if one["code"] == "M007")
    assert "2 images changed or gone" in stale["message"]


def test_command_works_without_the_images(cache: Path, run: Run) -> None:
    shutil.move("scans", "elsewhere")
    done = run("check", "--json")
    assert done.code == 0
    assert "out of reach" in done.stderr
    assert "M007" not in codes(done)
    Path("data").mkdir()
    shutil.move("elsewhere", "data/scans")
    assert "out of reach" not in run("check").stderr


def test_command_tells_of_interrupted_extractions(cache: Path, run: Run) -> None:
    read_cache(cache).files[0].path.with_suffix(".blocks").mkdir()
    done = run("check")
    assert done.code == 0
    assert "interrupted extraction" in done.stderr


def test_command_sees_results_of_earlier_embeddings(cache: Path, extract: Run, run: Run) -> None:
    shutil.copy(next(Path("scans").glob("ill/*")), Path("scans/ill/one-more.png"))
    extract("scans")
    found = {one["code"]: one["message"] for one in run("check", "--json").json["checks"]}
    assert "results of fake are from earlier embeddings" in found["M007"]


def test_command_on_an_empty_cache_says_what_to_run(run: Run) -> None:
    done = run("check")
    assert done.code == 2
    assert done.error[1].startswith("run extract first")


def test_results_without_embeddings_are_checked_too(cache: Path, run: Run) -> None:
    shutil.rmtree(cache / "embeddings")
    assert run("check", "--json").code == 0
    with Results(cache / "results.db") as results:
        assert results.cells()


@pytest.mark.slow
@pytest.mark.weights
def test_brain_tumor_comes_from_sources(extract: Run, run: Run, real_data: Path) -> None:
    extract("brain-tumor", "--data-dir", real_data)
    found = {one["code"]: one["message"] for one in run("check", "--json", "--data-dir", real_data).json["checks"]}
    assert "the files give the class away" in found["M014"]
    assert "189 images" in found["M002"]
    assert json.dumps(found)


def test_data_sets_of_other_classes_are_judged_apart(run: Run, tmp_path: Path) -> None:
    write_results(tmp_path, "three")
    with Results(tmp_path / "results.db") as results:
        fabricate(results, "four", {"a": 30, "b": 30, "c": 30, "d": 30}, ["svm"], ["none", "smote"])
    found = run("check", "--cache", tmp_path, "--json")
    assert {check["message"].partition(":")[0] for check in found.json["checks"]} <= {"three", "four"}
