"""Which account carries what: rates held, broken accounts left out, weights kept, nothing waited for for ever."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notify.breaker import DRIFT, LONGEST_PAUSE, PROBES, PROVEN, TROUBLE_LIMIT, Breaker
from notify.channels.base import Abilities, Answer, Message, Sent
from notify.limiter import CATCH_UP, LONGEST_ORDER, Limiter
from notify.models import BreakerState, Kind
from notify.roads import Roads
from notify.settings import EXERCISE_KINDS, REAL_KINDS

TAKEN = Sent(Answer.ACCEPTED, ref="SM1")
REFUSED = Sent(Answer.NOT_TAKEN, reason="connection_refused", account_fault=True)
TIMED_OUT = Sent(Answer.UNKNOWN, reason="timeout", account_fault=True)


def slow_down(seconds: float) -> Sent:
    return Sent(Answer.NOT_TAKEN, reason="http_429", retry_after=seconds, account_fault=True)


@dataclass
class Road:
    account: str
    weight: float = 1.0
    rate: float = 1e6
    name: str = "sms"
    kinds: frozenset[Kind] = field(default=REAL_KINDS)
    abilities: Abilities = field(default_factory=Abilities)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, message: Message) -> Sent:
        return TAKEN

    async def find(self, to: str, since: object) -> None: ...


def run(limiter: Limiter, seconds: float, step: float, start: float = 0.0) -> int:
    now, sent = start, 0
    while now < start + seconds:
        now += step
        count = limiter.available(now)
        limiter.take(count)
        sent += count
    return sent


# -- the rate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.001, 0.013, 0.05, 0.2])
@pytest.mark.parametrize("rate", [10.0, 1000.0, 2500.0])
def test_the_configured_rate_is_held_within_two_percent(rate: float, step: float) -> None:
    assert run(Limiter(rate, 0.0), 20, step) == pytest.approx(rate * 20, rel=0.02)


@given(
    rate=st.floats(0.5, 2500.0),
    steps=st.lists(st.tuples(st.floats(0.0, 1.5), st.integers(0, 400)), min_size=1, max_size=60),
)
@settings(max_examples=200, deadline=None)
def test_in_no_stretch_of_time_more_leaves_than_the_rate_and_the_burst(
    rate: float, steps: list[tuple[float, int]]
) -> None:
    limiter = Limiter(rate, 0.0)
    now, granted = 0.0, []
    for gap, wanted in steps:
        now += gap
        count = min(wanted, limiter.available(now))
        limiter.take(count)
        granted.append((now, count))
    for first in range(len(granted)):
        total = 0
        for moment, count in granted[first:]:
            total += count
            assert total <= rate * (moment - granted[first][0]) + rate * CATCH_UP + 1 + 1e-6


@given(rate=st.floats(0.01, 2500.0), gaps=st.lists(st.floats(0.0, 40.0), max_size=20))
@settings(max_examples=100, deadline=None)
def test_what_a_limiter_says_to_wait_is_enough(rate: float, gaps: list[float]) -> None:
    limiter, now = Limiter(rate, 0.0), 0.0
    for gap in gaps:
        now += gap
        limiter.take(limiter.available(now))
        now += limiter.wait(now) + 1e-6
        assert limiter.available(now) >= 1


@given(orders=st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.05, 600.0)), min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_retry_after_is_never_cut_short(orders: list[tuple[float, float]]) -> None:
    limiter, now, until = Limiter(100.0, 0.0), 0.0, 0.0
    for gap, seconds in orders:
        now += gap
        if now < until:
            assert limiter.available(now) == 0
        limiter.throttled(now, seconds)
        until = max(until, now + seconds)
        assert limiter.available(until - 1e-6) == 0
    assert limiter.paused_until <= now + 700
    assert limiter.available(limiter.paused_until + 1.0) >= 1


def test_an_absurd_retry_after_silences_an_account_for_an_hour_and_not_for_days() -> None:
    limiter = Limiter(100.0, 0.0)
    limiter.throttled(0.0, 1e9)
    assert LONGEST_ORDER <= limiter.wait(0.0) <= LONGEST_ORDER * 1.1


def test_a_429_is_learnt_from_and_forgotten_slowly() -> None:
    limiter = Limiter(900.0, 0.0)
    for _ in range(40):
        limiter.throttled(1.0, 2.0)
    assert limiter.available(2.9) == 0
    assert limiter.rate == pytest.approx(600)
    run(limiter, 30, 0.05, start=3.2)
    assert limiter.rate == 900


def test_an_account_that_only_ever_says_429_is_asked_ever_less_often() -> None:
    limiter, now, pauses = Limiter(100.0, 0.0), 0.0, []
    for _ in range(10):
        limiter.throttled(now, 1.0)
        pauses.append(limiter.wait(now))
        now += limiter.wait(now) + 0.01
    assert pauses[0] < 1.2
    assert LONGEST_PAUSE <= pauses[-1] <= LONGEST_PAUSE * 1.1
    limiter.succeeded()
    limiter.throttled(now, 1.0)
    assert limiter.wait(now) < 1.2


def test_engines_share_the_accounts_rate() -> None:
    limiters = [Limiter(1000.0, 0.0) for _ in range(4)]
    for limiter in limiters:
        limiter.share(4, 0.0, 1000.0)
    assert sum(run(limiter, 20, 0.05) for limiter in limiters) == pytest.approx(20_000, rel=0.02)
    limiters[0].share(1, 20.0, 1000.0)
    assert limiters[0].rate == 1000


# -- the breaker ---------------------------------------------------------------------------------------------------


def test_a_broken_account_is_left_alone_then_tried_with_a_few_then_used_again() -> None:
    breaker = Breaker(0.0)
    breaker.refused(1.0, "connection_refused")
    assert breaker.allowance(1.1) == 0
    assert breaker.allowance(1.8) == PROBES
    breaker.went(PROBES, 1.8)
    assert breaker.allowance(1.8) == 0
    for _ in range(PROVEN):
        breaker.succeeded(1.9)
    assert breaker.allowance(2.0) is None
    assert breaker.reason == "connection_refused"
    assert breaker.fitness(2.0) < 0.2 < breaker.fitness(2.0 + DRIFT / 2) < breaker.fitness(2.0 + DRIFT) == 1.0


def test_the_cool_down_grows_with_every_failed_probe_and_is_jittered() -> None:
    pauses: list[set[float]] = [set() for _ in range(9)]
    for _ in range(12):
        breaker, now = Breaker(0.0), 0.0
        for nth in range(9):
            breaker.refused(now, "http_401")
            pauses[nth].add(breaker.wait(now))
            now += breaker.wait(now)
            assert breaker.allowance(now) == PROBES
    assert all(len(found) > 1 for found in pauses)
    assert max(pauses[0]) <= 0.625
    assert min(pauses[5]) >= 12
    assert max(pauses[8]) <= LONGEST_PAUSE * 1.25


def test_many_uncertain_answers_in_a_row_open_it() -> None:
    breaker = Breaker(0.0)
    for _ in range(TROUBLE_LIMIT - 1):
        breaker.troubled(1.0, "timeout")
    assert breaker.state is BreakerState.CLOSED
    breaker.troubled(1.0, "timeout")
    assert breaker.state is BreakerState.OPEN


def test_one_that_answers_every_seventh_message_is_cut_off_all_the_same() -> None:
    breaker = Breaker(0.0)
    for nth in range(400):
        if breaker.state is BreakerState.OPEN:
            break
        breaker.succeeded(1.0) if nth % 7 == 0 else breaker.troubled(1.0, "http_500")
    assert breaker.state is BreakerState.OPEN


def test_a_probe_that_never_answers_does_not_block_the_account_for_ever() -> None:
    breaker = Breaker(0.0)
    breaker.refused(0.0, "disconnected")
    assert breaker.allowance(1.0) == PROBES
    breaker.went(PROBES, 1.0)
    assert breaker.allowance(60.0) == PROBES


@given(
    events=st.lists(
        st.tuples(st.sampled_from(["ok", "refused", "troubled", "look"]), st.floats(0.0, 40.0)), max_size=80
    )
)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_something_may_be_tried_within_the_longest_pause(events: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(0.0), 0.0
    for event, gap in events:
        now += gap
        allowed = breaker.allowance(now)
        breaker.went(1 if allowed is None else allowed, now)
        if event == "ok":
            breaker.succeeded(now)
        elif event == "refused":
            breaker.refused(now, "x")
        elif event == "troubled":
            breaker.troubled(now, "x")
        assert 0.0 <= breaker.fitness(now) <= 1.0
        assert breaker.wait(now) <= LONGEST_PAUSE * 1.25
    assert breaker.allowance(now + LONGEST_PAUSE * 1.25 + 0.01) != 0


# -- the choice ----------------------------------------------------------------------------------------------------


def shares(roads: Roads, total: int, chunk: int, moment: float, answer: Sent = TAKEN) -> dict[str, int]:
    sent: dict[str, int] = {}
    while sum(sent.values()) < total:
        channel, count = roads.take("sms", Kind.ACTUAL, chunk, moment)
        assert channel is not None and count > 0
        sent[channel.account] = sent.get(channel.account, 0) + count
        roads.learn(channel, answer, moment)
    return sent


@given(weights=st.lists(st.floats(0.1, 10.0), min_size=2, max_size=5), chunk=st.integers(1, 150))
@settings(max_examples=60, deadline=None)
def test_the_shares_converge_to_the_weights(weights: list[float], chunk: int) -> None:
    roads = Roads([Road(f"a{n}", weight, rate=1e9) for n, weight in enumerate(weights)], 0.0)
    total = chunk * 400
    sent = shares(roads, total, chunk, 1.0)
    for n, weight in enumerate(weights):
        assert sent.get(f"a{n}", 0) / total == pytest.approx(weight / sum(weights), abs=0.02)


def test_a_broken_account_is_left_at_once_and_comes_back_gradually() -> None:
    a, b = Road("a", rate=1e9), Road("b", rate=1e9)
    roads = Roads([a, b], 0.0)
    roads.learn(a, REFUSED, 1.0)
    assert set(shares(roads, 1000, 10, 1.1)) == {"b"}
    assert roads.again_in(a, REFUSED, Kind.ACTUAL, 1.1) < 0.1
    now = 3.0
    while roads.view(a, now).breaker is not BreakerState.CLOSED:
        channel, _count = roads.take("sms", Kind.ACTUAL, 10, now)
        assert channel is not None
        roads.learn(channel, TAKEN, now)
    early = shares(roads, 10_000, 10, now + 1.0)["a"]
    late = shares(roads, 10_000, 10, now + DRIFT)["a"]
    assert early < 2000 < late == pytest.approx(5000, rel=0.02)


def test_an_account_told_to_wait_is_left_out_until_then_without_a_rush_afterwards() -> None:
    a, b = Road("a", rate=1e9), Road("b", rate=1e9)
    roads = Roads([a, b], 0.0)
    roads.learn(a, slow_down(5.0), 1.0)
    assert set(shares(roads, 5000, 50, 5.9)) == {"b"}
    later = shares(roads, 5000, 50, 7.0)
    assert later["a"] == pytest.approx(2500, rel=0.05)


def test_a_slow_account_gives_what_it_can_and_starves_nobody() -> None:
    slow, fast = Road("slow", weight=3.0, rate=100.0), Road("fast", weight=1.0, rate=1000.0)
    roads = Roads([slow, fast], 0.0)
    sent = {"slow": 0, "fast": 0}
    for tick in range(10_000):
        moment = tick / 1000
        for _ in range(2):
            channel, count = roads.take("sms", Kind.ACTUAL, 50, moment)
            assert channel is not None
            sent[channel.account] += count
    assert sent["slow"] == pytest.approx(1000, rel=0.03)
    assert sent["fast"] == pytest.approx(10_000, rel=0.03)


def test_a_reserve_is_used_only_while_no_other_account_works() -> None:
    a, reserve = Road("a", rate=1e9), Road("reserve", weight=0.0, rate=1e9)
    roads = Roads([a, reserve], 0.0)
    assert set(shares(roads, 500, 10, 1.0)) == {"a"}
    roads.learn(a, REFUSED, 1.0)
    assert set(shares(roads, 500, 10, 1.1)) == {"reserve"}


@given(
    events=st.lists(
        st.tuples(st.sampled_from(["a", "b", "x"]), st.sampled_from([TAKEN, REFUSED, TIMED_OUT, slow_down(3.0)])),
        max_size=60,
    ),
    kind=st.sampled_from(list(Kind)),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_broken_kinds_never_mix(events: list[tuple[str, Sent]], kind: Kind) -> None:
    channels = {
        "a": Road("a"), "b": Road("b", weight=0.0), "x": Road("x", kinds=EXERCISE_KINDS),
    }  # fmt: skip
    roads = Roads(list(channels.values()), 0.0)
    for nth, (account, sent) in enumerate(events):
        roads.learn(channels[account], sent, nth * 0.3)
        channel, _count = roads.take("sms", kind, 5, nth * 0.3)
        assert channel is not None
        assert kind in channel.kinds
    assert [c.account for c in roads.bearers("sms", kind, None)] == (["x"] if kind is Kind.EXERCISE else ["a", "b"])


def test_with_every_account_broken_all_wait_and_go_on_by_themselves() -> None:
    a, b = Road("a"), Road("b")
    roads = Roads([a, b], 0.0)
    for channel in (a, b):
        roads.learn(channel, REFUSED, 1.0)
    assert roads.take("sms", Kind.ACTUAL, 10, 1.1)[1] == 0
    wait = roads.wait("sms", Kind.ACTUAL, 1.1)
    assert wait is not None and 0 < wait < 1
    assert roads.again_in(a, REFUSED, Kind.ACTUAL, 1.1) >= 0.5
    assert roads.take("sms", Kind.ACTUAL, 10, 1.1 + wait)[1] > 0


def test_a_probe_that_is_not_sent_after_all_gives_its_place_back() -> None:
    a = Road("a")
    roads = Roads([a], 0.0)
    roads.learn(a, REFUSED, 1.0)
    assert roads.take("sms", Kind.ACTUAL, 10, 3.0)[1] == PROBES
    assert roads.take("sms", Kind.ACTUAL, 10, 3.0)[1] == 0
    roads.give_back(a, 1)
    assert roads.take("sms", Kind.ACTUAL, 10, 3.0)[1] == 1


def test_two_accounts_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same account name"):
        Roads([Road("a"), Road("a")], 0.0)


def test_a_retry_after_is_obeyed_whatever_it_came_with() -> None:
    a = Road("a")
    roads = Roads([a], 0.0)
    roads.learn(a, Sent(Answer.UNKNOWN, reason="http_503", retry_after=40.0, account_fault=True), 1.0)
    assert roads.take("sms", Kind.ACTUAL, 10, 40.9)[1] == 0
    assert roads.take("sms", Kind.ACTUAL, 10, 46.0)[1] == 10
    roads.learn(a, Sent(Answer.NOT_TAKEN, reason="http_401", retry_after=90.0, account_fault=True), 50.0)
    assert roads.take("sms", Kind.ACTUAL, 10, 139.9)[1] == 0
    assert roads.take("sms", Kind.ACTUAL, 10, 141.0)[1] == PROBES
