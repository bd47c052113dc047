"""The JSON surface of warnings, word for word as it stands outside."""

from __future__ import annotations

from typing import Any

import flask

from emergency.http.api import Blueprint, MethodView, idempotent, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.warnings import rules, service
from emergency.warnings.counting import count_first
from emergency.warnings.models import Acknowledgement, Issue, Source, Warning
from emergency.warnings.schemas import (
    AckIn,
    AckOut,
    AllClearIn,
    CancelIn,
    DeliveryArgs,
    DeliveryOut,
    GlassIn,
    IssuedOut,
    ListArgs,
    ReachOut,
    ReasonIn,
    SubmitIn,
    VersionIn,
    WarningChange,
    WarningIn,
    WarningOut,
    WarningPatch,
)

blueprint = Blueprint("api_warnings", __name__, url_prefix="/api/v1/warnings", description="Warnings")


def out(warning: Warning, issue: Issue | None) -> dict[str, Any]:
    """A warning in JSON."""

    def when(moment: Any) -> str | None:
        return rules.cap_time(moment) if moment is not None else None

    relayed = warning.source is Source.RELAYED
    return {
        "id": warning.id, "version": warning.version, "state": warning.state.value, "status": warning.status.value,
        "msg_type": warning.msg_type.value, "previous_id": warning.previous_id,
        "references": list(warning.references), "event_code": warning.event_code, "event": warning.event_name,
        "category": warning.category.value, "level": warning.level.value, "headline": warning.headline,
        "description": warning.description, "instruction": warning.instruction, "issuer": warning.issuer,
        "source": {"relayed_from": warning.relayed_from} if relayed else "own",
        "area": warning.area, "area_words": warning.area_words, "division_code": warning.division_code,
        "effective": when(warning.effective), "expires": when(warning.expires), "channels": list(warning.channels),
        "audience": warning.audience.value, "text": warning.text, "cancel_text": warning.cancel_text,
        "estimate": warning.estimate, "decision_reason": warning.decision_reason,
        "identifier": issue.identifier if issue else None, "sent": when(issue.sent) if issue else None,
        "snapshot": issue.snapshot if issue else None,
        "times": {
            "created": when(warning.created_at), "edited": when(warning.edited_at),
            "submitted": when(warning.submitted_at), "decided": when(warning.decided_at),
            "issued": when(warning.issued_at), "ended": when(warning.ended_at),
        },
    }  # fmt: skip


def _full(warning: Warning) -> dict[str, Any]:
    return out(warning, service.issues(session(), [warning.id]).get(warning.id))


def _issued(issue: Issue) -> dict[str, Any]:
    warning = service.get(session(), actor=current_actor(), warning_id=issue.warning_id)
    return {
        "id": warning.id, "state": warning.state.value, "version": warning.version, "identifier": issue.identifier,
        "sent": rules.cap_time(issue.sent), "snapshot": issue.snapshot,
    }  # fmt: skip


def _ack(record: Acknowledgement) -> dict[str, Any]:
    return {
        "id": record.id, "recipient": record.recipient, "division": record.division_code, "people": record.people,
        "method": record.method.value, "at": rules.cap_time(record.at), "recorded_at": rules.cap_time(record.recorded_at),
    }  # fmt: skip


@blueprint.route("")
class Warnings(MethodView):
    """All warnings of the scope, and new ones."""

    @requires(Permission.WARNINGS_VIEW)
    @blueprint.arguments(ListArgs, location="query")
    @blueprint.response(200, page_of(WarningOut))
    def get(self, args: dict[str, Any]) -> Any:
        """List warnings, newest first."""
        page = service.list_warnings(session(), actor=current_actor(), **args)
        issues = service.issues(session(), [warning.id for warning in page.items])
        return page.map(lambda warning: out(warning, issues.get(warning.id)))

    @requires(Permission.WARNINGS_DRAFT)
    @idempotent
    @blueprint.arguments(WarningIn)
    @blueprint.response(201, WarningOut)
    def post(self, data: dict[str, Any]) -> Any:
        """Write a draft."""
        warning = service.create(session(), actor=current_actor(), **data)
        return _full(warning), 201, {"Location": flask.url_for("api_warnings.OneWarning", warning_id=warning.id)}


@blueprint.route("/<int:warning_id>")
class OneWarning(MethodView):
    """One warning."""

    @requires(Permission.WARNINGS_VIEW)
    @blueprint.response(200, WarningOut)
    def get(self, warning_id: int) -> Any:
        """State, version, snapshot, times."""
        return _full(service.get(session(), actor=current_actor(), warning_id=warning_id))

    @requires(Permission.WARNINGS_DRAFT)
    @blueprint.arguments(WarningChange)
    @blueprint.response(200, WarningOut)
    def patch(self, data: dict[str, Any], warning_id: int) -> Any:
        """Change a draft; one that waits for approval is taken back by it."""
        return _full(service.edit(session(), actor=current_actor(), warning_id=warning_id, **data))


@blueprint.route("/<int:warning_id>/submit", methods=["POST"])
@requires(Permission.WARNINGS_DRAFT)
@count_first
@idempotent
@blueprint.arguments(SubmitIn)
@blueprint.response(200, WarningOut)
def submit(data: dict[str, Any], warning_id: int) -> Any:
    """Hand it to the approvers; answers with the estimate."""
    return _full(service.submit(session(), actor=current_actor(), warning_id=warning_id, **data))


@blueprint.route("/<int:warning_id>/approve", methods=["POST"])
@requires(Permission.WARNINGS_VIEW)
@count_first
@idempotent
@blueprint.arguments(VersionIn)
@blueprint.response(200, IssuedOut)
def approve(data: dict[str, Any], warning_id: int) -> Any:
    """Issue the version that was read; another account than the author's."""
    return _issued(service.approve(session(), actor=current_actor(), warning_id=warning_id, version=data["version"]))


