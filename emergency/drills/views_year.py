"""Pages of a year's calendar: proposing it, its figures, deciding about its dates, what it leaves open."""

from __future__ import annotations

import io
from typing import Any

import flask
import sqlalchemy as sa
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.divisions.models import Division
from emergency.divisions.rules import in_scope, is_code
from emergency.drills import proposing, proposing_deciding, proposing_queries, proposing_words
from emergency.drills.forms_year import WEEKDAYS, MoveForm, RefuseForm, YearForm
from emergency.drills.materialising import today
from emergency.drills.models import DrillKind
from emergency.drills.proposal_models import GapCode, ItemState, ProposalState, YearProposal
from emergency.drills.proposing_queries import Wanted
from emergency.drills.proposing_settings import Settings
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.http.sheets import Column, csv_text, write_xlsx
from emergency.people.accounts import service as accounts
from kernel.errors import DomainError, Invalid
from kernel.states import timeline

blueprint = flask.Blueprint("drill_year", __name__, url_prefix="/drills/year")
blueprint.app_context_processor(proposing_words.context)
Page = str | Response | tuple[str, int]
VIEW, EDIT = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT
PRINT_MOST = 2000
"""Rows on paper; more is for a file."""
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
COLUMNS = [
    Column("date", ("日期",)), Column("time", ("时间",)), Column("township", ("镇街",)), Column("owner", ("单位",)),
    Column("kind", ("演练类型",)), Column("state", ("状态",)), Column("proposed", ("原拟日期",)), Column("window", ("可选时段",)),
    Column("serves", ("满足的规则",)), Column("explained", ("说明",)), Column("provisional", ("暂定",)),
]  # fmt: skip


def _member(members: type[Any], name: str) -> Any:
    said = request.args.get(name, "")
    return next((member for member in members if member.value == said), None)


def _code(name: str = "township") -> str | None:
    said = request.values.get(name, "")
    return said if is_code(said) else None


def _wanted() -> Wanted:
    month = request.args.get("month", "")
    return Wanted(
        _code(), (request.args.get("owner") or "")[:24] or None, None, _member(ItemState, "state"),
        _member(DrillKind, "kind"), int(month) if month.isascii() and month.isdigit() and len(month) < 3 else None,
    )  # fmt: skip


@blueprint.get("")
@requires(VIEW)
def index() -> Page:
    """The calendars, and a form for another."""
    return _index(None)


def _index(form: YearForm | None) -> Page:
    work, actor = session(), current_actor()
    found = proposing.list_proposals(work, actor=actor)
    if form is None and actor.can(EDIT):
        form = _offered(YearForm(formdata=None))
        form.year.data = today(work).year + 1
        form.division_code.data = actor.division_code or _first(form)
        form.begin(proposing.suggested(work, division_code=form.division_code.data))
    places = _names([one.division_code for one in found])
    refused = form is not None and bool(form.errors)
    body = render_template("drills/year.html", proposals=found, form=form, places=places,
                           next_year=today(work).year + 1)  # fmt: skip
    return body, 422 if refused else 200


def _names(codes: list[str]) -> dict[str, str]:
    rows = session().execute(sa.select(Division.code, Division.name).where(Division.code.in_(codes)))
    return dict(rows.all())


def _first(form: YearForm) -> str:
    choices = form.division_code.choices
    return str(choices[0][0]) if isinstance(choices, list) else ""


def _offered(form: YearForm) -> YearForm:
    work, year = session(), today(session()).year
    form.weekdays.choices = list(WEEKDAYS)
    form.year.choices = [(year + n, str(year + n)) for n in range(proposing.YEARS_AHEAD + 1)]
    rows = work.execute(
        sa.select(Division.code, Division.name)
        .where(in_scope(Division.code, current_actor()), Division.level.in_((3, 4)))
        .order_by(Division.level, Division.code)
        .limit(200)
    ).all()
    form.division_code.choices = [(code, name) for code, name in rows] or [("", "—")]
    return form


