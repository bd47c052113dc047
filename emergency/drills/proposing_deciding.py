"""Deciding about proposed dates: accept, move, refuse, one or many. An accepted date is an occurrence of the owner's
programme of the year for its kind; accepting twice, or by two people at once, makes it once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import in_scope, within
from emergency.drills import proposing
from emergency.drills.confirming import posts_to_ask
from emergency.drills.materialising import local_moment, row_of, times_of, today
from emergency.drills.models import (
    Content,
    DrillKind,
    Form,
    Occurrence,
    OccurrenceState,
    Programme,
    ProgrammeRule,
    ProgrammeState,
)
from emergency.drills.planning import NewProgramme, add_dates, create_programme
from emergency.drills.proposal_models import (
    ItemState,
    ProposalItem,
    ProposalItemRule,
    ProposalState,
    YearProgramme,
    YearProposal,
)
from emergency.drills.proposing_windows import FLOOD_SEASON
from emergency.drills.proposing_writing import SCHOOLS
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.states import transition
from kernel.types import LabelledEnum
from scheduler.recurrence import Planned, Recurrence
from scheduler.terms import TermCalendar
from scheduler.workdays import WorkCalendar

S = ItemState
TRANSITIONS: dict[ItemState, frozenset[ItemState]] = {
    S.PROPOSED: frozenset({S.ACCEPTED, S.MOVED, S.REFUSED, S.SUPERSEDED}),
    S.REFUSED: frozenset({S.ACCEPTED, S.MOVED}),
    S.ACCEPTED: frozenset(),
    S.MOVED: frozenset(),
    S.SUPERSEDED: frozenset(),
}
TABLETOPS = frozenset({DrillKind.GOV_PLAN, DrillKind.CYBER})
REASON_MOST = 500


class Broken(LabelledEnum):
    """What a moved date would break."""

    WINDOW = "window", "不在规则要求的时段内", "It lies outside the window of the rules"
    DAY_OFF = "day_off", "当天不是工作日", "It is no working day"
    SCHOOL_BREAK = "school_break", "当天学校放假", "Schools have holidays"
    SEASON = "season", "防汛演练应在 6 月 15 日前开展", "Flood drills are held before 15 June"


def _locked(session: Session, actor: Actor, item_id: int) -> tuple[ProposalItem, YearProposal]:
    """An item of the actor's area with its calendar, which is locked: decisions of one calendar queue up."""
    actor.require(Permission.DRILLS_EDIT)
    proposal_id = session.scalar(
        sa.select(ProposalItem.proposal_id).where(
            ProposalItem.id == item_id, in_scope(ProposalItem.division_code, actor)
        )
    )
    if proposal_id is None:
        raise NotFound(N_("There is no such date in your area."))
    proposal = _ready(session, proposal_id)
    item = session.get_one(ProposalItem, item_id, populate_existing=True)
    return item, proposal


def _ready(session: Session, proposal_id: int) -> YearProposal:
    proposal = session.get_one(YearProposal, proposal_id, with_for_update=True, populate_existing=True)
    if proposal.state is not ProposalState.READY:
        raise Conflict(
            N_("This calendar is being computed, or is closed. Dates can be decided once it is ready."),
            code="not_ready",
        )
    return proposal


def item_seen(session: Session, *, actor: Actor, item_id: int) -> ProposalItem:
    """One date of the actor's area."""
    actor.require(Permission.DRILLS_VIEW)
    found = session.scalar(
        sa.select(ProposalItem).where(ProposalItem.id == item_id, in_scope(ProposalItem.division_code, actor))
    )
    if found is None:
        raise NotFound(N_("There is no such date in your area."))
    return found


def accept(session: Session, *, actor: Actor, item_id: int) -> ProposalItem:
    """Take a proposed date over as a drill. Done already, nothing happens."""
    item, proposal = _locked(session, actor, item_id)
    if item.state in (S.ACCEPTED, S.MOVED):
        return item
    _accept_all(session, actor, proposal, [item])
    return item


def accept_owner(
    session: Session, *, actor: Actor, proposal_id: int, owner_key: str, only: Collection[int] = ()
) -> int:
    """Take over every date of one unit or division that waits and still lies ahead; how many."""
    actor.require(Permission.DRILLS_EDIT)
    proposing.get(session, actor=actor, proposal_id=proposal_id)
    proposal = _ready(session, proposal_id)
    statement = sa.select(ProposalItem).where(
        ProposalItem.proposal_id == proposal_id, ProposalItem.owner_key == owner_key,
        ProposalItem.state == S.PROPOSED, in_scope(ProposalItem.division_code, actor),
        ProposalItem.on_date > today(session),
    ).order_by(ProposalItem.on_date, ProposalItem.id)  # fmt: skip
    if only:
        statement = statement.where(ProposalItem.id.in_(only))
    items = list(session.scalars(statement))
    _accept_all(session, actor, proposal, items)
    return len(items)


