"""The demo's calendar feeds: of the liaison's posts, of the planner's district, of a wall in a township's duty room.

Their addresses are thrown away: whoever wants to read one gives it a new address on the page.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import feeds
from emergency.drills.feed_models import DrillFeed, FeedOf
from emergency.drills.models import DrillKind
from emergency.http.actor import Actor
from emergency.people.accounts import service as accounts
from kernel.db import Database

DULIU = "120118102000"


def seed(database: Database, *, actor: Actor) -> None:
    """Make them once."""
    with database.write() as session:
        if session.scalar(sa.select(DrillFeed.id).limit(1)) is not None:
            return
        _of(session, "liaison", FeedOf.POSTS)
        _of(session, "planner", FeedOf.DIVISION)
        feeds.create(
            session, actor=actor, source=FeedOf.DIVISION, division_code=DULIU, name="独流镇值班室大屏",
            kinds=[DrillKind.FLOOD, DrillKind.EVACUATION, DrillKind.FIRE],
        )  # fmt: skip


def _of(session: Session, username: str, source: FeedOf) -> None:
    account = accounts.find(session, username)
    if account is not None:
        reader = accounts.actor_of(account)
        feeds.create(session, actor=reader, source=source, division_code=account.division_code)
