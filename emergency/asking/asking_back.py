"""“1” with two questions open: the number is sent the list of them once, each with a letter; `A1` then settles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.asking import labels, matching, sending
from emergency.asking.matching import Verdict
from emergency.asking.models import Answer, Link, Question, Reply, ReplyState
from emergency.asking.rules import AnswerOption
from emergency.http.actor import SYSTEM
from emergency.privacy import journal
from kernel.db import now
from kernel.errors import DomainError
from notify import service as notify
from notify.models import Kind

WINDOW = timedelta(hours=24)
"""So long the letters of an asking-back are good, and the same questions are not asked back about again."""
SHORTEST = timedelta(minutes=2)
"""With less time left than this an asking-back would come too late to be answered."""
TEXT_LENGTH = 40
ASKED_BACK = journal.kind("question.asked_back", "反问回复人", "Asked which question was meant", "questions")


def latest(session: Session, number_key: bytes, at: datetime) -> Reply | None:
    """The last asking-back of this number whose letters a reply at `at` may use."""
    return session.scalars(
        sa.select(Reply)
        .where(
            Reply.number_key == number_key,
            Reply.asked_back_at.is_not(None),
            Reply.asked_back_at <= at,
            Reply.asked_back_at > at - WINDOW,
        )
        .order_by(Reply.asked_back_at.desc(), Reply.id.desc())
        .limit(1)
    ).first()


def settled(session: Session, number_key: bytes, question_id: int, answer: Answer) -> None:
    """The number has said what it meant: its earlier unclear replies about this question need nobody any more."""
    from emergency.asking.replies import settle

    waiting = session.scalars(
        sa.select(Reply).where(
            Reply.number_key == number_key, Reply.state == ReplyState.WAITING, Reply.asked_back_at.is_not(None)
        )
    )
    for reply in waiting:
        if question_id in reply.question_ids:
            settle(session, reply, ReplyState.USED, SYSTEM, answer=answer)


def ask(session: Session, reply: Reply, verdict: Verdict, rows: Mapping[int, tuple[Question, Link]]) -> bool:
    """Send the list where that helps: two to six open questions, a channel that takes replies, and only once."""
    asked = [rows[one][0] for one in verdict.candidates]
    exercise = bool(asked) and all(question.notice_kind is Kind.EXERCISE for question in asked)
    two_way = sending.config_of(session).notify.takes_replies(exercise=exercise)
    if not matching.asks_back(verdict, _earlier(session, reply), two_way=two_way):
        return False
    moment = now(session)
    until = min(question.closes_at for question in asked)
    if until - moment < SHORTEST or reply.number_key is None:
        return False
    link = rows[verdict.candidates[0]][1]
    try:
        with session.begin_nested():
            notify.deliver(
                session,
                notify.BroadcastSpec(
                    kind=Kind.EXERCISE if exercise else Kind.NOTICE,
                    priority=min(question.priority for question in asked),
                    text=_words(session, asked),
                    valid_until=until,
                    channels=["sms"],
                    subject_kind="question_reply",
                    subject_id=reply.id,
                    signature=sending.config_of(session).site.sms_signature,
                ),
                [notify.Recipient(link.recipient, reply.division_code, link.contact_id, reply.number_key)],
            )
    except DomainError:
        return False  # the list cannot be said in one message: a person sorts it out
    reply.asked_back_at = moment
    session.flush()
    journal.record(session, ASKED_BACK, actor=SYSTEM, subject=("question_reply", reply.id), questions=len(asked))
    return True


def _earlier(session: Session, reply: Reply) -> list[list[int]]:
    return [
        list(ids)
        for ids in session.scalars(
            sa.select(Reply.question_ids).where(
                Reply.number_key == reply.number_key,
                Reply.asked_back_at > reply.at - WINDOW,
                Reply.id != reply.id,
            )
        )
    ]


def _words(session: Session, questions: Sequence[Question]) -> str:
    language = sending.config_of(session).site.language
    who = labels.asked_of(session, questions, language)
    between = ", " if language == "en" else "，"
    lines = [messages.render("asked_back", language, n=len(questions))]
    for letter, question in zip(matching.LETTERS, questions, strict=False):
        choices = [AnswerOption.from_json(data).label(language) for data in question.answers]
        lines.append(
            messages.render(
                "asked_back_line",
                language,
                letter=letter,
                who=who[question.id],
                text=question.text.replace("【演练】", "")[:TEXT_LENGTH],
                choices=between.join(f"{number} {word}" for number, word in enumerate(choices, start=1)),
            )
        )
    return "\n".join(lines)
