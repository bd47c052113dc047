"""What is wrong with posts and the roster today: readiness gathers it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import service as divisions
from emergency.divisions.defects import Defect
from emergency.people.contacts.models import Contact, NumberRefusal
from emergency.people.contacts.service import refusals
from emergency.people.posts import rules
from emergency.people.posts.models import DutyShift, Post, PostHolder, PostState, ShiftRole, ShiftState
from kernel.clock import BEIJING
from kernel.errors import N_

REASONS = {
    rules.Fault.VACANT: N_("Nobody holds the post %(post)s."),
    rules.Fault.NO_NUMBER: N_("%(post)s has no usable number."),
    rules.Fault.OPTED_OUT: N_(
        "The number of %(post)s refuses messages (it was sent STOP or 退订): duty messages do not reach it, and the carrier "
        "may block warnings too (21610). Ring the holder; START by text, or proof told to a clerk, takes it back."
    ),
    rules.Fault.UNVERIFIED: N_("The number of %(post)s has not been verified."),
    rules.Fault.STALE: N_("The number of %(post)s was last verified more than 90 days ago."),
}
NUMBER_REFUSED = N_("The provider refuses the number of %(post)s for good (%(code)s): nothing arrives there.")
NOT_CONFIRMED = N_("A shift that begins within twelve hours is not confirmed.")
NOBODY_NEXT = N_("%(place)s has nobody on the duty roster %(hours)s hours from now.")
ROOM = "posts"
LOOK_AHEAD = timedelta(hours=24)


def defects(session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None = None) -> list[Defect]:
    """Every fault, or those of the subjects in `limit_to`: `("post", id)`, `("contact", id)`, `("duty_shift", id)`."""
    found = [*_posts(session, now, limit_to), *_refused(session, limit_to), *_shifts(session, now, limit_to)]
    if limit_to is None or any(kind in ("duty_shift", "division") for kind, _id in limit_to):
        found.extend(_gaps(session, now))
    return found


def _posts(session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None) -> Iterator[Defect]:
    statement = (
        sa.select(
            Post.id,
            Post.division_code,
            Post.unit_id,
            Post.duty,
            Post.state,
            Contact.phone_state,
            Contact.verified_at,
            PostHolder.since,
        )
        .outerjoin(PostHolder, sa.and_(PostHolder.post_id == Post.id, PostHolder.order == 0))
        .outerjoin(Contact, Contact.id == PostHolder.contact_id)
        .where(Post.state != PostState.ABOLISHED)
    )
    if limit_to is not None:
        posts = [number for kind, number in limit_to if kind == "post"]
        contacts = [number for kind, number in limit_to if kind == "contact"]
        if not posts and not contacts:
            return
        statement = statement.where(sa.or_(Post.id.in_(posts), Contact.id.in_(contacts)))
    found = [
        (row, fault)
        for row in session.execute(statement.order_by(Post.id))
        if (fault := rules.fault(row.state, row.phone_state, row.verified_at, now)) is not None
    ]
    places = divisions.names(session, [row.division_code for row, _fault in found])
    units = divisions.unit_names(session, [row.unit_id for row, _fault in found if row.unit_id is not None])
    for row, fault in found:
        place = units.get(row.unit_id) or places.get(row.division_code, row.division_code)
        stale = fault is rules.Fault.STALE
        yield Defect(
            room=ROOM,
            subject_kind="post",
            subject_id=row.id,
            rule=f"post_{fault.value}",
            reason=REASONS[fault],
            params={"post": f"{place} {row.duty.zh}"},
            title=f"{place} {row.duty.zh}",
            division_code=row.division_code,
            url=f"/posts/{row.id}",
            since=_day((row.verified_at + rules.VERIFY_AFTER if stale else row.since) or now),
            owner_post_id=None if fault is rules.Fault.VACANT else row.id,
        )


def _refused(session: Session, limit_to: Collection[tuple[str, int]] | None) -> Iterator[Defect]:
    """Posts whose holder, or a deputy, has a number that a provider refuses for good."""
    statement = (
        sa.select(Post.id, Post.division_code, Post.unit_id, Post.duty, Contact.id.label("contact_id"))
        .join(PostHolder, PostHolder.post_id == Post.id)
        .join(Contact, Contact.id == PostHolder.contact_id)
        .join(NumberRefusal, NumberRefusal.number_key == Contact.phone_index)
        .where(Post.state != PostState.ABOLISHED)
    )
    if limit_to is not None:
        posts = [number for kind, number in limit_to if kind == "post"]
        people = [number for kind, number in limit_to if kind == "contact"]
        if not posts and not people:
            return
        statement = statement.where(sa.or_(Post.id.in_(posts), Contact.id.in_(people)))
    rows = session.execute(statement.order_by(Post.id, PostHolder.order.desc())).all()
    first = {row.id: row for row in rows}
    why = refusals.of_contacts(session, [row.contact_id for row in first.values()])
    places = divisions.names(session, [row.division_code for row in first.values()])
    units = divisions.unit_names(session, [row.unit_id for row in first.values() if row.unit_id is not None])
    for row in first.values():
        title = f"{units.get(row.unit_id) or places.get(row.division_code, row.division_code)} {row.duty.zh}"
        yield Defect(
            room=ROOM,
            subject_kind="post",
            subject_id=row.id,
            rule="post_number_refused",
            reason=NUMBER_REFUSED,
            params={"post": title, "code": why[row.contact_id].code},
            title=title,
            division_code=row.division_code,
            url=f"/posts/{row.id}",
            since=_day(why[row.contact_id].since),
            owner_post_id=row.id,
        )


def _shifts(session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None) -> Iterator[Defect]:
    statement = sa.select(DutyShift).where(
        DutyShift.state == ShiftState.PLANNED, DutyShift.starts <= now + rules.CONFIRM_BEFORE, DutyShift.ends > now
    )
    if limit_to is not None:
        wanted = [number for kind, number in limit_to if kind == "duty_shift"]
        if not wanted:
            return
        statement = statement.where(DutyShift.id.in_(wanted))
    for shift in session.scalars(statement.order_by(DutyShift.starts)):
        yield Defect(
            room=ROOM,
            subject_kind="duty_shift",
            subject_id=shift.id,
            rule="shift_not_confirmed",
            reason=NOT_CONFIRMED,
            division_code=shift.division_code,
            url=f"/roster/{shift.id}",
            since=_day(min(now, shift.starts - rules.CONFIRM_BEFORE)),
            due=_day(shift.starts),
        )


def _gaps(session: Session, now: datetime) -> Iterator[Defect]:
    """The first hole within a day in the watch of every division that keeps a roster at all."""
    keeping = session.scalars(sa.select(DutyShift.division_code).distinct()).all()
    watch = session.execute(
        sa.select(DutyShift.division_code, DutyShift.starts, DutyShift.ends)
        .where(
            DutyShift.role == ShiftRole.OFFICER,
            DutyShift.state.in_((ShiftState.PLANNED, ShiftState.CONFIRMED)),
            DutyShift.starts <= now + LOOK_AHEAD,
            DutyShift.ends > now,
        )
        .order_by(DutyShift.division_code, DutyShift.starts)
    ).all()
    places = divisions.names(session, keeping)
    for code in keeping:
        hole = first_gap([(row.starts, row.ends) for row in watch if row.division_code == code], now)
        if hole is not None:
            hours = round((hole - now).total_seconds() / 3600)
            yield Defect(
                room=ROOM,
                subject_kind="division",
                subject_id=int(code),
                rule="nobody_on_duty",
                reason=NOBODY_NEXT,
                params={"place": places.get(code, code), "hours": hours},
                division_code=code,
                url="/roster",
                title=places.get(code, code),
                since=_day(now),
                due=_day(hole),
            )


def _day(moment: datetime) -> date:
    return moment.astimezone(BEIJING).date()


def first_gap(watch: list[tuple[datetime, datetime]], now: datetime) -> datetime | None:
    """The first moment within a day that no shift covers, or None. Shifts are sorted by their start."""
    covered = now
    for starts, ends in watch:
        if starts > covered:
            break
        covered = max(covered, ends)
    return covered if covered < now + LOOK_AHEAD else None
