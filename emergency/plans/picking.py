"""Finding what a plan can name: posts, units, villages, households, items, depots, agreements; never a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from emergency.divisions import service as divisions
from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import ancestors, in_scope
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts import service as posts
from emergency.people.posts.models import Duty, Post, PostState
from emergency.people.residents.models import Household, Resident
from emergency.plans.models import Plan
from emergency.plans.queries import Parts, readable
from emergency.plans.rules import LIVING
from emergency.supplies.models import Agreement, Depot, Item
from kernel.errors import N_, Invalid

__all__ = ["KINDS", "Found", "check", "find", "names_of", "titles"]

SHOWN = 20
KINDS = ("plan", "post", "unit", "division", "household", "item", "depot", "agreement")


@dataclass(frozen=True)
class Found:
    """One thing that a plan can name. `key` is its id, or a division's code."""

    kind: str
    key: str
    title: str
    note: str = ""


def find(session: Session, *, actor: Actor, kind: str, q: str, language: str = "zh") -> list[Found]:
    """At most 20 things of a kind in the actor's area whose words contain all of `q`; none without a word."""
    actor.require(Permission.PLANS_VIEW)
    words = q.split()[:5]
    if kind not in KINDS:
        raise Invalid(N_("“%(value)s” is not one of the choices."), code="unknown_choice", value=kind[:40])
    return _FINDERS[kind](session, actor, words, language) if words else []


def _all(words: Iterable[str], *columns: Any) -> Any:
    return sa.and_(*(sa.or_(*(column.contains(word, autoescape=True) for column in columns)) for word in words))


def _posts(session: Session, actor: Actor, words: list[str], language: str) -> list[Found]:
    conditions: list[Any] = []
    for word in words:
        duties = [duty for duty in Duty if word in duty.zh or word.lower() in duty.en.lower()]
        here = [Division.name.contains(word, autoescape=True), Unit.name.contains(word, autoescape=True),
                Post.title.contains(word, autoescape=True)]  # fmt: skip
        conditions.append(sa.or_(*here, Post.duty.in_(duties)) if duties else sa.or_(*here))
    ids = session.scalars(
        sa.select(Post.id)
        .join(Division, Division.code == Post.division_code)
        .outerjoin(Unit, Unit.id == Post.unit_id)
        .where(in_scope(Post.division_code, actor), Post.state != PostState.ABOLISHED, *conditions)
        .order_by(Post.division_code, Post.id)
        .limit(SHOWN)
    ).all()
    names, rows = posts.titles(session, ids, language=language), posts.posts(session, ids)
    return [Found("post", str(i), names[i], rows[i].state.label(language)) for i in ids if i in names]


def _plans(session: Session, actor: Actor, words: list[str], language: str) -> list[Found]:
    rows = session.execute(
        sa.select(Plan.id, Plan.title, Plan.kind)
        .where(readable(actor), Plan.state.in_(LIVING), _all(words, Plan.title))
        .order_by(Plan.level, Plan.id)
        .limit(SHOWN)
    )
    return [Found("plan", str(i), title, kind.label(language)) for i, title, kind in rows]


def _units(session: Session, actor: Actor, words: list[str], language: str) -> list[Found]:
    rows = session.execute(
        sa.select(Unit.id, Unit.name, Unit.kind, Division.name)
        .join(Division, Division.code == Unit.division_code)
        .where(in_scope(Unit.division_code, actor), Unit.closed_at.is_(None), _all(words, Unit.name, Division.name))
        .order_by(Unit.division_code, Unit.id)
        .limit(SHOWN)
    )
    return [Found("unit", str(i), name, f"{kind.label(language)} {place}") for i, name, kind, place in rows]


def _divisions(session: Session, actor: Actor, words: list[str], _language: str) -> list[Found]:
    above = aliased(Division)
    rows = session.execute(
        sa.select(Division.code, Division.name, above.name)
        .outerjoin(above, above.code == Division.parent_code)
        .where(in_scope(Division.code, actor), _all(words, Division.name, above.name))
        .order_by(Division.code)
        .limit(SHOWN)
    )
    return [Found("division", code, name, place or "") for code, name, place in rows]


def _households(session: Session, actor: Actor, words: list[str], _language: str) -> list[Found]:
    """By village: a household is shown by the end of its number and how many live there, never by a name."""
    people = sa.func.count(Resident.id)
    rows = session.execute(
        sa.select(Household.id, Division.name, people)
        .join(Division, Division.code == Household.division_code)
        .outerjoin(Resident, sa.and_(Resident.household_id == Household.id, Resident.left_at.is_(None)))
        .where(in_scope(Household.division_code, actor), _all(words, Division.name))
        .group_by(Household.id, Division.name)
        .order_by(Division.name, Household.id)
        .limit(SHOWN)
    )
    return [Found("household", str(i), f"{place} …{str(i)[-5:]}", str(n)) for i, place, n in rows]


