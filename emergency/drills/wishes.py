"""Other dates that asked posts propose: kept as rows, accepted with one act or refused with a reason."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking.models import Answer
from emergency.drills.confirming_models import DateProposal, ProposalState
from emergency.drills.models import Answered, Invitation
from emergency.http.actor import SYSTEM, Actor
from emergency.privacy import journal
from kernel.db import now
from kernel.ids import new_id

S = ProposalState
PROPOSED = journal.kind("drill.date_proposed", "建议改期", "Another date proposed", "post", "wanted")
DECIDED = journal.kind("drill.date_decided", "处理改期建议", "Proposal of another date decided", "outcome", "post")
MOST = 200


def heard(session: Session, invitation: Invitation, answer: Answer) -> None:
    """An answer of an asked post came to stand: a proposal is kept, and any earlier one of the post is overtaken."""
    overtake(session, occurrence_id=invitation.occurrence_id, post_id=invitation.post_id, actor=SYSTEM)
    if invitation.answer is not Answered.OTHER:
        return
    session.add(
        DateProposal(
            id=new_id(), occurrence_id=invitation.occurrence_id, post_id=invitation.post_id,
            question_id=answer.question_id, answer_id=answer.id, wanted_at=answer.proposed_at, made_at=answer.at,
            state=S.OPEN, version=1,
        )
    )  # fmt: skip
    session.flush()
    journal.record(
        session, PROPOSED, actor=answer.recorded_by, subject=("drill_occurrence", invitation.occurrence_id),
        post=invitation.post_id, wanted=answer.proposed_at.isoformat() if answer.proposed_at else None,
    )  # fmt: skip


def overtake(session: Session, *, occurrence_id: int, actor: Actor, post_id: int | None = None) -> int:
    """What was proposed and not decided matters no more: another answer stands, or the date was settled otherwise."""
    statement = sa.update(DateProposal).where(DateProposal.occurrence_id == occurrence_id, DateProposal.state == S.OPEN)
    if post_id is not None:
        statement = statement.where(DateProposal.post_id == post_id)
    done = session.execute(
        statement.values(
            state=S.OVERTAKEN, decided_at=now(session), decided_by=str(actor), version=DateProposal.version + 1
        )
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def settle(session: Session, proposal: DateProposal, state: ProposalState, actor: Actor, reason: str = "") -> None:
    """Mark a proposal as accepted or refused."""
    proposal.state, proposal.decided_at, proposal.decided_by = state, now(session), str(actor)
    proposal.reason = reason or None
    proposal.version += 1
    session.flush()
    journal.record(
        session, DECIDED, actor=actor, subject=("drill_occurrence", proposal.occurrence_id), outcome=state.value,
        post=proposal.post_id,
    )  # fmt: skip


def of_occurrence(session: Session, occurrence_id: int) -> Sequence[DateProposal]:
    """The proposals about one date, those that wait first."""
    return session.scalars(
        sa.select(DateProposal)
        .where(DateProposal.occurrence_id == occurrence_id)
        .order_by(DateProposal.state != S.OPEN, DateProposal.made_at, DateProposal.id)
        .limit(MOST)
    ).all()
