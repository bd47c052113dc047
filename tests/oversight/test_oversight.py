"""The auditor's pages: everything is there, nobody is named, nothing can be changed."""

from __future__ import annotations

import csv
import importlib
import io
import pkgutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

import emergency
from emergency.config import Config
from emergency.http.i18n import gettext
from emergency.http.permissions import Role
from emergency.oversight import api, defects, jobs, rules, service, views, wording
from emergency.oversight.models import Verification, VerificationState
from emergency.oversight.service import Filter
from emergency.people.contacts import service as contacts
from emergency.privacy import journal
from emergency.privacy.journal import JournalEntry, Purpose
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, DomainError, Forbidden, Invalid
from scheduler.ticker import Ticker
from tests.asking.support import VILLAGE, World, app_with, build, person

AUDITOR = person(Role.AUDITOR, id=50)
OFFICER = person(Role.DUTY_OFFICER, id=7)


@pytest.fixture
def world(database: Database, clock: ManualClock) -> World:
    """A district in which an officer revealed one contact twice and an approver once."""
    made = build(database)
    for actor, purpose in ((OFFICER, "warning"), (OFFICER, "verify"), (person(Role.APPROVER, id=8), "drill")):
        clock.advance(timedelta(hours=1))
        with database.read() as session:
            contacts.reveal(
                session, actor=actor, contact_id=made.contacts["village0"], purpose=purpose, division_code=VILLAGE
            )
    with database.write() as session:
        journal.record(session, journal.SIGNED_IN, actor=OFFICER, subject=("account", 7), method="password")
    return made


@pytest.fixture
def app(database: Database, config: Config, world: World) -> flask.Flask:
    made = app_with(database, config, [views], [api.blueprint])
    made.config["ACTOR"] = AUDITOR
    return made


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def found(database: Database, world: World) -> Callable[..., list[str]]:
    def finds(**wanted: Any) -> list[str]:
        with database.read() as session:
            return [entry.kind for entry in service.entries(session, AUDITOR, Filter(**wanted)).items]

    return finds


def test_entries_are_found_by_kind_actor_subject_time_and_purpose(
    found: Callable[..., list[str]], world: World, clock: ManualClock
) -> None:
    revealed = "personal.revealed"
    assert found() == ["account.signed_in", revealed, revealed, revealed]
    assert found(kind="account.signed_in") == ["account.signed_in"]
    assert found(actor="account:8") == [revealed]
    assert found(subject_kind="contact", subject_id=world.contacts["village0"]) == [revealed] * 3
    assert found(purpose="verify") == [revealed]
    assert found(since=clock.now() - timedelta(minutes=1)) == ["account.signed_in", revealed]
    assert found(until=clock.now() - timedelta(hours=1)) == [revealed]
    assert found(personal=True) == [revealed] * 3
    assert found(actor="account:99") == []


def test_who_saw_what_of_a_record(database: Database, world: World) -> None:
    with database.read() as session:
        viewers = service.viewers(session, AUDITOR, "contact", world.contacts["village0"])
        assert [(v.actor, v.count, v.purposes) for v in viewers] == [
            ("account:8", 1, ["drill"]), ("account:7", 2, ["verify", "warning"]),
        ]  # fmt: skip
        assert service.viewers(session, AUDITOR, "contact", 1) == []


def test_nobody_but_the_auditor_reads_or_exports(database: Database, world: World) -> None:
    with database.read() as session, pytest.raises(Forbidden):
        service.entries(session, OFFICER, Filter())
    with pytest.raises(Forbidden):
        service.export(database, actor=OFFICER, purpose=Purpose.AUDIT)


def test_a_verification_is_asked_for_run_by_the_ticker_and_shown(database: Database, world: World) -> None:
    with database.write() as session:
        service.ask_verification(session, actor=AUDITOR)
    with database.write() as session, pytest.raises(Conflict) as refused:
        service.ask_verification(session, actor=AUDITOR)
    assert refused.value.code == "under_way"
    assert Ticker(database, jobs.JOBS).tick()["oversight.verify"] == 1
    with database.read() as session:
        [record] = service.verifications(session)
    assert (record.state, record.fault) == (VerificationState.WHOLE, None)
    assert record.entries is not None and record.entries >= 4
    with database.read() as session:
        assert list(defects.defects(session, database.clock.now())) == []


def test_a_changed_entry_is_found_and_is_a_fault_of_the_house(database: Database, world: World) -> None:
    with database.write() as session:
        drop = (
            "DROP TRIGGER journal_entry_no_UPDATE"
            if database.is_sqlite
            else "DROP TRIGGER journal_entry_append_only ON journal_entry"
        )
        session.execute(sa.text(drop))
        session.execute(sa.update(JournalEntry).where(JournalEntry.seq == 2).values(actor="account:66"))
        service.ask_verification(session, actor=AUDITOR)
    service.run_verifications(database, database.clock.now())
    with database.read() as session:
        [record] = service.verifications(session)
        assert (record.state, record.fault, record.at_seq) == (VerificationState.BROKEN, "altered", 2)
        [fault] = defects.defects(session, database.clock.now())
        assert (fault["rule"], fault["severity"]) == ("journal_broken", "red")
    if not database.is_sqlite:
        with database.write() as session:
            session.execute(sa.text(journal.TRIGGERS["postgresql"][1]))


