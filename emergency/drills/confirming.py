"""Asking the posts of a drill whether they take part, and hearing what they say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.asking import service as asking
from emergency.asking.models import Answer, Question
from emergency.drills import rules
from emergency.drills.models import Answered, Invitation, Occurrence, OccurrenceState, Programme, ProgrammePost
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts import service as posts
from emergency.people.posts.models import Duty
from kernel.clock import BEIJING
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid
from kernel.ids import new_id
from kernel.states import transition

SUBJECT = "drill_occurrence"
QUESTION_KIND = "drill.confirm"
DEPUTY = "deputy"
ANSWERS = (
    asking.AnswerOption("yes", "参加", "We take part", words=("是", "是的", "能", "能参加", "可以", "yes")),
    asking.AnswerOption(DEPUTY, "派人代替", "Somebody comes instead of me", "deputy", ("代替", "派人")),
    asking.AnswerOption("no", "不能参加", "We cannot", "reason", ("不能", "不参加", "参加不了", "no")),
    asking.AnswerOption("other", "建议改期", "Another date", "reason", ("改期",)),
)
_ZH_DAYS = "一二三四五六日"
LATEST_ANSWER = timedelta(days=1)
"""An answer is wanted a day before the drill; within the last two days, by half of the time that is left."""


def _text(occurrence: Occurrence, place: str) -> str:
    at = occurrence.starts_at.astimezone(BEIJING)
    when = f"{at.month}月{at.day}日（周{_ZH_DAYS[at.weekday()]}）{at:%H:%M}"
    if place:
        return messages.render("drill_invitation_at", title=occurrence.title, when=when, place=place)
    return messages.render("drill_invitation", title=occurrence.title, when=when)


def invite(session: Session, *, actor: Actor, occurrence_id: int, post_ids: Sequence[int] | None = None) -> int:
    """Ask the programme's posts (or those named) by a Notice; who was asked already is not asked again."""
    actor.require(Permission.DRILLS_EDIT)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    moment = now(session)
    if occurrence.state not in rules.COMING or occurrence.starts_at <= moment:
        raise Conflict(N_("Only a drill that still lies ahead can be asked about."), code="wrong_state")
    programme = session.get_one(Programme, occurrence.programme_id)
    wanted = (
        list(post_ids)
        if post_ids is not None
        else list(session.scalars(sa.select(ProgrammePost.post_id).where(ProgrammePost.programme_id == programme.id)))
    )
    if not wanted:
        raise Invalid(N_("This programme names no posts that could be asked. Add them first."), code="nobody_to_ask")
    asked = set(session.scalars(sa.select(Invitation.post_id).where(Invitation.occurrence_id == occurrence.id)))
    new = [post_id for post_id in dict.fromkeys(wanted) if post_id not in asked]
    if not new:
        return 0
    left = occurrence.starts_at - moment
    due_at = occurrence.starts_at - (LATEST_ANSWER if left > 2 * LATEST_ANSWER else left / 2)
    at = occurrence.starts_at.astimezone(BEIJING)
    questions = _ask(
        session, actor, occurrence, new, _text(occurrence, programme.place), due_at,
        [
            ("时间", f"{at.month}月{at.day}日 {at:%H:%M}"),
            ("地点", programme.place or "—"),
            ("形式", programme.form.zh),
            ("科目", programme.kind.zh),
        ],
    )  # fmt: skip
    session.add_all(
        Invitation(
            id=new_id(), occurrence_id=occurrence.id, post_id=question.post_id, question_id=question.id,
            invited_at=moment, invited_by=str(actor),
        )
        for question in questions
    )  # fmt: skip
    session.flush()
    if occurrence.state is not OccurrenceState.INVITED:
        transition(session, occurrence, OccurrenceState.INVITED, allowed=rules.OCCURRENCE_TRANSITIONS, actor=actor)
    touch(session, SUBJECT, occurrence.id)
    return len(new)