@blueprint.route("/<int:warning_id>/break-glass", methods=["POST"])
@requires(Permission.WARNINGS_BREAK_GLASS)
@count_first
@idempotent
@blueprint.arguments(GlassIn)
@blueprint.response(200, IssuedOut)
def break_glass(data: dict[str, Any], warning_id: int) -> Any:
    """Issue a red warning alone, with a reason; every approver is alarmed."""
    return _issued(service.break_glass(session(), actor=current_actor(), warning_id=warning_id, **data))


@blueprint.route("/<int:warning_id>/return", methods=["POST"])
@requires(Permission.WARNINGS_APPROVE)
@blueprint.arguments(ReasonIn)
@blueprint.response(200, WarningOut)
def return_(data: dict[str, Any], warning_id: int) -> Any:
    """Back to the author with a reason."""
    return _full(service.return_(session(), actor=current_actor(), warning_id=warning_id, **data))


@blueprint.route("/<int:warning_id>/reject", methods=["POST"])
@requires(Permission.WARNINGS_APPROVE)
@blueprint.arguments(ReasonIn)
@blueprint.response(200, WarningOut)
def reject(data: dict[str, Any], warning_id: int) -> Any:
    """Not to be issued, with a reason."""
    return _full(service.reject(session(), actor=current_actor(), warning_id=warning_id, **data))


@blueprint.route("/<int:warning_id>/recount", methods=["POST"])
@requires(Permission.WARNINGS_APPROVE)
@count_first
@blueprint.arguments(VersionIn)
@blueprint.response(200, WarningOut)
def recount(data: dict[str, Any], warning_id: int) -> Any:
    """Count the audience anew after `audience_moved`; the version rises."""
    return _full(service.recount(session(), actor=current_actor(), warning_id=warning_id, version=data["version"]))


@blueprint.route("/<int:warning_id>/withdraw", methods=["POST"])
@requires(Permission.WARNINGS_DRAFT)
@blueprint.arguments(SubmitIn)
@blueprint.response(200, WarningOut)
def withdraw(_data: dict[str, Any], warning_id: int) -> Any:
    """Give up what never left."""
    return _full(service.withdraw(session(), actor=current_actor(), warning_id=warning_id))


@blueprint.route("/<int:warning_id>/update", methods=["POST"])
@requires(Permission.WARNINGS_DRAFT)
@idempotent
@blueprint.arguments(WarningPatch)
@blueprint.response(201, WarningOut)
def update(data: dict[str, Any], warning_id: int) -> Any:
    """A draft that changes a warning in force; it is submitted and approved like any other."""
    return _full(service.update(session(), actor=current_actor(), warning_id=warning_id, **data))


@blueprint.route("/<int:warning_id>/cancel", methods=["POST"])
@requires(Permission.WARNINGS_DRAFT)
@idempotent
@blueprint.arguments(CancelIn)
@blueprint.response(200, WarningOut)
def cancel(data: dict[str, Any], warning_id: int) -> Any:
    """Take it back: unsent messages stop, whoever was told is told so."""
    warning, issue = service.cancel(session(), actor=current_actor(), warning_id=warning_id, reason=data["reason"])
    return {**_full(warning), "cancellation": _issued(issue) if issue is not None else None}


@blueprint.route("/<int:warning_id>/all-clear", methods=["POST"])
@requires(Permission.WARNINGS_DRAFT)
@idempotent
@blueprint.arguments(AllClearIn)
@blueprint.response(200, WarningOut)
def all_clear(data: dict[str, Any], warning_id: int) -> Any:
    """The danger is over: the prepared text goes to whoever was told."""
    warning, issue = service.all_clear(session(), actor=current_actor(), warning_id=warning_id, text=data["text"])
    return {**_full(warning), "all_clear": _issued(issue)}


@blueprint.route("/<int:warning_id>/reach")
@requires(Permission.WARNINGS_VIEW)
@blueprint.response(200, ReachOut)
def reach(warning_id: int) -> Any:
    """Who was reached: numbers, and the people behind them."""
    return service.reach(session(), actor=current_actor(), warning_id=warning_id)


@blueprint.route("/<int:warning_id>/deliveries")
@requires(Permission.DELIVERY_VIEW)
@blueprint.arguments(DeliveryArgs, location="query")
@blueprint.response(200, page_of(DeliveryOut))
def deliveries(args: dict[str, Any], warning_id: int) -> Any:
    """The ledger with masked addresses; that it was read is journalled."""
    page = service.deliveries(
        session(), actor=current_actor(), warning_id=warning_id, state=args["state"],
        division_code=args["division"], cursor=args["cursor"], limit=args["limit"],
    )  # fmt: skip
    return page.map(
        lambda row: {
            "id": row.id, "recipient_id": row.id, "recipient": row.recipient, "state": row.state.value,
            "channel": row.channel, "division": row.division, "division_name": row.division_name,
            "address": row.phone, "name": row.name, "people": row.people,
            "changed_at": rules.cap_time(row.changed_at), "reason": row.reason,
        }
    )  # fmt: skip


@blueprint.route("/<int:warning_id>/acknowledgements", methods=["POST"])
@requires(Permission.ACKNOWLEDGE)
@idempotent
@blueprint.arguments(AckIn)
@blueprint.response(201, AckOut)
def acknowledge(data: dict[str, Any], warning_id: int) -> Any:
    """Type in what was heard, with its original time."""
    return _ack(service.acknowledge(session(), actor=current_actor(), warning_id=warning_id, **data))
