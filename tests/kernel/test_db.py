"""The transaction recipe."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from kernel.db import Database, Touched, after_commit, touch


def test_a_touch_is_one_row_however_often(database: Database) -> None:
    with database.write() as session:
        touch(session, "post", 1)
        touch(session, "post", 1)
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Touched)) == 1


def test_a_reader_that_tries_to_write_always_fails(database: Database) -> None:
    with database.read() as session, pytest.raises(DBAPIError, match=r"read.?only"):
        touch(session, "post", 1)


def test_an_exception_keeps_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        touch(session, "post", 1)
        raise RuntimeError
    with database.read() as session:
        assert session.scalar(sa.select(Touched)) is None


def test_what_follows_a_commit_does_not_follow_a_rollback(database: Database) -> None:
    seen: list[str] = []
    with database.write() as session:
        after_commit(session, lambda: seen.append("kept"))
    with pytest.raises(RuntimeError), database.write() as session:
        after_commit(session, lambda: seen.append("lost"))
        raise RuntimeError
    assert seen == ["kept"]


def test_hooks_run_as_the_last_statements_before_the_commit(database: Database) -> None:
    order: list[str] = []

    def hook(session: Session) -> None:
        order.append(f"hook sees {session.scalar(sa.select(sa.func.count()).select_from(Touched))}")

    database.before_commit(hook)
    with database.write() as session:
        session.add(Touched(kind="post", subject_id=5, at=database.clock.now()))
        order.append("work")
    assert order == ["work", "hook sees 1"]


def test_concurrent_read_modify_writes_lose_nothing(database: Database) -> None:
    with database.write() as session:
        session.add(Touched(kind="counter", subject_id=0, at=database.clock.now()))

    def count(times: int) -> None:
        for _ in range(times):
            with database.write() as session:
                row = session.scalars(sa.select(Touched).where(Touched.kind == "counter").with_for_update()).one()
                session.execute(sa.update(Touched).values(subject_id=row.subject_id + 1))

    threads = [threading.Thread(target=count, args=(25,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert session.scalars(sa.select(Touched)).one().subject_id == 100
