"""JSON: asking the posts of a drill, their answers, other dates that they propose, moving and calling off."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from emergency.asking.models import Means
from emergency.drills import confirming, queries, telling, wishes
from emergency.drills.confirming_models import DateProposal, ProposalState
from emergency.drills.models import Answered, Invitation, OccurrenceState
from emergency.http.api import Blueprint, EnumValue, MethodView, Moment, Schema, fields, idempotent
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session

blueprint = Blueprint(
    "api_drill_asking", __name__, url_prefix="/api/v1/drills", description="Drills: asking and telling"
)
HEARD = (Means.PHONE, Means.RADIO, Means.VISIT)


class DrillAskedOut(Schema):
    """One asked post, the answer that stands, and what it had said before the drill was moved."""

    id = fields.Integer()
    post_id = fields.Integer()
    question_id = fields.Integer(allow_none=True)
    invited_at = Moment()
    answer = EnumValue(Answered, allow_none=True)
    answered_at = Moment(allow_none=True)
    means = fields.String(allow_none=True)
    earlier = EnumValue(Answered, allow_none=True)


class DateProposalOut(Schema):
    """Another date that a post proposed; its words stay sealed with the answer."""

    id = fields.Integer()
    post_id = fields.Integer()
    question_id = fields.Integer()
    wanted_at = Moment(allow_none=True)
    made_at = Moment()
    state = EnumValue(ProposalState)
    decided_at = Moment(allow_none=True)
    reason = fields.String(allow_none=True)


class DrillAsksOut(Schema):
    """Everything about asking for one drill."""

    invitations = fields.List(fields.Nested(DrillAskedOut))
    proposals = fields.List(fields.Nested(DateProposalOut))


class InviteIn(Schema):
    """Whom to ask; nobody named: the programme's posts."""

    post_ids = fields.List(fields.Integer(), load_default=None, validate=ma.validate.Length(max=confirming.MOST_ASKED))
    call = fields.Boolean(load_default=False, metadata={"description": "call instead of sending a text"})


class CountOut(Schema):
    """How many posts."""

    posts = fields.Integer()


class HeardIn(Schema):
    """What a post said by telephone, radio or in person."""

    answer = fields.String(required=True, validate=ma.validate.OneOf([o.key for o in confirming.ANSWERS]))
    means = EnumValue(Means, load_default=Means.PHONE, validate=ma.validate.OneOf(HEARD))
    at = Moment(load_default=None, metadata={"description": "when it was said, if earlier"})
    proposed_at = Moment(load_default=None, metadata={"description": "the other time, where one is proposed"})
    note = fields.String(load_default="", validate=ma.validate.Length(max=200))


class ReasonIn(Schema):
    """Why; the posts are told."""

    reason = fields.String(required=True, validate=ma.validate.Length(min=1, max=200))


class RescheduleIn(Schema):
    """The new time, and the version that was read."""

    starts_at = Moment(required=True)
    version = fields.Integer(required=True)


class MovedOut(Schema):
    """How it stands after it was moved or called off."""

    id = fields.Integer()
    state = EnumValue(OccurrenceState)
    starts_at = Moment()
    version = fields.Integer()
    posts = fields.Integer(metadata={"description": "asked posts that are told"})


def _state(occurrence_id: int, posts: int) -> dict[str, Any]:
    row = queries.get(session(), actor=current_actor(), occurrence_id=occurrence_id).occurrence
    return {
        "id": row.id, "state": row.state, "starts_at": row.starts_at, "version": row.version, "posts": posts,
    }  # fmt: skip


@blueprint.route("/<int:occurrence_id>/invitations")
class Invitations(MethodView):
    """Who was asked."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.response(200, DrillAsksOut)
    def get(self, occurrence_id: int) -> Any:
        """The asked posts with their answers, and the other dates that they propose."""
        queries.get(session(), actor=current_actor(), occurrence_id=occurrence_id)
        return {
            "invitations": confirming.invited(session(), occurrence_id),
            "proposals": wishes.of_occurrence(session(), occurrence_id),
        }


@blueprint.route("/<int:occurrence_id>/invite")
class Invite(MethodView):
    """Asking."""

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(InviteIn)
    @blueprint.response(201, CountOut)
    def post(self, data: dict[str, Any], occurrence_id: int) -> Any:
        """Ask the posts; who was asked already is not asked again."""
        return {"posts": confirming.invite(session(), actor=current_actor(), occurrence_id=occurrence_id, **data)}


@blueprint.route("/invitations/<int:invitation_id>/answers")
class InvitationAnswers(MethodView):
    """What one post said."""

    @requires(Permission.DRILLS_CONFIRM)
    @idempotent
    @blueprint.arguments(HeardIn)
    @blueprint.response(201, DrillAskedOut)
    def post(self, data: dict[str, Any], invitation_id: int) -> Any:
        """Record what was heard; all answers are kept, the one said last stands."""
        confirming.record_answer(session(), actor=current_actor(), invitation_id=invitation_id, **data)
        return session().get_one(Invitation, invitation_id)


@blueprint.route("/proposals/<int:wish_id>/accept")
class AcceptProposal(MethodView):
    """Another date is taken."""

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.response(200, MovedOut)
    def post(self, wish_id: int) -> Any:
        """Move the drill there; every asked post is told and asked anew."""
        occurrence = telling.accept(session(), actor=current_actor(), proposal_id=wish_id)
        return _state(occurrence.id, len(confirming.invited(session(), occurrence.id)))


@blueprint.route("/proposals/<int:wish_id>/refuse")
class RefuseProposal(MethodView):
    """Another date is not taken."""

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(ReasonIn)
    @blueprint.response(200, DateProposalOut)
    def post(self, data: dict[str, Any], wish_id: int) -> DateProposal:
        """The date stays; the post that proposed another one is told why."""
        return telling.refuse(session(), actor=current_actor(), proposal_id=wish_id, **data)


@blueprint.route("/<int:occurrence_id>/reschedule")
class Reschedule(MethodView):
    """Moving one date."""

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(RescheduleIn)
    @blueprint.response(200, MovedOut)
    def post(self, data: dict[str, Any], occurrence_id: int) -> Any:
        """Move it; every asked post is told once and asked anew."""
        posts, _version = telling.move(session(), actor=current_actor(), occurrence_id=occurrence_id, **data)
        return _state(occurrence_id, posts)


@blueprint.route("/<int:occurrence_id>/cancel")
class CancelDrill(MethodView):
    """Calling one date off."""

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(ReasonIn)
    @blueprint.response(200, MovedOut)
    def post(self, data: dict[str, Any], occurrence_id: int) -> Any:
        """Call it off; every asked post gets one notice with the reason."""
        posts = telling.call_off(session(), actor=current_actor(), occurrence_id=occurrence_id, **data)
        return _state(occurrence_id, posts)
