"""The list of doors: whom no message reaches, and whose message failed. Made in pieces after the issue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact
from emergency.people.contacts.service import MaskedContact
from emergency.people.residents.models import Resident
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from emergency.warnings import access, audience, counting, issuing, reach
from emergency.warnings.estimate import division_names, targets_of
from emergency.warnings.models import (
    AckMethod,
    Acknowledgement,
    Audience,
    DoorOutcome,
    DoorReason,
    DoorVisit,
    MessageType,
    Warning,
    WarningState,
    WarningStatus,
)
from kernel.db import Database, now
from kernel.errors import N_, Conflict, NotFound
from kernel.ids import new_id
from notify import failover
from notify.models import Broadcast, Delivery, DeliveryState

TABLE = "warning_door_visit"
PIECE = 500
COMPLETE = -1
MOST_ON_A_SHEET = 2000
_TO_GO = (DoorOutcome.OPEN, DoorOutcome.AWAY)
_UNREACHED = (DeliveryState.FAILED, DeliveryState.EXPIRED)


def make_lists(database: Database, moment: datetime) -> int:
    """Add doors for warnings in force: first everybody without a number, then what failed since. Returns how many."""
    with database.read() as session:
        due = list(
            session.execute(
                sa.select(Warning.id, Warning.doors_through).where(
                    Warning.state == WarningState.ISSUED,
                    Warning.msg_type != MessageType.CANCEL,
                    Warning.status != WarningStatus.TEST,
                    Warning.doors_through.is_not(None),
                    Warning.expires > moment,
                )
            )
        )
    return sum(make_list_of(database, warning_id, complete=through == COMPLETE) for warning_id, through in due)


def make_list_of(database: Database, warning_id: int, *, complete: bool = False) -> int:
    """The doors of one warning; `complete` when everybody without a number is listed already."""
    made = 0 if complete else _without_phone(database, warning_id)
    return made + _failed(database, warning_id)


def _without_phone(database: Database, warning_id: int) -> int:
    with database.read() as session:
        warning = session.get_one(Warning, warning_id)
        if warning.audience is Audience.POSTS:
            rows: list[Any] = []
        else:
            targets = targets_of(session, warning)
            rows = list(
                session.execute(
                    audience.unreachable(
                        session, targets, Resident.id, Resident.contact_id, real=counting.is_real(warning)
                    ).where(Resident.id.not_in(_residents_listed(warning_id)))
                )
            )
    made = 0
    for start in range(0, len(rows), PIECE):
        with database.write() as session:
            made += _add(
                session, warning_id, DoorReason.NO_PHONE,
                [(f"resident:{r.id}", r.contact_id, r.division_code, 1) for r in rows[start : start + PIECE]],
            )  # fmt: skip
    with database.write() as session:
        session.execute(sa.update(Warning).where(Warning.id == warning_id).values(doors_through=COMPLETE))
    return made


def _residents_listed(warning_id: int) -> sa.Select[Any]:
    number = sa.func.substr(DoorVisit.recipient, len("resident:") + 1)
    return sa.select(sa.cast(number, sa.BigInteger)).where(
        DoorVisit.warning_id == warning_id, DoorVisit.recipient.like("resident:%")
    )


def _failed(database: Database, warning_id: int) -> int:
    made = 0
    while True:
        with database.read() as session:
            ids = issuing.broadcast_ids(session, [warning_id])
            records = session.scalars(sa.select(Broadcast).where(Broadcast.id.in_(ids))).all()
            ranges = [Delivery.id.between(record.first_id, record.last_id) for record in records]
            listed = sa.select(DoorVisit.recipient).where(DoorVisit.warning_id == warning_id)
            rows = session.execute(
                sa.select(Delivery.recipient, Delivery.address_key, Delivery.division, Delivery.people)
                .where(
                    sa.or_(*ranges) if ranges else sa.false(),
                    Delivery.state.in_(_UNREACHED),
                    # Whom another channel is about to try is not sent for yet.
                    sa.or_(
                        Delivery.state != DeliveryState.FAILED,
                        Delivery.channel.in_({record.channels[-1] for record in records}),
                        Delivery.reason.in_(failover.NEVER_PASSED),
                    ),
                    Delivery.recipient.not_in(listed),
                )
                .limit(PIECE)
            ).all()
        if not rows:
            return made
        with database.write() as session:
            made += _add(session, warning_id, DoorReason.FAILED, [tuple(row) for row in rows])
        if len(rows) < PIECE:
            return made


def _add(session: Session, warning_id: int, reason: DoorReason, rows: list[Any]) -> int:
    listed = set(
        session.scalars(
            sa.select(DoorVisit.recipient).where(
                DoorVisit.warning_id == warning_id, DoorVisit.recipient.in_([row[0] for row in rows])
            )
        )
    )
    fresh = [
        {
            "id": new_id(), "warning_id": warning_id, "recipient": recipient, "contact_id": contact_id,
            "division_code": division, "reason": reason, "people": people, "outcome": DoorOutcome.OPEN,
        }
        for recipient, contact_id, division, people in rows
        if recipient not in listed
    ]  # fmt: skip
    if fresh:
        session.execute(sa.insert(DoorVisit), fresh)
    return len(fresh)


def counts(session: Session, warning_id: int, actor: Actor) -> dict[DoorOutcome, int]:
    """How many people by what was found at their doors, in the actor's scope."""
    rows = session.execute(
        sa.select(DoorVisit.outcome, sa.func.sum(DoorVisit.people))
        .where(DoorVisit.warning_id == warning_id, divisions.in_scope(DoorVisit.division_code, actor))
        .group_by(DoorVisit.outcome)
    )
    found = {outcome: int(number) for outcome, number in rows}
    return {outcome: found.get(outcome, 0) for outcome in DoorOutcome}


