"""Stock pages and JSON."""

from __future__ import annotations

import flask
import pytest

from emergency.http.permissions import Role
from emergency.supplies import service
from emergency.supplies.models import Ownership
from tests.plans.support import person, signed_in
from tests.supplies.conftest import Store


def goods(store: Store, n: int = 30) -> int:
    with store.database.write() as session:
        return service.receive(session, actor=store.keeper, depot_id=store.centre, item_id=store.bags,
                               ownership=Ownership.GOVERNMENT, number="A", quantity=n).lot_id  # fmt: skip


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_stock_page_opens_in_both_languages(store: Store, app: flask.Flask, language: str) -> None:
    lot = goods(store)
    client = signed_in(app, person(Role.STOREKEEPER, Role.APPROVER), language)
    for path in ("/supplies", "/supplies?ownership=government&family=3&q=编", "/supplies/depots", "/supplies/receive",
                 f"/supplies/depots/{store.centre}", f"/supplies/depots/{store.centre}/count", "/supplies/write-offs",
                 f"/supplies/items/{store.bags}", f"/supplies/lots/{lot}"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text[:300])
        assert answer.text.count("<h1") == 1, path


def test_the_receive_form_offers_the_ownerships(store: Store, app: flask.Flask) -> None:
    assert "政府储备" in signed_in(app, store.keeper).get("/supplies/receive").text


def test_goods_come_in_and_go_out_by_the_forms_and_too_much_is_refused_where_the_hand_is(
    store: Store, app: flask.Flask
) -> None:
    client = signed_in(app, store.keeper)
    got = client.post(
        "/supplies/receive",
        data={
            "depot_id": store.centre,
            "item_id": store.bags,
            "ownership": "government",
            "number": "B",
            "quantity": "20",
        },
    )
    assert got.status_code == 303
    lot = got.headers["Location"]
    out = {"depot_id": store.centre, "quantity": "5", "reason": "演练领用"}
    assert client.post(f"{lot}/issue", data=out).status_code == 303
    refused = client.post(f"{lot}/issue", data=out | {"quantity": "16"})
    assert refused.status_code == 422 and "15" in refused.text
    assert client.get("/api/v1/supplies").json["items"][0]["holdings"] == [
        {"holding": "government", "quantity": 15, "reserved": 0, "first_expiry": None}
    ]  # fmt: skip


def test_a_count_with_rubbish_in_it_books_nothing(store: Store, app: flask.Flask) -> None:
    lot = goods(store)
    client = signed_in(app, store.keeper)
    url = f"/supplies/depots/{store.centre}/count"
    assert client.post(url, data={f"lot-{lot}": "三十"}).status_code == 422
    assert client.post(url, data={f"lot-{lot}": "28"}).status_code == 303
    with store.database.read() as session:
        assert service.lot_places(session, actor=store.keeper, lot_id=lot)[0].quantity == 28


def test_the_export_is_what_is_shown(store: Store, app: flask.Flask) -> None:
    goods(store)
    text = signed_in(app, store.keeper).get("/supplies?format=csv").text
    assert text.lstrip("\ufeff").splitlines()[1].startswith("3010101,编织袋,条,中心库,government,A,30,")


def test_one_item_in_json_names_its_lots(store: Store, app: flask.Flask) -> None:
    lot = goods(store)
    whole = signed_in(app, store.keeper).get(f"/api/v1/supplies/{store.bags}").json
    assert [(row["lot_id"], row["depot"], row["quantity"]) for row in whole["lots"]] == [(lot, "中心库", 30)]
