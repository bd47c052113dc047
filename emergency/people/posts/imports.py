"""Posts from a file. Rows of one post belong together whatever their order; the same file again changes nothing.

A row without a name founds a vacant post. An empty number leaves the one that is known. Who is not in the file
stays. A name that is the same keeps its record, so that a corrected number is corrected everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as division_rules
from emergency.divisions import service as divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.http.sheets import Column, Report, Row, RowError, open_sheet
from emergency.people.posts import bulk, numbers, rules, service
from emergency.people.posts.models import Duty, Post, PostHolder, PostState
from emergency.privacy import journal
from kernel.db import Database, touch
from kernel.errors import N_, DomainError

COLUMNS = (
    Column("division_code", ("区划代码", "所属区划代码", "行政区划代码", "村居代码"), required=True, kind="code"),
    Column("duty", ("职责", "岗位", "岗位职责"), required=True),
    Column("name", ("姓名", "责任人", "联系人")),
    Column("phone", ("电话", "手机", "手机号", "联系电话", "手机号码"), kind="phone"),
    Column("deputy_order", ("副手顺序", "顺序", "副手序号", "第几副手"), kind="number"),
)
PIECE = 40
"""Posts a transaction: well under a quarter of a second on one core."""
Progress = Callable[[int, float | None], None]


@dataclass
class _Entry:
    """All rows of one post, by order."""

    division_code: str
    duty: Duty
    rows: dict[int, Row] = field(default_factory=dict)

    def people(self) -> list[tuple[str, str] | None]:
        """Names and numbers in order; deputies close up, the holder's place stays empty where he is missing."""
        holder = self.rows.get(0)
        first = (holder["name"], holder["phone"]) if holder is not None and holder["name"] else None
        return [first, *((self.rows[n]["name"], self.rows[n]["phone"]) for n in sorted(self.rows) if n > 0)]


def import_posts(
    database: Database,
    path: Path | str | BinaryIO,
    *,
    actor: Actor,
    dry_run: bool = False,
    purpose: journal.Purpose | str | None = journal.Purpose.MAINTENANCE,
    progress: Progress | None = None,
) -> Report:
    """Take posts with holders and deputies from a CSV or XLSX file; good rows are kept, the others reported by row."""
    actor.require(Permission.POSTS_EDIT)
    report = Report()
    entries: dict[tuple[str, Duty], _Entry] = {}
    with open_sheet(path, COLUMNS) as sheet:
        report.ignored_columns = list(sheet.ignored_columns)
        for row in sheet:
            report.rows += 1
            _read(row, entries, report, actor)
    done = 0
    for piece in _pieces(entries.values(), PIECE):
        with database.read() if dry_run else database.write() as session:
            _take(session, actor, piece, report, dry_run=dry_run)
        done += sum(len(entry.rows) for entry in piece)
        if progress:
            progress(done, done / max(report.rows, 1))
    if not dry_run and report.rows:
        with database.write() as session:
            journal.record(
                session, journal.IMPORTED, actor=actor, purpose=purpose or journal.Purpose.MAINTENANCE, list="posts",
                rows=report.rows, created=report.created, updated=report.updated, errors=report.error_count,
            )  # fmt: skip
    return report


def _pieces(entries: Iterable[_Entry], size: int) -> Iterator[list[_Entry]]:
    source = iter(entries)
    while piece := list(islice(source, size)):
        yield piece


def _fault(row: Row, column: str, code: str, message: str, /, **params: Any) -> RowError:
    return RowError(row.number, column, code, message, params)


def _read(row: Row, entries: dict[tuple[str, Duty], _Entry], report: Report, actor: Actor) -> None:
    """Put a row with its post, or report what is wrong with it."""
    faults = list(row.faults)
    code = row["division_code"]
    if len(code) != 12:
        message = N_("A division code has 12 digits; “%(value)s” has %(n)s characters.")
        faults.append(_fault(row, "division_code", "code_wrong_length", message, value=code[:30], n=len(code)))
    elif not division_rules.is_code(code):
        message = N_("A division code consists of digits; “%(value)s” does not.")
        faults.append(_fault(row, "division_code", "code_not_digits", message, value=code))
    elif not actor.covers(code):
        message = N_("This lies outside the area that your account is responsible for.")
        faults.append(_fault(row, "division_code", "out_of_scope", message))
    duty = rules.read_duty(row["duty"])
    if duty is None:
        message = N_("“%(value)s” is not a duty of the vocabulary.")
        faults.append(_fault(row, "duty", "duty_unknown", message, value=row["duty"][:30]))
    order = _order(row["deputy_order"])
    if order is None:
        message = N_("The order is 0 for the holder and 1 to %(n)s for deputies.")
        faults.append(_fault(row, "deputy_order", "order_invalid", message, n=rules.MAX_DEPUTIES))
    elif not row["name"] and (order > 0 or row["phone"]):
        faults.append(_fault(row, "name", "name_missing", N_("The name is missing.")))
    if not faults and duty is not None and order is not None:
        entry = entries.setdefault((code, duty), _Entry(code, duty))
        before = entry.rows.get(order)
        twin = next((r for r in entry.rows.values() if r["name"] and r["name"] == row["name"]), None)
        if before is None and (twin is None or twin["phone"] != row["phone"]):
            entry.rows[order] = row
            return
        if before is not None:
            message = N_("Row %(first)s names somebody for this place of the same post already.")
            faults.append(_fault(row, "deputy_order", "post_duplicate", message, first=before.number))
        elif twin is not None:
            message = N_("Row %(first)s names the same person for the same post.")
            faults.append(_fault(row, "name", "person_duplicate", message, first=twin.number))
    report.extend(faults)


