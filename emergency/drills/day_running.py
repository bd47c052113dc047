"""The running drill: start, pause, resume, end; what the ticker sends at its minute; what the director decides."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import day_holding, day_msel, day_rules, day_sending, rules
from emergency.drills.day_models import DayState, DrillDay, DrillInject, InjectState, Observed
from emergency.drills.day_rules import DAY_TRANSITIONS, INJECT_TRANSITIONS, ScenarioClock
from emergency.drills.models import Form, Occurrence, Programme
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import vault
from kernel.db import Database, now, touch
from kernel.errors import N_, Conflict, DomainError, Forbidden, Invalid
from kernel.logs import kv
from kernel.states import note, transition
from scheduler.due import claim_due

log = logging.getLogger(__name__)
ACTOR = Actor.system("drills.day")
EARLY = timedelta(hours=12)
"""So long before its date a drill may be started by hand."""
NO_REASON = N_("Say why; the evaluators will ask.")
TRIES = 3
"""So often a tick tries what others changed under its hands, before it counts as failed."""
FAULT = "internal"
"""The trouble of an inject that failed for no reason that a person could mend; the log says more."""


def clock_of(day: DrillDay) -> ScenarioClock:
    """The scenario's clock of a day."""
    return ScenarioClock(day.scenario_seconds, day.anchor_at, day.factor)


def _directed(session: Session, actor: Actor, occurrence_id: int) -> tuple[Occurrence, DrillDay]:
    actor.require(Permission.DRILLS_EDIT)
    occurrence = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    return occurrence, day_msel.ensure_day(session, occurrence)


def _replan(session: Session, day: DrillDay) -> None:
    """Write anew when each planned inject is due; None while the scenario stands still. One statement a change."""
    clock = clock_of(day)
    planned = session.scalars(
        sa.select(DrillInject).where(
            DrillInject.occurrence_id == day.occurrence_id, DrillInject.state == InjectState.PLANNED
        )
    )
    for inject in planned:
        # A claim of before must not keep it waiting: what is due anew is claimable anew.
        inject.due_at, inject.claimed_at = clock.due(inject.offset_seconds + inject.postponed_seconds), None
    session.flush()


def start(session: Session, *, actor: Actor, occurrence_id: int, factor: int = 1, reason: str = "") -> DrillDay:
    """The director starts the scenario's clock. Only a tabletop drill may run faster than the clock on the wall.

    While a red warning or a real response is in force there, only with the reason (409 `real_in_force`).
    """
    occurrence, day = _directed(session, actor, occurrence_id)
    moment = now(session)
    if occurrence.state not in rules.COMING:
        raise Conflict(N_("Only a drill that still lies ahead can be started."), code="wrong_state")
    if occurrence.starts_at - moment > EARLY:
        raise Conflict(N_("The drill is not today. Move its date first."), code="too_early")
    _check_factor(session, occurrence, factor)
    day_holding.release(session, occurrence, actor=actor, reason=reason, moment=moment)
    transition(
        session, day, DayState.RUNNING, allowed=DAY_TRANSITIONS, actor=actor, reason=reason.strip() or None,
        values={"anchor_at": moment, "began_at": moment, "factor": factor, "director": str(actor)},
    )  # fmt: skip
    _replan(session, day)
    return day


def _check_factor(session: Session, occurrence: Occurrence, factor: int) -> None:
    if not 1 <= factor <= day_rules.MAX_FACTOR:
        raise Invalid(N_("Time can be pressed up to %(n)s times."), code="bad_factor", n=day_rules.MAX_FACTOR)
    if factor > 1 and session.get_one(Programme, occurrence.programme_id).form is not Form.TABLETOP:
        raise Invalid(N_("Only a tabletop drill can run faster than the clock: people move at theirs."), code="field")


def pause(session: Session, *, actor: Actor, occurrence_id: int, reason: str = "") -> DrillDay:
    """The scenario stands still; nothing is due until it goes on."""
    _occurrence, day = _directed(session, actor, occurrence_id)
    _stand_still(session, day, actor, reason.strip() or None)
    return day


