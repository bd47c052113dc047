"""How an inject leaves: as an exercise, wrapped in its mark, by the exercise account or the local gateway, never else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.drills.day_models import DrillInject, DrillInjectPost, InjectVia
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts.models import Post, PostHolder
from kernel.db import now
from kernel.errors import N_, Invalid
from notify import service as notify
from notify import text as notify_text
from notify.models import Broadcast, DeliveryTally, Kind

SUBJECT = "drill_inject"
PRIORITY = 5
VALID = timedelta(hours=1)
_RECEIVES = (PhoneState.UNVERIFIED, PhoneState.VERIFIED)


@dataclass(frozen=True)
class Reach:
    """What became of the messages of one inject: how many, how many a handset confirmed, waiting, failed."""

    messages: int = 0
    reached: int = 0
    waiting: int = 0
    failed: int = 0


def _config(session: Session) -> Config:
    config: Config = session.info["config"]
    return config


def recipients(session: Session, post_ids: Sequence[int]) -> list[notify.Recipient]:
    """The holder of each post, or the first deputy who can receive a message where the holder cannot."""
    rows = session.execute(
        sa.select(PostHolder.post_id, PostHolder.contact_id, Contact.phone_index, Post.division_code)
        .join(Contact, Contact.id == PostHolder.contact_id)
        .join(Post, Post.id == PostHolder.post_id)
        .where(PostHolder.post_id.in_(post_ids), Contact.phone_state.in_(_RECEIVES))
        .order_by(PostHolder.post_id, PostHolder.order)
    )
    first: dict[int, notify.Recipient] = {}
    for post_id, contact_id, number_key, code in rows:
        if number_key is not None and post_id not in first:
            first[post_id] = notify.Recipient(f"post:{post_id}", code, contact_id, number_key)
    return list(first.values())


def send(session: Session, inject: DrillInject) -> Broadcast:
    """Enter one inject into the ledger as an exercise. Raises `DomainError` with why it cannot leave."""
    config = _config(session)
    offered = config.notify.channels_for(exercise=True)
    if inject.via.value not in offered:
        raise Invalid(N_("No exercise account carries this channel."), code="no_channel")
    posts = session.scalars(sa.select(DrillInjectPost.post_id).where(DrillInjectPost.inject_id == inject.id)).all()
    people = recipients(session, posts)
    if not people:
        raise Invalid(N_("None of the posts has a number that can be reached."), code="nobody")
    spec = notify.BroadcastSpec(
        kind=Kind.EXERCISE, priority=PRIORITY, text=inject.message.strip(), valid_until=now(session) + VALID,
        channels=[inject.via.value], subject_kind=SUBJECT, subject_id=inject.id,
        signature=config.site.sms_signature if inject.via is InjectVia.SMS else "",
    )  # fmt: skip
    return notify.deliver(session, spec, people)


@dataclass(frozen=True)
class Preview:
    """The text as the phone shows it, where its parts begin, and how many parts it is."""

    text: str
    cuts: list[int]
    parts: int


def preview(session: Session, message: str) -> Preview:
    """The message with mark and signature. Raises `Invalid` where words and kind disagree."""
    signature = _config(session).site.sms_signature
    body = notify_text.mark(Kind.EXERCISE, message.strip())
    return Preview(
        notify_text.signed(body, signature), notify_text.cuts(body, signature),
        notify_text.segments(body, signature).parts,
    )  # fmt: skip


def reach(session: Session, broadcast_ids: Sequence[int]) -> dict[int, Reach]:
    """By broadcast, from the tallies that settlement keeps; one query for a whole list."""
    counts: dict[int, dict[str, int]] = {}
    for broadcast_id, state, messages in session.execute(
        sa.select(DeliveryTally.broadcast_id, DeliveryTally.state, sa.func.sum(DeliveryTally.messages))
        .where(DeliveryTally.broadcast_id.in_(broadcast_ids))
        .group_by(DeliveryTally.broadcast_id, DeliveryTally.state)
    ):
        counts.setdefault(broadcast_id, {})[state.value] = int(messages)
    return {
        key: Reach(
            sum(by.values()), by.get("delivered", 0),
            sum(by.get(name, 0) for name in ("queued", "claimed")),
            sum(by.get(name, 0) for name in ("failed", "expired", "cancelled")),
        )
        for key, by in counts.items()
    }  # fmt: skip
