"""Places, posts and people for the tests of asking, readiness and oversight; and an app with their pages alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import Any

import flask
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.divisions import rules
from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.accounts.models import Account, AccountState
from emergency.people.contacts import service as contacts
from emergency.people.posts.models import Duty, Post, PostHolder, PostState
from kernel.db import Database, now
from kernel.ids import new_id
from tests.shell import shell

DISTRICT, TOWN, VILLAGE, OTHER_TOWN = "120118000000", "120118104000", "120118104201", "120118100000"
PLACES = (
    ("120000000000", "天津市", 1, None),
    ("120100000000", "市辖区", 2, "120000000000"),
    (DISTRICT, "静海区", 3, "120100000000"),
    (OTHER_TOWN, "静海镇", 4, DISTRICT),
    (TOWN, "台头镇", 4, DISTRICT),
    (VILLAGE, "义和村委会", 5, TOWN),
)


def person(*roles: Role, division: str = DISTRICT, id: int = 1) -> Actor:
    """An account's actor."""
    return Actor(
        kind="account", id=id, name="周某一", roles=frozenset(roles), division_prefix=rules.prefix(division),
        division_code=division,
    )  # fmt: skip


@dataclass
class World:
    """Ids of what `build` made."""

    posts: dict[str, int] = field(default_factory=dict)
    contacts: dict[str, int] = field(default_factory=dict)
    account: int = 0


def add_post(session: Session, world: World, name: str, code: str, duty: Duty, phones: Sequence[str | None]) -> int:
    """A post with its holder and deputies, by their numbers."""
    post = Post(id=new_id(), division_code=code, duty=duty, responsible=True, state=PostState.HELD, version=1, title="")
    session.add(post)
    session.flush()
    for order, phone in enumerate(phones):
        contact = contacts.create(session, name="张某一", phone=phone)
        world.contacts[f"{name}{order}"] = contact.id
        session.add(PostHolder(id=new_id(), post_id=post.id, contact_id=contact.id, order=order, since=now(session)))
    session.flush()
    world.posts[name] = post.id
    return post.id


def build(database: Database) -> World:
    """A district, two townships, one village; a village post with deputies, a township post above it, an account."""
    world = World()
    with database.write() as session:
        for code, name, level, parent in PLACES:
            session.add(Division(code=code, name=name, level=level, parent_code=parent, prefix=rules.prefix(code)))
            session.flush()
        add_post(session, world, "village", VILLAGE, Duty.GONG_KEEPER, ["15400000001", "15400000002", "15400000003"])
        add_post(session, world, "town", TOWN, Duty.FLOOD_CHIEF, ["15400000011"])
        add_post(session, world, "other", OTHER_TOWN, Duty.LIAISON, ["15400000021"])
        add_post(session, world, "silent", TOWN, Duty.LIAISON, [None, "15400000032"])
        contact = contacts.create(session, name="周某一", phone="15400000041")
        world.contacts["account"] = contact.id
        account = Account(
            id=new_id(), username="zhou", contact_id=contact.id, roles=[Role.APPROVER.value], division_code=DISTRICT,
            state=AccountState.ACTIVE, created_at=now(session), locale="zh",
        )  # fmt: skip
        session.add(account)
        session.flush()
        world.account = account.id
    return world


def app_with(
    database: Database, config: Config, modules: Iterable[ModuleType], apis: Iterable[Any] = ()
) -> flask.Flask:
    """An app with the shell and the given rooms' pages; `app.config["ACTOR"]` is signed in."""
    from emergency import api

    app = shell(database, config)
    for module in modules:
        for blueprint in getattr(module, "BLUEPRINTS", None) or (module.blueprint,):
            app.register_blueprint(blueprint)
    if apis:
        api.install(app, list(apis))
    return app


HOUR = timedelta(hours=1)
