"""Computing a year's calendar in pieces: each is one short transaction that can be lost and done again.

The plan of a piece is made without a transaction open; writing it compares the cursor, so that of two processes, or of
one that was killed and its successor, only one writes each piece.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import within
from emergency.drills import compliance, proposing
from emergency.drills.materialising import local_moment
from emergency.drills.models import Occurrence, OccurrenceState
from emergency.drills.proposal_models import (
    ItemState,
    ProposalGap,
    ProposalItem,
    ProposalItemRule,
    ProposalOwner,
    ProposalState,
    YearProposal,
)
from emergency.drills.proposing_rules import Calendar, Loads, YearDays, plan
from emergency.drills.proposing_settings import Settings
from emergency.drills.proposing_windows import Earlier, Owner, YearRule
from emergency.drills.proposing_writing import SCHOOLS, Planned, settle, write_piece
from emergency.drills.rules import COMING
from emergency.drills.standing_models import SubjectKind
from emergency.http.actor import Actor
from kernel.clock import BEIJING
from kernel.db import Database, now
from kernel.states import transition
from scheduler.terms import TermCalendar
from scheduler.workdays import WorkCalendar

PIECE = 20
"""Owners in one transaction, at most."""
LEAST = 4
"""Fewer owners would not make it shorter: what is left is the commit itself."""
BRIEF = 0.1
"""Seconds that writing a piece may take before the next is made smaller: nobody else can write meanwhile, and the rule
is a quarter of a second."""
ACTOR = Actor.system("drills")


@dataclass(frozen=True)
class Whom:
    """A unit or a division that is planned for."""

    key: str
    kind: SubjectKind
    id: int
    division_code: str
    school: bool = False
    closes_on: date | None = None

    @property
    def township(self) -> str:
        """The township that it lies in, or the district."""
        return self.division_code[:9] + "000"


@dataclass
class Run:
    """What one stretch of computing works with."""

    proposal: YearProposal
    settings: Settings
    rulebook: compliance.Book
    days: YearDays
    loads: Loads
    today: date
    size: int

    def fit(self, took: float) -> None:
        """Choose the next piece by how long this one took to write."""
        if took > BRIEF:
            self.size = max(min(LEAST, PIECE), int(self.size * BRIEF / took))
        elif took < BRIEF / 2:
            self.size = min(PIECE, self.size * 2)


def compute(database: Database, proposal_id: int, seconds: float) -> int:
    """Work on a calendar for about so long; how many owners were computed. It is ready when none is left."""
    ends, done = time.monotonic() + seconds, 0
    with database.read() as session:
        run = _open(session, proposal_id)
    while run is not None and time.monotonic() < ends:
        with database.read() as session:
            whom, subjects = _next(session, run)
            plans = [_planned(run, facts, one) for facts, one in _facts(session, run, whom, subjects)]
        if not whom:
            _finish(database, run)
            return done
        with database.write() as session:
            began = time.monotonic()
            if not write_piece(session, run.proposal, plans, whom[-1].key, len(whom)):
                return done  # another process was faster, or the calendar was closed meanwhile
        run.fit(time.monotonic() - began)
        run.proposal.cursor = whom[-1].key
        done += len(whom)
    return done


def _open(session: Session, proposal_id: int) -> Run | None:
    proposal = session.get(YearProposal, proposal_id)
    if proposal is None or proposal.state is not ProposalState.COMPUTING:
        return None
    settings, day = Settings.from_json(proposal.settings), compliance.today_of(session)
    days = YearDays(
        proposal.year, proposal.computed_from or proposing.first_day(proposal.year, day), WorkCalendar.load(session),
        TermCalendar.load(session), settings,
    )  # fmt: skip
    rulebook = compliance.book(session, adopted_only=True)
    return Run(proposal, settings, rulebook, days, _loads(session, proposal), day, min(LEAST, PIECE))


def _loads(session: Session, proposal: YearProposal) -> Loads:
    """What lies on the year's days already: planned and held drills, and the dates of this calendar."""
    loads = Loads()
    first, after = local_moment(date(proposal.year, 1, 1), datetime.min.time()), date(proposal.year + 1, 1, 1)
    for starts_at, code in session.execute(
        sa.select(Occurrence.starts_at, Occurrence.division_code).where(
            Occurrence.starts_at >= first, Occurrence.starts_at < local_moment(after, datetime.min.time()),
            Occurrence.state.in_((*COMING, OccurrenceState.HELD)),
            within(Occurrence.division_code, proposal.division_code),
        )
    ):  # fmt: skip
        loads.add(starts_at.astimezone(BEIJING).date(), code[:9] + "000")
    for day, code in session.execute(
        sa.select(ProposalItem.on_date, ProposalItem.division_code).where(
            ProposalItem.proposal_id == proposal.id, ProposalItem.state == ItemState.PROPOSED
        )
    ):
        loads.add(day, code[:9] + "000")
    return loads


