"""Who was reached: numbers and the people behind them, by village and channel. Sent is never reached.

Reached means a receipt from a handset, or a person's word: an acknowledgement typed in, a visit recorded. A number
whose receipt came and whose holder also rang back counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, decode_cursor, encode_cursor
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact
from emergency.people.posts import service as posts
from emergency.people.posts.models import Post, PostHolder, PostState
from emergency.people.residents.models import Resident
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from emergency.warnings import access, issuing
from emergency.warnings.estimate import division_names, targets_of
from emergency.warnings.models import AckMethod, Acknowledgement, Warning, WarningState
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from notify import failover
from notify import service as notify
from notify.models import Broadcast, Delivery, DeliveryState

ACKNOWLEDGED = journal.kind(
    "warning.acknowledged", "登记收到确认", "Acknowledgement recorded", "method", "division", "people", personal=True
)
TABLE = "warning_acknowledgement"
NOTE_LENGTH = 500


@dataclass(frozen=True)
class Row:
    """One delivery as lists show it."""

    id: int
    recipient: str
    state: DeliveryState
    channel: str
    division: str
    division_name: str
    phone: str
    name: str
    people: int
    changed_at: datetime
    reason: str | None
    address_key: int


@dataclass(frozen=True)
class _Told:
    messages: int
    people: int


def reach(session: Session, *, actor: Actor, warning_id: int) -> dict[str, Any]:
    """The figures in the shape of the JSON surface; only the divisions of the actor's scope are counted."""
    warning = access.get(session, actor, warning_id)
    return figures(session, warning, actor)


def figures(session: Session, warning: Warning, actor: Actor) -> dict[str, Any]:
    """As `reach`, for a warning that has been looked up."""
    ids = issuing.broadcast_ids(session, [warning.id])
    tally = notify.tallies(session, ids)
    left = failover.passed(session, ids)
    told = session.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(Broadcast.held_back), 0).label("held_back"),
            sa.func.coalesce(sa.func.sum(Broadcast.held_back_people), 0).label("held_back_people"),
        ).where(Broadcast.id.in_(ids))
    ).one()
    mine = {code: states for code, states in tally.by_division.items() if actor.covers(code)}
    answers = _answers(session, warning.id, actor)
    names = division_names(session, sorted({*mine, *answers.by_division}))
    states = {state: _sum(mine, state) for state in DeliveryState}
    delivered = states[DeliveryState.DELIVERED]
    by_channel = tally.by_channel if len(mine) == len(tally.by_division) else {}
    return {
        "targeted": sum(told.messages for told in states.values()),
        "targeted_people": sum(told.people for told in states.values()),
        "by_state": {state.value: told.messages for state, told in states.items()},
        "people_by_state": {state.value: told.people for state, told in states.items()},
        "reached": delivered.messages + answers.beyond.messages,
        "reached_people": delivered.people + answers.beyond.people,
        "acknowledged": answers.all.messages,
        "acknowledged_people": answers.all.people,
        "by_division": [
            _division(code, names.get(code, code), mine.get(code, {}), answers.by_division.get(code))
            for code in sorted({*mine, *answers.by_division})
        ],
        "held_back": int(told.held_back),
        "held_back_people": int(told.held_back_people),
        "by_channel": [
            {
                "channel": channel,
                "targeted": sum(m for m, _ in [*found.values(), *left.get(channel, {}).values()]),
                "targeted_people": sum(p for _, p in [*found.values(), *left.get(channel, {}).values()]),
                "passed_on": sum(m for m, _ in left.get(channel, {}).values()),
                "by_state": {
                    state.value: found.get(state, (0, 0))[0] + left.get(channel, {}).get(state, (0, 0))[0]
                    for state in DeliveryState
                },
                "reached": found.get(DeliveryState.DELIVERED, (0, 0))[0],
                "reached_people": found.get(DeliveryState.DELIVERED, (0, 0))[1],
            }
            for channel, found in sorted(by_channel.items())
        ],
    }


def _sum(groups: dict[str, dict[DeliveryState, tuple[int, int]]], state: DeliveryState) -> _Told:
    found = [states.get(state, (0, 0)) for states in groups.values()]
    return _Told(sum(m for m, _ in found), sum(p for _, p in found))


def _division(
    code: str, name: str, states: dict[DeliveryState, tuple[int, int]], extra: _Told | None
) -> dict[str, Any]:
    messages, people = states.get(DeliveryState.DELIVERED, (0, 0))
    more = extra or _Told(0, 0)
    return {
        "code": code,
        "name": name,
        "targeted": sum(m for m, _ in states.values()),
        "targeted_people": sum(p for _, p in states.values()),
        "by_state": {state.value: states.get(state, (0, 0))[0] for state in DeliveryState},
        "reached": messages + more.messages,
        "reached_people": people + more.people,
    }


