"""Writing a warning: draft, edit by compare-and-set, submit with figures, take back, give up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.warnings import area as areas
from emergency.warnings import estimate as estimates
from emergency.warnings import events, geometry, notices, rules, texts
from emergency.warnings.access import require_step, writable
from emergency.warnings.area import Targets
from emergency.warnings.models import (
    Audience,
    Issue,
    MessageType,
    Source,
    Warning,
    WarningLevel,
    WarningState,
    WarningStatus,
)
from emergency.warnings.rules import ALLOWED, EDITABLE, Facts, RuleFault
from kernel.db import now
from kernel.errors import N_, Conflict
from kernel.states import transition

CONTENT = (
    "event_code", "level", "headline", "description", "instruction", "effective", "expires", "channels", "audience",
    "text", "cancel_text", "source", "area",
)  # fmt: skip
"""What `create`, `edit` and `update` take."""


def create(
    session: Session,
    *,
    actor: Actor,
    status: WarningStatus,
    event_code: str,
    level: WarningLevel,
    msg_type: MessageType = MessageType.ALERT,
    **content: Any,
) -> Warning:
    """A new draft. What is wrong in itself is refused at once; what is missing only at submission."""
    actor.require(Permission.WARNINGS_DRAFT)
    moment = now(session)
    config: Config = session.info["config"]
    if msg_type is not MessageType.ALERT:
        raise RuleFault(
            N_(
                "An update or a cancellation starts from the warning that it changes, never as a new one."
            ),
            rule="references_missing", value=msg_type.value, field="references",
        )  # fmt: skip
    effective = content.pop("effective", None) or moment
    expires = content.pop("expires", None) or max(effective, moment) + timedelta(
        hours=config.warnings.default_valid_hours
    )
    warning = Warning(
        status=status,
        msg_type=msg_type,
        state=WarningState.DRAFT,
        version=1,
        references=[],
        channels=list(config.notify.default_channels),
        audience=Audience.POSTS if status is WarningStatus.TEST else Audience.RESIDENTS,
        source=Source.OWN,
        issuer=config.site.issuer,
        headline="",
        description="",
        instruction="",
        text="",
        cancel_text="",
        area={},
        area_words="",
        division_code=actor.division_code or config.site.division_code,
        created_by=notices.person_of(session, actor),
        created_at=moment,
        edited_by=notices.person_of(session, actor),
        edited_at=moment,
    )
    changes = {"event_code": event_code, "level": level, "effective": effective, "expires": expires, **content}
    _apply(session, actor, warning, changes)
    session.add(warning)
    session.flush()
    return warning


def edit(session: Session, *, actor: Actor, warning_id: int, version: int | None = None, **content: Any) -> Warning:
    """Change a draft that is still at `version`; editing what waits for approval takes it back first."""
    actor.require(Permission.WARNINGS_DRAFT)
    warning = writable(session, actor, warning_id)
    _require_version(warning, version)
    if warning.state is WarningState.SUBMITTED:
        take_back(session, actor=actor, warning_id=warning_id)
    _require_editable(warning)
    raised = session.execute(
        sa.update(Warning)
        .where(Warning.id == warning.id, Warning.version == warning.version)
        .values(version=Warning.version + 1)
    )
    if raised.rowcount != 1:  # type: ignore[attr-defined]
        raise _moved()
    session.refresh(warning)
    prepared = texts.prepared_lifting(warning, warning.area_words)
    _apply(session, actor, warning, content)
    if warning.cancel_text == prepared:
        warning.cancel_text = ""  # not the officer's words: made again at submission, of the new level and area
    warning.edited_by, warning.edited_at = notices.person_of(session, actor), now(session)
    counted = warning.estimate if not {"area", "audience"} & set(content) else None
    warning.estimate = estimates.reworded(session, warning, counted, now(session)) if counted else None
    session.flush()
    return warning


def update(session: Session, *, actor: Actor, warning_id: int, **content: Any) -> Warning:
    """A draft that changes a warning in force: same event, new words, area or level. It goes the same way again."""
    actor.require(Permission.WARNINGS_DRAFT)
    before = writable(session, actor, warning_id)
    if before.state is not WarningState.ISSUED or before.msg_type is MessageType.CANCEL:
        raise Conflict(N_("Only a warning in force can be updated."), code="wrong_state")
    moment = now(session)
    config: Config = session.info["config"]
    person = notices.person_of(session, actor)
    warning = Warning(
        status=before.status, msg_type=MessageType.UPDATE, previous_id=before.id, state=WarningState.DRAFT, version=1,
        references=_references(session, before), event_code=before.event_code, event_name=before.event_name,
        category=before.category, level=before.level, headline=before.headline, description=before.description,
        instruction=before.instruction, issuer=before.issuer, source=before.source, relayed_from=before.relayed_from,
        effective=max(before.effective, moment) if before.effective > moment else moment,
        expires=max(before.expires, moment + timedelta(hours=1)), area=before.area, area_words=before.area_words,
        division_code=before.division_code, channels=list(before.channels), audience=before.audience,
        template="update", text="", cancel_text="", created_by=person, created_at=moment, edited_by=person,
        edited_at=moment,
    )  # fmt: skip
    _apply(session, actor, warning, content)
    warning.issuer = (warning.relayed_from or "") if warning.source is Source.RELAYED else config.site.issuer
    session.add(warning)
    session.flush()
    return warning


def _references(session: Session, before: Warning) -> list[str]:
    issue = session.scalar(sa.select(Issue).where(Issue.warning_id == before.id))
    if issue is None:
        raise Conflict(N_("Only a warning in force can be updated."), code="wrong_state")
    return [*before.references, rules.reference(issue.snapshot["sender"], issue.identifier, issue.sent)]


def _apply(session: Session, actor: Actor, warning: Warning, changes: Mapping[str, Any]) -> None:
    unknown = set(changes) - set(CONTENT)
    if unknown:
        raise TypeError(f"a warning has no {sorted(unknown)}")
    given = {name: value for name, value in changes.items() if value is not None}
    if "source" in given:
        warning.source, warning.relayed_from = given.pop("source")
        config: Config = session.info["config"]
        relayed = warning.source is Source.RELAYED
        warning.issuer = (warning.relayed_from or "") if relayed else config.site.issuer
        warning.template = "relayed" if relayed else "alert"
    shape: Mapping[str, Any] | None = given.pop("area", None)
    for name, value in given.items():
        setattr(warning, name, value.strip() if isinstance(value, str) else value)
    event = events.get(session, warning.event_code)
    warning.event_name, warning.category = event.name, event.category
    check(session, warning, now(session))
    if shape is not None:
        locate(session, actor, warning, shape)


def locate(session: Session, actor: Actor, warning: Warning, shape: Mapping[str, Any]) -> Targets:
    """Give a draft its area: checked, looked up, within the actor's scope."""
    parsed = geometry.parse(shape)
    targets = areas.resolve(session, parsed)
    areas.require_scope(actor, targets)
    warning.area = parsed.to_json()
    warning.area_words = targets.words
    warning.division_code = warning.division_code if parsed.empty else targets.division_code
    return targets


