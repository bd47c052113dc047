"""Pages of responses: what runs, a proposal, one response with its checklist, the phone page of a post, the paper."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.divisions import service as divisions
from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.people.accounts import service as accounts
from emergency.people.posts import service as posts
from emergency.people.posts.models import Duty
from emergency.plans import acting, checklist, service, situation, telling, triggers
from emergency.plans import activation_queries as queries
from emergency.plans.acting_pages import record
from emergency.plans.activation_models import (
    Activation,
    ActivationKind,
    ActivationState,
    Heard,
    LineState,
    StepState,
)
from emergency.plans.models import ResponseGrade
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_, DomainError, Invalid

blueprint = flask.Blueprint("plans_acting", __name__, url_prefix="/plans")
Page = str | Response | tuple[str, int]
VIEW, ACT = Permission.PLANS_VIEW, Permission.PLANS_ACT
ACTIVATE, DECIDE = Permission.PLANS_ACTIVATE, Permission.PLANS_DECIDE
E = TypeVar("E")


def _member(members: type[E], name: str) -> E:
    """A closed choice from the form; what is none of them is refused."""
    given = request.form.get(name, "")
    for member in members:  # type: ignore[attr-defined]
        if str(member.value) == given:
            return member  # type: ignore[no-any-return]
    raise Invalid(
        N_("Choose one of what is offered. Nothing was changed."), code="bad_choice", fields={name: "bad_choice"}
    )


def _kind() -> ActivationKind:
    return _member(ActivationKind, "kind")


def _moment(name: str) -> datetime | None:
    """A time of Beijing from the form; empty is none, anything else that is no time is refused."""
    given = request.form.get(name, "").strip()
    if not given:
        return None
    try:
        return datetime.fromisoformat(given).replace(tzinfo=BEIJING)
    except ValueError as error:
        raise Invalid(
            N_("Give the time like 2026-11-23T08:30. Nothing was changed."),
            code="bad_dates",
            fields={name: "bad_dates"},
        ) from error


@blueprint.get("/activations")
@requires(VIEW)
def index() -> Page:
    """What runs, what waits for a decision, what warnings suggest, what has ended."""
    work, actor = session(), current_actor()
    group = request.args.get("show", "open")
    page = queries.list_activations(
        work, actor=actor, group=group if group in queries.GROUPS else "open", cursor=request.args.get("cursor")
    )
    rows = queries.standings(work, page.items)
    year = now(work).astimezone(BEIJING).year
    offered = queries.suggestions(work, actor)
    return render_template(
        "plans/acting_index.html", page=page, rows=rows, group=group, suggestions=offered, year=year,
        names=divisions.names(work, {r.activation.division_code for r in rows} | {p.division_code for _s, p in offered}),
        figures=[situation.statistics(work, actor=actor, kind=kind, year=year) for kind in ActivationKind],
        may_activate=actor.can(ACTIVATE), may_decide=actor.can(DECIDE),
        mine=queries.my_lines(work, actor)[1] if actor.can(ACT) else 0,
    )  # fmt: skip


@blueprint.route("/<int:plan_id>/activate", methods=["GET", "POST"])
@requires(ACTIVATE)
def propose(plan_id: int) -> Page:
    """Ask for a response by a plan: real or an exercise, at which level, why, until when, by what measures."""
    work, actor, fault = session(), current_actor(), ""
    plan = service.get_plan(work, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    if request.method == "POST":
        try:
            occurrence = request.form.get("occurrence", "").strip()
            if occurrence and not occurrence.isdigit():
                raise Invalid(N_("The drill is named by its number."), code="bad_choice")
            made = acting.propose(
                work, actor=actor, plan_id=plan.id,
                proposal=acting.Proposal(
                    kind=_kind(), grade=_member(ResponseGrade, "grade"), matter=request.form.get("matter", "")[:200],
                    reason=request.form.get("reason", ""), measures=request.form.get("measures", "")[:2000],
                    expected_until=_moment("expected_until"), with_lower=bool(request.form.get("with_lower")),
                    occurrence_id=int(occurrence) if occurrence else None,
                ),
            )  # fmt: skip
        except DomainError as error:
            fault, flask.g.refused = error.text(_), True
        else:
            told = made.state is ActivationState.RUNNING
            flask.flash(
                _("The response runs. The posts have been told.") if told
                else _("Proposed. Whoever may decide has been asked; nothing runs yet."), "done",
            )  # fmt: skip
            return redirect(url_for("plans_acting.show", activation_id=made.id), 303)
    held = service.in_force(work, plan.id)
    text = service.version_text(work, actor=actor, version_id=held.id) if held else None
    levels = text.parts.levels if text else []
    body = render_template(
        "plans/acting_propose.html", plan=plan, held=held, levels=levels, actions=text.parts.actions if text else {},
        read={level.id: triggers.conditions(work, level.trigger) for level in levels}, fault=fault,
        given=request.form if fault else request.args, kinds=ActivationKind,
        two={kind: acting.needs_two(work, kind) for kind in ActivationKind}, may_decide=actor.can(DECIDE),
    )  # fmt: skip
    return (body, 422) if fault else body


@blueprint.get("/activations/<int:activation_id>")
@requires(VIEW)
def show(activation_id: int) -> Page:
    """One response: its level, the decision that waits, the checklist, the evacuation, the log."""
    work, actor = session(), current_actor()
    activation = queries.get_activation(work, actor=actor, activation_id=activation_id)
    context = record(work, actor, activation)
    offered = (
        posts.find_posts(work, [activation.division_code], duties=[Duty.FLOOD_CHIEF, Duty.LIAISON, Duty.DUTY_ROOM])[
            :200
        ]
        if actor.can(ACTIVATE) and context["covers"]
        else []
    )
    offered_titles = posts.titles(work, [post.id for post in offered])
    return render_template("plans/acting_show.html", **context, offered=offered_titles)


@blueprint.get("/activations/<int:activation_id>/print")
@requires(VIEW)
def paper(activation_id: int) -> Page:
    """The checklist and the log on paper."""
    activation = queries.get_activation(session(), actor=current_actor(), activation_id=activation_id)
    return render_template("plans/acting_print.html", **record(session(), current_actor(), activation))


def _back(activation_id: int, text: str, anchor: str = "") -> Page:
    flask.flash(text, "done")
    return redirect(url_for("plans_acting.show", activation_id=activation_id, _anchor=anchor or None), 303)


@blueprint.post("/activations/<int:activation_id>/change")
@requires(ACTIVATE)
def change(activation_id: int) -> Page:
    """Raise, lower or end, as a proposal or at once."""
    to = None if request.form.get("to") == "end" else _member(ResponseGrade, "to")
    step = acting.change(
        session(), actor=current_actor(), activation_id=activation_id, kind=_kind(), to=to,
        reason=request.form.get("reason", ""), with_lower=bool(request.form.get("with_lower")),
    )  # fmt: skip
    done = step.state is StepState.DONE
    return _back(
        activation_id, _("Done. The posts have been told.") if done else _("Proposed; nothing is changed yet.")
    )


def _settle(step_id: int, act: Callable[..., Activation], text: str, **more: Any) -> Page:
    activation = act(session(), actor=current_actor(), step_id=step_id, kind=_kind(), **more)
    return _back(activation.id, text)


@blueprint.post("/activations/steps/<int:step_id>/decide")
@requires(DECIDE)
def decide(step_id: int) -> Page:
    """Carry out what was proposed."""
    return _settle(step_id, acting.decide, _("Decided. The posts have been told."))


@blueprint.post("/activations/steps/<int:step_id>/alone")
@requires(DECIDE)
def alone(step_id: int) -> Page:
    """Decide one's own proposal because nobody answers."""
    return _settle(
        step_id, acting.break_glass, _("Decided by you alone. Every other decider has been told."),
        reason=request.form.get("reason", ""),
    )  # fmt: skip


