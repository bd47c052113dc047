"""Who is addressed: one message a number, everybody behind it counted, nobody outside the area."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division, PointSource
from emergency.people.contacts import service as contacts
from emergency.people.residents import audience, swap
from emergency.people.residents.models import Resident
from emergency.people.residents.service import (
    correct,
    count_audience,
    ids_select,
    import_residents,
    inside,
    leave,
    points,
    recipients,
)  # fmt: skip
from kernel.db import Database
from kernel.db import now as moment
from notify import service as notify
from notify.models import Kind
from tests.residents.conftest import DISTRICT, DONGWU, JINGHAI, NANBA, OFFICER, TAITOU, YIHE, ids, person

Make = Callable[..., Path]


def addressed(database: Database, **area: Any) -> list[Any]:
    with database.read() as session:
        return list(session.execute(recipients(**area).order_by("rank", "number_key")))


def load(database: Database, csv_file: Make, *rows: dict[str, Any]) -> list[int]:
    import_residents(database, csv_file(rows), actor=OFFICER)
    return ids(database)


FAMILY = (
    person(1, phone="15400000001"),
    person(2, phone="154 0000 0001"),
    person(3, phone="+86 15400000001", needs="卧床"),
    person(4, phone="15400000004", division_code=NANBA),
    person(5, phone=""),
    person(6, phone="1540000000x"),
    person(7, phone="15400000007", division_code=DONGWU),
)


def test_a_family_with_one_phone_gets_one_message_that_counts_for_all(db: Database, csv_file: Make) -> None:
    load(db, csv_file, *FAMILY)
    rows = addressed(db, codes=[TAITOU])
    assert [(row.people, row.division, row.rank) for row in rows] == [
        (3, YIHE, 0), (1, NANBA, 3 * 10_000_000)
    ]  # fmt: skip
    assert rows[0].recipient == f"resident:{ids(db)[0]}"
    with db.read() as session:
        found = count_audience(session, codes=[TAITOU])
    assert (found.people, found.numbers, found.reachable_people) == (6, 2, 4)
    assert (found.without_phone, found.invalid_phone, found.opted_out) == (1, 1, 0)
    assert found.by_division == {YIHE: 5, NANBA: 1}
    assert found.unreachable_by_division == {YIHE: 2}


@pytest.mark.parametrize(
    ("codes", "people"),
    [
        ([DISTRICT], 7),
        (["120118"], 7),
        ([TAITOU], 6),
        (["120118104"], 6),
        ([JINGHAI], 1),
        ([YIHE], 5),
        ([YIHE, NANBA], 6),
        ([YIHE, TAITOU, "120118104"], 6),
        ([YIHE, JINGHAI], 6),
        ([], 0),
    ],
)
def test_an_area_is_codes_of_any_level_or_prefixes(db: Database, csv_file: Make, codes: list[str], people: int) -> None:
    load(db, csv_file, *FAMILY)
    with db.read() as session:
        found = count_audience(session, codes=codes)
        assert found.people == people
        assert sum(found.by_division.values()) == people
        listed = session.execute(recipients(division_prefixes=codes)).all()
    assert sum(row.people for row in listed) == found.reachable_people
    assert len(listed) == found.numbers


def test_who_moved_away_or_objects_is_not_addressed(db: Database, csv_file: Make) -> None:
    everybody = load(db, csv_file, *FAMILY)
    with db.write() as session:
        leave(session, actor=OFFICER, resident_id=everybody[0])
        index = contacts.find_by_phone(session, "15400000004")[0].phone_index
        assert index is not None
        contacts.opt_out(session, actor=OFFICER, number_key=index)
    assert [row.people for row in addressed(db, codes=[TAITOU])] == [2]
    with db.read() as session:
        found = count_audience(session, codes=[TAITOU])
    assert (found.people, found.opted_out, found.numbers) == (5, 1, 1)
    with db.write() as session:
        leave(session, actor=OFFICER, resident_id=everybody[0], left=False)
    assert [row.people for row in addressed(db, codes=[TAITOU])] == [3]


def test_a_corrected_number_is_addressed_from_then_on(db: Database, csv_file: Make) -> None:
    everybody = load(db, csv_file, *FAMILY)
    with db.write() as session:
        correct(session, actor=OFFICER, resident_id=everybody[5], phone="15400000006")
    assert len(addressed(db, codes=[YIHE])) == 2


def test_filters_narrow_and_additions_widen(db: Database, csv_file: Make) -> None:
    everybody = load(db, csv_file, *FAMILY)
    with db.read() as session:
        some = ids_select(session, everybody[1:4])
        other = ids_select(session, [everybody[6]])
        assert count_audience(session, codes=[TAITOU], resident_filter=some).people == 3
        assert count_audience(session, codes=[YIHE], resident_filter=some).people == 2
        assert count_audience(session, codes=[TAITOU], also=other).people == 7
        assert count_audience(session, also=other).people == 1
        assert count_audience(session, also=ids_select(session, [])).people == 0
        assert len(session.execute(recipients(codes=[YIHE], resident_filter=some, also=other)).all()) == 2


def test_priority_goes_first_and_then_the_nearest(db: Database, csv_file: Make) -> None:
    load(
        db, csv_file,
        person(1, lat="38.900", lon="116.900"), person(2, lat="38.950", lon="116.900"),
        person(3, lat="38.901", lon="116.901"), person(4), person(5, lat="39.9", lon="117.9", needs="透析"),
    )  # fmt: skip
    order = [row.recipient.removeprefix("resident:") for row in addressed(db, codes=[YIHE], near=[(116.9, 38.9)])]
    first, second, third, fourth, fifth = map(str, ids(db))
    assert order == [fifth, first, third, second, fourth]


def test_the_ledger_takes_the_selection_as_it_is(db: Database, csv_file: Make) -> None:
    load(db, csv_file, *FAMILY)
    with db.write() as session:
        spec = notify.BroadcastSpec(
            kind=Kind.NOTICE, priority=5, text="今晚停水", valid_until=moment(session) + timedelta(hours=1),
            channels=["sms"], subject_kind="test", subject_id=1,
        )  # fmt: skip
        record = notify.broadcast(session, spec, recipients(codes=[DISTRICT], near=[(116.9, 38.9)]))
        tally = notify.tallies(session, [record.id])
    assert (tally.messages, tally.people) == (3, 5)


row_of = st.tuples(
    st.sampled_from([YIHE, NANBA, DONGWU]),
    st.sampled_from(["", "bad", "15400000001", "15400000002", "15400000003", "15400000004"]),
    st.sampled_from(["", "卧床", "独居", "方言"]),
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(row_of, max_size=12), codes=st.lists(st.sampled_from([YIHE, NANBA, DONGWU, TAITOU]), max_size=3))
def test_what_is_counted_is_what_is_sent(
    db: Database, csv_file: Make, rows: list[tuple[str, str, str]], codes: list[str]
) -> None:
    numbered = [person(n, division_code=code, phone=phone, needs=needs) for n, (code, phone, needs) in enumerate(rows)]
    with db.write() as session:
        session.execute(sa.update(Resident).values(left_at=moment(session)))
    import_residents(
        db, csv_file([row | {"external_id": f"R{id(rows)}-{n}"} for n, row in enumerate(numbered)]), actor=OFFICER
    )
    inside_codes = [row for row in rows if any(divisions.covers(code, row[0]) for code in codes)]
    phones = {phone for _code, phone, _needs in inside_codes if phone.isdigit()}
    with db.read() as session:
        found = count_audience(session, codes=codes)
        sent = session.execute(recipients(codes=codes)).all()
    assert found.people == len(inside_codes)
    assert len(sent) == found.numbers == len(phones)
    assert sum(row.people for row in sent) == found.reachable_people
    assert found.people == found.reachable_people + found.without_phone + found.invalid_phone + found.opted_out


# --- points --------------------------------------------------------------------------------------------------------


def square(lon: float, lat: float, size: float) -> Any:
    return divisions.polygon_from_lonlat(
        [[lon, lat], [lon + size, lat], [lon + size, lat + size], [lon, lat + size], [lon, lat]]
    )


PLACED = (
    person(1, lat="38.905", lon="116.905"), person(2, lat="38.999", lon="116.999"), person(3),
    person(4, division_code=DONGWU, lat="38.906", lon="116.906"), person(5, division_code=DONGWU),
)  # fmt: skip


def test_a_polygon_finds_those_inside_and_tells_who_has_no_point(db: Database, csv_file: Make) -> None:
    everybody = load(db, csv_file, *PLACED)
    with db.read() as session:
        found = inside(session, square(116.9, 38.9, 0.01), codes=[DISTRICT])
        assert sorted(found.ids.tolist()) == [everybody[0], everybody[3]]
        assert found.unplaced == {YIHE: 1, DONGWU: 1}
        only = inside(session, square(116.9, 38.9, 0.01), codes=[YIHE])
        assert only.ids.tolist() == [everybody[0]]
        assert count_audience(session, also=ids_select(session, found.ids)).people == 2
        assert points(session, ["120118104"]).unplaced == {YIHE: 1}
        assert points(session, []).ids.size == 0


def test_who_has_no_point_counts_by_the_village(db: Database, csv_file: Make) -> None:
    everybody = load(db, csv_file, *PLACED)
    with db.write() as session:
        session.execute(
            sa.update(Division)
            .where(Division.code == YIHE)
            .values(lat=38.902, lon=116.902, point_source=PointSource.ENTERED)
        )
    with db.read() as session:
        found = inside(session, square(116.9, 38.9, 0.01), codes=[DISTRICT])
    assert sorted(found.ids.tolist()) == [everybody[0], everybody[2], everybody[3]]
    assert found.unplaced == {DONGWU: 1}


def test_kept_points_follow_every_change(db: Database, csv_file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = load(db, csv_file, *PLACED)
    shape = square(116.9, 38.9, 0.01)

    def found() -> list[int]:
        with db.read() as session:
            return sorted(inside(session, shape, codes=[DISTRICT]).ids.tolist())

    assert found() == [everybody[0], everybody[3]]
    with db.write() as session:
        leave(session, actor=OFFICER, resident_id=everybody[0])
    assert found() == [everybody[3]]
    with db.write() as session:
        correct(session, actor=OFFICER, resident_id=everybody[1], point=(38.907, 116.907))
    assert found() == [everybody[1], everybody[3]]
    import_residents(db, csv_file([person(9, lat="38.908", lon="116.908")]), actor=OFFICER)
    assert len(found()) == 3
    with db.write() as session:
        correct(session, actor=OFFICER, resident_id=everybody[3], division_code=NANBA)
    with db.read() as session:
        assert points(session, [JINGHAI]).ids.size == 0
        assert inside(session, shape, codes=[NANBA]).ids.tolist() == [everybody[3]]


def test_points_are_loaded_once(db: Database, csv_file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from emergency.people.residents import points as module

    load(db, csv_file, *PLACED)
    loads: list[str] = []
    real = module._load
    monkeypatch.setattr(module, "_load", lambda s, t, r: (loads.append(t), real(s, t, r))[1])
    for _ in range(3):
        with db.read() as session:
            points(session, [DISTRICT])
    assert loads == ["120118100", "120118104"]
    with db.write() as session:
        swap.stamp(session, ["120118104"])
    with db.read() as session:
        points(session, [DISTRICT])
    assert loads == ["120118100", "120118104", "120118104"]


def test_no_code_is_nothing_and_never_everything() -> None:
    assert str(audience.area(Resident.division_code, [])) == "false"
