"""Oversight: reading the journal, verifying it, exporting it. Nothing here can change an entry."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import SYSTEM, Actor
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.oversight import rules
from emergency.oversight.models import Verification, VerificationState
from emergency.people.accounts import service as accounts
from emergency.people.accounts.models import Account
from emergency.privacy import journal
from emergency.privacy.journal import JournalEntry, Purpose, Verdict
from kernel.clock import BEIJING
from kernel.db import Database, now
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.logs import kv
from kernel.states import transition

log = logging.getLogger(__name__)
EXPORTED = journal.kind("journal.exported", "导出审计日志", "Journal exported", "count", "kind", "by", "since", "until")
VERIFIED = journal.kind("journal.verified", "核验审计日志", "Journal verified", "count", "value", "why")
BATCH = 2000
EXPORT_AT_MOST = 200_000
ATTEMPTS = 3
COLUMNS = ("seq", "at", "kind", "actor", "subject_kind", "subject_id", "purpose", "data", "mac")


@dataclass(frozen=True)
class Filter:
    """Which entries: every part that is given must fit."""

    kind: str | None = None
    actor: str | None = None
    subject_kind: str | None = None
    subject_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    purpose: str | None = None
    personal: bool = False
    """Only touches of personal data."""


def _where(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.kind:
        conditions.append(JournalEntry.kind == wanted.kind)
    elif wanted.personal:
        conditions.append(JournalEntry.kind.in_(personal_kinds()))
    if wanted.actor:
        conditions.append(JournalEntry.actor == wanted.actor)
    if wanted.subject_kind:
        conditions.append(JournalEntry.subject_kind == wanted.subject_kind)
    if wanted.subject_id is not None:
        conditions.append(JournalEntry.subject_id == wanted.subject_id)
    if wanted.since is not None:
        conditions.append(JournalEntry.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(JournalEntry.at < wanted.until)
    if wanted.purpose:
        conditions.append(JournalEntry.purpose == wanted.purpose)
    return conditions


def personal_kinds() -> list[str]:
    """The kinds of entry that touch personal data."""
    return sorted(key for key, kind in journal.KINDS.items() if kind.personal)


def entries(
    session: Session, actor: Actor, wanted: Filter, *, cursor: str | None = None, limit: int = PAGE_SIZE
) -> Page[JournalEntry]:
    """Entries, the newest first."""
    actor.require(Permission.JOURNAL_VIEW)
    statement = sa.select(JournalEntry).where(*_where(wanted))
    return paginate(session, statement, key=[JournalEntry.seq], cursor=cursor, limit=limit, descending=True)


def entry(session: Session, actor: Actor, seq: int) -> JournalEntry:
    """One entry."""
    actor.require(Permission.JOURNAL_VIEW)
    found = session.get(JournalEntry, seq)
    if found is None:
        raise NotFound(N_("There is no entry with this number."))
    return found


@dataclass(frozen=True)
class Viewer:
    """Somebody who touched a record: how often, when last, for which purposes."""

    actor: str
    count: int
    last_at: datetime
    purposes: list[str]


def viewers(session: Session, actor: Actor, subject_kind: str, subject_id: int) -> list[Viewer]:
    """Who saw what of one record, by person, whoever looked last first."""
    actor.require(Permission.JOURNAL_VIEW)
    rows = session.execute(
        sa.select(JournalEntry.actor, JournalEntry.purpose, sa.func.count(), sa.func.max(JournalEntry.at))
        .where(
            JournalEntry.subject_kind == subject_kind,
            JournalEntry.subject_id == subject_id,
            JournalEntry.kind.in_(personal_kinds()),
        )
        .group_by(JournalEntry.actor, JournalEntry.purpose)
    )
    found: dict[str, Viewer] = {}
    for key, purpose, count, last_at in rows:
        before = found.get(key)
        purposes = [*(before.purposes if before else []), *([purpose] if purpose else [])]
        last = max(before.last_at, last_at) if before else last_at
        found[key] = Viewer(key, count + (before.count if before else 0), last, sorted(set(purposes)))
    return sorted(found.values(), key=lambda viewer: viewer.last_at, reverse=True)


ACTORS_AT_MOST = 300


def actors(session: Session) -> list[str]:
    """The keys of the accounts, by sign-in name, for a choice of persons."""
    rows = session.scalars(sa.select(Account.id).order_by(Account.username).limit(ACTORS_AT_MOST))
    return [f"account:{account_id}" for account_id in rows]


def names(session: Session, actors: Iterable[str]) -> dict[str, str]:
    """Display names of the accounts among the actors; names are masked there already."""
    return accounts.display_names(session, set(actors))


# --- verification -----------------------------------------------------------------------------------------------


def verify(database: Database) -> Verdict:
    """Walk the whole chain in a reading transaction of its own.

    On PostgreSQL an entry may be appended while the walk ends, which looks like a head that does not agree: a second
    look tells the two apart.
    """
    verdict = Verdict(0)
    for _attempt in range(ATTEMPTS):
        with database.read() as session:
            verdict = journal.verify(session)
        if verdict.fault not in ("head_mismatch", "altered", "truncated") or database.is_sqlite:
            break
    return verdict


def ask_verification(session: Session, *, actor: Actor) -> Verification:
    """Ask for a verification; the ticker walks the chain. While one waits, another is not needed."""
    actor.require(Permission.JOURNAL_VIEW)
    waiting = session.scalar(sa.select(sa.func.count()).where(Verification.state == VerificationState.ASKED))
    if waiting:
        raise Conflict(N_("A verification is under way already. Its result shows here in a moment."), code="under_way")
    record = Verification(id=new_id(), state=VerificationState.ASKED, asked_at=now(session), asked_by=str(actor))
    session.add(record)
    session.flush()
    return record


def run_verifications(database: Database, moment: datetime) -> int:
    """Do what was asked for, one walk for all that waits. Returns how many."""
    with database.read() as session:
        waiting = session.scalars(
            sa.select(Verification.id).where(Verification.state == VerificationState.ASKED).order_by(Verification.id)
        ).all()
    if not waiting:
        return 0
    try:
        verdict: Verdict | None = verify(database)
    except Exception as error:  # a verification that breaks off must not look as if it still ran
        log.error("the journal could not be verified %s", kv(error=type(error).__name__))
        verdict = None
    with database.write() as session:
        for verification_id in waiting:
            record = session.get(Verification, verification_id)
            if record is not None:
                _conclude(session, record, verdict, moment)
    return len(waiting)


def _conclude(session: Session, record: Verification, verdict: Verdict | None, moment: datetime) -> None:
    values: dict[str, Any] = {"finished_at": moment}
    if verdict is None:
        state = VerificationState.FAILED
    else:
        state = VerificationState.WHOLE if verdict.whole else VerificationState.BROKEN
        values |= {"entries": verdict.entries, "fault": verdict.fault, "at_seq": verdict.at_seq}
    transition(session, record, state, allowed=rules.TRANSITIONS, actor=SYSTEM, values=values)
    journal.record(
        session, VERIFIED, actor=record.asked_by, subject=("journal_verification", record.id),
        count=verdict.entries if verdict else None, value=str(state), why=verdict.fault if verdict else None,
    )  # fmt: skip


def verify_daily(database: Database, moment: datetime) -> int:
    """Once a day without being asked, so that tampering is noticed while it can still be explained."""
    with database.read() as session:
        last = session.scalar(sa.select(sa.func.max(Verification.asked_at)))
        anything = session.scalar(sa.select(JournalEntry.seq).limit(1))
    if anything is None or (last is not None and moment - last < timedelta(hours=24)):
        return 0
    with database.write() as session:
        ask_verification(session, actor=SYSTEM)
    return 1


def verifications(session: Session, limit: int = 10) -> list[Verification]:
    """The last verifications, the newest first."""
    return list(session.scalars(sa.select(Verification).order_by(Verification.id.desc()).limit(limit)))


# --- export -----------------------------------------------------------------------------------------------------


def export(
    database: Database, *, actor: Actor, wanted: Filter | None = None, purpose: Purpose | str
) -> Iterator[dict[str, Any]]:
    """Entries as rows, oldest first, in short reads; that they were taken out is journalled before the first one.

    At most 200,000 at once: narrow the time for more.
    """
    actor.require(Permission.JOURNAL_EXPORT)
    chosen = wanted or Filter()
    try:
        reason = Purpose(str(purpose))
    except ValueError as error:
        raise Invalid(
            N_("Say what the export is for. Nothing was exported."), code="purpose_required",
            fields={"purpose": "required"},
        ) from error  # fmt: skip
    with database.write() as session:
        count = session.scalar(sa.select(sa.func.count()).select_from(JournalEntry).where(*_where(chosen))) or 0
        if count > EXPORT_AT_MOST:
            raise Invalid(
                N_("These are %(count)s entries; at most %(most)s can be exported at once. Narrow the time."),
                code="too_many_entries",
                count=count,
                most=EXPORT_AT_MOST,
            )
        top = session.scalar(sa.select(sa.func.max(JournalEntry.seq))) or 0
        journal.record(
            session, EXPORTED, actor=actor, purpose=reason, count=count, kind=chosen.kind, by=chosen.actor,
            since=chosen.since.isoformat() if chosen.since else None,
            until=chosen.until.isoformat() if chosen.until else None,
        )  # fmt: skip
    return _rows(database, chosen, top)


def _rows(database: Database, wanted: Filter, top: int) -> Iterator[dict[str, Any]]:
    last = 0
    while True:
        with database.read() as session:
            found = session.scalars(
                sa.select(JournalEntry)
                .where(*_where(wanted), JournalEntry.seq > last, JournalEntry.seq <= top)
                .order_by(JournalEntry.seq)
                .limit(BATCH)
            ).all()
        if not found:
            return
        for record in found:
            yield {
                "seq": record.seq,
                "at": record.at.astimezone(BEIJING).isoformat(timespec="seconds"),
                "kind": record.kind,
                "actor": record.actor,
                "subject_kind": record.subject_kind or "",
                "subject_id": "" if record.subject_id is None else record.subject_id,
                "purpose": record.purpose or "",
                "data": record.data,
                "mac": record.mac.hex(),
            }
        last = found[-1].seq
