"""Reading a year's calendar: how far it is, its weeks, its dates by owner, its gaps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import in_scope, within
from emergency.drills import proposing
from emergency.drills.materialising import local_moment
from emergency.drills.models import DrillKind, DrillRule, Occurrence, OccurrenceState
from emergency.drills.proposal_models import (
    GapCode,
    ItemState,
    ProposalGap,
    ProposalItem,
    ProposalItemRule,
    ProposalOwner,
    YearProposal,
)
from emergency.drills.proposing_rules import weeks
from emergency.drills.rules import COMING
from emergency.http.actor import Actor
from emergency.http.paging import Page, paginate
from kernel.clock import BEIJING
from kernel.states import StateChange
from scheduler.workdays import WorkCalendar

EXPORT_MOST = 20_000
DECIDED = (ItemState.ACCEPTED, ItemState.MOVED, ItemState.REFUSED)
LIVING = (ItemState.PROPOSED, *DECIDED)
_CHUNK = 500


@dataclass
class Week:
    """One week of the year: what is planned otherwise, what waits for a decision, what was accepted here."""

    start: date
    end: date
    planned: int = 0
    waiting: int = 0

    @property
    def whole(self) -> int:
        """All drills of the week if everything were accepted."""
        return self.planned + self.waiting


@dataclass
class Town:
    """How far the decisions of one township are."""

    code: str
    name: str
    dates: int = 0
    waiting: int = 0
    asked: int = 0
    accepted: int = 0
    refused: int = 0
    gaps: int = 0


@dataclass
class Overview:
    """One calendar as its page begins, within the actor's area."""

    proposal: YearProposal
    states: Mapping[ItemState, int]
    windows: int
    met: int
    served: int
    open_windows: int
    owners: int
    gaps: Mapping[GapCode, int]
    weeks: list[Week]
    towns: list[Town]
    asked: int
    clashes: int
    peak: int
    ideal: float
    unannounced: bool

    @property
    def dates(self) -> int:
        """Every date that was not superseded."""
        return sum(self.states[state] for state in LIVING)

    @property
    def decided(self) -> int:
        """Dates that somebody decided about."""
        return sum(self.states[state] for state in DECIDED)


def overview(session: Session, *, actor: Actor, proposal_id: int) -> Overview:
    """The figures of a calendar."""
    proposal = proposing.get(session, actor=actor, proposal_id=proposal_id)
    item, owner, gap = ProposalItem, ProposalOwner, ProposalGap
    states = dict.fromkeys(ItemState, 0)
    towns: dict[str, Town] = {}
    town: Any = sa.func.substr(item.division_code, 1, 9)
    asked = 0
    for row in session.execute(
        sa.select(town.label("town"), item.state, sa.func.count().label("n"), sa.func.count(item.asked_at).label("asked"))
        .where(item.proposal_id == proposal.id, in_scope(item.division_code, actor))
        .group_by(town, item.state)
    ):  # fmt: skip
        states[row.state] += row.n
        _count(towns.setdefault(row.town, Town(row.town + "000", "")), row.state, row.n, row.asked)
        asked += row.asked if row.state is ItemState.PROPOSED else 0
    sums = session.execute(
        sa.select(*(sa.func.coalesce(sa.func.sum(c), 0) for c in (owner.windows, owner.met, owner.served,
                                                                  owner.open_windows)), sa.func.count())
        .where(owner.proposal_id == proposal.id, in_scope(owner.division_code, actor))
    ).one()  # fmt: skip
    gaps = dict.fromkeys(GapCode, 0)
    town = sa.func.substr(gap.division_code, 1, 9)
    for code, where, n in session.execute(
        sa.select(gap.code, town, sa.func.count())
        .where(gap.proposal_id == proposal.id, in_scope(gap.division_code, actor))
        .group_by(gap.code, town)
    ):
        gaps[code] += n
        if code is not GapCode.NO_NUMBER:
            towns.setdefault(where, Town(where + "000", "")).gaps += n
    _name(session, towns)
    spans, peak, ideal = _weeks(session, actor, proposal)
    work = WorkCalendar.load(session)
    clashes = [
        one for one in _accepted_on_guess(session, actor, proposal) if work.knows(one) and not work.is_workday(one)
    ]
    return Overview(
        proposal, states, int(sums[0]), int(sums[1]), int(sums[2]), int(sums[3]), int(sums[4]), gaps, spans,
        sorted(towns.values(), key=lambda one: one.code), asked, len(clashes), peak, ideal,
        proposal.year not in work.years,
    )  # fmt: skip


def _count(town: Town, state: ItemState, n: int, asked: int) -> None:
    if state is ItemState.SUPERSEDED:
        return
    town.dates += n
    if state is ItemState.PROPOSED:
        town.waiting += n
        town.asked += asked
    elif state is ItemState.REFUSED:
        town.refused += n
    else:
        town.accepted += n


def _name(session: Session, towns: Mapping[str, Town]) -> None:
    names = session.execute(
        sa.select(Division.code, Division.name).where(Division.code.in_([town.code for town in towns.values()]))
    )
    for code, name in names:
        towns[code[:9]].name = name


