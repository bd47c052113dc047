"""A year's calendar: asking for it, computing it again, closing it. The ticker computes (`proposing_computing`)."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import ancestors, in_scope, prefix, within
from emergency.drills.materialising import today
from emergency.drills.proposal_models import ItemState, ProposalItem, ProposalState, YearProposal
from emergency.drills.proposing_settings import Settings
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import journal
from kernel.db import now
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

TRANSITIONS: dict[ProposalState, frozenset[ProposalState]] = {
    ProposalState.COMPUTING: frozenset({ProposalState.READY, ProposalState.CLOSED}),
    ProposalState.READY: frozenset({ProposalState.COMPUTING, ProposalState.CLOSED}),
    ProposalState.CLOSED: frozenset(),
}
LEVELS = (3, 4, 5)
"""Divisions that rules speak of: district, township, village."""
YEARS_AHEAD = 3
NOTICE = timedelta(days=3)
"""The first day that may be proposed lies so far ahead: posts must be asked."""
PROPOSED = journal.kind(
    "drills.year_proposed", "编排年度演练日历", "Year of drills proposed", "year", "division", "run"
)


def seen(actor: Actor) -> sa.ColumnElement[bool]:
    """SQL: calendars that concern the actor: of its area, of a part of it, or of an area around it."""
    column = YearProposal.division_code
    if actor.is_system:
        return sa.true()
    return sa.or_(in_scope(column, actor), column.in_(ancestors(actor.division_code) if actor.division_code else ()))


def get(session: Session, *, actor: Actor, proposal_id: int) -> YearProposal:
    """One calendar that concerns the actor."""
    actor.require(Permission.DRILLS_VIEW)
    found = session.scalar(sa.select(YearProposal).where(YearProposal.id == proposal_id, seen(actor)))
    if found is None:
        raise NotFound(N_("There is no such calendar in your area."))
    return found


def own(session: Session, *, actor: Actor, proposal_id: int) -> YearProposal:
    """One calendar that the actor may compute again or close, locked: its whole area is the actor's."""
    actor.require(Permission.DRILLS_EDIT)
    found = session.scalar(
        sa.select(YearProposal)
        .where(YearProposal.id == proposal_id, in_scope(YearProposal.division_code, actor))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound(N_("There is no such calendar in your area."))
    return found


def list_proposals(session: Session, *, actor: Actor, limit: int = 100) -> list[YearProposal]:
    """The calendars that concern the actor, the latest year first."""
    actor.require(Permission.DRILLS_VIEW)
    statement = sa.select(YearProposal).where(seen(actor)).order_by(YearProposal.year.desc(), YearProposal.id.desc())
    return list(session.scalars(statement.limit(limit)))


def suggested(session: Session, *, division_code: str) -> Settings:
    """The limits that a form begins with: room for twice the even load of the area's units."""
    units = session.scalar(
        sa.select(sa.func.count()).select_from(Unit)
        .where(Unit.closed_at.is_(None), within(Unit.division_code, division_code))
    )  # fmt: skip
    towns = session.scalar(
        sa.select(sa.func.count()).select_from(Division)
        .where(Division.level == 4, within(Division.code, division_code))
    )  # fmt: skip
    return Settings.suggested(units or 0, towns or 1)


def create(
    session: Session, *, actor: Actor, year: int, division_code: str, settings: Settings | None = None
) -> YearProposal:
    """Ask for a year's calendar of a division and all below it; the ticker computes it. One open calendar a year and
    area: two would each plan the same windows (409 `already_proposed`)."""
    actor.require(Permission.DRILLS_EDIT)
    actor.require_covers(division_code)
    check_year(year, today(session))
    level = session.scalar(sa.select(Division.level).where(Division.code == division_code))
    if level not in LEVELS:
        text = N_("Choose a district, a township or a village.")
        raise Invalid(text, code="bad_division", fields={"division_code": text})
    other = session.scalar(
        sa.select(YearProposal.id).where(
            YearProposal.year == year, YearProposal.state != ProposalState.CLOSED,
            sa.or_(within(YearProposal.division_code, division_code),
                   YearProposal.division_code.in_(ancestors(division_code))),
        )
    )  # fmt: skip
    if other is not None:
        raise _twice(year)
    limits = settings or suggested(session, division_code=division_code)
    proposal = YearProposal(
        id=new_id(), year=year, division_code=division_code, state=ProposalState.COMPUTING,
        settings=limits.to_json(), made_by=str(actor), made_at=now(session), run=1, cursor="", total=0, done=0,
        provisional=False, announced=False, version=1,
    )  # fmt: skip
    session.add(proposal)
    try:
        session.flush()
    except IntegrityError as error:
        raise _twice(year) from error
    _begin(session, proposal, actor)
    return proposal


def check_year(year: int, day: date) -> None:
    """A year that is over has nothing to plan; one too far off rests on guesses only."""
    if not day.year <= year <= day.year + YEARS_AHEAD:
        text = N_("Choose this year or one of the next three.")
        raise Invalid(text, code="bad_year", fields={"year": text})


def _twice(year: int) -> Conflict:
    return Conflict(
        N_("There is an open calendar of %(year)s for this area, a part of it or an area around it. Open that one, or "
           "close it first."),
        code="already_proposed", year=year,
    )  # fmt: skip


def _begin(session: Session, proposal: YearProposal, actor: Actor) -> None:
    """Set the work to its start: how many owners there are, and nothing done."""
    here = proposal.division_code
    divisions = session.scalar(
        sa.select(sa.func.count()).select_from(Division).where(Division.level.in_(LEVELS), within(Division.code, here))
    )
    units = session.scalar(
        sa.select(sa.func.count()).select_from(Unit).where(open_units(session), within(Unit.division_code, here))
    )
    proposal.total, proposal.done, proposal.cursor = (divisions or 0) + (units or 0), 0, ""
    proposal.computed_from = first_day(proposal.year, today(session))
    proposal.provisional = False
    session.flush()
    journal.record(
        session, PROPOSED, actor=actor, subject=(YearProposal.__tablename__, proposal.id), year=proposal.year,
        division=here, run=proposal.run,
    )  # fmt: skip


def open_units(session: Session) -> sa.ColumnElement[bool]:
    """SQL: units that are not closed yet; one that closes later is planned until then."""
    return sa.or_(Unit.closed_at.is_(None), Unit.closed_at > now(session))


def first_day(year: int, day: date) -> date:
    """The first day that may be proposed."""
    return max(date(year, 1, 1), day + NOTICE)


def compute_again(session: Session, *, actor: Actor, proposal_id: int) -> YearProposal:
    """Compute a calendar again with the rules, units and holidays of now. What was decided stays."""
    proposal = own(session, actor=actor, proposal_id=proposal_id)
    waiting = session.scalar(
        sa.select(ProposalItem.id).where(
            ProposalItem.proposal_id == proposal.id, ProposalItem.state == ItemState.PROPOSED,
            ProposalItem.asked_at.is_not(None),
        ).limit(1)
    )  # fmt: skip
    if waiting is not None:
        raise Conflict(N_("Dates of this calendar are being accepted. Wait until that is done."), code="being_accepted")
    transition(
        session, proposal, ProposalState.COMPUTING, allowed=TRANSITIONS, actor=actor,
        values={"run": proposal.run + 1},
    )  # fmt: skip
    _begin(session, proposal, actor)
    return proposal


def close(session: Session, *, actor: Actor, proposal_id: int) -> YearProposal:
    """Close a calendar: nothing of it is decided any more; what was accepted stays planned."""
    proposal = own(session, actor=actor, proposal_id=proposal_id)
    transition(
        session, proposal, ProposalState.CLOSED, allowed=TRANSITIONS, actor=actor,
        values={"closed_at": now(session), "closed_by": str(actor)},
    )  # fmt: skip
    session.execute(
        sa.update(ProposalItem)
        .where(ProposalItem.proposal_id == proposal.id, ProposalItem.asked_at.is_not(None),
               ProposalItem.state == ItemState.PROPOSED)
        .values(asked_at=None, asked_by=None)
    )  # fmt: skip
    return proposal


def on_behalf(key: str, division_code: str) -> Actor:
    """The actor for whom the ticker accepts what somebody asked for; the scope was held to when it was asked."""
    kind, _, number = key.partition(":")
    if kind == "account" and number.isdigit():
        return Actor(
            kind="account", id=int(number), permissions=frozenset({Permission.DRILLS_VIEW, Permission.DRILLS_EDIT}),
            division_prefix=prefix(division_code), division_code=division_code,
        )  # fmt: skip
    return Actor.system(number if kind == "system" and number else "drills")
