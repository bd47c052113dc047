"""What the pages of one response show, read in a few statements."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import service as divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.accounts import service as accounts
from emergency.people.posts import service as posts
from emergency.plans import acting, checklist, situation
from emergency.plans import activation_queries as queries
from emergency.plans.activation_models import (
    Activation,
    ActivationKind,
    EntryKind,
    Heard,
    LineState,
    StepKind,
    StepState,
)
from emergency.plans.models import EvacuationRow, Plan, PlanVersion, ResponseGrade
from emergency.privacy import vault
from kernel.db import now

HEARD = (Heard.PAGE, Heard.PHONE, Heard.RADIO, Heard.VISIT)
"""How a person who is signed in may say that it became known."""


def record(work: Session, actor: Actor, activation: Activation) -> dict[str, Any]:
    """Everything that the pages of one response show."""
    steps, lines = queries.steps_of(work, activation.id), queries.lines_of(work, activation.id)
    rows, log = (
        queries.evacuation_of(work, activation.id),
        situation.story(work, actor=actor, activation_id=activation.id),
    )
    stored = {
        row.id: row
        for row in work.scalars(sa.select(EvacuationRow).where(EvacuationRow.version_id == activation.version_id))
    }
    unit_ids = {r.unit_id for r in stored.values() if r.unit_id}
    post_ids = (
        {x.post_id for x in lines if x.post_id}
        | {r.post_id for r in rows if r.post_id}
        | {entry.data["post"] for entry in log if entry.data.get("post")}
    )
    keys = queries.names_in(steps, "proposed_by", "settled_by") | queries.names_in(log, "actor")
    keys |= queries.names_in(lines, "taken_by", "settled_by") | queries.names_in(rows, "reported_by")
    box = vault.of(work)
    held = queries.posts_of(work, actor)
    answers = {
        s.id: situation.masked(box.open("plan_activation_step", "answer", s.id, s.answer_sealed))
        for s in steps
        if s.answer_sealed
    }
    reasons = {s.id: situation.masked(box.open("plan_activation_step", "reason", s.id, s.reason_sealed)) for s in steps}
    titles = posts.titles(work, post_ids)
    return {
        "a": activation, "drill": activation.kind is ActivationKind.EXERCISE, "steps": steps, "lines": lines,
        "plan": work.get(Plan, activation.plan_id), "version": work.get(PlanVersion, activation.version_id),
        "waiting": next((s for s in steps if s.state is StepState.WAITING), None), "reasons": reasons,
        "answers": answers, "posts": titles, "log": log, "rows": rows, "stored": stored, "moment": now(work),
        "units": divisions.unit_names(work, list(unit_ids)), "totals": situation.totals(work, activation.id),
        "places": divisions.names(work, {activation.division_code} | {row.division_code for row in rows}),
        "names": accounts.display_names(work, keys) | {f"post:{i}": t for i, t in titles.items()},
        "notes": {x.id: situation.masked(checklist.note_of(work, x)) for x in lines if x.note_sealed},
        "grades": checklist.grades_of(work, activation.version_id), "decided_by": queries.decides(work, activation),
        "late": sum(1 for x in lines if _late(x, now(work))), "summary": situation.summary(
            work, actor=actor, activation_id=activation.id
        ),
        "mine": {x.id for x in lines if actor.covers(x.division_code) or x.post_id in held}, "me": acting.person_of(work, actor),
        "covers": actor.covers(activation.division_code), "may_act": actor.can(Permission.PLANS_ACT),
        "may_activate": actor.can(Permission.PLANS_ACTIVATE), "may_decide": actor.can(Permission.PLANS_DECIDE), "heard": HEARD,
        "LineState": LineState, "StepKind": StepKind,
        "w": {"step": StepKind, "state": StepState, "grade": ResponseGrade, "line": LineState, "heard": Heard,
              "entry": EntryKind},
    }  # fmt: skip


def _late(line: Any, moment: datetime) -> bool:
    return line.state in (LineState.OPEN, LineState.TAKEN) and line.due_at is not None and line.due_at < moment
