"""What is wrong with accounts today: readiness gathers it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import service as divisions
from emergency.divisions.defects import Defect
from emergency.http.permissions import Role
from emergency.people.accounts import lookups
from emergency.people.accounts.models import Account, AccountState
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts.models import DutyShift, PostHolder, ShiftState
from kernel.clock import BEIJING
from kernel.errors import N_

if TYPE_CHECKING:
    from emergency.config import Config

ROOM = "accounts"
LEAVER_HOLDS = N_("%(account)s is closed and still stands at %(n)s posts.")
LEAVER_ON_ROSTER = N_("%(account)s is closed and still stands on the duty roster for %(n)s shifts.")
NO_NUMBER = N_("%(account)s cannot be told when something waits: there is no usable number.")
FEW_APPROVERS = N_("%(place)s has %(n)s approvers: with fewer than two, nobody can approve what an approver wrote.")
Subjects = Collection[tuple[str, int]] | None


def defects(session: Session, now: datetime, limit_to: Subjects = None) -> list[Defect]:
    """Every fault, or those of the subjects in `limit_to`: `("account", id)`, `("contact", id)`."""
    found = [*_leavers(session, now, limit_to), *_unreachable(session, now, limit_to)]
    if limit_to is None or any(kind in ("account", "division") for kind, _number in limit_to):
        found.extend(_few_approvers(session, now))
    return found


def _leavers(session: Session, now: datetime, limit_to: Subjects) -> Iterator[Defect]:
    posts = sa.select(PostHolder.account_id, sa.func.count().label("n")).group_by(PostHolder.account_id).subquery()
    shifts = (
        sa.select(DutyShift.account_id, sa.func.count().label("n"))
        .where(DutyShift.ends > now, DutyShift.state.in_((ShiftState.PLANNED, ShiftState.CONFIRMED)))
        .group_by(DutyShift.account_id)
        .subquery()
    )
    wanted = [number for kind, number in limit_to if kind == "account"] if limit_to is not None else None
    if wanted is not None and not wanted:
        return
    for part, rule, reason, page in (
        (posts, "leaver_holds_post", LEAVER_HOLDS, "/posts"),
        (shifts, "leaver_on_roster", LEAVER_ON_ROSTER, "/roster"),
    ):
        statement = (
            sa.select(Account.id, Account.username, Account.division_code, Account.closed_at, part.c.n)
            .join(part, part.c.account_id == Account.id)
            .where(Account.state == AccountState.CLOSED)
            .order_by(Account.id)
        )
        if wanted is not None:
            statement = statement.where(Account.id.in_(wanted))
        for row in session.execute(statement):
            yield Defect(
                room=ROOM,
                subject_kind="account",
                subject_id=row.id,
                rule=rule,
                reason=reason,
                params={"account": row.username, "n": row.n},
                title=row.username,
                division_code=row.division_code,
                url=page,
                since=row.closed_at.astimezone(BEIJING).date(),
            )


def _unreachable(session: Session, now: datetime, limit_to: Subjects) -> Iterator[Defect]:
    statement = (
        sa.select(Account.id, Account.username, Account.division_code, Account.created_at)
        .outerjoin(Contact, Contact.id == Account.contact_id)
        .where(
            Account.state != AccountState.CLOSED,
            sa.or_(lookups.has_role(Role.APPROVER), lookups.has_role(Role.DUTY_OFFICER)),
            sa.or_(Contact.id.is_(None), Contact.phone_state.not_in((PhoneState.UNVERIFIED, PhoneState.VERIFIED))),
        )
    )
    if limit_to is not None:
        accounts = [number for kind, number in limit_to if kind == "account"]
        people = [number for kind, number in limit_to if kind == "contact"]
        if not accounts and not people:
            return
        statement = statement.where(sa.or_(Account.id.in_(accounts), Contact.id.in_(people)))
    for row in session.execute(statement.order_by(Account.id)):
        yield Defect(
            room=ROOM,
            subject_kind="account",
            subject_id=row.id,
            rule="account_no_number",
            reason=NO_NUMBER,
            params={"account": row.username},
            title=row.username,
            division_code=row.division_code,
            url=f"/accounts/{row.id}/edit",
            since=row.created_at.astimezone(BEIJING).date(),
        )


def _few_approvers(session: Session, now: datetime) -> Iterator[Defect]:
    config: Config = session.info["config"]
    code = config.site.division_code
    number = len(lookups.approvers_for(session, code))
    place = divisions.names(session, [code]).get(code)
    if number < 2 and place is not None:
        yield Defect(
            room=ROOM,
            subject_kind="division",
            subject_id=int(code),
            rule="few_approvers",
            reason=FEW_APPROVERS,
            params={"place": place, "n": number},
            title=place,
            division_code=code,
            url="/accounts",
            since=now.astimezone(BEIJING).date(),
        )
