"""What a report says of one protocol: every p value once, of a family that nothing shrinks."""

import json
import re
import typing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import headroom
from headroom.heads.scores.comparing import contrast
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.paired import holm
from headroom.pipeline.report import words
from headroom.pipeline.report.chapter import Chapter, Report
from headroom.pipeline.report.forms import FORMS
from headroom.pipeline.report.model import compute_details
from headroom.pipeline.report.source import CRITERIA, ReportSettings, read_sources
from headroom.pipeline.report.verdict import Standing
from headroom.pipeline.report.words import NOTHING, digits, p_value
from tests.pipeline.reports import report_of, write_results
from tests.running import Done

Run = Callable[..., Done]

MODERATE = {("svm", "none"): 0.2, ("svm", "smote"): 0.35, ("knn", "none"): 0.1, ("knn", "smote"): 0.1}
PAIR = ("none", "smote")


def chapter_of(cache: Path, **settings: object) -> Chapter:
    """The first chapter of a cache, without figures."""
    return report_of(cache, figures=False, **settings).chapters[0]


def p_values(chapter: Chapter, **which: str) -> dict[tuple[str, str], float]:
    """Holm's p of comparisons by cell and metric."""
    return {
        (item["key"], item["metric"]): item["p_holm"] for item in chapter.comparisons if which.items() <= item.items()
    }


def test_every_honest_protocol_has_its_own_verdict(tmp_path: Path) -> None:
    write_results(tmp_path, skills=MODERATE, balancers=PAIR)
    write_results(tmp_path, skills={("knn", "smote"): 0.6}, balancers=PAIR, protocol="split")
    write_results(tmp_path, skills={("knn", "none"): 0.99}, balancers=PAIR, protocol="leaky")
    report = report_of(tmp_path, figures=False)
    by_folds, split = report.chapters[0].verdicts
    assert (by_folds.protocol, split.protocol) == ("cv", "split")
    assert by_folds.lines[0].startswith("Best: svm with SMOTE (cv)")
    assert split.lines[0].startswith("Best: knn with SMOTE (split)")
    assert not any("split" in line for line in by_folds.lines)
    assert any("Macro recall with SMOTE, of these fitted heads: " in line for line in split.lines)
    assert [row["protocol"] for row in report.chapters[0].rows] == ["cv"] * 4 + ["split"] * 4 + ["leaky"] * 4
    for name in ("terminal", "md", "html"):
        text = " ".join(FORMS[name].render(report).split())
        assert text.index("Protocol cv") < text.index("svm with SMOTE") < text.index("Protocol split")
    assert "of these fitted knn heads" in FORMS["html"].render(report)


def test_leads_are_corrected_for_all_rivals(tmp_path: Path) -> None:
    """Uncorrected, the best of 14 balancers leads one row without balancing by chance in 18 % of cases."""
    write_results(tmp_path, heads=("svm", "knn", "lda"), balancers=("none", "smote", "adasyn"))
    (source,), _ = read_sources(tmp_path)
    chapter = chapter_of(tmp_path)
    leads = Standing(source, chapter.rows, ()).leads(chapter.best, "recall_macro")
    cells = {row["key"]: source.cells[row["key"]] for row in chapter.rows}
    best = [cells.pop(chapter.best["key"])]
    raw = [contrast(best, [cell], source.scored, ["recall_macro"])["recall_macro"].p for cell in cells.values()]
    assert [leads[key][0]["p_holm"] for key in cells] == pytest.approx(holm(raw))
    assert {family for _, family in leads.values()} == {"8 rivals"}


def test_what_leaks_has_no_verdict(tmp_path: Path) -> None:
    write_results(tmp_path, protocol="leaky")
    (verdict,) = chapter_of(tmp_path).verdicts
    assert verdict.lines == NOTHING


@pytest.mark.parametrize("protocol", ["leaky", "split"])
def test_other_protocols_are_other_families(tmp_path: Path, protocol: str) -> None:
    write_results(tmp_path, skills=MODERATE)
    alone = p_values(chapter_of(tmp_path))
    write_results(tmp_path, skills=MODERATE, protocol=protocol)
    assert p_values(chapter_of(tmp_path), protocol="cv") == alone