def _stand_still(session: Session, day: DrillDay, actor: Actor, reason: str | None) -> None:
    transition(
        session, day, DayState.PAUSED, allowed=DAY_TRANSITIONS, actor=actor, reason=reason,
        values={"scenario_seconds": clock_of(day).at(now(session)), "anchor_at": None},
    )  # fmt: skip
    _replan(session, day)


def resume(
    session: Session, *, actor: Actor, occurrence_id: int, factor: int | None = None, reason: str = ""
) -> DrillDay:
    """The scenario goes on where it stood, perhaps at another pace.

    Where it was held and what held it lasts, only with the reason (409 `real_in_force`).
    """
    occurrence, day = _directed(session, actor, occurrence_id)
    if factor is not None:
        _check_factor(session, occurrence, factor)
    if day.state is DayState.PAUSED:
        day_holding.release(session, occurrence, actor=actor, reason=reason, moment=now(session))
    transition(
        session, day, DayState.RUNNING, allowed=DAY_TRANSITIONS, actor=actor, reason=reason.strip() or None,
        values={"anchor_at": now(session), "factor": factor or day.factor},
    )  # fmt: skip
    _replan(session, day)
    return day


def end(session: Session, *, actor: Actor, occurrence_id: int) -> DrillDay:
    """The drill is over: what was not sent is not sent any more."""
    _occurrence, day = _directed(session, actor, occurrence_id)
    moment = now(session)
    transition(
        session, day, DayState.ENDED, allowed=DAY_TRANSITIONS, actor=actor,
        values={"scenario_seconds": clock_of(day).at(moment), "anchor_at": None, "ended_at": moment},
    )  # fmt: skip
    left = session.scalars(
        sa.select(DrillInject).where(
            DrillInject.occurrence_id == day.occurrence_id, DrillInject.state.in_(day_rules.OPEN)
        )
    ).all()
    for inject in left:
        _move(session, inject, InjectState.SKIPPED, actor, None, done_at=inject.done_at or moment)
    day_holding.close(session, day.occurrence_id, actor=actor, moment=moment)
    touch(session, Occurrence.__tablename__, day.occurrence_id)
    return day


def _move(
    session: Session, inject: DrillInject, to: InjectState, actor: Actor, reason: str | None, **values: object
) -> None:
    transition(session, inject, to, allowed=INJECT_TRANSITIONS, actor=actor, reason=reason, values=values)


# --- what the ticker does -----------------------------------------------------------------------------------------


def send_due(database: Database, moment: datetime) -> int:
    """Send what is due, one inject a transaction; what is too late is missed, and waits for the director.

    Claim, message and `done_at` are one transaction: a process that dies in it leaves the inject as it was, and two
    tickers never send the same one. One that fails stops no other: it is marked and, as nobody knows how far it came,
    waits for the director instead of being tried again.
    """
    handled = hold_running(database, moment)
    tried: Counter[int] = Counter()
    while handled < day_rules.MAX_INJECTS and _anything_due(database, moment):
        claimed: list[int] = []
        try:
            with database.write() as session:
                claimed = claim_due(session, DrillInject.__table__, moment, 1)
                if claimed:
                    inject = session.get_one(DrillInject, claimed[0], populate_existing=True)
                    _release(session, inject, moment)
        except Exception as error:
            if not claimed:
                raise  # no inject's fault
            tried[claimed[0]] += 1
            if isinstance(error, Conflict) and tried[claimed[0]] < TRIES:
                continue  # the director decided in the same moment: look again
            log.exception("an inject failed %s", kv(inject=claimed[0], error=type(error).__name__))
            _failed(database, claimed[0], moment)
        if not claimed:
            return handled
        handled += 1
    return handled


def _failed(database: Database, inject_id: int, moment: datetime) -> None:
    """Keep that an inject failed; where even this fails, it is out of the way until its claim is stale."""
    try:
        with database.write() as session:
            inject = session.get_one(DrillInject, inject_id, with_for_update=True)
            if inject.state is InjectState.PLANNED:
                _move(session, inject, InjectState.FAILED, ACTOR, None, done_at=moment, trouble=FAULT)
            else:
                inject.due_at = None  # decided meanwhile
    except Exception as error:
        log.exception("a failed inject could not be marked %s", kv(inject=inject_id, error=type(error).__name__))
        with database.write() as session:
            session.execute(sa.update(DrillInject).where(DrillInject.id == inject_id).values(claimed_at=moment))


