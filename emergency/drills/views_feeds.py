"""Calendar feeds: the page where they are made, and the address where calendar programmes read them."""

from __future__ import annotations

import logging
from datetime import datetime

import flask
import sqlalchemy as sa
from flask.typing import ResponseReturnValue

from emergency.divisions import service as divisions
from emergency.drills import feeds, feeds_ical, feeds_reading
from emergency.drills.feed_models import DrillFeed, FeedOf
from emergency.drills.forms_feeds import FeedForm
from emergency.drills.models import DrillKind
from emergency.http import patience
from emergency.http.forms import flash_done
from emergency.http.i18n import _
from emergency.http.permissions import Permission, public, requires
from emergency.http.request import config, current_actor, database, own_transaction, session
from emergency.people.accounts import service as accounts
from kernel.errors import DomainError
from kernel.logs import kv

log = logging.getLogger(__name__)
desk = flask.Blueprint("drill_feeds", __name__, url_prefix="/drills/feeds")
blueprint = flask.Blueprint("calendar_feed", __name__, url_prefix="/calendar")
VIEW, EDIT = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT
SECONDS = 300
"""So long may a programme keep what it read before it asks again whether that still holds."""


# --- for people --------------------------------------------------------------------------------------------------


@desk.get("")
@requires(VIEW)
def index() -> ResponseReturnValue:
    """The account's feeds, and how a calendar programme takes one."""
    return _page(FeedForm.prepared(session(), current_actor()))


@desk.post("")
@requires(VIEW)
def create() -> ResponseReturnValue:
    """Make a feed and show its address, this once."""
    work, actor = session(), current_actor()
    form = FeedForm.prepared(work, actor)
    if not form.validate():
        flask.g.refused = True
        return _page(form), 422
    try:
        feed, raw = feeds.create(
            work, actor=actor, source=form.source, division_code=form.code, name=form.name.data or "",
            kinds=form.chosen_kinds(),
        )  # fmt: skip
    except DomainError as error:
        form.refuse(error)
        flask.g.refused = True
        return _page(form), error.status
    return _page(FeedForm.prepared(work, actor, empty=True), fresh=feed, raw=raw)


@desk.post("/<int:feed_id>/renew")
@requires(VIEW)
def renew(feed_id: int) -> ResponseReturnValue:
    """A new address for a feed of one's own; the old one is dead."""
    feed, raw = feeds.renew(session(), actor=current_actor(), feed_id=feed_id)
    return _page(FeedForm.prepared(session(), current_actor(), empty=True), fresh=feed, raw=raw)


@desk.post("/<int:feed_id>/revoke")
@requires(VIEW)
def revoke(feed_id: int) -> ResponseReturnValue:
    """Withdraw a feed."""
    feed = feeds.revoke(session(), actor=current_actor(), feed_id=feed_id)
    flash_done(_("Withdrawn: %(name)s. Its address opens nothing any more.", name=feed.name))
    return flask.redirect(flask.url_for("drill_feeds.index"), 303)


def _page(form: FeedForm, *, fresh: DrillFeed | None = None, raw: str = "") -> str:
    work, actor = session(), current_actor()
    mine, others = feeds.own(work, actor=actor), feeds.others(work, actor=actor)
    url = feeds.address(config(), raw) if raw else ""
    return flask.render_template(
        "drills/feeds.html", form=form, feeds=mine, others=others, fresh=fresh, url=url,
        subscribing=feeds.subscribing(url) if url else "", picture=feeds.qr(feeds.subscribing(url)) if url else "",
        names=divisions.names(work, {feed.division_code for feed in (*mine, *others)}),
        who=accounts.display_names(work, {feed.made_by for feed in others}), kinds={k.value: k for k in DrillKind},
        only_here=feeds.only_here(url), sources=FeedOf, most=feeds_reading.MOST_AHEAD,
    )  # fmt: skip


# --- for calendar programmes -------------------------------------------------------------------------------------


@blueprint.get("/<token>.ics")
@public("the secret in the address is the right to read this one calendar; it shows dates of drills and no person")
@own_transaction
def read(token: str) -> ResponseReturnValue:
    """The calendar behind an address. What is wrong, withdrawn or closed gets the same 404."""
    who = flask.request.remote_addr or ""
    # A whole office reads from one address, hence much at once; whoever tries addresses is stopped far earlier.
    patience.of("calendar", rate=5.0, burst=300).take(who)
    with database().read() as work:
        opened = feeds.open_feed(work, token)
        body = feeds_reading.read(work, opened, config()) if opened is not None else b""
    if opened is None:
        patience.of("calendar-guess", rate=0.1, burst=20).take(who)
        return flask.Response("404\n", status=404, content_type="text/plain; charset=utf-8")
    response = flask.Response(body, content_type=f"{feeds_ical.CONTENT_TYPE}; charset=utf-8")
    response.headers["Content-Disposition"] = 'inline; filename="drills.ics"'
    response.headers["X-Robots-Tag"] = "noindex"
    response.cache_control.private = True
    response.cache_control.max_age = SECONDS
    response.add_etag()
    response.last_modified = _changed_at(opened.feed, body)
    return response.make_conditional(flask.request)


def _changed_at(feed: DrillFeed, body: bytes) -> datetime | None:
    """When the content became what it is. A busy writer costs the header, not the calendar."""
    try:
        return feeds.note_reading(database(), feed, body).content_changed_at
    except sa.exc.OperationalError:
        log.warning("the reading of a feed was not noted %s", kv(feed=feed.id))
        return None