def test_no_filter_shrinks_a_family(tmp_path: Path) -> None:
    write_results(tmp_path, skills=MODERATE, balancers=PAIR)
    write_results(tmp_path, balancers=PAIR, model="xception", heads=("svm", "knn", "lda", "logreg"))
    whole, part = chapter_of(tmp_path), chapter_of(tmp_path, models=("mobilenet",))
    assert {row["model"] for row in part.rows} == {"mobilenet"} == {item["model"] for item in part.comparisons}
    assert p_values(part) == p_values(whole, model="mobilenet")
    assert "(Holm, 11 rivals)" in "".join(chapter_of(tmp_path, models=("xception",)).verdicts[0].lines)


@pytest.mark.parametrize("best", PAIR)
def test_a_comparison_has_one_p(tmp_path: Path, best: str) -> None:
    skills = MODERATE | {("svm", name): 0.35 if name == best else 0.2 for name in PAIR}
    write_results(tmp_path, skills=skills, balancers=PAIR)
    chapter = chapter_of(tmp_path)
    assert chapter.best["balance"] == best
    table = next(item for item in chapter.comparisons if (item["head"], item["metric"]) == ("svm", "recall_macro"))
    assert table["p"] < table["p_holm"] < 1
    said = next(line for line in chapter.verdicts[0].lines if line.startswith("Next: svm"))
    sign = 1 if best == "smote" else -1
    assert f"{sign * table['difference']:+.3f}" in said
    assert f"{p_value(table['p_holm'])} (Holm, 2 comparisons)" in said


def test_seeds_repeat_a_row_and_are_no_rivals(tmp_path: Path) -> None:
    write_results(tmp_path, skills=MODERATE, balancers=PAIR)
    alone = chapter_of(tmp_path)
    write_results(tmp_path, skills=MODERATE, balancers=PAIR, seed=1)
    write_results(tmp_path, skills=MODERATE, balancers=PAIR, seed=2)
    chapter = chapter_of(tmp_path)
    assert {row["seed"] for row in chapter.rows} == {0}
    assert len(chapter.rows) == 4
    assert p_values(chapter) == p_values(alone)
    found = chapter.best["other_seeds"]
    assert set(found) == {"1", "2"}
    said = f"Fitted again with seed 1, 2, the best has macro recall {digits(found['1'])}, {digits(found['2'])}."
    assert said in chapter.verdicts[0].lines
    assert chapter.facts["Other seeds"].startswith("1, 2: 8 cells")


def test_the_seed_that_most_cells_share_is_ranked(tmp_path: Path) -> None:
    write_results(tmp_path, balancers=("smote",))
    write_results(tmp_path, balancers=PAIR, seed=1)
    assert len(chapter_of(tmp_path).comparisons) == len(p_values(chapter_of(tmp_path), seed=1)) > 0


def test_the_criterion_ranks_judges_and_names_itself(tmp_path: Path) -> None:
    write_results(tmp_path, ordinal=True)
    for criterion in CRITERIA:
        chapter = chapter_of(tmp_path, criterion=criterion)
        values = [row["metrics"][criterion] for row in chapter.rows]
        assert values == sorted(values, reverse=True)
        title = METRICS[criterion].title
        assert f", {title} {values[0]:.3f}" in chapter.verdicts[0].lines[0]
        assert any(line.lower().startswith(f"{title.lower()} with smote:") for line in chapter.verdicts[0].lines)
        assert chapter.comparisons[0]["metric"] == criterion
        assert criterion in chapter.main_metrics
        assert f"Ranked and judged by {title}." in FORMS["md"].render(Report([chapter]))


def test_every_criterion_can_be_asked_for() -> None:
    signature = typing.get_type_hints(headroom.report)
    assert typing.get_args(signature["criterion"]) == CRITERIA


