"""Pages of the redline, of restoring, of review rounds and of the rules of approval and filing."""

from __future__ import annotations

from typing import Any

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.people.accounts import service as accounts
from emergency.plans import approval, bodies, reviewing, service
from emergency.plans.compare import Sign, compare
from emergency.plans.forms_editor import ApprovalRuleForm, DestinationForm
from emergency.plans.models import FilingDestination, VersionState
from emergency.plans.review_models import CommentAnswer, Evidence, PlanApprovalRule
from emergency.plans.reviewing import REVIEWED
from kernel.errors import N_, DomainError, Invalid, NotFound

blueprint = flask.Blueprint("plan_review", __name__, url_prefix="/plans")
Page = str | Response | tuple[str, int]
VIEW, EDIT, APPROVE = Permission.PLANS_VIEW, Permission.PLANS_EDIT, Permission.PLANS_APPROVE


@blueprint.get("/<int:plan_id>/redline")
@requires(VIEW)
def redline(plan_id: int) -> Page:
    """What changed between any two versions of a plan."""
    work, actor = session(), current_actor()
    rows = service.versions(work, actor=actor, plan_id=plan_id)
    if not rows:
        raise NotFound(N_("There is no such version in your area."))
    known = {row.id: row for row in rows}
    new = known.get(request.args.get("new", type=int) or 0, rows[0])
    before = next((row for row in rows if row.number < new.number), new)
    old = known.get(request.args.get("old", type=int) or 0, known.get(new.based_on_id or 0, before))
    found = compare(work, actor=actor, old_id=old.id, new_id=new.id, language=language())
    titles = bodies.post_titles(
        work, [s.body for s in (*found.old.sections, *found.new.sections)], language=language()
    )  # fmt: skip
    words = {f"{{{{post:{key}}}}}": f"〔{title}〕" for key, title in titles.items()}
    keys = {person for row in (old, new) for person in (row.author, row.reviewed_by, row.approved_by) if person}
    return render_template(
        "plans/redline.html", plan=found.new.plan, old=old, new=new, versions=rows, found=found, Sign=Sign,
        everything=request.args.get("all") == "1", words=lambda text: words.get(text, text),
        names=accounts.display_names(work, keys),
    )  # fmt: skip


@blueprint.post("/versions/<int:version_id>/restore")
@requires(EDIT)
def restore(version_id: int) -> Page:
    """An older text becomes the next draft; nothing that was issued changes."""
    work, actor = session(), current_actor()
    row, plan = service.get_version(work, actor=actor, version_id=version_id)
    draft = service.new_draft(work, actor=actor, plan_id=plan.id, based_on_id=row.id)
    flask.flash(_("Version %(old)s is the text of the new draft, version %(new)s.", old=row.number, new=draft.number),
                "done")  # fmt: skip
    return redirect(url_for("plan_editor.outline", version_id=draft.id), 303)


@blueprint.get("/versions/<int:version_id>/review")
@requires(VIEW)
def review(version_id: int) -> Page:
    """The rounds of review: comments, answers, what is still open."""
    work, actor = session(), current_actor()
    text = service.version_text(work, actor=actor, version_id=version_id)
    actor.require_covers(text.plan.division_code)
    rounds = reviewing.rounds(work, actor=actor, version_id=version_id)
    keys = {
        key for held in rounds for key in (
            held.row.opened_by, held.row.closed_by,
            *(k for c in held.comments for k in (c.row.author, c.row.answered_by, c.row.resolved_by)),
        ) if key
    }  # fmt: skip
    reviewer = actor.can(APPROVE) and text.version.author != str(actor)
    return render_template(
        "plans/review.html", text=text, plan=text.plan, row=text.version, rounds=rounds,
        names=accounts.display_names(work, keys), me=str(actor), answers=CommentAnswer,
        may_comment=reviewer and text.version.state in REVIEWED, may_resolve=reviewer,
        may_answer=actor.can(EDIT) and text.version.state is VersionState.DRAFT,
        section=request.args.get("section", type=int),
    )  # fmt: skip


def _back(version_id: int, anchor: str = "") -> Response:
    return redirect(url_for("plan_review.review", version_id=version_id, _anchor=anchor or None), 303)


@blueprint.post("/versions/<int:version_id>/comments")
@requires(APPROVE)
def comment(version_id: int) -> Page:
    """A comment on one section or on the whole."""
    row = reviewing.comment(
        session(), actor=current_actor(), version_id=version_id, text=request.form.get("text", ""),
        section_id=request.form.get("section", type=int) or None,
    )  # fmt: skip
    flask.flash(_("The comment is kept."), "done")
    return _back(version_id, f"comment-{row.id}")


