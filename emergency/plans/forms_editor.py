"""Forms of the editor: one piece of a draft each, with its fields and what it picks by search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wtforms import BooleanField, SelectField

from emergency.http.forms import (
    Day,
    EnumField,
    Form,
    LongText,
    Number,
    Text,
    Ticks,
    between,
    length,
    optional,
    required,
)
from emergency.http.i18n import _l
from emergency.plans.models import Destination, Part, PlanKind, PlanLevel, ResponseGrade
from emergency.plans.review_models import ApprovalWay, Evidence

DEPTHS = [str(n) for n in range(1, 7)]


@dataclass(frozen=True)
class Pick:
    """Something that a form names by search: the field, its label, which kinds, whether it must be named."""

    name: str
    label: Any
    kinds: tuple[str, ...]
    required: bool = False


class PieceForm(Form):
    """What the forms of pieces share."""

    PICKS: tuple[Pick, ...] = ()


class SectionForm(PieceForm):
    """A heading and its text."""

    PICKS = (Pick("insert", _l("Post to name in the text"), ("post",)),)
    number = Text(_l("Number"), [optional(), length(most=20)])
    heading = Text(_l("Heading of the section"), [required(), length(most=200)])
    depth = SelectField(_l("Depth"), choices=DEPTHS, default="1")  # type: ignore[arg-type]  # plain values are their own labels
    part = EnumField(_l("Part that the law asks for"), Part, empty="—")
    body = LongText(_l("Plan text"), [optional(), length(most=200_000)])


class LevelForm(PieceForm):
    """A response level."""

    grade = EnumField(_l("Level"), ResponseGrade)
    trigger = LongText(_l("Begins when"), [required(), length(most=4000)])
    decided_by = Text(_l("Decided by"), [optional(), length(most=100)])


class ActionForm(PieceForm):
    """One act of a level."""

    PICKS = (Pick("post", _l("Who acts: a post"), ("post",)),)
    action = LongText(_l("Act"), [required(), length(most=2000)])
    actor_words = Text(_l("Who acts, where no post is named"), [optional(), length(most=100)])
    within_minutes = Number(_l("Within minutes"), [optional(), between(0, 100_000)])


class EvacuationForm(PieceForm):
    """One line of the evacuation list."""

    PICKS = (
        Pick("subject", _l("Who is moved"), ("division", "unit", "household"), True),
        Pick("post", _l("Led by"), ("post",)),
    )
    people = Number(_l("People"), [optional(), between(0, 10_000_000)])
    destination = Text(_l("Where to"), [required(), length(most=200)])
    route = LongText(_l("Route"), [optional(), length(most=1000)])
    means = Text(_l("Means"), [optional(), length(most=100)])
    grade = EnumField(_l("From level"), ResponseGrade, empty="—")
    within_hours = Number(_l("Within hours"), [optional(), between(0, 1000)])


class RelianceForm(PieceForm):
    """Something that the text counts on."""

    PICKS = (Pick("ref", _l("What it counts on"), ("post", "item", "depot", "unit", "agreement"), True),)
    quantity = Number(_l("Quantity"), [optional(), between(1, 1_000_000_000)])
    note = Text(_l("Note"), [optional(), length(most=200)])


class ExplanationForm(PieceForm):
    """编制说明."""

    explanation = LongText(_l("Explanation (filed together with the text)"), [optional(), length(most=20_000)])


class FactsForm(PieceForm):
    """The facts of a plan beside its text."""

    PICKS = (
        Pick("parent", _l("Plan above it"), ("plan",)),
        Pick("owner", _l("Post that keeps it"), ("post",)),
    )
    title = Text(_l("Title"), [required(), length(most=200)])
    issuer = Text(_l("Issued in the name of"), [required(), length(most=100)])
    hazards = Ticks(_l("Hazards"), [required()])
    evaluate_months = Number(_l("Evaluated every … months"), [optional(), between(1, 120)])
    public = BooleanField(_l("Shown to the public"))


class DecisionForm(Form):
    """The act of approval, as its papers show it."""

    body = Text(_l("Approved by which body"), [required(), length(most=100)])
    way = EnumField(_l("In what way"), ApprovalWay, empty="—")
    meeting = Text(_l("Meeting"), [optional(), length(most=200)])
    decided_on = Day(_l("Decided on"), [required()])
    document_number = Text(_l("Document number"), [optional(), length(most=60)])


class ApprovalRuleForm(Form):
    """Who approves a kind of plan."""

    kind = EnumField(_l("Kind"), PlanKind)
    level = EnumField(_l("Level"), PlanLevel)
    body = Text(_l("Approving body"), [required(), length(most=100)])
    body_en = Text(_l("Body in English"), [optional(), length(most=100)])
    way = EnumField(_l("In what way"), ApprovalWay)
    issued_by = Text(_l("Published by"), [optional(), length(most=100)])
    source = Text(_l("Source"), [optional(), length(most=200)])
    evidence = EnumField(_l("How sure"), Evidence)
    reason = Text(_l("Why it is changed"), [required(), length(most=400)])


class DestinationForm(Form):
    """To whom a kind of plan goes."""

    kind = EnumField(_l("Kind"), PlanKind)
    way = EnumField(_l("In what way"), Destination)
    body = Text(_l("Body that gets it"), [required(), length(most=100)])
    body_en = Text(_l("Body in English"), [optional(), length(most=100)])
    source = Text(_l("Source"), [optional(), length(most=200)])
    evidence = EnumField(_l("How sure"), Evidence)
    reason = Text(_l("Why it is changed"), [required(), length(most=400)])