def _ask(
    session: Session,
    actor: Actor,
    occurrence: Occurrence,
    post_ids: Sequence[int],
    text: str,
    due_at: datetime,
    details: Sequence[tuple[str, str]],
) -> list[Question]:
    """One question a post, one Notice broadcast; the link takes answers until the drill begins."""
    return asking.ask_many(
        session,
        actor=actor,
        subject=(SUBJECT, occurrence.id),
        kind=QUESTION_KIND,
        text=text,
        answers=ANSWERS,
        due_at=due_at,
        closes_at=occurrence.starts_at,
        post_ids=post_ids,
        details=details,
        drill=True,
        priority=6,
    )


def on_answer(session: Session, question: Question, answer: Answer) -> None:
    """`asking` tells us which answer stands; it is kept on the occurrence, and all yes means confirmed."""
    invitation = session.scalar(sa.select(Invitation).where(Invitation.question_id == question.id))
    if invitation is None:
        return
    # Somebody comes for them: the post takes part. Who it is stands, sealed, with the answer.
    invitation.answer = Answered.YES if answer.key == DEPUTY else Answered(answer.key)
    invitation.answered_at = answer.at
    invitation.means = str(answer.means.value)
    session.flush()
    occurrence = session.get_one(Occurrence, invitation.occurrence_id)
    answers = list(session.scalars(sa.select(Invitation.answer).where(Invitation.occurrence_id == occurrence.id)))
    everybody = all(said is Answered.YES for said in answers)
    wanted = OccurrenceState.CONFIRMED if everybody else OccurrenceState.INVITED
    if occurrence.state in (OccurrenceState.INVITED, OccurrenceState.CONFIRMED) and occurrence.state is not wanted:
        transition(session, occurrence, wanted, allowed=rules.OCCURRENCE_TRANSITIONS, actor=answer.recorded_by)
    touch(session, SUBJECT, occurrence.id)


def describe(session: Session, ids: Sequence[int]) -> dict[int, asking.Described]:
    """The drill in words and its page, for lists of questions."""
    rows = session.execute(
        sa.select(Occurrence.id, Occurrence.title, Occurrence.starts_at).where(Occurrence.id.in_(ids))
    )
    return {
        row.id: asking.Described(f"{row.title} {row.starts_at.astimezone(BEIJING):%m-%d %H:%M}", f"/drills/{row.id}")
        for row in rows
    }


def record_answer(
    session: Session, *, actor: Actor, invitation_id: int, answer: Answered, means: asking.Means, note: str = ""
) -> None:
    """The duty officer types in what a post said by telephone or in person."""
    actor.require(Permission.DRILLS_CONFIRM)
    invitation = session.get(Invitation, invitation_id)
    if invitation is None or invitation.question_id is None:
        raise Conflict(N_("Nobody was asked this."), code="not_asked")
    get_occurrence_for_change(session, actor=actor, occurrence_id=invitation.occurrence_id)
    asking.answer(
        session, actor=actor, question_id=invitation.question_id, answer=answer.value, means=means, note=note or None
    )


def deputies(session: Session, invitations: Sequence[Invitation]) -> set[int]:
    """The invitations that are answered by sending somebody else."""
    asked = {i.question_id: i.id for i in invitations if i.question_id is not None and i.answer is Answered.YES}
    rows = session.scalars(sa.select(Question.id).where(Question.id.in_(asked), Question.answer_key == DEPUTY))
    return {asked[question_id] for question_id in rows}


def post_words(session: Session, post_ids: Sequence[int], language: str = "zh") -> dict[int, str]:
    """`台头镇 联络员` by post id."""
    return posts.titles(session, post_ids, language=language)


def posts_to_ask(session: Session, code: str, unit_id: int | None) -> list[int]:
    """Whom a new programme asks: the unit's own posts, else the liaisons and flood chiefs of the division itself."""
    held = posts.find_posts(session, [code], duties=[Duty.LIAISON, Duty.FLOOD_CHIEF, Duty.SAFETY_OFFICER], exactly=True)
    own = [post.id for post in held if unit_id is not None and post.unit_id == unit_id]
    return own or [post.id for post in held if post.unit_id is None]


asking.register_subject(SUBJECT, describe=describe, on_answer=on_answer)
