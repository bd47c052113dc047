"""Corrective actions: who mends a finding by when; done with proof, verified by another, reopened, dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import service as asking
from emergency.divisions.rules import in_scope
from emergency.drills import learning_nudges as nudges
from emergency.drills.learning_findings import PROOF, get_finding
from emergency.drills.learning_models import ActionState, CorrectiveAction, Finding, FindingState, ProofFile
from emergency.drills.learning_rules import ACTION_TRANSITIONS, workdays_after
from emergency.drills.models import Occurrence
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.people.posts import service as posts
from emergency.people.posts.models import Post, PostHolder, PostState
from emergency.privacy import journal, vault
from kernel.clock import BEIJING
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition
from scheduler.workdays import WorkCalendar

TABLE, FILE = CorrectiveAction.__tablename__, ProofFile.__tablename__
POSTPONED = journal.kind("drill.action_postponed", "整改措施延期", "Corrective action postponed", "before", "after")
PRESETS = (5, 10, 20, 60)
"""Working days that the form offers."""
MOST_BYTES = 8 * 1024 * 1024
KINDS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"), (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"),
)  # fmt: skip
"""What a proof may be, known by how the file begins; what it calls itself is not believed."""


@dataclass(frozen=True)
class Upload:
    """A file as it came."""

    name: str
    data: bytes


def _today(session: Session) -> date:
    return now(session).astimezone(BEIJING).date()


def presets(session: Session) -> list[tuple[int, date, bool]]:
    """The offered dates: working days from today, the day, whether the year's holidays are not announced yet."""
    calendar, today = WorkCalendar.load(session), _today(session)
    return [(days, *workdays_after(calendar, today, days)) for days in PRESETS]


def get_action(session: Session, *, actor: Actor, action_id: int) -> tuple[CorrectiveAction, Finding]:
    """An action of the actor's area with its finding, or 404."""
    actor.require(Permission.DRILLS_VIEW)
    row = session.execute(
        sa.select(CorrectiveAction, Finding)
        .join(Finding, Finding.id == CorrectiveAction.finding_id)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .where(CorrectiveAction.id == action_id, in_scope(Occurrence.division_code, actor))
    ).one_or_none()
    if row is None:
        raise NotFound(N_("There is no such corrective action."))
    return row[0], row[1]


def _for_change(session: Session, actor: Actor, action_id: int) -> CorrectiveAction:
    actor.require(Permission.DRILLS_EDIT)
    return get_action(session, actor=actor, action_id=action_id)[0]


def add_action(
    session: Session, *, actor: Actor, finding_id: int, text: str, owner_words: str = "", due_on: date,
    owner_post_id: int | None = None, starts_on: date | None = None,
) -> CorrectiveAction:  # fmt: skip
    """Who mends a finding by when: a post, which will be reminded, or words for somebody without one."""
    actor.require(Permission.DRILLS_EDIT)
    finding = get_finding(session, actor=actor, finding_id=finding_id)
    if finding.state is not FindingState.OPEN:
        raise Conflict(N_("The finding is closed; open it again first."), code="wrong_state")
    if not text.strip() or not (owner_words.strip() or owner_post_id):
        raise Invalid(N_("A corrective action needs words and an owner."), code="incomplete")
    if due_on < _today(session):
        raise Invalid(N_("The date lies in the past."), code="in_the_past", fields={"due_on": N_("In the past.")})
    if starts_on is not None and starts_on > due_on:
        raise Invalid(N_("It would be due before it begins."), code="bad_dates",
                      fields={"starts_on": N_("It would be due before it begins.")})  # fmt: skip
    _check_post(session, actor, owner_post_id)
    action = CorrectiveAction(
        id=new_id(), finding_id=finding.id, text=text.strip(), owner_words=owner_words.strip()[:100],
        owner_post_id=owner_post_id, starts_on=starts_on, due_on=due_on, state=ActionState.OPEN, version=1,
        created_by=str(actor),
    )  # fmt: skip
    session.add(action)
    session.flush()
    nudges.plan_steps(session, action)
    touch(session, TABLE, action.id)
    return action


def _check_post(session: Session, actor: Actor, post_id: int | None) -> None:
    if post_id is None:
        return
    post = posts.posts(session, [post_id]).get(post_id)
    if post is None or not actor.covers(post.division_code):
        raise Invalid(N_("Choose a post of your area."), code="bad_post", fields={"owner_post_id": N_("Choose one.")})


