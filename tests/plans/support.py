"""A small district for the tests of plans, supplies and drills, and the people who work there."""

from __future__ import annotations

import flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from emergency.divisions import rules
from emergency.divisions.models import Division, Unit, UnitKind, UnitSector
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.contacts import service as contacts
from emergency.people.posts.models import Duty, Post, PostHolder, PostState
from kernel.db import now
from kernel.ids import new_id

CITY, DISTRICT = "120000000000", "120118000000"
TAITOU, DULIU = "120118104000", "120118102000"
YIHE, NANBATAI, YOUHAO = "120118104201", "120118104202", "120118102201"
PLACES = (
    (CITY, "天津市", 1, None),
    ("120100000000", "市辖区", 2, CITY),
    (DISTRICT, "静海区", 3, "120100000000"),
    (DULIU, "独流镇", 4, DISTRICT),
    (TAITOU, "台头镇", 4, DISTRICT),
    (YIHE, "义和村委会", 5, TAITOU),
    (NANBATAI, "南坝台村委会", 5, TAITOU),
    (YOUHAO, "友好街村委会", 5, DULIU),
)


def person(*roles: Role, division: str = DISTRICT, id: int = 1) -> Actor:
    """An account's actor."""
    return Actor(
        kind="account", id=id, name="周某一", roles=frozenset(roles), division_prefix=rules.prefix(division),
        division_code=division,
    )  # fmt: skip


def places(session: Session) -> None:
    """The divisions."""
    for code, name, level, parent in PLACES:
        session.add(Division(code=code, name=name, level=level, parent_code=parent, prefix=rules.prefix(code)))
        session.flush()


def add_unit(session: Session, name: str, code: str, kind: UnitKind, *sectors: str, key_fire: bool = False) -> Unit:
    """A unit with its sector tags."""
    unit = Unit(
        id=new_id(), code=name, name=name, division_code=code, kind=kind, sectors=list(sectors), key_fire=key_fire,
        crowded=False, low_lying=False,
    )  # fmt: skip
    session.add(unit)
    session.flush()
    session.add_all(UnitSector(unit_id=unit.id, sector=sector) for sector in sectors)
    session.flush()
    return unit


def add_post(session: Session, code: str, duty: Duty, phone: str) -> int:
    """A held post with one number."""
    post = Post(id=new_id(), division_code=code, duty=duty, responsible=True, state=PostState.HELD, version=1, title="")
    session.add(post)
    session.flush()
    contact = contacts.create(session, name="张某一", phone=phone)
    session.add(PostHolder(id=new_id(), post_id=post.id, contact_id=contact.id, order=0, since=now(session)))
    session.flush()
    return post.id


def signed_in(app: flask.Flask, actor: Actor, language: str = "zh") -> FlaskClient:
    """A browser in which this person is signed in; the sign-in itself is tested elsewhere."""
    app.config["WTF_CSRF_ENABLED"] = False

    @app.before_request
    def _as() -> None:
        flask.g.actor = actor

    client = app.test_client()
    client.set_cookie("language", language)
    return client
