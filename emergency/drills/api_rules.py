"""JSON: the rules of drills, and how units, divisions and plans stand with them."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from emergency.divisions.rules import ANY_UNIT, REST, SECTORS
from emergency.drills import rulebook, standing_queries
from emergency.drills.models import Basis, Binding, DrillKind, Evidence
from emergency.drills.rulebook import RuleText, WholeRule
from emergency.drills.rules import Standing
from emergency.drills.standing_models import SubjectKind
from emergency.drills.standing_queries import GROUPS, Filter, Line
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

rules_api = Blueprint("api_drill_rules", __name__, url_prefix="/api/v1/drill-rules", description="Rules of drills")
standings_api = Blueprint(
    "api_drill_standings", __name__, url_prefix="/api/v1/drill-standings", description="Who keeps which rule"
)
BLUEPRINTS = [rules_api, standings_api]
VIEW, EDIT = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT
_TAG = ma.validate.OneOf([ANY_UNIT, REST, *SECTORS])


class RuleArgs(Schema):
    """The query of the list of rules."""

    adopted = fields.Boolean(load_default=None)
    binding = EnumValue(Binding, load_default=None)
    evidence = EnumValue(Evidence, load_default=None)
    kind = EnumValue(DrillKind, load_default=None, metadata={"description": "that satisfies the rule"})


class DrillRuleOut(Schema):
    """One rule."""

    id = fields.Integer()
    key = fields.String()
    title = fields.String()
    source = fields.String()
    binding = EnumValue(Binding)
    evidence = EnumValue(Evidence)
    confidence = fields.String()
    months = fields.Integer(allow_none=True, metadata={"description": "null: the text names no number"})
    basis = EnumValue(Basis)
    skip_school_holidays = fields.Boolean()
    report_to = fields.String(allow_none=True)
    note = fields.String()
    adopted = fields.Boolean()
    adopted_at = Moment(allow_none=True)
    own = fields.Boolean(metadata={"description": "made by the bureau itself"})
    version = fields.Integer(metadata={"description": "raised by every change; give back what was read"})


class DrillRulesOut(Schema):
    """The rules; there are dozens."""

    items = fields.List(fields.Nested(DrillRuleOut))


class DrillRuleChangeOut(Schema):
    """One step of a rule's history. Why is read on the page, not here."""

    at = Moment()
    actor = fields.String()
    field = fields.String()
    before = fields.String()
    after = fields.String()


class DrillRuleWholeOut(DrillRuleOut):
    """One rule with whom it means, what satisfies it, and its history."""

    groups = fields.List(
        fields.List(fields.String()),
        metadata={"description": "sector tags; a unit that carries every tag of one list is meant; * every unit"},
    )
    kinds = fields.List(EnumValue(DrillKind))
    history = fields.List(fields.Nested(DrillRuleChangeOut))


class DrillRuleIn(Schema):
    """What a rule says."""

    title = fields.String(required=True, validate=ma.validate.Length(1, 100))
    source = fields.String(required=True, validate=ma.validate.Length(1, 300))
    months = fields.Integer(required=True, allow_none=True, validate=ma.validate.Range(1, rulebook.MOST_MONTHS))
    basis = EnumValue(Basis, required=True)
    groups = fields.List(
        fields.List(fields.String(validate=_TAG), validate=ma.validate.Length(1, 20)),
        required=True, validate=ma.validate.Length(0, 50),
    )  # fmt: skip
    kinds = fields.List(EnumValue(DrillKind), required=True, validate=ma.validate.Length(1))
    skip_school_holidays = fields.Boolean(load_default=False)
    report_to = fields.String(load_default="", validate=ma.validate.Length(0, 60))
    note = fields.String(load_default="", validate=ma.validate.Length(0, 1000))
    reason = fields.String(required=True, validate=ma.validate.Length(1, 500))


