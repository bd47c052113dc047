"""The chain: whatever happens to it shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from emergency.privacy import journal
from emergency.privacy.journal import JournalEntry, JournalHead, Purpose
from emergency.privacy.keys import KeyRing
from emergency.privacy.vault import Vault
from kernel.db import Database


def _append(database: Database, times: int) -> None:
    for number in range(times):
        with database.write() as session:
            journal.record(session, journal.LISTED, actor="account:1", list="residents", count=number)


def _verdict(database: Database) -> journal.Verdict:
    with database.read() as session:
        return journal.verify(session)


def _tamper(database: Database, *statements: str) -> None:
    """As somebody with the database's password and no key would."""
    with database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER journal_entry_no_UPDATE")
            connection.exec_driver_sql("DROP TRIGGER journal_entry_no_DELETE")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_an_untouched_chain_is_whole(database: Database) -> None:
    assert _verdict(database).whole
    _append(database, 5)
    assert _verdict(database) == journal.Verdict(5)


def test_nothing_of_a_failed_unit_of_work_enters_the_chain(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        journal.record(session, journal.LISTED, actor="account:1", list="residents")
        raise RuntimeError
    assert _verdict(database).entries == 0


@pytest.mark.parametrize("verb", ["UPDATE journal_entry SET actor = 'nobody'", "DELETE FROM journal_entry"])
def test_the_database_itself_refuses_to_change_an_entry(database: Database, verb: str) -> None:
    _append(database, 1)
    with pytest.raises(DBAPIError, match="append-only"), database.engine.begin() as connection:
        connection.exec_driver_sql(verb)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE journal_entry SET actor = 'account:9' WHERE seq = 3", "altered"),
        ("UPDATE journal_entry SET data = '{}' WHERE seq = 1", "altered"),
        ("DELETE FROM journal_entry WHERE seq = 2", "gap"),
        ("DELETE FROM journal_entry WHERE seq = 5", "head_mismatch"),
        ("UPDATE journal_entry SET seq = 6 WHERE seq = 5", "gap"),
    ],
)
def test_a_change_a_removal_and_an_insertion_are_found(database: Database, statement: str, fault: str) -> None:
    _append(database, 5)
    _tamper(database, statement)
    assert _verdict(database).fault == fault


def test_a_tail_cut_off_together_with_its_head_is_found_by_the_anchor(database: Database) -> None:
    _append(database, 3)
    with database.read() as session:
        third = session.scalars(sa.select(JournalHead)).one().mac
    _append(database, 2)
    _tamper(database, "DELETE FROM journal_entry WHERE seq > 3", "UPDATE journal_head SET seq = 3")
    with database.engine.begin() as connection:
        connection.execute(sa.update(JournalHead.__table__).values(mac=third))
    assert _verdict(database).fault == "truncated"


def test_a_chain_recomputed_without_the_key_is_found(database: Database, tmp_path: Path) -> None:
    _append(database, 3)
    forger = Vault(KeyRing.generate())
    with database.read() as session:
        entries = list(session.scalars(sa.select(JournalEntry).order_by(JournalEntry.seq)))
    mac = b"\x00" * 32
    _tamper(database, "SELECT 1")
    with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for entry in entries:
            entry.actor = "account:9"
            mac = journal._mac(forger.ring.journal, mac, entry.seq, entry)
            table = JournalEntry.__table__
            connection.execute(sa.update(table).where(table.c.seq == entry.seq).values(actor="account:9", mac=mac))
        connection.execute(sa.update(JournalHead.__table__).values(mac=mac))
    assert _verdict(database).fault == "altered"


def test_an_emptied_journal_is_found(database: Database) -> None:
    _append(database, 3)
    _tamper(database, "DELETE FROM journal_entry", "DELETE FROM journal_head")
    assert _verdict(database).fault == "truncated"


def test_a_missing_and_a_forged_anchor_are_found(database: Database, tmp_path: Path) -> None:
    _append(database, 2)
    anchor = tmp_path / "journal.anchor"
    kept = anchor.read_text()
    anchor.unlink()
    assert _verdict(database).fault == "anchor_missing"
    anchor.write_text(kept.replace("1 ", "9 ", 1))
    assert _verdict(database).fault == "anchor_forged"


def test_an_anchor_line_cut_off_by_a_crash_does_not_matter(database: Database, tmp_path: Path) -> None:
    _append(database, 2)
    with (tmp_path / "journal.anchor").open("a") as target:
        target.write("3 ab")
    assert _verdict(database).whole


def test_a_compacted_anchor_still_guards(database: Database, tmp_path: Path) -> None:
    _append(database, 4)
    with database.read() as session:
        session.info["anchor"].compact()
    assert len((tmp_path / "journal.anchor").read_text().splitlines()) == 1
    assert _verdict(database) == journal.Verdict(4)


def test_a_number_can_never_be_written_into_an_entry(database: Database) -> None:
    with database.write() as session, pytest.raises(ValueError, match="phone number"):
        journal.record(session, journal.SEARCHED, actor="account:1", by="15400000001")
    with database.write() as session, pytest.raises(ValueError, match="no field"):
        journal.record(session, journal.SEARCHED, actor="account:1", phone="x")


def test_purposes_have_words_in_both_languages() -> None:
    assert all(purpose.zh and purpose.en for purpose in Purpose)
