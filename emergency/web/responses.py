"""Responses on every page and on the workbench: what runs, which decision waits, what a warning suggests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.i18n import _
from emergency.http.permissions import Permission as P
from emergency.plans import activation_queries as queries
from emergency.plans.activation_models import ActivationKind
from emergency.web.filters import label, when_text
from emergency.web.workbench import DayPanel, DayRow, WaitingItem

_GRAVITY = {"I": "red", "II": "orange", "III": "yellow", "IV": "blue"}
"""For the order of what waits only; a level of response is no colour of a warning."""


@dataclass(frozen=True)
class Running:
    """One running response for the strip of every page."""

    title: str
    level: str
    is_exercise: bool
    done: int
    lines: int
    late: int
    url: str


def running(session: Session, actor: Actor) -> list[Running]:
    """What runs in the actor's area, real first."""
    return [
        Running(s.title, label(s.activation.grade), s.is_exercise, s.done, s.lines, s.late,
                f"/plans/activations/{s.activation.id}")
        for s in queries.running(session, actor)
    ]  # fmt: skip


def _mark(exercise: bool) -> str:
    return "【演练】" if exercise else ""


def waiting(session: Session, actor: Actor, now: datetime) -> Sequence[Any]:
    """Decisions that wait for this person, suggestions to judge, late and open actions of their own."""
    items: list[WaitingItem] = []
    for step, activation, title in queries.waiting_steps(session, actor):
        drill = activation.kind is ActivationKind.EXERCISE
        if step.two_people and step.proposed_by == str(actor):
            continue
        what = f"{_mark(drill)}{label(step.what)} {label(step.to_grade) if step.to_grade else ''} · {title}"
        items.append(
            WaitingItem(
                _GRAVITY.get(activation.grade.value), what, _("A decision about a response waits for you"),
                step.proposed_at, f"/plans/activations/{activation.id}", _("Decide"), drill,
            )
        )  # fmt: skip
    if actor.can(P.PLANS_ACTIVATE):
        for row, plan in queries.suggestions(session, actor, limit=10):
            drill = row.kind is ActivationKind.EXERCISE
            items.append(
                WaitingItem(
                    _GRAVITY.get(row.grade.value), f"{_mark(drill)}{row.headline} · {plan.title}",
                    _("%(level)s: the trigger is met, starting it is suggested", level=label(row.grade)), None,
                    "/plans/activations", _("Judge"), drill,
                )
            )  # fmt: skip
    if actor.can(P.PLANS_ACT):
        mine, total = queries.my_lines(session, actor, limit=3)
        for m in mine:
            drill = m.line.kind is ActivationKind.EXERCISE
            more = _("%(n)s open actions in all", n=total) if total > len(mine) else label(m.line.grade)
            items.append(
                WaitingItem(
                    _GRAVITY.get(m.line.grade.value), f"{_mark(drill)}{m.line.action}", f"{m.title} · {more}",
                    m.line.due_at, "/plans/actions", _("My actions"), drill,
                )
            )  # fmt: skip
    return items


def panel(session: Session, actor: Actor, now: datetime) -> DayPanel | None:
    """The running responses of the day."""
    rows = [
        DayRow(
            label(s.activation.grade), f"{_mark(s.is_exercise)}{s.title}",
            _("%(n)s late", n=s.late) if s.late else _("%(done)s of %(all)s done", done=s.done, all=s.lines),
            f"/plans/activations/{s.activation.id}", "late" if s.late and not s.is_exercise else
            ("drill" if s.is_exercise else "wait"),
        )
        for s in queries.running(session, actor)
    ]  # fmt: skip
    if not rows:
        return None
    return DayPanel(_("Running responses"), when_text(now), rows, "/plans/activations")
