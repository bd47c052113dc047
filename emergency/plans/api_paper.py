"""JSON and files: a version as Word, the papers of its filing, its cards. Posts only; names and numbers never."""

from __future__ import annotations

from typing import Any

import flask
from marshmallow import EXCLUDE

from emergency.http.api import Blueprint, EnumValue, MethodView, Schema, fields
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, session
from emergency.plans.models import ResponseGrade
from emergency.plans.paper import bundle, cards, word
from emergency.plans.queries import get_version
from emergency.plans.views_paper import DOCX, attachment

blueprint = Blueprint("api_plan_papers", __name__, url_prefix="/api/v1/plans", description="Plans on paper")


class ExerciseArgs(Schema):
    """Whether the paper is for an exercise."""

    class Meta:
        unknown = EXCLUDE

    exercise = fields.Boolean(load_default=False, metadata={"description": "mark every page as exercise material"})


class CardArgs(Schema):
    """Which cards."""

    class Meta:
        unknown = EXCLUDE

    grade = EnumValue(ResponseGrade, load_default=None)


class CardActOut(Schema):
    """One act on a card."""

    action = fields.String()
    within = fields.String(metadata={"description": "in words, empty where the plan sets no limit"})


class CardCallOut(Schema):
    """Somebody to be called: a post by its title."""

    title = fields.String()
    post_id = fields.Integer(allow_none=True)


class CardOut(Schema):
    """One post at one response level."""

    grade = EnumValue(ResponseGrade)
    title = fields.String()
    trigger = fields.String()
    duties = fields.List(fields.Nested(CardActOut))
    calls = fields.List(fields.Nested(CardCallOut))
    part = fields.Integer()
    parts = fields.Integer()


class CardsOut(Schema):
    """The cards of one version."""

    plan = fields.String()
    version = fields.Integer()
    draft = fields.Boolean(metadata={"description": "not issued: not to be acted on"})
    items = fields.List(fields.Nested(CardOut))


@blueprint.route("/versions/<int:version_id>/document")
class Document(MethodView):
    """A version as Word."""

    @requires(Permission.PLANS_VIEW)
    @blueprint.arguments(ExerciseArgs, location="query")
    @blueprint.response(200, description="a .docx file in the page form of GB/T 9704")
    def get(self, args: dict[str, Any], version_id: int) -> flask.Response:
        """The text in the official page form; a draft and exercise material say so on every page."""
        work, actor = session(), current_actor()
        row, plan = get_version(work, actor=actor, version_id=version_id)
        data = word.plan_document(work, actor=actor, version_id=version_id, exercise=args["exercise"])
        return attachment(data, f"{bundle.file_name(plan.title, row.number)}.docx", DOCX)


@blueprint.route("/versions/<int:version_id>/cards")
class Cards(MethodView):
    """Pocket cards."""

    @requires(Permission.PLANS_VIEW)
    @blueprint.arguments(CardArgs, location="query")
    @blueprint.response(200, CardsOut)
    def get(self, args: dict[str, Any], version_id: int) -> dict[str, Any]:
        """Who does what within how many minutes, by post and level."""
        made = cards.pack(
            session(), actor=current_actor(), version_id=version_id, paper="cards", grade=args["grade"]
        )  # fmt: skip
        return {"plan": made.text.plan.title, "version": made.text.version.number, "draft": made.held.draft,
                "items": made.cards}  # fmt: skip


@blueprint.route("/<int:plan_id>/filing-papers")
class FilingPapers(MethodView):
    """The papers of a filing."""

    @requires(Permission.PLANS_EDIT)
    @blueprint.response(200, description="a .zip file: letter, list, receipt to be filled in, text, explanation")
    def get(self, plan_id: int) -> flask.Response:
        """Everything that goes to the bodies of art. 26 for the version in force."""
        files = bundle.filing_batch(database(), actor=current_actor(), plan_ids=[plan_id])
        return attachment(bundle.zipped(files), "备案材料.zip", "application/zip")
