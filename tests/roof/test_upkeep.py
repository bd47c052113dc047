"""Backup, verification and restore, on both databases."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from pytest import MonkeyPatch

from emergency import backup_file, upkeep, versions
from emergency.config import Config
from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact
from emergency.privacy import journal
from emergency.privacy.keys import KeyRing
from emergency.privacy.vault import Vault
from emergency.runtime import Runtime
from emergency.upkeep import BadBackup, WrongKeys
from kernel.clock import Clock
from kernel.db import Database, make_engine
from kernel.errors import Unavailable
from notify.models import EngineBeat

WHO = Actor.system("cli.test")
NAME, PHONE = "张某一", "15400000001"


def _prepare(runtime: Runtime) -> None:
    with runtime.database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("DELETE FROM alembic_version")
        connection.execute(sa.text("INSERT INTO alembic_version VALUES (:v)"), {"v": versions.head()})
    with runtime.database.write() as session:
        session.add(Division(code="120118000000", name="静海区", level=3, kind="市辖区", prefix="120118"))
        contacts.create(session, name=NAME, phone=PHONE)
        journal.record(session, journal.LISTED, actor=WHO, list="divisions", count=1)


@pytest.fixture
def installed(runtime: Runtime) -> Iterator[Runtime]:
    """A database that says its version, with a division, a person and a journal."""
    _prepare(runtime)
    yield runtime
    with runtime.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")


@pytest.fixture
def on_sqlite(config: Config, clock: Clock, vault: Vault, tmp_path: Path, _sqlite_template: Path) -> Runtime:
    """The same on SQLite only, for what concerns the file: it is one format."""
    shutil.copy(_sqlite_template, tmp_path / "live.db")
    database = Database(make_engine(f"sqlite:///{tmp_path}/live.db"), clock)
    database.attach("config", config)
    journal.install(database, vault, tmp_path / "live.anchor")
    runtime = Runtime(config, database, vault)
    _prepare(runtime)
    return runtime


def _names(runtime: Runtime) -> list[str]:
    with runtime.database.read() as session:
        return list(session.scalars(sa.select(Division.name)))


def _rename(runtime: Runtime, name: str) -> None:
    with runtime.database.write() as session:
        session.execute(sa.update(Division).values(name=name))
        journal.record(session, journal.LISTED, actor=WHO, list="divisions", count=2)


def _whole(runtime: Runtime) -> bool:
    with runtime.database.read() as session:
        return journal.verify(session).whole


def test_what_was_backed_up_comes_back_and_what_it_replaced_is_kept(installed: Runtime, tmp_path: Path) -> None:
    file = tmp_path / "a file?name#1.bak"
    facts = upkeep.backup(installed, file, actor=WHO)
    assert facts.journal_fault is None
    assert facts == upkeep.verify(installed, file)
    assert file.stat().st_mode & 0o077 == 0
    _rename(installed, "改了")

    restored, kept = upkeep.restore(installed, file, actor=WHO)

    assert restored.rows == facts.rows
    assert kept is not None and kept.exists()
    assert _names(installed) == ["静海区"]
    assert _whole(installed)
    with installed.database.read() as session:
        last = session.scalars(sa.select(journal.JournalEntry).order_by(journal.JournalEntry.seq.desc())).first()
        assert last is not None and "db.restore" in last.data and last.actor == "system:cli.test"
        contact = session.scalars(sa.select(Contact)).one()
        assert contact.phone_sealed is not None
        assert installed.vault.open("contact", "phone", contact.id, contact.phone_sealed).endswith(PHONE)
    _rename(installed, "之后")  # constraints, triggers and counters work on
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), installed.database.write() as session:
        session.execute(sa.update(journal.JournalEntry).values(actor="nobody"))


def test_nothing_personal_is_readable_in_the_file(on_sqlite: Runtime, tmp_path: Path) -> None:
    upkeep.backup(on_sqlite, tmp_path / "x.bak", actor=WHO)
    content = (tmp_path / "x.bak").read_bytes()
    assert NAME.encode() not in content and PHONE.encode() not in content
    assert "静海区".encode() in content  # the search would find it


def test_a_backup_of_a_working_system_is_one_moment(installed: Runtime, tmp_path: Path) -> None:
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 2
            with installed.database.write() as session:
                for code in (number, number + 1):
                    row = Division(code=f"{code:012d}", name="村", level=5, kind="220", prefix=f"{code:012d}")
                    session.add(row)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for copy in range(2):
            upkeep.backup(installed, tmp_path / f"{copy}.bak", actor=WHO)
    finally:
        stop.set()
        worker.join()
    for copy in range(2):
        with closing(backup_file.connect(tmp_path / f"{copy}.bak")) as raw:
            assert raw.execute("SELECT count(*) FROM division WHERE level = 5").fetchone()[0] % 2 == 0


def test_a_backup_ends_however_busy_the_system_is(on_sqlite: Runtime, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PAGES", 10)
    written = 0

    def write_in_between(_done: int, total: int | None) -> None:
        nonlocal written
        written += 1
        assert total is not None and written < total  # a copy that begins again with each of these would never end
        _rename(on_sqlite, f"第{written}次")

    facts = upkeep.backup(on_sqlite, tmp_path / "x.bak", actor=WHO, report=write_in_between)
    assert written > 5
    upkeep.restore(on_sqlite, tmp_path / "x.bak", actor=WHO)
    assert _names(on_sqlite) == ["静海区"] and facts.journal_fault is None


@pytest.mark.parametrize(
    "where", ["first page", "in the middle", "in a cell", "in the seal", "cut off", "empty", "text"]
)
def test_a_file_that_is_not_whole_is_refused_and_nothing_changes(
    on_sqlite: Runtime, tmp_path: Path, where: str
) -> None:
    file = tmp_path / "x.bak"
    upkeep.backup(on_sqlite, file, actor=WHO)
    content = bytearray(file.read_bytes())
    place = {
        "first page": 30,
        "in the middle": len(content) // 2,
        "in a cell": content.find("静海区".encode()),
        "in the seal": len(content) - 60,
    }.get(where, 0)
    content[place] ^= 1
    changed = {"cut off": content[:-4096], "empty": b"", "text": b"code,name\n"}.get(where, content)
    file.write_bytes(changed)
    before = _names(on_sqlite)
    for attempt in (upkeep.verify, lambda r, f: upkeep.restore(r, f, actor=WHO)):
        with pytest.raises(BadBackup, match="not a backup of this system, or it is damaged"):
            attempt(on_sqlite, file)
    assert _names(on_sqlite) == before and _whole(on_sqlite)


def test_a_file_from_another_installation_is_whole_but_refused(on_sqlite: Runtime, tmp_path: Path) -> None:
    file = tmp_path / "x.bak"
    upkeep.backup(on_sqlite, file, actor=WHO)
    other = Runtime(on_sqlite.config, on_sqlite.database, Vault(KeyRing.generate()))
    for attempt in (upkeep.verify, lambda r, f: upkeep.restore(r, f, actor=WHO)):
        with pytest.raises(BadBackup, match="other keys"):
            attempt(other, file)


def _reseal(installed: Runtime, file: Path, statement: str) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: -64 - len(backup_file.MAGIC)])
    with closing(sqlite3.connect(file)) as raw:
        raw.execute(statement)
        raw.commit()
    backup_file.seal(file, installed.vault.ring.signing)


def test_a_file_of_another_version_says_which(on_sqlite: Runtime, tmp_path: Path) -> None:
    file = tmp_path / "x.bak"
    upkeep.backup(on_sqlite, file, actor=WHO)
    _reseal(on_sqlite, file, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(BadBackup, match="9999"):
        upkeep.verify(on_sqlite, file)


def test_a_journal_that_is_not_whole_is_copied_and_told_but_not_restored(installed: Runtime, tmp_path: Path) -> None:
    with installed.database.engine.begin() as connection:
        if installed.database.is_sqlite:
            connection.exec_driver_sql("DROP TRIGGER journal_entry_no_UPDATE")
            connection.exec_driver_sql("UPDATE journal_entry SET actor = 'nobody' WHERE seq = 1")
        else:
            connection.exec_driver_sql("ALTER TABLE journal_entry DISABLE TRIGGER USER")
            connection.exec_driver_sql("UPDATE journal_entry SET actor = 'nobody' WHERE seq = 1")
            connection.exec_driver_sql("ALTER TABLE journal_entry ENABLE TRIGGER USER")
    facts = upkeep.backup(installed, tmp_path / "x.bak", actor=WHO)
    assert facts.journal_fault == "altered"
    with pytest.raises(BadBackup, match="It was not restored"):
        upkeep.restore(installed, tmp_path / "x.bak", actor=WHO)
    assert upkeep.check_keys(installed) is None  # the keys are right all the same: what is sealed says so


def test_no_file_is_overwritten_and_none_is_left_half_written(on_sqlite: Runtime, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("something of somebody's", "utf-8")
    with pytest.raises(BadBackup, match="exists already"):
        upkeep.backup(on_sqlite, tmp_path / "there", actor=WHO)
    with pytest.raises(BadBackup, match="could not be written: No such file or directory"):
        upkeep.backup(on_sqlite, tmp_path / "no" / "x.bak", actor=WHO)
    with pytest.raises(BadBackup, match="There is no file"):
        upkeep.verify(on_sqlite, tmp_path / "none")
    assert (tmp_path / "there").read_text("utf-8") == "something of somebody's"
    assert not list(tmp_path.rglob("*.part"))


def test_a_database_of_other_keys_is_noticed(on_sqlite: Runtime) -> None:
    upkeep.check_keys(on_sqlite)
    other = Vault(KeyRing.generate())
    on_sqlite.database.attach("vault", other)
    with pytest.raises(WrongKeys, match="another installation"):
        upkeep.check_keys(Runtime(on_sqlite.config, on_sqlite.database, other))


def test_postgresql_is_not_replaced_under_a_running_engine(installed: Runtime, tmp_path: Path) -> None:
    if installed.database.is_sqlite:
        pytest.skip("on SQLite there is one machine, and its lock")
    file = tmp_path / "x.bak"
    upkeep.backup(installed, file, actor=WHO)
    moment = installed.database.clock.now()
    with installed.database.write() as session:
        session.add(EngineBeat(holder="a", host="engine-2", pid=1, started_at=moment, beat_at=moment))
    with pytest.raises(Unavailable, match="engine-2"):
        upkeep.restore(installed, file, actor=WHO)
    with installed.database.write() as session:
        session.execute(sa.update(EngineBeat).values(beat_at=moment - timedelta(minutes=1)))
    upkeep.restore(installed, file, actor=WHO)


def test_postgresql_has_its_guards_again_and_counts_on(installed: Runtime, tmp_path: Path) -> None:
    if installed.database.is_sqlite:
        pytest.skip("PostgreSQL's own")
    engine, file = installed.database.engine, tmp_path / "x.bak"
    counted = (
        "SELECT count(*) FILTER (WHERE contype = 'f') FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    )
    awake = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
    with engine.begin() as connection:
        before = [connection.exec_driver_sql(query).scalar_one() for query in (counted, awake)]
        connection.exec_driver_sql("SELECT setval(pg_get_serial_sequence('raw_receipt', 'id'), 4711)")
    upkeep.backup(installed, file, actor=WHO)
    upkeep.restore(installed, file, actor=WHO)
    with engine.begin() as connection:
        assert [connection.exec_driver_sql(query).scalar_one() for query in (counted, awake)] == before
        following = connection.exec_driver_sql("SELECT nextval(pg_get_serial_sequence('raw_receipt', 'id'))")
        assert following.scalar_one() == 4712
