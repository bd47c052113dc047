"""The demo's learning: last year's flood drill with two sheets and actions in every state, this year's where a finding
came again, and the reports to the supervising department, all filed but one that is late.

Each thing is done at its own time by the services, so that dates fit together. Nobody is named.
"""

from __future__ import annotations

import copy
import itertools
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import learning
from emergency.drills.learning_models import (
    ActionNudge,
    Again,
    Cause,
    DrillReport,
    Mark,
    NudgeOutcome,
    Objective,
    Rating,
    Severity,
)
from emergency.drills.learning_objectives import ObjectiveText, of_occurrence
from emergency.drills.learning_sheets import Line, own_draft
from emergency.drills.models import DrillKind, Occurrence, OccurrenceState, Programme
from emergency.http.actor import Actor
from emergency.people.posts.models import Duty, Post, PostState
from kernel.clock import BEIJING, ManualClock
from kernel.db import Database

FIRST, SECOND, DESK = Actor.system("demo.evaluator1"), Actor.system("demo.evaluator2"), Actor.system("demo")
PIECE = 25
AIMS = (
    ObjectiveText("十五分钟内叫应全部责任人", "预警叫应", "十五分钟，叫应率百分之百",
                  ("值班员核对责任人名单", "电话未接的改用短信和上门")),
    ObjectiveText("两小时内完成转移", "群众转移", "两小时，人数清点无误", ("逐户敲门", "集合点清点人数", "回查未到人员")),
    ObjectiveText("特殊人群专车转移", "特殊人群转移", "一人一车一责任人", ("车辆到位", "护理人员随车")),
)  # fmt: skip


def _at(database: Database, moment: datetime) -> Database:
    """The same database at another time."""
    clock = ManualClock(moment)
    other = copy.copy(database)
    other.clock = clock
    other._info = database._info | {"clock": clock}
    return other


def seed(database: Database) -> None:
    """Load it; where objectives are named already, nothing is done."""
    with database.read() as session:
        if session.scalar(sa.select(Objective.id).limit(1)) is not None:
            return
        pair = _two_drills(session)
    if pair is not None:
        earlier, later = pair
        _objectives(database, earlier.programme_id, (earlier, later))
        _first_drill(database, earlier)
        _second_drill(database, later, earlier)
    _reports(database)


def _two_drills(session: Session) -> tuple[Occurrence, Occurrence] | None:
    """Two held flood drills of one programme with a plan, the older first."""
    rows = session.scalars(
        sa.select(Occurrence)
        .join(Programme, Programme.id == Occurrence.programme_id)
        .where(Occurrence.kind == DrillKind.FLOOD, Occurrence.state == OccurrenceState.HELD,
               Programme.plan_id.is_not(None))
        .order_by(Occurrence.programme_id, Occurrence.starts_at)
        .limit(200)
    ).all()  # fmt: skip
    return next(((a, b) for a, b in itertools.pairwise(rows) if a.programme_id == b.programme_id), None)


def _objectives(database: Database, programme_id: int, drills: tuple[Occurrence, Occurrence]) -> None:
    with database.write() as session:
        for text in AIMS:
            learning.add_objective(session, actor=DESK, text=text, programme_id=programme_id)
        for drill in drills:
            learning.take_over(session, session.get_one(Occurrence, drill.id))


def _sheet(database: Database, actor: Actor, drill: Occurrence, ratings: tuple[Rating, ...], seen: tuple[str, ...],
           strengths: str, marks: dict[str, Mark]) -> None:  # fmt: skip
    with database.write() as session:
        sheet = own_draft(
            session, actor=actor,
            sheet_id=learning.start_sheet(session, actor=actor, occurrence_id=drill.id).id,
        )  # fmt: skip
        tasks = {task.id for aim in of_occurrence(session, drill.id) for task in aim.tasks}
        learning.save_sheet(
            session, actor=actor, sheet_id=sheet.evaluation.id, version=sheet.evaluation.version,
            lines={row.id: Line(rating, text) for row, rating, text in zip(sheet.ratings, ratings, seen, strict=True)},
            ticks=sorted(tasks)[: len(tasks) - 1], marks=marks, strengths=strengths, hand_in=True,
        )  # fmt: skip


