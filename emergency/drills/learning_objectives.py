"""Objectives: prepared on the programme, copied to each date, changed there until the drill is held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.drills.learning_models import CriticalTask, Finding, Objective, ObjectiveRating
from emergency.drills.models import Occurrence, OccurrenceState, Programme
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id

MOST, MOST_TASKS = 30, 12
CLOSED = frozenset({OccurrenceState.HELD, OccurrenceState.CANCELLED})


@dataclass(frozen=True)
class ObjectiveText:
    """What an objective says."""

    words: str
    capability: str = ""
    target: str = ""
    tasks: Sequence[str] = ()


@dataclass(frozen=True)
class Aim:
    """An objective with its critical tasks."""

    objective: Objective
    tasks: list[CriticalTask] = field(default_factory=list)


def programme_in_scope(session: Session, *, actor: Actor, programme_id: int) -> Programme:
    """A programme of the actor's area, or 404."""
    actor.require(Permission.DRILLS_VIEW)
    found = session.scalar(
        sa.select(Programme).where(Programme.id == programme_id, in_scope(Programme.division_code, actor))
    )
    if found is None:
        raise NotFound(N_("There is no such programme in your area."))
    return found


def _aims(session: Session, condition: sa.ColumnElement[bool]) -> list[Aim]:
    objectives = session.scalars(sa.select(Objective).where(condition).order_by(Objective.position).limit(MOST)).all()
    if not objectives:
        return []
    tasks: dict[int, list[CriticalTask]] = defaultdict(list)
    for task in session.scalars(
        sa.select(CriticalTask)
        .where(CriticalTask.objective_id.in_([o.id for o in objectives]))
        .order_by(CriticalTask.position)
    ):
        tasks[task.objective_id].append(task)
    return [Aim(objective, tasks[objective.id]) for objective in objectives]


def of_programme(session: Session, programme_id: int) -> list[Aim]:
    """What each date of the programme begins with."""
    return _aims(session, Objective.programme_id == programme_id)


def of_occurrence(session: Session, occurrence_id: int) -> list[Aim]:
    """The objectives of one date; empty before they are taken over."""
    return _aims(session, Objective.occurrence_id == occurrence_id)


def take_over(session: Session, occurrence: Occurrence) -> list[Aim]:
    """The date's own objectives, copied from the programme the first time anybody needs them."""
    own = of_occurrence(session, occurrence.id)
    if own:
        return own
    pattern = of_programme(session, occurrence.programme_id)
    for aim in pattern:
        _insert(session, aim.objective.position, ObjectiveText(
            aim.objective.words, aim.objective.capability, aim.objective.target, [task.words for task in aim.tasks]
        ), occurrence_id=occurrence.id)  # fmt: skip
    return of_occurrence(session, occurrence.id) if pattern else []


def _insert(
    session: Session, position: int, text: ObjectiveText, *, programme_id: int | None = None,
    occurrence_id: int | None = None,
) -> Objective:  # fmt: skip
    made = Objective(
        id=new_id(), programme_id=programme_id, occurrence_id=occurrence_id, position=position,
        words=text.words.strip(), capability=text.capability.strip(), target=text.target.strip(),
    )  # fmt: skip
    session.add(made)
    session.flush()
    _write_tasks(session, made.id, text.tasks)
    return made


def _write_tasks(session: Session, objective_id: int, tasks: Sequence[str]) -> None:
    words = [task.strip() for task in tasks if task.strip()][:MOST_TASKS]
    session.add_all(
        CriticalTask(id=new_id(), objective_id=objective_id, position=position, words=text[:200])
        for position, text in enumerate(words, start=1)
    )
    session.flush()


def _check(text: ObjectiveText) -> None:
    if not text.words.strip():
        raise Invalid(N_("Name the objective."), code="incomplete", fields={"words": N_("Fill this in.")})
    for name, value, most in (
        ("words", text.words, 200), ("capability", text.capability, 60), ("target", text.target, 200)
    ):  # fmt: skip
        if len(value.strip()) > most:
            raise Invalid(N_("This text is too long."), code="too_long", fields={name: N_("This text is too long.")})


def add_objective(
    session: Session, *, actor: Actor, text: ObjectiveText, programme_id: int | None = None,
    occurrence_id: int | None = None,
) -> Objective:  # fmt: skip
    """One more, at the end; a date that has none yet first takes over those of its programme."""
    actor.require(Permission.DRILLS_EDIT)
    if (programme_id is None) == (occurrence_id is None):
        raise Invalid(N_("An objective belongs to a programme or to one date."), code="bad_owner")
    if programme_id is not None:
        programme_in_scope(session, actor=actor, programme_id=programme_id)
        held = of_programme(session, programme_id)
    else:
        held = take_over(session, changeable(session, actor, occurrence_id or 0))
    _check(text)
    if len(held) >= MOST:
        raise Conflict(N_("A drill has at most %(n)s objectives."), code="too_many", n=MOST)
    last = max((aim.objective.position for aim in held), default=0)
    return _insert(session, last + 1, text, programme_id=programme_id, occurrence_id=occurrence_id)


def changeable(session: Session, actor: Actor, occurrence_id: int) -> Occurrence:
    """A date whose objectives may still be changed."""
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if occurrence.state in CLOSED:
        raise Conflict(N_("The objectives stand once the drill was held; they are what it is judged by."),
                       code="wrong_state")  # fmt: skip
    return occurrence


def _objective(session: Session, actor: Actor, objective_id: int) -> Objective:
    """One objective whose drill or programme lies in the actor's area and may still change."""
    actor.require(Permission.DRILLS_EDIT)
    found = session.get(Objective, objective_id)
    if found is None:
        raise NotFound(N_("There is no such objective."))
    if found.programme_id is not None:
        programme_in_scope(session, actor=actor, programme_id=found.programme_id)
    else:
        changeable(session, actor, found.occurrence_id or 0)
    return found


def edit_objective(session: Session, *, actor: Actor, objective_id: int, text: ObjectiveText) -> Objective:
    """Other words. Its row stays, so that what points to it (an inject) still does."""
    found = _objective(session, actor, objective_id)
    _check(text)
    found.words, found.capability, found.target = text.words.strip(), text.capability.strip(), text.target.strip()
    session.execute(sa.delete(CriticalTask).where(CriticalTask.objective_id == found.id))
    _write_tasks(session, found.id, text.tasks)
    return found


def remove_objective(session: Session, *, actor: Actor, objective_id: int) -> Objective:
    """Gone, unless a sheet, a finding or an inject speaks of it."""
    found = _objective(session, actor, objective_id)
    used = session.scalar(
        sa.select(
            sa.or_(
                sa.exists().where(ObjectiveRating.objective_id == found.id),
                sa.exists().where(Finding.objective_id == found.id),
            )
        )
    )
    try:
        if used:
            raise Conflict(N_("Something of this drill speaks of the objective; it cannot go."), code="in_use")
        with session.begin_nested():
            session.execute(sa.delete(CriticalTask).where(CriticalTask.objective_id == found.id))
            session.execute(sa.delete(Objective).where(Objective.id == found.id))
    except IntegrityError as error:
        raise Conflict(N_("Something of this drill speaks of the objective; it cannot go."), code="in_use") from error
    return found


def get_aim(session: Session, *, actor: Actor, objective_id: int) -> Aim:
    """One objective that may be changed, with its tasks."""
    found = _objective(session, actor, objective_id)
    return _aims(session, Objective.id == found.id)[0]
