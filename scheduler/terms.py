"""School terms as the education bureau announces them; until then the usual ones, marked as a guess.

A rule for schools asks nothing in their holidays, so planning must know the terms a year ahead. They are announced a
few weeks before they begin: what lies further off is computed from the usual dates and is provisional.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.errors import N_, Conflict, Invalid, NotFound
from scheduler.models import SchoolTerm

USUAL = {1: ((9, 1), (1, 20)), 2: ((2, 20), (7, 5))}
"""First and last (month, day) of the two terms where nothing is announced; term 1 ends in the next year."""
_DAY = timedelta(days=1)
_YEAR_WORDS = re.compile(r"^(20\d\d)-(20\d\d)$")
SHORTEST, LONGEST = timedelta(days=30), timedelta(days=200)
FIRST_YEAR, LAST_YEAR = 2000, 2098


@dataclass(frozen=True, order=True)
class Term:
    """One term, first and last day included. `known` is False where the dates are only the usual ones."""

    begins_on: date
    ends_on: date
    school_year: str
    term: int
    known: bool = False

    @property
    def days(self) -> int:
        """How many days it lasts, holidays and weekends included."""
        return (self.ends_on - self.begins_on).days + 1

    def __contains__(self, day: date) -> bool:
        return self.begins_on <= day <= self.ends_on


@lru_cache(maxsize=512)
def usual(first_year: int, term: int) -> Term:
    """The term as it usually lies in the school year that begins in `first_year`."""
    (month, day), (last_month, last_day) = USUAL[term]
    begins = date(first_year + (term == 2), month, day)
    return Term(begins, date(first_year + 1, last_month, last_day), school_year(first_year), term)


def school_year(first_year: int) -> str:
    """`2026-2027`."""
    return f"{first_year}-{first_year + 1}"


@dataclass(frozen=True)
class TermCalendar:
    """Which days have school. Terms that nobody entered are taken to be the usual ones."""

    terms: tuple[Term, ...] = ()
    _memory: dict[int, list[Term]] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def load(cls, session: Session) -> TermCalendar:
        """The terms as entered; one statement."""
        rows = session.scalars(sa.select(SchoolTerm).order_by(SchoolTerm.begins_on))
        return cls(tuple(Term(r.begins_on, r.ends_on, r.school_year, r.term, r.announced) for r in rows))

    def _around(self, year: int) -> list[Term]:
        """The terms that touch a calendar year and their neighbours, in order."""
        if year not in self._memory:
            entered = {(t.school_year, t.term): t for t in self.terms}
            near = [(first, term) for first in range(year - 2, year + 2) for term in (1, 2)]
            self._memory[year] = sorted(entered.get((school_year(y), n)) or usual(y, n) for y, n in near)
        return self._memory[year]

    def term_of(self, day: date) -> Term | None:
        """The term that the day lies in."""
        near = self._around(day.year)
        at = bisect_right(near, day, key=lambda term: term.begins_on) - 1
        return near[at] if at >= 0 and day in near[at] else None

    def in_term(self, day: date) -> bool:
        """Whether schools are in session that week; weekends and holidays inside a term count as in it."""
        return self.term_of(day) is not None

    def knows(self, day: date) -> bool:
        """Whether the answer of `in_term` rests on announced terms: the term itself, or both ends of the break."""
        near = self._around(day.year)
        at = bisect_right(near, day, key=lambda term: term.begins_on) - 1
        if at < 0:
            return False
        if day in near[at]:
            return near[at].known
        return near[at].known and at + 1 < len(near) and near[at + 1].known

    def terms_between(self, start: date, end: date) -> list[Term]:
        """The terms that share a day with the span, in order."""
        found = {term for year in range(start.year, end.year + 1) for term in self._around(year)}
        return sorted(term for term in found if term.begins_on <= end and term.ends_on >= start)

    def next_day_in_term(self, day: date) -> date:
        """The day itself if it lies in a term, else the first day of the next one."""
        if self.in_term(day):
            return day
        return next(term.begins_on for term in self._around(day.year + 1) if term.begins_on > day)

    def breaks_between(self, start: date, end: date) -> Iterator[tuple[date, date]]:
        """The holidays between terms that share a day with the span: first and last day of each."""
        near = self.terms_between(start - timedelta(days=120), end + timedelta(days=120))
        for before, after in pairwise(near):
            first, last = before.ends_on + _DAY, after.begins_on - _DAY
            if first <= last and first <= end and last >= start:
                yield first, last


def set_term(
    session: Session, *, year: str, term: int, begins_on: date, ends_on: date, announced: bool = True
) -> SchoolTerm:
    """Enter or correct one term. Refused (422 `bad_term`) where it cannot be one, 409 where it overlaps another."""
    check_term(year, term, begins_on, ends_on)
    other = session.scalar(
        sa.select(SchoolTerm).where(
            SchoolTerm.begins_on <= ends_on,
            SchoolTerm.ends_on >= begins_on,
            sa.or_(SchoolTerm.school_year != year, SchoolTerm.term != term),
        )
    )
    if other is not None:
        raise Conflict(
            N_("This term overlaps term %(term)s of %(year)s."), code="terms_overlap", term=other.term,
            year=other.school_year,
        )  # fmt: skip
    row = session.get(SchoolTerm, (year, term))
    if row is None:
        row = SchoolTerm(school_year=year, term=term, begins_on=begins_on, ends_on=ends_on, announced=announced)
        session.add(row)
    row.begins_on, row.ends_on, row.announced = begins_on, ends_on, announced
    session.flush()
    return row


def remove_term(session: Session, *, year: str, term: int) -> SchoolTerm:
    """Forget an entered term; the usual dates count again."""
    row = session.get(SchoolTerm, (year, term))
    if row is None:
        raise NotFound(N_("This term was not entered."))
    session.delete(row)
    session.flush()
    return row


def check_term(year: str, term: int, begins_on: date, ends_on: date) -> None:
    """Whether the dates can be a term of that school year."""
    said = _YEAR_WORDS.match(year)
    if said is None or int(said[2]) != int(said[1]) + 1 or term not in (1, 2):
        raise _bad("school_year", N_("Write the school year like 2026-2027, and the term as 1 or 2."))
    if ends_on <= begins_on:
        raise _bad("ends_on", N_("The term ends before it begins."))
    if not SHORTEST <= ends_on - begins_on <= LONGEST:
        raise _bad("ends_on", N_("A term lasts between one and seven months."))
    like = usual(int(said[1]), term)
    if abs(begins_on - like.begins_on) > timedelta(days=60):
        raise _bad("begins_on", N_("This is no date of that term: the first begins about September, the second about "
                                   "February."))  # fmt: skip


def _bad(name: str, text: str) -> Invalid:
    return Invalid(text, code="bad_term", fields={name: text})


def entered(session: Session, limit: int = 60) -> Sequence[SchoolTerm]:
    """The terms that were entered, the latest first."""
    return session.scalars(sa.select(SchoolTerm).order_by(SchoolTerm.begins_on.desc()).limit(limit)).all()
