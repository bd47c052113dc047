"""One drill's learning: last time, objectives, sheets, findings, what is offered to close them, the reports in Word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.drills import checklists, learning, learning_papers
from emergency.drills import learning_findings as findings
from emergency.drills import learning_objectives as objectives
from emergency.drills import learning_sheets as sheets
from emergency.drills.forms_learning import EarlierForm, ObjectiveForm
from emergency.drills.learning_lists import today_of
from emergency.drills.learning_models import FindingState, Mark, Rating, SheetState
from emergency.drills.learning_reports import standing_of
from emergency.drills.learning_rules import DEFINITIONS
from emergency.drills.learning_whole import AfterAction, gather
from emergency.drills.models import Occurrence, OccurrenceState, Programme
from emergency.drills.rulebook import report_words
from emergency.http.forms import enum_choices
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.people.accounts import service as accounts
from emergency.privacy.journal import Purpose
from kernel.db import now
from kernel.errors import DomainError

blueprint = flask.Blueprint("drill_learning", __name__, url_prefix="/drills")
Page = str | Response | tuple[str, int]
VIEW, EDIT, REVEAL = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT, Permission.PERSONAL_REVEAL


def told(text: str, endpoint: str, **args: Any) -> Response:
    """Say what was done on the page that comes next."""
    flask.flash(text, "done")
    return redirect(url_for(endpoint, **args), 303)


def attachment(body: bytes, name: str, content_type: str = learning_papers.DOCX) -> flask.Response:
    """A download whose Chinese name every browser reads; no copy stays in a cache."""
    tail = name.rpartition(".")[2]
    disposition = f"attachment; filename=drill.{tail}; filename*=UTF-8''{quote(name)}"
    return flask.Response(
        body, content_type=content_type, headers={"Content-Disposition": disposition, "Cache-Control": "no-store"}
    )


def _names(whole: AfterAction) -> dict[str, str]:
    return accounts.display_names(session(), {sheet.evaluation.evaluator for sheet in whole.sheets})


def _overview(whole: AfterAction, status: int = 200, *, objective: ObjectiveForm | None = None) -> Page:
    work, actor = session(), current_actor()
    mine = [sheet for sheet in whole.sheets if sheet.evaluation.evaluator == str(actor)]
    draft = next((s for s in mine if s.evaluation.state is SheetState.DRAFT), None)
    handed = next((s for s in mine if s.evaluation.state is SheetState.HANDED_IN), None)
    earlier = EarlierForm(formdata=None)
    earlier.again_id.choices = [(0, "—"), *((f.id, f.text[:60]) for f in whole.findings)]
    held = whole.occurrence.state is OccurrenceState.HELD
    body = render_template(
        "drills/learning/show.html", whole=whole, occurrence=whole.occurrence, programme=whole.programme,
        names=_names(whole), draft=draft, handed=handed, earlier=earlier, held=held,
        form=objective or ObjectiveForm(formdata=None), may_edit=actor.can(EDIT), may_reveal=actor.can(REVEAL),
        editable=actor.can(EDIT) and whole.occurrence.state not in objectives.CLOSED,
        inherited=[] if whole.aims else objectives.of_programme(work, whole.programme.id),
        offers=findings.mendings(work, actor=actor, findings=whole.findings) if whole.findings else [],
        today=today_of(work), standing_of=standing_of, to_words=report_words, purposes=enum_choices(Purpose),
        O=FindingState.OPEN, open_last=sum(a.state.value == "open" for e in whole.before.findings for a in e.actions),
    )  # fmt: skip
    return body, status


@blueprint.get("/<int:occurrence_id>/learning")
@requires(VIEW)
def show(occurrence_id: int) -> Page:
    """What the drill should show, how it was judged, what must get better, and what came of the drill before."""
    return _overview(gather(session(), actor=current_actor(), occurrence_id=occurrence_id))


# ---- objectives ----


def _text(form: ObjectiveForm) -> objectives.ObjectiveText:
    return objectives.ObjectiveText(
        form.words.data or "", form.capability.data or "", form.target.data or "",
        (form.tasks.data or "").splitlines(),
    )  # fmt: skip


@blueprint.post("/<int:occurrence_id>/learning/objectives")
@requires(EDIT)
def add_objective(occurrence_id: int) -> Page:
    """One more objective of this date."""
    whole = gather(session(), actor=current_actor(), occurrence_id=occurrence_id)
    form = ObjectiveForm()
    if form.validate_on_submit():
        try:
            learning.add_objective(session(), actor=current_actor(), text=_text(form), occurrence_id=occurrence_id)
        except DomainError as error:
            session().rollback()
            form.refuse(error)
        else:
            return told(_("Saved."), "drill_learning.show", occurrence_id=occurrence_id, _anchor="objectives")
    flask.g.refused = True
    whole = gather(session(), actor=current_actor(), occurrence_id=occurrence_id)
    return _overview(whole, 422, objective=form)


@blueprint.post("/<int:occurrence_id>/learning/take-over")
@requires(EDIT)
def take_over(occurrence_id: int) -> Page:
    """The programme's objectives become this date's own, so that they can be changed for it."""
    learning.take_over(session(), objectives.changeable(session(), current_actor(), occurrence_id))
    return told(_("Taken over."), "drill_learning.show", occurrence_id=occurrence_id, _anchor="objectives")


@blueprint.route("/objectives/<int:objective_id>", methods=["GET", "POST"])
@requires(EDIT)
def objective(objective_id: int) -> Page:
    """Change one objective; its row stays, so that injects still point to it."""
    work, actor = session(), current_actor()
    aim = objectives.get_aim(work, actor=actor, objective_id=objective_id)
    form = ObjectiveForm()
    if request.method == "GET":
        found = aim.objective
        form.words.data, form.capability.data, form.target.data = found.words, found.capability, found.target
        form.tasks.data = "\n".join(task.words for task in aim.tasks)
    elif form.validate_on_submit():
        try:
            learning.edit_objective(work, actor=actor, objective_id=objective_id, text=_text(form))
        except DomainError as error:
            work.rollback()
            form.refuse(error)
        else:
            return _back_of(aim.objective.programme_id, aim.objective.occurrence_id, _("Saved."))
    status = 200 if request.method == "GET" else 422
    flask.g.refused = status == 422
    return render_template("drills/learning/objective.html", form=form, aim=aim), status


def _back_of(programme_id: int | None, occurrence_id: int | None, text: str) -> Response:
    if programme_id is not None:
        return told(text, "drill_learning.programme", programme_id=programme_id)
    return told(text, "drill_learning.show", occurrence_id=occurrence_id, _anchor="objectives")


@blueprint.post("/objectives/<int:objective_id>/remove")
@requires(EDIT)
def remove_objective(objective_id: int) -> Page:
    """It goes, unless something of the drill speaks of it."""
    aim = objectives.get_aim(session(), actor=current_actor(), objective_id=objective_id)
    of = (aim.objective.programme_id, aim.objective.occurrence_id)
    learning.remove_objective(session(), actor=current_actor(), objective_id=objective_id)
    return _back_of(*of, _("Removed."))


@blueprint.route("/programmes/<int:programme_id>/objectives", methods=["GET", "POST"])
@requires(VIEW)
def programme(programme_id: int) -> Page:
    """What every date of a programme begins with."""
    work, actor = session(), current_actor()
    found: Programme = objectives.programme_in_scope(work, actor=actor, programme_id=programme_id)
    form, status = ObjectiveForm(), 200
    if request.method == "POST":
        actor.require(EDIT)
        if form.validate_on_submit():
            try:
                learning.add_objective(work, actor=actor, text=_text(form), programme_id=programme_id)
                return told(_("Saved."), "drill_learning.programme", programme_id=programme_id)
            except DomainError as error:
                work.rollback()
                form.refuse(error)
        flask.g.refused, status = True, 422
        found = objectives.programme_in_scope(work, actor=actor, programme_id=programme_id)
    return render_template(
        "drills/learning/programme.html", programme=found, aims=objectives.of_programme(work, found.id), form=form,
        may_edit=actor.can(EDIT),
    ), status  # fmt: skip


# ---- sheets ----


@blueprint.post("/<int:occurrence_id>/evaluate")
@requires(EDIT)
def evaluate(occurrence_id: int) -> Page:
    """Begin a sheet, go on with the draft, or correct the one that was handed in."""
    sheet = learning.start_sheet(
        session(), actor=current_actor(), occurrence_id=occurrence_id,
        replaces_id=request.form.get("replaces", type=int),
    )  # fmt: skip
    return redirect(url_for("drill_learning.sheet", sheet_id=sheet.id), 303)


@blueprint.route("/sheets/<int:sheet_id>", methods=["GET", "POST"])
@requires(EDIT)
def sheet(sheet_id: int) -> Page:
    """The evaluator's own draft."""
    work, actor = session(), current_actor()
    whole = sheets.own_draft(work, actor=actor, sheet_id=sheet_id)
    occurrence = work.get_one(Occurrence, whole.evaluation.occurrence_id)
    if request.method == "POST":
        hand_in = "hand_in" in request.form
        lines = {row.id: _line(row.id) for row in whole.ratings}
        marks = {line: mark for line in _lines(occurrence) if (mark := _mark(line)) is not None}
        given = sheets.Words(request.form.get("strengths", ""), {key: line.observation for key, line in lines.items()})
        ticks = {int(value) for value in request.form.getlist("task") if value.isdigit() and len(value) < 20}
        try:
            learning.save_sheet(
                work, actor=actor, sheet_id=sheet_id, version=request.form.get("version", type=int) or 0, lines=lines,
                ticks=ticks, marks=marks, strengths=given.strengths, hand_in=hand_in,
            )  # fmt: skip
        except DomainError as error:
            if error.status not in (409, 422):
                raise
            work.rollback()
            flask.g.refused = True
            whole = sheets.own_draft(work, actor=actor, sheet_id=sheet_id)
            whole.ticks, whole.marks = ticks, marks
            chosen = {key: line.rating for key, line in lines.items()}
            return _sheet(whole, given, chosen, error.text(_)), error.status
        text = _("Handed in. Nobody changes this sheet any more.") if hand_in else _("The draft is saved.")
        return told(text, "drill_learning.show", occurrence_id=occurrence.id, _anchor="sheets")
    return _sheet(whole, sheets.words_of(work, whole), {row.id: row.rating for row in whole.ratings})


