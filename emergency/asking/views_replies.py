"""Pages of replies: what waits for a person, one reply with every question it may answer."""

from __future__ import annotations

from typing import TypeVar

import flask
from flask.typing import ResponseReturnValue

from emergency.asking import pages, service, sorting
from emergency.asking.models import ReplyState, ReplyWhy
from emergency.http.forms import enum_choices, flash_done
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from kernel.types import LabelledEnum

blueprint = flask.Blueprint("replies", __name__, url_prefix="/questions/replies")
Chosen = TypeVar("Chosen", bound=LabelledEnum)


def _member(members: type[Chosen], text: str | None) -> Chosen | None:
    return next((member for member in members if member.value == text), None)


@blueprint.get("")
@requires(Permission.QUESTIONS_VIEW)
def index() -> ResponseReturnValue:
    """Replies that wait for a person, by why; and those that are done."""
    args, actor = flask.request.args, current_actor()
    state = _member(ReplyState, args.get("state")) or ReplyState.WAITING
    why = _member(ReplyWhy, args.get("why"))
    page = service.replies(session(), actor=actor, state=state, why=why, cursor=args.get("cursor"))
    return flask.render_template(
        "asking/replies.html",
        page=page.map(pages.reply_rows(session(), page.items, language())),
        counts=service.counts(session(), actor=actor),
        courtesy=ReplyWhy.COURTESY,
        state=state,
        state_choices=enum_choices(ReplyState),
        why=why,
        why_choices=enum_choices(ReplyWhy),
    )


@blueprint.get("/<int:reply_id>")
@requires(Permission.QUESTIONS_VIEW)
def show(reply_id: int) -> ResponseReturnValue:
    """One reply: what it may answer, whom it came from, what became of it."""
    reply = service.get_reply(session(), actor=current_actor(), reply_id=reply_id)
    return flask.render_template(
        "asking/reply.html", record=pages.reply_record(session(), current_actor(), reply, language()), revealed=None
    )


@blueprint.post("/<int:reply_id>/reveal")
@requires(Permission.PERSONAL_REVEAL)
@own_transaction
def reveal(reply_id: int) -> ResponseReturnValue:
    """Show what somebody wrote back, and the number to ring."""
    purpose = flask.request.form.get("purpose", "")
    with database().read() as reading:
        revealed = service.reveal_reply(reading, actor=current_actor(), reply_id=reply_id, purpose=purpose)
        record = pages.reply_record(reading, current_actor(), revealed.reply, language())
        page = flask.make_response(flask.render_template("asking/reply.html", record=record, revealed=revealed))
    page.headers["Cache-Control"] = "no-store"
    return page


@blueprint.post("/<int:reply_id>/use")
@requires(Permission.QUESTIONS_ANSWER)
def use(reply_id: int) -> ResponseReturnValue:
    """Count the reply as an answer to one of the questions."""
    form = flask.request.form
    question_id, answer = pages.chosen(form.get("choice", ""))
    extra = {name: form[name] for name in ("deputy_name", "deputy_phone") if form.get(name)}
    service.use_reply(
        session(), actor=current_actor(), reply_id=reply_id, question_id=question_id, answer=answer, extra=extra
    )
    flash_done(_("The reply counts as an answer now."))
    return flask.redirect(flask.url_for("replies.index"), 303)


@blueprint.post("/<int:reply_id>/dismiss")
@requires(Permission.QUESTIONS_ANSWER)
def dismiss(reply_id: int) -> ResponseReturnValue:
    """The reply is no answer, or was dealt with."""
    reason = flask.request.form.get("reason", "")
    service.dismiss_reply(session(), actor=current_actor(), reply_id=reply_id, reason=reason)
    flash_done(_("The reply is put aside."))
    return flask.redirect(flask.url_for("replies.index"), 303)


@blueprint.post("/courtesies")
@requires(Permission.QUESTIONS_ANSWER)
def courtesies() -> ResponseReturnValue:
    """Put aside everything that only says "received" or "thank you"."""
    done = service.dismiss_courtesies(
        session(), actor=current_actor(), reason=flask.request.form.get("reason") or sorting.COURTESY_REASON
    )
    flash_done(_("%(n)s replies that only say thank you are put aside.", n=done))
    return flask.redirect(flask.url_for("replies.index"), 303)
