"""What other rooms may hear of warnings: what was issued where, what is in force, what events are called."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.plans.service import Signal
from emergency.warnings.models import EventType, MessageType, Warning, WarningLevel, WarningState, WarningStatus
from emergency.warnings.texts import title

AT_MOST = 200
_SAID = (MessageType.ALERT, MessageType.UPDATE)


def _signals(session: Session, rows: Iterable[Warning]) -> list[Signal]:
    found = list(rows)
    aliases = {
        event.code: (event.name, *event.aliases)
        for event in session.scalars(sa.select(EventType).where(EventType.code.in_({row.event_code for row in found})))
    }
    return [
        Signal(
            warning_id=row.id, headline=title(row), level=row.level.value, event_code=row.event_code,
            event_names=tuple(dict.fromkeys((row.event_name, *aliases.get(row.event_code, ())))),
            real=row.status is WarningStatus.ACTUAL, codes=_codes(session, row),
            issued_at=row.issued_at or row.created_at, url=f"/warnings/{row.id}",
        )
        for row in found
    ]  # fmt: skip


def _codes(session: Session, row: Warning) -> tuple[str, ...]:
    """The divisions that it names; for a drawn area those that hold it."""
    named = [code for code in row.area.get("divisions", ()) if divisions.is_code(code)]
    if row.area.get("polygons") or row.area.get("circles"):
        named.append(row.division_code)
    return tuple(dict.fromkeys(named)) or (row.division_code,)


def between(session: Session, since: datetime, until: datetime) -> list[Signal]:
    """Alerts and updates that were issued in that time, oldest first; link tests are none."""
    return _signals(
        session,
        session.scalars(
            sa.select(Warning)
            .where(
                Warning.issued_at >= since,
                Warning.issued_at <= until,
                Warning.msg_type.in_(_SAID),
                Warning.status != WarningStatus.TEST,
            )
            .order_by(Warning.issued_at)
            .limit(AT_MOST)
        ),
    )


def standing(session: Session, moment: datetime) -> list[Signal]:
    """What is in force, real or as an exercise."""
    which = _in_force(moment).where(Warning.status != WarningStatus.TEST).order_by(Warning.id)
    return _signals(session, session.scalars(which))


def red_in_force(session: Session, moment: datetime) -> list[Signal]:
    """The real red ones that are in force."""
    which = _in_force(moment).where(Warning.status == WarningStatus.ACTUAL, Warning.level == WarningLevel.RED)
    return _signals(session, session.scalars(which.order_by(Warning.id.desc())))


def _in_force(moment: datetime) -> sa.Select[Warning]:
    return (
        sa.select(Warning)
        .where(Warning.state == WarningState.ISSUED, Warning.msg_type.in_(_SAID), Warning.expires > moment)
        .limit(AT_MOST)
    )


def event_names(session: Session) -> frozenset[str]:
    """Every name of every kind of event."""
    return frozenset(
        name for event in session.scalars(sa.select(EventType)) for name in (event.name, *event.aliases) if name
    )
