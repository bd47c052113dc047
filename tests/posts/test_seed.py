"""The demo district has its posts and its roster, nobody real in them, and faults to find."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from emergency.divisions import seed as divisions_seed
from emergency.divisions.models import Division, PointSource, Unit
from emergency.http.actor import Actor
from emergency.people.contacts.models import Contact
from emergency.people.contacts.rules import show_phone
from emergency.people.posts import rules, seed, service
from emergency.people.posts.models import Duty, DutyShift, Post, ShiftState
from emergency.privacy import vault
from kernel.db import Database
from tests.conftest import START
from tests.posts.conftest import CONSOLE, DISTRICT, TAITOU


def test_the_numbers_of_holders_are_unallocated_and_all_different() -> None:
    numbers = [seed.post_number(i) for i in range(40_000)]
    assert len(set(numbers)) == len(numbers)
    assert all(len(n) == 11 and n[:3] in seed.PREFIXES and n[3] == "0" for n in numbers)


@pytest.mark.slow
def test_the_demo_district_is_whole_and_says_what_is_synthetic(database: Database) -> None:
    divisions_seed.seed(database)
    with database.write() as session:
        session.execute(sa.delete(Unit).where(Unit.code > "JH0020"))  # a few are enough here
    seed.seed(database)
    seed.seed(database)
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Division)) == 451
        villages = session.scalars(sa.select(Division.point_source).where(Division.level == 5).distinct()).all()
        assert villages == [PointSource.SYNTHETIC]
        towns = session.scalars(sa.select(Division).where(Division.level == 4)).all()
        assert sum(t.point_source is PointSource.IMPORTED for t in towns) == 18 and len(towns) == 23
        chiefs = service.find_posts(session, [DISTRICT], duties=[Duty.FLOOD_CHIEF])
        assert len(chiefs) == 1 + 23 + 425
        gongs = service.find_posts(session, [DISTRICT], duties=[Duty.GONG_KEEPER])
        assert {post.division_code[:9] for post in gongs} == {code[:9] for code in seed.BASIN}
        faults = service.count_faults(session, actor=Actor.system("test"))
        total = session.scalar(sa.select(sa.func.count()).select_from(Post)) or 0
        assert all(faults[fault] for fault in rules.Fault) and sum(faults.values()) < total / 3
        assert len(session.execute(service.recipients([TAITOU])).all()) > 50
        store = vault.of(session)
        for contact in session.scalars(sa.select(Contact).where(Contact.phone_index.is_not(None)).limit(200)):
            phone = show_phone(store.open("contact", "phone", contact.id, contact.phone_sealed or b""))
            assert phone[:3] in seed.PREFIXES
        assert session.scalar(sa.select(sa.func.count()).select_from(DutyShift)) == 0  # no accounts, no roster


def test_the_roster_covers_two_weeks_around_now(tree: Database, make_account) -> None:  # type: ignore[no-untyped-def]
    make_account("zhou")
    seed._roster(tree)
    seed._roster(tree)
    with tree.read() as session:
        shifts = session.scalars(sa.select(DutyShift).order_by(DutyShift.starts)).all()
        assert len(shifts) == 15
        assert [s.state for s in shifts[:7]] == [ShiftState.HANDED_OVER] * 7
        assert [s.id for s in service.on_duty(session, START)] == [shifts[7].id]
        assert service.note_of(session, shifts[0])
    assert CONSOLE.is_system
