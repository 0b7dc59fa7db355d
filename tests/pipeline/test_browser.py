"""The page in a real browser: no error, no request, tables that sort and filter, nothing wider than a phone."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headroom.pipeline.report.forms import FORMS
from tests.pipeline.reports import report_of, write_results

pytestmark = pytest.mark.browser

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
HEADS = ("svm", "knn", "random-forest", "lda")
BALANCERS = ("none", "smote", "class-weight", "threshold", "random-over", "adasyn", "borderline-smote", "smote-tomek")
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium of this machine; missing, the tests fail in CI and are skipped elsewhere."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        assert not os.environ.get("CI"), "CI must have Chromium"
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two sets, one with names that no screen has room for."""
    cache = tmp_path_factory.mktemp("cache")
    write_results(cache, heads=HEADS, balancers=BALANCERS, ordinal=True)
    long = ("a class with a name of many words and no end", "x" * 90, "<script>alert(1)</script>")
    write_results(cache, "a_data_set_whose_name_is_one_very_long_word_without_any_space", long)
    file = cache / "report.html"
    file.write_text(FORMS["html"].render(report_of(cache)), encoding="utf-8")
    return file


@pytest.fixture
def page(browser: Any, page_file: Path) -> Iterator[Any]:
    """The page, opened; whatever it asks for or complains of ends the test."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(page_file.as_uri())
    yield opened
    opened.close()
    assert said == []
    assert asked == [page_file.as_uri()]


def column(page: Any, table: str, number: int) -> list[str]:
    """The cells of a column in the order shown; numbers as the table sorts them."""
    return page.eval_on_selector_all(
        f"#{table} tbody tr:not([hidden]) td:nth-child({number})",
        "all => all.map(td => td.dataset.value ?? td.innerText)",
    )


def test_headings_sort_numbers_as_numbers(page: Any) -> None:
    heading = page.locator("#set2-board th", has_text="acc")
    number = heading.evaluate("th => th.cellIndex") + 1
    for order in ("descending", "ascending"):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == order
        values = [float(value) for value in column(page, "set2-board", number)]
        assert values == sorted(values, reverse=order == "descending")
    assert len(values) == len(HEADS) * len(BALANCERS)


def test_headings_sort_by_keyboard(page: Any) -> None:
    heading = page.locator("#set2-board th", has_text="balance")
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert page.locator("#set2-board th[aria-sort]").count() == 1
    names = column(page, "set2-board", heading.evaluate("th => th.cellIndex") + 1)
    assert names == sorted(names)


def test_filter_keeps_rows_with_all_words(page: Any) -> None:
    box = page.locator("input[aria-controls=set2-board]")
    box.fill("SMOTE svm")
    rows = page.locator("#set2-board tbody tr:visible")
    assert rows.count() == 3
    assert page.locator("#set2-board + *, output").first.is_visible()
    assert "3 rows" in page.locator(".filter", has=box).locator("output").inner_text()
    box.fill("")
    assert rows.count() == len(HEADS) * len(BALANCERS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_no_wider_than_a_phone(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(PHONE)
    page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_every_figure_is_seen_and_told(page: Any) -> None:
    figures = page.locator("figure svg").all()
    assert len(figures) > 10
    for figure in figures:
        box = figure.bounding_box()
        assert box["width"] > 100
        assert box["height"] > 80
        assert len(figure.evaluate("svg => svg.querySelector('desc').textContent")) > 30


def test_print_shows_what_is_folded_on_the_screen(page: Any) -> None:
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
