from __future__ import annotations

import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError

import pytest
import sqlalchemy as sa
from support import TOKEN, Answers, Book, Gateway, Index, Outcomes, account, counts, number, recipients, spec, wait_for

from kernel.db import Database
from notify import blocks, ledger, receipts, service
from notify.engine import Engine
from notify.models import Delivery, DeliveryState, RawReceipt, ReceiptKind
from notify.ports import Ports

S = DeliveryState


@pytest.fixture
def webhook(database: Database, ports: Ports) -> Iterator[str]:
    """A small web server that does what the product's webhook view does."""
    taker = receipts.Taker(database)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))
            kind = ReceiptKind.INBOUND if self.path.startswith("/inbound") else ReceiptKind.STATUS
            url = f"http://{self.headers['Host']}{self.path}"
            header = self.headers.get("X-Twilio-Signature")
            ours = receipts.take(
                database, ports, auth_token=TOKEN, url=url, form=form, header=header, kind=kind, taker=taker
            )
            self.send_response(204 if ours else 403)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def fold(database: Database, ports: Ports) -> int:
    with database.write() as session:
        return receipts.fold(session, ports)


def enter(database: Database, start: int, count: int) -> int:
    with database.write() as session:
        return service.broadcast(session, spec(database), recipients(session, start, count)).id


def intend(database: Database) -> list[int]:
    """Everything queued is on its way, as if an engine had died there."""
    with database.write() as session:
        change, ids = ledger.TallyChange(), []
        for held in blocks.claim(session, "gone", 60, 5000):
            rows = blocks.queued_rows(session, held)
            ledger.intend(session, [(row.id, "sms", "main") for row in rows])
            ids += [row.id for row in rows]
            for row in rows:
                change.move(row.broadcast_id, row.division, row.channel, row.people, S.QUEUED, S.CLAIMED)
        change.write(session)
    return ids


def report(
    database: Database, ports: Ports, delivery_id: int, key: int, status: str, code: str = "", **changes: str
) -> bool:
    url = changes.pop("url", receipts.callback_url("https://e.cn/webhooks/twilio/status", TOKEN, delivery_id))
    form = {"MessageSid": f"SM{delivery_id}", "MessageStatus": status, "To": number(key), **changes}
    if code:
        form["ErrorCode"] = code
    return receipts.take(database, ports, auth_token=TOKEN, url=url, form=form, header=receipts.sign(TOKEN, url, form))


def test_receipts_of_the_gateway_reach_the_ledger(
    database: Database, gateway: Gateway, webhook: str, ports: Ports, book: Book, outcomes: Outcomes, start: int,
    make_engine_for: Callable[..., Engine],
) -> None:  # fmt: skip
    gateway.faults(receipts="all")
    book.special = {start: "+8616400000097", start + 1: "+8616400000098", start + 2: "+8616400000099"}
    record = enter(database, start, 40)
    with database.write() as session:
        keys = {start + i: Index().key(book.special[start + i] or "") for i in range(3)}
        for key, index in keys.items():
            session.execute(sa.update(Delivery).where(Delivery.address_key == key).values(number_key=index))
    engine = make_engine_for(database, accounts=[account(gateway, status_callback=f"{webhook}/status")])
    engine.run_once()
    wanted = {"delivered": 37, "failed": 2, "submitted": 1}

    def settled() -> bool:
        fold(database, ports)
        return counts(database, record) == wanted

    wait_for(settled)
    assert ("resident:" + str(start + 1), "30005") in outcomes.defects
    with database.read() as session:
        tally = service.tallies(session, [record])
        assert (tally.reached, tally.reached_people) == (37, 74)
        for sealed in session.scalars(sa.select(RawReceipt.sealed)):
            assert b"+86164" not in sealed and b"MessageSid" not in sealed


def test_a_reply_of_a_phone_is_heard(
    database: Database, gateway: Gateway, webhook: str, ports: Ports, answers: Answers, start: int
) -> None:
    gateway.control("/faults", {"inbound_url": f"{webhook}/inbound"})
    gateway.control("/reply", {"from": number(start), "to": "+8602200001234", "body": "1"})

    def heard() -> bool:
        fold(database, ports)
        return bool(answers.heard)

    wait_for(heard)
    assert answers.heard == [(Index().key(number(start)), "1")]
    gateway.control("/faults", {"inbound_url": ""})


