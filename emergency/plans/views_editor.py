"""Pages of the editor: the outline of a draft, one piece at a time, and the facts of a plan. Usable without script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.http.forms import Form, enum_choices
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.people.accounts import service as accounts
from emergency.plans import bodies, editing, keeping, picking, presence, remarks, reviewing, service
from emergency.plans.drafting import ActionText, EvacuationText, LevelText, RelianceText, SectionText
from emergency.plans.forms_editor import (
    ActionForm,
    EvacuationForm,
    ExplanationForm,
    FactsForm,
    LevelForm,
    Pick,
    PieceForm,
    RelianceForm,
    SectionForm,
)
from emergency.plans.models import Hazard, VersionState
from emergency.plans.queries import in_force
from emergency.plans.redline import Paragraph, paragraphs
from kernel.errors import N_, Conflict, DomainError, Invalid

blueprint = flask.Blueprint("plan_editor", __name__, url_prefix="/plans")
Page = str | Response | tuple[str, int]
EDIT, VIEW = Permission.PLANS_EDIT, Permission.PLANS_VIEW
FORMS: dict[str, type[PieceForm]] = {
    "section": SectionForm, "level": LevelForm, "action": ActionForm, "evacuation": EvacuationForm,
    "reliance": RelianceForm,
}  # fmt: skip
TITLES = {
    "section": N_("Section"), "level": N_("Response level"), "action": N_("Act"),
    "evacuation": N_("Line of the evacuation list"), "reliance": N_("What it counts on"),
}  # fmt: skip
_KIND = "<any(section,level,action,evacuation,reliance):kind>"


def _draft(version_id: int) -> Any:
    """The text of a draft that the actor may write; whatever else is refused before any form is shown."""
    text = service.version_text(session(), actor=current_actor(), version_id=version_id)
    current_actor().require_covers(text.plan.division_code)
    if text.version.state is not VersionState.DRAFT:
        raise Conflict(
            N_("Only a draft can be edited. To change an issued text, begin a new version on the plan's page."),
            code="wrong_state",
        )
    return text


def _present(version_id: int) -> list[tuple[str, Any]]:
    rows = presence.others(session(), actor=current_actor(), version_id=version_id)
    names = accounts.display_names(session(), {row.actor for row in rows})
    return [(names.get(row.actor) or _("another person"), row) for row in rows]


@blueprint.get("/versions/<int:version_id>/edit")
@requires(EDIT)
def outline(version_id: int) -> Page:
    """Everything that a draft is made of, each piece with its way to change, move and remove it."""
    work, text = session(), _draft(version_id)
    above = in_force(work, text.plan.parent_id) if text.plan.parent_id else None
    open_comments = [
        comment for held in reviewing.rounds(work, actor=current_actor(), version_id=version_id)
        for comment in held.comments if comment.row.answer is None
    ]  # fmt: skip
    return render_template(
        "plans/edit.html", text=text, plan=text.plan, row=text.version, digest=editing.digest, above=above,
        names=picking.names_of(work, [text.parts], language=language()), present=_present(version_id),
        comments=open_comments, remarks=remarks.about_plan(work, current_actor(), text.plan.id),
    )  # fmt: skip


# ---- one piece ----


def _chosen(pick: Pick, form: PieceForm) -> tuple[str, str] | None:
    """Kind and key of what is picked, as the form carries it: `unit:123`."""
    kind, _colon, key = request.form.get(pick.name, "").partition(":")
    return (kind, key) if kind in pick.kinds and key else None


def _pickers(form: PieceForm, held: dict[str, tuple[str, str] | None]) -> list[dict[str, Any]]:
    """What the search boxes of a form show: the choice, and what the search of this request found."""
    made = []
    for pick in form.PICKS:
        choice = held.get(pick.name)
        title = ""
        if choice:
            key: Any = choice[1] if choice[0] == "division" else int(choice[1]) if choice[1].isdigit() else 0
            title = picking.titles(session(), choice[0], [key], language=language()).get(key, "")
        kind = request.form.get(f"kind-{pick.name}", choice[0] if choice else pick.kinds[0])
        kind = kind if kind in pick.kinds else pick.kinds[0]
        q = request.form.get(f"q-{pick.name}", "").strip()[:60]
        found = picking.find(session(), actor=current_actor(), kind=kind, q=q, language=language()) if q else None
        made.append({"pick": pick, "choice": choice, "title": title, "kind": kind, "q": q, "found": found})
    return made


@blueprint.get("/pick")
@requires(VIEW)
def pick() -> Page:
    """What a search finds, as radio buttons for a form."""
    name = request.args.get("name", "")[:20]
    kind, q = request.args.get(f"kind-{name}", ""), request.args.get(f"q-{name}", "").strip()[:60]
    found = picking.find(session(), actor=current_actor(), kind=kind, q=q, language=language())
    return render_template("plans/_found.html", name=name, found=found)


def _fill(form: PieceForm, kind: str, stored: Any) -> dict[str, tuple[str, str] | None]:
    """Put a stored piece into its form; returns what its pickers hold."""
    for name, value in editing.fields_of(stored).items():
        if name in form:
            form[name].data = str(value) if name == "depth" else value
    if kind == "action":
        return {"post": ("post", str(stored.post_id)) if stored.post_id else None}
    if kind == "reliance":
        return {"ref": (stored.kind, str(stored.ref_id))}
    if kind == "evacuation":
        subject = next(
            (of, str(key)) for of, key in (("division", stored.subject_code), ("unit", stored.unit_id),
                                           ("household", stored.household_id)) if key
        )  # fmt: skip
        return {"subject": subject, "post": ("post", str(stored.post_id)) if stored.post_id else None}
    return {}


def _text(form: Any, kind: str, held: dict[str, tuple[str, str] | None]) -> Any:
    """What was typed, as the service takes it."""
    if kind == "section":
        return SectionText(
            form.heading.data or "", form.body.data or "", form.number.data or "", int(form.depth.data),
            form.part.data,
        )  # fmt: skip
    if kind == "level":
        return LevelText(form.grade.data, form.trigger.data or "", form.decided_by.data or "")
    post = held.get("post")
    post_id = int(post[1]) if post and post[1].isdigit() else None
    if kind == "action":
        return ActionText(form.action.data or "", post_id, form.actor_words.data or "", form.within_minutes.data)
    needed = held.get("subject" if kind == "evacuation" else "ref")
    if needed is None or (needed[0] != "division" and not needed[1].isdigit()):
        raise Invalid(N_("Search for what is meant, and choose one of the results."), code="incomplete")
    if kind == "reliance":
        return RelianceText(needed[0], int(needed[1]), form.quantity.data, form.note.data or "")
    keys: dict[str, Any] = {
        "subject_code": needed[1] if needed[0] == "division" else None,
        "unit_id": int(needed[1]) if needed[0] == "unit" else None,
        "household_id": int(needed[1]) if needed[0] == "household" else None,
    }
    return EvacuationText(
        form.destination.data or "", people=form.people.data or 0, route=form.route.data or "",
        means=form.means.data or "", post_id=post_id, grade=form.grade.data, within_hours=form.within_hours.data, **keys,
    )  # fmt: skip


def _save(kind: str, version_id: int, piece_id: int | None, text: Any, was: str) -> Any:
    work, actor = session(), current_actor()
    common: dict[str, Any] = {"actor": actor, "version_id": version_id, "text": text, "was": was}
    after = request.form.get("after", type=int)
    calls: dict[str, Callable[[], Any]] = {
        "section": lambda: editing.save_section(work, section_id=piece_id, after_id=after, **common),
        "level": lambda: editing.save_level(work, level_id=piece_id, **common),
        "action": lambda: editing.save_action(
            work, action_id=piece_id, level_id=request.form.get("level", type=int) or 0, **common
        ),
        "evacuation": lambda: editing.save_evacuation(work, row_id=piece_id, **common),
        "reliance": lambda: editing.save_reliance(work, row_id=piece_id, **common),
    }
    saved = calls[kind]()
    presence.here(work, actor=actor, version_id=version_id)
    return saved


@blueprint.route(f"/versions/<int:version_id>/{_KIND}/new", methods=["GET", "POST"])
@requires(EDIT)
def add(version_id: int, kind: str) -> Page:
    """A new piece."""
    return _piece(version_id, kind, None)


@blueprint.route(f"/versions/<int:version_id>/{_KIND}/<int:piece_id>", methods=["GET", "POST"])
@requires(EDIT)
def change(version_id: int, kind: str, piece_id: int) -> Page:
    """One piece of a draft."""
    return _piece(version_id, kind, piece_id)


def _piece(version_id: int, kind: str, piece_id: int | None) -> Page:
    text = _draft(version_id)
    form: Any = FORMS[kind]()
    context: dict[str, Any] = {"was": request.form.get("was", ""), "theirs": [], "fault": "", "piece_id": piece_id}
    held = {p.name: _chosen(p, form) for p in form.PICKS}
    status = 200
    if request.method == "GET":
        form = FORMS[kind](formdata=None)
        if piece_id is not None:
            stored = editing.get_piece(session(), version_id, kind, piece_id)
            held, context["was"] = _fill(form, kind, stored), editing.digest(stored)
    elif request.form.get("do") == "insert":
        form.body.data, held = _with_post(form.body.data or "", held.get("insert")), {}
    elif request.form.get("do", "").startswith("find-"):
        pass
    elif form.validate_on_submit():
        try:
            saved = _save(kind, version_id, piece_id, _text(form, kind, held), context["was"])
        except DomainError as error:
            status = _refused(error, form, kind, held, context)
        else:
            flask.flash(_("Saved."), "done")
            return redirect(url_for("plan_editor.outline", version_id=version_id, _anchor=f"{kind}-{saved.id}"), 303)
    else:
        status, flask.g.refused = 422, True
    return render_template(
        "plans/piece.html", text=text, plan=text.plan, row=text.version, form=form, kind=kind, title=_(TITLES[kind]),
        pickers=_pickers(form, held), present=_present(version_id), level_id=request.values.get("level", type=int),
        after=request.values.get("after", type=int), **context,
    ), status  # fmt: skip


def _with_post(body: str, choice: tuple[str, str] | None) -> str:
    """The body with the post named at its end."""
    return body + bodies.post_token(int(choice[1])) if choice and choice[1].isdigit() else body


def _refused(
    error: DomainError, form: PieceForm, kind: str, held: dict[str, tuple[str, str] | None], context: dict[str, Any]
) -> int:
    """Nothing was saved: say why, and where somebody else was first, show both texts."""
    flask.g.refused = True
    context["fault"] = error.text(_)
    if isinstance(error, editing.Stale):
        theirs = FORMS[kind](formdata=None)
        their_held = _fill(theirs, kind, error.stored)
        context["was"] = editing.digest(error.stored)
        context["theirs"] = _both(theirs, form) + [
            (p.label, *_titles(their_held.get(p.name), held.get(p.name)))
            for p in form.PICKS if p.name != "insert" and their_held.get(p.name) != held.get(p.name)
        ]  # fmt: skip
        return 409
    if error.code == "piece_gone":
        context["piece_id"], context["was"] = None, ""
        return 409
    form.refuse(error)
    return 409 if error.status == 409 else 422


def _shown(value: Any) -> str:
    return value.label(language()) if hasattr(value, "label") else "" if value is None else str(value)


def _both(theirs: Form, mine: Form) -> list[tuple[Any, str, str, tuple[Paragraph, ...]]]:
    """Each field that differs: its label, their words, mine, and the difference from theirs to mine."""
    made = []
    for field in mine:
        if field.name in theirs and field.name != "csrf_token":
            a, b = (_shown(x).replace("\r\n", "\n").strip() for x in (theirs[field.name].data, field.data))
            if a != b:
                made.append((field.label.text, a, b, paragraphs(a, b)))
    return made


def _titles(theirs: tuple[str, str] | None, mine: tuple[str, str] | None) -> tuple[str, str, tuple[Paragraph, ...]]:
    words = []
    for choice in (theirs, mine):
        key: Any = None if choice is None else choice[1] if choice[0] == "division" else int(choice[1])
        words.append(picking.titles(session(), choice[0], [key], language=language()).get(key, "") if choice else "")
    return words[0], words[1], paragraphs(words[0], words[1])


@blueprint.post(f"/versions/<int:version_id>/{_KIND}/<int:piece_id>/move")
@requires(EDIT)
def move(version_id: int, kind: str, piece_id: int) -> Page:
    """One place up or down."""
    by = -1 if request.form.get("by") == "up" else 1
    editing.move(session(), actor=current_actor(), version_id=version_id, kind=kind, piece_id=piece_id, by=by)
    return redirect(url_for("plan_editor.outline", version_id=version_id, _anchor=f"{kind}-{piece_id}"), 303)


@blueprint.post(f"/versions/<int:version_id>/{_KIND}/<int:piece_id>/remove")
@requires(EDIT)
def remove(version_id: int, kind: str, piece_id: int) -> Page:
    """Take a piece out, if it says what was read."""
    try:
        editing.remove(
            session(), actor=current_actor(), version_id=version_id, kind=kind, piece_id=piece_id,
            was=request.form.get("was", ""),
        )  # fmt: skip
    except editing.Stale as error:
        raise Conflict(
            N_("Somebody else changed this piece after you opened the page. It was not removed; read it again.")
        ) from error
    flask.flash(_("Removed."), "done")
    return redirect(url_for("plan_editor.outline", version_id=version_id), 303)


@blueprint.route("/versions/<int:version_id>/explanation", methods=["GET", "POST"])
@requires(EDIT)
def explanation(version_id: int) -> Page:
    """The explanation that is filed with the text."""
    text, form = _draft(version_id), ExplanationForm()
    context: dict[str, Any] = {"was": request.form.get("was", ""), "theirs": [], "fault": "", "piece_id": None}
    status = 200
    if request.method == "GET":
        form.explanation.data = context["was"] = text.version.explanation
    elif form.validate_on_submit():
        try:
            editing.save_explanation(
                session(), actor=current_actor(), version_id=version_id, explanation=form.explanation.data or "",
                was=context["was"],
            )  # fmt: skip
        except DomainError as error:
            context["fault"], flask.g.refused, status = error.text(_), True, 409 if error.status == 409 else 422
            if isinstance(error, editing.Stale):
                a, b = error.stored.explanation, form.explanation.data or ""
                context["was"], context["theirs"] = a, [(form.explanation.label.text, a, b, paragraphs(a, b))]
        else:
            flask.flash(_("Saved."), "done")
            return redirect(url_for("plan_editor.outline", version_id=version_id), 303)
    else:
        status, flask.g.refused = 422, True
    return render_template(
        "plans/piece.html", text=text, plan=text.plan, row=text.version, form=form, kind="explanation",
        title=_("Explanation"), pickers=[], present=_present(version_id), level_id=None, after=None, **context,
    ), status  # fmt: skip


@blueprint.post("/versions/<int:version_id>/follow")
@requires(EDIT)
def follow(version_id: int) -> Page:
    """The draft follows the version of the parent plan that is in force."""
    editing.follow(session(), actor=current_actor(), version_id=version_id)
    flask.flash(_("The draft now follows the version in force of the plan above it."), "done")
    return redirect(url_for("plan_editor.outline", version_id=version_id), 303)


@blueprint.post("/versions/<int:version_id>/here")
@requires(EDIT)
def here(version_id: int) -> Page:
    """Say that this person writes; answers who else does."""
    _draft(version_id)
    presence.here(session(), actor=current_actor(), version_id=version_id)
    return render_template("plans/_present.html", present=_present(version_id))


# ---- the facts of a plan ----


@blueprint.route("/<int:plan_id>/facts", methods=["GET", "POST"])
@requires(EDIT)
def facts(plan_id: int) -> Page:
    """Title, body, hazards, the plan above it, the post that keeps it."""
    work, actor = session(), current_actor()
    plan = service.get_plan(work, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    form = FactsForm() if request.method == "POST" else FactsForm(formdata=None)
    form.hazards.choices = enum_choices(Hazard)
    held = {p.name: _chosen(p, form) for p in form.PICKS}
    fault, status, read = "", 200, request.form.get("version", type=int) or 0
    if request.method == "GET":
        read = plan.version
        form.title.data, form.issuer.data, form.public.data = plan.title, plan.issuer, plan.public
        form.evaluate_months.data = plan.evaluate_months
        form.hazards.data = [h.value for h in service.hazards(work, [plan.id]).get(plan.id, [])]
        held = {"parent": ("plan", str(plan.parent_id)) if plan.parent_id else None,
                "owner": ("post", str(plan.owner_post_id)) if plan.owner_post_id else None}  # fmt: skip
    elif request.form.get("do", "").startswith("find-"):
        pass
    elif form.validate_on_submit():
        parent, owner = held["parent"], held["owner"]
        try:
            keeping.change(work, actor=actor, plan_id=plan_id, version=read, facts=keeping.PlanFacts(
                form.title.data or "", form.issuer.data or "", [Hazard(value) for value in form.hazards.data or []],
                int(parent[1]) if parent and parent[1].isdigit() else None,
                int(owner[1]) if owner and owner[1].isdigit() else None,
                form.evaluate_months.data, bool(form.public.data),
            ))  # fmt: skip
        except DomainError as error:
            fault, flask.g.refused, status = error.text(_), True, 409 if error.status == 409 else 422
        else:
            flask.flash(_("Saved."), "done")
            return redirect(url_for("plans.show", plan_id=plan_id), 303)
    else:
        status, flask.g.refused = 422, True
    return render_template(
        "plans/facts.html", plan=plan, form=form, pickers=_pickers(form, held), fault=fault, read=read
    ), status
