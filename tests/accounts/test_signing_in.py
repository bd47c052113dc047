from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import argon2
import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.http.permissions import Role
from emergency.people.accounts import service
from emergency.people.accounts.models import AccountState, EndReason, FailedAttempts, LinkPurpose, SignIn
from emergency.people.accounts.passwords import Gate, Hasher
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import TooMany
from tests.accounts.conftest import CHEAP, PASSWORD, Browser

Open = Callable[..., Browser]
Person = Callable[..., Any]


def test_name_and_password_open_the_door(browser: Open, person: Person, journalled: Any) -> None:
    person("duty")
    me = browser()
    answer = me.sign_in("duty")
    assert (answer.status_code, answer.location) == (303, "/")
    assert me.is_in
    assert "account.signed_in" in journalled()


def test_the_name_is_taken_in_any_case(browser: Open, person: Person) -> None:
    person("duty")
    assert browser().sign_in(" Duty ").status_code == 303


def test_a_wrong_password_and_an_unknown_name_look_the_same(browser: Open, person: Person) -> None:
    person("known-name")
    wrong = browser("192.0.2.7").sign_in("known-name", "falsch und lang genug")
    unknown = browser("192.0.2.8").sign_in("other-name", "falsch und lang genug")
    assert wrong.status_code == unknown.status_code == 401

    def plain(answer: Any, name: str) -> str:
        page = answer.get_data(as_text=True).replace(name, "X")
        return "\n".join(line for line in page.splitlines() if "csrf_token" not in line and "data-clock" not in line)

    assert plain(wrong, "known-name") == plain(unknown, "other-name")


