"""What JSON says and takes: the shapes of the warnings surface."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from emergency.http.api import CursorArgs, EnumValue, Moment, Schema, fields
from emergency.warnings.models import (
    AckMethod,
    Audience,
    MessageType,
    Source,
    WarningLevel,
    WarningState,
    WarningStatus,
)
from notify.models import DeliveryState


class SourceField(ma.fields.Field[Any]):
    """`"own"`, or `{"relayed_from": "the body that issued it"}`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[Source, str | None]:
        if value == "own":
            return Source.OWN, None
        if isinstance(value, dict) and set(value) == {"relayed_from"} and isinstance(value["relayed_from"], str):
            return Source.RELAYED, value["relayed_from"].strip()
        raise ma.ValidationError('"own" or {"relayed_from": "…"}')

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value


class WarningPatch(Schema):
    """What can be changed of a draft. Everything may stay away."""

    event_code = fields.String(validate=ma.validate.Length(5, 5))
    level = EnumValue(WarningLevel)
    headline = fields.String(validate=ma.validate.Length(max=200))
    description = fields.String(validate=ma.validate.Length(max=2000))
    instruction = fields.String(validate=ma.validate.Length(max=2000))
    source = SourceField(metadata={"description": '"own" or {"relayed_from": "…"}'})
    area = fields.Dict(
        keys=fields.String(), values=fields.Raw(),
        metadata={"description": "divisions (12-digit codes), polygons ([[[lon,lat],…]] closed), circles, WGS-84"},
    )  # fmt: skip
    effective = Moment(allow_none=True)
    expires = Moment(allow_none=True)
    channels = fields.List(fields.String())
    audience = EnumValue(Audience)
    text = fields.String(
        validate=ma.validate.Length(max=1200), metadata={"description": "own wording instead of the template's"}
    )
    cancel_text = fields.String(validate=ma.validate.Length(max=1200))


class WarningIn(WarningPatch):
    """A new warning."""

    status = EnumValue(WarningStatus, required=True)
    msg_type = EnumValue(MessageType, load_default=MessageType.ALERT)
    event_code = fields.String(required=True, validate=ma.validate.Length(5, 5))
    level = EnumValue(WarningLevel, required=True)


class WarningChange(WarningPatch):
    """A change of a draft that is still at `version`."""

    version = fields.Integer(load_default=None)


class VersionIn(Schema):
    """The version that was read."""

    version = fields.Integer(required=True)


class SubmitIn(Schema):
    """Perhaps the version that was read."""

    version = fields.Integer(load_default=None)


class ReasonIn(Schema):
    """Why."""

    reason = fields.String(required=True)
    version = fields.Integer(load_default=None)


class CancelIn(Schema):
    """Why it is taken back."""

    reason = fields.String(required=True)


class GlassIn(Schema):
    """The version that was read, and why one person must decide alone."""

    version = fields.Integer(required=True)
    reason = fields.String(required=True)


class AllClearIn(Schema):
    """The text, where the prepared one does not fit."""

    text = fields.String(load_default=None, validate=ma.validate.Length(max=1200))


class AckIn(Schema):
    """Somebody confirmed."""

    post_id = fields.Integer(load_default=None)
    recipient_id = fields.Integer(load_default=None, metadata={"description": "id of a delivery or of a resident"})
    method = EnumValue(AckMethod, required=True)
    at = Moment(load_default=None, allow_none=True)
    note = fields.String(load_default=None, validate=ma.validate.Length(max=500))


class ListArgs(CursorArgs):
    """How a list is narrowed."""

    state = EnumValue(WarningState, load_default=None)
    status = EnumValue(WarningStatus, load_default=None)
    level = EnumValue(WarningLevel, load_default=None)
    q = fields.String(load_default=None)


class DeliveryArgs(CursorArgs):
    """How deliveries are narrowed."""

    state = EnumValue(DeliveryState, load_default=None)
    division = fields.String(load_default=None)


class EstimateOut(Schema):
    """What it would do: `recipients` are numbers (one message each), `people` those behind them."""

    recipients = fields.Integer()
    numbers = fields.Integer()
    people = fields.Integer()
    everybody = fields.Integer(metadata={"description": "people, and those whom no message reaches"})
    segments = fields.Integer(metadata={"description": "parts of one message"})
    messages = fields.Integer(metadata={"description": "parts of all messages together"})
    units = fields.Integer()
    encoding = fields.String()
    seconds = fields.Integer()
    without_phone = fields.Integer()
    invalid_phone = fields.Integer()
    opted_out = fields.Integer()
    unreachable = fields.Integer()
    cautions = fields.List(fields.String())
    by_division = fields.List(fields.Dict())
    undecided = fields.List(
        fields.Dict(), metadata={"description": "places without a point, for the officer to decide"}
    )
    at = fields.String()


class IssuedOut(Schema):
    """What approval answers."""

    id = fields.Integer()
    state = fields.String()
    version = fields.Integer()
    identifier = fields.String()
    sent = fields.String()
    snapshot = fields.Dict()


class WarningOut(Schema):
    """A warning as it stands."""

    id = fields.Integer()
    version = fields.Integer()
    state = fields.String()
    status = fields.String()
    msg_type = fields.String()
    previous_id = fields.Integer(allow_none=True)
    references = fields.List(fields.String())
    event_code = fields.String()
    event = fields.String()
    category = fields.String()
    level = fields.String()
    headline = fields.String()
    description = fields.String()
    instruction = fields.String()
    issuer = fields.String()
    source = fields.Raw()
    area = fields.Dict()
    area_words = fields.String()
    division_code = fields.String()
    effective = fields.String()
    expires = fields.String()
    channels = fields.List(fields.String())
    audience = fields.String()
    text = fields.String()
    cancel_text = fields.String()
    estimate = fields.Nested(EstimateOut, allow_none=True)
    decision_reason = fields.String(allow_none=True)
    identifier = fields.String(allow_none=True)
    sent = fields.String(allow_none=True)
    snapshot = fields.Dict(allow_none=True)
    times = fields.Dict()
    cancellation = fields.Nested(IssuedOut, allow_none=True)
    all_clear = fields.Nested(IssuedOut, allow_none=True)


class ReachOut(Schema):
    """Numbers, and the people behind them. Reached is a receipt from a handset, or a person's word."""

    targeted = fields.Integer()
    targeted_people = fields.Integer()
    by_state = fields.Dict(keys=fields.String(), values=fields.Integer())
    people_by_state = fields.Dict(keys=fields.String(), values=fields.Integer())
    reached = fields.Integer()
    reached_people = fields.Integer()
    acknowledged = fields.Integer()
    acknowledged_people = fields.Integer()
    by_division = fields.List(fields.Dict())
    by_channel = fields.List(fields.Dict())


class DeliveryOut(Schema):
    """One message, its address masked."""

    id = fields.Integer()
    recipient_id = fields.Integer()
    recipient = fields.String()
    state = fields.String()
    channel = fields.String()
    division = fields.String()
    division_name = fields.String()
    address = fields.String()
    name = fields.String()
    people = fields.Integer()
    changed_at = fields.String()
    reason = fields.String(allow_none=True)


class AckOut(Schema):
    """An acknowledgement as it was recorded."""

    id = fields.Integer()
    recipient = fields.String()
    division = fields.String()
    people = fields.Integer()
    method = fields.String()
    at = fields.String()
    recorded_at = fields.String()
