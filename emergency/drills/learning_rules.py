"""Pure rules of learning: which step a sheet, a finding, an action may take, and who hears when of what is late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from emergency.drills.learning_models import ActionState, FindingState, NudgeKind, Rating, SheetState
from kernel.clock import BEIJING
from scheduler.workdays import NotAnnounced, WorkCalendar

SS, FS, AS = SheetState, FindingState, ActionState
SHEET_TRANSITIONS: dict[SheetState, frozenset[SheetState]] = {
    SS.DRAFT: frozenset({SS.HANDED_IN}),
    SS.HANDED_IN: frozenset({SS.REPLACED}),
    SS.REPLACED: frozenset(),
}
FINDING_TRANSITIONS: dict[FindingState, frozenset[FindingState]] = {
    FS.OPEN: frozenset({FS.CLOSED}),
    FS.CLOSED: frozenset({FS.OPEN}),
}
ACTION_TRANSITIONS: dict[ActionState, frozenset[ActionState]] = {
    AS.OPEN: frozenset({AS.DONE, AS.DROPPED}),
    AS.DONE: frozenset({AS.VERIFIED, AS.OPEN}),
    AS.VERIFIED: frozenset({AS.OPEN}),  # what was verified may turn out not to hold
    AS.DROPPED: frozenset(),
}
UNDONE = (AS.OPEN,)
WORST = {Rating.P: 0, Rating.S: 1, Rating.M: 2, Rating.U: 3}
"""How bad a rating is; NA says nothing."""
DEFINITIONS: dict[Rating, tuple[str, str]] = {
    Rating.P: (
        "目标和关键任务全部完成，达到了演练目标，没有影响其他工作；未增加人员安全健康风险，按预案、程序实施。",
        "The targets and critical tasks were completed, the objective was achieved, and other work did not suffer;"
        " no added risk to health or safety, and according to plans and procedures.",
    ),
    Rating.S: (
        "目标和关键任务全部完成，达到了演练目标，没有影响其他工作；但在效果或效率上仍可改进。",
        "As P, but there were opportunities to improve effectiveness or efficiency.",
    ),
    Rating.M: (
        "目标和关键任务完成，但出现下列情形之一：影响了其他工作，增加了人员安全健康风险，未按预案、程序实施。",
        "The targets were completed, but one of these was seen: other work suffered, health or safety was put at risk,"
        " or plans and procedures were not followed.",
    ),
    Rating.U: ("目标和关键任务未能完成，未达到演练目标。", "The targets and critical tasks were not achieved."),
    Rating.NA: ("本次演练不涉及，不作评价。", "This drill did not touch it; no judgement."),
}
MORNING = time(9, 0)
"""Messages about dates go out at nine in Beijing, not at midnight."""


@dataclass(frozen=True)
class Summary:
    """What several evaluators say of one objective: the worst, how far apart, how many."""

    worst: Rating | None
    best: Rating | None
    sheets: int

    @property
    def spread(self) -> int:
        """Steps between the best and the worst; two or more want a conversation."""
        return 0 if self.worst not in WORST or self.best is None else WORST[self.worst] - WORST[self.best]


def summarise(ratings: Iterable[Rating | None]) -> Summary:
    """The worst stands for the drill: one evaluator saw what the others did not."""
    given = [rating for rating in ratings if rating is not None]
    judged = sorted((rating for rating in given if rating in WORST), key=lambda rating: WORST[rating])
    if not judged:
        return Summary(Rating.NA if given else None, None, len(given))
    return Summary(judged[-1], judged[0], len(given))


def morning(day: date) -> datetime:
    """Nine in the morning of a day in Beijing."""
    return datetime.combine(day, MORNING, BEIJING)


def nudges(due_on: date, *, before_days: int, after_days: int) -> list[tuple[NudgeKind, datetime]]:
    """The steps of an action that is due on a day: its post before, the deputy on the morning after it, the superior
    `after_days` later. The day itself still belongs to whoever works on it."""
    late = morning(due_on + timedelta(days=1))
    return [
        (NudgeKind.REMINDER, morning(due_on - timedelta(days=before_days))),
        (NudgeKind.DEPUTY, late),
        (NudgeKind.SUPERIOR, late + timedelta(days=after_days)),
    ]


def overtaken(due: Sequence[tuple[NudgeKind, datetime]], moment: datetime) -> tuple[set[NudgeKind], NudgeKind | None]:
    """After a standstill: which steps are past and stand no more, and the one that is sent for them all."""
    past = [kind for kind, at in sorted(due, key=lambda pair: pair[1]) if at <= moment]
    return (set(past[:-1]), past[-1]) if past else (set(), None)


def workdays_after(calendar: WorkCalendar, day: date, count: int) -> tuple[date, bool]:
    """The day `count` working days later, and whether it is provisional because a year is not announced."""
    try:
        return calendar.add_workdays(day, count), False
    except NotAnnounced:
        return calendar.provisional(day.year, day.year + 1).add_workdays(day, count), True


def may_close(actions: Iterable[ActionState], *, proof: bool, version: bool) -> str | None:
    """Why a finding may not be closed, as a code, or None.

    Only proof or the issued version that mends it closes; by proof alone not while an action is still under way.
    """
    if not proof and not version:
        return "proof_required"
    if not version and any(state in UNDONE for state in actions):
        return "actions_open"
    return None
