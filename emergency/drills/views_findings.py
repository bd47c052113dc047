"""Findings, corrective actions and reports of the whole area, and each of them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date
from typing import Any

import flask
from flask import render_template, request
from werkzeug.wrappers import Response

from emergency.divisions import service as divisions
from emergency.divisions.rules import TOWNSHIP
from emergency.drills import learning, learning_lists, learning_papers, learning_reports
from emergency.drills import learning_findings as findings
from emergency.drills.forms_learning import ActionForm, FiledForm, NewFindingForm
from emergency.drills.learning_again import chain, last_time
from emergency.drills.learning_models import (
    ActionState,
    Cause,
    Finding,
    FindingState,
    Severity,
)
from emergency.drills.learning_objectives import of_occurrence
from emergency.drills.learning_whole import gather
from emergency.drills.models import DrillKind, Occurrence
from emergency.drills.planning import get_occurrence_for_change
from emergency.drills.rulebook import report_words
from emergency.drills.views_actions import action_filters, action_form
from emergency.drills.views_learning import attachment, told
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.http.sheets import Column, csv_text, write_xlsx
from emergency.people.accounts import service as accounts
from emergency.people.posts import service as posts
from emergency.plans import service as plans
from kernel.errors import N_, DomainError, Invalid
from kernel.states import timeline

blueprint = flask.Blueprint("drill_findings", __name__, url_prefix="/drills")
Page = str | Response | tuple[str, int]
VIEW, EDIT, REVEAL = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT, Permission.PERSONAL_REVEAL
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _of(members: Any, name: str) -> Any:
    return next((m for m in members if m.value == request.args.get(name)), None)


def _finding_filters() -> dict[str, Any]:
    return {
        "state": _of(FindingState, "state"), "cause": _of(Cause, "cause"), "severity": _of(Severity, "severity"),
        "kind": _of(DrillKind, "kind"), "division": request.args.get("division") or None,
        "plan_id": request.args.get("plan", type=int), "again": request.args.get("again") == "1",
        "about_plan": request.args.get("about_plan") == "1",
    }  # fmt: skip


def _towns() -> list[tuple[str, str]]:
    return divisions.areas(session(), actor=current_actor(), deepest=TOWNSHIP)


@blueprint.get("/findings")
@requires(VIEW)
def index() -> Page:
    """Findings of the area, filtered by a sentence."""
    work, actor, chosen = session(), current_actor(), _finding_filters()
    page = learning_lists.list_findings(work, actor=actor, cursor=request.args.get("cursor"), **chosen)
    return render_template(
        "drills/learning/findings.html", page=page, chosen=chosen, states=FindingState, causes=Cause,
        severities=Severity, kinds=DrillKind, towns=_towns(), offers=findings.mendings(work, actor=actor)[:20],
        may_edit=actor.can(EDIT),
    )  # fmt: skip


@blueprint.get("/<any(findings,actions):what>/export")
@requires(VIEW)
def export(what: str) -> flask.Response:
    """The filtered list as CSV or XLSX."""
    if what == "findings":
        rows = learning_lists.export_findings(session(), actor=current_actor(), **_finding_filters())
        name = "演练发现问题"
    else:
        rows = learning_lists.export_actions(session(), actor=current_actor(), **action_filters())
        name = "演练整改措施"
    return _spreadsheet(rows, name)


def _spreadsheet(rows: Iterable[list[Any]], name: str) -> flask.Response:
    head, *held = list(rows)
    columns = [Column(f"c{number}", (title,)) for number, title in enumerate(head)]
    lines = [{column.key: str(cell) for column, cell in zip(columns, row, strict=True)} for row in held]
    if request.args.get("format") == "xlsx":
        target = io.BytesIO()
        write_xlsx(lines, columns, target, keys_as_headings=False)
        return attachment(target.getvalue(), f"{name}.xlsx", XLSX)
    body = "".join(csv_text(lines, columns, keys_as_headings=False))
    return attachment(body.encode(), f"{name}.csv", "text/csv; charset=utf-8")


# ---- one finding ----


def _finding_form(occurrence: Occurrence, given: NewFindingForm) -> NewFindingForm:
    work, actor = session(), current_actor()
    given.objective_id.choices = [
        (0, "—"),
        *((a.objective.id, a.objective.words) for a in of_occurrence(work, occurrence.id)),
    ]
    before = last_time(work, actor=actor, occurrence_id=occurrence.id)
    given.recurs_id.choices = [(0, "—"), *((e.finding.id, e.finding.text[:60]) for e in before.findings)]
    found = findings.plan_choices(work, actor=actor, occurrence_id=occurrence.id, query=given.plan_query.data or "")
    choices = [(plan.id, plan.title) for plan in found]
    held = given.plan_id.data
    if held and held not in {key for key, _title in choices}:
        try:
            choices.append((held, plans.get_plan(work, actor=actor, plan_id=held).title))
        except DomainError:
            given.plan_id.data = 0
    given.plan_id.choices = [(0, _("none")), *choices]
    return given


def _given(form: NewFindingForm) -> dict[str, Any]:
    return {
        "text": form.text.data or "", "root_cause": form.root_cause.data or "", "cause": form.cause.data,
        "severity": form.severity.data, "objective_id": form.objective_id.data or None,
        "plan_id": form.plan_id.data or None, "recurs_id": form.recurs_id.data or None,
    }  # fmt: skip


@blueprint.route("/<int:occurrence_id>/finding", methods=["GET", "POST"])
@requires(EDIT)
def new(occurrence_id: int) -> Page:
    """Something that must get better."""
    work, actor = session(), current_actor()
    occurrence = get_occurrence_for_change(work, actor=actor, occurrence_id=occurrence_id)
    form, status = NewFindingForm(), 200
    if request.method == "GET":
        form.severity.data = Severity.MINOR
        form.objective_id.data, form.recurs_id.data = (
            request.args.get("objective", 0, int),
            request.args.get("recurs", 0, int),
        )
    _finding_form(occurrence, form)
    if request.method == "POST" and "search" not in request.form:
        if form.validate_on_submit():
            try:
                made = learning.add_finding(work, actor=actor, occurrence_id=occurrence_id, **_given(form))
                return told(_("Noted. Now say who mends it by when."), "drill_findings.show", finding_id=made.id)
            except DomainError as error:
                work.rollback()
                form.refuse(error)
        flask.g.refused, status = True, 422
    return render_template("drills/learning/finding_edit.html", form=form, occurrence=occurrence, finding=None), status


def _show(finding_id: int, status: int = 200, *, given: ActionForm | None = None) -> Page:
    work, actor = session(), current_actor()
    finding = findings.get_finding(work, actor=actor, finding_id=finding_id)
    occurrence = work.get_one(Occurrence, finding.occurrence_id)
    held = findings.actions_of(work, [finding.id])[finding.id]
    form = action_form(occurrence, given or ActionForm(formdata=None))
    changes = timeline(work, Finding.__tablename__, finding.id)
    plan = _plan(finding)
    body = render_template(
        "drills/learning/finding.html", finding=finding, occurrence=occurrence, actions=held, form=form,
        owners=posts.titles(work, {a.owner_post_id for a in held if a.owner_post_id}, language=language()),
        chain=chain(work, finding, actor=actor), changes=changes, states=FindingState, plan=plan,
        objective=next(
            (a.objective for a in of_occurrence(work, occurrence.id) if a.objective.id == finding.objective_id), None
        ),
        names=accounts.display_names(work, {c.actor for c in changes} | {finding.found_by}),
        offers=findings.mendings(work, actor=actor, findings=[finding]), may_edit=actor.can(EDIT),
        proof=findings.proof_of(work, actor=actor, row=finding), today=learning_lists.today_of(work),
        under_way=sum(a.state is ActionState.OPEN for a in held),
    )  # fmt: skip
    return body, status


def _plan(finding: Finding) -> Any:
    if finding.plan_id is None:
        return None
    try:
        return plans.get_plan(session(), actor=current_actor(), plan_id=finding.plan_id)
    except DomainError:
        return None


@blueprint.get("/findings/<int:finding_id>")
@requires(VIEW)
def show(finding_id: int) -> Page:
    """One finding: what, why, what is done, what closes it."""
    return _show(finding_id)


@blueprint.route("/findings/<int:finding_id>/edit", methods=["GET", "POST"])
@requires(EDIT)
def edit(finding_id: int) -> Page:
    """Other words while it is open."""
    work, actor = session(), current_actor()
    finding = findings.get_finding(work, actor=actor, finding_id=finding_id)
    occurrence, form, status = work.get_one(Occurrence, finding.occurrence_id), NewFindingForm(), 200
    if request.method == "GET":
        form = NewFindingForm(formdata=None, obj=finding)
        form.objective_id.data, form.plan_id.data = finding.objective_id or 0, finding.plan_id or 0
        form.recurs_id.data = finding.recurs_id or 0
    _finding_form(occurrence, form)
    if request.method == "POST" and "search" not in request.form:
        if form.validate_on_submit():
            try:
                learning.edit_finding(work, actor=actor, finding_id=finding_id,
                                      given=findings.FindingText(**_given(form)),
                                      version=request.form.get("version", type=int) or 0)  # fmt: skip
                return told(_("Saved."), "drill_findings.show", finding_id=finding_id)
            except DomainError as error:
                work.rollback()
                form.refuse(error)
        flask.g.refused, status = True, 422
        finding = findings.get_finding(work, actor=actor, finding_id=finding_id)
    return render_template(
        "drills/learning/finding_edit.html", form=form, occurrence=occurrence, finding=finding
    ), status


@blueprint.post("/findings/<int:finding_id>/<any(close,reopen):what>")
@requires(EDIT)
def settle(finding_id: int, what: str) -> Page:
    """Closed by proof or by the version that mends it; or open again, with the reason."""
    reason = request.form.get("reason", "")
    if what == "reopen":
        learning.reopen_finding(session(), actor=current_actor(), finding_id=finding_id, reason=reason)
        return told(_("Open again."), "drill_findings.show", finding_id=finding_id)
    learning.close_finding(
        session(), actor=current_actor(), finding_id=finding_id, proof=reason,
        version_id=request.form.get("version", type=int),
    )  # fmt: skip
    return told(_("Closed."), "drill_findings.show", finding_id=finding_id)


# ---- who mends it ----


def _due(form: ActionForm) -> date:
    if form.due_on.data is not None:
        return form.due_on.data
    try:
        return date.fromisoformat(form.preset.data or "")
    except ValueError:
        raise Invalid(N_("Say by when."), code="incomplete", fields={"due_on": N_("Fill this in.")}) from None


@blueprint.post("/findings/<int:finding_id>/actions")
@requires(EDIT)
def add_action(finding_id: int) -> Page:
    """Who mends it by when."""
    work, actor = session(), current_actor()
    finding = findings.get_finding(work, actor=actor, finding_id=finding_id)
    form = ActionForm()
    action_form(work.get_one(Occurrence, finding.occurrence_id), form)
    if "search" in request.form:
        return _show(finding_id, 200, given=form)
    if form.validate_on_submit():
        try:
            made = learning.add_action(
                work, actor=actor, finding_id=finding_id, text=form.text.data or "",
                owner_words=form.owner_words.data or "", owner_post_id=form.owner_post_id.data or None,
                starts_on=form.starts_on.data, due_on=_due(form),
            )  # fmt: skip
            return told(_("Noted; its post is reminded before the date."), "drill_actions.action", action_id=made.id)
        except DomainError as error:
            work.rollback()
            form.refuse(error)
    flask.g.refused = True
    return _show(finding_id, 422, given=form)


# ---- reports and the year ----


@blueprint.get("/reports")
@requires(VIEW)
def reports() -> Page:
    """What is due to the supervising departments."""
    work, actor = session(), current_actor()
    standing = request.args.get("standing", "")
    page = learning_reports.list_reports(work, actor=actor, standing=standing, cursor=request.args.get("cursor"))
    return render_template(
        "drills/learning/reports.html", page=page, standing=standing, counts=learning_reports.counts(work, actor),
        today=learning_lists.today_of(work), standing_of=learning_reports.standing_of,
        to_words=report_words,
    )  # fmt: skip


def _report(report_id: int, form: FiledForm, status: int = 200) -> Page:
    work, actor = session(), current_actor()
    row, occurrence, rule = learning_reports.get_report(work, actor=actor, report_id=report_id)
    if not form.is_submitted():
        form.filed_on.data = learning_lists.today_of(work)
    body = render_template(
        "drills/learning/report_filed.html", report=row, occurrence=occurrence, rule=rule, form=form,
        may_edit=actor.can(EDIT), today=learning_lists.today_of(work), standing_of=learning_reports.standing_of,
        to=report_words(row.to_whom, language()),
        names=accounts.display_names(work, {row.filed_by} if row.filed_by else set()),
    )  # fmt: skip
    return body, status


@blueprint.route("/reports/<int:report_id>", methods=["GET", "POST"])
@requires(VIEW)
def report(report_id: int) -> Page:
    """One report: to whom, by when, filed with a date."""
    work, actor = session(), current_actor()
    learning_reports.get_report(work, actor=actor, report_id=report_id)
    form = FiledForm()
    if request.method == "GET":
        return _report(report_id, form)
    actor.require(EDIT)
    if form.validate_on_submit() and form.filed_on.data is not None:
        try:
            learning.file_report(
                work, actor=actor, report_id=report_id, filed_on=form.filed_on.data,
                reference=form.reference.data or "", receipt=form.receipt.data or "",
            )  # fmt: skip
            return told(_("Filed."), "drill_findings.report", report_id=report_id)
        except DomainError as error:
            if error.status != 422:
                raise
            work.rollback()
            form.refuse(error)
    flask.g.refused = True
    return _report(report_id, form, 422)


@blueprint.get("/reports/<int:report_id>/word")
@requires(VIEW)
def report_word(report_id: int) -> flask.Response:
    """What the department wants, in Word."""
    work, actor = session(), current_actor()
    row, occurrence, rule = learning_reports.get_report(work, actor=actor, report_id=report_id)
    whole = gather(work, actor=actor, occurrence_id=occurrence.id)
    data = learning_papers.department_report(work, actor=actor, whole=whole, report=row, rule=rule)
    return attachment(data, f"{learning_papers.EXERCISE}{occurrence.title}情况报告.docx")


@blueprint.get("/trends")
@requires(VIEW)
def trends() -> Page:
    """What the year's drills found, by cause and kind; what came again; actions on time."""
    work = session()
    this_year = learning_lists.today_of(work).year
    year = request.args.get("year", this_year, type=int)
    year = year if abs(year - this_year) <= 20 else this_year
    return render_template(
        "drills/learning/trends.html", trend=learning_lists.trend(work, actor=current_actor(), year=year),
        this_year=this_year, causes=Cause,
    )  # fmt: skip
