"""What the rooms have for the workbench: what waits for this person, and the district's day.

Bounded, indexed queries in the actor's scope; each provider stands alone, so that one that fails takes nothing along.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import service as asking
from emergency.asking import waiting as asking_lines
from emergency.divisions import rules as divisions
from emergency.drills import learning_waiting
from emergency.drills.models import Invitation, Occurrence, OccurrenceState
from emergency.http import request as unit
from emergency.http.actor import Actor
from emergency.http.i18n import _, ngettext
from emergency.http.permissions import Permission as P
from emergency.people.accounts import lookups as accounts
from emergency.people.posts import roster
from emergency.people.posts.models import DutyShift, ShiftState
from emergency.plans.models import Plan, PlanVersion, VersionState
from emergency.readiness import service as readiness
from emergency.readiness.models import Severity
from emergency.supplies.models import Depot, Place, WriteOff, WriteOffState
from emergency.warnings import service as warnings
from emergency.warnings.models import Warning as WarningRecord
from emergency.warnings.models import WarningState, WarningStatus
from emergency.web import filters, nav
from emergency.web.filters import label, moment_text, number, when_text
from emergency.web.workbench import DayPanel, DayRow, WaitingItem

MOST = 50
WEEK = timedelta(days=7)


def _to(path: str, *others: str) -> str:
    """The page of a record if the app serves it, else the nearest that it does."""
    return path if nav.serves(path) else (nav.first_served(*others) or "/")


def _names(session: Session, keys: set[str]) -> dict[str, str]:
    return accounts.display_names(session, keys)


# --- waiting ----------------------------------------------------------------------------------------------------


def warnings_waiting(session: Session, actor: Actor, now: datetime) -> Sequence[Any]:
    """What the warnings room has for this person: to approve, to write again, doors."""
    return warnings.waiting(session, actor, now)


def asking_waiting(session: Session, actor: Actor, now: datetime) -> Sequence[Any]:
    """Questions, doors and replies; an approval that waits stands in the warnings' own lines already."""
    twice = {f"/questions/{q.id}" for q in asking.asked_of_me(session, actor=actor) if q.subject_kind == "warning"}
    return [line for line in asking_lines.waiting(session, actor, now) if line.url not in twice]


def my_drafts(session: Session, actor: Actor, now: datetime) -> list[WaitingItem]:
    """Warnings that I began and did not submit."""
    if not actor.can(P.WARNINGS_DRAFT) or actor.kind != "account":
        return []
    rows = session.scalars(
        sa.select(WarningRecord)
        .where(
            WarningRecord.created_by == str(actor),
            WarningRecord.state == WarningState.DRAFT,
            WarningRecord.edited_at > now - 2 * WEEK,
        )
        .order_by(WarningRecord.edited_at.desc())
        .limit(10)
    )
    found = []
    for row in rows:
        what = _("Your draft: %(what)s", what=row.headline or warnings.title(row))
        why = _("edited %(at)s, not submitted", at=when_text(row.edited_at))
        found.append(WaitingItem(None, what, why, None, _to(f"/warnings/{row.id}", "/warnings"), _("Go on")))
    return found


def plans_to_decide(session: Session, actor: Actor, now: datetime) -> list[WaitingItem]:
    """Plan versions that wait for review or approval by another person than their author."""
    if not actor.can(P.PLANS_APPROVE):
        return []
    rows = session.execute(
        sa.select(PlanVersion, Plan.title)
        .join(Plan, Plan.id == PlanVersion.plan_id)
        .where(
            PlanVersion.state.in_((VersionState.LINKAGE_REVIEW, VersionState.APPROVAL)),
            PlanVersion.author != str(actor),
            divisions.in_scope(Plan.division_code, actor),
        )
        .order_by(PlanVersion.submitted_at)
        .limit(MOST)
    ).all()
    return [
        WaitingItem(
            None,
            _("%(title)s, version %(n)s: %(state)s", title=title, n=version.number, state=label(version.state)),
            _("submitted %(at)s", at=when_text(version.submitted_at)) if version.submitted_at else "",
            None,
            _to(f"/plans/versions/{version.id}", f"/plans/{version.plan_id}", "/plans"),
            _("Decide"),
        )
        for version, title in rows
    ]


