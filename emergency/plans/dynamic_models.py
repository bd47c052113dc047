"""What dynamic management keeps beside the plans: checks with their sources, exposures, statutes, shelters."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

import emergency.plans.models  # noqa: F401 - the tables that foreign keys below name
from emergency.plans.vocabulary import Hazard
from kernel.db import Base, DivisionCode, Pk
from kernel.types import LabelledEnum, enum_type


class Reach(LabelledEnum):
    """For whom an exposure speaks."""

    PLACE = "place", "仅本级", "This place only"
    TOWNSHIPS = "townships", "所辖各乡镇街道", "Every township in it"
    VILLAGES = "villages", "所辖各村社区", "Every village in it"


class LegalChange(LabelledEnum):
    """What became of a statute or standard since plans began to name it."""

    NONE = "none", "现行有效", "In force", "done"
    AMENDED = "amended", "已修改", "Amended", "wait"
    REPLACED = "replaced", "已被代替", "Replaced", "late"
    REPEALED = "repealed", "已废止", "Repealed", "late"


class PlanCheck(Base):
    """One check of the plans: on what it rests, and whether the bureau wants it made."""

    __tablename__ = "plan_check"
    __table_args__ = (sa.CheckConstraint("days IS NULL OR days > 0", name="days_positive"),)

    key: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    source: Mapped[str] = mapped_column(sa.String(200))
    article: Mapped[str] = mapped_column(sa.String(100), default="")
    binding: Mapped[str] = mapped_column(sa.String(20))
    """`national`, `guidance`, `lesson` (what an accident taught) or `house` (our own order)."""
    evidence: Mapped[str] = mapped_column(sa.String(8))
    days: Mapped[int | None]
    """How long something may lie before it counts, where the check has such a time."""
    adopted: Mapped[bool]
    decided_by: Mapped[str | None] = mapped_column(sa.String(60))


class PlanExposure(Base):
    """A place is, or is not, exposed to a hazard; so it needs a plan, or needs none."""

    __tablename__ = "plan_exposure"
    __table_args__ = (sa.UniqueConstraint("division_code", "hazard", "reach", name="one_exposure_a_place"),)

    id: Mapped[Pk]
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    hazard: Mapped[Hazard] = mapped_column(enum_type(Hazard, name="exposurehazard"))
    reach: Mapped[Reach] = mapped_column(enum_type(Reach, name="exposurereach"))
    exposed: Mapped[bool]
    source: Mapped[str] = mapped_column(sa.String(200))
    noted_by: Mapped[str] = mapped_column(sa.String(60))
    noted_at: Mapped[datetime]


class LegalText(Base):
    """A statute, rule or standard that plans name, and what became of it."""

    __tablename__ = "plan_legal_text"

    id: Mapped[Pk]
    title: Mapped[str] = mapped_column(sa.String(200), unique=True)
    """As plans cite it, without the name of the state before it and without a standard's year."""
    number: Mapped[str] = mapped_column(sa.String(100), default="")
    change: Mapped[LegalChange] = mapped_column(enum_type(LegalChange, name="legalchange"))
    changed_on: Mapped[date | None]
    """The day from which the change is in force; plans older than it are due."""
    replaced_by: Mapped[str] = mapped_column(sa.String(200), default="")
    source: Mapped[str] = mapped_column(sa.String(200), default="")
    noted_by: Mapped[str] = mapped_column(sa.String(60))


class PlanCitation(Base):
    """An issued text names a statute or standard."""

    __tablename__ = "plan_citation"
    __table_args__ = (
        sa.UniqueConstraint("version_id", "title", name="one_citation_a_title"),
        sa.Index(None, "title", "version_id"),
    )

    id: Mapped[Pk]
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"))
    title: Mapped[str] = mapped_column(sa.String(200))


class CitationScan(Base):
    """The text was read for citations; without a row it is still to be read."""

    __tablename__ = "plan_citation_scan"

    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"), primary_key=True, autoincrement=False)


class Shelter(Base):
    """A place that evacuation lists name as their destination, and how many people it takes."""

    __tablename__ = "plan_shelter"
    __table_args__ = (sa.CheckConstraint("capacity IS NULL OR capacity > 0", name="capacity_positive"),)

    id: Mapped[Pk]
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    """Exactly as the lists write it."""
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    capacity: Mapped[int | None]
    source: Mapped[str] = mapped_column(sa.String(200), default="")
    noted_by: Mapped[str] = mapped_column(sa.String(60))
