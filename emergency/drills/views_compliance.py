"""Pages of compliance: the district, a township, one subject; the list as a sheet; the year as a heat calendar."""

from __future__ import annotations

import calendar
import tempfile
from datetime import date
from typing import Any

import flask
from dateutil.relativedelta import relativedelta
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.divisions import service as divisions
from emergency.divisions.rules import is_code
from emergency.drills import compliance, heat, service, standing_queries
from emergency.drills.models import DrillKind
from emergency.drills.rules import Standing
from emergency.drills.standing_models import SubjectKind
from emergency.drills.standing_queries import SHOWN, Filter
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, session
from emergency.http.sheets import Column, csv_text, write_xlsx

blueprint = flask.Blueprint("drill_compliance", __name__, url_prefix="/drills")
Page = str | Response | tuple[str, int]
VIEW = Permission.DRILLS_VIEW
LISTED = tuple(standing for standing in Standing if standing is not Standing.NOT_ADOPTED)
COLUMNS = (
    Column("subject", ("单位或区划",)), Column("subject_kind", ("类别",)), Column("township", ("镇街",)),
    Column("rule", ("规则",)), Column("source", ("依据",)), Column("months", ("间隔月数",)),
    Column("basis", ("计算方式",)), Column("standing", ("达标情况",)), Column("last_held", ("最近演练",)),
    Column("due", ("应于",)), Column("next", ("下次计划",)),
)  # fmt: skip


def _chosen() -> Filter:
    return standing_queries.read_filter(
        session(), standing=request.args.get("standing", ""), group=request.args.get("kind", ""),
        town=request.args.get("town", ""), rule_id=request.args.get("rule", type=int), q=request.args.get("q", ""),
    )  # fmt: skip


def _towns(whole: bool) -> list[tuple[str, str]]:
    """The townships of the actor's area, the district before them where it is the actor's: all of it, or its own."""
    work, actor = session(), current_actor()
    found = [(town.code, town.name) for town in divisions.townships(work) if actor.covers(town.code)]
    above = {code[:6] + "000000" for code, _name in found}
    names = divisions.names(work, above)
    own = [(code, names.get(code, code)) for code in sorted(above) if actor.covers(code)]
    return [(code, name if whole else _("%(name)s itself", name=name)) for code, name in own] + found


@blueprint.get("/compliance")
@requires(VIEW)
def index() -> Page:
    """Who keeps which rule: counts by kind and township, then the duties themselves."""
    unit_id = request.args.get("unit", type=int)
    if unit_id is not None:
        return redirect(url_for("drill_compliance.subject", kind="unit", subject_id=abs(unit_id)))
    work, actor, chosen = session(), current_actor(), _chosen()
    towns = _towns(whole=False)
    return render_template(
        "drills/compliance.html", cube=standing_queries.cube(work, actor=actor, chosen=chosen), chosen=chosen,
        page=standing_queries.lines(work, actor=actor, chosen=chosen, cursor=request.args.get("cursor")),
        states=LISTED, shown=SHOWN, towns=towns, town_words=lambda code: dict(towns).get(code, code), groups=_groups(), rules=standing_queries.rule_choices(work),
        group_words=lambda group: standing_queries.group_label(group, language()),
        today=compliance.today_of(work), keep=_address(chosen), may_plan=actor.can(Permission.DRILLS_EDIT),
        new=lambda line: _new_url(line.row.subject_kind, line.row.subject_id, line.rule.key),
    )  # fmt: skip


def _address(chosen: Filter) -> dict[str, Any]:
    """The choice as arguments of an address, so that it can be shared."""
    given = {
        "standing": chosen.standing.value if chosen.standing else None, "kind": chosen.group, "town": chosen.town,
        "rule": chosen.rule_id, "q": chosen.q,
    }  # fmt: skip
    return {key: value for key, value in given.items() if value}


def _groups() -> list[tuple[str, str]]:
    return [(group, standing_queries.group_label(group, language())) for group in standing_queries.GROUPS]


def _rows() -> Any:
    return standing_queries.sheet(database(), actor=current_actor(), chosen=_chosen(), language=language())


