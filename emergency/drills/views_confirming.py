"""Asking about a drill, on its page: proposals of other dates, and links that are shown instead of sent."""

from __future__ import annotations

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.asking import service as asking
from emergency.drills import confirming, confirming_pages, telling
from emergency.drills.models import Invitation, Occurrence
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, session
from kernel.errors import N_, Conflict

blueprint = flask.Blueprint("drill_asking", __name__, url_prefix="/drills")
Page = str | Response | tuple[str, int]
EDIT, CONFIRM = Permission.DRILLS_EDIT, Permission.DRILLS_CONFIRM


@blueprint.post("/proposals/<int:wish_id>/<any(accept,refuse):what>")
@requires(EDIT)
def decide(wish_id: int, what: str) -> Page:
    """Another date: taken, and everybody is told and asked anew; or not, and the post that proposed it is told why."""
    if what == "accept":
        occurrence = telling.accept(session(), actor=current_actor(), proposal_id=wish_id)
        flask.flash(
            _(
                "Moved to %(when)s. Every asked post is told and asked anew.",
                when=confirming.when(occurrence.starts_at),
            ),
            "done",
        )
        return redirect(url_for("drills.show", occurrence_id=occurrence.id), 303)
    proposal = telling.refuse(
        session(), actor=current_actor(), proposal_id=wish_id, reason=request.form.get("reason", "")
    )
    flask.flash(_("The date stays. The post is told why."), "done")
    return redirect(url_for("drills.show", occurrence_id=proposal.occurrence_id), 303)


@blueprint.post("/invitations/<int:invitation_id>/code")
@requires(CONFIRM)
def code(invitation_id: int) -> Page:
    """A fresh QR code and a fresh short code for one asked post."""
    work = session()
    invitation = confirming.get_invitation(work, actor=current_actor(), invitation_id=invitation_id)
    occurrence = get_occurrence_for_change(work, actor=current_actor(), occurrence_id=invitation.occurrence_id)
    return _codes("drills/code.html", occurrence, [invitation])


@blueprint.post("/<int:occurrence_id>/codes")
@requires(CONFIRM)
def codes(occurrence_id: int) -> Page:
    """A sheet to print: a QR code and a short code for every asked post that takes an answer."""
    work = session()
    occurrence = get_occurrence_for_change(work, actor=current_actor(), occurrence_id=occurrence_id)
    return _codes("drills/codes.html", occurrence, confirming.invited(work, occurrence.id))


def _codes(template: str, occurrence: Occurrence, invitations: list[Invitation]) -> Page:
    questions = [i.question_id for i in invitations if i.question_id is not None]
    if not questions:
        raise Conflict(N_("Nobody was asked this."), code="not_asked")
    shown = asking.show(session(), actor=current_actor(), question_ids=questions)
    page = flask.make_response(
        render_template(
            template, occurrence=occurrence, shown=confirming_pages.shown_codes(session(), shown, language()),
            missing=len(invitations) - len(shown), address=f"{config().public_url}/c",
        )
    )  # fmt: skip
    # Whoever sees it answers for the post: it lies in no cache.
    page.headers["Cache-Control"] = "no-store"
    return page
