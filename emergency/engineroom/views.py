"""Pages of the engine room: live, broadcasts, what a person settles, one message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.engineroom import service, wording
from emergency.http.actor import Actor
from emergency.http.forms import enum_choices, flash_done
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, database, own_transaction, session
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_, Invalid
from notify import watch
from notify.models import BreakerState, Broadcast, ChannelState, DeliveryState, Kind

blueprint = flask.Blueprint("engineroom", __name__, url_prefix="/system/delivery")

NOUNS = {
    "warning": N_("Warning"),
    "question": N_("Question"),
    "link_test": N_("Link test"),
    "drill_occurrence": N_("Drill"),
    "duty_shift": N_("Duty shift"),
    "post": N_("Post"),
}
PAGES = {"warning": "/warnings/{}", "question": "/questions/{}", "drill_occurrence": "/drills/occurrences/{}"}
RECEIPTS = {
    "unmatched": N_("belongs to no message of ours"),
    "other_number": N_("speaks of another number than the message's"),
    "unreadable": N_("cannot be read"),
    "kept": N_("odd answer, kept"),
}


def clock_time(at: datetime) -> str:
    """A time of day in Beijing; the day too where it is not today."""
    local = at.astimezone(BEIJING)
    today = now(session()).astimezone(BEIJING).date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%m-%d %H:%M}"


def alert_of(alarm: watch.Alarm | None, at: datetime) -> wording.Alert | None:
    """The alarm in the reader's language."""
    return wording.alert(alarm, at, _, clock_time) if alarm is not None else None


def subject_words(actor: Actor, records: Sequence[Broadcast]) -> dict[int, str]:
    """What each broadcast was sent for, in words."""
    titles = service.subjects(session(), actor, records)
    return {
        record.id: titles.get(record.id) or _(NOUNS.get(record.subject_kind, record.subject_kind)) for record in records
    }


def subject_url(record: Broadcast) -> str:
    """The page of what it was sent for, where there is one."""
    pattern = PAGES.get(record.subject_kind)
    return pattern.format(record.subject_id) if pattern else ""


def explain(code: str | None) -> wording.Words | None:
    """A code in the reader's language."""
    return wording.explain(code, _)


def meaning(code: str | None) -> str:
    """The meaning alone, or the code itself."""
    return wording.meaning(code, _)


def kinds_of(road: ChannelState) -> list[str]:
    """What a road may carry, in words."""
    return [kind.label(language()) for kind in Kind if watch.carries(road, kind)]


def road_state(road: ChannelState) -> str:
    """Whether a road is open."""
    if road.paused_until is not None and road.paused_until > now(session()):
        if road.breaker is BreakerState.OPEN:
            return _("cut off after errors, tried again at %(at)s", at=clock_time(road.paused_until))
        return _("paused until %(at)s", at=clock_time(road.paused_until))
    if road.breaker is not BreakerState.CLOSED:
        return _("being tried with a few messages")
    if road.rate < road.configured_rate * 0.95:
        return _("open, slowed down")
    return _("open")


def error_words(road: ChannelState) -> str:
    """The last error of a road: what it means, its code, when."""
    if not road.last_error:
        return _("none")
    words = meaning(road.last_error)
    code = f" [{road.last_error}]" if words != road.last_error else ""
    return words + code + (f" · {clock_time(road.last_error_at)}" if road.last_error_at else "")


def outcome_words(outcome: str) -> str:
    """What became of a receipt."""
    if outcome in RECEIPTS:
        return _(RECEIPTS[outcome])
    return next((state.label(language()) for state in DeliveryState if state.value == outcome), outcome)


@blueprint.app_template_global("reason_words")
def reason_words(code: str | None) -> str:
    """For other rooms' lists of messages: a reason in words."""
    return meaning(code)


def _render(template: str, **facts: Any) -> str:
    return flask.render_template(
        template, explain=explain, meaning=meaning, subject_url=subject_url, receipt_words=RECEIPTS,
        kinds_of=kinds_of, road_state=road_state, error_words=error_words, outcome_words=outcome_words, **facts,
    )  # fmt: skip


@blueprint.get("")
@requires(Permission.DELIVERY_VIEW)
def live() -> ResponseReturnValue:
    """What waits, what leaves, what is wrong; the page renews its middle by itself."""
    actor = current_actor()
    status = service.overview(session(), actor=actor, expected=config().engine.expected)
    running, more = watch.under_way(session())
    template = "engineroom/_live.html" if flask.request.headers.get("HX-Request") else "engineroom/live.html"
    return _render(
        template,
        status=status,
        alert=alert_of(status.alarm, status.at),
        missing=wording.missing(status, _),
        running=running,
        more=more,
        words=subject_words(actor, [one.record for one in running]),
        capped=watch.COUNTED_TO,
    )


@blueprint.get("/codes")
@requires(Permission.DELIVERY_VIEW)
def codes() -> ResponseReturnValue:
    """Every code in words."""
    return _render("engineroom/codes.html", table=wording.table(_))


