"""Search over everything in scope that is not a person: divisions, units, posts, plans, supplies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules
from emergency.http.actor import Actor
from emergency.http.i18n import _, _l
from emergency.http.permissions import Permission as P
from emergency.web import nav
from emergency.web.filters import label
from kernel.logs import kv

log = logging.getLogger(__name__)
LIMIT = 20
MAX_LENGTH = 60


@dataclass(frozen=True)
class Hit:
    """One thing that was found."""

    title: str
    note: str
    url: str
    passage: Any = ()
    """Pieces of a text, what was found set apart (`plans.grams.Shown`)."""


@dataclass(frozen=True)
class Group:
    """What was found of one kind; `more` when there are further hits than are shown."""

    title: Any
    hits: list[Hit]
    more: bool


def pattern(text: str) -> str:
    """A LIKE pattern that takes the reader's text literally."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _names(session: Session, found: Sequence[str]) -> dict[str, str]:
    from emergency.divisions import service

    return dict(service.names(session, list(dict.fromkeys(found))))


def _divisions(session: Session, actor: Actor, text: str) -> list[Hit]:
    from emergency.divisions.models import Division

    matches = Division.code.like(f"{text}%") if text.isdigit() else Division.name.like(pattern(text), escape="\\")
    rows = session.execute(
        sa.select(Division.code, Division.name, Division.parent_code)
        .where(matches, rules.in_scope(Division.code, actor))
        .order_by(Division.level, Division.code)
        .limit(LIMIT + 1)
    ).all()
    names = _names(session, [parent for _code, _name, parent in rows if parent])
    return [
        Hit(name, f"{names.get(parent or '', '')} {code}".strip(), f"/divisions/{code}") for code, name, parent in rows
    ]


def _units(session: Session, actor: Actor, text: str) -> list[Hit]:
    from emergency.divisions.models import Unit

    rows = session.execute(
        sa.select(Unit.id, Unit.name, Unit.kind, Unit.division_code)
        .where(Unit.name.like(pattern(text), escape="\\"), rules.in_scope(Unit.division_code, actor))
        .order_by(Unit.division_code, Unit.id)
        .limit(LIMIT + 1)
    ).all()
    names = _names(session, [code for *_rest, code in rows])
    return [Hit(name, f"{names.get(code, '')} {label(kind)}", f"/units/{id_}") for id_, name, kind, code in rows]


def _posts(session: Session, actor: Actor, text: str) -> list[Hit]:
    from emergency.divisions.models import Division
    from emergency.people.posts.models import Duty, Post

    duties = [duty for duty in Duty if text in duty.zh or text.lower() in duty.en.lower()]
    rows = session.execute(
        sa.select(Post.id, Post.title, Post.duty, Post.state, Division.name)
        .join(Division, Division.code == Post.division_code)
        .where(
            rules.in_scope(Post.division_code, actor),
            sa.or_(
                Post.title.like(pattern(text), escape="\\"),
                Division.name.like(pattern(text), escape="\\"),
                Post.duty.in_(duties),
            ),
        )
        .order_by(Post.division_code, Post.id)
        .limit(LIMIT + 1)
    ).all()
    return [
        Hit(f"{place} {title or label(duty)}", label(state), f"/posts/{id_}") for id_, title, duty, state, place in rows
    ]


def _plans(session: Session, actor: Actor, text: str) -> list[Hit]:
    from emergency.plans.models import Plan

    rows = session.execute(
        sa.select(Plan.id, Plan.title, Plan.kind, Plan.state)
        .where(Plan.title.like(pattern(text), escape="\\"), rules.in_scope(Plan.division_code, actor))
        .order_by(Plan.division_code, Plan.id)
        .limit(LIMIT + 1)
    ).all()
    return [Hit(str(title), f"{label(kind)} {label(state)}", f"/plans/{id_}") for id_, title, kind, state in rows]


def _texts(session: Session, actor: Actor, text: str) -> list[Hit]:
    from emergency.plans import service

    found = service.find(session, actor=actor, query=text, limit=LIMIT + 1)
    return [
        Hit(f"{hit.title} {''.join(part.text for part in hit.heading)}".strip(), label(hit.kind), hit.url, hit.passage)
        for hit in found.hits
        if hit.position
    ]


def _supplies(session: Session, actor: Actor, text: str) -> list[Hit]:
    from emergency.supplies.models import Item

    rows = session.execute(
        sa.select(Item.id, Item.name, Item.code)
        .where(sa.or_(Item.name.like(pattern(text), escape="\\"), Item.code.like(f"{text}%")))
        .order_by(Item.code)
        .limit(LIMIT + 1)
    ).all()
    return [Hit(name, code or "", f"/supplies/items/{id_}") for id_, name, code in rows]


Source = Callable[[Session, Actor, str], list[Hit]]
SOURCES: tuple[tuple[Any, P, Source], ...] = (
    (_l("Divisions"), P.DIVISIONS_VIEW, _divisions),
    (_l("Units"), P.UNITS_VIEW, _units),
    (_l("Posts"), P.POSTS_VIEW, _posts),
    (_l("Plans"), P.PLANS_VIEW, _plans),
    (_l("Texts of plans in force"), P.PLANS_VIEW, _texts),
    (_l("Supplies"), P.SUPPLIES_VIEW, _supplies),
)


def find(session: Session, actor: Actor, text: str) -> tuple[list[Group], bool]:
    """What matches, by kind, in the actor's scope; and whether every kind could be asked."""
    text = text.strip()[:MAX_LENGTH]
    if not text:
        return [], True
    groups: list[Group] = []
    whole = True
    for title, needed, source in SOURCES:
        if not actor.can(needed):
            continue
        try:
            with session.begin_nested():
                hits = source(session, actor, text)
        except Exception as error:
            log.warning("search left out %s", kv(source=source.__name__, error=type(error).__name__))
            whole = False
            continue
        if hits:
            shown = [
                hit if nav.serves(hit.url.partition("#")[0]) else Hit(hit.title, hit.note, "", hit.passage)
                for hit in hits[:LIMIT]
            ]
            groups.append(Group(title, shown, len(hits) > LIMIT))
    return groups, whole


def sentence(text: str, groups: Sequence[Group]) -> str:
    """The heading of the page."""
    if not text:
        return _("What are you looking for?")
    count = sum(len(group.hits) for group in groups)
    if not count:
        return _("Nothing found for “%(text)s”", text=text)
    if any(group.more for group in groups):
        return _("More than %(n)s places match “%(text)s”", n=count, text=text)
    return _("%(n)s places match “%(text)s”", n=count, text=text)
