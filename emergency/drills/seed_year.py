"""The demo's calendar of next year: proposed from the rules, a few dates accepted, one moved, one refused."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from emergency.drills import proposing, proposing_deciding
from emergency.drills.materialising import today
from emergency.drills.proposal_models import ItemState, ProposalItem, YearProposal
from emergency.drills.proposing_computing import compute
from emergency.http.actor import Actor
from kernel.db import Database

ACTOR = Actor.system("demo")
DISTRICT = "120118000000"
ACCEPTED = 3
"""So many units have all their dates accepted."""


def seed(database: Database) -> None:
    """Propose next year, unless there is a calendar already, and decide about a little of it."""
    with database.write() as session:
        if session.scalar(sa.select(YearProposal.id).limit(1)) is not None:
            return
        year = today(session).year + 1
        proposal_id = proposing.create(session, actor=ACTOR, year=year, division_code=DISTRICT).id
    compute(database, proposal_id, 600)
    with database.read() as session:
        waiting = sa.select(ProposalItem).where(
            ProposalItem.proposal_id == proposal_id, ProposalItem.state == ItemState.PROPOSED,
            ProposalItem.unit_id.is_not(None),
        ).order_by(ProposalItem.owner_key, ProposalItem.on_date).limit(400)  # fmt: skip
        items = list(session.scalars(waiting))
    keys = list(dict.fromkeys(item.owner_key for item in items))
    for key in keys[:ACCEPTED]:
        with database.write() as session:
            proposing_deciding.accept_owner(session, actor=ACTOR, proposal_id=proposal_id, owner_key=key)
    rest = [item for item in items if item.owner_key not in keys[:ACCEPTED]]
    _moved(database, rest)
    if rest:
        with database.write() as session:
            proposing_deciding.refuse(
                session, actor=ACTOR, item_id=rest[-1].id, reason="与年度综合演练合并开展，本次不单独组织。"
            )


def _moved(database: Database, items: list[ProposalItem]) -> None:
    """The first date that can be a week later without breaking its window."""
    for item in items[:40]:
        later = item.on_date + timedelta(days=7)
        with database.write() as session:
            if proposing_deciding.broken(session, item, later):
                continue
            proposing_deciding.move(session, actor=ACTOR, item_id=item.id, day=later)
            return
