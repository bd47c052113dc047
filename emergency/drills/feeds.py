"""Calendar feeds: made, shown once, renewed, withdrawn; and whose drills an address opens at this moment."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import service as divisions
from emergency.divisions.rules import in_scope, prefix
from emergency.drills.feed_models import KEEP_CANCELLED_DAYS, DrillFeed, FeedOf
from emergency.drills.models import DrillKind
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.accounts import service as accounts
from emergency.people.accounts.models import Account, AccountState
from emergency.people.posts.models import PostHolder
from emergency.privacy import journal, vault
from kernel.clock import BEIJING
from kernel.db import Database, now
from kernel.errors import N_, Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from emergency.config import Config

CHANGED = journal.kind("drill.feed", "演练日历订阅", "Calendar feed of drills", "what", "division", "source")
TOKEN_BYTES = 24
"""192 random bits in 32 characters: nobody guesses it, and a QR code of the address stays small."""
LONGEST_TOKEN = 64
MOST_FEEDS = 20
MOST_OTHERS = 200
MOST_CANCELLED_DAYS = 730


@dataclass(frozen=True)
class Opened:
    """A feed that may be read now: by whose right, within which area, in whose language."""

    feed: DrillFeed
    actor: Actor
    """The reader with the area that is left: the feed's own or, where that has shrunk, the account's."""


def _digest(session: Session, raw: str) -> bytes:
    return vault.of(session).digest("drill-feed", raw)


def address(config: Config, raw: str) -> str:
    """Where a calendar programme reads; whoever knows it reads."""
    return f"{config.public_url}/calendar/{raw}.ics"


def subscribing(url: str) -> str:
    """The same address as phones and desktop programmes take it for a subscription instead of a download."""
    return "webcal://" + url.partition("://")[2]


def qr(url: str) -> str:
    """A QR code as an SVG element without any style of its own, for the page."""
    import segno

    picture = io.BytesIO()
    segno.make(url, error="m", micro=False).save(
        picture, kind="svg", scale=5, border=4, xmldecl=False, svgns=True, dark="#000", light="#fff"
    )
    return picture.getvalue().decode()


def create(
    session: Session,
    *,
    actor: Actor,
    source: FeedOf,
    division_code: str = "",
    name: str = "",
    kinds: Sequence[DrillKind] = (),
    cancelled_days: int = KEEP_CANCELLED_DAYS,
) -> tuple[DrillFeed, str]:
    """A new feed and the token of its address, which nobody can read again.

    Of an area that the account sees (404 outside), or of the posts that its person holds (then the area is the
    account's own). 422 `bad_days` for fewer than 90 or more than 730 days, 409 `too_many_feeds` past twenty.
    """
    actor.require(Permission.DRILLS_VIEW)
    if source is FeedOf.POSTS and actor.kind != "account":
        raise Invalid(N_("Posts are held by persons: sign in as the person whose posts these are."), code="no_person")
    code = actor.division_code if source is FeedOf.POSTS else division_code
    place = divisions.seen(session, actor=actor, code=code)
    if not actor.covers(code):  # what lies above an area may be named, but its drills are not the area's to see
        raise NotFound(N_("There is no division with the code %(division)s."), code="division_not_found", division=code)
    if not KEEP_CANCELLED_DAYS <= cancelled_days <= MOST_CANCELLED_DAYS:
        message = N_("Drills that were called off stay for 90 to 730 days.")
        raise Invalid(message, code="bad_days", fields={"cancelled_days": message})
    account_id = actor.id if actor.kind == "account" else None
    _not_too_many(session, account_id)
    raw = secrets.token_urlsafe(TOKEN_BYTES)
    feed = DrillFeed(
        account_id=account_id, source=source, name=name.strip()[:60] or _name(source, place.name),
        division_code=code, kinds=sorted({kind.value for kind in kinds}), cancelled_days=cancelled_days,
        token_digest=_digest(session, raw), made_by=str(actor), made_at=now(session),
    )  # fmt: skip
    session.add(feed)
    session.flush()
    _note(session, actor, feed, "made")
    return feed, raw


def _name(source: FeedOf, place: str) -> str:
    return "我的岗位演练" if source is FeedOf.POSTS else f"{place}演练"


def _not_too_many(session: Session, account_id: int | None) -> None:
    whose = DrillFeed.account_id.is_(None) if account_id is None else DrillFeed.account_id == account_id
    most = MOST_OTHERS if account_id is None else MOST_FEEDS
    held = session.scalar(sa.select(sa.func.count()).where(whose, DrillFeed.revoked_at.is_(None))) or 0
    if held >= most:
        raise Conflict(N_("There are %(n)s feeds already. Withdraw one first."), code="too_many_feeds", n=most)


def _note(session: Session, actor: Actor, feed: DrillFeed, what: str) -> None:
    journal.record(
        session, CHANGED, actor=actor, subject=("drill_feed", feed.id), what=what, division=feed.division_code,
        source=feed.source.value,
    )  # fmt: skip


def holds_a_post(session: Session, actor: Actor) -> bool:
    """Whether a feed of one's posts could ever carry anything."""
    return actor.kind == "account" and bool(
        session.scalar(sa.select(PostHolder.id).where(PostHolder.account_id == actor.id).limit(1))
    )


def only_here(url: str) -> bool:
    """Whether an address means this very machine, which no other can read."""
    return (urlsplit(url).hostname or "") in ("127.0.0.1", "localhost", "::1")


def own(session: Session, *, actor: Actor) -> list[DrillFeed]:
    """The feeds of this account that still work, newest first."""
    actor.require(Permission.DRILLS_VIEW)
    return list(
        session.scalars(
            sa.select(DrillFeed)
            .where(_mine(actor), DrillFeed.revoked_at.is_(None))
            .order_by(DrillFeed.id.desc())
            .limit(MOST_OTHERS)
        )
    )


def others(session: Session, *, actor: Actor) -> list[DrillFeed]:
    """Other people's feeds of the planner's area, newest first, at most 200: who may withdraw them must see them."""
    if not actor.can(Permission.DRILLS_EDIT):
        return []
    return list(
        session.scalars(
            sa.select(DrillFeed)
            .where(in_scope(DrillFeed.division_code, actor), ~_mine(actor), DrillFeed.revoked_at.is_(None))
            .order_by(DrillFeed.id.desc())
            .limit(MOST_OTHERS)
        )
    )


def _mine(actor: Actor) -> sa.ColumnElement[bool]:
    if actor.kind == "account":
        return sa.and_(DrillFeed.account_id.is_not(None), DrillFeed.account_id == actor.id)
    return DrillFeed.account_id.is_(None) if actor.is_system else sa.false()


def _get(session: Session, actor: Actor, feed_id: int, *, also_others: bool) -> DrillFeed:
    actor.require(Permission.DRILLS_VIEW)
    seen = _mine(actor)
    if also_others and actor.can(Permission.DRILLS_EDIT):
        seen = sa.or_(seen, in_scope(DrillFeed.division_code, actor))
    feed = session.scalar(sa.select(DrillFeed).where(DrillFeed.id == feed_id, seen, DrillFeed.revoked_at.is_(None)))
    if feed is None:
        raise NotFound(N_("There is no such feed among yours."))
    return feed


def renew(session: Session, *, actor: Actor, feed_id: int) -> tuple[DrillFeed, str]:
    """A new address for one's own feed; the old one opens nothing from now on. Returns the new token, once."""
    feed = _get(session, actor, feed_id, also_others=False)
    raw = secrets.token_urlsafe(TOKEN_BYTES)
    feed.token_digest, feed.renewed_at, feed.last_used_on = _digest(session, raw), now(session), None
    session.flush()
    _note(session, actor, feed, "renewed")
    return feed, raw


def revoke(session: Session, *, actor: Actor, feed_id: int) -> DrillFeed:
    """Withdraw a feed: its owner, or who plans drills for its area."""
    feed = _get(session, actor, feed_id, also_others=True)
    feed.revoked_at = now(session)
    session.flush()
    _note(session, actor, feed, "revoked")
    return feed


def open_feed(session: Session, raw: str) -> Opened | None:
    """What an address opens now, or None; wrong, withdrawn and closed cost the same and look the same.

    The account is asked anew each time: one that was closed or may no longer see drills opens nothing, one whose area
    has shrunk opens what is left of it, one that moved elsewhere opens nothing.
    """
    row = session.execute(
        sa.select(DrillFeed, Account)
        .outerjoin(Account, Account.id == DrillFeed.account_id)
        .where(DrillFeed.token_digest == _digest(session, raw[: LONGEST_TOKEN + 1]), DrillFeed.revoked_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    feed, account = row
    reader = Actor.system("feed") if account is None else accounts.actor_of(account)
    if account is not None and (account.state is AccountState.CLOSED or not reader.can(Permission.DRILLS_VIEW)):
        return None
    asked, allowed = prefix(feed.division_code), reader.division_prefix
    if feed.source is FeedOf.POSTS:
        return Opened(feed, reader)
    if not (asked.startswith(allowed) or allowed.startswith(asked)):
        return None
    return Opened(feed, dataclasses.replace(reader, division_prefix=max(asked, allowed, key=len)))


def note_reading(database: Database, feed: DrillFeed, body: bytes) -> DrillFeed:
    """Remember the day of the reading and whether the content is another than before; writes at most when it is.

    Returns the feed as it stands then.
    """
    digest = hashlib.sha256(body).digest()
    today = database.clock.now().astimezone(BEIJING).date()
    if feed.content_digest == digest and feed.last_used_on is not None and feed.last_used_on >= today:
        return feed
    with database.write() as session:
        kept = session.get(DrillFeed, feed.id)
        if kept is None:
            return feed
        kept.last_used_on = today
        if kept.content_digest != digest:
            kept.content_digest, kept.content_changed_at = digest, now(session)
        return kept
