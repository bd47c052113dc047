"""Asking the posts of a drill: by itself, reminders, calls, other dates, moving and calling off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import service as asking
from emergency.asking.escalation import escalate
from emergency.asking.models import Answer, Means, Question, QuestionState, QuestionStep, StepKind, StepOutcome
from emergency.config import Config
from emergency.drills import confirming, confirming_jobs, service, telling
from emergency.drills.confirming_models import (
    AskingOutcome,
    DateProposal,
    DrillAsking,
    DrillNotice,
    NoticeKind,
    NoticeOutcome,
    ProposalState,
)
from emergency.drills.models import (
    Answered,
    Invitation,
    Occurrence,
    OccurrenceState,
    Programme,
    ProgrammeState,
)
from emergency.http.actor import SYSTEM
from emergency.http.permissions import Role
from emergency.people.contacts import service as contacts
from emergency.people.posts.models import PostHolder
from kernel.clock import BEIJING, ManualClock
from kernel.db import now
from kernel.errors import Conflict, Invalid, NotFound
from kernel.ids import new_id
from notify.models import Broadcast, Delivery, DeliveryState, Kind
from scheduler.recurrence import Freq, Recurrence
from tests.drills.conftest import World
from tests.plans.support import DULIU, person
from tests.together import at_once

Plan = Callable[..., Programme]
LATER = datetime(2026, 12, 2, 14, tzinfo=BEIJING)


def first(world: World) -> Occurrence:
    with world.database.read() as session:
        return session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)).first()  # type: ignore[return-value]


def texts(world: World, words: str = "") -> list[str]:
    with world.database.read() as session:
        found = session.scalars(sa.select(Broadcast.text).order_by(Broadcast.id))
        return [text for text in found if words in text]


def messages(world: World, words: str) -> int:
    """How many messages carry these words."""
    with world.database.read() as session:
        return int(
            session.scalar(
                sa.select(sa.func.count()).select_from(Delivery).join(Broadcast, Broadcast.id == Delivery.broadcast_id)
                .where(Broadcast.text.contains(words))
            ) or 0
        )  # fmt: skip


def invited(world: World, plan: Plan, **changes: object) -> Occurrence:
    with world.database.write() as session:
        plan(session, **changes)
    occurrence = first(world)
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=occurrence.id)
    return occurrence


def say(world: World, post_id: int, answer: str, **more: object) -> None:
    """The post answers the question that stands now, over its link."""
    with world.database.write() as session:
        invitation = session.scalars(sa.select(Invitation).where(Invitation.post_id == post_id)).one()
        given: dict[str, object] = {"means": Means.PHONE} | more
        asking.answer(session, actor=SYSTEM, question_id=invitation.question_id or 0, answer=answer, **given)  # type: ignore[arg-type]


def notices(world: World, kind: NoticeKind) -> list[DrillNotice]:
    with world.database.read() as session:
        return list(
            session.scalars(sa.select(DrillNotice).where(DrillNotice.kind == kind).order_by(DrillNotice.due_at))
        )


def asked_rows(world: World) -> list[DrillAsking]:
    with world.database.read() as session:
        return list(session.scalars(sa.select(DrillAsking).order_by(DrillAsking.due_at)))


# ---- asking by itself ----


def test_a_date_is_asked_about_by_itself_once_when_its_day_comes(world: World, plan: Plan, clock: ManualClock) -> None:
    with world.database.write() as session:
        plan(session, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 10)))
    assert confirming_jobs.ask_by_itself(world.database, clock.now()) == 0
    clock.set(datetime(2026, 11, 26, 8, 59, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert texts(world) == [] and [row.done_at for row in asked_rows(world)] == [None]
    clock.set(datetime(2026, 11, 26, 9, 0, tzinfo=BEIJING))
    for _ in range(3):
        confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 2
    assert [(row.outcome, row.asked) for row in asked_rows(world)] == [(AskingOutcome.ASKED, 2)]
    assert first(world).state is OccurrenceState.INVITED


def test_zero_days_ask_by_hand_only(world: World, plan: Plan, clock: ManualClock, config: Config) -> None:
    world.database.attach("config", replace(config, drills=replace(config.drills, ask_days_before=0)))
    with world.database.write() as session:
        plan(session)
    assert confirming_jobs.ask_by_itself(world.database, clock.now()) == 0
    assert asked_rows(world) == [] and texts(world) == []


def test_after_downtime_what_is_ahead_is_asked_late_and_what_is_past_is_recorded_as_missed(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session, title="甲演练", recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 10)))
        plan(session, title="乙演练", recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 14)))
    clock.set(datetime(2026, 12, 13, 10, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert [row.outcome for row in asked_rows(world)] == [AskingOutcome.TOO_LATE, AskingOutcome.ASKED]
    assert messages(world, "乙演练") == 2 and messages(world, "甲演练") == 0


def test_a_paused_programme_asks_nobody_until_it_goes_on(world: World, plan: Plan, clock: ManualClock) -> None:
    with world.database.write() as session:
        programme = plan(session)
        programme.state = ProgrammeState.PAUSED
        programme_id = programme.id
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert texts(world) == []
    with world.database.write() as session:
        session.get_one(Programme, programme_id).state = ProgrammeState.ACTIVE
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 2


def test_a_date_that_was_asked_about_by_hand_is_not_asked_again(world: World, plan: Plan, clock: ManualClock) -> None:
    with world.database.write() as session:
        plan(session, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 8)))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=first(world).id)
    clock.advance(timedelta(days=2))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert [row.outcome for row in asked_rows(world)] == [AskingOutcome.NOT_NEEDED]
    assert messages(world, "请确认是否参加演练") == 2


def test_a_programme_without_posts_is_recorded_and_not_tried_again(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session, post_ids=[])
    confirming_jobs.ask_by_itself(world.database, clock.now())
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert [row.outcome for row in asked_rows(world)] == [AskingOutcome.NOBODY]


def test_a_date_moved_further_away_waits_for_its_new_day(world: World, plan: Plan, clock: ManualClock) -> None:
    with world.database.write() as session:
        plan(session, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 8)))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    occurrence = first(world)
    with world.database.write() as session:
        telling.move(
            session, actor=world.planner, occurrence_id=occurrence.id, version=occurrence.version,
            starts_at=datetime(2026, 12, 20, 9, tzinfo=BEIJING),
        )  # fmt: skip
    clock.set(datetime(2026, 11, 25, 9, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert texts(world) == []
    clock.set(datetime(2026, 12, 6, 9, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 2


def test_two_tickers_ask_and_tell_everybody_once(world: World, plan: Plan, clock: ManualClock) -> None:
    with world.database.write() as session:
        for number in range(7):
            plan(session, title=f"演练{number}号", recurrence=Recurrence(Freq.YEARLY, date(2026, 11, 30)))
    at_once(lambda: confirming_jobs.ask_by_itself(world.database, clock.now()))
    assert messages(world, "请确认是否参加演练") == 14
    assert len(asked_rows(world)) == 7 and all(row.outcome is AskingOutcome.ASKED for row in asked_rows(world))
    with world.database.write() as session:
        for occurrence_id in session.scalars(sa.select(Occurrence.id)).all():
            telling.call_off(session, actor=world.planner, occurrence_id=occurrence_id, reason="有实际任务")
    at_once(lambda: confirming_jobs.send_notices(world.database, clock.now()))
    assert messages(world, "演练取消") == 14
    assert {n.outcome for n in notices(world, NoticeKind.CANCELLED)} == {NoticeOutcome.SENT}


# ---- reminders ----


def test_who_is_silent_is_reminded_and_the_last_time_called(world: World, plan: Plan, clock: ManualClock) -> None:
    occurrence = invited(world, plan)
    clock.set(occurrence.starts_at - timedelta(hours=24))
    escalate(world.database, clock.now())
    assert messages(world, "再次提醒") == 2
    clock.set(occurrence.starts_at - timedelta(hours=2))
    escalate(world.database, clock.now())
    with world.database.read() as session:
        [spoken] = set(session.scalars(sa.select(Broadcast.text).where(Broadcast.text.contains("按键答复"))))
    assert "1 能参加，2 不能参加，9 重听" in spoken and "派人" not in spoken and "http" not in spoken


def test_reminders_missed_in_a_downtime_are_left_out_and_recorded(world: World, plan: Plan, clock: ManualClock) -> None:
    occurrence = invited(world, plan)
    clock.set(occurrence.starts_at - timedelta(hours=1, minutes=50))
    escalate(world.database, clock.now())
    assert messages(world, "再次提醒") == 2, "the one of two hours before, and not the one of the day before with it"
    with world.database.read() as session:
        steps = session.scalars(
            sa.select(QuestionStep).where(QuestionStep.kind == StepKind.REMIND).order_by(QuestionStep.due_at)
        ).all()
        assert [step.missed for step in steps] == [True, True, False, False]
        assert steps[0].outcome is StepOutcome.NOT_NEEDED and steps[-1].outcome is StepOutcome.SENT


def test_who_takes_part_is_reminded_a_day_and_two_hours_before_without_a_question(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    occurrence = invited(world, plan, place="镇中心小学")
    say(world, world.chief, "yes")
    say(world, world.gong, "no")
    for hours in (24, 23, 2, 1):
        clock.set(occurrence.starts_at - timedelta(hours=hours))
        confirming_jobs.send_notices(world.database, clock.now())
        escalate(world.database, clock.now())
    assert messages(world, "您已确认参加演练") == 2 and messages(world, "再次提醒") == 0
    assert "地点镇中心小学" in texts(world, "您已确认参加演练")[0] and "/c/" not in texts(world, "您已确认参加")[0]
    outcomes = [(n.post_id == world.chief, n.outcome) for n in notices(world, NoticeKind.REMIND)]
    assert sorted(outcomes, key=str) == sorted(
        [(True, NoticeOutcome.SENT)] * 2 + [(False, NoticeOutcome.NOT_NEEDED)] * 2, key=str
    )


@pytest.mark.parametrize(("late", "sent"), [(timedelta(days=3), 1), (timedelta(minutes=30), 1)])
def test_after_downtime_a_reminder_is_not_doubled(
    world: World, plan: Plan, clock: ManualClock, late: timedelta, sent: int
) -> None:
    occurrence = invited(world, plan)
    say(world, world.chief, "yes")
    clock.set(min(occurrence.starts_at - timedelta(hours=24) + late, occurrence.starts_at - timedelta(hours=1.5)))
    for _ in range(2):
        confirming_jobs.send_notices(world.database, clock.now())
    assert messages(world, "您已确认参加演练") == sent
    if late > timedelta(hours=20):
        missed = [n for n in notices(world, NoticeKind.REMIND) if n.outcome is NoticeOutcome.MISSED]
        assert {n.due_at for n in missed} == {occurrence.starts_at - timedelta(hours=24)}


def test_a_clock_set_back_sends_nothing_twice(world: World, plan: Plan, clock: ManualClock) -> None:
    occurrence = invited(world, plan)
    say(world, world.chief, "yes")
    clock.set(occurrence.starts_at - timedelta(hours=24))
    confirming_jobs.send_notices(world.database, clock.now())
    for moment in (occurrence.starts_at - timedelta(hours=25), occurrence.starts_at - timedelta(hours=24)):
        clock.set(moment)
        confirming_jobs.send_notices(world.database, clock.now())
    assert messages(world, "您已确认参加演练") == 1


def test_a_drill_that_began_reminds_nobody(world: World, plan: Plan, clock: ManualClock) -> None:
    occurrence = invited(world, plan)
    say(world, world.chief, "yes")
    clock.set(occurrence.starts_at + timedelta(hours=1))
    confirming_jobs.send_notices(world.database, clock.now())
    assert messages(world, "您已确认参加演练") == 0
    assert {n.outcome for n in notices(world, NoticeKind.REMIND)} == {NoticeOutcome.MISSED}


# ---- calls ----


def fail_texts(session: Session) -> None:
    session.execute(sa.update(Delivery).values(state=DeliveryState.FAILED, reason="30005"))


def test_whom_the_text_did_not_reach_is_called_once_and_by_day(world: World, plan: Plan, clock: ManualClock) -> None:
    invited(world, plan)
    assert confirming_jobs.call_unreached(world.database, clock.now()) == 0
    with world.database.write() as session:
        fail_texts(session)
    clock.set(datetime(2026, 11, 23, 21, tzinfo=BEIJING))
    assert confirming_jobs.call_unreached(world.database, clock.now()) == 0, "nobody is called at night"
    clock.set(datetime(2026, 11, 24, 8, 30, tzinfo=BEIJING))
    assert confirming_jobs.call_unreached(world.database, clock.now()) == 2
    assert confirming_jobs.call_unreached(world.database, clock.now()) == 0
    escalate(world.database, clock.now())
    with world.database.read() as session:
        assert session.scalars(sa.select(Delivery.channel).where(Delivery.channel == "voice")).all() == ["voice"] * 2
    assert confirming_jobs.call_unreached(world.database, clock.now()) == 0


def test_who_answered_is_not_called(world: World, plan: Plan, clock: ManualClock) -> None:
    invited(world, plan)
    with world.database.write() as session:
        fail_texts(session)
    say(world, world.chief, "yes")
    assert confirming_jobs.call_unreached(world.database, clock.now()) == 1


def test_posts_can_be_asked_by_a_call_at_once(world: World, plan: Plan) -> None:
    with world.database.write() as session:
        plan(session)
    with world.database.write() as session:
        assert service.invite(session, actor=world.planner, occurrence_id=first(world).id, call=True) == 2
    with world.database.read() as session:
        assert set(session.scalars(sa.select(Delivery.channel))) == {"voice"}


# ---- answers and other dates ----


def test_several_answers_are_all_kept_and_the_latest_stands(world: World, plan: Plan, clock: ManualClock) -> None:
    occurrence = invited(world, plan)
    for answer in ("yes", "no", "deputy", "yes"):
        clock.advance(timedelta(minutes=1))
        say(world, world.chief, answer)
    with world.database.read() as session:
        assert [a.key for a in session.scalars(sa.select(Answer).order_by(Answer.at))] == ["yes", "no", "deputy", "yes"]
        [one] = session.scalars(sa.select(Invitation).where(Invitation.post_id == world.chief)).all()
        assert one.answer is Answered.YES
    assert first(world).id == occurrence.id


def test_what_was_heard_earlier_is_typed_in_with_its_time(world: World, plan: Plan, clock: ManualClock) -> None:
    invited(world, plan)
    said_at = clock.now() + timedelta(minutes=5)
    clock.advance(timedelta(hours=2))
    with world.database.write() as session:
        invitation = session.scalars(sa.select(Invitation).where(Invitation.post_id == world.chief)).one()
        service.record_answer(
            session, actor=world.liaison, invitation_id=invitation.id, answer="other", means=Means.RADIO, at=said_at,
            proposed_at=LATER, note="当天有会",
        )  # fmt: skip
    with world.database.read() as session:
        [answer] = session.scalars(sa.select(Answer)).all()
        assert (answer.at, answer.proposed_at, answer.means) == (said_at, LATER, Means.RADIO)
        assert answer.note_sealed is not None and "当天有会".encode() not in answer.note_sealed
        [proposal] = session.scalars(sa.select(DateProposal)).all()
        assert (proposal.wanted_at, proposal.state, proposal.made_at) == (LATER, ProposalState.OPEN, said_at)


def proposals(world: World) -> list[DateProposal]:
    with world.database.read() as session:
        return list(session.scalars(sa.select(DateProposal).order_by(DateProposal.id)))


def test_a_proposal_that_is_accepted_moves_the_drill_and_everybody_is_told_once_and_asked_anew(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    occurrence = invited(world, plan, place="镇中心小学")
    say(world, world.chief, "yes")
    say(world, world.gong, "other", proposed_at=LATER)
    [proposal] = proposals(world)
    with world.database.write() as session:
        telling.accept(session, actor=world.planner, proposal_id=proposal.id)
    assert first(world).starts_at == LATER and first(world).state is OccurrenceState.INVITED
    moved = texts(world, "演练改期")
    assert len(moved) == 2 and messages(world, "演练改期") == 2
    assert any("您此前答复“能参加”" in text for text in moved) and any("您此前答复“建议改期”" in text for text in moved)
    assert all("原定11月30日（周一）09:00，现改为12月2日（周三）14:00，地点镇中心小学" in text for text in moved)
    with world.database.read() as session:
        asked = {i.post_id: i for i in session.scalars(sa.select(Invitation))}
        assert asked[world.chief].earlier is Answered.YES and asked[world.chief].answer is None
        states = session.scalars(sa.select(Question.state).order_by(Question.id)).all()
        assert states == [QuestionState.CLOSED] * 2 + [QuestionState.OPEN] * 2
        question = session.get_one(Question, asked[world.chief].question_id)
        assert ["此前答复", "能参加"] in [list(pair) for pair in question.details]
    assert [p.state for p in proposals(world)] == [ProposalState.ACCEPTED]
    assert {n.outcome for n in notices(world, NoticeKind.MOVED)} == {NoticeOutcome.SENT}
    due = {n.due_at for n in notices(world, NoticeKind.REMIND) if n.done_at is None}
    assert due == {LATER - timedelta(hours=24), LATER - timedelta(hours=2)}
    say(world, world.chief, "yes")
    say(world, world.gong, "yes")
    assert first(world).state is OccurrenceState.CONFIRMED
    with pytest.raises(Conflict), world.database.write() as session:
        telling.accept(session, actor=world.planner, proposal_id=proposal.id)
    assert occurrence.id == first(world).id


def test_a_proposal_that_is_refused_tells_its_post_why_and_the_date_stays(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    occurrence = invited(world, plan)
    say(world, world.gong, "other", proposed_at=LATER)
    [proposal] = proposals(world)
    with pytest.raises(Invalid), world.database.write() as session:
        telling.refuse(session, actor=world.planner, proposal_id=proposal.id, reason="  ")
    with world.database.write() as session:
        telling.refuse(session, actor=world.planner, proposal_id=proposal.id, reason="当日另有安排。")
    for _ in range(2):
        confirming_jobs.send_notices(world.database, clock.now())
    [text] = texts(world, "未能采纳")
    assert "改到12月2日（周三）14:00，未能采纳：当日另有安排。演练时间不变，仍为11月30日（周一）09:00" in text
    assert messages(world, "未能采纳") == 1 and first(world).starts_at == occurrence.starts_at
    assert proposals(world)[0].state is ProposalState.REFUSED
    with world.database.read() as session:
        assert session.scalars(sa.select(Broadcast.kind).where(Broadcast.text == text)).one() is Kind.NOTICE


def test_words_that_pretend_another_kind_of_message_are_refused(world: World, plan: Plan) -> None:
    occurrence = invited(world, plan)
    say(world, world.gong, "other", proposed_at=LATER)
    with pytest.raises(Invalid), world.database.write() as session:
        telling.refuse(session, actor=world.planner, proposal_id=proposals(world)[0].id, reason="【演练】另有安排")
    with pytest.raises(Invalid), world.database.write() as session:
        telling.call_off(session, actor=world.planner, occurrence_id=occurrence.id, reason="【演练】取消")
    assert first(world).state is OccurrenceState.INVITED


def test_a_later_answer_overtakes_a_proposal(world: World, plan: Plan, clock: ManualClock) -> None:
    invited(world, plan)
    say(world, world.gong, "other", proposed_at=LATER)
    clock.advance(timedelta(minutes=1))
    say(world, world.gong, "other", proposed_at=LATER + timedelta(days=1))
    clock.advance(timedelta(minutes=1))
    say(world, world.gong, "yes")
    assert [p.state for p in proposals(world)] == [ProposalState.OVERTAKEN] * 2


def test_a_proposal_in_mere_words_cannot_be_taken_by_one_press(world: World, plan: Plan) -> None:
    invited(world, plan)
    say(world, world.gong, "other", note="下旬再说")
    [proposal] = proposals(world)
    assert proposal.wanted_at is None
    with pytest.raises(Conflict), world.database.write() as session:
        telling.accept(session, actor=world.planner, proposal_id=proposal.id)


def test_a_text_reply_names_another_date(world: World, plan: Plan, clock: ManualClock) -> None:
    invited(world, plan)
    clock.advance(timedelta(minutes=5))
    with world.database.write() as session:
        key = session.info["vault"].index("phone", "+8615400000001")
        assert asking.ReplyDesk().received(session, key, "改期 12月2日下午2点", clock.now(), "sms", 1) == "matched"
        key = session.info["vault"].index("phone", "+8615400000002")
        assert asking.ReplyDesk().received(session, key, "改期 过两天", clock.now(), "sms", 2) == "matched"
    assert [p.wanted_at for p in proposals(world)] == [LATER, None]


def test_a_neighbour_decides_nothing_and_learns_nothing(world: World, plan: Plan) -> None:
    invited(world, plan)
    say(world, world.gong, "other", proposed_at=LATER)
    neighbour = person(Role.PLANNER, division=DULIU, id=9)
    for act in (
        lambda s: telling.accept(s, actor=neighbour, proposal_id=proposals(world)[0].id),
        lambda s: telling.refuse(s, actor=neighbour, proposal_id=proposals(world)[0].id, reason="不"),
        lambda s: telling.call_off(s, actor=neighbour, occurrence_id=first(world).id, reason="不"),
    ):
        with pytest.raises(NotFound), world.database.write() as session:
            act(session)


# ---- moved and called off ----


def deputise(world: World, post_id: int, phone: str) -> None:
    with world.database.write() as session:
        contact = contacts.create(session, name="李某二", phone=phone)
        session.add(PostHolder(id=new_id(), post_id=post_id, contact_id=contact.id, order=1, since=now(session)))


def test_a_deputy_who_was_asked_hears_that_the_drill_was_moved(world: World, plan: Plan, clock: ManualClock) -> None:
    deputise(world, world.gong, "15400000009")
    occurrence = invited(world, plan)
    clock.set(occurrence.starts_at - timedelta(hours=1.5))
    escalate(world.database, clock.now())
    assert messages(world, "请您代答") == 1
    with world.database.write() as session:
        telling.move(
            session, actor=world.planner, occurrence_id=occurrence.id, version=first(world).version, starts_at=LATER
        )
    assert messages(world, "请重新确认是否参加") == 2 and messages(world, "特此告知") == 1


def test_a_drill_moved_before_anybody_was_asked_tells_nobody(world: World, plan: Plan) -> None:
    with world.database.write() as session:
        plan(session)
    occurrence = first(world)
    with world.database.write() as session:
        asked, _version = telling.move(
            session, actor=world.planner, occurrence_id=occurrence.id, version=occurrence.version, starts_at=LATER
        )
    assert asked == 0 and texts(world) == []


def test_a_drill_moved_twice_asks_about_the_last_date_and_keeps_the_first_answer(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    occurrence = invited(world, plan)
    say(world, world.chief, "yes")
    for days in (2, 3):
        clock.advance(timedelta(minutes=3))
        with world.database.write() as session:
            telling.move(
                session, actor=world.planner, occurrence_id=occurrence.id, version=first(world).version,
                starts_at=occurrence.starts_at + timedelta(days=days),
            )  # fmt: skip
    with world.database.read() as session:
        [one] = session.scalars(sa.select(Invitation).where(Invitation.post_id == world.chief)).all()
        assert one.answer is None and one.earlier is Answered.YES
        alive = session.scalars(sa.select(Question.closes_at).where(Question.state == QuestionState.OPEN)).all()
        assert set(alive) == {occurrence.starts_at + timedelta(days=3)} and len(alive) == 2


def test_calling_off_tells_every_asked_post_once_and_ends_reminders(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    occurrence = invited(world, plan)
    say(world, world.chief, "yes")
    with world.database.write() as session:
        told = telling.call_off(session, actor=world.planner, occurrence_id=occurrence.id, reason="当日有实际防汛任务")
    assert told == 2
    for _ in range(2):
        confirming_jobs.send_notices(world.database, clock.now())
    [text] = set(texts(world, "演练取消"))
    assert "原定11月30日（周一）09:00" in text and "当日有实际防汛任务" in text and messages(world, "演练取消") == 2
    clock.set(occurrence.starts_at - timedelta(hours=24))
    confirming_jobs.send_notices(world.database, clock.now())
    escalate(world.database, clock.now())
    assert messages(world, "您已确认参加演练") == 0 and messages(world, "再次提醒") == 0


def test_one_person_on_two_posts_hears_of_it_once(world: World, plan: Plan, clock: ManualClock) -> None:
    with world.database.write() as session:
        holder = session.scalars(sa.select(PostHolder).where(PostHolder.post_id == world.gong)).one()
        other = session.scalars(sa.select(PostHolder.contact_id).where(PostHolder.post_id == world.chief)).one()
        holder.contact_id = other
    occurrence = invited(world, plan)
    with world.database.write() as session:
        telling.call_off(session, actor=world.planner, occurrence_id=occurrence.id, reason="有任务")
    confirming_jobs.send_notices(world.database, clock.now())
    assert messages(world, "演练取消") == 1
    assert {n.outcome for n in notices(world, NoticeKind.CANCELLED)} == {NoticeOutcome.SENT}


def test_a_post_that_nobody_holds_is_recorded_as_not_told(world: World, plan: Plan, clock: ManualClock) -> None:
    occurrence = invited(world, plan)
    with world.database.write() as session:
        telling.call_off(session, actor=world.planner, occurrence_id=occurrence.id, reason="有任务")
        session.execute(sa.text("DELETE FROM question_link"))
        session.execute(sa.delete(PostHolder).where(PostHolder.post_id == world.gong))
    confirming_jobs.send_notices(world.database, clock.now())
    outcomes = {n.post_id: n.outcome for n in notices(world, NoticeKind.CANCELLED)}
    assert outcomes == {world.chief: NoticeOutcome.SENT, world.gong: NoticeOutcome.NOBODY}


def test_every_kind_of_notice_is_an_everyday_notice(world: World, plan: Plan, clock: ManualClock) -> None:
    occurrence = invited(world, plan)
    say(world, world.chief, "yes")
    with world.database.write() as session:
        telling.move(
            session, actor=world.planner, occurrence_id=occurrence.id, version=first(world).version, starts_at=LATER
        )
    with world.database.read() as session:
        assert set(session.scalars(sa.select(Broadcast.kind))) == {Kind.NOTICE}
        assert not any("【演练】" in text for text in session.scalars(sa.select(Broadcast.text)))
    assert confirming.WORDS["yes"] == "能参加"


def test_moments_are_kept_in_utc(world: World, plan: Plan) -> None:
    invited(world, plan)
    assert all(n.due_at.tzinfo is UTC for n in notices(world, NoticeKind.REMIND))
