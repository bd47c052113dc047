"""An append-only file of JSON lines that survives its writer's being killed."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path


class Lines:
    """What a store keeps, one JSON array a line, the first `["r", run]`.

    A line is written before the request is answered; a torn last line (power cut) is cut off at the next start.
    A store says in `_apply` what a line read back means; what it fills there it makes before it calls `__init__`.
    """

    prefix = ""
    """How the references begin."""

    def __init__(self, path: Path):
        self.run = secrets.token_hex(8)
        path.parent.mkdir(parents=True, exist_ok=True)
        keep = self._load(path) if path.exists() else 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.ftruncate(self._file, keep)
        if not keep:
            self._append(["r", self.run])

    def _load(self, path: Path) -> int:
        keep = 0
        with path.open("rb") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except ValueError:
                    break
                if not line.endswith(b"\n"):
                    break
                keep += len(line)
                match record:
                    case ["r", str(run)]:
                        self.run = run
                    case _:
                        self._apply(record)
        return keep

    def _apply(self, record: list[object]) -> None:
        raise NotImplementedError

    def _append(self, record: list[object]) -> None:
        os.write(self._file, json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def _sid(self, seq: int) -> str:
        return f"{self.prefix}{self.run}{seq:016x}"

    def _seq(self, sid: str) -> int | None:
        """The place of what has this reference; None where it is none of ours."""
        if len(sid) != 34 or not sid.startswith(self.prefix + self.run):
            return None
        try:
            return int(sid[18:], 16)
        except ValueError:
            return None

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
