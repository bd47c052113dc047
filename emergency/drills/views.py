"""Pages of drills: what comes, the month, one drill, compliance, the rules."""

from __future__ import annotations

import calendar
from datetime import date
from typing import Any, TypeVar

import flask
import sqlalchemy as sa
from dateutil.relativedelta import relativedelta
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.divisions import service as divisions
from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import in_scope
from emergency.drills import rules, service
from emergency.drills.forms import (
    AnswerForm,
    EvaluationForm,
    FindingForm,
    ProgrammeForm,
    RecordForm,
    RescheduleForm,
)
from emergency.drills.models import DrillKind, Invitation, OccurrenceState
from emergency.drills.rules import Standing
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.people.accounts import service as accounts
from emergency.plans import service as plans
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_, DomainError, Invalid
from kernel.states import timeline
from scheduler.recurrence import Recurrence

blueprint = flask.Blueprint("drills", __name__, url_prefix="/drills")
Page = str | Response | tuple[str, int]
VIEW, EDIT, CONFIRM = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT, Permission.DRILLS_CONFIRM
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
    found = service.cases(work, actor=actor, adopted_only=True)
    return render_template(
        "drills/index.html", rows=service.upcoming(work, actor, days, kind=kind), counts=service.counts(work, actor),
        late=service.unrecorded(work, actor, limit=20), days=days, kind=kind, kinds=DrillKind,
        spans=[(n, _(words)) for n, words in SPANS], standing=service.compliance_counts(found), states=Standing,
    )  # fmt: skip


@blueprint.get("/calendar")
@requires(VIEW)
def month() -> Page:
    """One month."""
    work = session()
    today = now(work).astimezone(BEIJING).date()
    try:
        first = date.fromisoformat(f"{request.args.get('month') or f'{today:%Y-%m}'}-01")
    except ValueError:
        first = today.replace(day=1)
    if abs(first.year - today.year) > 50:  # the months before and after have to exist
        first = today.replace(day=1)
    days = service.month(work, actor=current_actor(), first=first)
    return render_template(
        "drills/calendar.html", first=first, weeks=calendar.Calendar().monthdatescalendar(first.year, first.month),
        days=days, today=today, before=first - relativedelta(months=1), after=first + relativedelta(months=1),
    )  # fmt: skip


@blueprint.get("/compliance")
@requires(VIEW)
def compliance() -> Page:
    """Each unit with each rule: satisfied, due, overdue."""
    work, actor = session(), current_actor()
    unit_id = request.args.get("unit", type=int)
    wanted = next((s for s in Standing if s.value == request.args.get("standing")), None)
    found = service.cases(work, actor=actor, unit_id=unit_id, adopted_only=unit_id is None)
    counts = service.compliance_counts(found)
    if wanted is not None:
        found = [case for case in found if case.verdict.standing is wanted]
    order = [Standing.OVERDUE, Standing.DUE, Standing.SATISFIED, Standing.NO_NUMBER, Standing.NOT_ADOPTED]
    found.sort(key=lambda case: (order.index(case.verdict.standing), case.verdict.next_due or date.max, case.unit.id))
    return render_template(
        "drills/compliance.html", cases=found[:200], total=len(found), counts=counts, states=Standing, wanted=wanted,
        unit=found[0].unit if unit_id is not None and found else None,
        places=divisions.names(work, {case.unit.division_code[:9] + "000" for case in found[:200]}),
    )  # fmt: skip


@blueprint.get("/rules")
@requires(VIEW)
def rulebook() -> Page:
    """The rules of law as rows, adopted or not."""
    return render_template("drills/rules.html", rules=service.list_rules(session()), may_edit=current_actor().can(EDIT))


@blueprint.post("/rules/<int:rule_id>/<any(adopt,drop):what>")
@requires(EDIT)
def adopt(rule_id: int, what: str) -> Page:
    """The bureau decides whether a rule binds here."""
    rule = service.adopt_rule(
        session(),
        actor=current_actor(),
        rule_id=rule_id,
        adopted=what == "adopt",
        reason=request.form.get("reason", ""),
    )
    flask.flash(
        _("Adopted: %(title)s", title=rule.title)
        if rule.adopted
        else _("No longer binding: %(title)s", title=rule.title),
        "done",
    )
    return redirect(url_for("drills.rulebook"), 303)


