"""The demo's warnings: two that are over, with their history, a draft, and an exercise that waits for approval.

Through the services, at the time when they would have happened. What lies in the past is settled here, so that the
engine finds nothing to send when the demo starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import service as asking
from emergency.config import Config
from emergency.divisions.models import Division
from emergency.http.actor import SYSTEM, Actor
from emergency.people.accounts import service as accounts
from emergency.people.posts.models import Post, PostState
from emergency.warnings import doors, issuing, service
from emergency.warnings.models import (
    AckMethod,
    Audience,
    DoorOutcome,
    DoorReason,
    DoorVisit,
    Issue,
    Source,
    Warning,
    WarningLevel,
    WarningStatus,
)
from kernel.clock import BEIJING, ManualClock
from kernel.db import Database
from notify.models import BlockState, Broadcast, Delivery, DeliveryBlock, DeliveryState, DeliveryTally

TAITOU, DULIU, TUANBO = "120118104000", "120118102000", "120118111000"
AUTHOR, APPROVER = "duty", "approver"
_ACKS = 12


def seed(database: Database) -> int:
    """Make the demo's warnings where there are none yet. Needs divisions, accounts, posts and residents."""
    with database.read() as session:
        if session.scalar(sa.select(Warning.id).limit(1)) is not None:
            return 0
        author, approver = accounts.find(session, AUTHOR), accounts.find(session, APPROVER)
        if author is None or approver is None:
            return 0
        people = accounts.actor_of(author), accounts.actor_of(approver)
        present = database.clock.now()
        villages = list(
            session.scalars(
                sa.select(Division.code)
                .where(Division.level == 5, Division.code.between("120118104001", "120118104999"))
                .order_by(Division.code)
                .limit(8)
            )
        )
    _flood(database, *people, villages or [TAITOU])
    _fog(database, *people)
    _draft(database, people[0])
    _exercise(database, people[0], present, villages[:2] or [TAITOU])
    return 4


@contextmanager
def _at(database: Database, moment: datetime) -> Iterator[Session]:
    with database.write() as session:
        session.info["clock"] = ManualClock(moment)
        yield session


def _beijing(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=BEIJING)


def _issue(
    database: Database, author: Actor, approver: Actor, warning: Warning, moment: datetime, wait: timedelta
) -> Issue:
    with _at(database, moment) as session:
        waiting = service.submit(session, actor=author, warning_id=warning.id)
        asking.close(session, ("warning", warning.id), actor=SYSTEM)
    with _at(database, moment + wait) as session:
        issue = service.approve(session, actor=approver, warning_id=warning.id, version=waiting.version)
        _settle(session, issue)
        return issue


def _settle(session: Session, issue: Issue) -> None:
    """Receipts as they would have come: 19 of 20 reached, some without a receipt, a few failed."""
    ids = issuing.broadcast_ids(session, [issue.warning_id])
    for broadcast in session.scalars(sa.select(Broadcast).where(Broadcast.id.in_(ids))):
        part = Delivery.id % 25
        state = sa.case(
            (part == 0, DeliveryState.FAILED.value),
            (part.in_((7, 13)), DeliveryState.SUBMITTED.value),
            else_=DeliveryState.DELIVERED.value,
        )
        mine = Delivery.id.between(broadcast.first_id, broadcast.last_id)
        session.execute(
            sa.update(Delivery)
            .where(mine)
            .values(state=state, attempt=1, reason=sa.case((part == 0, "30003"), else_=None))
            .execution_options(synchronize_session=False)
        )
        session.execute(
            sa.update(DeliveryBlock)
            .where(DeliveryBlock.broadcast_id == broadcast.id)
            .values(state=BlockState.DONE)
            .execution_options(synchronize_session=False)
        )
        session.execute(sa.delete(DeliveryTally).where(DeliveryTally.broadcast_id == broadcast.id))
        groups = sa.select(
            Delivery.broadcast_id, Delivery.division, Delivery.channel, Delivery.state, sa.func.count(),
            sa.func.sum(Delivery.people),
        ).where(mine).group_by(Delivery.broadcast_id, Delivery.division, Delivery.channel, Delivery.state)  # fmt: skip
        columns = ["broadcast_id", "division", "channel", "state", "messages", "people"]
        session.execute(sa.insert(DeliveryTally).from_select(columns, groups))


