"""Use cases of accounts: create, change, close; passwords; and the room's one door for other rooms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import service as divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Permission, Role
from emergency.people.accounts import passwords, rules, sessions
from emergency.people.accounts.links import (
    LinkSpent,
    actor_for_token,
    create_token,
    live_tokens,
    make_entry_link,
    make_link,
    note,
    revoke_links,
    revoke_token,
)
from emergency.people.accounts.lookups import (
    actor_of,
    approvers_for,
    by_username,
    contact_of,
    count_accounts,
    display_names,
    find,
    get,
    has_role,
    liaisons_of,
    list_accounts,
    masked_name,
    seen,
    with_role,
)
from emergency.people.accounts.models import Account, AccountState, ApiToken, EndReason, RecoveryCode
from emergency.people.accounts.overview import area_name, areas, duty_officers, life, names_of, rows, without_factor
from emergency.people.contacts import service as contacts
from emergency.people.posts.models import DutyShift, PostHolder
from kernel.db import dialect_name, now, touch
from kernel.errors import N_, Conflict, Invalid
from kernel.ids import new_id
from kernel.states import transition

if TYPE_CHECKING:
    from emergency.config import Config

__all__ = [
    "Leaver", "LinkSpent", "actor_for_token", "actor_of", "approvers_for", "area_name", "areas",
    "by_username", "change_contact", "change_locale", "close", "contact_of", "count_accounts", "create_token",
    "create_user", "display_names", "duty_officers", "edit", "find", "get", "has_role", "hash_password",
    "liaisons_of", "life", "list_accounts", "live_tokens", "make_entry_link", "make_link", "masked_name",
    "names_of", "reset_second_factor", "revoke_token", "rows", "seen", "set_password", "with_role",
    "without_factor",
]  # fmt: skip


@dataclass(frozen=True)
class Leaver:
    """What hung on an account that was closed: posts and future shifts that now need another person."""

    posts: int
    shifts: int


def hash_password(password: str, *, username: str, config: Config, hasher: passwords.Hasher | None = None) -> str:
    """Check a new password against the rules and hash it. Call it with no transaction open: it takes 80 ms."""
    rules.check_password(password, username=username, least=config.security.password_min_length)
    return (hasher or passwords.default()).hash(password)


def create_user(
    session: Session,
    *,
    actor: Actor,
    username: str,
    roles: Iterable[Role],
    division_code: str,
    name: str | None = None,
    phone: str | None = None,
    locale: str | None = None,
    password_hash: str | None = None,
) -> Account:
    """A new account. Without a password hash it waits for its owner to come by a one-time link."""
    actor.require(Permission.ACCOUNTS_MANAGE)
    actor.require_covers(division_code)
    clean = rules.clean_username(username)
    stored_roles = rules.clean_roles(roles)
    divisions.get(session, division_code)
    if find(session, clean) is not None:
        message = N_("There is already an account with this user name.")
        raise Conflict(message, code="username_taken", fields={"username": message})
    contact_id = contacts.create(session, name=name, phone=phone).id if name or phone else None
    config: Config = session.info["config"]
    moment = now(session)
    account = Account(
        id=new_id(),
        username=clean,
        contact_id=contact_id,
        roles=stored_roles,
        division_code=division_code,
        locale=locale if locale in ("zh", "en") else config.site.language,
        state=AccountState.INVITED if password_hash is None else AccountState.ACTIVE,
        password_hash=password_hash,
        password_set_at=moment if password_hash is not None else None,
        created_at=moment,
    )
    session.add(account)
    session.flush()
    touch(session, "account", account.id)
    note(session, actor, account, "created")
    return account


def edit(session: Session, *, actor: Actor, account_id: int, roles: Iterable[Role], division_code: str) -> Account:
    """Change an account's roles and area. It holds from the next request on, in every session and token."""
    account = seen(session, actor=actor, account_id=account_id)
    _refuse_closed(account)
    actor.require_covers(division_code)
    divisions.get(session, division_code)
    stored_roles = rules.clean_roles(roles)
    if Role.ADMINISTRATOR in account.role_set and Role.ADMINISTRATOR.value not in stored_roles:
        _keep_one_administrator(session, account)
    if (account.roles, account.division_code) == (stored_roles, division_code):
        return account
    account.roles, account.division_code = stored_roles, division_code
    session.flush()
    touch(session, "account", account.id)
    note(session, actor, account, "roles")
    return account


