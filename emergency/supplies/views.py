"""Pages of the stock."""

from __future__ import annotations

from typing import Any

import flask
from flask import redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.http.sheets import csv_text
from emergency.people.posts import service as posts
from emergency.supplies import rules, service
from emergency.supplies.exports import COLUMNS, export_rows
from emergency.supplies.forms import IssueForm, LotStateForm, MoveForm, ReceiveForm, WriteOffForm
from emergency.supplies.models import DepotKind, MovementKind, Ownership
from emergency.supplies.queries import all_items
from kernel.errors import DomainError
from kernel.states import timeline

blueprint = flask.Blueprint("supplies", __name__, url_prefix="/supplies")
Page = str | Response | tuple[str, int] | flask.Response
EDIT = Permission.SUPPLIES_EDIT


def done(text: str) -> None:
    """Tell on the next page what was done."""
    flask.flash(text, "done")


@blueprint.get("")
@requires(Permission.SUPPLIES_VIEW)
def index() -> Page:
    """What lies where, by item and owner."""
    chosen: dict[str, Any] = {
        "q": request.args.get("q", "")[:60],
        "ownership": rules.choice_of(Ownership, request.args.get("ownership", "")),
        "kind": rules.choice_of(DepotKind, request.args.get("kind", "")),
        "family": request.args.get("family", ""),
    }
    actor = current_actor()
    if request.args.get("format") == "csv":
        rows = export_rows(session(), actor=actor, **chosen)
        headers = {"Content-Disposition": "attachment; filename=supplies.csv"}
        return flask.Response(list(csv_text(rows, COLUMNS)), mimetype="text/csv", headers=headers)
    page = service.stock(session(), actor, cursor=request.args.get("cursor"), **chosen)
    return render_template(
        "supplies/index.html", page=page, chosen=chosen, kinds=DepotKind, ownerships=Ownership,
        families=[(key, _(words)) for key, words in rules.FAMILIES.items()], holdings=list(rules.Holding),
        health=service.health(session(), actor), today=service.today(session()),
    )  # fmt: skip


@blueprint.get("/depots")
@requires(Permission.SUPPLIES_VIEW)
def depots() -> Page:
    """Every store in scope."""
    kind = rules.choice_of(DepotKind, request.args.get("kind", ""))
    rows = service.depots(session(), actor=current_actor(), kind=kind)
    return render_template(
        "supplies/depots.html", rows=rows, kinds=DepotKind, kind=kind,
        keepers=posts.titles(session(), [d.keeper_post_id for d, _n in rows if d.keeper_post_id]),
    )  # fmt: skip


@blueprint.get("/depots/<int:depot_id>")
@requires(Permission.SUPPLIES_VIEW)
def depot(depot_id: int) -> Page:
    """One store: what lies in it, what its holder has promised."""
    actor = current_actor()
    found = service.get_depot(session(), actor=actor, depot_id=depot_id)
    return render_template(
        "supplies/depot.html", depot=found, lots=service.depot_lots(session(), actor=actor, depot_id=depot_id),
        agreements=service.agreements(session(), actor=actor, depot_id=depot_id), today=service.today(session()),
        keeper=posts.titles(session(), [found.keeper_post_id] if found.keeper_post_id else []).get(
            found.keeper_post_id or 0
        ),
        may_edit=actor.can(EDIT), near=service.near_depot(session(), actor=actor, depot=found),
    )  # fmt: skip


@blueprint.get("/items/<int:item_id>")
@requires(Permission.SUPPLIES_VIEW)
def item(item_id: int) -> Page:
    """One item: its four sums, its lots, who has promised it."""
    actor = current_actor()
    found = service.get_item(session(), item_id=item_id)
    row = service.stock(session(), actor, item_ids=[item_id]).items[0]
    return render_template(
        "supplies/item.html", item=found, row=row, holdings=list(rules.Holding), family=rules.family(found.code),
        lots=service.item_lots(session(), actor=actor, item_id=item_id), may_edit=actor.can(EDIT),
        agreements=service.agreements(session(), actor=actor, item_id=item_id), today=service.today(session()),
    )  # fmt: skip


