"""Rules of the stock, without a database."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from emergency.supplies import rules
from emergency.supplies.models import (
    AgreementState,
    DepotState,
    LotState,
    Ownership,
    RequestState,
    ReservationState,
    WriteOffState,
)
from emergency.supplies.rules import Shelf

W, R, A, D, L, Q = WriteOffState, ReservationState, AgreementState, DepotState, LotState, RequestState
CASES: list[tuple[Any, Any, set[Any]]] = [
    (W, rules.WRITE_OFF_TRANSITIONS, {(W.REQUESTED, W.APPROVED), (W.REQUESTED, W.REJECTED)}),
    (R, rules.RESERVATION_TRANSITIONS, {(R.HELD, R.USED), (R.HELD, R.RELEASED)}),
    (A, rules.AGREEMENT_TRANSITIONS, {(A.IN_FORCE, A.ENDED)}),
    (D, rules.DEPOT_TRANSITIONS, {(D.OPEN, D.CLOSED), (D.CLOSED, D.OPEN)}),
    (L, rules.LOT_TRANSITIONS, {(L.USABLE, L.QUARANTINED), (L.USABLE, L.WITHDRAWN), (L.QUARANTINED, L.USABLE),
                                (L.QUARANTINED, L.WITHDRAWN)}),
    (Q, rules.REQUEST_TRANSITIONS, {(Q.OPEN, Q.ALLOCATED), (Q.OPEN, Q.REFUSED), (Q.OPEN, Q.CANCELLED),
                                    (Q.ALLOCATED, Q.DISPATCHED), (Q.ALLOCATED, Q.OPEN), (Q.ALLOCATED, Q.CANCELLED),
                                    (Q.DISPATCHED, Q.RECEIVED), (Q.RECEIVED, Q.RETURNED)}),
]  # fmt: skip


@pytest.mark.parametrize(("states", "table", "allowed"), CASES)
def test_every_pair_of_states_is_either_named_or_refused(states: Any, table: Any, allowed: set[Any]) -> None:
    assert set(table) == set(states)
    for before, after in itertools.product(states, states):
        assert (after in table[before]) == ((before, after) in allowed), (before, after)


@pytest.mark.parametrize("code", ["1010101", "2999999", "3010110"])
def test_a_code_of_the_standard_is_accepted(code: str) -> None:
    assert rules.valid_code(code)


@pytest.mark.parametrize(
    "code", ["", "4010101", "0010101", "1000101", "1010100", "101010", "10101011", "１０１０１０１", "10101a1"]
)
def test_what_is_no_code_of_the_standard_is_refused(code: str) -> None:
    assert not rules.valid_code(code)


@pytest.mark.parametrize(
    ("expires", "rotate", "expected"),
    [
        (None, None, Shelf.FRESH),
        (date(2026, 11, 22), None, Shelf.EXPIRED),
        (date(2026, 11, 23), None, Shelf.EXPIRING),  # good to the end of its last day
        (date(2027, 1, 22), None, Shelf.EXPIRING),
        (date(2027, 1, 23), date(2026, 11, 23), Shelf.ROTATE),
        (date(2027, 6, 1), date(2026, 11, 24), Shelf.FRESH),
        (None, date(2026, 1, 1), Shelf.ROTATE),
    ],
)
def test_how_long_a_lot_is_good(expires: date | None, rotate: date | None, expected: Shelf) -> None:
    assert rules.shelf(expires, rotate, date(2026, 11, 23)) is expected


def test_the_shelf_life_of_the_31st_ends_with_the_month() -> None:
    assert rules.expiry(date(2024, 8, 31), 6) == date(2025, 2, 28)


def test_every_ownership_belongs_to_exactly_one_sum() -> None:
    assert set(rules.HOLDING_OF) == set(Ownership)
