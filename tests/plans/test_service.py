"""Plans from draft to filing, in a real database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.divisions.models import UnitKind
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans import service
from emergency.plans.defects import defects
from emergency.plans.drafting import Draft, EvacuationText, SectionText
from emergency.plans.models import (
    Filing,
    FilingState,
    Hazard,
    PlanKind,
    PlanLevel,
    PlanSection,
    PlanState,
    PlanVersion,
    VersionState,
)
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from kernel.states import ForbiddenTransition
from tests.plans.support import DULIU, NANBATAI, TAITOU, YIHE, add_unit, person

Make = Callable[..., Any]
TOWN = {"kind": PlanKind.TOWNSHIP, "level": PlanLevel.TOWNSHIP, "title": "台头镇防汛预案", "division_code": TAITOU}


DATED = {"parent_superseded", "parent_gone", "filing_overdue", "filing_soon", "evaluation_overdue", "no_version"}


def dated(session: Any, clock: Any, plan_id: int) -> list[Any]:
    """The faults of a plan's own dates and parent; what it counts on and lacks is held by tests beside these."""
    return [d for d in defects(session, clock.now(), [("plan", plan_id)]) if d.rule in DATED]


def test_a_plan_goes_from_draft_to_issued_and_its_filing_falls_due_after_twenty_working_days(
    district: Database, make: Make, publish: Make
) -> None:
    with district.write() as session:
        plan, row = make(session)
        row = publish(session, row, date(2026, 9, 21))
        filing = session.scalar(sa.select(Filing).where(Filing.version_id == row.id))
    assert plan.state is PlanState.IN_FORCE and row.state is VersionState.ISSUED
    # 25-27 September and 1-7 October 2026 are off, 20 September and 10 October are worked.
    assert filing is not None and filing.state is FilingState.DUE and filing.due_on == date(2026, 10, 26)


def test_a_filing_deadline_waits_for_the_holidays_of_an_unannounced_year(
    district: Database, make: Make, publish: Make
) -> None:
    with district.write() as session:
        _plan, row = make(session)
        row = publish(session, row, date(2026, 12, 21))
        filing = session.scalar(sa.select(Filing).where(Filing.version_id == row.id))
    assert filing is not None and filing.due_on is None


def test_two_people_editing_one_draft_overwrite_nothing(district: Database, make: Make, planner: Actor) -> None:
    with district.write() as session:
        _plan, row = make(session)
    read = row.version
    with district.write() as session:
        service.edit_draft(session, actor=planner, version_id=row.id, version=read,
                           draft=Draft(sections=[SectionText("先存的")]))  # fmt: skip
    with pytest.raises(Conflict) as refused, district.write() as session:
        service.edit_draft(session, actor=person(Role.PLANNER, id=9), version_id=row.id, version=read,
                           draft=Draft(sections=[SectionText("后存的")]))  # fmt: skip
    assert refused.value.code == "version_conflict"
    with district.read() as session:
        assert session.scalars(sa.select(PlanSection.heading)).all() == ["先存的"]


@pytest.mark.parametrize("step", ["pass_review", "approve", "return_version", "reject"])
def test_the_author_neither_reviews_nor_approves(district: Database, make: Make, step: str) -> None:
    both = person(Role.PLANNER, Role.APPROVER, id=1)
    extra = {"reason": "不行"} if step in ("return_version", "reject") else {}
    with district.write() as session:
        _plan, row = make(session)
        row = service.submit(session, actor=both, version_id=row.id, version=row.version)
    with pytest.raises(Forbidden) as refused, district.write() as session:
        getattr(service, step)(session, actor=both, version_id=row.id, version=row.version, **extra)
    assert refused.value.code == "four_eyes"


def test_the_database_itself_refuses_an_author_who_approves(district: Database, make: Make) -> None:
    with district.write() as session:
        _plan, row = make(session)
    with pytest.raises(sa.exc.IntegrityError), district.write() as session:
        session.execute(sa.update(PlanVersion).where(PlanVersion.id == row.id).values(approved_by=row.author))


