"""Who holds a post: holder and deputies, and the post's history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as division_rules
from emergency.divisions import service as divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts import bulk, rules
from emergency.people.posts.models import ActKind, Duty, Means, Post, PostAct, PostHolder, PostState
from emergency.privacy import journal, vault
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

ACT = "post_act"
POST_CHANGED = journal.kind("post.changed", "岗位变更", "Post changed", "what", "division", "duty")
_CHUNK = 500


def get_post(session: Session, *, actor: Actor, post_id: int) -> Post:
    """One post in the actor's scope; outside it there is none (404)."""
    actor.require(Permission.POSTS_VIEW)
    return in_scope(session, actor, post_id)


def in_scope(session: Session, actor: Actor, post_id: int) -> Post:
    """One post that the actor may see, or 404; the caller has asked for the permission."""
    post = session.scalar(sa.select(Post).where(Post.id == post_id, division_rules.in_scope(Post.division_code, actor)))
    if post is None:
        raise NotFound(N_("There is no such post in your area."), code="post_not_found")
    return post


def _editable(session: Session, actor: Actor, post_id: int) -> Post:
    actor.require(Permission.POSTS_EDIT)
    return in_scope(session, actor, post_id)


def holders(session: Session, post_ids: Iterable[int]) -> dict[int, list[PostHolder]]:
    """Holder (order 0) and deputies by post id, in the order in which they are called."""
    wanted = sorted(set(post_ids))
    found: dict[int, list[PostHolder]] = {}
    for start in range(0, len(wanted), _CHUNK):
        part = sa.select(PostHolder).where(PostHolder.post_id.in_(wanted[start : start + _CHUNK]))
        for person in session.scalars(part.order_by(PostHolder.post_id, PostHolder.order)):
            found.setdefault(person.post_id, []).append(person)
    return found


def history(session: Session, post_id: int, limit: int = 50) -> list[tuple[PostAct, str]]:
    """What was done to a post, newest first, with its note opened. The page that shows it has been journalled."""
    store = vault.of(session)
    acts = session.scalars(
        sa.select(PostAct).where(PostAct.post_id == post_id).order_by(PostAct.id.desc()).limit(limit)
    )
    return [(act, store.open(ACT, "note", act.id, act.note_sealed) if act.note_sealed else "") for act in acts]


def create_post(
    session: Session,
    *,
    actor: Actor,
    division_code: str,
    duty: Duty,
    title: str = "",
    unit_id: int | None = None,
    responsible: bool | None = None,
) -> Post:
    """Found a post in the actor's scope; it is vacant until somebody holds it. One duty once a place."""
    actor.require(Permission.POSTS_EDIT)
    actor.require_covers(division_code)
    divisions.get(session, division_code)
    if unit_id is not None and divisions.get_unit(session, actor=actor, unit_id=unit_id).division_code != division_code:
        raise Invalid(N_("The unit does not stand in this division."), code="unit_elsewhere")
    same_place = Post.unit_id.is_(None) if unit_id is None else Post.unit_id == unit_id
    if session.scalar(sa.select(Post.id).where(Post.division_code == division_code, Post.duty == duty, same_place)):
        raise Conflict(
            N_("This place already has the post “%(duty)s”. Change its holder instead."),
            code="post_exists",
            duty=duty.zh,
        )
    post = Post(
        id=new_id(),
        division_code=division_code,
        duty=duty,
        title=title.strip()[:60],
        unit_id=unit_id,
        responsible=duty in rules.CALLED_FIRST if responsible is None else responsible,
        state=PostState.VACANT,
        version=1,
    )
    session.add(post)
    session.flush()
    _tell(session, actor, post, "created")
    return post


def edit_post(session: Session, *, actor: Actor, post_id: int, title: str, responsible: bool) -> Post:
    """Correct what office holds the post and whether a warning calls it first."""
    post = _editable(session, actor, post_id)
    if (post.title, post.responsible) != (title.strip()[:60], responsible):
        post.title, post.responsible = title.strip()[:60], responsible
        note_act(session, actor, post, ActKind.EDITED)
        _tell(session, actor, post, "edited")
    return post


