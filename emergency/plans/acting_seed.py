"""The demo's responses: an exercise of the district that has ended, and one of a township that runs. Nothing real."""

from __future__ import annotations

import copy
from datetime import timedelta

import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.plans import acting, checklist, situation
from emergency.plans import activation_queries as queries
from emergency.plans.activation_models import Activation, ActivationKind, Heard, LineState
from emergency.plans.models import Plan, PlanState, PlanVersion, ResponseGrade, ResponseLevel, VersionState
from kernel.clock import ManualClock
from kernel.db import Database

DESK = Actor.system("demo")
DRILL = ActivationKind.EXERCISE
DISTRICT, TAITOU = "120118000000", "120118104000"


def _plan(database: Database, code: str) -> int | None:
    with database.read() as session:
        return session.scalar(
            sa.select(Plan.id)
            .join(PlanVersion, PlanVersion.plan_id == Plan.id)
            .join(ResponseLevel, ResponseLevel.version_id == PlanVersion.id)
            .where(
                Plan.division_code == code,
                Plan.state.in_([PlanState.IN_FORCE, PlanState.UNDER_REVISION]),
                PlanVersion.state == VersionState.ISSUED,
                PlanVersion.replaced_at.is_(None),
                ResponseLevel.grade == ResponseGrade.III,
            )
            .order_by(Plan.id)
            .limit(1)
        )


def _at(database: Database, clock: ManualClock) -> Database:
    """The same database at another time."""
    other = copy.copy(database)
    other.clock = clock
    other._info = database._info | {"clock": clock}
    return other


def seed(database: Database) -> None:
    """Load both; where there are responses already, nothing is done."""
    with database.read() as session:
        if session.scalar(sa.select(Activation.id).limit(1)) is not None:
            return
    district, town = _plan(database, DISTRICT), _plan(database, TAITOU)
    if district is not None:
        _ended(database, district)
    if town is not None:
        _running(database, town)


def _ended(database: Database, plan_id: int) -> None:
    """A table-top of nine days ago: raised once, one action late, one not applicable, ended."""
    clock = ManualClock(database.clock.now() - timedelta(days=9))
    past = _at(database, clock)
    with past.write() as session:
        made = acting.propose(session, actor=DESK, plan_id=plan_id, proposal=acting.Proposal(
            DRILL, ResponseGrade.III, "子牙河超警戒水位处置演练", "按年度演练计划开展。", "检验三级响应集结与转移准备。",
        ))  # fmt: skip
        response = made.id
    clock.advance(40 * 60)
    with past.write() as session:
        lines = queries.lines_of(session, response)
        for line in lines[:2]:
            checklist.tick(session, actor=DESK, line_id=line.id, to=LineState.DONE, kind=DRILL, heard=Heard.PHONE)
        situation.note(session, actor=DESK, activation_id=response, kind=DRILL, text="导调组注入情况：堤顶发现渗水点。")
        acting.change(session, actor=DESK, activation_id=response, kind=DRILL, reason="按导调方案提级。",
                      to=ResponseGrade.II, with_lower=True)  # fmt: skip
    clock.advance(90 * 60)
    with past.write() as session:
        for line in queries.lines_of(session, response):
            if line.state is LineState.OPEN and line.grade is ResponseGrade.II:
                checklist.tick(session, actor=DESK, line_id=line.id, to=LineState.DONE, kind=DRILL)
        for row in queries.evacuation_of(session, response)[:3]:
            heads = situation.Heads(row.people, row.people * 9 // 10, 2, min(6, row.people * 9 // 10))
            situation.report(session, actor=DESK, evacuation_id=row.id, kind=DRILL, heads=heads)
        acting.change(session, actor=DESK, activation_id=response, kind=DRILL, reason="科目全部完成。", to=None)


def _running(database: Database, plan_id: int) -> None:
    """A township's exercise of this hour."""
    past = _at(database, ManualClock(database.clock.now() - timedelta(minutes=50)))
    with past.write() as session:
        response = acting.propose(session, actor=DESK, plan_id=plan_id, proposal=acting.Proposal(
            DRILL, ResponseGrade.III, "镇级防汛转移演练", "汛前检验镇村两级响应。",
        )).id  # fmt: skip
    with database.write() as session:
        lines = queries.lines_of(session, response)
        checklist.tick(session, actor=DESK, line_id=lines[0].id, to=LineState.TAKEN, kind=DRILL, heard=Heard.PHONE)
        for row in queries.evacuation_of(session, response)[:2]:
            heads = situation.Heads(row.people, row.people // 2, 1, min(3, row.people // 2))
            situation.report(session, actor=DESK, evacuation_id=row.id, kind=DRILL, heads=heads)
