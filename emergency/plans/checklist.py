"""The checklist of a response: made from the version's actions, taken, done, not applicable, closed.

Two people on the same line: one wins, the other is told who. Pressed twice, the second press changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.accounts import service as accounts
from emergency.people.posts import service as posts
from emergency.plans import acting_rules as rules
from emergency.plans.activation_models import (
    Activation,
    ActivationEvacuation,
    ActivationKind,
    ActivationLine,
    ActivationState,
    ActivationStep,
    EntryKind,
    Heard,
    LineState,
    StepKind,
)
from emergency.plans.activation_queries import locked, posts_of, require_kind, visible
from emergency.plans.models import EvacuationRow, ResponseAction, ResponseGrade, ResponseLevel
from emergency.plans.situation import log
from emergency.privacy import vault
from kernel.clock import BEIJING
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Forbidden, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

NOTE_LENGTH = 500


@dataclass
class Made:
    """What a decision changed in the checklist."""

    added: list[ActivationLine] = field(default_factory=list)
    closed: int = 0
    posts: set[int] = field(default_factory=set)
    """The posts whose lines were closed."""


def adapt(session: Session, activation: Activation, step: ActivationStep, *, actor: Actor) -> Made:
    """Bring the checklist to the level of a decision that was just carried out."""
    made = Made()
    if step.what is not StepKind.END:
        _add(session, activation, step, made)
        _add_evacuation(session, activation)
    _close(session, activation, step, made, actor)
    return made


def _add(session: Session, activation: Activation, step: ActivationStep, made: Made) -> None:
    moment = now(session)
    levels = {
        level.grade: level
        for level in session.scalars(
            sa.select(ResponseLevel).where(ResponseLevel.version_id == activation.version_id)
        )
    }  # fmt: skip
    wanted = rules.brings(activation.grade, levels, with_lower=step.with_lower)
    known = {
        line.action_id: line
        for line in session.scalars(
            sa.select(ActivationLine).where(ActivationLine.activation_id == activation.id).with_for_update()
        )
    }
    actions = session.scalars(
        sa.select(ResponseAction)
        .where(ResponseAction.level_id.in_([levels[grade].id for grade in wanted]))
        .order_by(ResponseAction.level_id, ResponseAction.position)
    ).all()
    places = {key: post.division_code for key, post in posts.posts(
        session, [action.post_id for action in actions if action.post_id is not None]
    ).items()}  # fmt: skip
    grade_of = {level.id: grade for grade, level in levels.items()}
    for action in actions:
        line, due_at = known.get(action.id), rules.due(moment, action.within_minutes)
        if line is not None:
            if line.state is LineState.CLOSED:
                _reopen(session, line, due_at, moment, step.settled_by or "")
                made.added.append(line)
            continue
        line = ActivationLine(
            id=new_id(), activation_id=activation.id, kind=activation.kind, action_id=action.id,
            grade=grade_of[action.level_id], position=action.position, action=action.action, post_id=action.post_id,
            actor_words=action.actor_words, within_minutes=action.within_minutes, added_at=moment, due_at=due_at,
            division_code=places.get(action.post_id or 0, activation.division_code), state=LineState.OPEN,
            reminded=0, version=1,
        )  # fmt: skip
        session.add(line)
        made.added.append(line)
    session.flush()


def _reopen(session: Session, line: ActivationLine, due_at: datetime | None, moment: datetime, actor: str) -> None:
    transition(
        session, line, LineState.OPEN, allowed=rules.LINE_TRANSITIONS, actor=actor,
        values={
            "settled_by": None, "settled_at": None, "happened_at": None, "heard": None, "taken_by": None,
            "taken_at": None, "due_at": due_at, "added_at": moment, "reminded": 0, "note_sealed": None,
        },
    )  # fmt: skip


def _add_evacuation(session: Session, activation: Activation) -> None:
    """The rows of the evacuation list that count at this level; what was reported stays when the level falls."""
    moment = now(session)
    known = set(
        session.scalars(
            sa.select(ActivationEvacuation.row_id).where(ActivationEvacuation.activation_id == activation.id)
        )
    )
    for row in session.scalars(sa.select(EvacuationRow).where(EvacuationRow.version_id == activation.version_id)):
        if row.id in known or not rules.in_list(row.grade, activation.grade):
            continue
        session.add(
            ActivationEvacuation(
                id=new_id(), activation_id=activation.id, kind=activation.kind, row_id=row.id,
                division_code=row.subject_code or activation.division_code, post_id=row.post_id, people=row.people,
                informed=0, gone=0, refused=0, helped=0, version=1,
                due_at=rules.due(moment, row.within_hours * 60 if row.within_hours else None),
            )
        )  # fmt: skip
    session.flush()


def _close(session: Session, activation: Activation, step: ActivationStep, made: Made, actor: Actor) -> None:
    if step.what not in (StepKind.LOWER, StepKind.END):
        return
    lines = session.scalars(
        sa.select(ActivationLine)
        .where(ActivationLine.activation_id == activation.id, ActivationLine.state.in_(rules.UNFINISHED))
        .with_for_update()
    ).all()
    moment = now(session)
    for line in lines:
        if step.what is StepKind.LOWER and not rules.graver(line.grade, activation.grade):
            continue
        transition(
            session, line, LineState.CLOSED, allowed=rules.LINE_TRANSITIONS, actor=actor,
            values={"settled_by": step.settled_by, "settled_at": moment},
        )  # fmt: skip
        made.closed += 1
        if line.post_id is not None:
            made.posts.add(line.post_id)


# --- what people do with a line ---------------------------------------------------------------------------------


def _line(session: Session, actor: Actor, line_id: int, kind: ActivationKind) -> tuple[Activation, ActivationLine]:
    activation_id = session.scalar(
        sa.select(ActivationLine.activation_id)
        .join(Activation, Activation.id == ActivationLine.activation_id)
        .where(ActivationLine.id == line_id, visible(actor))
    )
    if activation_id is None:
        raise NotFound(N_("There is no such action in your area."))
    activation = locked(session, actor, activation_id, own=False)
    require_kind(activation, kind)
    line = session.scalars(
        sa.select(ActivationLine)
        .where(ActivationLine.id == line_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if not actor.covers(line.division_code) and line.post_id not in posts_of(session, actor):
        raise Forbidden(N_("This lies outside the area that your account is responsible for."), code="out_of_scope")
    if activation.state is not ActivationState.RUNNING:
        raise Conflict(N_("This response does not run; nothing was changed."), code="not_running")
    return activation, line


def tick(
    session: Session,
    *,
    actor: Actor,
    line_id: int,
    to: LineState,
    kind: ActivationKind,
    note: str = "",
    heard: Heard = Heard.PAGE,
    at: datetime | None = None,
) -> ActivationLine:
    """Take a line, report it done or not applicable, put it back.

    `at` is when it happened, for what was heard by telephone and typed later. Raises 409 `taken_already` or
    `done_already` with who was first, `kind_mismatch`, `not_running`, `wrong_state`; 403 `out_of_scope`;
    422 `reason_required` (not applicable, or opened again), `bad_dates`.
    """
    actor.require(Permission.PLANS_ACT)
    activation, line = _line(session, actor, line_id, kind)
    return _tick(session, activation, line, who=str(actor), to=to, note=note, heard=heard, at=at)


def _tick(
    session: Session,
    activation: Activation,
    line: ActivationLine,
    *,
    who: str,
    to: LineState,
    note: str = "",
    heard: Heard = Heard.PAGE,
    at: datetime | None = None,
) -> ActivationLine:
    words, moment = note.strip(), now(session)
    if line.state is to:
        if to is LineState.OPEN or (line.taken_by if to is LineState.TAKEN else line.settled_by) == who:
            return line
        raise _first(session, line)
    if to is LineState.TAKEN and line.state in (LineState.DONE, LineState.NOT_APPLICABLE):
        raise _first(session, line)
    if to is LineState.CLOSED or line.state is LineState.CLOSED:
        raise Conflict(N_("This action was closed with its level; nothing was changed."), code="wrong_state")
    settled = line.state not in rules.UNFINISHED
    if (to is LineState.NOT_APPLICABLE or (to is LineState.OPEN and settled)) and not words:
        raise Invalid(N_("Say why. Nothing was changed."), code="reason_required", fields={"note": N_("Fill this in.")})
    if len(words) > NOTE_LENGTH:
        raise Invalid(N_("The note has more than %(n)s characters."), code="too_long", n=NOTE_LENGTH)
    happened = at or moment
    if happened > moment or (happened < line.added_at and to is not LineState.OPEN):
        raise Invalid(
            N_("It happened between the beginning of the action and now."), code="bad_dates", fields={"at": "bad_dates"}
        )
    values: dict[str, object]
    if to is LineState.TAKEN:
        values = {"taken_by": who, "taken_at": happened, "heard": heard}
    elif to is LineState.OPEN:
        values = dict.fromkeys(("taken_by", "taken_at", "settled_by", "settled_at", "happened_at", "heard"))
    else:
        values = {"settled_by": who, "settled_at": moment, "happened_at": happened, "heard": heard}
    sealed = vault.of(session).seal("plan_activation_line", "note", line.id, words) if words else None
    if sealed is not None or to is LineState.OPEN:
        values["note_sealed"] = sealed
    before = line.state
    transition(session, line, to, allowed=rules.LINE_TRANSITIONS, actor=who, values=values)
    log(
        session, activation, EntryKind.LINE, line.id, actor=who, at=happened, text=words,
        data={"from": before.value, "to": to.value, "heard": heard.value, "grade": line.grade.value,
              "action": line.action, "late": line.due_at is not None and happened > line.due_at and to in (LineState.DONE,)},
    )  # fmt: skip
    touch(session, "plan_activation", activation.id)
    return line


def _first(session: Session, line: ActivationLine) -> Conflict:
    who = (line.taken_by if line.state is LineState.TAKEN else line.settled_by) or ""
    at = (line.taken_at if line.state is LineState.TAKEN else line.settled_at) or line.added_at
    return Conflict(
        N_("%(who)s was first: this action is %(state)s since %(at)s. Nothing was changed."),
        code="taken_already" if line.state is LineState.TAKEN else "done_already",
        who=name_of(session, who),
        state=line.state.zh,
        at=f"{at.astimezone(BEIJING):%m-%d %H:%M}",
    )


def name_of(session: Session, key: str) -> str:
    """An actor's key in words: an account's masked name with its role, a post's title."""
    kind, _, number = key.partition(":")
    if kind == "post" and number.isdigit():
        return posts.titles(session, [int(number)]).get(int(number), key)
    return accounts.display_names(session, [key]).get(key, key)


