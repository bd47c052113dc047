"""Pages of questions: what waits for an answer, one question with its life, replies that nobody could place."""

from __future__ import annotations

from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.asking import links, pages, service, views_replies
from emergency.asking.forms import answer_form
from emergency.asking.models import Means, QuestionState
from emergency.http.forms import Form, flash_done
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from kernel.errors import DomainError

blueprint = flask.Blueprint("asking", __name__, url_prefix="/questions")
BLUEPRINTS = (blueprint, links.blueprint, views_replies.blueprint)


def _state(text: str | None) -> QuestionState | None:
    if text == "all":
        return None
    return next((state for state in QuestionState if state.value == text), QuestionState.OPEN)


@blueprint.get("")
@requires(Permission.QUESTIONS_VIEW)
def index() -> ResponseReturnValue:
    """What waits for an answer, the most urgent first."""
    args = flask.request.args
    page = service.open_questions(
        session(),
        actor=current_actor(),
        state=_state(args.get("state")),
        division_code=args.get("division") or None,
        overdue=args.get("overdue") == "1",
        cursor=args.get("cursor"),
    )
    shown = pages.rows(session(), page.items, language())
    return flask.render_template(
        "asking/index.html",
        page=page.map(lambda question: shown[question.id]),
        state=args.get("state") or "open",
        states=[*QuestionState],
        division=args.get("division") or "",
        divisions=pages.township_choices(session(), current_actor()),
        overdue=args.get("overdue") or "",
        waiting_replies=sum(service.counts(session(), actor=current_actor()).values()),
    )


@blueprint.get("/<int:question_id>")
@requires(Permission.QUESTIONS_VIEW)
def show(question_id: int) -> ResponseReturnValue:
    """One question: how it stands, its ladder, its answers."""
    return _show(question_id)


def _show(question_id: int, form: Form | None = None, revealed: Any = None, status: int = 200) -> ResponseReturnValue:
    record = pages.record(session(), current_actor(), question_id, language())
    return flask.render_template(
        "asking/show.html", record=record, form=form or answer_form(record.question), revealed=revealed
    ), status


@blueprint.post("/<int:question_id>/answers")
@requires(Permission.QUESTIONS_ANSWER)
def add_answer(question_id: int) -> ResponseReturnValue:
    """Type in an answer that was heard by telephone, radio or at the door."""
    question = service.get(session(), actor=current_actor(), question_id=question_id)
    form = answer_form(question)
    if not form.validate_on_submit():
        return _show(question_id, form, status=422)
    try:
        service.answer(
            session(),
            actor=current_actor(),
            question_id=question_id,
            answer=form.answer.data,
            means=Means(form.means.data),
            at=form.at.data,
            note=form.note.data,
            extra=form.extra(),
        )
    except DomainError as error:
        if error.status != 422:
            raise
        flask.g.refused = True
        form.refuse(error)
        return _show(question_id, form, status=422)
    flash_done(_("The answer is recorded. Reminders have stopped."))
    return flask.redirect(flask.url_for("asking.show", question_id=question_id), 303)


@blueprint.post("/<int:question_id>/mine")
@requires(Permission.QUESTIONS_VIEW)
def answer_mine(question_id: int) -> ResponseReturnValue:
    """Answer what was asked of one's own account."""
    service.answer_own(
        session(), actor=current_actor(), question_id=question_id, key=flask.request.form.get("answer", "")
    )
    flash_done(_("Your answer is recorded."))
    return flask.redirect(flask.url_for("asking.show", question_id=question_id), 303)


@blueprint.post("/<int:question_id>/withdraw")
@requires(Permission.QUESTIONS_ANSWER)
def withdraw(question_id: int) -> ResponseReturnValue:
    """Close a question that need not be answered any more."""
    reason = flask.request.form.get("reason", "")
    service.withdraw(session(), actor=current_actor(), question_id=question_id, reason=reason)
    flash_done(_("The question is closed. Its links now say so."))
    return flask.redirect(flask.url_for("asking.show", question_id=question_id), 303)


@blueprint.post("/answers/<int:answer_id>/reveal")
@requires(Permission.PERSONAL_REVEAL)
@own_transaction
def reveal(answer_id: int) -> ResponseReturnValue:
    """Show what was written with an answer, after the journal knows who looked and why."""
    purpose = flask.request.form.get("purpose", "")
    with database().read() as reading:
        question, answer, remark = service.reveal_remark(
            reading, actor=current_actor(), answer_id=answer_id, purpose=purpose
        )
        record = pages.record(reading, current_actor(), question.id, language())
        return flask.render_template(
            "asking/show.html", record=record, form=answer_form(record.question), revealed=(answer.id, remark)
        )