@blueprint.post("")
@requires(EDIT)
def create() -> Page:
    """Ask for a year's calendar."""
    form = _offered(YearForm())
    if form.validate_on_submit():
        try:
            made = proposing.create(
                session(), actor=current_actor(), year=form.year.data, division_code=form.division_code.data,
                settings=form.settings(),
            )  # fmt: skip
        except DomainError as error:
            session().rollback()
            form.refuse(error)
        else:
            flask.flash(
                _("The calendar of %(year)s is being computed. You may leave this page.", year=made.year), "done"
            )
            return redirect(url_for("drill_year.show", proposal_id=made.id), 303)
    flask.g.refused = True
    return _index(form)


@blueprint.get("/<int:proposal_id>")
@requires(VIEW)
def show(proposal_id: int) -> Page:
    """The figures of a calendar; with a filter, its dates."""
    if any(request.args.get(name) is not None for name in ("township", "owner", "state", "kind", "month", "cursor")):
        return _list(proposal_id)
    work, actor = session(), current_actor()
    seen = proposing_queries.overview(work, actor=actor, proposal_id=proposal_id)
    proposal = seen.proposal
    changes = timeline(work, YearProposal.__tablename__, proposal.id)
    template = "drills/_year_progress.html" if request.headers.get("HX-Request") else "drills/year_show.html"
    return render_template(
        template, seen=seen, proposal=proposal, settings=Settings.from_json(proposal.settings),
        place=_names([proposal.division_code]).get(proposal.division_code, ""), states=ItemState,
        over=proposal.state is not ProposalState.COMPUTING and not seen.asked, changes=changes,
        proposal_states=ProposalState, may_edit=actor.can(EDIT) and actor.covers(proposal.division_code),
        may_decide=actor.can(EDIT) and proposal.state is ProposalState.READY,
        names=accounts.display_names(work, {proposal.made_by, *(change.actor for change in changes)}),
        top=max((week.whole for week in seen.weeks), default=0) or 1,
    )  # fmt: skip


def _list(proposal_id: int, status: int = 200) -> Page:
    work, actor, wanted = session(), current_actor(), _wanted()
    page = proposing_queries.list_items(
        work, actor=actor, proposal_id=proposal_id, wanted=wanted, cursor=request.args.get("cursor")
    )
    proposal = proposing.get(work, actor=actor, proposal_id=proposal_id)
    meant = proposing_deciding.waiting(
        work, actor=actor, proposal_id=proposal_id,
        division_code=wanted.division_code if actor.covers(wanted.division_code or "") else None,
    ) if actor.can(EDIT) and wanted.division_code and actor.covers(wanted.division_code) else None  # fmt: skip
    body = render_template(
        "drills/year_items.html", page=page, proposal=proposal, wanted=wanted, kinds=DrillKind, meant=meant,
        states=ItemState, towns=_towns(proposal), place=_names([proposal.division_code]).get(proposal.division_code),
        months=[(n, _("month %(n)s", n=n)) for n in range(1, 13)],
        names=accounts.display_names(work, {r.item.decided_by for r in page.items if r.item.decided_by}),
        may_decide=actor.can(EDIT) and proposal.state is ProposalState.READY, first=today(work),
    )  # fmt: skip
    return body, status


def _towns(proposal: YearProposal) -> list[tuple[str, str]]:
    rows = (
        session()
        .execute(
            sa.select(Division.code, Division.name)
            .where(Division.level == 4, in_scope(Division.code, current_actor()))
            .order_by(Division.code)
            .limit(200)
        )
        .all()
    )
    return [(code, name) for code, name in rows]


@blueprint.get("/<int:proposal_id>/gaps")
@requires(VIEW)
def gaps(proposal_id: int) -> Page:
    """What the calendar leaves open, why, and what to do."""
    work, actor, code = session(), current_actor(), _member(GapCode, "code")
    page = proposing_queries.list_gaps(
        work, actor=actor, proposal_id=proposal_id, division_code=_code(), code=code,
        cursor=request.args.get("cursor"),
    )  # fmt: skip
    proposal = proposing.get(work, actor=actor, proposal_id=proposal_id)
    return render_template(
        "drills/year_gaps.html", page=page, proposal=proposal, code=code, codes=GapCode, towns=_towns(proposal),
        township=_code(), seen=proposing_queries.overview(work, actor=actor, proposal_id=proposal_id),
    )  # fmt: skip


