"""Who an account is, for the roster. Accounts live above posts, so the table is reached by its name only."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as division_rules
from emergency.http.actor import Actor
from emergency.people.contacts import service as contacts

ACCOUNT = sa.table(
    "account",
    sa.column("id", sa.BigInteger),
    sa.column("username", sa.Text),
    sa.column("contact_id", sa.BigInteger),
    sa.column("division_code", sa.Text),
    sa.column("state", sa.Text),
)
MAX_CHOICES = 200


def names(session: Session, account_ids: Iterable[int]) -> dict[int, str]:
    """`周某` by account id; the sign-in name where no contact is known."""
    wanted = sorted(set(account_ids))
    if not wanted:
        return {}
    rows = session.execute(
        sa.select(ACCOUNT.c.id, ACCOUNT.c.username, ACCOUNT.c.contact_id).where(ACCOUNT.c.id.in_(wanted))
    ).all()
    people = contacts.names(session, [row.contact_id for row in rows if row.contact_id])
    return {row.id: people.get(row.contact_id, row.username) for row in rows}


def contact_of(session: Session, account_id: int) -> int | None:
    """The contact behind an account."""
    found: int | None = session.scalar(sa.select(ACCOUNT.c.contact_id).where(ACCOUNT.c.id == account_id))
    return found


def choices(session: Session, actor: Actor) -> list[tuple[int, str]]:
    """Accounts in the actor's scope that may stand on the roster, by sign-in name."""
    rows = session.execute(
        sa.select(ACCOUNT.c.id, ACCOUNT.c.username)
        .where(division_rules.in_scope(ACCOUNT.c.division_code, actor), ACCOUNT.c.state != "closed")
        .order_by(ACCOUNT.c.username)
        .limit(MAX_CHOICES)
    ).all()
    people = names(session, [row.id for row in rows])
    return [(row.id, f"{people[row.id]} ({row.username})") for row in rows]


def exists(session: Session, actor: Actor, account_id: int) -> bool:
    """Whether the account is there, open, and in the actor's scope."""
    statement = sa.select(ACCOUNT.c.id).where(
        ACCOUNT.c.id == account_id,
        ACCOUNT.c.state != "closed",
        division_rules.in_scope(ACCOUNT.c.division_code, actor),
    )
    return session.execute(statement).first() is not None


def actor_names(session: Session, actors: Iterable[str]) -> dict[str, str]:
    """Masked names by actor key (`account:12`), for timelines; other kinds of actors are left to the page."""
    keys = {actor: int(actor.partition(":")[2]) for actor in actors if actor.startswith("account:")}
    people = names(session, keys.values())
    return {actor: people[account_id] for actor, account_id in keys.items() if account_id in people}
