"""Whom a question was asked, in words: division and duty, or the account's display name. Never a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking.models import Question
from emergency.divisions.models import Division, Unit
from emergency.people.accounts import service as accounts
from emergency.people.posts.models import Post


def post_labels(session: Session, post_ids: Iterable[int], language: str = "zh") -> dict[int, str]:
    """`台头镇 联络员`, `义和村 锣长`; a unit's post carries the unit's name."""
    rows = session.execute(
        sa.select(Post.id, Post.duty, Division.name, Unit.name)
        .join(Division, Division.code == Post.division_code)
        .outerjoin(Unit, Unit.id == Post.unit_id)
        .where(Post.id.in_(set(post_ids)))
    )
    return {post_id: f"{unit or division} {duty.label(language)}" for post_id, duty, division, unit in rows}


def asked_of(session: Session, questions: Sequence[Question], language: str = "zh") -> dict[int, str]:
    """Per question id: the post or the account that was asked."""
    posts = post_labels(session, [q.post_id for q in questions if q.post_id is not None], language)
    keys = {f"account:{q.account_id}" for q in questions if q.account_id is not None}
    names = accounts.display_names(session, keys) if keys else {}
    return {q.id: _of(q, posts, names) for q in questions}


def _of(question: Question, posts: Mapping[int, str], names: Mapping[str, str]) -> str:
    if question.post_id is not None:
        return posts.get(question.post_id, f"post:{question.post_id}")
    key = f"account:{question.account_id}"
    return names.get(key, key)


def actor_names(session: Session, actors: Iterable[str], language: str = "zh") -> dict[str, str]:
    """Words for the actors of a timeline: posts by division and duty, accounts by display name."""
    keys = set(actors)
    post_ids = {int(key[5:]) for key in keys if key.startswith("post:") and key[5:].isdigit()}
    found = {f"post:{post_id}": text for post_id, text in post_labels(session, post_ids, language).items()}
    account_keys = {key for key in keys if key.startswith("account:")}
    if account_keys:
        found.update(accounts.display_names(session, account_keys))
    return found