def set_holder(
    session: Session,
    *,
    actor: Actor,
    post_id: int,
    name: str = "",
    phone: str = "",
    reason: str = "",
    contact_id: int | None = None,
    account_id: int | None = None,
) -> PostHolder:
    """Another person takes the post. The number counts as not verified until somebody has spoken to them.

    Give a name and a number, or the contact of somebody who is known already (a resident, an account).
    """
    post = _editable(session, actor, post_id)
    if contact_id is None:
        contact_id = _new_contact(session, name, phone)
    people = holders(session, [post.id]).get(post.id, [])
    leaving = [p for p in people if p.order == 0 or p.contact_id == contact_id]
    if any(p.order == 0 and p.contact_id == contact_id for p in leaving):
        raise Conflict(N_("This person already holds the post."), code="already_holder")
    _remove(session, leaving)
    person = _add(session, post, contact_id, 0, account_id)
    _renumber(session, post.id)
    if post.state is not PostState.HELD:
        transition(session, post, PostState.HELD, allowed=rules.TRANSITIONS, actor=actor, reason=reason or None)
    post.verified_at = session.scalar(sa.select(Contact.verified_at).where(Contact.id == contact_id))
    note_act(session, actor, post, ActKind.HOLDER_CHANGED, contact_id=contact_id, note=reason)
    _tell(session, actor, post, "holder")
    return person


def release(session: Session, *, actor: Actor, post_id: int, reason: str) -> Post:
    """The holder leaves and nobody follows yet: the post is vacant, deputies stay."""
    post = _editable(session, actor, post_id)
    transition(session, post, PostState.VACANT, allowed=rules.TRANSITIONS, actor=actor, reason=reason or None)
    _remove(session, [p for p in holders(session, [post.id]).get(post.id, []) if p.order == 0])
    post.verified_at = None
    _tell(session, actor, post, "released")
    return post


def abolish(session: Session, *, actor: Actor, post_id: int, reason: str) -> Post:
    """The duty does not exist here any more; nobody is called for it, its history stays."""
    post = _editable(session, actor, post_id)
    transition(session, post, PostState.ABOLISHED, allowed=rules.TRANSITIONS, actor=actor, reason=reason or None)
    _remove(session, holders(session, [post.id]).get(post.id, []))
    post.verified_at = None
    _tell(session, actor, post, "abolished")
    return post


def restore(session: Session, *, actor: Actor, post_id: int, reason: str = "") -> Post:
    """The duty exists again, vacant."""
    post = _editable(session, actor, post_id)
    transition(session, post, PostState.VACANT, allowed=rules.TRANSITIONS, actor=actor, reason=reason or None)
    _tell(session, actor, post, "restored")
    return post


def add_deputy(
    session: Session,
    *,
    actor: Actor,
    post_id: int,
    name: str = "",
    phone: str = "",
    contact_id: int | None = None,
    account_id: int | None = None,
) -> PostHolder:
    """One more deputy, called after those that are there."""
    post = _editable(session, actor, post_id)
    people = holders(session, [post.id]).get(post.id, [])
    if post.state is PostState.ABOLISHED:
        raise Conflict(N_("This post is abolished. Restore it first."), code="wrong_state")
    if sum(p.order > 0 for p in people) >= rules.MAX_DEPUTIES:
        raise Conflict(N_("A post has at most %(n)s deputies."), code="too_many_deputies", n=rules.MAX_DEPUTIES)
    if contact_id is None:
        contact_id = _new_contact(session, name, phone)
    if any(p.contact_id == contact_id for p in people):
        raise Conflict(N_("This person already holds the post."), code="already_holder")
    order = max((p.order for p in people), default=0) + 1
    person = _add(session, post, contact_id, order, account_id)
    note_act(session, actor, post, ActKind.DEPUTY_ADDED, contact_id=contact_id)
    _tell(session, actor, post, "deputy")
    return person


def remove_deputy(session: Session, *, actor: Actor, post_id: int, holder_id: int) -> Post:
    """A deputy leaves; those after move up."""
    post = _editable(session, actor, post_id)
    person = _person(session, post, holder_id)
    if person.order == 0:
        raise Conflict(
            N_("This person is the holder. Change the holder, or declare the post vacant."), code="is_holder"
        )
    contact_id = person.contact_id
    _remove(session, [person])
    _renumber(session, post.id)
    note_act(session, actor, post, ActKind.DEPUTY_REMOVED, contact_id=contact_id)
    _tell(session, actor, post, "deputy")
    return post


def replace_deputy(
    session: Session,
    *,
    actor: Actor,
    post_id: int,
    holder_id: int,
    name: str = "",
    phone: str = "",
    contact_id: int | None = None,
) -> PostHolder:
    """Another person takes a deputy's place in the order."""
    post = _editable(session, actor, post_id)
    person = _person(session, post, holder_id)
    order = person.order
    if contact_id is None:
        contact_id = _new_contact(session, name, phone)
    if any(p.contact_id == contact_id for p in holders(session, [post.id]).get(post.id, [])):
        raise Conflict(N_("This person already holds the post."), code="already_holder")
    _remove(session, [person])
    replaced = _add(session, post, contact_id, order, None)
    note_act(session, actor, post, ActKind.DEPUTY_ADDED, contact_id=contact_id)
    _tell(session, actor, post, "deputy")
    return replaced


