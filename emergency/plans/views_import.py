"""Pages that bring plans in from files: upload, what was read, confirm; and the files that hang on a plan."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import flask
from flask import redirect, render_template, request, url_for
from flask_wtf.file import FileField
from markupsafe import Markup, escape
from werkzeug.wrappers import Response
from wtforms import HiddenField

from emergency.http.forms import Form, LongText, enum_choices, length, optional
from emergency.http.i18n import _, _l
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, database, own_transaction, session
from emergency.people.posts.models import Duty
from emergency.plans import attachments, showing
from emergency.plans.attachment_models import AttachmentKind
from emergency.plans.forms import PlanForm
from emergency.plans.importing import confirm as confirming
from emergency.plans.importing import runs
from emergency.plans.importing.confirm import Choices, Decision, Places
from emergency.plans.importing.models import PlanImport, PlanImportState
from emergency.plans.importing.people import PLACEHOLDER, Person, named_before
from emergency.plans.importing.reading import Reading
from emergency.plans.models import Hazard, Plan, PlanKind
from emergency.plans.queries import facts, get_plan, readable
from emergency.plans.rules import LIVING, REQUIRED_PARTS
from emergency.plans.service import NewPlan
from emergency.privacy.vault import mask_name, mask_phone
from kernel.errors import N_, DomainError, Invalid

blueprint = flask.Blueprint("plan_imports", __name__, url_prefix="/plans")
showing.install(blueprint)
Page = str | Response | tuple[str, int]
EDIT = Permission.PLANS_EDIT
SHOWN_SECTIONS, SHOWN_REMARKS = 400, 200


class UploadForm(Form):
    """A file, or a text that is pasted; both for an old format."""

    file = FileField(_l("Word (.docx), text (.txt, .md), or an old format (.doc, .wps, .pdf)"))
    typed = LongText(_l("Outline of the text, typed or pasted"), [optional(), length(most=200_000)])
    plan_id = HiddenField()


@blueprint.route("/import", methods=["GET", "POST"])
@requires(EDIT)
@own_transaction
def index() -> Page:
    """Upload a plan, and one's imports so far."""
    form, status = UploadForm(), 200
    if request.method == "GET":
        form.plan_id.data = request.args.get("plan", "")
    meant = form.plan_id.data or ""
    plan_id = int(meant) if meant.isdigit() else None
    if form.validate_on_submit():
        file: Any = form.file.data
        try:
            limit = config().server.max_upload_mb * 1024 * 1024
            data = file.stream.read(limit + 1) if file and file.filename else b""
            run_id = runs.upload(
                database(), data, actor=current_actor(), name=(file.filename or "") if file else "",
                typed=form.typed.data or "", plan_id=plan_id, limit=limit,
            )  # fmt: skip
        except DomainError as error:
            form.refuse(error)
        else:
            return redirect(url_for("plan_imports.show", run_id=run_id), 303)
    if request.method == "POST":
        status = 422
    with database().read() as reading:
        actor = current_actor()
        plan = get_plan(reading, actor=actor, plan_id=plan_id) if plan_id else None
        if plan is not None:
            actor.require_covers(plan.division_code)
        listed = [(run, runs.name_of(reading, run)) for run in runs.list_runs(reading, actor=actor)]
        body = render_template("plans/import.html", form=form, plan=plan, runs=listed)
    return body, status


@blueprint.get("/import/<int:run_id>")
@requires(EDIT)
def show(run_id: int) -> Page:
    """How far the reading is, or what was read and what is to be decided."""
    return _page(runs.seen(session(), actor=current_actor(), run_id=run_id))


def _page(
    run: PlanImport, form: PlanForm | None = None, fault: str = "", given: dict[int, Decision] | None = None
) -> str:
    work, actor = session(), current_actor()
    result = runs.result_of(work, run) if run.state is PlanImportState.READY else None
    plan = get_plan(work, actor=actor, plan_id=run.plan_id) if run.plan_id else None
    failure = runs.failure_of(run)
    shown: dict[str, Any] = {
        "run": run, "file": runs.name_of(work, run), "failure": failure.text(_) if failure else "", "plan": plan,
        "fault": fault, "over": run.state not in (PlanImportState.WAITING, PlanImportState.READING), "result": result,
    }  # fmt: skip
    if result is not None:
        home = plan.division_code if plan else (actor.division_code or "")
        places = Places.within(work, actor, plan.division_code if plan else None)
        suggested = confirming.suggested(result.people, places, home)
        form = form or (None if plan else _new_form(result))
        matched = confirming.matched(result.evacuation, places)
        mentions = _mentions(result.people)
        shown |= {
            "places": places.names, "form": form, "duties": Duty, "preview": preview(result),
            "people": [
                _person(p, (given or {}).get(p.key) or suggested[p.key], places, mentions[p.key])
                for p in result.people if p.key in mentions
            ],
            "missing": confirming.missing(plan.kind if plan else PlanKind.SPECIAL, result), "required": REQUIRED_PARTS,
            "evacuation": matched, "matched": sum(code is not None for _row, code in matched),
            "remarks": [(r.at, r.words(_), r.quote) for r in result.remarks[:SHOWN_REMARKS]],
            "more_remarks": max(len(result.remarks) - SHOWN_REMARKS, 0), "most": SHOWN_SECTIONS,
        }  # fmt: skip
    template = "plans/_import_run.html" if request.headers.get("HX-Request") else "plans/import_run.html"
    return render_template(template, **shown)


def _mentions(people: Sequence[Person]) -> dict[int, list[int]]:
    """Where each person stands, by the key of the first mention: one decision counts for all of them."""
    first, found = named_before(people), dict[int, list[int]]()
    for person in people:
        found.setdefault(first.get(person.key, person.key), []).append(person.at)
    return found


