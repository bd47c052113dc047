"""A link that is shown instead of sent: as a QR code on paper or a screen, or as a short code read out by telephone.

Whoever sees the one or hears the other answers for the post; so each is made afresh, written to the journal as a
personal means, and dies with its question. Of a short code only the digest is kept, and a new one ends the one before.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

import segno
import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import lookup, sending
from emergency.asking.models import Link, Question, ShortCode
from emergency.asking.rules import LINK_TAKES_ANSWERS
from emergency.http.actor import Actor
from emergency.people.posts.models import PostHolder
from emergency.privacy import journal, vault
from kernel.db import now
from kernel.errors import N_, Conflict
from kernel.ids import new_id

SHOWN = journal.kind(
    "question.shown", "出示作答二维码和短码", "Answer shown as a QR code and a short code", "count", "division",
    personal=True,
)  # fmt: skip
ENTERED = journal.kind("question.code_entered", "凭短码打开作答页", "Opened with a short code", "post")
LETTERS = "ABCDEFGHJKMNPRSTWXYZ"
"""No I, L, O, Q, U and V: on paper and by ear they are taken for others."""
LENGTH, GROUP = 8, 4
MOST = 300
"""Posts on one sheet."""
_DIGEST = "question-code"


@dataclass(frozen=True)
class Shown:
    """What the page or the sheet shows for one question; it exists nowhere else."""

    question_id: int
    url: str
    code: str
    picture: str
    """The QR code of the address as an SVG element."""


def plain_code(typed: str) -> str | None:
    """The letters of a code as it was typed, whatever case, blanks and hyphens; None where it cannot be one."""
    said = "".join(c for c in unicodedata.normalize("NFKC", typed[:60]).upper() if c.isalnum())
    return said if len(said) == LENGTH and all(c in LETTERS for c in said) else None


def grouped(code: str) -> str:
    """`ABCD-EFGH`, as it is read out."""
    return f"{code[:GROUP]}-{code[GROUP:]}"


def show(session: Session, *, actor: Actor, question_ids: Collection[int]) -> dict[int, Shown]:
    """A fresh link and a fresh short code for each question that still takes answers, by question id.

    The caller has checked the scope of the subject. A post that nobody holds gets none: nobody could be named by it.
    Raises `Conflict` where no question is left.
    """
    moment = now(session)
    rows = session.execute(
        sa.select(Question, PostHolder.contact_id)
        .join(PostHolder, PostHolder.post_id == Question.post_id)
        .where(
            Question.id.in_(question_ids),
            Question.state.in_(LINK_TAKES_ANSWERS),
            Question.closes_at > moment,
        )
        .order_by(Question.id, PostHolder.order)
        .limit(4 * MOST)
    ).all()
    asked: dict[int, tuple[Question, int]] = {}
    for question, contact_id in rows:
        actor.require_covers(question.division_code)
        asked.setdefault(question.id, (question, contact_id))
    if not asked:
        raise Conflict(
            N_("There is no question left that could be shown: it is over, or nobody holds the post."),
            code="nothing_to_show",
        )
    base = sending.config_of(session).public_url
    links, codes, shown = [], [], {}
    for question, contact_id in list(asked.values())[:MOST]:
        token, code = secrets.token_urlsafe(sending.TOKEN_BYTES), _new_code()
        common = {"recipient": f"post:{question.post_id}", "contact_id": contact_id, "created_at": moment}
        links.append(
            common
            | {
                "id": new_id(), "question_id": question.id, "token_digest": sending.digest(session, token),
                "step_id": None, "shown_by": str(actor),
            }
        )  # fmt: skip
        codes.append(
            common
            | {"question_id": question.id, "code_digest": _digest(session, code), "created_by": str(actor)}
        )  # fmt: skip
        url = f"{base}/c/{token}"
        shown[question.id] = Shown(question.id, url, grouped(code), _picture(url))
    session.execute(sa.delete(ShortCode).where(ShortCode.question_id.in_(shown)))
    session.execute(sa.insert(Link), links)
    session.execute(sa.insert(ShortCode), codes)
    first = next(iter(asked.values()))[0]
    journal.record(
        session, SHOWN, actor=actor, subject=(first.subject_kind, first.subject_id), purpose=journal.Purpose("drill"),
        count=len(shown), division=first.division_code,
    )  # fmt: skip
    return shown


def enter(session: Session, *, code: str) -> str | None:
    """The token of a new link for whoever typed a living code; None for any other, without saying why."""
    plain = plain_code(code)
    if plain is None:
        return None
    moment = now(session)
    row = session.execute(
        sa.select(ShortCode, Question)
        .join(Question, Question.id == ShortCode.question_id)
        .where(ShortCode.code_digest == _digest(session, plain))
    ).one_or_none()
    if row is None or row.Question.state not in LINK_TAKES_ANSWERS or row.Question.closes_at <= moment:
        return None
    if not lookup.answers_for(session, row.ShortCode.recipient, row.ShortCode.contact_id):
        return None  # it was read out to somebody who holds the post no more
    token = secrets.token_urlsafe(sending.TOKEN_BYTES)
    session.add(
        Link(
            id=new_id(), question_id=row.Question.id, token_digest=sending.digest(session, token),
            recipient=row.ShortCode.recipient, contact_id=row.ShortCode.contact_id, step_id=None, created_at=moment,
            shown_by=row.ShortCode.created_by,
        )
    )  # fmt: skip
    session.flush()
    journal.record(
        session, ENTERED, actor=Actor(kind="post", id=row.Question.post_id or 0), subject=("question", row.Question.id),
        post=row.Question.post_id or 0,
    )  # fmt: skip
    return token


def _new_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def _digest(session: Session, code: str) -> bytes:
    return vault.of(session).digest(_DIGEST, code)


def _picture(url: str) -> str:
    return str(segno.make(url, error="m").svg_inline(scale=4, border=4, dark="#000", light="#fff"))
