"""The act that verifies a number: who tried it, when, by which means, and what came of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import rules as contact_rules
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import PhoneState
from emergency.people.posts import holding
from emergency.people.posts.models import ActKind, Means, PostAct
from emergency.privacy import journal
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid
from kernel.states import transition

POST_VERIFIED = journal.kind("post.verified", "核实岗位号码", "Post's number verified", "result", "means", "division")


def verify(
    session: Session,
    *,
    actor: Actor,
    post_id: int,
    means: Means,
    result: ActKind = ActKind.VERIFIED,
    holder_id: int | None = None,
    at: datetime | None = None,
    note: str = "",
) -> PostAct:
    """Somebody tried the number: it is theirs, nobody answered, or it is wrong. Who, when and by which means is kept.

    Needs the right to edit posts, or to answer questions (a village officer who spoke to the neighbour).
    """
    if not actor.can(Permission.POSTS_EDIT):
        actor.require(Permission.QUESTIONS_ANSWER)
    if result not in (ActKind.VERIFIED, ActKind.NO_ANSWER, ActKind.WRONG_NUMBER):
        raise Invalid(N_("This is not the result of a verification."), code="unknown_choice")
    post = holding.in_scope(session, actor, post_id)
    people = holding.holders(session, [post.id]).get(post.id, [])
    person = next((p for p in people if (p.id == holder_id if holder_id else p.order == 0)), None)
    if person is None:
        raise Conflict(N_("Nobody holds this post: there is no number to verify."), code="post_vacant")
    moment = now(session)
    when = at or moment
    if when > moment:
        raise Invalid(N_("A verification cannot lie in the future."), code="in_the_future")
    if result is ActKind.VERIFIED:
        contacts.verify_number(session, actor=actor, contact_id=person.contact_id, means=means.value, at=when)
        person.verified_at = when
        holding.stamp(session, person.contact_id, when)
    elif result is ActKind.WRONG_NUMBER:
        _distrust(session, actor, person.contact_id)
        person.verified_at = None
        holding.stamp(session, person.contact_id, None)
    act = holding.note_act(session, actor, post, result, contact_id=person.contact_id, means=means, at=when, note=note)
    fields = {"result": result.value, "means": means.value, "division": post.division_code}
    journal.record(session, POST_VERIFIED, actor=actor, subject=("post", post.id), **fields)
    touch(session, "post", post.id)
    return act


def _distrust(session: Session, actor: Actor, contact_id: int) -> None:
    contact = contacts.get(session, contact_id)
    if contact.phone_state is PhoneState.VERIFIED:
        values = {"verified_at": None, "verified_by": None}
        transition(
            session, contact, PhoneState.UNVERIFIED, allowed=contact_rules.TRANSITIONS, actor=actor,
            field="phone_state", reason="wrong_number", values=values,
        )  # fmt: skip


def take_back_objection(session: Session, *, actor: Actor, post_id: int, holder_id: int, reason: str) -> int:
    """The holder showed that messages are wanted again: the post's number counts as not verified from now on.

    `reason` is what showed it; it is kept, sealed. Returns how many records with that number changed.
    """
    actor.require(Permission.POSTS_EDIT)
    post = holding.in_scope(session, actor, post_id)
    people = holding.holders(session, [post.id]).get(post.id, [])
    person = next((p for p in people if p.id == holder_id), None)
    contact = contacts.get(session, person.contact_id) if person is not None else None
    if contact is None or contact.phone_index is None:
        raise Conflict(N_("Nobody holds this post: there is no number to verify."), code="post_vacant")
    changed = contacts.opt_in(session, actor=actor, number_key=contact.phone_index, reason=reason)
    journal.record(
        session, journal.CHANGED, actor=actor, subject=("post", post.id), fields="messages",
        division=post.division_code,
    )  # fmt: skip
    touch(session, "post", post.id)
    return changed
