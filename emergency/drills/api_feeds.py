"""JSON: calendar feeds of drills. The address comes once, with the answer that makes it."""

from __future__ import annotations

from typing import Any

from emergency.drills import feeds
from emergency.drills.feed_models import KEEP_CANCELLED_DAYS, DrillFeed, FeedOf
from emergency.drills.models import DrillKind
from emergency.http.api import Blueprint, EnumValue, MethodView, Moment, Schema, fields
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, session

blueprint = Blueprint(
    "api_drill_feeds", __name__, url_prefix="/api/v1/drills/feeds", description="Calendar feeds of drills"
)
VIEW = Permission.DRILLS_VIEW


class DrillFeedOut(Schema):
    """One feed of the account."""

    id = fields.Integer()
    source = EnumValue(FeedOf)
    name = fields.String()
    division_code = fields.String()
    kinds = fields.List(fields.String())
    cancelled_days = fields.Integer()
    made_at = Moment()
    renewed_at = Moment(allow_none=True)
    last_used_on = fields.Date(allow_none=True)


class DrillFeedMadeOut(DrillFeedOut):
    """A feed with its address, which is not told again."""

    url = fields.String(metadata={"description": "whoever knows it reads the calendar"})


class DrillFeedsOut(Schema):
    """The account's feeds that work, newest first; there are at most twenty."""

    items = fields.List(fields.Nested(DrillFeedOut))


class DrillFeedIn(Schema):
    """Whose drills, and which."""

    source = EnumValue(FeedOf, load_default=FeedOf.DIVISION)
    division_code = fields.String(load_default="", metadata={"description": "of a feed of an area"})
    name = fields.String(load_default="")
    kinds = fields.List(EnumValue(DrillKind), load_default=list)
    cancelled_days = fields.Integer(load_default=KEEP_CANCELLED_DAYS)


def _made(feed: DrillFeed, raw: str) -> dict[str, Any]:
    shown = {name: getattr(feed, name) for name in DrillFeedOut().fields}
    return shown | {"url": feeds.address(config(), raw)}


@blueprint.route("")
class DrillFeeds(MethodView):
    """The account's own feeds."""

    @requires(VIEW)
    @blueprint.response(200, DrillFeedsOut)
    def get(self) -> dict[str, Any]:
        """Those that work."""
        return {"items": feeds.own(session(), actor=current_actor())}

    @requires(VIEW)
    @blueprint.arguments(DrillFeedIn)
    @blueprint.response(201, DrillFeedMadeOut)
    def post(self, given: dict[str, Any]) -> dict[str, Any]:
        """Make one; 404 outside the account's area, 409 `too_many_feeds`, 422 `bad_days`."""
        return _made(*feeds.create(session(), actor=current_actor(), **given))


@blueprint.route("/<int:feed_id>/renew")
class DrillFeedRenewed(MethodView):
    """A new address."""

    @requires(VIEW)
    @blueprint.response(200, DrillFeedMadeOut)
    def post(self, feed_id: int) -> dict[str, Any]:
        """The old address opens nothing from now on."""
        return _made(*feeds.renew(session(), actor=current_actor(), feed_id=feed_id))


@blueprint.route("/<int:feed_id>/revoke")
class DrillFeedRevoked(MethodView):
    """The end of a feed."""

    @requires(VIEW)
    @blueprint.response(200, DrillFeedOut)
    def post(self, feed_id: int) -> DrillFeed:
        """By its owner, or by who plans drills for its area."""
        return feeds.revoke(session(), actor=current_actor(), feed_id=feed_id)
