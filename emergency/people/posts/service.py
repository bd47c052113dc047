"""Use cases of posts: who holds what, whom a warning calls, who is asked when nobody answers.

Changes to holders are in `holding`, the duty roster in `roster`; both are offered here under the room's one door.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as division_rules
from emergency.divisions import service as divisions
from emergency.http.actor import Actor
from emergency.http.paging import Page, paginate
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.contacts.service import MaskedContact, Revealed
from emergency.people.posts import numbers, rules
from emergency.people.posts.audience import recipients
from emergency.people.posts.holding import (
    abolish,
    add_deputy,
    correct,
    create_post,
    edit_post,
    get_post,
    history,
    holders,
    promote,
    release,
    remove_deputy,
    replace_deputy,
    restore,
    set_holder,
)
from emergency.people.posts.models import Duty, Post, PostAct, PostHolder, PostState
from emergency.people.posts.roster import (
    cancel_shift,
    confirm,
    get_shift,
    hand_over,
    note_of,
    on_duty,
    plan_shift,
    shifts,
)
from emergency.people.posts.verification import take_back_objection, verify
from emergency.privacy import journal
from kernel.db import now
from kernel.errors import N_, Invalid, NotFound

__all__ = [
    "PostRow",
    "abolish",
    "add_deputy",
    "cancel_shift",
    "confirm",
    "contact_of",
    "correct",
    "count_faults",
    "count_posts",
    "create_post",
    "edit_post",
    "find_posts",
    "get_post",
    "get_shift",
    "hand_over",
    "history",
    "holders",
    "list_posts",
    "note_of",
    "numbers",
    "on_duty",
    "plan_shift",
    "post_view",
    "posts",
    "promote",
    "recipients",
    "release",
    "remove_deputy",
    "replace_deputy",
    "restore",
    "reveal_holder",
    "set_holder",
    "shifts",
    "superior_of",
    "take_back_objection",
    "titles",
    "verify",
]  # fmt: skip

_CHUNK = 500


@dataclass(frozen=True)
class PostRow:
    """One post as lists show it: where, what, who (masked), and what is wrong."""

    post: Post
    place: str
    holder: MaskedContact | None
    contact_id: int | None
    deputies: int
    verified_at: datetime | None
    fault: rules.Fault | None

    @property
    def id(self) -> int:
        """The post's id."""
        return self.post.id

    @property
    def division_code(self) -> str:
        """Where it is."""
        return self.post.division_code

    @property
    def duty(self) -> Duty:
        """What it is."""
        return self.post.duty


def _fault_condition(fault: rules.Fault, moment: datetime) -> sa.ColumnElement[bool]:
    usable = Contact.phone_state.in_((PhoneState.UNVERIFIED, PhoneState.VERIFIED))
    held = Post.state == PostState.HELD
    unverified = sa.or_(Contact.phone_state == PhoneState.UNVERIFIED, Contact.verified_at.is_(None))
    conditions: dict[rules.Fault, sa.ColumnElement[bool]] = {
        rules.Fault.VACANT: Post.state == PostState.VACANT,
        rules.Fault.NO_NUMBER: sa.and_(held, Contact.phone_state.in_((PhoneState.INVALID, PhoneState.NONE))),
        rules.Fault.OPTED_OUT: sa.and_(held, Contact.phone_state == PhoneState.OPTED_OUT),
        rules.Fault.UNVERIFIED: sa.and_(held, usable, unverified),
        rules.Fault.STALE: sa.and_(held, usable, ~unverified, Contact.verified_at < moment - rules.VERIFY_AFTER),
    }
    return conditions[fault]


def _with_holder(statement: sa.Select[Any]) -> sa.Select[Any]:
    return statement.outerjoin(PostHolder, sa.and_(PostHolder.post_id == Post.id, PostHolder.order == 0)).outerjoin(
        Contact, Contact.id == PostHolder.contact_id
    )


