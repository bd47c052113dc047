"""Starting, raising, lowering and ending a response by a plan: proposed by one, decided by another.

The plan says in its own words who decides; the system asks for a permission, for another pair of eyes where the
configuration wants them, and for the four statements of 突发事件应对法 art. 72 (matter, level, expected duration,
measures). An exercise stays an exercise: whoever acts says which of the two was read, and disagreement is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.config_plans import Plans as Settings
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.accounts.models import ApiToken
from emergency.plans import acting_rules as rules
from emergency.plans import checklist, telling
from emergency.plans.activation_models import (
    Activation,
    ActivationKind,
    ActivationState,
    ActivationStep,
    ActivationSuggestion,
    EntryKind,
    StepKind,
    StepState,
    SuggestionState,
)
from emergency.plans.activation_queries import decides, get_activation, locked, require_kind
from emergency.plans.models import Plan, PlanState, PlanVersion, ResponseGrade, ResponseLevel
from emergency.plans.queries import get_plan, in_force
from emergency.plans.situation import log
from emergency.privacy import journal, vault
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Forbidden, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

REASON_LENGTH = 500
DECIDED = journal.kind(
    "plan.response", "应急响应决定", "Response decided", "what", "kind", "from", "to", "plan", "break_glass", "lines"
)
_GRADES = {grade: frozenset(ResponseGrade) - {grade} for grade in ResponseGrade}
_VALUES = (PlanState.IN_FORCE, PlanState.UNDER_REVISION)


@dataclass(frozen=True)
class Proposal:
    """What is to be started, why, and what art. 72 asks to be stated."""

    kind: ActivationKind
    grade: ResponseGrade
    matter: str
    reason: str
    measures: str = ""
    expected_until: datetime | None = None
    with_lower: bool = True
    occurrence_id: int | None = None


def person_of(session: Session, actor: Actor) -> str:
    """The person behind an actor: a programme's token acts for its account and is no second pair of eyes."""
    if actor.kind == "token":
        account_id = session.scalar(sa.select(ApiToken.account_id).where(ApiToken.id == actor.id))
        if account_id is not None:
            return f"account:{account_id}"
    return str(actor)


def settings(session: Session) -> Settings:
    """What is configured about acting."""
    config: Config = session.info["config"]
    return config.plans


def needs_two(session: Session, kind: ActivationKind) -> bool:
    """Whether another person has to decide."""
    return settings(session).two_people if kind is ActivationKind.ACTUAL else settings(session).exercise_two_people


