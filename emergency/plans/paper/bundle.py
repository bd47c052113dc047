"""Many plans at once: one file after another through a small buffer, so that a township costs no more memory than a plan."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as division_rules
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans.models import Plan, PlanKind, PlanState, PlanVersion, VersionState
from emergency.plans.paper import filing_papers, journalled, word
from emergency.plans.queries import readable
from kernel.db import Database
from kernel.errors import N_, Invalid, NotFound

_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f]+')
_PIECE = 64 * 1024


def file_name(title: str, version_number: int | None = None) -> str:
    """A title as a file's name on any system."""
    name = _UNSAFE.sub("_", title).strip(" .")[:80] or "预案"
    return f"{name}（第{version_number}版）" if version_number else name


def chosen(
    session: Session,
    *,
    actor: Actor,
    division: str | None = None,
    plan_ids: Sequence[int] = (),
    kind: PlanKind | None = None,
    most: int | None = None,
) -> list[tuple[int, int, str, int]]:
    """Plan id, version id, title and number of the versions in force of an area (or of the plans named), in order."""
    actor.require(Permission.PLANS_VIEW)
    statement = (
        sa.select(Plan.id, PlanVersion.id, Plan.title, PlanVersion.number)
        .join(PlanVersion, PlanVersion.plan_id == Plan.id)
        .where(
            readable(actor), PlanVersion.state == VersionState.ISSUED, PlanVersion.replaced_at.is_(None),
            Plan.state.in_([PlanState.IN_FORCE, PlanState.UNDER_REVISION]),
        )
        .order_by(Plan.level, Plan.division_code, Plan.id)
    )  # fmt: skip
    if division:
        if not division_rules.is_code(division):
            raise Invalid(N_("A division code has 12 digits."), code="division_code_invalid")
        actor.require_covers(division)
        statement = statement.where(division_rules.within(Plan.division_code, division))
    elif not plan_ids:
        statement = statement.where(division_rules.in_scope(Plan.division_code, actor))
    if plan_ids:
        statement = statement.where(Plan.id.in_(list(plan_ids)))
    if kind is not None:
        statement = statement.where(Plan.kind == kind)
    found = [(row[0], row[1], row[2], row[3]) for row in session.execute(statement.limit(most) if most else statement)]
    if not found:
        raise NotFound(N_("There is no plan in force there."), code="nothing_in_force")
    return found


class _Pipe:
    """What a zip file writes, to be taken away piece by piece."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        """Keep until taken."""
        self.held.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits below."""

    def take(self) -> bytes:
        """What came since."""
        data = b"".join(self.held)
        self.held, self.size = [], 0
        return data


def zipped(files: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
    """A zip archive in pieces; two files of one name get numbers."""
    pipe, used = _Pipe(), dict[str, int]()
    target: Any = pipe
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            used[name] = used.get(name, 0) + 1
            if used[name] > 1:
                stem, dot, tail = name.rpartition(".")
                name = f"{stem}-{used[name]}{dot}{tail}"
            archive.writestr(name, data)
            if pipe.size >= _PIECE:
                yield pipe.take()
    yield pipe.take()


def words(
    database: Database,
    *,
    actor: Actor,
    plans: Sequence[tuple[int, int, str, int]],
    exercise: bool = False,
    division: str = "",
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[str, bytes]]:
    """The Word texts of some plans; journalled once before the first, read one at a time."""
    with database.write() as session:
        journalled.note_many(
            session, actor=actor, paper="word", count=len(plans), division=division or actor.division_code,
            exercise=exercise,
        )  # fmt: skip

    def made() -> Iterator[tuple[str, bytes]]:
        for number, (_plan_id, version_id, title, version) in enumerate(plans, start=1):
            with database.read() as session:
                held = word.whole(session, actor=actor, version_id=version_id)
                data = word.write(session, held, actor=actor, exercise=exercise)
            if progress is not None:
                progress(number)
            yield f"{file_name(title, version)}.docx", data

    return made()


def filing_batch(
    database: Database, *, actor: Actor, plan_ids: Sequence[int], open_only: bool = False
) -> Iterator[tuple[str, bytes]]:
    """For each letter a folder: letter, list, receipt to be filled in, and text and explanation of every plan."""
    with database.read() as session:
        rows = filing_papers.filed(session, actor=actor, plan_ids=plan_ids, open_only=open_only)
        letters = filing_papers.letters(session, rows)
    with database.write() as session:
        journalled.note_many(session, actor=actor, paper="filing", count=len(rows), division=actor.division_code)

    def made() -> Iterator[tuple[str, bytes]]:
        for number, letter in enumerate(letters, start=1):
            folder = f"{number:02d}-{file_name(letter.issuer)}-报{file_name(letter.body)}"
            with database.read() as session:
                yield f"{folder}/1-备案{letter.kind}.docx", filing_papers.filing_letter(session, letter)
                yield f"{folder}/2-备案材料目录.docx", filing_papers.filing_list(session, letter)
                yield f"{folder}/3-备案回执（由备案单位填写）.docx", filing_papers.filing_receipt(session, letter)
            for row in letter.plans:
                name = file_name(row.plan.title)
                with database.read() as session:
                    held = word.whole(session, actor=actor, version_id=row.version.id)
                    yield f"{folder}/预案/{name}.docx", word.write(session, held, actor=actor)
                    yield f"{folder}/预案/{name}-编制说明.docx", filing_papers.explanation_document(session, row)

    return made()
