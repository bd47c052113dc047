"""Review rounds: comments on a text, answered one by one by its author, resolved by the reviewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans.models import Plan, PlanSection, PlanVersion, VersionState
from emergency.plans.queries import get_version
from emergency.plans.review_models import CommentAnswer, PlanComment, PlanReviewRound, RoundOutcome
from emergency.privacy import vault
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Forbidden, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import note

__all__ = [
    "Comment", "Round", "answer", "close_round", "comment", "need_answers", "need_resolved", "open_round", "resolve",
    "rounds", "withdraw",
]  # fmt: skip

REVIEWED = (VersionState.LINKAGE_REVIEW, VersionState.APPROVAL)
LONGEST = 4000


@dataclass(frozen=True)
class Comment:
    """One comment with its words in clear."""

    row: PlanComment
    text: str
    answer_text: str


@dataclass(frozen=True)
class Round:
    """One round with its comments, in the order they were written."""

    row: PlanReviewRound
    comments: Sequence[Comment]


def rounds(session: Session, *, actor: Actor, version_id: int) -> list[Round]:
    """The rounds of a version, the latest first; for who works on it, not for those whom the plan only binds."""
    version, plan = get_version(session, actor=actor, version_id=version_id)
    if not actor.covers(plan.division_code):
        return []
    held: dict[int, list[Comment]] = {}
    opened = vault.of(session)
    for row in session.scalars(
        sa.select(PlanComment).where(PlanComment.version_id == version.id).order_by(PlanComment.id)
    ):
        said = opened.open("plan_comment", "answer", row.id, row.answer_sealed) if row.answer_sealed else ""
        held.setdefault(row.round_id, []).append(
            Comment(row, opened.open("plan_comment", "text", row.id, row.text_sealed), said)
        )
    found = session.scalars(
        sa.select(PlanReviewRound)
        .where(PlanReviewRound.version_id == version.id)
        .order_by(PlanReviewRound.number.desc())
    )
    return [Round(row, held.get(row.id, [])) for row in found]


def _present(session: Session, version_id: int) -> PlanReviewRound | None:
    return session.scalar(
        sa.select(PlanReviewRound).where(PlanReviewRound.version_id == version_id, PlanReviewRound.closed_at.is_(None))
    )


def open_round(session: Session, *, actor: Actor, version_id: int) -> PlanReviewRound:
    """The next round begins with a submission."""
    last = session.scalar(
        sa.select(sa.func.max(PlanReviewRound.number)).where(PlanReviewRound.version_id == version_id)
    )
    row = PlanReviewRound(
        id=new_id(), version_id=version_id, number=(last or 0) + 1, opened_at=now(session), opened_by=str(actor)
    )
    session.add(row)
    session.flush()
    return row


def close_round(session: Session, *, actor: Actor, version_id: int, outcome: RoundOutcome) -> None:
    """The round ends: returned, approved or rejected."""
    row = _present(session, version_id)
    if row is not None:
        row.closed_at, row.closed_by, row.outcome = now(session), str(actor), outcome
        session.flush()


def _count(session: Session, version_id: int, *conditions: sa.ColumnElement[bool]) -> int:
    return int(
        session.scalar(
            sa.select(sa.func.count()).select_from(PlanComment).where(PlanComment.version_id == version_id, *conditions)
        )
        or 0
    )


def need_answers(session: Session, version_id: int) -> None:
    """Refuse a submission while a comment has no answer (409 `unanswered_comments`)."""
    waiting = _count(session, version_id, PlanComment.answer.is_(None))
    if waiting:
        raise Conflict(
            N_("%(n)s comments of the review have no answer yet. Answer each of them, then submit again."),
            code="unanswered_comments",
            n=waiting,
        )


def need_resolved(session: Session, version_id: int) -> None:
    """Refuse to pass a text on while a comment is open (409 `unresolved_comments`)."""
    waiting = _count(session, version_id, PlanComment.resolved_at.is_(None))
    if waiting:
        raise Conflict(
            N_("%(n)s comments are still open. Resolve or withdraw them, or return the text to its author."),
            code="unresolved_comments",
            n=waiting,
        )


def _words(text: str, field: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise Invalid(N_("Write what you mean."), code="incomplete", fields={field: N_("Fill this in.")})
    if len(text) > LONGEST:
        raise Invalid(N_("At most %(n)s characters."), code="too_long", n=LONGEST)
    return text


def _another_person(actor: Actor, version: PlanVersion) -> None:
    if version.author == str(actor):
        raise Forbidden(N_("Who wrote a text neither reviews nor approves it. Another person must."), code="four_eyes")


def comment(
    session: Session, *, actor: Actor, version_id: int, text: str, section_id: int | None = None
) -> PlanComment:
    """Comment on one section, or on the whole text, while it is being reviewed."""
    actor.require(Permission.PLANS_APPROVE)
    version, plan = get_version(session, actor=actor, version_id=version_id)
    actor.require_covers(plan.division_code)
    _another_person(actor, version)
    present = _present(session, version.id)
    if version.state not in REVIEWED:
        raise Conflict(N_("A text is commented on while it is being reviewed."), code="wrong_state")
    words = _words(text, "text")
    present = present or open_round(session, actor=actor, version_id=version.id)
    place = ""
    if section_id is not None:
        section = session.get(PlanSection, section_id)
        if section is None or section.version_id != version.id:
            raise NotFound(N_("This piece of the text is not there any more; somebody removed it."), code="piece_gone")
        place = f"{section.number} {section.heading}".strip()[:230]
    row_id = new_id()
    row = PlanComment(
        id=row_id, version_id=version.id, round_id=present.id, section_id=section_id, place=place,
        text_sealed=vault.of(session).seal("plan_comment", "text", row_id, words), author=str(actor), at=now(session),
    )  # fmt: skip
    session.add(row)
    session.flush()
    note(session, "plan_comment", row.id, "", "open", actor=actor)
    touch(session, "plan", plan.id)
    return row


def _comment(session: Session, actor: Actor, comment_id: int) -> tuple[PlanComment, PlanVersion, Plan]:
    row = session.get(PlanComment, comment_id, populate_existing=True)
    if row is None:
        raise NotFound(N_("There is no such comment in your area."))
    version, plan = get_version(session, actor=actor, version_id=row.version_id)
    actor.require_covers(plan.division_code)
    return row, version, plan


def answer(session: Session, *, actor: Actor, comment_id: int, said: CommentAnswer, text: str = "") -> PlanComment:
    """The author's answer to one comment of a text that came back; what is not accepted needs its reason."""
    actor.require(Permission.PLANS_EDIT)
    row, version, plan = _comment(session, actor, comment_id)
    if version.state is not VersionState.DRAFT:
        raise Conflict(N_("Comments are answered after the text was returned to its author."), code="wrong_state")
    if row.author == str(actor):
        raise Forbidden(N_("Nobody answers a comment of their own."), code="four_eyes")
    if row.resolved_at is not None:
        raise Conflict(N_("This comment is resolved already."), code="wrong_state")
    words = text.strip()
    if said is CommentAnswer.NOT_ACCEPTED:
        words = _words(text, "text")
    elif len(words) > LONGEST:
        raise Invalid(N_("At most %(n)s characters."), code="too_long", n=LONGEST)
    before = row.answer.value if row.answer else "open"
    row.answer, row.answered_by, row.answered_at = said, str(actor), now(session)
    row.answer_sealed = vault.of(session).seal("plan_comment", "answer", row.id, words) if words else None
    session.flush()
    note(session, "plan_comment", row.id, before, said.value, actor=actor)
    touch(session, "plan", plan.id)
    return row


def resolve(session: Session, *, actor: Actor, comment_id: int) -> PlanComment:
    """The reviewer is content with the answer."""
    actor.require(Permission.PLANS_APPROVE)
    row, version, _plan = _comment(session, actor, comment_id)
    _another_person(actor, version)
    if row.answer is None:
        raise Conflict(N_("This comment has no answer yet."), code="unanswered_comments")
    if row.resolved_at is None:
        row.resolved_by, row.resolved_at = str(actor), now(session)
        session.flush()
        note(session, "plan_comment", row.id, row.answer.value, "resolved", actor=actor)
    return row


def withdraw(session: Session, *, actor: Actor, comment_id: int) -> None:
    """Who wrote a comment takes it back before it is answered."""
    actor.require(Permission.PLANS_APPROVE)
    row, _version, plan = _comment(session, actor, comment_id)
    if row.author != str(actor):
        raise Forbidden(N_("Only who wrote a comment can withdraw it."), code="not_yours")
    if row.answer is not None:
        raise Conflict(N_("This comment has been answered; it stays."), code="wrong_state")
    note(session, "plan_comment", row.id, "open", "withdrawn", actor=actor)
    session.delete(row)
    session.flush()
    touch(session, "plan", plan.id)
