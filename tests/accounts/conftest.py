"""The door as the product wires it, with cheap password hashing and browsers that carry the form token."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import flask
import jinja2
import pyotp
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from emergency import TEMPLATES, api, web
from emergency.config import Config
from emergency.divisions import rules
from emergency.divisions.models import Division
from emergency.http import csrf, errors, i18n, request
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.accounts import api as accounts_api
from emergency.people.accounts import service, views, web_session
from emergency.people.accounts.models import Account
from emergency.people.accounts.passwords import Hasher
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from kernel.db import Database

DISTRICT = "120118000000"
TAITOU = "120118104000"
VILLAGE = "120118104201"
PASSWORD = "早上河堤上有三只白鹭飞过"
CONSOLE = Actor.system("test")
PLACES = (
    ("120000000000", "天津市", 1, None),
    ("120100000000", "市辖区", 2, "120000000000"),
    (DISTRICT, "静海区", 3, "120100000000"),
    ("120118100000", "静海镇", 4, DISTRICT),
    (TAITOU, "台头镇", 4, DISTRICT),
    (VILLAGE, "胜利村村委会", 5, TAITOU),
)
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
BYTECODE = jinja2.FileSystemBytecodeCache(tempfile.mkdtemp(prefix="templates-"))
CHEAP = Hasher(time_cost=1, memory_kib=64)


@pytest.fixture
def places(database: Database) -> None:
    with database.write() as session:
        for code, name, level, parent in PLACES:
            session.add(Division(code=code, name=name, level=level, parent_code=parent, prefix=rules.prefix(code)))
            session.flush()


@pytest.fixture
def hasher() -> Hasher:
    return CHEAP


def build_app(database: Database, config: Config, hasher: Hasher) -> flask.Flask:
    app = flask.Flask("emergency", template_folder=str(TEMPLATES), static_folder=None)
    app.jinja_options = {**app.jinja_options, "bytecode_cache": BYTECODE}
    app.config.update(SECRET_KEY="test", WTF_CSRF_TIME_LIMIT=None)
    app.extensions["emergency.database"] = database
    app.extensions["emergency.config"] = config
    app.extensions["emergency.hasher"] = hasher
    i18n.install(app, "en")
    errors.install(app)
    request.install(app)
    csrf.install(app)
    web_session.bind(app, config.security)
    web_session.install(app)
    web.install(app)
    app.register_blueprint(views.blueprint)
    api.install(app, [accounts_api.blueprint])
    return app


@pytest.fixture
def site(database: Database, config: Config, places: None, hasher: Hasher) -> flask.Flask:
    return build_app(database, config, hasher)


@pytest.fixture
def strict_site(database: Database, config: Config, places: None, hasher: Hasher) -> flask.Flask:
    """A site that demands a second factor of everybody."""
    security = dataclasses.replace(config.security, second_factor="required")
    strict = dataclasses.replace(config, security=security)
    database.attach("config", strict)
    return build_app(database, strict, hasher)


class Browser:
    """A browser at an address: keeps cookies, sends the form token that the last page carried."""

    def __init__(self, app: flask.Flask, address: str = "192.0.2.1"):
        self.client: FlaskClient = app.test_client()
        self.client.set_cookie("language", "en")
        self.address = address
        self.token = ""

    def _sent(self, answer: TestResponse) -> TestResponse:
        found = _TOKEN.search(answer.get_data(as_text=True)) if answer.mimetype == "text/html" else None
        if found:
            self.token = found.group(1)
        return answer

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self._sent(self.client.get(path, environ_base={"REMOTE_ADDR": self.address}, **kwargs))

    def post(self, path: str, data: dict[str, Any] | None = None) -> TestResponse:
        if not self.token:
            self.get("/sign-in")
        form = {"csrf_token": self.token, **(data or {})}
        return self._sent(self.client.post(path, data=form, environ_base={"REMOTE_ADDR": self.address}))

    def sign_in(self, username: str, password: str = PASSWORD) -> TestResponse:
        self.get("/sign-in")
        answer = self.post("/sign-in", {"username": username, "password": password})
        if answer.status_code == 303:
            self.get("/account")  # a fresh form token
        return answer

    @property
    def is_in(self) -> bool:
        return self.get("/account").status_code == 200

    def cookie(self, name: str) -> str | None:
        found = self.client.get_cookie(name, path="/sign-in" if name == "known" else "/")
        return found.value if found else None


@pytest.fixture
def browser(site: flask.Flask) -> Callable[..., Browser]:
    """Opens a browser at an address."""

    def open_one(address: str = "192.0.2.1") -> Browser:
        return Browser(site, address)

    return open_one


@pytest.fixture
def person(database: Database, config: Config, places: None) -> Callable[..., Account]:
    """Creates an account with a password (or without: `password=None`)."""

    def create(username: str, *roles: Role, division: str = DISTRICT, password: str | None = PASSWORD) -> Account:
        hashed = None
        if password is not None:
            hashed = service.hash_password(password, username=username, config=config, hasher=CHEAP)
        with database.write() as session:
            return service.create_user(
                session,
                actor=CONSOLE,
                username=username,
                roles=roles or (Role.DUTY_OFFICER,),
                division_code=division,
                name="周某一",
                phone="17900000102",
                password_hash=hashed,
            )

    return create


@pytest.fixture
def link_for(database: Database) -> Callable[..., str]:
    """The path of a fresh one-time link."""

    def make(account: Account, **kwargs: Any) -> str:
        with database.write() as session:
            url = service.make_link(session, actor=CONSOLE, account=service.get(session, account.id), **kwargs)
        return "/enter/" + url.rpartition("/")[2]

    return make


@pytest.fixture
def journalled(database: Database) -> Callable[[], list[str]]:
    """The kinds of all journal entries, in order."""

    def kinds() -> list[str]:
        with database.read() as session:
            return list(session.scalars(sa.select(JournalEntry.kind).order_by(JournalEntry.seq)))

    return kinds


@pytest.fixture
def with_factor(clock: ManualClock) -> Iterator[Callable[[Browser], tuple[pyotp.TOTP, list[str]]]]:
    """Sets up the second factor in a signed-in browser; gives the app and the recovery codes."""

    def set_up(who: Browser) -> tuple[pyotp.TOTP, list[str]]:
        who.post("/account/second-factor/begin")
        page = who.get("/account/second-factor").get_data(as_text=True)
        secret = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page)
        assert secret is not None
        totp = pyotp.TOTP(secret.group(1).replace(" ", ""))
        shown = who.post("/account/second-factor/confirm", {"code": totp.at(int(clock.now().timestamp()))})
        return totp, re.findall(r"<li><code>([a-z0-9-]+)</code></li>", shown.get_data(as_text=True))

    return set_up