def _order(text: str) -> int | None:
    if not text:
        return 0
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() and 0 <= number <= rules.MAX_DEPUTIES else None


def _take(session: Session, actor: Actor, piece: Sequence[_Entry], report: Report, *, dry_run: bool) -> None:
    known = divisions.names(session, [entry.division_code for entry in piece])
    stored = {
        (post.division_code, post.duty): post
        for post in session.scalars(
            sa.select(Post).where(
                Post.unit_id.is_(None), Post.division_code.in_({entry.division_code for entry in piece})
            )
        )
    }
    held = service.holders(session, [post.id for post in stored.values()])
    fresh: list[bulk.NewPost] = []
    for entry in piece:
        if entry.division_code not in known:
            message = N_("There is no division with the code %(division)s.")
            for row in entry.rows.values():
                report.add(_fault(row, "division_code", "division_unknown", message, division=entry.division_code))
            continue
        post = stored.get((entry.division_code, entry.duty))
        if post is None:
            report.created += len(entry.rows)
            fresh.append(bulk.NewPost(entry.division_code, entry.duty, entry.people()))
        else:
            _update(session, actor, entry, post, held.get(post.id, []), report, dry_run=dry_run)
    if fresh and not dry_run:
        for made in bulk.found(session, fresh):
            touch(session, "post", made.id)


def _update(
    session: Session,
    actor: Actor,
    entry: _Entry,
    post: Post,
    held: Sequence[PostHolder],
    report: Report,
    *,
    dry_run: bool,
) -> None:
    if post.state is PostState.ABOLISHED:
        message = N_("This post is abolished. Restore it on its page first.")
        for row in entry.rows.values():
            report.add(_fault(row, "duty", "post_abolished", message))
        return
    by_order = {person.order: person for person in held}
    rows = [entry.rows[n] for n in sorted(entry.rows)]
    places = [0, *range(1, len(rows) + 1)] if 0 in entry.rows else [*range(1, len(rows) + 1)]
    for place, row in zip(places, rows, strict=False):
        person = by_order.get(place)
        try:
            change = _change(session, person, row)
            if change is None:
                report.unchanged += 1
                continue
            if not dry_run:
                _apply(session, actor, post, place, person, row, change)
        except DomainError as error:
            report.add(RowError(row.number, "name", error.code, error.message, error.params))
            continue
        if person is None and place > 0:
            report.created += 1
        else:
            report.updated += 1


def _change(session: Session, person: PostHolder | None, row: Row) -> str | None:
    """What a row asks for: `new`, `replace`, `number`, or None where it says what is stored."""
    if not row["name"]:
        return None  # a vacant post in the file leaves whoever holds it here
    if person is None:
        return "new"
    if not numbers.same(session, {person.contact_id: (row["name"], "")}):
        return "replace"
    if row["phone"] and not numbers.same(session, {person.contact_id: ("", row["phone"])}):
        return "number"
    return None


def _apply(
    session: Session, actor: Actor, post: Post, place: int, person: PostHolder | None, row: Row, change: str
) -> None:
    name, phone = row["name"], row["phone"]
    if change == "number" and person is not None:
        service.correct(session, actor=actor, post_id=post.id, holder_id=person.id, phone=phone)
        return
    contact_id = bulk.same_person(session, name, phone)
    if place == 0:
        service.set_holder(session, actor=actor, post_id=post.id, name=name, phone=phone, contact_id=contact_id)
    elif person is None:
        service.add_deputy(session, actor=actor, post_id=post.id, name=name, phone=phone, contact_id=contact_id)
    else:
        service.replace_deputy(
            session, actor=actor, post_id=post.id, holder_id=person.id, name=name, phone=phone, contact_id=contact_id
        )
