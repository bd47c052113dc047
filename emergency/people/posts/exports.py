"""Posts as rows with the columns that import reads: export then import changes nothing.

The posts of divisions; a unit's own posts go with the unit's contact. A vacant post is a row without a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from emergency.divisions import rules as division_rules
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.people.posts import numbers, service
from emergency.people.posts.models import Post, PostState
from emergency.privacy import journal, vault
from kernel.db import Database

PAGE = 300


def export_posts(
    database: Database, *, actor: Actor, purpose: str | None = None, within: str | None = None
) -> Iterator[dict[str, Any]]:
    """The posts of the scope with names and numbers in clear; the entry is committed before anything is opened."""
    actor.require(Permission.POSTS_VIEW)
    actor.require(Permission.PERSONAL_EXPORT)
    wanted = contacts.purpose_of(purpose)
    scope = sa.and_(
        division_rules.in_scope(Post.division_code, actor), Post.unit_id.is_(None), Post.state != PostState.ABOLISHED
    )
    if within:
        scope = sa.and_(scope, division_rules.within(Post.division_code, within))
    with database.write() as session:
        count = session.scalar(sa.select(sa.func.count()).select_from(Post).where(scope))
        journal.record(
            session, journal.EXPORTED, actor=actor, purpose=wanted, list="posts", count=count,
            division=within or actor.division_code or None,
        )  # fmt: skip
    return _rows(database, scope)


def _rows(database: Database, scope: sa.ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    after: tuple[str, int] = ("", 0)
    while True:
        with database.read() as session:
            store = vault.of(session)
            key = sa.tuple_(Post.division_code, Post.id)
            posts = session.scalars(
                sa.select(Post)
                .where(scope, key > sa.tuple_(sa.literal(after[0]), sa.literal(after[1], sa.BigInteger)))
                .order_by(Post.division_code, Post.id)
                .limit(PAGE)
            ).all()
            held = service.holders(session, [post.id for post in posts])
            stored = numbers.rows(session, [p.contact_id for people in held.values() for p in people])
            clear = {contact_id: contacts.opened(store, contact) for contact_id, contact in stored.items()}
        for post in posts:
            people = held.get(post.id, [])
            if not people or people[0].order > 0:
                yield _row(post, "", "", 0)
            for person in people:
                yield _row(post, clear[person.contact_id].name, clear[person.contact_id].phone, person.order)
        if len(posts) < PAGE:
            return
        after = (posts[-1].division_code, posts[-1].id)


def _row(post: Post, name: str, phone: str, order: int) -> dict[str, Any]:
    return {
        "division_code": post.division_code,
        "duty": post.duty.zh,
        "name": name,
        "phone": phone,
        "deputy_order": str(order),
    }
