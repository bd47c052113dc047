"""A plan in force with levels and posts, and a response that runs by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.posts.models import Duty
from emergency.plans import acting, service
from emergency.plans.activation_models import ActivationKind, ActivationLine, ActivationStep, LineState
from emergency.plans.drafting import ActionText, Draft, EvacuationText, LevelText, SectionText
from emergency.plans.models import Part, ResponseGrade
from kernel.db import Database
from tests.plans.support import TAITOU, YIHE, add_post, person

REAL, DRILL = ActivationKind.ACTUAL, ActivationKind.EXERCISE
G = ResponseGrade
Make = Callable[..., Any]
FULL = tuple(SectionText(part.zh, "正文。", part=part) for part in Part)


@dataclass(frozen=True)
class Ready:
    """A plan in force with three levels, one of whose posts can be told."""

    database: Database
    plan_id: int
    version_id: int
    post_id: int


@pytest.fixture
def officer() -> Actor:
    return person(Role.DUTY_OFFICER, id=3)


def levels(post_id: int) -> list[LevelText]:
    return [
        LevelText(G.I, "发布洪水红色预警。", "总指挥", [ActionText("逐村逐户转移", actor_words="镇街", within_minutes=360)]),
        LevelText(G.II, "发布暴雨橙色及以上预警。", "总指挥",
                  [ActionText("低洼村庄先行转移", post_id=post_id, within_minutes=60),
                   ActionText("召开会商会", actor_words="区防办")]),
        LevelText(G.III, "超过警戒水位。", "副总指挥", [ActionText("队伍集结", post_id=post_id, within_minutes=30)]),
    ]  # fmt: skip


@pytest.fixture
def ready(district: Database, make: Make, publish: Make, planner: Actor) -> Ready:
    with district.write() as session:
        post_id = add_post(session, TAITOU, Duty.FLOOD_CHIEF, "+8613800001111")
        plan, row = make(session)
        row = service.edit_draft(
            session, actor=planner, version_id=row.id, version=row.version,
            draft=Draft(
                sections=FULL, levels=levels(post_id),
                evacuation=[EvacuationText("镇中心小学", subject_code=YIHE, people=300, grade=G.II, within_hours=12)],
            ),
        )  # fmt: skip
        publish(session, row)
        return Ready(district, plan.id, row.id, post_id)


def proposal(kind: ActivationKind = REAL, grade: ResponseGrade = G.II, **more: Any) -> acting.Proposal:
    return acting.Proposal(kind, grade, **({"matter": "子牙河洪水", "reason": "水位超警"} | more))


def start(
    ready: Ready, officer: Actor, approver: Actor, kind: ActivationKind = REAL, grade: ResponseGrade = G.II
) -> int:
    with ready.database.write() as session:
        activation = acting.propose(session, actor=officer, plan_id=ready.plan_id, proposal=proposal(kind, grade))
        step = session.scalars(sa.select(ActivationStep).where(ActivationStep.activation_id == activation.id)).one()
        acting.decide(session, actor=approver, step_id=step.id, kind=kind)
        return activation.id


def lines(ready: Ready, activation_id: int) -> dict[str, LineState]:
    with ready.database.read() as session:
        rows = session.scalars(sa.select(ActivationLine).where(ActivationLine.activation_id == activation_id))
        return {row.action: row.state for row in rows}


def line_id(ready: Ready, activation_id: int, action: str) -> int:
    with ready.database.read() as session:
        return session.scalars(
            sa.select(ActivationLine.id).where(
                ActivationLine.activation_id == activation_id, ActivationLine.action == action
            )
        ).one()