def _owner(session: Session, code: str) -> int | None:
    """A held post of the township or below that answers for it."""
    return session.scalar(
        sa.select(Post.id)
        .where(Post.division_code.startswith(code[:9]), Post.state == PostState.HELD,
               Post.duty.in_([Duty.FLOOD_CHIEF, Duty.LIAISON]))
        .order_by(Post.division_code, Post.id)
        .limit(1)
    )  # fmt: skip


def _first_drill(database: Database, drill: Occurrence) -> None:
    """Last year's: four findings; of the actions one was verified, one is done, one dropped."""
    then = _at(database, drill.ends_at + timedelta(days=1))
    _sheet(then, FIRST, drill, (Rating.S, Rating.P, Rating.M), ("两名责任人第二次拨打才接听", "", "车辆往返两趟"),
           "锣长到位快，逐户敲门清点准确。",
           {"f-warn-reach": Mark.PARTLY, "f-evac-count": Mark.YES, "f-evac-weak": Mark.NO})  # fmt: skip
    _sheet(then, SECOND, drill, (Rating.M, Rating.P, Rating.M), ("一名责任人始终未接", "集合点秩序好", "轮椅没有固定"),
           "集合点登记规范。", {"f-warn-reach": Mark.NO, "f-evac-count": Mark.YES, "f-sup-comm": Mark.PARTLY})  # fmt: skip
    with then.write() as session:
        plan_id = session.get_one(Programme, drill.programme_id).plan_id
        aims = [aim.objective.id for aim in of_occurrence(session, drill.id)]
        owner, day = _owner(session, drill.division_code), drill.ends_at.astimezone(BEIJING).date()
        cars = learning.add_finding(
            session, actor=FIRST, occurrence_id=drill.id, text="养老机构转移车辆数量不足，往返两趟",
            root_cause="预案按床位数而非实际人数配车", cause=Cause.PLAN, severity=Severity.SERIOUS,
            objective_id=aims[2], plan_id=plan_id,
        )  # fmt: skip
        calls = learning.add_finding(
            session, actor=SECOND, occurrence_id=drill.id, text="个别责任人电话未接，没有改用其他方式叫应",
            root_cause="值班员不熟悉叫应流程", cause=Cause.TRAINING, severity=Severity.MAJOR, objective_id=aims[0],
        )  # fmt: skip
        chairs = learning.add_finding(
            session, actor=SECOND, occurrence_id=drill.id, text="转移车上轮椅没有固定", root_cause="车上未配固定带",
            cause=Cause.EQUIPMENT, objective_id=aims[2],
        )  # fmt: skip
        made = [
            learning.add_action(session, actor=DESK, finding_id=finding.id, text=text, owner_words=words,
                                owner_post_id=post, due_on=day + timedelta(days=days),
                                starts_on=day + timedelta(days=2))
            for finding, text, words, post, days in (
                (cars, "按实际人数重新核定车辆并写入预案", "", owner, 60),
                (calls, "组织值班员叫应流程培训两次", "", owner, 40),
                (chairs, "为转移车辆配备轮椅固定带", "镇防汛办", None, 30),
                (chairs, "更换全部转移车辆", "镇防汛办", None, 90),
            )
        ]  # fmt: skip
    _settle(database, drill, [action.id for action in made], chairs.id, calls.id)


def _settle(database: Database, drill: Occurrence, actions: list[int], chairs: int, calls: int) -> None:
    cars, training, straps, renewal = actions
    with _at(database, drill.ends_at + timedelta(days=25)).write() as session:
        learning.finish_action(session, actor=FIRST, action_id=straps, proof="已为六辆车配备固定带，照片存档")
        learning.drop_action(session, actor=DESK, action_id=renewal, reason="固定带已满足需要，不再更换车辆")
        learning.finish_action(session, actor=SECOND, action_id=training, proof="培训签到表两份")
    with _at(database, drill.ends_at + timedelta(days=30)).write() as session:
        learning.verify_action(session, actor=SECOND, action_id=straps)
        learning.verify_action(session, actor=FIRST, action_id=training)
        learning.close_finding(session, actor=DESK, finding_id=chairs, proof="抽查两辆车，固定带齐全")
        learning.close_finding(session, actor=DESK, finding_id=calls, proof="培训完成，抽测合格")
    with _at(database, drill.ends_at + timedelta(days=70)).write() as session:
        learning.finish_action(session, actor=FIRST, action_id=cars, proof="车辆清单已核定，待写入预案")


