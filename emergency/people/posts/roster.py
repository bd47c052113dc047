"""The duty roster (值班表): who stands watch when, confirms the shift, and hands it over with a note."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.config import Config
from emergency.divisions import rules as division_rules
from emergency.divisions import service as divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts import directory, rules
from emergency.people.posts.models import DutyShift, ShiftRole, ShiftState
from emergency.privacy import journal, vault
from kernel.clock import BEIJING
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Forbidden, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition
from notify import service as notify
from notify.models import Kind

TABLE = "duty_shift"
SHIFT_PLANNED = journal.kind("roster.planned", "排班", "Shift planned", "account", "role", "division")
LIVE = (ShiftState.PLANNED, ShiftState.CONFIRMED)
MAX_DAYS = 62
_CAN_RECEIVE = (PhoneState.UNVERIFIED, PhoneState.VERIFIED)


def get_shift(session: Session, *, actor: Actor, shift_id: int) -> DutyShift:
    """One shift in the actor's scope; outside it there is none (404)."""
    actor.require(Permission.ROSTER_VIEW)
    shift = session.scalar(
        sa.select(DutyShift).where(DutyShift.id == shift_id, division_rules.in_scope(DutyShift.division_code, actor))
    )
    if shift is None:
        raise NotFound(N_("There is no such shift in your area."), code="shift_not_found")
    return shift


def shifts(
    session: Session, *, actor: Actor, start: datetime, end: datetime, division_code: str | None = None
) -> list[DutyShift]:
    """The shifts that touch a span of at most two months, in order of time. A township also sees who is on duty above.

    The district's roster is what a township calls at night, so it is no secret below.
    """
    actor.require(Permission.ROSTER_VIEW)
    if end - start > timedelta(days=MAX_DAYS):
        raise Invalid(N_("Choose at most %(n)s days."), code="span_too_long", n=MAX_DAYS)
    seen = division_rules.in_scope(DutyShift.division_code, actor)
    if actor.division_code:
        seen = sa.or_(seen, DutyShift.division_code.in_(division_rules.ancestors(actor.division_code)))
    statement = sa.select(DutyShift).where(
        seen, DutyShift.starts < end, DutyShift.ends > start, DutyShift.state != ShiftState.CANCELLED
    )
    if division_code:
        statement = statement.where(DutyShift.division_code == division_code)
    return list(session.scalars(statement.order_by(DutyShift.starts, DutyShift.role, DutyShift.id).limit(1000)))


def on_duty(session: Session, at: datetime, division_code: str | None = None) -> list[DutyShift]:
    """Who has the watch at this moment: leader, officer, deputy. Who took over early is on duty already."""
    took_over = sa.select(DutyShift.handed_over_to).where(
        DutyShift.handed_over_to.is_not(None), DutyShift.handed_over_at <= at, DutyShift.ends > at - rules.MAX_SHIFT
    )
    statement = sa.select(DutyShift).where(
        DutyShift.ends > at,
        DutyShift.state.in_(LIVE),
        sa.or_(DutyShift.starts <= at, DutyShift.id.in_(took_over)),
    )
    if division_code:
        statement = statement.where(DutyShift.division_code == division_code)
    order = list(ShiftRole)
    found = session.scalars(statement.limit(200)).all()
    return sorted(found, key=lambda shift: (order.index(shift.role), shift.division_code, shift.starts, shift.id))


def plan_shift(
    session: Session,
    *,
    actor: Actor,
    division_code: str,
    account_id: int,
    role: ShiftRole,
    starts: datetime,
    ends: datetime,
) -> DutyShift:
    """Put an account on the roster. Nobody stands in two shifts at once; a shift is 48 hours at most."""
    actor.require(Permission.ROSTER_EDIT)
    actor.require_covers(division_code)
    divisions.get(session, division_code)
    if not timedelta(0) < ends - starts <= rules.MAX_SHIFT:
        raise Invalid(
            N_("A shift ends after it begins and lasts 48 hours at most."),
            code="shift_span",
            fields={"ends": N_("A shift ends after it begins and lasts 48 hours at most.")},
        )
    if not directory.exists(session, actor, account_id):
        raise Invalid(
            N_("This account does not exist in your area."),
            code="account_unknown",
            fields={"account_id": N_("This account does not exist in your area.")},
        )
    clash = session.scalar(
        sa.select(DutyShift.id).where(
            DutyShift.account_id == account_id,
            DutyShift.state != ShiftState.CANCELLED,
            DutyShift.starts < ends,
            DutyShift.ends > starts,
        )
    )
    if clash is not None:
        raise Conflict(N_("This person already has a shift at that time."), code="shift_overlaps")
    # A cancelled shift of the same start would stand in the way of the unique key that guards against two.
    session.execute(
        sa.delete(DutyShift).where(
            DutyShift.account_id == account_id, DutyShift.starts == starts, DutyShift.state == ShiftState.CANCELLED
        )
    )
    shift = DutyShift(
        id=new_id(), division_code=division_code, account_id=account_id, role=role, starts=starts, ends=ends,
        state=ShiftState.PLANNED, version=1,
    )  # fmt: skip
    session.add(shift)
    session.flush()
    journal.record(
        session, SHIFT_PLANNED, actor=actor, subject=(TABLE, shift.id), account=account_id, role=role.value,
        division=division_code,
    )  # fmt: skip
    touch(session, TABLE, shift.id)
    return shift


