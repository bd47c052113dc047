"""Changing a programme: only what is to come and nobody has promised follows, after a preview that says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.asking import service as asking
from emergency.asking.models import Means, Question
from emergency.drills import compliance, programme_queries, programmes, service
from emergency.drills.changing import Kept
from emergency.drills.models import Occurrence, OccurrenceState, Programme, ProgrammeState
from emergency.drills.planning import add_dates
from emergency.drills.programmes import PreviewChanged
from emergency.drills.standing_models import SubjectKind
from emergency.http.actor import SYSTEM
from emergency.http.permissions import Role
from emergency.privacy.journal import JournalEntry
from kernel.clock import BEIJING, ManualClock
from kernel.errors import Conflict, Invalid, NotFound
from kernel.states import timeline
from scheduler.recurrence import Freq, OnHoliday, Recurrence
from tests.drills.conftest import World
from tests.plans.support import DULIU, person

Plan = Callable[..., Programme]
S = OccurrenceState


def rows(world: World, *states: S) -> list[Occurrence]:
    with world.database.read() as session:
        found = session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)).all()
    return [row for row in found if not states or row.state in states]


def days(found: list[Occurrence]) -> list[date]:
    return [row.starts_at.astimezone(BEIJING).date() for row in found]


def made(world: World, plan: Plan, **more: Any) -> Programme:
    with world.database.write() as session:
        return plan(session, **more)


def changed(world: World, programme: Programme, **more: Any) -> programmes.Preview:
    """See the preview, then do it."""
    with world.database.write() as session:
        facts = replace(programmes.facts_of(session, session.get_one(Programme, programme.id)), **more)
        seen = programmes.preview(session, actor=world.planner, programme_id=programme.id, facts=facts)
    with world.database.write() as session:
        return programmes.change(session, actor=world.planner, programme_id=programme.id, facts=facts, seen=seen.digest)


def answered(world: World, occurrence: Occurrence, *said: str) -> None:
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=occurrence.id)
        questions = session.scalars(
            sa.select(Question).where(Question.subject_id == occurrence.id).order_by(Question.id)
        ).all()
        for question, answer in zip(questions, said, strict=False):
            asking.answer(session, actor=SYSTEM, question_id=question.id, answer=answer, means=Means.PHONE)


def test_a_new_day_of_the_month_moves_what_nobody_promised_and_keeps_its_rows(world: World, plan: Plan) -> None:
    programme = made(world, plan, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 10)))
    before = rows(world)
    answered(world, before[0], "yes", "yes")
    answered(world, before[1], "yes")
    seen = changed(world, programme, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 10), day=20))
    assert [step.why for step in seen.outcome.kept] == [Kept.CONFIRMED, Kept.ANSWERED]
    assert (len(seen.outcome.moved), len(seen.outcome.added), len(seen.outcome.removed)) == (len(before) - 2, 0, 0)
    after = rows(world)
    assert {row.id for row in after} == {row.id for row in before}
    assert days(after)[:4] == [date(2026, 12, 10), date(2027, 1, 10), date(2027, 2, 20), date(2027, 3, 20)]
    assert [row.sequence for row in after if row.id == before[2].id] == [before[2].sequence + 1]


def test_a_kept_date_stands_in_for_the_new_one_so_that_nobody_rehearses_twice(world: World, plan: Plan) -> None:
    programme = made(world, plan, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 10)))
    answered(world, rows(world)[0], "yes", "yes")
    changed(world, programme, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 1), day=20))
    december = [
        day for day in days(rows(world, S.PLANNED, S.INVITED, S.CONFIRMED)) if day.month == 12 and day.year == 2026
    ]
    assert december == [date(2026, 12, 10)]


def test_what_falls_away_is_called_off_with_the_reason_and_comes_back_with_the_rule(world: World, plan: Plan) -> None:
    monthly = Recurrence(Freq.MONTHLY, date(2026, 12, 10))
    programme = made(world, plan, recurrence=monthly)
    whole = days(rows(world))
    ids = {row.id for row in rows(world)}
    changed(world, programme, recurrence=replace(monthly, interval=3))
    gone = rows(world, S.CANCELLED)
    assert days(gone)[:2] == [date(2027, 1, 10), date(2027, 2, 10)] and all(row.withdrawn for row in gone)
    with world.database.read() as session:
        assert "调整" in (timeline(session, "drill_occurrence", gone[0].id)[-1].reason or "")
    changed(world, programme, recurrence=monthly)
    assert days(rows(world, S.PLANNED)) == whole
    assert {row.id for row in rows(world)} == ids, "the same rows, so that calendars do not show two"


def test_what_people_called_off_never_comes_back(world: World, plan: Plan) -> None:
    programme = made(world, plan)
    second = rows(world)[1]
    with world.database.write() as session:
        service.cancel(session, actor=world.planner, occurrence_id=second.id, reason="停课")
    changed(world, programme, place="操场")
    with world.database.write() as session:
        programmes.pause(session, actor=world.planner, programme_id=programme.id, reason="校舍维修")
    with world.database.write() as session:
        programmes.resume(session, actor=world.planner, programme_id=programme.id)
    assert [row.id for row in rows(world, S.CANCELLED)] == [second.id]


def test_a_date_chosen_by_hand_is_not_moved_by_the_rule(world: World, plan: Plan) -> None:
    programme = made(world, plan)
    first = rows(world)[0]
    with world.database.write() as session:
        service.reschedule(
            session,
            actor=world.planner,
            occurrence_id=first.id,
            version=1,
            starts_at=first.starts_at + timedelta(days=3),
        )
    seen = changed(world, programme, start_time=time(20, 30))
    assert [step.why for step in seen.outcome.kept] == [Kept.PINNED]
    assert rows(world)[0].starts_at == first.starts_at + timedelta(days=3)
    assert {row.starts_at.astimezone(BEIJING).time() for row in rows(world)[1:]} == {time(20, 30)}


def test_a_preview_that_is_no_longer_true_is_refused_and_nothing_is_done(world: World, plan: Plan) -> None:
    programme = made(world, plan)
    with world.database.write() as session:
        facts = replace(programmes.facts_of(session, session.get_one(Programme, programme.id)), start_time=time(15, 0))
        seen = programmes.preview(session, actor=world.planner, programme_id=programme.id, facts=facts)
    answered(world, rows(world)[0], "yes")  # meanwhile somebody says yes
    with world.database.write() as session, pytest.raises(PreviewChanged):
        programmes.change(session, actor=world.planner, programme_id=programme.id, facts=facts, seen=seen.digest)
    with world.database.write() as session, pytest.raises(PreviewChanged):  # and nobody may apply other facts with it
        other = replace(facts, place="别处")
        programmes.change(session, actor=world.planner, programme_id=programme.id, facts=other, seen=seen.digest)
    with world.database.read() as session:
        assert session.get_one(Programme, programme.id).start_time == time(9, 0)
    assert {row.starts_at.astimezone(BEIJING).time() for row in rows(world)} == {time(9, 0)}


def test_held_and_past_dates_are_never_touched(world: World, plan: Plan, clock: ManualClock) -> None:
    programme = made(world, plan)
    first = rows(world)[0]
    clock.set(first.ends_at + timedelta(hours=1))
    with world.database.write() as session:
        service.record(
            session, actor=world.planner, occurrence_id=first.id,
            facts=service.RecordFacts(first.starts_at, first.ends_at, 40),
        )  # fmt: skip
    held = rows(world)[0]
    changed(world, programme, title="改名", recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 1), day=5))
    after = rows(world)[0]
    assert (after.id, after.title, after.starts_at, after.version) == (
        held.id,
        held.title,
        held.starts_at,
        held.version,
    )
    assert rows(world)[1].title == "改名"


def test_a_programme_rests_and_goes_on_from_today(world: World, plan: Plan, clock: ManualClock) -> None:
    programme = made(world, plan)
    answered(world, rows(world)[0], "yes", "yes")
    with world.database.write() as session:
        rest = programmes.pause(session, actor=world.planner, programme_id=programme.id, reason="校舍维修")
    assert rest.stayed == 1 and rest.changed == len(rows(world)) - 1
    assert len(rows(world, S.CONFIRMED)) == 1, "what was confirmed stays"
    clock.advance(timedelta(days=200))
    with world.database.write() as session:
        programmes.resume(session, actor=world.planner, programme_id=programme.id)
    coming = rows(world, S.PLANNED)
    assert all(row.starts_at > clock.now() for row in coming) and len(coming) == 13
    with world.database.write() as session, pytest.raises(Conflict):
        programmes.resume(session, actor=world.planner, programme_id=programme.id)


def test_an_ended_programme_keeps_its_reason_and_cannot_be_changed(world: World, plan: Plan) -> None:
    programme = made(world, plan)
    with world.database.write() as session, pytest.raises(Invalid) as refused:
        programmes.end(session, actor=world.planner, programme_id=programme.id, reason=" ")
    assert refused.value.code == "reason_required"
    with world.database.write() as session:
        programmes.end(session, actor=world.planner, programme_id=programme.id, reason="单位撤销")
    assert not rows(world, S.PLANNED)
    with world.database.read() as session:
        assert session.get_one(Programme, programme.id).state is ProgrammeState.ENDED
        assert timeline(session, "drill_programme", programme.id)[-1].reason == "单位撤销"
        kinds = session.scalars(sa.select(JournalEntry.kind)).all()
    assert "drills.programme_created" in kinds
    with pytest.raises(Conflict):
        changed(world, programme, place="别处")


def test_a_stranger_finds_no_programme(world: World, plan: Plan) -> None:
    programme = made(world, plan)
    stranger = person(Role.PLANNER, division=DULIU, id=9)
    with world.database.write() as session:
        for act in (programmes.pause, programmes.end):
            with pytest.raises(NotFound):
                act(session, actor=stranger, programme_id=programme.id, reason="试")
        with pytest.raises(NotFound):
            programmes.get_programme(session, actor=stranger, programme_id=programme.id)
        with pytest.raises(NotFound):
            add_dates(session, actor=stranger, programme_id=programme.id, dates=[date(2027, 1, 1)])


def test_dates_are_added_to_a_programme_of_named_dates(world: World, plan: Plan) -> None:
    programme = made(world, plan, recurrence=Recurrence.listed([date(2027, 3, 1)]))
    with world.database.write() as session:
        add_dates(session, actor=world.planner, programme_id=programme.id, dates=[date(2026, 12, 7), date(2027, 3, 1)])
    assert days(rows(world)) == [date(2026, 12, 7), date(2027, 3, 1)]
    monthly = made(world, plan)
    with world.database.write() as session, pytest.raises(Conflict):
        add_dates(session, actor=world.planner, programme_id=monthly.id, dates=[date(2026, 12, 7)])


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"ends_on": date(2026, 1, 1)}, "ends_before_start"),
        ({"recurrence": Recurrence(Freq.YEARLY, date(2026, 12, 1), day=25), "ends_on": date(2026, 12, 20)}, "no_dates"),
        ({"recurrence": Recurrence(Freq.WEEKLY, date(2026, 12, 5), until=date(2026, 12, 12),
                                   on_holiday=OnHoliday.SKIP)}, "no_dates"),
        ({"recurrence": Recurrence(Freq.DAILY, date(2026, 12, 5))}, "too_many_dates"),
        ({"unit_id": 123}, "bad_unit"), ({"plan_id": 123}, "bad_plan"), ({"post_ids": [1]}, "bad_post"),
        ({"duration_minutes": 0}, "bad_duration"), ({"duration_minutes": 10**9}, "bad_duration"),
        ({"title": " "}, "incomplete"),
    ],
)  # fmt: skip
def test_a_programme_that_makes_no_sense_is_refused_with_the_reason(
    world: World, plan: Plan, more: dict[str, Any], code: str
) -> None:
    with world.database.write() as session, pytest.raises(Invalid) as refused:
        plan(session, **more)
    assert refused.value.code == code


def test_a_drill_past_midnight_ends_the_next_day(world: World, plan: Plan) -> None:
    made(world, plan, start_time=time(23, 30), duration_minutes=90)
    first = rows(world)[0]
    assert first.ends_at.astimezone(BEIJING).date() == first.starts_at.astimezone(BEIJING).date() + timedelta(days=1)


def test_a_first_date_in_the_past_asks_for_nothing_that_lies_before_today(world: World, plan: Plan) -> None:
    past = {"recurrence": Recurrence(Freq.MONTHLY, date(2026, 1, 10)), "post_ids": ()}
    with world.database.write() as session:
        made = plan(session, **past).id
    with world.database.write() as session:
        slots = sa.select(Occurrence.slot_on).where(Occurrence.programme_id == made).order_by(Occurrence.slot_on)
        assert session.scalars(slots).first() == date(2026, 12, 10), "the rule's own day, from today on"
        programme = session.get_one(Programme, made)
        key = (SubjectKind.DIVISION, int(programme.division_code))
        assert compliance.since_of(session, [key], date(2026, 11, 23))[key] == date(2026, 11, 23)
        facts = programmes.facts_of(session, programme)
        assert facts.recurrence.start == date(2026, 1, 10), "what was typed is shown again"
        for changed in (
            replace(facts, recurrence=Recurrence(Freq.MONTHLY, date(2025, 1, 10))),
            replace(facts, recurrence=Recurrence(Freq.MONTHLY, date(2026, 1, 10), until=date(2026, 11, 1))),
        ):
            seen = programmes.preview(session, actor=world.planner, programme_id=made, facts=changed).digest
            programmes.change(session, actor=world.planner, programme_id=made, facts=changed, seen=seen)
            programme.materialised_until = None
            service.materialise(session, [programme])
            rows = session.scalars(slots.where(Occurrence.state != OccurrenceState.CANCELLED)).all()
            assert all(day >= date(2026, 11, 23) for day in rows)


def test_past_dates_are_written_where_their_records_are_to_follow(world: World, plan: Plan) -> None:
    past = {"recurrence": Recurrence(Freq.MONTHLY, date(2026, 9, 10), until=date(2026, 11, 10)), "post_ids": ()}
    with world.database.write() as session:
        with pytest.raises(Invalid) as refused:
            plan(session, **past)
        assert refused.value.code == "dates_in_the_past" and "starts_on" in refused.value.fields
        with pytest.raises(Invalid) as many:
            plan(session, recurrence=Recurrence(Freq.WEEKLY, date(2020, 1, 10)), backdated=True)
        assert many.value.code == "too_many_dates"
        made = plan(session, backdated=True, **past)
        days = session.scalars(
            sa.select(Occurrence.slot_on).where(Occurrence.programme_id == made.id).order_by(Occurrence.slot_on)
        ).all()
    assert days == [date(2026, 9, 10), date(2026, 10, 10), date(2026, 11, 10)]


def test_the_list_reads_one_next_date_a_programme(world: World, plan: Plan) -> None:
    with world.database.write() as session:
        for number in range(3):
            plan(session, title=f"演练{number}号", recurrence=Recurrence(Freq.WEEKLY, date(2026, 11, 25 + number)))
    with world.database.read() as session:
        results = []
        real = session.execute

        def counted(statement: Any, *rest: Any, **more: Any) -> Any:
            frozen = real(statement, *rest, **more).freeze()
            if "drill_occurrence" in str(statement):
                results.append(len(frozen().all()))
            return frozen()

        session.execute = counted  # type: ignore[method-assign]
        page = programme_queries.list_programmes(session, actor=world.planner)
    assert {line.next_at.astimezone(BEIJING).date() for line in page.items if line.next_at} == {
        date(2026, 11, 25), date(2026, 11, 26), date(2026, 11, 27)
    }  # fmt: skip
    assert results == [3], "one row a programme, not every date of a year"
