"""What the ticker does for calendars of a year: compute, take over what was asked for, compute again what was a guess."""

from __future__ import annotations

import logging
import time
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import proposing
from emergency.drills.proposal_models import ItemState, ProposalItem, ProposalState, YearProposal
from emergency.drills.proposing_computing import ACTOR, compute, due_again
from emergency.drills.proposing_deciding import accept_owner
from kernel.db import Database
from kernel.errors import DomainError
from kernel.logs import kv
from scheduler.ticker import Job

log = logging.getLogger(__name__)
SECONDS = 3.0
"""So long one tick works on calendars: warnings and questions wait for the next tick, not for a year."""
AT_ONCE = 4
"""Dates taken over in one transaction: each makes a drill, its invitations' posts and its entries in the journal."""


def work(database: Database, now: datetime, *, seconds: float = SECONDS) -> int:
    """Go on with whatever calendar is being computed or accepted; how many owners were handled."""
    ends = time.monotonic() + seconds
    handled = accept_asked(database, ends)
    with database.read() as session:
        computing = session.scalars(
            sa.select(YearProposal.id).where(YearProposal.state == ProposalState.COMPUTING).order_by(YearProposal.id)
        ).all()
    for proposal_id in computing:
        left = ends - time.monotonic()
        if left > 0:
            handled += compute(database, proposal_id, left)
    return handled


def again(database: Database, now: datetime) -> int:
    """Compute again what rested on holidays that have been announced since; decisions stay."""
    with database.read() as session:
        found = due_again(session)
    for proposal_id in found:
        with database.write() as session:
            proposing.compute_again(session, actor=ACTOR, proposal_id=proposal_id)
    return len(found)


def accept_asked(database: Database, ends: float) -> int:
    """Take over what somebody asked for in bulk, a few dates of one owner at a time, on behalf of whoever asked."""
    handled = 0
    while time.monotonic() < ends:
        with database.read() as session:
            found = _next_asked(session)
        if found is None:
            return handled
        _accept(database, *found)
        handled += 1
    return handled


def _next_asked(session: Session) -> tuple[int, str, str, str, list[int]] | None:
    """The next dates of an owner that wait: calendar, key, who asked, the calendar's area, the dates. Only those of one
    kind, which share a programme."""
    first = session.execute(
        sa.select(
            ProposalItem.proposal_id, ProposalItem.owner_key, ProposalItem.asked_by, ProposalItem.kind,
            YearProposal.division_code,
        )
        .join(YearProposal, YearProposal.id == ProposalItem.proposal_id)
        .where(YearProposal.state == ProposalState.READY, ProposalItem.state == ItemState.PROPOSED,
               ProposalItem.asked_at.is_not(None))
        .order_by(ProposalItem.proposal_id, ProposalItem.owner_key)
        .limit(1)
    ).first()  # fmt: skip
    if first is None:
        return None
    ids = session.scalars(
        sa.select(ProposalItem.id).where(
            ProposalItem.proposal_id == first.proposal_id, ProposalItem.owner_key == first.owner_key,
            ProposalItem.state == ItemState.PROPOSED, ProposalItem.asked_by == first.asked_by,
            ProposalItem.kind == first.kind,
        ).order_by(ProposalItem.on_date).limit(AT_ONCE)
    ).all()  # fmt: skip
    return first.proposal_id, first.owner_key, first.asked_by, first.division_code, list(ids)


def _accept(database: Database, proposal_id: int, key: str, asked_by: str, code: str, ids: list[int]) -> None:
    try:
        with database.write() as session:
            taken = accept_owner(
                session, actor=proposing.on_behalf(asked_by, code), proposal_id=proposal_id, owner_key=key, only=ids
            )
        if taken == len(ids):
            return
    except DomainError as error:
        log.warning("dates of a year were not accepted %s", kv(proposal=proposal_id, code=error.code, dates=len(ids)))
    with database.write() as session:
        # What could not be taken over (its day came meanwhile, its unit closed) waits for a person again.
        session.execute(
            sa.update(ProposalItem)
            .where(ProposalItem.id.in_(ids), ProposalItem.state == ItemState.PROPOSED)
            .values(asked_at=None, asked_by=None)
        )


YEAR_JOBS = [Job("drills.year", work), Job("drills.year_again", again, 3_600)]
