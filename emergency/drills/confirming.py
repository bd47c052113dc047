"""Asking the posts of a drill whether they take part, and hearing what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.asking import service as asking
from emergency.asking.models import Answer, Question
from emergency.drills import confirming_rules, rules, wishes
from emergency.drills.confirming_models import DrillNotice, NoticeKind, NoticeOutcome
from emergency.drills.models import Answered, Invitation, Occurrence, OccurrenceState, Programme, ProgrammePost
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts import service as posts
from emergency.people.posts.models import Duty
from kernel.clock import BEIJING
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

SUBJECT = "drill_occurrence"
QUESTION_KIND = "drill.confirm"
DEPUTY = "deputy"
# The first two stand large on the page and are keys 1 and 2 of a call; what a key cannot say a call does not offer.
ANSWERS = (
    asking.AnswerOption("yes", "能参加", "We take part", words=("参加", "是", "是的", "能", "可以", "yes")),
    asking.AnswerOption("no", "不能参加", "We cannot", "reason", ("不能", "不参加", "参加不了", "no")),
    asking.AnswerOption(DEPUTY, "派人代替", "Somebody comes instead of me", "deputy", ("代替", "派人"), spoken=False),
    asking.AnswerOption("other", "建议改期", "Another date", "time", ("改期", "改到", "改在"), spoken=False),
)
WORDS = {option.key: option.zh for option in ANSWERS}
_ZH_DAYS = "一二三四五六日"
MOST_ASKED = 500


def when(moment: datetime) -> str:
    """`11月30日（周一）09:00`, as messages say it."""
    at = moment.astimezone(BEIJING)
    return f"{at.month}月{at.day}日（周{_ZH_DAYS[at.weekday()]}）{at:%H:%M}"


def invitation_text(occurrence: Occurrence, place: str) -> str:
    """The words of the first question."""
    fields = {"title": occurrence.title, "when": when(occurrence.starts_at)}
    if place:
        return messages.render("drill_invitation_at", **fields, place=place)
    return messages.render("drill_invitation", **fields)


def posts_asked(session: Session, programme_id: int) -> list[int]:
    """The posts that a programme asks."""
    return list(
        session.scalars(
            sa.select(ProgrammePost.post_id)
            .where(ProgrammePost.programme_id == programme_id)
            .order_by(ProgrammePost.post_id)
            .limit(MOST_ASKED)
        )
    )


def invite(
    session: Session,
    *,
    actor: Actor,
    occurrence_id: int,
    post_ids: Sequence[int] | None = None,
    call: bool = False,
) -> int:
    """Ask the programme's posts (or those named) by a Notice; who was asked already is not asked again.

    With `call` they are called instead of sent a text. Returns how many were asked.
    """
    actor.require(Permission.DRILLS_EDIT)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    moment = now(session)
    if occurrence.state not in rules.COMING or occurrence.starts_at <= moment:
        raise Conflict(N_("Only a drill that still lies ahead can be asked about."), code="wrong_state")
    programme = session.get_one(Programme, occurrence.programme_id)
    wanted = list(post_ids) if post_ids is not None else posts_asked(session, programme.id)
    if not wanted:
        raise Invalid(N_("This programme names no posts that could be asked. Add them first."), code="nobody_to_ask")
    asked = set(session.scalars(sa.select(Invitation.post_id).where(Invitation.occurrence_id == occurrence.id)))
    new = [post_id for post_id in dict.fromkeys(wanted) if post_id not in asked]
    if not new:
        return 0
    text = invitation_text(occurrence, programme.place)
    questions = ask(session, actor, occurrence, programme, new, text, call=call)
    session.add_all(
        Invitation(
            id=new_id(), occurrence_id=occurrence.id, post_id=question.post_id, question_id=question.id,
            invited_at=moment, invited_by=str(actor),
        )
        for question in questions
    )  # fmt: skip
    session.flush()
    plan_reminders(session, occurrence, new)
    if occurrence.state is not OccurrenceState.INVITED:
        transition(session, occurrence, OccurrenceState.INVITED, allowed=rules.OCCURRENCE_TRANSITIONS, actor=actor)
    touch(session, SUBJECT, occurrence.id)
    return len(new)


def can_call(session: Session) -> bool:
    """Whether calls for everyday matters can be made here."""
    return "voice" in asking.config_of(session).notify.channels_for(exercise=False)


def ask(
    session: Session,
    actor: Actor,
    occurrence: Occurrence,
    programme: Programme,
    post_ids: Sequence[int],
    text: str,
    *,
    details: Sequence[tuple[str, str]] = (),
    call: bool = False,
) -> list[Question]:
    """One question a post, one Notice broadcast; the link takes answers until the drill begins."""
    moment = now(session)
    due_at = confirming_rules.answer_due(occurrence.starts_at, moment)
    callable_here = can_call(session)
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
        ladder=confirming_rules.ladder(
            asking.config_of(session).drills,
            starts_at=occurrence.starts_at,
            due_at=due_at,
            now=moment,
            call=callable_here,
        ),
        # The question itself says when and where: every way to answer stays on the first screen of a small phone.
        details=[("形式", f"{programme.form.zh}（{programme.kind.zh}）"), *details],
        drill=True,
        priority=6,
        channels=["voice"] if call and callable_here else None,
    )


def plan_reminders(session: Session, occurrence: Occurrence, post_ids: Sequence[int]) -> None:
    """A row for each reminder that who takes part will get; whether they do is seen when it is due."""
    hours = asking.config_of(session).drills.confirmed_remind_hours_before
    due = confirming_rules.moments(hours, occurrence.starts_at, now(session))
    known = {
        (row.post_id, row.due_at): row
        for row in session.scalars(
            sa.select(DrillNotice).where(
                DrillNotice.occurrence_id == occurrence.id, DrillNotice.kind == NoticeKind.REMIND
            )
        )
    }
    for post_id in post_ids:
        for at, until in due:
            row = known.get((post_id, at))
            if row is None:
                session.add(
                    DrillNotice(
                        id=new_id(), occurrence_id=occurrence.id, post_id=post_id, kind=NoticeKind.REMIND, text="",
                        due_at=at, good_until=until,
                    )
                )  # fmt: skip
            elif row.outcome is NoticeOutcome.NOT_NEEDED:
                # The drill was moved away and has come back to this moment: the row that was given up counts again.
                row.done_at = row.outcome = row.claimed_at = None
                row.good_until = until
    session.flush()


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
    wishes.heard(session, invitation, answer)
    occurrence = session.get_one(Occurrence, invitation.occurrence_id)
    answers = list(session.scalars(sa.select(Invitation.answer).where(Invitation.occurrence_id == occurrence.id)))
    everybody = confirming_rules.everybody(answers, Answered.YES)
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


def aftermath(session: Session, question: Question) -> tuple[str, Mapping[str, str]] | None:
    """Why a question about a drill is over, for whoever opens its link: called off, moved, or the drill has begun."""
    if question.kind != QUESTION_KIND:
        return None
    occurrence = session.get(Occurrence, question.subject_id)
    if occurrence is None:
        return None
    if occurrence.state is OccurrenceState.CANCELLED:
        return N_("This drill was called off"), {}
    if occurrence.starts_at != question.closes_at:
        at = when(occurrence.starts_at)
        return N_("This drill was moved to %(when)s. A newer message asks about that date"), {"when": at}
    return None


def record_answer(
    session: Session,
    *,
    actor: Actor,
    invitation_id: int,
    answer: Answered | str,
    means: asking.Means,
    note: str = "",
    at: datetime | None = None,
    proposed_at: datetime | None = None,
) -> None:
    """The duty officer types in what a post said by telephone or in person; `at` is when it was said, if earlier."""
    actor.require(Permission.DRILLS_CONFIRM)
    invitation = get_invitation(session, actor=actor, invitation_id=invitation_id)
    if invitation.question_id is None:
        raise Conflict(N_("Nobody was asked this."), code="not_asked")
    asking.answer(
        session,
        actor=actor,
        question_id=invitation.question_id,
        answer=answer.value if isinstance(answer, Answered) else answer,
        means=means,
        note=note or None,
        at=at,
        proposed_at=proposed_at,
    )


def get_invitation(session: Session, *, actor: Actor, invitation_id: int) -> Invitation:
    """One asked post of a drill that the actor may change."""
    invitation = session.get(Invitation, invitation_id)
    if invitation is None:
        raise NotFound(N_("There is no such drill in your area."))
    get_occurrence_for_change(session, actor=actor, occurrence_id=invitation.occurrence_id)
    return invitation


def invited(session: Session, occurrence_id: int) -> list[Invitation]:
    """The asked posts of a drill."""
    return list(
        session.scalars(
            sa.select(Invitation)
            .where(Invitation.occurrence_id == occurrence_id)
            .order_by(Invitation.id)
            .limit(MOST_ASKED)
        )
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


def tell_moved(session: Session, *, actor: Actor, occurrence: Occurrence, before: datetime) -> int:
    """Every asked post hears of the new date and is asked anew (`telling.tell_moved`)."""
    from emergency.drills import telling  # it asks through this module

    return telling.tell_moved(session, actor=actor, occurrence=occurrence, before=before)


def tell_cancelled(session: Session, *, actor: Actor, occurrence: Occurrence, reason: str) -> int:
    """Every asked post hears that the drill is called off (`telling.tell_cancelled`)."""
    from emergency.drills import telling

    return telling.tell_cancelled(session, actor=actor, occurrence=occurrence, reason=reason)


asking.register_subject(SUBJECT, describe=describe, on_answer=on_answer, aftermath=aftermath)
