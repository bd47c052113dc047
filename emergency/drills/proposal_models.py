"""A year's calendar as it was proposed: whom it is for, each date with the rules it serves, and what it leaves open."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from emergency.drills.models import DrillKind, DrillRule, Occurrence, Programme
from kernel.db import Base, DivisionCode, Pk
from kernel.types import LabelledEnum, enum_type


class ProposalState(LabelledEnum):
    """How far the calendar of a year is."""

    COMPUTING = "computing", "正在编排", "Being computed", "wait"
    READY = "ready", "待决定", "Ready for decisions", "wait"
    CLOSED = "closed", "已关闭", "Closed", "absent"


class ItemState(LabelledEnum):
    """What became of one proposed date."""

    PROPOSED = "proposed", "待决定", "Proposed", "wait"
    ACCEPTED = "accepted", "已采纳", "Accepted", "done"
    MOVED = "moved", "已改期采纳", "Moved and accepted", "done"
    REFUSED = "refused", "不采纳", "Refused", "late"
    SUPERSEDED = "superseded", "已被重新编排取代", "Superseded", "absent"


class GapCode(LabelledEnum):
    """Why a rule could not be served."""

    NO_SCHOOL_DAY = "no_school_day", "时段内没有在校工作日", "No school day left in the window", "late"
    NO_WORKDAY = "no_workday", "时段内没有可安排的工作日", "No working day left in the window", "late"
    WINDOW_PAST = "window_past", "应演练时段已过", "The window is already past", "late"
    SEASON = "season", "规则时段与汛前要求相冲突", "The window contradicts the flood season", "late"
    DAYS_FULL = "days_full", "时段内每天均已排满", "Every day of the window is full", "late"
    TOO_CLOSE = "too_close", "与本单位其他演练间隔不足", "Too close to the unit's other drills", "late"
    CLOSES = "closes", "单位在时段内停用", "The unit closes within the window", "late"
    REFUSED = "refused", "所拟日期未被采纳", "The proposed date was refused", "late"
    NO_KIND = "no_kind", "规则没有对应的演练类型", "No kind of drill satisfies the rule", "late"
    NO_NUMBER = "no_number", "规则没有规定频次", "The rule names no number"


class YearProposal(Base):
    """One year's calendar for one division and all below it."""

    __tablename__ = "drill_year_proposal"
    __table_args__ = (
        sa.CheckConstraint("year BETWEEN 2000 AND 2200", name="year_is_plausible"),
        sa.CheckConstraint("done >= 0 AND done <= total", name="progress_within_total"),
        sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_has_a_time"),
        sa.Index(
            "uq_drill_year_proposal_open", "year", "division_code", unique=True,
            sqlite_where=sa.text("state <> 'closed'"), postgresql_where=sa.text("state <> 'closed'"),
        ),
        sa.Index(None, "state", "id"),
    )  # fmt: skip

    id: Mapped[Pk]
    year: Mapped[int] = mapped_column(sa.Integer)
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    state: Mapped[ProposalState] = mapped_column(enum_type(ProposalState), default=ProposalState.COMPUTING)
    settings: Mapped[dict[str, Any]]
    made_by: Mapped[str] = mapped_column(sa.String(60))
    made_at: Mapped[datetime]
    run: Mapped[int] = mapped_column(sa.Integer, default=1)
    """Which computing this is; what an earlier one wrote and this one did not renew is superseded."""
    cursor: Mapped[str] = mapped_column(sa.String(24), default="")
    """The key of the last owner computed: after a crash the work goes on behind it."""
    total: Mapped[int] = mapped_column(sa.Integer, default=0)
    done: Mapped[int] = mapped_column(sa.Integer, default=0)
    provisional: Mapped[bool] = mapped_column(default=False)
    """Some of the year's holidays or terms were not announced when it was computed."""
    announced: Mapped[bool] = mapped_column(default=False)
    """The year's holidays were announced when it was computed; once they are, it is computed again."""
    computed_from: Mapped[date | None]
    """The first day that could be proposed: the first of January, or the day of computing."""
    ready_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(sa.String(60))
    version: Mapped[int] = mapped_column(default=1)


class ProposalOwner(Base):
    """A unit or a division that the calendar was computed for, with how many of its windows are met by what."""

    __tablename__ = "drill_proposal_owner"
    __table_args__ = (
        sa.UniqueConstraint("proposal_id", "owner_key", name="one_row_an_owner"),
        sa.Index(None, "proposal_id", "division_code", "owner_key"),
    )

    id: Mapped[Pk]
    proposal_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_year_proposal.id"))
    owner_key: Mapped[str] = mapped_column(sa.String(24))
    unit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("unit.id"))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    run: Mapped[int] = mapped_column(sa.Integer)
    windows: Mapped[int] = mapped_column(sa.Integer)
    met: Mapped[int] = mapped_column(sa.Integer)
    """Windows that a drill already held or already planned covers."""
    served: Mapped[int] = mapped_column(sa.Integer)
    """Windows that a proposed date covers."""
    open_windows: Mapped[int] = mapped_column(sa.Integer)
    """Windows that stay open; each stands in a gap with its reason."""


