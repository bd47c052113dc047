"""JSON: the picture of coverage."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, EnumValue, MethodView, Schema, fields
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.plans import service
from emergency.plans.matrix import CellState
from emergency.plans.models import Hazard

blueprint = Blueprint(
    "api_plan_coverage", __name__, url_prefix="/api/v1/plan-coverage", description="Places and hazards with their plans"
)


class CoverageArgs(Schema):
    """The query."""

    open = fields.String(load_default=None, metadata={"description": "township whose villages are wanted"})


class CellOut(Schema):
    """One place and hazard."""

    hazard = EnumValue(Hazard)
    state = EnumValue(CellState)
    exposed = fields.Boolean(allow_none=True, metadata={"description": "null: nobody assessed it"})
    plan_id = fields.Integer(allow_none=True)
    evaluation_due = fields.Date(allow_none=True)


class RowOut(Schema):
    """One place."""

    division_code = fields.String()
    name = fields.String()
    village_gaps = fields.Integer()
    cells = fields.List(fields.Nested(CellOut))


class CoverageOut(Schema):
    """The picture."""

    rows = fields.List(fields.Nested(RowOut))
    counts = fields.Dict(keys=fields.String(), values=fields.Integer())


@blueprint.route("")
class Coverage(MethodView):
    """The picture."""

    @requires(Permission.PLANS_VIEW)
    @blueprint.arguments(CoverageArgs, location="query")
    @blueprint.response(200, CoverageOut)
    def get(self, args: dict[str, Any]) -> Any:
        """Which place in scope has a plan against which hazard."""
        found = service.matrix(session(), current_actor(), opened=args["open"])
        return {
            "rows": [
                {
                    "division_code": row.code, "name": row.name, "village_gaps": row.village_gaps,
                    "cells": [
                        {"hazard": hazard, "state": cell.state, "exposed": cell.exposed,
                         "plan_id": cell.plan.plan_id if cell.plan else None, "evaluation_due": cell.due}
                        for hazard, cell in zip(found.hazards, row.cells, strict=True)
                    ],
                }
                for row in found.rows
            ],
            "counts": {state.value: n for state, n in found.counts.items()},
        }  # fmt: skip
