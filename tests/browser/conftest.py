"""The product on a real socket with its demo district, and a real browser in front of it."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

CHROMIUM = os.environ.get("EMERGENCY_CHROMIUM", "/usr/bin/chromium")
PEOPLE = 1500
DISTRICT = "120118000000"


@dataclass(frozen=True)
class Product:
    """The running product."""

    app: Any
    runtime: Any
    address: str
    cookie: str
    """The signed session cookie of an account that holds every role, as no account of the product may."""
    cookies: dict[str, str]
    """The signed session cookies of the demo district's own accounts, by user name."""
    links: Any
    """Pages that only a link leads to."""


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    from werkzeug.serving import make_server

    from emergency import create_app, runtime, schema
    from emergency.commands.demo import SEEDS
    from emergency.config import Config
    from emergency.http.permissions import Role

    base = tmp_path_factory.mktemp("product")
    config = Config(base=base)
    built = runtime.build(config, create_keys=True)
    schema.metadata.create_all(built.database.engine)
    for room in SEEDS:
        if importlib.util.find_spec(f"{room}.seed") is None:
            continue
        seed = importlib.import_module(f"{room}.seed").seed
        seed(built.database, people=PEOPLE) if room.endswith("residents") else seed(built.database)
    app = create_app(built)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    address = f"http://127.0.0.1:{server.server_port}"
    built = replace(built, config=replace(config, server=replace(config.server, port=server.server_port)))
    app.extensions["emergency.config"] = built.config
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    stop = threading.Event()
    threads = [
        threading.Thread(target=server.serve_forever, daemon=True),
        threading.Thread(target=_beat, args=(built.database, stop), daemon=True),
    ]
    for thread in threads:
        thread.start()
    everybody, _all_roles = _sign_in(app, built.database, "everybody", "郑某九", list(Role))
    _cookie, author = _sign_in(app, built.database, "zhou", "周某一", [Role.DUTY_OFFICER])
    _cookie, approver = _sign_in(app, built.database, "gao", "高某二", [Role.APPROVER])
    links = _story().tell(built.database, author, approver, author.id)
    cookies = {
        name: _cookie_of(app, built.database, name)
        for name in ("duty", "approver", "liaison", "village", "audit", "planner")
    }
    yield Product(app, built, address, everybody, cookies, links)
    stop.set()
    server.shutdown()
    threads[1].join(10)
    server.server_close()
    built.close()


def _beat(database: Any, stop: threading.Event) -> None:
    """An engine's sign of life, so that the pages look as they do when the product runs whole."""
    from notify.models import EngineBeat

    started = datetime.now(UTC)
    pictured = bool(os.environ.get("EMERGENCY_SCREENSHOTS"))  # on pictures it also hands over, and no alarm stands
    while True:
        handed_over = datetime.now(UTC) if pictured else None
        with database.write() as session:
            beat = session.get(EngineBeat, "engine-1")
            if beat is None:
                session.add(EngineBeat(holder="engine-1", host="demo", pid=1, started_at=started, beat_at=started,
                                       last_handed_over_at=handed_over))  # fmt: skip
            else:
                beat.beat_at, beat.last_handed_over_at = datetime.now(UTC), handed_over
        if stop.wait(5):
            return


def _sign_in(app: Any, database: Any, username: str, name: str, roles: list[Any]) -> tuple[str, Any]:
    """The session's cookie and the actor of a new account."""
    from emergency.http.actor import Actor
    from emergency.people.accounts import lookups, service, sessions
    from emergency.people.accounts.models import SignInMethod
    from emergency.people.accounts.sessions import Origin

    with database.write() as session:
        account = service.create_user(
            session, actor=Actor.system("test"), username=username, name=name, roles=roles[:1], division_code=DISTRICT
        )
        account.roles = [role.value for role in roles]
        key = sessions.begin(session, account=account, method=SignInMethod.PASSWORD, origin=Origin("127.0.0.1", "test"))
    return _sealed(app, key), lookups.actor_of(account, name)


def _cookie_of(app: Any, database: Any, username: str) -> str:
    """The session's cookie of an account of the demo district."""
    from emergency.people.accounts import lookups, sessions
    from emergency.people.accounts.models import SignInMethod
    from emergency.people.accounts.sessions import Origin

    with database.write() as session:
        account = lookups.find(session, username)
        return _sealed(
            app,
            sessions.begin(session, account=account, method=SignInMethod.PASSWORD, origin=Origin("127.0.0.1", "test")),
        )


def _sealed(app: Any, key: str) -> str:
    serializer = app.session_interface.get_signing_serializer(app)
    return str(serializer.dumps({"_user_id": key, "_fresh": True}))