def hold_running(database: Database, moment: datetime) -> int:
    """Let every running drill stand still in whose area a red warning or a real response is in force; how many."""
    with database.read() as session:
        running = session.execute(
            sa.select(DrillDay.id, Occurrence)
            .join(Occurrence, Occurrence.id == DrillDay.occurrence_id)
            .where(DrillDay.state == DayState.RUNNING)
        ).all()
        real = day_holding.in_force(session, moment) if running else []
        touched = [day_id for day_id, occurrence in running if day_holding.here(real, occurrence)]
    held = 0
    for day_id in touched:
        try:
            with database.write() as session:
                day = session.get_one(DrillDay, day_id, with_for_update=True)
                held += _hold(session, day, moment)
        except Exception as error:  # the others stand still all the same; its injects look again before they leave
            log.exception("a drill could not be held %s", kv(day=day_id, error=type(error).__name__))
    return held


def _hold(session: Session, day: DrillDay, moment: datetime) -> bool:
    """Let the drill stand still where something real is in force that nobody has decided about."""
    if day.state is not DayState.RUNNING:
        return False
    occurrence = session.get_one(Occurrence, day.occurrence_id)
    real = day_holding.unanswered(session, occurrence, moment)
    if not real:
        return False
    day_holding.enter(session, occurrence, real, moment)
    _stand_still(session, day, ACTOR, day_holding.named(real))
    return True


def _anything_due(database: Database, moment: datetime) -> bool:
    with database.read() as session:
        found = session.scalar(
            sa.select(DrillInject.id).where(DrillInject.done_at.is_(None), DrillInject.due_at <= moment).limit(1)
        )
    return found is not None


def _release(session: Session, inject: DrillInject, moment: datetime) -> None:
    day = day_msel.day_of(session, inject.occurrence_id or 0)
    if day is None or day.state is not DayState.RUNNING or inject.due_at is None:
        inject.due_at = inject.claimed_at = None  # nothing that stands still is due
        session.flush()
        return
    if _hold(session, day, moment):
        return  # issued since the tick began
    late = day_rules.is_missed(inject.due_at, moment, tolerance_minutes=inject.tolerance_minutes, factor=day.factor)
    # Called off, or its record is written although nobody ended it on screen: nothing more goes to people's phones.
    if late or session.get_one(Occurrence, day.occurrence_id).state not in rules.COMING:
        _move(session, inject, InjectState.MISSED, ACTOR, None, done_at=moment)
        return
    _send(session, inject, ACTOR, None)


def _send(session: Session, inject: DrillInject, actor: Actor, reason: str | None) -> None:
    """Let it leave, or put it before the controller's hand; what cannot leave says why and waits for the director."""
    moment = now(session)
    if not inject.via.by_engine:
        _move(session, inject, InjectState.WAITING, actor, reason, done_at=moment, trouble="")
        return
    try:
        with session.begin_nested():
            broadcast = day_sending.send(session, inject)
    except DomainError as error:
        if inject.state is InjectState.FAILED:
            raise
        _move(session, inject, InjectState.FAILED, actor, reason, done_at=moment, trouble=error.code[:40])
        return
    _move(session, inject, InjectState.SENT, actor, reason, done_at=moment, broadcast_id=broadcast.id, trouble="")


# --- what the director decides ------------------------------------------------------------------------------------


def _decided(
    session: Session, actor: Actor, inject_id: int, reason: str, *, sends: bool = False
) -> tuple[DrillInject, DrillDay, str]:
    actor.require(Permission.DRILLS_EDIT)
    inject, owner = day_msel.inject_of(session, actor=actor, inject_id=inject_id)
    day = day_msel.day_of(session, owner.occurrence.id, lock=True) if owner.occurrence is not None else None
    if day is None or day.state not in (DayState.RUNNING, DayState.PAUSED):
        raise Conflict(N_("The drill does not run."), code="not_running")
    if sends and owner.occurrence is not None and owner.occurrence.state not in rules.COMING:
        raise Conflict(N_("The drill is over; its list stays as it was."), code="wrong_state")
    if not reason.strip():
        raise Invalid(NO_REASON, code="reason_required", fields={"reason": NO_REASON})
    session.refresh(inject)
    return inject, day, reason.strip()[:500]


