"""The journal as JSON, for whoever audits from outside."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Moment, Schema, fields, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.oversight import rules, service
from emergency.oversight.models import VerificationState
from emergency.oversight.service import Filter

blueprint = Blueprint("api_journal", __name__, url_prefix="/api/v1/journal", description="The audit journal")


class JournalArgs(CursorArgs):
    kind = fields.String(load_default=None)
    actor = fields.String(load_default=None, metadata={"description": "account:12, system:…"})
    subject_kind = fields.String(load_default=None)
    subject_id = fields.Integer(load_default=None)
    since = Moment(load_default=None)
    until = Moment(load_default=None)
    purpose = fields.String(load_default=None)
    personal = fields.Boolean(load_default=False, metadata={"description": "only touches of personal data"})


class EntryOut(Schema):
    seq = fields.Integer()
    at = Moment()
    kind = fields.String()
    actor = fields.String()
    subject_kind = fields.String(allow_none=True)
    subject_id = fields.Integer(allow_none=True)
    purpose = fields.String(allow_none=True)
    data = fields.Function(lambda entry: dict(rules.facts(entry.data)))
    mac = fields.Function(lambda entry: entry.mac.hex())


class VerificationOut(Schema):
    id = fields.Integer()
    state = EnumValue(VerificationState)
    asked_at = Moment()
    finished_at = Moment(allow_none=True)
    entries = fields.Integer(allow_none=True)
    fault = fields.String(allow_none=True)
    at_seq = fields.Integer(allow_none=True)


@blueprint.route("")
class Journal(MethodView):
    """The entries."""

    @requires(Permission.JOURNAL_VIEW)
    @blueprint.arguments(JournalArgs, location="query")
    @blueprint.response(200, page_of(EntryOut))
    def get(self, args: dict[str, Any]) -> Any:
        """Entries, the newest first."""
        cursor, limit = args.pop("cursor"), args.pop("limit")
        return service.entries(session(), current_actor(), Filter(**args), cursor=cursor, limit=limit)


@blueprint.route("/verifications")
class Verifications(MethodView):
    """Whether the chain is whole."""

    @requires(Permission.JOURNAL_VIEW)
    @blueprint.response(200, VerificationOut(many=True))
    def get(self) -> Any:
        """The last verifications, the newest first."""
        return service.verifications(session())

    @requires(Permission.JOURNAL_VIEW)
    @blueprint.response(202, VerificationOut)
    def post(self) -> Any:
        """Ask for a verification; it runs within seconds."""
        return service.ask_verification(session(), actor=current_actor())