def change_contact(
    session: Session, *, actor: Actor, account_id: int, name: str | None = None, phone: str | None = None
) -> Account:
    """Correct the name or the number behind an account; empty leaves it as it is."""
    account = seen(session, actor=actor, account_id=account_id)
    _refuse_closed(account)
    if account.contact_id is None:
        if name or phone:
            account.contact_id = contacts.create(session, name=name, phone=phone).id
            session.flush()
            note(session, actor, account, "contact")
        return account
    contacts.change(
        session,
        actor=actor,
        contact_id=account.contact_id,
        name=name or contacts.KEEP,
        phone=phone or contacts.KEEP,
        division_code=account.division_code,
    )
    return account


def close(session: Session, *, actor: Actor, account_id: int, reason: str | None = None) -> Leaver:
    """A person leaves: at once no session, token, link or password of theirs opens anything; posts are told."""
    account = seen(session, actor=actor, account_id=account_id)
    if Role.ADMINISTRATOR in account.role_set:
        _keep_one_administrator(session, account)
    moment = now(session)
    transition(
        session,
        account,
        AccountState.CLOSED,
        allowed=rules.TRANSITIONS,
        actor=actor,
        reason=reason,
        values={
            "closed_at": moment, "password_hash": None, "totp_sealed": None, "totp_confirmed_at": None,
        },
    )  # fmt: skip
    sessions.end_all(session, actor=actor, account_id=account.id, reason=EndReason.CLOSED)
    revoke_links(session, account.id)
    session.execute(
        sa.update(ApiToken)
        .where(ApiToken.account_id == account.id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=moment)
    )
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    posts = session.scalars(sa.select(PostHolder.post_id).where(PostHolder.account_id == account.id)).all()
    for post_id in posts:
        touch(session, "post", post_id)
    shifts = session.scalars(
        sa.select(DutyShift.id).where(DutyShift.account_id == account.id, DutyShift.ends > moment)
    ).all()
    for shift_id in shifts:
        touch(session, "duty_shift", shift_id)
    touch(session, "account", account.id)
    note(session, actor, account, "closed")
    return Leaver(len(posts), len(shifts))


def _keep_one_administrator(session: Session, account: Account) -> None:
    if dialect_name(session) == "postgresql":
        # Two administrators who remove each other at the same moment would leave nobody (SQLite has one writer).
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("last_administrator"))))
    others = session.scalar(
        sa.select(Account.id)
        .where(Account.id != account.id, Account.state == AccountState.ACTIVE, has_role(Role.ADMINISTRATOR))
        .limit(1)
    )
    if others is None:
        raise Conflict(
            N_("This is the last administrator. Give the role to another account first."), code="last_administrator"
        )


def _refuse_closed(account: Account) -> None:
    if account.state is AccountState.CLOSED:
        raise Conflict(N_("This account is closed. Create a new one."), code="account_closed")


def set_password(
    session: Session, *, actor: Actor, account_id: int, password_hash: str, keep_session: int | None = None
) -> None:
    """Set a password that was checked and hashed before. Every other session of the account ends."""
    account = get(session, account_id)
    if (actor.kind, actor.id) != ("account", account.id) and not actor.is_system:
        raise Invalid(N_("Only the owner sets a password. Make a link instead."))
    _refuse_closed(account)
    account.password_hash, account.password_set_at = password_hash, now(session)
    session.flush()
    sessions.end_all(session, actor=actor, account_id=account.id, reason=EndReason.PASSWORD, keep=keep_session)
    note(session, actor, account, "password")


def reset_second_factor(session: Session, *, actor: Actor, account_id: int) -> Account:
    """The telephone with the second factor is lost: take it off. Sessions end; a new one is set up at the next entry."""
    account = seen(session, actor=actor, account_id=account_id)
    _refuse_closed(account)
    account.totp_sealed = account.totp_confirmed_at = account.totp_last_step = None
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    session.flush()
    sessions.end_all(session, actor=actor, account_id=account.id, reason=EndReason.PASSWORD)
    note(session, actor, account, "factor_removed")
    return account


def change_locale(session: Session, *, actor: Actor, locale: str) -> None:
    """The language in which the account's owner reads."""
    account = get(session, actor.id)
    account.locale = "en" if locale == "en" else "zh"
