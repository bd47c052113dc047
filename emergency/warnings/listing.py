"""Looking: lists, the strip of what is in force, what waits for whom, what is shown on a wall."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.http.actor import Actor
from emergency.http.i18n import _
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.people.accounts import service as accounts
from emergency.warnings import access, notices
from emergency.warnings.access import visible
from emergency.warnings.models import (
    Acknowledgement,
    DoorOutcome,
    DoorVisit,
    Issue,
    IssueBroadcast,
    MessageType,
    Warning,
    WarningLevel,
    WarningState,
    WarningStatus,
)
from emergency.warnings.texts import title
from kernel.db import now
from kernel.states import StateChange, timeline
from notify.models import Delivery, DeliveryState, DeliveryTally

S = WarningState
GROUPS: dict[str, tuple[WarningState, ...]] = {
    "in_force": (S.ISSUED,),
    "waiting": (S.SUBMITTED,),
    "drafts": (S.DRAFT, S.RETURNED),
    "ended": (S.ENDED, S.CANCELLED, S.SUPERSEDED, S.REJECTED, S.WITHDRAWN),
}
_STRIP = 8
_ORDER = {"red": 0, "orange": 1, "yellow": 2, "blue": 3}


@dataclass(frozen=True)
class StripItem:
    """One warning in force, as the strip under every page's head shows it."""

    id: int
    level: WarningLevel
    title: str
    area: str
    issued_at: datetime
    minutes: int
    reached: float | None
    url: str
    is_exercise: bool


@dataclass(frozen=True)
class WaitingItem:
    """One thing that waits for this person, in the shape of the workbench."""

    level: WarningLevel | None
    what: str
    why: str
    due_at: datetime | None
    url: str
    action_label: str
    drill: bool = False
    """An exercise: violet, and after everything that is real."""


def list_warnings(
    session: Session,
    *,
    actor: Actor,
    group: str | None = None,
    state: WarningState | None = None,
    status: WarningStatus | None = None,
    level: WarningLevel | None = None,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Warning]:
    """One page of the warnings that the actor may see, newest first."""
    actor.require(Permission.WARNINGS_VIEW)
    statement = _chosen(actor, group=group, state=state, status=status, level=level, q=q)
    return paginate(session, statement, key=[Warning.id], cursor=cursor, limit=limit, descending=True)


def _chosen(
    actor: Actor,
    *,
    group: str | None = None,
    state: WarningState | None = None,
    status: WarningStatus | None = None,
    level: WarningLevel | None = None,
    q: str | None = None,
) -> sa.Select[Any]:
    statement = sa.select(Warning).where(visible(actor))
    if group in GROUPS:
        statement = statement.where(Warning.state.in_(GROUPS[group]))
    if group == "in_force":
        statement = statement.where(Warning.msg_type != MessageType.CANCEL)
    if state is not None:
        statement = statement.where(Warning.state == state)
    if status is not None:
        statement = statement.where(Warning.status == status)
    if level is not None:
        statement = statement.where(Warning.level == level)
    if q and q.strip():
        word = q.strip()
        statement = statement.where(
            sa.or_(
                Warning.headline.contains(word, autoescape=True),
                Warning.area_words.contains(word, autoescape=True),
                Warning.event_name.contains(word, autoescape=True),
            )
        )
    return statement


def count_by_group(session: Session, *, actor: Actor) -> dict[str, int]:
    """How many stand in each part of the list."""
    rows = session.execute(
        sa.select(Warning.state, Warning.msg_type, sa.func.count())
        .where(visible(actor))
        .group_by(Warning.state, Warning.msg_type)
    ).all()
    found = dict.fromkeys(GROUPS, 0)
    for state, msg_type, number in rows:
        for group, states in GROUPS.items():
            if state in states and not (group == "in_force" and msg_type is MessageType.CANCEL):
                found[group] += int(number)
    return found