@blueprint.get("/broadcasts")
@requires(Permission.DELIVERY_VIEW)
def broadcasts() -> ResponseReturnValue:
    """Every broadcast, the latest first."""
    actor = current_actor()
    page = service.broadcasts(session(), actor=actor, cursor=flask.request.args.get("cursor"))
    return _render(
        "engineroom/broadcasts.html", page=page, words=subject_words(actor, [one.record for one in page.items])
    )


@blueprint.get("/broadcasts/<int:broadcast_id>")
@requires(Permission.DELIVERY_VIEW)
def broadcast(broadcast_id: int) -> ResponseReturnValue:
    """One broadcast and its messages."""
    actor = current_actor()
    progress = service.broadcast(session(), actor=actor, broadcast_id=broadcast_id)
    state = next((state for state in DeliveryState if state.value == flask.request.args.get("state")), None)
    page = service.messages(
        session(), actor=actor, record=progress.record, state=state, cursor=flask.request.args.get("cursor")
    )
    return _render(
        "engineroom/broadcast.html",
        progress=progress,
        record=progress.record,
        page=page,
        states=enum_choices(DeliveryState),
        words=subject_words(actor, [progress.record])[progress.record.id],
    )


@blueprint.get("/by-hand")
@requires(Permission.DELIVERY_VIEW)
def by_hand() -> ResponseReturnValue:
    """What no machine can settle."""
    actor = current_actor()
    wanted = flask.request.args.get("broadcast", type=int)
    page = service.by_hand(session(), actor=actor, broadcast_id=wanted, cursor=flask.request.args.get("cursor"))
    groups = service.waiting_by_broadcast(session(), actor=actor)
    return _render(
        "engineroom/by_hand.html",
        page=page,
        groups=groups,
        words=subject_words(actor, [record for record, _n in groups] + [item.broadcast for item in page.items]),
        may_settle=actor.can(Permission.DELIVERY_SETTLE),
        most=service.MOST_AT_ONCE,
    )


def _chosen() -> DeliveryState:
    chosen = {"submitted": DeliveryState.SUBMITTED, "failed": DeliveryState.FAILED}.get(
        flask.request.form.get("outcome", "")
    )
    if chosen is None:
        raise Invalid(_UNSAID, code="bad_settlement")
    return chosen


_UNSAID = N_("Say whether it was handed over or failed. Nothing was changed.")


@blueprint.post("/messages/<int:delivery_id>/settle")
@requires(Permission.DELIVERY_SETTLE)
def settle(delivery_id: int) -> ResponseReturnValue:
    """A person says what became of one message."""
    form = flask.request.form
    service.settle(
        session(), actor=current_actor(), delivery_id=delivery_id, state=_chosen(), reason=form.get("reason", ""),
        seen=form.get("seen"),
    )  # fmt: skip
    flash_done(_("Settled. Who said so, and why, is in the history of the message."))
    return flask.redirect(flask.url_for("engineroom.by_hand"), 303)


@blueprint.post("/broadcasts/<int:broadcast_id>/settle")
@requires(Permission.DELIVERY_SETTLE)
def settle_broadcast(broadcast_id: int) -> ResponseReturnValue:
    """The same for everything of one broadcast that waits."""
    form = flask.request.form
    done = service.settle_broadcast(
        session(), actor=current_actor(), broadcast_id=broadcast_id, state=_chosen(), reason=form.get("reason", ""),
        expected=form.get("expected", default=-1, type=int),
    )  # fmt: skip
    flash_done(_("%(n)s messages settled.", n=done))
    return flask.redirect(flask.url_for("engineroom.by_hand"), 303)


@blueprint.get("/messages/<int:delivery_id>")
@requires(Permission.DELIVERY_VIEW)
def message(delivery_id: int) -> ResponseReturnValue:
    """The life of one message, as far as it is stored."""
    return _message(delivery_id)


def _message(delivery_id: int, revealed: tuple[int, list[tuple[str, str]]] | None = None) -> str:
    from emergency.people.accounts import service as accounts

    actor = current_actor()
    found = service.message(session(), actor=actor, delivery_id=delivery_id)
    return _render(
        "engineroom/message.html",
        m=found,
        words=subject_words(actor, [found.broadcast])[found.broadcast.id],
        names=accounts.display_names(session(), {change.actor for change in found.changes}),
        revealed=revealed,
    )


@blueprint.post("/answers/<int:receipt_id>/reveal")
@requires(Permission.PERSONAL_REVEAL)
@own_transaction
def reveal(receipt_id: int) -> ResponseReturnValue:
    """What a provider really sent, after the journal knows who looked and why."""
    purpose = flask.request.form.get("purpose", "")
    with database().read() as reading:
        delivery_id, fields = service.reveal(reading, actor=current_actor(), receipt_id=receipt_id, purpose=purpose)
    return _render("engineroom/revealed.html", fields=fields, delivery_id=delivery_id)