def _items(session: Session, _actor: Actor, words: list[str], _language: str) -> list[Found]:
    rows = session.execute(
        sa.select(Item.id, Item.name, Item.unit).where(_all(words, Item.name)).order_by(Item.name).limit(SHOWN)
    )
    return [Found("item", str(i), name, unit) for i, name, unit in rows]


def _depots(session: Session, actor: Actor, words: list[str], language: str) -> list[Found]:
    rows = session.execute(
        sa.select(Depot.id, Depot.name, Depot.kind)
        .where(in_scope(Depot.division_code, actor), _all(words, Depot.name))
        .order_by(Depot.name)
        .limit(SHOWN)
    )
    return [Found("depot", str(i), name, kind.label(language)) for i, name, kind in rows]


def _agreements(session: Session, actor: Actor, words: list[str], _language: str) -> list[Found]:
    rows = session.execute(
        sa.select(Agreement.id, Agreement.number, Agreement.enterprise, Item.name)
        .join(Item, Item.id == Agreement.item_id)
        .where(in_scope(Agreement.division_code, actor), _all(words, Agreement.number, Agreement.enterprise, Item.name))
        .order_by(Agreement.number)
        .limit(SHOWN)
    )
    return [Found("agreement", str(i), f"{number} {enterprise}", item) for i, number, enterprise, item in rows]


_FINDERS: dict[str, Callable[[Session, Actor, list[str], str], list[Found]]] = {
    "plan": _plans, "post": _posts, "unit": _units, "division": _divisions, "household": _households, "item": _items,
    "depot": _depots, "agreement": _agreements,
}  # fmt: skip


def titles(session: Session, kind: str, keys: Iterable[Any], *, language: str = "zh") -> dict[Any, str]:
    """What things of one kind are called, whatever the scope."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    if kind == "post":
        return dict(posts.titles(session, wanted, language=language))
    if kind == "unit":
        return dict(divisions.unit_names(session, wanted))
    if kind == "division":
        return dict(divisions.names(session, wanted))
    if kind == "household":
        rows = session.execute(
            sa.select(Household.id, Division.name)
            .join(Division, Division.code == Household.division_code)
            .where(Household.id.in_(wanted))
        )
        return {i: f"{place} …{str(i)[-5:]}" for i, place in rows}
    column: Any
    model: Any
    model, column = {
        "plan": (Plan, Plan.title), "item": (Item, Item.name), "depot": (Depot, Depot.name),
        "agreement": (Agreement, Agreement.number + " " + Agreement.enterprise),
    }[kind]  # fmt: skip
    rows = session.execute(sa.select(model.id, column).where(model.id.in_(wanted)))
    return {key: str(title) for key, title in rows}


def names_of(session: Session, parts: Iterable[Parts], *, language: str = "zh") -> Mapping[tuple[str, Any], str]:
    """The names of everything that the rows of some versions point at, by kind and key."""
    wanted: dict[str, set[Any]] = {kind: set() for kind in KINDS}
    for part in parts:
        for actions in part.actions.values():
            wanted["post"].update(a.post_id for a in actions if a.post_id)
        for row in part.evacuation:
            for kind, key in (("division", row.subject_code), ("unit", row.unit_id), ("household", row.household_id),
                              ("post", row.post_id)):  # fmt: skip
                if key:
                    wanted[kind].add(key)
        for reliance in part.reliances:
            wanted[reliance.kind].add(reliance.ref_id)
    return {
        (kind, key): title
        for kind, keys in wanted.items()
        for key, title in titles(session, kind, keys, language=language).items()
    }


def check(session: Session, *, actor: Actor, kind: str, key: str) -> Any:
    """The key in its stored type, where it exists and lies in the actor's area (items belong to all)."""
    missing = Invalid(N_("What was chosen does not exist or lies outside your area. Search again."), code="bad_choice")
    if kind == "division":
        if not actor.covers(key) or session.get(Division, key) is None:
            raise missing
        return key
    if kind not in KINDS or not key.isdigit() or len(key) > 19:
        raise missing
    model: Any = {"plan": Plan, "post": Post, "unit": Unit, "household": Household, "item": Item, "depot": Depot,
                  "agreement": Agreement}[kind]  # fmt: skip
    row = session.get(model, int(key))
    code = getattr(row, "division_code", None)
    if row is None or (code is not None and not actor.covers(code) and code not in ancestors(actor.division_code)):
        raise missing
    return int(key)
