"""The drills of one feed as calendar entries: bounded, in the reader's area, without a person in them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import within_prefix
from emergency.drills import feeds_ical, rules
from emergency.drills.feed_models import FeedOf
from emergency.drills.feeds import Opened
from emergency.drills.feeds_ical import Entry, Status
from emergency.drills.models import DrillKind, Invitation, Occurrence, OccurrenceState, Programme
from emergency.http import i18n
from emergency.people.posts import service as posts
from emergency.people.posts.models import PostHolder
from kernel.db import now
from kernel.errors import N_
from kernel.ids import given_out_at
from kernel.states import StateChange

if TYPE_CHECKING:
    from emergency.config import Config

BACK = timedelta(days=90)
AHEAD = relativedelta(months=rules.AHEAD_MONTHS)
MOST_AHEAD, MOST_BACK = 1500, 500
_UID = "occurrence-"
_MORE = N_("Only the next %(n)s drills are in this calendar. Choose a smaller area or some kinds to see all of them.")
_LINE = N_("Drills of the last 90 days and the next 13 months. Drills that were called off stay, marked as such.")


@dataclass(frozen=True)
class _Asked:
    """How many posts were asked about a drill, how many answered, and when the last of them did."""

    asked: int
    answered: int
    last: datetime | None


class _Words:
    """What the entries say, in one language."""

    def __init__(self, language: str):
        self.language = language
        # A catalogue asks its fallbacks one after the other; a thousand entries say the same dozen words.
        self._gettext = functools.cache(i18n.catalogue(language).gettext)

    def __call__(self, message: str, **params: Any) -> str:
        text = self._gettext(message)
        return text % params if params else text

    def pair(self, label: str, value: str) -> str:
        """`科目：应急疏散`."""
        return f"{self._gettext(label)}{self._gettext(': ')}{value}"


@dataclass(frozen=True)
class _Frame:
    """What every entry of one feed shares, worked out once."""

    words: _Words
    base: str
    ending: str
    mark: str
    word: str

    @classmethod
    def of(cls, words: _Words, config: Config) -> _Frame:
        """For this installation, in this language."""
        return cls(
            words,
            f"{config.public_url}/drills/",
            uid(0, config).removeprefix(f"{_UID}0"),
            words(N_("[EXERCISE]")),
            words(N_("Drill")),
        )


def read(session: Session, opened: Opened, config: Config) -> bytes:
    """The feed's whole text."""
    locale = config.site.language if opened.feed.account_id is None else opened.actor.locale
    words = _Words(locale)
    rows, more = _rows(session, opened)
    mine = _my_answers(session, opened, [row.id for row in rows], words)
    asked = _asked(session, [row.id for row in rows if row.state is not OccurrenceState.PLANNED])
    frame = _Frame.of(words, config)
    entries = [_entry(row, asked.get(row.id), mine.get(row.id, ()), frame) for row in rows]
    said = words(_MORE, n=MOST_AHEAD) if more else words(_LINE)
    return feeds_ical.calendar(entries, name=opened.feed.name, description=said, zone=config.site.time_zone)


def _rows(session: Session, opened: Opened) -> tuple[list[Any], bool]:
    """What comes, the soonest first, and what was, the latest first; neither grows beyond its limit."""
    moment = now(session)
    feed = opened.feed
    cancelled = Occurrence.state == OccurrenceState.CANCELLED
    chosen = _statement(opened)
    coming = session.execute(
        chosen.where(Occurrence.starts_at >= moment, Occurrence.starts_at < moment + AHEAD)
        .order_by(Occurrence.starts_at, Occurrence.id)
        .limit(MOST_AHEAD + 1)
    ).all()
    been = session.execute(
        chosen.where(
            Occurrence.starts_at < moment,
            sa.or_(
                Occurrence.starts_at >= moment - BACK,
                sa.and_(cancelled, Occurrence.starts_at >= moment - timedelta(days=feed.cancelled_days)),
            ),
        )
        .order_by(Occurrence.starts_at.desc(), Occurrence.id.desc())
        .limit(MOST_BACK)
    ).all()
    return [*reversed(been), *coming[:MOST_AHEAD]], len(coming) > MOST_AHEAD