@blueprint.get("/<int:proposal_id>/print")
@requires(VIEW)
def printed(proposal_id: int) -> Page:
    """The calendar on paper: what was accepted and what is proposed, month by month."""
    work, actor, wanted = session(), current_actor(), _wanted()
    rows = proposing_queries.all_items(work, actor=actor, proposal_id=proposal_id, wanted=wanted)
    rows = [row for row in rows if row.item.state is not ItemState.REFUSED or wanted.state is ItemState.REFUSED]
    proposal = proposing.get(work, actor=actor, proposal_id=proposal_id)
    months: dict[int, list[Any]] = {}
    for row in rows[:PRINT_MOST]:
        months.setdefault(row.item.day.month, []).append(row)
    return render_template(
        "drills/year_print.html", proposal=proposal, months=months, total=len(rows), most=PRINT_MOST,
        place=_names([proposal.division_code]).get(proposal.division_code),
    )  # fmt: skip


@blueprint.get("/<int:proposal_id>/export.<any(csv,xlsx):kind>")
@requires(VIEW)
def export(proposal_id: int, kind: str) -> Response:
    """The dates as a sheet: exactly those that the filter shows."""
    work, actor = session(), current_actor()
    proposal = proposing.get(work, actor=actor, proposal_id=proposal_id)
    rows = [_row(row) for row in proposing_queries.all_items(
        work, actor=actor, proposal_id=proposal_id, wanted=_wanted())]  # fmt: skip
    headers = {"Content-Disposition": f"attachment; filename=drills-{proposal.year}.{kind}"}
    if kind == "csv":
        text = csv_text(rows, COLUMNS, keys_as_headings=False)
        return flask.Response(list(text), content_type="text/csv; charset=utf-8", headers=headers)
    target = io.BytesIO()
    write_xlsx(rows, COLUMNS, target, keys_as_headings=False)
    return flask.Response(target.getvalue(), content_type=XLSX, headers=headers)


def _row(row: proposing_queries.ItemRow) -> dict[str, Any]:
    item = row.item
    return {
        "date": item.day.isoformat(), "time": item.at_time.strftime("%H:%M"), "township": row.town,
        "owner": row.owner, "kind": item.kind.label(language()), "state": item.state.label(language()),
        "proposed": item.on_date.isoformat(), "window": proposing_words.window(row),
        "serves": proposing_words.serves(row), "explained": proposing_words.explained(row),
        "provisional": _("provisional") if item.provisional else "",
    }  # fmt: skip


@blueprint.post("/<int:proposal_id>/<any(again,close):what>")
@requires(EDIT)
def change(proposal_id: int, what: str) -> Page:
    """Compute again, or close."""
    act = proposing.compute_again if what == "again" else proposing.close
    act(session(), actor=current_actor(), proposal_id=proposal_id)
    flask.flash(
        _("The calendar is computed again; what was decided stays.") if what == "again"
        else _("The calendar is closed. What was accepted stays planned."), "done",
    )  # fmt: skip
    return redirect(url_for("drill_year.show", proposal_id=proposal_id), 303)


@blueprint.route("/<int:proposal_id>/accept", methods=["GET", "POST"])
@requires(EDIT)
def accept_all(proposal_id: int) -> Page:
    """All waiting dates of a unit, a township or the area: first how many these are, then they are accepted."""
    work, actor, code = session(), current_actor(), _code()
    owner = (request.values.get("owner") or "")[:24]
    proposal = proposing.get(work, actor=actor, proposal_id=proposal_id)
    back = url_for("drill_year.show", proposal_id=proposal_id, township=code, owner=owner or None)
    if request.method == "POST":
        if owner:
            count = proposing_deciding.accept_owner(work, actor=actor, proposal_id=proposal_id, owner_key=owner)
            flask.flash(_("Accepted: %(n)s dates.", n=count), "done")
            return redirect(back, 303)
        count = proposing_deciding.ask_all(work, actor=actor, proposal_id=proposal_id, division_code=code)
        flask.flash(_("%(n)s dates are being accepted. You may leave this page.", n=count), "done")
        return redirect(url_for("drill_year.show", proposal_id=proposal_id), 303)
    meant = proposing_deciding.waiting(work, actor=actor, proposal_id=proposal_id, division_code=code, owner_key=owner)
    whose = _names([code]).get(code, "") if code else ""
    if owner:
        page = proposing_queries.list_items(
            work, actor=actor, proposal_id=proposal_id, wanted=Wanted(owner_key=owner), limit=1
        )
        whose = page.items[0].owner if page.items else ""
    return render_template(
        "drills/year_accept.html", proposal=proposal, meant=meant, whose=whose, township=code, owner=owner, back=back
    )


