"""Writing one piece of a year's calendar, and looking again at dates that rested on a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Unit, UnitKind
from emergency.drills.models import DrillKind, Occurrence
from emergency.drills.proposal_models import (
    ItemState,
    ProposalGap,
    ProposalItem,
    ProposalItemRule,
    ProposalOwner,
    ProposalState,
    YearProposal,
)
from emergency.drills.proposing_rules import Calendar, Proposed
from kernel.db import Database, now, touch_all
from kernel.ids import new_id
from scheduler.terms import TermCalendar
from scheduler.workdays import WorkCalendar

AT_ONCE = 50
SCHOOLS = frozenset({UnitKind.SCHOOL, UnitKind.KINDERGARTEN})
"""Whose drills are held on days of school."""


@dataclass(frozen=True)
class Planned:
    """One owner's calendar, to be written."""

    key: str
    unit_id: int | None
    division_code: str
    calendar: Calendar


def write_piece(session: Session, proposal: YearProposal, plans: Sequence[Planned], cursor: str, count: int) -> bool:
    """Write the calendars of some owners and move the cursor; False where it had moved already.

    Dates that stay keep their row, those that do not are superseded; what was decided is not touched.
    """
    moved = session.execute(
        sa.update(YearProposal)
        .where(YearProposal.id == proposal.id, YearProposal.state == ProposalState.COMPUTING,
               YearProposal.run == proposal.run, YearProposal.cursor == proposal.cursor)
        .values(cursor=cursor, done=sa.case((YearProposal.done + count > YearProposal.total, YearProposal.total),
                                            else_=YearProposal.done + count))
    )  # fmt: skip
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        return False
    keys = [planned.key for planned in plans]
    old = _waiting(session, proposal.id, keys)
    items: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    serves: list[dict[str, Any]] = []
    for planned in plans:
        for one in planned.calendar.items:
            found = old.pop((planned.key, one.kind, one.on), None)
            facts = _columns(one, proposal.run)
            if found is not None:
                kept.append({"id": found, **facts})
            else:
                items.append(facts | _owner(proposal, planned) | {"id": new_id(), "state": ItemState.PROPOSED,
                                                                  "outside_window": False, "version": 1})  # fmt: skip
            serves += [
                {"item_id": found or items[-1]["id"], "rule_id": rule_id, "window_from": start, "window_to": end}
                for rule_id, start, end in dict.fromkeys(one.serves)
            ]
    _supersede(session, list(old.values()))
    if kept:
        session.execute(sa.delete(ProposalItemRule).where(ProposalItemRule.item_id.in_([row["id"] for row in kept])))
        session.execute(sa.update(ProposalItem), kept)
    for gone in (ProposalGap, ProposalOwner):
        session.execute(sa.delete(gone).where(gone.proposal_id == proposal.id, gone.owner_key.in_(keys)))
    for table, rows in (
        (ProposalItem, items), (ProposalItemRule, serves), (ProposalGap, _gaps(proposal, plans)),
        (ProposalOwner, _owners(proposal, plans)),
    ):  # fmt: skip
        if rows:
            session.execute(sa.insert(table), rows)
    return True


def _waiting(session: Session, proposal_id: int, keys: Sequence[str]) -> dict[tuple[str, DrillKind, Any], int]:
    rows = session.execute(
        sa.select(ProposalItem.id, ProposalItem.owner_key, ProposalItem.kind, ProposalItem.on_date).where(
            ProposalItem.proposal_id == proposal_id, ProposalItem.owner_key.in_(keys),
            ProposalItem.state == ItemState.PROPOSED,
        )
    )  # fmt: skip
    return {(row.owner_key, row.kind, row.on_date): row.id for row in rows}


def _supersede(session: Session, ids: Sequence[int]) -> None:
    if ids:
        session.execute(
            sa.update(ProposalItem)
            .where(ProposalItem.id.in_(ids))
            .values(state=ItemState.SUPERSEDED, version=ProposalItem.version + 1)
        )


def _columns(one: Proposed, run: int) -> dict[str, Any]:
    return {
        "kind": one.kind, "window_from": one.window_from, "window_to": one.window_to, "on_date": one.on,
        "at_time": one.at, "provisional": one.provisional, "run": run, "why": one.why,
    }  # fmt: skip


def _owner(proposal: YearProposal, planned: Planned) -> dict[str, Any]:
    return {
        "proposal_id": proposal.id, "owner_key": planned.key, "unit_id": planned.unit_id,
        "division_code": planned.division_code,
    }  # fmt: skip


def _gaps(proposal: YearProposal, plans: Sequence[Planned]) -> list[dict[str, Any]]:
    return [
        _owner(proposal, planned) | {
            "id": new_id(), "rule_id": gap.rule_id, "code": gap.code, "windows": max(1, len(gap.windows)),
            "window_from": gap.windows[0][0] if gap.windows else None,
            "window_to": gap.windows[-1][1] if gap.windows else None,
        }
        for planned in plans
        for gap in planned.calendar.gaps
    ]  # fmt: skip


def _owners(proposal: YearProposal, plans: Sequence[Planned]) -> list[dict[str, Any]]:
    return [
        _owner(proposal, planned) | {
            "id": new_id(), "run": proposal.run, "windows": planned.calendar.windows, "met": planned.calendar.met,
            "served": planned.calendar.served, "open_windows": planned.calendar.open,
        }
        for planned in plans
        if planned.calendar.windows or planned.calendar.items or planned.calendar.gaps
    ]  # fmt: skip


def settle(database: Database, proposal_id: int, work: WorkCalendar, terms: TermCalendar) -> int:
    """Accepted dates that rested on a guess: where the year is announced now and the day is worked, it is one no more.

    A day that turned out to be off keeps its mark; the calendar's page asks for another date.
    """
    last, settled = 0, 0
    while True:
        with database.write() as session:
            found = session.execute(
                sa.select(ProposalItem, Unit.kind)
                .outerjoin(Unit, Unit.id == ProposalItem.unit_id)
                .where(ProposalItem.proposal_id == proposal_id, ProposalItem.id > last, ProposalItem.provisional,
                       ProposalItem.state.in_((ItemState.ACCEPTED, ItemState.MOVED)))
                .order_by(ProposalItem.id)
                .limit(AT_ONCE)
            ).all()  # fmt: skip
            sure = [
                item for item, kind in found
                if work.knows(item.day) and work.is_workday(item.day)
                and (kind not in SCHOOLS or (terms.knows(item.day) and terms.in_term(item.day)))
            ]  # fmt: skip
            for item in sure:
                item.provisional = False
            ids = [item.occurrence_id for item in sure if item.occurrence_id is not None]
            session.execute(
                sa.update(Occurrence)
                .where(Occurrence.id.in_(ids))
                .values(provisional=False, sequence=Occurrence.sequence + 1, changed_at=now(session))
            )  # fmt: skip
            touch_all(session, Occurrence.__tablename__, ids)
        settled += len(sure)
        if len(found) < AT_ONCE:
            return settled
        last = found[-1][0].id
