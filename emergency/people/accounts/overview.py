"""What the administrator's pages show: rows with masked names, an account's life, who is a duty officer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as division_rules
from emergency.divisions import service as divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Permission, Role
from emergency.people.accounts import lookups
from emergency.people.accounts.models import Account, AccountState
from emergency.people.contacts import service as contacts
from emergency.privacy import journal
from kernel.states import StateChange, timeline

MOST_OFFICERS = 50


@dataclass(frozen=True)
class Row:
    """One account in a list; name and number masked."""

    id: int
    username: str
    name: str
    phone: str
    roles: tuple[Role, ...]
    area: str
    state: AccountState
    has_second_factor: bool
    last_signed_in_at: datetime | None


def rows(session: Session, *, actor: Actor, accounts: Sequence[Account]) -> list[Row]:
    """Accounts as a page shows them; one journal entry a page."""
    masked = contacts.masked(session, [found.contact_id for found in accounts if found.contact_id is not None])
    areas = divisions.names(session, {found.division_code for found in accounts})
    if masked:
        division = actor.division_code or None
        journal.record(session, journal.LISTED, actor=actor, list="accounts", count=len(masked), division=division)
    shown = []
    for found in accounts:
        contact = masked.get(found.contact_id) if found.contact_id is not None else None
        shown.append(
            Row(
                id=found.id,
                username=found.username,
                name=contact.name if contact else "",
                phone=contact.phone if contact else "",
                roles=tuple(role for role in Role if role in found.role_set),
                area=areas.get(found.division_code, found.division_code),
                state=found.state,
                has_second_factor=found.has_second_factor,
                last_signed_in_at=found.last_signed_in_at,
            )
        )
    return shown


def area_name(session: Session, account: Account) -> str:
    """The name of the account's area."""
    return divisions.names(session, [account.division_code]).get(account.division_code, account.division_code)


def areas(session: Session, *, actor: Actor) -> list[tuple[str, str]]:
    """Areas to choose from: the administrator's own and what lies directly below (any code may be typed)."""
    own = actor.division_code
    below = [(found.code, found.name) for found in divisions.children(session, own)] if own else []
    return [*divisions.names(session, [own] if own else []).items(), *below][:100]


def life(session: Session, account_id: int) -> list[StateChange]:
    """Every step of the account's life."""
    return timeline(session, "account", account_id)


def names_of(session: Session, account_id: int) -> dict[str, str]:
    """The names of whoever changed the account's state."""
    return lookups.display_names(session, {change.actor for change in life(session, account_id)})


def duty_officers(session: Session, *, actor: Actor) -> list[Row]:
    """The duty officers whom this approver may let in."""
    actor.require(Permission.WARNINGS_APPROVE)
    found = session.scalars(
        sa.select(Account)
        .where(
            Account.state != AccountState.CLOSED,
            Account.id != actor.id,
            lookups.has_role(Role.DUTY_OFFICER),
            division_rules.in_scope(Account.division_code, actor),
        )
        .order_by(Account.username)
        .limit(MOST_OFFICERS)
    ).all()
    return rows(session, actor=actor, accounts=found)


def without_factor(session: Session) -> int:
    """How many active accounts have no second factor (for the system page and the doctor)."""
    return (
        session.scalar(
            sa.select(sa.func.count()).where(Account.state == AccountState.ACTIVE, Account.totp_confirmed_at.is_(None))
        )
        or 0
    )