def _accepted_on_guess(session: Session, actor: Actor, proposal: YearProposal) -> list[date]:
    found = session.scalars(
        sa.select(ProposalItem).where(
            ProposalItem.proposal_id == proposal.id, in_scope(ProposalItem.division_code, actor),
            ProposalItem.provisional, ProposalItem.state.in_((ItemState.ACCEPTED, ItemState.MOVED)),
        ).limit(EXPORT_MOST)
    )  # fmt: skip
    return [item.day for item in found]


def _weeks(session: Session, actor: Actor, proposal: YearProposal) -> tuple[list[Week], int, float]:
    """Drills by week; the fullest day and the mean of a working day, were everything accepted."""
    spans = [Week(start, end) for start, end in weeks(proposal.year)]
    days: Counter[date] = Counter()
    first, after = (local_moment(date(year, 1, 1), time(0)) for year in (proposal.year, proposal.year + 1))
    for starts_at in session.scalars(
        sa.select(Occurrence.starts_at).where(
            Occurrence.starts_at >= first, Occurrence.starts_at < after, in_scope(Occurrence.division_code, actor),
            within(Occurrence.division_code, proposal.division_code),
            Occurrence.state.in_((*COMING, OccurrenceState.HELD)),
        )
    ):  # fmt: skip
        day = starts_at.astimezone(BEIJING).date()
        _week_of(spans, day).planned += 1
        days[day] += 1
    ours: set[date] = set()
    stands: Any = sa.func.coalesce(ProposalItem.moved_to, ProposalItem.on_date)
    waits = sa.func.sum(sa.case((ProposalItem.state == ItemState.PROPOSED, 1), else_=0))
    for day, count in session.execute(
        sa.select(stands, waits)
        .where(ProposalItem.proposal_id == proposal.id, ProposalItem.state.in_(
            (ItemState.PROPOSED, ItemState.ACCEPTED, ItemState.MOVED)), in_scope(ProposalItem.division_code, actor))
        .group_by(stands)
    ):  # fmt: skip
        _week_of(spans, day).waiting += int(count)
        days[day] += int(count)
        ours.add(day)
    known = WorkCalendar.load(session).provisional(proposal.year)
    start = max(proposal.computed_from or date(proposal.year, 1, 1), date(proposal.year, 1, 1))
    open_days = sum(known.is_workday(date.fromordinal(n))
                    for n in range(start.toordinal(), date(proposal.year, 12, 31).toordinal() + 1))  # fmt: skip
    ahead = {day: count for day, count in days.items() if day >= start}
    # The fullest day counts where this calendar put something: what others planned together is not its doing.
    peak = max((ahead.get(day, 0) for day in ours), default=0)
    return spans, peak, sum(ahead.values()) / max(1, open_days)