@blueprint.post("/activations/steps/<int:step_id>/refuse")
@requires(ACTIVATE)
def refuse(step_id: int) -> Page:
    """Do not carry it out, or take it back."""
    return _settle(step_id, acting.refuse, _("Noted. Nothing was changed."), reason=request.form.get("reason", ""))


@blueprint.post("/activations/lines/<int:line_id>")
@requires(ACT)
def tick(line_id: int) -> Page:
    """Take, finish, not applicable, put back: from the record or from the phone page."""
    heard = _member(Heard, "heard") if request.form.get("heard") else Heard.PAGE
    line = checklist.tick(
        session(), actor=current_actor(), line_id=line_id, to=_member(LineState, "to"), kind=_kind(), heard=heard,
        note=request.form.get("note", ""), at=_moment("at"),
    )  # fmt: skip
    if request.form.get("from") == "phone":
        return redirect(url_for("plans_acting.phone", done=line.id), 303)
    return _back(line.activation_id, _("Noted."), f"line-{line.id}")


@blueprint.post("/activations/lines/<int:line_id>/post")
@requires(ACTIVATE)
def assign(line_id: int) -> Page:
    """Give a line to a post, which is told."""
    line = telling.hand_over(
        session(), actor=current_actor(), line_id=line_id, post_id=request.form.get("post", 0, type=int), kind=_kind()
    )
    return _back(line.activation_id, _("Given to the post; it has been told."), f"line-{line.id}")