def _lot_page(lot_id: int, status: int = 200, **forms: Any) -> Page:
    actor, work = current_actor(), session()
    found = service.get_lot(work, actor=actor, lot_id=lot_id)
    places = service.lot_places(work, actor=actor, lot_id=lot_id)
    lines = service.movements(work, lot_id=lot_id, cursor=request.args.get("cursor"))
    made = {"move": MoveForm(formdata=None), "issue": IssueForm(formdata=None), "write_off": WriteOffForm(formdata=None),
            "state": LotStateForm(formdata=None)} | forms  # fmt: skip
    here = [(held.depot.id, f"{held.depot.name}（{held.free}）") for held in places]
    others = [(d.id, d.name) for d, _n in service.depots(work, actor=actor, open_only=True)]
    for form in (made["issue"], made["write_off"]):
        form.depot_id.choices = here
    made["move"].from_depot_id.choices, made["move"].to_depot_id.choices = here, others
    body = render_template(
        "supplies/lot.html", lot=found, item=service.get_item(work, item_id=found.item_id), places=places, lines=lines,
        forms=made, names=actor_names(work, {line.movement.actor for line in lines.items}),
        changes=timeline(work, "lot", lot_id), may_edit=actor.can(EDIT), kinds=MovementKind,
        shelf=rules.shelf(found.expires_on, found.rotate_by, service.today(work)),
    )  # fmt: skip
    return body, status


def actor_names(work: Session, keys: set[str]) -> dict[str, str]:
    """`account:12` as a display name."""
    from emergency.people.accounts import service as accounts

    return accounts.display_names(work, keys)


@blueprint.get("/lots/<int:lot_id>")
@requires(Permission.SUPPLIES_VIEW)
def lot(lot_id: int) -> Page:
    """One lot: where it lies and how it got there."""
    return _lot_page(lot_id)


def _act(lot_id: int, name: str, form: Any, choices: dict[str, list[tuple[int, str]]], act: Any, text: str) -> Page:
    for field, given in choices.items():
        form[field].choices = given
    if form.validate_on_submit():
        try:
            act()
        except DomainError as error:
            session().rollback()
            form.refuse(error)
        else:
            done(text)
            return redirect(url_for("supplies.lot", lot_id=lot_id), 303)
    flask.g.refused = True
    return _lot_page(lot_id, 422, **{name: form})


def _depot_choices() -> list[tuple[int, str]]:
    return [(d.id, d.name) for d, _n in service.depots(session(), actor=current_actor())]


@blueprint.post("/lots/<int:lot_id>/move")
@requires(EDIT)
def move(lot_id: int) -> Page:
    """Move part of a lot to another depot."""
    form, depots_ = MoveForm(), _depot_choices()
    return _act(
        lot_id, "move", form, {"from_depot_id": depots_, "to_depot_id": depots_},
        lambda: service.move(
            session(), actor=current_actor(), lot_id=lot_id, from_depot_id=form.from_depot_id.data,
            to_depot_id=form.to_depot_id.data, quantity=form.quantity.data or 0, reason=form.reason.data or "",
        ),
        _("Goods moved."),
    )  # fmt: skip


@blueprint.post("/lots/<int:lot_id>/issue")
@requires(EDIT)
def issue(lot_id: int) -> Page:
    """Issue part of a lot for use."""
    form = IssueForm()
    return _act(
        lot_id, "issue", form, {"depot_id": _depot_choices()},
        lambda: service.issue(
            session(), actor=current_actor(), lot_id=lot_id, depot_id=form.depot_id.data, quantity=form.quantity.data or 0,
            reason=form.reason.data or "",
        ),
        _("Goods issued."),
    )  # fmt: skip


@blueprint.post("/lots/<int:lot_id>/write-off")
@requires(EDIT)
def write_off(lot_id: int) -> Page:
    """Ask for part of a lot to be written off."""
    form = WriteOffForm()
    return _act(
        lot_id, "write_off", form, {"depot_id": _depot_choices()},
        lambda: service.request_write_off(
            session(), actor=current_actor(), lot_id=lot_id, depot_id=form.depot_id.data, quantity=form.quantity.data or 0,
            reason=form.reason.data or "",
        ),
        _("Asked for. The goods are set aside until another person decides."),
    )  # fmt: skip


@blueprint.post("/lots/<int:lot_id>/state")
@requires(EDIT)
def lot_state(lot_id: int) -> Page:
    """Hold, free or withdraw a lot."""
    form = LotStateForm()
    return _act(
        lot_id, "state", form, {},
        lambda: service.set_lot_state(
            session(), actor=current_actor(), lot_id=lot_id, state=form.state.data, reason=form.reason.data or ""
        ),
        _("Saved."),
    )  # fmt: skip


