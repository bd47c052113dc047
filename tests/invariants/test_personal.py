"""Invariant 6: after a day of work no name, number, address or note of a person is readable in the database or a log."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency import delivery, schema
from emergency.asking import service as asking
from emergency.asking.models import Link, Means, Question
from emergency.asking.rules import AnswerOption
from emergency.drills import service as drills
from emergency.drills.models import Occurrence, OccurrenceState
from emergency.http.permissions import Role
from emergency.people.accounts import service as accounts
from emergency.people.posts import service as posts
from emergency.people.posts.models import DutyShift, Post, PostState, ShiftRole, ShiftState
from emergency.people.residents import imports
from emergency.people.residents.models import ImportRun, Resident, RunState
from emergency.warnings import service as warnings
from emergency.warnings.models import AckMethod, DoorOutcome, DoorVisit, Warning, WarningState
from kernel.ids import new_id
from notify import receipts
from notify.models import Delivery, DeliveryState, ReceiptKind
from tests.invariants.conftest import HERE, HERE_VILLAGE, Demo

NAMES = [
    f"欧阳{word}" for word in ("甲子", "乙丑", "丙寅", "丁卯", "戊辰", "己巳", "庚午", "辛未", "壬申", "癸酉", "甲戌")
]
PHONES = [f"164770011{n:02d}" for n in range(11)]
ADDRESS, NEED, BAD_NUMBER = "白杨巷七十七号", "常年透析", "16477O01100"
SECRETS = [*NAMES, *PHONES, ADDRESS, NEED, BAD_NUMBER]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def _page(answer: Any, *statuses: int) -> Any:
    assert answer.status_code in (statuses or (200, 303)), (answer.status_code, answer.get_data(as_text=True)[:2000])
    return answer


def _residents(demo: Demo) -> None:
    browser = demo.person(Role.DUTY_OFFICER).browser
    new = {"external_id": "S-1", "division_code": HERE_VILLAGE, "name": NAMES[0], "phone": PHONES[0],
           "household": "S-H1", "address": ADDRESS, "needs": NEED}  # fmt: skip
    made = _page(browser.post("/residents/new", data=new), 303).headers["Location"].rpartition("/")[2]
    _page(browser.post(f"/residents/{made}/edit", data={"name": NAMES[1], "phone": PHONES[1], "version": ""}))
    for search in ({"name": NAMES[1]}, {"phone": PHONES[1]}, {"name": NAMES[10]}):
        _page(browser.post("/residents/search", data=search), 200)
    _page(browser.get(f"/search?q={NAMES[1]}"), 200)
    _page(browser.get(f"/search?q={PHONES[1]}"), 200)
    _page(browser.post(f"/residents/{made}/reveal", data={"purpose": "verify"}), 200)
    _page(browser.post("/residents/export", data={"purpose": "verify", "division": "", "format": "csv"}), 200)
    lines = ["external_id,division_code,name,phone,household,address,lat,lon,needs",
             f"S-2,{HERE_VILLAGE},{NAMES[2]},{PHONES[2]},S-H2,{ADDRESS},,,{NEED}",
             f"S-3,{HERE_VILLAGE},{NAMES[3]},{BAD_NUMBER},S-H2,{ADDRESS},,,",
             f"S-4,999,{NAMES[3]},{PHONES[3]},,,,,", f"S-5,{HERE_VILLAGE},={NAMES[3]},{PHONES[3]},,,,,"]  # fmt: skip
    for mode, name in (("check", f"{NAMES[4]}.csv"), ("import", f"{PHONES[4]}.csv")):
        file = (io.BytesIO("\n".join(lines).encode()), name)
        data = {"file": file, "purpose": "verify", "datum": "wgs84", "mode": mode}
        _page(browser.post("/residents/imports", data=data, content_type="multipart/form-data"), 303)
        waiting = demo.scalars(sa.select(ImportRun.id).where(ImportRun.state == RunState.WAITING))
        imports.run_upload(demo.database, waiting[0])
    assert demo.scalars(sa.select(sa.func.count()).select_from(Resident).where(Resident.id == int(made))) == [1]


def _posts(demo: Demo) -> None:
    officer = demo.person(Role.DUTY_OFFICER)
    post = demo.scalars(
        sa.select(Post.id).where(Post.division_code.startswith(HERE[:9]), Post.state == PostState.HELD).limit(1)
    )[0]
    for what, number in (("holder", 5), ("deputies", 6)):
        person = {"name": NAMES[number], "phone": PHONES[number], "reason": f"接替{NAMES[4]}，{NEED}"}
        _page(officer.browser.post(f"/posts/{post}/{what}", data=person), 303)
    _page(officer.browser.post(f"/posts/{post}/release", data={"reason": f"{NAMES[5]}调走，电话{PHONES[5]}"}), 303)
    with demo.database.write() as session:
        posts.set_holder(session, actor=officer.actor, post_id=post, name=NAMES[5], phone=PHONES[5])
        moment = demo.clock.now()
        shift = new_id()
        session.add(
            DutyShift(
                id=shift, division_code=HERE, starts=moment - timedelta(hours=3), ends=moment - timedelta(minutes=1),
                account_id=officer.account.id, role=ShiftRole.OFFICER, state=ShiftState.CONFIRMED, version=1,
            )
        )  # fmt: skip
    note = {"note": f"{NAMES[7]}没接电话{PHONES[7]}"}
    _page(officer.browser.post(f"/roster/{shift}/hand-over", data=note), 200, 303, 409)


def _questions(demo: Demo) -> None:
    officer = demo.person(Role.DUTY_OFFICER)
    post = demo.scalars(
        sa.select(Post.id).where(Post.division_code.startswith(HERE[:9]), Post.state == PostState.HELD).limit(1)
    )[0]
    with demo.database.write() as session:
        asked = asking.ask(
            session, actor=officer.actor, post_id=post, subject=("story", 9), kind="drill.invitation", text="您能到吗？",
            answers=[AnswerOption("deputy", "派人代替我", "Somebody instead", needs="deputy"), ("no", "去不了", "I cannot")],
            due_at=demo.clock.now() + timedelta(days=2),
        ).id  # fmt: skip
    with demo.database.read() as session:
        params = [p for p in session.scalars(sa.select(Delivery.params).where(Delivery.params.is_not(None))) if p]
        links = session.scalars(sa.select(Link).where(Link.question_id == asked)).all()
    link = str([p for p in params if "/c/" in str(p)][-1]["link"]) if links else ""
    if link:
        form = {"answer": "deputy", "deputy_name": NAMES[8], "deputy_phone": PHONES[8], "note": NAMES[8]}
        visitor = demo.app.test_client()
        _page(visitor.post("/c/" + link.rpartition("/")[2], data=form), 200, 303, 409, 422)
    with demo.database.write() as session:
        asking.answer(session, actor=officer.actor, question_id=asked, answer="no", means=Means.PHONE,
                      note=f"{NAMES[8]}说{PHONES[8]}打不通")  # fmt: skip
        question = session.get_one(Question, asked)
        asking.withdraw(session, actor=officer.actor, question_id=question.id, reason=f"{NAMES[8]}已到")


def _receipts(demo: Demo) -> None:
    """Replies and receipts over the signed webhook, and an error text."""
    account = delivery.accounts(demo.runtime.config, demo.runtime.vault)[0]
    client = demo.app.test_client()
    sent = demo.scalars(sa.select(Delivery.id).where(Delivery.state == DeliveryState.DELIVERED).limit(1))
    forms = [
        (ReceiptKind.INBOUND, f"{demo.runtime.config.public_url}/webhooks/twilio/inbound",
         {"From": f"+86{PHONES[9]}", "Body": f"我是{NAMES[9]}，住{ADDRESS}", "MessageSid": "SM1"}),
        (ReceiptKind.STATUS, receipts.callback_url(account.status_callback, account.mac_secret, sent[0]),
         {"To": f"+86{PHONES[9]}", "MessageStatus": "failed", "ErrorCode": "30003", "ErrorMessage": f"{PHONES[9]} off",
          "MessageSid": "SM2"}),
        (ReceiptKind.INBOUND, f"{demo.runtime.config.public_url}/webhooks/twilio/inbound",
         {"From": f"+86{PHONES[5]}", "Body": f"让{NAMES[9]}去", "MessageSid": "SM3"}),
    ]  # fmt: skip
    for _kind, url, form in forms:
        form["AccountSid"] = account.account_sid
        header = {"X-Twilio-Signature": receipts.sign(account.auth_token, url, form)}
        path = url.removeprefix(demo.runtime.config.public_url)
        _page(client.post(path, data=form, headers=header), 200, 204)
    with demo.database.write() as session:
        receipts.fold(session, demo.database.service("ports"))
        receipts.keep_errors(
            session, demo.database.service("ports").sealer, [(sent[0], "sms", f"no route to {PHONES[9]}")]
        )


def _warnings(demo: Demo) -> None:
    officer = demo.person(Role.DUTY_OFFICER)
    warning = demo.scalars(sa.select(Warning.id).where(Warning.state == WarningState.ENDED).limit(1))[0]
    resident = demo.scalars(sa.select(Resident.id).where(Resident.division_code.startswith(HERE[:9])).limit(1))[0]
    body = {"recipient_id": resident, "method": "phone", "note": f"{NAMES[10]}，{PHONES[10]}"}
    answer = officer.api(
        "POST", f"/api/v1/warnings/{warning}/acknowledgements", json=body, headers={"Idempotency-Key": PHONES[10]}
    )
    _page(answer, 201, 200, 404, 409)
    door = demo.scalars(sa.select(DoorVisit.id).where(DoorVisit.outcome == DoorOutcome.OPEN).limit(1))
    with demo.database.write() as session:
        warnings.acknowledge(session, actor=officer.actor, warning_id=warning, recipient_id=resident,
                             method=AckMethod.PHONE, note=f"{NAMES[10]}在家，{PHONES[10]}")  # fmt: skip
        if door:
            warnings.record_visit(session, actor=officer.actor, visit_id=door[0], outcome=DoorOutcome.AWAY,
                                  note=f"{NAMES[10]}去了{ADDRESS}")  # fmt: skip


def _drills_and_accounts(demo: Demo) -> None:
    officer = demo.person(Role.DUTY_OFFICER)
    planned = demo.scalars(sa.select(Occurrence).where(Occurrence.state == OccurrenceState.PLANNED, Occurrence.starts_at < demo.clock.now()).limit(1))  # fmt: skip
    with demo.database.write() as session:
        for occurrence in planned:
            moment = demo.clock.now()
            drills.record(
                session, actor=officer.actor, occurrence_id=occurrence.id,
                facts=drills.RecordFacts(moment - timedelta(hours=2), moment - timedelta(hours=1), 5, 5, 100, f"{NAMES[6]}摔倒"),
            )  # fmt: skip
    admin = demo.person(Role.ADMINISTRATOR)
    form = {"username": "story", "roles": "liaison", "division_code": HERE, "name": NAMES[7], "phone": PHONES[7]}
    _page(admin.browser.post("/accounts/new", data=form), 200, 303)
    with demo.database.write() as session:
        account = accounts.by_username(session, "story")
        accounts.close(session, actor=admin.actor, account_id=account.id, reason=f"{NAMES[7]}退休，找{PHONES[7]}")


def _failures(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that fail in the middle, with a person in their hands."""
    browser = demo.person(Role.DUTY_OFFICER).browser

    def fail(*_args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"cannot do this for {kwargs} {NAMES[0]} {PHONES[0]}")

    def clash(session: Any, **_kwargs: Any) -> None:
        session.execute(
            sa.text("INSERT INTO contact (id, phone_state) VALUES (:name, :phone)"),
            {"name": NAMES[0], "phone": PHONES[0]},
        )

    from emergency.people.residents import service
    from emergency.web import search

    monkeypatch.setattr(service, "search", fail)
    shown = [browser.post("/residents/search", data={"name": NAMES[1]})]
    monkeypatch.setattr(service, "search", clash)
    shown.append(browser.post("/residents/search", data={"name": NAMES[1]}))
    monkeypatch.setattr(search, "_names", fail)
    browser.get("/search?q=义和")
    monkeypatch.setattr(search, "_units", lambda session, *_: clash(session))
    browser.get(f"/search?q={NAMES[0]}")
    monkeypatch.undo()
    for answer in shown:
        assert answer.status_code in (409, 422, 500, 503)
        assert not [secret for secret in (*NAMES[2:], *PHONES) if secret in answer.get_data(as_text=True)]


