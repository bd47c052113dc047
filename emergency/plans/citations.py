"""Statutes, rules and standards that plans name, and which plans are due when one of them changes.

A text is read once, when it is in force: what stands in 《…》 and every standard's number is kept. The table of statutes
says what became of each; a plan whose text is older than the change is due (生产安全事故应急条例 art. 6).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans.checks import require_district
from emergency.plans.dynamic_models import CitationScan, LegalChange, LegalText, PlanCitation
from emergency.plans.models import Plan, PlanSection, PlanState, PlanVersion, VersionState
from emergency.privacy import journal
from kernel.db import Database, touch
from kernel.errors import N_, Invalid, NotFound
from kernel.ids import new_id

CHANGED = journal.kind("plans.law_noted", "法规依据登记", "Statute noted", "title", "change", "day")
PIECE = 50
_QUOTED = re.compile(r"《([^《》\n]{2,120}(?:〈[^〉\n]{1,80}〉[^《》\n]{0,40})?)》")
_STANDARD = re.compile(
    r"(?<![A-Za-z])((?:GB|GA|AQ|XF|YJ|MZ|DB\d{2}|JT|SL|WS|HJ|QX)(?:/[TZ])?)\s*(\d{2,6}(?:\.\d{1,3})?)"
    r"(?:\s*[-—–]{1,2}\s*(?:19|20)\d{2})?"
)
_STATE = "中华人民共和国"
_EDITION = re.compile(r"[（(](?:试行|暂行|修订|修正|征求意见稿|草案|20\d{2}年?[^）)]{0,8})[）)]$")
_PLAN = re.compile(r"(?:预案|方案|手册)$")


def normal(title: str) -> str:
    """A title as the table of statutes spells it."""
    words = re.sub(r"\s+", "", title).removeprefix(_STATE)
    return _EDITION.sub("", words)[:200]


def cited(texts: Iterable[str]) -> list[str]:
    """The statutes and standards that texts name, each once, in order. Plans that a plan names stand in the tree
    already and are left out."""
    found: dict[str, None] = {}
    for text in texts:
        for match in _QUOTED.finditer(text):
            title = normal(match[1])
            if title and not _PLAN.search(title):
                found[title] = None
        for match in _STANDARD.finditer(text):
            found[f"{match[1]} {match[2]}"] = None
    return list(found)


def scan(session: Session, version_id: int) -> int:
    """Keep what one issued text names. Returns how many titles; a text is read once."""
    if session.get(CitationScan, version_id) is not None:
        return 0
    rows = session.execute(
        sa.select(PlanSection.heading, PlanSection.body)
        .where(PlanSection.version_id == version_id)
        .order_by(PlanSection.position)
    )
    titles = cited(text for row in rows for text in row)
    session.add(CitationScan(version_id=version_id))
    session.add_all(PlanCitation(id=new_id(), version_id=version_id, title=title) for title in titles)
    session.flush()
    return len(titles)


def scan_waiting(database: Database) -> int:
    """Read the texts in force that nobody read yet, a few in one transaction. Returns how many were read."""
    done = 0
    while True:
        with database.write() as session:
            waiting = session.execute(
                sa.select(PlanVersion.id, PlanVersion.plan_id)
                .join(CitationScan, CitationScan.version_id == PlanVersion.id, isouter=True)
                .where(
                    CitationScan.version_id.is_(None),
                    PlanVersion.state == VersionState.ISSUED,
                    PlanVersion.replaced_at.is_(None),
                )
                .limit(PIECE)
            ).all()
            for version_id, plan_id in waiting:
                if scan(session, version_id):
                    touch(session, "plan", plan_id)
        done += len(waiting)
        if len(waiting) < PIECE:
            return done


_C = LegalChange
_REGISTER = "国家法律法规数据库与公报（见法规资料）"
STATUTES: tuple[tuple[str, str, LegalChange, date | None, str], ...] = (
    ("突发事件应对法", "2024-06-28 修订", _C.AMENDED, date(2024, 11, 1), ""),
    ("突发事件应急预案管理办法", "国办发〔2024〕5号", _C.REPLACED, date(2024, 1, 31), "国办发〔2024〕5号"),
    ("生产安全事故应急条例", "国务院令第708号", _C.NONE, date(2019, 4, 1), ""),
    ("生产安全事故应急预案管理办法", "应急管理部令第2号修改", _C.AMENDED, date(2019, 7, 11), ""),
    ("自然灾害救助条例", "2019-03-02 修订", _C.AMENDED, date(2019, 3, 2), ""),
    ("传染病防治法", "", _C.AMENDED, date(2025, 9, 1), ""),
    ("突发公共卫生事件应对法", "", _C.NONE, date(2025, 11, 1), ""),
    ("危险化学品安全法", "", _C.NONE, date(2026, 5, 1), ""),
    ("水污染防治法", "", _C.REPLACED, date(2026, 8, 15), "生态环境法典"),
    ("生态环境法典", "", _C.NONE, date(2026, 8, 15), ""),
    ("DB12/T 1452", "村（社区）应急预案编制导则", _C.NONE, date(2025, 9, 1), ""),
)
"""What was read of statutes that plans of a district name; the bureau adds the rest on screen."""


def load(session: Session) -> int:
    """Enter the statutes that are not there yet; what the bureau changed stays."""
    known = set(session.scalars(sa.select(LegalText.title)))
    new = [
        LegalText(
            id=new_id(), title=title, number=number, change=change, changed_on=day, replaced_by=after,
            source=_REGISTER, noted_by="system:lawbook",
        )
        for title, number, change, day, after in STATUTES
        if title not in known
    ]  # fmt: skip
    session.add_all(new)
    session.flush()
    return len(new)


@dataclass(frozen=True)
class LawLine:
    """A statute that plans in force name, with how many name it; `law` is None while nobody entered it."""

    title: str
    law: LegalText | None
    plans: int


def _naming(actor: Actor) -> sa.Select[str, int]:
    return (
        sa.select(PlanCitation.title, sa.func.count())
        .join(PlanVersion, PlanVersion.id == PlanCitation.version_id)
        .join(Plan, Plan.id == PlanVersion.plan_id)
        .where(
            PlanVersion.state == VersionState.ISSUED,
            PlanVersion.replaced_at.is_(None),
            Plan.state.in_([PlanState.IN_FORCE, PlanState.UNDER_REVISION]),
            in_scope(Plan.division_code, actor),
        )
        .group_by(PlanCitation.title)
    )


def statutes(session: Session, *, actor: Actor, limit: int = 500) -> list[LawLine]:
    """The statutes on the table and those that plans name and nobody entered, the most named first."""
    actor.require(Permission.PLANS_VIEW)
    counts: dict[str, int] = {title: int(n) for title, n in session.execute(_naming(actor))}
    known = {law.title: law for law in session.scalars(sa.select(LegalText))}
    lines = [LawLine(title, known.get(title), counts.get(title, 0)) for title in {*counts, *known}]
    return sorted(lines, key=lambda line: (-line.plans, line.title))[:limit]


def note_law(
    session: Session,
    *,
    actor: Actor,
    title: str,
    change: LegalChange,
    changed_on: date | None,
    number: str = "",
    replaced_by: str = "",
    source: str = "",
) -> LegalText:
    """Enter a statute, or what became of it: every plan in force that names it and is older falls due."""
    actor.require(Permission.PLANS_EDIT)
    require_district(actor)
    standard = _STANDARD.fullmatch(title.strip())
    name = f"{standard[1]} {standard[2]}" if standard else normal(title.strip().strip("《》"))
    if not name:
        raise Invalid(N_("Give the title."), code="incomplete", fields={"title": N_("Fill this in.")})
    if change is not LegalChange.NONE and changed_on is None:
        message = N_("Since when is the change in force?")
        raise Invalid(message, code="incomplete", fields={"changed_on": message})
    if not source.strip():
        message = N_("Say where this can be read.")
        raise Invalid(message, code="incomplete", fields={"source": message})
    law = session.scalar(sa.select(LegalText).where(LegalText.title == name))
    if law is None:
        law = LegalText(id=new_id(), title=name, noted_by=str(actor))
        session.add(law)
    law.change, law.changed_on, law.noted_by = change, changed_on, str(actor)
    law.number, law.replaced_by = number.strip()[:100], replaced_by.strip().strip("《》")[:200]
    law.source = source.strip()[:200]
    session.flush()
    touch(session, "plan_law", law.id)
    journal.record(
        session, CHANGED, actor=actor, subject=("plan_law", law.id), title=name, change=change.value,
        day=changed_on.isoformat() if changed_on else "",
    )  # fmt: skip
    return law


def get_law(session: Session, law_id: int) -> LegalText:
    """One statute of the table."""
    law = session.get(LegalText, law_id)
    if law is None:
        raise NotFound(N_("There is no such statute."))
    return law