@blueprint.post("/activations/evacuation/<int:evacuation_id>")
@requires(ACT)
def report(evacuation_id: int) -> Page:
    """How many of one row know, have left, refuse, were helped."""
    numbers = {}
    for name in ("informed", "gone", "refused", "helped"):
        given = request.form.get(name, "").strip() or "0"
        if not given.isascii() or not given.isdigit() or len(given) > 8:
            raise Invalid(N_("Heads are counted from zero, and who was helped counts among those who left."),
                          code="bad_numbers", fields={name: "bad_numbers"})  # fmt: skip
        numbers[name] = int(given)
    row = situation.report(
        session(), actor=current_actor(), evacuation_id=evacuation_id, kind=_kind(),
        heads=situation.Heads(**numbers), version=request.form.get("version", type=int),
    )  # fmt: skip
    return _back(row.activation_id, _("Noted."), "evacuation")


@blueprint.post("/activations/<int:activation_id>/notes")
@requires(ACT)
def note(activation_id: int) -> Page:
    """Write down what happened."""
    situation.note(
        session(), actor=current_actor(), activation_id=activation_id, kind=_kind(),
        text=request.form.get("text", ""), at=_moment("at"),
    )  # fmt: skip
    return _back(activation_id, _("Noted."), "log")


@blueprint.post("/activations/<int:activation_id>/drill")
@requires(ACTIVATE)
def drill(activation_id: int) -> Page:
    """Say which drill an exercise belongs to."""
    number = request.form.get("occurrence", "").strip()
    if number and not number.isdigit():
        raise Invalid(N_("The drill is named by its number."), code="bad_choice")
    acting.link_drill(
        session(), actor=current_actor(), activation_id=activation_id, kind=_kind(),
        occurrence_id=int(number) if number else None,
    )  # fmt: skip
    return _back(activation_id, _("Noted."))


@blueprint.post("/suggestions/<int:suggestion_id>/dismiss")
@requires(DECIDE)
def dismiss(suggestion_id: int) -> Page:
    """Judged, and not started."""
    triggers.dismiss(
        session(), actor=current_actor(), suggestion_id=suggestion_id, reason=request.form.get("reason", "")
    )
    flask.flash(_("Noted. Nothing was started."), "done")
    return redirect(url_for("plans_acting.index"), 303)


@blueprint.get("/actions")
@requires(ACT)
def phone() -> Page:
    """My open actions on one screen of a phone: without script, without pictures, under 30 kB."""
    work, actor = session(), current_actor()
    mine, total = queries.my_lines(work, actor)
    titles = posts.titles(work, {m.line.post_id for m in mine if m.line.post_id})
    return render_template(
        "plans/acting_phone.html", mine=mine, total=total, posts=titles, moment=now(work),
        names=accounts.display_names(work, {m.line.taken_by for m in mine if m.line.taken_by}),
        noted=request.args.get("done", ""), LineState=LineState, Kind=ActivationKind,
    )  # fmt: skip
