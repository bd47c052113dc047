"""What is wrong with the stock today: expiring, expired, rotation due, short, agreements that ended or went silent."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from emergency.divisions.defects import Defect
from emergency.divisions.rules import within
from emergency.supplies import rules
from emergency.supplies.models import (
    Agreement,
    AgreementState,
    Balance,
    Depot,
    Item,
    Lot,
    Ownership,
    Place,
    SafetyLevel,
)
from emergency.supplies.rules import Shelf
from kernel.clock import BEIJING
from kernel.errors import N_

ROOM = "supplies"


_SHELF_WORDS = {
    Shelf.EXPIRED: N_("%(item)s at %(depot)s expired on %(day)s"),
    Shelf.EXPIRING: N_("%(item)s at %(depot)s expires on %(day)s"),
    Shelf.ROTATE: N_("%(item)s at %(depot)s should be rotated since %(day)s"),
}


def defects(session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None = None) -> list[Defect]:
    """Every fault of the stock, or those of the given subjects (`lot`, `supply_item`, `agreement`, `depot`)."""
    today = now.astimezone(BEIJING).date()
    ids: dict[str, list[int]] | None = None
    if limit_to is not None:
        ids = {}
        for kind, subject_id in limit_to:
            ids.setdefault(kind, []).append(subject_id)
    return [
        *_shelf(session, today, None if ids is None else ids.get("lot", [])),
        *_short(session, None if ids is None else ids.get("supply_item", [])),
        *_agreements(session, today, None if ids is None else ids.get("agreement", [])),
        *_keeperless(session, today, None if ids is None else ids.get("depot", [])),
    ]


def _shelf(session: Session, today: date, ids: list[int] | None) -> list[Defect]:
    soon = today + timedelta(days=rules.EXPIRING_DAYS)
    statement = (
        sa.select(Lot, Item.name, Depot)
        .join(Item, Item.id == Lot.item_id)
        .join(Balance, Balance.lot_id == Lot.id)
        .join(Place, Place.id == Balance.place_id)
        .join(Depot, Depot.id == Place.depot_id)
        .where(Balance.quantity > 0, sa.or_(Lot.expires_on <= soon, Lot.rotate_by <= today))
        .order_by(Lot.id, Depot.id)
    )
    if ids is not None:
        statement = statement.where(Lot.id.in_(ids))
    found: dict[int, Defect] = {}
    for lot, item, depot in session.execute(statement):
        shelf = rules.shelf(lot.expires_on, lot.rotate_by, today)
        if shelf is Shelf.FRESH or lot.id in found:
            continue
        day = (lot.rotate_by if shelf is Shelf.ROTATE else lot.expires_on) or today
        step = {Shelf.EXPIRED: 1, Shelf.EXPIRING: -rules.EXPIRING_DAYS, Shelf.ROTATE: 0}[shelf]
        since = day + timedelta(days=step)
        found[lot.id] = Defect(
            ROOM, f"stock_{shelf.value}", "lot", lot.id, depot.division_code, _SHELF_WORDS[shelf], since,
            f"/supplies/lots/{lot.id}", title=item, due=lot.expires_on, owner_post_id=depot.keeper_post_id,
            params={"item": item, "depot": depot.name, "day": day.isoformat()},
        )  # fmt: skip
    return list(found.values())


def _short(session: Session, ids: list[int] | None) -> list[Defect]:
    statement = sa.select(SafetyLevel, Item.name, Item.unit).join(Item, Item.id == SafetyLevel.item_id)
    if ids is not None:
        statement = statement.where(SafetyLevel.item_id.in_(ids))
    levels = session.execute(statement).all()
    found = []
    sums: dict[str, dict[int, int]] = {}
    for level, name, unit in levels:
        if level.division_code not in sums:
            sums[level.division_code] = _free(session, level.division_code)
        free = sums[level.division_code].get(level.item_id, 0)
        if free < level.quantity:
            found.append(
                Defect(
                    ROOM, "stock_short", "supply_item", level.item_id, level.division_code,
                    N_("Government stock of %(item)s is %(free)s %(unit)s, the safety level is %(wanted)s"),
                    level.set_on, f"/supplies/items/{level.item_id}", title=name,
                    params={"item": name, "unit": unit, "free": free, "wanted": level.quantity},
                )
            )  # fmt: skip
    return found


def _free(session: Session, code: str) -> dict[int, int]:
    rows = session.execute(
        sa.select(Lot.item_id, sa.func.sum(Balance.quantity - Balance.reserved))
        .join(Balance, Balance.lot_id == Lot.id)
        .join(Place, Place.id == Balance.place_id)
        .join(Depot, Depot.id == Place.depot_id)
        .where(Lot.ownership == Ownership.GOVERNMENT, within(Depot.division_code, code))
        .group_by(Lot.item_id)
    )
    return {item_id: int(total or 0) for item_id, total in rows}


def _agreements(session: Session, today: date, ids: list[int] | None) -> list[Defect]:
    statement = (
        sa.select(Agreement, Item.name)
        .join(Item, Item.id == Agreement.item_id)
        .where(Agreement.state == AgreementState.IN_FORCE)
        .order_by(Agreement.id)
    )
    if ids is not None:
        statement = statement.where(Agreement.id.in_(ids))
    found = []
    for agreement, item in session.execute(statement):
        verified = agreement.last_verified_on or agreement.valid_from
        stale = verified + relativedelta(months=rules.VERIFY_MONTHS)
        if agreement.valid_to < today:
            rule, reason, since = (
                "agreement_ended",
                N_("The agreement with %(enterprise)s on %(item)s ended on %(day)s"),
                (agreement.valid_to),
            )
        elif stale < today:
            rule, reason, since = (
                "agreement_unverified",
                N_("Nobody has asked %(enterprise)s since %(day)s whether it stands by %(item)s"),
                stale,
            )
        else:
            continue
        day = agreement.valid_to if rule == "agreement_ended" else verified
        found.append(
            Defect(
                ROOM, rule, "agreement", agreement.id, agreement.division_code, reason, since,
                f"/supplies/depots/{agreement.depot_id}", title=agreement.enterprise, due=agreement.valid_to,
                owner_post_id=agreement.contact_post_id,
                params={"enterprise": agreement.enterprise, "item": item, "day": day.isoformat()},
            )
        )  # fmt: skip
    return found


def _keeperless(session: Session, today: date, ids: list[int] | None) -> list[Defect]:
    statement = sa.select(Depot).where(
        Depot.keeper_post_id.is_(None), Depot.state == "open", Depot.kind.in_(["government", "township"])
    )
    if ids is not None:
        statement = statement.where(Depot.id.in_(ids))
    return [
        Defect(
            ROOM, "depot_without_keeper", "depot", depot.id, depot.division_code,
            N_("%(depot)s has no keeper's post"), today, f"/supplies/depots/{depot.id}", title=depot.name,
            params={"depot": depot.name},
        )
        for depot in session.scalars(statement)
    ]  # fmt: skip
