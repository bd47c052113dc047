"""Callbacks that are forged, replayed, unordered, early, misdirected or absurd, over a socket through the whole
product: each ends in the right state, with the right answer, and with the raw words kept where they were genuine."""

from __future__ import annotations

import dataclasses
import http.client
import threading
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

import flask
import pytest
import sqlalchemy as sa
from werkzeug.serving import make_server

from emergency import create_app, delivery
from emergency.config import Config, Notify, Site, TwilioAccounts, TwilioWithExercise
from emergency.runtime import Runtime
from emergency.web import health
from notify import blocks, ledger, receipts, service
from notify.models import Delivery, DeliveryState, Kind, RawReceipt
from notify.settings import TwilioAccount

S = DeliveryState
PUBLIC = "https://warn.example"
STATUS, INBOUND = "/webhooks/twilio/status", "/webhooks/twilio/inbound"
REAL = TwilioWithExercise(
    account_sid="AC" + "1" * 32, auth_token="real-token", from_number="+8610690000118",
    exercise=TwilioAccounts(account_sid="AC" + "2" * 32, auth_token="exercise-token", from_number="+8610690000119"),
)  # fmt: skip


def number(place: int) -> str:
    return f"+86154000000{place:02d}"


class Product:
    """The web process on a socket, an engine's folding, and a ledger of three messages under way."""

    def __init__(self, runtime: Runtime, app: flask.Flask, port: int):
        self.runtime, self.app, self.port = runtime, app, port
        self.database = runtime.database
        self.account = self.named("twilio")
        self.ids = self.under_way(3)

    def named(self, name: str) -> TwilioAccount:
        return next(one for one in self.app.extensions["emergency.accounts"].values() if one.name == name)

    def under_way(self, count: int) -> list[int]:
        with self.database.write() as session:
            people = [
                service.Recipient(f"resident:{i}", "120118104000", i + 1, self.runtime.vault.index("phone", number(i)))
                for i in range(count)
            ]
            until = self.database.clock.now() + timedelta(hours=1)
            spec = service.BroadcastSpec(Kind.ACTUAL, 0, "请转移。", until, ["sms"], "test", 1, signature="静海应急")
            record = service.deliver(session, spec, people)
            change, ids = ledger.TallyChange(), []
            for held in blocks.claim(session, "engine-1", 60, 500):
                rows = blocks.queued_rows(session, held)
                ledger.intend(session, [(row.id, "sms", self.account.name) for row in rows])
                for row in rows:
                    change.move(record.id, row.division, row.channel, row.people, S.QUEUED, S.CLAIMED)
                ids += [row.id for row in rows]
            change.write(session)
        return sorted(ids)

    def url(self, delivery_id: int, secret: str = "") -> str:
        return receipts.callback_url(f"{PUBLIC}{STATUS}", secret or self.account.mac_secret, delivery_id)

    def form(self, place: int, status: str = "delivered", **changes: str) -> dict[str, str]:
        return {
            "AccountSid": self.account.account_sid, "MessageSid": f"SM{place}", "MessageStatus": status,
            "To": number(place), **changes,
        }  # fmt: skip

    def post(
        self,
        url: str,
        form: dict[str, str],
        *,
        token: str = "",
        header: str | None = "sign",
        body: bytes | None = None,
        kind: str = "application/x-www-form-urlencoded",
        method: str = "POST",
    ) -> int:
        """One request over a connection of its own; the status of its answer."""
        if header == "sign":
            header = receipts.sign(token or self.account.auth_token, url, form)
        headers = {"Content-Type": kind} | ({"X-Twilio-Signature": header} if header is not None else {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            content = urlencode(form).encode() if body is None else body
            connection.request(method, url.removeprefix(PUBLIC), content, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def report(self, place: int, status: str = "delivered", **changes: str) -> int:
        return self.post(self.url(self.ids[place]), self.form(place, status, **changes))

    def fold(self) -> list[str | None]:
        with self.database.write() as session:
            receipts.fold(session, self.database.service("ports"))
        with self.database.read() as session:
            return list(session.scalars(sa.select(RawReceipt.outcome).order_by(RawReceipt.id)))

    def states(self) -> list[tuple[str, str | None]]:
        with self.database.read() as session:
            rows = session.execute(sa.select(Delivery.state, Delivery.reason).order_by(Delivery.id)).all()
        return [(state.value, reason) for state, reason in rows]

    def stored(self) -> int:
        with self.database.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(RawReceipt)) or 0

    @property
    def refused(self) -> int:
        return len(self.app.extensions[health.REFUSALS].moments)


@pytest.fixture
def product(runtime: Runtime) -> Iterator[Product]:
    config: Config = dataclasses.replace(
        runtime.config, site=Site(public_url=PUBLIC), notify=dataclasses.replace(Notify(), twilio=REAL)
    )
    runtime.database.attach("config", config)
    app = create_app(dataclasses.replace(runtime, config=config))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield Product(dataclasses.replace(runtime, config=config), app, server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


CLAIMED: list[tuple[str, str | None]] = [("claimed", None)] * 3


def test_forged_callbacks_are_refused_and_counted(product: Product) -> None:
    url, form = product.url(product.ids[0]), product.form(0)
    good = receipts.sign(product.account.auth_token, url, form)
    assert product.post(url, form, header=None) == 403
    assert product.post(url, form, header="") == 403
    assert product.post(url, form, header="A" * 28) == 403
    assert product.post(url, form, header=good[::-1]) == 403
    assert product.post(url, form, token="another") == 403
    assert product.post(url, form, token=product.named("twilio-exercise").auth_token) == 403
    assert product.post(product.url(product.ids[1]), form, header=good) == 403
    assert product.post(url, {**form, "MessageStatus": "failed"}, header=good) == 403
    assert product.post(url, {**form, "AccountSid": "AC" + "9" * 32}, header=good) == 403
    assert (product.stored(), product.refused) == (0, 8)
    assert product.states() == CLAIMED


def test_a_replayed_callback_lands_once(product: Product) -> None:
    heard: list[str] = []
    for _again in range(4):
        assert product.report(0) == 204
        product.fold()
        heard.append(product.states()[0][0])
    assert heard == ["delivered"] * 4
    with product.database.read() as session:
        broadcast = session.scalars(sa.select(Delivery.broadcast_id)).first()
        tally = service.tallies(session, [broadcast or 0])
    assert (tally.by_state[S.DELIVERED], tally.by_state[S.CLAIMED]) == (1, 2)


def test_callbacks_in_the_wrong_order_end_where_the_right_order_ends(product: Product) -> None:
    for status in ("delivered", "sent", "queued", "sending", "accepted"):
        assert product.report(0, status) == 204
    for status in ("undelivered", "sent", "delivered"):
        assert product.report(1, status, ErrorCode="30005") == 204
    product.fold()
    assert product.states() == [("delivered", None), ("failed", "30005"), ("claimed", None)]


def test_a_callback_before_our_own_settlement_lands_and_the_settlement_leaves_it(product: Product) -> None:
    assert product.report(0) == 204
    product.fold()
    with product.database.write() as session:
        moved = ledger.settle(session, [(product.ids[0], 1, S.SUBMITTED, "SM0", None)])
        assert not moved
        ledger.land(session, [(product.ids[0], S.SUBMITTED, "SM0", None)])
    assert product.states()[0] == ("delivered", None)


def test_callbacks_that_are_not_about_one_of_ours_are_kept_and_change_nothing(product: Product) -> None:
    one, two = product.ids[:2]
    stranger, form = max(product.ids) + 5000, product.form(0)
    assert product.post(product.url(stranger), form) == 204
    assert product.post(product.url(one, "secret of another environment"), form) == 204
    assert product.post(product.url(two).replace(f"d={two}", f"d={one}"), form) == 204
    assert product.post(f"{PUBLIC}{STATUS}", form) == 204
    assert product.post(f"{PUBLIC}{STATUS}?d={'9' * 400}&m=x", form) == 204
    assert product.post(product.url(one), {**form, "To": number(1)}) == 204
    assert product.post(product.url(one), {**form, "To": "不是号码"}) == 204
    assert product.post(product.url(one), {**form, "To": ""}) == 204
    assert product.fold() == ["unmatched"] * 5 + ["other_number"] * 3
    assert product.states() == CLAIMED and product.refused == 0


def test_the_exercises_account_cannot_report_on_a_real_message(product: Product) -> None:
    exercise = product.named("twilio-exercise")
    form = product.form(0, AccountSid=exercise.account_sid)
    assert product.post(product.url(product.ids[0]), form, token=exercise.auth_token) == 204
    assert product.fold() == ["unmatched"] and product.states() == CLAIMED


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("teleported", "failed", "unknown_status:teleported"),
        ("", "failed", "unknown_status:"),
        ("DELIVERED ", "delivered", None),
        ("a\0b\x7f\u200b\ud7ffc", "failed", None),
        ("已送达" * 1000, "failed", None),
    ],
)
def test_words_that_nobody_knows_are_failures_that_can_be_stored(
    product: Product, status: str, state: str, reason: str | None
) -> None:
    assert product.report(0, status) == 204
    assert product.report(1) == 204
    product.fold()
    first, second, _ = product.states()
    assert first[0] == state and (reason is None or first[1] == reason)
    assert len(first[1] or "") <= 80
    assert second == ("delivered", None), "one strange receipt must not hold up the others"


def test_a_strange_reference_or_code_holds_up_nobody(product: Product) -> None:
    assert product.report(0, MessageSid="S" * 3000) == 204
    assert product.report(1, "failed", MessageSid="SM\0\0", ErrorCode="\0" + "7" * 3000) == 204
    assert product.report(2, MessageSid="", SmsSid="") == 204
    product.fold()
    assert [state for state, _ in product.states()] == ["delivered", "failed", "delivered"]


def test_a_callback_of_many_fields_is_taken_and_one_that_is_no_receipt_is_not(product: Product) -> None:
    many = {f"Extra{i}": "x" for i in range(120)}
    assert product.report(0, **many) == 204
    far_too_many = {f"E{i}": "" for i in range(5000)}
    assert product.report(1, **far_too_many) in (403, 413)
    product.fold()
    assert [state for state, _ in product.states()] == ["delivered", "claimed", "claimed"]


def test_bodies_that_are_no_form_are_refused(product: Product) -> None:
    url, form = product.url(product.ids[0]), product.form(0)
    signature = receipts.sign(product.account.auth_token, url, form)
    for path in (url, f"{PUBLIC}{INBOUND}"):
        assert product.post(path, form, header=signature, body=b"x=" + b"y" * (1 << 20)) == 413
        assert product.post(path, form, header=signature, body=b"\xff\xfe\x00\x80") in (400, 403)
        assert product.post(path, form, header=signature, body=b'{"a":1}', kind="application/json") == 403
        assert product.post(path, form, header=signature, kind="text/plain") == 403
        assert product.post(path, form, header=signature, body=b"") == 403
        assert product.post(path, form, header=signature, method="GET") == 405
        assert product.post(path, form, header=signature, method="PUT") == 405
    assert product.stored() == 0 and product.states() == CLAIMED


def test_text_that_is_not_utf8_is_kept_as_far_as_it_can_be_read(product: Product) -> None:
    url = product.url(product.ids[0])
    form = product.form(0, Note="\N{REPLACEMENT CHARACTER}")
    signature = receipts.sign(product.account.auth_token, url, form)
    body = urlencode(product.form(0)).encode() + b"&Note=%FF"
    assert product.post(url, form, header=signature, body=body) == 204
    assert product.fold() == ["delivered"]


def test_two_receipts_at_once_count_once(product: Product) -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda place=place: answers.append(product.report(place % 3))) for place in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    folding = [threading.Thread(target=product.fold) for _ in range(2)]
    for thread in folding:
        thread.start()
    for thread in folding:
        thread.join()
    product.fold()
    assert answers == [204] * 24 and product.stored() == 24
    assert product.states() == [("delivered", None)] * 3


def test_a_receipt_for_what_was_erased_is_kept_and_raises_nobody_from_the_dead(product: Product) -> None:
    with product.database.write() as session:
        session.execute(sa.delete(Delivery).where(Delivery.id == product.ids[0]))
    assert product.report(0) == 204
    assert product.report(1) == 204
    assert product.fold() == ["unmatched", "delivered"]
    assert product.states() == [("delivered", None), ("claimed", None)]


def test_a_genuine_receipt_is_kept_sealed_with_its_address(product: Product) -> None:
    assert product.report(0) == 204
    with product.database.read() as session:
        sealed = session.scalars(sa.select(RawReceipt.sealed)).one()
    assert number(0).encode() not in sealed
    opened = delivery.VaultSealer(product.runtime.vault).open(sealed)
    assert number(0) in opened and f"d={product.ids[0]}" in opened


def test_a_receipt_that_cannot_be_stored_is_asked_for_again(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: receipts.Taker, incoming: receipts.Incoming) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(receipts.Taker, "store", full)
        assert product.report(0) == 503
    assert product.refused == 1
    assert product.report(0) == 204
    assert product.fold() == ["delivered"]
