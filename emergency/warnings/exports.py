"""What the command line prints: `emergency warnings list | show ID | cancel ID`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.warnings import listing, rules, service
from emergency.warnings.models import Warning


def row(warning: Warning) -> dict[str, Any]:
    """One line of the list."""
    return {
        "id": warning.id,
        "state": warning.state.value,
        "status": warning.status.value,
        "msg_type": warning.msg_type.value,
        "level": warning.level.value,
        "headline": warning.headline,
        "area": warning.area_words,
        "issued_at": rules.cap_time(warning.issued_at) if warning.issued_at else None,
        "expires": rules.cap_time(warning.expires),
    }


def list_rows(session: Session, *, actor: Actor, group: str | None = None, limit: int = 50) -> Iterable[dict[str, Any]]:
    """The latest warnings, newest first."""
    return [row(warning) for warning in service.list_warnings(session, actor=actor, group=group, limit=limit).items]


def show(session: Session, *, actor: Actor, warning_id: int) -> dict[str, Any]:
    """Everything about one warning that is no personal data: state, snapshot, steps, reach."""
    warning = service.get(session, actor=actor, warning_id=warning_id)
    issue = service.issues(session, [warning.id]).get(warning.id)
    return {
        **row(warning),
        "version": warning.version,
        "description": warning.description,
        "instruction": warning.instruction,
        "issuer": warning.issuer,
        "identifier": issue.identifier if issue else None,
        "snapshot": issue.snapshot if issue else None,
        "steps": [
            {"at": rules.cap_time(step.at), "state": step.to_state, "by": step.actor, "reason": step.reason}
            for step in listing.history(session, warning)
        ],
        "reach": service.figures(session, warning, actor) if issue else None,
    }


def cancel(session: Session, *, actor: Actor, warning_id: int, reason: str) -> dict[str, Any]:
    """Take a warning back from the console; the reason is demanded."""
    warning, issue = service.cancel(session, actor=actor, warning_id=warning_id, reason=reason)
    return {**row(warning), "cancel_identifier": issue.identifier if issue else None}
