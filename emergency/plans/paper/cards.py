"""Who does what within how many minutes, and whom to call: pocket cards and the pack for when power and network are gone.

Cards name posts. Names and numbers come only with a purpose, for posts in the actor's area, after the journal has
said who took them (个人信息保护法 art. 6, 55); every page then carries who printed it and when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from markupsafe import Markup
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.people.posts import service as posts
from emergency.plans import bodies
from emergency.plans.models import ResponseAction, ResponseGrade, ResponseLevel
from emergency.plans.paper import journalled
from emergency.plans.paper.word import Whole, evacuation_rows, headings, minutes, who, whole
from emergency.plans.queries import Text
from emergency.privacy import journal, vault
from kernel.clock import BEIJING
from kernel.db import now

NOBODY_NAMED = "未写明责任岗位"


@dataclass(frozen=True)
class Person:
    """Who holds a post, in clear."""

    name: str
    phone: str


@dataclass(frozen=True)
class Call:
    """Somebody to be called: a post, or words of the plan where no post is named."""

    title: str
    post_id: int | None = None
    person: Person | None = None


@dataclass(frozen=True)
class Duty:
    """One act on a card."""

    action: str
    within: str


@dataclass(frozen=True)
class Card:
    """One post at one level."""

    grade: ResponseGrade
    title: str
    trigger: str
    duties: tuple[Duty, ...]
    calls: tuple[Call, ...]
    part: int = 1
    parts: int = 1


@dataclass(frozen=True)
class Mark:
    """What stands on every page."""

    exercise: bool
    draft: bool
    revealed: bool
    printed_by: str
    printed_at: datetime

    @property
    def printed(self) -> str:
        """When, in Beijing, with the year: paper lies about for years."""
        return f"{self.printed_at.astimezone(BEIJING):%Y-%m-%d %H:%M}"

    @property
    def watermark(self) -> str:
        """Who printed and when, in Beijing time; only where somebody's number is on the page."""
        if not self.revealed:
            return ""
        return f"{self.printed_by} 于 {self.printed} 打印 含个人信息 用后销毁"


@dataclass(frozen=True)
class Point:
    """A place of the evacuation list on the sketch, in millimetres."""

    x: float
    y: float
    number: int
    """Its line in the list."""


@dataclass(frozen=True)
class Pack:
    """Everything of one plan that is printed."""

    held: Whole
    mark: Mark
    cards: list[Card]
    calls: list[Call] = field(default_factory=list)
    evacuation: list[tuple[str, ...]] = field(default_factory=list)
    sketch: list[Point] = field(default_factory=list)

    @property
    def text(self) -> Text:
        """The version."""
        return self.held.text

    def written(self) -> Iterator[tuple[str, Markup]]:
        """Heading and body of each section; pictures are named."""
        sections = self.text.sections
        for heading, section in zip(headings(sections), sections, strict=True):
            yield heading, bodies.to_html(section.body, self.held.posts)

    def acts(self, level: ResponseLevel) -> list[tuple[str, str, str]]:
        """Act, who, within; in the plan's order."""
        return [
            (action.action, who(action, self.held.posts) or NOBODY_NAMED, minutes(action.within_minutes))
            for action in self.text.parts.actions.get(level.id, [])
        ]


MOST_ON_A_CARD = 5
"""Acts that stand on one card in print that can be read by torchlight; the rest go on a second one."""


def cards_of(held: Whole, people: Mapping[int, Person], *, grade: ResponseGrade | None = None) -> list[Card]:
    """A card for each post and level, in the order of the levels and of the first act."""
    made: list[Card] = []
    for level in held.text.parts.levels:
        if grade is not None and level.grade is not grade:
            continue
        acts: dict[tuple[int | None, str], list[ResponseAction]] = defaultdict(list)
        for action in held.text.parts.actions.get(level.id, []):
            acts[action.post_id, who(action, held.posts) or NOBODY_NAMED].append(action)
        for (post_id, title), found in acts.items():
            calls = tuple(_calls(held, level, post_id, people))
            pieces = [found[i : i + MOST_ON_A_CARD] for i in range(0, len(found), MOST_ON_A_CARD)]
            for number, piece in enumerate(pieces, start=1):
                duties = tuple(Duty(action.action, minutes(action.within_minutes)) for action in piece)
                made.append(Card(level.grade, title, level.trigger, duties, calls, number, len(pieces)))
    return made


def _calls(held: Whole, level: ResponseLevel, post_id: int | None, people: Mapping[int, Person]) -> Iterator[Call]:
    """Who decides, the posts that the plan counts on, the others who act at this level; four at most."""
    seen: set[object] = {post_id}
    number = 0
    if level.decided_by:
        number += 1
        yield Call(f"{level.decided_by}（决定响应）")
    relied = [row.ref_id for row in held.text.parts.reliances if row.kind == "post"]
    acting = [action.post_id for action in held.text.parts.actions.get(level.id, []) if action.post_id]
    for other in [*relied, *acting]:
        if other in seen or other not in held.posts or number >= 4:
            continue
        seen.add(other)
        number += 1
        yield Call(held.posts[other], other, people.get(other))


