"""Pages of dynamic management: the picture of coverage, who is forgotten, exposures, statutes, shelters, checks."""

from __future__ import annotations

from typing import Any

import flask
import sqlalchemy as sa
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.divisions import service as divisions
from emergency.divisions.models import UnitKind
from emergency.divisions.rules import in_scope
from emergency.http.forms import flash_done
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.http.sheets import Column, csv_text
from emergency.people.posts import service as posts
from emergency.people.posts.models import Duty
from emergency.plans import checks, citations, coverage, exposures, faulty, matrix, owning, rules, service
from emergency.plans.drafting import EvacuationText
from emergency.plans.dynamic_models import LegalChange, Reach
from emergency.plans.forms_dynamic import ExposureForm, LawForm, ListForm, OwnerForm, ShelterForm
from emergency.plans.models import EvacuationRow, Hazard, Plan, PlanVersion
from emergency.plans.queries import evaluation_months, facts, today
from kernel.db import now
from kernel.errors import N_, DomainError, NotFound

blueprint = flask.Blueprint("plan_checks", __name__, url_prefix="/plans")
Page = str | Response | tuple[str, int]
VIEW, EDIT, APPROVE = Permission.PLANS_VIEW, Permission.PLANS_EDIT, Permission.PLANS_APPROVE
LEADERS = (Duty.EVACUATION_LEADER, Duty.FLOOD_CHIEF, Duty.LIAISON)


def _csv(rows: Any, columns: tuple[str, ...], name: str) -> flask.Response:
    return flask.Response(
        csv_text(rows, [Column(key) for key in columns]), content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f"attachment; filename={name}.csv"},
    )  # fmt: skip


def _towns() -> list[tuple[str, str]]:
    actor = current_actor()
    return [(town.code, town.name) for town in divisions.townships(session()) if actor.covers(town.code)]


def _refused(form: Any, error: DomainError) -> None:
    if error.status not in (409, 422):
        raise error
    flask.g.refused = True
    form.refuse(error)


# --- coverage ---------------------------------------------------------------------------------------------------


@blueprint.get("/coverage")
@requires(VIEW)
def picture() -> Page:
    """Places down, hazards across; a township's villages when it is opened."""
    opened = request.args.get("open", "")
    return render_template(
        "plans/coverage.html", matrix=service.matrix(session(), current_actor(), opened=opened or None), opened=opened,
        states=matrix.CellState, marks=matrix.MARKS, today=today(session()),
    )  # fmt: skip


@blueprint.get("/coverage.csv")
@requires(VIEW)
def picture_csv() -> flask.Response:
    """Every cell of the picture, one row each."""
    found = service.matrix(session(), current_actor(), opened=request.args.get("open") or None)
    words = language()
    exposed = {True: _("exposed"), False: _("not exposed"), None: _("not assessed")}
    rows = [
        {
            "division_code": row.code, "name": row.name, "hazard": hazard.label(words),
            "state": cell.state.label(words), "exposure": exposed[cell.exposed],
            "source": cell.exposure.source if cell.exposure else "",
            "plan": cell.plan.title if cell.plan else "", "evaluation_due": cell.due.isoformat() if cell.due else "",
        }
        for row in found.rows
        for hazard, cell in zip(found.hazards, row.cells, strict=True)
    ]  # fmt: skip
    columns = ("division_code", "name", "hazard", "state", "exposure", "source", "plan", "evaluation_due")
    return _csv(rows, columns, "plan-coverage")


def _hazard(text: str) -> Hazard:
    found = next((hazard for hazard in Hazard if hazard.value == text), None)
    if found is None:
        raise NotFound(N_("There is no such hazard."))
    return found


@blueprint.get("/coverage/<code>/<hazard>")
@requires(VIEW)
def cell(code: str, hazard: str) -> Page:
    """One cell: what is there, what is missing, how one knows that the place is exposed."""
    actor = current_actor()
    found = matrix.place(session(), actor=actor, code=code, hazard=_hazard(hazard))
    form = ExposureForm(formdata=None, data={"division_code": code, "hazard": found.hazard, "reach": Reach.PLACE})
    return render_template(
        "plans/cell.html", found=found, form=form, may_edit=actor.can(EDIT) and actor.covers(code),
        source=found.cell.exposure.source if found.cell.exposure else "",
    )  # fmt: skip


