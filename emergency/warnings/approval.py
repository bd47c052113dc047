"""Deciding: approve (another person, exactly what was read), return, reject, count again, break the glass."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.warnings import audience, counting, drafting, issuing, notices, rules, texts
from emergency.warnings import estimate as estimates
from emergency.warnings.access import issue_of, require_step, writable
from emergency.warnings.area import Targets
from emergency.warnings.models import Issue, Warning, WarningLevel, WarningState, WarningStatus
from emergency.warnings.rules import ALLOWED
from kernel.db import now
from kernel.errors import N_, Conflict, Forbidden, Invalid
from kernel.states import transition
from notify.models import Broadcast

REASON_LENGTH = 500


def approve(session: Session, *, actor: Actor, warning_id: int, version: int, confirmation: str | None = None) -> Issue:
    """Issue what was read: by another person, at the version that was read, to the audience that was counted.

    State, snapshot, ledger and journal are the caller's one transaction. Pressed twice by the same person, the second
    press gets the same issue. Raises 403 `out_of_scope`, `four_eyes`; 409 `version_conflict`, `audience_moved`,
    `wrong_state`; 422 with the rule's name; 422 `confirmation_wrong` where a phrase was typed and is not the one shown.
    """
    warning = writable(session, actor, warning_id)
    person = notices.person_of(session, actor)
    done = issue_of(session, warning.id)
    if done is not None and warning.approved_by == person and warning.approved_version == version:
        return done
    # Who wrote it is told so, whatever else the account may do: the reason is the person, not the role.
    require_other_person(warning, person)
    actor.require(Permission.WARNINGS_APPROVE)
    if version != warning.version:
        raise Conflict(
            N_("You read version %(read)s; it is at version %(version)s now. Nothing was sent. Read it again."),
            read=version,
            version=warning.version,
        )
    require_step(warning, WarningState.ISSUED)
    if confirmation is not None:
        require_confirmation(warning, confirmation)
    targets = drafting.check_ready(session, warning, actor, now(session))
    figures = _same_audience(session, warning, targets)
    return _issue(session, warning, actor=actor, targets=targets, figures=figures, version=version)


def require_other_person(warning: Warning, person: str) -> None:
    """403 `four_eyes` for whoever wrote, edited or submitted it (design: the author never approves)."""
    if person in (warning.created_by, warning.edited_by, warning.submitted_by):
        raise Forbidden(
            N_("You wrote or submitted this warning: another person has to approve it. Nothing was sent."),
            code="four_eyes",
        )


def require_confirmation(warning: Warning, typed: str) -> None:
    """422 `confirmation_wrong` unless the phrase of the page was typed: colour or kind, and the number of people."""
    figures = warning.estimate or {}
    wanted = rules.phrase(warning.status, warning.level, int(figures.get("everybody", 0)))
    if not rules.phrase_matches(typed, wanted):
        raise Invalid(
            N_("Type “%(phrase)s” exactly as shown. Nothing was sent."),
            code="confirmation_wrong",
            fields={"confirm": "confirmation_wrong"},
            phrase=wanted,
        )


def _same_audience(session: Session, warning: Warning, targets: Targets) -> dict[str, Any]:
    figures = estimates.estimate(session, warning, targets, now(session))
    _require_same(session, warning, figures)
    return figures


def _require_same(session: Session, warning: Warning, figures: dict[str, Any]) -> None:
    config: Config = session.info["config"]
    moved = estimates.drift(warning.estimate, figures)
    if moved > config.warnings.audience_drift_percent:
        raise Conflict(
            N_(
                "The audience moved by %(percent)s%% since submission: %(before)s people then, %(after)s now. "
                "Nothing was sent. Count again and look at it before you approve."
            ),
            code="audience_moved",
            percent=round(moved, 1),
            before=(warning.estimate or {}).get("everybody", 0),
            after=figures["everybody"],
        )


def _issue(
    session: Session,
    warning: Warning,
    *,
    actor: Actor,
    targets: Targets,
    figures: dict[str, Any],
    version: int,
    break_glass: str | None = None,
) -> Issue:
    def entered(broadcast: Broadcast) -> dict[str, Any]:
        # The count may be a moment older than the writer; the snapshot says what lies in the ledger.
        if estimates.agrees(session, broadcast.id, figures):
            return {"estimate": figures}
        counting.forget(session)
        fresh = estimates.estimate(session, warning, targets, sent)
        if break_glass is None:
            _require_same(session, warning, fresh)
        return {"estimate": fresh}

    before = issuing.replaced_by(session, warning)
    sent, identifier = issuing.stamp(session)
    text = texts.final(warning, sent, relay=estimates.issuer_here(session))
    # A refusal after the ledger was filled leaves nothing behind, whatever the caller does with it.
    with session.begin_nested():
        record = issuing.issue(
            session,
            warning,
            actor=actor,
            text=text,
            sent=sent,
            identifier=identifier,
            recipients=audience.recipients(session, targets, warning.audience, real=counting.is_real(warning)),
            valid_until=warning.expires,
            values={
                "approved_version": version,
                "area_words": targets.words,
                "break_glass_reason": break_glass,
                "doors_through": 0,
            },
            reason=break_glass,
            entered=entered,
        )
    if before is not None:
        issuing.supersede(session, before, actor=actor)
    notices.decided(session, warning)
    return record


def break_glass(session: Session, *, actor: Actor, warning_id: int, version: int, reason: str) -> Issue:
    """A red warning by one person alone, because nobody answers: with a reason, and an alarm to every approver."""
    actor.require(Permission.WARNINGS_BREAK_GLASS)
    config: Config = session.info["config"]
    warning = writable(session, actor, warning_id)
    if not config.warnings.break_glass:
        raise Forbidden(N_("Issuing alone is switched off here; another person has to approve."), code="four_eyes")
    if warning.level is not WarningLevel.RED or warning.status is not WarningStatus.ACTUAL:
        raise Forbidden(
            N_("Only a real red warning may be issued by one person; another person has to approve this one."),
            code="four_eyes",
        )
    why = required_reason(reason)
    if version != warning.version:
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    if warning.state is not WarningState.SUBMITTED:
        drafting.prepare(session, actor, warning)
    targets = drafting.check_ready(session, warning, actor, now(session))
    figures = estimates.estimate(session, warning, targets, now(session))
    record = _issue(session, warning, actor=actor, targets=targets, figures=figures, version=version, break_glass=why)
    notices.alarm(session, warning, actor)
    return record


def return_(session: Session, *, actor: Actor, warning_id: int, reason: str, version: int | None = None) -> Warning:
    """Back to the author with a reason; it keeps everything and may be submitted again."""
    return _refuse(session, actor, warning_id, reason, version, WarningState.RETURNED)


def reject(session: Session, *, actor: Actor, warning_id: int, reason: str, version: int | None = None) -> Warning:
    """Not to be issued, with a reason; that is the end of it."""
    return _refuse(session, actor, warning_id, reason, version, WarningState.REJECTED)


def _refuse(
    session: Session, actor: Actor, warning_id: int, reason: str, version: int | None, to: WarningState
) -> Warning:
    actor.require(Permission.WARNINGS_APPROVE)
    warning = writable(session, actor, warning_id)
    require_step(warning, to)
    if version is not None and version != warning.version:
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    why = required_reason(reason)
    values = {"decision_reason": why, "decided_by": notices.person_of(session, actor), "decided_at": now(session)}
    transition(session, warning, to, allowed=ALLOWED, actor=actor, reason=why, values=values)
    notices.decided(session, warning)
    return warning


def required_reason(reason: str | None) -> str:
    """A reason in words, or 422 `reason_required`."""
    why = (reason or "").strip()
    if not why:
        raise Invalid(
            N_("Write a reason: it goes to the author and into the timeline. Nothing was changed."),
            code="reason_required",
            fields={"reason": "reason_required"},
        )
    if len(why) > REASON_LENGTH:
        raise Invalid(
            N_("The reason has more than %(n)s characters."),
            code="reason_too_long",
            fields={"reason": "reason_too_long"},
            n=REASON_LENGTH,
        )
    return why


def recount(session: Session, *, actor: Actor, warning_id: int, version: int) -> Warning:
    """Count the audience of a submitted warning anew; its version rises, so that the new figures are read."""
    actor.require(Permission.WARNINGS_VIEW)
    warning = writable(session, actor, warning_id)
    if warning.state is not WarningState.SUBMITTED:
        raise Conflict(N_("This does not wait for approval any more."), code="wrong_state")
    if version != warning.version:
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    warning.estimate = estimates.estimate(session, warning, estimates.targets_of(session, warning), now(session))
    warning.version += 1
    session.flush()
    return warning
