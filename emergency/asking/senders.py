"""Whose number a reply came from, in words that name no person, and who may therefore see it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import labels
from emergency.divisions.models import Division
from emergency.http.i18n import catalogue
from emergency.people.accounts.models import Account
from emergency.people.contacts.models import Contact
from emergency.people.posts.models import Post, PostHolder
from emergency.people.residents.models import Resident
from kernel.errors import N_

OF_VILLAGE = N_("A resident of %(place)s")


@dataclass(frozen=True)
class Sender:
    """A contact here whose number replied."""

    contact_id: int
    division_code: str


@dataclass(frozen=True)
class Described:
    """A sender in words, and the page of the record."""

    text: str
    url: str = ""
    post_ids: tuple[int, ...] = ()


def of_number(session: Session, number_key: bytes) -> Sender | None:
    """Who has this number: the holder of a post first, then whoever signs in, then a resident."""
    posts = (
        sa.select(Contact.id, Post.division_code)
        .join(PostHolder, PostHolder.contact_id == Contact.id)
        .join(Post, Post.id == PostHolder.post_id)
        .where(Contact.phone_index == number_key)
        .order_by(PostHolder.order, PostHolder.id)
        .limit(1)
    )
    accounts = (
        sa.select(Contact.id, Account.division_code)
        .join(Account, Account.contact_id == Contact.id)
        .where(Contact.phone_index == number_key)
        .limit(1)
    )
    residents = (
        sa.select(Contact.id, Resident.division_code)
        .join(Resident, Resident.contact_id == Contact.id)
        .where(Contact.phone_index == number_key)
        .order_by(Resident.left_at.is_not(None), Resident.id)
        .limit(1)
    )
    for statement in (posts, accounts, residents):
        row = session.execute(statement).first()
        if row is not None:
            return Sender(row[0], row[1])
    return None


def describe(session: Session, contact_ids: Collection[int], language: str) -> dict[int, Described]:
    """Each contact in words: its post, its account's name, or `a resident of` its village."""
    wanted = set(contact_ids)
    found: dict[int, Described] = {}
    if not wanted:
        return found
    held: dict[int, list[int]] = {}
    for contact_id, post_id in session.execute(
        sa.select(PostHolder.contact_id, PostHolder.post_id)
        .where(PostHolder.contact_id.in_(wanted))
        .order_by(PostHolder.order, PostHolder.post_id)
    ):
        held.setdefault(contact_id, []).append(post_id)
    words = labels.post_labels(session, {post for posts in held.values() for post in posts}, language)
    for contact_id, posts in held.items():
        text = words.get(posts[0], f"post:{posts[0]}")
        found[contact_id] = Described(text, f"/posts/{posts[0]}", tuple(posts))
    for account_contact, name in session.execute(
        sa.select(Account.contact_id, Account.username).where(Account.contact_id.in_(wanted - found.keys()))
    ):
        if account_contact is not None:
            found[account_contact] = Described(name)
    sentence = catalogue(language).gettext(OF_VILLAGE)
    for contact_id, resident_id, place in session.execute(
        sa.select(Resident.contact_id, Resident.id, Division.name)
        .join(Division, Division.code == Resident.division_code)
        .where(Resident.contact_id.in_(wanted - found.keys()))
    ):
        found[contact_id] = Described(sentence % {"place": place}, f"/residents/{resident_id}")
    return found
