"""Changing, resting, resuming and ending programmes. Only future dates that nobody has promised follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.drills import confirming, rules, standings
from emergency.drills.changing import Coming, Outcome, Wanted, digest, outcome
from emergency.drills.materialising import (
    Calendars,
    horizon,
    local_moment,
    materialise,
    row_of,
    slots,
    times_of,
    today,
)
from emergency.drills.models import (
    Invitation,
    Occurrence,
    OccurrenceState,
    Programme,
    ProgrammePost,
    ProgrammeRule,
    ProgrammeState,
)
from emergency.drills.moving import TABLE, bring_back, change_states
from emergency.drills.planning import NewProgramme, check_facts, columns_of, name_posts_and_rules
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import journal
from kernel.db import now, touch_all
from kernel.errors import N_, Conflict, DomainError, Invalid, NotFound
from kernel.states import transition
from scheduler.recurrence import Planned, Recurrence

SUBJECT = "drill_programme"
CHANGED = journal.kind(
    "drills.programme_changed", "调整演练计划", "Drill programme changed", "fields", "kept", "moved", "added", "removed",
    "division",
)  # fmt: skip
SEEN_IN_CALENDARS = frozenset({"title", "kind", "form", "place"})
"""What a calendar's entry says of its drill besides the time: another word is another revision of the entry."""
BY_CHANGE = "演练计划调整，不再安排这一次"


class PreviewChanged(DomainError):
    """What would happen is no longer what somebody saw and agreed to."""

    code = "preview_changed"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            N_("Something changed since you saw this preview. Nothing was done; look at the new one and decide again.")
        )


def get_programme(session: Session, *, actor: Actor, programme_id: int, lock: bool = False) -> Programme:
    """A programme in the actor's area, or 404."""
    statement = sa.select(Programme).where(Programme.id == programme_id, in_scope(Programme.division_code, actor))
    programme = session.scalar(statement.with_for_update() if lock else statement)
    if programme is None:
        raise NotFound(N_("There is no such programme in your area."))
    return programme


def facts_of(session: Session, programme: Programme) -> NewProgramme:
    """The programme as it could be entered anew."""
    posts = session.scalars(
        sa.select(ProgrammePost.post_id)
        .where(ProgrammePost.programme_id == programme.id)
        .order_by(ProgrammePost.post_id)
    )
    served = session.scalars(
        sa.select(ProgrammeRule.rule_id)
        .where(ProgrammeRule.programme_id == programme.id)
        .order_by(ProgrammeRule.rule_id)
    )
    return NewProgramme(
        programme.title, programme.kind, programme.form, programme.division_code,
        Recurrence.from_json(programme.recurrence), programme.start_time, programme.content, programme.unit_id,
        programme.plan_id, programme.ends_on, programme.duration_minutes, programme.target_seconds, programme.place,
        programme.purpose, tuple(posts), (), tuple(served),
    )  # fmt: skip


@dataclass(frozen=True)
class Preview:
    """What a change would do, and the seal that applying it must bring back."""

    programme: Programme
    facts: NewProgramme
    outcome: Outcome
    next_dates: list[Planned]
    digest: str


def preview(session: Session, *, actor: Actor, programme_id: int, facts: NewProgramme) -> Preview:
    """What the change would do to each coming date. Whose programme it is cannot be changed: that is another one."""
    actor.require(Permission.DRILLS_EDIT)
    programme = get_programme(session, actor=actor, programme_id=programme_id)
    return _preview(session, actor, programme, facts)


def _preview(session: Session, actor: Actor, programme: Programme, facts: NewProgramme) -> Preview:
    if programme.state is ProgrammeState.ENDED:
        raise Conflict(N_("This programme has ended. Enter a new one."), code="wrong_state")
    facts = replace(facts, division_code=programme.division_code, unit_id=programme.unit_id)
    dates = check_facts(session, actor=actor, facts=facts)
    _check_on_record(session, programme, facts)
    result = Outcome()
    if programme.state is ProgrammeState.ACTIVE:
        coming = _coming(session, programme.id)
        fresh, back = _wanted(session, programme.id, facts, {row.id for row in coming})
        result = outcome(coming, fresh)
        result = replace(result, added=sorted([*result.added, *back], key=lambda w: w.starts_at))
    asked_for = (columns_of(facts), tuple(sorted(facts.post_ids)), tuple(sorted(facts.rule_ids)))
    return Preview(programme, facts, result, dates, digest(programme.version, asked_for, result))


