"""A year's calendar from asking for it to its drills: computing in pieces, deciding, computing again."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from emergency.divisions.models import Unit, UnitKind
from emergency.drills import proposing, proposing_computing, proposing_deciding
from emergency.drills.models import DrillRule, Occurrence, OccurrenceState, Programme, ProgrammePost, ProgrammeRule
from emergency.drills.proposal_models import (
    GapCode,
    ItemState,
    ProposalGap,
    ProposalItem,
    ProposalItemRule,
    ProposalOwner,
    ProposalState,
    YearProposal,
)
from emergency.drills.proposing_jobs import again, work
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from kernel.clock import BEIJING, ManualClock
from kernel.db import now as present
from kernel.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from kernel.states import timeline
from scheduler.workdays import import_holidays
from tests.drills.conftest import World
from tests.plans.support import DISTRICT, DULIU, TAITOU, add_unit, person

PLANNER = person(Role.PLANNER, id=1)
OF_TAITOU = person(Role.PLANNER, division=TAITOU, id=5)
OF_DULIU = person(Role.PLANNER, division=DULIU, id=6)


def asked(world: World, year: int = 2027, actor: Actor = PLANNER, code: str = DISTRICT) -> int:
    with world.database.write() as session:
        return proposing.create(session, actor=actor, year=year, division_code=code).id


def made(world: World, year: int = 2027) -> int:
    number = asked(world, year)
    work(world.database, world.database.clock.now(), seconds=60)
    return number


def items(world: World, number: int, **where: object) -> list[ProposalItem]:
    with world.database.read() as session:
        statement = sa.select(ProposalItem).where(ProposalItem.proposal_id == number).order_by(ProposalItem.on_date)
        return list(session.scalars(statement.filter_by(**where)))


def proposal(world: World, number: int) -> YearProposal:
    with world.database.read() as session:
        return session.get_one(YearProposal, number)


def occurrences(world: World) -> list[Occurrence]:
    with world.database.read() as session:
        return list(session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)))


def test_a_school_gets_a_year_of_dates_and_a_rule_without_number_its_reason(world: World) -> None:
    number = made(world)
    found = items(world, number, unit_id=world.school)
    assert len(found) >= 9 and proposal(world, number).state is ProposalState.READY
    assert all(item.on_date.year == 2027 and item.provisional for item in found)
    assert proposal(world, number).provisional, "nobody has announced the holidays of 2027"
    with world.database.read() as session:
        codes = set(session.scalars(sa.select(ProposalGap.code).where(ProposalGap.unit_id == world.school)))
        owner = session.scalar(sa.select(ProposalOwner).where(ProposalOwner.unit_id == world.school))
    assert codes == {GapCode.NO_NUMBER}
    assert owner is not None and owner.windows == owner.met + owner.served + owner.open_windows


def test_a_township_is_planned_for_where_a_rule_speaks_of_it(world: World) -> None:
    found = items(world, made(world), division_code=TAITOU, unit_id=None)
    assert [item.owner_key for item in found] == [f"d{TAITOU}"], "two years without a rescue drill on record"


def test_only_one_open_calendar_of_a_year_covers_an_area(world: World) -> None:
    number = made(world)
    for code in (DISTRICT, TAITOU):
        with pytest.raises(Conflict) as error:
            asked(world, code=code)
        assert error.value.code == "already_proposed"
    with world.database.write() as session:
        proposing.close(session, actor=PLANNER, proposal_id=number)
    assert asked(world, code=TAITOU) != number


@pytest.mark.parametrize("year", [2025, 2030, 1, 99999])
def test_a_year_that_is_over_or_far_off_is_refused(world: World, year: int) -> None:
    with pytest.raises(Invalid):
        asked(world, year)


def test_the_present_year_is_proposed_from_now_on(world: World) -> None:
    found = items(world, made(world, 2026))
    assert found and min(item.on_date for item in found) >= date(2026, 11, 26)


def test_a_liaison_proposes_nothing_and_a_township_only_its_own(world: World) -> None:
    with pytest.raises(Forbidden):
        asked(world, actor=world.liaison)
    with pytest.raises(Forbidden):
        asked(world, actor=OF_TAITOU)
    assert asked(world, actor=OF_TAITOU, code=TAITOU)


def test_computing_goes_on_where_it_was_killed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.database.write() as session:
        for n in range(7):
            add_unit(session, f"台头镇第{n}幼儿园", TAITOU, UnitKind.KINDERGARTEN, "kindergarten")
    whole = [(i.owner_key, i.kind, i.on_date) for i in items(world, made(world))]
    with world.database.write() as session:
        session.execute(sa.update(YearProposal).values(state="closed", closed_at=present(session)))
    monkeypatch.setattr(proposing_computing, "PIECE", 2)
    number = asked(world)
    true, count = proposing_computing.write_piece, 0

    def dies(*given: object) -> bool:
        nonlocal count
        count += 1
        if count % 2 == 0:
            raise SystemExit(9)
        return true(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(proposing_computing, "write_piece", dies)
    for _ in range(20):
        try:
            work(world.database, world.database.clock.now(), seconds=60)
        except SystemExit:
            continue
    assert proposal(world, number).state is ProposalState.READY
    assert proposal(world, number).done == proposal(world, number).total
    assert [(i.owner_key, i.kind, i.on_date) for i in items(world, number)] == whole


def test_a_piece_that_another_process_wrote_is_not_written_again(world: World) -> None:
    number = asked(world)
    stale = proposal(world, number)
    with world.database.write() as session:
        assert proposing_computing.write_piece(session, stale, [], "d120118000000", 1)
    with world.database.write() as session:
        assert not proposing_computing.write_piece(session, stale, [], "d120118000000", 1)


def accepted(world: World, item: ProposalItem, actor: Actor = PLANNER) -> ProposalItem:
    with world.database.write() as session:
        return proposing_deciding.accept(session, actor=actor, item_id=item.id)


def test_an_accepted_date_is_a_drill_of_the_units_programme_of_the_year(world: World) -> None:
    number = made(world)
    plant = items(world, number, unit_id=world.plant)
    kind = plant[0].kind
    same = [item for item in plant if item.kind is kind]
    for item in same:
        accepted(world, item)
    with world.database.read() as session:
        (programme,) = session.scalars(sa.select(Programme).where(Programme.unit_id == world.plant))
        served = set(session.scalars(sa.select(ProgrammeRule.rule_id)))
        asked_posts = session.scalars(sa.select(ProgrammePost.post_id)).all()
        rules = set(
            session.scalars(
                sa.select(ProposalItemRule.rule_id).where(ProposalItemRule.item_id.in_([i.id for i in same]))
            )
        )
    assert programme.recurrence["freq"] == "listed" and programme.kind is kind and "2027年度" in programme.title
    assert [o.starts_at.astimezone(BEIJING).date() for o in occurrences(world)] == [i.on_date for i in same]
    assert all(o.provisional and o.state is OccurrenceState.PLANNED for o in occurrences(world))
    assert served == rules and list(asked_posts) == [world.chief]


def test_a_date_beyond_thirteen_months_becomes_a_drill_too(world: World) -> None:
    item = items(world, made(world, 2028))[-1]
    assert item.on_date > date(2027, 12, 23)
    done = accepted(world, item)
    assert done.occurrence_id == occurrences(world)[0].id


def test_accepting_twice_makes_one_drill(world: World) -> None:
    item = items(world, made(world))[0]
    first, second = accepted(world, item), accepted(world, item)
    assert first.occurrence_id == second.occurrence_id and len(occurrences(world)) == 1


def test_two_people_who_accept_at_once_make_one_drill(world: World) -> None:
    item = items(world, made(world), unit_id=world.plant)[0]
    barrier, faults = threading.Barrier(2), []

    def one(number: int) -> None:
        barrier.wait()
        try:
            accepted(world, item, person(Role.PLANNER, id=number))
        except DomainError as error:
            faults.append(error)

    both = [threading.Thread(target=one, args=(n,)) for n in (1, 2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(occurrences(world)) == 1 and not faults


def test_two_dates_of_one_kind_accepted_at_once_share_a_programme(world: World) -> None:
    school = items(world, made(world), unit_id=world.school)
    kind = school[0].kind
    pair = [item for item in school if item.kind is kind][:2]
    barrier = threading.Barrier(2)

    def one(item: ProposalItem) -> None:
        barrier.wait()
        accepted(world, item)

    both = [threading.Thread(target=one, args=(item,)) for item in pair]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len({o.programme_id for o in occurrences(world)}) == 1 and len(occurrences(world)) == 2


def test_a_moved_date_keeps_to_its_window_unless_it_is_wanted_nevertheless(world: World) -> None:
    item = items(world, made(world), unit_id=world.school)[3]
    later = item.window_to + timedelta(days=2)
    with world.database.write() as session, pytest.raises(Invalid) as error:
        proposing_deciding.move(session, actor=PLANNER, item_id=item.id, day=later)
    assert error.value.code == "breaks_rules"
    with world.database.write() as session, pytest.raises(Invalid):
        proposing_deciding.move(session, actor=PLANNER, item_id=item.id, day=later, nevertheless=True)
    with world.database.write() as session:
        proposing_deciding.move(
            session, actor=PLANNER, item_id=item.id, day=later, nevertheless=True, reason="与校运会合并开展"
        )
    (drill,) = occurrences(world)
    (moved,) = items(world, item.proposal_id, state=ItemState.MOVED)
    assert drill.starts_at.astimezone(BEIJING).date() == later == moved.day and moved.outside_window
    with world.database.read() as session:
        assert timeline(session, "drill_proposal_item", item.id)[-1].reason == "与校运会合并开展"


def test_a_flood_drill_is_not_moved_into_the_season_unasked(world: World) -> None:
    with world.database.write() as session:
        session.execute(
            sa.update(DrillRule).where(DrillRule.key == "flood-preseason").values(adopted=True, adopted_by="account:1")
        )
    item = next(i for i in items(world, made(world)) if i.kind.value == "flood")
    assert item.on_date < date(2027, 6, 15)
    with world.database.read() as session:
        assert proposing_deciding.Broken.SEASON in proposing_deciding.broken(session, item, date(2027, 7, 1))


def test_a_refused_date_stays_refused_when_the_year_is_computed_again(world: World) -> None:
    number = made(world)
    item = items(world, number, unit_id=world.school)[2]
    with world.database.write() as session, pytest.raises(Invalid):
        proposing_deciding.refuse(session, actor=PLANNER, item_id=item.id, reason=" ")
    with world.database.write() as session:
        proposing_deciding.refuse(session, actor=PLANNER, item_id=item.id, reason="学校维修停课")
    taken = accepted(world, items(world, number, unit_id=world.school)[5])
    before = {(i.id, i.on_date, i.state) for i in items(world, number)}
    with world.database.write() as session:
        proposing.compute_again(session, actor=PLANNER, proposal_id=number)
    work(world.database, world.database.clock.now(), seconds=60)
    assert {(i.id, i.on_date, i.state) for i in items(world, number)} == before
    assert taken.id in {i.id for i in items(world, number, state=ItemState.ACCEPTED)}
    with world.database.read() as session:
        gaps = session.scalars(sa.select(ProposalGap).where(ProposalGap.code == GapCode.REFUSED)).all()
    assert gaps and all(gap.unit_id == world.school for gap in gaps)


def recomputed(world: World, number: int) -> None:
    with world.database.write() as session:
        proposing.compute_again(session, actor=PLANNER, proposal_id=number)
    work(world.database, world.database.clock.now(), seconds=60)


def test_a_rule_that_is_dropped_supersedes_its_dates(world: World) -> None:
    number = made(world)
    with world.database.write() as session:
        session.execute(sa.update(DrillRule).values(adopted=False))
    recomputed(world, number)
    assert {item.state for item in items(world, number)} == {ItemState.SUPERSEDED}


def test_a_unit_that_closes_loses_its_waiting_dates_only(world: World) -> None:
    number = made(world)
    kept = accepted(world, items(world, number, unit_id=world.plant)[0])
    with world.database.write() as session:
        session.execute(sa.update(Unit).where(Unit.id == world.plant).values(closed_at=present(session)))
    recomputed(world, number)
    states = {item.id: item.state for item in items(world, number, unit_id=world.plant)}
    assert states.pop(kept.id) is ItemState.ACCEPTED and set(states.values()) == {ItemState.SUPERSEDED}


def test_a_unit_that_will_close_is_planned_until_then(world: World, clock: ManualClock) -> None:
    with world.database.write() as session:
        session.execute(
            sa.update(Unit).where(Unit.id == world.plant).values(closed_at=clock.now() + timedelta(days=150))
        )
    found = items(world, made(world), unit_id=world.plant)
    assert found and all(item.on_date < date(2027, 4, 23) for item in found)


def test_announced_holidays_compute_the_year_again_and_settle_what_was_accepted(world: World) -> None:
    number = made(world)
    plant = items(world, number, unit_id=world.plant)
    sure, off = accepted(world, plant[0]), accepted(world, plant[1])
    waiting = items(world, number, unit_id=world.school, state=ItemState.PROPOSED)[0]
    assert again(world.database, world.database.clock.now()) == 0, "nothing has been announced"
    with world.database.write() as session:
        import_holidays(session, {"year": 2027, "papers": ["x"], "days": [
            {"name": "假", "date": day.isoformat(), "isOffDay": True} for day in (off.on_date, waiting.on_date)
        ]})  # fmt: skip
    assert again(world.database, world.database.clock.now()) == 1
    work(world.database, world.database.clock.now(), seconds=60)
    found = {item.id: item for item in items(world, number)}
    assert not found[sure.id].provisional and found[off.id].provisional, "a day off asks for another date"
    assert found[waiting.id].state is ItemState.SUPERSEDED
    assert again(world.database, world.database.clock.now()) == 0


def test_a_township_decides_its_own_dates_only(world: World) -> None:
    number = made(world)
    item = items(world, number, unit_id=world.school)[0]
    for act in (
        lambda s: proposing_deciding.accept(s, actor=OF_DULIU, item_id=item.id),
        lambda s: proposing_deciding.refuse(s, actor=OF_DULIU, item_id=item.id, reason="x"),
        lambda s: proposing_deciding.move(s, actor=OF_DULIU, item_id=item.id, day=date(2027, 5, 5)),
        lambda s: proposing.compute_again(s, actor=OF_TAITOU, proposal_id=number),
        lambda s: proposing.close(s, actor=OF_TAITOU, proposal_id=number),
    ):
        with world.database.write() as session, pytest.raises(NotFound):
            act(session)
    assert accepted(world, item, OF_TAITOU).decided_by == "account:5"


def test_a_whole_township_is_accepted_by_the_ticker_on_behalf_of_who_asked(world: World) -> None:
    number = made(world)
    with world.database.read() as session:
        meant = proposing_deciding.waiting(session, actor=OF_TAITOU, proposal_id=number, division_code=TAITOU)
    with world.database.write() as session:
        count = proposing_deciding.ask_all(session, actor=OF_TAITOU, proposal_id=number, division_code=TAITOU)
    assert count == meant.dates > 0 and meant.owners == 3
    with world.database.write() as session, pytest.raises(Conflict):
        proposing.compute_again(session, actor=PLANNER, proposal_id=number)
    work(world.database, world.database.clock.now(), seconds=60)
    done = items(world, number, state=ItemState.ACCEPTED)
    assert len(done) == count == len(occurrences(world)) and {item.decided_by for item in done} == {"account:5"}


def test_what_cannot_be_accepted_waits_for_a_person_again(world: World, clock: ManualClock) -> None:
    number = made(world)
    with world.database.write() as session:
        proposing_deciding.ask_all(session, actor=PLANNER, proposal_id=number, division_code=None)
        session.execute(sa.update(Unit).where(Unit.id == world.plant).values(closed_at=present(session)))
    work(world.database, clock.now(), seconds=60)
    left = items(world, number, state=ItemState.PROPOSED)
    assert {item.unit_id for item in left} == {world.plant} and all(item.asked_at is None for item in left)


def test_nothing_is_decided_while_the_year_is_computed(world: World) -> None:
    number = made(world)
    item = items(world, number)[0]
    with world.database.write() as session:
        proposing.compute_again(session, actor=PLANNER, proposal_id=number)
    with pytest.raises(Conflict) as error:
        accepted(world, item)
    assert error.value.code == "not_ready"


def test_a_day_that_is_past_is_not_accepted(world: World, clock: ManualClock) -> None:
    item = items(world, made(world))[0]
    clock.set(clock.now() + timedelta(days=(item.on_date - date(2026, 11, 23)).days))
    with pytest.raises(Invalid) as error:
        accepted(world, item)
    assert error.value.code == "in_the_past"


def test_states_go_only_where_they_are_written_to_go() -> None:
    ends = {state for state, to in proposing_deciding.TRANSITIONS.items() if not to}
    assert ends == {ItemState.ACCEPTED, ItemState.MOVED, ItemState.SUPERSEDED}
    assert set(proposing_deciding.TRANSITIONS) == set(ItemState) and set(proposing.TRANSITIONS) == set(ProposalState)
