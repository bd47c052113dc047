"""Posts in JSON: the list of the scope and single posts, names and numbers masked."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Moment, Page, Schema, fields, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.people.contacts.models import PhoneState
from emergency.people.posts import rules, service
from emergency.people.posts.models import Duty, PostState

blueprint = Blueprint("api_posts", __name__, url_prefix="/api/v1/posts", description="Posts")


class PostOut(Schema):
    """One post with its holder, masked."""

    id = fields.Integer(required=True)
    division_code = fields.String(required=True)
    place = fields.String(required=True, metadata={"description": "name of the division or unit"})
    unit_id = fields.Integer(required=True, allow_none=True)
    duty = EnumValue(Duty, required=True)
    title = fields.String(required=True)
    responsible = fields.Boolean(required=True)
    state = EnumValue(PostState, required=True)
    holder_name = fields.String(required=True, allow_none=True)
    holder_phone = fields.String(required=True, allow_none=True)
    phone_state = EnumValue(PhoneState, required=True, allow_none=True)
    deputies = fields.Integer(required=True)
    verified_at = Moment(required=True, allow_none=True)
    fault = EnumValue(rules.Fault, required=True, allow_none=True)


class PostArgs(CursorArgs):
    """What to list."""

    within = fields.String(load_default=None, metadata={"description": "in the subtree of this division code"})
    duty = EnumValue(Duty, load_default=None)
    fault = fields.String(load_default=None, metadata={"description": "a fault, or `any`"})
    unit_id = fields.Integer(load_default=None)


def _out(row: service.PostRow) -> dict[str, Any]:
    post = row.post
    return {
        "id": post.id,
        "division_code": post.division_code,
        "place": row.place,
        "unit_id": post.unit_id,
        "duty": post.duty,
        "title": post.title,
        "responsible": post.responsible,
        "state": post.state,
        "holder_name": row.holder.name if row.holder else None,
        "holder_phone": row.holder.phone if row.holder else None,
        "phone_state": row.holder.phone_state if row.holder else None,
        "deputies": row.deputies,
        "verified_at": row.verified_at,
        "fault": row.fault,
    }


@blueprint.route("")
class Posts(MethodView):
    """The posts of the scope."""

    @requires(Permission.POSTS_VIEW)
    @blueprint.arguments(PostArgs, location="query")
    @blueprint.response(200, page_of(PostOut))
    def get(self, args: dict[str, Any]) -> Page[dict[str, Any]]:
        """List posts by division"""
        return service.list_posts(session(), actor=current_actor(), **args).map(_out)


@blueprint.route("/<int:post_id>")
class OnePost(MethodView):
    """One post."""

    @requires(Permission.POSTS_VIEW)
    @blueprint.response(200, PostOut)
    def get(self, post_id: int) -> dict[str, Any]:
        """One post of the scope"""
        return _out(service.post_view(session(), actor=current_actor(), post_id=post_id).row)