@blueprint.route("/exposures", methods=["GET", "POST"])
@requires(VIEW)
def exposed() -> Page:
    """To which hazards places are exposed, and how one knows."""
    actor, form, status = current_actor(), ExposureForm(), 200
    if request.method == "POST":
        actor.require(EDIT)
        if form.validate_on_submit():
            try:
                exposures.note(
                    session(), actor=actor, division_code=form.division_code.data or "", hazard=form.hazard.data,
                    reach=form.reach.data, exposed=form.exposed.data == "1", source=form.source.data or "",
                )  # fmt: skip
            except DomainError as error:
                _refused(form, error)
            else:
                flash_done(_("Noted. The picture of coverage follows it."))
                return redirect(url_for("plan_checks.exposed"), 303)
        flask.g.refused, status = True, 422
    rows = exposures.exposures(session(), actor=actor)
    names = divisions.names(session(), {row.division_code for row in rows})
    body = render_template(
        "plans/exposures.html", rows=rows, names=names, form=form, may_edit=actor.can(EDIT), covers=actor.covers
    )
    return body, status


@blueprint.post("/exposures/<int:exposure_id>/forget")
@requires(EDIT)
def forget(exposure_id: int) -> Page:
    """Take a row back: the place counts as not assessed again."""
    exposures.forget(session(), actor=current_actor(), exposure_id=exposure_id)
    flash_done(_("Taken back. The place counts as not assessed."))
    return redirect(url_for("plan_checks.exposed"), 303)


# --- who is forgotten -------------------------------------------------------------------------------------------


@blueprint.get("/unlisted")
@requires(VIEW)
def unlisted() -> Page:
    """Villages, care homes, schools and low-lying units on no evacuation list."""
    actor, args = current_actor(), request.args
    kind = next((k for k in UnitKind if k.value == args.get("kind")), None)
    found = coverage.gaps(
        session(), actor, place=args.get("place", ""), kind=kind, villages_from=args.get("villages"),
        units_from=args.get("units"),
    )  # fmt: skip
    codes = {d.code[:9] + "000" for d in found.village_page.items}
    codes |= {u.division_code[:9] + "000" for u in found.unit_page.items}
    return render_template(
        "plans/unlisted.html", gaps=found, towns=divisions.names(session(), codes), places=_towns(),
        kinds=[*coverage.LISTED_KINDS], chosen={"place": args.get("place", ""), "kind": kind.value if kind else ""},
        may_edit=actor.can(EDIT),
    )  # fmt: skip


@blueprint.get("/unlisted.csv")
@requires(VIEW)
def unlisted_csv() -> flask.Response:
    """Everybody in scope who is on no list."""
    rows = coverage.everybody_off_list(session(), current_actor(), language())
    return _csv(rows, ("kind", "division_code", "name", "people"), "on-no-evacuation-list")


@blueprint.route("/unlisted/add", methods=["GET", "POST"])
@requires(EDIT)
def add() -> Page:
    """Put a village or unit on the evacuation list of a plan."""
    work, actor, form = session(), current_actor(), ListForm()
    unit_id, code = request.args.get("unit", type=int), request.args.get("village")
    found = coverage.subject(work, actor=actor, unit_id=unit_id, code=code)
    plans = coverage.candidates(work, actor=actor, code=found.division_code)
    form.plan_id.choices = [(plan.id, plan.title) for plan in plans]
    leaders = posts.find_posts(
        work, [found.division_code, found.division_code[:9] + "000"], duties=LEADERS, exactly=True
    )
    titles = posts.titles(work, [post.id for post in leaders], language=language())
    form.post_id.choices = [(0, _("not said yet")), *titles.items()]
    status = 200
    if request.method == "GET":
        form.people.data = found.people
    elif form.validate_on_submit():
        try:
            draft = coverage.add_to_list(
                work, actor=actor, plan_id=form.plan_id.data,
                line=EvacuationText(
                    form.destination.data or "", subject_code=None if found.unit else found.division_code,
                    unit_id=found.unit.id if found.unit else None, people=form.people.data or 0,
                    route=form.route.data or "", means=form.means.data or "", post_id=form.post_id.data or None,
                    grade=form.grade.data, within_hours=form.within_hours.data,
                ),
            )  # fmt: skip
        except DomainError as error:
            _refused(form, error)
            status = error.status
        else:
            flash_done(
                _("%(name)s stands on the list of the draft. It binds when the draft is issued.", name=found.name)
            )
            return redirect(url_for("plans.version", version_id=draft.id), 303)
    else:
        flask.g.refused, status = True, 422
    body = render_template(
        "plans/list_add.html", found=found, form=form, plans=plans, place=divisions.names(work, [found.division_code]),
        destinations=coverage.destinations(work, actor=actor, plan_ids=[plan.id for plan in plans[:5]]),
    )  # fmt: skip
    return body, status