def move(
    session: Session, *, actor: Actor, item_id: int, day: date, nevertheless: bool = False, reason: str = ""
) -> ProposalItem:
    """Take a date over on another day. One that breaks the window, or is no working day, is refused (422
    `breaks_rules`) unless it is wanted nevertheless and the reason is given."""
    item, proposal = _locked(session, actor, item_id)
    if item.state is S.ACCEPTED or item.state is S.MOVED:
        raise Conflict(
            N_("This date is accepted already. Move the drill itself on its own page."), code="already_accepted"
        )
    if day == item.on_date:
        _accept_all(session, actor, proposal, [item])
        return item
    if day.year != proposal.year:
        text = N_("Choose a day of the calendar's year.")
        raise Invalid(text, code="other_year", fields={"day": text})
    wrong = broken(session, item, day)
    if wrong and not (nevertheless and reason.strip()):
        what = "；".join(one.zh for one in wrong) if actor.locale != "en" else "; ".join(one.en for one in wrong)
        text = N_("This day breaks a rule: %(what)s. Choose another, or say that it is wanted nevertheless, and why.")
        raise Invalid(text, code="breaks_rules", what=what)
    _accept_all(session, actor, proposal, [item], moved_to=day, outside=bool(wrong), reason=reason.strip() or None)
    return item


def refuse(session: Session, *, actor: Actor, item_id: int, reason: str) -> ProposalItem:
    """No drill for this date's windows; the reason is kept sealed, and computing again does not propose it anew."""
    item, _proposal = _locked(session, actor, item_id)
    if not reason.strip():
        raise Invalid(N_("Say why it is not wanted."), code="reason_required", fields={"reason": N_("Fill this in.")})
    transition(
        session, item, S.REFUSED, allowed=TRANSITIONS, actor=actor, reason=reason.strip()[:REASON_MOST],
        values=_decided(session, actor),
    )  # fmt: skip
    return item


def broken(session: Session, item: ProposalItem, day: date) -> list[Broken]:
    """What holding the drill on this day would break."""
    work, terms = WorkCalendar.load(session), TermCalendar.load(session)
    kind = session.scalar(sa.select(Unit.kind).where(Unit.id == item.unit_id)) if item.unit_id else None
    school = kind in SCHOOLS
    checks = (
        (Broken.SEASON, item.kind is DrillKind.FLOOD and day >= date(day.year, *FLOOD_SEASON)),
        (Broken.WINDOW, not item.window_from <= day <= item.window_to),
        (Broken.DAY_OFF, not work.provisional(day.year).is_workday(day)),
        (Broken.SCHOOL_BREAK, school and not terms.in_term(day)),
    )
    return [what for what, wrong in checks if wrong]


def _decided(session: Session, actor: Actor) -> dict[str, object]:
    return {"decided_by": str(actor), "decided_at": now(session), "asked_by": None, "asked_at": None}


def _accept_all(
    session: Session, actor: Actor, proposal: YearProposal, items: Sequence[ProposalItem], *,
    moved_to: date | None = None, outside: bool = False, reason: str | None = None,
) -> None:  # fmt: skip
    """Make the drills of one owner's items, kind by kind, and note each decision."""
    by_kind: dict[DrillKind, list[ProposalItem]] = defaultdict(list)
    for item in items:
        if (moved_to or item.on_date) <= today(session):
            raise Invalid(N_("The day is past. Move it to a day that lies ahead."), code="in_the_past")
        by_kind[item.kind].append(item)
    for kind, group in by_kind.items():
        days = {moved_to or item.on_date: item for item in group}
        programme = _programme(session, actor, proposal, kind, group, sorted(days))
        made = _occurrences(session, programme, days, pinned=moved_to is not None)
        for item in group:
            transition(
                session, item, S.MOVED if moved_to else S.ACCEPTED, allowed=TRANSITIONS, actor=actor, reason=reason,
                values=_decided(session, actor) | {
                    "occurrence_id": made[moved_to or item.on_date], "moved_to": moved_to, "outside_window": outside,
                },
            )  # fmt: skip


def _programme(
    session: Session, actor: Actor, proposal: YearProposal, kind: DrillKind, items: Sequence[ProposalItem],
    days: Sequence[date],
) -> Programme:  # fmt: skip
    """The owner's programme of the year for this kind, with these dates among its own and the rules they serve."""
    first = items[0]
    rule_ids = set(
        session.scalars(
            sa.select(ProposalItemRule.rule_id).where(ProposalItemRule.item_id.in_([item.id for item in items]))
        )
    )
    known = session.get(YearProgramme, (proposal.year, first.owner_key, kind))
    programme = session.get(Programme, known.programme_id) if known is not None else None
    if programme is not None and programme.state is ProgrammeState.ACTIVE:
        taken = set(
            session.scalars(
                sa.select(Occurrence.slot_on).where(
                    Occurrence.programme_id == programme.id, Occurrence.slot_on.in_(days)
                )
            )
        )
        if taken:
            raise Conflict(
                N_("There is, or was, such a drill on %(day)s already. Choose another day."), code="day_taken",
                day=min(taken).isoformat(),
            )  # fmt: skip
        programme = add_dates(session, actor=actor, programme_id=programme.id, dates=days)
        _serve(session, programme.id, rule_ids)
        return programme
    programme = create_programme(
        session, actor=actor, facts=_facts(session, first, proposal.year, kind, days, sorted(rule_ids))
    )
    if known is None:
        session.add(YearProgramme(year=proposal.year, owner_key=first.owner_key, kind=kind, programme_id=programme.id))
    else:
        known.programme_id = programme.id
    session.flush()
    return programme