def test_an_unknown_name_costs_the_same_work_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Hasher(time_cost=1, memory_kib=8192)
    stored = hasher.hash(PASSWORD)
    work: list[argon2.Parameters] = []
    verify = argon2.PasswordHasher.verify

    def noted(self: argon2.PasswordHasher, stored: str, password: str) -> bool:
        work.append(argon2.extract_parameters(stored))
        return verify(self, stored, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", noted)
    assert not hasher.verify(stored, "something else")
    assert not hasher.verify(None, "something else")
    known, unknown = work
    assert known == unknown


def test_the_password_is_the_same_from_every_input_method(browser: Open, person: Person) -> None:
    person("duty", password="ｆｕｌｌ　ｗｉｄｔｈ１２３４")
    assert browser().sign_in("duty", "full width1234").status_code == 303


def test_the_session_key_is_new_at_every_sign_in_and_useless_after_the_end(
    site: flask.Flask, browser: Open, person: Person
) -> None:
    person("duty")
    me = browser()
    me.get("/sign-in")
    before = me.cookie("session")
    me.sign_in("duty")
    during = me.cookie("session")
    assert before != during
    stolen = site.test_client()
    assert during is not None
    stolen.set_cookie("session", during)
    assert stolen.get("/account").status_code == 200
    me.post("/sign-out")
    assert stolen.get("/account").status_code == 303
    assert not me.is_in


def test_the_form_token_of_before_the_sign_in_is_worth_nothing_after(browser: Open, person: Person) -> None:
    person("duty")
    me = browser()
    me.get("/sign-in")
    old = me.token
    me.post("/sign-in", {"username": "duty", "password": PASSWORD})
    me.token = old
    assert me.post("/account/language", {"language": "en"}).status_code == 400


def test_a_form_without_its_token_changes_nothing(site: flask.Flask, browser: Open, person: Person) -> None:
    person("duty")
    client: FlaskClient = site.test_client()
    answer = client.post("/sign-in", data={"username": "duty", "password": PASSWORD})
    assert answer.status_code == 400


def test_the_cookie_is_closed_to_scripts_and_other_sites(site: flask.Flask, person: Person) -> None:
    client = site.test_client()
    header = client.get("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header


def test_a_session_ends_when_idle(browser: Open, person: Person, clock: ManualClock, database: Database) -> None:
    person("duty")
    me = browser()
    me.sign_in("duty")
    clock.advance(timedelta(minutes=29))
    assert me.is_in
    clock.advance(timedelta(minutes=31))
    assert not me.is_in
    with database.read() as session:
        assert session.scalars(sa.select(SignIn.end_reason)).all() == [EndReason.IDLE]


def test_a_session_ends_after_its_hours_however_busy(browser: Open, person: Person, clock: ManualClock) -> None:
    person("duty")
    me = browser()
    me.sign_in("duty")
    for _ in range(24):
        clock.advance(timedelta(minutes=29))
        assert me.is_in
    clock.advance(timedelta(minutes=25))
    assert not me.is_in


def test_being_seen_is_written_once_a_minute(
    browser: Open, person: Person, clock: ManualClock, database: Database
) -> None:
    person("duty")
    me = browser()
    me.sign_in("duty")

    def seen() -> Any:
        with database.read() as session:
            return session.scalar(sa.select(SignIn.last_seen_at))

    first = seen()
    clock.advance(30)
    me.get("/account")
    assert seen() == first
    clock.advance(31)
    me.get("/account")
    assert seen() == clock.now()


def test_reading_writes_nothing(browser: Open, person: Person, database: Database) -> None:
    person("duty")
    me = browser()
    me.sign_in("duty")
    writes = []
    sa.event.listen(
        database.engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_rest: (
            writes.append(statement) if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")) else None
        ),
    )
    me.get("/account")
    assert writes == []


def test_a_stranger_is_sent_to_the_door_and_back_to_where_he_wanted(browser: Open, person: Person) -> None:
    person("duty")
    me = browser()
    sent = me.get("/account/tokens?x=1")
    assert (sent.status_code, sent.location) == (303, "/sign-in?next=%2Faccount%2Ftokens%3Fx%3D1")
    me.get(sent.location)
    answer = me.post("/sign-in", {"username": "duty", "password": PASSWORD, "next": "/account/tokens?x=1"})
    assert answer.location == "/account/tokens?x=1"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", ""])
def test_nobody_is_led_through_the_door_to_elsewhere(browser: Open, person: Person, target: str) -> None:
    person("duty")
    me = browser()
    me.get("/sign-in")
    answer = me.post("/sign-in", {"username": "duty", "password": PASSWORD, "next": target})
    assert answer.location == "/"


def test_the_next_person_at_a_browser_ends_the_session_before(
    browser: Open, person: Person, database: Database
) -> None:
    person("duty")
    person("planner", Role.PLANNER)
    me = browser()
    me.sign_in("duty")
    me.post("/sign-in", {"username": "planner", "password": PASSWORD})
    assert "planner" in me.get("/account").get_data(as_text=True)
    with database.read() as session:
        assert session.scalars(sa.select(SignIn.end_reason).order_by(SignIn.id)).all() == [EndReason.SIGNED_OUT, None]


# --- hammering ---------------------------------------------------------------------------------------------------


def hammer(attacker: Browser, times: int = 5, name: str = "duty") -> Any:
    answer = None
    for _ in range(times):
        answer = attacker.sign_in(name, "falsch und lang genug")
    return answer


def test_five_failures_make_that_address_wait_and_the_wait_grows(
    browser: Open, person: Person, clock: ManualClock
) -> None:
    person("duty")
    attacker = browser("203.0.113.9")
    assert hammer(attacker).status_code == 401
    locked = attacker.sign_in("duty")
    assert locked.status_code == 429, "the right password does not help from there now"
    assert "1 minutes" in locked.get_data(as_text=True)
    clock.advance(61)
    assert attacker.sign_in("duty", "noch einmal falsch!").status_code == 401
    clock.advance(61)
    assert attacker.sign_in("duty").status_code == 429, "the second wait is two minutes"
    clock.advance(61)
    assert attacker.sign_in("duty").status_code == 303


def test_an_attacker_who_hammers_the_name_does_not_shut_the_duty_officer_out(browser: Open, person: Person) -> None:
    person("duty")
    for last in range(1, 15):
        hammer(browser(f"203.0.113.{last}"), 6)
    assert browser("192.0.2.1").sign_in("duty").status_code == 303


def test_behind_one_shared_address_the_known_machine_still_gets_in(browser: Open, person: Person) -> None:
    person("duty")
    mine = browser("198.51.100.1")
    assert mine.sign_in("duty").status_code == 303
    mine.post("/sign-out")
    hammer(browser("198.51.100.1"), 8)
    assert browser("198.51.100.1").sign_in("duty").status_code == 429
    assert mine.sign_in("duty").status_code == 303


def test_a_forged_known_machine_is_a_stranger(browser: Open, person: Person) -> None:
    account = person("duty")
    attacker = browser("203.0.113.9")
    attacker.client.set_cookie("known", f"abc.{account.id}.forged", path="/sign-in")
    hammer(attacker)
    assert attacker.sign_in("duty").status_code == 429


def test_a_one_time_link_opens_while_the_address_waits(browser: Open, person: Person, link_for: Any) -> None:
    account = person("duty")
    me = browser()
    hammer(me, 7)
    assert me.sign_in("duty").status_code == 429
    path = link_for(account, purpose=LinkPurpose.ENTRY)
    me.get(path)
    assert me.post(path).status_code == 303
    assert me.is_in


def test_while_waiting_nothing_is_written(browser: Open, person: Person, database: Database, journalled: Any) -> None:
    person("duty")
    attacker = browser("203.0.113.9")
    hammer(attacker)
    before = len(journalled())
    hammer(attacker, 10)
    assert len(journalled()) == before


def test_one_address_cannot_try_every_name(browser: Open, person: Person) -> None:
    person("duty")
    attacker = browser("203.0.113.9")
    for number in range(50):
        attacker.sign_in(f"name{number}", "falsch und lang genug")
    assert attacker.sign_in("another").status_code == 429


def test_what_was_typed_in_vain_is_not_readable_in_the_database(
    browser: Open, person: Person, database: Database
) -> None:
    browser("203.0.113.9").sign_in("mein Passwort aus Versehen", "x" * 12)
    with database.read() as session:
        row = session.scalars(sa.select(FailedAttempts)).first()
        assert row is not None
        assert len(row.bucket) == 32


def test_a_flood_waits_at_the_gate_and_a_known_machine_does_not() -> None:
    gate = Gate(strangers=1, known=1, patience_seconds=0.01)
    with gate.enter(known=False):
        with pytest.raises(TooMany), gate.enter(known=False):
            pass
        with gate.enter(known=True):
            pass


def test_no_password_is_hashed_while_a_transaction_is_open(
    site: flask.Flask, browser: Open, person: Person, database: Database
) -> None:
    person("duty")
    open_now = {"transactions": 0}
    sa.event.listen(
        database.engine, "begin", lambda _c: open_now.__setitem__("transactions", open_now["transactions"] + 1)
    )
    for name in ("commit", "rollback"):
        sa.event.listen(
            database.engine, name, lambda _c: open_now.__setitem__("transactions", open_now["transactions"] - 1)
        )
    seen = []

    class Watching(Hasher):
        def verify(self, stored: str | None, password: str) -> bool:
            seen.append(open_now["transactions"])
            return CHEAP.verify(stored, password)

        def hash(self, password: str) -> str:
            seen.append(open_now["transactions"])
            return CHEAP.hash(password)

    site.extensions["emergency.hasher"] = Watching(time_cost=1, memory_kib=64)
    me = browser()
    me.sign_in("duty")
    me.get("/account/password")
    me.post(
        "/account/password", {"current": PASSWORD, "password": "ein ganz neuer Satz", "again": "ein ganz neuer Satz"}
    )
    assert seen == [0, 0, 0]


# --- links -------------------------------------------------------------------------------------------------------


def test_a_first_link_opens_once_and_asks_for_a_password(browser: Open, person: Person, link_for: Any) -> None:
    account = person("duty", password=None)
    path = link_for(account)
    me = browser()
    assert me.get(path).status_code == 200
    answer = me.post(path)
    assert (answer.status_code, answer.location) == (303, "/account/password")
    assert browser("192.0.2.9").post(path).status_code == 410
    me.get("/account/password")
    new = "der Deich bei Taitou haelt"
    assert me.post("/account/password", {"password": new, "again": new}).status_code == 303
    assert browser("192.0.2.3").sign_in("duty", new).status_code == 303


def test_looking_at_a_link_does_not_use_it(browser: Open, person: Person, link_for: Any) -> None:
    path = link_for(person("duty", password=None))
    for _ in range(3):
        assert browser().get(path).status_code == 200
    assert browser().post(path).status_code == 303


def test_a_link_runs_out_and_a_newer_one_replaces_it(
    browser: Open, person: Person, link_for: Any, clock: ManualClock
) -> None:
    account = person("duty", password=None)
    old = link_for(account)
    new = link_for(account)
    assert browser().get(old).status_code == 410
    clock.advance(timedelta(hours=49))
    assert browser().get(new).status_code == 410
    assert browser().post(new).status_code == 410


def test_a_link_is_not_readable_in_the_database(
    database: Database, person: Person, link_for: Any, tmp_path: Any
) -> None:
    raw = link_for(person("duty", password=None)).rpartition("/")[2]
    with database.read() as session:
        for table in ("one_time_link", "journal_entry", "account"):
            rows = session.execute(sa.text(f"SELECT * FROM {table}")).all()
            assert raw not in str(rows)


def test_a_reset_link_needs_no_old_password_and_ends_other_sessions(
    browser: Open, person: Person, link_for: Any
) -> None:
    account = person("duty")
    elsewhere = browser("192.0.2.50")
    elsewhere.sign_in("duty")
    path = link_for(account)
    me = browser()
    me.get(path)
    assert me.post(path).location == "/account/password"
    assert "Present password" not in me.get("/account/password").get_data(as_text=True)
    new = "der Deich bei Taitou haelt"
    me.post("/account/password", {"password": new, "again": new})
    assert me.is_in
    assert not elsewhere.is_in


def test_an_approver_lets_a_duty_officer_in_but_nobody_else(browser: Open, person: Person, journalled: Any) -> None:
    duty = person("duty")
    planner = person("planner", Role.PLANNER)
    person("approver", Role.APPROVER)
    me = browser()
    me.sign_in("approver")
    assert "duty" in me.get("/accounts/let-in").get_data(as_text=True)
    page = me.post(f"/accounts/let-in/{duty.id}").get_data(as_text=True)
    path = "/enter/" + page.split("/enter/")[1].split('"')[0]
    officer = browser("203.0.113.77")
    officer.get(path)
    assert officer.post(path).location == "/"
    assert me.post(f"/accounts/let-in/{planner.id}").status_code == 403
    assert "access.refused" in journalled()


def test_signing_in_makes_an_invited_account_active(
    database: Database, browser: Open, person: Person, link_for: Any
) -> None:
    account = person("duty", password=None)
    path = link_for(account)
    me = browser()
    me.get(path)
    me.post(path)
    with database.read() as session:
        assert service.get(session, account.id).state is AccountState.ACTIVE
