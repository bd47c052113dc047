"""A running response on the one map: drawn over its area, named in the list beside it, in nobody else's scope."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import flask
import pytest

from emergency.divisions.models import Division, PointSource
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.web import mapping
from tests.plans.acting_support import DRILL, REAL, Ready, start
from tests.plans.support import DISTRICT, DULIU, TAITOU, person, signed_in

RING = [[116.8, 38.9], [116.9, 38.9], [116.9, 39.0], [116.8, 38.9]]


@pytest.fixture(autouse=True)
def drawn(ready: Ready) -> None:
    with ready.database.write() as session:
        session.get_one(Division, DISTRICT).boundary = {"type": "Polygon", "coordinates": [RING]}
        for code in (TAITOU, DULIU):
            place = session.get_one(Division, code)
            place.lat, place.lon, place.point_source = 38.95, 116.85, PointSource.SYNTHETIC


def _shown(page: str) -> dict[str, Any]:
    found = re.search(r"data-map='([^']*)'", page)
    assert found is not None
    return dict(json.loads(unescape(found[1])))


@pytest.mark.parametrize(("kind", "tone"), [(REAL, "red"), (DRILL, "drill")], ids=["real", "exercise"])
def test_what_runs_is_on_the_map_and_in_the_list(
    ready: Ready, officer: Actor, approver: Actor, app: flask.Flask, kind: Any, tone: str
) -> None:
    client = signed_in(app, person(Role.DUTY_OFFICER))
    assert "图上以圆圈和底色标出" not in client.get("/map").text
    running = start(ready, officer, approver, kind)
    page = client.get("/map").text
    assert f'href="/plans/activations/{running}"' in page and f'id="r{running}"' in page
    (ground,) = [area for area in _shown(page)["areas"] if area.get("tone")]
    assert ground["tone"] == tone and ground["text"].endswith("静海区防汛预案") and "级响应" in ground["text"]
    assert ("演练" in ground["text"]) is (kind is DRILL)
    card = page[page.index("图上以圆圈和底色标出") :]
    assert ("演练" in card[: card.index("</table>")]) is (kind is DRILL)
    with ready.database.read() as session, app.test_request_context():
        town = mapping.view(session, person(Role.LIAISON, division=TAITOU))
    assert [line.url for line in town.responses] == [f"/plans/activations/{running}"], "it binds the township too"


def test_a_neighbour_sees_none_of_it(ready: Ready, officer: Actor, approver: Actor, app: flask.Flask) -> None:
    running = start(ready, officer, approver)
    with ready.database.read() as session, app.test_request_context():
        seen = mapping.view(session, person(Role.DUTY_OFFICER), TAITOU)
        assert [line.anchor for line in seen.responses] == [f"r{running}"]
        elsewhere = Actor(kind="account", id=4, name="外区", roles=frozenset({Role.DUTY_OFFICER}),
                          division_prefix="120117", division_code="120117000000")  # fmt: skip
        assert mapping.view(session, elsewhere).responses == []
        nobody = person(Role.STOREKEEPER)
        assert nobody.can("plans.view") or mapping.view(session, nobody).responses == []
