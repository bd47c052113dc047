"""Who sees what of divisions and units, and which villages an area holds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import emergency.people.posts  # noqa: F401
from emergency.divisions import rules, service
from emergency.divisions.defects import defects
from emergency.divisions.models import Datum, Division, PointSource, RiskGrade, Unit
from emergency.http.actor import NOBODY, Actor
from emergency.http.permissions import Role
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import DomainError, Forbidden, NotFound, Unauthenticated
from tests.divisions.conftest import CONSOLE, DISTRICT, DULIU, TAITOU, TREE, actor

CODES = [row[0] for row in TREE]


def _facts(name: str = "台头镇第一养老院", code: str = TAITOU, **more: Any) -> service.UnitFacts:
    return service.UnitFacts(name=name, division_code=code, **{"sectors": ["care_home"], **more})


def _unit(database: Database, **more: Any) -> Unit:
    with database.write() as session:
        return service.create_unit(session, actor=CONSOLE, facts=_facts(**more))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scope=st.sampled_from(CODES), probe=st.sampled_from(CODES))
def test_nobody_sees_a_division_outside_the_scope(tree: Database, scope: str, probe: str) -> None:
    who = actor(Role.LIAISON, division=scope, prefix=rules.prefix(scope))
    with tree.read() as session:
        seen = {d.code for d in service.list_divisions(session, actor=who).items}
        assert seen == {code for code in CODES if rules.covers(scope, code)}
        if probe in seen or rules.covers(probe, scope):
            assert service.seen(session, actor=who, code=probe).code == probe
        else:
            with pytest.raises(NotFound):
                service.seen(session, actor=who, code=probe)


def test_nobody_signed_in_sees_nothing(tree: Database) -> None:
    with tree.read() as session, pytest.raises(Unauthenticated):
        service.list_divisions(session, actor=NOBODY)


def test_the_tree_counts_what_lies_in_each_township(tree: Database, officer: Actor, taitou_liaison: Actor) -> None:
    for name in ("甲", "乙", "丙"):
        _unit(tree, name=name)
    with tree.read() as session:
        rows = {
            row.division.code: (row.villages, row.units, row.without_point)
            for row in service.tree(session, actor=officer)
        }
        assert rows == {"120118100000": (0, 0, 0), DULIU: (1, 0, 0), TAITOU: (2, 3, 1)}
        assert [row.division.code for row in service.tree(session, actor=taitou_liaison)] == [TAITOU]
        assert [d.name for d in service.path(session, "120118104201")] == [
            "天津市",
            "市辖区",
            "静海区",
            "台头镇",
            "胜利村委会",
        ]


def test_a_neighbours_unit_does_not_exist_for_a_township(tree: Database, taitou_liaison: Actor) -> None:
    own, other = _unit(tree), _unit(tree, name="独流镇第一养老院", code=DULIU)
    with tree.read() as session:
        assert [u.id for u in service.units(session, taitou_liaison).items] == [own.id]
        with pytest.raises(NotFound):
            service.get_unit(session, actor=taitou_liaison, unit_id=other.id)
    with tree.write() as session, pytest.raises(NotFound):
        service.change_unit(session, actor=taitou_liaison, unit_id=other.id, facts=_facts(name="抢来的"))
    with tree.write() as session, pytest.raises(Forbidden):
        service.change_unit(session, actor=taitou_liaison, unit_id=own.id, facts=_facts(code=DULIU))
    with tree.write() as session, pytest.raises(Forbidden):
        service.create_unit(session, actor=taitou_liaison, facts=_facts(code=DULIU))


def test_units_are_found_by_what_they_imply(tree: Database, officer: Actor) -> None:
    unit = _unit(tree, risk_grade="orange", key_fire=True)
    with tree.read() as session:
        for chosen in (
            {"sector": "welfare"},
            {"sector": "key_fire"},
            {"kind": "care_home"},
            {"grade": "orange"},
            {"q": "养老"},
            {"within": TAITOU},
        ):
            assert [u.id for u in service.units(session, officer, **chosen).items] == [unit.id], chosen
        assert service.units(session, officer, sector="mine").items == []
        with pytest.raises(DomainError):
            service.units(session, officer, kind="castle")
    with tree.write() as session:
        service.change_unit(
            session,
            actor=officer,
            unit_id=unit.id,
            facts=service.UnitFacts(sectors=["mine"], key_fire=False, risk_grade=""),
        )
    with tree.read() as session:
        assert service.count_units(session, officer, sector="welfare") == 0
        assert service.count_units(session, officer, sector="production") == 1
        assert session.get_one(Unit, unit.id).risk_grade is None
    with tree.write() as session:
        service.close_unit(session, actor=officer, unit_id=unit.id)
        assert service.count_units(session, officer) == 0


def test_lists_go_on_where_they_stopped(tree: Database, officer: Actor) -> None:
    made = {_unit(tree, name=f"单位{n}").id for n in range(7)}
    seen: list[int] = []
    cursor = None
    with tree.read() as session:
        while True:
            page = service.units(session, officer, cursor=cursor, limit=3)
            seen += [unit.id for unit in page.items]
            if (cursor := page.next_cursor) is None:
                break
    assert len(seen) == 7 and set(seen) == made


def test_a_reveal_needs_a_purpose_and_is_remembered(tree: Database, officer: Actor) -> None:
    unit = _unit(tree, address="台头镇示例路2号", contact_name="李某二", contact_phone="15400000002")
    with tree.read() as session:
        assert service.masked_contact(session, actor=officer, unit=unit).phone == "154****0002"
        with pytest.raises(DomainError):
            service.reveal_unit(session, actor=officer, unit_id=unit.id, purpose="curiosity")
        shown = service.reveal_unit(session, actor=officer, unit_id=unit.id, purpose="evacuation")
    assert (shown.contact_name, shown.contact_phone, shown.address) == ("李某二", "15400000002", "台头镇示例路2号")
    with tree.read() as session:
        kinds = list(session.scalars(sa.select(JournalEntry.kind)))
    assert kinds.count("personal.revealed") == 1


def test_nothing_personal_of_a_unit_stands_in_the_file(tree: Database) -> None:
    _unit(tree, address="台头镇示例路77号", contact_name="李某二", contact_phone="15400000002")
    if not tree.is_sqlite:
        pytest.skip("the file is SQLite's")
    with tree.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    content = Path(tree.engine.url.database or "").read_bytes()
    for text in ("示例路77号", "李某二", "15400000002"):
        assert text.encode() not in content


def test_an_area_holds_villages_by_boundary_or_point_and_lists_the_rest(tree: Database) -> None:
    with tree.read() as session:
        found = service.villages_in_area(session, rules.circle_to_polygon(116.81, 39.04, 2_000))
        assert (found.inside, found.without_point) == (["120118104201"], ["120118104202"])
        assert service.villages_in_area(session, rules.circle_to_polygon(100.0, 30.0, 500)).inside == []
    ring = [[116.7, 39.0], [116.71, 39.0], [116.71, 39.01], [116.7, 39.0]]
    with tree.write() as session:
        service.set_boundary(
            session, actor=CONSOLE, code="120118104202", geojson={"type": "Polygon", "coordinates": [ring]}
        )
    with tree.read() as session:
        found = service.villages_in_area(session, rules.circle_to_polygon(116.705, 39.0, 800), within=TAITOU)
        assert (found.inside, found.without_point) == (["120118104202"], [])


def test_a_point_by_hand_says_so_and_needs_the_scope(tree: Database, officer: Actor) -> None:
    administrator = actor(Role.ADMINISTRATOR, division=TAITOU, prefix="120118104")
    with tree.write() as session:
        village = service.set_point(
            session, actor=administrator, code="120118104202", lon=116.82, lat=39.03, datum=Datum.GCJ02
        )
        assert village.point_source is PointSource.ENTERED
        assert (village.lon, village.lat) != (116.82, 39.03)
    for who, code in ((administrator, DULIU), (officer, TAITOU)):
        with tree.write() as session, pytest.raises(Forbidden):
            service.set_point(session, actor=who, code=code, lon=116.8, lat=39.0)
    with tree.write() as session, pytest.raises(rules.BadGeometry):
        service.set_point(session, actor=CONSOLE, code=TAITOU, lon=39.0, lat=116.8)


def test_what_is_wrong_is_told_with_the_page_that_mends_it(tree: Database, clock: ManualClock) -> None:
    unit = _unit(tree, sectors=[])
    moment: datetime = clock.now()
    with tree.read() as session:
        found = {(d.rule, d.url) for d in defects(session, moment)}
        assert found == {
            ("villages_without_point", f"/divisions/{TAITOU}"),
            ("unit_without_sector", f"/units/{unit.id}"),
            ("unit_without_contact", f"/units/{unit.id}"),
        }
        assert {d.rule for d in defects(session, moment, [("division", 120118104202)])} == {"villages_without_point"}
        assert defects(session, moment, [("division", int(DULIU)), ("unit", 1)]) == []


def test_the_database_itself_refuses_half_a_point(tree: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError), tree.write() as session:
        session.execute(sa.update(Division).where(Division.code == TAITOU).values(lat=None))


def test_grades_are_the_four_colours() -> None:
    assert [grade.value for grade in RiskGrade] == ["red", "orange", "yellow", "blue"]
    assert DISTRICT in CODES
