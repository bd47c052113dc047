"""Reading activations: who sees which, what runs, what waits, what is mine to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import ancestors, in_scope
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.people.accounts.models import Account, ApiToken
from emergency.people.posts.models import PostHolder
from emergency.plans import acting_rules as rules
from emergency.plans.activation_models import (
    Activation,
    ActivationEvacuation,
    ActivationKind,
    ActivationLine,
    ActivationState,
    ActivationStep,
    ActivationSuggestion,
    LineState,
    StepState,
    SuggestionState,
)
from emergency.plans.models import Plan, ResponseGrade, ResponseLevel
from kernel.db import now
from kernel.errors import N_, Conflict, NotFound

GROUPS = {
    "open": rules.OPEN_STATES,
    "ended": (ActivationState.ENDED, ActivationState.NOT_STARTED),
}
LINES_AT_MOST = 2000


def visible(actor: Actor) -> Any:
    """SQL: activations of the actor's area, and those above it, which concern it. Never a neighbour's."""
    if actor.is_system or not actor.division_code:
        return in_scope(Activation.division_code, actor)
    return sa.or_(
        in_scope(Activation.division_code, actor), Activation.division_code.in_(ancestors(actor.division_code))
    )


def get_activation(session: Session, *, actor: Actor, activation_id: int) -> Activation:
    """One activation that the actor may read, or 404."""
    actor.require(Permission.PLANS_VIEW)
    found = session.scalar(sa.select(Activation).where(Activation.id == activation_id, visible(actor)))
    if found is None:
        raise NotFound(N_("There is no such response in your area."))
    return found


def locked(session: Session, actor: Actor, activation_id: int, *, own: bool = True) -> Activation:
    """One activation for change, locked; 403 `out_of_scope` where all of its area is not the actor's (`own`)."""
    found = session.scalar(
        sa.select(Activation)
        .where(Activation.id == activation_id, visible(actor))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound(N_("There is no such response in your area."))
    if own:
        actor.require_covers(found.division_code)
    return found


def require_kind(activation: Activation, kind: ActivationKind) -> None:
    """409 `kind_mismatch` unless the page that was read was of the same kind: a drill never touches what is real."""
    if activation.kind is not kind:
        raise Conflict(
            N_("This is %(is_)s, and you meant %(meant)s. Nothing was changed."), code="kind_mismatch",
            is_=activation.kind.zh, meant=kind.zh,
        )  # fmt: skip


def decides(session: Session, activation: Activation) -> str:
    """Who decides at the present level, in the plan's words."""
    return (
        session.scalar(
            sa.select(ResponseLevel.decided_by).where(
                ResponseLevel.version_id == activation.version_id, ResponseLevel.grade == activation.grade
            )
        )
        or ""
    )


@dataclass(frozen=True)
class Standing:
    """One activation in a list: what it is, and how far its checklist has come."""

    activation: Activation
    title: str
    lines: int
    done: int
    late: int
    waiting: bool

    @property
    def is_exercise(self) -> bool:
        """Whether it wears violet."""
        return self.activation.kind is ActivationKind.EXERCISE


def list_activations(
    session: Session,
    *,
    actor: Actor,
    group: str | None = None,
    kind: ActivationKind | None = None,
    plan_id: int | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Activation]:
    """Activations, newest first."""
    actor.require(Permission.PLANS_VIEW)
    statement = sa.select(Activation).where(visible(actor))
    if group in GROUPS:
        statement = statement.where(Activation.state.in_(GROUPS[group]))
    if kind is not None:
        statement = statement.where(Activation.kind == kind)
    if plan_id is not None:
        statement = statement.where(Activation.plan_id == plan_id)
    return paginate(session, statement, key=[Activation.id], cursor=cursor, limit=limit, descending=True)


def standings(session: Session, rows: Sequence[Activation]) -> list[Standing]:
    """The rows with titles and counts, in three statements."""
    ids = [row.id for row in rows]
    titles = dict(
        session.execute(sa.select(Plan.id, Plan.title).where(Plan.id.in_({row.plan_id for row in rows}))).all()
    )
    moment = now(session)
    counts: dict[int, list[int]] = {i: [0, 0, 0] for i in ids}
    late = sa.and_(ActivationLine.state.in_(rules.UNFINISHED), ActivationLine.due_at < moment)
    for activation_id, state, is_late, n in session.execute(
        sa.select(ActivationLine.activation_id, ActivationLine.state, late, sa.func.count())
        .where(ActivationLine.activation_id.in_(ids), ActivationLine.state != LineState.CLOSED)
        .group_by(ActivationLine.activation_id, ActivationLine.state, late)
    ):
        counts[activation_id][0] += n
        counts[activation_id][1] += n if state not in rules.UNFINISHED else 0
        counts[activation_id][2] += n if is_late else 0
    waiting = set(
        session.scalars(
            sa.select(ActivationStep.activation_id).where(
                ActivationStep.activation_id.in_(ids), ActivationStep.state == StepState.WAITING
            )
        )
    )
    made = []
    for row in rows:
        lines, done, late_now = counts[row.id]
        made.append(Standing(row, titles.get(row.plan_id, ""), lines, done, late_now, row.id in waiting))
    return made


def running(session: Session, actor: Actor, *, limit: int = 8) -> list[Standing]:
    """What runs in the actor's area, real before exercise, the gravest first: the strip of every page."""
    if not actor.can(Permission.PLANS_VIEW):
        return []
    rows = list(
        session.scalars(
            sa.select(Activation)
            .where(visible(actor), Activation.state == ActivationState.RUNNING)
            .order_by(Activation.id.desc())
            .limit(limit * 4)
        )
    )
    order = list(ResponseGrade)
    rows.sort(key=lambda row: (row.kind is ActivationKind.EXERCISE, order.index(row.grade), -row.id))
    return standings(session, rows[:limit])


def acted_on(session: Session, plan_id: int) -> bool:
    """Whether a response runs by this plan, or waits for its decision."""
    open_states = (ActivationState.PROPOSED, ActivationState.RUNNING)
    found = sa.select(Activation.id).where(Activation.plan_id == plan_id, Activation.state.in_(open_states)).limit(1)
    return session.scalar(found) is not None


def real_responses(session: Session) -> list[Activation]:
    """Every real response that runs, whoever asks: a drill gives way to it."""
    return list(
        session.scalars(
            sa.select(Activation)
            .where(Activation.kind == ActivationKind.ACTUAL, Activation.state == ActivationState.RUNNING)
            .order_by(Activation.id.desc())
            .limit(200)
        )
    )


def waiting_steps(session: Session, actor: Actor) -> list[tuple[ActivationStep, Activation, str]]:
    """Decisions that wait for somebody in the actor's area who may decide; newest first, a page of them."""
    if not actor.can(Permission.PLANS_DECIDE):
        return []
    rows = session.execute(
        sa.select(ActivationStep, Activation, Plan.title)
        .join(Activation, Activation.id == ActivationStep.activation_id)
        .join(Plan, Plan.id == Activation.plan_id)
        .where(in_scope(Activation.division_code, actor), ActivationStep.state == StepState.WAITING)
        .order_by(ActivationStep.id.desc())
        .limit(PAGE_SIZE)
    )
    return [tuple(row) for row in rows]  # type: ignore[misc]


def suggestions(session: Session, actor: Actor, *, limit: int = PAGE_SIZE) -> list[tuple[ActivationSuggestion, Plan]]:
    """Open suggestions of the actor's area, real first, the gravest first."""
    rows = session.execute(
        sa.select(ActivationSuggestion, Plan)
        .join(Plan, Plan.id == ActivationSuggestion.plan_id)
        .where(in_scope(Plan.division_code, actor), ActivationSuggestion.state == SuggestionState.OPEN)
        .order_by(ActivationSuggestion.kind, Plan.division_code, ActivationSuggestion.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def steps_of(session: Session, activation_id: int) -> list[ActivationStep]:
    """Every decision of one activation, oldest first."""
    return list(
        session.scalars(
            sa.select(ActivationStep).where(ActivationStep.activation_id == activation_id).order_by(ActivationStep.id)
        )
    )


def lines_of(session: Session, activation_id: int) -> list[ActivationLine]:
    """The checklist: by level, then in the plan's order."""
    rows = session.scalars(
        sa.select(ActivationLine)
        .where(ActivationLine.activation_id == activation_id)
        .order_by(ActivationLine.grade, ActivationLine.position, ActivationLine.id)
        .limit(LINES_AT_MOST)
    ).all()
    order = list(ResponseGrade)
    return sorted(rows, key=lambda row: (order.index(row.grade), row.position))


def evacuation_of(session: Session, activation_id: int) -> list[ActivationEvacuation]:
    """How far each row of the evacuation list has come."""
    return list(
        session.scalars(
            sa.select(ActivationEvacuation)
            .where(ActivationEvacuation.activation_id == activation_id)
            .order_by(ActivationEvacuation.division_code, ActivationEvacuation.id)
            .limit(LINES_AT_MOST)
        )
    )


def posts_of(session: Session, actor: Actor) -> set[int]:
    """The posts that the person behind an actor holds, as holder or deputy."""
    account_id = actor.id if actor.kind == "account" else None
    if actor.kind == "token":
        account_id = session.scalar(sa.select(ApiToken.account_id).where(ApiToken.id == actor.id))
    if account_id is None:
        return set()
    contact = sa.select(Account.contact_id).where(Account.id == account_id).scalar_subquery()
    return set(session.scalars(sa.select(PostHolder.post_id).where(PostHolder.contact_id == contact)))


@dataclass(frozen=True)
class Mine:
    """One unfinished line for the page of a phone."""

    line: ActivationLine
    title: str
    held: bool


def my_lines(session: Session, actor: Actor, *, limit: int = 40) -> tuple[list[Mine], int]:
    """Unfinished lines of running responses: of the posts that the actor holds, then of the actor's area; and how many
    there are in all. Real before exercise, then by time."""
    actor.require(Permission.PLANS_ACT)
    held = posts_of(session, actor)
    where = (
        Activation.state == ActivationState.RUNNING,
        ActivationLine.state.in_(rules.UNFINISHED),
        sa.or_(in_scope(ActivationLine.division_code, actor), ActivationLine.post_id.in_(held)),
    )
    base = (
        sa.select(ActivationLine, Plan.title)
        .join(Activation, Activation.id == ActivationLine.activation_id)
        .join(Plan, Plan.id == Activation.plan_id)
        .where(*where)
    )
    total = session.scalar(sa.select(sa.func.count()).select_from(base.subquery())) or 0
    first = sa.case((ActivationLine.post_id.in_(held), 0), else_=1) if held else sa.literal(1)
    rows = session.execute(
        base.order_by(ActivationLine.kind, first, ActivationLine.due_at.is_(None), ActivationLine.due_at,
                      ActivationLine.id).limit(limit)
    )  # fmt: skip
    return [Mine(line, title, line.post_id in held) for line, title in rows], total


def names_in(entries: Iterable[Any], *attributes: str) -> set[str]:
    """The actors' keys in some rows."""
    return {value for entry in entries for name in attributes if (value := getattr(entry, name, None))}


def late_by_activation(session: Session, moment: datetime) -> Mapping[int, list[ActivationLine]]:
    """Unfinished lines past their time of running real responses."""
    found: dict[int, list[ActivationLine]] = {}
    for line in session.scalars(
        sa.select(ActivationLine)
        .join(Activation, Activation.id == ActivationLine.activation_id)
        .where(
            Activation.state == ActivationState.RUNNING,
            ActivationLine.kind == ActivationKind.ACTUAL,
            ActivationLine.state.in_(rules.UNFINISHED),
            ActivationLine.due_at < moment,
        )
        .order_by(ActivationLine.due_at, ActivationLine.id)
        .limit(LINES_AT_MOST)
    ):
        found.setdefault(line.activation_id, []).append(line)
    return found