def _second_drill(database: Database, drill: Occurrence, earlier: Occurrence) -> None:
    """This year's: the calls failed again, the wheelchairs did not; one action is late, one lies ahead."""
    then = _at(database, drill.ends_at + timedelta(days=1))
    _sheet(then, FIRST, drill, (Rating.M, Rating.P, Rating.S), ("仍有一名责任人未叫应", "", ""),
           "特殊人群转移较去年有序。",
           {"f-warn-reach": Mark.PARTLY, "f-evac-weak": Mark.YES, "f-cmd-orders": Mark.YES})  # fmt: skip
    now = database.clock.now().astimezone(BEIJING).date()
    with then.write() as session:
        aims = [aim.objective.id for aim in of_occurrence(session, drill.id)]
        owner, day = _owner(session, drill.division_code), drill.ends_at.astimezone(BEIJING).date()
        before = {e.finding.cause: e.finding for e in
                  learning.last_time(session, actor=DESK, occurrence_id=drill.id).findings}  # fmt: skip
        again = learning.add_finding(
            session, actor=FIRST, occurrence_id=drill.id, text="责任人未叫应后仍未改用其他方式",
            root_cause="叫应流程没有写明第二种方式", cause=Cause.ORGANISATION, severity=Severity.MAJOR,
            objective_id=aims[0],
        )  # fmt: skip
        for cause, outcome, again_id in (
            (Cause.TRAINING, Again.RECURRED, again.id), (Cause.EQUIPMENT, Again.GONE, None),
            (Cause.PLAN, Again.NOT_TESTED, None),
        ):  # fmt: skip
            if cause in before:
                learning.check_earlier(session, actor=FIRST, occurrence_id=drill.id, finding_id=before[cause].id,
                                       outcome=outcome, again_id=again_id)  # fmt: skip
        for text, post, words, due in (
            ("在叫应流程中写明电话、短信、上门三种方式", owner, "", now - timedelta(days=8)),
            ("每月抽查一次夜间叫应", None, "镇应急管理办公室", now + timedelta(days=12)),
        ):
            learning.add_action(session, actor=DESK, finding_id=again.id, text=text, owner_post_id=post,
                                owner_words=words, due_on=max(due, day + timedelta(days=2)))  # fmt: skip
    _forget_steps(database)


def _forget_steps(database: Database) -> None:
    """What was due before the demo was loaded is not sent now."""
    moment = database.clock.now()
    with database.write() as session:
        session.execute(
            sa.update(ActionNudge)
            .where(ActionNudge.done_at.is_(None), ActionNudge.due_at <= moment)
            .values(done_at=moment, outcome=NudgeOutcome.NOT_NEEDED)
        )


def _reports(database: Database) -> None:
    """Every report that is past its date was filed on a day before it, but for the latest one."""
    moment = database.clock.now()
    today = moment.astimezone(BEIJING).date()
    with database.read() as session:
        late = session.execute(
            sa.select(DrillReport.id, DrillReport.due_on)
            .where(DrillReport.filed_on.is_(None), DrillReport.due_on < today)
            .order_by(DrillReport.due_on, DrillReport.id)
        ).all()
    rows = late[:-1]
    for start in range(0, len(rows), PIECE):
        with database.write() as session:
            for number, (report_id, due_on) in enumerate(rows[start : start + PIECE], start=start + 1):
                learning.file_report(
                    session, actor=DESK, report_id=report_id, filed_on=due_on - timedelta(days=number % 4),
                    reference=f"静应演报〔{due_on.year}〕{number}号", receipt="已签收",
                )  # fmt: skip
