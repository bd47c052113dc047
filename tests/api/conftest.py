"""A small app with the real edge and a blueprint that fails in every way a room can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency import TEMPLATES, api, web
from emergency.config import Config
from emergency.divisions import rules
from emergency.divisions.models import Division
from emergency.http import csrf, errors, i18n, request
from emergency.http.actor import Actor
from emergency.http.api import Blueprint, CursorArgs, MethodView, Moment, Page, Schema, fields, idempotent, page_of
from emergency.http.paging import paginate
from emergency.http.permissions import Permission, Role, public, requires
from emergency.http.request import current_actor, session
from emergency.people.accounts import api as accounts_api
from emergency.people.accounts import service, web_session
from emergency.privacy import journal
from kernel.db import Database, touch
from kernel.errors import N_, Conflict, Forbidden, Invalid

DISTRICT = "120118000000"


class ThingIn(Schema):
    """A thing."""

    n = fields.Integer(required=True)
    at = Moment()
    note = fields.String()


class ThingOut(Schema):
    """A thing as stored."""

    n = fields.Integer()
    by = fields.String()


class DivisionOut(Schema):
    """A code."""

    code = fields.String()


def things() -> Blueprint:
    blueprint = Blueprint("api_things", __name__, url_prefix="/api/v1/things", description="Things")

    @blueprint.route("")
    class Things(MethodView):
        @requires(Permission.DIVISIONS_VIEW)
        @blueprint.arguments(CursorArgs, location="query")
        @blueprint.response(200, page_of(DivisionOut))
        def get(self, args: dict[str, Any]) -> Page[Any]:
            """List things"""
            return paginate(session(), sa.select(Division), key=[Division.code], **args)

        @requires(Permission.WARNINGS_DRAFT)
        @idempotent
        @blueprint.arguments(ThingIn)
        @blueprint.response(201, ThingOut)
        def post(self, data: dict[str, Any]) -> dict[str, Any]:
            """Make a thing"""
            if data["n"] < 0:
                raise Invalid(N_("Choose at least one role."), code="negative", fields={"n": "Fill this in."})
            touch(session(), "thing", data["n"])
            journal.record(session(), journal.MAINTAINED, actor=current_actor(), what="thing", count=data["n"])
            return {"n": data["n"], "by": str(current_actor())}

    @blueprint.route("/<how>")
    class Fails(MethodView):
        @requires(Permission.SIGNED_IN)
        def get(self, how: str) -> Any:
            """Fail"""
            return _fail(how)

        @requires(Permission.SIGNED_IN)
        def post(self, how: str) -> Any:
            """Change something, then fail"""
            touch(session(), "thing", 77)
            session().flush()
            return _fail(how)

    return blueprint


def _fail(how: str) -> Any:
    if how == "conflict":
        raise Conflict(N_("There is no account named %(name)s."), name="x")
    if how == "four-eyes":
        raise Forbidden(N_("Choose at least one role."), code="four_eyes")
    if how == "locked":
        raise sa.exc.OperationalError("UPDATE x", {}, Exception("database is locked"))
    if how == "gone":
        raise sa.exc.OperationalError("SELECT 1", {"phone": "17900000102"}, Exception("server closed the connection"))
    if how == "clash":
        raise sa.exc.IntegrityError("INSERT", {"phone": "17900000102"}, Exception("UNIQUE"))
    if how == "bug":
        raise ValueError("the number 17900000102 of 周某一 made this fail")
    return flask.abort(int(how))


@pytest.fixture
def app(database: Database, config: Config) -> Iterator[flask.Flask]:
    made = flask.Flask("emergency", template_folder=str(TEMPLATES), static_folder=None)
    made.config.update(SECRET_KEY="test")
    made.extensions["emergency.database"] = database
    made.extensions["emergency.config"] = config
    i18n.install(made, "en")
    errors.install(made)
    request.install(made)
    csrf.install(made)
    web_session.bind(made, config.security)
    web_session.install(made)
    web.install(made)

    @made.get("/fails/<how>")
    @public("only here")
    def page_fails(how: str) -> Any:
        return _fail(how)

    @made.post("/fails/<how>")
    @public("only here")
    def page_fails_after_work(how: str) -> Any:
        touch(session(), "thing", 77)
        session().flush()
        return _fail(how)

    made.config["WTF_CSRF_ENABLED"] = False
    api.install(made, [accounts_api.blueprint, things()])
    with database.write() as writing:
        for code, name, level, parent in (
            ("120000000000", "天津市", 1, None),
            ("120100000000", "市辖区", 2, "120000000000"),
            (DISTRICT, "静海区", 3, "120100000000"),
        ):
            writing.add(Division(code=code, name=name, level=level, parent_code=parent, prefix=rules.prefix(code)))
            writing.flush()
    yield made


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def bearer(database: Database, app: flask.Flask) -> Callable[..., dict[str, str]]:
    """The header of a fresh account with these roles."""

    def make(*roles: Role, username: str = "duty") -> dict[str, str]:
        console = Actor.system("test")
        with database.write() as writing:
            account = service.find(writing, username) or service.create_user(
                writing, actor=console, username=username, roles=roles or (Role.DUTY_OFFICER,), division_code=DISTRICT
            )
            raw = service.create_token(writing, actor=console, account=account, name="test")
        return {"Authorization": f"Bearer {raw}"}

    return make
