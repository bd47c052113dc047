"""Households and residents, their import runs and the staging ground of imports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type


class Household(Base):
    """People who live behind one door; evacuation lists name households."""

    __tablename__ = "household"
    __table_args__ = (
        sa.UniqueConstraint("division_code", "key_index", name="uq_household_one_key_a_village"),
        {"sqlite_with_rowid": False},
    )

    id: Mapped[Pk]
    division_code: Mapped[str] = mapped_column(sa.String(12), sa.ForeignKey("division.code"))
    key_index: Mapped[bytes] = mapped_column(sa.LargeBinary(16))
    key_sealed: Mapped[bytes]


class Resident(Base):
    """One person. In clear only what targeting selects by: village, rounded point, priority class."""

    __tablename__ = "resident"
    __table_args__ = (
        sa.CheckConstraint("priority_class BETWEEN 0 AND 3", name="priority_class_is_0_to_3"),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="a_point_is_whole"),
        sa.UniqueConstraint("external_index", name="uq_resident_external_index"),
        sa.UniqueConstraint("contact_id", name="uq_resident_contact_id"),
        sa.Index(None, "division_code", "id"),
        sa.Index(None, "household_id"),
        sa.Index(
            "ix_resident_priority", "priority_class", "division_code", "id",
            sqlite_where=sa.text("priority_class < 3"), postgresql_where=sa.text("priority_class < 3"),
        ),
        {"sqlite_with_rowid": False},
    )  # fmt: skip

    id: Mapped[Pk]
    division_code: Mapped[str] = mapped_column(sa.String(12), sa.ForeignKey("division.code"))
    contact_id: Mapped[int] = mapped_column(sa.ForeignKey("contact.id"))
    household_id: Mapped[int | None] = mapped_column(sa.ForeignKey("household.id"))
    external_index: Mapped[bytes] = mapped_column(sa.LargeBinary(16))
    external_sealed: Mapped[bytes]
    address_sealed: Mapped[bytes | None]
    lat: Mapped[float | None]
    """WGS-84, rounded to three decimals (about 100 m): enough for a polygon, too little for a door."""
    lon: Mapped[float | None]
    priority_class: Mapped[int] = mapped_column(sa.SmallInteger)
    """0 is helped first; the reason is sealed."""
    needs_sealed: Mapped[bytes | None]
    row_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(16))
    """Keyed digest of the row as it was last imported: the same file again changes nothing, corrections stay."""
    content_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(16))
    """Keyed digest of what is stored now: an export read back changes nothing."""
    left_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class RunState(LabelledEnum):
    """How far an import is."""

    WAITING = "waiting", "等待处理", "Waiting", "wait"
    READING = "reading", "正在读取", "Reading", "wait"
    APPLYING = "applying", "正在写入", "Writing", "wait"
    DONE = "done", "已完成", "Done", "done"
    FAILED = "failed", "未导入", "Not imported", "late"


class ImportRun(Base):
    """One import of a file: who, when, how far, what came of it. It outlives the process that began it."""

    __tablename__ = "import_run"
    __table_args__ = (
        sa.CheckConstraint("fraction BETWEEN 0 AND 1", name="fraction_is_a_share"),
        sa.Index(None, "state", "id"),
        sa.Index(None, "actor", "id"),
    )

    id: Mapped[Pk]
    noun: Mapped[str] = mapped_column(sa.String(20))
    state: Mapped[RunState] = mapped_column(enum_type(RunState, name="run_state"))
    actor: Mapped[str] = mapped_column(sa.String(60))
    division_prefix: Mapped[str] = mapped_column(sa.String(12))
    """The scope of whoever asked for it; empty only for the system."""
    purpose: Mapped[str] = mapped_column(sa.String(20))
    datum: Mapped[str] = mapped_column(sa.String(8))
    dry_run: Mapped[bool]
    uploaded: Mapped[bool]
    """Whether the file lies sealed in `import_piece`; otherwise a command holds it."""
    file_sealed: Mapped[bytes | None]
    """The file's name, sealed: people write names into names."""
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    claimed_until: Mapped[datetime | None]
    claimed_by: Mapped[str | None] = mapped_column(sa.String(80))
    fraction: Mapped[float] = mapped_column(default=0.0)
    rows: Mapped[int] = mapped_column(default=0)
    to_apply: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    error_count: Mapped[int] = mapped_column(default=0)
    ignored_columns: Mapped[list[str]]
    failure: Mapped[dict[str, Any] | None]
    """Why nothing was imported: code, message id, parameters."""


class ImportPiece(Base):
    """A piece of an uploaded file, sealed; deleted when the run is over."""

    __tablename__ = "import_piece"

    run_id: Mapped[int] = mapped_column(sa.ForeignKey("import_run.id"), primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]
    sealed: Mapped[bytes]


class ImportError_(Base):
    """One fault of one row, without the value that was wrong."""

    __tablename__ = "import_error"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: Mapped[int] = mapped_column(sa.ForeignKey("import_run.id"), primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    row: Mapped[int]
    column: Mapped[str] = mapped_column(sa.String(40))
    code: Mapped[str] = mapped_column(sa.String(40))
    message: Mapped[str]
    params: Mapped[dict[str, Any]]


class StagedResident(Base):
    """A row that was read and is to be swapped in: sealed, and deleted in the transaction that applies it."""

    __tablename__ = "staged_resident"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: Mapped[int] = mapped_column(sa.ForeignKey("import_run.id"), primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[bytes]


class AudienceStamp(Base):
    """Counts the changes of a township's residents, so that a cache of their points knows when it is stale."""

    __tablename__ = "audience_stamp"

    township: Mapped[str] = mapped_column(sa.String(9), primary_key=True)
    revision: Mapped[int]
