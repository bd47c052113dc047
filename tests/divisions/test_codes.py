"""Codes nest by length; a zero at the end belongs to the code."""

from __future__ import annotations

import csv

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from emergency.divisions import rules
from emergency.divisions.seed import FILE
from emergency.http.actor import NOBODY, Actor

ROWS = list(csv.DictReader(FILE.open(encoding="utf-8")))
CODES = [row["code"] for row in ROWS]


def _parts() -> st.SearchStrategy[str]:
    digits = st.tuples(
        st.integers(10, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 999), st.integers(0, 999)
    )
    return digits.map(lambda p: f"{p[0]:02d}{p[1]:02d}{p[2]:02d}{p[3]:03d}{p[4]:03d}")


def test_the_real_table_has_451_rows_and_each_lies_in_its_parent() -> None:
    assert len(CODES) == len(set(CODES)) == 451
    for row in ROWS:
        assert rules.nested_parent(row["code"]) == (row["parent_code"] or None)


def test_stripping_zeros_would_hand_35_real_divisions_their_neighbours() -> None:
    wrong = [
        code
        for code in CODES
        if {c for c in CODES if c.startswith(code.rstrip("0"))} != {c for c in CODES if rules.covers(code, c)}
    ]
    assert len(wrong) == 35


def test_jinghai_town_does_not_contain_its_neighbour() -> None:
    assert not rules.covers("120118100000", "120118101000")
    assert rules.covers("120118100000", "120118100201")


@pytest.mark.parametrize(
    "text", ["", "120118", "12011810000x", "１２０１１８１０００００", "000000000000", "1201181000001"]
)
def test_what_is_no_code_is_refused(text: str) -> None:
    assert not rules.is_code(text)


@given(_parts())
def test_a_division_lies_in_everything_above_it_and_in_its_own_range(code: str) -> None:
    low, high = rules.subtree_range(code)
    assert low <= code <= high
    for above in rules.ancestors(code):
        assert rules.covers(above, code)
        assert rules.level(above) < rules.level(code)


@given(_parts(), _parts())
def test_the_range_says_the_same_as_the_prefix(outer: str, inner: str) -> None:
    low, high = rules.subtree_range(outer)
    assert (low <= inner <= high) == inner.startswith(rules.prefix(outer)) == rules.covers(outer, inner)


@given(st.lists(_parts(), max_size=12), _parts())
def test_outermost_keeps_the_area_and_drops_what_is_inside_another(codes: list[str], probe: str) -> None:
    kept = rules.outermost(codes)
    assert any(rules.covers(c, probe) for c in codes) == any(rules.covers(c, probe) for c in kept)
    assert not any(a != b and rules.covers(a, b) for a in kept for b in kept)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(CODES), max_size=8))
def test_within_any_selects_in_sql_what_covers_says(codes: list[str]) -> None:
    engine = sa.create_engine("sqlite://")
    places = sa.Table("p", sa.MetaData(), sa.Column("code", sa.String(12), primary_key=True))
    with engine.begin() as connection:
        places.create(connection)
        connection.execute(places.insert(), [{"code": code} for code in CODES])
        found = set(connection.scalars(sa.select(places.c.code).where(rules.within_any(places.c.code, codes))))
    engine.dispose()
    assert found == {code for code in CODES if any(rules.covers(outer, code) for outer in codes)}


def test_scope_fails_closed() -> None:
    column = sa.column("code")
    assert str(rules.in_scope(column, NOBODY)) == str(sa.false())
    assert str(rules.in_scope(column, Actor(kind="account", id=1))) == str(sa.false())
    assert str(rules.in_scope(column, Actor.system("x"))) == str(sa.true())
