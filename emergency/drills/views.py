"""Pages of drills: what comes, the month, one drill, compliance, the rules."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, TypeVar

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.asking import service as asking
from emergency.drills import (
    confirming,
    confirming_pages,
    day_record,
    rules,
    service,
    standing_queries,
    telling,
    views_actions,
    views_compliance,
    views_confirming,
    views_feeds,
    views_findings,
    views_inspections,
    views_learning,
    views_programmes,
    views_rules,
    views_terms,
    views_year,
)
from emergency.drills.day_blueprints import BLUEPRINTS as day_blueprints
from emergency.drills.forms import (
    AnswerForm,
    RescheduleForm,
)
from emergency.drills.models import DrillKind, OccurrenceState, Record
from emergency.drills.planning import get_occurrence_for_change
from emergency.drills.rules import Standing
from emergency.http.i18n import _, language
from emergency.http.paging import PAGE_SIZE
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, session
from emergency.plans import service as plans
from emergency.plans.models import Plan
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_, DomainError, Invalid, NotFound
from kernel.states import timeline
from scheduler.recurrence import Recurrence

blueprint = flask.Blueprint("drills", __name__, url_prefix="/drills")
BLUEPRINTS = [
    blueprint, views_confirming.blueprint, views_feeds.desk, views_feeds.blueprint, *day_blueprints,
    views_rules.blueprint, views_inspections.blueprint, views_compliance.blueprint,
    views_programmes.blueprint, views_terms.blueprint,
    views_year.blueprint,
    views_learning.blueprint, views_findings.blueprint, views_actions.blueprint,
]  # fmt: skip
Page = str | Response | tuple[str, int]
VIEW, EDIT, CONFIRM = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT, Permission.DRILLS_CONFIRM
PLACES = (
    ("/drills/programmes", N_("Programmes of drills")),
    ("/drills/calendar", N_("Calendar")),
    ("/drills/compliance", N_("Compliance")),
    ("/drills/year", N_("Propose a year")),
    ("/drills/actions", N_("Actions that mend")),
    ("/drills/rules", N_("Rules")),
    ("/drills/feeds", N_("Calendar feeds")),
)
"""Where else one goes from the list; what is not there is not offered."""
SPANS = ((7, N_("7 days")), (14, N_("14 days")), (30, N_("30 days")), (90, N_("90 days")))


Value = TypeVar("Value")


def _given(value: Value | None) -> Value:
    """What a validated form is known to hold."""
    if value is None:
        raise Invalid(N_("Fill this in."), code="incomplete")
    return value


def _told(text: str, occurrence_id: int) -> Response:
    flask.flash(text, "done")
    return redirect(url_for("drills.show", occurrence_id=occurrence_id), 303)


@blueprint.get("")
@requires(VIEW)
def index() -> Page:
    """What comes next, and what has no record."""
    work, actor = session(), current_actor()
    days = request.args.get("days", 14, type=int)
    days = days if days in dict(SPANS) else 14
    kind = next((k for k in DrillKind if k.value == request.args.get("kind")), None)
    return render_template(
        "drills/index.html", rows=service.upcoming(work, actor, days, kind=kind), counts=service.counts(work, actor),
        late=service.unrecorded(work, actor, limit=20), days=days, kind=kind, kinds=DrillKind,
        week_ends=_week_ends(now(work)), most=PAGE_SIZE,
        places=[(path, _(words)) for path, words in PLACES if _served(path)],
        spans=[(n, _(words)) for n, words in SPANS], standing=standing_queries.counts(work, actor), states=Standing,
    )  # fmt: skip


def _week_ends(moment: datetime) -> datetime:
    """The end of Sunday in Beijing."""
    day = moment.astimezone(BEIJING).date()
    return datetime.combine(day + timedelta(days=7 - day.weekday()), time(0), BEIJING)


def _show(occurrence_id: int, status: int = 200, **forms: Any) -> Page:
    work, actor = session(), current_actor()
    whole = service.get(work, actor=actor, occurrence_id=occurrence_id)
    changes = timeline(work, service.SUBJECT, occurrence_id)
    keys = {c.actor for c in changes} | {i.invited_by for i in whole.invitations}
    made = {"answer": AnswerForm(formdata=None), "reschedule": RescheduleForm(formdata=None)} | forms
    made["answer"].answer.choices = _answers()
    moment = now(work)
    shown = confirming_pages.load(
        work, occurrence=whole.occurrence, programme=whole.programme, invitations=whole.invitations,
        language=language(),
    )  # fmt: skip
    keys |= {heard.answer.recorded_by for heard in shown.answers}
    body = render_template(
        "drills/show.html", shown=shown, sentence=confirming_pages.sentence(whole.occurrence, shown, moment),
        whole=whole, row=whole.row, occurrence=whole.occurrence, programme=whole.programme,
        changes=changes, names=asking.actor_names(work, keys, language()), sender=config().site.sms_signature,
        links={what: url for what in ("day", "learning") if _served(url := f"/drills/{occurrence_id}/{what}")},
        states=OccurrenceState, forms=made,
        words=Recurrence.from_json(whole.programme.recurrence).words(language()),
        plan=_plan(whole.programme.plan_id),
        notes=_notes(whole.record),
        may_edit=actor.can(EDIT), may_confirm=actor.can(CONFIRM),
        ahead=whole.occurrence.state in rules.COMING and whole.occurrence.starts_at > moment,
        recordable=whole.record is None and whole.occurrence.starts_at <= moment
        and OccurrenceState.HELD in rules.OCCURRENCE_TRANSITIONS[whole.occurrence.state],
    )  # fmt: skip
    return body, status


def _plan(plan_id: int | None) -> Plan | None:
    """The plan that is rehearsed; none where the reader may not see it (a district's plan that was repealed since)."""
    try:
        return plans.get_plan(session(), actor=current_actor(), plan_id=plan_id) if plan_id else None
    except NotFound:
        return None


def _notes(record: Record | None) -> str:
    """The record's notes for who works on drills; for everybody else that there are some."""
    if record is None:
        return ""
    notes, _people = day_record.words_of(session(), actor=current_actor(), row=record)
    return _("sealed") if notes == day_record.SEALED else notes


def _served(path: str) -> bool:
    """Whether a page of another part of drills is there."""
    return bool(flask.current_app.url_map.bind("").test(path, "GET"))


def _answers() -> list[tuple[str, str]]:
    return [(option.key, option.label(language())) for option in confirming.ANSWERS]


@blueprint.get("/<int:occurrence_id>")
@requires(VIEW)
def show(occurrence_id: int) -> Page:
    """One drill: who was asked, who answered, what happened, what was learnt."""
    return _show(occurrence_id)


@blueprint.post("/<int:occurrence_id>/invite")
@requires(EDIT)
def invite(occurrence_id: int) -> Page:
    """Ask the programme's posts by a Notice, or by a call where that was chosen."""
    asked = service.invite(
        session(), actor=current_actor(), occurrence_id=occurrence_id, call=request.form.get("by") == "call"
    )
    return _told(_("Asked %(n)s posts.", n=asked) if asked else _("Everybody has been asked already."), occurrence_id)


def _form(occurrence_id: int, name: str, form: Any, act: Any, text: str) -> Page:
    if form.validate_on_submit():
        try:
            act()
        except DomainError as error:
            session().rollback()
            form.refuse(error)
        else:
            return _told(text, occurrence_id)
    flask.g.refused = True
    return _show(occurrence_id, 422, **{name: form})


@blueprint.post("/<int:occurrence_id>/reschedule")
@requires(EDIT)
def reschedule(occurrence_id: int) -> Page:
    """Another date; every asked post is told and asked anew."""
    get_occurrence_for_change(session(), actor=current_actor(), occurrence_id=occurrence_id)
    form = RescheduleForm()
    return _form(occurrence_id, "reschedule", form, lambda: telling.move(
        session(), actor=current_actor(), occurrence_id=occurrence_id,
        version=request.form.get("version", type=int) or 0, starts_at=_given(form.starts_at.data),
    ), _("The date was moved. Whoever was asked is told and asked anew."))  # fmt: skip


@blueprint.post("/<int:occurrence_id>/cancel")
@requires(EDIT)
def cancel(occurrence_id: int) -> Page:
    """Called off, with the reason."""
    told = telling.call_off(
        session(), actor=current_actor(), occurrence_id=occurrence_id, reason=request.form.get("reason", "")
    )
    return _told(_("Called off; %(n)s posts are told.", n=told) if told else _("Called off."), occurrence_id)


@blueprint.post("/invitations/<int:invitation_id>/answer")
@requires(CONFIRM)
def answer(invitation_id: int) -> Page:
    """What a post said by telephone, radio or in person."""
    found = confirming.get_invitation(session(), actor=current_actor(), invitation_id=invitation_id)
    form = AnswerForm()
    form.answer.choices = _answers()
    if not form.validate_on_submit():
        raise Invalid(N_("Choose the answer and how it was heard."), code="bad_answer")
    service.record_answer(
        session(), actor=current_actor(), invitation_id=invitation_id, answer=form.answer.data, means=form.means.data,
        note=form.note.data or "", at=form.at.data, proposed_at=form.proposed_at.data,
    )  # fmt: skip
    return _told(_("Noted."), found.occurrence_id)
