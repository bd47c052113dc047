"""One-time links and API tokens: random, shown once, kept as a keyed digest."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission, Role
from emergency.people.accounts import lookups, rules
from emergency.people.accounts.models import Account, AccountState, ApiToken, LinkPurpose, OneTimeLink
from emergency.privacy import journal, vault
from kernel.db import now
from kernel.errors import N_, Conflict, DomainError, Forbidden, Invalid, NotFound

if TYPE_CHECKING:
    from emergency.config import Config

TOKEN_PREFIX = "jhe_"  # noqa: S105 - marks our tokens for secret scanners
MOST_TOKENS = 20


class LinkSpent(DomainError):
    """The link was used, replaced, or has run out."""

    code = "link_spent"
    status = 410


@dataclass(frozen=True)
class LinkView:
    """What the page of an unused link shows."""

    account_id: int
    username: str
    purpose: LinkPurpose
    expires_at: datetime


def digest(session: Session, purpose: str, raw: str) -> bytes:
    """The form in which something random is kept."""
    return vault.of(session).digest(purpose, raw)


def note(session: Session, actor: Actor, account: Account, what: str) -> None:
    """Journal a change of an account, with the roles and area that it has now."""
    journal.record(
        session,
        journal.ACCOUNT_CHANGED,
        actor=actor,
        subject=("account", account.id),
        what=what,
        roles=",".join(account.roles),
        division=account.division_code,
    )


def make_link(session: Session, *, actor: Actor, account: Account, purpose: LinkPurpose | None = None) -> str:
    """The address of a new one-time link; links that this account still had are worth nothing any more.

    Without a `purpose`: a first sign-in where no password was ever set, otherwise a new password.
    """
    actor.require(Permission.ACCOUNTS_MANAGE)
    actor.require_covers(account.division_code)
    if purpose is None:
        purpose = LinkPurpose.FIRST if account.password_hash is None else LinkPurpose.RESET
    return _make(session, actor, account, purpose)


def make_entry_link(session: Session, *, actor: Actor, account_id: int) -> str:
    """An approver lets a duty officer in who cannot sign in at this moment. Journalled; never for oneself.

    The second factor, where one is set up, is still asked for.
    """
    if not actor.can(Permission.ACCOUNTS_MANAGE):
        actor.require(Permission.WARNINGS_APPROVE)
    account = lookups.get(session, account_id)
    actor.require_covers(account.division_code)
    if Role.DUTY_OFFICER not in account.role_set or (actor.kind, actor.id) == ("account", account.id):
        raise Forbidden(N_("Such a link is for a duty officer, and another person makes it."))
    return _make(session, actor, account, LinkPurpose.ENTRY)


def _make(session: Session, actor: Actor, account: Account, purpose: LinkPurpose) -> str:
    if account.state is AccountState.CLOSED:
        raise Conflict(N_("This account is closed. Create a new one."), code="account_closed")
    config: Config = session.info["config"]
    moment = now(session)
    revoke_links(session, account.id)
    raw = secrets.token_urlsafe(32)
    session.add(
        OneTimeLink(
            account_id=account.id,
            token_digest=digest(session, "one-time-link", raw),
            purpose=purpose,
            made_at=moment,
            made_by=str(actor)[:60],
            expires_at=moment + timedelta(hours=config.security.link_hours),
        )
    )
    session.flush()
    note(session, actor, account, f"link_made:{purpose.value}")
    return f"{config.public_url}/enter/{raw}"


def revoke_links(session: Session, account_id: int) -> int:
    """End every unused link of an account."""
    ended = session.scalars(
        sa.update(OneTimeLink)
        .where(OneTimeLink.account_id == account_id, OneTimeLink.used_at.is_(None), OneTimeLink.revoked_at.is_(None))
        .values(revoked_at=now(session))
        .returning(OneTimeLink.id)
    ).all()
    return len(ended)


def _unused(session: Session, raw: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        OneTimeLink.token_digest == digest(session, "one-time-link", raw),
        OneTimeLink.used_at.is_(None),
        OneTimeLink.revoked_at.is_(None),
        OneTimeLink.expires_at > now(session),
    )


def view_link(session: Session, raw: str) -> LinkView:
    """What a link is for, without using it: programmes that look at links in messages do not burn it."""
    row = session.execute(
        sa.select(Account.id, Account.username, OneTimeLink.purpose, OneTimeLink.expires_at)
        .join(Account, Account.id == OneTimeLink.account_id)
        .where(_unused(session, raw), Account.state != AccountState.CLOSED)
    ).one_or_none()
    if row is None:
        raise _spent()
    return LinkView(row.id, row.username, row.purpose, row.expires_at)


def spend_link(session: Session, raw: str) -> tuple[Account, OneTimeLink]:
    """Use a link; the second who tries gets 410 `link_spent`, in the same second too."""
    link_id = session.scalar(
        sa.update(OneTimeLink).where(_unused(session, raw)).values(used_at=now(session)).returning(OneTimeLink.id)
    )
    link = session.get(OneTimeLink, link_id) if link_id is not None else None
    account = session.get(Account, link.account_id) if link is not None else None
    if link is None or account is None or account.state is AccountState.CLOSED:
        raise _spent()
    return account, link


def _spent() -> LinkSpent:
    return LinkSpent(
        N_(
            "This link was used already, was replaced by a newer one, or has run out. Ask the administrator for a new one."
        )
    )


# --- API tokens --------------------------------------------------------------------------------------------------


def create_token(session: Session, *, actor: Actor, account: Account, name: str) -> str:
    """A new API token, returned once. The owner makes it, or the console for any account."""
    _own_or_manage(actor, account)
    if account.state is AccountState.CLOSED:
        raise Conflict(N_("This account is closed. Create a new one."), code="account_closed")
    name = name.strip()
    if not 1 <= len(name) <= 60:
        message = N_("Say in 1 to 60 characters what the token is for.")
        raise Invalid(message, code="token_name", fields={"name": message})
    if len(live_tokens(session, account.id)) >= MOST_TOKENS:
        raise Conflict(
            N_("An account has at most %(n)s tokens. Revoke one first."), code="too_many_tokens", n=MOST_TOKENS
        )
    raw = TOKEN_PREFIX + secrets.token_urlsafe(32)
    session.add(
        ApiToken(account_id=account.id, name=name, token_digest=digest(session, "api-token", raw), made_at=now(session))
    )
    session.flush()
    note(session, actor, account, "token_made")
    return raw


def _own_or_manage(actor: Actor, account: Account) -> None:
    if actor.kind == "account" and actor.id == account.id:
        actor.require(Permission.TOKENS_OWN)
        return
    # An administrator may end somebody's token, but must not act as somebody through one.
    if not actor.is_system:
        raise Forbidden(N_("A token is made by the account's owner, or at the console."))


def live_tokens(session: Session, account_id: int) -> list[ApiToken]:
    """The tokens that still work, newest first."""
    return list(
        session.scalars(
            sa.select(ApiToken)
            .where(ApiToken.account_id == account_id, ApiToken.revoked_at.is_(None))
            .order_by(ApiToken.id.desc())
            .limit(MOST_TOKENS)
        )
    )


def revoke_token(session: Session, *, actor: Actor, token_id: int) -> None:
    """End a token: the owner, or the administrator of the account's area."""
    token = session.get(ApiToken, token_id)
    account = lookups.get(session, token.account_id) if token is not None else None
    if token is None or account is None:
        raise NotFound(N_("There is no such token."))
    if (actor.kind, actor.id) != ("account", account.id):
        lookups.seen(session, actor=actor, account_id=account.id)
    if token.revoked_at is None:
        token.revoked_at = now(session)
        session.flush()
        note(session, actor, account, "token_revoked")


