"""Drills in a real database: dates ahead, questions and answers, records, findings, compliance."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.asking import service as asking
from emergency.asking.models import Means, Question, QuestionState
from emergency.drills import compliance, lawbook, service, standings
from emergency.drills.defects import defects
from emergency.drills.jobs import mark_missed, write_ahead
from emergency.drills.learning_models import FindingState, Rating
from emergency.drills.models import (
    Answered,
    DrillKind,
    DrillRule,
    Form,
    Invitation,
    Occurrence,
    OccurrenceState,
    Programme,
    Record,
)
from emergency.drills.rules import Standing
from emergency.http.actor import SYSTEM
from emergency.http.permissions import Role
from kernel.clock import BEIJING, ManualClock
from kernel.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from notify.models import Broadcast, Kind
from scheduler.recurrence import Freq, OnHoliday, Recurrence
from tests.drills.conftest import World
from tests.plans.support import DULIU, TAITOU, person
from tests.together import at_once

Plan = Callable[..., Programme]


def occurrences(world: World) -> list[Occurrence]:
    with world.database.read() as session:
        return list(session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)))


def hold(world: World, session: Any, occurrence: Occurrence, **more: Any) -> Record:
    return service.record(
        session, actor=world.liaison, occurrence_id=occurrence.id,
        facts=service.RecordFacts(occurrence.starts_at, occurrence.ends_at, **({"attendance": 40} | more)),
    )  # fmt: skip


def test_dates_are_rows_thirteen_months_ahead_and_the_31st_is_clamped(world: World, plan: Plan) -> None:
    with world.database.write() as session:
        plan(session, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 31)))
    days = [o.starts_at.astimezone(BEIJING).date() for o in occurrences(world)]
    assert days[:3] == [date(2026, 12, 31), date(2027, 1, 31), date(2027, 2, 28)] and len(days) == 12
    assert all(o.starts_at.astimezone(BEIJING).time() == time(9, 0) for o in occurrences(world))


def test_writing_ahead_twice_makes_nothing_twice_and_goes_on_a_month_later(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
    before = len(occurrences(world))
    assert write_ahead(world.database, clock.now()) == 0
    clock.advance(timedelta(days=31))
    assert write_ahead(world.database, clock.now()) == 1 == len(occurrences(world)) - before
    assert write_ahead(world.database, clock.now()) == 0


def test_a_date_in_an_unannounced_year_is_provisional(world: World, plan: Plan) -> None:
    with world.database.write() as session:
        plan(session, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 1), on_holiday=OnHoliday.NEXT))
    found = {o.slot_on: o.provisional for o in occurrences(world)}
    assert found[date(2026, 12, 1)] is False and found[date(2027, 3, 1)] is True


def test_an_invitation_is_a_notice_to_each_post_and_the_answer_stands_on_the_occurrence(
    world: World, plan: Plan
) -> None:
    with world.database.write() as session:
        plan(session)
    first = occurrences(world)[0]
    with world.database.write() as session:
        assert service.invite(session, actor=world.planner, occurrence_id=first.id) == 2
        assert service.invite(session, actor=world.planner, occurrence_id=first.id) == 0, "nobody is asked twice"
    with world.database.read() as session:
        assert set(session.scalars(sa.select(Broadcast.kind))) == {Kind.NOTICE}
        questions = session.scalars(sa.select(Question).order_by(Question.id)).all()
        row = service.upcoming(session, world.planner)[0]
    assert (row.answered, row.asked, row.occurrence.state) == (0, 2, OccurrenceState.INVITED)
    with world.database.write() as session:
        for question, said in zip(questions, ("yes", "no"), strict=True):
            asking.answer(session, actor=SYSTEM, question_id=question.id, answer=said, means=Means.PHONE)
    with world.database.read() as session:
        row = service.upcoming(session, world.planner)[0]
    assert (row.answered, row.no, row.occurrence.state) == (2, 1, OccurrenceState.INVITED)
    with world.database.write() as session:  # the latest answer stands, and everybody's yes confirms
        asking.answer(session, actor=SYSTEM, question_id=questions[1].id, answer="yes", means=Means.PHONE)
    with world.database.read() as session:
        assert service.upcoming(session, world.planner)[0].occurrence.state is OccurrenceState.CONFIRMED
        kept = session.scalars(sa.select(Invitation.answer)).all()
    assert kept == [Answered.YES, Answered.YES]


def test_who_sends_a_deputy_takes_part_and_the_deputys_name_stays_sealed(world: World, plan: Plan) -> None:
    with world.database.write() as session:
        plan(session)
    first = occurrences(world)[0]
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=first.id)
        question, other = session.scalars(sa.select(Question).order_by(Question.id)).all()
        assert [data["zh"] for data in question.answers][:2] == ["能参加", "不能参加"]
        said = asking.answer(
            session, actor=SYSTEM, question_id=question.id, answer="deputy", means=Means.LINK,
            extra={"deputy_name": "李某二", "deputy_phone": "15400000099"},
        )  # fmt: skip
        asking.answer(session, actor=SYSTEM, question_id=other.id, answer="yes", means=Means.PHONE)
        assert said.note_sealed is not None and "李某二".encode() not in said.note_sealed
    with world.database.read() as session:
        invitations = session.scalars(sa.select(Invitation).order_by(Invitation.id)).all()
        assert {i.answer for i in invitations} == {Answered.YES}
        sent = {i.id for i in invitations if i.question_id == question.id}
        assert service.deputies(session, invitations) == sent
        assert service.upcoming(session, world.planner)[0].occurrence.state is OccurrenceState.CONFIRMED


def test_a_planner_writes_the_late_record_of_a_missed_drill_and_it_is_counted_no_more(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
    first = occurrences(world)[0]
    clock.set(first.starts_at + timedelta(days=10))
    assert mark_missed(world.database, clock.now()) == 1
    with world.database.read() as session:
        assert service.counts(session, world.planner)["unrecorded"] == 1
        assert [row.occurrence.id for row in service.unrecorded(session, world.planner)] == [first.id]
    with world.database.write() as session:
        service.record(
            session, actor=world.planner, occurrence_id=first.id,
            facts=service.RecordFacts(first.starts_at, first.ends_at, 40),
        )  # fmt: skip
    with world.database.read() as session:
        assert service.counts(session, world.planner)["unrecorded"] == 0
        assert service.unrecorded(session, world.planner) == []


def test_a_rule_for_users_of_dangerous_goods_does_not_mean_every_school(world: World, plan: Plan) -> None:
    with world.database.read() as session:
        keys = {case.rule.key for case in service.cases(session, actor=world.planner, unit_id=world.school)}
    assert "psr-ref-school-hosp-hazmat" not in keys and keys


def test_the_sources_of_rules_are_cited_as_chinese_law_is(world: World) -> None:
    with world.database.read() as session:
        cited = [rule.source for rule in service.list_rules(session)]
    assert not [text for text in cited if re.search(r"art|seen|[a-z]{3}", text)]
    assert "生产安全事故应急条例第八条第一款" in cited


def test_a_liaison_types_in_what_a_post_said_but_not_for_a_neighbour(world: World, plan: Plan) -> None:
    with world.database.write() as session:
        plan(session)
    first = occurrences(world)[0]
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=first.id)
        ids = session.scalars(sa.select(Invitation.id)).all()
    with pytest.raises(NotFound), world.database.write() as session:
        service.record_answer(session, actor=person(Role.LIAISON, division=DULIU, id=9), invitation_id=ids[0],
                              answer=Answered.YES, means=Means.PHONE)  # fmt: skip
    with world.database.write() as session:
        service.record_answer(session, actor=world.liaison, invitation_id=ids[0], answer=Answered.YES,
                              means=Means.PHONE)  # fmt: skip
        assert session.get_one(Invitation, ids[0]).answer is Answered.YES


def test_a_record_closes_the_questions_seals_its_notes_and_is_written_once(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
    first = occurrences(world)[0]
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=first.id)
    clock.advance(timedelta(days=8))
    with world.database.write() as session:
        made = hold(world, session, first, notes="张某一走错路线", evacuation_seconds=118)
        assert set(session.scalars(sa.select(Question.state))) == {QuestionState.CLOSED}
        assert service.notes_of(session, made) == "张某一走错路线"
        assert "张某一".encode() not in (made.notes_sealed or b"")
    with pytest.raises(Conflict) as refused, world.database.write() as session:
        hold(world, session, first)
    assert refused.value.code == "duplicate"


@pytest.mark.parametrize(("start", "end", "field"), [(60, 0, "ended_at"), (-60, 60 * 24 * 30, "ended_at")])
def test_a_record_that_does_not_fit_names_its_field(
    world: World, plan: Plan, clock: ManualClock, start: int, end: int, field: str
) -> None:
    with world.database.write() as session:
        plan(session)
    first = occurrences(world)[0]
    clock.set(first.ends_at)
    with pytest.raises(Invalid) as refused, world.database.write() as session:
        service.record(session, actor=world.liaison, occurrence_id=first.id, facts=service.RecordFacts(
            first.starts_at + timedelta(minutes=start), first.starts_at + timedelta(minutes=end), 3))  # fmt: skip
    assert field in refused.value.fields


def test_a_drill_without_a_record_is_missed_and_a_late_record_mends_it(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
    first = occurrences(world)[0]
    clock.set(first.due_at + timedelta(minutes=1))
    assert mark_missed(world.database, clock.now()) == 1
    assert mark_missed(world.database, clock.now()) == 0
    with world.database.read() as session:
        assert [d.rule for d in defects(session, clock.now())] == ["drill_unrecorded"]
    with world.database.write() as session:
        hold(world, session, first)
    with world.database.read() as session:
        assert session.get_one(Occurrence, first.id).state is OccurrenceState.HELD
        assert defects(session, clock.now()) == []


def test_moving_a_date_keeps_its_slot_and_refuses_the_past_and_a_stale_page(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        programme = plan(session)
    first = occurrences(world)[0]
    later = first.starts_at + timedelta(days=2)
    with world.database.write() as session:
        moved = service.reschedule(session, actor=world.planner, occurrence_id=first.id, version=first.version,
                                   starts_at=later)  # fmt: skip
        assert (moved.starts_at, moved.slot_on, moved.sequence) == (later, first.slot_on, 1)
        assert service.materialise(session, [session.get_one(Programme, programme.id)]) == 0
    with pytest.raises(Conflict), world.database.write() as session:
        service.reschedule(session, actor=world.planner, occurrence_id=first.id, version=first.version, starts_at=later)
    with pytest.raises(Invalid), world.database.write() as session:
        service.reschedule(session, actor=world.planner, occurrence_id=first.id, version=moved.version,
                           starts_at=clock.now())  # fmt: skip


def test_a_finding_is_closed_by_proof_only_and_a_late_action_shows(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
    first = occurrences(world)[0]
    clock.set(first.ends_at)
    with world.database.write() as session:
        hold(world, session, first)
        service.evaluate(session, actor=world.planner, occurrence_id=first.id, objectives=[("两小时转移", Rating.M)])
        finding = service.add_finding(session, actor=world.planner, occurrence_id=first.id, text="车辆不足")
        action = service.add_action(session, actor=world.planner, finding_id=finding.id, text="增配车辆",
                                    owner_words="镇防汛办", due_on=clock.now().date() + timedelta(days=3))  # fmt: skip
    for refused in (
        lambda s: service.close_finding(s, actor=world.planner, finding_id=finding.id, proof=" "),
        lambda s: service.finish_action(s, actor=world.planner, action_id=action.id, proof=""),
    ):
        with pytest.raises(Invalid) as error, world.database.write() as session:
            refused(session)
        assert error.value.code == "proof_required"
    clock.advance(timedelta(days=5))
    with world.database.read() as session:
        assert "action_overdue" in {d.rule for d in defects(session, clock.now())}
    with world.database.write() as session:
        service.finish_action(session, actor=world.planner, action_id=action.id, proof="采购合同")
        closed = service.close_finding(session, actor=world.planner, finding_id=finding.id, proof="现场核查")
    assert closed.state is FindingState.CLOSED
    with world.database.read() as session:
        assert "action_overdue" not in {d.rule for d in defects(session, clock.now())}


def test_loading_the_rules_again_keeps_what_the_bureau_decided(world: World) -> None:
    with world.database.write() as session:
        rule = session.scalars(sa.select(DrillRule).where(DrillRule.key == "village-1y-elsewhere")).one()
        assert not rule.adopted
        with pytest.raises(Forbidden):
            local = person(Role.PLANNER, division=TAITOU, id=4)
            service.adopt_rule(session, actor=local, rule_id=rule.id, adopted=True, reason="试")
        service.adopt_rule(session, actor=world.planner, rule_id=rule.id, adopted=True, reason="局务会决定")
        assert lawbook.load(session) == 0
    with world.database.read() as session:
        assert session.get_one(DrillRule, rule.id).adopted
        assert session.scalar(sa.select(sa.func.count()).select_from(DrillRule)) == 66


def test_the_database_does_not_let_a_weak_rule_bind_without_a_decision(world: World) -> None:
    with pytest.raises(sa.exc.IntegrityError), world.database.write() as session:
        session.execute(sa.update(DrillRule).where(DrillRule.key == "flood-preseason").values(adopted=True))


def test_which_rules_a_plant_and_a_school_have_follows_from_their_sectors(world: World) -> None:
    with world.database.read() as session:
        rulebook = compliance.book(session)
        units = {u.id: u for u in session.scalars(sa.select(compliance.Unit))}
        plant = {rule.key for rule in rulebook.for_unit(units[world.plant])}
        school = {rule.key for rule in rulebook.for_unit(units[world.school])}
    assert {"psr-highrisk-6m", "psp-unit-1y", "fire-key-6m"} <= plant and "fire-other-1y" not in plant
    assert {"edu-school-1m", "fire-school-acyear", "fire-other-1y"} <= school and "edu-kinder-3m" not in school
    assert "psr-highrisk-6m" not in school


def test_a_held_drill_of_the_right_kind_satisfies_and_a_wrong_one_does_not(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    def standing(key: str) -> Standing:
        with world.database.read() as session:
            found = service.cases(session, actor=world.planner, unit_id=world.plant)
        return next(case.verdict.standing for case in found if case.rule.key == key)

    with world.database.write() as session:
        for kind in (DrillKind.FIRE, DrillKind.RESCUE):
            plan(session, title=kind.zh, kind=kind, unit_id=world.plant, post_ids=(),
                 recurrence=Recurrence(Freq.YEARLY, date(2026, 3, 2), months=(3, 11), day=2), backdated=True)  # fmt: skip
    assert standing("psr-highrisk-6m") is Standing.DUE  # watched since the middle of the half before
    fire = next(
        o
        for o in occurrences(world)
        if o.kind is DrillKind.FIRE and o.starts_at > datetime(2026, 10, 1, tzinfo=BEIJING)
    )
    with world.database.write() as session:
        hold(world, session, fire)
    assert standing("psr-highrisk-6m") is Standing.DUE and standing("fire-key-6m") is Standing.SATISFIED
    clock.set(datetime(2027, 1, 10, tzinfo=BEIJING))
    assert standing("psr-highrisk-6m") is Standing.OVERDUE
    standings.keep(world.database, clock.now())
    with world.database.read() as session:
        assert "psr-highrisk-6m" in {row["rule"] for row in service.overdue(session, world.planner)}
        assert ("unit", world.plant) in {d.subject for d in defects(session, clock.now())}


def test_what_is_due_is_listed_for_the_command_line(world: World, plan: Plan) -> None:
    with world.database.write() as session:
        plan(session)
    with world.database.read() as session:
        rows = service.due(session, actor=world.planner)
    assert [(row["title"], row["state"], row["starts_at"]) for row in rows] == [
        ("台头镇防汛转移演练", "planned", "2026-11-30T09:00+08:00")
    ]


def test_a_neighbour_sees_and_touches_nothing(world: World, plan: Plan) -> None:
    neighbour = person(Role.PLANNER, division=DULIU, id=9)
    with world.database.write() as session:
        plan(session)
    first = occurrences(world)[0]
    with world.database.read() as session:
        assert service.upcoming(session, neighbour, 30) == []
        assert service.month(session, actor=neighbour, first=date(2026, 11, 1)).days == {}
    for act in (
        lambda s: service.invite(s, actor=neighbour, occurrence_id=first.id),
        lambda s: service.cancel(s, actor=neighbour, occurrence_id=first.id, reason="试"),
        lambda s: service.create_programme(s, actor=neighbour, facts=service.NewProgramme(
            "试", DrillKind.FLOOD, Form.FIELD, TAITOU, Recurrence(Freq.YEARLY, date(2027, 1, 1)), time(9))),
    ):  # fmt: skip
        with pytest.raises(DomainError) as refused, world.database.write() as session:
            act(session)
        assert refused.value.status in (403, 404)


def test_of_two_who_move_a_drill_at_once_one_is_told_to_look_again(world: World, plan: Plan) -> None:
    with world.database.write() as session:
        plan(session)
    first = occurrences(world)[0]
    both_looked, outcomes = threading.Barrier(2), []

    def go() -> None:
        try:
            with world.database.write() as session:
                session.get_one(Occurrence, first.id)  # as a page does before it asks for the change
                if world.database.engine.dialect.name == "postgresql":  # on SQLite the second has to wait for this
                    both_looked.wait(10)
                service.reschedule(
                    session, actor=world.planner, occurrence_id=first.id, version=first.version,
                    starts_at=first.starts_at + timedelta(days=1),
                )  # fmt: skip
        except DomainError as error:
            outcomes.append(error.code)
        else:
            outcomes.append("moved")

    at_once(go, 2)
    assert sorted(outcomes) == ["moved", "version_conflict"]
    assert occurrences(world)[0].version == first.version + 1


@pytest.mark.parametrize(
    "values", [{"state": OccurrenceState.HELD}, {"done_at": datetime(2026, 11, 30, 12, 0, tzinfo=BEIJING)}]
)
def test_only_what_was_held_has_a_time_at_which_its_record_came(
    world: World, plan: Plan, values: dict[str, Any]
) -> None:
    with world.database.write() as session:
        plan(session)
    with pytest.raises(sa.exc.IntegrityError, match="held_has_its_time"), world.database.write() as session:
        session.execute(sa.update(Occurrence).values(**values))
