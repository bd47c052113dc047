from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.http import idempotency
from emergency.http.api import idempotent
from emergency.http.models import IdempotencyKey
from emergency.http.permissions import Role
from emergency.http.request import own_transaction
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from kernel.db import Database

Bearer = Callable[..., dict[str, str]]


def made(database: Database) -> int:
    """How often the thing was really made."""
    with database.read() as session:
        return (
            session.scalar(
                sa.select(sa.func.count()).select_from(JournalEntry).where(JournalEntry.kind == "system.maintained")
            )
            or 0
        )


def post(client: FlaskClient, headers: dict[str, str], key: str | None = "k1", body: Any = None) -> Any:
    extra = {"Idempotency-Key": key} if key is not None else {}
    return client.post("/api/v1/things", json=body or {"n": 1}, headers={**headers, **extra})


def test_the_same_key_and_body_get_the_same_answer_and_do_it_once(
    client: FlaskClient, bearer: Bearer, database: Database
) -> None:
    headers = bearer()
    first, second = post(client, headers), post(client, headers)
    assert first.status_code == second.status_code == 201
    assert first.json == second.json
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.mimetype == "application/json"
    assert made(database) == 1


def test_without_a_key_it_is_done_each_time(client: FlaskClient, bearer: Bearer, database: Database) -> None:
    headers = bearer()
    post(client, headers, None)
    post(client, headers, None)
    assert made(database) == 2


def test_another_body_under_the_same_key_is_refused(client: FlaskClient, bearer: Bearer, database: Database) -> None:
    headers = bearer()
    post(client, headers)
    answer = post(client, headers, body={"n": 2})
    assert answer.status_code == 422
    assert answer.get_json(force=True)["code"] == "idempotency_mismatch"
    assert made(database) == 1


def test_keys_of_two_actors_are_two_keys(client: FlaskClient, bearer: Bearer, database: Database) -> None:
    mine, theirs = post(client, bearer()), post(client, bearer(Role.APPROVER, username="approver"))
    assert mine.json["by"] != theirs.json["by"]
    assert made(database) == 2


def test_a_refused_request_leaves_its_key_free(client: FlaskClient, bearer: Bearer, database: Database) -> None:
    headers = bearer()
    assert post(client, headers, body={"n": -1}).status_code == 422
    assert post(client, headers, body={"n": 1}).status_code == 201
    assert made(database) == 1


def test_of_many_at_once_one_wins_and_the_others_get_its_answer(
    app: flask.Flask, bearer: Bearer, database: Database
) -> None:
    headers = bearer()
    start = threading.Barrier(6)
    answers: list[Any] = []

    def run() -> None:
        client = app.test_client()
        start.wait()
        answers.append(post(client, headers))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 6
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 5
    assert made(database) == 1


def test_after_a_day_the_key_is_new_again(
    client: FlaskClient, bearer: Bearer, database: Database, clock: ManualClock
) -> None:
    headers = bearer()
    post(client, headers)
    clock.advance(timedelta(hours=23, minutes=59))
    assert "Idempotency-Replayed" in post(client, headers).headers
    clock.advance(timedelta(minutes=2))
    assert "Idempotency-Replayed" not in post(client, headers).headers
    clock.advance(timedelta(hours=25))
    assert idempotency.forget_old(database, clock.now()) == 1


@pytest.mark.parametrize("key", ["", " ", "x" * 256])
def test_a_key_has_a_length(client: FlaskClient, bearer: Bearer, key: str) -> None:
    answer = post(client, bearer(), key)
    assert answer.status_code == 422
    assert answer.get_json(force=True)["code"] == "idempotency_key_invalid"


def test_neither_key_nor_answer_is_readable_in_the_database(
    client: FlaskClient, bearer: Bearer, database: Database
) -> None:
    post(client, bearer(), "17900000102")
    with database.read() as session:
        row = session.scalars(sa.select(IdempotencyKey)).one()
        assert b"17900000102" not in row.key_digest
        assert b"account" not in bytes(row.answer_sealed or b"")


def test_a_view_with_its_own_transactions_cannot_be_idempotent() -> None:
    @own_transaction
    def view() -> None: ...

    with pytest.raises(TypeError):
        idempotent(view)
