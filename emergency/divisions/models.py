"""Divisions and units."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type


class PointSource(LabelledEnum):
    """Where a point comes from; a synthetic one is for demonstrations and says so wherever it is shown."""

    IMPORTED = "imported", "导入", "Imported"
    ENTERED = "entered", "人工标定", "Entered by hand"
    SYNTHETIC = "synthetic", "演示推定", "Synthetic (demonstration)", "absent"


class Datum(LabelledEnum):
    """What coordinates are measured against. Inside everything is WGS-84; GCJ-02 is off by hundreds of metres."""

    WGS84 = "wgs84", "WGS-84", "WGS-84"
    GCJ02 = "gcj02", "GCJ-02（国测局）", "GCJ-02"


class UnitKind(LabelledEnum):
    """What sort of place a unit is; its sector tags say more."""

    SCHOOL = "school", "学校", "School"
    KINDERGARTEN = "kindergarten", "幼儿园", "Kindergarten"
    HOSPITAL = "hospital", "医疗机构", "Hospital"
    CARE_HOME = "care_home", "养老与福利机构", "Care home"
    HAZCHEM = "hazchem", "危险化学品单位", "Hazardous chemicals"
    MINE = "mine", "矿山", "Mine"
    ENTERPRISE = "enterprise", "企业", "Enterprise"
    MALL = "mall", "商场宾馆娱乐", "Mall, hotel, entertainment"
    CONSTRUCTION = "construction", "建设工地", "Construction site"
    RESERVOIR = "reservoir", "水库堤防闸站", "Reservoir, dike, sluice"
    UTILITY = "utility", "水电气热与交通", "Utility and transport"
    RESIDENTIAL = "residential", "住宅物业", "Residential property"
    OFFICE = "office", "机关与组织", "Office and organisation"
    OTHER = "other", "其他单位", "Other"


class RiskGrade(LabelledEnum):
    """The safety risk grade of a unit, in the four statutory colours."""

    MAJOR = "red", "重大风险", "Major", "red"
    CONSIDERABLE = "orange", "较大风险", "Considerable", "orange"
    GENERAL = "yellow", "一般风险", "General", "yellow"
    LOW = "blue", "低风险", "Low", "blue"


class Division(Base):
    """One division of the tree; a subtree is a range of `code`."""

    __tablename__ = "division"
    __table_args__ = (
        sa.CheckConstraint("length(code) = 12", name="code_has_12_digits"),
        sa.CheckConstraint("level BETWEEN 1 AND 5", name="level_is_1_to_5"),
        sa.CheckConstraint("parent_code <> code", name="not_its_own_parent"),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="point_is_whole"),
        sa.CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="point_is_on_earth"),
        sa.CheckConstraint("(lat IS NULL) = (point_source IS NULL)", name="point_names_its_source"),
        sa.CheckConstraint("population >= 0", name="population_is_not_negative"),
        sa.Index(None, "parent_code", "code"),
        sa.Index(None, "level", "code"),
    )

    code: Mapped[str] = mapped_column(sa.String(12), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    level: Mapped[int] = mapped_column(sa.SmallInteger)
    parent_code: Mapped[str | None] = mapped_column(sa.String(12), sa.ForeignKey("division.code"))
    prefix: Mapped[str] = mapped_column(sa.String(12))
    kind: Mapped[str] = mapped_column(sa.String(20), default="")
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    point_source: Mapped[PointSource | None] = mapped_column(enum_type(PointSource))
    boundary: Mapped[dict[str, Any] | None]
    """A GeoJSON Polygon or MultiPolygon in WGS-84, lon before lat."""
    source_datum: Mapped[Datum | None] = mapped_column(enum_type(Datum))
    """What the point or boundary was measured against before it was converted."""
    population: Mapped[int | None]


class Unit(Base):
    """A place that a rule of drills or an evacuation list can name."""

    __tablename__ = "unit"
    __table_args__ = (
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="point_is_whole"),
        sa.CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="point_is_on_earth"),
        sa.CheckConstraint("(lat IS NULL) = (point_source IS NULL)", name="point_names_its_source"),
        sa.CheckConstraint("people >= 0", name="people_is_not_negative"),
        sa.Index(None, "division_code", "id"),
        sa.Index(None, "kind", "division_code"),
    )

    id: Mapped[Pk]
    code: Mapped[str] = mapped_column(sa.String(40), unique=True)
    name: Mapped[str] = mapped_column(sa.String(120))
    division_code: Mapped[str] = mapped_column(sa.String(12), sa.ForeignKey("division.code"))
    kind: Mapped[UnitKind] = mapped_column(enum_type(UnitKind))
    sectors: Mapped[list[str]]
    risk_grade: Mapped[RiskGrade | None] = mapped_column(enum_type(RiskGrade))
    crowded: Mapped[bool] = mapped_column(default=False)
    key_fire: Mapped[bool] = mapped_column(default=False)
    low_lying: Mapped[bool] = mapped_column(default=False)
    people: Mapped[int | None]
    """How many people are usually there: whom an evacuation has to move."""
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    point_source: Mapped[PointSource | None] = mapped_column(enum_type(PointSource))
    contact_id: Mapped[int | None]
    """An opaque key of a contact; people live in a room above this one, so there is no foreign key."""
    address_sealed: Mapped[bytes | None]
    closed_at: Mapped[datetime | None]


class UnitSector(Base):
    """One sector tag of one unit, for queries; kept equal to `Unit.sectors` by the service."""

    __tablename__ = "unit_sector"
    __table_args__ = (sa.Index(None, "sector", "unit_id"),)

    unit_id: Mapped[int] = mapped_column(sa.ForeignKey("unit.id", ondelete="CASCADE"), primary_key=True)
    sector: Mapped[str] = mapped_column(sa.String(48), primary_key=True)
