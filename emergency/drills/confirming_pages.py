"""What the page of one drill shows of asking: how it stands, the answers, what was told, the text as the phone shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import service as asking
from emergency.asking.models import Answer, Question, QuestionStep, StepKind, StepOutcome
from emergency.drills import confirming, confirming_rules, rules, wishes
from emergency.drills.confirming_models import DateProposal, DrillAsking, DrillNotice, NoticeKind, ProposalState
from emergency.drills.models import Answered, Invitation, Occurrence, OccurrenceState, Programme
from emergency.http.i18n import _
from kernel.db import now
from notify import text as notify_text
from notify.models import Delivery, Kind

MOST = 300
SAMPLE_LINK = "/c/XXXXXXXXXXXXXXXXXXXXXX"


@dataclass(frozen=True)
class Heard:
    """One answer of one post."""

    post_id: int
    answer: Answer
    words: str
    stands: bool


@dataclass(frozen=True)
class Road:
    """The last message or call to a post, and what became of it."""

    step: QuestionStep
    delivery: Delivery | None


@dataclass
class Confirming:
    """Everything about asking that one page shows."""

    posts: dict[int, str]
    invitations: list[Invitation]
    sends_somebody: set[int]
    answers: list[Heard] = field(default_factory=list)
    roads: dict[int, Road] = field(default_factory=dict)
    """By question."""
    proposals: Sequence[DateProposal] = ()
    notices: Sequence[DrillNotice] = ()
    asking: DrillAsking | None = None
    asks_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    due_at: datetime | None = None
    preview: str = ""
    to_ask: int = 0
    can_call: bool = False

    @property
    def waiting(self) -> list[DateProposal]:
        """The proposals that the planner has to decide."""
        return [proposal for proposal in self.proposals if proposal.state is ProposalState.OPEN]

    @property
    def reminders_at(self) -> list[datetime]:
        """When who takes part will be reminded."""
        return sorted({n.due_at for n in self.notices if n.kind is NoticeKind.REMIND and n.outcome is None})

    @property
    def silent(self) -> int:
        """How many asked posts have not answered."""
        return self.counts.get("", 0)


def load(
    session: Session, *, occurrence: Occurrence, programme: Programme, invitations: Sequence[Invitation], language: str
) -> Confirming:
    """Read it in a dozen queries, whatever the number of posts. The caller has checked the scope."""
    wanted = confirming.posts_asked(session, programme.id)
    proposals = wishes.of_occurrence(session, occurrence.id)
    ids = {i.post_id for i in invitations} | {p.post_id for p in proposals}
    shown = Confirming(
        posts=confirming.post_words(session, sorted(ids), language),
        invitations=_sorted(invitations),
        sends_somebody=confirming.deputies(session, invitations),
        proposals=proposals,
        asking=session.scalar(sa.select(DrillAsking).where(DrillAsking.occurrence_id == occurrence.id)),
        to_ask=len(set(wanted) - {i.post_id for i in invitations}),
        can_call=confirming.can_call(session),
    )
    shown.counts = _counts(invitations)
    shown.notices = session.scalars(
        sa.select(DrillNotice)
        .where(DrillNotice.occurrence_id == occurrence.id)
        .order_by(DrillNotice.due_at.desc(), DrillNotice.post_id)
        .limit(MOST)
    ).all()
    _answers(session, shown, occurrence, language)
    _roads(session, shown)
    _ahead(session, shown, occurrence, programme)
    return shown


def _sorted(invitations: Sequence[Invitation]) -> list[Invitation]:
    """Who needs something first: the silent, those who ask for another date, those who cannot, the rest."""
    order = {None: 0, Answered.OTHER: 1, Answered.NO: 2, Answered.YES: 3}
    return sorted(invitations, key=lambda i: (order[i.answer], i.id))


def _counts(invitations: Sequence[Invitation]) -> dict[str, int]:
    counts = {"": 0, **{said.value: 0 for said in Answered}}
    for invitation in invitations:
        counts[invitation.answer.value if invitation.answer else ""] += 1
    return counts


def _answers(session: Session, shown: Confirming, occurrence: Occurrence, language: str) -> None:
    words = {option.key: option.label(language) for option in confirming.ANSWERS}
    rows = session.execute(
        sa.select(Answer, Question.post_id, Question.answer_id)
        .join(Question, Question.id == Answer.question_id)
        .where(Question.subject_kind == confirming.SUBJECT, Question.subject_id == occurrence.id)
        .order_by(Answer.at.desc(), Answer.id.desc())
        .limit(MOST)
    )
    alive = {i.question_id for i in shown.invitations}
    shown.answers = [
        Heard(post_id or 0, a, words.get(a.key, a.key), a.id == standing and a.question_id in alive)
        for a, post_id, standing in rows
    ]


def _roads(session: Session, shown: Confirming) -> None:
    questions = [i.question_id for i in shown.invitations if i.question_id is not None]
    steps = session.scalars(
        sa.select(QuestionStep)
        .where(QuestionStep.question_id.in_(questions), QuestionStep.outcome == StepOutcome.SENT)
        .order_by(QuestionStep.done_at, QuestionStep.position)
    ).all()
    last = {step.question_id: step for step in steps}
    deliveries = {
        (row.broadcast_id, row.address_key): row
        for row in session.scalars(
            sa.select(Delivery).where(
                Delivery.broadcast_id.in_({step.broadcast_id for step in last.values()}),
                Delivery.address_key.in_({step.contact_id for step in last.values()}),
            )
        )
    }
    shown.roads = {
        question_id: Road(step, deliveries.get((step.broadcast_id or 0, step.contact_id or 0)))
        for question_id, step in last.items()
    }


def _ahead(session: Session, shown: Confirming, occurrence: Occurrence, programme: Programme) -> None:
    """What will happen by itself, and the text as the phone will show it."""
    moment = now(session)
    if occurrence.state not in rules.COMING or occurrence.starts_at <= moment:
        return
    config = asking.config_of(session)
    shown.due_at = confirming_rules.answer_due(occurrence.starts_at, moment)
    if shown.invitations:
        due = session.scalar(
            sa.select(sa.func.min(Question.due_at)).where(
                Question.id.in_([i.question_id for i in shown.invitations if i.question_id is not None])
            )
        )
        shown.due_at = due or shown.due_at
    elif config.drills.ask_days_before > 0 and (shown.asking is None or shown.asking.done_at is None):
        shown.asks_at = max(moment, confirming_rules.ask_at(occurrence.starts_at, config.drills.ask_days_before))
    text = asking.words(
        session, StepKind.ASK, text=confirming.invitation_text(occurrence, programme.place), due_at=shown.due_at,
        choices=confirming.ANSWERS, channels=asking.roads(session, None, exercise=False),
    )  # fmt: skip
    filled = notify_text.render(text, {"link": config.public_url + SAMPLE_LINK})
    shown.preview = notify_text.signed(notify_text.mark(Kind.NOTICE, filled), config.site.sms_signature)


def sentence(occurrence: Occurrence, shown: Confirming, moment: datetime) -> str:
    """How it stands, in one sentence."""
    if occurrence.state is OccurrenceState.CANCELLED:
        return _("It was called off.")
    if occurrence.state is OccurrenceState.HELD:
        return _("It was held.")
    if occurrence.ends_at <= moment:
        return _("Its time is over, and no record says what happened.")
    if occurrence.starts_at <= moment:
        return _("It is under way.")
    asked = len(shown.invitations)
    if not asked and not shown.to_ask:
        return _("Nobody is to be asked: the programme names no posts.")
    if not asked:
        return _("Nobody was asked yet; %(n)s posts are to be asked.", n=shown.to_ask)
    counts = shown.counts
    if occurrence.state is OccurrenceState.CONFIRMED:
        return _("All %(n)s asked posts take part.", n=asked)
    return _(
        "Of %(n)s asked posts %(yes)s take part, %(no)s cannot, %(other)s ask for another date, %(silent)s are silent.",
        n=asked, yes=counts["yes"], no=counts["no"], other=counts["other"], silent=counts[""],
    )  # fmt: skip


def shown_codes(session: Session, shown: Mapping[int, asking.Shown], language: str) -> list[tuple[str, asking.Shown]]:
    """What was shown, with the post's words, in the order of the posts' names."""
    posts = {
        q.id: q.post_id or 0
        for q in session.scalars(sa.select(Question).where(Question.id.in_(shown)))
    }  # fmt: skip
    words = confirming.post_words(session, list(posts.values()), language)
    return sorted(((words.get(posts[key], ""), one) for key, one in shown.items()), key=lambda pair: pair[0])
