"""Coming in: password, one-time link, second factor. Each opens its own short transactions; hashing is in none.

Every refusal at the password sounds the same and takes the same work, whether the name is unknown, the account is
closed or never had a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import NOBODY, Actor
from emergency.people.accounts import factors, links, lookups, rules, service, sessions, throttle
from emergency.people.accounts.models import Account, AccountState, LinkPurpose, OneTimeLink, SignIn, SignInMethod
from emergency.people.accounts.passwords import Gate, Hasher
from emergency.people.accounts.sessions import Origin
from emergency.people.accounts.throttle import Buckets, Device
from emergency.privacy import journal, vault
from kernel.db import Database, now
from kernel.errors import N_, DomainError

if TYPE_CHECKING:
    from emergency.config import Config


class SignInRefused(DomainError):
    """The name and the password do not go together, or the code is not right."""

    code = "sign_in_refused"
    status = 401


@dataclass(frozen=True)
class Entered:
    """Who came in, and the session's key for the browser."""

    account_id: int
    key: str
    purpose: LinkPurpose | None = None


@dataclass(frozen=True)
class Pending:
    """The first factor was right; the code is still missing."""

    account_id: int
    method: SignInMethod
    at: int
    link_id: int | None = None
    purpose: LinkPurpose | None = None


def by_password(
    database: Database, hasher: Hasher, gate: Gate, *, username: str, password: str, origin: Origin, device: Device
) -> Entered | Pending:
    """Try a name and a password. 401 `sign_in_refused`, 429 `locked` or `busy`."""
    name = rules.seek_username(username)
    with database.read() as session:
        config: Config = session.info["config"]
        account = lookups.find(session, name)
        account_id = account.id if account is not None else None
        stored = account.password_hash if account is not None and account.state is not AccountState.CLOSED else None
        where = throttle.buckets(
            vault.of(session), config.security, what="password", name=name, account_id=account_id,
            address=origin.address, device=device,
        )  # fmt: skip
        throttle.require_patience(session, list(where))
    with gate.enter(known=device.knows(account_id)):
        right = hasher.verify(stored, password)
        fresh = hasher.hash(password) if right and stored is not None and hasher.outdated(stored) else None
    if not right or account_id is None:
        _count(database, where, account_id, "password")
        raise SignInRefused(N_("The user name or the password is not right."))
    with database.write() as session:
        account = lookups.get(session, account_id)
        if account.password_hash != stored or account.state is AccountState.CLOSED:
            raise SignInRefused(N_("The user name or the password is not right."))  # changed while we were hashing
        if fresh is not None:
            account.password_hash = fresh
        throttle.succeeded(session, where)
        return _go_on(session, account, SignInMethod.PASSWORD, origin)


def by_link(database: Database, raw: str, *, origin: Origin) -> Entered | Pending:
    """Use a one-time link: once, and whatever the count of failed attempts says. 410 `link_spent`."""
    with database.write() as session:
        account, link = links.spend_link(session, raw)
        return _go_on(session, account, SignInMethod.LINK, origin, link.id, link.purpose)


def _go_on(
    session: Session,
    account: Account,
    method: SignInMethod,
    origin: Origin,
    link_id: int | None = None,
    purpose: LinkPurpose | None = None,
) -> Entered | Pending:
    if account.has_second_factor:
        return Pending(account.id, method, int(now(session).timestamp()), link_id, purpose)
    key = sessions.begin(session, account=account, method=method, origin=origin, link_id=link_id)
    return Entered(account.id, key, purpose)


