"""The master scenario events list: injects of a programme and of one date, copied, checked before they can leave."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope, prefix
from emergency.drills import day_rules, rules
from emergency.drills.day_models import DayState, DrillDay, DrillInject, DrillInjectPost, InjectState, InjectVia
from emergency.drills.learning_models import Objective
from emergency.drills.models import Occurrence, Programme
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts import service as posts
from kernel.db import now
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from notify import text as notify_text
from notify.models import Kind

LONGEST = 500
MOST_POSTS = 50
FIELDS = (
    "number", "offset_seconds", "sender", "via", "message", "expected", "objective_id", "controller",
    "tolerance_minutes",
)  # fmt: skip


@dataclass(frozen=True)
class InjectFacts:
    """What the planner writes: scenario time, who is played, by what, to whom, the words, what should follow."""

    number: int
    offset_seconds: int
    sender: str
    via: InjectVia
    message: str
    post_ids: Sequence[int] = ()
    expected: str = ""
    objective_id: int | None = None
    controller: str = ""
    tolerance_minutes: int = 10


@dataclass(frozen=True)
class Owner:
    """Whose list it is: one date's, or a programme's pattern."""

    programme: Programme
    occurrence: Occurrence | None = None

    @property
    def of(self) -> dict[str, int]:
        """The column that says so."""
        if self.occurrence is not None:
            return {"occurrence_id": self.occurrence.id}
        return {"programme_id": self.programme.id}

    def mine(self) -> sa.ColumnElement[bool]:
        """The condition for its injects."""
        if self.occurrence is not None:
            return DrillInject.occurrence_id == self.occurrence.id
        return DrillInject.programme_id == self.programme.id


@dataclass
class Item:
    """An inject with the posts that it goes to."""

    inject: DrillInject
    post_ids: list[int] = field(default_factory=list)


def occurrence_of(session: Session, *, actor: Actor, occurrence_id: int) -> Occurrence:
    """A drill in the actor's area; 404 for what lies outside."""
    actor.require(Permission.DRILLS_VIEW)
    found = session.scalar(
        sa.select(Occurrence).where(Occurrence.id == occurrence_id, in_scope(Occurrence.division_code, actor))
    )
    if found is None:
        raise NotFound(N_("There is no such drill in your area."))
    return found


def owner_of(
    session: Session, *, actor: Actor, occurrence_id: int | None = None, programme_id: int | None = None
) -> Owner:
    """A date's list or a programme's pattern, in the actor's area; 404 for what lies outside."""
    if occurrence_id is not None:
        occurrence = occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
        return Owner(session.get_one(Programme, occurrence.programme_id), occurrence)
    actor.require(Permission.DRILLS_VIEW)
    programme = session.scalar(
        sa.select(Programme).where(Programme.id == programme_id, in_scope(Programme.division_code, actor))
    )
    if programme is None:
        raise NotFound(N_("There is no such programme in your area."))
    return Owner(programme)


def items(session: Session, owner: Owner) -> list[Item]:
    """The list in the order of its scenario times."""
    injects = session.scalars(
        sa.select(DrillInject)
        .where(owner.mine())
        .order_by(DrillInject.offset_seconds + DrillInject.postponed_seconds, DrillInject.number)
        .limit(day_rules.MAX_INJECTS)
    ).all()
    return with_posts(session, injects)


def with_posts(session: Session, injects: Sequence[DrillInject]) -> list[Item]:
    """Each with whom it goes to, in one query."""
    found = {inject.id: Item(inject) for inject in injects}
    for inject_id, post_id in session.execute(
        sa.select(DrillInjectPost.inject_id, DrillInjectPost.post_id)
        .where(DrillInjectPost.inject_id.in_(found))
        .order_by(DrillInjectPost.post_id)
    ):
        found[inject_id].post_ids.append(post_id)
    return list(found.values())


def inject_of(session: Session, *, actor: Actor, inject_id: int) -> tuple[DrillInject, Owner]:
    """One inject in the actor's area."""
    inject = session.get(DrillInject, inject_id)
    if inject is None:
        raise NotFound(N_("There is no such inject in your area."))
    return inject, owner_of(session, actor=actor, occurrence_id=inject.occurrence_id, programme_id=inject.programme_id)


def marked(message: str) -> str:
    """The words as they leave, wrapped in the exercise's mark.

    Raises `Invalid` where words and kind disagree (`exercise_claims_real`): no drill may claim to be real.
    """
    return notify_text.mark(Kind.EXERCISE, message.strip())


