"""Writing a version: a new draft from the text in force, and saving it without overwriting anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import rules
from emergency.plans.models import (
    EvacuationRow,
    Part,
    PlanSection,
    PlanState,
    PlanVersion,
    Reliance,
    ResponseAction,
    ResponseGrade,
    ResponseLevel,
    VersionState,
)
from emergency.plans.phones import refuse_phones
from emergency.plans.queries import get_plan, get_version, in_force, version_parts
from kernel.db import now
from kernel.errors import N_, Conflict, Invalid
from kernel.ids import new_id
from kernel.states import transition


@dataclass(frozen=True)
class SectionText:
    """One section as written."""

    heading: str
    body: str = ""
    number: str = ""
    depth: int = 1
    part: Part | None = None


@dataclass(frozen=True)
class ActionText:
    """One act of a response level."""

    action: str
    post_id: int | None = None
    actor_words: str = ""
    within_minutes: int | None = None


@dataclass(frozen=True)
class LevelText:
    """A response level as written."""

    grade: ResponseGrade
    trigger: str
    decided_by: str = ""
    actions: Sequence[ActionText] = ()


@dataclass(frozen=True)
class EvacuationText:
    """One line of the evacuation list: exactly one of division, unit, household."""

    destination: str
    subject_code: str | None = None
    unit_id: int | None = None
    household_id: int | None = None
    people: int = 0
    route: str = ""
    means: str = ""
    post_id: int | None = None
    grade: ResponseGrade | None = None
    within_hours: int | None = None


@dataclass(frozen=True)
class RelianceText:
    """Something the text counts on: `post`, `item`, `depot`, `unit`, `agreement`."""

    kind: str
    ref_id: int
    quantity: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Draft:
    """The whole text of a version; None leaves that part as it is."""

    sections: Sequence[SectionText] | None = None
    levels: Sequence[LevelText] | None = None
    evacuation: Sequence[EvacuationText] | None = None
    reliances: Sequence[RelianceText] | None = None
    explanation: str | None = None


def new_draft(session: Session, *, actor: Actor, plan_id: int, based_on_id: int | None = None) -> PlanVersion:
    """Begin the next version: a copy of the text in force (or of the one named), under the parent's present version."""
    actor.require(Permission.PLANS_EDIT)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    open_id = session.scalar(
        sa.select(PlanVersion.id).where(PlanVersion.plan_id == plan.id, PlanVersion.state.in_(rules.IN_WORK))
    )
    if open_id is not None:
        raise Conflict(N_("A version of this plan is being worked on already. Go on with that one."), code="in_work")
    base = in_force(session, plan.id)
    if based_on_id is not None:
        base, _plan = get_version(session, actor=actor, version_id=based_on_id)
        if base.plan_id != plan.id:
            raise Invalid(N_("That version belongs to another plan."), code="bad_base")
    highest = session.scalar(sa.select(sa.func.max(PlanVersion.number)).where(PlanVersion.plan_id == plan.id)) or 0
    parent_version = in_force(session, plan.parent_id) if plan.parent_id else None
    moment = now(session)
    draft = PlanVersion(
        id=new_id(), plan_id=plan.id, number=highest + 1, state=VersionState.DRAFT,
        parent_version_id=parent_version.id if parent_version else None, based_on_id=base.id if base else None,
        author=str(actor), created_at=moment, edited_at=moment, version=1, explanation="",
    )  # fmt: skip
    session.add(draft)
    session.flush()
    if base is not None:
        _copy(session, base.id, draft.id)
    if plan.state is PlanState.IN_FORCE:
        transition(session, plan, PlanState.UNDER_REVISION, allowed=rules.PLAN_TRANSITIONS, actor=actor)
    return draft


def _copy(session: Session, from_id: int, to_id: int) -> None:
    parts = version_parts(session, from_id)
    _write_sections(session, to_id, [SectionText(s.heading, s.body, s.number, s.depth, s.part) for s in parts.sections])
    _write_levels(
        session, to_id,
        [
            LevelText(
                level.grade, level.trigger, level.decided_by,
                [ActionText(a.action, a.post_id, a.actor_words, a.within_minutes) for a in parts.actions[level.id]],
            )
            for level in parts.levels
        ],
    )  # fmt: skip
    _write_evacuation(
        session, to_id,
        [
            EvacuationText(
                row.destination, row.subject_code, row.unit_id, row.household_id, row.people, row.route, row.means,
                row.post_id, row.grade, row.within_hours,
            )
            for row in parts.evacuation
        ],
    )  # fmt: skip
    _write_reliances(session, to_id, [RelianceText(r.kind, r.ref_id, r.quantity, r.note) for r in parts.reliances])