@blueprint.get("/compliance.csv")
@requires(VIEW)
def export_csv() -> flask.Response:
    """The duties that are shown, as CSV."""
    return flask.Response(
        csv_text(_rows(), COLUMNS, keys_as_headings=False), content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": "attachment; filename=drill-compliance.csv"},
    )  # fmt: skip


@blueprint.get("/compliance.xlsx")
@requires(VIEW)
def export_xlsx() -> flask.Response:
    """The duties that are shown, as a workbook."""
    with tempfile.TemporaryFile() as target:
        write_xlsx(_rows(), COLUMNS, target, keys_as_headings=False)
        target.seek(0)
        body = target.read()
    return flask.Response(
        body, content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        headers={"Content-Disposition": "attachment; filename=drill-compliance.xlsx"},
    )  # fmt: skip


@blueprint.get("/compliance/<any(unit,division,plan):kind>/<int:subject_id>")
@requires(VIEW)
def subject(kind: str, subject_id: int) -> Page:
    """One unit, division or plan: each rule, by what drill it is satisfied, and what to do."""
    work, actor = session(), current_actor()
    found = standing_queries.subject(work, actor=actor, kind=SubjectKind(kind), subject_id=subject_id)
    return render_template(
        "drills/subject.html", found=found, today=compliance.today_of(work), states=Standing, shown=SHOWN,
        place=divisions.names(work, [found.division_code]).get(found.division_code, ""),
        group=standing_queries.group_label(found.group, language()), may_plan=actor.can(Permission.DRILLS_EDIT),
        new=lambda duty: _new_url(found.kind, found.id, duty.line.rule.key, duty.kinds[0] if duty.kinds else None),
    )  # fmt: skip


def _new_url(subject_kind: SubjectKind, subject_id: int, rule: str, kind: DrillKind | None = None) -> str:
    """Where a drill for a duty is planned, with what is known filled in."""
    known: dict[str, Any] = {"kind": kind.value if kind else None, "rule": rule}
    if subject_kind is SubjectKind.DIVISION:
        known["division"] = f"{subject_id:012d}"
    else:
        known[subject_kind.value] = subject_id
    return "/drills/new?" + "&".join(f"{key}={value}" for key, value in known.items() if value is not None)


# --- the calendar -------------------------------------------------------------------------------------------------


def _month_of(text: str, today: date) -> date:
    """The first of a month as written in an address; this month where it is nonsense or out of reach."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        return today.replace(day=1)
    return first if abs(first.year - today.year) <= 50 else today.replace(day=1)


@blueprint.get("/calendar")
@requires(VIEW)
def year() -> Page:
    """Thirteen months as a heat calendar; one month with its drills where one is named."""
    work, actor = session(), current_actor()
    today = compliance.today_of(work)
    town = request.args.get("town", "")
    town = town if is_code(town) else ""
    kind = next((k for k in DrillKind if k.value == request.args.get("kind")), None)
    if request.args.get("month") is not None:
        return _one_month(_month_of(request.args["month"], today), today, town, kind)
    first = _month_of(request.args["from"], today) if request.args.get("from") else heat.default_start(today)
    months = heat.year(work, actor=actor, first=first, town=town or None, kind=kind)
    return render_template(
        "drills/heat.html", months=months,
        totals={name: sum(month.total(name) for month in months) for name in ("planned", "held", "missed")},
        today=today, town=town, kind=kind, kinds=DrillKind, towns=_towns(whole=True), first=first,
        before=first - relativedelta(months=6), after=first + relativedelta(months=6),
    )  # fmt: skip


def _one_month(first: date, today: date, town: str, kind: DrillKind | None) -> str:
    found = service.month(session(), actor=current_actor(), first=first, town=town or None, kind=kind)
    return render_template(
        "drills/calendar.html", first=first, weeks=calendar.Calendar().monthdatescalendar(first.year, first.month),
        days=found.days, found=found, today=today, before=first - relativedelta(months=1),
        after=first + relativedelta(months=1), town=town, kind=kind, kinds=DrillKind, towns=_towns(whole=True),
        keep={key: value for key, value in (("town", town), ("kind", kind.value if kind else "")) if value},
    )  # fmt: skip
