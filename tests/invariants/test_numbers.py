"""Ids of tables that several processes fill: the database gives them, whatever the processes draw."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from kernel import ids
from kernel.db import Database
from notify.models import RawReceipt, ReceiptKind


def _row(text: str) -> dict[str, object]:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    return {"kind": ReceiptKind.STATUS, "channel": "sms", "received_at": moment, "sealed": text.encode()}


def test_receipts_of_two_processes_never_share_a_number(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes may draw the same id in the same millisecond; a receipt must not be lost for that."""
    monkeypatch.setattr(ids, "new_id", lambda: 7)
    for text in ("first", "second"):
        with database.write() as session:
            session.execute(sa.insert(RawReceipt), [_row(text), _row(text)])
    with database.read() as session:
        found = session.scalars(sa.select(RawReceipt.id)).all()
    assert len(set(found)) == 4


def test_a_number_that_was_given_is_never_given_again(database: Database) -> None:
    """A reply is remembered by its receipt's number, also after the receipt was destroyed."""
    with database.write() as session:
        first = session.scalars(sa.insert(RawReceipt).returning(RawReceipt.id), [_row("one")]).one()
        session.execute(sa.delete(RawReceipt))
    with database.write() as session:
        assert session.scalars(sa.insert(RawReceipt).returning(RawReceipt.id), [_row("two")]).one() > first