def write_offs_to_decide(session: Session, actor: Actor, now: datetime) -> list[WaitingItem]:
    """Stock that another person wants written off."""
    if not actor.can(P.SUPPLIES_APPROVE):
        return []
    rows = session.execute(
        sa.select(WriteOff.id, WriteOff.quantity, WriteOff.reason, WriteOff.requested_at, Depot.name)
        .join(Place, Place.id == WriteOff.place_id)
        .join(Depot, Depot.id == Place.depot_id)
        .where(
            WriteOff.state == WriteOffState.REQUESTED,
            WriteOff.requested_by != str(actor),
            divisions.in_scope(Depot.division_code, actor),
        )
        .order_by(WriteOff.id)
        .limit(MOST)
    ).all()
    return [
        WaitingItem(
            None,
            _("%(depot)s asks to write off %(n)s pieces", depot=depot, n=number(quantity)),
            f"{reason} · {when_text(at)}",
            None,
            _to(f"/supplies/write-offs/{id_}", "/supplies/write-offs", "/supplies"),
            _("Decide"),
        )
        for id_, quantity, reason, at, depot in rows
    ]


def my_shift(session: Session, actor: Actor, now: datetime) -> list[WaitingItem]:
    """My next shift, while I have not said that I will be there."""
    if actor.kind != "account":
        return []
    rows = session.scalars(
        sa.select(DutyShift)
        .where(
            DutyShift.account_id == actor.id,
            DutyShift.state == ShiftState.PLANNED,
            DutyShift.ends > now,
            DutyShift.starts < now + 2 * WEEK,
        )
        .order_by(DutyShift.starts)
        .limit(3)
    )
    return [
        WaitingItem(
            None,
            _(
                "Your shift as %(role)s from %(at)s is not confirmed",
                role=label(shift.role),
                at=moment_text(shift.starts),
            ),
            _("until %(at)s", at=moment_text(shift.ends)),
            shift.starts,
            _to(f"/roster/{shift.id}", "/roster", "/posts/roster", "/posts"),
            _("Confirm"),
        )
        for shift in rows
    ]


# --- the day ----------------------------------------------------------------------------------------------------


def watch(session: Session, actor: Actor, now: datetime) -> DayPanel | None:
    """Who is on duty in the district now, and who comes next."""
    if not actor.can(P.ROSTER_VIEW):
        return None
    code = unit.config().site.division_code
    shifts = roster.on_duty(session, now, code)
    names = _names(session, {f"account:{shift.account_id}" for shift in shifts})
    following = {shift.id: roster.next_shift(session, shift) for shift in shifts[:3]}
    names |= _names(session, {f"account:{s.account_id}" for s in following.values() if s is not None})
    rows = []
    for shift in shifts:
        key = f"account:{shift.account_id}"
        you = _("you") if key == str(actor) else _("until %(at)s", at=when_text(shift.ends))
        rows.append(DayRow(label(shift.role), _bare(names.get(key, "")), you))
    for after in following.values():
        if after is not None:
            tone = after.state.tone
            left = _("from %(at)s", at=when_text(after.starts))
            who = f"{_bare(names.get(f'account:{after.account_id}', ''))} {label(after.role)}"
            rows.append(DayRow(left, who, label(after.state), tone=tone))
    url = nav.first_served("/roster", "/posts/roster") or ""
    return DayPanel(_("On duty"), "", rows, url, empty=_("Nobody is on the roster now."))


def _bare(display: str) -> str:
    return display.split("（")[0].split(" (")[0]


def open_matters(session: Session, actor: Actor, now: datetime) -> DayPanel | None:
    """What is wrong today and who owes an answer, each with the way to its list."""
    rows = []
    if actor.can(P.READINESS_VIEW):
        counts = readiness.score(session, actor).counts
        total, tonight = sum(counts.values()), counts[Severity.RED]
        words = ngettext("%(n)s defect", "%(n)s defects", total, n=number(total))
        urgent = _("%(n)s would fail tonight", n=number(tonight)) if tonight else ""
        rows.append(
            DayRow(_("Defects today"), words, urgent, nav.first_served("/readiness") or "", "late" if tonight else "")
        )
    if actor.can(P.QUESTIONS_VIEW):
        waiting, late = asking.count_open(session, actor=actor)
        words = ngettext("%(n)s question waits for its answer", "%(n)s questions wait for their answers", waiting,
                         n=number(waiting))  # fmt: skip
        overdue = _("%(n)s past their time", n=number(late)) if late else ""
        rows.append(
            DayRow(_("Questions"), words, overdue, nav.first_served("/questions") or "", "late" if late else "")
        )
    return DayPanel(_("To keep an eye on"), "", rows) if rows else None


