"""Accounts and what opens them: links, second factor, sessions, tokens, and the memory of failed attempts.

No secret is readable here: passwords are Argon2id hashes, TOTP secrets and origins are sealed, and whatever is
random (session, link, token, recovery code) is kept as a keyed digest only.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from emergency.http.permissions import Role
from kernel.db import Base, DivisionCode, Pk
from kernel.types import LabelledEnum, enum_type


class AccountState(LabelledEnum):
    """How an account stands."""

    INVITED = "invited", "待首次登录", "Waiting for the first sign-in", "wait"
    ACTIVE = "active", "使用中", "In use", "done"
    CLOSED = "closed", "已注销", "Closed", "absent"


class LinkPurpose(LabelledEnum):
    """What a one-time link is for. Each opens the account once and stands in for the password, never for the factor."""

    FIRST = "first", "首次登录", "First sign-in"
    RESET = "reset", "重设密码", "New password"
    ENTRY = "entry", "应急进入", "Emergency entry"
    DEMO = "demo", "演示登录", "Demonstration"


class SignInMethod(LabelledEnum):
    """How somebody came in."""

    PASSWORD = "password", "密码", "Password"
    LINK = "link", "一次性链接", "One-time link"


class EndReason(LabelledEnum):
    """Why a session ended."""

    SIGNED_OUT = "signed-out", "本人退出", "Signed out"
    ENDED = "ended", "被结束", "Ended from the list"
    IDLE = "idle", "闲置超时", "Idle too long"
    EXPIRED = "expired", "到时", "Time limit reached"
    PASSWORD = "password", "密码或第二因子变更", "Password or second factor changed"
    CLOSED = "closed", "账号注销", "Account closed"


class Account(Base):
    """One person's right to sign in: roles, and the area that they hold for."""

    __tablename__ = "account"
    __table_args__ = (
        sa.UniqueConstraint("username", name="uq_account_one_account_a_username"),
        sa.CheckConstraint("username = lower(username)", name="username_in_lower_case"),
        sa.CheckConstraint("state <> 'closed' OR password_hash IS NULL", name="closed_has_no_password"),
        sa.CheckConstraint("state <> 'closed' OR closed_at IS NOT NULL", name="closed_says_when"),
        sa.CheckConstraint("totp_confirmed_at IS NULL OR totp_sealed IS NOT NULL", name="factor_has_its_secret"),
        sa.Index(None, "division_code", "state"),
    )

    id: Mapped[Pk]
    username: Mapped[str] = mapped_column(sa.String(32))
    contact_id: Mapped[int | None] = mapped_column(sa.ForeignKey("contact.id"), index=True)
    roles: Mapped[list[str]]
    """Values of `Role`, sorted."""
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    locale: Mapped[str] = mapped_column(sa.String(5), default="zh")
    state: Mapped[AccountState] = mapped_column(enum_type(AccountState))
    password_hash: Mapped[str | None]
    password_set_at: Mapped[datetime | None]
    totp_sealed: Mapped[bytes | None]
    totp_confirmed_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None]
    """The 30-second step of the last code that was accepted: no code is good twice."""
    created_at: Mapped[datetime]
    last_signed_in_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]

    @property
    def role_set(self) -> frozenset[Role]:
        """The roles as `Role`; a value that no release knows grants nothing."""
        known = {role.value: role for role in Role}
        return frozenset(known[value] for value in self.roles if value in known)

    @property
    def has_second_factor(self) -> bool:
        """Whether a second factor has been set up and proven once."""
        return self.totp_confirmed_at is not None


class RecoveryCode(Base):
    """One of ten codes on paper for the day the telephone is lost; good once."""

    __tablename__ = "recovery_code"
    __table_args__ = (sa.UniqueConstraint("account_id", "code_digest", name="uq_recovery_code_differs"),)

    id: Mapped[Pk]
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id", ondelete="CASCADE"))
    code_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    used_at: Mapped[datetime | None]


class OneTimeLink(Base):
    """A link that opens an account once."""

    __tablename__ = "one_time_link"
    __table_args__ = (
        sa.UniqueConstraint("token_digest", name="uq_one_time_link_token"),
        sa.Index(None, "account_id", "made_at"),
        sa.CheckConstraint("used_at IS NULL OR revoked_at IS NULL", name="used_or_revoked"),
    )

    id: Mapped[Pk]
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id", ondelete="CASCADE"))
    token_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    purpose: Mapped[LinkPurpose] = mapped_column(enum_type(LinkPurpose))
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(sa.String(60))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SignIn(Base):
    """A session. It lives on the server; the browser holds a random key whose digest stands here."""

    __tablename__ = "sign_in"
    __table_args__ = (
        sa.UniqueConstraint("token_digest", name="uq_sign_in_token"),
        sa.Index(None, "account_id", "ended_at"),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="end_has_a_reason"),
    )

    id: Mapped[Pk]
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id", ondelete="CASCADE"))
    token_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    method: Mapped[SignInMethod] = mapped_column(enum_type(SignInMethod))
    link_id: Mapped[int | None] = mapped_column(sa.ForeignKey("one_time_link.id", ondelete="SET NULL"))
    with_second_factor: Mapped[bool]
    origin_sealed: Mapped[bytes]
    """Address and browser, for the owner's own list."""
    started_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[EndReason | None] = mapped_column(enum_type(EndReason))


class ApiToken(Base):
    """A programme's key: acts as its account, with that account's scope, until revoked."""

    __tablename__ = "api_token"
    __table_args__ = (
        sa.UniqueConstraint("token_digest", name="uq_api_token_token"),
        sa.Index(None, "account_id", "revoked_at"),
    )

    id: Mapped[Pk]
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sa.String(60))
    token_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    made_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class FailedAttempts(Base):
    """How often one bucket (account and address, device, address, everybody) failed, and until when it waits."""

    __tablename__ = "failed_attempts"
    __table_args__ = (sa.UniqueConstraint("bucket", name="uq_failed_attempts_bucket"),)

    id: Mapped[Pk]
    bucket: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    """A keyed digest: addresses and mistyped names (often a password) are not readable here."""
    failures: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)
    blocked_until: Mapped[datetime | None]
