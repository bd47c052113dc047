"""The journal: every touch of personal data, every sign-in, every change of state.

One chain. Each entry's MAC covers the one before with a key that is not in the database, and the count and head are
anchored in a file beside the database after every append: a change, a removal, an insertion, a cut-off tail or a
recomputation shows in `verify`. Entries are collected in the unit of work and appended as its last statement, so
that no engine waits on the head. What an entry may say is fixed by its kind; names and numbers never enter it.
(个人信息保护法 art. 51, 55-56: records kept at least three years; GB/T 35273-2020 11.7.)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapped, Session, mapped_column

from emergency.http.request import PENDING_JOURNAL
from emergency.privacy import vault as vault_module
from kernel.db import Base, Database, after_commit, now
from kernel.states import StateChange
from kernel.types import LabelledEnum

PENDING = PENDING_JOURNAL
_GENESIS = b"\x00" * 32
_PHONE_LIKE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")


class Purpose(LabelledEnum):
    """Why personal data was read. A reveal without one of these is refused (个人信息保护法 art. 6)."""

    WARNING = "warning", "预警发布与叫应", "Warning and call-out"
    EVACUATION = "evacuation", "转移避险", "Evacuation"
    VERIFY = "verify", "核实联系方式", "Verifying contact details"
    DRILL = "drill", "组织演练", "Organising a drill"
    CORRECTION = "correction", "更正登记信息", "Correcting a record"
    SUBJECT_REQUEST = "subject-request", "答复本人查询", "Answering the person's own request"
    AUDIT = "audit", "审计检查", "Audit"
    MAINTENANCE = "maintenance", "系统维护", "System maintenance"


@dataclass(frozen=True)
class Kind:
    """One kind of entry with the fields that it may carry."""

    key: str
    zh: str
    en: str
    fields: frozenset[str]
    personal: bool = False

    def label(self, language: str = "zh") -> str:
        """The words for people."""
        return self.en if language.startswith("en") else self.zh


KINDS: dict[str, Kind] = {}


def kind(key: str, zh: str, en: str, *fields: str, personal: bool = False) -> Kind:
    """Register a kind of entry; each room registers its own at import."""
    if key in KINDS:
        raise ValueError(f"journal kind {key} is registered twice")
    KINDS[key] = Kind(key, zh, en, frozenset(fields), personal)
    return KINDS[key]


STATE_CHANGED = kind("state.changed", "状态变更", "State changed", "field", "from", "to", "reason_given")
LISTED = kind("personal.listed", "查看脱敏名单", "Masked list viewed", "list", "count", "division", personal=True)
REVEALED = kind("personal.revealed", "查看完整信息", "Personal data revealed", "fields", "division", personal=True)
SEARCHED = kind("personal.searched", "检索个人信息", "Personal data searched", "by", "count", "division", personal=True)
EXPORTED = kind(
    "personal.exported", "导出个人信息", "Personal data exported", "list", "count", "division", personal=True
)
IMPORTED = kind(
    "personal.imported", "导入个人信息", "Personal data imported", "list", "rows", "created", "updated", "errors",
    personal=True,
)  # fmt: skip
CHANGED = kind("personal.changed", "修改个人信息", "Personal data changed", "fields", "division", personal=True)
ERASED = kind("personal.erased", "删除个人信息", "Personal data erased", "fields", "count", "division", personal=True)
ADDRESSED = kind(
    "personal.addressed", "发送引擎取号", "Numbers read for sending", "broadcast", "count", "first", "last",
    personal=True,
)  # fmt: skip
REFUSED = kind("access.refused", "越权被拒", "Access refused", "code", "route")
SIGNED_IN = kind("account.signed_in", "登录", "Signed in", "method")
SIGN_IN_FAILED = kind("account.sign_in_failed", "登录失败", "Sign-in failed", "why")
SIGNED_OUT = kind("account.signed_out", "退出", "Signed out", "why")
ACCOUNT_CHANGED = kind("account.changed", "账号变更", "Account changed", "what", "roles", "division")
CONFIGURED = kind("system.configured", "配置变更", "Configuration changed", "what", "value")
MAINTAINED = kind("system.maintained", "系统维护", "System maintenance", "what", "detail", "count")


class JournalEntry(Base):
    """One link of the chain. Append-only: triggers refuse every update and delete."""

    __tablename__ = "journal_entry"
    __table_args__ = (
        sa.Index(None, "kind", "seq"),
        sa.Index(None, "actor", "seq"),
        sa.Index(None, "subject_kind", "subject_id", "seq"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(sa.String(40))
    actor: Mapped[str] = mapped_column(sa.String(60))
    subject_kind: Mapped[str | None] = mapped_column(sa.String(40))
    subject_id: Mapped[int | None]
    purpose: Mapped[str | None] = mapped_column(sa.String(20))
    data: Mapped[str]
    mac: Mapped[bytes] = mapped_column(sa.LargeBinary(32))


class JournalHead(Base):
    """The head of the chain: one row, locked by whoever appends."""

    __tablename__ = "journal_head"
    __table_args__ = (sa.CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int]
    mac: Mapped[bytes] = mapped_column(sa.LargeBinary(32))


_SQLITE_TRIGGERS = [
    f"CREATE TRIGGER journal_entry_no_{verb} BEFORE {verb} ON journal_entry "
    f"BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
    for verb in ("UPDATE", "DELETE")
]
_POSTGRES_TRIGGERS = [
    "CREATE OR REPLACE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$",
    "CREATE TRIGGER journal_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entry "
    "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()",
]
TRIGGERS = {"sqlite": _SQLITE_TRIGGERS, "postgresql": _POSTGRES_TRIGGERS}


@event.listens_for(JournalEntry.__table__, "after_create")
def _create_triggers(_table: Any, connection: sa.Connection, **_kw: Any) -> None:
    for statement in TRIGGERS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


@dataclass(frozen=True)
class Pending:
    """An entry that waits for the end of its unit of work."""

    at: datetime
    kind: str
    actor: str
    subject_kind: str | None
    subject_id: int | None
    purpose: str | None
    data: str


def record(
    session: Session,
    entry_kind: Kind,
    *,
    actor: Any,
    subject: tuple[str, int] | None = None,
    purpose: Purpose | str | None = None,
    **fields: Any,
) -> None:
    """Remember that `actor` did this. Written with the unit of work, as its last statement.

    Fields are those of the kind; a value that looks like a mobile number is a programming error and raises.
    """
    unknown = set(fields) - entry_kind.fields
    if unknown:
        raise ValueError(f"journal kind {entry_kind.key} has no field {sorted(unknown)}")
    data = json.dumps({k: v for k, v in sorted(fields.items()) if v is not None}, ensure_ascii=False, default=str)
    if _PHONE_LIKE.search(data):
        raise ValueError(f"a journal entry of kind {entry_kind.key} would carry a phone number")
    session.info.setdefault(PENDING, []).append(
        Pending(
            at=now(session),
            kind=entry_kind.key,
            actor=str(actor)[:60],
            subject_kind=subject[0] if subject else None,
            subject_id=subject[1] if subject else None,
            purpose=str(purpose) if purpose is not None else None,
            data=data,
        )
    )


def record_state_change(session: Session, change: StateChange) -> None:
    """The listener that `transition()` calls: states are journalled without the reason's text."""
    fields: dict[str, Any] = {"field": change.field, "from": change.from_state, "to": change.to_state}
    subject = (change.kind, change.subject_id)
    record(session, STATE_CHANGED, actor=change.actor, subject=subject, reason_given=bool(change.reason), **fields)


