"""Waiting after failures. What waits is never an account: it is an account *from an address*, or a known browser.

Whoever hammers a user name makes only his own address wait. The duty officer's own machine is recognised by a signed
cookie and has a count of its own, also where everybody comes through one address; and a one-time link always opens.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.config import Security
from emergency.people.accounts import rules
from emergency.people.accounts.models import FailedAttempts
from emergency.people.accounts.rules import Patience
from emergency.privacy.vault import Vault
from kernel.db import Database, now
from kernel.errors import N_, TooMany
from kernel.ids import new_id

Buckets = Mapping[bytes, Patience]
MOST_ACCOUNTS = 12
PIECE = 500


@dataclass(frozen=True)
class Device:
    """A browser that has signed in before: its number and the accounts that it signed in."""

    nonce: str = ""
    accounts: tuple[int, ...] = ()

    def knows(self, account_id: int | None) -> bool:
        """Whether this account signed in here before."""
        return account_id is not None and account_id in self.accounts

    def with_account(self, account_id: int) -> Device:
        """The same browser after this account signed in."""
        others = tuple(known for known in self.accounts if known != account_id)
        return Device(self.nonce or secrets.token_urlsafe(12), (*others, account_id)[-MOST_ACCOUNTS:])

    def seal(self, vault: Vault) -> str:
        """The value of the cookie."""
        text = ".".join([self.nonce, "-".join(str(account) for account in self.accounts)])
        return f"{text}.{vault.sign('device', text)}"

    @classmethod
    def read(cls, vault: Vault, value: str | None) -> Device:
        """The browser behind a cookie; a forged or damaged one is an unknown browser."""
        text, _, signature = (value or "").rpartition(".")
        nonce, _, accounts = text.partition(".")
        if not nonce or not vault.check("device", text, signature):
            return cls()
        return cls(nonce, tuple(int(part) for part in accounts.split("-") if part.isdigit()))


def patience(security: Security) -> Patience:
    """The patience with one account from one address."""
    return Patience(free=security.lock_after_failures, longest=timedelta(minutes=security.lock_minutes))


def buckets(
    vault: Vault, security: Security, *, what: str, name: str, account_id: int | None, address: str, device: Device
) -> Buckets:
    """Where failures of this attempt are counted. `what` keeps passwords and codes apart."""
    pair = patience(security)
    if device.knows(account_id):
        return {vault.digest("attempts", f"{what}|device|{account_id}|{device.nonce}"): pair}
    everything = Patience(
        free=security.lock_after_failures * 10,
        longest=timedelta(minutes=security.lock_minutes),
        forget=timedelta(hours=1),
    )
    return {
        vault.digest("attempts", f"{what}|pair|{name}|{address}"): pair,
        vault.digest("attempts", f"{what}|address|{address}"): everything,
    }


def require_patience(session: Session, keys: Sequence[bytes]) -> None:
    """Refuse (429 `locked`) while any of the buckets waits. Nothing is counted while waiting: nothing grows."""
    moment = now(session)
    until = session.scalar(
        sa.select(sa.func.max(FailedAttempts.blocked_until)).where(
            FailedAttempts.bucket.in_(keys), FailedAttempts.blocked_until > moment
        )
    )
    if until is not None:
        raise TooMany(
            N_(
                "Too many failed attempts from here. Try again in %(minutes)s minutes. "
                "If you are on duty, ask an approver or the administrator for a one-time link: it works at once."
            ),
            code="locked",
            minutes=_minutes(until, moment),
        )


def _minutes(until: datetime, moment: datetime) -> int:
    return max(1, math.ceil((until - moment).total_seconds() / 60))


def failed(session: Session, where: Buckets) -> None:
    """Count one failure in each bucket, and say how long it has to wait now."""
    moment = now(session)
    known = {
        row.bucket: row
        for row in session.scalars(
            sa.select(FailedAttempts).where(FailedAttempts.bucket.in_(list(where))).with_for_update()
        )
    }
    for bucket, manner in where.items():
        row = known.get(bucket)
        if row is None:
            row = FailedAttempts(id=new_id(), bucket=bucket, failures=0, first_at=moment, last_at=moment)
            session.add(row)
        row.failures = manner.count(row.failures, row.last_at, moment)
        row.last_at = moment
        wait = manner.wait(row.failures)
        row.blocked_until = moment + wait if wait else None
    session.flush()


def succeeded(session: Session, where: Buckets) -> None:
    """Forget the failures of the account from here; those of the whole address stay until they fade."""
    own = [bucket for bucket, manner in where.items() if manner.forget >= timedelta(hours=24)]
    session.execute(sa.delete(FailedAttempts).where(FailedAttempts.bucket.in_(own)))


def forget_old(database: Database, moment: datetime) -> int:
    """Delete what has faded, in pieces."""
    total = 0
    while True:
        with database.write() as session:
            old = (
                sa.select(FailedAttempts.id)
                .where(FailedAttempts.last_at < moment - timedelta(hours=24))
                .order_by(FailedAttempts.last_at)
                .limit(PIECE)
            )
            gone = session.scalars(
                sa.delete(FailedAttempts).where(FailedAttempts.id.in_(old)).returning(FailedAttempts.id)
            ).all()
        total += len(gone)
        if len(gone) < PIECE:
            return total


__all__ = [
    "Buckets", "Device", "buckets", "failed", "forget_old", "patience", "require_patience", "rules", "succeeded",
]  # fmt: skip
