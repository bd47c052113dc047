"""Files of a plan: kept sealed, opened for who may read the plan, never handed out without an entry in the journal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import bodies
from emergency.plans.attachment_models import AttachmentKind, PlanAttachment
from emergency.plans.models import PlanSection, PlanVersion
from emergency.plans.queries import get_version
from emergency.privacy import journal, vault
from emergency.privacy.vault import Vault
from kernel.db import now
from kernel.errors import N_, Invalid, NotFound
from kernel.ids import new_id

TABLE = "plan_attachment"
OPENED = journal.kind(
    "plan.original_opened", "打开预案原件", "Original of a plan opened", "kind", "size", personal=True
)
IMAGE_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF87a": "image/gif", b"GIF89a": "image/gif",
    b"BM": "image/bmp",
}  # fmt: skip
"""Pictures that a browser shows, by how they begin. Whatever else came (EMF, WMF, TIFF) is kept and offered as a file."""
PERSONAL = frozenset({AttachmentKind.ORIGINAL, AttachmentKind.OLD_FORMAT, AttachmentKind.TABLE_SOURCE})


@dataclass(frozen=True)
class Opened:
    """A file in clear."""

    name: str
    media_type: str
    data: bytes
    kind: AttachmentKind


@dataclass(frozen=True)
class Listed:
    """A file as a page names it; an original's own name may carry a person's and stays closed."""

    id: int
    kind: AttachmentKind
    media_type: str
    size: int
    section_position: int | None


def media_type_of(data: bytes, fallback: str = "application/octet-stream") -> str:
    """The type of a picture by its first bytes; what it calls itself is not believed."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in IMAGE_TYPES.items() if data.startswith(start)), fallback)


def digest(store: Vault, data: bytes) -> bytes:
    """Keyed: equal files are recognised, none is guessed."""
    return store.digest(TABLE, hashlib.sha256(data).hexdigest())


def prepare(
    store: Vault,
    *,
    kind: AttachmentKind,
    name: str,
    media_type: str,
    data: bytes,
    section_position: int | None = None,
    attachment_id: int | None = None,
) -> dict[str, Any]:
    """The sealed columns of a file, made before the transaction that writes them begins."""
    row_id = attachment_id or new_id()
    return {
        "id": row_id, "kind": kind, "media_type": media_type[:80], "size": len(data), "digest": digest(store, data),
        "section_position": section_position,
        "name_sealed": store.seal(TABLE, "name", row_id, name[-200:]) if name else None,
        "data_sealed": store.seal_bytes(TABLE, "data", row_id, data),
    }  # fmt: skip


def attach(session: Session, *, actor: Actor, version_id: int, prepared: Sequence[dict[str, Any]]) -> list[int]:
    """Write prepared files to a draft in the actor's scope; a text that is approved refuses them (trigger)."""
    actor.require(Permission.PLANS_EDIT)
    _row, plan = get_version(session, actor=actor, version_id=version_id)
    actor.require_covers(plan.division_code)
    moment = now(session)
    for columns in prepared:
        session.execute(
            sa.insert(PlanAttachment),
            [{**columns, "version_id": version_id, "created_at": moment, "created_by": str(actor)}],
        )
    return [int(columns["id"]) for columns in prepared]


def attachments(session: Session, *, actor: Actor, version_id: int) -> list[Listed]:
    """The files of a version and the images that its text shows from earlier versions of the plan."""
    row, _plan = get_version(session, actor=actor, version_id=version_id)
    shown = {
        found
        for body in session.scalars(sa.select(PlanSection.body).where(PlanSection.version_id == row.id))
        for found in bodies.attachment_ids(body)
    }
    same_plan = sa.select(PlanVersion.id).where(PlanVersion.plan_id == row.plan_id)
    statement = (
        sa.select(
            PlanAttachment.id, PlanAttachment.kind, PlanAttachment.media_type, PlanAttachment.size,
            PlanAttachment.section_position,
        )
        .where(
            sa.or_(
                PlanAttachment.version_id == row.id,
                sa.and_(PlanAttachment.id.in_(shown), PlanAttachment.version_id.in_(same_plan)),
            )
        )
        .order_by(PlanAttachment.id)
    )  # fmt: skip
    return [Listed(*found) for found in session.execute(statement)]


def open_attachment(session: Session, *, actor: Actor, plan_id: int, attachment_id: int) -> Opened:
    """One file of a plan that the actor may read; 404 for a file of another plan.

    An original may carry names and numbers: it needs the right to see personal data and the plan in one's scope, and
    is journalled; the images of a text need only the right to read the text.
    """
    actor.require(Permission.PLANS_VIEW)
    row = session.get(PlanAttachment, attachment_id)
    version = session.get(PlanVersion, row.version_id) if row is not None else None
    if row is None or version is None or version.plan_id != plan_id:
        raise NotFound(N_("This file does not exist."))
    _version, plan = get_version(session, actor=actor, version_id=version.id)
    if row.kind in PERSONAL:
        actor.require(Permission.PERSONAL_REVEAL)
        actor.require_covers(plan.division_code)
        journal.record(
            session, OPENED, actor=actor, subject=("plan_attachment", row.id), kind=row.kind.value, size=row.size
        )
    store = vault.of(session)
    name = store.open(TABLE, "name", row.id, row.name_sealed) if row.name_sealed else ""
    data = store.open_bytes(TABLE, "data", row.id, row.data_sealed)
    if digest(store, data) != row.digest:
        raise Invalid(N_("This file is not the one that was kept. Run “emergency doctor”."), code="attachment_altered")
    return Opened(name, row.media_type, data, row.kind)