def _next(session: Session, run: Run) -> tuple[list[Whom], list[compliance.Subject]]:
    """The next owners behind the cursor, divisions before units, with the rules that apply to them."""
    here, cursor = run.proposal.division_code, run.proposal.cursor
    if not cursor.startswith("u"):
        codes = session.scalars(
            sa.select(Division.code)
            .where(Division.level.in_(proposing.LEVELS), within(Division.code, here), Division.code > cursor[1:])
            .order_by(Division.code)
            .limit(run.size)
        ).all()
        if codes:
            subjects = compliance.division_subjects(session, run.rulebook, [int(code) for code in codes])
            whom = [Whom(f"d{code}", SubjectKind.DIVISION, int(code), code) for code in codes]
            return whom, sorted(subjects, key=lambda subject: subject.id)
    last = int(cursor[1:]) if cursor.startswith("u") else 0
    units = session.scalars(
        sa.select(Unit)
        .where(proposing.open_units(session), within(Unit.division_code, here), Unit.id > last)
        .order_by(Unit.id)
        .limit(run.size)
    ).all()
    made = [
        Whom(f"u{unit.id:020d}", SubjectKind.UNIT, unit.id, unit.division_code, unit.kind in SCHOOLS,
             unit.closed_at.astimezone(BEIJING).date() if unit.closed_at else None)
        for unit in units
    ]  # fmt: skip
    return made, [
        compliance.Subject(SubjectKind.UNIT, unit.id, unit.name, unit.division_code, unit.kind.value,
                           run.rulebook.for_unit(unit))
        for unit in units
    ]  # fmt: skip


def _facts(
    session: Session, run: Run, whom: Sequence[Whom], subjects: Iterable[compliance.Subject]
) -> list[tuple[Owner, Whom]]:
    """What the planner needs of each owner; five statements for a piece."""
    ruled = {subject.key: subject.rules for subject in subjects}
    keys = [(one.kind, one.id) for one in whom]
    drills = compliance.drills_of(session, keys)
    since = compliance.since_of(session, keys, run.today)
    earlier = _earlier(session, run.proposal, [one.key for one in whom])
    made = []
    for one in whom:
        key, old = (one.kind, one.id), earlier.get(one.key, [])
        refused = {
            (rule_id, start, end) for item, served in old if item.state is ItemState.REFUSED
            for rule_id, start, end in served
        }  # fmt: skip
        decided = {item.on_date for item, _served in old if item.state is not ItemState.PROPOSED}
        made.append((
            Owner(
                one.key, one.township, since[key],
                [YearRule(r.id, r.months, r.basis, run.rulebook.kinds_of(r), r.skip_school_holidays)
                 for r in ruled.get(key, ())],
                school=one.school,
                held=[(drill.kind, drill.on) for drill in drills.get(key, ()) if drill.held],
                planned=[(drill.kind, drill.on) for drill in drills.get(key, ()) if not drill.held],
                refused=frozenset(refused),
                kept=[Earlier(item.kind, item.on_date, frozenset(rule_id for rule_id, _from, _to in served))
                      for item, served in old if item.state is ItemState.PROPOSED],
                barred=frozenset(decided), closes_on=one.closes_on,
            ), one,
        ))  # fmt: skip
    return made


