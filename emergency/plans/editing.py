"""Writing a draft piece by piece: one section, level, act, line or reliance at a time.

Whoever saves a piece says which words of it were read (`was`, a digest). A piece that somebody else saved meanwhile is
not overwritten: the writer gets both texts (`Stale`) and decides. Two people who write different pieces never meet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import picking
from emergency.plans.drafting import ActionText, EvacuationText, LevelText, RelianceText, SectionText
from emergency.plans.models import (
    EvacuationRow,
    Plan,
    PlanSection,
    PlanVersion,
    Reliance,
    ResponseAction,
    ResponseLevel,
    VersionState,
)
from emergency.plans.phones import refuse_phones
from emergency.plans.queries import get_version, in_force
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id

__all__ = [
    "PIECES", "Stale", "digest", "fields_of", "follow", "get_piece", "move", "one_subject", "remove", "save_action", "save_evacuation",
    "save_explanation", "save_level", "save_reliance", "save_section",
]  # fmt: skip

FIELDS: dict[Any, tuple[str, ...]] = {
    PlanSection: ("number", "heading", "body", "depth", "part"),
    ResponseLevel: ("grade", "trigger", "decided_by"),
    ResponseAction: ("action", "post_id", "actor_words", "within_minutes"),
    EvacuationRow: ("subject_code", "unit_id", "household_id", "people", "destination", "route", "means", "post_id",
                    "grade", "within_hours"),
    Reliance: ("kind", "ref_id", "quantity", "note"),
}  # fmt: skip
PIECES: dict[str, Any] = {
    "section": PlanSection, "level": ResponseLevel, "action": ResponseAction, "evacuation": EvacuationRow,
    "reliance": Reliance,
}  # fmt: skip


class Stale(Conflict):
    """Somebody else saved this piece since it was read. Nothing was overwritten; `stored` is what they saved."""

    def __init__(self, stored: Any):
        super().__init__(
            N_(
                "Somebody else saved this piece while you were writing. Nothing was overwritten: theirs and yours are "
                "shown below. Make one text of them, then save."
            )
        )
        self.stored = stored


def fields_of(row: Any) -> dict[str, Any]:
    """What one piece says, by field."""
    return {name: getattr(row, name) for name in FIELDS[type(row)]}


def digest(row: Any) -> str:
    """A mark of what one piece says; empty for a piece that is not there yet."""
    if row is None:
        return ""
    return hashlib.sha256(repr([str(value) for value in fields_of(row).values()]).encode()).hexdigest()[:20]


def _open(session: Session, actor: Actor, version_id: int) -> tuple[PlanVersion, Plan]:
    """The draft, held for this writer until the transaction ends: two savers stand in line."""
    actor.require(Permission.PLANS_EDIT)
    row, plan = get_version(session, actor=actor, version_id=version_id)
    actor.require_covers(plan.division_code)
    done = session.execute(
        sa.update(PlanVersion)
        .where(PlanVersion.id == row.id, PlanVersion.state == VersionState.DRAFT)
        .values(version=PlanVersion.version + 1, edited_at=now(session))
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(N_("Only a draft can be edited; this one has been submitted."), code="wrong_state")
    session.refresh(row)
    touch(session, "plan", plan.id)
    return row, plan


def get_piece(session: Session, version_id: int, kind: str, piece_id: int) -> Any:
    """One piece of a version as it is stored now. Raises NotFound where somebody removed it."""
    model = PIECES[kind]
    held = (
        sa.select(model)
        .join(ResponseLevel, ResponseLevel.id == ResponseAction.level_id)
        .where(ResponseLevel.version_id == version_id)
        if model is ResponseAction
        else sa.select(model).where(model.version_id == version_id)
    )
    row = session.scalar(held.where(model.id == piece_id).execution_options(populate_existing=True))
    if row is None:
        raise NotFound(N_("This piece of the text is not there any more; somebody removed it."), code="piece_gone")
    return row


def _stored(session: Session, version_id: int, kind: str, piece_id: int | None, was: str) -> Any:
    if piece_id is None:
        return None
    row = get_piece(session, version_id, kind, piece_id)
    if digest(row) != was:
        raise Stale(row)
    return row


def _siblings(session: Session, version_id: int, row: Any) -> list[Any]:
    model = type(row)
    owner = model.level_id == row.level_id if model is ResponseAction else model.version_id == version_id
    return list(session.scalars(sa.select(model).where(owner).order_by(model.position)))


def _reorder(session: Session, rows: Sequence[Any]) -> None:
    """Number the rows from 1 in this order; by way of negative places, because two may not share one."""
    for at, row in enumerate(rows, start=1):
        row.position = -at
    session.flush()
    for at, row in enumerate(rows, start=1):
        row.position = at
    session.flush()


def _last(session: Session, column: Any, *conditions: Any) -> int:
    return int(session.scalar(sa.select(sa.func.coalesce(sa.func.max(column), 0)).where(*conditions)) or 0)


def _write(row: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def save_section(
    session: Session,
    *,
    actor: Actor,
    version_id: int,
    text: SectionText,
    section_id: int | None = None,
    was: str = "",
    after_id: int | None = None,
) -> PlanSection:
    """Save one section, or add one behind `after_id` (at the end without). Telephone numbers are refused (422)."""
    _row, _plan = _open(session, actor, version_id)
    if not text.heading.strip():
        raise Invalid(
            N_("A section needs a heading."), code="incomplete", fields={"heading": N_("Fill this in.")}
        )  # fmt: skip
    refuse_phones([(text.number, text.heading, text.body)])
    values = {
        "number": text.number.strip()[:20], "heading": text.heading.strip()[:200],
        "body": text.body.replace("\r\n", "\n").strip(), "depth": min(max(text.depth, 1), 6), "part": text.part,
    }  # fmt: skip
    section: PlanSection | None = _stored(session, version_id, "section", section_id, was)
    if section is None:
        last = _last(session, PlanSection.position, PlanSection.version_id == version_id)
        section = PlanSection(id=new_id(), version_id=version_id, position=last + 1, **values)
        session.add(section)
        session.flush()
        if after_id is not None:
            rows = [row for row in _siblings(session, version_id, section) if row.id != section.id]
            at = next(
                (n for n, row in enumerate(rows, start=1) if row.id == after_id), 0 if after_id == 0 else len(rows)
            )
            _reorder(session, [*rows[:at], section, *rows[at:]])
    else:
        _write(section, values)
    session.flush()
    return section


def save_level(
    session: Session, *, actor: Actor, version_id: int, text: LevelText, level_id: int | None = None, was: str = ""
) -> ResponseLevel:
    """Save a response level without its acts; each grade stands once."""
    _open(session, actor, version_id)
    if not text.trigger.strip():
        raise Invalid(
            N_("Say what starts this level."), code="incomplete", fields={"trigger": N_("Fill this in.")}
        )  # fmt: skip
    refuse_phones([("", text.grade.zh, f"{text.trigger}\n{text.decided_by}")])
    level: ResponseLevel | None = _stored(session, version_id, "level", level_id, was)
    twin = session.scalar(
        sa.select(ResponseLevel).where(ResponseLevel.version_id == version_id, ResponseLevel.grade == text.grade)
    )
    if twin is not None and (level is None or twin.id != level.id):
        raise Invalid(N_("Each response level appears once."), code="duplicate_level")
    values = {"grade": text.grade, "trigger": text.trigger.strip(), "decided_by": text.decided_by.strip()}
    if level is None:
        level = ResponseLevel(id=new_id(), version_id=version_id, **values)
        session.add(level)
    else:
        _write(level, values)
    session.flush()
    return level


def save_action(
    session: Session,
    *,
    actor: Actor,
    version_id: int,
    level_id: int,
    text: ActionText,
    action_id: int | None = None,
    was: str = "",
) -> ResponseAction:
    """Save one act of a level; who acts is a post, or words where no post is named."""
    _open(session, actor, version_id)
    get_piece(session, version_id, "level", level_id)
    if not text.action.strip():
        raise Invalid(N_("Say what is done."), code="incomplete", fields={"action": N_("Fill this in.")})
    if text.within_minutes is not None and text.within_minutes < 0:
        raise Invalid(N_("A time is not negative."), code="bad_number")
    refuse_phones([("", "", f"{text.action}\n{text.actor_words}")])
    if text.post_id:
        picking.check(session, actor=actor, kind="post", key=str(text.post_id))
    action: ResponseAction | None = _stored(session, version_id, "action", action_id, was)
    values = {
        "action": text.action.strip(), "post_id": text.post_id, "actor_words": text.actor_words.strip()[:100],
        "within_minutes": text.within_minutes,
    }  # fmt: skip
    if action is None:
        last = _last(session, ResponseAction.position, ResponseAction.level_id == level_id)
        action = ResponseAction(id=new_id(), level_id=level_id, position=last + 1, **values)
        session.add(action)
    else:
        _write(action, values)
    session.flush()
    return action


def one_subject(text: EvacuationText) -> tuple[str, Any]:
    """Whom a line of the evacuation list names, by kind and key. Raises Invalid unless it is exactly one."""
    subjects = [
        (kind, key)
        for kind, key in (("division", text.subject_code), ("unit", text.unit_id), ("household", text.household_id))
        if key
    ]
    if len(subjects) != 1 or not text.destination.strip():
        raise Invalid(
            N_("A line of the list names exactly one village, unit or household, and where it goes."),
            code="incomplete",
            fields={} if text.destination.strip() else {"destination": N_("Fill this in.")},
        )
    return subjects[0]


def save_evacuation(
    session: Session,
    *,
    actor: Actor,
    version_id: int,
    text: EvacuationText,
    row_id: int | None = None,
    was: str = "",
) -> EvacuationRow:
    """Save one line of the evacuation list: exactly one division, unit or household."""
    _open(session, actor, version_id)
    subject = one_subject(text)
    if text.people < 0 or (text.within_hours is not None and text.within_hours < 0):
        raise Invalid(N_("A number of people or hours is not negative."), code="bad_number")
    picking.check(session, actor=actor, kind=subject[0], key=str(subject[1]))
    if text.post_id:
        picking.check(session, actor=actor, kind="post", key=str(text.post_id))
    refuse_phones([("", "", f"{text.destination}\n{text.route}\n{text.means}")])
    row: EvacuationRow | None = _stored(session, version_id, "evacuation", row_id, was)
    values = {
        "subject_code": text.subject_code or None, "unit_id": text.unit_id or None,
        "household_id": text.household_id or None, "people": text.people,
        "destination": text.destination.strip()[:200], "route": text.route.strip(), "means": text.means.strip()[:100],
        "post_id": text.post_id or None, "grade": text.grade, "within_hours": text.within_hours,
    }  # fmt: skip
    if row is None:
        last = _last(session, EvacuationRow.position, EvacuationRow.version_id == version_id)
        row = EvacuationRow(id=new_id(), version_id=version_id, position=last + 1, **values)
        session.add(row)
    else:
        _write(row, values)
    session.flush()
    return row


def save_reliance(
    session: Session,
    *,
    actor: Actor,
    version_id: int,
    text: RelianceText,
    row_id: int | None = None,
    was: str = "",
) -> Reliance:
    """Save one thing that the text counts on; each stands once."""
    _open(session, actor, version_id)
    if text.kind not in ("post", "item", "depot", "unit", "agreement"):
        raise Invalid(N_("“%(value)s” is not one of the choices."), code="unknown_choice", value=text.kind[:40])
    picking.check(session, actor=actor, kind=text.kind, key=str(text.ref_id))
    if text.quantity is not None and text.quantity < 1:
        raise Invalid(N_("A quantity is at least 1, or empty."), code="bad_number")
    refuse_phones([("", "", text.note)])
    row: Reliance | None = _stored(session, version_id, "reliance", row_id, was)
    twin = session.scalar(
        sa.select(Reliance.id).where(
            Reliance.version_id == version_id, Reliance.kind == text.kind, Reliance.ref_id == text.ref_id
        )
    )
    if twin is not None and (row is None or twin != row.id):
        raise Invalid(N_("This stands in the list already."), code="duplicate")
    values = {"kind": text.kind, "ref_id": text.ref_id, "quantity": text.quantity, "note": text.note.strip()[:200]}
    if row is None:
        row = Reliance(id=new_id(), version_id=version_id, **values)
        session.add(row)
    else:
        _write(row, values)
    session.flush()
    return row


def remove(session: Session, *, actor: Actor, version_id: int, kind: str, piece_id: int, was: str) -> None:
    """Take a piece out, if it still says what was read; a level goes with its acts."""
    _open(session, actor, version_id)
    row = _stored(session, version_id, kind, piece_id, was)
    if isinstance(row, ResponseLevel):
        session.execute(sa.delete(ResponseAction).where(ResponseAction.level_id == row.id))
    session.delete(row)
    session.flush()
    if not isinstance(row, (ResponseLevel, Reliance)):
        _reorder(session, _siblings(session, version_id, row))


def move(session: Session, *, actor: Actor, version_id: int, kind: str, piece_id: int, by: int) -> None:
    """Move a section, act or line by places among its like (negative: up)."""
    _open(session, actor, version_id)
    row = get_piece(session, version_id, kind, piece_id)
    if not hasattr(row, "position"):
        raise Invalid(N_("This piece has no place of its own."), code="no_place")
    rows = _siblings(session, version_id, row)
    at = next(n for n, other in enumerate(rows) if other.id == row.id)
    to = min(max(at + by, 0), len(rows) - 1)
    rows.insert(to, rows.pop(at))
    _reorder(session, rows)


def save_explanation(session: Session, *, actor: Actor, version_id: int, explanation: str, was: str) -> PlanVersion:
    """Save the explanation that is filed with the text; `was` is the one that was read."""
    row, _plan = _open(session, actor, version_id)
    refuse_phones([("", "", explanation)])
    if row.explanation.strip() != was.replace("\r\n", "\n").strip():
        raise Stale(row)
    row.explanation = explanation.replace("\r\n", "\n").strip()
    session.flush()
    return row


def follow(session: Session, *, actor: Actor, version_id: int) -> PlanVersion:
    """The draft is written under the parent plan's version that is in force now."""
    row, plan = _open(session, actor, version_id)
    above = in_force(session, plan.parent_id) if plan.parent_id else None
    row.parent_version_id = above.id if above else None
    session.flush()
    return row