def confirm(session: Session, *, actor: Actor, shift_id: int) -> DutyShift:
    """The person on the roster says: I will be there. Whoever keeps the roster may record it for them."""
    shift = get_shift(session, actor=actor, shift_id=shift_id)
    _own_or_keeper(actor, shift)
    transition(
        session, shift, ShiftState.CONFIRMED, allowed=rules.SHIFT_TRANSITIONS, actor=actor,
        values={"confirmed_at": now(session)},
    )  # fmt: skip
    touch(session, TABLE, shift.id)
    return shift


def cancel_shift(session: Session, *, actor: Actor, shift_id: int, reason: str) -> DutyShift:
    """Take a shift off the roster."""
    actor.require(Permission.ROSTER_EDIT)
    shift = get_shift(session, actor=actor, shift_id=shift_id)
    transition(
        session, shift, ShiftState.CANCELLED, allowed=rules.SHIFT_TRANSITIONS, actor=actor, reason=reason or None
    )
    touch(session, TABLE, shift.id)
    return shift


def next_shift(session: Session, shift: DutyShift) -> DutyShift | None:
    """Who takes over: the same role of the same division, the first that ends later."""
    return session.scalar(
        sa.select(DutyShift)
        .where(
            DutyShift.division_code == shift.division_code,
            DutyShift.role == shift.role,
            DutyShift.id != shift.id,
            DutyShift.state.in_(LIVE),
            DutyShift.ends > shift.ends,
            DutyShift.starts <= shift.ends + timedelta(hours=12),
        )
        .order_by(DutyShift.starts, DutyShift.id)
        .limit(1)
    )


def left_to_stand(shift: DutyShift, moment: datetime) -> timedelta | None:
    """How long the shift would still last, where handing over now would be unusually early."""
    left = shift.ends - moment
    return left if left > rules.HAND_OVER_EARLY else None


def hand_over(session: Session, *, actor: Actor, shift_id: int, note: str, early: bool = False) -> DutyShift:
    """The watch passes to the next shift, with what they must know. From then on they are on duty, even if early.

    Who takes over hears of it by message. More than half an hour before the end, `early` must say that it is meant.
    """
    shift = get_shift(session, actor=actor, shift_id=shift_id)
    _own_or_keeper(actor, shift)
    moment = now(session)
    if not note.strip():
        raise Invalid(
            N_("Write down what the next shift must know, or that nothing is open."),
            code="note_missing",
            fields={"note": N_("Fill this in.")},
        )
    if moment < shift.starts:
        raise Conflict(N_("This shift has not begun; there is nothing to hand over."), code="shift_not_begun")
    following = next_shift(session, shift)
    if following is None and moment < shift.ends:
        raise Conflict(
            N_("Nobody is on the roster after this shift. Put somebody there first."), code="nobody_to_take_over"
        )
    left = left_to_stand(shift, moment)
    if left is not None and not early:
        raise Invalid(
            N_("The shift lasts %(hours)s more hours. Confirm that the next shift takes over now."),
            code="hand_over_early",
            fields={"early": N_("Confirm that the next shift takes over now.")},
            hours=f"{left / timedelta(hours=1):.1f}".removesuffix(".0"),
        )
    values = {
        "handed_over_at": moment,
        "handed_over_to": following.id if following is not None else None,
        "note_sealed": seal_note(session, shift, note),
    }
    transition(session, shift, ShiftState.HANDED_OVER, allowed=rules.SHIFT_TRANSITIONS, actor=actor, values=values)
    touch(session, TABLE, shift.id)
    if following is not None:
        _tell(session, following, moment)
    return shift


def _tell(session: Session, following: DutyShift, moment: datetime) -> None:
    """Whoever has the watch from this moment hears of it; what was handed over stays behind the sign-in."""
    contact_id = directory.contact_of(session, following.account_id)
    contact = session.get(Contact, contact_id) if contact_id is not None else None
    if contact is None or contact.phone_index is None or contact.phone_state not in _CAN_RECEIVE:
        return
    at, ends = moment.astimezone(BEIJING), following.ends.astimezone(BEIJING)
    text = messages.render(
        "handed_over", at=f"{at:%H:%M}", role=following.role.zh, ends=f"{ends.month}月{ends.day}日{ends:%H:%M}"
    )
    config: Config = session.info["config"]
    spec = notify.BroadcastSpec(
        kind=Kind.NOTICE, priority=2, text=text, valid_until=following.ends,
        channels=list(config.notify.default_channels), subject_kind=TABLE, subject_id=following.id,
        signature=config.site.sms_signature, daily_quota=config.notify.daily_quota_per_number,
        repeat_minutes=config.notify.repeat_minutes,
    )  # fmt: skip
    recipient = f"account:{following.account_id}"
    notify.deliver(
        session, spec, [notify.Recipient(recipient, following.division_code, contact.id, contact.phone_index)]
    )


def seal_note(session: Session, shift: DutyShift, note: str) -> bytes:
    """The note as it is stored: it names people and what happened to them."""
    return vault.of(session).seal(TABLE, "note", shift.id, note.strip()[:2000])


def note_of(session: Session, shift: DutyShift) -> str:
    """The note of the hand-over, or nothing."""
    if shift.note_sealed is None:
        return ""
    return vault.of(session).open(TABLE, "note", shift.id, shift.note_sealed)


def _own_or_keeper(actor: Actor, shift: DutyShift) -> None:
    if actor.kind == "account" and actor.id == shift.account_id:
        return
    if not actor.can(Permission.ROSTER_EDIT):
        raise Forbidden(N_("This is another person's shift."), code="not_your_shift")
