"""What is learnt from a drill: objectives, sheets, findings, actions, recurrence, reports, and who hears of what."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from docx import Document
from sqlalchemy.orm import Session

from emergency.asking import service as asking
from emergency.asking.models import Means, Question
from emergency.drills import (
    learning,
    learning_defects,
    learning_lists,
    learning_nudges,
    learning_papers,
    learning_reports,
)
from emergency.drills import learning_findings as findings
from emergency.drills.defects import defects
from emergency.drills.learning_actions import Upload
from emergency.drills.learning_models import (
    ActionNudge,
    ActionState,
    Again,
    Cause,
    CorrectiveAction,
    DrillReport,
    Evaluation,
    Finding,
    FindingState,
    NudgeKind,
    NudgeOutcome,
    ObjectiveRating,
    Rating,
    Said,
    Severity,
    SheetState,
)
from emergency.drills.learning_objectives import ObjectiveText, of_occurrence
from emergency.drills.learning_sheets import Line, own_draft, reveal_words, sheets_of, summaries
from emergency.drills.learning_whole import gather
from emergency.drills.models import DrillKind, Occurrence, Programme
from emergency.http.permissions import Role
from emergency.plans.models import Plan as PlanRow
from emergency.plans.models import PlanKind, PlanLevel, PlanState, PlanVersion, VersionState
from emergency.privacy.journal import JournalEntry
from kernel.clock import BEIJING, ManualClock
from kernel.errors import Conflict, DomainError, Invalid, NotFound
from kernel.ids import new_id
from scheduler.recurrence import Freq, Recurrence
from tests.drills.conftest import World
from tests.drills.test_service import hold, occurrences
from tests.plans.support import TAITOU, person
from tests.together import at_once

Plan = Callable[..., Programme]
OTHER, STRANGER = person(Role.PLANNER, id=7), person(Role.PLANNER, division="120118103000", id=9)
AIMS = (ObjectiveText("全部叫应", "预警叫应", "十五分钟", ("打电话", "上门")), ObjectiveText("全部转移", "群众转移"))


def prepared(world: World, plan: Plan, clock: ManualClock, number: int = 0, **changes: object) -> Occurrence:
    """A held drill whose programme names two objectives."""
    with world.database.write() as session:
        if session.scalar(sa.select(Programme.id)) is None:
            made = plan(session, **changes)
            for text in AIMS:
                learning.add_objective(session, actor=world.planner, text=text, programme_id=made.id)
    drill = occurrences(world)[number]
    clock.set(drill.ends_at + timedelta(minutes=5))
    with world.database.write() as session:
        hold(world, session, session.get_one(Occurrence, drill.id))
    return drill


def handed_in(world: World, drill: Occurrence, *ratings: Rating, actor: object = None, seen: str = "") -> int:
    who = actor or world.planner
    with world.database.write() as session:
        sheet = learning.start_sheet(session, actor=who, occurrence_id=drill.id)  # type: ignore[arg-type]
        rows = session.scalars(
            sa.select(ObjectiveRating.id).where(ObjectiveRating.evaluation_id == sheet.id).order_by("position")
        ).all()
        learning.save_sheet(
            session, actor=who, sheet_id=sheet.id, version=sheet.version,  # type: ignore[arg-type]
            lines={row: Line(rating, seen) for row, rating in zip(rows, ratings, strict=True)}, hand_in=True,
        )  # fmt: skip
        return sheet.id


def found(world: World, drill: Occurrence, **more: object) -> int:
    with world.database.write() as session:
        given = {"text": "一名责任人未叫应", "cause": Cause.TRAINING, "severity": Severity.MAJOR} | more
        return learning.add_finding(session, actor=world.planner, occurrence_id=drill.id, **given).id  # type: ignore[arg-type]


def acted(world: World, finding_id: int, due: date, **more: object) -> int:
    with world.database.write() as session:
        given = {"text": "培训值班员", "owner_post_id": world.chief, "due_on": due} | more
        return learning.add_action(session, actor=world.planner, finding_id=finding_id, **given).id  # type: ignore[arg-type]


def refused(world: World, code: str, work: Callable[[Session], object]) -> None:
    with pytest.raises(DomainError) as error, world.database.write() as session:
        work(session)
    assert error.value.code == code


# ---- objectives and sheets ----


def test_a_date_takes_over_its_programmes_objectives_and_keeps_them_once_held(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        made = plan(session)
        for text in AIMS:
            learning.add_objective(session, actor=world.planner, text=text, programme_id=made.id)
        first = session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)).first()
        assert first is not None
        learning.add_objective(session, actor=world.planner, text=ObjectiveText("清点人数"), occurrence_id=first.id)
        aims = of_occurrence(session, first.id)
        assert [aim.objective.words for aim in aims] == ["全部叫应", "全部转移", "清点人数"]
        assert [task.words for task in aims[0].tasks] == ["打电话", "上门"]
    clock.set(first.ends_at + timedelta(minutes=1))
    with world.database.write() as session:
        hold(world, session, session.get_one(Occurrence, first.id))
    change = ObjectiveText("改目标")
    refused(world, "wrong_state", lambda s: learning.edit_objective(
        s, actor=world.planner, objective_id=aims[0].objective.id, text=change))  # fmt: skip
    refused(world, "not_found", lambda s: learning.edit_objective(
        s, actor=STRANGER, objective_id=aims[0].objective.id, text=change))  # fmt: skip


def test_a_handed_in_sheet_never_changes_and_a_correction_keeps_both(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(world, plan, clock)
    first = handed_in(world, drill, Rating.P, Rating.S, seen="王某一没有带钥匙")
    refused(world, "wrong_state", lambda s: own_draft(s, actor=world.planner, sheet_id=first))
    refused(world, "handed_in", lambda s: learning.start_sheet(s, actor=world.planner, occurrence_id=drill.id))
    refused(world, "not_found", lambda s: own_draft(s, actor=OTHER, sheet_id=first))
    with world.database.write() as session:
        sheet = learning.start_sheet(session, actor=world.planner, occurrence_id=drill.id, replaces_id=first)
        rows = own_draft(session, actor=world.planner, sheet_id=sheet.id).ratings
        learning.save_sheet(session, actor=world.planner, sheet_id=sheet.id, version=sheet.version,
                            lines={row.id: Line(Rating.M) for row in rows}, hand_in=True)  # fmt: skip
    with world.database.read() as session:
        states = {e.id: e.state for e in session.scalars(sa.select(Evaluation))}
        assert states == {first: SheetState.REPLACED, sheet.id: SheetState.HANDED_IN}
        assert {s.worst for s in summaries(sheets_of(session, drill.id)).values()} == {Rating.M}
        sealed = session.scalars(sa.select(ObjectiveRating.observation_sealed)).all()
        assert not any("王某一".encode() in text for text in sealed if text)


def test_an_unrated_objective_keeps_the_sheet_a_draft_and_drafts_count_for_nobody(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(world, plan, clock)
    with world.database.write() as session:
        sheet = learning.start_sheet(session, actor=world.planner, occurrence_id=drill.id)
        rows = own_draft(session, actor=world.planner, sheet_id=sheet.id).ratings
    one = {rows[0].id: Line(Rating.P)}
    refused(world, "incomplete", lambda s: learning.save_sheet(
        s, actor=world.planner, sheet_id=sheet.id, version=sheet.version, lines=one, hand_in=True))  # fmt: skip
    with world.database.read() as session:
        assert sheets_of(session, drill.id) == [] and len(sheets_of(session, drill.id, reader=world.planner)) == 1
    refused(world, "version_conflict", lambda s: learning.save_sheet(
        s, actor=world.planner, sheet_id=sheet.id, version=99, lines=one))  # fmt: skip


def test_the_worst_of_two_evaluators_stands_and_observations_open_for_a_purpose_only(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(world, plan, clock)
    handed_in(world, drill, Rating.P, Rating.S)
    second = handed_in(world, drill, Rating.U, Rating.S, actor=OTHER, seen="王某一没有带钥匙")
    with world.database.read() as session:
        found_ = summaries(sheets_of(session, drill.id))
        assert found_["全部叫应"].worst is Rating.U and found_["全部叫应"].spread == 3
        with pytest.raises(DomainError):
            reveal_words(session, actor=world.planner, occurrence_id=drill.id, purpose="")
        opened = reveal_words(session, actor=world.planner, occurrence_id=drill.id, purpose="drill")
        assert set(opened[second].observations.values()) == {"王某一没有带钥匙"}
    with world.database.read() as session:
        entry = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "personal.revealed")).one()
        assert entry.purpose == "drill" and "王某一" not in str(entry.data)


# ---- actions ----


def test_whoever_did_it_never_verifies_it_and_a_reopened_action_gives_its_proof_back(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(world, plan, clock)
    action = acted(world, found(world, drill), clock.now().date() + timedelta(days=5))
    refused(world, "proof_required", lambda s: learning.finish_action(s, actor=world.planner, action_id=action))
    refused(world, "bad_file", lambda s: learning.finish_action(
        s, actor=world.planner, action_id=action, upload=Upload("x.exe", b"MZ..")))  # fmt: skip
    with world.database.write() as session:
        learning.finish_action(session, actor=world.planner, action_id=action, proof="王某一签字",
                               upload=Upload("签到.pdf", b"%PDF-1.7 ..."))  # fmt: skip
    refused(world, "same_person", lambda s: learning.verify_action(s, actor=world.planner, action_id=action))
    with world.database.write() as session:
        row = learning.verify_action(session, actor=OTHER, action_id=action)
        assert row.state is ActionState.VERIFIED and "王某一".encode() not in (row.proof_sealed or b"")
        assert findings.proof_of(session, actor=world.planner, row=row) == "王某一签字"
    refused(world, "reason_required", lambda s: learning.reopen_action(s, actor=OTHER, action_id=action, reason=" "))
    with world.database.write() as session:
        row = learning.reopen_action(session, actor=OTHER, action_id=action, reason="签到表不全")
        assert (row.state, row.proof_sealed, row.verified_by) == (ActionState.OPEN, None, None)
        learning.drop_action(session, actor=OTHER, action_id=action, reason="合并到另一项")
    refused(world, "wrong_state", lambda s: learning.finish_action(s, actor=OTHER, action_id=action, proof="x"))


def nudged(world: World) -> dict[NudgeKind, NudgeOutcome | None]:
    with world.database.read() as session:
        return {n.kind: n.outcome for n in session.scalars(sa.select(ActionNudge))}


def asked(world: World) -> list[str]:
    with world.database.read() as session:
        return list(session.scalars(
            sa.select(Question.text).where(Question.kind == learning_nudges.QUESTION_KIND).order_by(Question.id)
        ))  # fmt: skip


def test_a_post_is_asked_before_its_date_the_deputy_at_it_the_superior_after_it_each_once(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(world, plan, clock)
    due = clock.now().astimezone(BEIJING).date() + timedelta(days=10)
    acted(world, found(world, drill), due)
    nine = datetime(due.year, due.month, due.day, 9, tzinfo=BEIJING)
    for day, kind in ((-3, NudgeKind.REMINDER), (1, NudgeKind.DEPUTY), (4, NudgeKind.SUPERIOR)):
        clock.set(nine + timedelta(days=day, minutes=-1))
        assert learning_nudges.escalate(world.database, clock.now()) == 0
        clock.set(nine + timedelta(days=day, minutes=1))
        at_once(lambda: learning_nudges.escalate(world.database, clock.now()))
        assert nudged(world)[kind] is NudgeOutcome.SENT
    assert len(asked(world)) == 3 and "逾期" in asked(world)[-1] and "逾期" not in asked(world)[0]


def test_after_three_days_of_downtime_one_message_stands_for_all_that_passed(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(world, plan, clock)
    acted(world, found(world, drill), clock.now().astimezone(BEIJING).date() + timedelta(days=4))
    clock.advance(timedelta(days=12))
    at_once(lambda: learning_nudges.escalate(world.database, clock.now()))
    assert len(asked(world)) == 1
    assert nudged(world) == {NudgeKind.REMINDER: NudgeOutcome.OVERTAKEN, NudgeKind.DEPUTY: NudgeOutcome.OVERTAKEN,
                             NudgeKind.SUPERIOR: NudgeOutcome.SENT}  # fmt: skip
    clock.advance(-timedelta(days=3))
    assert learning_nudges.escalate(world.database, clock.now()) == 0


def test_what_the_post_answers_lands_and_finishes_nothing_and_a_new_date_brings_new_steps(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(world, plan, clock)
    due = clock.now().astimezone(BEIJING).date() + timedelta(days=10)
    action = acted(world, found(world, drill), due)
    clock.set(datetime(due.year, due.month, due.day, 10, tzinfo=BEIJING) - timedelta(days=3))
    learning_nudges.escalate(world.database, clock.now())
    until = clock.now() + timedelta(days=20)
    with world.database.write() as session:
        question = session.scalars(sa.select(Question.id).where(Question.kind == learning_nudges.QUESTION_KIND)).one()
        asking.answer(session, actor=world.planner, question_id=question, answer="longer", means=Means.PHONE,
                      proposed_at=until)  # fmt: skip
    with world.database.write() as session:
        row = session.get_one(CorrectiveAction, action)
        assert (row.said, row.said_until) == (Said.LONGER, until.astimezone(BEIJING).date())
        assert row.state is ActionState.OPEN
        learning.postpone_action(session, actor=world.planner, action_id=action, due_on=due + timedelta(days=17),
                                 reason="等待采购")  # fmt: skip
    clock.set(datetime(due.year, due.month, due.day, 10, tzinfo=BEIJING) + timedelta(days=6))
    assert learning_nudges.escalate(world.database, clock.now()) == 0
    with world.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(ActionNudge)) == 6
    clock.set(datetime(due.year, due.month, due.day, 10, tzinfo=BEIJING) + timedelta(days=14))
    assert learning_nudges.escalate(world.database, clock.now()) == 1


# ---- findings, plans, recurrence ----


def a_plan(session: Session, at: datetime) -> int:
    row = PlanRow(
        id=new_id(), kind=PlanKind.TOWNSHIP, level=PlanLevel.TOWNSHIP, title="台头镇防汛应急预案", division_code=TAITOU,
        issuer="台头镇人民政府", state=PlanState.IN_FORCE, created_at=at, created_by="account:1", version=1,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row.id


def issued(session: Session, plan_id: int, number: int, at: datetime) -> int:
    session.execute(sa.update(PlanVersion).where(PlanVersion.plan_id == plan_id).values(replaced_at=at))
    row = PlanVersion(
        id=new_id(), plan_id=plan_id, number=number, state=VersionState.ISSUED, author="account:1", created_at=at,
        edited_at=at, approved_by="account:2", approved_at=at, issued_at=at, issued_on=at.date(), version=1,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row.id


def test_a_finding_about_a_plan_is_its_defect_until_the_version_that_mends_it_is_named(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(world, plan, clock)
    with world.database.write() as session:
        plan_id = a_plan(session, clock.now())
        old = issued(session, plan_id, 1, clock.now() - timedelta(days=30))
    finding = found(world, drill, plan_id=plan_id)
    acted(world, finding, clock.now().date() + timedelta(days=5))
    with world.database.read() as session:
        shown = [d for d in defects(session, clock.now(), {("plan", plan_id)}) if d.rule == f"finding_open:{finding}"]
        assert len(shown) == 1 and shown[0].url == f"/drills/findings/{finding}"
        assert findings.mendings(session, actor=world.planner) == []
    refused(world, "bad_version", lambda s: learning.close_finding(
        s, actor=world.planner, finding_id=finding, version_id=old))  # fmt: skip
    refused(world, "actions_open", lambda s: learning.close_finding(
        s, actor=world.planner, finding_id=finding, proof="已改"))  # fmt: skip
    clock.advance(timedelta(days=2))
    with world.database.write() as session:
        new = issued(session, plan_id, 2, clock.now())
    with world.database.read() as session:
        assert [(m.finding.id, m.version.id) for m in findings.mendings(session, actor=world.planner)] == [
            (finding, new)
        ]
        assert findings.mendings(session, actor=STRANGER) == []
        assert session.get_one(Finding, finding).state is FindingState.OPEN, "never by itself"
    with world.database.write() as session:
        learning.close_finding(session, actor=world.planner, finding_id=finding, version_id=new)
    with world.database.read() as session:
        assert not [d for d in defects(session, clock.now(), {("plan", plan_id)}) if d.rule.startswith("finding_open")]


def test_the_next_drill_of_the_kind_shows_what_was_found_and_says_what_came_again(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    before = prepared(world, plan, clock)
    calls, cars = found(world, before), found(world, before, text="车辆不足", cause=Cause.PLAN)
    acted(world, calls, clock.now().date() + timedelta(days=90))
    drill = prepared(world, plan, clock, number=1)
    with world.database.read() as session:
        last = learning.last_time(session, actor=world.planner, occurrence_id=drill.id)
        assert last.occurrence is not None and last.occurrence.id == before.id and last.nearness == "owner"
        assert [len(e.actions) for e in sorted(last.findings, key=lambda e: e.finding.id)] == [1, 0]
        assert len(last.unanswered) == 2
    again = found(world, drill, text="仍未叫应")
    refused(world, "again_missing", lambda s: learning.check_earlier(
        s, actor=world.planner, occurrence_id=drill.id, finding_id=calls, outcome=Again.RECURRED))  # fmt: skip
    with world.database.write() as session:
        for finding, outcome, new in ((calls, Again.RECURRED, again), (cars, Again.GONE, None)):
            learning.check_earlier(session, actor=world.planner, occurrence_id=drill.id, finding_id=finding,
                                   outcome=outcome, again_id=new)  # fmt: skip
        assert session.get_one(Finding, again).recurs_id == calls
    with world.database.read() as session:
        year = learning_lists.trend(session, actor=world.planner, year=drill.starts_at.astimezone(BEIJING).year)
        assert (year.checked, year.checked_recurred, year.recurred_share) == (2, 1, 0.5)
        assert learning_lists.trend(session, actor=STRANGER, year=year.year).findings == 0


def test_a_list_has_the_overdue_first_and_nothing_of_others(world: World, plan: Plan, clock: ManualClock) -> None:
    drill = prepared(world, plan, clock)
    finding, today = found(world, drill), clock.now().date()
    late, later = acted(world, finding, today + timedelta(days=2)), acted(world, finding, today + timedelta(days=40))
    clock.advance(timedelta(days=10))
    with world.database.read() as session:
        page = learning_lists.list_actions(session, actor=world.planner, limit=1)
        rest = learning_lists.list_actions(session, actor=world.planner, cursor=page.next_cursor)
        assert [row.action.id for row in page.items + rest.items] == [late, later]
        assert page.items[0].overdue and not rest.items[0].overdue
        assert learning_lists.list_actions(session, actor=STRANGER).items == []
        assert learning_lists.list_findings(session, actor=STRANGER).items == []
        with pytest.raises(NotFound):
            findings.get_finding(session, actor=STRANGER, finding_id=finding)


# ---- reports ----


def test_a_plants_drill_is_due_to_the_department_by_working_days_and_filed_with_a_date(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(
        world, plan, clock, kind=DrillKind.RESCUE, unit_id=world.plant,
        recurrence=Recurrence(Freq.YEARLY, date(2026, 11, 25)), rule_keys=("psr-highrisk-6m",),
    )  # fmt: skip
    with world.database.read() as session:
        reports = session.scalars(sa.select(DrillReport).where(DrillReport.occurrence_id == drill.id)).all()
        assert {(r.to_whom, r.due_on) for r in reports} == {("county_safety_dept", date(2026, 12, 9))}
    report = reports[0].id
    clock.advance(timedelta(days=30))
    with world.database.read() as session:
        assert "drill_report_late" in {d.rule for d in defects(session, clock.now())}
        with pytest.raises(NotFound):
            learning_reports.get_report(session, actor=STRANGER, report_id=report)
    refused(world, "in_the_future", lambda s: learning.file_report(
        s, actor=world.planner, report_id=report, filed_on=clock.now().date() + timedelta(days=2)))  # fmt: skip
    with world.database.write() as session:
        for row in reports:
            learning.file_report(session, actor=world.planner, report_id=row.id, filed_on=date(2026, 12, 8),
                                 reference="静应〔2026〕1号")  # fmt: skip
    refused(world, "duplicate", lambda s: learning.file_report(
        s, actor=world.planner, report_id=report, filed_on=date(2026, 12, 8)))  # fmt: skip
    with world.database.read() as session:
        assert "drill_report_late" not in {d.rule for d in defects(session, clock.now())}


def texts_of(data: bytes) -> str:
    document = Document(io.BytesIO(data))
    parts = [paragraph.text for paragraph in document.paragraphs]
    parts += [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join(parts)


def test_the_report_in_word_loses_nothing_and_names_nobody_without_a_purpose(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(world, plan, clock)
    handed_in(world, drill, Rating.S, Rating.M, seen="王某一没有带钥匙")
    first = found(world, drill, root_cause="不熟悉流程")
    found(world, drill, text="车辆不足", cause=Cause.PLAN, severity=Severity.MINOR)
    due = clock.now().date() + timedelta(days=20)
    acted(world, first, due)
    with world.database.write() as session:
        whole = gather(session, actor=world.planner, occurrence_id=drill.id)
        text = texts_of(learning_papers.evaluation_report(session, actor=world.planner, whole=whole))
        rows = list(learning_papers.improvement_rows(whole))
    for part in ("演练目的", "时间和地点", "参演单位和人员", "方案概要", "组织和实施情况", "演练目标实现情况", "参演人员表现",
                 "发现的问题与原因", "经验教训", "改进建议", "整改计划表"):  # fmt: skip
        assert part in text, part
    for row in (*rows, [aim.words for aim in AIMS], ["一名责任人未叫应", "不熟悉流程", "车辆不足", "【演练】", "培训值班员",
                                                   due.isoformat(), Rating.S.zh, Rating.M.zh]):  # fmt: skip
        assert all(cell in text for cell in row), row
    assert "王某一" not in text and "已封存" in text
    with world.database.read() as session:
        opened = reveal_words(session, actor=world.planner, occurrence_id=drill.id, purpose="drill")
    with world.database.write() as session:
        whole = gather(session, actor=world.planner, occurrence_id=drill.id, words=opened)
        assert "王某一没有带钥匙" in texts_of(
            learning_papers.evaluation_report(session, actor=world.planner, whole=whole)
        )
    with world.database.read() as session:
        entries = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "drill.paper")).all()
        assert len(entries) == 2


def test_words_and_owner_are_asked_of_an_action_and_its_date_lies_ahead(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    drill = prepared(world, plan, clock)
    finding, today = found(world, drill), clock.now().date()
    for code, more in (
        ("incomplete", {"text": " "}), ("incomplete", {"owner_post_id": None}),
        ("in_the_past", {"due_on": today - timedelta(days=1)}),
        ("bad_dates", {"starts_on": today + timedelta(days=90)}), ("bad_post", {"owner_post_id": 12345}),
    ):  # fmt: skip
        given: dict[str, Any] = dict(more)
        with pytest.raises((Invalid, Conflict)) as error:
            acted(world, finding, given.pop("due_on", today + timedelta(days=9)), **given)
        assert error.value.code == code, more


def test_a_full_look_tells_every_fault_however_many_there_are(world: World, plan: Plan, clock: ManualClock) -> None:
    """Readiness closes what a full look does not tell."""
    many, drill = 1005, prepared(world, plan, clock)
    with world.database.write() as session:
        plan_id = a_plan(session, clock.now())
    finding = found(world, drill, plan_id=plan_id)
    action = acted(world, finding, (clock.now() + timedelta(days=1)).date())
    with world.database.write() as session:
        for model, row_id in ((Finding, finding), (CorrectiveAction, action)):
            table = model.__table__
            row = dict(session.execute(sa.select(table).where(table.c.id == row_id)).mappings().one())
            session.execute(sa.insert(table), [row | {"id": new_id()} for _number in range(many - 1)])  # type: ignore[arg-type]
    with world.database.read() as session:
        assert len(learning_defects.open_findings(session, None)) == many
        assert len(learning_defects.late_actions(session, clock.now() + timedelta(days=3), None)) == many