def _person(person: Person, decision: Decision, places: Places, mentions: list[int]) -> dict[str, Any]:
    place = f"{places.names.get(decision.division_code, '')} {decision.division_code}".strip()
    return {
        "key": person.key, "at": "、".join(str(at) for at in dict.fromkeys(mentions[:12])), "name": mask_name(person.name) if person.name else "",
        "phones": [mask_phone(re.sub(r"\D", "", unicodedata.normalize("NFKC", phone))) for phone in person.phones], "mobile": person.mobile,
        "words": PLACEHOLDER.sub("", person.words)[:40], "action": decision.action, "duty": decision.duty, "place": place,
    }  # fmt: skip


def preview(result: Reading) -> list[tuple[Any, Markup]]:
    """Sections with their beginnings; what was taken out shows as a mark, never as a number."""
    made = []
    for section in result.sections[:SHOWN_SECTIONS]:
        text = section.body
        words = text if len(text) <= 160 else text[:160].rsplit("\ue000", 1)[0] + "…"
        shown = PLACEHOLDER.sub(
            lambda m: {"i": "〔" + _("image") + "〕", "n": "〔" + _("name") + "〕", "p": "〔" + _("number") + "〕"}[
                m[1]
            ],
            words,
        )
        made.append((section, Markup("<br>").join(escape(line) for line in shown.split("\n"))))
    return made


def _new_form(result: Reading) -> PlanForm:
    form = PlanForm(formdata=None)
    _offer(form)
    form.title.data = result.title
    actor = current_actor()
    form.expect(Places.within(session(), actor, None).find(result.title) or actor.division_code, result.title)
    return form


def _offer(form: PlanForm) -> None:
    work, actor = session(), current_actor()
    names = Places.within(work, actor, None).names
    form.division_code.choices = list(names.items())
    form.offer_hazards(enum_choices(Hazard))
    above = facts(work, readable(actor), Plan.level.in_(["city", "district", "township"]))[:300]
    form.parent_id.choices = [(0, _("none")), *((f.plan_id, f.title) for f in above if f.state in LIVING)]


@blueprint.post("/import/<int:run_id>")
@requires(EDIT)
@own_transaction
def confirm(run_id: int) -> Page:
    """Make the draft of what was read, as decided."""
    actor = current_actor()
    with database().read() as reading:
        run = runs.seen(reading, actor=actor, run_id=run_id)
        flask.g.db_session = reading
        form = None
        given: dict[int, Decision] = {}
        try:
            new = None
            if run.plan_id is None:
                form = PlanForm()
                _offer(form)
                if not form.validate_on_submit():
                    return _refused(run, form, "", _decided(strict=False))
                new = NewPlan(
                    kind=form.kind.data, level=form.level.data, title=form.title.data or "",
                    division_code=form.division_code.data, issuer=form.issuer.data or "", hazards=form.chosen_hazards,
                    parent_id=form.parent_id.data or None, public=bool(form.public.data),
                    evaluate_months=form.evaluate_months.data,
                )  # fmt: skip
            given = _decided(strict=True)
            _plan_id, version_id = confirming.confirm(
                database(), actor=actor, run_id=run_id,
                choices=Choices(run.plan_id, new, given, "levels" in request.form, "evacuation" in request.form),
            )  # fmt: skip
        except DomainError as error:
            if error.status in (403, 404):
                raise
            return _refused(run, form, error.text(_), given or _decided(strict=False))
        finally:
            flask.g.pop("db_session", None)
    flask.flash(_("The draft was made from the file. Read it against the original, then go on."), "done")
    return redirect(url_for("plans.version", version_id=version_id), 303)


def _refused(run: PlanImport, form: PlanForm | None, fault: str, given: dict[int, Decision]) -> Page:
    return _page(run, form, fault, given), 422


_FIELD = re.compile(r"(do|duty|place)-(\d{1,6})")


def _decided(*, strict: bool) -> dict[int, Decision]:
    rows: dict[int, dict[str, str]] = {}
    for name, value in request.form.items():
        if found := _FIELD.fullmatch(name):
            rows.setdefault(int(found[2]), {})[found[1]] = value
    made = {}
    for key, row in rows.items():
        action = row.get("do", "")
        duty = next((d for d in Duty if d.value == row.get("duty")), None)
        code = re.search(r"\d{12}", row.get("place", ""))
        if strict and action == confirming.POST and (duty is None or code is None):
            raise Invalid(
                N_("Choose a duty and a place for every number that becomes a post, or leave it out."),
                code="duty_required",
            )
        if action in (confirming.POST, confirming.LEAVE_OUT, confirming.KEEP):
            made[key] = Decision(action, duty, code[0] if code else "")
    return made


@blueprint.post("/import/<int:run_id>/discard")
@requires(EDIT)
def discard(run_id: int) -> Page:
    """Forget the file."""
    runs.discard(session(), actor=current_actor(), run_id=run_id)
    flask.flash(_("The file and what was read from it are erased."), "done")
    return redirect(url_for("plan_imports.index"), 303)


@blueprint.get("/<int:plan_id>/files/<int:attachment_id>")
@requires(Permission.PLANS_VIEW)
def file(plan_id: int, attachment_id: int) -> Response:
    """An image of a text, or the original as a download (journalled)."""
    found = attachments.open_attachment(session(), actor=current_actor(), plan_id=plan_id, attachment_id=attachment_id)
    response = flask.Response(found.data, content_type=found.media_type)
    shown = found.kind is AttachmentKind.IMAGE and found.media_type in SHOWN_IMAGES
    response.headers.set(
        "Content-Disposition", "inline" if shown else "attachment", filename=found.name or f"{attachment_id}"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "private, no-store"
    return response


SHOWN_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/bmp", "image/webp"})
