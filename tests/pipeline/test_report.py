"""The report in every form: what it says, and that nothing from users' data does harm in it."""

import csv
import html
import io
import json
import re
import typing
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.cache import Cached, EmbeddingFile
from headroom.pipeline.checks import checks
from headroom.pipeline.commands.report import FormName
from headroom.pipeline.report import figures
from headroom.pipeline.report.chapter import Report
from headroom.pipeline.report.figures import FIGURES, FILES
from headroom.pipeline.report.forms import FORMS, as_csv, as_terminal, escape_latex, escape_markdown
from headroom.pipeline.report.model import compute, compute_details
from headroom.pipeline.report.source import current, read_cells, read_sources
from headroom.pipeline.studies import STUDIES, replicated
from tests.pipeline.reports import FORMULA, NASTY, SCRIPT, forget_results, report_of, write_failed, write_results
from tests.running import Done

Run = Callable[..., Done]


@pytest.fixture(scope="module")
def nasty_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results whose data set, classes, reasons and file names try to do harm."""
    cache = tmp_path_factory.mktemp("nasty")
    write_results(cache, SCRIPT, NASTY)
    write_results(cache, FORMULA, NASTY, ordinal=True, heads=(FORMULA, SCRIPT))
    write_failed(cache, SCRIPT, f"{SCRIPT} {FORMULA}")
    return cache


@pytest.fixture(scope="module")
def nasty(nasty_cache: Path) -> Report:
    """The report of them."""
    finding = {"code": "M003", "severity": "warning", "message": f"{SCRIPT}.png", "docs": "docs/checks.md#m003"}
    return report_of(nasty_cache, [finding | {"title": SCRIPT, "meaning": SCRIPT, "remedy": SCRIPT}])


@pytest.fixture(scope="module")
def skilled(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A report in which SMOTE turns svm from chance to skill and does nothing to knn."""
    cache = tmp_path_factory.mktemp("skilled")
    skills = {("svm", "none"): 0.1, ("svm", "smote"): 0.35, ("knn", "none"): 0.2, ("knn", "smote"): 0.2}
    write_results(cache, balancers=("none", "smote"), skills=skills, repeats=2, ordinal=True)
    return report_of(cache)


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_renders_the_same_report_twice(nasty: Report, name: str) -> None:
    text = FORMS[name].render(nasty)
    assert text == FORMS[name].render(nasty)
    assert not re.search(r"\bnan\b", text)
    assert text.endswith("\n") or name == "html"


@pytest.mark.parametrize("name", set(FORMS) - {"csv"})
def test_every_form_warns_of_what_must_not_be_reported(tmp_path: Path, name: str) -> None:
    write_results(tmp_path)
    write_results(tmp_path, protocol="leaky", skills={("svm", "smote"): 0.99}, balancers=("smote",))
    report = report_of(tmp_path)
    assert report.chapters[0].best["protocol"] == "cv"
    assert ("DO NOT REPORT" if name != "json" else '"leaky"') in FORMS[name].render(report)


def test_command_takes_the_forms_of_the_table() -> None:
    assert list(typing.get_args(FormName)) == list(FORMS)


def test_page_runs_nothing_and_asks_for_nothing(nasty: Report) -> None:
    text = FORMS["html"].render(nasty)
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert SCRIPT in "".join(page.words)
    assert not any(value and value.startswith(("http", "//")) for _, held in page.tags for value in linked(held))
    assert "url(" not in text.replace("url(#", "")
    assert len(text) < 5e6


def linked(attributes: dict[str, str | None]) -> list[str | None]:
    return [value for name, value in attributes.items() if name in ("src", "href", "xlink:href", "action")]


def test_page_names_everything_once_and_every_figure_has_words(nasty: Report) -> None:
    page = Page(FORMS["html"].render(nasty))
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) > len(FIGURES)
    for attributes in pictures:
        assert attributes["role"] == "img"
        assert set(attributes["aria-labelledby"].split()) <= set(ids)
    targets = [value[1:] for _, held in page.tags for value in linked(held) if value and value.startswith("#")]
    assert targets
    assert set(targets) <= set(ids)


def test_latex_is_whole_whatever_the_names(nasty: Report) -> None:
    text = FORMS["latex"].render(nasty)
    assert SCRIPT not in text
    plain = re.sub(r"\\[\\{}&%$#_]", "", text)
    assert plain.count("{") == plain.count("}")
    assert "$x^2$" not in text
    for table in text.split("\\begin{longtable}")[1:]:
        columns = len(re.match(r"\{([lr]+)\}", table)[1])
        lines = [line for line in table.splitlines() if line.endswith("\\\\") and "caption" not in line]
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {columns}