def _earlier(
    session: Session, proposal: YearProposal, keys: Sequence[str]
) -> dict[str, list[tuple[ProposalItem, list[tuple[int, date, date]]]]]:
    """The dates that an earlier computing left, with what each serves; superseded ones are past."""
    items = session.scalars(
        sa.select(ProposalItem)
        .where(ProposalItem.proposal_id == proposal.id, ProposalItem.owner_key.in_(keys),
               ProposalItem.state != ItemState.SUPERSEDED)
        .order_by(ProposalItem.id)
    ).all()  # fmt: skip
    serves: dict[int, list[tuple[int, date, date]]] = defaultdict(list)
    for row in session.scalars(
        sa.select(ProposalItemRule).where(ProposalItemRule.item_id.in_([item.id for item in items]))
    ):
        serves[row.item_id].append((row.rule_id, row.window_from, row.window_to))
    found: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        found[item.owner_key].append((item, serves[item.id]))
    return found


def _planned(run: Run, owner: Owner, whom: Whom) -> Planned:
    for earlier in owner.kept:
        run.loads.add(earlier.on, owner.township, -1)
    calendar: Calendar = plan(owner, run.days, run.settings, run.loads)
    unit_id = whom.id if whom.kind is SubjectKind.UNIT else None
    return Planned(whom.key, unit_id, whom.division_code, calendar)


def _finish(database: Database, run: Run) -> None:
    """Supersede what the last computing left of owners that are gone, look at provisional decisions, and be ready."""
    proposal_id, number = run.proposal.id, run.proposal.run
    while True:
        with database.write() as session:
            stale = session.scalars(
                sa.select(ProposalOwner)
                .where(ProposalOwner.proposal_id == proposal_id, ProposalOwner.run < number)
                .limit(PIECE)
            ).all()
            keys = [row.owner_key for row in stale]
            _forget(session, proposal_id, keys)
        if len(stale) < PIECE:
            break
    with database.read() as session:
        work, terms = WorkCalendar.load(session), TermCalendar.load(session)
    settle(database, proposal_id, work, terms)
    with database.write() as session:
        proposal = session.get_one(YearProposal, proposal_id, with_for_update=True)
        if proposal.state is not ProposalState.COMPUTING or proposal.run != number:
            return
        proposal.provisional = bool(
            session.scalar(
                sa.select(ProposalItem.id).where(
                    ProposalItem.proposal_id == proposal_id, ProposalItem.provisional,
                    ProposalItem.state != ItemState.SUPERSEDED,
                ).limit(1)
            )
        )  # fmt: skip
        transition(
            session, proposal, ProposalState.READY, allowed=proposing.TRANSITIONS, actor=ACTOR,
            values={"ready_at": now(session), "done": proposal.total, "announced": run.days.announced},
        )  # fmt: skip


def _forget(session: Session, proposal_id: int, keys: Sequence[str]) -> None:
    session.execute(
        sa.update(ProposalItem)
        .where(ProposalItem.proposal_id == proposal_id, ProposalItem.owner_key.in_(keys),
               ProposalItem.state == ItemState.PROPOSED)
        .values(state=ItemState.SUPERSEDED, version=ProposalItem.version + 1)
    )  # fmt: skip
    for table in (ProposalGap, ProposalOwner):
        session.execute(sa.delete(table).where(table.proposal_id == proposal_id, table.owner_key.in_(keys)))


def due_again(session: Session) -> list[int]:
    """Calendars that rest on a guess about holidays that have been announced since."""
    announced = WorkCalendar.load(session).years
    return list(
        session.scalars(
            sa.select(YearProposal.id).where(
                YearProposal.state == ProposalState.READY, YearProposal.announced.is_(False),
                YearProposal.year.in_(announced),
            )
        )
    )  # fmt: skip