def _story() -> Any:
    spec = importlib.util.spec_from_file_location("browser_story", Path(__file__).with_name("story.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules["browser_story"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Where the page of an argument finds a row to show: by the first part of the path, then by the argument's name.
TABLES = {
    "accounts": {"account_id": "account"},
    "warnings": {"warning_id": "warning", "id": "warning", "id_": "warning"},
    "plans": {"plan_id": "plan", "version_id": "plan_version", "id": "plan", "id_": "plan"},
    "supplies": {"item_id": "supply_item", "depot_id": "depot", "lot_id": "lot", "agreement_id": "agreement"},
    "drills": {"programme_id": "drill_programme", "occurrence_id": "drill_occurrence", "rule_id": "drill_rule",
               "finding_id": "drill_finding", "action_id": "drill_corrective_action", "inject_id": "drill_inject",
               "proposal_id": "drill_year_proposal", "item_id": "drill_proposal_item", "id": "drill_occurrence"},
    "posts": {"post_id": "post", "id": "post"},
    "roster": {"shift_id": "duty_shift", "id": "duty_shift"},
    "residents": {"resident_id": "resident", "id": "resident"},
    "units": {"unit_id": "unit", "id": "unit"},
    "questions": {"question_id": "question", "id": "question"},
    "readiness": {"defect_id": "defect", "id": "defect"},
    "system": {"delivery_id": "delivery", "broadcast_id": "broadcast"},
    "journal": {"seq": "journal_entry", "id": "journal_entry"},
}  # fmt: skip
ANYWHERE = {name: table for tables in TABLES.values() for name, table in tables.items() if not name.startswith("id")}


CHOSEN = {
    "plan": "SELECT min(p.id) FROM plan p JOIN plan_version v ON v.plan_id = p.id"
    " WHERE p.division_code LIKE '120118%' AND v.state = 'draft'",
    "plan_version": "SELECT v.id FROM plan_version v JOIN plan p ON v.plan_id = p.id"
    " WHERE p.division_code LIKE '120118%' AND v.state = 'draft' ORDER BY p.id LIMIT 1",
    "drill_occurrence": "SELECT min(occurrence_id) FROM drill_day WHERE state = 'ready'",
}
"""Plans that the district's own people may write: not the city's, and one that has a draft. A drill whose day is near."""


def sample(product: Product, rule: Any) -> dict[str, Any] | None:
    """Arguments for one route from rows of the demo district, or None where it has none to show."""
    first = rule.rule.split("/")[1]
    values: dict[str, Any] = {}
    for name in rule.arguments:
        if name in ("code", "division_code"):
            values[name] = "120118104000"
            continue
        table = TABLES.get(first, {}).get(name) or ANYWHERE.get(name)
        found = _first(product.runtime.database, table) if table else None
        if found is None:
            return None
        values[name] = found
    return values


def _first(database: Any, table: str) -> Any:
    from kernel.db import metadata

    if table not in metadata.tables:
        return None
    (key, *_rest) = metadata.tables[table].primary_key.columns
    query = sa.select(sa.func.min(key))
    if table in CHOSEN:
        query = sa.text(CHOSEN[table])  # type: ignore[assignment]
    with database.read() as session:
        return session.scalar(query)


FRAGMENT = re.compile(r"/live$|^/drills/programmes/(dates|units)$")
"""What a page fetches to renew a part of itself: it has no heading of its own."""
NOT_PAGES = (
    "/static/",
    "/api/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/cap/",
    "/calendar/",
    "/webhooks/",
    "/favicon",
    "/gateway",
    "/plans/pick",  # a list to choose from, asked for by a form with its own words
    "/plans/unlisted/add",
    "/public/plans/",
)


@pytest.fixture(scope="session")
def pages(product: Product) -> list[str]:
    """Every GET page of the product that has something to show, by its address."""
    adapter = product.app.url_map.bind("localhost")
    found = set()
    for rule in product.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.rule.startswith(NOT_PAGES) or FRAGMENT.search(rule.rule):
            continue
        values = sample(product, rule)
        if values is not None:
            found.add(adapter.build(rule.endpoint, values))
    return sorted(found | {path for path in product.links.more if _serves(adapter, path)})


def _serves(adapter: Any, path: str) -> bool:
    from werkzeug.exceptions import HTTPException

    try:
        adapter.match(path, method="GET")
    except HTTPException:
        return False
    return True


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, product: Product) -> Iterator[Any]:
    """`visit(language, width)` gives a browser tab of a signed-in person."""
    contexts = []

    def open_tab(
        language: str = "zh",
        width: int = 1280,
        height: int = 900,
        *,
        signed_in: bool = True,
        who: str = "",
        **more: Any,
    ) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", base_url=product.address, **more
        )
        cookies = [{"name": "language", "value": language, "url": product.address}]
        if signed_in:
            cookies.append(
                {"name": "session", "value": product.cookies.get(who, product.cookie), "url": product.address}
            )
        context.add_cookies(cookies)
        contexts.append(context)
        return context.new_page()

    yield open_tab
    for context in contexts:
        context.close()
