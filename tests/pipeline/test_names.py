"""Names against the rows of a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.errors import UsageError
from headroom.features.backbones import BACKBONES
from headroom.features.datasets import DATASETS
from headroom.heads.balancing import BALANCERS
from headroom.heads.classifiers import HEADS
from headroom.pipeline.names import pick, unknown

TABLES = [BACKBONES, DATASETS, HEADS, BALANCERS]
WORDS = st.text(max_size=12)


def test_all():
    assert pick("head", ["all"], ["b", "a"]) == ["b", "a"]


def test_order_asked_and_each_once():
    assert pick("head", ["c", "a", "[ab]", "c"], ["a", "b", "c"]) == ["c", "a", "b"]


def test_a_row_that_looks_like_a_wildcard_is_found_by_its_name():
    assert pick("data set", ["scans [2]"], ["scans 2", "scans [2]"]) == ["scans [2]"]
    assert pick("data set", ["all"], ["some", "all"]) == ["all"]


def test_nothing_asked():
    assert pick("head", [], ["a"]) == []


@pytest.mark.parametrize("table", TABLES, ids=["backbones", "datasets", "heads", "balancers"])
def test_every_record_is_found_by_its_name_and_by_none_other(table):
    for name in table:
        assert pick("row", [name], table) == [name]


@pytest.mark.parametrize("table", TABLES, ids=["backbones", "datasets", "heads", "balancers"])
def test_every_record_is_near_to_a_slip_of_the_pen(table):
    for name in table:
        for slip in (name.upper(), name[1:], f"{name}x", name.replace("-", "_")):
            if slip not in table:
                assert name in unknown("row", slip, list(table)).remedy


def test_far_names_are_answered_with_the_choices():
    assert unknown("head", "zzz", ["svm", "knn"]).remedy == "choose from: svm, knn"


def test_long_tables_are_cut():
    assert unknown("head", "zzz", [f"row{index}" for index in range(99)]).remedy.endswith("row19, ...")


def test_empty_table_says_so():
    assert "none yet" in unknown("stored model", "x", []).remedy


@given(st.lists(WORDS, max_size=6))
def test_any_table_is_found_by_its_own_names(table):
    assert pick("row", table, table) == list(dict.fromkeys(table))


@given(st.lists(WORDS, max_size=3), st.lists(WORDS, max_size=6))
def test_any_names_are_rows_or_one_error(asked, table):
    try:
        found = pick("row", asked, table)
    except UsageError as error:
        assert error.remedy  # noqa: PT017
    else:
        assert set(found) <= set(table)
        assert len(set(found)) == len(found)
