"""Keeping the index of the texts in force: written and removed in the transaction that issues or repeals a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.plans import bodies
from emergency.plans.grams import grams
from emergency.plans.models import Plan, PlanHazard, PlanState, PlanVersion, VersionState
from emergency.plans.queries import Parts, version_parts
from emergency.plans.search_models import PlanSearch
from kernel.db import Database
from kernel.ids import new_id

LIVE = (PlanState.IN_FORCE, PlanState.UNDER_REVISION)
LEVELS_AT = 9000
"""Positions from here on are response levels, which are no sections but are looked for like them."""
PIECE = 20_000
_CUTS = (2, 4, 6, 9, 12)


def in_force() -> Any:
    """SQL: the version is the text in force of a living plan (joined to it)."""
    return sa.and_(
        PlanVersion.state == VersionState.ISSUED, PlanVersion.replaced_at.is_(None), Plan.state.in_(LIVE)
    )  # fmt: skip


def index_version(session: Session, plan: Plan, version: PlanVersion) -> int:
    """Make this text the one that is found of its plan; returns how many rows it takes."""
    remove(session, plan.id)
    session.flush()
    rows = list(_rows(session, plan, version))
    for start in range(0, len(rows), 500):
        session.execute(sa.insert(PlanSearch), rows[start : start + 500])
    return len(rows)


def remove(session: Session, plan_id: int) -> None:
    """Take a plan out of the index: repealed, or about to be written anew."""
    session.execute(
        sa.delete(PlanSearch).where(PlanSearch.plan_id == plan_id).execution_options(synchronize_session=False)
    )


def _rows(session: Session, plan: Plan, version: PlanVersion) -> Iterator[dict[str, Any]]:
    parts = version_parts(session, version.id)
    titles = bodies.post_titles(session, [section.body for section in parts.sections])
    hazards = session.scalars(sa.select(PlanHazard.hazard).where(PlanHazard.plan_id == plan.id)).all()
    tags = " ".join(
        [
            *(f"a{plan.division_code[:cut]}" for cut in _CUTS),
            f"e{plan.division_code}",
            f"k{plan.kind.value.replace('-', '').replace('_', '')}",
            *(f"h{hazard.value.replace('-', '').replace('_', '')}" for hazard in hazards),
            grams(plan.title, "t0"),
        ]
    )
    about = "\n".join(filter(None, [plan.issuer, version.document_number]))
    for position, title, words in [
        (0, plan.title, about),
        *((s.position, f"{s.number} {s.heading}".strip(), bodies.to_text(s.body, titles)) for s in parts.sections),
        *_levels(parts),
    ]:
        for piece, cut in enumerate(_pieces(words)):
            yield {
                "id": new_id(), "plan_id": plan.id, "version_id": version.id, "position": position, "piece": piece,
                "title": title[:240], "words": cut, "tags": tags, "heading": grams(title), "body": grams(cut),
            }  # fmt: skip


def _levels(parts: Parts) -> Iterator[tuple[int, str, str]]:
    for number, level in enumerate(parts.levels):
        acts = [f"{act.actor_words} {act.action}".strip() for act in parts.actions[level.id]]
        yield LEVELS_AT + number, level.grade.label("zh"), "\n".join([level.trigger, level.decided_by, *acts]).strip()


def _pieces(words: str) -> list[str]:
    """A text in pieces of bounded length, at the end of a line where there is one."""
    made, rest = [], words
    while len(rest) > PIECE:
        cut = rest.rfind("\n", 1, PIECE) + 1 or PIECE
        made.append(rest[:cut])
        rest = rest[cut:]
    return [*made, rest]


@dataclass(frozen=True)
class IndexState:
    """What the examination of the index found."""

    texts: int
    missing: int
    """Texts in force that cannot be found."""
    stale: int
    """Texts in the index that are not in force."""
    torn: bool
    """SQLite's own lists do not match the rows (a restored or copied database)."""

    @property
    def sound(self) -> bool:
        """Whether everything that is in force is found, and nothing else."""
        return not (self.missing or self.stale or self.torn)


def examine(session: Session) -> IndexState:
    """Whether the index says what is in force."""
    wanted = set(
        session.scalars(sa.select(PlanVersion.id).join(Plan, Plan.id == PlanVersion.plan_id).where(in_force()))
    )
    held = set(session.scalars(sa.select(PlanSearch.version_id).distinct()))
    torn = False
    if session.get_bind().dialect.name == "sqlite":
        rows = session.scalar(sa.select(sa.func.count()).select_from(PlanSearch)) or 0
        torn = rows != session.scalar(sa.text("SELECT count(*) FROM plan_search_fts_docsize"))
    return IndexState(len(wanted), len(wanted - held), len(held - wanted), torn)


def rebuild(database: Database, *, batch: int = 200, report: Any = None) -> int:
    """Write the whole index anew, some plans a transaction, so that nobody waits; returns the number of texts."""
    with database.write() as session:
        if session.get_bind().dialect.name == "sqlite":
            session.execute(sa.text("INSERT INTO plan_search_fts (plan_search_fts) VALUES ('rebuild')"))
        stale = sa.select(PlanVersion.id).join(Plan, Plan.id == PlanVersion.plan_id).where(in_force())
        session.execute(
            sa.delete(PlanSearch)
            .where(PlanSearch.version_id.not_in(stale))
            .execution_options(synchronize_session=False)
        )
    done, last = 0, 0
    while True:
        with database.write() as session:
            found: Sequence[Any] = session.execute(
                sa.select(Plan, PlanVersion)
                .join(PlanVersion, PlanVersion.plan_id == Plan.id)
                .where(in_force(), Plan.id > last)
                .order_by(Plan.id)
                .limit(batch)
            ).all()
            for plan, version in found:
                index_version(session, plan, version)
        if not found:
            return done
        done, last = done + len(found), found[-1][0].id
        if report:
            report(done, None)