@blueprint.post("/comments/<int:comment_id>/answer")
@requires(EDIT)
def answer(comment_id: int) -> Page:
    """The author's answer."""
    said = next((a for a in CommentAnswer if a.value == request.form.get("said")), None)
    if said is None:
        raise Invalid(N_("Say whether you changed the text or not."), code="incomplete")
    row = reviewing.answer(
        session(), actor=current_actor(), comment_id=comment_id, said=said, text=request.form.get("text", "")
    )
    flask.flash(_("Answered."), "done")
    return _back(row.version_id, f"comment-{row.id}")


@blueprint.post("/comments/<int:comment_id>/resolve")
@requires(APPROVE)
def resolve(comment_id: int) -> Page:
    """The reviewer is content."""
    row = reviewing.resolve(session(), actor=current_actor(), comment_id=comment_id)
    flask.flash(_("Resolved."), "done")
    return _back(row.version_id, f"comment-{row.id}")


@blueprint.post("/versions/<int:version_id>/comments/<int:comment_id>/withdraw")
@requires(APPROVE)
def withdraw(version_id: int, comment_id: int) -> Page:
    """A comment is taken back by who wrote it."""
    reviewing.withdraw(session(), actor=current_actor(), comment_id=comment_id)
    flask.flash(_("Withdrawn."), "done")
    return _back(version_id)


# ---- rules ----


@blueprint.get("/rules")
@requires(VIEW)
def rules() -> Page:
    """Who approves which kind of plan, and to whom it is filed; with what was changed, by whom and why."""
    work, actor = session(), current_actor()
    changes = approval.history(work)
    return render_template(
        "plans/rules.html", approvals=approval.rules(work), destinations=approval.destinations(work), changes=changes,
        names=accounts.display_names(work, {change.actor for change in changes}), may_edit=actor.can(EDIT),
    )  # fmt: skip


_WHAT = "<any(approval,filing):what>"


@blueprint.route(f"/rules/{_WHAT}/new", methods=["GET", "POST"])
@requires(EDIT)
def add_rule(what: str) -> Page:
    """A row that is missing."""
    return _rule(what, None)


@blueprint.route(f"/rules/{_WHAT}/<int:row_id>", methods=["GET", "POST"])
@requires(EDIT)
def rule(what: str, row_id: int) -> Page:
    """Change one row, with the reason."""
    return _rule(what, row_id)


def _rule(what: str, row_id: int | None) -> Page:
    work = session()
    model: Any = PlanApprovalRule if what == "approval" else FilingDestination
    row = work.get(model, row_id) if row_id else None
    if row_id and row is None:
        raise NotFound(N_("There is no such rule."))
    made: Any = ApprovalRuleForm if what == "approval" else DestinationForm
    form = made() if request.method == "POST" else made(formdata=None)
    if row is not None and request.method == "GET":
        for field in form:
            if hasattr(row, field.name):
                field.data = getattr(row, field.name)
        form.evidence.data = Evidence(row.evidence)
    if row is not None:
        form.kind.data = row.kind
        fixed = form.level if what == "approval" else form.way
        fixed.data = row.level if what == "approval" else row.way
    status, fault = 200, ""
    if request.method == "POST":
        status = 422
        if form.validate():
            try:
                _store(what, row, form)
            except DomainError as error:
                status, fault = 409 if error.status == 409 else error.status, error.text(_)
            else:
                flask.flash(_("Saved."), "done")
                return redirect(url_for("plan_review.rules"), 303)
        flask.g.refused = True
    return render_template(
        "plans/rule.html", what=what, row=row, form=form, fault=fault,
        read=request.form.get("read") or (getattr(row, "version", None) or getattr(row, "body", "")),
    ), status  # fmt: skip


def _store(what: str, row: Any, form: Any) -> None:
    work, actor, read = session(), current_actor(), request.form.get("read", "")
    common: dict[str, Any] = {"actor": actor, "reason": form.reason.data or ""}
    facts: dict[str, Any] = {
        "body": form.body.data or "", "body_en": form.body_en.data or "", "source": form.source.data or "",
        "evidence": str(form.evidence.data or ""),
    }  # fmt: skip
    if what == "approval":
        text = approval.RuleText(way=form.way.data, issued_by=form.issued_by.data or "", **facts)
        if row is None:
            approval.save_rule(work, kind=form.kind.data, at=form.level.data, text=text, **common)
        else:
            version = int(read) if read.isdigit() else 0
            approval.change_rule(work, rule_id=row.id, version=version, text=text, **common)
    elif row is None:
        approval.add_destination(work, kind=form.kind.data, way=form.way.data, **facts, **common)
    elif request.form.get("do") == "remove":
        approval.remove_destination(work, destination_id=row.id, was=read, **common)
    else:
        approval.change_destination(work, destination_id=row.id, was=read, **facts, **common)
