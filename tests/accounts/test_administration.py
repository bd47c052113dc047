from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
import pytest
import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.http.permissions import Permission, Role
from emergency.people.accounts import defects, jobs, rules, seed, service
from emergency.people.accounts.models import AccountState, EndReason, OneTimeLink, SignIn
from emergency.people.posts.models import Duty, DutyShift, Post, PostHolder, PostState, ShiftRole
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from kernel.db import Database, Touched
from kernel.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from kernel.states import transition
from tests.accounts.conftest import CONSOLE, DISTRICT, PASSWORD, TAITOU, VILLAGE, Browser

Open = Callable[..., Browser]
Person = Callable[..., Any]


@pytest.fixture
def admin(browser: Open, person: Person) -> Browser:
    person("admin", Role.ADMINISTRATOR)
    me = browser("192.0.2.99")
    me.sign_in("admin")
    return me


def actor(account: Any) -> Actor:
    return service.actor_of(account)


def test_a_new_account_gets_a_link_and_no_password(admin: Browser, browser: Open, database: Database) -> None:
    admin.get("/accounts/new")
    page = admin.post(
        "/accounts/new",
        {
            "username": "liaison7",
            "name": "陈某七",
            "phone": "179 0000 0177",
            "roles": ["liaison"],
            "division_code": TAITOU,
        },
    ).get_data(as_text=True)
    found = re.search(r'value="http[^"]*(/enter/[^"]+)"', page)
    assert found is not None
    me = browser()
    me.get(found.group(1))
    assert me.post(found.group(1)).location == "/account/password"
    with database.read() as session:
        account = service.by_username(session, "liaison7")
        assert (account.password_hash, account.roles, account.division_code) == (None, ["liaison"], TAITOU)
    listed = admin.get("/accounts").get_data(as_text=True)
    assert "陈某某" in listed
    assert "陈某七" not in listed
    assert "179****0177" in listed


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("username", "张三", "Latin letter"),
        ("username", "17900000177", "Latin letter"),
        ("username", "admin", "already an account"),
        ("roles", [], "at least one role"),
        ("roles", ["administrator", "approver"], "stand alone"),
        ("roles", ["auditor", "planner"], "stand alone"),
        ("division_code", "120118999000", "no division"),
        ("division_code", "1201181", "no division"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field_and_kept_as_typed(
    admin: Browser, database: Database, field: str, value: Any, says: str
) -> None:
    form = {"username": "fresh7", "name": "陈某七", "roles": ["liaison"], "division_code": TAITOU, field: value}
    admin.get("/accounts/new")
    answer = admin.post("/accounts/new", form)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert says in page
    assert "陈某七" in page
    with database.read() as session:
        assert service.find(session, "fresh7") is None


def test_changed_roles_hold_from_the_next_click(admin: Browser, browser: Open, person: Person) -> None:
    account = person("duty", Role.PLANNER)
    me = browser()
    me.sign_in("duty")
    assert me.get("/accounts").status_code == 403
    admin.get(f"/accounts/{account.id}/edit")
    assert (
        admin.post(f"/accounts/{account.id}/edit", {"roles": ["administrator"], "division_code": DISTRICT}).status_code
        == 303
    )
    assert me.get("/accounts").status_code == 200


def test_the_last_administrator_stays(admin: Browser, database: Database, person: Person) -> None:
    with database.write() as session:
        account = service.by_username(session, "admin")
        with pytest.raises(Conflict) as refused:
            service.close(session, actor=CONSOLE, account_id=account.id)
        assert refused.value.code == "last_administrator"
        with pytest.raises(Conflict):
            service.edit(session, actor=CONSOLE, account_id=account.id, roles=[Role.PLANNER], division_code=DISTRICT)
    person("admin2", Role.ADMINISTRATOR)
    with database.write() as session:
        service.close(session, actor=CONSOLE, account_id=service.by_username(session, "admin").id)


def test_an_administrator_of_a_township_sees_and_makes_accounts_there_only(database: Database, person: Person) -> None:
    inside = person("village", Role.VILLAGE_OFFICER, division=VILLAGE)
    outside = person("duty")
    town = actor(person("townadmin", Role.ADMINISTRATOR, division=TAITOU))
    with database.read() as session:
        names = [found.username for found in service.list_accounts(session, actor=town).items]
        assert names == ["townadmin", "village"]
        assert service.seen(session, actor=town, account_id=inside.id).id == inside.id
        with pytest.raises(NotFound):
            service.seen(session, actor=town, account_id=outside.id)
    with database.write() as session, pytest.raises(Forbidden) as refused:
        service.create_user(session, actor=town, username="x7", roles=[Role.PLANNER], division_code=DISTRICT)
    assert refused.value.code == "out_of_scope"


def test_who_leaves_is_out_at_once(
    admin: Browser,
    browser: Open,
    person: Person,
    link_for: Any,
    database: Database,
    site: flask.Flask,
    clock: ManualClock,
) -> None:
    account = person("duty")
    me = browser()
    me.sign_in("duty")
    with database.write() as session:
        raw = service.create_token(session, actor=actor(account), account=account, name="Skript")
        post = Post(division_code=TAITOU, duty=Duty.LIAISON, state=PostState.HELD)
        session.add(post)
        session.flush()
        session.add(
            PostHolder(
                post_id=post.id, contact_id=account.contact_id, order=0, account_id=account.id, since=clock.now()
            )
        )
        session.add(DutyShift(division_code=DISTRICT, starts=clock.now(), ends=clock.now() + timedelta(hours=12), account_id=account.id, role=ShiftRole.OFFICER))  # fmt: skip
        post_id = post.id
    link = link_for(account)
    assert site.test_client().get("/api/v1/accounts/me", headers={"Authorization": f"Bearer {raw}"}).status_code == 200
    admin.get(f"/accounts/{account.id}")
    assert admin.post(f"/accounts/{account.id}/close", {"reason": "调离"}).status_code == 303
    told = admin.get(f"/accounts/{account.id}").get_data(as_text=True)
    assert "Posts that need another person: 1, shifts: 1" in told
    assert not me.is_in
    assert me.sign_in("duty").status_code == 401
    assert browser().get(link).status_code == 410
    assert site.test_client().get("/api/v1/accounts/me", headers={"Authorization": f"Bearer {raw}"}).status_code == 401
    with database.read() as session:
        assert (("post", post_id)) in [(t.kind, t.subject_id) for t in session.scalars(sa.select(Touched))]
        with pytest.raises(DomainError):
            service.make_link(session, actor=CONSOLE, account=service.get(session, account.id))


def test_a_closed_account_stays_closed(database: Database, person: Person) -> None:
    account = person("duty")
    with database.write() as session:
        service.close(session, actor=CONSOLE, account_id=account.id)
    for state in AccountState:
        with database.write() as session, pytest.raises(DomainError):
            transition(session, service.get(session, account.id), state, allowed=rules.TRANSITIONS, actor=CONSOLE)


def test_every_pair_of_states_that_is_not_allowed_is_refused() -> None:
    allowed = {(a, b) for a, targets in rules.TRANSITIONS.items() for b in targets}
    assert allowed == {
        (AccountState.INVITED, AccountState.ACTIVE),
        (AccountState.INVITED, AccountState.CLOSED),
        (AccountState.ACTIVE, AccountState.CLOSED),
    }
    assert set(rules.TRANSITIONS) == set(AccountState)


# --- sessions and tokens -----------------------------------------------------------------------------------------


def test_sessions_are_listed_and_ended_by_their_owner(browser: Open, person: Person) -> None:
    person("duty")
    me, other = browser("192.0.2.1"), browser("192.0.2.77")
    me.sign_in("duty")
    other.sign_in("duty")
    page = me.get("/account/sessions").get_data(as_text=True)
    assert "192.0.2.77" in page
    path = re.search(r'action="(/account/sessions/\d+/end)"', page)
    assert path is not None
    assert me.post(path.group(1)).status_code == 303
    assert me.is_in
    assert not other.is_in


def test_nobody_ends_somebody_elses_session(browser: Open, person: Person, database: Database) -> None:
    person("duty")
    person("planner", Role.PLANNER)
    me, other = browser(), browser("192.0.2.77")
    me.sign_in("planner")
    other.sign_in("duty")
    with database.read() as session:
        theirs = session.scalar(sa.select(SignIn.id).order_by(SignIn.id.desc()))
    assert me.post(f"/account/sessions/{theirs}/end").status_code == 404
    assert other.is_in


def test_the_administrator_ends_sessions_and_that_he_looked_is_journalled(
    admin: Browser, browser: Open, person: Person, database: Database
) -> None:
    account = person("duty")
    me = browser("192.0.2.77")
    me.sign_in("duty")
    page = admin.get(f"/accounts/{account.id}").get_data(as_text=True)
    assert "192.0.2.77" in page
    path = re.search(rf'action="(/accounts/{account.id}/sessions/\d+/end)"', page)
    assert path is not None
    assert admin.post(path.group(1)).status_code == 303
    assert not me.is_in
    with database.read() as session:
        looked = session.scalars(sa.select(JournalEntry.data).where(JournalEntry.kind == "personal.listed")).all()
        assert any('"list": "sessions"' in data for data in looked)


def test_where_somebody_signed_in_from_is_sealed(browser: Open, person: Person, database: Database) -> None:
    person("duty")
    browser("192.0.2.77").sign_in("duty")
    with database.read() as session:
        assert b"192.0.2.77" not in bytes(session.scalar(sa.select(SignIn.origin_sealed)) or b"")


def test_a_changed_password_ends_the_other_sessions_and_needs_the_old_one(browser: Open, person: Person) -> None:
    person("duty")
    me, other = browser(), browser("192.0.2.77")
    me.sign_in("duty")
    other.sign_in("duty")
    new = "der Deich bei Taitou haelt"
    me.get("/account/password")
    wrong = me.post("/account/password", {"current": "nicht das alte!!", "password": new, "again": new})
    assert wrong.status_code == 422
    assert "present password is not right" in wrong.get_data(as_text=True)
    differs = me.post("/account/password", {"current": PASSWORD, "password": new, "again": new + "x"})
    assert differs.status_code == 422
    assert me.post("/account/password", {"current": PASSWORD, "password": new, "again": new}).status_code == 303
    assert me.is_in
    assert not other.is_in
    assert browser().sign_in("duty", new).status_code == 303


@pytest.mark.parametrize(
    "password",
    ["short", "duty", "dutydutyduty", "1duty", "password1234", "888888888888", "123456789012", "abcdefghijklm", "yingjiguanli123"],
)  # fmt: skip
def test_a_weak_password_is_refused(password: str) -> None:
    with pytest.raises(Invalid):
        rules.check_password(password, username="duty", least=12 if password != "yingjiguanli123" else 8)


@pytest.mark.parametrize(
    "password", ["早上河堤上有三只白鹭飞过", "correct horse battery", "all lower case words", "Tr0mmel & Gong 7x"]
)
def test_a_long_password_needs_no_theatre(password: str) -> None:
    rules.check_password(password, username="duty", least=12)


def test_a_token_is_shown_once_works_until_revoked_and_is_not_readable(
    site: flask.Flask, browser: Open, person: Person, database: Database, clock: ManualClock
) -> None:
    account = person("duty")
    me = browser()
    me.sign_in("duty")
    me.get("/account/tokens")
    page = me.post("/account/tokens", {"name": "Wetterskript"}).get_data(as_text=True)
    raw = re.search(r"jhe_[\w-]+", page)
    assert raw is not None
    assert raw.group() not in me.get("/account/tokens").get_data(as_text=True)
    headers = {"Authorization": f"Bearer {raw.group()}"}
    api = site.test_client()
    assert api.get("/api/v1/accounts/me", headers=headers).json["username"] == "duty"
    with database.read() as session:
        token = service.live_tokens(session, account.id)[0]
        assert token.last_used_at == clock.now()
        rows = session.execute(sa.text("SELECT * FROM api_token")).all()
        assert raw.group() not in str(rows)
    assert me.post(f"/account/tokens/{token.id}/revoke").status_code == 303
    assert api.get("/api/v1/accounts/me", headers=headers).status_code == 401


def test_an_administrator_makes_no_token_for_somebody_else(database: Database, person: Person) -> None:
    duty = person("duty")
    admin = actor(person("admin", Role.ADMINISTRATOR))
    with database.write() as session, pytest.raises(Forbidden):
        service.create_token(session, actor=admin, account=duty, name="x")
    with database.write() as session:
        assert service.create_token(session, actor=CONSOLE, account=duty, name="x").startswith("jhe_")


# --- what other rooms ask ----------------------------------------------------------------------------------------


def test_names_are_masked_and_say_the_role(database: Database, person: Person, site: flask.Flask) -> None:
    account = person("duty")
    keys = [f"account:{account.id}", "system", "account:999", "post:4"]
    with database.read() as session:
        assert service.display_names(session, keys) == {f"account:{account.id}": "周某某（值班员）"}


def test_approvers_and_liaisons_are_those_whose_area_covers(database: Database, person: Person) -> None:
    district = person("approver", Role.APPROVER)
    town = person("townapprover", Role.APPROVER, division=TAITOU)
    elsewhere = person("other", Role.APPROVER, division="120118100000")
    gone = person("gone", Role.APPROVER)
    liaison = person("liaison", Role.LIAISON, division=TAITOU)
    with database.write() as session:
        service.close(session, actor=CONSOLE, account_id=gone.id)
    with database.read() as session:
        assert [a.id for a in service.approvers_for(session, VILLAGE)] == [town.id, district.id]
        assert [a.id for a in service.approvers_for(session, DISTRICT)] == [district.id]
        assert elsewhere.id not in [a.id for a in service.approvers_for(session, TAITOU)]
        assert [a.id for a in service.liaisons_of(session, VILLAGE)] == [liaison.id]
        assert service.contact_of(session, [district.id, 7]) == {district.id: district.contact_id}


def test_a_token_acts_as_its_account_so_that_nobody_approves_their_own(database: Database, person: Person) -> None:
    account = person("duty")
    with database.write() as session:
        raw = service.create_token(session, actor=CONSOLE, account=account, name="x")
    with database.read() as session:
        acting = service.actor_for_token(session, raw)
        assert str(acting) == f"account:{account.id}"
        assert service.actor_for_token(session, "jhe_forged") is None
        assert service.actor_for_token(session, "") is None


def test_the_demo_has_one_account_a_role_and_links_that_open(database: Database, browser: Open) -> None:
    seed.seed(database)
    seed.seed(database)
    links = seed.demo_links(database, "http://127.0.0.1:9000/")
    assert {role for role, _name, _url in links} == {role.value for role in Role}
    assert [name for _role, name, _url in links] == [entry[0] for entry in seed.ACCOUNTS]
    for _role, _name, url in links[:2]:
        assert url.startswith("http://127.0.0.1:9000/enter/")
        me = browser()
        me.get(url.removeprefix("http://127.0.0.1:9000"))
        assert me.post(url.removeprefix("http://127.0.0.1:9000")).location == "/"
    again = seed.demo_links(database, "http://127.0.0.1:9000")
    assert browser().get(links[5][2].removeprefix("http://127.0.0.1:9000")).status_code == 410
    assert browser().get(again[5][2].removeprefix("http://127.0.0.1:9000")).status_code == 200


def test_the_ticker_ends_what_ran_out_and_forgets_what_faded(
    browser: Open, person: Person, link_for: Any, database: Database, clock: ManualClock
) -> None:
    account = person("duty")
    browser().sign_in("duty")
    browser("203.0.113.4").sign_in("duty", "falsch und lang genug")
    link_for(account)
    clock.advance(timedelta(hours=25))
    assert jobs.end_stale(database, clock.now()) == 1
    assert jobs.end_stale(database, clock.now()) == 0
    assert jobs.forget(database, clock.now()) == 2
    with database.read() as session:
        assert session.scalars(sa.select(SignIn.end_reason)).all() == [EndReason.EXPIRED]
    clock.advance(timedelta(days=200))
    jobs.forget(database, clock.now())
    with database.read() as session:
        assert session.scalars(sa.select(SignIn.id)).all() == session.scalars(sa.select(OneTimeLink.id)).all() == []


def test_what_happens_to_accounts_is_journalled(
    admin: Browser, browser: Open, person: Person, database: Database
) -> None:
    account = person("duty")
    me = browser()
    me.sign_in("duty", "falsch und lang genug")
    me.sign_in("duty")
    me.post("/sign-out")
    admin.get("/accounts")
    admin.post(f"/accounts/{account.id}/link")
    admin.get("/accounts")
    admin.post(f"/accounts/{account.id}/close", {"reason": "调离"})
    with database.read() as session:
        entries = session.execute(
            sa.select(JournalEntry.kind, JournalEntry.data)
            .where(JournalEntry.subject_id == account.id)
            .order_by(JournalEntry.seq)
        ).all()
    kinds = [entry.kind for entry in entries]
    for kind in (
        "account.changed",
        "account.sign_in_failed",
        "account.signed_in",
        "account.signed_out",
        "state.changed",
    ):
        assert kind in kinds
    assert "周某" not in str(entries)
    assert "调离" not in str(entries)


def test_every_page_of_the_room_can_be_drawn_in_both_languages(
    site: flask.Flask, admin: Browser, person: Person, browser: Open
) -> None:
    account = person("duty")
    person("approver", Role.APPROVER)
    approver = browser()
    approver.sign_in("approver")
    for language in ("en", "zh"):
        for who in (admin, approver):
            who.client.set_cookie("language", language)
        pages = ["/account", "/account/password", "/account/second-factor", "/account/sessions", "/account/tokens",
                 "/accounts", "/accounts?role=liaison&state=active&q=x", "/accounts/new", f"/accounts/{account.id}",
                 f"/accounts/{account.id}/edit"]  # fmt: skip
        for path in pages:
            answer = admin.get(path)
            assert answer.status_code == 200, path
            assert answer.get_data(as_text=True).count("<h1") == 1, path
        assert approver.get("/accounts/let-in").status_code == 200


def test_the_whole_table_of_roles_and_permissions_is_as_written_here() -> None:
    """Who may do what, once more, by hand: a change of the table has to be made in two places on purpose."""
    everybody = {"signed_in", "workbench", "divisions.view", "warnings.view", "readiness.view", "tokens.own"}
    working = everybody | {"units.view", "plans.view", "supplies.view", "drills.view", "questions.view"}
    full = working | {"posts.view", "roster.view"}
    expected = {
        "administrator": full | {"accounts.manage", "system.view", "divisions.edit", "units.edit", "delivery.view"},
        "duty-officer": full | {
            "system.view", "warnings.draft", "warnings.acknowledge", "residents.view", "residents.edit", "residents.import",
            "personal.reveal", "personal.export", "posts.edit", "roster.edit", "units.edit", "questions.answer",
            "delivery.view", "delivery.settle", "drills.confirm", "readiness.mute", "plans.activate", "plans.act",
        },
        "approver": full | {
            "warnings.approve", "warnings.draft", "warnings.break_glass", "warnings.acknowledge", "plans.approve",
            "supplies.approve", "residents.view", "personal.reveal", "delivery.view", "readiness.mute", "roster.edit",
            "delivery.settle", "plans.activate", "plans.decide", "plans.act",
        },
        "planner": full | {
            "plans.edit", "drills.edit", "units.edit", "posts.edit", "readiness.mute", "supplies.edit", "questions.answer",
            "personal.reveal", "drills.confirm", "plans.activate", "plans.act",
        },
        "liaison": full | {
            "drills.confirm", "questions.answer", "warnings.acknowledge", "residents.view", "residents.edit",
            "residents.import", "personal.reveal", "posts.edit", "warnings.draft", "plans.activate", "plans.act",
        },
        "village-officer": full | {
            "warnings.acknowledge", "questions.answer", "residents.view", "residents.edit", "personal.reveal", "drills.confirm",
            "plans.act",
        },
        "storekeeper": working | {"supplies.edit", "questions.answer"},
        "auditor": everybody | {"delivery.view", "journal.view", "journal.export", "system.view"},
    }  # fmt: skip
    table = {
        role.value: {p.value for p in Permission if Actor(kind="account", id=1, roles=frozenset({role})).can(p)}
        for role in Role
    }
    assert table == expected


def test_what_is_wrong_with_accounts_is_told(database: Database, person: Person, clock: ManualClock) -> None:
    duty = person("duty")
    person("approver", Role.APPROVER)
    with database.write() as session:
        bare = service.create_user(
            session, actor=CONSOLE, username="bare", roles=[Role.DUTY_OFFICER], division_code=DISTRICT
        )
        session.add(
            DutyShift(
                division_code=DISTRICT, starts=clock.now(), ends=clock.now() + timedelta(hours=12), account_id=duty.id,
                role=ShiftRole.OFFICER,
            )
        )  # fmt: skip
        service.close(session, actor=CONSOLE, account_id=duty.id)
    with database.read() as session:
        found = {(fault.rule, fault.subject_id) for fault in defects.defects(session, clock.now())}
        assert found == {
            ("leaver_on_roster", duty.id),
            ("account_no_number", bare.id),
            ("few_approvers", int(DISTRICT)),
        }
        again = defects.defects(session, clock.now(), frozenset({("account", bare.id)}))
        assert {fault.rule for fault in again} == {"account_no_number", "few_approvers"}
        assert defects.defects(session, clock.now(), frozenset({("plan", 1)})) == []
    person("approver2", Role.APPROVER)
    with database.read() as session:
        assert "few_approvers" not in {fault.rule for fault in defects.defects(session, clock.now())}