def get(session: Session, *, actor: Actor, warning_id: int) -> Warning:
    """One warning that the actor may see, or 404."""
    return access.get(session, actor, warning_id)


def issues(session: Session, warning_ids: Sequence[int]) -> dict[int, Issue]:
    """What was issued, by warning."""
    if not warning_ids:
        return {}
    rows = session.scalars(sa.select(Issue).where(Issue.warning_id.in_(list(warning_ids))))
    return {issue.warning_id: issue for issue in rows}


def history(session: Session, warning: Warning) -> list[StateChange]:
    """Every step of a warning, oldest first."""
    return timeline(session, Warning.__tablename__, warning.id)


def related(session: Session, *, actor: Actor, warning: Warning) -> list[Warning]:
    """The messages before and after it: what it changed, what changed it."""
    statement = sa.select(Warning).where(visible(actor), Warning.id != warning.id)
    chain = [Warning.previous_id == warning.id]
    if warning.previous_id is not None:
        chain += [Warning.id == warning.previous_id, Warning.previous_id == warning.previous_id]
    return list(session.scalars(statement.where(sa.or_(*chain)).order_by(Warning.id).limit(PAGE_SIZE)))


def names(session: Session, actor_keys: Iterable[str | None]) -> dict[str, str]:
    """People's names for a page, by their keys."""
    return accounts.display_names(session, {key for key in actor_keys if key})


