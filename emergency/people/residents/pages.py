"""What the pages of residents show besides the records: places to choose from, counts, runs in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division
from emergency.http import paging
from emergency.http.actor import Actor
from emergency.http.i18n import gettext, language
from emergency.http.paging import Page
from emergency.http.permissions import Permission
from emergency.http.sheets import Column, RowError
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.contacts.service import refusals
from emergency.people.residents import rules, runs
from emergency.people.residents.models import ImportError_, ImportRun, Resident, RunState
from emergency.people.residents.rows import COLUMNS
from kernel.errors import N_, NotFound

ERROR_COLUMNS = (
    Column("row", ("行号",)),
    Column("column", ("列",)),
    Column("code", ("代码",)),
    Column("message", ("说明",)),
)


@dataclass(frozen=True, slots=True)
class Places:
    """The villages of the actor's scope, and the names of their townships by 9-digit prefix."""

    villages: list[tuple[str, str]]
    townships: dict[str, str]


def places(session: Session, actor: Actor) -> Places:
    """Where the actor may put a resident."""
    found = session.execute(
        sa.select(Division.code, Division.name, Division.level)
        .where(Division.level >= divisions.TOWNSHIP, divisions.in_scope(Division.code, actor))
        .order_by(Division.code)
    ).all()
    return Places(
        [(row.code, row.name) for row in found if row.level == divisions.VILLAGE],
        {row.code[:9]: row.name for row in found if row.level == divisions.TOWNSHIP},
    )


def area_choices(session: Session, actor: Actor, chosen: str = "") -> list[tuple[str, str]]:
    """Townships of the scope, and the villages of the one that is chosen: a list that stays short."""
    found = places(session, actor)
    listed: list[tuple[str, str]] = []
    for prefix, name in sorted(found.townships.items()):
        listed.append((prefix + "000", name))
        if chosen.startswith(prefix):
            listed += [(code, f"\u3000{village}") for code, village in found.villages if code.startswith(prefix)]
    if not found.townships:
        listed = list(found.villages)
    return listed


def priority_choices() -> list[tuple[str, str]]:
    """The priority classes in the reader's language."""
    return [(str(level), priority_label(level)) for level in sorted(rules.PRIORITY_LABELS)]


def priority_label(level: int) -> str:
    """A priority class in words."""
    zh, en = rules.PRIORITY_LABELS[level]
    return en if language() == "en" else zh


def phone_choices() -> list[tuple[str, str]]:
    """What the list can be narrowed to by the telephone."""
    states = [(one.value, one.label(language())) for one in PhoneState]
    return [*states, (refusals.REFUSED, gettext("refused by the provider"))]


@dataclass(frozen=True)
class Refusal:
    """What a provider says against a number."""

    code: str
    why: str
    since: datetime


def refusal(session: Session, contact_id: int | None) -> Refusal | None:
    """Whether the number of a contact is refused for good, in the reader's words."""
    found = refusals.of_contacts(session, [contact_id]).get(contact_id) if contact_id is not None else None
    return Refusal(found.code, gettext(refusals.words(found.code)).rstrip("。."), found.since) if found else None


def tally(session: Session, actor: Actor, division: str | None = None) -> dict[str, int]:
    """How many people there are in the scope (or one division of it), and how many a message cannot reach."""
    condition = [divisions.in_scope(Resident.division_code, actor), Resident.left_at.is_(None)]
    if division and divisions.is_code(division):
        condition.append(divisions.within(Resident.division_code, division))
    people = session.scalar(sa.select(sa.func.count()).select_from(Resident).where(*condition)) or 0
    missing = session.execute(
        sa.select(Contact.phone_state, sa.func.count())
        .join(Resident, Resident.contact_id == Contact.id)
        .where(*condition, Contact.phone_index.is_(None))
        .group_by(Contact.phone_state)
    )
    found = {row[0]: row[1] for row in missing}
    return {
        "people": people,
        "without_phone": found.get(PhoneState.NONE, 0),
        "invalid": found.get(PhoneState.INVALID, 0),
    }


# --- import runs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunView:
    """An import run as pages show it."""

    id: int
    state: RunState
    file: str
    actor: str
    created_at: datetime
    finished_at: datetime | None
    dry_run: bool
    fraction: float
    rows: int
    created: int
    updated: int
    unchanged: int
    error_count: int
    ignored_columns: list[str]
    seconds: float
    failure: str
    """Why nothing was imported, in the reader's language; empty otherwise."""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in (RunState.DONE, RunState.FAILED)

    @property
    def rate(self) -> int:
        """Rows a second."""
        return int(self.rows / self.seconds) if self.seconds >= 1 else 0


def _mine(actor: Actor) -> sa.ColumnElement[bool]:
    if actor.is_system:
        return sa.true()
    return sa.or_(
        ImportRun.actor == str(actor),
        sa.and_(
            ImportRun.division_prefix.startswith(actor.division_prefix, autoescape=True),
            sa.literal(bool(actor.division_prefix)),
        ),
    )


def _view(session: Session, run: ImportRun, now: datetime) -> RunView:
    failure = ""
    if run.failure:
        text = gettext(str(run.failure["message"]))
        failure = text % run.failure["params"] if run.failure["params"] else text
    return RunView(
        id=run.id,
        state=run.state,
        file=runs.file_name(session, run),
        actor=run.actor,
        created_at=run.created_at,
        finished_at=run.finished_at,
        dry_run=run.dry_run,
        fraction=run.fraction,
        rows=run.rows,
        created=run.created,
        updated=run.updated,
        unchanged=run.unchanged,
        error_count=run.error_count,
        ignored_columns=list(run.ignored_columns),
        seconds=((run.finished_at or now) - run.created_at).total_seconds(),
        failure=failure,
    )


def run_list(session: Session, *, actor: Actor, now: datetime, cursor: str | None = None) -> Page[RunView]:
    """The imports of this scope, the newest first."""
    actor.require(Permission.RESIDENTS_IMPORT)
    statement = sa.select(ImportRun).where(_mine(actor), ImportRun.noun == runs.NOUN)
    page = paging.paginate(session, statement, key=[ImportRun.id], cursor=cursor, limit=20, descending=True)
    return page.map(lambda run: _view(session, run, now))


def run_view(session: Session, *, actor: Actor, run_id: int, now: datetime) -> RunView:
    """One import of this scope, or 404."""
    actor.require(Permission.RESIDENTS_IMPORT)
    run = session.scalar(sa.select(ImportRun).where(ImportRun.id == run_id, _mine(actor)))
    if run is None:
        raise NotFound(N_("There is no such import in your area."))
    return _view(session, run, now)


def faults(
    session: Session, *, run_id: int, after: int = -1, limit: int = paging.PAGE_SIZE
) -> tuple[list[RowError], int | None]:
    """Faults of a run by row, and the position after which the next page begins."""
    found = session.scalars(
        sa.select(ImportError_)
        .where(ImportError_.run_id == run_id, ImportError_.position > after)
        .order_by(ImportError_.position)
        .limit(limit + 1)
    ).all()
    more = found[limit - 1].position if len(found) > limit else None
    return [runs.to_row_error(row) for row in found[:limit]], more


def column_words(key: str) -> str:
    """The heading of a column in the reader's language."""
    if language() == "en":
        return key
    return next((column.title for column in COLUMNS if column.key == key), key)


def page_of_faults(found: list[RowError], more: int | None) -> Page[Any]:
    """A page of faults for the templates."""
    lines = [{"row": e.row, "column": column_words(e.column), "code": e.code, "message": e.text()} for e in found]
    return Page(lines, str(more) if more is not None else None)