def _check_on_record(session: Session, programme: Programme, facts: NewProgramme) -> None:
    """What was held stays proof of what it was held for: at a table or in the field, by which plan."""
    faults = {}
    if facts.form is not programme.form:
        faults["form"] = N_(
            "Drills of this programme were held already in this form. Enter a new programme for another form."
        )
    if facts.plan_id != programme.plan_id:
        faults["plan_id"] = N_(
            "Drills of this programme were held already and prove what their plan asks for. Enter a new programme for"
            " another plan, and end this one."
        )
    held = sa.select(Occurrence.id).where(
        Occurrence.programme_id == programme.id, Occurrence.state == OccurrenceState.HELD
    )
    if faults and session.scalar(held.limit(1)) is not None:
        code = "form_on_record" if "form" in faults else "plan_on_record"
        raise Invalid(next(iter(faults.values())), code=code, fields=faults)


def _wanted(
    session: Session, programme_id: int, facts: NewProgramme, coming: Collection[int]
) -> tuple[list[Wanted], list[Wanted]]:
    """The future dates that the facts give: those without a row outside `coming`, and those whose row was withdrawn.

    A slot that was called off by hand, held or missed stays what it is and is wanted no more.
    """
    first, moment = today(session), now(session)
    planned = slots(facts.recurrence, facts.ends_on, max(first, facts.recurrence.start), horizon(first),
                    Calendars.load(session))  # fmt: skip
    length = timedelta(minutes=facts.duration_minutes)
    wanted = {p.nominal: Wanted(p, at, at + length) for p in planned
              if (at := local_moment(p.on, facts.start_time)) > moment}  # fmt: skip
    back = []
    for row in session.execute(
        sa.select(Occurrence.id, Occurrence.slot_on, Occurrence.withdrawn).where(
            Occurrence.programme_id == programme_id, Occurrence.slot_on.in_(list(wanted))
        )
    ):
        if row.id not in coming:
            date_of_row = wanted.pop(row.slot_on)
            if row.withdrawn:
                back.append(date_of_row)
    return list(wanted.values()), back


def _coming(session: Session, programme_id: int) -> list[Coming]:
    """The future dates with how many were asked and have answered; two statements."""
    statement = (
        sa.select(Occurrence)
        .where(
            Occurrence.programme_id == programme_id,
            Occurrence.state.in_(rules.COMING),
            Occurrence.starts_at > now(session),
        )
        .order_by(Occurrence.starts_at)
    )
    rows = session.scalars(statement.with_for_update() if session.info["writer"] else statement).all()
    asked: dict[int, tuple[int, int]] = {}
    for occurrence_id, n, answered in session.execute(
        sa.select(Invitation.occurrence_id, sa.func.count(), sa.func.count(Invitation.answer))
        .where(Invitation.occurrence_id.in_([row.id for row in rows]))
        .group_by(Invitation.occurrence_id)
    ):
        asked[occurrence_id] = (n, answered)
    return [
        Coming(o.id, o.slot_on, o.starts_at, o.ends_at, o.state, o.version, o.pinned, *asked.get(o.id, (0, 0)))
        for o in rows
    ]