@given(st.text())
def test_latex_escape_leaves_no_mark_that_latex_obeys(text: str) -> None:
    known = r"\\text[a-z]+\{\}|\\[&%$#_{}]"
    assert not re.search(r"[\\&%$#_{}~^]", re.sub(known, "", escape_latex(text)))


def test_csv_and_terminal_bear_any_name(skilled: Report) -> None:
    part = skilled.chapters[0]

    @given(st.text(min_size=1))
    def bears(name: str) -> None:
        names = {"dataset": name, "head": name}
        rows, items = ([each | names for each in held] for held in (part.rows, part.comparisons))
        report = Report([replace(part, dataset=name, rows=rows, comparisons=items)])
        header, *written = csv.reader(io.StringIO(as_csv(report), newline=""))
        assert len(written) == len(part.rows)
        for row in written:
            assert len(row) == len(header)
            assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row[:4])
        lines = as_terminal(report).split("\n")
        assert max(map(cell_len, lines)) <= 80
        assert all(line.isprintable() for line in lines)

    bears()


def test_csv_holds_every_metric_as_computed(skilled: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(skilled))))
    for written, row in zip(rows, skilled.chapters[0].rows, strict=True):
        for metric in METRICS:
            value = row["metrics"][metric]
            assert written[metric] == "" if value is None else float(written[metric]) == pytest.approx(value, abs=1e-6)


def test_markdown_shows_names_as_they_are(nasty: Report) -> None:
    text = FORMS["md"].render(nasty)
    assert SCRIPT not in text
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;" in text
    widths = {line.replace(r"\|", "").count("|") for line in text.splitlines() if line.startswith("| model")}
    assert all(width > 3 for width in widths)


def test_json_is_as_promised(skilled: Report) -> None:
    found = json.loads(FORMS["json"].render(skilled))
    assert set(found) == {"rows", "comparisons", "lifts", "checks"}
    row, comparison = found["rows"][0], found["comparisons"][0]
    assert {"dataset", "model", "head", "balance", "protocol", "n", "metrics", "intervals"} <= set(row)
    assert set(row["metrics"]) == set(METRICS)
    tested = {"difference", "low", "high", "p", "p_holm", "p_better", "p_equivalent", "p_worse"}
    assert {"dataset", "model", "head", "balance", "against", "metric"} | tested <= set(comparison)


def test_verdict_says_who_wins_and_whether_smote_is_worth_it(skilled: Report) -> None:
    said = "\n".join(skilled.chapters[0].verdicts[0].lines)
    assert said.startswith("Best: svm with SMOTE, macro recall 0.")
    assert "Chosen among 4, and again in 100% of resampled test sets; corrected for the choice: macro recall 0." in said
    assert "Macro recall with SMOTE: raised for svm; no change shown for knn; found in 80 % of cases would be" in said
    assert "Best of the unbalanced: knn" in said


def test_bold_means_more_than_noise(skilled: Report, tmp_path: Path) -> None:
    best = skilled.chapters[0].best
    assert (best["key"], "recall_macro") in skilled.chapters[0].winners
    assert FORMS["latex"].render(skilled).split("\\end{longtable}")[0].count("\\textbf") > 0
    write_results(tmp_path, balancers=("none",), skills={("svm", "none"): 0.35, ("knn", "none"): 0.35})
    alike = report_of(tmp_path)
    assert "recall_macro" not in {metric for _, metric in alike.chapters[0].winners}
    assert "\\textbf" not in FORMS["latex"].render(alike)


def test_claims_stand_beside_the_mean_over_heads(skilled: Report) -> None:
    rows = {row.metric: row for row in skilled.chapters[0].claims}
    assert rows["recall_macro"].claimed == 0.0543
    gains = [item for item in skilled.chapters[0].comparisons if item["metric"] == "recall_macro"]
    assert rows["recall_macro"].cells == len(gains) == 2
    mean = sum(item["difference"] for item in gains) / 2
    assert rows["recall_macro"].measured == pytest.approx(mean)


def test_holm_is_over_one_metric_of_one_data_set(nasty: Report) -> None:
    for part in nasty.chapters:
        for metric in {item["metric"] for item in part.comparisons}:
            family = [item for item in part.comparisons if item["metric"] == metric]
            least = min(family, key=lambda item: item["p"])
            assert least["p_holm"] == pytest.approx(min(1, least["p"] * len(family)))


def test_rows_and_comparisons_are_best_first(nasty: Report) -> None:
    for part in nasty.chapters:
        recalls = [row["metrics"]["recall_macro"] for row in part.rows]
        assert recalls == sorted(recalls, reverse=True)
        gains = [item["difference"] for item in part.comparisons if item["metric"] == "recall_macro"]
        assert gains == sorted(gains, reverse=True)