def _mac(key: bytes, before: bytes, seq: int, entry: Pending | JournalEntry) -> bytes:
    body = json.dumps(
        [seq, entry.at.astimezone(UTC).isoformat(timespec="microseconds"), entry.kind, entry.actor, entry.subject_kind,
         entry.subject_id, entry.purpose, entry.data],
        ensure_ascii=False, separators=(",", ":"),
    )  # fmt: skip
    return hmac.new(key, before + body.encode(), hashlib.sha256).digest()


def append_pending(session: Session) -> None:
    """The hook before commit: put the collected entries at the end of the chain."""
    pending: list[Pending] | None = session.info.pop(PENDING, None)
    if not pending:
        return
    key = vault_module.of(session).ring.journal
    head = session.execute(sa.select(JournalHead.seq, JournalHead.mac).with_for_update()).one_or_none()
    if head is None:
        session.execute(sa.insert(JournalHead).values(id=1, seq=0, mac=_GENESIS))
    seq, mac = (head.seq, head.mac) if head else (0, _GENESIS)
    rows = []
    for entry in pending:
        seq += 1
        mac = _mac(key, mac, seq, entry)
        rows.append({**entry.__dict__, "seq": seq, "mac": mac})
    session.execute(sa.insert(JournalEntry), rows)
    session.execute(sa.update(JournalHead).values(seq=seq, mac=mac))
    anchor: Anchor | None = session.info.get("anchor")
    if anchor is not None:
        after_commit(session, lambda: anchor.write(seq, mac))


