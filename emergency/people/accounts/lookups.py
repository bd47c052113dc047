"""Finding accounts: by name, as actors, by what they may decide, and their names for pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.http.actor import Actor
from emergency.http.i18n import language
from emergency.http.paging import Page, paginate
from emergency.http.permissions import Permission, Role
from emergency.people.accounts.models import Account, AccountState
from emergency.people.contacts import service as contacts
from kernel.errors import N_, NotFound

_CHUNK = 500


def has_role(role: Role) -> sa.ColumnElement[bool]:
    """Accounts that hold the role (the list is stored as JSON; its words are a closed vocabulary)."""
    return sa.cast(Account.roles, sa.Text).like(f'%"{role.value}"%')


def get(session: Session, account_id: int) -> Account:
    """One account, or 404."""
    account = session.get(Account, account_id)
    if account is None:
        raise NotFound(N_("This account does not exist."), code="account_not_found")
    return account


def by_username(session: Session, username: str) -> Account:
    """The account with this user name, or 404."""
    account = find(session, username)
    if account is None:
        raise NotFound(N_("There is no account named %(name)s."), code="account_not_found", name=username[:64])
    return account


def find(session: Session, username: str) -> Account | None:
    """The account with this user name, if there is one."""
    return session.scalar(sa.select(Account).where(Account.username == username.strip().lower()))


def actor_of(account: Account, name: str | None = None) -> Actor:
    """The actor that an account is. A programme's token acts as its account too: nobody approves their own through it."""
    return Actor(
        kind="account",
        id=account.id,
        name=name or account.username,
        roles=account.role_set,
        division_prefix=divisions.prefix(account.division_code),
        division_code=account.division_code,
        locale=account.locale,
    )


def masked_name(session: Session, account: Account) -> str:
    """张某某, or the user name of an account without a contact."""
    if account.contact_id is None:
        return account.username
    return contacts.names(session, [account.contact_id]).get(account.contact_id) or account.username


def display_names(session: Session, actor_keys: Iterable[str]) -> dict[str, str]:
    """`account:12` → `周某（值班员）`; keys that are no accounts are left out."""
    ids = sorted({int(key[8:]) for key in actor_keys if key.startswith("account:") and key[8:].isdigit()})
    found: dict[str, str] = {}
    for start in range(0, len(ids), _CHUNK):
        rows = session.execute(
            sa.select(Account.id, Account.username, Account.contact_id, Account.roles).where(
                Account.id.in_(ids[start : start + _CHUNK])
            )
        ).all()
        names = contacts.names(session, [row.contact_id for row in rows if row.contact_id is not None])
        for row in rows:
            name = names.get(row.contact_id) or row.username
            found[f"account:{row.id}"] = with_role(name, row.roles)
    return found


def with_role(name: str, roles: Iterable[str]) -> str:
    """The name with the first role in brackets, in the reader's language."""
    held = set(roles)
    first = next((role for role in Role if role.value in held), None)
    if first is None:
        return name
    return f"{name} ({first.en})" if language() == "en" else f"{name}（{first.zh}）"


def _covering(session: Session, role: Role, division_code: str) -> list[Account]:
    codes = [division_code, *reversed(divisions.ancestors(division_code))]
    found = session.scalars(
        sa.select(Account).where(Account.state != AccountState.CLOSED, Account.division_code.in_(codes), has_role(role))
    )
    return sorted(found, key=lambda account: (codes.index(account.division_code), account.id))


def approvers_for(session: Session, division_code: str) -> list[Account]:
    """Who may approve for this division: approvers whose area covers it, the nearest first."""
    return _covering(session, Role.APPROVER, division_code)


def liaisons_of(session: Session, division_code: str) -> list[Account]:
    """The liaisons whose area covers this division, the nearest first."""
    return _covering(session, Role.LIAISON, division_code)


def contact_of(session: Session, account_ids: Iterable[int]) -> dict[int, int]:
    """Contact ids by account id; accounts without a contact are left out."""
    wanted = sorted(set(account_ids))
    found: dict[int, int] = {}
    for start in range(0, len(wanted), _CHUNK):
        rows = session.execute(
            sa.select(Account.id, Account.contact_id).where(
                Account.id.in_(wanted[start : start + _CHUNK]), Account.contact_id.is_not(None)
            )
        )
        found.update((row.id, row.contact_id) for row in rows)
    return found


def seen(session: Session, *, actor: Actor, account_id: int) -> Account:
    """One account for the administrator of its area; outside it there is none (404)."""
    actor.require(Permission.ACCOUNTS_MANAGE)
    account = get(session, account_id)
    if not actor.covers(account.division_code):
        raise NotFound(N_("This account does not exist."), code="account_not_found")
    return account


def list_accounts(
    session: Session,
    *,
    actor: Actor,
    role: Role | None = None,
    state: AccountState | None = None,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Account]:
    """One page of the accounts in the administrator's area, by user name."""
    actor.require(Permission.ACCOUNTS_MANAGE)
    statement: sa.Select[Any] = sa.select(Account).where(divisions.in_scope(Account.division_code, actor))
    if role is not None:
        statement = statement.where(has_role(role))
    if state is not None:
        statement = statement.where(Account.state == state)
    if q:
        statement = statement.where(Account.username.contains(q.strip().lower(), autoescape=True))
    return paginate(session, statement, key=[Account.username], cursor=cursor, limit=limit)


def count_accounts(session: Session, *, actor: Actor) -> int:
    """How many accounts are open in the administrator's area."""
    actor.require(Permission.ACCOUNTS_MANAGE)
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(Account)
            .where(divisions.in_scope(Account.division_code, actor), Account.state != AccountState.CLOSED)
        )
        or 0
    )
