"""Spot checks: noted for what was held, ordered with a day, corrected with proof, a fault while late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import flask
import pytest
import sqlalchemy as sa

from emergency.drills import inspecting
from emergency.drills.defects import defects
from emergency.drills.inspection_models import Inspected, Inspection
from emergency.drills.models import DrillKind, Occurrence, Programme
from emergency.http.permissions import Role
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from kernel.errors import Conflict, DomainError, Invalid, NotFound
from scheduler.recurrence import Freq, Recurrence
from tests.drills.conftest import World
from tests.drills.test_standings import hold
from tests.plans.support import DULIU, TAITOU, person, signed_in

Plan = Callable[..., Programme]
PLANNER = person(Role.PLANNER, id=1)
STRANGER = person(Role.PLANNER, division=DULIU, id=9)
TODAY = date(2026, 11, 23)


@pytest.fixture
def drills(world: World, plan: Plan) -> tuple[int, int]:
    """One drill that was held and one that lies ahead."""
    with world.database.write() as session:
        plan(session, kind=DrillKind.FIRE, unit_id=world.plant, post_ids=(),
             recurrence=Recurrence(Freq.MONTHLY, date(2026, 11, 10), interval=6), backdated=True)  # fmt: skip
        held, ahead = session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)).all()[:2]
        hold(world, session, held)
    return held.id, ahead.id


def check(world: World, occurrence_id: int, **changes: object) -> Inspection:
    given: dict[str, object] = {
        "inspected_on": TODAY, "result": Inspected.CORRECTION, "ordered": "补做疏散清点", "due_on": date(2026, 12, 1),
    } | changes  # fmt: skip
    with world.database.write() as session:
        return inspecting.inspect(session, actor=PLANNER, occurrence_id=occurrence_id, **given)  # type: ignore[arg-type]


def test_an_ordered_correction_is_a_fault_while_late_and_ends_with_its_proof(
    world: World, drills: tuple[int, int], clock: ManualClock
) -> None:
    made = check(world, drills[0])
    assert made.ordered_sealed is not None and "补做".encode() not in made.ordered_sealed

    def faults() -> set[str]:
        with world.database.read() as session:
            return {d.rule for d in defects(session, clock.now(), [("drill_occurrence", drills[0])])}

    assert faults() == set()
    clock.advance(timedelta(days=9))
    assert faults() == {f"inspection_uncorrected:{made.id}"}
    with world.database.write() as session:
        inspecting.correct(
            session, actor=PLANNER, inspection_id=made.id, version=1, corrected_on=date(2026, 12, 2), proof="复查照片"
        )
    assert faults() == set()
    with world.database.read() as session:
        shown = inspecting.inspections(session, actor=PLANNER, occurrence_id=drills[0]).items[0]
        assert (shown.ordered, shown.proof) == ("补做疏散清点", "复查照片")
        assert inspecting.inspections(session, actor=PLANNER, open_only=True).items == []
    with pytest.raises(Conflict), world.database.write() as session:
        inspecting.correct(
            session, actor=PLANNER, inspection_id=made.id, version=2, corrected_on=date(2026, 12, 2), proof="再来"
        )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"inspected_on": date(2026, 11, 24)}, "inspected_on"),
        ({"ordered": " "}, "ordered"),
        ({"due_on": None}, "due_on"),
        ({"due_on": date(2026, 11, 1)}, "due_on"),
    ],
)
def test_a_check_that_does_not_fit_together_is_refused(
    world: World, drills: tuple[int, int], changes: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        check(world, drills[0], **changes)
    assert field in refused.value.fields


def test_what_lies_ahead_cannot_be_checked_and_a_stranger_sees_nothing(
    world: World, drills: tuple[int, int], app: flask.Flask
) -> None:
    with pytest.raises(DomainError):
        check(world, drills[1])
    made = check(world, drills[0], result=Inspected.PASSED, ordered="", due_on=None)
    assert made.due_on is None and made.ordered_sealed is None
    with world.database.read() as session:
        assert inspecting.inspections(session, actor=STRANGER).items == []
        with pytest.raises(NotFound):
            inspecting.get_inspection(session, actor=STRANGER, inspection_id=made.id)
    client = signed_in(app, STRANGER)
    assert client.get(f"/drills/{drills[0]}/inspections").status_code == 404
    assert client.post(f"/drills/{drills[0]}/inspections", data={}).status_code == 404
    assert client.post(f"/drills/inspections/{made.id}/correct", data={}).status_code == 404


def test_a_check_is_noted_and_corrected_by_the_page(world: World, drills: tuple[int, int], app: flask.Flask) -> None:
    client, url = signed_in(app, PLANNER), f"/drills/{drills[0]}/inspections"
    typed = {"inspected_on": "2026-11-23", "result": "correction", "ordered": "补做疏散清点", "due_on": ""}
    wrong = client.post(url, data=typed)
    assert wrong.status_code == 422 and "补做疏散清点" in wrong.text
    assert client.post(url, data=typed | {"due_on": "2026-12-01"}).status_code == 303
    assert "责令改正" in client.get("/drills/inspections?open=1").text
    with world.database.read() as session:
        row = session.scalars(sa.select(Inspection)).one()
    done = client.post(
        f"/drills/inspections/{row.id}/correct", data={"version": "1", "corrected_on": "2026-11-23", "proof": "照片"}
    )
    assert done.status_code == 303 and "没有待改正的事项" in client.get("/drills/inspections?open=1").text


@pytest.mark.parametrize("area", [DULIU, TAITOU, "120118104201"])
def test_pages_open_for_a_township_and_a_village(
    world: World, drills: tuple[int, int], app: flask.Flask, area: str
) -> None:
    client = signed_in(app, person(Role.PLANNER, Role.LIAISON, division=area, id=7))
    for path in ("/drills/compliance", "/drills/compliance?q=台头", "/drills/calendar", "/drills/rules",
                 "/drills/inspections", f"/drills/compliance?town={TAITOU}"):  # fmt: skip
        assert client.get(path).status_code == 200, path


def test_the_words_of_a_check_are_opened_for_who_works_on_drills_and_that_is_journalled(
    world: World, drills: tuple[int, int], app: flask.Flask
) -> None:
    check(world, drills[0])
    with world.database.read() as session:
        (shown,) = inspecting.inspections(session, actor=person(Role.STOREKEEPER, id=8)).items
        assert shown.ordered == inspecting.SEALED
        (unopened,) = inspecting.inspections(session, actor=PLANNER, words=False).items
        assert unopened.ordered == inspecting.SEALED
    assert "补做疏散清点" in signed_in(app, PLANNER).get(f"/drills/{drills[0]}/inspections").text
    with world.database.read() as session:
        seen = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == inspecting.WORDS_SEEN.key)).all()
    assert [entry.subject_id for entry in seen] == [drills[0]]
