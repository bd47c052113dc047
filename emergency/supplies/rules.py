"""Pure rules of the stock: the code of GB/T 38565-2020, shelf life, states, and what may be added to what."""

from __future__ import annotations

import enum
import re
from datetime import date, timedelta
from typing import TypeVar

from dateutil.relativedelta import relativedelta

from emergency.supplies.models import (
    AgreementState,
    DepotState,
    LotState,
    Ownership,
    RequestState,
    ReservationState,
    WriteOffState,
)
from kernel.errors import N_
from kernel.types import LabelledEnum

Member = TypeVar("Member", bound=enum.Enum)
_CODE = re.compile(r"[123](?:0[1-9]|[1-9][0-9]){3}")
EXPIRING_DAYS = 60
"""A lot that expires within so many days is shown as expiring."""
VERIFY_MONTHS = 6
"""An agreement that nobody has verified for so long is not counted on."""
MAX_QUANTITY = 1_000_000_000

R, W, A, Q = ReservationState, WriteOffState, AgreementState, RequestState
WRITE_OFF_TRANSITIONS = {
    W.REQUESTED: frozenset({W.APPROVED, W.REJECTED}),
    W.APPROVED: frozenset[WriteOffState](),
    W.REJECTED: frozenset[WriteOffState](),
}
RESERVATION_TRANSITIONS = {
    R.HELD: frozenset({R.USED, R.RELEASED}),
    R.USED: frozenset[ReservationState](),
    R.RELEASED: frozenset[ReservationState](),
}
AGREEMENT_TRANSITIONS = {A.IN_FORCE: frozenset({A.ENDED}), A.ENDED: frozenset[AgreementState]()}
REQUEST_TRANSITIONS = {
    Q.OPEN: frozenset({Q.ALLOCATED, Q.REFUSED, Q.CANCELLED}),
    Q.ALLOCATED: frozenset({Q.DISPATCHED, Q.OPEN, Q.CANCELLED}),
    Q.DISPATCHED: frozenset({Q.RECEIVED}),
    Q.RECEIVED: frozenset({Q.RETURNED}),
    Q.RETURNED: frozenset[RequestState](),
    Q.REFUSED: frozenset[RequestState](),
    Q.CANCELLED: frozenset[RequestState](),
}
DEPOT_TRANSITIONS = {
    DepotState.OPEN: frozenset({DepotState.CLOSED}),
    DepotState.CLOSED: frozenset({DepotState.OPEN}),
}
LOT_TRANSITIONS = {
    LotState.USABLE: frozenset({LotState.QUARANTINED, LotState.WITHDRAWN}),
    LotState.QUARANTINED: frozenset({LotState.USABLE, LotState.WITHDRAWN}),
    LotState.WITHDRAWN: frozenset[LotState](),
}


class Holding(LabelledEnum):
    """The four sums of stock. No total over them exists (突发事件应对法 art. 45-46; 自然灾害救助条例 art. 24-28)."""

    GOVERNMENT = "government", "政府储备", "Government stock"
    COMMITMENT = "commitment", "社会承诺（协议与产能）", "Commitments"
    OWN = "own", "单位与家庭自备", "Units' and families' own"
    DONATION = "donation", "捐赠物资", "Donations"


HOLDING_OF: dict[Ownership, Holding] = {
    Ownership.GOVERNMENT: Holding.GOVERNMENT,
    Ownership.AGREEMENT: Holding.COMMITMENT,
    Ownership.CAPACITY: Holding.COMMITMENT,
    Ownership.UNIT: Holding.OWN,
    Ownership.FAMILY: Holding.OWN,
    Ownership.DONATION: Holding.DONATION,
}


class Shelf(LabelledEnum):
    """How the shelf life of a lot stands."""

    FRESH = "fresh", "正常", "Good"
    ROTATE = "rotate", "到轮换期", "Rotation due", "wait"
    EXPIRING = "expiring", "即将到期", "Expiring", "wait"
    EXPIRED = "expired", "已过期", "Expired", "late"


def valid_code(code: str) -> bool:
    """Seven digits 1+2+2+2; the first 1-3, each pair 01-99 (GB/T 38565-2020). Some sites say 13 digits: wrong."""
    return bool(_CODE.fullmatch(code))


FAMILIES = {
    "1": N_("Basic living supplies"),
    "2": N_("Emergency equipment and its supplies"),
    "3": N_("Engineering materials and machinery"),
}


def family(code: str | None) -> str | None:
    """The message id of the code's first layer."""
    return FAMILIES.get(code[0]) if code else None


def shelf(expires_on: date | None, rotate_by: date | None, today: date) -> Shelf:
    """The last day of a lot is still good; the day after it is expired."""
    if expires_on is not None:
        if expires_on < today:
            return Shelf.EXPIRED
        if expires_on <= today + timedelta(days=EXPIRING_DAYS):
            return Shelf.EXPIRING
    if rotate_by is not None and rotate_by <= today:
        return Shelf.ROTATE
    return Shelf.FRESH


def rotate_by(expires_on: date | None, rotate_before_days: int) -> date | None:
    """When a lot should leave the store to be used up while it is still good."""
    return expires_on - timedelta(days=rotate_before_days) if expires_on else None


def expiry(made_on: date, shelf_life_months: int) -> date:
    """The last good day of what was made on a day; the 31st is clamped to the month's end."""
    return made_on + relativedelta(months=shelf_life_months)


def choice_of(members: type[Member], text: str) -> Member | None:
    """An enum member from its stored value or either of its labels, as files write it."""
    said = text.strip()
    for member in members:
        if said in (str(member.value), getattr(member, "zh", None), getattr(member, "en", None)):
            return member
    return None
