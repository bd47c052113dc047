"""Pages of the rulebook: the list, one rule, changing it, adopting and dropping it, one of the bureau's own."""

from __future__ import annotations

from typing import Any

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.drills import rulebook, standing_rules
from emergency.drills.forms_rules import RuleForm
from emergency.drills.models import Basis, Binding, DrillKind, Evidence
from emergency.drills.standing_queries import SHOWN
from emergency.http.forms import flash_done
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.people.accounts import service as accounts
from kernel.errors import DomainError

blueprint = flask.Blueprint("drill_rules", __name__, url_prefix="/drills/rules")
Page = str | Response | tuple[str, int]
VIEW, EDIT = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT


def _member(members: Any, name: str) -> Any:
    return next((member for member in members if member.value == request.args.get(name)), None)


@blueprint.get("")
@requires(VIEW)
def index() -> Page:
    """The rules of law as rows, adopted or not."""
    adopted = {"yes": True, "no": False}.get(request.args.get("adopted", ""))
    chosen = {
        "binding": _member(Binding, "binding"), "evidence": _member(Evidence, "evidence"),
        "kind": _member(DrillKind, "kind"),
    }  # fmt: skip
    return render_template(
        "drills/rules.html", rules=rulebook.list_rules(session(), adopted=adopted, **chosen), chosen=chosen,
        adopted=request.args.get("adopted", "") if adopted is not None else "", bindings=Binding, evidences=Evidence,
        kinds=DrillKind, may_edit=rulebook.may_decide(current_actor()),
    )  # fmt: skip


@blueprint.get("/<int:rule_id>")
@requires(VIEW)
def show(rule_id: int) -> Page:
    """One rule: its text, whom it means here, what satisfies it, how they stand, who changed it."""
    work, actor = session(), current_actor()
    whole = rulebook.get_rule(work, actor=actor, rule_id=rule_id)
    counts = rulebook.standings_of(work, actor=actor, rule_id=rule_id)
    return render_template(
        "drills/rule.html", whole=whole, rule=whole.rule, counts=counts, shown=SHOWN,
        meant=rulebook.units_meant(work, actor=actor, groups=whole.groups),
        groups=[rulebook.group_words(group, language()) for group in whole.groups],
        plans=[standing_rules.PLAN_WORDS[word] for word in whole.about_plans],
        reported=rulebook.report_words(whole.rule.report_to, language()),
        names=accounts.display_names(work, {entry.change.actor for entry in whole.history}),
        may_edit=rulebook.may_decide(actor), told=_told, fields=_fields(),
    )  # fmt: skip


def _fields() -> dict[str, str]:
    return {
        "title": _("Rule"), "months": _("Interval in months"), "basis": _("The window that the text means"),
        "source": _("Source and article"), "note": _("Remark"), "report_to": _("To whom the drill is reported"),
        "skip_school_holidays": _("Asks for nothing in the school holidays"), "groups": _("Whom it means"),
        "kinds": _("What satisfies it"), "adopted": _("Adopted here"), "created": _("Made"),
    }  # fmt: skip


def _told(field: str, value: str) -> str:
    """A stored value of the history in words."""
    if not value:
        return "—"
    if field in ("adopted", "skip_school_holidays"):
        return _("yes") if value == "true" else _("no")
    if field == "basis":
        return next((basis.label(language()) for basis in Basis if basis.value == value), value)
    if field == "report_to":
        return rulebook.report_words(value, language())
    if field == "kinds":
        known = {kind.value: kind.label(language()) for kind in DrillKind}
        return "、".join(known.get(word, word) for word in value.split())
    if field == "groups":
        return "；".join(rulebook.group_words(part.split("+"), language()) for part in value.split("; "))
    return value


@blueprint.post("/<int:rule_id>/<any(adopt,drop):what>")
@requires(EDIT)
def adopt(rule_id: int, what: str) -> Page:
    """The bureau decides whether a rule binds here."""
    rule = rulebook.adopt_rule(
        session(), actor=current_actor(), rule_id=rule_id, adopted=what == "adopt",
        reason=request.form.get("reason", ""), version=request.form.get("version", type=int),
    )  # fmt: skip
    flash_done(
        _("Adopted: %(title)s", title=rule.title)
        if rule.adopted
        else _("No longer binding: %(title)s", title=rule.title)
    )
    return redirect(url_for("drill_rules.show", rule_id=rule.id), 303)


@blueprint.get("/new")
@requires(EDIT)
def new() -> Page:
    """A rule of the bureau's own."""
    rulebook.require_deciding(current_actor())
    return _edit(RuleForm().offer(), None)


@blueprint.post("/new")
@requires(EDIT)
def create() -> Page:
    """Make it."""
    rulebook.require_deciding(current_actor())
    form = RuleForm().offer()
    if form.validate():
        try:
            rule = rulebook.create_rule(
                session(), actor=current_actor(), text=form.text(), reason=form.reason.data or ""
            )
        except DomainError as error:
            _refused(form, error)
        else:
            flash_done(_("The rule is made and binds from today: %(title)s", title=rule.title))
            return redirect(url_for("drill_rules.show", rule_id=rule.id), 303)
    flask.g.refused = True
    return _edit(form, None), 422


@blueprint.get("/<int:rule_id>/edit")
@requires(EDIT)
def edit(rule_id: int) -> Page:
    """A rule to be corrected."""
    rulebook.require_deciding(current_actor())
    whole = rulebook.get_rule(session(), actor=current_actor(), rule_id=rule_id)
    return _edit(RuleForm(formdata=None).offer(about_plans=bool(whole.about_plans)).show(whole), whole)


@blueprint.post("/<int:rule_id>/edit")
@requires(EDIT)
def save(rule_id: int) -> Page:
    """Keep it."""
    work, actor = session(), current_actor()
    rulebook.require_deciding(actor)
    whole = rulebook.get_rule(work, actor=actor, rule_id=rule_id)
    form = RuleForm().offer(about_plans=bool(whole.about_plans))
    if form.validate():
        try:
            rulebook.change_rule(
                work, actor=actor, rule_id=rule_id, version=_number(form.version.data), text=form.text(),
                reason=form.reason.data or "",
            )  # fmt: skip
        except DomainError as error:
            _refused(form, error)
        else:
            flash_done(_("Saved. How everybody stands with it is computed again within a minute."))
            return redirect(url_for("drill_rules.show", rule_id=rule_id), 303)
    flask.g.refused = True
    return _edit(form, whole), 422


def _number(text: Any) -> int:
    return int(text) if str(text or "").isdigit() and len(str(text)) < 10 else 0


def _refused(form: RuleForm, error: DomainError) -> None:
    if error.status not in (409, 422):
        raise error
    session().rollback()
    form.refuse(error, at="groups" if error.code == "sector_unknown" else None)


def _edit(form: RuleForm, whole: rulebook.WholeRule | None) -> str:
    return render_template("drills/rule_edit.html", form=form, whole=whole)