def promote(session: Session, *, actor: Actor, post_id: int, holder_id: int, reason: str) -> PostHolder:
    """A deputy becomes the holder; the old holder leaves the post."""
    post = _editable(session, actor, post_id)
    person = _person(session, post, holder_id)
    return set_holder(
        session, actor=actor, post_id=post.id, reason=reason, contact_id=person.contact_id, account_id=person.account_id
    )


def correct(
    session: Session, *, actor: Actor, post_id: int, holder_id: int, name: str = "", phone: str = ""
) -> PostHolder:
    """Correct a name or a number once, for every post and record of the same person. Empty leaves that part."""
    post = _editable(session, actor, post_id)
    person = _person(session, post, holder_id)
    before = _phone_key(session, person.contact_id)
    contacts.change(
        session,
        actor=actor,
        contact_id=person.contact_id,
        name=name or contacts.KEEP,
        phone=phone or contacts.KEEP,
        division_code=post.division_code,
    )
    if _phone_key(session, person.contact_id) != before:
        person.verified_at = None
        stamp(session, person.contact_id, None)
        note_act(session, actor, post, ActKind.NUMBER_CHANGED, contact_id=person.contact_id)
    _tell(session, actor, post, "corrected")
    return person


def stamp(session: Session, contact_id: int, at: datetime | None) -> None:
    """One number verified is verified for every post that it answers for."""
    held = sa.select(PostHolder.post_id).where(PostHolder.contact_id == contact_id, PostHolder.order == 0)
    session.flush()
    session.execute(sa.update(Post).where(Post.id.in_(held)).values(verified_at=at))


def _phone_key(session: Session, contact_id: int) -> tuple[bytes | None, PhoneState]:
    contact = contacts.get(session, contact_id)
    return contact.phone_index, contact.phone_state


def _new_contact(session: Session, name: str, phone: str) -> int:
    if not name.strip():
        raise Invalid(N_("Write down who it is."), code="name_missing", fields={"name": N_("Fill this in.")})
    known = bulk.same_person(session, name, phone)
    return known if known is not None else contacts.create(session, name=name, phone=phone).id


def _person(session: Session, post: Post, holder_id: int) -> PostHolder:
    person = session.get(PostHolder, holder_id)
    if person is None or person.post_id != post.id:
        raise NotFound(N_("This person does not hold the post any more."), code="holder_not_found")
    return person


def _add(session: Session, post: Post, contact_id: int, order: int, account_id: int | None) -> PostHolder:
    person = PostHolder(
        id=new_id(),
        post_id=post.id,
        contact_id=contact_id,
        order=order,
        account_id=account_id,
        since=now(session),
        verified_at=None,
    )
    session.add(person)
    session.flush()
    return person


def _remove(session: Session, people: Iterable[PostHolder]) -> None:
    for person in people:
        session.delete(person)
    session.flush()


def _renumber(session: Session, post_id: int) -> None:
    """Close the gaps among the deputies; moving down one by one never collides."""
    deputies = [p for p in holders(session, [post_id]).get(post_id, []) if p.order > 0]
    for order, person in enumerate(deputies, start=1):
        if person.order != order:
            person.order = order
            session.flush()


def note_act(
    session: Session,
    actor: Actor,
    post: Post,
    kind: ActKind,
    *,
    contact_id: int | None = None,
    means: Means | None = None,
    at: datetime | None = None,
    note: str = "",
) -> PostAct:
    """Add one line to the post's history; the note is sealed."""
    act_id = new_id()
    act = PostAct(
        id=act_id,
        post_id=post.id,
        contact_id=contact_id,
        kind=kind,
        means=means,
        at=at or now(session),
        actor=str(actor),
        note_sealed=vault.of(session).seal(ACT, "note", act_id, note.strip()[:500]) if note.strip() else None,
    )
    session.add(act)
    session.flush()
    return act


def _tell(session: Session, actor: Actor, post: Post, what: str) -> None:
    session.flush()
    fields = {"what": what, "division": post.division_code, "duty": post.duty.value}
    journal.record(session, POST_CHANGED, actor=actor, subject=("post", post.id), **fields)
    touch(session, "post", post.id)
