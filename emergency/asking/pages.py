"""What the questions' pages show, read in a few queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import labels, lookup, senders, sorting, subjects
from emergency.asking.models import Answer, Question, QuestionStep, Reply, ReplyState
from emergency.asking.rules import TAKES_ANSWERS, AnswerOption
from emergency.asking.subjects import Described
from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.http.i18n import _
from kernel.errors import N_, Invalid
from kernel.states import StateChange, timeline


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    question: Question
    asked: str
    subject: Described | None
    answer: str


@dataclass(frozen=True)
class Record:
    """One question with everything that hangs on it."""

    question: Question
    asked: str
    subject: Described | None
    answer: str
    division: str
    options: list[AnswerOption]
    answers: list[Answer]
    steps: list[QuestionStep]
    changes: list[StateChange]
    names: dict[str, str]
    takes_answers: bool
    is_mine: bool
    late: list[Reply] = field(default_factory=list)
    """Replies that came after the question had closed."""
    words: dict[str, str] = field(default_factory=dict)
    """Answer key → its words."""


@dataclass(frozen=True)
class ReplyRow:
    """One reply in the list: whom it came from in words, and what it may answer."""

    reply: Reply
    who: senders.Described
    about: list[str]


@dataclass(frozen=True)
class ReplyRecord:
    """One reply with everything that hangs on it."""

    reply: Reply
    who: senders.Described
    division: str
    choices: list[tuple[str, list[tuple[str, str]]]]
    """Per question its words and its `question:answer` choices with theirs; what the reply may well mean first."""
    changes: list[StateChange]
    names: dict[str, str]
    answered: int | None
    """The question that it was counted for."""


def _answer_words(question: Question, language: str) -> dict[str, str]:
    return {data["key"]: AnswerOption.from_json(data).label(language) for data in question.answers}


def rows(session: Session, questions: Sequence[Question], language: str) -> dict[int, Row]:
    """The lines of a list, by question id."""
    asked = labels.asked_of(session, questions, language)
    about = subjects.describe(session, [(q.subject_kind, q.subject_id) for q in questions])
    return {
        q.id: Row(
            q,
            asked[q.id],
            about.get((q.subject_kind, q.subject_id)),
            _answer_words(q, language).get(q.answer_key or "", ""),
        )
        for q in questions
    }


def record(session: Session, actor: Actor, question_id: int, language: str) -> Record:
    """Everything that the page of one question shows."""
    question = lookup.get(session, actor=actor, question_id=question_id)
    row = rows(session, [question], language)[question.id]
    answers = lookup.answers_of(session, question.id)
    steps = lookup.steps_of(session, question.id)
    changes = timeline(session, "question", question.id)
    keys = {question.asked_by, *(a.recorded_by for a in answers), *(c.actor for c in changes)}
    keys |= {step.recipient for step in steps if step.recipient}
    division = session.scalar(sa.select(Division.name).where(Division.code == question.division_code))
    words = _answer_words(question, language)
    return Record(
        question=question,
        asked=row.asked,
        subject=row.subject,
        answer=row.answer,
        division=division or question.division_code,
        options=[AnswerOption.from_json(data) for data in question.answers],
        answers=answers,
        steps=steps,
        changes=changes,
        names=labels.actor_names(session, keys, language),
        takes_answers=question.state in TAKES_ANSWERS,
        is_mine=actor.kind == "account" and question.account_id == actor.id,
        late=sorting.late_replies(session, question.id),
        words=words,
    )


def _sender(found: Mapping[int, senders.Described], reply: Reply) -> senders.Described:
    return found.get(reply.contact_id or 0) or senders.Described(_("A number that nobody here has"))


def reply_rows(session: Session, replies: Sequence[Reply], language: str) -> Callable[[Reply], ReplyRow]:
    """A function from a reply to its line; questions and senders are read once for the page."""
    ids = {question_id for reply in replies for question_id in reply.question_ids}
    questions = {q.id: q for q in session.scalars(sa.select(Question).where(Question.id.in_(ids)))} if ids else {}
    asked = labels.asked_of(session, list(questions.values()), language)
    who = senders.describe(session, [r.contact_id for r in replies if r.contact_id is not None], language)

    def row(reply: Reply) -> ReplyRow:
        known = [questions[one] for one in reply.question_ids if one in questions]
        return ReplyRow(reply, _sender(who, reply), [f"{asked[q.id]} · {q.text}" for q in known])

    return row


def reply_record(session: Session, actor: Actor, reply: Reply, language: str) -> ReplyRecord:
    """Everything that the page of one reply shows."""
    waits = reply.state is ReplyState.WAITING
    questions = list(sorting.assignable(session, actor=actor, reply=reply)) if waits else []
    asked = labels.asked_of(session, questions, language)
    changes = timeline(session, "question_reply", reply.id)
    division = session.scalar(sa.select(Division.name).where(Division.code == reply.division_code))
    who = senders.describe(session, [reply.contact_id] if reply.contact_id is not None else [], language)
    answered = None
    if reply.answer_id is not None:
        answered = session.scalar(sa.select(Answer.question_id).where(Answer.id == reply.answer_id))
    return ReplyRecord(
        reply=reply,
        who=_sender(who, reply),
        division=division or reply.division_code,
        choices=[
            (
                f"{asked[q.id]} · {q.text}",
                [(f"{q.id}:{key}", word) for key, word in _answer_words(q, language).items()],
            )
            for q in questions
        ],
        changes=changes,
        names=labels.actor_names(session, {change.actor for change in changes}, language),
        answered=answered,
    )


def chosen(text: str) -> tuple[int, str]:
    """The question and the answer that a person picked for a reply."""
    question_id, colon, answer = text.partition(":")
    if not colon or not question_id.isdecimal() or not question_id.isascii():
        raise Invalid(N_("Choose which question it answers, and how."), code="choose_question")
    return int(question_id), answer


def township_choices(session: Session, actor: Actor) -> list[tuple[str, str]]:
    """The townships in scope, for the filter."""
    low, high = actor.division_prefix.ljust(12, "0"), actor.division_prefix.ljust(12, "9")
    found = session.execute(
        sa.select(Division.code, Division.name)
        .where(Division.code.between(low, high), Division.level == 4)
        .order_by(Division.code)
        .limit(100)
    )
    return [(code, name) for code, name in found]
