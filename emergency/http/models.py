"""The one table of the foundation: what was answered under an `Idempotency-Key`."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk

IDEMPOTENCY_TABLE = "idempotency_key"


class IdempotencyKey(Base):
    """A request that was carried out under a key, and the answer it got."""

    __tablename__ = IDEMPOTENCY_TABLE
    __table_args__ = (sa.UniqueConstraint("key_digest", name="uq_idempotency_key_one_answer_a_key"),)

    id: Mapped[Pk]
    key_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    request_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    answer_sealed: Mapped[bytes | None]
    at: Mapped[datetime] = mapped_column(index=True)
