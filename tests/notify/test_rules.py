from __future__ import annotations

import itertools

import pytest

from notify.limiter import PROBES, Limiter
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


def run(limiter: Limiter, seconds: float, step: float, start: float = 0.0) -> int:
    now, sent = start, 0
    while now < start + seconds:
        now += step
        count = limiter.available(now)
        limiter.take(count)
        sent += count
    return sent


@pytest.mark.parametrize("step", [0.001, 0.013, 0.05, 0.2])
@pytest.mark.parametrize("rate", [10.0, 1000.0, 2500.0])
def test_the_configured_rate_is_held_within_two_percent(rate: float, step: float) -> None:
    assert run(Limiter(rate, 0.0), 20, step) == pytest.approx(rate * 20, rel=0.02)


def test_a_429_is_obeyed_and_learnt_from_and_forgotten_slowly() -> None:
    limiter = Limiter(900.0, 0.0)
    for _ in range(40):
        limiter.throttled(1.0, 2.0)
    assert limiter.available(2.9) == 0
    assert limiter.rate == pytest.approx(600)
    run(limiter, 30, 0.05, start=3.0)
    assert limiter.rate == 900


def test_a_broken_road_is_left_alone_and_then_tried_with_a_few() -> None:
    limiter = Limiter(1000.0, 0.0)
    for _ in range(200):
        limiter.refused(1.0, "connection_refused")
    assert limiter.available(1.1) == 0
    assert 0 < limiter.available(3.0) <= PROBES
    limiter.succeeded()
    assert limiter.available(3.2) > PROBES


def test_many_uncertain_answers_in_a_row_open_the_breaker() -> None:
    limiter = Limiter(1000.0, 0.0)
    for _ in range(19):
        limiter.troubled(1.0, "timeout")
    assert limiter.available(1.1) > 0
    limiter.troubled(1.1, "timeout")
    assert limiter.available(1.2) == 0


def test_engines_share_the_accounts_rate() -> None:
    limiter = Limiter(1000.0, 0.0)
    limiter.share(4, 0.0, 1000.0)
    assert run(limiter, 10, 0.05) == pytest.approx(2500, rel=0.03)
    limiter.share(1, 10.0, 1000.0)
    assert limiter.rate == 1000
