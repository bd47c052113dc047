"""A question: how it is asked, how it is answered, what stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from emergency.asking import rules, service
from emergency.asking.models import Answer, Link, Means, Question, QuestionState, QuestionStep, StepOutcome
from emergency.http.actor import SYSTEM, Actor
from emergency.http.permissions import Role
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import DomainError, Forbidden, Invalid, NotFound
from notify.models import BroadcastState, Delivery, DeliveryState, Kind
from tests.asking.conftest import ANSWERS, Outbox, fetch
from tests.asking.support import DISTRICT, TOWN, VILLAGE, World, person

Ask = Callable[..., Question]
OFFICER = person(Role.DUTY_OFFICER)


def test_asking_sends_one_notice_with_a_link_of_its_own(ask: Ask, outbox: Outbox, world: World, read: Any) -> None:
    question = ask()
    [(recipient, text, link)] = outbox.messages()
    assert recipient == f"post:{world.posts['village']}"
    assert "您能到吗" in text and "1 能到，2 派人代替我，3 去不了" in text and text.endswith("{link}")
    assert link.startswith("http") and "/c/" in link
    with read() as session:
        delivery = session.scalars(sa.select(Delivery)).one()
        assert delivery.kind is Kind.NOTICE and delivery.division == VILLAGE
        stored = session.scalars(sa.select(Link)).one()
        assert question.division_code == VILLAGE
        token = outbox.tokens()[0]
        assert len(token) >= 22 and token.encode() not in stored.token_digest
        opened = service.by_token(session, token)
        assert opened is not None and opened.question.id == question.id and opened.takes_answers


def test_an_unknown_token_leads_nowhere(ask: Ask, read: Any) -> None:
    ask()
    with read() as session:
        assert service.by_token(session, "x" * 22) is None
        assert service.by_token(session, "short") is None


def test_many_are_asked_in_one_broadcast_with_a_link_each(
    database: Database, world: World, clock: ManualClock, outbox: Outbox
) -> None:
    with database.write() as session:
        questions = service.ask_many(
            session, actor=SYSTEM, subject=("thing", 1), kind="k", text="来吗？", answers=ANSWERS,
            due_at=clock.now() + timedelta(hours=1), post_ids=list(world.posts.values()), account_ids=[world.account],
        )  # fmt: skip
    assert len(questions) == 5
    messages = outbox.messages()
    assert len(messages) == 4, "one of the posts has a holder without a number"
    assert len({link for _r, _t, link in messages}) == 4
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count(sa.distinct(Delivery.broadcast_id)))) == 1


def test_one_number_behind_two_posts_gets_a_message_for_each(
    database: Database, world: World, clock: ManualClock, outbox: Outbox
) -> None:
    from emergency.people.posts.models import Duty
    from tests.asking.support import add_post

    with database.write() as session:
        second = add_post(session, world, "again", VILLAGE, Duty.EVACUATION_LEADER, ["15400000001"])
        service.ask_many(
            session, actor=SYSTEM, subject=("thing", 1), kind="k", text="来吗？", answers=ANSWERS,
            due_at=clock.now() + timedelta(hours=1), post_ids=[world.posts["village"], second],
        )  # fmt: skip
    assert [recipient for recipient, _t, _l in outbox.messages()] == [
        f"post:{world.posts['village']}", f"post:{second}",
    ]  # fmt: skip


def test_a_post_that_cannot_be_reached_is_asked_all_the_same_and_its_deputy_at_once(
    ask: Ask, world: World, database: Database, clock: ManualClock, outbox: Outbox
) -> None:
    from emergency.asking.escalation import escalate

    ask(post_id=world.posts["silent"])
    assert outbox.messages() == []
    assert escalate(database, clock.now()) == 1
    [(recipient, text, _link)] = outbox.messages()
    assert recipient == f"post:{world.posts['silent']}" and "请您代答" in text
    with database.read() as session:
        first = session.scalars(sa.select(QuestionStep).order_by(QuestionStep.position)).first()
        assert first is not None and first.outcome is StepOutcome.NOBODY


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"text": "  "}, "empty_text"),
        ({"answers": []}, "bad_answers"),
        ({"answers": [("a", "甲", "A"), ("a", "乙", "B")]}, "bad_answers"),
        ({"due_at": datetime(2026, 1, 1).astimezone()}, "already_due"),
        ({"post_id": None}, "bad_recipient"),
        ({"post_id": 5}, "not_found"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_and_nothing_leaves(
    ask: Ask, outbox: Outbox, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        ask(**change)
    assert refused.value.code == code
    assert outbox.messages() == []


def test_braces_in_a_question_are_only_braces(ask: Ask, outbox: Outbox) -> None:
    ask(text="带上 {证件} 来")
    from notify.text import render

    _recipient, text, link = outbox.messages()[0]
    assert "带上 {证件} 来" in render(text, {"link": link})


def test_all_answers_are_kept_and_the_one_said_last_stands(ask: Ask, write: Any, read: Any, clock: ManualClock) -> None:
    question = ask()
    clock.advance(600)
    with write() as session:
        service.answer(session, actor=OFFICER, question_id=question.id, answer="yes", means=Means.PHONE)
    clock.advance(600)
    with write() as session:
        # Heard by radio before the telephone call, typed in after it: it does not overturn what was said later.
        early = clock.now() - timedelta(minutes=15)
        service.answer(session, actor=OFFICER, question_id=question.id, answer="no", means=Means.RADIO, at=early)
    with read() as session:
        assert fetch(session, question).answer_key == "yes"
    with write() as session:
        service.answer(session, actor=OFFICER, question_id=question.id, answer="no", means=Means.VISIT)
    with read() as session:
        now = fetch(session, question)
        assert (now.state, now.answer_key) == (QuestionState.ANSWERED, "no")
        answers = service.answers_of(session, question.id)
        assert [(a.key, a.means, a.recorded_by) for a in answers] == [
            ("no", Means.RADIO, "account:1"), ("yes", Means.PHONE, "account:1"), ("no", Means.VISIT, "account:1"),
        ]  # fmt: skip
        assert answers[0].recorded_at - answers[0].at == timedelta(minutes=15)


@given(st.lists(st.tuples(st.datetimes(), st.integers(1, 50)), min_size=1, unique_by=lambda pair: pair[1]))
def test_whatever_the_order_of_recording_the_last_said_stands(answers: list[tuple[datetime, int]]) -> None:
    winner = rules.stands(answers)
    assert next(at for at, number in answers if number == winner) == max(at for at, _n in answers)
    assert rules.stands(list(reversed(answers))) == winner


@pytest.mark.parametrize("offset", [timedelta(hours=-1), timedelta(minutes=1)])
def test_an_answer_cannot_be_older_than_its_question_nor_lie_in_the_future(
    ask: Ask, write: Any, clock: ManualClock, offset: timedelta
) -> None:
    question = ask()
    with write() as session, pytest.raises(Invalid) as refused:
        service.answer(
            session, actor=OFFICER, question_id=question.id, answer="yes", means=Means.PHONE, at=clock.now() + offset
        )
    assert refused.value.code == "bad_time"


def test_an_answer_that_is_none_of_the_choices_is_refused(ask: Ask, write: Any) -> None:
    question = ask()
    with write() as session, pytest.raises(Invalid) as refused:
        service.answer(session, actor=OFFICER, question_id=question.id, answer="perhaps", means=Means.PHONE)
    assert refused.value.code == "unknown_answer"


def test_a_note_is_sealed_and_reading_it_is_journalled_with_its_purpose(
    ask: Ask, write: Any, database: Database
) -> None:
    question = ask()
    with write() as session:
        record = service.answer(
            session, actor=OFFICER, question_id=question.id, answer="no", means=Means.PHONE, note="腿摔伤了在家"
        )
    assert record.note_sealed is not None and "腿摔伤".encode() not in record.note_sealed
    with database.read() as session, pytest.raises(Invalid):
        service.reveal_remark(session, actor=OFFICER, answer_id=record.id, purpose="")
    with database.read() as session:
        _question, _answer, remark = service.reveal_remark(session, actor=OFFICER, answer_id=record.id, purpose="drill")
    assert remark == {"note": "腿摔伤了在家"}
    with database.read() as session:
        entries = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "personal.revealed")).all()
        assert [(e.subject_kind, e.subject_id, e.purpose, e.actor) for e in entries] == [
            ("answer", record.id, "drill", "account:1")
        ]
        assert not any("腿" in entry.data for entry in session.scalars(sa.select(JournalEntry)))


def test_somebody_of_another_township_sees_and_answers_nothing(ask: Ask, write: Any, read: Any) -> None:
    question = ask()
    stranger = person(Role.LIAISON, division="120118100000", id=9)
    neighbour = person(Role.LIAISON, division=TOWN, id=8)
    with read() as session:
        with pytest.raises(NotFound):
            service.get(session, actor=stranger, question_id=question.id)
        assert service.open_questions(session, actor=stranger).items == []
        assert [q.id for q in service.open_questions(session, actor=neighbour).items] == [question.id]
    with write() as session, pytest.raises(NotFound):
        service.answer(session, actor=stranger, question_id=question.id, answer="yes", means=Means.PHONE)
    with write() as session, pytest.raises(Forbidden):
        service.ask(
            session, actor=stranger, post_id=question.post_id, subject=("thing", 1), kind="k", text="?",
            answers=ANSWERS, due_at=question.due_at,
        )  # fmt: skip


def test_a_question_to_an_account_is_answered_by_its_owner(
    ask: Ask, world: World, write: Any, read: Any, outbox: Outbox
) -> None:
    question = ask(account_id=world.account)
    assert [recipient for recipient, _t, _l in outbox.messages()] == [f"account:{world.account}"]
    owner, other = person(Role.APPROVER, id=world.account), person(Role.APPROVER, id=77)
    with read() as session:
        assert [q.id for q in service.asked_of_me(session, actor=owner)] == [question.id]
        assert service.asked_of_me(session, actor=other) == []
    with write() as session, pytest.raises(NotFound):
        service.answer_own(session, actor=other, question_id=question.id, key="yes")
    with write() as session:
        assert service.answer_own(session, actor=owner, question_id=question.id, key="yes").means is Means.PAGE


def test_the_subject_hears_every_answer_that_comes_to_stand(
    ask: Ask, write: Any, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emergency.asking import subjects

    heard: list[str] = []
    monkeypatch.setattr(subjects, "_SUBJECTS", {})
    service.register_subject("thing", on_answer=lambda _s, _q, answer: heard.append(answer.key))
    question = ask()
    clock.advance(600)
    for answer, at in (("yes", None), ("no", clock.now() - timedelta(minutes=5)), ("no", None)):
        with write() as session:
            service.answer(session, actor=OFFICER, question_id=question.id, answer=answer, means=Means.PHONE, at=at)
    assert heard == ["yes", "no"]


def test_closing_a_subject_closes_its_questions_and_stops_what_has_not_left(
    ask: Ask, write: Any, read: Any, outbox: Outbox
) -> None:
    question = ask()
    ask(subject=("thing", 8))
    with write() as session:
        assert service.close(session, ("thing", 7), actor=OFFICER, reason="演练改期") == 1
        assert service.close(session, ("thing", 7), actor=OFFICER) == 0
    with read() as session:
        assert fetch(session, question).state is QuestionState.CLOSED
        opened = service.by_token(session, outbox.tokens()[0])
        assert opened is not None and not opened.takes_answers
        states = session.execute(sa.select(Delivery.state).order_by(Delivery.id)).scalars().all()
        assert states == [DeliveryState.CANCELLED, DeliveryState.QUEUED]
        left = session.scalars(sa.select(QuestionStep).where(QuestionStep.done_at.is_(None))).all()
        assert {step.question_id for step in left} != {question.id}
    with write() as session, pytest.raises(DomainError) as refused:
        service.answer(session, actor=OFFICER, question_id=question.id, answer="yes", means=Means.PHONE)
    assert refused.value.code == "question_closed"


def test_an_answer_stops_only_its_own_message_of_a_shared_broadcast(
    database: Database, world: World, clock: ManualClock
) -> None:
    from notify.models import Broadcast

    with database.write() as session:
        questions = service.ask_many(
            session, actor=SYSTEM, subject=("thing", 1), kind="k", text="来吗？", answers=ANSWERS,
            due_at=clock.now() + timedelta(hours=1), post_ids=[world.posts["village"], world.posts["other"]],
        )  # fmt: skip
    with database.write() as session:
        service.answer(session, actor=OFFICER, question_id=questions[0].id, answer="yes", means=Means.PHONE)
    with database.read() as session:
        assert session.scalars(sa.select(Broadcast.state)).all() == [BroadcastState.OPEN]


def test_the_list_is_by_urgency_and_goes_on_where_it_stopped(ask: Ask, read: Any, clock: ManualClock) -> None:
    hours = [5, 1, 3, 2, 4]
    for n in hours:
        ask(subject=("thing", n), due_at=clock.now() + timedelta(hours=n))
    with read() as session:
        first = service.open_questions(session, actor=OFFICER, limit=2)
        second = service.open_questions(session, actor=OFFICER, limit=2, cursor=first.next_cursor)
        third = service.open_questions(session, actor=OFFICER, limit=2, cursor=second.next_cursor)
    assert [q.subject_id for q in [*first.items, *second.items, *third.items]] == [1, 2, 3, 4, 5]
    assert third.next_cursor is None
    with read() as session, pytest.raises(Invalid):
        service.open_questions(session, actor=OFFICER, cursor="nonsense")


def test_every_pair_of_states_is_allowed_or_refused_by_the_table() -> None:
    allowed = {(a, b) for a, after in rules.TRANSITIONS.items() for b in after}
    Q = QuestionState
    assert allowed == {
        (Q.OPEN, Q.ANSWERED), (Q.OPEN, Q.EXPIRED), (Q.OPEN, Q.CLOSED), (Q.ANSWERED, Q.ANSWERED),
        (Q.ANSWERED, Q.CLOSED), (Q.EXPIRED, Q.ANSWERED), (Q.EXPIRED, Q.CLOSED),
    }  # fmt: skip


def test_the_database_itself_refuses_a_question_of_nobody(write: Any, world: World, ask: Ask) -> None:
    question = ask()
    with pytest.raises(sa.exc.IntegrityError), write() as session:
        session.execute(sa.update(Question).where(Question.id == question.id).values(account_id=world.account))
    with pytest.raises(sa.exc.IntegrityError), write() as session:
        session.execute(sa.update(Answer).values(recorded_at=Answer.at))
        session.execute(sa.update(Question).where(Question.id == question.id).values(state=QuestionState.ANSWERED))


def test_an_exercise_is_stamped_as_one(ask: Ask, outbox: Outbox) -> None:
    question = ask(notice_kind=Kind.EXERCISE)
    assert question.drill
    assert outbox.messages()[0][1].startswith("【演练】")
    assert DISTRICT.startswith("1201")


def test_a_holder_who_confirms_has_the_number_verified(
    database: Database, world: World, clock: ManualClock, outbox: Outbox
) -> None:
    from emergency.people.contacts.models import Contact, PhoneState
    from emergency.people.posts.models import Post

    with database.write() as session:
        [question] = service.ask_to_verify(
            session, actor=OFFICER, post_ids=[world.posts["village"]], due_at=clock.now() + timedelta(days=2)
        )
    with database.write() as session:
        opened = service.by_token(session, outbox.tokens()[0])
        assert opened is not None
        holder = Actor(kind="post", id=world.posts["village"])
        service.answer(session, actor=holder, question_id=question.id, answer="yes", means=Means.LINK, link=opened.link)
    with database.read() as session:
        post, contact = session.get(Post, world.posts["village"]), session.get(Contact, world.contacts["village0"])
        assert post is not None and post.verified_at == clock.now()
        assert contact is not None and contact.phone_state is PhoneState.VERIFIED


def test_the_seed_asks_and_some_answer(database: Database, world: World) -> None:
    from emergency.asking import seed

    seed.seed(database)
    with database.read() as session:
        states = session.scalars(sa.select(Question.state)).all()
    assert sorted(state.value for state in states) == ["answered", "answered"]
