"""The second factor: a time code from a telephone (TOTP), and ten codes on paper for the day it is lost."""

from __future__ import annotations

import io
import secrets
from typing import TYPE_CHECKING

import pyotp
import segno
import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.people.accounts import links, lookups, rules, sessions
from emergency.people.accounts.models import Account, EndReason, RecoveryCode
from emergency.privacy import vault
from kernel.db import now
from kernel.errors import N_, Conflict, Invalid
from kernel.ids import new_id

if TYPE_CHECKING:
    from emergency.config import Config

CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_STEPS = (-1, 0, 1)
"""Telephones are up to half a minute off; an older code is not taken."""


def _open(session: Session, account: Account) -> str | None:
    if account.totp_sealed is None:
        return None
    return vault.of(session).open("account", "totp", account.id, account.totp_sealed)


def begin_setup(session: Session, *, actor: Actor) -> None:
    """Prepare a new secret for one's own account; it counts only when a code of it has been shown."""
    account = lookups.get(session, actor.id)
    if account.has_second_factor:
        raise Conflict(N_("A second factor is set up. Take it off first."), code="factor_exists")
    if account.totp_sealed is None:
        account.totp_sealed = vault.of(session).seal("account", "totp", account.id, pyotp.random_base32())
        session.flush()


def setup_address(session: Session, *, actor: Actor) -> str | None:
    """The `otpauth://` address of the secret that waits to be confirmed; None when nothing waits."""
    account = lookups.get(session, actor.id)
    secret = None if account.has_second_factor else _open(session, account)
    if secret is None:
        return None
    config: Config = session.info["config"]
    return pyotp.TOTP(secret).provisioning_uri(name=account.username, issuer_name=config.site.name)


def setup_secret(address: str) -> str:
    """The secret in groups of four, for those who cannot scan."""
    secret = pyotp.parse_uri(address).secret
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def qr(address: str) -> bytes:
    """The address as an SVG picture, without script or style."""
    picture = io.BytesIO()
    segno.make(address, error="m").save(picture, kind="svg", scale=5, border=4, dark="#000", light="#fff")
    return picture.getvalue()


def confirm(session: Session, *, actor: Actor, code: str, keep_session: int | None = None) -> list[str]:
    """Show one code and the second factor counts. Returns the ten recovery codes, shown once; other sessions end."""
    account = lookups.get(session, actor.id)
    if account.has_second_factor:
        raise Conflict(N_("A second factor is set up. Take it off first."), code="factor_exists")
    step = _step(session, account, code)
    if step is None:
        message = N_("This code is not right. Look whether the telephone's clock is right and type the newest code.")
        raise Invalid(message, code="factor_code", fields={"code": message})
    account.totp_confirmed_at, account.totp_last_step = now(session), step
    session.flush()
    sessions.end_all(session, actor=actor, account_id=account.id, reason=EndReason.PASSWORD, keep=keep_session)
    links.note(session, actor, account, "factor_set")
    return new_recovery_codes(session, actor=actor)


def new_recovery_codes(session: Session, *, actor: Actor) -> list[str]:
    """Ten fresh codes; those from before are worth nothing any more."""
    account = lookups.get(session, actor.id)
    if not account.has_second_factor:
        raise Conflict(N_("Set up the second factor first."), code="no_factor")
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    codes = ["-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(2)) for _ in range(CODES)]
    session.add_all(
        RecoveryCode(id=new_id(), account_id=account.id, code_digest=_digest(session, account.id, code))
        for code in codes
    )
    session.flush()
    links.note(session, actor, account, "recovery_codes")
    return codes


def remaining_codes(session: Session, account_id: int) -> int:
    """How many recovery codes are left."""
    return (
        session.scalar(
            sa.select(sa.func.count()).where(RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
        )
        or 0
    )


def remove(session: Session, *, actor: Actor, code: str, keep_session: int | None = None) -> None:
    """Take one's own second factor off, with a code of it; refused where the configuration demands one."""
    config: Config = session.info["config"]
    account = lookups.get(session, actor.id)
    if config.security.second_factor == "required":
        raise Conflict(N_("This system demands a second factor. The administrator can take it off."), code="required")
    if not account.has_second_factor or not check(session, account, code):
        message = N_("This code is not right. Look whether the telephone's clock is right and type the newest code.")
        raise Invalid(message, code="factor_code", fields={"code": message})
    account.totp_sealed = account.totp_confirmed_at = account.totp_last_step = None
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    session.flush()
    sessions.end_all(session, actor=actor, account_id=account.id, reason=EndReason.PASSWORD, keep=keep_session)
    links.note(session, actor, account, "factor_removed")


def _step(session: Session, account: Account, code: str) -> int | None:
    """The time step whose code this is, or None."""
    secret = _open(session, account)
    digits = "".join(character for character in code if character.isdigit())
    if secret is None or len(digits) != 6:
        return None
    totp = pyotp.TOTP(secret)
    current = int(now(session).timestamp()) // rules.CODE_STEP_SECONDS
    found = None
    for step in (current + offset for offset in _STEPS):
        if secrets.compare_digest(totp.generate_otp(step), digits):
            found = step
    return found


def check(session: Session, account: Account, code: str) -> bool:
    """Accept a time code once, or a recovery code once. A code that was used before is refused, in a race too."""
    step = _step(session, account, code)
    if step is not None:
        taken = session.scalar(
            sa.update(Account)
            .where(
                Account.id == account.id,
                Account.totp_confirmed_at.is_not(None),
                sa.or_(Account.totp_last_step.is_(None), Account.totp_last_step < step),
            )
            .values(totp_last_step=step)
            .returning(Account.id)
        )
        return taken is not None
    used = session.scalar(
        sa.update(RecoveryCode)
        .where(
            RecoveryCode.account_id == account.id,
            RecoveryCode.code_digest == _digest(session, account.id, code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now(session))
        .returning(RecoveryCode.id)
    )
    if used is None:
        return False
    links.note(session, lookups.actor_of(account), account, "recovery_code_used")
    return True


def _digest(session: Session, account_id: int, code: str) -> bytes:
    plain = "".join(character for character in code.lower() if character.isalnum())
    return vault.of(session).digest("recovery-code", f"{account_id}\x1f{plain}")
