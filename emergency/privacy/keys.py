"""The key file: sealing keys by number, and the separate keys for index, journal and signatures.

Kept outside the database and with mode 0600; without it the database is unreadable, so `db backup` never contains
it and operations.md says where to keep the second copy.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from kernel.errors import N_, DomainError

_DAMAGED = N_("The key file is damaged. Put the safe copy of it back; nothing was changed.")


class KeyFileError(DomainError):
    """The key file is missing, unreadable or damaged."""

    code = "key_file"
    status = 503


@dataclass(frozen=True)
class KeyRing:
    """All secrets of one installation, 32 bytes each (SM4 uses the first 16 of a sealing key)."""

    active: int
    sealing: dict[int, bytes] = field(repr=False)
    index: bytes = field(repr=False)
    journal: bytes = field(repr=False)
    signing: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> KeyRing:
        """Fresh random keys."""
        return cls(
            active=1,
            sealing={1: secrets.token_bytes(32)},
            index=secrets.token_bytes(32),
            journal=secrets.token_bytes(32),
            signing=secrets.token_bytes(32),
        )

    def rotated(self) -> KeyRing:
        """The same ring with a new active sealing key; old ones still open old values."""
        number = max(self.sealing) + 1
        return KeyRing(
            active=number,
            sealing={**self.sealing, number: secrets.token_bytes(32)},
            index=self.index,
            journal=self.journal,
            signing=self.signing,
        )

    def to_json(self) -> str:
        """The file's content."""
        return json.dumps(
            {
                "format": 1,
                "active": self.active,
                "sealing": {str(number): _encode(key) for number, key in self.sealing.items()},
                "index": _encode(self.index),
                "journal": _encode(self.journal),
                "signing": _encode(self.signing),
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> KeyRing:
        """Read the file's content; `KeyFileError` when it is damaged."""
        try:
            data = json.loads(text)
            ring = cls(
                active=int(data["active"]),
                sealing={int(number): base64.b64decode(key) for number, key in data["sealing"].items()},
                index=base64.b64decode(data["index"]),
                journal=base64.b64decode(data["journal"]),
                signing=base64.b64decode(data["signing"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KeyFileError(
                N_("The key file is damaged. Put the safe copy of it back; nothing was changed.")
            ) from error
        keys = [*ring.sealing.values(), ring.index, ring.journal, ring.signing]
        if ring.active not in ring.sealing or any(len(key) != 32 for key in keys):
            raise KeyFileError(_DAMAGED)
        return ring


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def load(path: Path) -> KeyRing:
    """The installation's keys."""
    try:
        return KeyRing.from_json(path.read_text("ascii"))
    except FileNotFoundError as error:
        raise KeyFileError(
            N_(
                "The key file %(path)s is missing. "
                "Put the safe copy of it back; without it no name or number can be read."
            ),
            path=str(path),
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(
            N_("The key file %(path)s cannot be read: %(why)s"),
            path=str(path),
            why=(error.strerror if isinstance(error, OSError) else None) or str(error),
        ) from error


def save(path: Path, ring: KeyRing) -> None:
    """Write the ring atomically, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as target:
        target.write(ring.to_json())
        target.flush()
        os.fsync(target.fileno())
    temporary.replace(path)


def load_or_create(path: Path) -> KeyRing:
    """The keys, made on the first run."""
    if not path.exists():
        save(path, KeyRing.generate())
    return load(path)