def _flood(database: Database, author: Actor, approver: Actor, villages: list[str]) -> None:
    night = _beijing(2026, 8, 3, 2, 52)
    with _at(database, night) as session:
        first = service.create(
            session, actor=author, status=WarningStatus.ACTUAL, event_code="11A01", level=WarningLevel.RED,
            headline="洪水红色预警",
            description="东淀水位上涨快，低洼村庄须在8月4日12时前全部转移",
            instruction="现在就带好身份证和常用药，听村干部安排到集合点上车；不要涉水，不要返回取东西，走不动的请告诉村干部",
            effective=_beijing(2026, 8, 3, 3), expires=_beijing(2026, 8, 5, 12), audience=Audience.ALL,
            area={"divisions": villages[:5]},
        )  # fmt: skip
    issue = _issue(database, author, approver, first, night + timedelta(minutes=4), timedelta(minutes=4))
    _acknowledge(database, author, issue, issue.sent + timedelta(minutes=6))
    _doors(database, author, issue, issue.sent + timedelta(hours=3))
    with _at(database, _beijing(2026, 8, 3, 15, 10)) as session:
        second = service.update(
            session, actor=author, warning_id=first.id, area={"divisions": villages},
            description="东淀水位继续上涨，转移范围扩大，须在8月4日12时前全部转移",
        )  # fmt: skip
    issue = _issue(database, author, approver, second, _beijing(2026, 8, 3, 15, 14), timedelta(minutes=6))
    _acknowledge(database, author, issue, issue.sent + timedelta(minutes=5))
    with _at(database, _beijing(2026, 8, 5, 9, 30)) as session:
        _warning, message = service.all_clear(
            session, actor=approver, warning_id=second.id,
            text="洪水红色预警解除：东淀水位已回落，转移要求同时解除。听村干部安排回村，进屋先断电",
        )  # fmt: skip
        _settle(session, message)
        session.execute(sa.update(Warning).where(Warning.id == message.warning_id).values(doors_through=None))
    _end(database, message.warning_id, _beijing(2026, 8, 5, 21, 30))


def _end(database: Database, warning_id: int, moment: datetime) -> None:
    from emergency.warnings.models import WarningState
    from emergency.warnings.rules import ALLOWED
    from kernel.states import transition

    with _at(database, moment) as session:
        warning = session.get_one(Warning, warning_id)
        values = {"ended_at": warning.expires}
        transition(session, warning, WarningState.ENDED, allowed=ALLOWED, actor=SYSTEM, values=values)


def _acknowledge(database: Database, actor: Actor, issue: Issue, moment: datetime) -> None:
    with _at(database, moment) as session:
        codes = issue.snapshot["area"]["divisions"]
        posts = session.scalars(
            sa.select(Post.id)
            .where(Post.division_code.in_(codes), Post.state == PostState.HELD, Post.responsible.is_(True))
            .order_by(Post.id)
            .limit(_ACKS)
        ).all()
        for n, post_id in enumerate(posts):
            service.acknowledge(
                session, actor=actor, warning_id=issue.warning_id, post_id=post_id,
                method=AckMethod.PHONE if n % 3 else AckMethod.RADIO, at=moment - timedelta(minutes=1),
            )  # fmt: skip


def _doors(database: Database, actor: Actor, issue: Issue, moment: datetime) -> None:
    doors.make_list_of(database, issue.warning_id)
    with _at(database, moment) as session:
        visits = session.scalars(
            sa.select(DoorVisit.id)
            .where(DoorVisit.warning_id == issue.warning_id, DoorVisit.reason == DoorReason.NO_PHONE)
            .order_by(DoorVisit.id)
            .limit(_ACKS)
        ).all()
        for visit_id in visits:
            service.record_visit(session, actor=actor, visit_id=visit_id, outcome=DoorOutcome.TOLD, at=moment)


def _fog(database: Database, author: Actor, approver: Actor) -> None:
    morning = _beijing(2026, 11, 12, 5, 40)
    with _at(database, morning) as session:
        warning = service.create(
            session, actor=author, status=WarningStatus.ACTUAL, event_code="11B17", level=WarningLevel.YELLOW,
            source=(Source.RELAYED, "静海区气象台"), headline="大雾黄色预警",
            description="预计今天上午独流镇、团泊镇能见度小于500米",
            instruction="驾车请减速慢行、开雾灯，学校和客运按预案调整",
            effective=morning, expires=_beijing(2026, 11, 12, 11), audience=Audience.POSTS,
            area={"divisions": [DULIU, TUANBO]},
        )  # fmt: skip
    issue = _issue(database, author, approver, warning, morning + timedelta(minutes=2), timedelta(minutes=3))
    _end(database, issue.warning_id, _beijing(2026, 11, 12, 11))


def _draft(database: Database, author: Actor) -> None:
    with database.write() as session:
        config: Config = session.info["config"]
        service.create(
            session, actor=author, status=WarningStatus.ACTUAL, event_code="12P00", level=WarningLevel.BLUE,
            headline="基础设施事故蓝色预警", description="独流镇供水主管检修，部分村庄可能停水",
            area={"divisions": [DULIU]},
            cancel_text=f"独流镇供水已恢复，{config.site.name}提醒先放水再饮用",
        )  # fmt: skip


def _exercise(database: Database, author: Actor, present: datetime, villages: list[str]) -> None:
    content: dict[str, Any] = {
        "headline": "洪水红色预警",
        "description": "假设东淀水位上涨快，参演人员请在9时30分前到集合点签到",
        "instruction": "这是演练，不用搬东西，家里照常",
        "effective": present,
        "expires": present + timedelta(days=3),
        "audience": Audience.POSTS,
        "area": {"divisions": villages},
    }
    with database.write() as session:
        warning = service.create(
            session, actor=author, status=WarningStatus.EXERCISE, event_code="11A01", level=WarningLevel.RED, **content
        )
        service.submit(session, actor=author, warning_id=warning.id)
        asking.close(session, ("warning", warning.id), actor=SYSTEM)
        config: Config = session.info["config"]
        warning.reminded = len(config.warnings.approval_reminder_minutes)
        session.flush()