def owner_choices(session: Session, *, actor: Actor, occurrence_id: int, query: str = "") -> list[tuple[int, str]]:
    """Posts that may own an action: those of the drill's unit, its village and township, or what a search finds."""
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    code = occurrence.division_code
    words = query.split()[:4]
    statement = sa.select(Post.id).where(in_scope(Post.division_code, actor), Post.state != PostState.ABOLISHED)
    if words:
        # A township's word finds every post beneath it; the titles are then narrowed by all words together.
        found = list(session.scalars(statement.order_by(Post.division_code, Post.id).limit(3000)))
        named = posts.titles(session, found)
        hits = [(key, text) for key, text in named.items() if all(word in text for word in words)]
        return hits[:30]
    unit = Post.unit_id == occurrence.unit_id if occurrence.unit_id is not None else sa.false()
    here = sa.and_(Post.unit_id.is_(None), Post.division_code.in_([code, f"{code[:9]}000", f"{code[:6]}000000"]))
    order = sa.case((unit, 0), (Post.division_code == code, 1), else_=2)
    found = list(session.scalars(statement.where(sa.or_(unit, here)).order_by(order, Post.id).limit(30)))
    named = posts.titles(session, found)
    return [(key, named[key]) for key in found if key in named]


def _move(session: Session, actor: Actor, action: CorrectiveAction, to: ActionState, *, reason: str | None = None,
          values: dict[str, Any] | None = None) -> CorrectiveAction:  # fmt: skip
    transition(session, action, to, allowed=ACTION_TRANSITIONS, actor=actor, reason=reason, values=values or {})
    if to is ActionState.OPEN:
        nudges.plan_steps(session, action)
    else:
        nudges.stop(session, action)
        asking.close(session, (nudges.SUBJECT, action.id), actor=actor)
    touch(session, TABLE, action.id)
    return action


def finish_action(
    session: Session, *, actor: Actor, action_id: int, proof: str = "", upload: Upload | None = None,
    done_by: str | None = None,
) -> CorrectiveAction:  # fmt: skip
    """Done, with what proves it: words, a file (PDF, JPEG, PNG), or both; all sealed.

    `done_by` names who did it where that is not who types (`post:12`): whoever it is never verifies.
    """
    action = _for_change(session, actor, action_id)
    words = proof.strip()[:PROOF]
    if not words and upload is None:
        raise Invalid(N_("Say what proves that it was done."), code="proof_required")
    file_id = _keep(session, actor, upload) if upload is not None else None
    sealed = vault.of(session).seal(TABLE, "proof", action.id, words) if words else None
    values = {"proof_sealed": sealed, "proof_file_id": file_id, "done_at": now(session), "done_on": _today(session),
              "done_by": done_by or str(actor)}  # fmt: skip
    return _move(session, actor, action, ActionState.DONE, values=values)


def _keep(session: Session, actor: Actor, upload: Upload) -> int:
    if not upload.data or len(upload.data) > MOST_BYTES:
        raise Invalid(N_("The file is empty or larger than 8 MB."), code="bad_file",
                      fields={"file": N_("The file is empty or larger than 8 MB.")})  # fmt: skip
    media_type = next((kind for start, kind in KINDS if upload.data.startswith(start)), None)
    if media_type is None:
        raise Invalid(N_("A proof is a PDF, a JPEG or a PNG."), code="bad_file",
                      fields={"file": N_("A proof is a PDF, a JPEG or a PNG.")})  # fmt: skip
    store, file_id = vault.of(session), new_id()
    session.add(
        ProofFile(
            id=file_id, media_type=media_type, size=len(upload.data),
            name_sealed=store.seal(FILE, "name", file_id, upload.name[-120:] or "file"),
            data_sealed=store.seal_bytes(FILE, "data", file_id, upload.data),
            added_at=now(session), added_by=str(actor),
        )
    )  # fmt: skip
    session.flush()
    return file_id


