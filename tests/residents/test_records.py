"""One person: masked for everybody, whole for a purpose, corrected without being shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.http.permissions import Role
from emergency.people.contacts.models import PhoneState
from emergency.people.residents import service
from emergency.people.residents.defects import defects
from emergency.people.residents.models import Resident
from emergency.people.residents.service import import_residents
from emergency.privacy import journal
from kernel.db import Database, Touched
from kernel.errors import Conflict, Forbidden, Invalid, NotFound
from tests.conftest import on_disk
from tests.residents.conftest import (
    DISTRICT,
    DONGWU,
    JINGHAI,
    LIAISON,
    NANBA,
    OFFICER,
    TAITOU,
    VILLAGER,
    YIHE,
    actor_of,
    entries,
    ids,
    person,
)  # fmt: skip

Make = Callable[..., Path]
AUDITOR = actor_of(DISTRICT, Role.AUDITOR, id=8)
APPROVER = actor_of(DISTRICT, Role.APPROVER, id=2)


@pytest.fixture
def people(db: Database, csv_file: Make) -> list[int]:
    rows = [
        person(3, name="张某一", phone="15400000003", needs="卧床，需抬送"),
        person(4, name="张某二", phone="15400000003"),
        person(5, name="李某三", phone="", division_code=NANBA),
        person(6, name="王某四", phone="12", division_code=DONGWU),
    ]
    import_residents(db, csv_file(rows), actor=OFFICER)
    return ids(db)


def listed(database: Database, **chosen: Any) -> list[service.Listed]:
    with database.read() as session:
        return service.list_residents(session, actor=chosen.pop("actor", OFFICER), **chosen).items


def test_a_list_is_masked_scoped_and_filtered(db: Database, people: list[int]) -> None:
    assert [line.id for line in listed(db)] == [people[3], people[0], people[1], people[2]]
    assert [line.id for line in listed(db, actor=LIAISON)] == people[:3]
    assert [line.id for line in listed(db, actor=VILLAGER)] == people[3:]
    assert [line.id for line in listed(db, division=YIHE)] == people[:2]
    assert [line.id for line in listed(db, division=TAITOU)] == people[:3]
    assert [line.id for line in listed(db, phone_state="none")] == [people[2]]
    assert [line.id for line in listed(db, phone_state=PhoneState.INVALID)] == [people[3]]
    assert [line.id for line in listed(db, priority_class=0)] == [people[0]]
    assert listed(db, left=True) == []
    first = listed(db, division=YIHE)[0]
    assert (first.name, first.phone, first.division_name) == ("张某某", "154****0003", "义和村委会")


def test_a_list_goes_on_where_it_stopped(db: Database, people: list[int]) -> None:
    seen: list[int] = []
    cursor = None
    while True:
        with db.read() as session:
            page = service.list_residents(session, actor=OFFICER, limit=3, cursor=cursor)
        seen += [line.id for line in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(people)
    assert len(seen) == 4


@pytest.mark.parametrize("bad", [{"division": "12"}, {"phone_state": "loud"}, {"cursor": "§"}])
def test_a_wrong_filter_is_refused_and_never_widens(db: Database, people: list[int], bad: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        listed(db, **bad)


def test_outside_the_scope_nobody_exists(db: Database, people: list[int]) -> None:
    with pytest.raises(Forbidden) as refusal:
        listed(db, actor=VILLAGER, division=YIHE)
    assert refusal.value.code == "out_of_scope"
    for act in (
        lambda session: service.record(session, actor=VILLAGER, resident_id=people[0]),
        lambda session: service.reveal(session, actor=VILLAGER, resident_id=people[0], purpose="verify"),
        lambda session: service.correct(session, actor=VILLAGER, resident_id=people[0], name="赵某某"),
        lambda session: service.leave(session, actor=VILLAGER, resident_id=people[0]),
    ):
        with pytest.raises(NotFound), db.read() as session:
            act(session)
    with db.write() as session:
        assert service.search(session, actor=VILLAGER, phone="15400000003") == []


@pytest.mark.parametrize("actor", [AUDITOR, actor_of(DISTRICT, Role.STOREKEEPER), actor_of(DISTRICT, Role.PLANNER)])
def test_who_has_no_business_with_residents_sees_none(db: Database, people: list[int], actor: Any) -> None:
    with pytest.raises(Forbidden):
        listed(db, actor=actor)
    with pytest.raises(Forbidden), db.read() as session:
        service.export_residents(session, actor=actor, purpose="audit")


def test_a_record_shows_the_household_and_who_shares_the_number(db: Database, people: list[int]) -> None:
    with db.read() as session:
        record = service.record(session, actor=OFFICER, resident_id=people[0])
    assert [line.id for line in record.household] == [people[1]]
    assert record.shares_number_with == 1
    assert record.has_needs
    assert "卧床" not in str(record)
    assert record.address == "义和村委会 ***"


def test_a_reveal_is_journalled_with_its_purpose_before_it_opens(db: Database, people: list[int]) -> None:
    with db.read() as session:
        found = service.reveal(session, actor=OFFICER, resident_id=people[0], purpose="evacuation")
    assert (found.name, found.phone, found.needs, found.household) == ("张某一", "15400000003", "卧床，需抬送", "H1")
    (entry,) = entries(db, journal.REVEALED)
    assert (entry.subject_kind, entry.subject_id, entry.purpose) == ("resident", people[0], "evacuation")
    with pytest.raises(Invalid, match="purposes"), db.read() as session:
        service.reveal(session, actor=OFFICER, resident_id=people[0], purpose="")
    assert len(entries(db, journal.REVEALED)) == 1


def test_an_export_names_its_purpose_and_count_before_the_first_row(db: Database, people: list[int]) -> None:
    with db.read() as session:
        rows = service.export_residents(session, actor=OFFICER, purpose="drill", division=TAITOU)
        (entry,) = entries(db, journal.EXPORTED)
        assert len(list(rows)) == 3
    assert entry.purpose == "drill"
    assert '"count": 3' in entry.data
    with pytest.raises(Invalid, match="purposes"), db.read() as session:
        service.export_residents(session, actor=OFFICER, purpose=None)
    with pytest.raises(Forbidden), db.read() as session:
        service.export_residents(session, actor=LIAISON, purpose="drill")
    assert len(entries(db, journal.EXPORTED)) == 1


@pytest.mark.parametrize("means", [{"name": " 张 某一 "}, {"phone": "+86 154 0000 0003"}])
def test_a_search_finds_the_whole_value_and_is_journalled(
    db: Database, people: list[int], means: dict[str, str]
) -> None:
    with db.write() as session:
        found = service.search(session, actor=OFFICER, **means)
    assert people[0] in [line.id for line in found]
    (entry,) = entries(db, journal.SEARCHED)
    assert "张" not in entry.data
    assert "1540" not in entry.data


def test_half_a_number_finds_nobody(db: Database, people: list[int]) -> None:
    for wrong in ({"phone": "0003"}, {"name": " "}, {}):
        with pytest.raises(Invalid), db.write() as session:
            service.search(session, actor=OFFICER, **wrong)
    with db.write() as session:
        assert service.search(session, actor=OFFICER, name="张") == []


def test_a_correction_is_journalled_by_field_and_not_by_value(db: Database, people: list[int]) -> None:
    with db.read() as session:
        version = service.record(session, actor=OFFICER, resident_id=people[0]).version
    with db.write() as session:
        service.correct(
            session,
            actor=OFFICER,
            resident_id=people[0],
            version=version,
            phone="15400000099",
            needs="",
            address="新址",
        )
    with db.read() as session:
        found = service.reveal(session, actor=OFFICER, resident_id=people[0], purpose="correction")
        assert session.get_one(Resident, people[0]).priority_class == 3
    assert (found.phone, found.needs, found.address, found.name) == ("15400000099", "", "新址", "张某一")
    assert [entry.data for entry in entries(db, journal.CHANGED)] == [
        f'{{"division": "{YIHE}", "fields": "phone"}}', f'{{"division": "{YIHE}", "fields": "address,needs"}}'
    ]  # fmt: skip
    with pytest.raises(Conflict), db.write() as session:
        service.correct(session, actor=OFFICER, resident_id=people[0], version=version, name="赵某一")


def test_a_correction_that_changes_nothing_leaves_no_trace(db: Database, people: list[int]) -> None:
    with db.write() as session:
        service.correct(session, actor=OFFICER, resident_id=people[0], name="张 某一", phone="154-0000-0003")
    assert entries(db, journal.CHANGED) == []


def test_a_person_can_move_to_a_village_in_scope_only(db: Database, people: list[int]) -> None:
    with db.write() as session:
        service.correct(session, actor=LIAISON, resident_id=people[0], division_code=NANBA)
    with pytest.raises(Forbidden), db.write() as session:
        service.correct(session, actor=LIAISON, resident_id=people[0], division_code=DONGWU)
    for code in (TAITOU, "120118104999", ""):
        with pytest.raises(Invalid), db.write() as session:
            service.correct(session, actor=LIAISON, resident_id=people[0], division_code=code)
    assert [line.id for line in listed(db, division=NANBA)] == [people[0], people[2]]


def test_a_name_is_never_empty(db: Database, people: list[int]) -> None:
    with pytest.raises(Invalid), db.write() as session:
        service.correct(session, actor=OFFICER, resident_id=people[0], name="  ")


def test_a_person_by_hand_joins_the_household_and_is_not_taken_twice(db: Database, people: list[int]) -> None:
    with db.write() as session:
        added = service.register(
            session, actor=LIAISON, division_code=YIHE, name="张某五", phone="15400000077", household="H1"
        )
    with db.read() as session:
        record = service.record(session, actor=LIAISON, resident_id=added)
    assert {line.id for line in record.household} == set(people[:2])
    with pytest.raises(Conflict), db.write() as session:
        service.register(session, actor=LIAISON, division_code=YIHE, name="张某六", external_id="P00003")
    with pytest.raises(Forbidden), db.write() as session:
        service.register(session, actor=APPROVER, division_code=YIHE, name="张某六")


def test_nothing_of_a_person_stands_in_clear(db: Database, people: list[int], tmp_path: Path) -> None:
    with db.write() as session:
        service.correct(session, actor=OFFICER, resident_id=people[0], name="孙某七", address="秘密的地方")
        service.search(session, actor=OFFICER, name="孙某七")
    if not db.is_sqlite:
        pytest.skip("the file of PostgreSQL is not ours to read")
    raw = on_disk(db)
    for secret in ("孙某七", "秘密", "张某", "154000", "卧床"):
        assert secret.encode() not in raw


def test_the_database_refuses_half_a_point_and_an_unknown_class(db: Database, people: list[int]) -> None:
    for values in ({"lat": 38.9, "lon": None}, {"priority_class": 4}):
        with pytest.raises(sa.exc.IntegrityError), db.write() as session:
            session.execute(sa.update(Resident).where(Resident.id == people[0]).values(**values))


def test_numbers_that_cannot_be_dialled_are_a_defect_of_the_township_until_corrected(
    db: Database, people: list[int], clock: Any
) -> None:
    def found(limit_to: Any = None) -> list[tuple[str, int]]:
        with db.read() as session:
            return [(d["division_code"], d["params"]["n"]) for d in defects(session, clock.now(), limit_to)]

    assert found() == [(JINGHAI, 1)]
    assert found([("division", int(DONGWU))]) == [(JINGHAI, 1)]
    assert found([("division", int(TAITOU)), ("resident", people[3])]) == []
    assert found([("post", 1)]) == []
    with db.write() as session:
        service.correct(session, actor=OFFICER, resident_id=people[3], phone="15400000006")
        touched = {tuple(row) for row in session.execute(sa.select(Touched.kind, Touched.subject_id))}
    assert found() == []
    assert ("division", int(JINGHAI)) in touched