def _lines(occurrence: Occurrence) -> list[str]:
    form = session().get_one(Programme, occurrence.programme_id).form
    return [line.key for group in checklists.groups(form) for line in group.lines]


def _line(row_id: int) -> sheets.Line:
    rating = next((r for r in Rating if r.value == request.form.get(f"rating-{row_id}")), None)
    return sheets.Line(rating, request.form.get(f"observation-{row_id}", "")[: sheets.TEXT])


def _mark(line: str) -> Mark | None:
    return next((m for m in Mark if m.value == request.form.get(f"mark-{line}")), None)


def _sheet(whole: sheets.Sheet, words: sheets.Words, chosen: Mapping[int, Rating | None], wrong: str = "") -> str:
    work = session()
    occurrence = work.get_one(Occurrence, whole.evaluation.occurrence_id)
    programme_ = work.get_one(Programme, occurrence.programme_id)
    aims = {aim.objective.id: aim for aim in objectives.of_occurrence(work, occurrence.id)}
    return render_template(
        "drills/learning/sheet.html", sheet=whole, occurrence=occurrence, programme=programme_, aims=aims, words=words,
        groups=checklists.groups(programme_.form), lists=checklists.load(), ratings=Rating, marks=Mark,
        definitions=[(rating, DEFINITIONS[rating][language() == "en"]) for rating in Rating],
        wrong=wrong, chosen=chosen,
    )  # fmt: skip