@blueprint.route("/receive", methods=["GET", "POST"])
@requires(EDIT)
def receive() -> Page:
    """Goods come in."""
    form, work, actor = ReceiveForm(), session(), current_actor()
    form.depot_id.choices = [(d.id, d.name) for d, _n in service.depots(work, actor=actor, open_only=True)]
    form.item_id.choices = [(i.id, f"{i.name}（{i.unit}）") for i in all_items(work)]
    if request.method == "GET":
        form.depot_id.data = request.args.get("depot", type=int)
        form.item_id.data = request.args.get("item", type=int)
        return render_template("supplies/receive.html", form=form)
    if form.validate_on_submit():
        try:
            movement = service.receive(
                work, actor=actor, depot_id=form.depot_id.data, item_id=form.item_id.data,
                ownership=form.ownership.data, number=form.number.data or "", quantity=form.quantity.data or 0,
                made_on=form.made_on.data, expires_on=form.expires_on.data, maker=form.maker.data or "",
                reason=form.reason.data or "",
            )  # fmt: skip
        except DomainError as error:
            form.refuse(error)
        else:
            done(_("Received: %(n)s.", n=movement.quantity))
            return redirect(url_for("supplies.lot", lot_id=movement.lot_id), 303)
    flask.g.refused = True
    return render_template("supplies/receive.html", form=form), 422


@blueprint.get("/write-offs")
@requires(Permission.SUPPLIES_VIEW)
def write_offs() -> Page:
    """What is to be written off, and who decided."""
    work, actor = session(), current_actor()
    rows = service.write_offs(work, actor=actor)
    keys = {key for row in rows for key in (row[0].requested_by, row[0].decided_by) if key}
    return render_template(
        "supplies/write_offs.html", rows=rows, names=actor_names(work, keys), me=str(actor),
        may_decide=actor.can(Permission.SUPPLIES_APPROVE),
    )  # fmt: skip


@blueprint.post("/write-offs/<int:write_off_id>/approve")
@requires(Permission.SUPPLIES_APPROVE)
def approve_write_off(write_off_id: int) -> Page:
    """Another person than the requester approves."""
    service.decide_write_off(session(), actor=current_actor(), write_off_id=write_off_id, approve=True)
    done(_("Written off."))
    return redirect(url_for("supplies.write_offs"), 303)


@blueprint.post("/write-offs/<int:write_off_id>/reject")
@requires(Permission.SUPPLIES_APPROVE)
def reject_write_off(write_off_id: int) -> Page:
    """Another person than the requester refuses, with the reason."""
    service.decide_write_off(
        session(), actor=current_actor(), write_off_id=write_off_id, approve=False,
        reason=request.form.get("reason", ""),
    )  # fmt: skip
    done(_("Refused. The goods are free again."))
    return redirect(url_for("supplies.write_offs"), 303)


@blueprint.route("/depots/<int:depot_id>/count", methods=["GET", "POST"])
@requires(EDIT)
def count(depot_id: int) -> Page:
    """Count what lies in a store by hand; only what was typed in is compared."""
    work, actor = session(), current_actor()
    found = service.get_depot(work, actor=actor, depot_id=depot_id)
    lots = service.depot_lots(work, actor=actor, depot_id=depot_id)
    fault = ""
    if request.method == "POST":
        typed = {held.lot.id: request.form.get(f"lot-{held.lot.id}", "").strip() for held in lots}
        try:
            counted = {lot_id: int(text) for lot_id, text in typed.items() if text}
            _record, differing = service.count(
                work, actor=actor, depot_id=depot_id, counted=counted, note=request.form.get("note", "")
            )
        except ValueError:
            fault = _("This is not a whole number.")
        except DomainError as error:
            fault = error.text(_)
        else:
            done(_("Counted %(n)s lots; %(m)s differed and were corrected.", n=len(counted), m=differing))
            return redirect(url_for("supplies.depot", depot_id=depot_id), 303)
        flask.g.refused = True
    body = render_template("supplies/count.html", depot=found, lots=lots, fault=fault, typed=request.form)
    return body, 422 if fault else 200


@blueprint.post("/agreements/<int:agreement_id>/verify")
@requires(EDIT)
def verify_agreement(agreement_id: int) -> Page:
    """The enterprise stands by its promise, as of today."""
    agreement = service.verify_agreement(session(), actor=current_actor(), agreement_id=agreement_id)
    done(_("Noted: %(enterprise)s stands by its promise.", enterprise=agreement.enterprise))
    return redirect(url_for("supplies.depot", depot_id=agreement.depot_id), 303)
