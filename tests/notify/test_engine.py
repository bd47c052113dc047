from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from support import (
    ACCOUNT,
    Book,
    Gateway,
    Outcomes,
    account,
    counts,
    few,
    number,
    recipients,
    running,
    spec,
    wait_for,
)

from kernel.db import Database
from notify import service
from notify.channels.twilio_sms import TwilioSms
from notify.engine import Engine
from notify.models import Broadcast, Delivery, DeliveryState, EngineBeat, Kind, RawReceipt

Make = Callable[..., Engine]


def enter(database: Database, start: int, count: int, **changes: object) -> Broadcast:
    with database.write() as session:
        return service.broadcast(session, spec(database, **changes), recipients(session, start, count))


def alive(database: Database) -> bool:
    with database.read() as session:
        return bool(session.scalar(sa.select(sa.func.count()).select_from(EngineBeat)))


def taken(gateway: Gateway, start: int, count: int) -> Counter[str]:
    mine = {number(key) for key in range(start, start + count)}
    return Counter(to for to, _ in gateway.taken() if to in mine)


def test_everybody_gets_one_message_with_signature(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int, book: Book
) -> None:
    record = enter(database, start, 700)
    assert make_engine_for(database).run_once() == 700
    assert counts(database, record.id) == {"submitted": 700}
    found = taken(gateway, start, 700)
    assert len(found) == 700 and set(found.values()) == {1}
    mine = [body for to, body in gateway.taken() if to == number(start)]
    assert mine == ["【静海应急】请注意防范大风。"]
    assert sum(asked for _, _, asked in book.asked) == 700
    assert {purpose for _, purpose, _ in book.asked} == {"deliver:actual"}
    with database.read() as session:
        assert all(row.provider_ref for row in session.scalars(sa.select(Delivery)))
    assert make_engine_for(database).run_once() == 0


def test_personal_texts_are_filled_at_send(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    one = few(start, 1)[0]
    named = service.Recipient(one.recipient, one.division, start, one.number_key, params={"name": "张某一"})
    with database.write() as session:
        service.deliver(session, spec(database, "{name}，请核对值班表。", kind=Kind.NOTICE, signature=""), [named])
    make_engine_for(database).run_once()
    assert (number(start), "张某一，请核对值班表。") in gateway.taken()


def test_an_exercise_goes_by_its_own_credentials_only(
    database: Database, gateway: Gateway, make_engine_for: Make, outcomes: Outcomes, start: int
) -> None:
    record = enter(database, start, 3, kind=Kind.EXERCISE)
    make_engine_for(database, accounts=[account(gateway)]).run_once()
    assert counts(database, record.id) == {"failed": 3}
    assert outcomes.refusals == [("no_channel_for_kind", 3)]
    assert not taken(gateway, start, 3)
    again = enter(database, start, 3, kind=Kind.EXERCISE)
    make_engine_for(database).run_once()
    assert counts(database, again.id) == {"submitted": 3}
    assert all(body.endswith("【演练】") for to, body in gateway.taken() if to == number(start))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (sa.update(Delivery).values(kind=Kind.EXERCISE), "kind_mismatch"),
        (sa.update(Broadcast).values(text="【演练】请转移。【演练】"), "actual_with_marker"),
    ],
)
def test_kinds_that_disagree_at_send_are_refused_and_told(
    database: Database, gateway: Gateway, make_engine_for: Make, outcomes: Outcomes, start: int,
    change: sa.Update, reason: str,
) -> None:  # fmt: skip
    record = enter(database, start, 2)
    with database.write() as session:
        session.execute(change)
    make_engine_for(database).run_once()
    assert counts(database, record.id) == {"failed": 2}
    assert outcomes.refusals == [(reason, 2)]
    assert not taken(gateway, start, 2)


@pytest.mark.parametrize(
    "fault",
    ["429", "500", "500_after_accept", "silence", "silence_after_accept", "reset", "reset_after_accept",
     "html", "html_after_accept", "no_sid"],
)  # fmt: skip
def test_whatever_the_gateway_does_nobody_is_lost_or_doubled(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int, fault: str
) -> None:
    gateway.faults(**{f"share_{fault}": 0.3}, seed=start)
    record = enter(database, start, 40)
    engine = make_engine_for(database, absent_after_seconds=0.4, request_timeout=0.4)
    with running(engine):
        wait_for(lambda: counts(database, record.id) == {"submitted": 40}, 25)
    found = taken(gateway, start, 40)
    assert len(found) == 40
    assert set(found.values()) == {1}


def test_odd_answers_are_kept_sealed(database: Database, gateway: Gateway, make_engine_for: Make, start: int) -> None:
    gateway.faults(share_429=1.0, retry_after=30)
    enter(database, start, 5)
    make_engine_for(database).run_once(1.0)
    with database.read() as session:
        kept = session.scalars(sa.select(RawReceipt.sealed)).all()
    assert kept and all(b"20429" not in blob and blob.startswith(b"sealed:") for blob in kept)