class ProposalItem(Base):
    """One proposed date of one unit or division. What was decided stays when the calendar is computed again."""

    __tablename__ = "drill_proposal_item"
    __table_args__ = (
        sa.CheckConstraint("window_from <= window_to", name="window_is_a_span"),
        sa.CheckConstraint("(state IN ('accepted', 'moved')) = (occurrence_id IS NOT NULL)", name="accepted_is_planned"),
        sa.CheckConstraint("(state = 'moved') = (moved_to IS NOT NULL)", name="moved_names_its_day"),
        sa.CheckConstraint(
            "state NOT IN ('accepted', 'moved', 'refused') OR (decided_by IS NOT NULL AND decided_at IS NOT NULL)",
            name="decision_has_somebody",
        ),
        sa.CheckConstraint("(asked_by IS NULL) = (asked_at IS NULL)", name="asking_is_whole"),
        sa.Index(
            "uq_drill_proposal_item_day", "proposal_id", "owner_key", "kind", "on_date", unique=True,
            sqlite_where=sa.text("state <> 'superseded'"), postgresql_where=sa.text("state <> 'superseded'"),
        ),
        sa.Index(None, "proposal_id", "division_code", "owner_key", "id"),
        sa.Index(None, "proposal_id", "state", "asked_at"),
    )  # fmt: skip

    id: Mapped[Pk]
    proposal_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_year_proposal.id"))
    owner_key: Mapped[str] = mapped_column(sa.String(24))
    unit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("unit.id"))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    kind: Mapped[DrillKind] = mapped_column(enum_type(DrillKind))
    window_from: Mapped[date]
    window_to: Mapped[date]
    """The days on which the drill serves all its rules at once."""
    on_date: Mapped[date]
    at_time: Mapped[time]  # of the day in Beijing
    moved_to: Mapped[date | None]
    state: Mapped[ItemState] = mapped_column(enum_type(ItemState), default=ItemState.PROPOSED)
    provisional: Mapped[bool] = mapped_column(default=False)
    run: Mapped[int] = mapped_column(sa.Integer, default=1)
    why: Mapped[dict[str, Any]]
    """What was avoided and given way to, as counts and flags; words are made of it where it is read."""
    decided_by: Mapped[str | None] = mapped_column(sa.String(60))
    decided_at: Mapped[datetime | None]
    occurrence_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Occurrence.id), unique=True)
    outside_window: Mapped[bool] = mapped_column(default=False)
    """It was moved out of its window nevertheless, with a reason."""
    asked_by: Mapped[str | None] = mapped_column(sa.String(60))
    """Who asked that this be accepted together with many others; the ticker does it."""
    asked_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    @property
    def day(self) -> date:
        """The day that stands: where it was moved to, else the proposed one."""
        return self.moved_to or self.on_date


class ProposalItemRule(Base):
    """A rule that a proposed date serves, and for which window of it."""

    __tablename__ = "drill_proposal_item_rule"
    __table_args__ = (sa.CheckConstraint("window_from <= window_to", name="window_is_a_span"),)

    item_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_proposal_item.id"), primary_key=True, autoincrement=False)
    rule_id: Mapped[int] = mapped_column(sa.ForeignKey(DrillRule.id), primary_key=True, autoincrement=False)
    window_from: Mapped[date] = mapped_column(primary_key=True)
    window_to: Mapped[date]


class ProposalGap(Base):
    """A rule of a unit that the calendar does not serve, and why."""

    __tablename__ = "drill_proposal_gap"
    __table_args__ = (
        sa.UniqueConstraint("proposal_id", "owner_key", "rule_id", "code", name="one_row_a_reason"),
        sa.CheckConstraint("windows > 0", name="windows_counted"),
        sa.Index(None, "proposal_id", "division_code", "id"),
    )

    id: Mapped[Pk]
    proposal_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_year_proposal.id"))
    owner_key: Mapped[str] = mapped_column(sa.String(24))
    unit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("unit.id"))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    rule_id: Mapped[int] = mapped_column(sa.ForeignKey(DrillRule.id))
    code: Mapped[GapCode] = mapped_column(enum_type(GapCode))
    window_from: Mapped[date | None]
    """The first day of the first such window; None where the rule names no number."""
    window_to: Mapped[date | None]
    windows: Mapped[int] = mapped_column(sa.Integer, default=1)


class YearProgramme(Base):
    """The one programme of a year that holds the accepted dates of one owner and kind."""

    __tablename__ = "drill_year_programme"

    year: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    owner_key: Mapped[str] = mapped_column(sa.String(24), primary_key=True)
    kind: Mapped[DrillKind] = mapped_column(enum_type(DrillKind), primary_key=True)
    programme_id: Mapped[int] = mapped_column(sa.ForeignKey(Programme.id), unique=True)