def test_a_forged_request_is_turned_away(webhook: str, database: Database) -> None:
    request = urllib.request.Request(f"{webhook}/status?d=1&m=2", data=b"MessageStatus=delivered")
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    refused.value.close()
    assert refused.value.code == 403
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(RawReceipt)) == 0


def test_a_receipt_finds_its_row_though_we_died_before_we_knew_the_reference(
    database: Database, ports: Ports, start: int
) -> None:
    record = enter(database, start, 2)
    ids = intend(database)
    assert report(database, ports, ids[0], start + 1, "delivered")
    assert fold(database, ports) == 1
    assert counts(database, record) == {"claimed": 1, "delivered": 1}
    with database.read() as session:
        assert session.get_one(Delivery, ids[0]).provider_ref == f"SM{ids[0]}"


def test_final_states_stick_whatever_the_order(database: Database, ports: Ports, start: int) -> None:
    record = enter(database, start, 1)
    [one] = intend(database)
    for status in ("delivered", "sent", "queued", "delivered", "undelivered", "read"):
        assert report(database, ports, one, start, status)
    fold(database, ports)
    assert report(database, ports, one, start, "failed", "30008")
    fold(database, ports)
    assert counts(database, record) == {"delivered": 1}


def test_an_unknown_word_is_a_failure_with_its_reason(database: Database, ports: Ports, start: int) -> None:
    enter(database, start, 1)
    [one] = intend(database)
    report(database, ports, one, start, "teleported")
    fold(database, ports)
    with database.read() as session:
        row = session.get_one(Delivery, one)
    assert (row.state, row.reason) == (S.FAILED, "unknown_status:teleported")


def test_a_receipt_that_is_not_about_this_delivery_changes_nothing(
    database: Database, ports: Ports, start: int
) -> None:
    record = enter(database, start, 2)
    one, two = intend(database)
    report(database, ports, one, start, "delivered")  # the number of `two`
    report(database, ports, one + 77, start, "delivered")  # an id that does not exist
    report(database, ports, one, start + 1, "delivered", url="https://e.cn/webhooks/twilio/status")  # no id
    forged = f"https://e.cn/status?d={two}&m=000000000000000000000000"
    report(database, ports, two, start, "delivered", url=forged)
    assert fold(database, ports) == 4
    assert fold(database, ports) == 0
    assert counts(database, record) == {"claimed": 2}
    with database.read() as session:
        outcome = session.scalars(sa.select(RawReceipt.outcome).order_by(RawReceipt.id)).all()
    assert outcome == ["other_number", "unmatched", "unmatched", "unmatched"]


def test_a_receipt_for_what_never_left_changes_nothing(database: Database, ports: Ports, start: int) -> None:
    record = enter(database, start, 1)
    with database.read() as session:
        one = session.scalars(sa.select(Delivery.id)).one()
    report(database, ports, one, start, "delivered")
    fold(database, ports)
    assert counts(database, record) == {"queued": 1}


def test_requests_that_come_together_are_stored_together_and_none_is_lost(database: Database, ports: Ports) -> None:
    commits = []
    database.before_commit(lambda session: commits.append(1))
    taker = receipts.Taker(database)
    form = {"MessageStatus": "sent"}
    header = receipts.sign(TOKEN, "http://h/s", form)

    def one() -> None:
        assert receipts.take(database, ports, auth_token=TOKEN, url="http://h/s", form=form, header=header, taker=taker)

    threads = [threading.Thread(target=one) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(RawReceipt)) == 60
    assert len(commits) < 60


def test_a_reply_that_breaks_its_reader_keeps_nothing_else_waiting(
    database: Database, ports: Ports, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def received(session: object, key: bytes, text: str, *_: object, **__: object) -> str:
        if text == "bad":
            raise ValueError("a reader's bug")
        return "matched"

    monkeypatch.setattr(answers, "received", received)
    for sid, text in (("SM1", "good"), ("SM2", "bad"), ("SM3", "fine")):
        form = {"MessageSid": sid, "From": number(1), "Body": text}
        header = receipts.sign(TOKEN, "http://h/inbound", form)
        receipts.take(
            database, ports, auth_token=TOKEN, url="http://h/inbound", form=form, header=header,
            kind=ReceiptKind.INBOUND,
        )  # fmt: skip
    assert fold(database, ports) == 3
    with database.read() as session:
        outcomes = session.scalars(sa.select(RawReceipt.outcome).order_by(RawReceipt.id)).all()
    assert outcomes == ["matched", "broken", "matched"]
    assert fold(database, ports) == 0