def visits(
    session: Session,
    *,
    actor: Actor,
    warning_id: int,
    outcome: DoorOutcome | None = DoorOutcome.OPEN,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[DoorVisit]:
    """One page of the doors in scope, village by village; that the list was read is journalled."""
    actor.require(Permission.ACKNOWLEDGE)
    warning = access.get(session, actor, warning_id)
    statement = sa.select(DoorVisit).where(
        DoorVisit.warning_id == warning.id, divisions.in_scope(DoorVisit.division_code, actor)
    )
    if outcome is not None:
        statement = statement.where(DoorVisit.outcome == outcome)
    page = paginate(session, statement, key=[DoorVisit.division_code, DoorVisit.id], cursor=cursor, limit=limit)
    journal.record(
        session, journal.LISTED, actor=actor, subject=("warning", warning.id), purpose=Purpose.WARNING,
        list="doors", count=len(page.items), division=warning.division_code,
    )  # fmt: skip
    return page


@dataclass(frozen=True)
class Village:
    """A village where somebody has to go to doors."""

    code: str
    name: str
    people: int


def villages(session: Session, *, actor: Actor, warning_id: int) -> list[Village]:
    """Where people wait to be told at the door, in the actor's scope, by code."""
    rows = session.execute(
        sa.select(DoorVisit.division_code, sa.func.sum(DoorVisit.people))
        .where(
            DoorVisit.warning_id == warning_id,
            DoorVisit.outcome.in_(_TO_GO),
            divisions.in_scope(DoorVisit.division_code, actor),
        )
        .group_by(DoorVisit.division_code)
        .order_by(DoorVisit.division_code)
    ).all()
    names = division_names(session, [code for code, _people in rows])
    return [Village(code, names.get(code, code), int(people)) for code, people in rows]


@dataclass(frozen=True)
class Door:
    """One person on the sheet that is carried from door to door."""

    name: str
    phone: str
    address: str
    needs: str
    household: int | None
    people: int
    reason: DoorReason
    first: bool
    """The first of a household: one door, however many live behind it."""


def door_sheet(
    session: Session, *, actor: Actor, warning_id: int, division_code: str, purpose: Purpose | str | None
) -> list[Door]:
    """The open doors of one village in clear, household by household, who needs help first.

    Call it with a reading session: who took it and why is committed to the journal before anything is decrypted.
    """
    actor.require(Permission.PERSONAL_REVEAL)
    actor.require(Permission.ACKNOWLEDGE)
    warning = access.get(session, actor, warning_id)
    actor.require_covers(division_code)
    wanted = contacts.purpose_of(purpose)
    rows = session.scalars(
        sa.select(DoorVisit)
        .where(
            DoorVisit.warning_id == warning.id,
            DoorVisit.division_code == division_code,
            DoorVisit.outcome.in_(_TO_GO),
        )
        .order_by(DoorVisit.id)
        .limit(MOST_ON_A_SHEET)
    ).all()
    contacts.journal_now(
        session, journal.EXPORTED, actor=actor, subject=("warning", warning.id), purpose=wanted,
        list="doors", count=len(rows), division=division_code,
    )  # fmt: skip
    numbers = {row.recipient: int(row.recipient.partition(":")[2]) for row in rows if row.recipient[:9] == "resident:"}
    people = {r.id: r for r in session.scalars(sa.select(Resident).where(Resident.id.in_(list(numbers.values()))))}
    known = {c.id: c for c in session.scalars(sa.select(Contact).where(Contact.id.in_([r.contact_id for r in rows])))}
    store = vault.of(session)

    def opened(resident: Resident | None, column: str) -> str:
        sealed = getattr(resident, f"{column}_sealed", None)
        return store.open("resident", column, resident.id, sealed) if resident is not None and sealed else ""

    found = []
    for row in rows:
        resident = people.get(numbers.get(row.recipient, 0))
        person = contacts.opened(store, known[row.contact_id])
        rank = resident.priority_class if resident is not None else 9
        home = resident.household_id if resident is not None else None
        found.append(
            (home, rank, row.people, row.reason, person, opened(resident, "address"), opened(resident, "needs"))
        )
    # A household stands where its member who needs help most stands.
    best: dict[int | None, int] = {}
    for home, rank, *_rest in found:
        best[home] = min(rank, best.get(home, 9)) if home is not None else 9
    found.sort(key=lambda f: (best[f[0]] if f[0] is not None else f[1], f[0] or 0, f[1]))
    doors: list[Door] = []
    seen: set[int] = set()
    for home, _rank, number, reason, person, address, needs in found:
        first = home is None or home not in seen
        if home is not None:
            seen.add(home)
        doors.append(Door(person.name, person.phone, address, needs, home, number, reason, first))
    return doors


def door_page(
    session: Session, *, actor: Actor, warning: Warning, outcome: DoorOutcome, cursor: str | None
) -> tuple[Page[DoorVisit], dict[int, MaskedContact], dict[str, str]]:
    """A page of doors with masked names and the names of the villages."""
    page = visits(session, actor=actor, warning_id=warning.id, outcome=outcome, cursor=cursor)
    people = contacts.masked(session, [visit.contact_id for visit in page.items])
    return page, people, division_names(session, sorted({visit.division_code for visit in page.items}))


def record_visit(
    session: Session,
    *,
    actor: Actor,
    visit_id: int,
    outcome: DoorOutcome,
    at: datetime | None = None,
    note: str | None = None,
) -> DoorVisit:
    """Somebody was at the door. Told, or told and refusing: reached. Nobody there: the door stays on the list."""
    actor.require(Permission.ACKNOWLEDGE)
    visit = session.get(DoorVisit, visit_id, with_for_update=True)
    if visit is None or not actor.covers(visit.division_code):
        raise NotFound(N_("There is no such door on the list."))
    if visit.outcome in (DoorOutcome.TOLD, DoorOutcome.REFUSED):
        raise Conflict(N_("This visit was recorded already."), code="wrong_state")
    moment = now(session)
    visit.outcome, visit.visited_at, visit.visited_by = outcome, at or moment, str(actor)
    text = (note or "").strip()[: reach.NOTE_LENGTH]
    if text:
        visit.note_sealed = vault.of(session).seal(TABLE, "note", visit.id, text)
    if outcome in (DoorOutcome.TOLD, DoorOutcome.REFUSED):
        session.add(
            Acknowledgement(
                warning_id=visit.warning_id, recipient=visit.recipient, division_code=visit.division_code,
                people=visit.people, method=AckMethod.VISIT, at=at or moment, recorded_at=moment,
                recorded_by=str(actor),
            )
        )  # fmt: skip
        journal.record(
            session, reach.ACKNOWLEDGED, actor=actor, subject=("warning", visit.warning_id),
            purpose=Purpose.WARNING, method=AckMethod.VISIT.value, division=visit.division_code, people=visit.people,
        )  # fmt: skip
    session.flush()
    return visit
