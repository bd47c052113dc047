"""Telling the posts that were asked about a drill: it was moved, it was called off, it is near, their date was refused.

Each is told once, by an ordinary Notice; who was told stands in rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.asking import service as asking
from emergency.asking.models import Answer, Link, Question, QuestionStep, StepKind, StepOutcome
from emergency.drills import confirming, planning, rules, wishes
from emergency.drills.confirming_models import DateProposal, DrillNotice, NoticeKind, NoticeOutcome, ProposalState
from emergency.drills.models import Answered, Invitation, Occurrence, OccurrenceState, Programme
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts.models import Contact, PhoneState
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition
from notify import markers
from notify import service as notify
from notify.models import Kind

REASON_LENGTH = 60
GOOD_FOR = timedelta(hours=24)
MOVED_REASON, CANCELLED_REASON = "演练改期", "演练取消"
_CAN_RECEIVE = (PhoneState.UNVERIFIED, PhoneState.VERIFIED)


def tell_moved(session: Session, *, actor: Actor, occurrence: Occurrence, before: datetime) -> int:
    """Every asked post hears that the date was moved and is asked anew, its earlier answer beside the question.

    `before` is when the drill was to be. Old links say that it was moved. Deputies and superiors who had been asked in a
    post's place are told besides. Returns how many posts were asked anew; none where nobody had been asked.
    """
    invitations = confirming.invited(session, occurrence.id)
    if not invitations or occurrence.starts_at == before or occurrence.starts_at <= now(session):
        return 0
    old = [i.question_id for i in invitations if i.question_id is not None]
    asking.close_these(session, old, actor=actor, reason=MOVED_REASON)
    _forget_reminders(session, occurrence.id)
    wishes.overtake(session, occurrence_id=occurrence.id, actor=actor)
    by_answer: dict[tuple[Answered | None, bool], list[Invitation]] = {}
    sends = confirming.deputies(session, invitations)
    for invitation in invitations:
        by_answer.setdefault((invitation.answer, invitation.id in sends), []).append(invitation)
    programme = session.get_one(Programme, occurrence.programme_id)
    asked: list[Question] = []
    for (answer, deputy), group in by_answer.items():
        asked += _ask_anew(session, actor, occurrence, programme, before, group, answer, deputy=deputy)
    session.flush()
    confirming.plan_reminders(session, occurrence, [i.post_id for i in invitations])
    _note_moved(session, occurrence, asked)
    _tell_others(session, occurrence, old, [q.id for q in asked], before)
    if occurrence.state is OccurrenceState.CONFIRMED:
        transition(session, occurrence, OccurrenceState.INVITED, allowed=rules.OCCURRENCE_TRANSITIONS, actor=actor)
    touch(session, confirming.SUBJECT, occurrence.id)
    return len(asked)


def _ask_anew(
    session: Session,
    actor: Actor,
    occurrence: Occurrence,
    programme: Programme,
    before: datetime,
    group: Sequence[Invitation],
    answer: Answered | None,
    *,
    deputy: bool,
) -> list[Question]:
    said = confirming.WORDS[confirming.DEPUTY if deputy else answer.value] if answer is not None else ""
    fields = {
        "title": occurrence.title,
        "before": confirming.when(before),
        "when": confirming.when(occurrence.starts_at),
        **({"place": programme.place} if programme.place else {}),
        **({"said": said} if said else {}),
    }
    name = "drill_moved" + ("_said" if said else "") + ("_at" if programme.place else "")
    details = [("此前答复", said)] if said else []
    by_post = {i.post_id: i for i in group}
    questions = confirming.ask(
        session, actor, occurrence, programme, list(by_post), messages.render(name, **fields), details=details
    )
    for question in questions:
        invitation = by_post[question.post_id or 0]
        invitation.question_id, invitation.earlier = question.id, answer or invitation.earlier
        invitation.answer = invitation.answered_at = invitation.means = None
    return questions


def _note_moved(session: Session, occurrence: Occurrence, asked: Sequence[Question]) -> None:
    moment = now(session)
    steps = {
        step.question_id: step
        for step in session.scalars(
            sa.select(QuestionStep).where(
                QuestionStep.question_id.in_([q.id for q in asked]), QuestionStep.kind == StepKind.ASK
            )
        )
    }
    for question in asked:
        step = steps.get(question.id)
        sent = step is not None and step.outcome is StepOutcome.SENT
        session.add(
            DrillNotice(
                id=new_id(), occurrence_id=occurrence.id, post_id=question.post_id, kind=NoticeKind.MOVED,
                text=question.text, due_at=moment, good_until=moment, done_at=moment,
                outcome=NoticeOutcome.SENT if sent else NoticeOutcome.NOBODY,
                broadcast_id=step.broadcast_id if step is not None else None,
            )
        )  # fmt: skip
    session.flush()


def _tell_others(
    session: Session, occurrence: Occurrence, old: Sequence[int], new: Sequence[int], before: datetime
) -> None:
    """Who was asked about the old date and is not asked about the new one: deputies, superiors, earlier holders."""
    asked_anew = sa.select(Link.contact_id).where(Link.question_id.in_(new))
    rows = session.execute(
        sa.select(Link.recipient, Contact.id, Contact.phone_index, Question.division_code)
        .join(Contact, Contact.id == Link.contact_id)
        .join(Question, Question.id == Link.question_id)
        .where(Link.question_id.in_(old), Link.contact_id.not_in(asked_anew), Contact.phone_state.in_(_CAN_RECEIVE))
        .order_by(Link.id)
    )
    others = {
        index: (asking.Target(who, contact, index), code) for who, contact, index, code in rows if index is not None
    }
    if not others:
        return
    text = messages.render(
        "drill_moved_told", title=occurrence.title, before=confirming.when(before),
        when=confirming.when(occurrence.starts_at),
    )  # fmt: skip
    deliver(session, occurrence, text, list(others.values()))


def tell_cancelled(session: Session, *, actor: Actor, occurrence: Occurrence, reason: str) -> int:
    """Every asked post hears that the drill is called off; questions end, reminders need not leave any more.

    Returns how many posts are told; none where nobody was asked or the drill is past.
    """
    moment = now(session)
    invitations = confirming.invited(session, occurrence.id)
    _forget_reminders(session, occurrence.id)
    wishes.overtake(session, occurrence_id=occurrence.id, actor=actor)
    questions = [i.question_id for i in invitations if i.question_id is not None]
    asking.close_these(session, questions, actor=actor, reason=CANCELLED_REASON)
    if not invitations or occurrence.starts_at <= moment:
        return 0
    text = messages.render(
        "drill_cancelled", title=occurrence.title, when=confirming.when(occurrence.starts_at), reason=short(reason)
    )
    check(text)
    session.add_all(_due_now(occurrence, i.post_id, NoticeKind.CANCELLED, text, moment) for i in invitations)
    session.flush()
    return len(invitations)


def _due_now(occurrence: Occurrence, post_id: int, kind: NoticeKind, text: str, moment: datetime) -> DrillNotice:
    until = max(moment, min(moment + GOOD_FOR, occurrence.starts_at))
    return DrillNotice(
        id=new_id(), occurrence_id=occurrence.id, post_id=post_id, kind=kind, text=text, due_at=moment,
        good_until=until,
    )  # fmt: skip


def short(reason: str) -> str:
    """A reason as it fits a message: one line, without the stop that the text itself sets."""
    return " ".join(reason.split()).rstrip("。.")[:REASON_LENGTH]


def check(text: str) -> None:
    """Refuse words that would make a notice look like a message of another kind."""
    if markers.drill_mark(text):
        raise Invalid(
            N_("These words speak of the kind of message. Put it otherwise."), code="kind_mismatch",
            fields={"reason": N_("Put it otherwise.")},
        )  # fmt: skip


def get_proposal(session: Session, *, actor: Actor, proposal_id: int) -> DateProposal:
    """A proposal about a drill that the actor may change."""
    actor.require(Permission.DRILLS_EDIT)
    proposal = session.get(DateProposal, proposal_id, with_for_update=True)
    if proposal is None:
        raise NotFound(N_("There is no such drill in your area."))
    get_occurrence_for_change(session, actor=actor, occurrence_id=proposal.occurrence_id)
    return proposal


def accept(session: Session, *, actor: Actor, proposal_id: int) -> Occurrence:
    """Move the drill to the proposed time; every asked post is told and asked anew. Other proposals are overtaken."""
    proposal = get_proposal(session, actor=actor, proposal_id=proposal_id)
    _still_open(proposal)
    if proposal.wanted_at is None:
        raise Conflict(N_("It names no plain time. Move the date by hand."), code="no_time_named")
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=proposal.occurrence_id)
    before = occurrence.starts_at
    planning.reschedule(
        session, actor=actor, occurrence_id=occurrence.id, version=occurrence.version, starts_at=proposal.wanted_at
    )
    wishes.settle(session, proposal, ProposalState.ACCEPTED, actor)
    tell_moved(session, actor=actor, occurrence=occurrence, before=before)
    return occurrence


def refuse(session: Session, *, actor: Actor, proposal_id: int, reason: str) -> DateProposal:
    """The date stays; the post that proposed another one is told why."""
    proposal = get_proposal(session, actor=actor, proposal_id=proposal_id)
    _still_open(proposal)
    if not reason.strip():
        raise Invalid(N_("Say why; the post is told."), code="reason_required", fields={"reason": N_("Fill this in.")})
    occurrence = session.get_one(Occurrence, proposal.occurrence_id)
    fields = {"title": occurrence.title, "when": confirming.when(occurrence.starts_at), "reason": short(reason)}
    if proposal.wanted_at is not None:
        text = messages.render("drill_refused", **fields, wanted=confirming.when(proposal.wanted_at))
    else:
        text = messages.render("drill_refused_words", **fields)
    check(text)
    wishes.settle(session, proposal, ProposalState.REFUSED, actor, short(reason))
    session.add(_due_now(occurrence, proposal.post_id, NoticeKind.REFUSED, text, now(session)))
    session.flush()
    return proposal


def _still_open(proposal: DateProposal) -> None:
    if proposal.state is not ProposalState.OPEN:
        raise Conflict(N_("This proposal was decided already."), code="decided_already")


def _forget_reminders(session: Session, occurrence_id: int) -> None:
    session.execute(
        sa.update(DrillNotice)
        .where(
            DrillNotice.occurrence_id == occurrence_id,
            DrillNotice.kind == NoticeKind.REMIND,
            DrillNotice.done_at.is_(None),
        )
        .values(done_at=now(session), outcome=NoticeOutcome.NOT_NEEDED)
    )


def targets(
    session: Session, invitations: Sequence[Invitation], *, answered_only: bool
) -> dict[int, list[tuple[asking.Target, str]]]:
    """Whom a notice reaches, by post id: who answered for the post, else its first holder who can receive.

    Without `answered_only` also everybody else who was asked in its place.
    """
    question_ids = {i.question_id: i.post_id for i in invitations if i.question_id is not None}
    gave = (
        sa.select(Answer.link_id)
        .join(Question, Question.answer_id == Answer.id)
        .where(Question.id.in_(question_ids), Answer.link_id.is_not(None))
    )
    statement = (
        sa.select(Link.question_id, Link.recipient, Contact.id, Contact.phone_index, Question.division_code)
        .join(Contact, Contact.id == Link.contact_id)
        .join(Question, Question.id == Link.question_id)
        .where(Link.question_id.in_(question_ids), Contact.phone_state.in_(_CAN_RECEIVE))
        .order_by(Link.id)
    )
    if answered_only:
        statement = statement.where(Link.id.in_(gave))
    found: dict[int, dict[bytes, tuple[asking.Target, str]]] = {}
    for question_id, who, contact, index, code in session.execute(statement):
        if index is not None:
            found.setdefault(question_ids[question_id], {})[index] = (asking.Target(who, contact, index), code)
    missing = [i.post_id for i in invitations if i.post_id not in found]
    codes = _codes(session, question_ids)
    for post_id, people in asking.holders(session, missing).items():
        found[post_id] = {people[0].number_key: (people[0], codes.get(post_id, ""))}
    return {post_id: list(people.values()) for post_id, people in found.items()}


def _codes(session: Session, question_ids: dict[int, int]) -> dict[int, str]:
    rows = session.execute(sa.select(Question.id, Question.division_code).where(Question.id.in_(question_ids)))
    return {question_ids[question_id]: code for question_id, code in rows}


def deliver(session: Session, occurrence: Occurrence, text: str, people: Collection[tuple[asking.Target, str]]) -> int:
    """One Notice to these people, a number once; the broadcast's id."""
    config = asking.config_of(session)
    broadcast = notify.deliver(
        session,
        notify.BroadcastSpec(
            kind=Kind.NOTICE,
            priority=6,
            text=text.replace("{", "{{").replace("}", "}}"),
            valid_until=max(occurrence.starts_at, now(session) + timedelta(hours=1)),
            channels=asking.roads(session, None, exercise=False),
            subject_kind=confirming.SUBJECT,
            subject_id=occurrence.id,
            signature=config.site.sms_signature,
            daily_quota=config.notify.daily_quota_per_number,
        ),
        [
            notify.Recipient(target.recipient, code, target.contact_id, target.number_key, params={})
            for target, code in people
        ],
    )
    return broadcast.id


def move(session: Session, *, actor: Actor, occurrence_id: int, version: int, starts_at: datetime) -> tuple[int, int]:
    """Move a drill by hand and tell whom it concerns. Returns how many posts are asked anew, and the version now."""
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    before = occurrence.starts_at
    planning.reschedule(session, actor=actor, occurrence_id=occurrence_id, version=version, starts_at=starts_at)
    return tell_moved(session, actor=actor, occurrence=occurrence, before=before), occurrence.version


def call_off(session: Session, *, actor: Actor, occurrence_id: int, reason: str) -> int:
    """Call a drill off and tell whom it concerns. Returns how many posts are told."""
    occurrence = planning.cancel(session, actor=actor, occurrence_id=occurrence_id, reason=reason)
    return tell_cancelled(session, actor=actor, occurrence=occurrence, reason=reason)