def _show(occurrence_id: int, status: int = 200, **forms: Any) -> Page:
    work, actor = session(), current_actor()
    whole = service.get(work, actor=actor, occurrence_id=occurrence_id)
    changes = timeline(work, service.SUBJECT, occurrence_id)
    keys = {c.actor for c in changes} | {i.invited_by for i in whole.invitations}
    made = {"record": RecordForm(formdata=None), "answer": AnswerForm(formdata=None),
            "reschedule": RescheduleForm(formdata=None), "evaluation": EvaluationForm(formdata=None),
            "finding": FindingForm(formdata=None)} | forms  # fmt: skip
    if "record" not in forms:
        made["record"].started_at.data = whole.occurrence.starts_at
        made["record"].ended_at.data = whole.occurrence.ends_at
    made["finding"].plan_id.choices = _plan_choices(whole.programme.plan_id)
    moment = now(work)
    body = render_template(
        "drills/show.html", whole=whole, row=whole.row, occurrence=whole.occurrence, programme=whole.programme,
        deputies=service.deputies(work, whole.invitations),
        posts=service.post_words(work, [i.post_id for i in whole.invitations], language()), changes=changes,
        names=accounts.display_names(work, keys), states=OccurrenceState, forms=made,
        words=Recurrence.from_json(whole.programme.recurrence).words(language()),
        plan=plans.get_plan(work, actor=actor, plan_id=whole.programme.plan_id) if whole.programme.plan_id else None,
        notes=service.notes_of(work, whole.record) if whole.record else "",
        may_edit=actor.can(EDIT), may_confirm=actor.can(CONFIRM),
        ahead=whole.occurrence.state in rules.COMING and whole.occurrence.starts_at > moment,
        recordable=whole.record is None and whole.occurrence.starts_at <= moment
        and OccurrenceState.HELD in rules.OCCURRENCE_TRANSITIONS[whole.occurrence.state],
    )  # fmt: skip
    return body, status


def _plan_choices(plan_id: int | None) -> list[tuple[int, str]]:
    rows = [(0, _("none"))]
    if plan_id is not None:
        plan = plans.get_plan(session(), actor=current_actor(), plan_id=plan_id)
        rows.append((plan.id, plan.title))
    return rows


@blueprint.get("/<int:occurrence_id>")
@requires(VIEW)
def show(occurrence_id: int) -> Page:
    """One drill: who was asked, who answered, what happened, what was learnt."""
    return _show(occurrence_id)


@blueprint.post("/<int:occurrence_id>/invite")
@requires(EDIT)
def invite(occurrence_id: int) -> Page:
    """Ask the programme's posts by a Notice."""
    asked = service.invite(session(), actor=current_actor(), occurrence_id=occurrence_id)
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


@blueprint.post("/<int:occurrence_id>/record")
@requires(CONFIRM)
def record(occurrence_id: int) -> Page:
    """It was held."""
    form = RecordForm()
    return _form(occurrence_id, "record", form, lambda: service.record(
        session(), actor=current_actor(), occurrence_id=occurrence_id,
        facts=service.RecordFacts(
            _given(form.started_at.data), _given(form.ended_at.data), form.attendance.data or 0, form.expected.data,
            form.evacuation_seconds.data, form.notes.data or "",
        )), _("Recorded. The rules that it satisfies count it from now on."))  # fmt: skip


@blueprint.post("/<int:occurrence_id>/reschedule")
@requires(EDIT)
def reschedule(occurrence_id: int) -> Page:
    """Another date."""
    form = RescheduleForm()
    return _form(occurrence_id, "reschedule", form, lambda: service.reschedule(
        session(), actor=current_actor(), occurrence_id=occurrence_id,
        version=request.form.get("version", type=int) or 0, starts_at=_given(form.starts_at.data),
    ), _("The date was moved."))  # fmt: skip


@blueprint.post("/<int:occurrence_id>/cancel")
@requires(EDIT)
def cancel(occurrence_id: int) -> Page:
    """Called off, with the reason."""
    service.cancel(session(), actor=current_actor(), occurrence_id=occurrence_id, reason=request.form.get("reason", ""))
    return _told(_("Called off."), occurrence_id)


@blueprint.post("/invitations/<int:invitation_id>/answer")
@requires(CONFIRM)
def answer(invitation_id: int) -> Page:
    """What a post said by telephone, radio or in person."""
    form = AnswerForm()
    found = session().get(Invitation, invitation_id)
    if not form.validate_on_submit() or found is None:
        raise Invalid(N_("Choose the answer and how it was heard."), code="bad_answer")
    service.record_answer(
        session(), actor=current_actor(), invitation_id=invitation_id, answer=form.answer.data, means=form.means.data,
        note=form.note.data or "",
    )  # fmt: skip
    return _told(_("Noted."), found.occurrence_id)


