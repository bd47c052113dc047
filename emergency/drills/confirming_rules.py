"""When the posts of a drill are asked, reminded and called; what a deputy is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta

from emergency.asking.models import StepKind
from emergency.asking.rules import Ladder, Rung
from emergency.config_drills import Drills
from kernel.clock import BEIJING

LATEST_ANSWER = timedelta(days=1)
"""An answer is wanted a day before the drill; within the last two days, by half of the time that is left."""
SOONEST = timedelta(hours=1)
"""So long after it was asked a post is left in peace."""
ASK_AT = time(9, 0)
DAY_BEGINS, DAY_ENDS = time(8, 0), time(20, 0)
UNHURRIED = timedelta(hours=12)
"""What is so long before the drill need not come at night."""
LONGEST_LATE = timedelta(hours=6)
TOO_CLOSE = timedelta(hours=1)
"""Within so long before a drill nobody is asked by itself any more."""


def ask_at(starts_at: datetime, days: int) -> datetime:
    """When the posts of a drill are asked by themselves: at nine in the morning, so many days before."""
    day = starts_at.astimezone(BEIJING).date() - timedelta(days=days)
    return datetime.combine(day, ASK_AT, BEIJING)


def answer_due(starts_at: datetime, now: datetime) -> datetime:
    """Until when an answer is wanted; by the evening before rather than at some hour of the night."""
    left = starts_at - now
    due = starts_at - (LATEST_ANSWER if left > 2 * LATEST_ANSWER else left / 2)
    evening = civil(due, starts_at)
    return evening if evening > now else due


def by_day(moment: datetime) -> bool:
    """Whether people may be called then for what is not urgent."""
    return DAY_BEGINS <= moment.astimezone(BEIJING).time() < DAY_ENDS


def civil(moment: datetime, starts_at: datetime) -> datetime:
    """The moment itself, or eight in the evening before where it would be at night and the drill is still far."""
    local = moment.astimezone(BEIJING)
    if starts_at - moment < UNHURRIED or DAY_BEGINS <= local.time() <= DAY_ENDS:
        return moment
    day = local.date() if local.time() > DAY_ENDS else local.date() - timedelta(days=1)
    return datetime.combine(day, DAY_ENDS, BEIJING)


def moments(hours: Iterable[float], starts_at: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
    """When something is said so many hours before the drill, and until when it may still be said; the past left out.

    Whatever is late is said at most six hours late, never after the next one is due and never after the drill began:
    after downtime nobody gets several at once.
    """
    wanted = {civil(starts_at - timedelta(hours=h), starts_at) for h in hours if h > 0}
    times = sorted(at for at in wanted if at >= now + SOONEST)
    ends = [*times[1:], starts_at][: len(times)]
    return [
        (at, min(at + LONGEST_LATE, at + (end - at) / 2 if end > at else at))
        for at, end in zip(times, ends, strict=True)
    ]


def ladder(settings: Drills, *, starts_at: datetime, due_at: datetime, now: datetime, call: bool = True) -> Ladder:
    """What happens while a post does not answer: reminders, then the deputy, then the superior, all before the drill.

    Reminders that lie before the asking are left out. A deputy or superior who would have been asked before then is
    asked at half, at three quarters of the time that is left. `call` says whether calls can be made here.
    """
    rungs = []
    for at, until in moments(settings.remind_hours_before, starts_at, now):
        spoken = call and starts_at - at <= timedelta(hours=settings.call_hours_before)
        rungs.append(
            Rung(
                StepKind.REMIND, before_due=due_at - at, channels=("voice",) if spoken else (), good_for=until - at
            )
        )  # fmt: skip
    left = starts_at - now
    for kind, hours, share in (
        (StepKind.DEPUTY, settings.deputy_hours_before, 0.5),
        (StepKind.SUPERIOR, settings.superior_hours_before, 0.75),
    ):
        if hours > 0:
            at = starts_at - timedelta(hours=hours)
            at = at if at >= now + SOONEST else now + left * share
            rungs.append(Rung(kind, before_due=due_at - at))
    return Ladder(tuple(rungs))


def everybody(answers: Sequence[object | None], yes: object) -> bool:
    """Whether all who were asked take part."""
    return bool(answers) and all(said is yes for said in answers)
