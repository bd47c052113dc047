"""The list of injects as a spreadsheet: written for the office, read back with a report by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import day_msel, day_rules
from emergency.drills.day_models import DrillInject, InjectVia
from emergency.drills.day_msel import InjectFacts, Owner
from emergency.http.actor import Actor
from emergency.http.sheets import Column, Report, Row, RowError, open_sheet
from emergency.people.posts import service as posts
from kernel.db import Database
from kernel.errors import N_, DomainError, Invalid

COLUMNS = (
    Column("number", ("序号", "编号"), required=True),
    Column("time", ("情景时间", "时间"), required=True),
    Column("from", ("发出方", "扮演"), required=True),
    Column("via", ("方式", "渠道")),
    Column("to", ("接收岗位", "对象", "发给")),
    Column("message", ("情景内容", "内容"), required=True),
    Column("expected", ("预期行动", "预期处置")),
    Column("objective", ("演练目标", "目标")),
    Column("controller", ("责任导调员", "导调员")),
    Column("tolerance", ("容许迟到（分钟）", "容许迟到")),
)
ON_THE_SPOT = "现场导调"
_BY_HAND = {ON_THE_SPOT, "导调员", "controllers", ""}
_VIA = {word: via for via in InjectVia for word in (via.value, via.zh, via.en.casefold())} | {
    "电话": InjectVia.PHONE, "对讲机": InjectVia.RADIO, "专人": InjectVia.RUNNER, "语音": InjectVia.VOICE,
}  # fmt: skip
PIECE = 20


def rows(session: Session, owner: Owner) -> Iterable[dict[str, Any]]:
    """The list as rows of a sheet; posts by their titles, nobody by name."""
    found = day_msel.items(session, owner)
    named = posts.titles(session, {post_id for item in found for post_id in item.post_ids})
    goals = {goal.id: goal.words for goal in day_msel.objectives(session, owner)}
    for item in found:
        one = item.inject
        yield {
            "number": one.number,
            "time": day_rules.clock_words(one.offset_seconds).removeprefix("+"),
            "from": one.sender,
            "via": one.via.zh,
            "to": "；".join(named.get(post_id, "") for post_id in item.post_ids) or ON_THE_SPOT,
            "message": one.message,
            "expected": one.expected,
            "objective": goals.get(one.objective_id or 0, ""),
            "controller": one.controller,
            "tolerance": one.tolerance_minutes,
        }


@dataclass(frozen=True)
class Names:
    """What the words of a sheet may name: posts by title, objectives by their words."""

    posts: dict[str, int]
    objectives: dict[str, int]

    @classmethod
    def of(cls, session: Session, owner: Owner) -> Names:
        """The posts of the drill's area and those of the places above it."""
        code = owner.programme.division_code
        found = posts.find_posts(session, [code])
        above = [code[:n].ljust(12, "0") for n in (6, 9) if code[:n].ljust(12, "0") != code]
        found += posts.find_posts(session, above, exactly=True) if above else []
        named = posts.titles(session, [post.id for post in found])
        return cls(
            {_key(title): post_id for post_id, title in sorted(named.items(), reverse=True)},
            {_key(goal.words): goal.id for goal in day_msel.objectives(session, owner)},
        )


def _key(text: str) -> str:
    return "".join(text.split()).casefold()


def import_injects(
    database: Database,
    file: Path | str | BinaryIO,
    *,
    actor: Actor,
    occurrence_id: int | None = None,
    programme_id: int | None = None,
    dry_run: bool = False,
) -> Report:
    """Take a list over: a number that is there is changed, another is new. Bad rows are named and left out."""
    report = Report()
    with database.read() as session:
        owner = day_msel.owner_of(session, actor=actor, occurrence_id=occurrence_id, programme_id=programme_id)
        day_msel.require_editable(session, actor=actor, owner=owner)
        names = Names.of(session, owner)
    facts: list[tuple[int, InjectFacts]] = []
    seen: set[int] = set()
    with open_sheet(file, COLUMNS) as sheet:
        report.ignored_columns = list(sheet.ignored_columns)
        for row in sheet:
            report.rows += 1
            if report.rows > day_rules.MAX_INJECTS:
                report.add(RowError(row.number, "", "too_many", N_("The list is full.")))
                break
            read = _read(row, names, report)
            if read is None:
                continue
            if read.number in seen:
                report.add(RowError(row.number, "number", "duplicate", N_("This number is taken already.")))
                continue
            seen.add(read.number)
            facts.append((row.number, read))
    for start in range(0, len(facts), PIECE):
        _take(database, facts[start : start + PIECE], actor, (occurrence_id, programme_id), dry_run, report)
    return report


