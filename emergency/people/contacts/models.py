"""One sealed record of a name and a number, so that a number is corrected once."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type

TABLE = "contact"
"""The table's name as values are sealed with it."""


class PhoneState(LabelledEnum):
    """What is known about a number."""

    UNVERIFIED = "unverified", "未核实", "Not verified", "wait"
    VERIFIED = "verified", "已核实", "Verified", "done"
    INVALID = "invalid", "号码有误", "Not a number", "late"
    NONE = "none", "无电话", "No phone", "absent"
    OPTED_OUT = "opted_out", "拒收短信", "Opted out", "absent"


class OptMeans(LabelledEnum):
    """How we know that a number wants no messages, or wants them again."""

    REPLY = "reply", "短信回复", "Text reply"
    CARRIER = "carrier", "运营商拦截", "Refused by the carrier"
    CLERK = "clerk", "窗口登记", "Told to a clerk"


class OptOut(Base):
    """One objection of a number's holder to messages. It outlives the record of the person, so that an import keeps it."""

    __tablename__ = "opt_out"
    __table_args__ = (
        sa.Index(
            "uq_opt_out_standing", "number_key", unique=True,
            sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL"),
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended_by_somebody"),
    )  # fmt: skip

    id: Mapped[Pk]
    number_key: Mapped[bytes] = mapped_column(sa.LargeBinary(16))
    at: Mapped[datetime]
    means: Mapped[OptMeans] = mapped_column(enum_type(OptMeans, name="means"))
    raw_id: Mapped[int | None]
    """The stored message that said so, while it is kept."""
    by: Mapped[str] = mapped_column(sa.String(60))
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(sa.String(60))
    ended_raw_id: Mapped[int | None]
    proof_sealed: Mapped[bytes | None]
    """What showed that the holder takes it back, where a person entered it."""


class Contact(Base):
    """A person's name and number, sealed; beside them only the blind indexes that find equal values."""

    __tablename__ = TABLE
    __table_args__ = (
        sa.CheckConstraint(
            "(phone_index IS NOT NULL) = (phone_state IN ('unverified', 'verified', 'opted_out'))",
            name="only_a_usable_number_is_indexed",
        ),
        sa.CheckConstraint(
            "(phone_sealed IS NULL) = (phone_state = 'none')", name="a_number_is_kept_as_it_was_written"
        ),
        sa.Index(None, "phone_index"),
        sa.Index(None, "name_index"),
        sa.Index(
            "ix_contact_without_number", "phone_state",
            sqlite_where=sa.text("phone_index IS NULL"), postgresql_where=sa.text("phone_index IS NULL"),
        ),
        # Ids rise in time: a table in the order of its key is filled at its end and joined in order.
        {"sqlite_with_rowid": False},
    )  # fmt: skip

    id: Mapped[Pk]
    name_sealed: Mapped[bytes | None]
    name_index: Mapped[bytes | None] = mapped_column(sa.LargeBinary(16))
    phone_sealed: Mapped[bytes | None]
    """The number in E.164; an invalid one as it was written."""
    phone_index: Mapped[bytes | None] = mapped_column(sa.LargeBinary(16))
    """`vault.index("phone", e164)`; NULL for an invalid number and for none."""
    phone_state: Mapped[PhoneState] = mapped_column(enum_type(PhoneState, name="phone_state"))
    verified_at: Mapped[datetime | None]
    verified_by: Mapped[str | None] = mapped_column(sa.String(60))


class NumberRefusal(Base):
    """A provider says that a number cannot take messages of a channel."""

    __tablename__ = "number_refusal"

    number_key: Mapped[bytes] = mapped_column(sa.LargeBinary(16), primary_key=True)
    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(40))
    since: Mapped[datetime]
    latest_at: Mapped[datetime]