def facts_of(session: Session, warning: Warning) -> Facts:
    """What the rules need."""
    event = events.get(session, warning.event_code)
    config: Config = session.info["config"]
    return Facts(
        status=warning.status, msg_type=warning.msg_type, event=events.facts(event), level=warning.level,
        headline=warning.headline, description=warning.description, instruction=warning.instruction,
        issuer=warning.issuer, source=warning.source, relayed_from=warning.relayed_from,
        effective=warning.effective, expires=warning.expires, audience=warning.audience,
        channels=warning.channels, text=warning.text, cancel_text=warning.cancel_text, references=warning.references,
        offered=config.notify.channels_for(exercise=warning.status is WarningStatus.EXERCISE),
    )  # fmt: skip


def check(session: Session, warning: Warning, moment: datetime) -> None:
    """Every rule that does not need the warning to be complete."""
    config: Config = session.info["config"]
    rules.check_content(
        facts_of(session, warning),
        now=moment,
        own_weather=config.warnings.own_weather,
        other_names=events.other_names(session, warning.event_code),
    )


def check_ready(session: Session, warning: Warning, actor: Actor, moment: datetime) -> Targets:
    """Every rule, the area looked up afresh and within the actor's scope."""
    check(session, warning, moment)
    shape = geometry.parse(warning.area)
    targets = areas.resolve(session, shape)
    rules.check_complete(facts_of(session, warning), area_words=targets.words, has_area=not shape.empty)
    areas.require_scope(actor, targets)
    return targets