def _read(row: Row, names: Names, report: Report) -> InjectFacts | None:
    faults = list(row.faults)

    def fault(column: str, code: str, message: str) -> None:
        faults.append(RowError(row.number, column, code, message))

    def whole(column: str, default: int | None) -> int:
        text = row[column].strip().removesuffix(".0")
        if text.isdecimal() and len(text) < 7:
            return int(text)
        if text or default is None:
            fault(column, "bad_number", N_("This is not a whole number."))
        return default or 0

    number, tolerance, offset = whole("number", None), whole("tolerance", 10), 0
    try:
        offset = day_rules.read_offset(row["time"].removesuffix(".0"))
    except Invalid as error:
        faults.append(RowError(row.number, "time", error.code, error.message, error.params))
    post_ids = _posts(row["to"], names.posts, fault)
    said = row["via"].strip().casefold()
    via = _VIA.get(said) if said else (InjectVia.SMS if post_ids else InjectVia.RADIO)
    if via is None:
        fault("via", "unknown_via", N_("This channel is not known."))
    goal = names.objectives.get(_key(row["objective"]))
    if row["objective"].strip() and goal is None:
        fault("objective", "unknown_objective", N_("The drill has no objective of these words."))
    report.extend(faults)
    if faults or via is None:
        return None
    return InjectFacts(
        number, offset, row["from"], via, row["message"], post_ids, row["expected"], goal, row["controller"], tolerance
    )


def _posts(text: str, known: dict[str, int], fault: Any) -> Sequence[int]:
    found = []
    for word in text.replace("、", "；").replace(";", "；").replace("\n", "；").split("；"):
        if word.strip().casefold() in _BY_HAND:
            continue
        post_id = known.get(_key(word))
        if post_id is None:
            fault("to", "unknown_post", N_("A post of this name is not known here."))
        else:
            found.append(post_id)
    return found


class _DryRun(Exception):
    """Leaves the unit of work without keeping it."""


def _take(
    database: Database, lines: Sequence[tuple[int, InjectFacts]], actor: Actor, of: tuple[int | None, int | None],
    dry_run: bool, report: Report,
) -> None:  # fmt: skip
    try:
        with database.write() as session:
            owner = day_msel.owner_of(session, actor=actor, occurrence_id=of[0], programme_id=of[1])
            for number, facts in lines:
                try:
                    with session.begin_nested():
                        outcome = _line(session, actor, owner, facts)
                except DomainError as error:
                    column = next(iter(error.fields), "")
                    words = error.fields.get(column) if column else None
                    report.add(RowError(number, column, error.code, words or error.message, error.params))
                    continue
                setattr(report, outcome, getattr(report, outcome) + 1)
            if dry_run:
                raise _DryRun
    except _DryRun:
        return


def _line(session: Session, actor: Actor, owner: Owner, facts: InjectFacts) -> str:
    known = session.scalar(sa.select(DrillInject).where(owner.mine(), DrillInject.number == facts.number))
    if known is None:
        day_msel.add(session, actor=actor, owner=owner, facts=facts)
        return "created"
    item = day_msel.with_posts(session, [known])[0]
    clean = day_msel.check(session, owner, facts)
    same = all(getattr(known, name) == getattr(clean, name) for name in day_msel.FIELDS)
    if same and sorted(item.post_ids) == sorted(clean.post_ids):
        return "unchanged"
    day_msel.change(session, actor=actor, inject_id=known.id, version=known.version, facts=facts)
    return "updated"
