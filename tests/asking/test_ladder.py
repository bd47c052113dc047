"""What happens while nobody answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from emergency.asking import service, subjects
from emergency.asking.escalation import escalate, expire
from emergency.asking.jobs import JOBS
from emergency.asking.models import Means, Question, QuestionState, QuestionStep, StepKind, StepOutcome
from emergency.asking.rules import Ladder, Rung, Step
from emergency.http.permissions import Role
from kernel.clock import ManualClock
from kernel.db import Database
from scheduler.ticker import Ticker
from tests.asking.conftest import Outbox, fetch, minutes
from tests.asking.support import World, person

Ask = Callable[..., Question]
OFFICER = person(Role.DUTY_OFFICER)


def outcomes(database: Database) -> list[tuple[StepKind, StepOutcome | None]]:
    with database.read() as session:
        return [
            (step.kind, step.outcome)
            for step in session.scalars(
                sa.select(QuestionStep).order_by(QuestionStep.question_id, QuestionStep.position)
            )
        ]


def test_the_ladder_goes_to_the_holder_the_deputy_the_superior_and_the_door(
    ask: Ask, database: Database, clock: ManualClock, outbox: Outbox, world: World
) -> None:
    question = ask()
    for step in (3, 2, 5, 5):
        assert escalate(database, minutes(step, clock)) == 1
    village, town = world.posts["village"], world.posts["town"]
    assert [recipient for recipient, _t, _l in outbox.messages()] == [
        f"post:{village}", f"post:{village}", f"post:{village}", f"post:{town}",
    ]  # fmt: skip
    texts = [text for _r, text, _l in outbox.messages()]
    assert texts[1].startswith("再次提醒：")
    assert "义和村委会 锣长尚未答复，请您代答" in texts[2]
    assert "义和村委会 锣长至今未答复，请您过问" in texts[3]
    assert len(set(texts)) == 4, "the same text again would be dropped by the carriers"
    with database.read() as session:
        contacts = session.scalars(sa.select(QuestionStep.contact_id).order_by(QuestionStep.position)).all()
        names = {value: key for key, value in world.contacts.items()}
        assert [names.get(c or 0) for c in contacts] == ["village0", "village0", "village1", "town0", None]
        assert [q.id for q in service.at_the_door(session, actor=OFFICER)] == [question.id]
        [line] = service.waiting(session, OFFICER, clock.now())
        assert "锣长" in line.what and line.url == f"/questions/{question.id}"
        assert service.waiting(session, person(Role.LIAISON, division="120118100000"), clock.now()) == []
    assert outcomes(database)[-1] == (StepKind.DOOR, StepOutcome.AT_DOOR)


def test_an_answer_stops_the_ladder(ask: Ask, database: Database, clock: ManualClock, outbox: Outbox) -> None:
    question = ask()
    escalate(database, minutes(3, clock))
    with database.write() as session:
        service.answer(session, actor=OFFICER, question_id=question.id, answer="yes", means=Means.PHONE)
    assert escalate(database, minutes(60, clock)) == 0
    assert len(outbox.messages()) == 2
    assert {outcome for _kind, outcome in outcomes(database)[2:]} == {StepOutcome.NOT_NEEDED}


def test_after_downtime_every_step_is_done_once_and_in_order(
    ask: Ask, database: Database, clock: ManualClock, outbox: Outbox
) -> None:
    ask()
    minutes(40, clock)
    assert escalate(database, clock.now()) == 4
    assert escalate(database, clock.now()) == 0
    assert [kind for kind, _outcome in outcomes(database)] == [
        StepKind.ASK, StepKind.REMIND, StepKind.DEPUTY, StepKind.SUPERIOR, StepKind.DOOR,
    ]  # fmt: skip
    assert len(outbox.messages()) == 4


def test_every_deputy_is_asked_once_and_then_nobody_is_left(
    ask: Ask, database: Database, clock: ManualClock, outbox: Outbox, world: World
) -> None:
    ask(ladder=Ladder.of_minutes((Step.DEPUTY, 1), (Step.DEPUTY, 2), (Step.DEPUTY, 3), (Step.DOOR, 30)))
    escalate(database, minutes(4, clock))
    assert len(outbox.messages()) == 3
    escalate(database, clock.now())
    assert outcomes(database)[-2:] == [
        (StepKind.DEPUTY, StepOutcome.NOBODY), (StepKind.DOOR, StepOutcome.AT_DOOR),
    ], "where nobody is left the door need not wait for its minute"  # fmt: skip


def test_a_step_takes_another_road_where_the_ladder_says_so(ask: Ask, database: Database, clock: ManualClock) -> None:
    from notify.models import Delivery

    ask(ladder=Ladder((Rung(Step.REMIND, timedelta(minutes=3), channels=("voice",)),)))
    escalate(database, minutes(3, clock))
    with database.read() as session:
        assert session.scalars(sa.select(Delivery.channel).order_by(Delivery.id)).all() == ["sms", "voice"]


def test_a_ladder_may_count_from_when_the_answer_is_wanted(ask: Ask, database: Database, clock: ManualClock) -> None:
    due = clock.now() + timedelta(days=3)
    ask(due_at=due, ladder=None)
    with database.read() as session:
        steps = session.scalars(sa.select(QuestionStep).order_by(QuestionStep.position)).all()
        assert [(s.kind, s.due_at) for s in steps[1:]] == [
            (StepKind.REMIND, due - timedelta(hours=24)), (StepKind.DEPUTY, due),
        ], "what would come after the link has closed is left out"  # fmt: skip


def test_two_tickers_at_once_send_every_step_once(
    ask: Ask, database: Database, clock: ManualClock, outbox: Outbox
) -> None:
    for n in range(12):
        ask(subject=("thing", n), ladder=Ladder.of_minutes((Step.REMIND, 3)))
    now = minutes(4, clock)
    threads = [threading.Thread(target=escalate, args=(database, now)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outbox.messages()) == 24


def test_nobody_answered_is_a_state_and_the_subject_hears_of_it(
    ask: Ask, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    monkeypatch.setattr(subjects, "_SUBJECTS", {})
    service.register_subject("thing", on_unanswered=lambda _s, question: heard.append(question.subject_id))
    question = ask(closes_at=clock.now() + timedelta(hours=2))
    assert expire(database, clock.now()) == 0
    assert expire(database, minutes(121, clock)) == 1
    assert expire(database, clock.now()) == 0
    assert heard == [7]
    with database.read() as session:
        assert fetch(session, question).state is QuestionState.EXPIRED
    with database.write() as session:  # a radio report of three in the morning, typed in at breakfast
        at = clock.now() - timedelta(hours=1)
        service.answer(session, actor=OFFICER, question_id=question.id, answer="yes", means=Means.RADIO, at=at)
        assert fetch(session, question).state is QuestionState.ANSWERED


def test_a_text_that_cannot_be_sent_does_not_hold_up_the_others(
    ask: Ask, database: Database, clock: ManualClock, outbox: Outbox
) -> None:
    from notify.models import Kind

    broken = ask(ladder=Ladder.of_minutes((Step.REMIND, 3), (Step.DOOR, 60)))
    ask(subject=("thing", 8), ladder=Ladder.of_minutes((Step.REMIND, 3)))
    with database.write() as session:  # an actual that carries the mark of an exercise is refused by delivery
        values = {"notice_kind": Kind.ACTUAL, "text": "【演练】来吗？"}
        session.execute(sa.update(Question).where(Question.id == broken.id).values(**values))
    escalate(database, minutes(4, clock))
    assert len(outbox.messages()) == 3
    assert (StepKind.REMIND, StepOutcome.FAILED) in outcomes(database)
    assert (StepKind.DOOR, StepOutcome.AT_DOOR) in outcomes(database) or escalate(database, clock.now()) == 1


def test_the_ticker_calls_the_ladder(ask: Ask, database: Database, clock: ManualClock, outbox: Outbox) -> None:
    ask()
    minutes(3, clock)
    assert Ticker(database, JOBS).tick()["asking.escalate"] == 1
    assert len(outbox.messages()) == 2


def test_an_account_that_does_not_answer_is_reminded_and_has_no_superior(
    ask: Ask, database: Database, clock: ManualClock, outbox: Outbox, world: World
) -> None:
    ask(account_id=world.account)
    for _ in range(3):
        escalate(database, minutes(16, clock))
    assert [r for r, _t, _l in outbox.messages()] == [f"account:{world.account}"] * 2
    assert outcomes(database)[-1] == (StepKind.DOOR, StepOutcome.AT_DOOR)


def test_whom_the_text_of_a_call_out_does_not_wake_is_called_and_answers_with_a_key(
    ask: Ask, database: Database, clock: ManualClock
) -> None:
    from notify import speech
    from notify.models import Broadcast, Delivery, Kind

    ask(ladder=Ladder.callout(call=3, awake=5, superior=10, door=15))
    escalate(database, minutes(3, clock))
    with database.read() as session:
        sent = session.execute(
            sa.select(Delivery.channel, Broadcast.text)
            .join(Broadcast, Broadcast.id == Delivery.broadcast_id)
            .order_by(Delivery.id)
        ).all()
    assert [channel for channel, _text in sent] == ["sms", "voice"]
    spoken = speech.call_text(Kind.ACTUAL, sent[1].text)
    assert "按键答复：1 " in spoken and "http" not in spoken and "{" not in spoken and "听到请按" not in spoken
