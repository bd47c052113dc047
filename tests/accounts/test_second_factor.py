from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
import sqlalchemy as sa

from emergency.http.permissions import Role
from emergency.people.accounts import service
from emergency.people.accounts.models import LinkPurpose
from kernel.clock import ManualClock
from kernel.db import Database
from tests.accounts.conftest import PASSWORD, Browser

Open = Callable[..., Browser]
Person = Callable[..., Any]


def code(totp: Any, clock: ManualClock, offset: int = 0) -> str:
    return str(totp.at(int(clock.now().timestamp()) + offset))


def ready(browser: Open, person: Person, with_factor: Any, clock: ManualClock) -> tuple[Browser, Any, list[str]]:
    """A person with the factor set up, signed out, in the next half minute."""
    person("duty")
    me = browser()
    me.sign_in("duty")
    totp, codes = with_factor(me)
    me.get("/account")
    me.post("/sign-out")
    clock.advance(60)
    return me, totp, codes


def test_after_the_password_comes_the_code(browser: Open, person: Person, with_factor: Any, clock: ManualClock) -> None:
    me, totp, codes = ready(browser, person, with_factor, clock)
    assert len(codes) == 10
    answer = me.sign_in("duty")
    assert answer.location == "/sign-in/code?next=/"
    assert not me.is_in, "the password alone opens nothing"
    me.get("/sign-in/code")
    assert me.post("/sign-in/code", {"code": code(totp, clock)}).status_code == 303
    assert me.is_in


def test_no_code_is_good_twice(browser: Open, person: Person, with_factor: Any, clock: ManualClock) -> None:
    me, totp, _codes = ready(browser, person, with_factor, clock)
    now = code(totp, clock)
    me.sign_in("duty")
    me.get("/sign-in/code")
    assert me.post("/sign-in/code", {"code": now}).status_code == 303
    other = browser("192.0.2.60")
    other.sign_in("duty")
    other.get("/sign-in/code")
    assert other.post("/sign-in/code", {"code": now}).status_code == 401
    assert other.post("/sign-in/code", {"code": code(totp, clock, -30)}).status_code == 401, "nor an older one"
    clock.advance(30)
    assert other.post("/sign-in/code", {"code": code(totp, clock)}).status_code == 303


def test_the_code_of_the_set_up_is_used_up_too(
    browser: Open, person: Person, with_factor: Any, clock: ManualClock
) -> None:
    person("duty")
    me = browser()
    me.sign_in("duty")
    totp, _codes = with_factor(me)
    other = browser("192.0.2.60")
    other.sign_in("duty")
    other.get("/sign-in/code")
    assert other.post("/sign-in/code", {"code": code(totp, clock)}).status_code == 401


def test_a_recovery_code_opens_once(browser: Open, person: Person, with_factor: Any, clock: ManualClock) -> None:
    me, _totp, codes = ready(browser, person, with_factor, clock)
    me.sign_in("duty")
    me.get("/sign-in/code")
    assert me.post("/sign-in/code", {"code": codes[3].upper().replace("-", " ")}).status_code == 303
    other = browser("192.0.2.60")
    other.sign_in("duty")
    other.get("/sign-in/code")
    assert other.post("/sign-in/code", {"code": codes[3]}).status_code == 401
    assert other.post("/sign-in/code", {"code": codes[4]}).status_code == 303


def test_new_recovery_codes_replace_the_old(
    browser: Open, person: Person, with_factor: Any, clock: ManualClock
) -> None:
    person("duty")
    me = browser()
    me.sign_in("duty")
    _totp, codes = with_factor(me)
    me.get("/account")
    page = me.post("/account/second-factor/codes").get_data(as_text=True)
    assert codes[0] not in page
    assert page.count("<li><code>") == 10
    other = browser("192.0.2.60")
    other.sign_in("duty")
    other.get("/sign-in/code")
    assert other.post("/sign-in/code", {"code": codes[0]}).status_code == 401


def test_codes_cannot_be_guessed_from_many_addresses(
    browser: Open, person: Person, with_factor: Any, clock: ManualClock
) -> None:
    ready(browser, person, with_factor, clock)
    refused = []
    for last in range(1, 9):
        attacker = browser(f"203.0.113.{last}")
        attacker.sign_in("duty")
        attacker.get("/sign-in/code")
        refused.append(attacker.post("/sign-in/code", {"code": f"00000{last}"}).status_code)
    assert refused[:5] == [401] * 5
    assert set(refused[5:]) == {429}


