"""Sessions on the server: begun at sign-in with a fresh key, seen, ended, listed."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.people.accounts import lookups, rules
from emergency.people.accounts.models import Account, AccountState, EndReason, SignIn, SignInMethod
from emergency.privacy import journal, vault
from kernel.db import Database, now
from kernel.errors import N_, NotFound
from kernel.ids import new_id
from kernel.states import transition

if TYPE_CHECKING:
    from emergency.config import Config

MOST_SESSIONS = 50


@dataclass(frozen=True)
class Origin:
    """Where a request comes from; personal data, kept sealed."""

    address: str = ""
    agent: str = ""


@dataclass(frozen=True)
class Held:
    """A live session as one request needs it."""

    sign_in_id: int
    account_id: int
    actor: Actor
    has_second_factor: bool


@dataclass(frozen=True)
class Listed:
    """One session in a list."""

    id: int
    method: SignInMethod
    with_second_factor: bool
    started_at: datetime
    last_seen_at: datetime
    address: str
    agent: str
    current: bool = False


def begin(
    session: Session,
    *,
    account: Account,
    method: SignInMethod,
    origin: Origin,
    with_second_factor: bool = False,
    link_id: int | None = None,
) -> str:
    """A new session; returns its key, which only the browser keeps."""
    config: Config = session.info["config"]
    moment = now(session)
    actor = lookups.actor_of(account)
    if account.state is AccountState.INVITED:
        transition(session, account, AccountState.ACTIVE, allowed=rules.TRANSITIONS, actor=actor)
    raw = secrets.token_urlsafe(32)
    row = new_id()
    kept = json.dumps([origin.address[:64], origin.agent[:200]], ensure_ascii=False)
    session.add(
        SignIn(
            id=row,
            account_id=account.id,
            token_digest=vault.of(session).digest("sign-in", raw),
            method=method,
            link_id=link_id,
            with_second_factor=with_second_factor,
            origin_sealed=vault.of(session).seal("sign_in", "origin", row, kept),
            started_at=moment,
            last_seen_at=moment,
            expires_at=moment + timedelta(hours=config.security.session_hours),
        )
    )
    account.last_signed_in_at = moment
    session.flush()
    words = method.value + ("+factor" if with_second_factor else "")
    journal.record(session, journal.SIGNED_IN, actor=actor, subject=("account", account.id), method=words)
    return raw


def hold(database: Database, raw: str) -> Held | None:
    """The live session of a key, or None. Notes that it was seen, once a minute; ends what idled or ran out."""
    with database.read() as session:
        row = session.execute(
            sa.select(SignIn, Account)
            .join(Account, Account.id == SignIn.account_id)
            .where(
                SignIn.token_digest == vault.of(session).digest("sign-in", raw),
                SignIn.ended_at.is_(None),
                Account.state != AccountState.CLOSED,
            )
        ).one_or_none()
        if row is None:
            return None
        sign_in, account = row[0], row[1]
        moment = now(session)
        config: Config = session.info["config"]
        over = _over(sign_in, moment, timedelta(minutes=config.security.session_idle_minutes))
        fresh = moment - sign_in.last_seen_at < rules.SEEN_EVERY
        actor = lookups.actor_of(account, lookups.masked_name(session, account))
        held = Held(sign_in.id, account.id, actor, account.has_second_factor)
    if over is not None:
        with database.write() as writing:
            _end(writing, [held.sign_in_id], over, actor)
        return None
    if not fresh:
        _seen(database, held.sign_in_id, moment)
    return held


def _over(sign_in: SignIn, moment: datetime, idle: timedelta) -> EndReason | None:
    if moment >= sign_in.expires_at:
        return EndReason.EXPIRED
    return EndReason.IDLE if moment - sign_in.last_seen_at >= idle else None


def _seen(database: Database, sign_in_id: int, moment: datetime) -> None:
    # A busy writer must not stop somebody from reading a page; the next minute notes it.
    with contextlib.suppress(sa.exc.OperationalError), database.write() as session:
        session.execute(
            sa.update(SignIn).where(SignIn.id == sign_in_id, SignIn.last_seen_at < moment).values(last_seen_at=moment)
        )


def _end(session: Session, ids: Sequence[int], reason: EndReason, actor: Actor) -> int:
    ended = session.execute(
        sa.update(SignIn)
        .where(SignIn.id.in_(ids), SignIn.ended_at.is_(None))
        .values(ended_at=now(session), end_reason=reason)
        .returning(SignIn.id, SignIn.account_id)
    ).all()
    for row in ended:
        journal.record(session, journal.SIGNED_OUT, actor=actor, subject=("account", row.account_id), why=reason.value)
    return len(ended)


def end(session: Session, *, actor: Actor, sign_in_id: int, reason: EndReason = EndReason.ENDED) -> None:
    """End one session: one's own, or any in the administrator's area."""
    sign_in = session.get(SignIn, sign_in_id)
    if sign_in is None:
        raise NotFound(N_("There is no such session."))
    if (actor.kind, actor.id) != ("account", sign_in.account_id):
        lookups.seen(session, actor=actor, account_id=sign_in.account_id)
    _end(session, [sign_in_id], reason, actor)


def end_own(session: Session, *, actor: Actor, sign_in_id: int) -> None:
    """End one of one's own sessions; anybody else's does not exist here."""
    sign_in = session.get(SignIn, sign_in_id)
    if sign_in is None or (actor.kind, actor.id) != ("account", sign_in.account_id):
        raise NotFound(N_("There is no such session."))
    _end(session, [sign_in_id], EndReason.ENDED, actor)


def end_all(session: Session, *, actor: Actor, account_id: int, reason: EndReason, keep: int | None = None) -> int:
    """End every session of an account, but for `keep`. The caller has checked that the actor may."""
    ids = session.scalars(
        sa.select(SignIn.id).where(SignIn.account_id == account_id, SignIn.ended_at.is_(None), SignIn.id != (keep or 0))
    ).all()
    return _end(session, ids, reason, actor) if ids else 0


def listed_for(session: Session, *, actor: Actor, account_id: int) -> list[Listed]:
    """The live sessions of somebody else, for the administrator of the area: where a person was is journalled."""
    account = lookups.seen(session, actor=actor, account_id=account_id)
    found = listed(session, account_id=account_id)
    if found:
        journal.record(
            session, journal.LISTED, actor=actor, subject=("account", account_id),
            list="sessions", count=len(found), division=account.division_code,
        )  # fmt: skip
    return found


def listed(session: Session, *, account_id: int, current: int | None = None) -> list[Listed]:
    """The live sessions of an account, the latest first, with where they come from."""
    config: Config = session.info["config"]
    moment = now(session)
    rows = session.scalars(
        sa.select(SignIn)
        .where(
            SignIn.account_id == account_id,
            SignIn.ended_at.is_(None),
            SignIn.expires_at > moment,
            SignIn.last_seen_at > moment - timedelta(minutes=config.security.session_idle_minutes),
        )
        .order_by(SignIn.last_seen_at.desc())
        .limit(MOST_SESSIONS)
    )
    found = []
    for row in rows:
        address, agent = json.loads(vault.of(session).open("sign_in", "origin", row.id, row.origin_sealed))
        found.append(
            Listed(
                row.id, row.method, row.with_second_factor, row.started_at, row.last_seen_at, address, agent,
                row.id == current,
            )
        )  # fmt: skip
    return found