def _chosen(
    session: Session,
    statement: sa.Select[Any],
    actor: Actor,
    *,
    within: str | None = None,
    duty: Duty | str | None = None,
    fault: rules.Fault | str | None = None,
    unit_id: int | None = None,
    abolished: bool = False,
) -> sa.Select[Any]:
    statement = _with_holder(statement).where(division_rules.in_scope(Post.division_code, actor))
    if not abolished:
        statement = statement.where(Post.state != PostState.ABOLISHED)
    if within:
        if not division_rules.is_code(within):
            raise Invalid(N_("A division code has 12 digits."), code="division_code_invalid")
        statement = statement.where(division_rules.within(Post.division_code, within))
    if duty:
        wanted = duty if isinstance(duty, Duty) else rules.read_duty(duty)
        if wanted is None:
            raise Invalid(N_("“%(value)s” is not one of the choices."), code="unknown_choice", value=str(duty)[:40])
        statement = statement.where(Post.duty == wanted)
    if unit_id is not None:
        statement = statement.where(Post.unit_id == unit_id)
    if fault:
        moment = now(session)
        if str(fault) == "any":
            statement = statement.where(sa.or_(*(_fault_condition(f, moment) for f in rules.Fault)))
        else:
            try:
                chosen = rules.Fault(str(fault))
            except ValueError as error:
                raise Invalid(
                    N_("“%(value)s” is not one of the choices."), code="unknown_choice", value=str(fault)[:40]
                ) from error
            statement = statement.where(_fault_condition(chosen, moment))
    return statement