class DrillRulePatch(Schema):
    """What is to be changed; what is left out stays. `version` is the one that was read."""

    title = fields.String(validate=ma.validate.Length(1, 100))
    source = fields.String(validate=ma.validate.Length(1, 300))
    months = fields.Integer(allow_none=True, validate=ma.validate.Range(1, rulebook.MOST_MONTHS))
    basis = EnumValue(Basis)
    groups = fields.List(
        fields.List(fields.String(validate=_TAG), validate=ma.validate.Length(1, 20)),
        validate=ma.validate.Length(0, 50),
    )
    kinds = fields.List(EnumValue(DrillKind), validate=ma.validate.Length(1))
    skip_school_holidays = fields.Boolean()
    report_to = fields.String(validate=ma.validate.Length(0, 60))
    note = fields.String(validate=ma.validate.Length(0, 1000))
    reason = fields.String(required=True, validate=ma.validate.Length(1, 500))
    version = fields.Integer(required=True)


class DecisionIn(Schema):
    """Why, and on which version."""

    reason = fields.String(required=True, validate=ma.validate.Length(1, 500))
    version = fields.Integer(load_default=None, allow_none=True)


def _out(whole: WholeRule) -> dict[str, Any]:
    names = DrillRuleOut().fields
    return {name: getattr(whole.rule, name) for name in names} | {
        "groups": [sorted(group) for group in whole.groups], "kinds": list(whole.kinds),
        "history": [entry.change for entry in whole.history],
    }  # fmt: skip


def _whole(rule_id: int) -> dict[str, Any]:
    return _out(rulebook.get_rule(session(), actor=current_actor(), rule_id=rule_id))


def _text(given: dict[str, Any]) -> RuleText:
    names = ("title", "months", "basis", "source", "note", "report_to", "skip_school_holidays")
    return RuleText(
        **{name: given[name] for name in names}, groups=[frozenset(group) for group in given["groups"]],
        kinds=frozenset(given["kinds"]),
    )  # fmt: skip


@rules_api.route("")
class Rules(MethodView):
    """The rulebook."""

    @requires(VIEW)
    @rules_api.arguments(RuleArgs, location="query")
    @rules_api.response(200, DrillRulesOut)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """The rules, adopted ones first."""
        return {"items": rulebook.list_rules(session(), **args)}

    @requires(EDIT)
    @idempotent
    @rules_api.arguments(DrillRuleIn)
    @rules_api.response(201, DrillRuleWholeOut)
    def post(self, given: dict[str, Any]) -> dict[str, Any]:
        """A rule of the bureau's own, adopted by being made; the district's planner only."""
        rule = rulebook.create_rule(session(), actor=current_actor(), text=_text(given), reason=given["reason"])
        return _whole(rule.id)


@rules_api.route("/<int:rule_id>")
class Rule(MethodView):
    """One rule."""

    @requires(VIEW)
    @rules_api.response(200, DrillRuleWholeOut)
    def get(self, rule_id: int) -> dict[str, Any]:
        """One rule with whom it means, what satisfies it, and its history."""
        return _whole(rule_id)

    @requires(EDIT)
    @rules_api.arguments(DrillRulePatch)
    @rules_api.response(200, DrillRuleWholeOut)
    def patch(self, given: dict[str, Any], rule_id: int) -> dict[str, Any]:
        """Correct it; 409 `version_conflict` where somebody did so since it was read."""
        now = _whole(rule_id)
        stored = {**now, "report_to": now["report_to"] or ""}
        version, reason = given.pop("version"), given.pop("reason")
        rulebook.change_rule(
            session(), actor=current_actor(), rule_id=rule_id, version=version, text=_text(stored | given),
            reason=reason,
        )  # fmt: skip
        return _whole(rule_id)