def test_figures_show_the_criterion(tmp_path: Path) -> None:
    write_results(tmp_path)
    titles = [
        {plate["title"] for plate in report_of(tmp_path, criterion=name).chapters[0].plates}
        for name in ("recall_macro", "accuracy", "f1_macro")
    ]
    assert {"Macro recall", "Accuracy", "Change of macro recall, percentage points"} <= titles[0]
    assert "Macro recall" not in titles[1]
    assert {"Macro F1", "Accuracy", "Change of macro F1, percentage points"} <= titles[2]


def test_the_region_of_practical_equivalence_is_as_asked(tmp_path: Path) -> None:
    write_results(tmp_path)
    narrow, wide = (chapter_of(tmp_path, rope=rope) for rope in (0.001, 0.5))
    for one, other in zip(narrow.comparisons, wide.comparisons, strict=True):
        assert one["p_equivalent"] < other["p_equivalent"]
    text = " ".join(FORMS["terminal"].render(report_of(tmp_path, figures=False, rope=0.5)).split())
    assert "= within 0.5 of none" in text
    for name in ("html", "md"):
        assert "0.5" in re.sub(r"<svg.*?</svg>", "", FORMS[name].render(report_of(tmp_path, rope=0.5)), flags=re.DOTALL)


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        (["--criterion", "kappa_quadratic"], "needs ordered classes"),
        (["--criterion", "brier"], "brier"),
        (["--positive", "ill"], "'ill' is no class"),
        (["--rope", "-1"], "rope"),
    ],
)
def test_command_refuses_what_does_not_fit(run: Run, arguments: list[str], got: str) -> None:
    write_results(Path("cache"))
    done = run("report", *arguments)
    assert done.code == 2
    assert got in " ".join(done.error)


def test_one_head_is_shown_with_and_without_balancing(tmp_path: Path) -> None:
    skills = {("svm", "none"): 0.1, ("svm", "smote"): 0.4, ("knn", "none"): 0.3, ("knn", "smote"): 0.05}
    write_results(tmp_path, skills=skills, balancers=PAIR, repeats=3)
    (source,), chapter = read_sources(tmp_path)[0], report_of(tmp_path).chapters[0]
    details = compute_details(source, chapter)
    assert (details.plain.label, details.balanced.label) == ("svm without balancing", "svm with SMOTE")
    assert details.best is details.balanced
    assert details.balanced.confusion.sum(axis=1) == pytest.approx([60, 30, 20])
    recalls = (details.balanced.confusion.diagonal() / details.balanced.confusion.sum(axis=1)).tolist()
    assert recalls == pytest.approx([value for value, _ in chapter.by_class["recall"]])
    assert sum(recalls) / 3 == pytest.approx(chapter.best["metrics"]["recall_macro"])
    said = {plate["title"]: plate["description"] for plate in chapter.plates}
    assert "mean of 3 repeats" in said["Recall by class"]
    assert "mean of 3 repeats" in FORMS["html"].render(Report([chapter])).partition("<caption>svm with SMOTE")[2][:40]


def test_two_classes_have_no_macro_specificity_but_a_positive_class(tmp_path: Path) -> None:
    write_results(tmp_path, classes=("ill", "well"))
    chapter = chapter_of(tmp_path)
    assert {row["positive"] for row in chapter.rows} == {"well"}  # the rarer one
    assert "specificity_macro" not in chapter.metrics
    assert chapter.setting.endswith("positive: well")
    assert {"sensitivity", "specificity"} <= set(chapter.metrics)
    other = chapter_of(tmp_path, positive="ill")
    assert {row["positive"] for row in other.rows} == {"ill"}
    swapped = [row["metrics"]["sensitivity"] for row in other.rows]
    assert swapped == [row["metrics"]["specificity"] for row in chapter.rows]
    write_results(tmp_path, "three")
    three = report_of(tmp_path, figures=False, positive="ill").chapters[1]
    assert {row["positive"] for row in three.rows} == {None}
    assert "specificity_macro" in three.metrics


def test_equal_rows_stand_by_name(tmp_path: Path) -> None:
    heads = ("svm", "knn", "lda")
    write_results(tmp_path, heads=heads, balancers=("none",), skills={(head, "none"): 1.0 for head in heads})
    assert [row["head"] for row in chapter_of(tmp_path).rows] == sorted(heads)