def test_only_the_newest_state_of_a_problem_counts(tmp_path: Path) -> None:
    write_results(tmp_path)
    write_failed(tmp_path, "aptos", "a reason")
    cells = read_cells(tmp_path)[0]
    earlier = [replace(cell, key=f"{cell.key}/earlier", problem="earlier") for cell in cells]
    assert current([*earlier, *cells]) == current(cells) == cells


@pytest.mark.parametrize("title", [record.name for record in FIGURES])
def test_every_figure_is_drawn_or_has_nothing_to_show(nasty_cache: Path, nasty: Report, title: str) -> None:
    from headroom.pipeline.report.figures import as_svg, drawing

    record = next(record for record in FIGURES if record.name == title)
    details = compute_details(read_sources(nasty_cache)[0][0], nasty.chapters[0])
    with drawing() as figure:
        words = record.draw(figure.add_subplot(), nasty.chapters[0], details)
        assert bool(words) != title.startswith("map")  # there is no embedding to be mapped
        assert "\u2009" not in as_svg(figure, "f", record.title, words)


def test_command_writes_the_page_and_the_figures(run: Run, tmp_path: Path) -> None:
    write_results(Path("cache"), balancers=("none", "smote"))
    done = run("report", "--format", "html", "--figures", "plots")
    assert done.code == 0, done.stderr
    assert "wrote cache/reports/report.html" in done.stderr
    assert Path("cache/reports/report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    found = {path.suffix[1:] for path in Path("plots").iterdir()}
    assert found == set(FILES)
    assert {path.stem for path in Path("plots").glob("*.pdf")} == {path.stem for path in Path("plots").glob("*.png")}


def test_command_writes_to_stdout_or_to_a_file(run: Run) -> None:
    write_results(Path("cache"))
    assert set(run("report", "--json").json) == {"rows", "comparisons", "lifts", "checks"}
    done = run("report", "--format", "csv", "--output", "deep/table.csv")
    assert (done.code, done.stdout) == (0, "")
    assert Path("deep/table.csv").read_text().startswith("dataset,")


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["--dataset", "aptoss"], "did you mean aptos?"),
        (["--model", "mobilnet"], "did you mean mobilenet?"),
        (["--ignore", "m04"], "M004"),
    ],
)
def test_command_refuses_unknown_names(run: Run, arguments: list[str], remedy: str) -> None:
    write_results(Path("cache"))
    done = run("report", *arguments)
    assert done.code == 2
    assert remedy in done.error[1]


def test_command_without_results_says_what_to_run(run: Run) -> None:
    assert run("report").error[1].startswith("run extract and fit first")
    write_results(Path("cache"))
    forget_results(Path("cache"))
    done = run("report")
    assert (done.code, done.error[0]) == (2, "there are no results in this cache")


def test_report_of_failed_cells_only(tmp_path: Path) -> None:
    write_results(tmp_path)
    forget_results(tmp_path)
    write_failed(tmp_path, "aptos", "a class has too few neighbours")
    report = report_of(tmp_path)
    for name, record in FORMS.items():
        text = record.render(report)
        assert ("too few neighbours" in text) == (name in ("terminal", "html", "md"))


def test_what_cannot_be_compared_is_said_with_the_reason(tmp_path: Path) -> None:
    write_results(tmp_path)
    forget_results(tmp_path, "head = 'svm' AND balance = 'none'")
    report = report_of(tmp_path)
    for name, record in FORMS.items():
        words = " ".join(html.unescape(record.render(report)).split())
        said = "not compared, for there is no fitted cell with the same settings and balance 'none'" in words
        assert said == (name in ("terminal", "html", "md"))


def test_figures_are_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_results(tmp_path)
    first = report_of(tmp_path).chapters[0].plates
    monkeypatch.setattr(figures, "draw_plates", lambda *_: pytest.fail("drawn again"))
    assert report_of(tmp_path).chapters[0].plates == first


def test_figures_are_drawn_again_where_anything_changed(tmp_path: Path) -> None:
    write_results(tmp_path)
    first = report_of(tmp_path).chapters[0].plates
    forget_results(tmp_path, "head = 'knn' AND balance = 'smote'")
    second = report_of(tmp_path).chapters[0].plates
    earlier, later = ({plate["title"]: plate for plate in plates} for plates in (first, second))
    assert "knn, smote" in earlier["Macro recall"]["svg"]
    assert "knn, smote" not in later["Macro recall"]["svg"]
    assert earlier["Seconds against gain"]["description"] != later["Seconds against gain"]["description"]
    for kept in (tmp_path / "reports" / "figures").iterdir():
        kept.write_text(kept.read_text()[:-9])
    assert report_of(tmp_path).chapters[0].plates == second


def test_a_cache_that_cannot_be_written_has_figures(tmp_path: Path) -> None:
    write_results(tmp_path)
    (tmp_path / "reports").write_text("in the way")
    assert len(report_of(tmp_path).chapters[0].plates) > 9


