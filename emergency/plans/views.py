"""Pages of plans: the tree, a record, a text, its editing, its way to approval and filing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import sqlalchemy as sa
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.divisions import service as divisions
from emergency.divisions.models import Division
from emergency.divisions.rules import in_scope
from emergency.http.forms import enum_choices
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.people.accounts import service as accounts
from emergency.plans import (
    approval,
    checks,
    kept,
    matrix,
    remarks,
    reviewing,
    rules,
    service,
    views_acting,
    views_dynamic,
    views_editor,
    views_finding,
    views_import,
    views_paper,
    views_public,
    views_review,
)
from emergency.plans.coverage import count_gaps
from emergency.plans.forms import DayForm, IssueForm, PlanForm
from emergency.plans.forms_editor import DecisionForm
from emergency.plans.models import (
    FilingState,
    Hazard,
    Plan,
    PlanKind,
    PlanLevel,
    PlanState,
    PlanVersion,
    VersionState,
)
from emergency.plans.paper.filing_papers import named_bodies
from emergency.plans.queries import evaluation_months, facts, readable, today
from emergency.plans.vocabulary import PlanNote
from kernel.errors import N_, DomainError, Invalid
from kernel.states import timeline

blueprint = flask.Blueprint("plans", __name__, url_prefix="/plans")
BLUEPRINTS = (
    blueprint,
    views_paper.blueprint,
    views_finding.blueprint,
    views_public.blueprint,
    views_public.desk,
    views_editor.blueprint,
    views_import.blueprint,
    views_review.blueprint,
    views_dynamic.blueprint,
    views_acting.blueprint,
)
Page = str | Response | tuple[str, int]
VIEW, EDIT, APPROVE = Permission.PLANS_VIEW, Permission.PLANS_EDIT, Permission.PLANS_APPROVE
STATES = {"state": VersionState, "plan": PlanState, "filing": FilingState, "note": PlanNote}


def _enum(members: Any, name: str) -> Any:
    given = request.args.get(name, "")
    return next((m for m in members if str(m.value) == given), None)


def _opened() -> list[int]:
    return [int(word) for word in request.args.get("open", "").split(",") if word.isdigit()][:50]


@blueprint.get("")
@requires(VIEW)
def index() -> Page:
    """The tree with what is wrong, and the townships that no plan covers."""
    actor, opened = current_actor(), _opened()
    chosen = {"hazard": _enum(Hazard, "hazard"), "kind": _enum(PlanKind, "kind"), "q": request.args.get("q", "")[:60],
              "faulty_only": request.args.get("show") == "faulty"}  # fmt: skip
    return render_template(
        "plans/index.html", tree=service.tree(session(), actor, open_ids=opened, **chosen), opened=opened,
        chosen=chosen, kinds=PlanKind, hazards=[h for h in Hazard if h is not Hazard.ALL],
        matrix=service.matrix(session(), actor), cell_states=matrix.CellState, marks=matrix.MARKS, today=today(session()), unlisted=count_gaps(session(), actor),
    )  # fmt: skip


@blueprint.route("/new", methods=["GET", "POST"])
@requires(EDIT)
def new() -> Page:
    """A new plan with an empty draft."""
    work, actor, form = session(), current_actor(), PlanForm()
    form.division_code.choices = _places()
    form.offer_hazards(enum_choices(Hazard))
    form.parent_id.choices = [(0, _("none")), *((f.plan_id, f.title) for f in facts(
        work, readable(actor), Plan.level.in_(["city", "district", "township"])
    )[:300] if f.state in rules.LIVING)]  # fmt: skip
    if request.method == "GET":
        form.issuer.data = ""
        _asked_for(form)
        return render_template("plans/new.html", form=form)
    if form.validate_on_submit():
        try:
            plan = service.create(work, actor=actor, facts=service.NewPlan(
                kind=form.kind.data, level=form.level.data, title=form.title.data or "",
                division_code=form.division_code.data, issuer=form.issuer.data or "", hazards=form.chosen_hazards,
                parent_id=form.parent_id.data or None, public=bool(form.public.data),
                evaluate_months=form.evaluate_months.data,
            ))  # fmt: skip
        except DomainError as error:
            form.refuse(error)
        else:
            flask.flash(_("The plan stands in the tree with an empty draft. Write its sections."), "done")
            draft = service.versions(work, actor=actor, plan_id=plan.id)[0]
            return redirect(url_for("plan_editor.outline", version_id=draft.id), 303)
    flask.g.refused = True
    return render_template("plans/new.html", form=form), 422


def _asked_for(form: PlanForm) -> None:
    """What the page that found the gap knows already: place, kind, level, hazard, the plan above; else what is usual."""
    form.expect(request.args.get("place") or current_actor().division_code)
    form.kind.data, form.level.data = (
        _enum(PlanKind, "kind") or form.kind.data,
        _enum(PlanLevel, "level") or form.level.data,
    )
    form.division_code.data = request.args.get("place") or form.division_code.data
    form.parent_id.data = request.args.get("parent", type=int) or 0
    form.hazards.data = request.args.getlist("hazard")


def _places() -> list[tuple[str, str]]:
    actor = current_actor()
    own = divisions.names(session(), [actor.division_code]) if actor.division_code else {}
    rows: dict[str, str] = dict(own)
    for row in session().execute(
        sa.select(Division.code, Division.name)
        .where(in_scope(Division.code, actor), Division.level >= 3)
        .order_by(Division.code)
        .limit(1000)
    ):
        rows[row.code] = row.name
    return list(rows.items())


@blueprint.get("/<int:plan_id>")
@requires(VIEW)
def show(plan_id: int) -> Page:
    """One plan: how it stands, what is wrong, its versions, the plans below it."""
    work, actor = session(), current_actor()
    plan = service.get_plan(work, actor=actor, plan_id=plan_id)
    fact = facts(work, Plan.id == plan.id)[0]
    found = rules.faults(fact, rule_months=evaluation_months(work).get(plan.kind), today=today(work))
    rows = service.versions(work, actor=actor, plan_id=plan.id)
    held = next((row for row in rows if row.state is VersionState.ISSUED and row.replaced_at is None), None)
    text = service.version_text(work, actor=actor, version_id=held.id) if held else None
    changes = sorted(
        [*timeline(work, "plan", plan.id), *(c for row in rows[:3] for c in timeline(work, "plan_version", row.id))],
        key=lambda change: change.id,
    )
    keys = {c.actor for c in changes} | {row.author for row in rows}
    beside = rules.DATED | {rules.Fault.FINDING_OPEN}  # these have lines of their own
    others = [k for k in kept.of_plans(work, actor, [plan.id]).get(plan.id, []) if k.fault not in beside]
    return render_template(
        "plans/show.html", plan=plan, fact=fact, faults=found if actor.covers(plan.division_code) else [],
        others=others, mends=checks.MENDS, mend_url=checks.mend_url, remarks=remarks.about_plan(work, actor, plan.id),
        versions=rows, held=held, text=text, changes=changes, names=accounts.display_names(work, keys),
        below=service.children(work, actor=actor, plan_id=plan.id), states=STATES,
        hazards=service.hazards(work, [plan.id]).get(plan.id, []),
        place=divisions.names(work, [plan.division_code]).get(plan.division_code, ""),
        above=_above(plan.parent_id), destinations=service.destinations(work, plan.kind), bodies=named_bodies(work, plan),
        may_edit=actor.can(EDIT) and actor.covers(plan.division_code), may_approve=actor.can(APPROVE) and actor.covers(plan.division_code), living=plan.state in rules.LIVING,
        in_work=next((row for row in rows if row.state in rules.IN_WORK), None), day_form=DayForm(formdata=None),
        months=rules.shorter(evaluation_months(work).get(plan.kind), plan.evaluate_months),
    )  # fmt: skip


def _above(parent_id: int | None) -> rules.Facts | None:
    found = facts(session(), Plan.id == parent_id, readable(current_actor())) if parent_id else []
    return found[0] if found else None


@blueprint.get("/versions/<int:version_id>")
@requires(VIEW)
def version(version_id: int) -> Page:
    """One text, and the next step of its way."""
    work, actor = session(), current_actor()
    text = service.version_text(work, actor=actor, version_id=version_id)
    changes = timeline(work, "plan_version", version_id)
    row = text.version
    keys = {row.author, row.reviewed_by or "", row.approved_by or "", *(c.actor for c in changes)} - {""}
    rule = approval.rule_for(work, text.plan)
    decision_form = DecisionForm(formdata=None)
    decision_form.body.data = (rule.body_en if language() == "en" else rule.body) if rule else text.plan.issuer
    decision_form.way.data = rule.way if rule else None
    decision_form.decided_on.data = today(work)
    comments = [c for held in reviewing.rounds(work, actor=actor, version_id=version_id) for c in held.comments]
    return render_template(
        "plans/version.html", text=text, row=text.version, plan=text.plan, changes=changes, states=STATES,
        names=accounts.display_names(work, keys), me=str(actor),
        may_edit=actor.can(EDIT) and actor.covers(text.plan.division_code),
        may_approve=actor.can(APPROVE) and actor.covers(text.plan.division_code), issue_form=IssueForm(formdata=None),
        missing=rules.missing_parts(text.plan.kind, [s.part for s in text.sections]), today=today(work),
        rule=rule, decision_form=decision_form, approval=approval.approval_of(work, version_id), comments=comments,
        open_comments=sum(1 for c in comments if c.row.resolved_at is None),
        remarks=remarks.about_plan(work, actor, text.plan.id) if row.replaced_at is None else [],
        may_begin=not any(
            r.state in rules.IN_WORK for r in service.versions(work, actor=actor, plan_id=text.plan.id)
        ),
    )  # fmt: skip


@blueprint.post("/<int:plan_id>/draft")
@requires(EDIT)
def draft(plan_id: int) -> Page:
    """Begin the next version."""
    row = service.new_draft(session(), actor=current_actor(), plan_id=plan_id)
    return redirect(url_for("plan_editor.outline", version_id=row.id), 303)


def _step(version_id: int, act: Callable[[int], PlanVersion], text: str) -> Page:
    act(request.form.get("version", type=int) or 0)
    flask.flash(text, "done")
    return redirect(url_for("plans.version", version_id=version_id), 303)


@blueprint.post("/versions/<int:version_id>/submit")
@requires(EDIT)
def submit(version_id: int) -> Page:
    """To the linkage review."""
    return _step(
        version_id,
        lambda read: service.submit(session(), actor=current_actor(), version_id=version_id, version=read),
        _("Submitted to the linkage review."),
    )


@blueprint.post("/versions/<int:version_id>/pass")
@requires(APPROVE)
def pass_review(version_id: int) -> Page:
    """The linkage review found no contradiction."""
    return _step(
        version_id,
        lambda read: service.pass_review(session(), actor=current_actor(), version_id=version_id, version=read),
        _("Passed on for approval."),
    )


@blueprint.post("/versions/<int:version_id>/approve")
@requires(APPROVE)
def approve(version_id: int) -> Page:
    """Approve exactly what was read."""
    form = DecisionForm()
    if not form.validate_on_submit() or form.decided_on.data is None:
        raise Invalid(N_("Say which body approved the text and on which day, like 2026-11-23."), code="incomplete")
    decision = approval.Decision(
        form.body.data or "", form.decided_on.data, form.way.data, form.meeting.data or "",
        form.document_number.data or "",
    )  # fmt: skip
    return _step(
        version_id,
        lambda read: service.approve(
            session(), actor=current_actor(), version_id=version_id, version=read, decision=decision
        ),
        _("Approved. It can be issued now."),
    )


@blueprint.post("/versions/<int:version_id>/return")
@requires(APPROVE)
def return_version(version_id: int) -> Page:
    """Back to the author, with the reason."""
    return _step(
        version_id,
        lambda read: service.return_version(
            session(), actor=current_actor(), version_id=version_id, version=read, reason=request.form.get("reason", "")
        ),
        _("Returned to the author."),
    )


@blueprint.post("/versions/<int:version_id>/reject")
@requires(APPROVE)
def reject(version_id: int) -> Page:
    """Not approved, with the reason."""
    return _step(
        version_id,
        lambda read: service.reject(
            session(), actor=current_actor(), version_id=version_id, version=read, reason=request.form.get("reason", "")
        ),
        _("Rejected."),
    )


@blueprint.post("/versions/<int:version_id>/issue")
@requires(APPROVE)
def issue(version_id: int) -> Page:
    """Publish the approved text."""
    form = IssueForm()
    if not form.validate_on_submit() or form.issued_on.data is None:
        raise Invalid(N_("Give the date on the document, like 2026-11-23."), code="bad_dates")
    issued_on, number = form.issued_on.data, form.document_number.data or ""
    return _step(
        version_id,
        lambda read: service.issue(
            session(),
            actor=current_actor(),
            version_id=version_id,
            version=read,
            issued_on=issued_on,
            document_number=number,
        ),
        _("Issued. The filing falls due now."),
    )


@blueprint.post("/<int:plan_id>/repeal")
@requires(APPROVE)
def repeal(plan_id: int) -> Page:
    """No longer in force, and why."""
    service.repeal(session(), actor=current_actor(), plan_id=plan_id, reason=request.form.get("reason", ""))
    flask.flash(_("Repealed. The plans below it are due to follow another one."), "done")
    return redirect(url_for("plans.show", plan_id=plan_id), 303)


@blueprint.post("/versions/<int:version_id>/sent-back")
@requires(EDIT)
def sent_back(version_id: int) -> Page:
    """The filing office sent the papers back, and said what was missing."""
    work, actor = session(), current_actor()
    service.sent_back(work, actor=actor, version_id=version_id, reason=request.form.get("reason", ""))
    flask.flash(_("Noted."), "done")
    _row, plan = service.get_version(work, actor=actor, version_id=version_id)
    return redirect(url_for("plans.show", plan_id=plan.id), 303)


@blueprint.post("/versions/<int:version_id>/<any(file,receipt):what>")
@requires(EDIT)
def filing(version_id: int, what: str) -> Page:
    """Filed with the bodies of art. 26, or confirmed by them."""
    form = DayForm()
    if not form.validate_on_submit() or form.day.data is None:
        raise Invalid(N_("Give the day, like 2026-11-23."), code="bad_dates")
    work, actor = session(), current_actor()
    if what == "file":
        service.file_version(work, actor=actor, version_id=version_id, filed_on=form.day.data)
    else:
        service.receipt(
            work, actor=actor, version_id=version_id, receipt_on=form.day.data, number=form.number.data or ""
        )
    flask.flash(_("Noted."), "done")
    _row, plan = service.get_version(work, actor=actor, version_id=version_id)
    return redirect(url_for("plans.show", plan_id=plan.id), 303)


@blueprint.post("/<int:plan_id>/evaluate")
@requires(EDIT)
def evaluate(plan_id: int) -> Page:
    """The text in force was evaluated and still fits."""
    form = DayForm()
    if not form.validate_on_submit() or form.day.data is None:
        raise Invalid(N_("Give the day, like 2026-11-23."), code="bad_dates")
    service.evaluate(session(), actor=current_actor(), plan_id=plan_id, evaluated_on=form.day.data)
    flask.flash(_("Noted."), "done")
    return redirect(url_for("plans.show", plan_id=plan_id), 303)
