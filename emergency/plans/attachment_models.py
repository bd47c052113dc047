"""What hangs on a version of a plan as a file: images of its text, the original it came from, old formats."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapped, mapped_column

from emergency.plans.models import PlanVersion
from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type

__all__ = ["ATTACHMENT_TRIGGERS", "AttachmentKind", "PlanAttachment"]


class AttachmentKind(LabelledEnum):
    """What a file is to the text."""

    IMAGE = "image", "插图", "Image"
    TABLE_SOURCE = "table-source", "表格原件", "Source of a table"
    ORIGINAL = "original", "导入原件", "Imported original"
    OLD_FORMAT = "old-format", "旧格式原件", "Original in an old format"


class PlanAttachment(Base):
    """One sealed file. It belongs to the version that brought it and is immutable with that version.

    A later version of the same plan shows the same image by its id; the bytes exist once.
    """

    __tablename__ = "plan_attachment"
    __table_args__ = (
        sa.CheckConstraint("size >= 0", name="size_not_negative"),
        sa.Index(None, "version_id"),
    )

    id: Mapped[Pk]
    version_id: Mapped[int] = mapped_column(sa.ForeignKey(PlanVersion.id))
    section_position: Mapped[int | None]
    """The section that it came with; None: the version as a whole. Where it is shown says the section's body."""
    kind: Mapped[AttachmentKind] = mapped_column(enum_type(AttachmentKind))
    name_sealed: Mapped[bytes | None]
    """The file's name, sealed: people write names into names."""
    media_type: Mapped[str] = mapped_column(sa.String(80))
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    """Keyed, so that equal files are recognised and none is guessed."""
    size: Mapped[int]
    data_sealed: Mapped[bytes] = mapped_column(sa.LargeBinary, info={"reseal_rows": 4})
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(sa.String(60))


_FROZEN = "'approved', 'issued', 'rejected'"
_MESSAGE = "an approved plan text is immutable"
# A new sealing key seals the same bytes again; everything else about a file of an approved text stays.
_FIXED = "id, version_id, section_position, kind, media_type, digest, size, created_at, created_by"
_EVENTS = (("INSERT", "NEW"), (f"UPDATE OF {_FIXED}", "OLD"), ("DELETE", "OLD"))

ATTACHMENT_TRIGGERS: dict[str, list[str]] = {
    "sqlite": [
        f"CREATE TRIGGER plan_attachment_frozen_{verb.split()[0].lower()} BEFORE {verb} ON plan_attachment "  # noqa: S608
        f"WHEN (SELECT state FROM plan_version WHERE id = {row}.version_id) IN ({_FROZEN}) "
        f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
        for verb, row in _EVENTS
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION plan_attachment_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$ "  # noqa: S608
        "DECLARE held bigint; BEGIN "
        "IF TG_OP = 'INSERT' THEN held := NEW.version_id; ELSE held := OLD.version_id; END IF; "
        f"IF (SELECT state FROM plan_version WHERE id = held) IN ({_FROZEN}) "
        f"THEN RAISE EXCEPTION '{_MESSAGE}'; END IF; "
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
        f"CREATE TRIGGER plan_attachment_frozen BEFORE INSERT OR DELETE OR UPDATE OF {_FIXED} ON plan_attachment "
        "FOR EACH ROW EXECUTE FUNCTION plan_attachment_is_frozen()",
    ],
}


def _create_triggers(_table: Any, connection: sa.Connection, **_kw: Any) -> None:
    for statement in ATTACHMENT_TRIGGERS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


event.listen(PlanAttachment.__table__, "after_create", _create_triggers)