def by_code(database: Database, pending: Pending, code: str, *, origin: Origin, device: Device) -> Entered:
    """The second step: a time code or a recovery code. 401 `code_refused`, 401 `pending_over`, 429 `locked`."""
    with database.read() as session:
        config: Config = session.info["config"]
        where = throttle.buckets(
            vault.of(session), config.security, what="code", name=str(pending.account_id),
            account_id=pending.account_id, address=origin.address, device=device,
        )  # fmt: skip
        if not device.knows(pending.account_id):
            # Only somebody with the password stands here: a count over all addresses shuts nobody else out, and it
            # keeps a thousand addresses from trying a thousand codes each.
            whole = vault.of(session).digest("attempts", f"code|account|{pending.account_id}")
            where = {**where, whole: throttle.patience(config.security)}
        throttle.require_patience(session, list(where))
        over = int(now(session).timestamp()) - pending.at > rules.PENDING_SECONDS
    if over:
        raise SignInRefused(N_("That took too long. Begin again with your user name."), code="pending_over")
    with database.write() as session:
        account = lookups.get(session, pending.account_id)
        if account.state is AccountState.CLOSED or not account.has_second_factor:
            raise SignInRefused(N_("That took too long. Begin again with your user name."), code="pending_over")
        if account.password_set_at is not None and account.password_set_at.timestamp() > pending.at + 1:
            raise SignInRefused(N_("That took too long. Begin again with your user name."), code="pending_over")
        right = factors.check(session, account, code)
        if right:
            throttle.succeeded(session, where)
            key = sessions.begin(
                session, account=account, method=pending.method, origin=origin, with_second_factor=True,
                link_id=pending.link_id,
            )  # fmt: skip
            return Entered(account.id, key, pending.purpose)
    _count(database, where, pending.account_id, "code")
    raise SignInRefused(N_("This code is not right, or was used already. Wait for the next one."), code="code_refused")


def needs_current_password(session: Session, *, account_id: int, sign_in_id: int) -> bool:
    """Whether the owner has to show the old password first: not before there is one, nor after a link for a new one."""
    account = lookups.get(session, account_id)
    if account.password_hash is None:
        return False
    row = session.execute(
        sa.select(SignIn.started_at, OneTimeLink.purpose)
        .join(OneTimeLink, OneTimeLink.id == SignIn.link_id)
        .where(SignIn.id == sign_in_id, SignIn.account_id == account_id)
    ).one_or_none()
    by_right_link = row is not None and row.purpose in (LinkPurpose.FIRST, LinkPurpose.RESET)
    unchanged = row is not None and (account.password_set_at is None or account.password_set_at <= row.started_at)
    return not (by_right_link and unchanged)


def change_password(
    database: Database,
    hasher: Hasher,
    gate: Gate,
    *,
    actor: Actor,
    sign_in_id: int,
    current: str,
    new: str,
    origin: Origin,
) -> None:
    """The owner sets a password; the old one is asked for and counted like a sign-in. Other sessions end."""
    with database.read() as session:
        config: Config = session.info["config"]
        account = lookups.get(session, actor.id)
        username, stored = account.username, account.password_hash
        demanded = needs_current_password(session, account_id=actor.id, sign_in_id=sign_in_id)
        where = throttle.buckets(
            vault.of(session), config.security, what="current", name=username, account_id=actor.id,
            address=origin.address, device=Device(),
        )  # fmt: skip
        if demanded:
            throttle.require_patience(session, list(where))
    rules.check_password(new, username=username, least=config.security.password_min_length)
    with gate.enter(known=True):
        right = hasher.verify(stored, current) if demanded else True
        hashed = hasher.hash(new) if right else ""
    if not right:
        _count(database, where, actor.id, "current")
        raise SignInRefused(N_("The present password is not right. Nothing was changed."), code="current_password")
    with database.write() as session:
        service.set_password(session, actor=actor, account_id=actor.id, password_hash=hashed, keep_session=sign_in_id)


def _count(database: Database, where: Buckets, account_id: int | None, why: str) -> None:
    subject = ("account", account_id) if account_id is not None else None
    try:
        with database.write() as session:
            throttle.failed(session, where)
            journal.record(session, journal.SIGN_IN_FAILED, actor=NOBODY, subject=subject, why=why)
    except sa.exc.IntegrityError:
        # Two first failures of one bucket at the same moment: the second finds the row of the first.
        with database.write() as session:
            throttle.failed(session, where)
            journal.record(session, journal.SIGN_IN_FAILED, actor=NOBODY, subject=subject, why=why)
