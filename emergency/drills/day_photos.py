"""Photographs of a drill: made anew, sealed, opened by who may see people's faces, journalled, kept for a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.drills import day_msel
from emergency.drills.day_models import DrillCheckin, DrillPhoto
from emergency.drills.day_pictures import Picture, make
from emergency.drills.models import Occurrence, OccurrenceState
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from emergency.privacy.vault import Vault
from kernel.clock import BEIJING
from kernel.db import Database, now
from kernel.errors import N_, Conflict, DomainError, Invalid, NotFound
from kernel.ids import new_id

TABLE = DrillPhoto.__tablename__
MAX_PHOTOS, MAX_AT_ONCE, MAX_BYTES = 100, 10, 20 * 1024 * 1024
ADDED = journal.kind("drill.photo_added", "上传演练照片", "Photograph of a drill added", "size", personal=True)
SEEN = journal.kind("drill.photos_seen", "查看演练照片", "Photographs of a drill seen", "count", personal=True)
OPENED = journal.kind("drill.photo_opened", "打开演练照片", "Photograph of a drill opened", "size", personal=True)
DELETED = journal.kind("drill.photo_deleted", "删除演练照片", "Photograph of a drill deleted", "by_time", personal=True)
SYSTEM = Actor.system("drills.photos")


@dataclass(frozen=True)
class Shown:
    """A photograph as a page lists it: its caption in clear, its picture asked for by itself."""

    photo: DrillPhoto
    caption: str


@dataclass(frozen=True)
class Refused:
    """A file that was not taken, by its place in the upload; its name stays out, people write names into names."""

    number: int
    error: DomainError


def prepare(files: Sequence[bytes]) -> tuple[list[Picture], list[Refused]]:
    """Make each file anew, before any transaction begins; what cannot be read is refused by itself."""
    if len(files) > MAX_AT_ONCE:
        raise Invalid(N_("At most %(n)s pictures at once."), code="too_many", n=MAX_AT_ONCE)
    made, refused = [], []
    for number, data in enumerate(files, start=1):
        try:
            if len(data) > MAX_BYTES:
                raise Invalid(
                    N_("The file is larger than %(n)s MB."), code="file_too_large", n=MAX_BYTES // 1024 // 1024
                )
            made.append(make(data))
        except DomainError as error:
            refused.append(Refused(number, error))
    return made, refused


def add(session: Session, *, actor: Actor, occurrence_id: int, picture: Picture, caption: str = "") -> DrillPhoto:
    """Keep one picture, sealed. The same picture twice is one."""
    actor.require(Permission.DRILLS_CONFIRM)
    occurrence = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    if occurrence.state is OccurrenceState.CANCELLED:
        raise Conflict(N_("This drill was called off."), code="wrong_state")
    store, photo_id, moment = vault.of(session), new_id(), now(session)
    digest = _digest(store, picture.data)
    known = session.scalar(
        sa.select(DrillPhoto).where(DrillPhoto.occurrence_id == occurrence.id, DrillPhoto.digest == digest)
    )
    if known is not None and known.deleted_at is None:
        return known
    if known is not None:
        raise Conflict(N_("This picture was deleted from this drill before."), code="deleted_before")
    held = session.scalar(
        sa.select(sa.func.count()).where(DrillPhoto.occurrence_id == occurrence.id, DrillPhoto.deleted_at.is_(None))
    )
    if (held or 0) >= MAX_PHOTOS:
        raise Conflict(N_("At most %(n)s pictures a drill."), code="too_many", n=MAX_PHOTOS)
    text = caption.strip()[:200]
    photo = DrillPhoto(
        id=photo_id, occurrence_id=occurrence.id, digest=digest,
        data_sealed=store.seal_bytes(TABLE, "data", photo_id, picture.data),
        thumb_sealed=store.seal_bytes(TABLE, "thumb", photo_id, picture.thumb),
        caption_sealed=store.seal(TABLE, "caption", photo_id, text) if text else None,
        width=picture.width, height=picture.height, size=len(picture.data), taken_at=picture.taken_at,
        added_at=moment, added_by=str(actor),
        keep_until=moment.astimezone(BEIJING).date() + timedelta(days=_keep_days(session)),
    )  # fmt: skip
    session.add(photo)
    session.flush()
    journal.record(session, ADDED, actor=actor, subject=(TABLE, photo.id), size=photo.size)
    return photo


def _keep_days(session: Session) -> int:
    config: Config = session.info["config"]
    return config.privacy.drill_photo_days


def _digest(store: Vault, data: bytes) -> bytes:
    return store.digest(TABLE, hashlib.sha256(data).hexdigest())


def count(session: Session, occurrence_id: int) -> int:
    """How many pictures a drill has; who may not see them may know that."""
    return (
        session.scalar(
            sa.select(sa.func.count()).where(DrillPhoto.occurrence_id == occurrence_id, DrillPhoto.deleted_at.is_(None))
        )
        or 0
    )


def shown(session: Session, *, actor: Actor, occurrence_id: int, purpose: Purpose) -> list[Shown]:
    """The pictures of a drill with their captions, for who may see faces; journalled with the purpose."""
    actor.require(Permission.PERSONAL_REVEAL)
    occurrence = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    rows = session.scalars(
        sa.select(DrillPhoto)
        .where(DrillPhoto.occurrence_id == occurrence.id, DrillPhoto.deleted_at.is_(None))
        .order_by(DrillPhoto.taken_at.is_(None), DrillPhoto.taken_at, DrillPhoto.id)
        .limit(MAX_PHOTOS)
        .options(sa.orm.defer(DrillPhoto.data_sealed, raiseload=True))
    ).all()
    if rows:
        journal.record(
            session, SEEN, actor=actor, subject=(Occurrence.__tablename__, occurrence.id), purpose=purpose,
            count=len(rows),
        )  # fmt: skip
    store = vault.of(session)
    return [
        Shown(row, store.open(TABLE, "caption", row.id, row.caption_sealed) if row.caption_sealed else "")
        for row in rows
    ]


def _photo(session: Session, actor: Actor, photo_id: int) -> DrillPhoto:
    photo = session.get(DrillPhoto, photo_id)
    if photo is None:
        raise NotFound(N_("There is no such picture in your area."))
    day_msel.occurrence_of(session, actor=actor, occurrence_id=photo.occurrence_id)
    return photo


def opened(session: Session, *, actor: Actor, photo_id: int, thumb: bool = False, purpose: Purpose) -> bytes:
    """The JPEG of one picture, or its small one. The large one is journalled each time."""
    actor.require(Permission.PERSONAL_REVEAL)
    photo = _photo(session, actor, photo_id)
    if photo.data_sealed is None or photo.thumb_sealed is None:
        raise NotFound(N_("This picture was deleted."))
    store = vault.of(session)
    if thumb:
        return store.open_bytes(TABLE, "thumb", photo.id, photo.thumb_sealed)
    journal.record(session, OPENED, actor=actor, subject=(TABLE, photo.id), purpose=purpose, size=photo.size)
    return store.open_bytes(TABLE, "data", photo.id, photo.data_sealed)


def delete(session: Session, *, actor: Actor, photo_id: int, reason: str) -> DrillPhoto:
    """Delete one picture with its caption; that it was there, and why it is gone, stays."""
    actor.require(Permission.DRILLS_CONFIRM)
    photo = _photo(session, actor, photo_id)
    if photo.deleted_at is not None:
        raise NotFound(N_("This picture was deleted."))
    if not reason.strip():
        raise Invalid(N_("Say why it is deleted."), code="reason_required")
    _erase(session, photo, actor, reason.strip()[:300], by_time=False)
    return photo


def _erase(session: Session, photo: DrillPhoto, actor: Actor, reason: str, *, by_time: bool) -> None:
    photo.data_sealed = photo.thumb_sealed = photo.caption_sealed = None
    photo.deleted_at, photo.deleted_by = now(session), str(actor)
    photo.reason_sealed = vault.of(session).seal(TABLE, "reason", photo.id, reason)
    session.flush()
    journal.record(session, DELETED, actor=actor, subject=(TABLE, photo.id), by_time=by_time)


def forget(database: Database, moment: datetime) -> int:
    """Delete the pictures whose time is over, a few a transaction, and the names left at the door with them."""
    done = _forget_names(database, moment)
    today = moment.astimezone(BEIJING).date()
    while True:
        with database.write() as session:
            over = session.scalars(
                sa.select(DrillPhoto)
                .where(DrillPhoto.deleted_at.is_(None), DrillPhoto.keep_until < today)
                .order_by(DrillPhoto.id)
                .limit(5)
                .options(sa.orm.defer(DrillPhoto.data_sealed), sa.orm.defer(DrillPhoto.thumb_sealed))
            ).all()
            for photo in over:
                _erase(session, photo, SYSTEM, "保存期满", by_time=True)
        done += len(over)
        if len(over) < 5:
            return done


def _forget_names(database: Database, moment: datetime) -> int:
    done = 0
    while True:
        with database.write() as session:
            over = session.scalars(
                sa.select(DrillCheckin.id)
                .where(
                    DrillCheckin.name_sealed.is_not(None),
                    DrillCheckin.at < moment - timedelta(days=_keep_days(session)),
                )
                .limit(200)
            ).all()
            session.execute(sa.update(DrillCheckin).where(DrillCheckin.id.in_(over)).values(name_sealed=None))
        done += len(over)
        if len(over) < 200:
            return done
