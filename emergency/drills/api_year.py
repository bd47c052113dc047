"""JSON: calendars of a year, their dates and gaps, and deciding about them."""

from __future__ import annotations

from typing import Any

from emergency.drills import proposing, proposing_deciding, proposing_queries, proposing_words
from emergency.drills.models import DrillKind
from emergency.drills.proposal_models import GapCode, ItemState, ProposalItem, ProposalState, YearProposal
from emergency.drills.proposing_queries import ItemRow, Wanted
from emergency.drills.proposing_settings import Settings
from emergency.http.api import (
    Blueprint,
    CursorArgs,
    EnumValue,
    MethodView,
    Moment,
    Page,
    Schema,
    fields,
    idempotent,
    page_of,
)
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session

blueprint = Blueprint("api_drill_year", __name__, url_prefix="/api/v1/drills/year", description="Drills of a year")
CODE = {"description": "12-digit code"}


class YearOut(Schema):
    """One calendar."""

    id = fields.Integer()
    year = fields.Integer()
    division_code = fields.String()
    state = EnumValue(ProposalState)
    run = fields.Integer()
    done = fields.Integer()
    total = fields.Integer()
    provisional = fields.Boolean()
    computed_from = fields.Date(allow_none=True)
    settings = fields.Dict()
    made_at = Moment()
    ready_at = Moment(allow_none=True)


class YearWholeOut(YearOut):
    """One calendar with its figures, within the token's area."""

    windows = fields.Integer()
    met = fields.Integer()
    served = fields.Integer()
    open_windows = fields.Integer()
    dates = fields.Dict(keys=fields.String(), values=fields.Integer())
    gaps = fields.Dict(keys=fields.String(), values=fields.Integer())
    peak = fields.Integer()
    ideal = fields.Float()


class YearIn(Schema):
    """What is asked for."""

    year = fields.Integer(required=True)
    division_code = fields.String(required=True, metadata=CODE)
    settings = fields.Dict(load_default=None, metadata={
        "description": "max_per_day, max_per_township_week, weekdays (0 Monday), hours (09:30), min_distance"
    })  # fmt: skip


class ServedOut(Schema):
    """A rule that a date serves, for which window."""

    rule = fields.String()
    window_from = fields.Date()
    window_to = fields.Date()


class YearItemOut(Schema):
    """One proposed date."""

    id = fields.Integer()
    owner = fields.String()
    unit_id = fields.Integer(allow_none=True)
    division_code = fields.String()
    kind = EnumValue(DrillKind)
    state = EnumValue(ItemState)
    day = fields.Date()
    proposed = fields.Date()
    time = fields.String()
    window_from = fields.Date()
    window_to = fields.Date()
    provisional = fields.Boolean()
    outside_window = fields.Boolean()
    serves = fields.List(fields.Nested(ServedOut))
    explained = fields.String()
    occurrence_id = fields.Integer(allow_none=True)
    decided_at = Moment(allow_none=True)


class YearGapOut(Schema):
    """One rule of one unit or division that no date serves."""

    id = fields.Integer()
    owner = fields.String()
    unit_id = fields.Integer(allow_none=True)
    division_code = fields.String()
    rule = fields.String()
    code = EnumValue(GapCode)
    why = fields.String()
    mend = fields.String()
    window_from = fields.Date(allow_none=True)
    window_to = fields.Date(allow_none=True)
    windows = fields.Integer()


class ItemArgs(CursorArgs):
    """Which dates."""

    division_code = fields.String(load_default=None, metadata=CODE)
    unit_id = fields.Integer(load_default=None)
    state = EnumValue(ItemState, load_default=None)
    kind = EnumValue(DrillKind, load_default=None)


class GapArgs(CursorArgs):
    """Which gaps; those of rules without a number only by their code."""

    division_code = fields.String(load_default=None, metadata=CODE)
    code = EnumValue(GapCode, load_default=None)


class MoveIn(Schema):
    """Another day; outside its window only nevertheless, and with the reason."""

    day = fields.Date(required=True)
    nevertheless = fields.Boolean(load_default=False)
    reason = fields.String(load_default="")


class RefuseIn(Schema):
    """Why not."""

    reason = fields.String(required=True)


class ManyIn(Schema):
    """Of which part of the area; all of it where nothing is said."""

    division_code = fields.String(load_default=None, metadata=CODE)


class ManyOut(Schema):
    """How many dates are being accepted; the ticker does it."""

    asked = fields.Integer()


class YearsOut(Schema):
    """The calendars."""

    items = fields.List(fields.Nested(YearOut))


def _item(row: ItemRow) -> dict[str, Any]:
    item = row.item
    return {
        "id": item.id, "owner": row.owner, "unit_id": item.unit_id, "division_code": item.division_code,
        "kind": item.kind, "state": item.state, "day": item.day, "proposed": item.on_date,
        "time": item.at_time.strftime("%H:%M"), "window_from": item.window_from, "window_to": item.window_to,
        "provisional": item.provisional, "outside_window": item.outside_window,
        "serves": [{"rule": rule, "window_from": start, "window_to": end} for rule, start, end in row.serves],
        "explained": proposing_words.explained(row), "occurrence_id": item.occurrence_id,
        "decided_at": item.decided_at,
    }  # fmt: skip


def _shown(item: ProposalItem) -> dict[str, Any]:
    return _item(proposing_queries.rows_of(session(), [item], reasons=False)[0])


