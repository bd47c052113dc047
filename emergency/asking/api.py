"""Questions as JSON: what waits for an answer, and one of them."""

from __future__ import annotations

from typing import Any

from emergency.asking import service
from emergency.asking.models import Means, QuestionState
from emergency.asking.rules import AnswerOption
from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Moment, Schema, fields, idempotent, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from notify.models import Kind

blueprint = Blueprint("api_questions", __name__, url_prefix="/api/v1/questions", description="Questions and answers")


class QuestionArgs(CursorArgs):
    state = EnumValue(QuestionState, load_default=QuestionState.OPEN)
    division = fields.String(load_default=None, metadata={"description": "12-digit code"})
    overdue = fields.Boolean(load_default=False)


class OptionOut(Schema):
    key = fields.String()
    label = fields.String()


class QuestionOut(Schema):
    id = fields.Integer()
    kind = fields.String()
    subject_kind = fields.String()
    subject_id = fields.Integer()
    post_id = fields.Integer(allow_none=True)
    account_id = fields.Integer(allow_none=True)
    division_code = fields.String()
    text = fields.String()
    notice_kind = EnumValue(Kind)
    drill = fields.Boolean()
    state = EnumValue(QuestionState)
    options = fields.Function(lambda q: [{"key": d["key"], "label": AnswerOption.from_json(d).zh} for d in q.answers])
    asked_at = Moment()
    due_at = Moment()
    closes_at = Moment()
    answer = fields.String(attribute="answer_key", allow_none=True)
    answered_at = Moment(allow_none=True)


class AnswerIn(Schema):
    answer = fields.String(required=True)
    means = EnumValue(Means, load_default=Means.PHONE)
    at = Moment(load_default=None, metadata={"description": "when it was said, if earlier"})
    note = fields.String(load_default=None)


class AnswerOut(Schema):
    id = fields.Integer()
    question_id = fields.Integer()
    answer = fields.String(attribute="key")
    means = EnumValue(Means)
    at = Moment()
    recorded_at = Moment()


@blueprint.route("")
class Questions(MethodView):
    """The list."""

    @requires(Permission.QUESTIONS_VIEW)
    @blueprint.arguments(QuestionArgs, location="query")
    @blueprint.response(200, page_of(QuestionOut))
    def get(self, args: dict[str, Any]) -> Any:
        """Questions in scope, the most urgent first."""
        args["division_code"] = args.pop("division")
        return service.open_questions(session(), actor=current_actor(), **args)


@blueprint.route("/<int:question_id>")
class Question(MethodView):
    """One question."""

    @requires(Permission.QUESTIONS_VIEW)
    @blueprint.response(200, QuestionOut)
    def get(self, question_id: int) -> Any:
        """One question."""
        return service.get(session(), actor=current_actor(), question_id=question_id)


@blueprint.route("/<int:question_id>/answers")
class Answers(MethodView):
    """Its answers."""

    @requires(Permission.QUESTIONS_ANSWER)
    @idempotent
    @blueprint.arguments(AnswerIn)
    @blueprint.response(201, AnswerOut)
    def post(self, data: dict[str, Any], question_id: int) -> Any:
        """Record an answer that was heard."""
        return service.answer(session(), actor=current_actor(), question_id=question_id, **data)
