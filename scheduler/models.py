"""What the ticker remembers: who may tick, when each job is next, what became of it, when the clock stepped."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type


class RunResult(LabelledEnum):
    """How one run of a job ended."""

    DONE = "done", "完成", "Done", "done"
    FAILED = "failed", "失败", "Failed", "late"


class DayKind(LabelledEnum):
    """What the State Council's arrangement says of a day that it names."""

    OFF = "off", "放假", "Day off", ""
    WORK = "work", "调休上班", "Make-up working day", ""


class Lease(Base):
    """Who holds a task that only one process may do at a time, and until when."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(sa.String(120))
    until: Mapped[datetime]
    fence: Mapped[int] = mapped_column(default=0)


class JobState(Base):
    """One row a job: when it is next due and how it has fared; a quiet run leaves no other trace."""

    __tablename__ = "job_state"
    __table_args__ = (sa.CheckConstraint("failures >= 0", name="failures_are_counted"),)

    name: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    next_at: Mapped[datetime]
    last_run_at: Mapped[datetime | None]
    last_done_at: Mapped[datetime | None]
    runs: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    """Failures in a row; 0 after a run that went well."""
    failing_since: Mapped[datetime | None]


class JobRun(Base):
    """One run that did something or failed."""

    __tablename__ = "job_run"
    __table_args__ = (sa.Index("ix_job_run_name_started", "name", "started_at"), sa.Index(None, "started_at"))

    id: Mapped[Pk]
    name: Mapped[str] = mapped_column(sa.String(60))
    holder: Mapped[str] = mapped_column(sa.String(120))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    result: Mapped[RunResult] = mapped_column(enum_type(RunResult, name="result"))
    handled: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    """The kind of error and where it arose; never its message, which may carry what is personal."""


class ClockStep(Base):
    """The wall clock moved otherwise than time did."""

    __tablename__ = "clock_step"

    id: Mapped[Pk]
    at: Mapped[datetime]
    seconds: Mapped[float] = mapped_column(sa.Float)
    holder: Mapped[str] = mapped_column(sa.String(120))


class CalendarYear(Base):
    """A year whose holidays have been announced (or explicitly not yet)."""

    __tablename__ = "calendar_year"
    __table_args__ = (sa.CheckConstraint("year BETWEEN 2000 AND 2200", name="year_is_plausible"),)

    year: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    announced: Mapped[bool]
    source: Mapped[str | None]


class HolidayDay(Base):
    """A day that the announcement of `year` names; it may lie at the edge of the year before or after."""

    __tablename__ = "holiday_day"
    __table_args__ = (sa.Index(None, "year"),)

    date: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    year: Mapped[int] = mapped_column(sa.ForeignKey("calendar_year.year"))
    kind: Mapped[DayKind] = mapped_column(enum_type(DayKind, name="kind"))
    name: Mapped[str]


class SchoolTerm(Base):
    """A school term as announced (or entered ahead of that); what lies between two of them is a school holiday."""

    __tablename__ = "school_term"
    __table_args__ = (
        sa.CheckConstraint("term IN (1, 2)", name="two_terms_a_year"),
        sa.CheckConstraint("ends_on > begins_on", name="ends_after_it_begins"),
        sa.Index(None, "begins_on"),
    )

    school_year: Mapped[str] = mapped_column(sa.String(9), primary_key=True)
    term: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    begins_on: Mapped[date]
    ends_on: Mapped[date]
    announced: Mapped[bool]