def test_approving_another_text_than_the_one_that_was_read_is_refused(
    district: Database, make: Make, planner: Actor, approver: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
        stale = row.version
        row = service.submit(session, actor=planner, version_id=row.id, version=row.version)
        row = service.pass_review(session, actor=approver, version_id=row.id, version=row.version)
    with pytest.raises(Conflict), district.write() as session:
        service.approve(session, actor=approver, version_id=row.id, version=stale)


def test_a_returned_text_keeps_its_reason_and_a_step_back_needs_one(
    district: Database, make: Make, planner: Actor, approver: Actor
) -> None:
    from kernel.states import timeline

    with district.write() as session:
        _plan, row = make(session)
        row = service.submit(session, actor=planner, version_id=row.id, version=row.version)
    with pytest.raises(Invalid), district.write() as session:
        service.return_version(session, actor=approver, version_id=row.id, version=row.version, reason=" ")
    with district.write() as session:
        row = service.return_version(session, actor=approver, version_id=row.id, version=row.version, reason="缺责任人")
        changes = timeline(session, "plan_version", row.id)
    assert row.state is VersionState.DRAFT and changes[-1].reason == "缺责任人"


def test_a_text_without_the_parts_of_article_28_stays_a_draft(district: Database, make: Make, planner: Actor) -> None:
    with district.write() as session:
        _plan, row = make(session)
        row = service.edit_draft(session, actor=planner, version_id=row.id, version=row.version,
                                 draft=Draft(sections=[SectionText("总则")]))  # fmt: skip
    with pytest.raises(Invalid) as refused, district.write() as session:
        service.submit(session, actor=planner, version_id=row.id, version=row.version)
    assert refused.value.code == "missing_parts"


def test_what_was_issued_cannot_be_changed_by_any_hand(district: Database, make: Make, publish: Make) -> None:
    with district.write() as session:
        _plan, row = make(session)
        row = publish(session, row)
    for statement in (
        sa.update(PlanSection).values(body="改"),
        sa.delete(PlanSection),
        sa.insert(PlanSection).values(id=1, version_id=row.id, position=99, depth=1, number="", heading="加", body=""),
    ):
        with pytest.raises(sa.exc.DatabaseError), district.write() as session:
            session.execute(statement)


def test_a_new_parent_version_turns_the_children_due_and_revising_them_clears_it(
    district: Database, make: Make, publish: Make, planner: Actor, clock: ManualClock
) -> None:
    with district.write() as session:
        parent, row = make(session)
        publish(session, row)
        child, row = make(session, **TOWN, parent_id=parent.id)
        publish(session, row)

    def faults() -> set[str]:
        with district.read() as session:
            return {d.rule for d in dated(session, clock, child.id)}

    assert faults() == set()
    with district.write() as session:
        publish(session, service.new_draft(session, actor=planner, plan_id=parent.id))
    assert faults() == {"parent_superseded"}
    with district.write() as session:
        publish(session, service.new_draft(session, actor=planner, plan_id=child.id))
    assert faults() == set()


def test_a_plan_has_one_version_in_work_and_one_in_force(
    district: Database, make: Make, publish: Make, planner: Actor
) -> None:
    with district.write() as session:
        plan, row = make(session)
        publish(session, row)
        service.new_draft(session, actor=planner, plan_id=plan.id)
    assert plan.state is PlanState.UNDER_REVISION
    with pytest.raises(Conflict) as refused, district.write() as session:
        service.new_draft(session, actor=planner, plan_id=plan.id)
    assert refused.value.code == "in_work"
    with pytest.raises(sa.exc.IntegrityError), district.write() as session:
        session.execute(sa.update(PlanVersion).values(state="draft"))


def test_a_plan_never_stands_under_itself(district: Database, make: Make, planner: Actor) -> None:
    with district.write() as session:
        top, _row = make(session)
        below, _row = make(session, title="静海区城市内涝预案", parent_id=top.id)
    with pytest.raises(Invalid) as refused, district.write() as session:
        service.set_parent(session, actor=planner, plan_id=top.id, parent_id=below.id)
    assert refused.value.code == "parent_cycle"


def test_a_township_planner_reads_what_binds_it_and_reaches_for_no_neighbour(
    district: Database, make: Make, publish: Make
) -> None:
    duliu = person(Role.PLANNER, division=DULIU, id=7)
    with district.write() as session:
        above, row = make(session)
        publish(session, row)
        other, row = make(session, **TOWN, parent_id=above.id)
        publish(session, row)
    with district.read() as session:
        assert service.get_plan(session, actor=duliu, plan_id=above.id).id == above.id
        assert [line.facts.plan_id for line in service.tree(session, duliu).lines] == [above.id]
    with pytest.raises(NotFound), district.read() as session:
        service.get_plan(session, actor=duliu, plan_id=other.id)
    for refused in (
        lambda s: service.new_draft(s, actor=duliu, plan_id=above.id),
        lambda s: service.new_draft(s, actor=duliu, plan_id=other.id),
        lambda s: service.create(s, actor=duliu, facts=service.NewPlan(
            PlanKind.TOWNSHIP, PlanLevel.TOWNSHIP, "台头镇预案", TAITOU, "台头镇", (Hazard.FLOOD,))),
    ):  # fmt: skip
        with pytest.raises(DomainError) as error, district.write() as session:
            refused(session)
        assert error.value.status in (403, 404)


def test_a_village_and_a_care_home_on_no_evacuation_list_are_found(
    district: Database, make: Make, publish: Make, planner: Actor, clock: ManualClock
) -> None:
    with district.write() as session:
        listed = add_unit(session, "台头镇养老院", TAITOU, UnitKind.CARE_HOME, "care_home")
        missed = add_unit(session, "台头镇敬老院", TAITOU, UnitKind.CARE_HOME, "care_home")
        _plan, row = make(session, **TOWN)
        row = service.edit_draft(session, actor=planner, version_id=row.id, version=row.version, draft=Draft(evacuation=[
            EvacuationText("镇小学", subject_code=YIHE), EvacuationText("体育馆", unit_id=listed.id)]))  # fmt: skip
    with district.read() as session:  # a draft protects nobody
        assert ("unit", listed.id) in {d.subject for d in defects(session, clock.now())}
    with district.write() as session:
        publish(session, row)
    with district.read() as session:
        unlisted = {d.subject for d in defects(session, clock.now()) if d.rule == "not_on_any_list"}
    assert ("unit", missed.id) in unlisted and ("unit", listed.id) not in unlisted
    assert ("division", int(NANBATAI)) in unlisted and ("division", int(YIHE)) not in unlisted


def test_a_filing_is_late_until_it_is_filed_and_confirmed(
    district: Database, make: Make, publish: Make, planner: Actor, clock: ManualClock
) -> None:
    with district.write() as session:
        plan, row = make(session)
        row = publish(session, row, date(2026, 9, 21))
    with district.read() as session:
        assert [d.rule for d in dated(session, clock, plan.id)] == ["filing_overdue"]
    with pytest.raises(ForbiddenTransition), district.write() as session:
        service.receipt(session, actor=planner, version_id=row.id, receipt_on=date(2026, 11, 1))
    with district.write() as session:
        service.file_version(session, actor=planner, version_id=row.id, filed_on=date(2026, 11, 20))
        filing = service.receipt(session, actor=planner, version_id=row.id, receipt_on=date(2026, 11, 23), number="1")
    assert filing.state is FilingState.RECEIPTED
    with district.read() as session:
        assert dated(session, clock, plan.id) == []


def test_three_years_without_evaluation_is_overdue_and_evaluating_clears_it(
    district: Database, make: Make, publish: Make, planner: Actor, clock: ManualClock
) -> None:
    with district.write() as session:
        plan, row = make(session)
        row = publish(session, row, date(2023, 6, 1))
        service.file_version(session, actor=planner, version_id=row.id, filed_on=date(2023, 6, 9))
    with district.read() as session:
        assert {d.rule for d in dated(session, clock, plan.id)} == {"evaluation_overdue"}
    with district.write() as session:
        today = clock.now().date()
        service.evaluate(session, actor=planner, plan_id=plan.id, evaluated_on=today - timedelta(days=1))
    with district.read() as session:
        assert dated(session, clock, plan.id) == []