def in_force(session: Session, actor: Actor) -> list[StripItem]:
    """What is in force in the actor's area, the gravest first, real before exercise."""
    if not actor.can(Permission.WARNINGS_VIEW):
        return []
    moment = now(session)
    rows = session.scalars(
        sa.select(Warning)
        .where(
            visible(actor),
            Warning.state == S.ISSUED,
            Warning.msg_type != MessageType.CANCEL,
            Warning.status != WarningStatus.TEST,
            Warning.expires > moment,
        )
        .order_by(Warning.id.desc())
        .limit(_STRIP * 4)
    ).all()
    shares = reached_shares(session, rows)
    items = [
        StripItem(
            id=row.id, level=row.level, title=title(row), area=row.area_words, issued_at=row.issued_at or moment,
            minutes=int((moment - (row.issued_at or moment)).total_seconds() // 60), reached=shares.get(row.id),
            url=f"/warnings/{row.id}", is_exercise=row.status is WarningStatus.EXERCISE,
        )
        for row in rows
    ]  # fmt: skip
    return sorted(items, key=lambda item: (item.is_exercise, _ORDER[item.level.value], -item.id))[:_STRIP]


def reached_shares(session: Session, rows: Iterable[Warning]) -> dict[int, float]:
    """The share of everybody, by phone or at the door, who was reached, by warning; left out where there is nobody.

    Reached is a handset's receipt, or a person's word about somebody without one: as the record counts.
    """
    whole = {row.id: int((row.estimate or {}).get("unreachable", 0)) for row in rows if row.issued_at is not None}
    if not whole:
        return {}
    reached = dict.fromkeys(whole, 0)
    tallies = session.execute(
        sa.select(Issue.warning_id, DeliveryTally.state, sa.func.sum(DeliveryTally.people))
        .join(IssueBroadcast, IssueBroadcast.issue_id == Issue.id)
        .join(DeliveryTally, DeliveryTally.broadcast_id == IssueBroadcast.broadcast_id)
        .where(Issue.warning_id.in_(list(whole)))
        .group_by(Issue.warning_id, DeliveryTally.state)
    )
    for warning_id, state, people in tallies:
        whole[warning_id] += int(people)
        if state is DeliveryState.DELIVERED:
            reached[warning_id] += int(people)
    confirmed = (
        sa.select(
            Acknowledgement.warning_id,
            Acknowledgement.recipient,
            sa.func.max(Acknowledgement.people).label("people"),
            sa.func.max(sa.case((Delivery.state == DeliveryState.DELIVERED, 1), else_=0)).label("delivered"),
        )
        .outerjoin(Delivery, Delivery.id == Acknowledgement.delivery_id)
        .where(Acknowledgement.warning_id.in_(list(whole)))
        .group_by(Acknowledgement.warning_id, Acknowledgement.recipient)
        .subquery("confirmed")
    )
    for warning_id, people in session.execute(
        sa.select(confirmed.c.warning_id, sa.func.sum(confirmed.c.people))
        .where(confirmed.c.delivered == 0)
        .group_by(confirmed.c.warning_id)
    ):
        reached[warning_id] += int(people)
    return {key: min(reached[key] / total, 1.0) for key, total in whole.items() if total}


def waiting(session: Session, actor: Actor, moment: datetime) -> list[WaitingItem]:
    """What waits for this actor: to approve, to write again, to go to doors."""
    found: list[WaitingItem] = []
    person = notices.person_of(session, actor)
    config: Config = session.info["config"]
    patience = timedelta(minutes=min(config.warnings.approval_reminder_minutes, default=2))
    if actor.can(Permission.WARNINGS_APPROVE):
        rows = session.scalars(
            sa.select(Warning)
            .where(
                visible(actor), Warning.state == S.SUBMITTED, Warning.created_by != person,
                Warning.submitted_by != person, Warning.edited_by != person,
            )
            .order_by(Warning.submitted_at)
            .limit(PAGE_SIZE)
        )  # fmt: skip
        for row in rows:
            people = (row.estimate or {}).get("everybody", 0)
            found.append(
                WaitingItem(
                    row.level,
                    _("%(title)s waits for your approval", title=title(row)),
                    _("%(area)s, %(people)s people", area=row.area_words, people=f"{people:,}"),
                    row.submitted_at + patience if row.submitted_at else None,
                    f"/warnings/{row.id}/approve",
                    _("Read and decide"),
                    drill=_is_drill(row),
                )
            )
    if actor.can(Permission.WARNINGS_DRAFT):
        rows = session.scalars(
            sa.select(Warning)
            .where(visible(actor), Warning.state == S.RETURNED, Warning.created_by == person)
            .order_by(Warning.decided_at)
            .limit(PAGE_SIZE)
        )
        for row in rows:
            found.append(
                WaitingItem(
                    row.level,
                    _("%(title)s came back to you", title=title(row)),
                    row.decision_reason or "",
                    row.expires,
                    f"/warnings/{row.id}/content",
                    _("Write it again"),
                    drill=_is_drill(row),
                )
            )
    if actor.can(Permission.ACKNOWLEDGE):
        found.extend(_doors(session, actor))
    return found


def _doors(session: Session, actor: Actor) -> list[WaitingItem]:
    from emergency.divisions import rules as divisions

    rows = session.execute(
        sa.select(Warning, sa.func.sum(DoorVisit.people))
        .join(DoorVisit, DoorVisit.warning_id == Warning.id)
        .where(
            Warning.state == S.ISSUED,
            DoorVisit.outcome.in_((DoorOutcome.OPEN, DoorOutcome.AWAY)),
            divisions.in_scope(DoorVisit.division_code, actor),
        )
        .group_by(Warning.id)
        .limit(_STRIP)
    ).all()
    return [
        WaitingItem(
            row.level,
            _("%(title)s: people to tell at the door: %(n)s", title=title(row), n=int(number)),
            _("No message reaches these people."),
            row.expires,
            f"/warnings/{row.id}/doors",
            _("Open the list of doors"),
            drill=_is_drill(row),
        )
        for row, number in rows
    ]


def _is_drill(warning: Warning) -> bool:
    return warning.status is not WarningStatus.ACTUAL


def open_count(session: Session, actor: Actor) -> int:
    """For the navigation: what is in force and what waits."""
    counts = count_by_group(session, actor=actor)
    return counts["in_force"] + counts["waiting"]