def check(session: Session, owner: Owner, facts: InjectFacts) -> InjectFacts:
    """The facts, cleaned; raises `Invalid` with what is wrong by field."""
    fields: dict[str, str] = {}
    clean = replace(
        facts, sender=facts.sender.strip()[:100], message=facts.message.strip(), expected=facts.expected.strip()[:500],
        controller=facts.controller.strip()[:100], post_ids=tuple(dict.fromkeys(facts.post_ids)),
    )  # fmt: skip
    if not clean.sender:
        fields["sender"] = N_("Fill this in.")
    if not clean.message:
        fields["message"] = N_("Fill this in.")
    elif len(clean.message) > LONGEST:
        fields["message"] = N_("Too long for one message.")
    if clean.number < 1:
        fields["number"] = N_("This is not a whole number.")
    if not 0 <= clean.offset_seconds <= day_rules.MAX_OFFSET:
        fields["offset"] = N_("This lies outside the drill.")
    if clean.via.by_engine and not clean.post_ids:
        fields["posts"] = N_("A message needs posts that get it; without any, choose a channel by hand.")
    if len(clean.post_ids) > MOST_POSTS:
        fields["posts"] = N_("Too many posts for one inject.")
    if clean.objective_id is not None and not _objective_fits(session, owner, clean.objective_id):
        fields["objective_id"] = N_("This is not one of the choices.")
    if clean.post_ids and set(clean.post_ids) - _posts_here(session, owner, clean.post_ids):
        fields["posts"] = N_("A post lies outside the area of the drill.")
    if fields:
        raise Invalid(N_("The inject cannot be saved yet; look at the fields."), code="bad_inject", fields=fields)
    try:
        marked(clean.message)
    except Invalid as error:
        raise Invalid(error.message, code=error.code, fields={"message": error.text()}, **error.params) from error
    return clean


def _objective_fits(session: Session, owner: Owner, objective_id: int) -> bool:
    objective = session.get(Objective, objective_id)
    if objective is None:
        return False
    return objective.programme_id == owner.programme.id or (
        owner.occurrence is not None and objective.occurrence_id == owner.occurrence.id
    )


def objectives(session: Session, owner: Owner) -> list[Objective]:
    """What an inject may serve: the date's own objectives, else the programme's."""
    for of in ([Objective.occurrence_id == owner.occurrence.id] if owner.occurrence is not None else []) + [
        Objective.programme_id == owner.programme.id
    ]:
        found = list(session.scalars(sa.select(Objective).where(of).order_by(Objective.position).limit(100)))
        if found:
            return found
    return []


def _posts_here(session: Session, owner: Owner, post_ids: Collection[int]) -> set[int]:
    within = prefix(owner.programme.division_code)
    return {
        post_id
        for post_id, post in posts.posts(session, post_ids).items()
        if post.division_code.startswith(within) or within.startswith(prefix(post.division_code))
    }


def require_editable(session: Session, *, actor: Actor, owner: Owner) -> None:
    """Only the planner writes the list, and only until the drill has ended."""
    actor.require(Permission.DRILLS_EDIT)
    if owner.occurrence is None:
        return
    day = session.scalar(sa.select(DrillDay).where(DrillDay.occurrence_id == owner.occurrence.id))
    if (day is not None and day.state is DayState.ENDED) or owner.occurrence.state not in rules.COMING:
        raise Conflict(N_("The drill is over; its list stays as it was."), code="wrong_state")


def add(session: Session, *, actor: Actor, owner: Owner, facts: InjectFacts) -> DrillInject:
    """Enter one inject. A number that is taken is refused, so that no paper list disagrees with the screen."""
    require_editable(session, actor=actor, owner=owner)
    clean = check(session, owner, facts)
    numbers = set(session.scalars(sa.select(DrillInject.number).where(owner.mine())))
    if len(numbers) >= day_rules.MAX_INJECTS:
        raise Conflict(N_("The list is full."), code="too_many")
    if clean.number in numbers:
        raise _taken()
    made = DrillInject(
        id=new_id(), **owner.of, **{name: getattr(clean, name) for name in FIELDS}, state=InjectState.PLANNED,
        postponed_seconds=0, trouble="", version=1, due_at=_due(session, owner, clean.offset_seconds),
    )  # fmt: skip
    session.add(made)
    session.flush()
    _set_posts(session, made.id, clean.post_ids)
    return made


def _taken() -> Invalid:
    return Invalid(
        N_("This number is taken already."), code="duplicate", fields={"number": N_("This number is taken already.")}
    )


def _due(session: Session, owner: Owner, offset: int) -> Any:
    if owner.occurrence is None:
        return None
    day = session.scalar(sa.select(DrillDay).where(DrillDay.occurrence_id == owner.occurrence.id))
    if day is None:
        return None
    clock = day_rules.ScenarioClock(day.scenario_seconds, day.anchor_at, day.factor)
    return clock.due(offset)


def _set_posts(session: Session, inject_id: int, post_ids: Sequence[int]) -> None:
    session.execute(sa.delete(DrillInjectPost).where(DrillInjectPost.inject_id == inject_id))
    if post_ids:
        session.execute(
            sa.insert(DrillInjectPost), [{"inject_id": inject_id, "post_id": post_id} for post_id in post_ids]
        )