def list_posts(
    session: Session,
    *,
    actor: Actor,
    within: str | None = None,
    duty: Duty | str | None = None,
    fault: rules.Fault | str | None = None,
    unit_id: int | None = None,
    abolished: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[PostRow]:
    """One page of the posts in the actor's scope, by division; names and numbers masked, journalled once.

    `fault` is one of `rules.Fault` or `any`.
    """
    actor.require(Permission.POSTS_VIEW)
    chosen = _chosen(
        session, sa.select(Post), actor, within=within, duty=duty, fault=fault, unit_id=unit_id, abolished=abolished
    )
    page = paginate(session, chosen, key=[Post.division_code, Post.id], cursor=cursor, limit=limit)
    rows = describe(session, page.items)
    shown = sum(1 for row in rows if row.holder is not None)
    if shown and not actor.is_system:
        journal.record(
            session, journal.LISTED, actor=actor, list="posts", count=shown, division=within or actor.division_code
        )
    return Page(rows, page.next_cursor)


def count_posts(session: Session, *, actor: Actor, **chosen: Any) -> int:
    """How many posts the same choice makes."""
    statement = _chosen(session, sa.select(sa.func.count()).select_from(Post), actor, **chosen)
    return session.scalar(statement) or 0


def count_faults(session: Session, *, actor: Actor, within: str | None = None) -> dict[rules.Fault, int]:
    """How many posts of the scope have each fault; one query."""
    moment = now(session)
    sums = [
        sa.func.sum(sa.case((_fault_condition(fault, moment), 1), else_=0)).label(fault.value) for fault in rules.Fault
    ]
    statement = _with_holder(sa.select(*sums).select_from(Post)).where(
        division_rules.in_scope(Post.division_code, actor)
    )
    if within:
        statement = statement.where(division_rules.within(Post.division_code, within))
    row = session.execute(statement).one()
    return {fault: int(getattr(row, fault.value) or 0) for fault in rules.Fault}


def describe(session: Session, posts_: Sequence[Post]) -> list[PostRow]:
    """Posts as lists show them. Three queries whatever their number."""
    held = holders(session, [post.id for post in posts_])
    first = {post_id: people[0].contact_id for post_id, people in held.items() if people and people[0].order == 0}
    masked = contacts.masked(session, first.values())
    stored = numbers.rows(session, first.values())
    places = divisions.names(session, [post.division_code for post in posts_])
    unit_names = divisions.unit_names(session, [post.unit_id for post in posts_ if post.unit_id is not None])
    moment = now(session)
    rows = []
    for post in posts_:
        contact_id = first.get(post.id)
        contact = stored.get(contact_id) if contact_id is not None else None
        place = places.get(post.division_code, post.division_code)
        rows.append(
            PostRow(
                post=post,
                place=unit_names.get(post.unit_id or 0, place),
                holder=masked.get(contact_id) if contact_id is not None else None,
                contact_id=contact_id,
                deputies=sum(1 for person in held.get(post.id, []) if person.order > 0),
                verified_at=contact.verified_at if contact else None,
                fault=rules.fault(
                    post.state,
                    contact.phone_state if contact else None,
                    contact.verified_at if contact else None,
                    moment,
                ),
            )
        )
    return rows


@dataclass(frozen=True)
class PersonRow:
    """Holder or deputy as the record shows them, masked."""

    id: int
    order: int
    contact_id: int
    masked: MaskedContact
    since: datetime
    verified_at: datetime | None

    @property
    def words(self) -> str:
        """For a choice on a form."""
        return f"{self.masked.name} {self.masked.phone}".strip()


@dataclass(frozen=True)
class PostView:
    """One post with its people and what was done to it."""

    row: PostRow
    people: list[PersonRow]
    acts: list[tuple[PostAct, str]]
    superior: Post | None

    @property
    def post(self) -> Post:
        """The post."""
        return self.row.post


def post_view(session: Session, *, actor: Actor, post_id: int) -> PostView:
    """Everything that the record of a post shows; masked, journalled as one look."""
    post = get_post(session, actor=actor, post_id=post_id)
    held = holders(session, [post.id]).get(post.id, [])
    masked = contacts.masked(session, [p.contact_id for p in held])
    stored = numbers.rows(session, masked)
    if held and not actor.is_system:
        journal.record(
            session, journal.LISTED, actor=actor, subject=("post", post.id), list="post", count=len(held),
            division=post.division_code,
        )  # fmt: skip
    people = [
        PersonRow(p.id, p.order, p.contact_id, masked[p.contact_id], p.since, stored[p.contact_id].verified_at)
        for p in held
    ]
    return PostView(describe(session, [post])[0], people, history(session, post.id), superior_of(session, post))


def posts(session: Session, ids: Iterable[int]) -> dict[int, Post]:
    """Posts by id, whatever the scope: for rooms that hold an opaque `post:9`."""
    wanted = sorted(set(ids))
    found: dict[int, Post] = {}
    for start in range(0, len(wanted), _CHUNK):
        rows = session.scalars(sa.select(Post).where(Post.id.in_(wanted[start : start + _CHUNK])))
        found.update((post.id, post) for post in rows)
    return found


def find_posts(
    session: Session, codes: Iterable[str], *, duties: Iterable[Duty] | None = None, exactly: bool = False
) -> list[Post]:
    """Posts in these divisions and below (or exactly there), that are not abolished, by division."""
    codes = list(codes)
    area = Post.division_code.in_(codes) if exactly else division_rules.within_any(Post.division_code, codes)
    statement = sa.select(Post).where(area, Post.state != PostState.ABOLISHED)
    if duties is not None:
        statement = statement.where(Post.duty.in_(list(duties)))
    return list(session.scalars(statement.order_by(Post.division_code, Post.id)))


def titles(session: Session, post_ids: Iterable[int], *, language: str = "zh") -> dict[int, str]:
    """`义和村 防汛责任人` by post id: what pages and messages call a post, without a person in it."""
    found = posts(session, post_ids)
    places = divisions.names(session, [post.division_code for post in found.values()])
    unit_names = divisions.unit_names(session, [post.unit_id for post in found.values() if post.unit_id is not None])
    return {key: f"{_place(post, places, unit_names)} {post.duty.label(language)}" for key, post in found.items()}


def _place(post: Post, places: Mapping[str, str], unit_names: Mapping[int, str]) -> str:
    """The unit, else the place by its own name: a committee's name would double the 村 of 民生村."""
    return unit_names.get(post.unit_id or 0) or division_rules.place_name(places.get(post.division_code, ""))


def contact_of(session: Session, post_ids: Iterable[int], *, order: int = 0) -> dict[int, int]:
    """The contact of the holder (or of the deputy of that order) by post id."""
    held = holders(session, post_ids)
    return {key: p.contact_id for key, people in held.items() for p in people if p.order == order}


def superior_of(session: Session, post: Post) -> Post | None:
    """The nearest held post above: the same duty, else flood chief, liaison or duty room, level by level.

    A unit's post has the posts of its own division above it. None where nobody is left to ask.
    """
    chain = division_rules.ancestors(post.division_code)[::-1]
    if post.unit_id is not None:
        chain.insert(0, post.division_code)
    order = [post.duty, *(duty for duty in rules.SUPERIOR_DUTIES if duty is not post.duty)]
    found = session.scalars(
        sa.select(Post).where(
            Post.division_code.in_(chain),
            Post.unit_id.is_(None),
            Post.state == PostState.HELD,
            Post.duty.in_(order),
            Post.id != post.id,
        )
    ).all()
    return min(found, key=lambda p: (chain.index(p.division_code), order.index(p.duty)), default=None)


def reveal_holder(session: Session, *, actor: Actor, post_id: int, holder_id: int, purpose: str) -> Revealed:
    """Name and number of a holder or deputy, journalled before anything is opened. Call with a reading session."""
    post = get_post(session, actor=actor, post_id=post_id)
    person = session.get(PostHolder, holder_id)
    if person is None or person.post_id != post.id:
        raise NotFound(N_("This person does not hold the post any more."), code="holder_not_found")
    return contacts.reveal(
        session,
        actor=actor,
        contact_id=person.contact_id,
        purpose=purpose,
        division_code=post.division_code,
        subject=("post", post.id),
    )