def reveal(session: Session, *, actor: Actor, held: Whole, purpose: str | None, paper: str) -> dict[int, Person]:
    """Who holds the posts of a version, by post. Journalled with its purpose before anything is opened.

    Only posts in the actor's area; those above stay titles. Call it with a reading session.
    """
    actor.require(Permission.PERSONAL_REVEAL)
    wanted = contacts.purpose_of(purpose)
    actor.require_covers(held.text.plan.division_code)
    known = posts.posts(session, held.posts)
    mine = [key for key, post in known.items() if actor.covers(post.division_code)]
    contact_of = posts.contact_of(session, mine)
    contacts.journal_now(
        session, journal.EXPORTED, actor=actor, subject=("plan_version", held.text.version.id), purpose=wanted,
        list=f"plan_{paper}", count=len(contact_of), division=held.text.plan.division_code,
    )  # fmt: skip
    store = vault.of(session)
    stored = posts.numbers.rows(session, contact_of.values())
    found: dict[int, Person] = {}
    for post_id, contact_id in contact_of.items():
        if contact_id in stored:
            clear = contacts.opened(store, stored[contact_id])
            found[post_id] = Person(clear.name, clear.phone)
    return found


def pack(
    session: Session,
    *,
    actor: Actor,
    version_id: int,
    paper: str = "pack",
    purpose: str | None = None,
    revealed: bool = False,
    exercise: bool = False,
    grade: ResponseGrade | None = None,
    printed_by: str = "",
    noted: bool = False,
) -> Pack:
    """One plan's cards, acts, lists and contacts. `revealed` demands a purpose and the right to see personal data;
    `noted`: the caller journalled the whole bundle."""
    held = whole(session, actor=actor, version_id=version_id)
    people = reveal(session, actor=actor, held=held, purpose=purpose, paper=paper) if revealed else {}
    if not revealed and not noted:
        journalled.note(session, actor=actor, text=held.text, paper=paper, exercise=exercise)
    mark = Mark(exercise, held.draft, revealed, printed_by or actor.name or str(actor), now(session))
    made = Pack(held, mark, cards_of(held, people, grade=grade))
    if paper == "pack":
        made.evacuation.extend(evacuation_rows(held))
        made.calls.extend(_contact_list(held, people))
        made.sketch.extend(_sketch(session, held.text))
    return made


def _contact_list(held: Whole, people: Mapping[int, Person]) -> Iterator[Call]:
    for post_id, title in sorted(held.posts.items(), key=lambda pair: (pair[1], pair[0])):
        yield Call(title, post_id, people.get(post_id))
    words = {action.actor_words for found in held.text.parts.actions.values() for action in found if not action.post_id}
    for title in sorted(words | {level.decided_by for level in held.text.parts.levels}):
        if title:
            yield Call(title)


SKETCH_WIDTH, SKETCH_HEIGHT = 170.0, 110.0


def _sketch(session: Session, text: Text) -> list[Point]:
    """Where the places of the list lie to each other; nothing where fewer than two have a point."""
    codes = {row.subject_code for row in text.parts.evacuation if row.subject_code}
    units = {row.unit_id for row in text.parts.evacuation if row.unit_id}
    where: dict[object, tuple[float, float]] = {}
    for model, key, wanted in ((Division, Division.code, codes), (Unit, Unit.id, units)):
        ordered: Sequence[object] = sorted(wanted, key=str)
        for start in range(0, len(ordered), 500):
            for key_, lon, lat in session.execute(
                sa.select(key, model.lon, model.lat).where(
                    key.in_(ordered[start : start + 500]), model.lon.is_not(None)
                )
            ):
                where[key_] = (float(lon or 0), float(lat or 0))
    found = [
        (number, where[row.subject_code or row.unit_id])
        for number, row in enumerate(text.parts.evacuation, start=1)
        if (row.subject_code or row.unit_id) in where
    ]
    if len({point for _number, point in found}) < 2:
        return []
    west, east = min(p[0] for _line, p in found), max(p[0] for _line, p in found)
    south, north = min(p[1] for _line, p in found), max(p[1] for _line, p in found)
    # A degree of longitude is about three quarters of one of latitude at 39° N.
    scale = min((SKETCH_WIDTH - 30) / max((east - west) * 0.78, 1e-4), (SKETCH_HEIGHT - 14) / max(north - south, 1e-4))
    return [
        Point(round(5 + (lon - west) * 0.78 * scale, 1), round(7 + (north - lat) * scale, 1), number)
        for number, (lon, lat) in found
    ]