def change(session: Session, *, actor: Actor, programme_id: int, facts: NewProgramme, seen: str) -> Preview:
    """Do what the preview said. `seen` is its digest; where anything differs by now, `PreviewChanged` and nothing."""
    actor.require(Permission.DRILLS_EDIT)
    programme = get_programme(session, actor=actor, programme_id=programme_id, lock=True)
    agreed = _preview(session, actor, programme, facts)
    if agreed.digest != seen:
        raise PreviewChanged
    columns, served = columns_of(agreed.facts), facts_of(session, programme)
    columns["starts_on"] = _still_asked_from(session, programme, columns)
    differing = [name for name, value in columns.items() if getattr(programme, name) != value]
    if set(served.post_ids) != set(facts.post_ids):
        differing.append("posts")
    if set(served.rule_ids) != set(facts.rule_ids):
        differing.append("rules")
    standings.mark_whose(session, [programme])  # a plan that it no longer serves loses its drills
    for name, value in columns.items():
        setattr(programme, name, value)
    programme.version += 1
    session.flush()
    standings.mark_whose(session, [programme])
    name_posts_and_rules(session, programme, agreed.facts)
    result = agreed.outcome
    journal.record(
        session, CHANGED, actor=actor, subject=(SUBJECT, programme.id), fields=",".join(sorted(differing)),
        kept=len(result.kept), moved=len(result.moved), added=len(result.added), removed=len(result.removed),
        division=programme.division_code,
    )  # fmt: skip
    if programme.state is ProgrammeState.ACTIVE:
        _apply(session, actor, programme, result, seen_anew=not SEEN_IN_CALENDARS.isdisjoint(differing))
        materialise(session, [programme], not_before=today(session))
    return agreed


def _still_asked_from(session: Session, programme: Programme, columns: Mapping[str, Any]) -> date:
    """From when its dates are rows: a first date set back asks for nothing before today that was not asked for."""
    first: date = max(columns["starts_on"], min(programme.starts_on, today(session)))
    return min(first, columns["ends_on"]) if columns["ends_on"] is not None else first


def _apply(session: Session, actor: Actor, programme: Programme, result: Outcome, *, seen_anew: bool) -> None:
    _withdraw(session, actor, [row.id for row in result.removed], BY_CHANGE)
    changes: list[dict[str, Any]] = []
    common = {"title": programme.title, "kind": programme.kind}
    for step in result.kept:
        if step.before is not None:
            slot = step.after.planned.nominal if step.after else step.before.slot_on
            changes.append({"id": step.before.id, "slot_on": slot, **common})
    told = []
    for step in result.moved:
        if step.before is None or step.after is None:
            continue
        changes.append({
            "id": step.before.id, **times_of(programme, step.after.planned), **common, "pinned": False,
            "version": step.before.version + 1,
        })  # fmt: skip
        if step.before.asked:
            told.append((step.before.id, step.before.starts_at))
    back = _withdrawn(session, programme.id)
    _write_slots(session, changes)
    moved_ids = [step.before.id for step in result.moved if step.before is not None]
    stay_ids = [step.before.id for step in result.kept if step.before is not None]
    if stamped := [*moved_ids, *(stay_ids if seen_anew else [])]:
        session.execute(
            sa.update(Occurrence)
            .where(Occurrence.id.in_(stamped))
            .values(sequence=Occurrence.sequence + 1, changed_at=now(session))
            .execution_options(synchronize_session=False)
        )
    touch_all(session, TABLE, moved_ids)
    new = [w.planned for w in result.added]
    _come_back(session, actor, programme, [(back[p.nominal], p) for p in new if p.nominal in back])
    rows = [row_of(programme, p) for p in new if p.nominal not in back]
    if rows:
        session.execute(sa.insert(Occurrence), rows)
    session.expire_all()
    for occurrence_id, before in told:
        confirming.tell_moved(
            session, actor=actor, occurrence=session.get_one(Occurrence, occurrence_id), before=before
        )


def _withdrawn(session: Session, programme_id: int) -> dict[date, Occurrence]:
    """The rows that a change or a rest called off, by their slot."""
    rows = session.scalars(
        sa.select(Occurrence).where(
            Occurrence.programme_id == programme_id,
            Occurrence.state == OccurrenceState.CANCELLED,
            Occurrence.withdrawn,
        )
    )
    return {row.slot_on: row for row in rows}


def _write_slots(session: Session, changes: Sequence[dict[str, Any]]) -> None:
    """Write the new columns. Slots change places among rows, so each first steps aside: one row a slot, always."""
    if not changes:
        return
    ids = [change["id"] for change in changes]
    aside = date(1900, 1, 1)
    session.execute(
        sa.update(Occurrence),
        [{"id": occurrence_id, "slot_on": aside + timedelta(days=n)} for n, occurrence_id in enumerate(ids)],
    )
    session.execute(sa.update(Occurrence), list(changes))


