"""The moment of issue: state, immutable snapshot, ledger and journal in the caller's one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.http.actor import Actor
from emergency.privacy import journal
from emergency.warnings import area as areas
from emergency.warnings import notices, rules, texts
from emergency.warnings.models import (
    Issue,
    IssueBroadcast,
    MessageType,
    Warning,
    WarningState,
    WarningStatus,
)
from emergency.warnings.rules import ALLOWED
from kernel.db import now, touch
from kernel.errors import N_, Conflict
from kernel.states import transition
from notify import service as notify
from notify.models import Broadcast

SUBJECT = "warning"
ISSUED = journal.kind(
    "warning.issued", "预警发布", "Warning issued", "identifier", "status", "msg_type", "level", "numbers", "people",
    "broadcast", "version", "break_glass", "held_back",
)  # fmt: skip
_DRILL_PRIORITY = {WarningStatus.EXERCISE: 5, WarningStatus.TEST: 6}
_SERIALS = 10


def issue(
    session: Session,
    warning: Warning,
    *,
    actor: Actor,
    text: str,
    sent: datetime,
    identifier: str,
    recipients: sa.Select[Any],
    valid_until: datetime,
    values: dict[str, Any],
    reason: str | None = None,
    entered: Callable[[Broadcast], dict[str, Any]] | None = None,
) -> Issue:
    """Freeze and send. `text` is final and marked.

    `entered(broadcast)` sees what lies in the ledger and gives further columns; it may refuse, and then nothing of
    the unit of work is kept.
    """
    person = notices.person_of(session, actor)
    signature = texts.signature(session)
    sending = notify.broadcast(
        session,
        notify.BroadcastSpec(
            kind=texts.KIND[warning.status],
            priority=_DRILL_PRIORITY.get(warning.status, rules.PRIORITY[warning.level.value]),
            text=text,
            valid_until=valid_until,
            channels=list(warning.channels),
            subject_kind=SUBJECT,
            subject_id=warning.id,
            environment=warning.status.value.lower(),
            signature=signature,
            daily_quota=quota_of(session, warning),
        ),
        recipients,
    )
    values = {"approved_by": person, "decided_by": person, "decided_at": sent, "issued_at": sent, **values}
    values |= entered(sending) if entered is not None else {}
    transition(session, warning, WarningState.ISSUED, allowed=ALLOWED, actor=actor, reason=reason, values=values)
    frozen = snapshot(warning, text=text, signature=signature, identifier=identifier, sent=sent)
    frozen["numbers"], frozen["people"] = sending.messages, sending.people
    record = Issue(
        warning_id=warning.id,
        version=warning.version,
        identifier=identifier,
        sent=sent,
        text=text,
        snapshot=frozen,
        digest=digest(frozen),
        issued_by=person,
    )
    session.add(record)
    session.flush()
    session.add(IssueBroadcast(issue_id=record.id, broadcast_id=sending.id, position=0))
    session.flush()
    journal.record(
        session, ISSUED, actor=actor, subject=(SUBJECT, warning.id), identifier=identifier,
        status=warning.status.value, msg_type=warning.msg_type.value, level=warning.level.value,
        numbers=sending.messages, people=sending.people, broadcast=sending.id, version=warning.approved_version,
        break_glass=warning.break_glass_reason is not None or None, held_back=sending.held_back or None,
    )  # fmt: skip
    touch(session, SUBJECT, warning.id)
    return record


def quota_of(session: Session, warning: Warning) -> int:
    """Messages to a number in a day beyond which this one is held back; 0 where a life may hang on it.

    A real warning of a spared colour always goes, and whatever changes or lifts an earlier one: who was warned hears
    that it is over.
    """
    config: Config = session.info["config"]
    spared = warning.msg_type is not MessageType.ALERT or warning.level.value in config.notify.quota_spares
    return 0 if warning.status is WarningStatus.ACTUAL and spared else config.notify.daily_quota_per_number


def snapshot(warning: Warning, *, text: str, signature: str, identifier: str, sent: datetime) -> dict[str, Any]:
    """Everything that was read and sent, by the words of CAP and of art. 64."""
    figures = {k: v for k, v in (warning.estimate or {}).items() if k != "undecided"}
    return {
        "identifier": identifier,
        "sender": warning.issuer.replace(" ", "_").replace(",", "，"),
        "sent": rules.cap_time(sent),
        "status": warning.status.value,
        "msg_type": warning.msg_type.value,
        "scope": "Public",
        "note": "" if warning.status is WarningStatus.ACTUAL else warning.status.zh,
        "references": list(warning.references),
        "event_code": warning.event_code,
        "event": warning.event_name,
        "category": warning.category.value,
        "category_name": warning.category.zh,
        "level": warning.level.value,
        "severity": rules.SEVERITY[warning.level.value],
        "headline": warning.headline,
        "description": warning.description,
        "instruction": warning.instruction,
        "issuer": warning.issuer,
        "source": warning.source.value,
        "relayed_from": warning.relayed_from,
        "effective": rules.cap_time(warning.effective),
        "expires": rules.cap_time(warning.expires),
        "area": warning.area,
        "area_words": warning.area_words,
        "channels": list(warning.channels),
        "audience": warning.audience.value,
        "text": text,
        "signature": signature,
        "cancel_text": warning.cancel_text,
        "estimate": figures,
        "version": warning.approved_version,
        "submitted_by": warning.submitted_by,
        "approved_by": warning.approved_by,
        "break_glass": warning.break_glass_reason is not None,
    }


def digest(frozen: dict[str, Any]) -> bytes:
    """SHA-256 over the snapshot in one canonical form."""
    return hashlib.sha256(json.dumps(frozen, ensure_ascii=False, sort_keys=True).encode()).digest()


def stamp(session: Session) -> tuple[datetime, str]:
    """The time of issue, whole seconds, and an identifier that nobody has: ten fit into one second."""
    sent = now(session).replace(microsecond=0)
    code = areas.site_code(session)
    for _ in range(60):
        wanted = [rules.identifier(code, sent, serial) for serial in range(_SERIALS)]
        taken = set(session.scalars(sa.select(Issue.identifier).where(Issue.identifier.in_(wanted))))
        free = next((one for one in wanted if one not in taken), None)
        if free is not None:
            return sent, free
        sent += timedelta(seconds=1)
    raise Conflict(N_("Too many warnings are issued in this minute. Try again in a minute; nothing was sent."))


def broadcast_ids(session: Session, warning_ids: Sequence[int]) -> list[int]:
    """The ledger's broadcasts of these warnings, oldest first."""
    return list(
        session.scalars(
            sa.select(IssueBroadcast.broadcast_id)
            .join(Issue, Issue.id == IssueBroadcast.issue_id)
            .where(Issue.warning_id.in_(list(warning_ids)))
            .order_by(Issue.id, IssueBroadcast.position)
        )
    )