class Anchor:
    """The file outside the database that remembers how long the chain is and what its head was.

    One line an append (`seq head mac`); the highest line counts. The MAC keeps anybody without the key from writing
    a shorter one.
    """

    _COMPACT_BYTES = 4_000_000

    def __init__(self, path: Path, key: bytes):
        self.path = path
        self._key = key

    def write(self, seq: int, mac: bytes) -> None:
        """Add one line; survives a killed process. Compacted when it grows."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="ascii") as target:
            target.write(self._line(seq, mac))
            size = target.tell()
        if size > self._COMPACT_BYTES:
            self.compact()

    def compact(self) -> None:
        """Keep the highest line only."""
        last = self.read()
        if last is not None:
            temporary = self.path.with_suffix(".new")
            temporary.write_text(self._line(*last), encoding="ascii")
            temporary.replace(self.path)

    def reset(self, seq: int, mac: bytes) -> None:
        """Start again from here: only a restored backup does this, and journals it."""
        self.path.unlink(missing_ok=True)
        self.write(seq, mac)

    def read(self) -> tuple[int, bytes] | None:
        """The highest anchored position, or None where nothing was anchored. Raises ValueError on a forged line."""
        if not self.path.exists():
            return None
        best: tuple[int, bytes] | None = None
        for line in self.path.read_text(encoding="ascii", errors="replace").splitlines():
            parts = line.split()
            if len(parts) != 3:
                continue  # a line cut off by a crash; the one before it still counts
            seq, mac = int(parts[0]), bytes.fromhex(parts[1])
            if not hmac.compare_digest(self._line(seq, mac).strip(), line.strip()):
                raise ValueError("the journal's anchor file holds a line that was not written by this system")
            if best is None or seq > best[0]:
                best = (seq, mac)
        return best

    def _line(self, seq: int, mac: bytes) -> str:
        tag = hmac.new(self._key, f"anchor {seq} {mac.hex()}".encode(), hashlib.sha256).hexdigest()[:32]
        return f"{seq} {mac.hex()} {tag}\n"


@dataclass(frozen=True)
class Verdict:
    """What `verify` found; `fault` is None for a whole chain."""

    entries: int
    fault: str | None = None
    at_seq: int | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing was changed, removed, inserted, cut off or recomputed."""
        return self.fault is None


def verify(session: Session) -> Verdict:
    """Walk the chain. Faults: `altered`, `gap`, `head_mismatch`, `truncated`, `anchor_forged`, `anchor_missing`."""
    key = vault_module.of(session).ring.journal
    mac, seq = _GENESIS, 0
    heads: dict[int, bytes] = {}
    anchor: Anchor | None = session.info.get("anchor")
    try:
        anchored = anchor.read() if anchor is not None else None
    except ValueError:
        return Verdict(0, "anchor_forged")
    for entry in _walk(session):
        if entry.seq != seq + 1:
            return Verdict(seq, "gap", seq + 1)
        mac = _mac(key, mac, entry.seq, entry)
        if not hmac.compare_digest(mac, entry.mac):
            return Verdict(seq, "altered", entry.seq)
        seq = entry.seq
        if anchored is not None and seq == anchored[0]:
            heads[seq] = mac
    head = session.execute(sa.select(JournalHead.seq, JournalHead.mac)).one_or_none()
    if (head.seq, head.mac) != (seq, mac) if head else seq != 0:
        return Verdict(seq, "head_mismatch", seq)
    if anchor is not None and anchored is None and seq > 0:
        return Verdict(seq, "anchor_missing")
    if anchored is not None:
        if anchored[0] > seq:
            return Verdict(seq, "truncated", seq + 1)
        if anchored[0] > 0 and not hmac.compare_digest(heads[anchored[0]], anchored[1]):
            return Verdict(seq, "altered", anchored[0])
    return Verdict(seq)


def begins_with_our_key(session: Session) -> bool | None:
    """Whether the chain's first entry was written with this installation's key; None where there is no entry yet."""
    first = session.get(JournalEntry, 1)
    if first is None:
        return None
    return hmac.compare_digest(_mac(vault_module.of(session).ring.journal, _GENESIS, 1, first), first.mac)


def _walk(session: Session, batch: int = 5000) -> Iterator[JournalEntry]:
    last = 0
    while True:
        rows: Sequence[JournalEntry] = session.scalars(
            sa.select(JournalEntry).where(JournalEntry.seq > last).order_by(JournalEntry.seq).limit(batch)
        ).all()
        if not rows:
            return
        yield from rows
        last = rows[-1].seq
        session.expunge_all()


def install(database: Database, vault: vault_module.Vault, anchor_path: Path | None) -> None:
    """Wire the vault and the journal into every session of this database."""
    database.attach("vault", vault)
    database.attach("anchor", Anchor(anchor_path, vault.ring.journal) if anchor_path is not None else None)
    database.attach("state_listeners", [record_state_change])
    database.attach("state_sealer", vault)
    database.before_commit(append_pending)