@rules_api.route("/<int:rule_id>/<any(adopt,drop):what>")
class Decision(MethodView):
    """Whether a rule binds here."""

    @requires(EDIT)
    @rules_api.arguments(DecisionIn)
    @rules_api.response(200, DrillRuleWholeOut)
    def post(self, given: dict[str, Any], rule_id: int, what: str) -> dict[str, Any]:
        """Adopt or drop it, with the reason."""
        rulebook.adopt_rule(session(), actor=current_actor(), rule_id=rule_id, adopted=what == "adopt", **given)
        return _whole(rule_id)


# --- standings ----------------------------------------------------------------------------------------------------


class StandingArgs(CursorArgs):
    """The query of the list of duties."""

    standing = EnumValue(Standing, load_default=None)
    kind = fields.String(load_default="", validate=ma.validate.OneOf(["", *GROUPS]))
    town = fields.String(load_default="", validate=ma.validate.Regexp(r"^([1-9][0-9]{11})?$"))
    rule_id = fields.Integer(load_default=None)


class StandingOut(Schema):
    """One subject with one adopted rule."""

    subject_kind = EnumValue(SubjectKind)
    subject_id = fields.Integer(metadata={"description": "a division's is its code"})
    subject = fields.String()
    kind = fields.String()
    division_code = fields.String()
    rule_id = fields.Integer()
    rule = fields.String()
    standing = EnumValue(Standing)
    last_on = fields.Date(allow_none=True)
    last_occurrence_id = fields.Integer(allow_none=True, metadata={"description": "the drill that is the evidence"})
    due_on = fields.Date(allow_none=True)
    next_on = fields.Date(allow_none=True)
    next_occurrence_id = fields.Integer(allow_none=True)
    provisional = fields.Boolean(metadata={"description": "rests on school terms that nobody announced yet"})


class TallyOut(Schema):
    """Counts of one kind or township."""

    name = fields.String()
    subjects = fields.Integer()
    subjects_late = fields.Integer()
    satisfied = fields.Integer()
    due = fields.Integer()
    overdue = fields.Integer()


class StandingCountsOut(Schema):
    """The counts of an area."""

    whole = fields.Nested(TallyOut)
    by_kind = fields.List(fields.Nested(TallyOut))
    by_town = fields.List(fields.Nested(TallyOut))


def _line(line: Line) -> dict[str, Any]:
    row = line.row
    same = ("subject_kind", "subject_id", "division_code", "rule_id", "standing", "last_on", "last_occurrence_id",
            "next_on", "next_occurrence_id", "provisional")  # fmt: skip
    return {name: getattr(row, name) for name in same} | {
        "subject": line.name, "kind": row.subject_group, "rule": line.rule.key, "due_on": row.next_due,
    }  # fmt: skip


@standings_api.route("")
class Standings(MethodView):
    """Duties."""

    @requires(VIEW)
    @standings_api.arguments(StandingArgs, location="query")
    @standings_api.response(200, page_of(StandingOut))
    def get(self, args: dict[str, Any]) -> Page[dict[str, Any]]:
        """Who keeps which rule within the token's area, the longest overdue first."""
        chosen = Filter(args["standing"], args["kind"], args["town"], args["rule_id"])
        return standing_queries.lines(
            session(), actor=current_actor(), chosen=chosen, cursor=args["cursor"], limit=args["limit"]
        ).map(_line)


@standings_api.route("/counts")
class Counts(MethodView):
    """Counts."""

    @requires(VIEW)
    @standings_api.response(200, StandingCountsOut)
    def get(self) -> dict[str, Any]:
        """Duties and subjects by kind and by township."""
        found = standing_queries.cube(session(), actor=current_actor(), chosen=Filter())
        return {
            "whole": _tally("", found.whole),
            "by_kind": [_tally(name, tally) for name, tally in found.by_group.items()],
            "by_town": [_tally(name, tally) for name, tally in found.by_town.items()],
        }


def _tally(name: str, tally: standing_queries.Tally) -> dict[str, Any]:
    return {"name": name, "subjects": tally.subjects, "subjects_late": tally.late} | {
        standing.value: n for standing, n in tally.duties.items()
    }