def actor_for_token(session: Session, raw: str) -> Actor | None:
    """Whom a token acts as, or None for a token that is not good."""
    row = token_row(session, raw)
    return lookups.actor_of(row[0]) if row is not None else None


def token_row(session: Session, raw: str) -> tuple[Account, ApiToken] | None:
    """The account and the token behind a raw token, if both are live."""
    if not raw.startswith(TOKEN_PREFIX) or len(raw) > 100:
        return None
    row = session.execute(
        sa.select(Account, ApiToken)
        .join(ApiToken, ApiToken.account_id == Account.id)
        .where(
            ApiToken.token_digest == digest(session, "api-token", raw),
            ApiToken.revoked_at.is_(None),
            Account.state != AccountState.CLOSED,
        )
    ).one_or_none()
    return (row[0], row[1]) if row is not None else None


def unseen(session: Session, token: ApiToken) -> bool:
    """Whether a minute has passed since the use of this token was last noted."""
    return token.last_used_at is None or now(session) - token.last_used_at >= rules.SEEN_EVERY


def saw_token(session: Session, token_id: int) -> None:
    """Remember that a token was used, at most once a minute."""
    moment = now(session)
    session.execute(
        sa.update(ApiToken)
        .where(
            ApiToken.id == token_id,
            sa.or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < moment),
        )
        .values(last_used_at=moment)
    )
