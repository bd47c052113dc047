"""What follows an issue: cancel, all-clear, the end by itself. Each message is a new one that refers to the old."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import SYSTEM, Actor
from emergency.http.permissions import Permission
from emergency.warnings import drafting, issuing, notices, rules, texts
from emergency.warnings.access import writable
from emergency.warnings.approval import required_reason
from emergency.warnings.models import Issue, MessageType, Warning, WarningState
from emergency.warnings.rules import ALLOWED
from kernel.db import Database, now
from kernel.errors import N_, Conflict
from kernel.states import transition
from notify import service as notify
from notify.models import Broadcast, Delivery, DeliveryState

VALID_FOR = timedelta(hours=12)
_TOLD = (DeliveryState.CLAIMED, DeliveryState.SUBMITTED, DeliveryState.DELIVERED, DeliveryState.UNKNOWN)


def cancel(session: Session, *, actor: Actor, warning_id: int, reason: str) -> tuple[Warning, Issue | None]:
    """Take a warning back: stop what has not left, and tell whoever was told. One press, by its author or an approver.

    A warning that never left is given up. Returns the warning and the issue of the cancelling message.
    """
    actor.require(Permission.WARNINGS_DRAFT)
    warning = writable(session, actor, warning_id)
    why = required_reason(reason)
    if warning.state in (WarningState.DRAFT, WarningState.RETURNED, WarningState.SUBMITTED):
        return drafting.withdraw(session, actor=actor, warning_id=warning_id, reason=why), None
    return warning, _lift(session, warning, actor=actor, words=why, reason=why, to=WarningState.CANCELLED)


def all_clear(session: Session, *, actor: Actor, warning_id: int, text: str | None = None) -> tuple[Warning, Issue]:
    """The danger is over (art. 70: lift at once): the prepared text goes to whoever was told."""
    actor.require(Permission.WARNINGS_DRAFT)
    warning = writable(session, actor, warning_id)
    words = (text or "").strip() or warning.cancel_text
    return warning, _lift(session, warning, actor=actor, words=words, reason=None, to=WarningState.ENDED)


def _lift(
    session: Session, warning: Warning, *, actor: Actor, words: str, reason: str | None, to: WarningState
) -> Issue:
    if warning.state is not WarningState.ISSUED or warning.msg_type is MessageType.CANCEL:
        raise Conflict(
            N_("This warning is %(state)s; only one in force can be lifted."),
            code="wrong_state",
            state=warning.state.zh,
        )
    moment = now(session)
    issuing.stop_sending(session, warning)
    transition(session, warning, to, allowed=ALLOWED, actor=actor, reason=reason, values={"ended_at": moment})
    sent, identifier = issuing.stamp(session)
    name = "cancel" if to is WarningState.CANCELLED else "all_clear"
    text = texts.lifting(warning, words, sent, name=name)
    message = _message(session, warning, actor=actor, moment=moment, words=words, name=name)
    rules.check_content(drafting.facts_of(session, message), now=moment, own_weather=True)
    return issuing.issue(
        session,
        message,
        actor=actor,
        text=text,
        sent=sent,
        identifier=identifier,
        recipients=told(session, warning),
        valid_until=message.expires,
        values={"approved_version": message.version},
        reason=reason,
    )


def _message(session: Session, warning: Warning, *, actor: Actor, moment: datetime, words: str, name: str) -> Warning:
    before = session.scalars(sa.select(Issue).where(Issue.warning_id == warning.id)).one()
    person = notices.person_of(session, actor)
    message = Warning(
        status=warning.status, msg_type=MessageType.CANCEL, previous_id=warning.id, state=WarningState.DRAFT,
        version=1, references=[*warning.references, rules.reference(before.snapshot["sender"], before.identifier,
                                                                    before.sent)],
        event_code=warning.event_code, event_name=warning.event_name, category=warning.category, level=warning.level,
        headline="", description=words, instruction=warning.instruction, issuer=warning.issuer,
        source=warning.source, relayed_from=warning.relayed_from, effective=moment, expires=moment + VALID_FOR,
        area=warning.area, area_words=warning.area_words, division_code=warning.division_code,
        channels=list(warning.channels), audience=warning.audience, template=name, text="", cancel_text="",
        created_by=person, created_at=moment, edited_by=person, edited_at=moment,
    )  # fmt: skip
    message.headline = texts.headline(warning) + texts.ending(message)
    session.add(message)
    session.flush()
    values = {"submitted_by": person, "submitted_at": moment}
    transition(session, message, WarningState.SUBMITTED, allowed=ALLOWED, actor=actor, values=values)
    return message


def people_told(session: Session, warning: Warning) -> int:
    """How many people a message that lifts this warning would go to."""
    ids = issuing.chain(session, warning)
    if len(ids) == 1:  # one number, one message: the tallies know it without looking at the ledger
        by_state = notify.tallies(session, issuing.broadcast_ids(session, ids)).people_by_state
        return sum(by_state.get(state, 0) for state in _TOLD)
    rows = told(session, warning).subquery("told_once")
    return int(session.scalar(sa.select(sa.func.sum(rows.c.people))) or 0)


def told(session: Session, warning: Warning) -> sa.Select[Any]:
    """Everybody to whom this warning, or one that it changed, may have gone: one row a number."""
    ids = issuing.broadcast_ids(session, issuing.chain(session, warning))
    ranges = [
        Delivery.id.between(record.first_id, record.last_id)
        for record in session.scalars(sa.select(Broadcast).where(Broadcast.id.in_(ids)))
    ]
    rows = (
        sa.select(sa.func.max(Delivery.id).label("id"))
        .where(sa.or_(*ranges) if ranges else sa.false(), Delivery.state.in_(_TOLD))
        .group_by(Delivery.number_key)
        .subquery("told")
    )
    columns: list[Any] = [
        Delivery.id.label("rank"), Delivery.recipient, Delivery.division, Delivery.address_key, Delivery.number_key,
        Delivery.people,
    ]  # fmt: skip
    return sa.select(*columns).join(rows, rows.c.id == Delivery.id)


def end_expired(database: Database, moment: datetime) -> int:
    """Every warning whose time is over ends, one transaction each. Returns how many."""
    with database.read() as session:
        due = list(
            session.scalars(
                sa.select(Warning.id)
                .where(Warning.state == WarningState.ISSUED, Warning.expires <= moment)
                .order_by(Warning.expires)
                .limit(200)
            )
        )
    ended = 0
    for warning_id in due:
        with database.write() as session:
            warning = session.get(Warning, warning_id, with_for_update=True)
            if warning is None or warning.state is not WarningState.ISSUED or warning.expires > moment:
                continue
            values = {"ended_at": warning.expires}
            transition(session, warning, WarningState.ENDED, allowed=ALLOWED, actor=SYSTEM, values=values)
            ended += 1
    return ended