def propose(session: Session, *, actor: Actor, plan_id: int, proposal: Proposal) -> Activation:
    """Ask for a response by the plan's text in force; carried out at once where no second person is needed.

    Raises 403 `out_of_scope`, 409 `already_running` (the same plan is open as the same kind), 409 `no_version`,
    422 `no_level`, `reason_required`, `incomplete`, `bad_dates`, `kind_mismatch` (a drill for a real response).
    """
    actor.require(Permission.PLANS_ACTIVATE)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    version = in_force(session, plan.id)
    if version is None or plan.state not in _VALUES:
        raise Conflict(N_("This plan has no text in force; nothing can be started by it."), code="no_version")
    level = session.scalar(
        sa.select(ResponseLevel).where(
            ResponseLevel.version_id == version.id, ResponseLevel.grade == proposal.grade
        )
    )  # fmt: skip
    if level is None:
        raise Invalid(
            N_("The text in force has no %(level)s."), code="no_level", fields={"grade": "no_level"},
            level=proposal.grade.zh,
        )  # fmt: skip
    why = _check(session, proposal)
    person = person_of(session, actor)
    known = _open(session, plan.id, proposal.kind)
    if known is not None:
        # Pressed twice: the second press finds what the first one made.
        if known.created_by == person and known.grade is proposal.grade and known.matter == proposal.matter.strip():
            return known
        raise _already()
    moment = now(session)
    activation = Activation(
        id=new_id(), plan_id=plan.id, version_id=version.id, kind=proposal.kind, state=ActivationState.PROPOSED,
        grade=proposal.grade, matter=proposal.matter.strip(), measures=proposal.measures.strip(),
        division_code=plan.division_code, expected_until=proposal.expected_until,
        occurrence_id=proposal.occurrence_id, created_at=moment, created_by=person, version=1,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(activation)
            session.flush()
    except IntegrityError as error:
        raise _already() from error
    step = _step(
        session, activation, StepKind.START, proposal.grade, person=person, why=why,
        decided_by=level.decided_by or plan.issuer, with_lower=proposal.with_lower,
    )  # fmt: skip
    _carry_on(session, activation, step, plan, actor)
    return activation


def _already() -> Conflict:
    return Conflict(
        N_("A response by this plan is open already. Raise, lower or end that one."), code="already_running"
    )


def _open(session: Session, plan_id: int, kind: ActivationKind) -> Activation | None:
    return session.scalar(
        sa.select(Activation).where(
            Activation.plan_id == plan_id, Activation.kind == kind, Activation.state.in_(rules.OPEN_STATES)
        )
    )


def _check(session: Session, proposal: Proposal) -> str:
    if not proposal.matter.strip():
        raise Invalid(
            N_("Say what the response is for (Emergency Response Law art. 72)."), code="incomplete",
            fields={"matter": N_("Fill this in.")},
        )  # fmt: skip
    if proposal.expected_until is not None and proposal.expected_until <= now(session):
        raise Invalid(N_("The expected end lies ahead."), code="bad_dates", fields={"expected_until": "past"})
    if proposal.occurrence_id is not None and proposal.kind is ActivationKind.ACTUAL:
        raise Invalid(N_("A drill belongs to an exercise, never to a real response."), code="kind_mismatch")
    return needed_reason(proposal.reason)


def needed_reason(reason: str | None) -> str:
    """A reason in words, or 422 `reason_required`."""
    why = (reason or "").strip()
    if not why or len(why) > REASON_LENGTH:
        raise Invalid(
            N_("Say why, in at most %(n)s characters. Nothing was changed."), code="reason_required",
            fields={"reason": N_("Fill this in.")}, n=REASON_LENGTH,
        )  # fmt: skip
    return why


def _step(
    session: Session,
    activation: Activation,
    what: StepKind,
    to: ResponseGrade | None,
    *,
    person: str,
    why: str,
    decided_by: str,
    with_lower: bool,
) -> ActivationStep:
    step_id = new_id()
    step = ActivationStep(
        id=step_id, activation_id=activation.id, kind=activation.kind, what=what, state=StepState.WAITING,
        from_grade=None if what is StepKind.START else activation.grade, to_grade=to, with_lower=with_lower,
        decided_by=decided_by[:100], two_people=needs_two(session, activation.kind), proposed_by=person,
        proposed_at=now(session), version=1,
        reason_sealed=vault.of(session).seal("plan_activation_step", "reason", step_id, why),
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(step)
            session.flush()
    except IntegrityError as error:
        raise _waiting() from error
    return step


def _waiting() -> Conflict:
    return Conflict(N_("Another decision about this response is waiting. Settle that one first."), code="step_waiting")


def _carry_on(session: Session, activation: Activation, step: ActivationStep, plan: Plan, actor: Actor) -> None:
    if not step.two_people and actor.can(Permission.PLANS_DECIDE):
        _carry_out(session, activation, step, plan, actor=actor)
        return
    telling.ask_deciders(session, activation, step, plan)
    touch(session, "plan_activation", activation.id)


def change(
    session: Session,
    *,
    actor: Actor,
    activation_id: int,
    kind: ActivationKind,
    reason: str,
    to: ResponseGrade | None,
    with_lower: bool = True,
) -> ActivationStep:
    """Propose another level, or the end (`to` None); carried out at once where no second person is needed."""
    actor.require(Permission.PLANS_ACTIVATE)
    activation = locked(session, actor, activation_id)
    require_kind(activation, kind)
    why, person = needed_reason(reason), person_of(session, actor)
    waiting = session.scalar(
        sa.select(ActivationStep).where(
            ActivationStep.activation_id == activation.id, ActivationStep.state == StepState.WAITING
        )
    )
    if waiting is not None:
        if waiting.proposed_by == person and waiting.to_grade is to and waiting.what is not StepKind.START:
            return waiting
        raise _waiting()
    if activation.state is not ActivationState.RUNNING:
        raise Conflict(N_("This response does not run; nothing was changed."), code="not_running")
    what = StepKind.END if to is None else rules.direction(activation.grade, to)
    if what is None:
        raise Conflict(N_("The response stands at this level already."), code="same_level")
    level = None
    if to is not None:
        level = session.scalar(
            sa.select(ResponseLevel).where(
                ResponseLevel.version_id == activation.version_id, ResponseLevel.grade == to
            )
        )  # fmt: skip
        if level is None:
            raise Invalid(N_("The plan has no such level."), code="no_level", fields={"grade": "no_level"})
    plan = session.get_one(Plan, activation.plan_id)
    step = _step(
        session, activation, what, to, person=person, why=why, with_lower=with_lower,
        decided_by=(level.decided_by if level else decides(session, activation)) or plan.issuer,
    )  # fmt: skip
    _carry_on(session, activation, step, plan, actor)
    return step


def _step_of(
    session: Session, actor: Actor, step_id: int, kind: ActivationKind
) -> tuple[Activation, ActivationStep, Plan]:
    found = session.execute(
        sa.select(ActivationStep.activation_id).where(ActivationStep.id == step_id)
    ).scalar_one_or_none()
    if found is None:
        raise NotFound(N_("There is no such decision in your area."))
    activation = locked(session, actor, found)
    require_kind(activation, kind)
    step = session.scalars(
        sa.select(ActivationStep).where(ActivationStep.id == step_id).execution_options(populate_existing=True)
    ).one()
    return activation, step, session.get_one(Plan, activation.plan_id)


def decide(session: Session, *, actor: Actor, step_id: int, kind: ActivationKind) -> Activation:
    """Carry out what was proposed, by another person than who proposed it. Pressed twice, the second changes nothing.

    Raises 403 `four_eyes`, `out_of_scope`; 409 `kind_mismatch`, `wrong_state`, `plan_changed`.
    """
    activation, step, plan = _step_of(session, actor, step_id, kind)
    person = person_of(session, actor)
    if step.state is StepState.DONE and step.settled_by == person:
        return activation
    if step.two_people and step.proposed_by == person:
        raise Forbidden(
            N_("You proposed this: another person has to decide. Nothing was changed."), code="four_eyes"
        )  # fmt: skip
    actor.require(Permission.PLANS_DECIDE)
    _carry_out(session, activation, step, plan, actor=actor)
    return activation


def break_glass(session: Session, *, actor: Actor, step_id: int, kind: ActivationKind, reason: str) -> Activation:
    """A real response decided by the person who proposed it, because nobody else answers: a reason, and an alarm."""
    actor.require(Permission.PLANS_DECIDE)
    activation, step, plan = _step_of(session, actor, step_id, kind)
    if activation.kind is not ActivationKind.ACTUAL or not settings(session).break_glass:
        raise Forbidden(N_("Only a real response may be decided by one person alone."), code="four_eyes")
    if step.state is StepState.DONE and step.settled_by == person_of(session, actor):
        return activation
    why = needed_reason(reason)
    _carry_out(session, activation, step, plan, actor=actor, glass=why)
    telling.alarm(session, activation, step, plan, person_of(session, actor))
    return activation


def refuse(session: Session, *, actor: Actor, step_id: int, kind: ActivationKind, reason: str) -> Activation:
    """Not carried out, with the reason; who proposed it may take it back the same way."""
    activation, step, _plan = _step_of(session, actor, step_id, kind)
    person, why = person_of(session, actor), needed_reason(reason)
    mine = step.proposed_by == person
    if not mine:
        actor.require(Permission.PLANS_DECIDE)
    moment = now(session)
    transition(
        session, step, StepState.WITHDRAWN if mine else StepState.REFUSED, allowed=rules.STEP_TRANSITIONS,
        actor=actor,
        values={
            "settled_by": person, "settled_at": moment,
            "answer_sealed": vault.of(session).seal("plan_activation_step", "answer", step.id, why),
        },
    )  # fmt: skip
    if step.what is StepKind.START:
        transition(
            session, activation, ActivationState.NOT_STARTED, allowed=rules.ACTIVATION_TRANSITIONS, actor=actor,
            reason=why,
        )  # fmt: skip
    log(session, activation, EntryKind.STEP, step.id, actor=actor, text=why,
        data={"what": step.what.value, "state": step.state.value, "to": step.to_grade.value if step.to_grade else None})  # fmt: skip
    telling.close_decision(session, step)
    touch(session, "plan_activation", activation.id)
    return activation


def _carry_out(
    session: Session,
    activation: Activation,
    step: ActivationStep,
    plan: Plan,
    *,
    actor: Actor,
    glass: str | None = None,
) -> None:
    """State, checklist, messages, log and journal in the caller's one transaction: all of it, or nothing."""
    person, moment, before = person_of(session, actor), now(session), activation.grade
    version = session.get_one(PlanVersion, activation.version_id)
    if step.what is StepKind.START and (version.replaced_at is not None or plan.state not in _VALUES):
        raise Conflict(
            N_("The plan got another text after this was proposed. Withdraw it, read the new text, propose again."),
            code="plan_changed",
        )
    values: dict[str, object] = {"settled_by": person, "settled_at": moment, "break_glass": glass is not None}
    if glass is not None:
        values["answer_sealed"] = vault.of(session).seal("plan_activation_step", "answer", step.id, glass)
    transition(session, step, StepState.DONE, allowed=rules.STEP_TRANSITIONS, actor=actor, values=values)
    why = vault.of(session).open("plan_activation_step", "reason", step.id, step.reason_sealed)
    if step.what is StepKind.START:
        transition(
            session, activation, ActivationState.RUNNING, allowed=rules.ACTIVATION_TRANSITIONS, actor=actor,
            reason=why, values={"started_at": moment},
        )  # fmt: skip
    elif step.what is StepKind.END:
        transition(
            session, activation, ActivationState.ENDED, allowed=rules.ACTIVATION_TRANSITIONS, actor=actor,
            reason=why, values={"ended_at": moment},
        )  # fmt: skip
    elif step.to_grade is not None:
        transition(session, activation, step.to_grade, allowed=_GRADES, actor=actor, reason=why, field="grade")
    made = checklist.adapt(session, activation, step, actor=actor)
    log(
        session, activation, EntryKind.STEP, step.id, actor=actor, text=why,
        data={
            "what": step.what.value, "state": step.state.value, "from": before.value,
            "to": step.to_grade.value if step.to_grade else None, "added": len(made.added), "closed": made.closed,
            "alone": glass is not None,
        },
    )  # fmt: skip
    journal.record(
        session, DECIDED, actor=actor, subject=("plan_activation", activation.id), what=step.what.value,
        kind=activation.kind.value, to=step.to_grade.value if step.to_grade else None, plan=plan.id,
        break_glass=glass is not None, lines=len(made.added), **{"from": before.value},
    )  # fmt: skip
    telling.close_decision(session, step)
    telling.decided(session, activation, step, plan, made)
    _use_suggestions(session, activation, person)
    touch(session, "plan_activation", activation.id)
    touch(session, "plan", plan.id)


def _use_suggestions(session: Session, activation: Activation, person: str) -> None:
    """What asked for this level or a lower one has been answered."""
    reached = [g for g in ResponseGrade if not rules.graver(g, activation.grade)]
    session.execute(
        sa.update(ActivationSuggestion)
        .where(
            ActivationSuggestion.plan_id == activation.plan_id,
            ActivationSuggestion.kind == activation.kind,
            ActivationSuggestion.state == SuggestionState.OPEN,
            ActivationSuggestion.grade.in_(reached),
        )
        .values(state=SuggestionState.USED, settled_by=person, settled_at=now(session))
    )


def link_drill(
    session: Session, *, actor: Actor, activation_id: int, kind: ActivationKind, occurrence_id: int | None
) -> Activation:
    """Say which drill an exercise belongs to, also after it ended."""
    actor.require(Permission.PLANS_ACTIVATE)
    activation = locked(session, actor, activation_id)
    require_kind(activation, kind)
    if activation.kind is not ActivationKind.EXERCISE:
        raise Invalid(N_("A drill belongs to an exercise, never to a real response."), code="kind_mismatch")
    activation.occurrence_id = occurrence_id
    activation.version += 1
    session.flush()
    touch(session, "plan_activation", activation.id)
    return activation


__all__ = [
    "Proposal", "break_glass", "change", "decide", "get_activation", "link_drill", "needs_two", "person_of", "propose",
    "refuse",
]  # fmt: skip