@blueprint.post("/<int:occurrence_id>/learning/words")
@requires(REVEAL)
@own_transaction
def words(occurrence_id: int) -> Page:
    """The evaluators' observations in clear, on the page or in Word, for a purpose; journalled before it is opened."""
    actor, purpose = current_actor(), request.form.get("purpose", "")
    with database().read() as reading:
        opened = sheets.reveal_words(reading, actor=actor, occurrence_id=occurrence_id, purpose=purpose)
    if "word" in request.form:
        with database().write() as writing:
            return _word(writing, occurrence_id, opened)
    with database().read() as reading:
        whole = gather(reading, actor=actor, occurrence_id=occurrence_id, words=opened)
        names = accounts.display_names(reading, {sheet.evaluation.evaluator for sheet in whole.sheets})
        body = render_template("drills/learning/words.html", whole=whole, occurrence=whole.occurrence, names=names)
    response = flask.make_response(body)
    response.headers["Cache-Control"] = "no-store, private"
    return response


# ---- recurrence ----


@blueprint.post("/<int:occurrence_id>/learning/earlier/<int:finding_id>")
@requires(EDIT)
def earlier(occurrence_id: int, finding_id: int) -> Page:
    """Gone, recurred, not tested."""
    whole = gather(session(), actor=current_actor(), occurrence_id=occurrence_id)
    form = EarlierForm()
    form.again_id.choices = [(0, "—"), *((f.id, f.text[:60]) for f in whole.findings)]
    if not form.validate_on_submit():
        flask.g.refused = True
        return _overview(whole, 422)
    learning.check_earlier(
        session(), actor=current_actor(), occurrence_id=occurrence_id, finding_id=finding_id,
        outcome=form.outcome.data, again_id=form.again_id.data or None,
    )  # fmt: skip
    return told(_("Noted."), "drill_learning.show", occurrence_id=occurrence_id, _anchor="last")


# ---- the report ----


@blueprint.get("/<int:occurrence_id>/learning/report")
@requires(VIEW)
def report(occurrence_id: int) -> Page:
    """The evaluation report and improvement plan, for the file and for when there is no Word."""
    whole = gather(session(), actor=current_actor(), occurrence_id=occurrence_id)
    return render_template(
        "drills/learning/report.html", whole=whole, exercise_word=learning_papers.EXERCISE,
        occurrence=whole.occurrence, programme=whole.programme,
        rows=list(learning_papers.improvement_rows(whole)), marks=Mark, moment=now(session()),
        definitions=[(rating, DEFINITIONS[rating][language() == "en"]) for rating in Rating],
    )  # fmt: skip


@blueprint.get("/<int:occurrence_id>/learning/word")
@requires(VIEW)
def word(occurrence_id: int) -> flask.Response:
    """The same in Word, without anything that names a person."""
    return _word(session(), occurrence_id, {})


def _word(work: Any, occurrence_id: int, opened: Any) -> flask.Response:
    whole = gather(work, actor=current_actor(), occurrence_id=occurrence_id, words=opened)
    data = learning_papers.evaluation_report(work, actor=current_actor(), whole=whole)
    return attachment(data, f"{learning_papers.EXERCISE}{whole.occurrence.title}评估总结报告.docx")
