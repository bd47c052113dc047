"""The public face: CAP 1.2 by the schema, and a feed that other systems poll."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from defusedxml import ElementTree
from flask.testing import FlaskClient

from emergency.config import Config
from emergency.warnings import cap, service, views
from emergency.warnings.models import Audience, Issue, WarningStatus
from kernel.db import Database
from tests.asking.support import app_with
from tests.warnings.support import BARE_VILLAGE, SQUARE, VILLAGE, World

SCHEMA = Path(__file__).resolve().parents[3] / "shared/data/cap/CAP-v1.2.xsd"
CAP = {"c": cap.CAP}
ATOM = {"a": cap.ATOM}
SHAPE = {
    "divisions": [VILLAGE], "polygons": [SQUARE], "circles": [{"lon": 116.7, "lat": 38.95, "radius_m": 1500}],
    "included": [BARE_VILLAGE],
}  # fmt: skip
ORDER = [
    "language", "category", "event", "urgency", "severity", "certainty", "eventCode", "effective", "onset", "expires",
    "senderName", "headline", "description", "instruction", "parameter", "area",
]  # fmt: skip


@pytest.fixture
def client(database: Database, config: Config, world: World) -> FlaskClient:
    """Nobody is signed in."""
    app: flask.Flask = app_with(database, config, [views])
    return app.test_client()


def read(client: FlaskClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return ElementTree.fromstring(answer.data)


def validate(document: bytes) -> None:
    lxml = pytest.importorskip("lxml.etree")
    if not SCHEMA.exists():
        pytest.skip("the schema is not on this machine")
    lxml.XMLSchema(lxml.parse(str(SCHEMA))).assertValid(lxml.fromstring(document))


def test_a_message_is_cap(client: FlaskClient, approved: Any) -> None:
    issue = approved(area=SHAPE)
    alert = read(client, f"/cap/{issue.identifier}.xml")
    assert alert.tag == f"{{{cap.CAP}}}alert"
    assert [child.tag.split("}")[1] for child in alert] == [
        "identifier", "sender", "sent", "status", "msgType", "scope", "info",
    ]  # fmt: skip
    assert alert.findtext("c:sent", None, CAP) == "2026-11-23T09:00:00+08:00"
    info = alert.find("c:info", CAP)
    assert [child.tag.split("}")[1] for child in info] == ORDER
    said = {child.tag.split("}")[1]: child.text for child in info}
    assert (said["severity"], said["urgency"], said["category"]) == ("Extreme", "Immediate", "Met")
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00", said[name]) for name in ("effective", "onset", "expires")
    )
    area = info.find("c:area", CAP)
    assert area.findtext("c:polygon", None, CAP) == " ".join(f"{lat},{lon}" for lon, lat in SQUARE)
    assert area.findtext("c:circle", None, CAP) == "38.95,116.7 1.5"
    assert [code.text for code in area.findall("c:geocode/c:value", CAP)] == [VILLAGE, BARE_VILLAGE]


@pytest.mark.parametrize(
    ("level", "severity"), [("red", "Extreme"), ("orange", "Severe"), ("yellow", "Moderate"), ("blue", "Minor")]
)
def test_the_colours_are_severities(level: str, severity: str) -> None:
    from emergency.warnings.rules import SEVERITY

    assert SEVERITY[level] == severity


def test_every_kind_of_message_agrees_with_the_schema(
    client: FlaskClient, database: Database, world: World, approved: Any
) -> None:
    issue = approved(area=SHAPE, description="水位<8米>&上涨\x08")
    with database.write() as session:
        service.all_clear(session, actor=world.author, warning_id=issue.warning_id)
    approved(status=WarningStatus.EXERCISE)
    with database.read() as session:
        for snapshot in session.scalars(sa.select(Issue.snapshot)):
            document = cap.document(snapshot)
            ElementTree.fromstring(document)
            validate(document)


def test_what_ends_a_warning_refers_to_it(client: FlaskClient, database: Database, world: World, approved: Any) -> None:
    issue = approved()
    with database.write() as session:
        _, lifted = service.all_clear(session, actor=world.author, warning_id=issue.warning_id)
    alert = read(client, f"/cap/{lifted.identifier}.xml")
    assert alert.findtext("c:msgType", None, CAP) == "Cancel"
    sender, identifier, sent = alert.findtext("c:references", None, CAP).split(",")
    assert (identifier, sent) == (issue.identifier, "2026-11-23T09:00:00+08:00") and sender
    assert alert.findtext("c:info/c:headline", None, CAP) == "洪水红色预警解除"
    assert alert.findtext("c:info/c:urgency", None, CAP) == "Past"


def test_an_exercise_is_marked_and_keeps_out_of_the_real_feed(client: FlaskClient, approved: Any) -> None:
    drill = approved(status=WarningStatus.EXERCISE)
    alert = read(client, f"/cap/{drill.identifier}.xml")
    assert alert.findtext("c:status", None, CAP) == "Exercise" and alert.findtext("c:note", None, CAP) == "演练"
    for name in ("headline", "description", "instruction"):
        assert alert.findtext(f"c:info/c:{name}", None, CAP).startswith("【演练】")
    assert read(client, "/cap/feed.atom").findall("a:entry", ATOM) == []
    (entry,) = read(client, "/cap/feed.atom?status=Exercise").findall("a:entry", ATOM)
    assert entry.findtext("a:title", None, ATOM) == "【演练】洪水红色预警"


def test_what_was_not_issued_and_what_was_a_test_is_not_there(
    client: FlaskClient, submitted: Any, approved: Any
) -> None:
    submitted()
    assert read(client, "/cap/feed.atom").findall("a:entry", ATOM) == []
    test = approved(status=WarningStatus.TEST, audience=Audience.POSTS)
    assert client.get(f"/cap/{test.identifier}.xml").status_code == 404
    assert client.get("/cap/12011800000000_20261123080000_7.xml").status_code == 404
    assert client.get("/cap/..%2Fetc.xml").status_code == 404


def test_the_feed_leads_to_the_documents_and_can_be_polled(client: FlaskClient, approved: Any) -> None:
    issue = approved()
    answer = client.get("/cap/feed.atom")
    assert answer.content_type.startswith("application/atom+xml")
    entry: Any
    (entry,) = ElementTree.fromstring(answer.data).findall("a:entry", ATOM)
    href = entry.find("a:link", ATOM).get("href")
    assert href.endswith(f"/cap/{issue.identifier}.xml")
    again = client.get("/cap/feed.atom", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304 and not again.data
    later = client.get("/cap/feed.atom", headers={"If-Modified-Since": answer.headers["Last-Modified"]})
    assert later.status_code == 304
    document = client.get(f"/cap/{issue.identifier}.xml")
    assert client.get(
        f"/cap/{issue.identifier}.xml", headers={"If-None-Match": document.headers["ETag"]}
    ).status_code == 304  # fmt: skip
    approved()
    fresh = client.get("/cap/feed.atom", headers={"If-None-Match": answer.headers["ETag"]})
    assert fresh.status_code == 200 and len(ElementTree.fromstring(fresh.data).findall("a:entry", ATOM)) == 2