@dataclass(frozen=True)
class _Answers:
    all: _Told
    beyond: _Told
    by_division: dict[str, _Told]
    """Only those whom no handset's receipt covers."""


def _answers(session: Session, warning_id: int, actor: Actor) -> _Answers:
    rows = session.execute(
        sa.select(
            Acknowledgement.recipient,
            Acknowledgement.division_code,
            sa.func.max(Acknowledgement.people).label("people"),
            sa.func.max(sa.case((Delivery.state == DeliveryState.DELIVERED, 1), else_=0)).label("delivered"),
        )
        .outerjoin(Delivery, Delivery.id == Acknowledgement.delivery_id)
        .where(Acknowledgement.warning_id == warning_id, divisions.in_scope(Acknowledgement.division_code, actor))
        .group_by(Acknowledgement.recipient, Acknowledgement.division_code)
    ).all()
    by_division: dict[str, _Told] = {}
    for row in rows:
        if not row.delivered:
            before = by_division.get(row.division_code, _Told(0, 0))
            by_division[row.division_code] = _Told(before.messages + 1, before.people + int(row.people))
    return _Answers(
        _Told(len(rows), sum(int(row.people) for row in rows)),
        _Told(sum(t.messages for t in by_division.values()), sum(t.people for t in by_division.values())),
        by_division,
    )


def deliveries(
    session: Session,
    *,
    actor: Actor,
    warning_id: int,
    state: DeliveryState | None = None,
    division_code: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Row]:
    """One page of the ledger with masked numbers, in sending order; that it was read is journalled."""
    actor.require(Permission.DELIVERY_VIEW)
    warning = access.get(session, actor, warning_id)
    ids = issuing.broadcast_ids(session, [warning.id])
    records = session.scalars(sa.select(Broadcast).where(Broadcast.id.in_(ids))).all()
    ranges = [Delivery.id.between(record.first_id, record.last_id) for record in records]
    query = sa.select(Delivery).where(
        sa.or_(*ranges) if ranges else sa.false(), divisions.in_scope(Delivery.division, actor)
    )
    if state is not None:
        query = query.where(Delivery.state == state)
    if division_code:
        query = query.where(divisions.within(Delivery.division, division_code))
    if cursor:
        query = query.where(Delivery.id > decode_cursor(cursor, 1, (int,))[0])
    limit = max(1, min(limit, 200))
    rows = list(session.scalars(query.order_by(Delivery.id).limit(limit + 1)))
    more, rows = len(rows) > limit, rows[:limit]
    people = contacts.masked(session, [row.address_key for row in rows])
    names = division_names(session, sorted({row.division for row in rows}))
    journal.record(
        session, journal.LISTED, actor=actor, subject=("warning", warning.id), purpose=Purpose.WARNING,
        list="deliveries", count=len(rows), division=warning.division_code,
    )  # fmt: skip
    items = [
        Row(
            row.id, row.recipient, row.state, row.channel, row.division, names.get(row.division, row.division),
            people[row.address_key].phone if row.address_key in people else "",
            people[row.address_key].name if row.address_key in people else "",
            row.people, row.changed_at, row.reason, row.address_key,
        )
        for row in rows
    ]  # fmt: skip
    return Page(items, encode_cursor([rows[-1].id]) if more else None)