def edit_draft(session: Session, *, actor: Actor, version_id: int, version: int, draft: Draft) -> PlanVersion:
    """Save a draft, if nobody else saved it since it was read (409 `version_conflict`, nothing overwritten)."""
    actor.require(Permission.PLANS_EDIT)
    row, plan = get_version(session, actor=actor, version_id=version_id)
    actor.require_covers(plan.division_code)
    if row.state is not VersionState.DRAFT:
        raise Conflict(N_("Only a draft can be edited; this one has been submitted."), code="wrong_state")
    _refuse_numbers(draft)
    changes: dict[str, Any] = {"version": PlanVersion.version + 1, "edited_at": now(session)}
    if draft.explanation is not None:
        changes["explanation"] = draft.explanation.strip()
    done = session.execute(
        sa.update(PlanVersion)
        .where(PlanVersion.id == row.id, PlanVersion.version == version, PlanVersion.state == VersionState.DRAFT)
        .values(**changes)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(
            N_("Somebody else saved this draft while you were writing. Your text is below; compare, then save again.")
        )
    session.refresh(row)
    if draft.sections is not None:
        _write_sections(session, row.id, draft.sections)
    if draft.levels is not None:
        _write_levels(session, row.id, draft.levels)
    if draft.evacuation is not None:
        _write_evacuation(session, row.id, draft.evacuation)
    if draft.reliances is not None:
        _write_reliances(session, row.id, draft.reliances)
    return row


def _refuse_numbers(draft: Draft) -> None:
    """A plan names posts; telephone numbers do not stand in it in clear."""
    texts = [(s.number, s.heading, s.body) for s in draft.sections or ()]
    texts += [("", level.grade.zh, f"{level.trigger}\n{level.decided_by}") for level in draft.levels or ()]
    texts += [("", "", f"{a.action}\n{a.actor_words}") for level in draft.levels or () for a in level.actions]
    texts += [("", "", f"{r.destination}\n{r.route}\n{r.means}") for r in draft.evacuation or ()]
    refuse_phones([*texts, ("", "", draft.explanation or "")])


def _write_sections(session: Session, version_id: int, sections: Sequence[SectionText]) -> None:
    session.execute(sa.delete(PlanSection).where(PlanSection.version_id == version_id))
    session.add_all(
        PlanSection(
            id=new_id(), version_id=version_id, position=position, depth=min(max(s.depth, 1), 6), number=s.number,
            heading=s.heading.strip()[:200], body=s.body.strip(), part=s.part,
        )
        for position, s in enumerate(sections, start=1)
    )  # fmt: skip
    session.flush()


def _write_levels(session: Session, version_id: int, levels: Sequence[LevelText]) -> None:
    if len({level.grade for level in levels}) != len(levels):
        raise Invalid(N_("Each response level appears once."), code="duplicate_level")
    held = sa.select(ResponseLevel.id).where(ResponseLevel.version_id == version_id)
    session.execute(
        sa.delete(ResponseAction).where(ResponseAction.level_id.in_(held)).execution_options(synchronize_session=False)
    )
    session.execute(sa.delete(ResponseLevel).where(ResponseLevel.version_id == version_id))
    for level in levels:
        row = ResponseLevel(
            id=new_id(), version_id=version_id, grade=level.grade, trigger=level.trigger.strip(),
            decided_by=level.decided_by.strip(),
        )  # fmt: skip
        session.add(row)
        session.flush()
        session.add_all(
            ResponseAction(
                id=new_id(), level_id=row.id, position=position, action=a.action.strip(), post_id=a.post_id,
                actor_words=a.actor_words.strip(), within_minutes=a.within_minutes,
            )
            for position, a in enumerate(level.actions, start=1)
        )  # fmt: skip
    session.flush()


def _write_evacuation(session: Session, version_id: int, rows: Sequence[EvacuationText]) -> None:
    session.execute(sa.delete(EvacuationRow).where(EvacuationRow.version_id == version_id))
    session.add_all(
        EvacuationRow(
            id=new_id(), version_id=version_id, position=position, subject_code=r.subject_code, unit_id=r.unit_id,
            household_id=r.household_id, people=r.people, destination=r.destination.strip(), route=r.route.strip(),
            means=r.means.strip(), post_id=r.post_id, grade=r.grade, within_hours=r.within_hours,
        )
        for position, r in enumerate(rows, start=1)
    )  # fmt: skip
    session.flush()


def _write_reliances(session: Session, version_id: int, rows: Sequence[RelianceText]) -> None:
    session.execute(sa.delete(Reliance).where(Reliance.version_id == version_id))
    session.add_all(
        Reliance(
            id=new_id(), version_id=version_id, kind=r.kind, ref_id=r.ref_id, quantity=r.quantity, note=r.note.strip()
        )
        for r in rows
    )
    session.flush()