@blueprint.get("/lists/<any(division,unit,household):kind>/<int:subject_id>")
@requires(VIEW)
def lists(kind: str, subject_id: int) -> Page:
    """Every line of a list in force about one village, unit or household, so that they can be made to agree."""
    column = {
        "division": EvacuationRow.subject_code, "unit": EvacuationRow.unit_id, "household": EvacuationRow.household_id
    }[kind]  # fmt: skip
    value: Any = f"{subject_id:012d}" if kind == "division" else subject_id
    rows = session().execute(
        sa.select(EvacuationRow, Plan.id, Plan.title)
        .join(PlanVersion, PlanVersion.id == EvacuationRow.version_id)
        .join(Plan, Plan.id == PlanVersion.plan_id)
        .where(column == value, *coverage.in_force(), in_scope(Plan.division_code, current_actor()))
        .order_by(Plan.division_code, EvacuationRow.position)
        .limit(200)
    ).all()  # fmt: skip
    if not rows:
        raise NotFound(N_("No list in your area names it."))
    if kind == "division":
        name = divisions.names(session(), [value]).get(value, value)
    elif kind == "unit":
        name = divisions.unit_names(session(), [subject_id]).get(subject_id, "—")
    else:
        name = _("One household")
    return render_template("plans/lists.html", rows=rows, name=name, may_edit=current_actor().can(EDIT))


@blueprint.route("/shelters", methods=["GET", "POST"])
@requires(VIEW)
def shelters() -> Page:
    """Where the lists send people, and how many fit there."""
    work, actor, form, status = session(), current_actor(), ShelterForm(), 200
    own = divisions.names(work, [actor.division_code]) if actor.division_code else {}
    places = [*own.items(), *(town for town in _towns() if town[0] not in own)]
    form.division_code.choices = places
    plan_id = request.args.get("plan", type=int)
    if request.method == "POST":
        actor.require(EDIT)
        if form.validate_on_submit():
            try:
                coverage.note_shelter(
                    work, actor=actor, name=form.name.data or "", division_code=form.division_code.data,
                    capacity=form.capacity.data, source=form.source.data or "",
                )  # fmt: skip
            except DomainError as error:
                _refused(form, error)
            else:
                flash_done(_("Noted: %(name)s takes %(n)s people.", name=form.name.data, n=form.capacity.data))
                return redirect(url_for("plan_checks.shelters", plan=plan_id), 303)
        flask.g.refused, status = True, 422
    elif request.args.get("name"):
        form.name.data = request.args["name"]
    plan = service.get_plan(work, actor=actor, plan_id=plan_id) if plan_id else None
    if plan is not None and request.method == "GET":
        form.division_code.data = plan.division_code[:9] + "000"
    body = render_template(
        "plans/shelters.html", lines=coverage.assigned(work, actor=actor, plan_id=plan_id), form=form, plan=plan,
        may_edit=actor.can(EDIT),
    )  # fmt: skip
    return body, status


# --- statutes and checks ----------------------------------------------------------------------------------------


@blueprint.route("/laws", methods=["GET", "POST"])
@requires(VIEW)
def laws() -> Page:
    """The statutes that plans name, and what became of them."""
    actor, form, status = current_actor(), LawForm(), 200
    if request.method == "POST":
        actor.require(EDIT)
        if form.validate_on_submit():
            try:
                law = citations.note_law(
                    session(), actor=actor, title=form.title.data or "", change=form.change.data,
                    changed_on=form.changed_on.data, number=form.number.data or "",
                    replaced_by=form.replaced_by.data or "", source=form.source.data or "",
                )  # fmt: skip
            except DomainError as error:
                _refused(form, error)
            else:
                flash_done(
                    _("Noted. Plans that name 《%(title)s》 and are older than the change fall due.", title=law.title)
                )
                return redirect(url_for("plan_checks.laws"), 303)
        flask.g.refused, status = True, 422
    elif request.args.get("title"):
        form.title.data = request.args["title"]
        form.change.data = LegalChange.NONE
    body = render_template(
        "plans/laws.html",
        lines=citations.statutes(session(), actor=actor),
        form=form,
        may_edit=actor.can(EDIT) and checks.of_district(actor),
    )
    return body, status


