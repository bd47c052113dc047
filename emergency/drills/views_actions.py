"""One corrective action: finished with its proof, verified by another, reopened, dropped, postponed."""

from __future__ import annotations

from typing import Any

import flask
from flask import render_template, request
from werkzeug.wrappers import Response

from emergency.divisions import service as divisions
from emergency.divisions.rules import TOWNSHIP
from emergency.drills import learning, learning_lists, learning_nudges
from emergency.drills import learning_actions as actions
from emergency.drills import learning_findings as findings
from emergency.drills.forms_learning import ActionForm, DateReasonForm, ProofForm
from emergency.drills.learning_models import ActionState, CorrectiveAction
from emergency.drills.models import DrillKind, Occurrence
from emergency.drills.views_learning import attachment, told
from emergency.http.forms import Form, enum_choices
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.people.accounts import service as accounts
from emergency.people.posts import service as posts
from emergency.privacy.journal import Purpose
from kernel.errors import DomainError
from kernel.states import timeline

blueprint = flask.Blueprint("drill_actions", __name__, url_prefix="/drills")
Page = str | Response | tuple[str, int]
VIEW, EDIT, REVEAL = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT, Permission.PERSONAL_REVEAL


def action_filters() -> dict[str, Any]:
    """What the list's sentence asks for."""
    return {
        "state": next((s for s in ActionState if s.value == request.args.get("state")), None),
        "overdue": request.args.get("overdue") == "1",
        "kind": next((k for k in DrillKind if k.value == request.args.get("kind")), None),
        "division": request.args.get("division") or None,
    }  # fmt: skip


@blueprint.get("/actions")
@requires(VIEW)
def index() -> Page:
    """Corrective actions of the area, the overdue first."""
    work, actor, chosen = session(), current_actor(), action_filters()
    page = learning_lists.list_actions(work, actor=actor, cursor=request.args.get("cursor"), **chosen)
    return render_template(
        "drills/learning/actions.html", page=page, chosen=chosen, states=ActionState, kinds=DrillKind,
        towns=divisions.areas(work, actor=actor, deepest=TOWNSHIP),
        counts=learning_lists.action_counts(work, actor),
    )  # fmt: skip


def action_form(occurrence: Occurrence, form: ActionForm) -> ActionForm:
    """The form with what it may choose: posts near the drill or found by a search, dates by working days."""
    work, actor = session(), current_actor()
    query = form.owner_query.data or ""
    choices = (
        actions.owner_choices(work, actor=actor, occurrence_id=occurrence.id, query=query) if actor.can(EDIT) else []
    )
    held = form.owner_post_id.data
    if held and held not in {key for key, _title in choices}:
        named = posts.titles(work, [held])
        choices = [*choices, *named.items()]
    form.owner_post_id.choices = [(0, "—"), *choices]
    form.preset.choices = [
        *((day.isoformat(), _("%(n)s working days: %(day)s", n=days, day=day.isoformat())) for days, day, _unsure in actions.presets(work)),
        ("", _("another date")),
    ]  # fmt: skip
    return form


def _action(action_id: int, status: int = 200, **forms: Form) -> Page:
    work, actor = session(), current_actor()
    action, finding = actions.get_action(work, actor=actor, action_id=action_id)
    occurrence = work.get_one(Occurrence, finding.occurrence_id)
    changes = timeline(work, CorrectiveAction.__tablename__, action.id)
    made: dict[str, Form] = {"proof": ProofForm(formdata=None), "postpone": DateReasonForm(formdata=None)}
    if action.said_until is not None:
        made["postpone"].due_on.data = action.said_until
    owner = posts.titles(work, [action.owner_post_id], language=language()) if action.owner_post_id else {}
    body = render_template(
        "drills/learning/action.html", action=action, finding=finding, occurrence=occurrence, changes=changes,
        states=ActionState, owner=owner.get(action.owner_post_id or 0) or action.owner_words, forms=made | forms,
        steps=learning_nudges.steps_of(work, action.id), may_edit=actor.can(EDIT), may_reveal=actor.can(REVEAL),
        names=accounts.display_names(
            work, {c.actor for c in changes} | {key for key in (action.done_by, action.verified_by) if key}
        ),
        own=action.done_by == str(actor), proof=findings.proof_of(work, actor=actor, row=action),
        today=learning_lists.today_of(work), purposes=enum_choices(Purpose),
    )  # fmt: skip
    return body, status


@blueprint.get("/actions/<int:action_id>")
@requires(VIEW)
def action(action_id: int) -> Page:
    """One corrective action: where it stands, whom it was asked of, what proves it."""
    return _action(action_id)


@blueprint.post("/actions/<int:action_id>/finish")
@requires(EDIT)
def finish(action_id: int) -> Page:
    """Done, with its proof."""
    work, actor = session(), current_actor()
    found, _finding = actions.get_action(work, actor=actor, action_id=action_id)
    form = ProofForm()
    if form.validate_on_submit():
        sent = request.files.get("file")
        upload = None
        if sent is not None and sent.filename:
            upload = actions.Upload(sent.filename, sent.read(actions.MOST_BYTES + 1))
        by_post = "by_post" in request.form and found.owner_post_id is not None
        try:
            learning.finish_action(
                work, actor=actor, action_id=action_id, proof=form.proof.data or "", upload=upload,
                done_by=f"post:{found.owner_post_id}" if by_post else None,
            )  # fmt: skip
            return told(
                _("Noted. Somebody else now looks whether it is so."), "drill_actions.action", action_id=action_id
            )
        except DomainError as error:
            if error.status != 422:
                raise
            work.rollback()
            form.refuse(error)
    flask.g.refused = True
    return _action(action_id, 422, proof=form)


@blueprint.post("/actions/<int:action_id>/<any(verify,reopen,drop):what>")
@requires(EDIT)
def move(action_id: int, what: str) -> Page:
    """Verified by another; reopened or dropped with the reason."""
    work, actor, reason = session(), current_actor(), request.form.get("reason", "")
    if what == "verify":
        learning.verify_action(work, actor=actor, action_id=action_id)
        text = _("Verified.")
    elif what == "reopen":
        learning.reopen_action(work, actor=actor, action_id=action_id, reason=reason)
        text = _("Open again.")
    else:
        learning.drop_action(work, actor=actor, action_id=action_id, reason=reason)
        text = _("Dropped.")
    return told(text, "drill_actions.action", action_id=action_id)


@blueprint.post("/actions/<int:action_id>/postpone")
@requires(EDIT)
def postpone(action_id: int) -> Page:
    """Another date, with the reason."""
    actions.get_action(session(), actor=current_actor(), action_id=action_id)
    form = DateReasonForm()
    if form.validate_on_submit() and form.due_on.data is not None:
        try:
            learning.postpone_action(
                session(), actor=current_actor(), action_id=action_id, due_on=form.due_on.data,
                reason=form.reason.data or "",
            )  # fmt: skip
            return told(_("It has another date."), "drill_actions.action", action_id=action_id)
        except DomainError as error:
            if error.status != 422:
                raise
            session().rollback()
            form.refuse(error)
    flask.g.refused = True
    return _action(action_id, 422, postpone=form)


@blueprint.post("/actions/<int:action_id>/proof")
@requires(REVEAL)
@own_transaction
def proof(action_id: int) -> flask.Response:
    """The proof's file, for a purpose; journalled before it is opened."""
    with database().read() as reading:
        name, media_type, data = actions.open_proof(
            reading, actor=current_actor(), action_id=action_id, purpose=request.form.get("purpose", "")
        )
    return attachment(data, name, media_type)