def measure(session: Session, *, actor: Actor, warning_id: int) -> dict[str, Any]:
    """Count the audience of a draft now and keep the figures with it, without raising its version."""
    warning = writable(session, actor, warning_id)
    _require_editable(warning)
    warning.estimate = estimates.estimate(session, warning, estimates.targets_of(session, warning), now(session))
    session.flush()
    return warning.estimate


def submit(session: Session, *, actor: Actor, warning_id: int, version: int | None = None) -> Warning:
    """Hand it to the approvers: complete, correct, counted. Those on duty are told by message."""
    actor.require(Permission.WARNINGS_DRAFT)
    warning = writable(session, actor, warning_id)
    _require_version(warning, version)
    prepare(session, actor, warning)
    notices.ask_approvers(session, warning, actor=actor)
    return warning


def prepare(session: Session, actor: Actor, warning: Warning) -> None:
    """The step to `submitted` with its figures, without telling anybody (break-glass goes on at once)."""
    require_step(warning, WarningState.SUBMITTED)
    moment = now(session)
    targets = check_ready(session, warning, actor, moment)
    values: dict[str, Any] = {
        "estimate": estimates.estimate(session, warning, targets, moment),
        "area_words": targets.words,
        "division_code": targets.division_code,
        "submitted_by": notices.person_of(session, actor),
        "submitted_at": moment,
        "decision_reason": None,
        "reminded": 0,
    }
    if not warning.cancel_text.strip():
        values["cancel_text"] = texts.prepared_lifting(warning, targets.words)
    transition(session, warning, WarningState.SUBMITTED, allowed=ALLOWED, actor=actor, values=values)


def take_back(session: Session, *, actor: Actor, warning_id: int) -> Warning:
    """The author takes a submitted warning back to write on it; approvers are no longer asked."""
    actor.require(Permission.WARNINGS_DRAFT)
    warning = writable(session, actor, warning_id)
    transition(session, warning, WarningState.DRAFT, allowed=ALLOWED, actor=actor)
    notices.decided(session, warning)
    return warning


def withdraw(session: Session, *, actor: Actor, warning_id: int, reason: str | None = None) -> Warning:
    """Give up a warning that never left."""
    actor.require(Permission.WARNINGS_DRAFT)
    warning = writable(session, actor, warning_id)
    if warning.state is WarningState.SUBMITTED:
        take_back(session, actor=actor, warning_id=warning_id)
    transition(session, warning, WarningState.WITHDRAWN, allowed=ALLOWED, actor=actor, reason=reason)
    return warning


def _require_version(warning: Warning, version: int | None) -> None:
    if version is not None and version != warning.version:
        raise _moved()


def _require_editable(warning: Warning) -> None:
    if warning.state not in EDITABLE:
        raise Conflict(
            N_("A warning that is %(state)s cannot be edited any more."), code="wrong_state", state=warning.state.zh
        )


def _moved() -> Conflict:
    return Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))


__all__: Sequence[str] = (
    "check_ready", "create", "edit", "locate", "measure", "prepare", "submit", "take_back", "update", "withdraw",
)  # fmt: skip
