"""The situation log of a response, the evacuation's progress in heads, and the facts that are left at its end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import acting_rules as rules
from emergency.plans import signals
from emergency.plans.activation_models import (
    Activation,
    ActivationEntry,
    ActivationEvacuation,
    ActivationKind,
    ActivationLine,
    ActivationState,
    ActivationStep,
    EntryKind,
    LineState,
    StepState,
)
from emergency.plans.activation_queries import get_activation, locked, require_kind
from emergency.plans.models import Plan, PlanVersion
from emergency.privacy import vault
from kernel.clock import BEIJING
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id

TEXT_LENGTH = 500
ENTRIES = 300
_NUMBER = re.compile(r"(?<!\d)(1[3-9]\d)\d{4}(\d{4})(?!\d)")


def log(
    session: Session,
    activation: Activation,
    what: EntryKind,
    subject_id: int,
    *,
    actor: Any,
    data: Mapping[str, Any],
    text: str = "",
    at: datetime | None = None,
) -> ActivationEntry:
    """Add one line to the log. `at` is when it happened; free text is sealed."""
    entry_id, moment = new_id(), now(session)
    sealed = vault.of(session).seal("plan_activation_entry", "text", entry_id, text) if text else None
    entry = ActivationEntry(
        id=entry_id, activation_id=activation.id, kind=activation.kind, what=what, subject_id=subject_id,
        at=at or moment, recorded_at=moment, actor=str(actor)[:60], data=dict(data), text_sealed=sealed,
    )  # fmt: skip
    session.add(entry)
    session.flush()
    return entry


def masked(text: str) -> str:
    """Free text for a page: mobile numbers in it keep their first three and last four digits."""
    return _NUMBER.sub(r"\1****\2", text)


def note(
    session: Session,
    *,
    actor: Actor,
    activation_id: int,
    kind: ActivationKind,
    text: str,
    at: datetime | None = None,
) -> ActivationEntry:
    """Write down what happened; `at` for what was heard earlier."""
    actor.require(Permission.PLANS_ACT)
    activation = locked(session, actor, activation_id, own=False)
    require_kind(activation, kind)
    words, moment = text.strip(), now(session)
    if not words or len(words) > TEXT_LENGTH:
        raise Invalid(
            N_("Write what happened, in at most %(n)s characters."), code="empty_text",
            fields={"text": N_("Fill this in.")}, n=TEXT_LENGTH,
        )  # fmt: skip
    if activation.state not in (ActivationState.RUNNING, ActivationState.ENDED):
        raise Conflict(N_("This response does not run; nothing was changed."), code="not_running")
    if at is not None and (at > moment or (activation.started_at is not None and at < activation.started_at)):
        raise Invalid(N_("It happened between the beginning of the response and now."), code="bad_dates",
                      fields={"at": "bad_dates"})  # fmt: skip
    return log(session, activation, EntryKind.NOTE, activation.id, actor=str(actor), data={}, text=words, at=at)


@dataclass(frozen=True)
class Heads:
    """How many of one row know, have left, refuse, needed help. `gone` counts those who were helped too."""

    informed: int
    gone: int
    refused: int
    helped: int


def report(
    session: Session,
    *,
    actor: Actor,
    evacuation_id: int,
    kind: ActivationKind,
    heads: Heads,
    version: int | None = None,
) -> ActivationEvacuation:
    """Write how far one row of the evacuation list has come, in heads and never by name.

    Raises 409 `version_conflict` where somebody reported since the page was read, 422 `bad_numbers`.
    """
    actor.require(Permission.PLANS_ACT)
    found = session.scalar(
        sa.select(ActivationEvacuation.activation_id).where(ActivationEvacuation.id == evacuation_id)
    )
    if found is None:
        raise NotFound(N_("There is no such row in your area."))
    activation = locked(session, actor, found, own=False)
    require_kind(activation, kind)
    row = session.scalars(
        sa.select(ActivationEvacuation)
        .where(ActivationEvacuation.id == evacuation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    actor.require_covers(row.division_code)
    if activation.state is not ActivationState.RUNNING:
        raise Conflict(N_("This response does not run; nothing was changed."), code="not_running")
    given = asdict(heads)
    if any(n < 0 or n > 10_000_000 for n in given.values()) or heads.helped > heads.gone:
        raise Invalid(
            N_("Heads are counted from zero, and who was helped counts among those who left."), code="bad_numbers",
            fields={"gone": "bad_numbers"},
        )  # fmt: skip
    if all(getattr(row, name) == n for name, n in given.items()):
        return row
    if version is not None and version != row.version:
        raise Conflict(N_("Somebody reported on this row after you opened it. Look at it again."))
    for name, n in given.items():
        setattr(row, name, n)
    row.reported_at, row.reported_by = now(session), str(actor)
    row.version += 1
    session.flush()
    log(session, activation, EntryKind.EVACUATION, row.id, actor=str(actor), data=given | {"people": row.people})
    touch(session, "plan_activation", activation.id)
    return row


@dataclass(frozen=True)
class Totals:
    """The evacuation in heads."""

    rows: int
    reported: int
    people: int
    informed: int
    gone: int
    refused: int
    helped: int


def totals(session: Session, activation_id: int) -> Totals:
    """The sums over all rows of one response."""
    e = ActivationEvacuation
    row = session.execute(
        sa.select(
            sa.func.count(), sa.func.count(e.reported_at), sa.func.coalesce(sa.func.sum(e.people), 0),
            sa.func.coalesce(sa.func.sum(e.informed), 0), sa.func.coalesce(sa.func.sum(e.gone), 0),
            sa.func.coalesce(sa.func.sum(e.refused), 0), sa.func.coalesce(sa.func.sum(e.helped), 0),
        ).where(e.activation_id == activation_id)
    ).one()  # fmt: skip
    return Totals(*(int(n) for n in row))


@dataclass(frozen=True)
class Line:
    """One line of the log for a page."""

    at: datetime
    what: EntryKind | None
    """None: a warning that was issued in the area, read from the warnings themselves."""
    data: Mapping[str, Any]
    text: str
    actor: str
    recorded_at: datetime | None = None
    url: str = ""


def story(session: Session, *, actor: Actor, activation_id: int, limit: int = ENTRIES) -> list[Line]:
    """The log with the warnings of its area and kind in between, newest first."""
    activation = get_activation(session, actor=actor, activation_id=activation_id)
    box = vault.of(session)
    rows = session.scalars(
        sa.select(ActivationEntry)
        .where(ActivationEntry.activation_id == activation.id)
        .order_by(ActivationEntry.at.desc(), ActivationEntry.id.desc())
        .limit(limit)
    )
    lines = [
        Line(
            row.at, row.what, row.data,
            masked(box.open("plan_activation_entry", "text", row.id, row.text_sealed)) if row.text_sealed else "",
            row.actor, row.recorded_at,
        )
        for row in rows
    ]  # fmt: skip
    lines += [
        Line(s.issued_at, None, {"headline": s.headline, "level": s.level}, "", "", url=s.url)
        for s in linked(session, activation)
    ]
    return sorted(lines, key=lambda line: line.at, reverse=True)[:limit]


def linked(session: Session, activation: Activation) -> Sequence[signals.Signal]:
    """Warnings of the same kind, issued in its area while it ran."""
    if activation.started_at is None:
        return []
    return signals.during(
        session,
        real=activation.kind is ActivationKind.ACTUAL,
        code=activation.division_code,
        since=activation.started_at,
        until=activation.ended_at or now(session),
    )


@dataclass(frozen=True)
class Summary:
    """What is left of a response for drills, evaluation and learning: facts, nobody by name."""

    activation_id: int
    plan_id: int
    plan_version_id: int
    title: str
    version_number: int
    kind: str
    """`Exercise` or `Actual`: statistics of the two never mix."""
    matter: str
    state: str
    occurrence_id: int | None
    started_at: datetime | None
    ended_at: datetime | None
    minutes: int | None
    levels: list[dict[str, Any]]
    lines: dict[str, int]
    done_in_time: int
    done_late: int
    never_done: int
    late_actions: list[dict[str, Any]]
    evacuation: dict[str, int]
    warnings: list[dict[str, Any]]
    broke_glass: int


def summary(session: Session, *, actor: Actor, activation_id: int) -> Summary:
    """The facts of one response, for the drill's record, the evaluation and the defects that follow from it."""
    activation = get_activation(session, actor=actor, activation_id=activation_id)
    plan, version = session.get_one(Plan, activation.plan_id), session.get_one(PlanVersion, activation.version_id)
    moment = activation.ended_at or now(session)
    counts: dict[str, int] = {state.value: 0 for state in LineState}
    in_time, too_late, never, late = 0, 0, 0, []
    for line in session.scalars(
        sa.select(ActivationLine).where(ActivationLine.activation_id == activation.id).order_by(ActivationLine.due_at)
    ):
        counts[line.state.value] += 1
        end = (line.happened_at if line.state is LineState.DONE else line.settled_at) or moment
        overdue = line.due_at is not None and end > line.due_at and line.state is not LineState.NOT_APPLICABLE
        in_time += line.state is LineState.DONE and not overdue
        too_late += line.state is LineState.DONE and overdue
        never += overdue and line.state is not LineState.DONE
        if overdue and line.due_at is not None:
            late.append(
                {
                    "action": line.action, "grade": line.grade.value, "post_id": line.post_id,
                    "actor_words": line.actor_words, "due_at": line.due_at, "state": line.state.value,
                    "minutes_late": int((end - line.due_at).total_seconds() // 60),
                }
            )  # fmt: skip
    steps = session.scalars(
        sa.select(ActivationStep)
        .where(ActivationStep.activation_id == activation.id, ActivationStep.state == StepState.DONE)
        .order_by(ActivationStep.settled_at, ActivationStep.id)
    ).all()
    sums = totals(session, activation.id)
    return Summary(
        activation_id=activation.id, plan_id=plan.id, plan_version_id=version.id, title=plan.title,
        version_number=version.number, kind=activation.kind.value, matter=activation.matter,
        state=activation.state.value, occurrence_id=activation.occurrence_id, started_at=activation.started_at,
        ended_at=activation.ended_at,
        minutes=int((moment - activation.started_at).total_seconds() // 60) if activation.started_at else None,
        levels=[
            {"what": s.what.value, "to": s.to_grade.value if s.to_grade else None, "at": s.settled_at,
             "alone": s.break_glass}
            for s in steps
        ],
        lines=counts, done_in_time=in_time, done_late=too_late, never_done=never, late_actions=late,
        evacuation=asdict(sums), broke_glass=sum(1 for s in steps if s.break_glass),
        warnings=[
            {"id": s.warning_id, "headline": s.headline, "level": s.level, "at": s.issued_at}
            for s in linked(session, activation)
        ],
    )  # fmt: skip


@dataclass(frozen=True)
class Statistics:
    """Responses of one kind that began in a year; the other kind is never counted in."""

    kind: ActivationKind
    begun: int
    ended: int
    minutes: int
    lines: int
    late: int


def statistics(session: Session, *, actor: Actor, kind: ActivationKind, year: int) -> Statistics:
    """How often, how long, how much late: of one kind only."""
    actor.require(Permission.PLANS_VIEW)
    begin, end = datetime(year, 1, 1, tzinfo=BEIJING), datetime(year + 1, 1, 1, tzinfo=BEIJING)
    rows = session.execute(
        sa.select(Activation.id, Activation.started_at, Activation.ended_at).where(
            Activation.kind == kind, Activation.started_at >= begin, Activation.started_at < end,
            _own(actor),
        )
    ).all()  # fmt: skip
    ids = [row.id for row in rows]
    late = sa.or_(
        ActivationLine.happened_at > ActivationLine.due_at,
        sa.and_(ActivationLine.state.in_(rules.UNFINISHED), ActivationLine.due_at < now(session)),
    )
    counted = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.case((late, 1), else_=0)), 0)).where(
            ActivationLine.activation_id.in_(ids)
        )
    ).one()
    minutes = sum(int((row.ended_at - row.started_at).total_seconds() // 60) for row in rows if row.ended_at)
    return Statistics(kind, len(rows), sum(1 for r in rows if r.ended_at), minutes, int(counted[0]), int(counted[1]))


def _own(actor: Actor) -> Any:
    """SQL: responses of the actor's own area, without those above it, which others count."""
    return in_scope(Activation.division_code, actor)