def _come_back(
    session: Session, actor: Actor, programme: Programme, rows: Sequence[tuple[Occurrence, Planned]]
) -> None:
    named = {"title": programme.title, "kind": programme.kind, "pinned": False}
    bring_back(session, [(row, times_of(programme, planned) | named) for row, planned in rows], actor=actor)


def _withdraw(session: Session, actor: Actor, ids: Sequence[int], reason: str) -> int:
    """Call dates off because their programme changed or rests; the posts that were asked are told."""
    if not ids:
        return 0
    rows = session.scalars(sa.select(Occurrence).where(Occurrence.id.in_(ids))).all()
    change_states(session, rows, OccurrenceState.CANCELLED, actor=actor, reason=reason, values={"withdrawn": True})
    asked = set(session.scalars(sa.select(Invitation.occurrence_id).where(Invitation.occurrence_id.in_(ids))))
    for row in rows:
        if row.id in asked:
            confirming.tell_cancelled(session, actor=actor, occurrence=row, reason=reason)
    return len(rows)


@dataclass(frozen=True)
class Rest:
    """What resting, ending or going on did: dates called off (or written anew), and dates that stayed (or came back)."""

    programme: Programme
    changed: int
    stayed: int


def pause(session: Session, *, actor: Actor, programme_id: int, reason: str) -> Rest:
    """Let a programme rest: coming dates that nobody has promised are called off, and none are added."""
    return _rest(session, actor, programme_id, ProgrammeState.PAUSED, reason)


def end(session: Session, *, actor: Actor, programme_id: int, reason: str) -> Rest:
    """End a programme for good, with the reason; coming dates that nobody has promised are called off."""
    return _rest(session, actor, programme_id, ProgrammeState.ENDED, reason)


def _rest(session: Session, actor: Actor, programme_id: int, to: ProgrammeState, reason: str) -> Rest:
    actor.require(Permission.DRILLS_EDIT)
    programme = get_programme(session, actor=actor, programme_id=programme_id, lock=True)
    _need(reason)
    transition(session, programme, to, allowed=rules.PROGRAMME_TRANSITIONS, actor=actor, reason=reason.strip())
    coming = _coming(session, programme.id)
    stays = [row for row in coming if row.state is OccurrenceState.CONFIRMED or row.answered]
    goes = [row.id for row in coming if row not in stays]
    return Rest(programme, _withdraw(session, actor, goes, reason.strip()), len(stays))


def resume(session: Session, *, actor: Actor, programme_id: int) -> Rest:
    """Go on from today: dates that rested come back where their day still lies ahead, and new ones are written."""
    actor.require(Permission.DRILLS_EDIT)
    programme = get_programme(session, actor=actor, programme_id=programme_id, lock=True)
    if programme.state is not ProgrammeState.PAUSED:
        raise Conflict(N_("Only a programme that rests can go on."), code="wrong_state")
    transition(session, programme, ProgrammeState.ACTIVE, allowed=rules.PROGRAMME_TRANSITIONS, actor=actor)
    _fresh, again = _wanted(session, programme.id, facts_of(session, programme), ())
    back, moment = _withdrawn(session, programme.id), now(session)
    # A day that somebody chose is still that day, whatever the rule says of its slot.
    chosen = {slot: row for slot, row in back.items() if row.pinned and row.starts_at > moment}
    named = {"title": programme.title, "kind": programme.kind}
    bring_back(session, [(row, named) for row in chosen.values()], actor=actor)
    ruled = [w.planned for w in again if w.planned.nominal not in chosen]
    _come_back(session, actor, programme, [(back[planned.nominal], planned) for planned in ruled])
    programme.materialised_until = None
    session.flush()
    made = materialise(session, [programme], not_before=today(session))
    return Rest(programme, made, len(ruled) + len(chosen))


def _need(reason: str) -> None:
    if not reason.strip():
        raise Invalid(N_("Say why, so that the decision can be understood later."), code="reason_required",
                      fields={"reason": N_("Fill this in.")})  # fmt: skip


def changed_fields(before: NewProgramme, after: NewProgramme) -> Mapping[str, tuple[Any, Any]]:
    """Which facts differ, old and new, for a preview that says so."""
    old, new = columns_of(before), columns_of(after)
    return {name: (old[name], new[name]) for name in old if old[name] != new[name]}