def stop_sending(session: Session, warning: Warning) -> int:
    """Nothing more of this warning leaves. Returns how many messages were stopped."""
    return sum(notify.cancel(session, broadcast_id) for broadcast_id in broadcast_ids(session, [warning.id]))


def chain(session: Session, warning: Warning) -> list[int]:
    """The warning and those that it changed, newest first."""
    found = [warning.id]
    before = warning.previous_id
    while before is not None and before not in found:
        found.append(before)
        before = session.scalar(sa.select(Warning.previous_id).where(Warning.id == before))
    return found


def replaced_by(session: Session, warning: Warning) -> Warning | None:
    """The warning in force whose place an update takes; 409 where it is no longer in force."""
    if warning.msg_type is not MessageType.UPDATE or warning.previous_id is None:
        return None
    before = session.get_one(Warning, warning.previous_id)
    if before.state is not WarningState.ISSUED:
        raise Conflict(
            N_("The warning that this one changes is %(state)s by now. Write a new one."),
            code="wrong_state",
            state=before.state.zh,
        )
    return before


def supersede(session: Session, before: Warning, *, actor: Actor) -> None:
    """An update has taken its place: the old text stops leaving."""
    stop_sending(session, before)
    transition(
        session, before, WarningState.SUPERSEDED, allowed=ALLOWED, actor=actor, values={"ended_at": now(session)}
    )