@pytest.mark.parametrize("name", FORMS)
def test_only_what_a_form_shows_is_computed(
    name: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results(tmp_path)
    done: set[str] = set()
    monkeypatch.setattr(checks, "findings", lambda *_: done.add("checks") or [])
    monkeypatch.setattr(figures, "draw_plates", lambda *_: done.add("figures") or [])
    compute(read_sources(tmp_path)[0], FORMS[name].shows)
    assert done == set(FORMS[name].shows)
    assert ("figures" in done) == (name == "html")


def test_random_weights_are_a_flag_and_said_wherever_the_model_stands(tmp_path: Path) -> None:
    write_results(tmp_path)
    file = EmbeddingFile("aptos", "mobilenet", "f", tmp_path / "f.h5", {"weights": "random"})
    sources = [replace(one, cached=Cached((file,), ())) for one in read_sources(tmp_path)[0]]
    report = compute(sources, ())
    assert {(row["model"], row["random_weights"]) for row in report.as_dict()["rows"]} == {("mobilenet", True)}
    assert {item["random_weights"] for item in report.as_dict()["comparisons"]} == {True}
    for name in set(FORMS) - {"json", "html"}:
        assert "mobilenet (random weights)" in " ".join(FORMS[name].render(report).split())


def test_terminal_holds_any_number_of_settings_in_80_columns(tmp_path: Path) -> None:
    write_results(tmp_path, heads=("random-forest", "gaussian-nb"), balancers=("none", "borderline-smote"))
    write_results(tmp_path, model="mobilenet-0.25+mobilenet-0.5", repeats=2, ordinal=True)
    write_results(tmp_path, protocol="leaky", balancers=("smote",))
    source = read_sources(tmp_path)[0][0]
    cells = {
        key: replace(
            cell, settings=cell.settings | {"seed": number, "reduce": f"pca:{number}", "tune": bool(number % 2)}
        )
        for number, (key, cell) in enumerate(source.cells.items())
    }
    lines = as_terminal(compute([replace(source, cells=cells)], ())).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(re.search(r"cv 5x2 pca:(\d+) tuned seed \1 ", line) for line in lines)


@given(st.text())
def test_markdown_and_latex_escape_whatever_a_template_fills_in(text: str) -> None:
    for form, escaped in (("md", escape_markdown(text)), ("latex", escape_latex(text))):
        assert escaped in FORMS[form].render(Report([], remarks=[text]))


def test_a_study_compares_only_what_has_a_counterpart(tmp_path: Path) -> None:
    """A head that has no fitted baseline with one model is left out there, not averaged into the other side."""
    study = STUDIES["smote-paper"]
    for model in ("mobilenet", "xception"):
        write_results(tmp_path, model=model, heads=(study.transfer, "svm", "knn"), balancers=("none", "smote"))
    forget_results(tmp_path, "model = 'xception' AND head = 'svm' AND balance = 'none'")
    cells, _, scored = read_cells(tmp_path)
    same = next(row for row in replicated(study, cells, scored) if row.metric == "accuracy")
    found = {(c.model, c.head, c.balance): scored[c.key].metrics["accuracy"] for c in cells}
    pairs = [("mobilenet", "svm"), ("mobilenet", "knn"), ("xception", "knn")]
    gains = [found[*pair, "smote"] - found[*pair, "none"] for pair in pairs]
    assert same.cells == 3
    assert same.measured == pytest.approx(sum(gains) / 3, abs=1e-3)


def test_a_study_is_repeated_by_its_own_comparisons(tmp_path: Path) -> None:
    study = STUDIES["smote-paper"]
    heads = (study.transfer, *study.classical)
    for protocol in ("cv", "leaky"):
        write_results(tmp_path, heads=heads, balancers=("none", "smote"), protocol=protocol)
    cells, _, scored = read_cells(tmp_path)
    rows = replicated(study, cells, scored)
    assert len(rows) == 2 * len(study.gains) + 1
    accuracy = {cell.key: scored[cell.key].metrics["accuracy"] for cell in cells}

    def mean(protocol: str, balance: str, heads: tuple[str, ...]) -> float:
        found = [accuracy[c.key] for c in cells if (c.protocol, c.balance) == (protocol, balance) and c.head in heads]
        return sum(found) / len(found)

    for row, against in ((rows[0], study.classical), (rows[len(study.gains)], (study.transfer,))):
        assert (row.metric, row.cells) == ("accuracy", len(study.classical))
        gains = [mean(each, "smote", study.classical) - mean(each, "none", against) for each in ("cv", "leaky")]
        assert row.measured == pytest.approx(gains[0], abs=1e-3)
        assert row.leaky == pytest.approx(gains[1], abs=1e-9)
    assert rows[-1].measured == max(accuracy[c.key] for c in cells if c.head == "voting" and c.protocol == "cv")