@blueprint.route("")
class Years(MethodView):
    """Calendars."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.response(200, YearsOut)
    def get(self) -> dict[str, Any]:
        """The calendars that concern the token's area, the latest year first; a hundred at most."""
        return {"items": proposing.list_proposals(session(), actor=current_actor())}

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(YearIn)
    @blueprint.response(201, YearOut)
    def post(self, body: dict[str, Any]) -> YearProposal:
        """Ask for a year's calendar; the ticker computes it."""
        said = body.pop("settings")
        limits = Settings.from_json(said) if said is not None else None
        return proposing.create(session(), actor=current_actor(), settings=limits, **body)


@blueprint.route("/<int:proposal_id>")
class Year(MethodView):
    """One calendar."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.response(200, YearWholeOut)
    def get(self, proposal_id: int) -> dict[str, Any]:
        """How far it is, and its figures."""
        seen = proposing_queries.overview(session(), actor=current_actor(), proposal_id=proposal_id)
        own = {name: getattr(seen.proposal, name) for name in YearOut().fields}
        return own | {
            "windows": seen.windows, "met": seen.met, "served": seen.served, "open_windows": seen.open_windows,
            "dates": {state.value: n for state, n in seen.states.items()},
            "gaps": {code.value: n for code, n in seen.gaps.items() if n}, "peak": seen.peak,
            "ideal": round(seen.ideal, 2),
        }  # fmt: skip


@blueprint.route("/<int:proposal_id>/items")
class YearItems(MethodView):
    """Its dates."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.arguments(ItemArgs, location="query")
    @blueprint.response(200, page_of(YearItemOut))
    def get(self, args: dict[str, Any], proposal_id: int) -> Page[Any]:
        """Dates within the token's area, owner by owner; superseded ones only by their state."""
        cursor, limit = args.pop("cursor", None), args.pop("limit", 50)
        return proposing_queries.list_items(
            session(), actor=current_actor(), proposal_id=proposal_id, wanted=Wanted(**args), cursor=cursor, limit=limit
        ).map(_item)


@blueprint.route("/<int:proposal_id>/gaps")
class YearGaps(MethodView):
    """What it leaves open."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.arguments(GapArgs, location="query")
    @blueprint.response(200, page_of(YearGapOut))
    def get(self, args: dict[str, Any], proposal_id: int) -> Page[Any]:
        """Rules that no date serves, with the reason and what to do."""
        return proposing_queries.list_gaps(
            session(), actor=current_actor(), proposal_id=proposal_id, **args
        ).map(
            lambda row: {
                "id": row.gap.id, "owner": row.owner, "unit_id": row.gap.unit_id, "rule": row.rule.title,
                "division_code": row.gap.division_code, "code": row.gap.code, "why": row.gap.code.zh,
                "mend": proposing_words.mend(row.gap.code), "window_from": row.gap.window_from,
                "window_to": row.gap.window_to, "windows": row.gap.windows,
            }
        )  # fmt: skip


@blueprint.route("/<int:proposal_id>/again")
class YearAgain(MethodView):
    """Compute again."""

    @requires(Permission.DRILLS_EDIT)
    @blueprint.response(200, YearOut)
    def post(self, proposal_id: int) -> YearProposal:
        """With the rules, units and holidays of now; what was decided stays."""
        return proposing.compute_again(session(), actor=current_actor(), proposal_id=proposal_id)


@blueprint.route("/<int:proposal_id>/accept")
class YearAccept(MethodView):
    """Accept many."""

    @requires(Permission.DRILLS_EDIT)
    @blueprint.arguments(ManyIn)
    @blueprint.response(202, ManyOut)
    def post(self, body: dict[str, Any], proposal_id: int) -> dict[str, int]:
        """Accept every waiting date of a part of the area; the ticker does it."""
        return {"asked": proposing_deciding.ask_all(session(), actor=current_actor(), proposal_id=proposal_id, **body)}


@blueprint.route("/items/<int:item_id>/accept")
class YearItemAccept(MethodView):
    """Accept one."""

    @requires(Permission.DRILLS_EDIT)
    @blueprint.response(200, YearItemOut)
    def post(self, item_id: int) -> dict[str, Any]:
        """Take a date over as a drill; done already, nothing happens."""
        return _shown(proposing_deciding.accept(session(), actor=current_actor(), item_id=item_id))


@blueprint.route("/items/<int:item_id>/move")
class YearItemMove(MethodView):
    """Move one."""

    @requires(Permission.DRILLS_EDIT)
    @blueprint.arguments(MoveIn)
    @blueprint.response(200, YearItemOut)
    def post(self, body: dict[str, Any], item_id: int) -> dict[str, Any]:
        """Take a date over on another day."""
        return _shown(proposing_deciding.move(session(), actor=current_actor(), item_id=item_id, **body))


@blueprint.route("/items/<int:item_id>/refuse")
class YearItemRefuse(MethodView):
    """Refuse one."""

    @requires(Permission.DRILLS_EDIT)
    @blueprint.arguments(RefuseIn)
    @blueprint.response(200, YearItemOut)
    def post(self, body: dict[str, Any], item_id: int) -> dict[str, Any]:
        """No drill for this date's windows, with the reason."""
        return _shown(proposing_deciding.refuse(session(), actor=current_actor(), item_id=item_id, **body))