@blueprint.route("/checks", methods=["GET", "POST"])
@requires(VIEW)
def decided() -> Page:
    """Which checks are made, on what each rests; the bureau decides about those that no law orders."""
    actor = current_actor()
    if request.method == "POST":
        actor.require(APPROVE)
        checks.decide(
            session(), actor=actor, key=request.form.get("key", ""), adopted=request.form.get("adopted") == "1",
            days=request.form.get("days", type=int),
        )  # fmt: skip
        flash_done(_("Decided. The next look goes by it."))
        return redirect(url_for("plan_checks.decided"), 303)
    bindings = {"national": _("Law"), "guidance": _("Guidance"), "lesson": _("Lesson"), "house": _("Our own order")}
    evidence = {"seen": _("text read"), "seen2": _("secondary copy"), "mem": _("from memory, not verified")}
    return render_template(
        "plans/checks.html", lines=list(checks.checks(session()).values()), bindings=bindings, evidence=evidence,
        may_decide=actor.can(APPROVE) and checks.of_district(actor),
    )  # fmt: skip


# --- mending one plan -------------------------------------------------------------------------------------------


@blueprint.route("/<int:plan_id>/owner", methods=["GET", "POST"])
@requires(EDIT)
def owner(plan_id: int) -> Page:
    """Name the post that keeps a plan."""
    work, actor, form, status = session(), current_actor(), OwnerForm(), 200
    plan = service.get_plan(work, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    form.post_id.choices = owning.offered_posts(work, plan)
    if request.method == "POST":
        if form.validate_on_submit():
            try:
                owning.name_owner(work, actor=actor, plan_id=plan_id, post_id=form.post_id.data)
            except DomainError as error:
                _refused(form, error)
            else:
                flash_done(_("Noted. This post is told what is wrong with the plan."))
                return redirect(url_for("plans.show", plan_id=plan_id), 303)
        flask.g.refused, status = True, 422
    else:
        form.post_id.data = plan.owner_post_id
    return render_template("plans/owner.html", plan=plan, form=form), status


@blueprint.get("/<int:plan_id>/mend/<fault>")
@requires(VIEW)
def mend(plan_id: int, fault: str) -> Page:
    """One fault of one plan with the act that ends it, and nothing else."""
    work, actor = session(), current_actor()
    plan = service.get_plan(work, actor=actor, plan_id=plan_id)
    which = next((f for f in rules.Fault if f.value == fault), None)
    if which is None or not actor.covers(plan.division_code):
        raise NotFound(N_("There is no such fault of this plan."))
    fact = facts(work, Plan.id == plan.id)[0]
    wanted = checks.checks(work)
    own = rules.faults(fact, rule_months=evaluation_months(work).get(plan.kind), today=today(work))
    look = faulty.Look(work, now(work), wanted, {plan.id})
    others = [d for d in faulty.find(look) if d.rule == which.value]
    rows = service.versions(work, actor=actor, plan_id=plan.id)
    return render_template(
        "plans/mend.html", plan=plan, fault=which, check=wanted[which], own=next((f for f in own if f.fault is which), None),
        others=[_(d.reason, **d.params) for d in others], fact=fact,
        draft=next((row for row in rows if row.state in rules.IN_WORK), None),
        posts=faulty.faulty_posts_of(look, plan.id) if which.value.startswith("relied_") else [],
        may_edit=actor.can(EDIT), today=today(work),
    )  # fmt: skip


@blueprint.post("/<int:plan_id>/follow")
@requires(EDIT)
def follow(plan_id: int) -> Page:
    """Bring the open draft under the parent's present text."""
    draft = owning.follow_parent(session(), actor=current_actor(), plan_id=plan_id)
    flash_done(_("The draft follows the present text above it. Compare, then submit it."))
    return redirect(url_for("plans.version", version_id=draft.id), 303)