@blueprint.get("/items/<int:item_id>")
@requires(VIEW)
def item(item_id: int) -> Page:
    """One date: why that day, and what may be decided."""
    return _item(item_id)


def _item(item_id: int, status: int = 200, **forms: Any) -> Page:
    work, actor = session(), current_actor()
    found = proposing_deciding.item_seen(work, actor=actor, item_id=item_id)
    row = proposing_queries.rows_of(work, [found])[0]
    proposal = proposing.get(work, actor=actor, proposal_id=found.proposal_id)
    made = {"move": MoveForm(formdata=None), "refuse": RefuseForm(formdata=None)} | forms
    if "move" not in forms:
        made["move"].day.data = found.on_date
    changes = timeline(work, found.__tablename__, found.id)
    body = render_template(
        "drills/year_item.html", row=row, item=found, proposal=proposal, forms=made, changes=changes,
        states=ItemState, names=accounts.display_names(work, {change.actor for change in changes}),
        decidable=actor.can(EDIT) and proposal.state is ProposalState.READY
        and bool(proposing_deciding.TRANSITIONS[found.state]), first=today(work),
    )  # fmt: skip
    return body, status


@blueprint.post("/items/<int:item_id>/accept")
@requires(EDIT)
def accept(item_id: int) -> Page:
    """Take one date over."""
    found = proposing_deciding.accept(session(), actor=current_actor(), item_id=item_id)
    flask.flash(_("Accepted: the drill is planned and its posts can be asked."), "done")
    return _back(found.proposal_id, found.division_code)


@blueprint.post("/items/<int:item_id>/move")
@requires(EDIT)
def move(item_id: int) -> Page:
    """Take one date over on another day."""
    proposing_deciding.item_seen(session(), actor=current_actor(), item_id=item_id)
    form = MoveForm()
    if form.validate_on_submit() and form.day.data is not None:
        try:
            found = proposing_deciding.move(
                session(), actor=current_actor(), item_id=item_id, day=form.day.data,
                nevertheless=bool(form.nevertheless.data), reason=form.reason.data or "",
            )  # fmt: skip
        except Invalid as error:
            session().rollback()
            form.refuse(error, None if error.fields else "day")
        else:
            flask.flash(_("Moved and accepted: the drill is planned."), "done")
            return _back(found.proposal_id, found.division_code)
    flask.g.refused = True
    return _item(item_id, 422, move=form)


@blueprint.post("/items/<int:item_id>/refuse")
@requires(EDIT)
def refuse(item_id: int) -> Page:
    """Decide against one date."""
    proposing_deciding.item_seen(session(), actor=current_actor(), item_id=item_id)
    form = RefuseForm()
    if form.validate_on_submit():
        found = proposing_deciding.refuse(
            session(), actor=current_actor(), item_id=item_id, reason=form.reason.data or ""
        )
        flask.flash(_("Refused; the reason is kept, and the rules stand among the gaps once computed again."), "done")
        return _back(found.proposal_id, found.division_code)
    flask.g.refused = True
    return _item(item_id, 422, refuse=form)


def _back(proposal_id: int, division_code: str) -> Response:
    """To the list that the button stood in; only an address of our own is followed."""
    said = request.form.get("back", "")
    here = url_for("drill_year.show", proposal_id=proposal_id)
    if said == here or said.startswith(f"{here}?"):
        return redirect(said, 303)
    return redirect(url_for("drill_year.show", proposal_id=proposal_id, township=division_code[:9] + "000"), 303)
