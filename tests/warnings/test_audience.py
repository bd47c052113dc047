"""Whom it goes to: counted and sent by the same select, one message a number."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emergency.http.actor import SYSTEM
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact
from emergency.people.residents.models import Resident
from emergency.warnings import area as areas
from emergency.warnings import audience, geometry
from emergency.warnings.doors import make_lists
from emergency.warnings.models import Audience, DoorReason, DoorVisit
from kernel.clock import ManualClock
from kernel.db import Database
from notify.models import Delivery, Kind
from tests.warnings.support import BARE_VILLAGE, OTHER_VILLAGE, SQUARE, TOWN, VILLAGE, World


def rows(database: Database, area: dict[str, Any], who: Audience) -> list[tuple[str, int, int]]:
    """Recipient, people, rank in the order of sending."""
    with database.read() as session:
        targets = areas.resolve(session, geometry.parse(area))
        found = session.execute(audience.recipients(session, targets, who)).all()
        return [(r.recipient, r.people, r.rank) for r in sorted(found, key=lambda r: r.rank)]


def names(world: World, found: list[tuple[str, int, int]]) -> list[str]:
    known = {f"resident:{i}": n for n, i in world.residents.items()} | {f"post:{i}": n for n, i in world.posts.items()}
    return [known[recipient] for recipient, _people, _rank in found]


def test_a_family_on_one_phone_gets_one_message_for_all_of_it(database: Database, world: World) -> None:
    found = rows(database, {"divisions": [VILLAGE]}, Audience.RESIDENTS)
    assert sorted(people for _r, people, _k in found) == [1, 3]


def test_who_needs_help_first_comes_first(database: Database, world: World) -> None:
    assert names(world, rows(database, {"divisions": [TOWN]}, Audience.RESIDENTS))[0] == "weak"


def test_a_post_holder_who_lives_there_gets_one_message_and_comes_first(database: Database, world: World) -> None:
    found = rows(database, {"divisions": [VILLAGE]}, Audience.ALL)
    told = names(world, found)
    assert told[0] == "gong" and "alone" not in told
    assert set(told) == {"gong", "receiver", "family0"}
    assert sum(people for _r, people, _k in found) == 5


def test_posts_alone_are_the_posts_of_the_area(database: Database, world: World) -> None:
    assert set(names(world, rows(database, {"divisions": [TOWN]}, Audience.POSTS))) == {"gong", "receiver", "chief"}
    assert set(names(world, rows(database, {"polygons": [SQUARE]}, Audience.POSTS))) == {"gong", "receiver"}


def test_a_polygon_takes_residents_by_their_own_point_else_by_their_village(database: Database, world: World) -> None:
    told = names(world, rows(database, {"polygons": [SQUARE]}, Audience.RESIDENTS))
    assert set(told) == {"family0", "alone", "weak"}, "away lives in 七堡村 by point, bare has no point at all"


def test_a_circle_takes_who_is_near_and_the_nearest_first(database: Database, world: World) -> None:
    circle = {"circles": [{"lon": 116.711, "lat": 38.961, "radius_m": 900}]}
    assert names(world, rows(database, circle, Audience.RESIDENTS)) == ["alone", "family0"]


def test_a_village_without_a_point_is_listed_for_the_officer(database: Database, world: World) -> None:
    with database.read() as session:
        targets = areas.resolve(session, geometry.parse({"polygons": [SQUARE]}))
    assert [(u.key, u.name, u.people) for u in targets.undecided] == [(BARE_VILLAGE, "南坝台", 1)]
    included = {"polygons": [SQUARE], "included": [BARE_VILLAGE]}
    assert "bare" in names(world, rows(database, included, Audience.RESIDENTS))
    with database.read() as session:
        for decided in (included, {"polygons": [SQUARE], "excluded": [BARE_VILLAGE]}):
            assert areas.resolve(session, geometry.parse(decided)).undecided == []


def test_divisions_and_shapes_add_up_without_doubling_anybody(database: Database, world: World) -> None:
    told = names(world, rows(database, {"divisions": [VILLAGE], "polygons": [SQUARE]}, Audience.RESIDENTS))
    assert sorted(told) == ["alone", "family0", "weak"]


def test_the_estimate_says_who_cannot_be_reached(submitted: Any) -> None:
    figures = submitted().estimate
    wanted = {
        "recipients": 2, "people": 4, "without_phone": 1, "invalid_phone": 1, "unreachable": 2, "everybody": 6,
        "segments": 2, "messages": 4,
    }  # fmt: skip
    assert {key: figures[key] for key in wanted} == wanted


AREAS = st.fixed_dictionaries(
    {},
    optional={
        "divisions": st.lists(st.sampled_from([VILLAGE, TOWN, OTHER_VILLAGE, BARE_VILLAGE]), max_size=3),
        "polygons": st.just([SQUARE]),
        "circles": st.just([{"lon": 116.91, "lat": 39.03, "radius_m": 2000}]),
        "included": st.just([BARE_VILLAGE]),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(area=AREAS, who=st.sampled_from(Audience))
def test_what_is_counted_is_what_is_sent(database: Database, world: World, area: dict[str, Any], who: Audience) -> None:
    with database.read() as session:
        targets = areas.resolve(session, geometry.parse(area))
        counted = audience.count(session, targets, who)
        sent = session.execute(audience.recipients(session, targets, who)).all()
    assert counted.numbers == len(sent) == len({row.number_key for row in sent})
    assert counted.people == sum(row.people for row in sent)
    assert sum(place.numbers for place in counted.by_division.values()) == counted.numbers


def test_the_ledger_holds_exactly_what_the_snapshot_counts(database: Database, world: World, approved: Any) -> None:
    issue = approved(area={"divisions": [TOWN], "polygons": [SQUARE]}, audience=Audience.ALL)
    with database.read() as session:
        deliveries = session.scalars(
            sa.select(Delivery).where(Delivery.kind == Kind.ACTUAL).order_by(Delivery.id)
        ).all()
    assert len(deliveries) == issue.snapshot["estimate"]["recipients"]
    assert sum(d.people for d in deliveries) == issue.snapshot["estimate"]["people"]
    assert deliveries[0].recipient.startswith("post:")
    by_place: dict[str, int] = {}
    for delivery in deliveries:
        by_place[delivery.division] = by_place.get(delivery.division, 0) + 1
    assert by_place == {r["code"]: r["numbers"] for r in issue.snapshot["estimate"]["by_division"] if r["numbers"]}


def test_whom_no_message_reaches_stands_on_the_list_of_doors_once(
    database: Database, world: World, approved: Any, clock: ManualClock
) -> None:
    issue = approved()
    assert make_lists(database, clock.now()) == 2
    assert make_lists(database, clock.now()) == 0
    with database.read() as session:
        doors = session.scalars(sa.select(DoorVisit).where(DoorVisit.warning_id == issue.warning_id)).all()
    assert {d.recipient for d in doors} == {f"resident:{world.residents[n]}" for n in ("silent", "wrong")}
    assert {d.reason for d in doors} == {DoorReason.NO_PHONE}


def test_an_audience_is_found_in_few_statements(database: Database, world: World) -> None:
    with database.read() as session:
        seen: list[str] = []
        sa.event.listen(session.get_bind(), "before_cursor_execute", lambda *a: seen.append(a[2]))
        targets = areas.resolve(session, geometry.parse({"divisions": [TOWN], "polygons": [SQUARE]}))
        audience.count(session, targets, Audience.ALL)
    assert len(seen) <= 16, len(seen)


@pytest.mark.parametrize(
    ("codes", "words"),
    [([VILLAGE], "台头镇义和村"), ([TOWN], "台头镇"), ([VILLAGE, OTHER_VILLAGE], "七堡村、义和村"),
     ([TOWN, VILLAGE], "台头镇"), ([], "")],
)  # fmt: skip
def test_an_area_is_named_in_words(database: Database, world: World, codes: list[str], words: str) -> None:
    with database.read() as session:
        assert areas.words(session, codes) == words


def test_nobody_there_is_not_an_error(database: Database, world: World, approved: Any) -> None:
    issue = approved(area={"circles": [{"lon": 117.2, "lat": 38.7, "radius_m": 10}]})
    assert (issue.snapshot["numbers"], issue.snapshot["area_words"]) == (0, "静海区划定范围")


def test_a_real_warning_goes_to_who_refuses_messages_and_an_exercise_does_not(database: Database, world: World) -> None:
    with database.write() as session:
        key = session.scalars(
            sa.select(Contact.phone_index)
            .join(Resident, Resident.contact_id == Contact.id)
            .where(Resident.division_code == VILLAGE, Contact.phone_index.is_not(None))
            .order_by(Contact.id)
        ).first()
        assert key is not None
        contacts.opt_out(session, actor=SYSTEM, number_key=key, reason="TD")
    with database.read() as session:
        targets = areas.resolve(session, geometry.parse({"divisions": [VILLAGE]}))
        real, drill = (
            {row.number_key for row in session.execute(audience.recipients(session, targets, who, real=real))}
            for real, who in ((True, Audience.ALL), (False, Audience.ALL))
        )
        assert key in real and real - drill == {key}
        counted = {real: audience.count(session, targets, Audience.ALL, real=real) for real in (True, False)}
    assert counted[True].numbers == counted[False].numbers + 1
    assert counted[True].opted_out == 0 and counted[False].opted_out >= 1
