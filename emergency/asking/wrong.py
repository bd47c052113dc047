"""“打错了，我不是”: a message reached somebody else. The number is distrusted and the next deputy is asked at once."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import asks, lookup
from emergency.asking.models import Link, Question, QuestionState
from emergency.asking.rules import LINK_TAKES_ANSWERS
from emergency.http.actor import SYSTEM
from emergency.people.posts import service as posts
from emergency.people.posts.models import ActKind, Means, PostHolder
from emergency.privacy import journal
from kernel.db import now, touch
from kernel.errors import DomainError

WRONG_NUMBER = journal.kind("question.wrong_number", "反映号码有误", "Wrong number reported", "count")


def may_be_wrong(question: Question, link: Link) -> bool:
    """Whether the page offers it: to the holders of posts, while no answer stands."""
    return link.recipient.startswith("post:") and question.state is QuestionState.OPEN


def wrong_number(session: Session, *, link: Link) -> int:
    """Whoever opened this link is not the one who was meant.

    The post's history says that the number is wrong, every link that went to it is dead from now on, and the next
    deputy of each question that is still open is asked at once. Returns how many questions went on to somebody else.
    """
    moment = now(session)
    question = lookup.get(session, actor=None, question_id=link.question_id, lock=True)
    if not may_be_wrong(question, link):
        return 0
    _mark(session, link, moment)
    waiting = session.scalars(
        sa.select(Question)
        .join(Link, Link.question_id == Question.id)
        .where(Link.contact_id == link.contact_id, Question.state.in_(LINK_TAKES_ANSWERS))
        .distinct()
    ).all()
    # A stranger holds these addresses, and each of them is the right to answer.
    session.execute(
        sa.delete(Link).where(Link.contact_id == link.contact_id, Link.question_id.in_([q.id for q in waiting]))
    )
    still_open = [q for q in waiting if q.state is QuestionState.OPEN]
    for asked in still_open:
        asks.ask_next(session, asked, moment)
        touch(session, "question", asked.id)
    journal.record(
        session, WRONG_NUMBER, actor=SYSTEM, subject=("question", question.id), count=len(still_open)
    )  # fmt: skip
    return len(still_open)


def _mark(session: Session, link: Link, moment: datetime) -> None:
    post_id = int(link.recipient.removeprefix("post:"))
    holder_id = holder_of(session, post_id, link.contact_id)
    if holder_id is None:
        return  # the post has somebody else by now: nothing is left to distrust
    try:
        with session.begin_nested():
            posts.verify(
                session, actor=SYSTEM, post_id=post_id, holder_id=holder_id, means=Means.LINK,
                result=ActKind.WRONG_NUMBER, at=moment,
            )  # fmt: skip
    except DomainError:
        return


def holder_of(session: Session, post_id: int, contact_id: int) -> int | None:
    """As which holder or deputy of the post this contact stands, if it still does."""
    return session.scalar(
        sa.select(PostHolder.id).where(PostHolder.post_id == post_id, PostHolder.contact_id == contact_id)
    )
