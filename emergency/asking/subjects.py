"""What higher rooms tell us of what their questions are about: how to name it, and whom to tell of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from emergency.asking.models import Answer, Question


@dataclass(frozen=True)
class Described:
    """A subject in words (division names at most, never a person's) and its page."""

    text: str
    url: str = ""


Describe = Callable[[Session, Sequence[int]], Mapping[int, Described]]
OnAnswer = Callable[[Session, Question, Answer], None]
OnUnanswered = Callable[[Session, Question], None]
Aftermath = Callable[[Session, Question], tuple[str, Mapping[str, str]] | None]
"""Why a question is over, for whoever opens its link: a sentence to be translated, and its named fields."""


@dataclass(frozen=True)
class Subject:
    """What one kind of subject registered."""

    describe: Describe | None
    on_answer: OnAnswer | None
    on_unanswered: OnUnanswered | None
    aftermath: Aftermath | None = None


_SUBJECTS: dict[str, Subject] = {}


def register_subject(
    kind: str,
    describe: Describe | None = None,
    on_answer: OnAnswer | None = None,
    on_unanswered: OnUnanswered | None = None,
    aftermath: Aftermath | None = None,
) -> None:
    """Speak for the subjects of one kind.

    `describe(session, ids)` names them, many at once; `on_answer(session, question, answer)` hears each answer that
    comes to stand, in the transaction that records it; `on_unanswered(session, question)` hears that nobody answered;
    `aftermath(session, question)` says why a question is over, where its link should tell.
    """
    _SUBJECTS[kind] = Subject(describe, on_answer, on_unanswered, aftermath)


def aftermath(session: Session, question: Question) -> tuple[str, Mapping[str, str]] | None:
    """Why a question is over, in the words of its subject's room; None where it has none."""
    subject = _SUBJECTS.get(question.subject_kind)
    return subject.aftermath(session, question) if subject is not None and subject.aftermath is not None else None


def answered(session: Session, question: Question, answer: Answer) -> None:
    """Tell the subject's room."""
    subject = _SUBJECTS.get(question.subject_kind)
    if subject is not None and subject.on_answer is not None:
        subject.on_answer(session, question, answer)


def unanswered(session: Session, question: Question) -> None:
    """Tell the subject's room that nobody answered in time."""
    subject = _SUBJECTS.get(question.subject_kind)
    if subject is not None and subject.on_unanswered is not None:
        subject.on_unanswered(session, question)


def describe(session: Session, subjects: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Described]:
    """Words and page of each subject; one call a kind. What nobody speaks for is left out."""
    by_kind: dict[str, set[int]] = {}
    for kind, subject_id in subjects:
        by_kind.setdefault(kind, set()).add(subject_id)
    found: dict[tuple[str, int], Described] = {}
    for kind, ids in by_kind.items():
        subject = _SUBJECTS.get(kind)
        if subject is not None and subject.describe is not None:
            described = subject.describe(session, sorted(ids))
            found.update({(kind, subject_id): words for subject_id, words in described.items()})
    return found
