"""Asking the holders of posts whether their number is right; a yes verifies it, whichever way it came."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from emergency.asking import asks, labels, wrong
from emergency.asking.models import Answer, Link, Means, Question
from emergency.asking.rules import AnswerOption
from emergency.asking.subjects import Described, register_subject
from emergency.http.actor import SYSTEM, Actor
from emergency.people.posts import service as posts
from emergency.people.posts.models import Means as Heard
from kernel.errors import DomainError

SUBJECT, KIND, YES = "post", "post.verification", "yes"
TEXT = "请确认您仍担任本岗位，且本号码能随时接听。"
ANSWERS = (
    AnswerOption(
        YES, "是我，能接听", "Yes, I can be reached here", words=("是", "是的", "是我", "能接听", "能", "yes")
    ),
    AnswerOption(
        "changed", "岗位已换人", "Somebody else holds the post", needs="successor", words=("换人", "换人了", "已换人")
    ),
    AnswerOption("no", "暂时不能接听", "I cannot be reached for now", needs="reason", words=("不能接听", "不能")),
)
HEARD = {
    Means.LINK: Heard.LINK,
    Means.SMS: Heard.SMS,
    Means.KEY: Heard.CALL,
    Means.PHONE: Heard.CALL,
    Means.RADIO: Heard.RADIO,
    Means.VISIT: Heard.VISIT,
    Means.PAGE: Heard.LINK,
}


def ask_to_verify(session: Session, *, actor: Actor, post_ids: Collection[int], due_at: datetime) -> list[Question]:
    """Ask each post's holder whether the number is right. One question a post, about the post itself."""
    return [
        asks.ask(
            session, actor=actor, post_id=post_id, subject=(SUBJECT, post_id), kind=KIND, text=TEXT, answers=ANSWERS,
            due_at=due_at,
        )
        for post_id in post_ids
    ]  # fmt: skip


def _describe(session: Session, ids: Sequence[int]) -> dict[int, Described]:
    return {post_id: Described(text, f"/posts/{post_id}") for post_id, text in labels.post_labels(session, ids).items()}


def _answered(session: Session, question: Question, answer: Answer) -> None:
    if question.kind != KIND or answer.key != YES:
        return
    # A deputy who was asked in the holder's place confirms the deputy's own number.
    link = session.get(Link, answer.link_id) if answer.link_id is not None else None
    person = wrong.holder_of(session, question.subject_id, link.contact_id) if link is not None else None
    try:
        with session.begin_nested():
            posts.verify(
                session, actor=SYSTEM, post_id=question.subject_id, holder_id=person, means=HEARD[answer.means],
                at=answer.at,
            )  # fmt: skip
    except DomainError:
        # The post was given up meanwhile: the answer is kept, there is no number left to verify.
        return


register_subject(SUBJECT, describe=_describe, on_answer=_answered)
