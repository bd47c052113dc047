"""Whom a broadcast to posts reaches: one row a number, in notify's column shape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from emergency.divisions import rules as division_rules
from emergency.people.contacts.models import Contact
from emergency.people.contacts.rules import REACHABLE, WARNED
from emergency.people.posts.models import Duty, Post, PostHolder, PostState


def recipients(
    codes: Iterable[str], *, duties: Iterable[Duty] | None = None, deputies: bool = False, warned: bool = False
) -> sa.Select[Any]:
    """Whom a broadcast to the posts of these divisions (and below) reaches, in notify's column shape.

    One row a number, responsible posts first; `people` counts the different people behind the number.
    With `warned` who opted out is in: a real warning is for everybody.
    """
    rank = sa.case((Post.responsible.is_(True), 0), else_=1) + sa.case((PostHolder.order > 0, 2), else_=0)
    base = (
        sa.select(
            Post.id.label("post_id"),
            Post.division_code.label("division"),
            Contact.id.label("contact_id"),
            Contact.phone_index.label("number_key"),
            rank.label("rank"),
        )
        .join(PostHolder, PostHolder.post_id == Post.id)
        .join(Contact, Contact.id == PostHolder.contact_id)
        .where(
            division_rules.within_any(Post.division_code, codes),
            Post.state == PostState.HELD,
            Contact.phone_index.is_not(None),
            Contact.phone_state.in_(WARNED if warned else REACHABLE),
        )
    )
    if duties is not None:
        base = base.where(Post.duty.in_(list(duties)))
    if not deputies:
        base = base.where(PostHolder.order == 0)
    people = base.cte()  # without a name: two of these selects may meet in one statement
    place = sa.func.row_number().over(
        partition_by=people.c.number_key, order_by=(people.c.rank, people.c.post_id, people.c.contact_id)
    )
    ranked = sa.select(people, place.label("place")).subquery()
    behind = (
        sa.select(people.c.number_key, sa.func.count(sa.distinct(people.c.contact_id)).label("people"))
        .group_by(people.c.number_key)
        .subquery()
    )
    return (
        sa.select(
            ranked.c.rank,
            (sa.literal("post:") + sa.cast(ranked.c.post_id, sa.Text)).label("recipient"),
            ranked.c.division,
            ranked.c.contact_id.label("address_key"),
            ranked.c.number_key,
            behind.c.people,
        )
        .join(behind, behind.c.number_key == ranked.c.number_key)
        .where(ranked.c.place == 1)
    )
