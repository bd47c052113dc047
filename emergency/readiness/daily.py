"""The daily message: each owner post hears once in the morning what is wrong with its plans.

A Notice through the delivery engine like any other; nothing about a person, and no more than numbers, leaves.
"""

from __future__ import annotations

from datetime import datetime, time

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.config import Config
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts.models import Post, PostHolder, PostState
from emergency.readiness.models import Defect, Severity, Told
from kernel.clock import BEIJING
from kernel.db import Database
from notify import service as notify
from notify.models import Kind
from scheduler.deadlines import end_of

ROOM = "plans"
FROM, UNTIL = time(8, 0), time(18, 0)
"""Nobody is woken for this, and what was missed in the day is said the next morning."""
PIECE = 20


def tell_owners(database: Database, now: datetime) -> int:
    """Tell every owner post that has something open and was not told today. Returns how many were told."""
    here = now.astimezone(BEIJING)
    if not FROM <= here.time() < UNTIL:
        return 0
    told = 0
    while True:
        with database.write() as session:
            waiting = _waiting(session, here.date().isoformat())
            for post_id, division, contact_id, key, count, urgent in waiting:
                session.add(Told(day=here.date().isoformat(), post_id=post_id))
                if key is not None:
                    _tell(session, here, post_id, division, contact_id, key, count, urgent)
                    told += 1
        if len(waiting) < PIECE:
            return told


def _waiting(session: Session, day: str) -> list[tuple[int, str, int, bytes | None, int, int]]:
    rows = session.execute(
        sa.select(
            Post.id, Post.division_code, Contact.id.label("contact_id"), Contact.phone_index, sa.func.count(),
            sa.func.sum(sa.case((Defect.severity == Severity.RED, 1), else_=0)),
        )
        .join(Defect, Defect.owner_post_id == Post.id)
        .join(PostHolder, sa.and_(PostHolder.post_id == Post.id, PostHolder.order == 0))
        .join(Contact, Contact.id == PostHolder.contact_id)
        .outerjoin(Told, sa.and_(Told.post_id == Post.id, Told.day == day))
        .where(
            Defect.room == ROOM,
            Defect.closed_at.is_(None),
            Defect.muted_until.is_(None),
            Post.state == PostState.HELD,
            Contact.phone_state.in_((PhoneState.UNVERIFIED, PhoneState.VERIFIED)),
            Told.post_id.is_(None),
        )
        .group_by(Post.id, Post.division_code, Contact.id, Contact.phone_index)
        .order_by(Post.id)
        .limit(PIECE)
    )  # fmt: skip
    return [(a, b, c, key, int(n), int(urgent or 0)) for a, b, c, key, n, urgent in rows]


def _tell(
    session: Session, here: datetime, post_id: int, division: str, contact_id: int, key: bytes, count: int, urgent: int
) -> None:
    config: Config = session.info["config"]
    text = messages.render("plan_faults", day=f"{here.month}月{here.day}日", count=count, urgent=urgent)
    spec = notify.BroadcastSpec(
        kind=Kind.NOTICE, priority=6, text=text, valid_until=end_of(here.date()),
        channels=list(config.notify.default_channels), subject_kind="post", subject_id=post_id,
        signature=config.site.sms_signature, daily_quota=config.notify.daily_quota_per_number,
        repeat_minutes=config.notify.repeat_minutes,
    )  # fmt: skip
    notify.deliver(session, spec, [notify.Recipient(f"post:{post_id}", division, contact_id, key)])