def _serve(session: Session, programme_id: int, rule_ids: Iterable[int]) -> None:
    served = set(session.scalars(sa.select(ProgrammeRule.rule_id).where(ProgrammeRule.programme_id == programme_id)))
    rows = [{"programme_id": programme_id, "rule_id": rule_id} for rule_id in sorted(set(rule_ids) - served)]
    if rows:
        session.execute(sa.insert(ProgrammeRule), rows)


def _facts(
    session: Session, item: ProposalItem, year: int, kind: DrillKind, days: Sequence[date], rule_ids: Sequence[int]
) -> NewProgramme:
    if item.unit_id is not None:
        unit = session.get_one(Unit, item.unit_id)
        name, code = unit.name, unit.division_code
        if unit.closed_at is not None and unit.closed_at <= now(session):
            raise Conflict(N_("The unit is closed. Compute the calendar again."), code="unit_closed")
    else:
        name, code = session.get_one(Division, item.division_code).name, item.division_code
    return NewProgramme(
        f"{name}{kind.zh}演练（{year}年度）", kind, Form.TABLETOP if kind in TABLETOPS else Form.FIELD, code,
        Recurrence.listed(days), item.at_time, content=Content.FULL if kind is DrillKind.FULL else Content.SINGLE,
        unit_id=item.unit_id, post_ids=posts_to_ask(session, code, item.unit_id), rule_ids=rule_ids,
        backdated=True,  # somebody decided about each of these days
    )  # fmt: skip


def _occurrences(
    session: Session, programme: Programme, days: dict[date, ProposalItem], *, pinned: bool
) -> dict[date, int]:
    """The drills of these days. Days beyond the thirteen months that programmes are written ahead become rows too:
    somebody decided about each."""

    def found() -> list[Occurrence]:
        return list(
            session.scalars(
                sa.select(Occurrence)
                .where(Occurrence.programme_id == programme.id, Occurrence.slot_on.in_(list(days)))
                .execution_options(populate_existing=True)
            )
        )

    rows = found()
    beyond = set(days) - {row.slot_on for row in rows}
    if beyond:
        session.execute(sa.insert(Occurrence), [row_of(programme, Planned(day, day)) for day in sorted(beyond)])
        rows = found()
    for row in rows:
        item = days[row.slot_on]
        starts_at = local_moment(row.slot_on, item.at_time)
        if row.starts_at != starts_at:
            # The programme keeps one hour; this date has its own.
            span = times_of(programme, Planned(row.slot_on, row.slot_on))
            row.ends_at = starts_at + (span["ends_at"] - span["starts_at"])
            row.due_at = row.ends_at + (span["due_at"] - span["ends_at"])
            row.starts_at = starts_at
        row.provisional, row.pinned = item.provisional and not pinned, pinned
        touch(session, Occurrence.__tablename__, row.id)
    session.flush()
    return {row.slot_on: row.id for row in rows if row.state is OccurrenceState.PLANNED}


@dataclass(frozen=True)
class Asked:
    """How many dates of how many owners a bulk acceptance means."""

    dates: int
    owners: int


def waiting(
    session: Session, *, actor: Actor, proposal_id: int, division_code: str | None, owner_key: str = ""
) -> Asked:
    """What accepting all of a unit, a township, or the whole area would take over."""
    proposing.get(session, actor=actor, proposal_id=proposal_id)
    row = session.execute(
        sa.select(sa.func.count(), sa.func.count(sa.distinct(ProposalItem.owner_key))).where(
            *_meant(session, actor, proposal_id, division_code, owner_key)
        )
    ).one()
    return Asked(row[0], row[1])


def ask_all(session: Session, *, actor: Actor, proposal_id: int, division_code: str | None, owner_key: str = "") -> int:
    """Ask that every waiting date of a unit, a township or the area be taken over; the ticker does it in pieces."""
    actor.require(Permission.DRILLS_EDIT)
    proposing.get(session, actor=actor, proposal_id=proposal_id)
    _ready(session, proposal_id)
    done = session.execute(
        sa.update(ProposalItem)
        .where(*_meant(session, actor, proposal_id, division_code, owner_key))
        .values(asked_by=str(actor), asked_at=now(session))
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def _meant(
    session: Session, actor: Actor, proposal_id: int, division_code: str | None, owner_key: str
) -> list[sa.ColumnElement[bool]]:
    conditions = [
        ProposalItem.proposal_id == proposal_id, ProposalItem.state == S.PROPOSED, ProposalItem.asked_at.is_(None),
        ProposalItem.on_date > today(session), in_scope(ProposalItem.division_code, actor),
    ]  # fmt: skip
    if division_code:
        actor.require_covers(division_code)
        conditions.append(within(ProposalItem.division_code, division_code))
    if owner_key:
        conditions.append(ProposalItem.owner_key == owner_key)
    return conditions