def drills_this_week(session: Session, actor: Actor, now: datetime) -> DayPanel | None:
    """The drills of the next seven days, with how many of the invited have answered."""
    if not actor.can(P.DRILLS_VIEW):
        return None
    where = (
        Occurrence.starts_at >= now - timedelta(hours=12),
        Occurrence.starts_at < now + WEEK,
        Occurrence.state != OccurrenceState.CANCELLED,
        divisions.in_scope(Occurrence.division_code, actor),
    )
    total = session.scalar(sa.select(sa.func.count()).select_from(Occurrence).where(*where)) or 0
    rows = list(
        session.scalars(sa.select(Occurrence).where(*where).order_by(Occurrence.starts_at, Occurrence.id).limit(6))
    )
    answers = {
        occurrence: (asked, answered)
        for occurrence, asked, answered in session.execute(
            sa.select(Invitation.occurrence_id, sa.func.count(), sa.func.count(Invitation.answer))
            .where(Invitation.occurrence_id.in_([row.id for row in rows]))
            .group_by(Invitation.occurrence_id)
        )
    }
    lines = []
    for row in rows:
        asked, answered = answers.get(row.id, (0, 0))
        if row.state is OccurrenceState.INVITED and asked:
            right, tone = _("%(n)s of %(all)s answered", n=answered, all=asked), "done" if answered == asked else "wait"
        else:
            right, tone = label(row.state), row.state.tone
        url = _to(f"/drills/{row.id}", f"/drills/occurrences/{row.id}", "/drills")
        lines.append(DayRow(when_text(row.starts_at), row.title, right, url, tone or "plain"))
    meta = ngettext("%(n)s drill", "%(n)s drills", total, n=number(total))
    return DayPanel(_("Drills of the next seven days"), meta, lines, nav.first_served("/drills") or "",
                    empty=_("No drill in the next seven days."))  # fmt: skip


def _of_the_day(row: WarningRecord) -> str:
    """What it says; an exercise is named as one, so that nobody takes it for real."""
    said = row.headline or row.event_name
    return said if row.status is WarningStatus.ACTUAL else f"【{label(row.status)}】{said}"


def warnings_of_the_day(session: Session, actor: Actor, now: datetime) -> DayPanel | None:
    """What was issued or ended in the last day."""
    if not actor.can(P.WARNINGS_VIEW):
        return None
    rows = list(
        session.scalars(
            sa.select(WarningRecord)
            .where(
                WarningRecord.issued_at > now - timedelta(days=1),
                divisions.in_scope(WarningRecord.division_code, actor),
            )
            .order_by(WarningRecord.issued_at.desc())
            .limit(5)
        )
    )
    if not rows:
        return None
    lines = [
        DayRow(when_text(row.issued_at), _of_the_day(row), label(row.state),
               _to(f"/warnings/{row.id}", "/warnings"), row.state.tone or "plain")
        for row in rows
    ]  # fmt: skip
    return DayPanel(_("Warnings of the last 24 hours"), "", lines, nav.first_served("/warnings") or "")


WAITING = (
    warnings_waiting,
    asking_waiting,
    my_drafts,
    plans_to_decide,
    write_offs_to_decide,
    learning_waiting.waiting,
    my_shift,
)
DAY = (watch, open_matters, drills_this_week, warnings_of_the_day)


def count_warnings(session: Session, actor: Actor) -> int:
    """For the navigation: warnings in force and warnings that wait."""
    return warnings.open_count(session, actor) if actor.can(P.WARNINGS_VIEW) else 0


def count_drills(session: Session, actor: Actor) -> int:
    """For the navigation: drills of the next seven days."""
    if not actor.can(P.DRILLS_VIEW):
        return 0
    now = filters.now()
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(Occurrence)
            .where(
                Occurrence.starts_at.between(now, now + WEEK),
                Occurrence.state != OccurrenceState.CANCELLED,
                divisions.in_scope(Occurrence.division_code, actor),
            )
        )
        or 0
    )


COUNTS = {"warnings": count_warnings, "drills": count_drills}
