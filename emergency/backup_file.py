"""The file of a backup: an SQLite database with a seal behind its last page.

The seal is a digest of everything before it and a MAC over that digest with the installation's own key. So one changed
byte anywhere is noticed, also inside a cell where SQLite's own check sees nothing, and a file from another
installation is told from a damaged one. SQLite ignores what lies behind its last page.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from kernel.errors import N_, DomainError

MAGIC = b"emergency-backup-seal-1\n"
_SEAL = 32 + 32 + len(MAGIC)
_PIECE = 1 << 20


class BadBackup(DomainError):
    """The file is no backup of this installation, or it is damaged."""

    code = "bad_backup"


def damaged(path: Path) -> BadBackup:
    """The refusal of what is no whole backup."""
    return BadBackup(N_("%(path)s is not a backup of this system, or it is damaged."), path=str(path))


def _digest(path: Path, size: int) -> bytes:
    digest, left = hashlib.sha256(), size
    with path.open("rb") as source:
        while left > 0:
            piece = source.read(min(_PIECE, left))
            if not piece:
                break
            digest.update(piece)
            left -= len(piece)
    return digest.digest()


def _mac(key: bytes, digest: bytes) -> bytes:
    return hmac.digest(key, b"backup\x1f" + digest, "sha256")


def seal(path: Path, key: bytes) -> None:
    """Close a finished file: nothing may be written into it afterwards. On disk when this returns."""
    digest = _digest(path, path.stat().st_size)
    with path.open("ab") as target:
        target.write(digest + _mac(key, digest) + MAGIC)
        target.flush()
        os.fsync(target.fileno())


def check_seal(path: Path, key: bytes) -> None:
    """Refuse a file that was changed, cut off, or sealed with other keys than ours."""
    size = path.stat().st_size - _SEAL
    if size <= 0:
        raise damaged(path)
    with path.open("rb") as source:
        source.seek(size)
        tail = source.read(_SEAL)
    digest, mac, magic = tail[:32], tail[32:64], tail[64:]
    if magic != MAGIC or not hmac.compare_digest(digest, _digest(path, size)):
        raise damaged(path)
    if not hmac.compare_digest(mac, _mac(key, digest)):
        raise BadBackup(
            N_(
                "%(path)s is whole, but it was made with other keys than this installation's. "
                "Put the key file that belongs to it in place first; nothing was changed."
            ),
            path=str(path),
        )


def connect(path: Path) -> sqlite3.Connection:
    """The file, strictly for reading: no journal beside it, no lock, whatever its name contains."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def engine(path: Path) -> sa.Engine:
    """The same for SQLAlchemy."""
    return sa.create_engine("sqlite://", creator=lambda: connect(path), poolclass=sa.NullPool)


def check_structure(path: Path, tables: list[str]) -> tuple[str, int]:
    """Whether SQLite finds the file sound, references included. Returns its database version and how many rows."""
    try:
        with closing(connect(path)) as raw:
            if raw.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                raise damaged(path)
            if raw.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise damaged(path)
            revision = raw.execute("SELECT version_num FROM alembic_version").fetchone()
            present = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows = sum(
                raw.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - names of our own tables
                for name in tables
                if name in present
            )
    except sqlite3.Error as error:
        raise damaged(path) from error
    if revision is None:
        raise damaged(path)
    return str(revision[0]), rows