def test_a_day_of_work_leaves_nobody_readable(
    demo: Demo, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in (_residents, _posts, _questions, _receipts, _warnings, _drills_and_accounts):
        part(demo)
    _failures(demo, monkeypatch)
    with demo.database.read() as session:
        found = [
            f"{table.name}: {secret}"
            for table in schema.metadata.sorted_tables
            for row in [session.execute(sa.select(table)).all()]
            for secret in SECRETS
            if secret in repr(row) or secret.encode() in b"".join(bytes(v) for r in row for v in r if isinstance(v, (bytes, memoryview)))
        ]  # fmt: skip
    assert not found, "\n".join(found)
    for file in demo.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [secret for secret in SECRETS if secret.encode() in content], file.name
    formatter = logging.Formatter()
    lines = "\n".join(formatter.format(record) for record in said.records)
    assert not [secret for secret in SECRETS if secret in lines], [
        line for line in lines.splitlines() if any(secret in line for secret in SECRETS)
    ][:10]


def test_the_seeds_people_are_not_readable_either(demo: Demo) -> None:
    """Every name and number of the demo district, as the vault opens them."""
    from emergency.people.contacts import service as contacts
    from emergency.people.contacts.models import Contact

    with demo.database.read() as session:
        vault = session.info["vault"]
        people = [contacts.opened(vault, contact) for contact in session.scalars(sa.select(Contact)).all()]
        cells = "\n".join(
            repr(session.execute(sa.select(table)).all())
            for table in schema.metadata.sorted_tables
            if table.name not in ("division", "unit")
        )
    numbers = {person.phone.replace(" ", "").removeprefix("+86") for person in people if person.phone}
    assert len(numbers) > 50
    assert not [number for number in numbers if len(number) >= 8 and number in cells]
    assert not {person.name for person in people if len(person.name) >= 3 and person.name in cells}
