"""The memory behind `Idempotency-Key`: one row a key, written in the same transaction as the effect.

Neither the key (a client may put anything into it) nor the answer is readable in the database: the key is a keyed
digest, the answer is sealed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from emergency.http.models import IDEMPOTENCY_TABLE as _TABLE
from emergency.http.models import IdempotencyKey
from kernel.db import Database, dialect_name, now
from kernel.errors import N_, Invalid
from kernel.ids import new_id

KEPT = timedelta(hours=24)
MAX_KEY = 255
PIECE = 500


@dataclass(frozen=True)
class Claim:
    """The right to carry out the request (`answer` is None), or the answer that it already got."""

    row: int
    answer: Mapping[str, Any] | None = None


def claim(session: Session, actor: str, key: str, fingerprint: str) -> Claim:
    """Claim the key for this request, or find its answer; 422 `idempotency_mismatch` for another request's key.

    On PostgreSQL the insert waits for a transaction that holds the same key; on SQLite there is one writer.
    """
    vault = session.info["vault"]
    key_digest = vault.digest("idempotency-key", f"{actor}\x1f{key}")
    request_digest = vault.digest("idempotency-request", fingerprint.encode("utf-8", "backslashreplace").decode())
    moment = now(session)
    session.execute(
        sa.delete(IdempotencyKey).where(IdempotencyKey.key_digest == key_digest, IdempotencyKey.at <= moment - KEPT)
    )
    insert = sqlite.insert if dialect_name(session) == "sqlite" else postgresql.insert
    row = new_id()
    inserted = session.scalar(
        insert(IdempotencyKey)
        .values(id=row, key_digest=key_digest, request_digest=request_digest, at=moment)
        .on_conflict_do_nothing(index_elements=["key_digest"])
        .returning(IdempotencyKey.id)
    )
    if inserted is not None:
        return Claim(row)
    known = session.execute(
        sa.select(IdempotencyKey.id, IdempotencyKey.request_digest, IdempotencyKey.answer_sealed).where(
            IdempotencyKey.key_digest == key_digest
        )
    ).one()
    if known.request_digest != request_digest or known.answer_sealed is None:
        raise Invalid(
            N_("This Idempotency-Key was used for another request. Nothing was done; use a new key."),
            code="idempotency_mismatch",
        )
    return Claim(known.id, json.loads(vault.open(_TABLE, "answer", known.id, known.answer_sealed)))


def keep(session: Session, claimed: Claim, answer: Mapping[str, Any]) -> None:
    """Store the answer; it is committed together with what the request did."""
    sealed = session.info["vault"].seal(_TABLE, "answer", claimed.row, json.dumps(answer, ensure_ascii=False))
    session.execute(sa.update(IdempotencyKey).where(IdempotencyKey.id == claimed.row).values(answer_sealed=sealed))


def forget(session: Session, claimed: Claim) -> None:
    """Give the key back: the request was refused and did nothing."""
    session.execute(sa.delete(IdempotencyKey).where(IdempotencyKey.id == claimed.row))


def forget_old(database: Database, moment: datetime) -> int:
    """Delete what is older than a day, in pieces; the number deleted."""
    total = 0
    while True:
        with database.write() as session:
            old = (
                sa.select(IdempotencyKey.id)
                .where(IdempotencyKey.at <= moment - KEPT)
                .order_by(IdempotencyKey.at)
                .limit(PIECE)
            )
            gone = len(
                session.scalars(
                    sa.delete(IdempotencyKey).where(IdempotencyKey.id.in_(old)).returning(IdempotencyKey.id)
                ).all()
            )
        total += gone
        if gone < PIECE:
            return total