@blueprint.post("/<int:occurrence_id>/evaluate")
@requires(EDIT)
def evaluate(occurrence_id: int) -> Page:
    """One evaluator's sheet."""
    form = EvaluationForm()
    return _form(occurrence_id, "evaluation", form, lambda: service.evaluate(
        session(), actor=current_actor(), occurrence_id=occurrence_id,
        objectives=[(form.objective.data or "", form.rating.data)], strengths=form.strengths.data or "",
    ), _("Saved."))  # fmt: skip


@blueprint.post("/<int:occurrence_id>/finding")
@requires(EDIT)
def finding(occurrence_id: int) -> Page:
    """Something that must get better, and who mends it."""
    form = FindingForm()
    whole = service.get(session(), actor=current_actor(), occurrence_id=occurrence_id)
    form.plan_id.choices = _plan_choices(whole.programme.plan_id)

    def act() -> None:
        made = service.add_finding(
            session(), actor=current_actor(), occurrence_id=occurrence_id, text=form.text.data or "",
            root_cause=form.root_cause.data or "", plan_id=form.plan_id.data or None,
        )  # fmt: skip
        if form.action.data and form.due_on.data:
            service.add_action(
                session(), actor=current_actor(), finding_id=made.id, text=form.action.data,
                owner_words=form.owner_words.data or "", due_on=form.due_on.data,
            )  # fmt: skip

    return _form(occurrence_id, "finding", form, act, _("Saved."))


@blueprint.post("/actions/<int:action_id>/finish")
@requires(EDIT)
def finish_action(action_id: int) -> Page:
    """Done, with its proof."""
    service.finish_action(session(), actor=current_actor(), action_id=action_id, proof=request.form.get("reason", ""))
    flask.flash(_("Noted."), "done")
    back = request.form.get("occurrence", type=int)
    return redirect(url_for("drills.show", occurrence_id=back) if back else url_for("drills.index"), 303)


@blueprint.post("/findings/<int:finding_id>/close")
@requires(EDIT)
def close_finding(finding_id: int) -> Page:
    """Closed by proof."""
    made = service.close_finding(
        session(), actor=current_actor(), finding_id=finding_id, proof=request.form.get("reason", "")
    )
    return _told(_("Closed."), made.occurrence_id)


@blueprint.route("/new", methods=["GET", "POST"])
@requires(EDIT)
def new() -> Page:
    """A programme."""
    work, actor, form = session(), current_actor(), ProgrammeForm()
    places = work.execute(
        sa.select(Division.code, Division.name)
        .where(in_scope(Division.code, actor), Division.level.in_([3, 4]))
        .order_by(Division.code)
        .limit(200)
    )
    units = work.execute(
        sa.select(Unit.id, Unit.name)
        .where(in_scope(Unit.division_code, actor), Unit.closed_at.is_(None))
        .order_by(Unit.division_code, Unit.id)
        .limit(1000)
    )
    form.division_code.choices = [(row.code, row.name) for row in places]
    form.unit_id.choices = [(0, _("the division itself")), *((row.id, row.name) for row in units)]
    if request.method == "GET":
        form.interval.data, form.duration_minutes.data = 1, 60
        return render_template("drills/new.html", form=form, dates=[])
    dates: list[date] = []
    if form.validate_on_submit():
        try:
            rule = Recurrence(
                form.freq.data,
                _given(form.starts_on.data),
                interval=form.interval.data or 1,
                on_holiday=form.on_holiday.data,
            )
            first = form.starts_on.data or now(work).date()
            dates = [p.on for p in rule.planned(first, first + relativedelta(years=3))[:5]]
            if "preview" not in request.form:
                programme = service.create_programme(work, actor=actor, facts=_facts(form, rule))
                flask.flash(
                    _("Planned: %(title)s, %(words)s.", title=programme.title, words=rule.words(language())), "done"
                )
                return redirect(url_for("drills.index", days=90), 303)
        except DomainError as error:
            form.refuse(error)
    flask.g.refused = True
    status = 200 if "preview" in request.form and dates and not form.errors else 422
    return render_template("drills/new.html", form=form, dates=dates), status


def _facts(form: ProgrammeForm, rule: Recurrence) -> service.NewProgramme:
    unit = session().get(Unit, form.unit_id.data) if form.unit_id.data else None
    code = unit.division_code if unit is not None else form.division_code.data
    return service.NewProgramme(
        form.title.data or "", form.kind.data, form.form.data, code, rule, _given(form.start_time.data),
        unit_id=unit.id if unit is not None else None, duration_minutes=form.duration_minutes.data or 60,
        place=form.place.data or "", post_ids=service.posts_to_ask(session(), code, unit.id if unit else None),
    )  # fmt: skip