def test_a_verification_that_breaks_off_says_so(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_database: Database) -> Any:
        raise OSError("disk")

    with database.write() as session:
        service.ask_verification(session, actor=AUDITOR)
    monkeypatch.setattr(service, "verify", breaks)
    assert service.run_verifications(database, database.clock.now()) == 1
    with database.read() as session:
        assert service.verifications(session)[0].state is VerificationState.FAILED
        assert [f["rule"] for f in defects.defects(session, database.clock.now())] == ["journal_unverified"]


def test_the_journal_is_verified_once_a_day_without_being_asked(
    database: Database, world: World, clock: ManualClock
) -> None:
    clock.advance(timedelta(days=4))
    with database.read() as session:
        assert [f["rule"] for f in defects.defects(session, clock.now())] == ["journal_unverified"]
    assert service.verify_daily(database, clock.now()) == 1
    service.run_verifications(database, clock.now())
    assert service.verify_daily(database, clock.now() + timedelta(hours=1)) == 0
    with database.read() as session:
        assert list(defects.defects(session, clock.now())) == []
        assert session.scalar(sa.select(Verification.asked_by)) == "system:system"


def test_an_export_is_journalled_before_its_first_row(database: Database, world: World) -> None:
    rows = service.export(database, actor=AUDITOR, purpose="audit", wanted=Filter(actor="account:7"))
    with database.read() as session:
        last = session.scalars(sa.select(JournalEntry).order_by(JournalEntry.seq.desc()).limit(1)).one()
    assert (last.kind, last.actor, last.purpose) == ("journal.exported", "account:50", "audit")
    assert dict(rules.facts(last.data))["count"] == 3
    taken = list(rows)
    assert [row["kind"] for row in taken] == ["personal.revealed", "personal.revealed", "account.signed_in"]
    assert tuple(taken[0]) == service.COLUMNS and len(str(taken[0]["mac"])) == 64


def test_an_export_without_a_purpose_or_without_bounds_is_refused(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid) as refused:
        service.export(database, actor=AUDITOR, purpose="")
    assert refused.value.code == "purpose_required"
    monkeypatch.setattr(service, "EXPORT_AT_MOST", 2)
    with pytest.raises(DomainError) as too_many:
        service.export(database, actor=AUDITOR, purpose="audit")
    assert too_many.value.code == "too_many_entries"


def test_every_pair_of_states_of_a_verification() -> None:
    V = VerificationState
    allowed = {(a, b) for a, after in rules.TRANSITIONS.items() for b in after}
    assert allowed == {(V.ASKED, V.WHOLE), (V.ASKED, V.BROKEN), (V.ASKED, V.FAILED)}


def test_the_pages_show_who_did_what_and_name_nobody(client: FlaskClient, world: World) -> None:
    page = client.get("/oversight").text
    assert "查看完整信息" in page and "预警发布与叫应" in page and "登录" in page
    assert "张某一" not in page and "1540000" not in page
    contact = world.contacts["village0"]
    filtered = client.get(
        f"/oversight?kind=personal.revealed&subject_kind=contact&subject_id={contact}&since=2026-11-23&until=2026-11-23"
    ).text
    assert filtered.count('scope="row"') == 3
    assert "没有符合条件的记录" in client.get("/oversight?actor=account:99").text
    assert client.get("/oversight?since=yesterday").status_code == 422
    assert "查看完整信息" in client.get("/oversight/entries/1").text
    assert client.get("/oversight/entries/999").status_code == 404
    seen = client.get(f"/oversight/subjects/contact/{contact}").text
    assert "2 人查看或改动过" in seen and "核实联系方式" in seen
    assert "没有人看过" in client.get("/oversight/subjects/contact/1").text


def test_the_list_goes_on_where_it_stopped(client: FlaskClient, database: Database) -> None:
    with database.write() as session:
        for n in range(60):
            journal.record(session, journal.SIGNED_IN, actor=f"account:{n + 100}", method="password")
    page = client.get("/oversight").text
    assert "account:159" in page and "account:105" not in page
    cursor = page.split("cursor=")[1].split('"')[0].split("&")[0]
    assert "account:105" in client.get(f"/oversight?cursor={cursor}").text
    assert client.get("/oversight?cursor=rubbish").status_code == 422


