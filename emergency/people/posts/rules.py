"""Pure rules of posts and shifts: transitions, what is wrong with a post, how duties are written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from emergency.people.contacts.models import PhoneState
from emergency.people.posts.models import Duty, PostState, ShiftState
from kernel.types import LabelledEnum

VERIFY_AFTER = timedelta(days=90)
"""A number that nobody spoke to for so long counts as not known (rosters are refreshed before the flood season)."""
CONFIRM_BEFORE = timedelta(hours=12)
"""A shift that begins within so long and is not confirmed is a defect."""
MAX_DEPUTIES = 5
HAND_OVER_EARLY = timedelta(minutes=30)
"""Handing over sooner before the end than this is unusual, and has to be meant."""
MAX_SHIFT = timedelta(hours=48)

TRANSITIONS: Mapping[PostState, frozenset[PostState]] = {
    PostState.VACANT: frozenset({PostState.HELD, PostState.ABOLISHED}),
    PostState.HELD: frozenset({PostState.VACANT, PostState.ABOLISHED}),
    PostState.ABOLISHED: frozenset({PostState.VACANT}),
}
SHIFT_TRANSITIONS: Mapping[ShiftState, frozenset[ShiftState]] = {
    ShiftState.PLANNED: frozenset({ShiftState.CONFIRMED, ShiftState.HANDED_OVER, ShiftState.CANCELLED}),
    ShiftState.CONFIRMED: frozenset({ShiftState.HANDED_OVER, ShiftState.CANCELLED}),
    ShiftState.HANDED_OVER: frozenset(),
    ShiftState.CANCELLED: frozenset(),
}

CALLED_FIRST = frozenset({Duty.FLOOD_CHIEF, Duty.WARNING_RECEIVER})
"""Duties that a warning calls out unless the post says otherwise."""
SUPERIOR_DUTIES = (Duty.FLOOD_CHIEF, Duty.LIAISON, Duty.DUTY_ROOM)
"""Who answers above when the same duty does not exist there, in this order."""


class Fault(LabelledEnum):
    """What can be wrong with a post."""

    VACANT = "vacant", "无人在岗", "Nobody holds it", "late"
    NO_NUMBER = "no_number", "没有可用号码", "No usable number", "late"
    OPTED_OUT = "opted_out", "号码拒收短信", "The number opted out", "late"
    UNVERIFIED = "unverified", "号码未核实", "Number not verified", "wait"
    STALE = "stale", "核实已超 90 天", "Verified more than 90 days ago", "wait"


def fault(
    state: PostState, phone_state: PhoneState | None, verified_at: datetime | None, now: datetime
) -> Fault | None:
    """The one thing that is most wrong with a post, or None. An abolished post has no faults."""
    if state is PostState.ABOLISHED:
        return None
    if state is PostState.VACANT or phone_state is None:
        return Fault.VACANT
    if phone_state in (PhoneState.INVALID, PhoneState.NONE):
        return Fault.NO_NUMBER
    if phone_state is PhoneState.OPTED_OUT:
        return Fault.OPTED_OUT
    if phone_state is PhoneState.UNVERIFIED or verified_at is None:
        return Fault.UNVERIFIED
    return Fault.STALE if verified_at < now - VERIFY_AFTER else None


_WORDS: Mapping[str, Duty] = {
    **{duty.value: duty for duty in Duty},
    **{duty.zh: duty for duty in Duty},
    **{duty.en.casefold(): duty for duty in Duty},
    "防汛行政责任人": Duty.FLOOD_CHIEF,
    "预警信息员": Duty.WARNING_RECEIVER,
    "气象信息员": Duty.WARNING_RECEIVER,
    "预警接收人": Duty.WARNING_RECEIVER,
    "敲锣人": Duty.GONG_KEEPER,
    "转移负责人": Duty.EVACUATION_LEADER,
    "应急队长": Duty.TEAM_LEADER,
    "物资保管员": Duty.KEEPER,
    "仓库保管员": Duty.KEEPER,
    "安全管理人": Duty.SAFETY_OFFICER,
}


def read_duty(text: str) -> Duty | None:
    """The duty that a file names, in Chinese, English or by its key; None for an unknown word."""
    return _WORDS.get(text.strip().casefold())
