"""A few questions for the demonstration: numbers to be verified by their holders, some answered, some not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from emergency.asking import service
from emergency.asking.models import Means
from emergency.asking.verification import YES
from emergency.config import Config
from emergency.divisions import rules as divisions
from emergency.http.actor import Actor
from emergency.people.posts.models import Duty, Post, PostState
from kernel.db import Database, now

ASKED = 6
ANSWERED = 2


def seed(database: Database, *, scale: float = 1.0, **_more: Any) -> None:
    """Ask six township liaisons whether their number is right; two have answered by telephone."""
    actor = Actor.system("demo")
    with database.write() as session:
        config: Config = session.info["config"]
        low, high = divisions.subtree_range(config.site.division_code)
        posts: Sequence[int] = session.scalars(
            sa.select(Post.id)
            .where(
                Post.duty == Duty.LIAISON,
                Post.state == PostState.HELD,
                Post.division_code.between(low, high),
                Post.unit_id.is_(None),
            )
            .order_by(Post.division_code)
            .limit(ASKED)
        ).all()
        questions = service.ask_to_verify(session, actor=actor, post_ids=posts, due_at=now(session) + timedelta(days=2))
    with database.write() as session:
        for question in questions[:ANSWERED]:
            service.answer(session, actor=actor, question_id=question.id, answer=YES, means=Means.PHONE)
