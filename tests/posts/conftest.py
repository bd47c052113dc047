"""Posts of two neighbouring townships, and accounts for the roster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from emergency.config import Config
from emergency.divisions import api as divisions_api
from emergency.divisions import views as division_views
from emergency.divisions.imports import import_divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.accounts.models import Account, AccountState
from emergency.people.contacts import service as contacts
from emergency.people.posts import api as posts_api
from emergency.people.posts import service
from emergency.people.posts import views as post_views
from emergency.people.posts.models import Duty, Post
from kernel.db import Database, now
from kernel.ids import new_id
from tests.asking.support import app_with
from tests.divisions.conftest import CONSOLE, DISTRICT, DULIU, TAITOU, TREE, actor, text_of

VILLAGE, NEIGHBOUR = "120118104201", "120118102201"
__all__ = ["CONSOLE", "DISTRICT", "DULIU", "NEIGHBOUR", "TAITOU", "VILLAGE"]


@pytest.fixture
def tree(database: Database, tmp_path: Path) -> Database:
    path = tmp_path / "tree.csv"
    path.write_text(text_of(TREE), "utf-8")
    import_divisions(database, path, actor=CONSOLE)
    return database


@pytest.fixture
def officer() -> Actor:
    return actor(Role.DUTY_OFFICER)


@pytest.fixture
def liaison() -> Actor:
    """The liaison of 台头镇."""
    return actor(Role.LIAISON, division=TAITOU, prefix="120118104", id=3)


@pytest.fixture
def make_post(tree: Database) -> Callable[..., Post]:
    """A post, held unless `phone` is None."""

    def make(
        code: str = VILLAGE, duty: Duty = Duty.FLOOD_CHIEF, name: str = "张某一", phone: str | None = "15400000001",
        **more: Any,
    ) -> Post:  # fmt: skip
        with tree.write() as session:
            post = service.create_post(session, actor=CONSOLE, division_code=code, duty=duty, **more)
            if phone is not None:
                service.set_holder(session, actor=CONSOLE, post_id=post.id, name=name, phone=phone)
            return post

    return make


@pytest.fixture
def make_account(tree: Database) -> Callable[..., int]:
    """An open account with a name."""

    def make(username: str, name: str = "周某一", division: str = DISTRICT) -> int:
        with tree.write() as session:
            contact = contacts.create(session, name=name, phone="")
            account = Account(
                id=new_id(), username=username, contact_id=contact.id, roles=["duty-officer"], division_code=division,
                state=AccountState.ACTIVE, created_at=now(session), locale="zh",
            )  # fmt: skip
            session.add(account)
            session.flush()
            return account.id

    return make


@pytest.fixture
def pages(tree: Database, config: Config, officer: Actor) -> flask.Flask:
    """The two rooms' pages and JSON; `ACTOR` is signed in."""
    app = app_with(tree, config, [division_views, post_views], [divisions_api.blueprint, posts_api.blueprint])
    app.config["ACTOR"] = officer
    return app


@pytest.fixture
def browser(pages: flask.Flask) -> FlaskClient:
    return pages.test_client()