def test_the_second_step_does_not_wait_for_ever(
    browser: Open, person: Person, with_factor: Any, clock: ManualClock
) -> None:
    me, totp, _codes = ready(browser, person, with_factor, clock)
    me.sign_in("duty")
    me.get("/sign-in/code")
    clock.advance(timedelta(minutes=6))
    answer = me.post("/sign-in/code", {"code": code(totp, clock)})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert not me.is_in


def test_a_link_stands_in_for_the_password_never_for_the_factor(
    browser: Open, person: Person, with_factor: Any, clock: ManualClock, link_for: Any, database: Database
) -> None:
    me, totp, _codes = ready(browser, person, with_factor, clock)
    with database.read() as session:
        account = service.by_username(session, "duty")
    path = link_for(account, purpose=LinkPurpose.ENTRY)
    me.get(path)
    assert me.post(path).location == "/sign-in/code?next=/"
    assert not me.is_in
    me.get("/sign-in/code")
    me.post("/sign-in/code", {"code": code(totp, clock)})
    assert me.is_in


def test_setting_the_factor_up_ends_the_other_sessions(
    browser: Open, person: Person, with_factor: Any, clock: ManualClock
) -> None:
    person("duty")
    me, other = browser(), browser("192.0.2.60")
    me.sign_in("duty")
    other.sign_in("duty")
    with_factor(me)
    assert me.is_in
    assert not other.is_in


def test_a_wrong_code_turns_nothing_on(browser: Open, person: Person, database: Database) -> None:
    person("duty")
    me = browser()
    me.sign_in("duty")
    me.post("/account/second-factor/begin")
    me.get("/account/second-factor")
    assert me.post("/account/second-factor/confirm", {"code": "000000"}).status_code == 422
    with database.read() as session:
        assert not service.by_username(session, "duty").has_second_factor


def test_the_secret_is_sealed_and_its_picture_is_the_owners(
    site: flask.Flask, browser: Open, person: Person, database: Database
) -> None:
    person("duty")
    me = browser()
    me.sign_in("duty")
    assert me.get("/account/second-factor/picture.svg").status_code == 404
    me.post("/account/second-factor/begin")
    picture = me.get("/account/second-factor/picture.svg")
    assert picture.mimetype == "image/svg+xml"
    assert b"<svg" in picture.data
    assert b"script" not in picture.data
    page = me.get("/account/second-factor").get_data(as_text=True)
    secret = page.split('<code class="secret">')[1].split("<")[0].replace(" ", "")
    with database.read() as session:
        sealed = session.execute(sa.text("SELECT totp_sealed FROM account")).scalar_one()
    assert secret.encode() not in bytes(sealed)
    assert site.test_client().get("/account/second-factor/picture.svg").status_code == 303


def test_taking_it_off_needs_a_code(browser: Open, person: Person, with_factor: Any, clock: ManualClock) -> None:
    person("duty")
    me = browser()
    me.sign_in("duty")
    totp, _codes = with_factor(me)
    me.get("/account/second-factor")
    assert me.post("/account/second-factor/remove", {"code": "123456"}).status_code == 422
    clock.advance(60)
    assert me.post("/account/second-factor/remove", {"code": code(totp, clock)}).status_code == 303
    me.get("/account")
    me.post("/sign-out")
    assert me.sign_in("duty").location == "/"


def test_where_it_is_demanded_nothing_else_opens_before(
    strict_site: flask.Flask, person: Person, with_factor: Any
) -> None:
    person("admin", Role.ADMINISTRATOR)
    me = Browser(strict_site)
    me.get("/sign-in")
    me.post("/sign-in", {"username": "admin", "password": PASSWORD})
    for path in ("/", "/accounts", "/account", "/account/tokens", "/account/sessions"):
        answer = me.get(path)
        assert (answer.status_code, answer.location) == (303, "/account/second-factor"), path
    assert me.get("/account/second-factor").status_code == 200
    with_factor(me)
    assert me.get("/accounts").status_code == 200
    page = me.get("/account/second-factor")
    assert page.status_code == 200
    assert me.post("/account/second-factor/remove", {"code": "123456"}).status_code == 422


def test_the_administrator_takes_a_lost_factor_off(
    browser: Open, person: Person, with_factor: Any, clock: ManualClock, database: Database
) -> None:
    me, _totp, _codes = ready(browser, person, with_factor, clock)
    person("admin", Role.ADMINISTRATOR)
    admin = browser("192.0.2.99")
    admin.sign_in("admin")
    with database.read() as session:
        account_id = service.by_username(session, "duty").id
    admin.get("/account")
    assert admin.post(f"/accounts/{account_id}/second-factor").status_code == 303
    assert me.sign_in("duty").location == "/"
