"""Telling the people who decide: approvers on duty when something waits, all approvers when glass was broken.

Reminders are worded anew each time (carriers drop a text that repeats itself) and widen from those on duty to every
approver of the area.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import service as asking
from emergency.config import Config
from emergency.http.actor import SYSTEM, Actor
from emergency.people.accounts import service as accounts
from emergency.people.accounts.models import Account, ApiToken
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts import service as posts
from emergency.warnings import rules, texts
from emergency.warnings.models import Warning, WarningState, WarningStatus
from kernel.db import now
from notify import service as notify
from notify.models import Kind

SUBJECT = "warning"
QUESTION = "warning_approval"
ANSWERS = (("looking", "马上处理", "I am looking at it"), ("unable", "暂时不能处理", "I cannot decide now"))
_URGENT, _ORDINARY = 1, 4


def person_of(session: Session, actor: Actor) -> str:
    """The key of the person behind an actor: a programme's token acts for its account and is no second person."""
    if actor.kind == "token":
        account_id = session.scalar(sa.select(ApiToken.account_id).where(ApiToken.id == actor.id))
        if account_id is not None:
            return f"account:{account_id}"
    return str(actor)


def account_id_of(person: str | None) -> int | None:
    """The account's id of a person's key."""
    kind, _, number = (person or "").partition(":")
    return int(number) if kind == "account" and number.isdigit() else None


def others(session: Session, warning: Warning) -> list[int]:
    """Accounts that may approve this warning: approvers of its area, without whoever wrote or submitted it."""
    hands = {warning.created_by, warning.edited_by, warning.submitted_by}
    found = accounts.approvers_for(session, warning.division_code)
    return [account.id for account in found if f"account:{account.id}" not in hands]


def on_duty(session: Session, candidates: Collection[int], moment: datetime) -> list[int]:
    """Those of the candidates who are on the roster now."""
    present = {shift.account_id for shift in posts.on_duty(session, moment)}
    return [account_id for account_id in candidates if account_id in present]


def ask_approvers(session: Session, warning: Warning, *, actor: Actor, everybody: bool = False) -> int:
    """Ask whoever may approve; those on duty first. Earlier questions about it are closed. Returns how many."""
    moment = now(session)
    asking.close(session, (SUBJECT, warning.id), actor=SYSTEM)
    candidates = others(session, warning)
    chosen = candidates if everybody else (on_duty(session, candidates, moment) or candidates)
    if not chosen:
        return 0
    config: Config = session.info["config"]
    waited = int((moment - (warning.submitted_at or moment)) / timedelta(minutes=1))
    reminders = config.warnings.approval_reminder_minutes
    next_minutes = next((m - waited for m in reminders if m > waited), reminders[-1] if reminders else 10)
    figures = warning.estimate or {}
    real = warning.status is WarningStatus.ACTUAL
    asking.ask_many(
        session,
        actor=actor,
        subject=(SUBJECT, warning.id),
        kind=QUESTION,
        text=texts.render(
            "approval_waiting" if waited else "approval_asked",
            status=_kind(warning),
            headline=texts.headline(warning),
            area=warning.area_words,
            people=figures.get("everybody", 0),
            **({"minutes": waited} if waited else {}),
        ),
        answers=ANSWERS,
        due_at=moment + timedelta(minutes=max(next_minutes, 1)),
        account_ids=chosen,
        ladder=asking.Ladder(()),
        notice_kind=Kind.NOTICE,
        drill=not real,
        priority=_URGENT if real and rules.PRIORITY[warning.level.value] <= 1 else _ORDINARY,
        division_code=warning.division_code,
    )
    return len(chosen)


def _kind(warning: Warning) -> str:
    return "预警" if warning.status is WarningStatus.ACTUAL else f"{warning.status.zh}消息"


def decided(session: Session, warning: Warning) -> None:
    """Close the questions, and tell the author where it was not approved."""
    asking.close(session, (SUBJECT, warning.id), actor=SYSTEM)
    words = {WarningState.RETURNED: "退回修改", WarningState.REJECTED: "不予批准"}.get(warning.state)
    author = account_id_of(warning.submitted_by)
    if words is None or author is None:
        return
    text = texts.render("decided", status=_kind(warning), outcome=words, headline=texts.headline(warning))
    tell(session, [author], text, warning=warning, priority=_ORDINARY)


def alarm(session: Session, warning: Warning, actor: Actor) -> int:
    """Every approver of the area hears that one person alone issued a red warning."""
    people = [a.id for a in accounts.approvers_for(session, warning.division_code) if f"account:{a.id}" != str(actor)]
    figures = warning.estimate or {}
    text = texts.render(
        "break_glass", headline=texts.headline(warning), area=warning.area_words, people=figures.get("everybody", 0)
    )
    return tell(session, people, text, warning=warning, priority=0)


def tell(session: Session, account_ids: Sequence[int], text: str, *, warning: Warning, priority: int) -> int:
    """A Notice to accounts that have a usable number. Returns how many messages."""
    if not account_ids:
        return 0
    config: Config = session.info["config"]
    rows = session.execute(
        sa.select(Account.id, Contact.id, Contact.phone_index, Account.division_code)
        .join(Contact, Contact.id == Account.contact_id)
        .where(Account.id.in_(account_ids), Contact.phone_state.in_((PhoneState.UNVERIFIED, PhoneState.VERIFIED)))
    ).all()
    if not rows:
        return 0
    spec = notify.BroadcastSpec(
        kind=Kind.NOTICE,
        priority=priority,
        text=text,
        valid_until=now(session) + timedelta(hours=24),
        channels=list(config.notify.default_channels),
        subject_kind=SUBJECT,
        subject_id=warning.id,
        signature=config.site.sms_signature,
    )
    people = [notify.Recipient(f"account:{a}", division, contact, key) for a, contact, key, division in rows if key]
    return notify.deliver(session, spec, people).messages


def describe(session: Session, ids: Sequence[int]) -> Mapping[int, asking.Described]:
    """What a question of ours is about, for the pages of `asking`."""
    rows = session.scalars(sa.select(Warning).where(Warning.id.in_(list(ids))))
    return {row.id: asking.Described(texts.headline(row), f"/warnings/{row.id}") for row in rows}


def answered(session: Session, question: object, answer: object) -> None:
    """An approver who cannot decide is no approver now: everybody else is asked at once."""
    if getattr(answer, "key", "") != "unable":
        return
    warning = session.get(Warning, getattr(question, "subject_id", 0))
    if warning is not None and warning.state is WarningState.SUBMITTED:
        ask_approvers(session, warning, actor=SYSTEM, everybody=True)


asking.register_subject(SUBJECT, describe=describe, on_answer=answered)