def _week_of(spans: Sequence[Week], day: date) -> Week:
    return spans[(day.timetuple().tm_yday - 1 + spans[0].start.weekday()) // 7]


@dataclass
class ItemRow:
    """One date in a list, with its owner and the windows that it serves."""

    item: ProposalItem
    owner: str
    town: str
    serves: list[tuple[str, date, date]] = field(default_factory=list)
    reason: str | None = None
    clash: bool = False


@dataclass(frozen=True)
class Wanted:
    """What of a calendar's dates is looked at."""

    division_code: str | None = None
    owner_key: str | None = None
    unit_id: int | None = None
    state: ItemState | None = None
    kind: DrillKind | None = None
    month: int | None = None


def _items(actor: Actor, proposal: YearProposal, wanted: Wanted) -> sa.Select[Any]:
    statement = sa.select(ProposalItem).where(
        ProposalItem.proposal_id == proposal.id, in_scope(ProposalItem.division_code, actor)
    )
    if wanted.division_code:
        statement = statement.where(within(ProposalItem.division_code, wanted.division_code))
    if wanted.owner_key:
        statement = statement.where(ProposalItem.owner_key == wanted.owner_key)
    if wanted.unit_id is not None:
        statement = statement.where(ProposalItem.unit_id == wanted.unit_id)
    if wanted.kind is not None:
        statement = statement.where(ProposalItem.kind == wanted.kind)
    if wanted.month is not None and 1 <= wanted.month <= 12:
        start = date(proposal.year, wanted.month, 1)
        after = date(proposal.year + wanted.month // 12, wanted.month % 12 + 1, 1)
        day = sa.func.coalesce(ProposalItem.moved_to, ProposalItem.on_date)
        statement = statement.where(day >= start, day < after)
    if wanted.state is not None:
        return statement.where(ProposalItem.state == wanted.state)
    return statement.where(ProposalItem.state != ItemState.SUPERSEDED)


def list_items(
    session: Session, *, actor: Actor, proposal_id: int, wanted: Wanted, cursor: str | None = None, limit: int = 50
) -> Page[ItemRow]:
    """Dates in pages, owner by owner."""
    proposal = proposing.get(session, actor=actor, proposal_id=proposal_id)
    key = [ProposalItem.division_code, ProposalItem.owner_key, ProposalItem.id]
    page: Page[ProposalItem] = paginate(session, _items(actor, proposal, wanted), key=key, cursor=cursor, limit=limit)
    return Page(rows_of(session, page.items), page.next_cursor)


def all_items(session: Session, *, actor: Actor, proposal_id: int, wanted: Wanted) -> list[ItemRow]:
    """Every date for a file or a print, in order of day, up to twenty thousand."""
    proposal = proposing.get(session, actor=actor, proposal_id=proposal_id)
    statement = _items(actor, proposal, wanted).order_by(
        sa.func.coalesce(ProposalItem.moved_to, ProposalItem.on_date), ProposalItem.division_code, ProposalItem.id
    )
    return rows_of(session, list(session.scalars(statement.limit(EXPORT_MOST))), reasons=False)


def rows_of(session: Session, items: Sequence[ProposalItem], *, reasons: bool = True) -> list[ItemRow]:
    """Items with what a reader needs beside them; a few statements however many there are."""
    units: dict[int, str] = {}
    names: dict[str, str] = {}
    serves: dict[int, list[tuple[str, date, date]]] = defaultdict(list)
    codes = {code for item in items for code in (item.division_code, item.division_code[:9] + "000")}
    for part in _parts(sorted({item.unit_id for item in items if item.unit_id})):
        units.update(session.execute(sa.select(Unit.id, Unit.name).where(Unit.id.in_(part))).all())
    for part in _parts(sorted(codes)):
        names.update(session.execute(sa.select(Division.code, Division.name).where(Division.code.in_(part))).all())
    for part in _parts([item.id for item in items]):
        for item_id, title, start, end in session.execute(
            sa.select(ProposalItemRule.item_id, DrillRule.title, ProposalItemRule.window_from,
                      ProposalItemRule.window_to)
            .join(DrillRule, DrillRule.id == ProposalItemRule.rule_id)
            .where(ProposalItemRule.item_id.in_(part))
            .order_by(ProposalItemRule.window_to, DrillRule.id)
        ):  # fmt: skip
            serves[item_id].append((title, start, end))
    work = WorkCalendar.load(session)
    said = _reasons(session, [i for i in items if i.state in (ItemState.REFUSED, ItemState.MOVED)]) if reasons else {}
    return [
        ItemRow(
            item, units.get(item.unit_id or 0) or names.get(item.division_code, item.division_code),
            names.get(item.division_code[:9] + "000", ""), serves[item.id], said.get(item.id),
            item.provisional and item.occurrence_id is not None and work.knows(item.day)
            and not work.is_workday(item.day),
        )
        for item in items
    ]  # fmt: skip


def _reasons(session: Session, items: Sequence[ProposalItem]) -> dict[int, str]:
    sealer = session.info["state_sealer"]
    changes = session.scalars(
        sa.select(StateChange)
        .where(StateChange.kind == ProposalItem.__tablename__, StateChange.subject_id.in_([item.id for item in items]),
               StateChange.reason_sealed.is_not(None))
        .order_by(StateChange.id)
    )  # fmt: skip
    return {
        change.subject_id: sealer.open("state_change", "reason", change.id, change.reason_sealed) for change in changes
    }


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


@dataclass(frozen=True)
class GapRow:
    """One rule that a calendar does not serve for one owner."""

    gap: ProposalGap
    owner: str
    town: str
    rule: DrillRule


def list_gaps(
    session: Session, *, actor: Actor, proposal_id: int, division_code: str | None = None, code: GapCode | None = None,
    cursor: str | None = None, limit: int = 50,
) -> Page[GapRow]:  # fmt: skip
    """Gaps in pages; those of rules without a number only when asked for, as they are no fault of the calendar."""
    proposal = proposing.get(session, actor=actor, proposal_id=proposal_id)
    statement = sa.select(ProposalGap).where(
        ProposalGap.proposal_id == proposal.id, in_scope(ProposalGap.division_code, actor),
        ProposalGap.code == code if code is not None else ProposalGap.code != GapCode.NO_NUMBER,
    )  # fmt: skip
    if division_code:
        statement = statement.where(within(ProposalGap.division_code, division_code))
    page: Page[ProposalGap] = paginate(
        session, statement, key=[ProposalGap.division_code, ProposalGap.id], cursor=cursor, limit=limit
    )
    gaps = page.items
    units = dict(
        session.execute(sa.select(Unit.id, Unit.name).where(Unit.id.in_({g.unit_id for g in gaps if g.unit_id}))).all()
    )  # fmt: skip
    codes = {one for gap in gaps for one in (gap.division_code, gap.division_code[:9] + "000")}
    names = dict(session.execute(sa.select(Division.code, Division.name).where(Division.code.in_(codes))).all())
    ruled = {r.id: r for r in session.scalars(sa.select(DrillRule).where(DrillRule.id.in_({g.rule_id for g in gaps})))}
    return page.map(
        lambda gap: GapRow(
            gap, units.get(gap.unit_id or 0) or names.get(gap.division_code, gap.division_code),
            names.get(gap.division_code[:9] + "000", ""), ruled[gap.rule_id],
        )
    )  # fmt: skip
