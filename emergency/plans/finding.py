"""Full-text search in the texts in force, within the reader's scope: by section, with the passage.

The index proposes, the text decides: what SQLite or PostgreSQL finds by pairs of characters is shown only where the
words really stand together in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import ancestors, is_code, prefix
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans.grams import Phrase, Shown, marked, phrases, places
from emergency.plans.indexing import LEVELS_AT, in_force
from emergency.plans.models import Hazard, Plan, PlanKind, PlanVersion
from emergency.plans.queries import readable
from emergency.plans.search_models import PlanSearch

PAGE = 20
CANDIDATES = 400
"""So many of the index's best proposals are looked at; whoever wants more adds a word."""
PASSAGE = 150


@dataclass(frozen=True)
class Found:
    """One section of a text in force."""

    plan_id: int
    version_id: int
    title: str
    issuer: str
    division_code: str
    kind: PlanKind
    number: int
    position: int
    heading: list[Shown]
    passage: list[Shown]

    @property
    def anchor(self) -> str:
        """Where on the page of the version it stands."""
        if self.position >= LEVELS_AT:
            return "levels"
        return f"s{self.position}" if self.position else ""

    @property
    def url(self) -> str:
        """The page of the version, at this section."""
        return f"/plans/versions/{self.version_id}" + (f"#{self.anchor}" if self.anchor else "")


@dataclass(frozen=True)
class Results:
    """A page of what was found; `more` when there is a next one."""

    phrases: list[Phrase]
    hits: list[Found]
    more: bool


def find(
    session: Session,
    *,
    actor: Actor,
    query: str,
    hazard: Hazard | None = None,
    kind: PlanKind | None = None,
    division_code: str = "",
    skip: int = 0,
    limit: int = PAGE,
) -> Results:
    """The sections with every word of the query, best first. Drafts, replaced and repealed texts are never among them.

    Of several words, some may stand in the plan's title and the others in the section (`台头镇 转移`).
    """
    actor.require(Permission.PLANS_VIEW)
    wanted = phrases(query)
    if not wanted:
        return Results([], [], False)
    tags = _tags(actor, hazard, kind, division_code if is_code(division_code) else "")
    ids = _proposed(session, wanted, tags)
    hits: list[Found] = []
    passed = 0
    step = 2 * (limit + 1)
    for start in range(0, len(ids), step):
        for row in _rows(session, actor, ids[start : start + step]):
            hit = _checked(row, wanted)
            if hit is None:
                continue
            if passed < skip:
                passed += 1
                continue
            hits.append(hit)
            if len(hits) > limit:
                return Results(wanted, hits[:limit], True)
    return Results(wanted, hits, False)


def _word(value: str) -> str:
    return value.replace("-", "").replace("_", "")


def _tags(actor: Actor, hazard: Hazard | None, kind: PlanKind | None, code: str) -> list[list[str]]:
    """Of each list one word must stand with the row."""
    made: list[list[str]] = []
    if not actor.is_system:
        made.append([f"a{actor.division_prefix}", *(f"e{above}" for above in ancestors(actor.division_code))])
    if hazard is not None:
        made.append([f"h{_word(hazard.value)}"])
    if kind is not None:
        made.append([f"k{_word(kind.value)}"])
    if code:
        made.append([f"a{prefix(code)}"])
    return made


def _proposed(session: Session, wanted: Sequence[Phrase], tags: Sequence[Sequence[str]]) -> list[int]:
    if session.get_bind().dialect.name == "sqlite":
        return list(
            session.scalars(
                sa.text(
                    "SELECT rowid FROM plan_search_fts WHERE plan_search_fts MATCH :query "
                    "ORDER BY bm25(plan_search_fts, 0.0, 6.0, 1.0) LIMIT :most"
                ),
                {"query": _fts5(wanted, tags), "most": CANDIDATES},
            )
        )
    made: dict[int, None] = {}
    for vector in ("tags || ' ' || heading", "tags || ' ' || heading || ' ' || body"):
        rows = session.scalars(
            sa.text(
                f"SELECT id FROM plan_search WHERE array_to_tsvector(string_to_array({vector}, ' ')) "  # noqa: S608
                "@@ CAST(:query AS tsquery) ORDER BY position <> 0, id LIMIT :most"
            ),
            {"query": _tsquery(wanted, tags), "most": CANDIDATES},
        )
        made.update(dict.fromkeys(rows))
    return list(made)[:CANDIDATES]


def _fts5(wanted: Sequence[Phrase], tags: Sequence[Sequence[str]]) -> str:
    """An FTS5 expression. Its words are letters and digits in quotes: nothing that was typed is read as syntax."""

    def quoted(words: Sequence[str], mark: str = "") -> str:
        return " + ".join(f'"{mark}{word.removesuffix("*")}"' + ("*" if word.endswith("*") else "") for word in words)

    here = [f"{{heading body}} : ({quoted(p.words)})" for p in wanted]
    clauses = ["{tags} : (" + " OR ".join(f'"{tag}"' for tag in group) + ")" for group in tags]
    if len(wanted) == 1:
        clauses.append(f"({here[0]})")
    else:
        clauses += [f"({h} OR {{tags}} : ({quoted(p.words, 't0')}))" for h, p in zip(here, wanted, strict=True)]
        clauses.append("(" + " OR ".join(here) + ")")
    return " AND ".join(clauses)


def _tsquery(wanted: Sequence[Phrase], tags: Sequence[Sequence[str]]) -> str:
    """The same for PostgreSQL; pairs of a phrase need not stand together here, the text is looked at afterwards."""

    def quoted(words: Sequence[str], mark: str = "") -> str:
        return " & ".join(f"'{mark}{word.removesuffix('*')}'" + (":*" if word.endswith("*") else "") for word in words)

    here = [f"({quoted(p.words)})" for p in wanted]
    clauses = ["(" + " | ".join(f"'{tag}'" for tag in group) + ")" for group in tags]
    if len(wanted) == 1:
        clauses.append(here[0])
    else:
        clauses += [f"({h} | ({quoted(p.words, 't0')}))" for h, p in zip(here, wanted, strict=True)]
        clauses.append("(" + " | ".join(here) + ")")
    return " & ".join(clauses)


def _rows(session: Session, actor: Actor, ids: Sequence[int]) -> list[Any]:
    found = session.execute(
        sa.select(
            PlanSearch.id, PlanSearch.position, PlanSearch.title, PlanSearch.words, PlanSearch.version_id,
            Plan.id.label("plan_id"), Plan.title.label("plan_title"), Plan.issuer, Plan.division_code, Plan.kind,
            PlanVersion.number,
        )
        .join(PlanVersion, PlanVersion.id == PlanSearch.version_id)
        .join(Plan, Plan.id == PlanVersion.plan_id)
        .where(PlanSearch.id.in_(ids), in_force(), readable(actor))
    ).all()  # fmt: skip
    order = {row_id: at for at, row_id in enumerate(ids)}
    return sorted(found, key=lambda row: order[row.id])


def _checked(row: Any, wanted: Sequence[Phrase]) -> Found | None:
    in_section = [bool(places(row.title, p)) or bool(places(row.words, p)) for p in wanted]
    if not any(in_section):
        return None
    if not all(hit or places(row.plan_title, p) for hit, p in zip(in_section, wanted, strict=True)):
        return None
    return Found(
        row.plan_id, row.version_id, row.plan_title, row.issuer, row.division_code, row.kind, row.number, row.position,
        marked(row.title, wanted), marked(row.words.replace("\t", "　"), wanted, around=PASSAGE),
    )  # fmt: skip
