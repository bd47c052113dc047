"""Warnings in force against the triggers of plans in force: a suggestion to judge, and nothing that starts by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from emergency import messages
from emergency.divisions.rules import ancestors, within_any
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.accounts import service as accounts
from emergency.plans import acting_rules as rules
from emergency.plans import signals, telling
from emergency.plans.activation_models import (
    Activation,
    ActivationKind,
    ActivationSuggestion,
    SuggestionState,
)
from emergency.plans.models import Hazard, Plan, PlanHazard, PlanState, PlanVersion, ResponseGrade, ResponseLevel
from emergency.plans.models import VersionState as V
from emergency.privacy import vault
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

S = SuggestionState
TRANSITIONS = {S.OPEN: frozenset({S.USED, S.DISMISSED, S.PASSED}), S.USED: frozenset(), S.DISMISSED: frozenset(),
               S.PASSED: frozenset()}  # fmt: skip
AT_MOST = 500


def conditions(session: Session, text: str) -> list[rules.Condition]:
    """What the system reads in a trigger, for the page that shows it beside the words."""
    return rules.read_trigger(text, signals.event_names(session))


def look(session: Session, moment: datetime) -> int:
    """Suggest, for every warning in force, the gravest level of each plan whose trigger it meets. Returns how many.

    Only plans of the warning's ground; an exercise suggests exercises and nothing else.
    """
    standing = signals.in_force(session, moment)
    made = 0
    for signal in standing:
        made += _look(session, signal)
    _pass(session, {s.warning_id for s in standing})
    return made


def _candidates(session: Session, signal: signals.Signal) -> Sequence[sa.Row[Plan, int, ResponseGrade, str]]:
    around = sorted({above for code in signal.codes for above in (*ancestors(code), code)})
    return session.execute(
        sa.select(Plan, ResponseLevel.version_id, ResponseLevel.grade, ResponseLevel.trigger)
        .join(PlanVersion, PlanVersion.plan_id == Plan.id)
        .join(ResponseLevel, ResponseLevel.version_id == PlanVersion.id)
        .where(
            PlanVersion.state == V.ISSUED,
            PlanVersion.replaced_at.is_(None),
            Plan.state.in_([PlanState.IN_FORCE, PlanState.UNDER_REVISION]),
            sa.or_(Plan.division_code.in_(around), within_any(Plan.division_code, signal.codes)),
            sa.or_(*(ResponseLevel.trigger.contains(word) for word in ("预警", "警报", "信号"))),
        )
        .order_by(Plan.division_code, Plan.id)
        .limit(AT_MOST * 4)
    ).all()


def _look(session: Session, signal: signals.Signal) -> int:
    rows = _candidates(session, signal)
    plan_ids = {row[0].id for row in rows}
    hazards: dict[int, list[Hazard]] = {}
    for plan_id, hazard in session.execute(
        sa.select(PlanHazard.plan_id, PlanHazard.hazard).where(PlanHazard.plan_id.in_(plan_ids))
    ):
        hazards.setdefault(plan_id, []).append(hazard)
    kind = ActivationKind.ACTUAL if signal.real else ActivationKind.EXERCISE
    running = dict(
        session.execute(
            sa.select(Activation.plan_id, Activation.grade).where(
                Activation.plan_id.in_(plan_ids), Activation.kind == kind,
                Activation.state.in_(rules.OPEN_STATES),
            )
        ).all()
    )  # fmt: skip
    known = set(
        session.scalars(
            sa.select(ActivationSuggestion.version_id).where(ActivationSuggestion.warning_id == signal.warning_id)
        )
    )
    names = signals.event_names(session)
    met: dict[int, tuple[Plan, int, list[ResponseGrade]]] = {}
    for plan, version_id, grade, trigger in rows:
        if version_id in known:
            continue
        if any(
            rules.meets(c, colour=signal.level, event_names=signal.event_names, event_code=signal.event_code,
                        hazards=hazards.get(plan.id, ()))
            for c in rules.read_trigger(trigger, names)
        ):  # fmt: skip
            met.setdefault(plan.id, (plan, version_id, []))[2].append(grade)
    made: list[tuple[Plan, ResponseGrade]] = []
    for plan, version_id, grades in met.values():
        best = rules.suggested(grades, running.get(plan.id))
        if best is not None and _suggest(session, signal, plan, version_id, best, kind):
            made.append((plan, best))
    if made:
        _tell(session, signal, made)
    return len(made)


def _suggest(
    session: Session, signal: signals.Signal, plan: Plan, version_id: int, grade: ResponseGrade, kind: ActivationKind
) -> bool:
    row = ActivationSuggestion(
        id=new_id(), plan_id=plan.id, version_id=version_id, grade=grade, kind=kind, warning_id=signal.warning_id,
        headline=signal.headline, state=S.OPEN, made_at=now(session), version=1,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError:
        return False
    touch(session, "plan", plan.id)
    return True


def _tell(session: Session, signal: signals.Signal, made: Sequence[tuple[Plan, ResponseGrade]]) -> None:
    """One notice to each decider: the highest plan by name, the others by number."""
    told: dict[int, list[tuple[Plan, ResponseGrade]]] = {}
    for plan, grade in made:
        for account in accounts.approvers_for(session, plan.division_code):
            told.setdefault(account.id, []).append((plan, grade))
    groups: dict[tuple[int, ...], list[int]] = {}
    for account_id, found in told.items():
        groups.setdefault(tuple(plan.id for plan, _grade in found), []).append(account_id)
    headline = signal.headline if signal.real else f"演练预警“{signal.headline}”"
    for people in groups.values():
        found = told[people[0]]
        plan, grade = found[0]
        title = plan.title if len(found) == 1 else f"{plan.title}等{len(found)}件预案"
        telling.tell_accounts(
            session, people, messages.render("plan_trigger", headline=headline, plan=title, level=grade.zh),
            subject=("plan", plan.id), priority=1 if signal.real else 5,
        )  # fmt: skip


def _pass(session: Session, standing: set[int]) -> None:
    """What is no longer in force asks for nothing any more."""
    for row in session.scalars(
        sa.select(ActivationSuggestion)
        .where(ActivationSuggestion.state == S.OPEN, ActivationSuggestion.warning_id.not_in(standing or {0}))
        .limit(AT_MOST)
    ):
        transition(
            session, row, S.PASSED, allowed=TRANSITIONS, actor=telling.ACTOR,
            values={"settled_by": str(telling.ACTOR), "settled_at": now(session)},
        )  # fmt: skip


def dismiss(session: Session, *, actor: Actor, suggestion_id: int, reason: str) -> ActivationSuggestion:
    """Judged, and not started, with the reason: a decision like the start itself, of who may decide."""
    actor.require(Permission.PLANS_DECIDE)
    row = session.get(ActivationSuggestion, suggestion_id)
    plan = session.get(Plan, row.plan_id) if row is not None else None
    if row is None or plan is None or not actor.covers(plan.division_code):
        raise NotFound(N_("There is no such suggestion in your area."))
    why = reason.strip()
    if not why:
        raise Invalid(
            N_("Say why. Nothing was changed."), code="reason_required", fields={"reason": N_("Fill this in.")}
        )
    if row.state is not S.OPEN:
        raise Conflict(N_("Somebody settled this suggestion already."), code="wrong_state")
    transition(
        session, row, S.DISMISSED, allowed=TRANSITIONS, actor=actor, reason=why,
        values={"settled_by": str(actor), "settled_at": now(session),
                "reason_sealed": vault.of(session).seal("plan_activation_suggestion", "reason", row.id, why)},
    )  # fmt: skip
    return row


__all__ = ["conditions", "dismiss", "look"]