def test_verification_on_its_page(client: FlaskClient, database: Database) -> None:
    assert "尚未核验" in client.get("/oversight/verify").text
    assert client.post("/oversight/verify").status_code == 303
    assert "正在核验" in client.get("/oversight/verify").text
    assert client.post("/oversight/verify").status_code == 409
    service.run_verifications(database, database.clock.now())
    assert "审计日志完整" in client.get("/oversight/verify").text


def test_the_export_is_a_file_that_a_spreadsheet_reads_safely(client: FlaskClient, database: Database) -> None:
    with database.write() as session:
        journal.record(session, journal.SIGNED_IN, actor="=cmd", method="password")
    response = client.post("/oversight/export", data={"export_purpose": "audit"})
    assert response.status_code == 200 and "attachment" in response.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert not rows[-1]["actor"].startswith("=")
    assert client.post("/oversight/export", data={}).status_code == 422


def test_only_the_auditor_opens_the_pages(app: flask.Flask) -> None:
    app.config["ACTOR"] = OFFICER
    client = app.test_client()
    for path in ("/oversight", "/oversight/verify", "/oversight/entries/1", "/oversight/subjects/contact/1"):
        assert client.get(path).status_code == 403
    assert client.post("/oversight/export", data={"export_purpose": "audit"}).status_code == 403


def test_the_journal_in_json(client: FlaskClient) -> None:
    listed = client.get("/api/v1/journal?limit=2").json
    assert listed is not None and [item["seq"] for item in listed["items"]] == [4, 3]
    assert listed["items"][0]["data"] == {"method": "password"}
    rest = client.get(f"/api/v1/journal?limit=2&cursor={listed['next_cursor']}").json
    assert rest is not None and [item["seq"] for item in rest["items"]] == [2, 1] and rest["next_cursor"] is None
    assert client.post("/api/v1/journal/verifications").status_code == 202
    states = client.get("/api/v1/journal/verifications").json
    assert states is not None and states[0]["state"] == "asked"
    since = client.get("/api/v1/journal?since=2026-11-23T00:00:00%2B08:00&personal=true").json
    assert since is not None and len(since["items"]) == 3


@pytest.mark.parametrize(
    ("kind", "name", "subject", "value", "words"),
    [
        ("state.changed", "from", "warning", "draft", "草稿"),
        ("state.changed", "to", "plan_version", "linkage_review", "衔接审核"),
        ("warning.issued", "level", "warning", "red", "红色"),
        ("warning.issued", "msg_type", "warning", "Alert", "首次"),
        ("roster.planned", "role", "duty_shift", "officer", "值班员"),
        ("account.changed", "roles", "account", "liaison,planner", "联络员、预案员"),
        ("account.changed", "what", "account", "link_made:entry", "生成登录链接"),
        ("question.asked", "kind", "post", "post.verification", "核实号码"),
        ("post.verified", "result", "post", "wrong_number", "号码有误"),
        ("plan.response", "what", "plan_activation", "raise", "提级响应"),
        ("plan.response", "kind", "plan_activation", "Exercise", "演练"),
        ("plan.response", "from", "plan_activation", "III", "Ⅲ级响应"),
        ("plans.exposure_noted", "reach", "plan_exposure", "townships", "所辖各乡镇街道"),
        ("plans.law_noted", "change", "plan_law", "repealed", "已废止"),
        ("plans.check_decided", "adopted", "plan_check", "False", "否"),
        ("system.maintained", "what", None, "something.new", "something.new"),
    ],
)
def test_what_the_journal_keeps_as_keys_is_said_in_words(
    app: flask.Flask, kind: str, name: str, subject: str | None, value: str, words: str
) -> None:
    with app.test_request_context("/oversight"):
        found = wording.words_of(kind, name, subject, {"field": "state"})
        assert wording.said(value, found, "zh", gettext).startswith(words)


def test_an_entry_names_places_purposes_and_records_in_words(client: FlaskClient, database: Database) -> None:
    with database.write() as session:
        journal.record(session, journal.LISTED, actor=OFFICER, subject=("contact", 5), purpose=None, list="posts",
                       count=3, division=VILLAGE)  # fmt: skip
        journal.record(session, journal.ADDRESSED, actor=OFFICER, purpose="deliver:actual", broadcast=1, count=1)
    page = client.get("/oversight").text
    assert "义和村委会" in page and "120118104201" not in page
    assert "deliver:actual" not in page and "发送实警消息" in page
    assert "联系方式 5" in page and "contact 5" not in page
    assert '<select class="form-select" name="actor"' in page


def test_every_field_of_every_kind_of_entry_has_its_word() -> None:
    for found in pkgutil.walk_packages(emergency.__path__, prefix="emergency."):  # a kind is known once it is imported
        if not found.name.endswith(("__main__", "wsgi")):
            importlib.import_module(found.name)
    fields = {field for kind in journal.KINDS.values() for field in kind.fields}
    assert fields <= set(rules.FIELDS)
