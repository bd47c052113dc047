from __future__ import annotations

import itertools

import pytest

from notify.models import DeliveryState as S
from notify.rules import ALLOWED, FINAL, may_become, state_of


def test_every_pair_of_states_is_decided() -> None:
    assert set(ALLOWED) == set(S)
    allowed = {(a, b) for a, b in itertools.product(S, S) if may_become(a, b)}
    assert {a for a, _ in allowed} == set(S) - FINAL
    assert {S.DELIVERED, S.FAILED, S.EXPIRED, S.CANCELLED} == FINAL
    forbidden = {
        (S.SUBMITTED, S.QUEUED),
        (S.SUBMITTED, S.UNKNOWN),
        (S.CLAIMED, S.CANCELLED),
        (S.CLAIMED, S.EXPIRED),
        (S.UNKNOWN, S.CANCELLED),
        (S.UNKNOWN, S.CLAIMED),
    }
    assert not forbidden & allowed


@pytest.mark.parametrize(
    ("word", "code", "state", "reason"),
    [
        ("sent", None, S.SUBMITTED, None),
        ("Delivered ", "", S.DELIVERED, None),
        ("undelivered", "30005", S.FAILED, "30005"),
        ("failed", None, S.FAILED, "failed"),
        ("teleported", None, S.FAILED, "unknown_status:teleported"),
        ("", None, S.FAILED, "unknown_status:"),
    ],
)
def test_what_we_do_not_know_is_a_failure_with_its_word(word: str, code: str | None, state: S, reason: str) -> None:
    assert state_of(word, code) == (state, reason)