def test_a_number_that_is_refused_for_good_is_a_defect_and_not_a_retry(
    database: Database, gateway: Gateway, make_engine_for: Make, outcomes: Outcomes, book: Book, start: int
) -> None:
    book.special = {start: "+8616400000096", start + 1: "+8616400000095", start + 2: "not a number", start + 3: None}
    record = enter(database, start, 5)
    make_engine_for(database).run_once()
    assert counts(database, record.id) == {"submitted": 1, "failed": 4}
    reasons = dict(outcomes.defects)
    assert [reasons[f"resident:{start + i}"] for i in range(4)] == ["21614", "21610", "21211", "no_address"]
    assert {s.state for s in outcomes.settlements} == {"failed"}


def test_a_gateway_that_is_down_costs_nothing_but_time(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    record = enter(database, start, 30)
    down = account("http://127.0.0.1:9", name="main")
    make_engine_for(database, accounts=[down]).run_once(1.5)
    assert counts(database, record.id) == {"queued": 30}
    wait_for(lambda: make_engine_for(database).run_once(5) or not counts(database, record.id).get("queued"), 10)
    assert counts(database, record.id) == {"submitted": 30}
    assert set(taken(gateway, start, 30).values()) == {1}


def test_a_wrong_password_is_no_failure_of_the_message(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    from dataclasses import replace

    record = enter(database, start, 30)
    wrong = replace(account(gateway), auth_token="wrong")
    make_engine_for(database, accounts=[wrong]).run_once(0.5)
    assert counts(database, record.id) == {"queued": 30}
    with database.read() as session:
        assert service.status(session).channels[0].last_error == "http_401"


def test_nothing_leaves_after_its_time(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TwilioSms, "ABILITIES", replace(TwilioSms.ABILITIES, least_validity=1))
    slow = account(gateway, messages_per_second=20.0)
    engine = make_engine_for(database, accounts=[slow])
    with running(engine):
        wait_for(lambda: alive(database))
        until = database.clock.now() + timedelta(seconds=3)
        record = enter(database, start, 150, valid_until=until)
        wait_for(lambda: not {"queued", "claimed"} & set(counts(database, record.id)))
    found = counts(database, record.id)
    assert found["expired"] > 50
    assert found["submitted"] + found["expired"] == 150
    assert len(taken(gateway, start, 150)) == found["submitted"]


def test_a_cancel_stops_a_running_broadcast_within_one_batch(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    record = enter(database, start, 900)
    engine = make_engine_for(database, accounts=[account(gateway, messages_per_second=200.0)])
    with running(engine):
        wait_for(lambda: taken(gateway, start, 900))
        with database.write() as session:
            service.cancel(session, record.id)
        before = len(taken(gateway, start, 900))
        wait_for(lambda: not {"queued", "claimed"} & set(counts(database, record.id)))
    found = counts(database, record.id)
    assert found["submitted"] == len(taken(gateway, start, 900)) <= before + 60
    assert found["cancelled"] == 900 - found["submitted"]


def test_an_urgent_warning_overtakes_what_is_already_under_way(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    enter(database, start, 1500, priority=6)
    engine = make_engine_for(database, accounts=[account(gateway, messages_per_second=150.0)])
    with running(engine):
        wait_for(lambda: taken(gateway, start, 1500))
        red = enter(database, start + 1600, 20, priority=0)
        wait_for(lambda: counts(database, red.id) == {"submitted": 20}, 3.0)
        assert len(taken(gateway, start, 1500)) < 800


def test_a_drained_engine_takes_nothing_new(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    record = enter(database, start, 10)
    service.drain(database, 5)
    assert make_engine_for(database).run_once(1.0) == 0
    service.drain(database, 0)
    assert make_engine_for(database).run_once() == 10
    assert counts(database, record.id) == {"submitted": 10}


def test_two_engines_share_the_work_and_double_nobody(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    record = enter(database, start, 1900)
    engines = [make_engine_for(database, holder=f"test:{n}") for n in range(2)]
    with running(*engines):
        wait_for(lambda: counts(database, record.id) == {"submitted": 1900}, 25)
    assert set(taken(gateway, start, 1900).values()) == {1}


def test_the_same_text_from_two_broadcasts_is_not_taken_for_one(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    first = enter(database, start, 1)
    make_engine_for(database).run_once()
    second = enter(database, start, 1)
    gateway.faults(share_500=1.0)
    make_engine_for(database, absent_after_seconds=60).run_once(1.0)
    assert counts(database, second.id) == {"unknown": 1}
    gateway.faults()
    make_engine_for(database, absent_after_seconds=0.01).run_once(3.0)
    assert counts(database, first.id) == counts(database, second.id) == {"submitted": 1}
    assert taken(gateway, start, 1)[number(start)] == 2


def test_the_engine_shows_that_it_lives(database: Database, make_engine_for: Make, start: int) -> None:
    enter(database, start, 5)
    make_engine_for(database, holder="box:7").run_once()
    with database.read() as session:
        status = service.status(session)
    assert status.alive == 1
    assert status.engines[0].holder == "box:7"
    assert status.engines[0].handed_over == 5
    assert {state.name for state in status.channels} == {"main", "exercise"}
    assert status.unknown == 0
    assert DeliveryState.QUEUED not in status.lanes
    assert ACCOUNT not in str(status)