def _statement(opened: Opened) -> Any:
    stepped = (
        sa.select(sa.func.max(StateChange.at))
        .where(StateChange.kind == Occurrence.__tablename__, StateChange.subject_id == Occurrence.id)
        .scalar_subquery()
    )
    statement = (
        sa.select(
            Occurrence.id, Occurrence.starts_at, Occurrence.ends_at, Occurrence.title, Occurrence.kind,
            Occurrence.state, Occurrence.provisional, Occurrence.sequence, Occurrence.changed_at,
            stepped.label("stepped_at"), Programme.form, Programme.place, Unit.name.label("unit"),
            Division.name.label("division"),
        )
        .join(Programme, Programme.id == Occurrence.programme_id)
        .join(Division, Division.code == Occurrence.division_code)
        .outerjoin(Unit, Unit.id == Occurrence.unit_id)
    )  # fmt: skip
    if opened.feed.kinds:
        known = [kind for kind in DrillKind if kind.value in opened.feed.kinds]
        statement = statement.where(Occurrence.kind.in_(known))
    if opened.feed.source is FeedOf.POSTS:
        # Whoever is invited was told the date, wherever the drill is held: the area limits nothing here.
        return statement.where(
            Occurrence.id.in_(
                sa.select(Invitation.occurrence_id)
                .join(PostHolder, PostHolder.post_id == Invitation.post_id)
                .where(PostHolder.account_id == opened.actor.id)
            )
        )
    return statement.where(within_prefix(Occurrence.division_code, opened.actor.division_prefix))


def _asked(session: Session, ids: Sequence[int]) -> dict[int, _Asked]:
    found = session.execute(
        sa.select(
            Invitation.occurrence_id,
            sa.func.count(),
            sa.func.count(Invitation.answered_at),
            sa.func.max(Invitation.answered_at),
        )
        .where(Invitation.occurrence_id.in_(ids))
        .group_by(Invitation.occurrence_id)
    )
    return {occurrence_id: _Asked(asked, answered, last) for occurrence_id, asked, answered, last in found}


def _my_answers(session: Session, opened: Opened, ids: Sequence[int], words: _Words) -> Mapping[int, list[str]]:
    """What the account's own posts said, by drill; nothing in a feed of an area."""
    if opened.feed.source is not FeedOf.POSTS:
        return {}
    found = session.execute(
        sa.select(Invitation.occurrence_id, Invitation.post_id, Invitation.answer)
        .join(PostHolder, PostHolder.post_id == Invitation.post_id)
        .where(PostHolder.account_id == opened.actor.id, Invitation.occurrence_id.in_(ids))
        .order_by(Invitation.id)
    ).all()
    titles = posts.titles(session, {row.post_id for row in found}, language=words.language)
    lines: dict[int, list[str]] = {}
    for row in found:
        answer = row.answer.label(words.language) if row.answer is not None else words(N_("not answered yet"))
        line = f"{titles.get(row.post_id, '')}{words(': ')}{answer}"
        lines.setdefault(row.occurrence_id, []).append(line)
    return lines


def _entry(row: Any, asked: _Asked | None, mine: Sequence[str], frame: _Frame) -> Entry:
    words, number, title, changed = frame.words, row.id, row.title, row.changed_at
    status = _status(row)
    owner = row.unit or row.division
    off = words(N_("[called off]")) if status is Status.CANCELLED else ""
    kind = row.kind.label(words.language)
    url = f"{frame.base}{number}"
    for later in (row.stepped_at, asked.last if asked else None):
        if later is not None and (changed is None or later > changed):
            changed = later
    reminds = bool(mine) and row.state in rules.COMING
    return Entry(
        uid=f"{_UID}{number}{frame.ending}", starts_at=row.starts_at, ends_at=row.ends_at, sequence=row.sequence,
        status=status, changed_at=changed or given_out_at(number), summary=f"{frame.mark}{off}{title}",
        location=row.place or owner, description=_description(row, owner, kind, asked, mine, words, url), url=url,
        categories=(frame.word, kind), alarm=f"{frame.mark}{title}" if reminds else "",
    )  # fmt: skip


def uid(occurrence_id: int, config: Config) -> str:
    """The entry's name for ever: not the host's, which an installation may change without becoming another."""
    return f"{_UID}{occurrence_id}@{config.site.division_code}.emergency.invalid"


def _status(row: Any) -> Status:
    if row.state is OccurrenceState.CANCELLED:
        return Status.CANCELLED
    return Status.TENTATIVE if row.provisional and row.state in rules.COMING else Status.CONFIRMED


def _description(
    row: Any, owner: str, kind: str, asked: _Asked | None, mine: Sequence[str], words: _Words, url: str
) -> str:
    state = row.state.label(words.language)
    if asked is not None:
        state += words(N_(" (%(n)s/%(m)s answered)"), n=asked.answered, m=asked.asked)
    lines = [
        words.pair(N_("Kind of drill"), kind),
        words.pair(N_("How it is held"), row.form.label(words.language)),
        words.pair(N_("Held by"), owner),
        words.pair(N_("State"), state),
    ]
    if row.provisional and row.state in rules.COMING:
        lines.append(words(N_("Provisional: the year's holidays are not announced yet; the date may move.")))
    lines += mine
    lines.append(words.pair(N_("Details (sign in)"), url))
    return "\n".join(lines)