def send_now(session: Session, *, actor: Actor, inject_id: int, reason: str) -> DrillInject:
    """The director sends one inject at once: before its time, or one that was missed or could not be sent."""
    inject, day, why = _decided(session, actor, inject_id, reason, sends=True)
    day_holding.require_free(session, session.get_one(Occurrence, day.occurrence_id), now(session))
    if InjectState.SENT not in INJECT_TRANSITIONS[inject.state]:
        raise Conflict(N_("This inject has left already."), code="wrong_state")
    _send(session, inject, actor, why)
    return inject


def skip(session: Session, *, actor: Actor, inject_id: int, reason: str) -> DrillInject:
    """The director leaves one inject out."""
    inject, _day, why = _decided(session, actor, inject_id, reason)
    _move(session, inject, InjectState.SKIPPED, actor, why, done_at=inject.done_at or now(session))
    return inject


def postpone(session: Session, *, actor: Actor, inject_id: int, minutes: int, reason: str) -> DrillInject:
    """The director moves one inject by so many minutes of the scenario."""
    inject, day, why = _decided(session, actor, inject_id, reason)
    if inject.state is not InjectState.PLANNED:
        raise Conflict(N_("This inject has left already."), code="wrong_state")
    if not 1 <= minutes <= 1440:
        raise Invalid(
            N_("Postpone by 1 to 1440 minutes of the scenario."), code="bad_minutes",
            fields={"minutes": N_("Postpone by 1 to 1440 minutes of the scenario.")},
        )  # fmt: skip
    before = inject.offset_seconds + inject.postponed_seconds
    inject.postponed_seconds += minutes * 60
    inject.due_at = clock_of(day).due(before + minutes * 60)
    inject.version += 1
    session.flush()
    words = day_rules.clock_words
    note(
        session, DrillInject.__tablename__, inject.id, words(before), words(before + minutes * 60), actor=actor,
        reason=why, field="offset",
    )  # fmt: skip
    return inject


def delivered(session: Session, *, actor: Actor, inject_id: int) -> DrillInject:
    """A controller says that an inject was delivered by hand, now."""
    actor.require(Permission.DRILLS_CONFIRM)
    inject, owner = day_msel.inject_of(session, actor=actor, inject_id=inject_id)
    if owner.occurrence is None:
        raise Conflict(N_("The drill does not run."), code="not_running")
    _move(session, inject, InjectState.DELIVERED, actor, None, done_at=now(session))
    return inject


def observe(
    session: Session, *, actor: Actor, inject_id: int, observed: Observed, at: datetime, words: str = ""
) -> DrillInject:
    """The evaluator says whether the expected action was seen, and when; the words are sealed. The latest stands."""
    actor.require(Permission.DRILLS_CONFIRM)
    inject, owner = day_msel.inject_of(session, actor=actor, inject_id=inject_id)
    day = day_msel.day_of(session, owner.occurrence.id) if owner.occurrence is not None else None
    if day is None or day.began_at is None or inject.state not in (*day_rules.LEFT, InjectState.MISSED):
        raise Conflict(N_("Nobody has met this inject yet."), code="wrong_state")
    if at > now(session):
        raise Invalid(
            N_("This time has not come yet."), code="in_the_future", fields={"at": N_("This time has not come yet.")}
        )
    if at < day.began_at - day_rules.FAR:
        raise Invalid(
            N_("This lies before the drill."), code="before_the_drill", fields={"at": N_("This lies before the drill.")}
        )
    inject.observed, inject.observed_at, inject.observed_by = observed, at, str(actor)
    text = words.strip()[:1000]
    store = vault.of(session)
    inject.observation_sealed = store.seal("drill_inject", "observation", inject.id, text) if text else None
    inject.version += 1
    session.flush()
    return inject


def require_director(actor: Actor) -> None:
    """Only who may edit drills directs one."""
    if not actor.can(Permission.DRILLS_EDIT):
        raise Forbidden(N_("Only the director decides this."))