def assign(
    session: Session, *, actor: Actor, line_id: int, post_id: int, kind: ActivationKind
) -> tuple[Activation, ActivationLine, bool]:
    """Give a line that the plan writes in words only (or a vacant post's) to a post, which is then told.

    The last of the three says whether anything changed.
    """
    actor.require(Permission.PLANS_ACTIVATE)
    activation, line = _line(session, actor, line_id, kind)
    post = posts.posts(session, [post_id]).get(post_id)
    if post is None or not actor.covers(post.division_code):
        raise NotFound(N_("There is no such post in your area."))
    if line.state not in rules.UNFINISHED:
        raise Conflict(N_("This action is settled; nothing was changed."), code="wrong_state")
    if line.post_id == post_id:
        return activation, line, False
    line.post_id, line.division_code, line.reminded = post.id, post.division_code, 0
    line.version += 1
    session.flush()
    log(
        session, activation, EntryKind.LINE, line.id, actor=str(actor),
        data={"to": "assigned", "post": post.id, "grade": line.grade.value, "action": line.action},
    )  # fmt: skip
    return activation, line, True


def answered(
    session: Session, activation: Activation, post_id: int, asked_at: datetime, *, to: LineState, who: str,
    heard: Heard, at: datetime,
) -> int:  # fmt: skip
    """A post answered by text or link for all its lines of that message. What somebody else settled stays."""
    lines = session.scalars(
        sa.select(ActivationLine)
        .where(
            ActivationLine.activation_id == activation.id,
            ActivationLine.post_id == post_id,
            ActivationLine.added_at <= asked_at,
            ActivationLine.state.in_([LineState.OPEN] if to is LineState.TAKEN else list(rules.UNFINISHED)),
        )
        .with_for_update()
    ).all()
    for line in lines:
        _tick(session, activation, line, who=who, to=to, heard=heard, at=max(at, line.added_at))
    return len(lines)


def note_of(session: Session, line: ActivationLine) -> str:
    """The note of a line in clear."""
    if line.note_sealed is None:
        return ""
    return vault.of(session).open("plan_activation_line", "note", line.id, line.note_sealed)


def grades_of(session: Session, version_id: int) -> list[ResponseGrade]:
    """The levels that a version has, the gravest first."""
    found = set(session.scalars(sa.select(ResponseLevel.grade).where(ResponseLevel.version_id == version_id)))
    return [grade for grade in ResponseGrade if grade in found]