def acknowledge(
    session: Session,
    *,
    actor: Actor,
    warning_id: int,
    method: AckMethod,
    post_id: int | None = None,
    recipient_id: int | None = None,
    at: datetime | None = None,
    note: str | None = None,
) -> Acknowledgement:
    """Somebody confirmed; typed in with its original time. `recipient_id` is a delivery's id or a resident's."""
    actor.require(Permission.ACKNOWLEDGE)
    warning = access.get(session, actor, warning_id)
    if warning.issued_at is None or warning.state in (WarningState.DRAFT, WarningState.SUBMITTED):
        raise Conflict(N_("This warning has not been issued: nobody can have received it."), code="wrong_state")
    if (post_id is None) == (recipient_id is None):
        raise Invalid(
            N_("Name the post or the recipient, one of them."),
            code="recipient_required",
            fields={"recipient_id": "required"},
        )
    moment = now(session)
    heard = at or moment
    if not warning.issued_at <= heard <= moment:
        if at is None or abs((warning.issued_at - heard).total_seconds()) > 60 or heard > moment:
            raise Invalid(
                N_("The time must lie between the issue and now."), code="bad_time", fields={"at": "out_of_range"}
            )
        heard = warning.issued_at
    who = _of_post(session, post_id) if post_id is not None else _of_recipient(session, warning, recipient_id or 0)
    actor.require_covers(who.division)
    record = Acknowledgement(
        id=new_id(), warning_id=warning.id, recipient=who.recipient, division_code=who.division, people=who.people,
        method=method, at=heard, recorded_at=moment, recorded_by=str(actor),
        delivery_id=who.delivery_id or _delivery_of(session, warning, who),
    )  # fmt: skip
    text = (note or "").strip()[:NOTE_LENGTH]
    if text:
        record.note_sealed = vault.of(session).seal(TABLE, "note", record.id, text)
    session.add(record)
    session.flush()
    journal.record(
        session, ACKNOWLEDGED, actor=actor, subject=("warning", warning.id), purpose=Purpose.WARNING,
        method=method.value, division=who.division, people=who.people,
    )  # fmt: skip
    touch(session, "warning", warning.id)
    return record


@dataclass(frozen=True)
class _Who:
    recipient: str
    division: str
    people: int
    number_key: bytes | None = None
    delivery_id: int | None = None


def _of_post(session: Session, post_id: int) -> _Who:
    row = session.execute(
        sa.select(Post.division_code, Contact.phone_index)
        .outerjoin(PostHolder, sa.and_(PostHolder.post_id == Post.id, PostHolder.order == 0))
        .outerjoin(Contact, Contact.id == PostHolder.contact_id)
        .where(Post.id == post_id)
    ).one_or_none()
    if row is None:
        raise NotFound(N_("There is no such post."))
    return _Who(f"post:{post_id}", row.division_code, 1, row.phone_index)


def _of_recipient(session: Session, warning: Warning, recipient_id: int) -> _Who:
    delivery = session.get(Delivery, recipient_id)
    if delivery is not None:
        if delivery.broadcast_id not in issuing.broadcast_ids(session, [warning.id]):
            raise NotFound(N_("This warning has no such recipient."))
        return _Who(delivery.recipient, delivery.division, delivery.people, delivery.number_key, delivery.id)
    row = session.execute(
        sa.select(Resident.division_code, Contact.phone_index)
        .join(Contact, Contact.id == Resident.contact_id)
        .where(Resident.id == recipient_id)
    ).one_or_none()
    if row is None:
        raise NotFound(N_("This warning has no such recipient."))
    return _Who(f"resident:{recipient_id}", row.division_code, 1, row.phone_index)


def _delivery_of(session: Session, warning: Warning, who: _Who) -> int | None:
    """The message that went to this person's number: one number, one message, whoever answers it."""
    if who.number_key is None:
        return None
    ids = issuing.broadcast_ids(session, [warning.id])
    for record in session.scalars(sa.select(Broadcast).where(Broadcast.id.in_(ids))):
        found = session.scalar(
            sa.select(Delivery.id)
            .where(Delivery.id.between(record.first_id, record.last_id), Delivery.number_key == who.number_key)
            .limit(1)
        )
        if found is not None:
            return found
    return None


def acknowledgements(
    session: Session, *, actor: Actor, warning_id: int, limit: int = PAGE_SIZE
) -> list[Acknowledgement]:
    """The latest acknowledgements in the actor's scope, newest first."""
    warning = access.get(session, actor, warning_id)
    return list(
        session.scalars(
            sa.select(Acknowledgement)
            .where(Acknowledgement.warning_id == warning.id, divisions.in_scope(Acknowledgement.division_code, actor))
            .order_by(Acknowledgement.id.desc())
            .limit(limit)
        )
    )


def posts_of(session: Session, *, actor: Actor, warning: Warning, language: str = "zh") -> list[tuple[int, str]]:
    """Posts of the area that may ring back, responsible ones first: `(id, 义和村 防汛责任人)`, at most a page or two."""
    codes = targets_of(session, warning).post_codes
    rows = session.scalars(
        sa.select(Post.id)
        .where(
            divisions.within_any(Post.division_code, codes),
            divisions.in_scope(Post.division_code, actor),
            Post.state == PostState.HELD,
        )
        .order_by(Post.responsible.desc(), Post.division_code, Post.id)
        .limit(200)
    ).all()
    titles = posts.titles(session, rows, language=language)
    return [(post_id, titles.get(post_id, str(post_id))) for post_id in rows]
