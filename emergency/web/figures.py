"""Four honest numbers, each a link to the list that makes it up; and the checklist of a first run."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division
from emergency.drills.models import Occurrence, OccurrenceState
from emergency.http import request as unit
from emergency.http.actor import Actor
from emergency.http.i18n import _
from emergency.http.permissions import Permission as P
from emergency.http.permissions import Role
from emergency.people.accounts.lookups import has_role
from emergency.people.accounts.models import Account, AccountState
from emergency.people.posts import service as posts
from emergency.people.posts.models import Post, PostState
from emergency.people.residents.models import Resident
from emergency.plans import service as plans
from emergency.privacy.journal import JournalEntry
from emergency.readiness import plans_today
from emergency.supplies.models import Agreement, AgreementState, Balance, Depot, Lot, Place
from emergency.web import health, nav
from emergency.web.filters import number, percent
from emergency.web.workbench import Figure, Step
from kernel.clock import BEIJING
from notify.models import Broadcast, Kind
from scheduler.models import CalendarYear

WEEK = timedelta(days=7)
WEEKS = 12
EXPIRES_WITHIN = timedelta(days=90)


def posts_verified(session: Session, actor: Actor, now: datetime) -> Figure | None:
    """Posts whose holder's number somebody spoke to in the last 90 days."""
    if not actor.can(P.POSTS_VIEW):
        return None
    faults = posts.count_faults(session, actor=actor)
    total = session.scalar(
        sa.select(sa.func.count())
        .select_from(Post)
        .where(Post.state != PostState.ABOLISHED, divisions.in_scope(Post.division_code, actor))
    )
    if not total:
        return None
    faulty = sum(faults.values())
    note = _("%(all)s posts, %(n)s to mend", all=number(total), n=number(faulty))
    share = percent(total - faulty, total, 1)
    return Figure(_("Posts verified within 90 days"), share.rstrip("%"), "%", note, nav.first_served("/posts") or "/")


def drills_held(session: Session, actor: Actor, now: datetime) -> Figure | None:
    """Drills of the last twelve weeks that took place, week by week."""
    if not actor.can(P.DRILLS_VIEW):
        return None
    start = now - WEEK * WEEKS
    rows = session.execute(
        sa.select(Occurrence.starts_at, Occurrence.state).where(
            Occurrence.starts_at.between(start, now),
            Occurrence.state != OccurrenceState.CANCELLED,
            divisions.in_scope(Occurrence.division_code, actor),
        ).limit(5000)
    ).all()  # fmt: skip
    if not rows:
        return None
    held_of = [0] * WEEKS
    all_of = [0] * WEEKS
    for at, state in rows:
        week = min(WEEKS - 1, int((at - start) / WEEK))
        all_of[week] += 1
        held_of[week] += state is OccurrenceState.HELD
    held, total = sum(held_of), sum(all_of)
    trend = [100 * sum(held_of[: n + 1]) / max(1, sum(all_of[: n + 1])) for n in range(WEEKS) if sum(all_of[: n + 1])]
    note = _(
        "%(weeks)s weeks; %(n)s of %(all)s without a record", weeks=WEEKS, n=number(total - held), all=number(total)
    )
    return Figure(_("Drills held as planned"), percent(held, total, 1).rstrip("%"), "%", note,
                  nav.first_served("/drills") or "/", trend)  # fmt: skip


def plan_faults(session: Session, actor: Actor, now: datetime) -> Figure | None:
    """What is wrong with the plans in scope."""
    if not (actor.can(P.PLANS_VIEW) and actor.can(P.READINESS_VIEW)):
        return None
    total = plans.living(session, actor)
    if not total:
        return None
    wrong, faulty = plans_today.counts(session, actor).all, plans_today.faulty_plans(session, actor)
    note = _("in %(n)s of %(all)s plans", n=number(faulty), all=number(total))
    url = nav.first_served("/plans/wrong", "/plans") or "/"
    return Figure(_("Faults of plans"), number(wrong), _("faults"), note, url)


def stock_running_out(session: Session, actor: Actor, now: datetime) -> Figure | None:
    """Lots in stock that expire within 90 days, or have expired."""
    if not actor.can(P.SUPPLIES_VIEW):
        return None
    today = now.astimezone(BEIJING).date()
    in_stock = (
        sa.select(Balance.lot_id)
        .join(Place, Place.id == Balance.place_id)
        .join(Depot, Depot.id == Place.depot_id)
        .where(Balance.quantity > 0, divisions.in_scope(Depot.division_code, actor))
    )
    total = session.scalar(sa.select(sa.func.count()).select_from(Lot).where(Lot.id.in_(in_stock))) or 0
    if not total:
        return None
    soon = session.scalar(
        sa.select(sa.func.count()).select_from(Lot).where(
            Lot.id.in_(in_stock), Lot.expires_on.is_not(None), Lot.expires_on <= today + EXPIRES_WITHIN
        )
    )  # fmt: skip
    ended = session.scalar(
        sa.select(sa.func.count())
        .select_from(Agreement)
        .where(
            Agreement.state == AgreementState.IN_FORCE,
            Agreement.valid_to < today,
            divisions.in_scope(Agreement.division_code, actor),
        )
    )
    note = _("of %(all)s lots; %(n)s agreements have run out", all=number(total), n=number(ended or 0))
    return Figure(
        _("Lots that expire within 90 days"), number(soon or 0), _("lots"), note, nav.first_served("/supplies") or "/"
    )


def first_run(session: Session, actor: Actor, now: datetime) -> list[Step]:
    """What must stand before the first warning, each asked of the tables at this moment."""
    if not actor.can(P.ACCOUNTS_MANAGE):
        return []

    def exists(*conditions: sa.ColumnElement[bool]) -> bool:
        return bool(session.scalar(sa.select(sa.exists().where(*conditions))))

    config = unit.config()
    people_url = nav.first_served("/accounts", "/system/accounts") or ""
    pair = all(
        exists(Account.state == AccountState.ACTIVE, has_role(role)) for role in (Role.DUTY_OFFICER, Role.APPROVER)
    )
    year = now.astimezone(BEIJING).year
    clock = health.check_clock(session)
    return [
        Step(_("The office has its name: %(name)s", name=config.site.name), bool(config.site.name), "/system",
             _("Set site.name in config.toml.")),
        Step(_("Villages are known"), exists(Division.level == divisions.VILLAGE), nav.first_served("/divisions") or "/map",
             _("emergency import divisions FILE")),
        Step(_("A duty officer and another person who approves can sign in"), pair, people_url,
             _("emergency users create NAME --role approver --division CODE --link")),
        Step(_("Posts have holders"), exists(Post.state == PostState.HELD), nav.first_served("/posts") or "",
             _("emergency import posts FILE")),
        Step(_("Residents are known"), exists(Resident.left_at.is_(None)), nav.first_served("/residents") or "",
             _("emergency import residents FILE")),
        Step(_("A test message has left"), exists(Broadcast.kind == Kind.TEST), "/system",
             _("emergency notify test --channel sms --to POST")),
        Step(_("The holidays of %(year)s are known", year=year), exists(CalendarYear.year == year, CalendarYear.announced.is_(True)),
             "/system", _("emergency import holidays FILE")),
        Step(_("A backup was made this week"), exists(JournalEntry.actor == "system:backup", JournalEntry.at > now - WEEK),
             "/system", _("emergency db backup FILE")),
        Step(_("The clock runs evenly"), clock.fit, "/system", clock.text(_)),
    ]  # fmt: skip


FIGURES = (posts_verified, drills_held, plan_faults, stock_running_out)