def verify_action(session: Session, *, actor: Actor, action_id: int) -> CorrectiveAction:
    """Somebody else looked and it is so. Who did it never verifies it."""
    action = _for_change(session, actor, action_id)
    if action.done_by is not None and (action.done_by == str(actor) or _holds(session, actor, action.done_by)):
        raise Conflict(N_("Whoever did it does not verify it; ask a colleague."), code="same_person")
    return _move(session, actor, action, ActionState.VERIFIED,
                 values={"verified_at": now(session), "verified_by": str(actor)})  # fmt: skip


def _holds(session: Session, actor: Actor, key: str) -> bool:
    """Whether the account is a holder of the post of this key: `post:12` did it, and who holds post 12 is the same."""
    kind, _colon, number = key.partition(":")
    if kind != "post" or actor.kind != "account" or not number.isdecimal():
        return False
    held = sa.select(PostHolder.id).where(PostHolder.post_id == int(number), PostHolder.account_id == actor.id)
    return session.scalar(held.limit(1)) is not None


def reopen_action(session: Session, *, actor: Actor, action_id: int, reason: str, due_on: date | None = None
                  ) -> CorrectiveAction:  # fmt: skip
    """It is not so: it goes on, with the reason, and by another date where the old one is past."""
    action = _for_change(session, actor, action_id)
    _need(reason)
    wanted = due_on or action.due_on
    if due_on is not None and due_on < _today(session):
        raise Invalid(N_("The date lies in the past."), code="in_the_past", fields={"due_on": N_("In the past.")})
    values = {"proof": None, "proof_sealed": None, "proof_file_id": None, "done_at": None, "done_on": None,
              "done_by": None,
              "verified_at": None, "verified_by": None, "said": None, "said_at": None, "said_until": None,
              "said_question_id": None,
              "due_on": wanted}  # fmt: skip
    return _move(session, actor, action, ActionState.OPEN, reason=reason.strip()[:PROOF], values=values)


def drop_action(session: Session, *, actor: Actor, action_id: int, reason: str) -> CorrectiveAction:
    """No longer needed, with the reason; final."""
    action = _for_change(session, actor, action_id)
    _need(reason)
    return _move(session, actor, action, ActionState.DROPPED, reason=reason.strip()[:PROOF])


def postpone_action(session: Session, *, actor: Actor, action_id: int, due_on: date, reason: str) -> CorrectiveAction:
    """Another date, decided by the planner; the steps of the old one are taken back, new ones are made."""
    action = _for_change(session, actor, action_id)
    _need(reason)
    if action.state is not ActionState.OPEN:
        raise Conflict(N_("Only an action that is under way gets another date."), code="wrong_state")
    if due_on <= _today(session):
        raise Invalid(N_("The date lies in the past."), code="in_the_past", fields={"due_on": N_("In the past.")})
    nudges.stop(session, action)
    asking.close(session, (nudges.SUBJECT, action.id), actor=actor)
    before = action.due_on
    action.due_on, action.version = due_on, action.version + 1
    action.said = action.said_at = action.said_until = action.said_question_id = None
    session.flush()
    journal.record(session, POSTPONED, actor=actor, subject=(TABLE, action.id), before=before.isoformat(),
                   after=due_on.isoformat())  # fmt: skip
    nudges.plan_steps(session, action)
    touch(session, TABLE, action.id)
    return action


def _need(reason: str) -> None:
    if not reason.strip():
        raise Invalid(N_("Say why, so that the decision can be understood later."), code="reason_required")


def open_proof(session: Session, *, actor: Actor, action_id: int, purpose: journal.Purpose | str
               ) -> tuple[str, str, bytes]:  # fmt: skip
    """Name, type and content of a proof file, for a purpose; who looked is committed before it is opened."""
    actor.require(Permission.PERSONAL_REVEAL)
    action, finding = get_action(session, actor=actor, action_id=action_id)
    row = session.get(ProofFile, action.proof_file_id) if action.proof_file_id is not None else None
    if row is None:
        raise NotFound(N_("This file does not exist."))
    code = session.scalar(sa.select(Occurrence.division_code).where(Occurrence.id == finding.occurrence_id))
    contacts.journal_now(
        session, journal.REVEALED, actor=actor, subject=(TABLE, action.id), purpose=contacts.purpose_of(purpose),
        fields="proof_file", division=code,
    )  # fmt: skip
    store = vault.of(session)
    return (store.open(FILE, "name", row.id, row.name_sealed), row.media_type,
            store.open_bytes(FILE, "data", row.id, row.data_sealed))  # fmt: skip
