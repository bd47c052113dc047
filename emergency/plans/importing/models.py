"""Import runs of plans: a sealed file, what was read from it, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from emergency.plans.models import Plan, PlanVersion
from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type


class PlanImportState(LabelledEnum):
    """How far an import is. Nothing of a plan is written before somebody confirms."""

    WAITING = "waiting", "等待读取", "Waiting", "wait"
    READING = "reading", "正在读取", "Reading", "wait"
    READY = "ready", "待确认", "To be confirmed", "wait"
    DONE = "done", "已导入", "Imported", "done"
    FAILED = "failed", "未导入", "Not imported", "late"
    DISCARDED = "discarded", "已放弃", "Discarded", "absent"


class PlanImport(Base):
    """One file on its way into a plan. Names, numbers and the text stay sealed; in clear are counts only."""

    __tablename__ = "plan_import"
    __table_args__ = (sa.Index(None, "state", "id"), sa.Index(None, "actor", "id"))

    id: Mapped[Pk]
    state: Mapped[PlanImportState] = mapped_column(enum_type(PlanImportState))
    actor: Mapped[str] = mapped_column(sa.String(60))
    plan_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Plan.id))
    """The plan that the file is meant for; None: the one confirming says."""
    version_id: Mapped[int | None] = mapped_column(sa.ForeignKey(PlanVersion.id))
    """The draft that came of it."""
    file_sealed: Mapped[bytes | None]
    """The file's name."""
    data_sealed: Mapped[bytes | None] = mapped_column(sa.LargeBinary, info={"reseal_rows": 4})
    """The file, until the run is over: then the plan keeps it, or nobody does."""
    outline_sealed: Mapped[bytes | None]
    """A typed outline beside a file in an old format."""
    result_sealed: Mapped[bytes | None] = mapped_column(sa.LargeBinary, info={"reseal_rows": 20})
    """What was read: sections, remarks, numbers, as JSON."""
    size: Mapped[int]
    sections: Mapped[int] = mapped_column(default=0)
    images: Mapped[int] = mapped_column(default=0)
    phones: Mapped[int] = mapped_column(default=0)
    remarks: Mapped[int] = mapped_column(default=0)
    failure: Mapped[dict[str, Any] | None]
    """Why it was not read: code, message id, parameters."""
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    claimed_until: Mapped[datetime | None]
    claimed_by: Mapped[str | None] = mapped_column(sa.String(80))
