"""Pages of programmes: the list, one programme, entering and changing one with its dates said in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time
from typing import Any

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from emergency.divisions import service as divisions
from emergency.divisions.models import Unit
from emergency.divisions.rules import is_code
from emergency.drills import confirming, programme_queries, programmes, recomputing
from emergency.drills.forms_programmes import ProgrammeForm
from emergency.drills.materialising import Calendars, check_past, check_yields, today
from emergency.drills.models import DrillKind, OccurrenceState, Programme, ProgrammeState
from emergency.drills.planning import NewProgramme, create_programme
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, session
from emergency.people.accounts import service as accounts
from emergency.plans.models import Plan
from kernel.errors import DomainError, NotFound
from kernel.types import LabelledEnum
from scheduler.recurrence import Planned
from scheduler.recurrence_words import is_night, words_at

blueprint = flask.Blueprint("drill_programmes", __name__, url_prefix="/drills")
Page = str | Response | tuple[str, int]
VIEW, EDIT = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT


def _member(members: type[LabelledEnum], value: str | None) -> Any:
    return next((member for member in members if member.value == value), None)


@blueprint.get("/programmes")
@requires(VIEW)
def index() -> Page:
    """Which drills come again, and when each is next."""
    work, actor = session(), current_actor()
    state, kind = _member(ProgrammeState, request.args.get("state")), _member(DrillKind, request.args.get("kind"))
    q = (request.args.get("q") or "").strip()[:60]
    page = programme_queries.list_programmes(
        work, actor=actor, state=state, kind=kind, q=q, cursor=request.args.get("cursor"), language=language()
    )
    counts = programme_queries.count_programmes(work, actor=actor)
    return render_template(
        "drills/programmes.html", page=page, counts=counts, total=sum(counts.values()), state=state, kind=kind, q=q,
        kinds=DrillKind, states=ProgrammeState, may_edit=actor.can(EDIT),
    )  # fmt: skip


def _show(programme_id: int, status: int = 200, reason_missing: bool = False) -> Page:
    work, actor = session(), current_actor()
    found = programme_queries.whole(work, actor=actor, programme_id=programme_id, language=language())
    keys = {change.actor for change in found.changes} | {found.programme.created_by}
    body = render_template(
        "drills/programme.html", found=found, programme=found.programme, states=ProgrammeState,
        names=accounts.display_names(work, keys), may_edit=actor.can(EDIT), reason_missing=reason_missing,
        stuck={row.occurrence.id: row for row in found.stuck}, occurrence_states=OccurrenceState,
    )  # fmt: skip
    return body, status


@blueprint.get("/programmes/<int:programme_id>")
@requires(VIEW)
def show(programme_id: int) -> Page:
    """One programme: its rule in words, its dates, who is asked, what came of the past ones."""
    return _show(programme_id)


@blueprint.post("/programmes/<int:programme_id>/<any(pause,resume,end):what>")
@requires(EDIT)
def rest(programme_id: int, what: str) -> Page:
    """Let a programme rest, go on, or end it with the reason."""
    work, actor = session(), current_actor()
    programmes.get_programme(work, actor=actor, programme_id=programme_id)
    if what == "resume":
        done = programmes.resume(work, actor=actor, programme_id=programme_id)
        flask.flash(_("Goes on: %(n)s dates from today on.", n=done.changed + done.stayed), "done")
        return redirect(url_for("drill_programmes.show", programme_id=programme_id), 303)
    act = programmes.pause if what == "pause" else programmes.end
    done = act(work, actor=actor, programme_id=programme_id, reason=request.form.get("reason", "")[:500])
    flask.flash(
        _("%(n)s dates were called off; %(kept)s that posts have promised stay.", n=done.changed, kept=done.stayed),
        "done",
    )
    return redirect(url_for("drill_programmes.show", programme_id=programme_id), 303)


@blueprint.post("/<int:occurrence_id>/off-holiday")
@requires(EDIT)
def off_holiday(occurrence_id: int) -> Page:
    """Move a drill that posts know of off the day off that was announced since, to where its rule would put it."""
    work, actor = session(), current_actor()
    moved = recomputing.move_off(work, actor=actor, occurrence_id=occurrence_id)
    flask.flash(_("The date was moved."), "done")
    return redirect(url_for("drill_programmes.show", programme_id=moved.programme_id), 303)


@dataclass
class Desk:
    """What the form shows beside its fields."""

    form: ProgrammeForm
    unit: Unit | None = None
    units: list[Unit] | None = None
    unit_q: str = ""
    posts: list[tuple[int, str]] = field(default_factory=list)
    post_ids: list[int] = field(default_factory=list)
    rules: list[tuple[Any, bool]] = field(default_factory=list)
    rule_ids: list[int] = field(default_factory=list)
    words: str = ""
    dates: list[Planned] = field(default_factory=list)
    past: int = 0
    programme: Programme | None = None
    preview: programmes.Preview | None = None


def _numbers(values: MultiDict[str, str], name: str) -> list[int]:
    return [int(text) for text in values.getlist(name)[:100] if text.isascii() and text.isdecimal() and len(text) < 17]


def _desk(form: ProgrammeForm, programme: Programme | None = None, facts: NewProgramme | None = None) -> Desk:
    """Fill in what can be chosen, for the owner that is chosen now."""
    work, actor = session(), current_actor()
    places = [(c, n) for c, n in divisions.areas(work, actor=actor)]
    desk = Desk(form, programme=programme)
    if programme is not None:
        desk.unit = work.get(Unit, programme.unit_id) if programme.unit_id else None
        places = [(c, n) for c, n in places if c == programme.division_code] or [(programme.division_code, "—")]
    else:
        desk.unit = _linked()[0]
    form.offer(places, [], language())
    if desk.unit is not None:
        form.division_code.choices = form.division_code.choices or places
        if desk.unit.division_code not in dict(places):
            form.division_code.choices = [*places, (desk.unit.division_code, "—")]
        form.division_code.data = desk.unit.division_code
    elif not form.division_code.data and places:
        form.division_code.data = actor.division_prefix.ljust(12, "0") if programme is None else places[0][0]
    _offer(desk, facts)
    return desk


def _offer(desk: Desk, facts: NewProgramme | None) -> None:
    work, actor, form = session(), current_actor(), desk.form
    code = desk.unit.division_code if desk.unit is not None else form.division_code.data or ""
    if not code or not actor.covers(code):
        return
    shown = request.form.get("offered") == _owner(desk, code)
    desk.post_ids = (
        list(facts.post_ids)
        if facts
        else _numbers(request.form, "post_ids")
        if shown
        else (confirming.posts_to_ask(work, code, desk.unit.id if desk.unit else None))
    )
    chosen = list(facts.rule_ids) if facts else _numbers(request.form, "rule_ids") if shown else []
    named = programme_queries.rule_named(work, request.args.get("rule", "")) if request.args.get("rule") else None
    chosen += [named.id] if named is not None and named.id not in chosen else []
    kind = form.kind.data if isinstance(form.kind.data, DrillKind) else None
    desk.rules = programme_queries.rules_offered(work, unit=desk.unit, kind=kind, chosen=chosen)
    desk.rule_ids = chosen if facts or shown else chosen + [rule.id for rule, fits in desk.rules if fits]
    desk.posts = programme_queries.posts_offered(
        work, actor=actor, code=code, unit=desk.unit, chosen=desk.post_ids, language=language()
    )
    plan_id = form.plan_id.data or None
    plans = programme_queries.plans_offered(
        work, actor=actor, code=code, unit_id=desk.unit.id if desk.unit else None, chosen=plan_id
    )
    form.plan_id.choices = [(0, _("none")), *plans]


def _owner(desk: Desk, code: str) -> str:
    """By whom the offered posts and rules were chosen: what was ticked for another owner does not count."""
    return f"{code}:{desk.unit.id if desk.unit else 0}"


def _facts(desk: Desk) -> NewProgramme:
    form, unit = desk.form, desk.unit
    code = unit.division_code if unit is not None else form.division_code.data
    return NewProgramme(
        form.title.data or "", form.kind.data, form.form.data, code, form.recurrence(), form.start_time.data or time(9, 0),
        content=form.content.data, unit_id=unit.id if unit is not None else None, plan_id=form.plan_id.data or None,
        ends_on=form.ends_on.data, duration_minutes=form.duration_minutes.data or 60,
        target_seconds=form.target_seconds.data, place=form.place.data or "", purpose=form.purpose.data,
        post_ids=desk.post_ids, rule_ids=desk.rule_ids, backdated=desk.programme is None and form.backdated.data,
    )  # fmt: skip


def _say(desk: Desk) -> None:
    """The rule in words and its next five dates, or the fault at its field."""
    work, form = session(), desk.form
    rule = form.recurrence()
    desk.words = words_at(rule, form.start_time.data, language()) if form.start_time.data else rule.words(language())
    day, calendars = today(work), Calendars.load(work)
    desk.dates = check_yields(rule, form.ends_on.data, day, calendars)
    if desk.programme is None:
        desk.past = len(check_past(rule, form.ends_on.data, day, calendars, backdated=form.backdated.data))


def _page(desk: Desk, status: int = 200) -> Page:
    code = desk.unit.division_code if desk.unit is not None else desk.form.division_code.data or ""
    flask.g.refused = status == 422 or flask.g.get("refused", False)
    body = render_template(
        "drills/programme_form.html", desk=desk, form=desk.form, offered=_owner(desk, code), season_day=config().drills.season_day,
        night=bool(desk.form.start_time.data and is_night(desk.form.start_time.data)),
    )  # fmt: skip
    return body, status


@blueprint.route("/new", methods=["GET", "POST"])
@requires(EDIT)
def new() -> Page:
    """A programme."""
    form = ProgrammeForm()
    if request.method == "GET":
        _prefill(form)
        return _page(_desk(form))
    desk = _desk(form)
    do = request.form.get("do") or ("show" if "preview" in request.form else "save")
    if do == "find":
        return _found(desk)
    if do == "choose":
        flask.g.refused = True
        return _page(desk)
    return _enter(desk, do)


def _enter(desk: Desk, do: str) -> Page:
    work, actor, form = session(), current_actor(), desk.form
    try:
        if do == "show":
            flask.g.refused = True
            _say(desk)
            return _page(desk)
        if form.validate():
            _say(desk)
            programme = create_programme(work, actor=actor, facts=_facts(desk))
            flask.flash(_("Planned: %(title)s, %(words)s.", title=programme.title, words=desk.words), "done")
            return redirect(url_for("drill_programmes.show", programme_id=programme.id), 303)
    except DomainError as error:
        if isinstance(error, NotFound):
            raise
        form.refuse(error)
    return _page(desk, 422)


def _found(desk: Desk) -> Page:
    desk.unit_q = (request.form.get("unit_q") or "").strip()[:60]
    desk.units = programme_queries.find_units(session(), actor=current_actor(), q=desk.unit_q)
    flask.g.refused = True
    return _page(desk)


def _prefill(form: ProgrammeForm) -> None:
    """From a link: the unit, the place or the plan that needs a drill, its kind and the rule that asks for it."""
    work, actor = session(), current_actor()
    form.season.data, form.before.data = config().drills.season_day, 10
    rule = programme_queries.rule_named(work, request.args.get("rule", "")) if request.args.get("rule") else None
    form.kind.data = _member(DrillKind, request.args.get("kind"))
    if rule is not None:
        form.interval.data = min(rule.months or 1, 120)
        form.kind.data = form.kind.data or programme_queries.usual_kind(work, rule)
    unit, plan = _linked()
    code = request.args.get("division", "")
    name = unit.name if unit is not None else plan.title if plan is not None else ""
    if plan is not None:
        form.plan_id.data, code = plan.id, plan.division_code
    if is_code(code) and actor.covers(code):
        form.division_code.data = code
        name = name or divisions.names(work, [code]).get(code, "")
    if name and form.kind.data is not None:
        form.title.data = f"{name}{form.kind.data.zh}演练"[:150]


def _linked() -> tuple[Unit | None, Plan | None]:
    """The unit and the plan that a link names, where they lie in the actor's area; a unit's plan names the unit too."""
    work, actor = session(), current_actor()
    plan = programme_queries.get_plan(work, actor=actor, plan_id=next(iter(_numbers(request.args, "plan")), None))
    wanted = next(iter(_numbers(request.values, "unit_id") or _numbers(request.values, "unit")), None)
    if wanted is None and plan is not None and request.method == "GET":
        wanted = plan.unit_id
    return programme_queries.get_unit(work, actor=actor, unit_id=wanted), plan


@blueprint.route("/programmes/<int:programme_id>/edit", methods=["GET", "POST"])
@requires(EDIT)
def edit(programme_id: int) -> Page:
    """Change a programme: first what it would do to each coming date, then the change itself."""
    work, actor = session(), current_actor()
    programme = programmes.get_programme(work, actor=actor, programme_id=programme_id)
    form = ProgrammeForm()
    if request.method == "GET":
        facts = programmes.facts_of(work, programme)
        form.fill(facts)
        return _page(_desk(form, programme, facts))
    desk = _desk(form, programme)
    form.division_code.data = programme.division_code
    do = request.form.get("do") or "preview"
    if do == "choose":
        flask.g.refused = True
        return _page(desk)
    return _change(desk, programme, do)


def _change(desk: Desk, programme: Programme, do: str) -> Page:
    work, actor, form = session(), current_actor(), desk.form
    try:
        if do == "show":
            flask.g.refused = True
            _say(desk)
            return _page(desk)
        if not form.validate():
            return _page(desk, 422)
        _say(desk)
        facts = _facts(desk)
        if do == "apply":
            try:
                done = programmes.change(
                    work, actor=actor, programme_id=programme.id, facts=facts, seen=request.form.get("seen", "")
                )
            except programmes.PreviewChanged as changed:
                work.rollback()
                form.refuse(changed)
            else:
                flask.flash(_("Changed: %(moved)s dates moved, %(added)s added, %(removed)s called off.",
                              moved=len(done.outcome.moved), added=len(done.outcome.added),
                              removed=len(done.outcome.removed)), "done")  # fmt: skip
                return redirect(url_for("drill_programmes.show", programme_id=programme.id), 303)
        desk.preview = programmes.preview(work, actor=actor, programme_id=programme.id, facts=facts)
    except DomainError as error:
        form.refuse(error)
        return _page(desk, 422)
    flask.g.refused = True
    return _page(desk, 409 if do == "apply" else 200)


@blueprint.get("/programmes/dates")
@requires(EDIT)
def dates() -> Page:
    """While somebody types: the rule in words and its next five dates, or what is wrong with it."""
    form = ProgrammeForm(formdata=request.args, meta={"csrf": False})
    form.offer([], [], language())
    desk = Desk(form)
    fault = ""
    try:
        _say(desk)
    except DomainError as error:
        fault = " ".join(_(text) for text in error.fields.values()) if request.args.get("starts_on") else ""
        fault = fault or (error.text(_) if request.args.get("starts_on") else "")
    return render_template("drills/_dates.html", desk=desk, fault=fault)


@blueprint.get("/programmes/units")
@requires(EDIT)
def units() -> Page:
    """Units whose names contain the words, for the form."""
    q = (request.args.get("unit_q") or "").strip()[:60]
    return render_template(
        "drills/_units.html", units=programme_queries.find_units(session(), actor=current_actor(), q=q)
    )
