"""The demonstration's people: as many as asked for, everywhere, and nobody real."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import sqlalchemy as sa

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact
from emergency.people.posts.models import Duty, Post, PostHolder
from emergency.people.residents import seed
from emergency.people.residents.models import Resident
from emergency.people.residents.service import count_audience, export_residents, import_residents
from emergency.privacy.vault import normalise_phone
from kernel.db import Database, now

REAL = Path(__file__).parents[3] / "shared" / "data" / "divisions" / "jinghai.csv"
SYSTEM = Actor.system("demo")


def test_the_sum_is_exact_and_no_village_is_empty() -> None:
    villages = [seed.Village(f"1201181{n:05d}", f"第{n}村", None, None, 0) for n in range(425)]
    for people in (425, 426, 20_000, 787_106):
        spread = seed.spread(villages, people)
        assert sum(v.people for v in spread) == people
        assert min(v.people for v in spread) >= 1
    assert sum(v.people for v in seed.spread(villages, 10)) == 10
    assert seed.spread([], 10) == []
    large = [v.people for v in seed.spread(villages, 787_106)]
    assert max(large) > 3 * min(large)


def test_every_serial_has_its_own_number_on_an_unallocated_prefix() -> None:
    numbers = [seed.demo_phone(n) for n in range(50_000)]
    assert len(set(numbers)) == 50_000
    assert {n[:3] for n in numbers} == {"154", "163", "164", "168", "169", "179"}
    assert all(len(n) == 11 and normalise_phone(n) for n in numbers)
    assert all(n[3] != "0" for n in numbers), "numbers with 0 there belong to posts"


def test_the_demo_fills_the_villages(db: Database) -> None:
    assert seed.seed(db, people=3000) == 3000
    with db.read() as session:
        found = count_audience(session, codes=["120118000000"])
        priority = session.scalar(sa.select(sa.func.count()).where(Resident.priority_class < 3)) or 0
    assert found.people == 3000
    assert len(found.by_division) == 3
    assert 0.06 < found.without_phone / 3000 < 0.12
    assert 0.003 < found.invalid_phone / 3000 < 0.02
    assert 0.04 < priority / 3000 < 0.08
    assert 0.6 < found.numbers / found.reachable_people < 0.9, "families share a phone, partly"
    assert seed.seed(db, people=3000) == 0, "a second seed adds nobody"


def test_an_export_of_the_demo_read_back_changes_nothing(db: Database, csv_file: object) -> None:
    seed.seed(db, people=1200)
    with db.read() as session:
        path = csv_file(export_residents(session, actor=SYSTEM, purpose="maintenance"))  # type: ignore[operator]
    report = import_residents(db, path, actor=SYSTEM, dry_run=True)
    assert (report.rows, report.unchanged) == (1200, 1200)
    assert {error.code for error in report.errors} == {"phone_invalid"}


def test_who_holds_a_post_lives_in_the_village_with_the_same_contact(db: Database) -> None:
    with db.write() as session:
        contact = contacts.create(session, name="李某一", phone="15400000001")
        post = Post(division_code="120118104201", duty=next(iter(Duty)))
        session.add(post)
        session.flush()
        session.add(PostHolder(post_id=post.id, contact_id=contact.id, order=0, since=now(session)))
        contact_id = contact.id
    seed.seed(db, people=300)
    with db.read() as session:
        resident = session.scalars(sa.select(Resident).where(Resident.contact_id == contact_id)).one()
        assert resident.division_code == "120118104201"
        people = session.scalar(sa.select(sa.func.count()).select_from(Resident)) or 0
        total = session.scalar(sa.select(sa.func.count()).select_from(Contact)) or 0
        assert (people, total) == (300, 300)
        out = list(export_residents(session, actor=SYSTEM, purpose="maintenance"))
    assert [row["name"] for row in out if row["phone"] == "15400000001"] == ["李某一"]


@pytest.mark.skipif(not REAL.exists(), reason="the real divisions lie beside the project, not in it")
def test_all_425_real_villages_get_people(database: Database) -> None:
    with database.write() as session:
        for row in csv.DictReader(REAL.open(encoding="utf-8")):
            session.add(
                Division(
                    code=row["code"], name=row["name"], level=int(row["level"]), parent_code=row["parent_code"] or None,
                    prefix=divisions.prefix(row["code"]),
                )
            )  # fmt: skip
            session.flush()
    assert seed.seed(database, people=2000) == 2000
    with database.read() as session:
        found = count_audience(session, codes=["120118000000"])
    assert (found.people, len(found.by_division)) == (2000, 425)