def change(session: Session, *, actor: Actor, inject_id: int, version: int, facts: InjectFacts) -> DrillInject:
    """Change one inject that nobody has met yet."""
    inject, owner = inject_of(session, actor=actor, inject_id=inject_id)
    require_editable(session, actor=actor, owner=owner)
    if inject.state is not InjectState.PLANNED:
        raise Conflict(N_("This inject has left already."), code="wrong_state")
    if inject.version != version:
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    clean = check(session, owner, facts)
    taken = session.scalar(
        sa.select(DrillInject.id).where(owner.mine(), DrillInject.number == clean.number, DrillInject.id != inject.id)
    )
    if taken is not None:
        raise _taken()
    for name in FIELDS:
        setattr(inject, name, getattr(clean, name))
    inject.due_at = _due(session, owner, clean.offset_seconds + inject.postponed_seconds)
    inject.version += 1
    session.flush()
    _set_posts(session, inject.id, clean.post_ids)
    return inject


def remove(session: Session, *, actor: Actor, inject_id: int) -> Owner:
    """Take one inject out of the list while nobody has met it. Returns whose list it was."""
    inject, owner = inject_of(session, actor=actor, inject_id=inject_id)
    require_editable(session, actor=actor, owner=owner)
    if inject.state is not InjectState.PLANNED:
        raise Conflict(N_("This inject has left already."), code="wrong_state")
    _delete(session, [inject.id])
    return owner


def _delete(session: Session, ids: Sequence[int]) -> None:
    session.execute(sa.delete(DrillInjectPost).where(DrillInjectPost.inject_id.in_(ids)))
    session.execute(sa.delete(DrillInject).where(DrillInject.id.in_(ids)))
    session.expire_all()


def day_of(session: Session, occurrence_id: int, *, lock: bool = False) -> DrillDay | None:
    """The day's row of a drill, if it has one."""
    statement = sa.select(DrillDay).where(DrillDay.occurrence_id == occurrence_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalar(statement)


def ensure_day(session: Session, occurrence: Occurrence) -> DrillDay:
    """The day's row; made with a copy of the programme's pattern when it is asked for the first time."""
    day = day_of(session, occurrence.id, lock=True)
    if day is not None:
        return day
    day = DrillDay(
        id=new_id(), occurrence_id=occurrence.id, state=DayState.READY, factor=1, scenario_seconds=0, director="",
        signal_typed=False, door_serial=0, made_at=now(session), version=1,
    )  # fmt: skip
    session.add(day)
    session.flush()
    owner = Owner(session.get_one(Programme, occurrence.programme_id), occurrence)
    if session.scalar(sa.select(DrillInject.id).where(owner.mine()).limit(1)) is None:
        _copy(session, Owner(owner.programme), owner)
    return day


def take_over(session: Session, *, actor: Actor, owner: Owner, source: Owner) -> int:
    """Replace the list by a copy of another drill's or of the programme's pattern. Returns how many injects.

    Only while nobody has met any of it; posts that lie outside this drill's area are left out of the copy.
    """
    require_editable(session, actor=actor, owner=owner)
    if owner.occurrence is not None and ensure_day(session, owner.occurrence).state is not DayState.READY:
        raise Conflict(N_("The drill has begun; its list is changed line by line."), code="wrong_state")
    if owner.of == source.of:
        raise Invalid(N_("A list cannot be copied from itself."), code="same")
    _delete(session, session.scalars(sa.select(DrillInject.id).where(owner.mine())).all())
    return _copy(session, source, owner)


def _copy(session: Session, source: Owner, target: Owner) -> int:
    found = items(session, source)
    same = source.programme.id == target.programme.id
    wanted = {post_id for item in found for post_id in item.post_ids}
    allowed = wanted if same else _posts_here(session, target, wanted)
    goals = _goals(session, source, target)
    for item in found:
        old = item.inject
        made = DrillInject(
            id=new_id(), **target.of, **{name: getattr(old, name) for name in FIELDS if name != "objective_id"},
            objective_id=goals.get(old.objective_id or 0), state=InjectState.PLANNED, postponed_seconds=0,
            trouble="", version=1,
        )  # fmt: skip
        session.add(made)
        session.flush()
        _set_posts(session, made.id, [post_id for post_id in item.post_ids if post_id in allowed])
    return len(found)


def _goals(session: Session, source: Owner, target: Owner) -> dict[int, int]:
    """Old objective → the target's objective of the same words."""
    mine = {goal.words: goal.id for goal in objectives(session, target)}
    return {goal.id: mine[goal.words] for goal in objectives(session, source) if goal.words in mine}


def next_number(found: Sequence[Item]) -> int:
    """The number after the highest."""
    return max((item.inject.number for item in found), default=0) + 1