def test_renaming_classes_changes_nothing(tmp_path: Path) -> None:
    texts = []
    for number, classes in enumerate([("a", "b", "c"), ("zz", "yy", "xx")]):
        write_results(tmp_path / str(number), classes=classes)
        report = report_of(tmp_path / str(number), figures=False)
        texts.append({name: FORMS[name].render(report) for name in ("terminal", "csv", "md", "latex", "json")})
    assert texts[0] == texts[1]


def test_what_intervals_leave_out_is_said_in_every_form(tmp_path: Path) -> None:
    write_results(tmp_path, protocol="split")
    report = report_of(tmp_path)
    for name in ("terminal", "md", "html", "latex"):
        text = " ".join(FORMS[name].render(report).split())
        assert "one at a time" in text
        assert "all numbers are of these fitted heads" in text
    for row in (*json.loads(FORMS["json"].render(report))["rows"], *report.chapters[0].comparisons):
        assert row["about"] == "fitted heads"
    assert "fitted heads" in FORMS["csv"].render(report)


@pytest.mark.parametrize(
    ("protocol", "said"), [("cv", "err in 0 to 5 of 100 cases"), ("split", "miss their interval in up to 8 of 100")]
)
def test_how_often_tests_and_intervals_err_is_said_in_every_form(tmp_path: Path, protocol: str, said: str) -> None:
    write_results(tmp_path, protocol=protocol)
    report = report_of(tmp_path, figures=False)
    for name in ("terminal", "md", "html", "latex"):
        assert said in " ".join(FORMS[name].render(report).split())


def test_settings_are_those_of_the_python_interface(tmp_path: Path) -> None:
    write_results(tmp_path)
    found = headroom.report(cache=tmp_path, criterion="accuracy", rope=0.05)
    assert [row["accuracy"] for row in found["rows"]] == sorted(
        (row["accuracy"] for row in found["rows"]), reverse=True
    )
    usual = headroom.report(cache=tmp_path)
    key = {(item["key"], item["metric"]): item["p_equivalent"] for item in usual["comparisons"]}
    assert all(item["p_equivalent"] >= key[item["key"], item["metric"]] for item in found["comparisons"])
    assert ReportSettings().rope == 0.01


def test_lifts_stand_in_every_form_and_in_the_verdict(tmp_path: Path) -> None:
    write_results(tmp_path, balancers=PAIR, heads=("svm", "knn", "lda"))
    chapter = chapter_of(tmp_path)
    found = {
        "svm": (0.04, 0.06, 0.001, "lifts"),
        "knn": (-0.05, 0.01, 0.02, "harms"),
        "lda": (0.01, 0.09, 0.6, "unclear"),
    }
    items = [
        row
        | {"lift": lift, "gain": gain, "move": gain - lift, "low": lift - 0.03, "high": lift + 0.03, "p_holm": p}
        | {"kind": kind}
        for row in chapter.rows
        if row["balance"] == "smote"
        for lift, gain, p, kind in [found[row["head"]]]
    ]
    assert words.lifts(items) == [
        "At equal accuracy SMOTE lifts macro recall of svm (+0.040, as fitted +0.060); lowers that of knn (-0.050, as "
        "fitted +0.010); is not shown to lift that of lda, where a change as fitted may be a mere move."
    ]
    others = [item for item in items if item["head"] != "svm"]
    assert words.lifts(others)[0].startswith("At equal accuracy SMOTE lowers macro recall of knn")
    (source,), _ = read_sources(tmp_path)
    standing = Standing(source, chapter.rows, chapter.comparisons, items)
    assert standing.verdict(chapter.columns).lines[-1] == words.lifts(items)[0]
    report = Report([replace(chapter, lifts=items)])
    for name in ("terminal", "md", "latex", "html"):
        text = FORMS[name].render(report)
        for value in ("+0.040", "+0.060", "+0.020", "+0.070", "0.001"):
            assert value in text
    assert max(map(len, FORMS["terminal"].render(report).splitlines())) <= 80
    assert len(json.loads(FORMS["json"].render(report))["lifts"]) == 3
