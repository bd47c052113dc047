"""Ladders, choices, which answer stands. Pure; what a reply means stands in `matching`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from emergency.asking.models import QuestionState, StepKind
from kernel.errors import N_, Invalid

Q = QuestionState
TRANSITIONS: dict[QuestionState, frozenset[QuestionState]] = {
    Q.OPEN: frozenset({Q.ANSWERED, Q.EXPIRED, Q.CLOSED}),
    # People change their minds; every answer that comes to stand is a step of the timeline.
    Q.ANSWERED: frozenset({Q.ANSWERED, Q.CLOSED}),
    # What was heard in time may be typed in late: a radio report at three in the morning.
    Q.EXPIRED: frozenset({Q.ANSWERED, Q.CLOSED}),
    Q.CLOSED: frozenset(),
}
TAKES_ANSWERS = frozenset({Q.OPEN, Q.ANSWERED, Q.EXPIRED})
LINK_TAKES_ANSWERS = frozenset({Q.OPEN, Q.ANSWERED})
CLOSES_AFTER = timedelta(hours=24)
PERSON = ("deputy", "successor")
"""What a name and a number come with: who answers this once, or who holds the post from now on."""
TIME = "time"
"""What another date is proposed with: a day and a time of day, and why."""
NEEDS = ("", *PERSON, "reason", TIME)
REASONS = {
    "ill": ("身体不行", "Not well"),
    "away": ("人在外地", "Out of town"),
    "work": ("有别的公事", "Other duties"),
    "other": ("其他", "Something else"),
}
MAX_ANSWERS = 6


@dataclass(frozen=True)
class AnswerOption:
    """One choice. `needs` asks for more with it: name and number of `deputy` or `successor`, a `reason`, or a `time`.

    `spoken` says whether a call offers it: what a key alone cannot say is left to the other ways. `words` are what a text reply may say instead of its number or its name, for this question and no other.
    """

    key: str
    zh: str
    en: str = ""
    needs: str = ""
    words: tuple[str, ...] = ()
    spoken: bool = True

    def label(self, language: str = "zh") -> str:
        """The words on the button."""
        return (self.en or self.zh) if language.startswith("en") else self.zh

    def to_json(self) -> dict[str, Any]:
        """As `Question.answers` keeps it."""
        kept: dict[str, Any] = {"key": self.key, "zh": self.zh, "en": self.en, "needs": self.needs}
        kept |= {"words": list(self.words)} if self.words else {}
        return kept if self.spoken else kept | {"spoken": False}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AnswerOption:
        """From `Question.answers`."""
        words = tuple(data.get("words", ()))
        return cls(
            data["key"], data["zh"], data.get("en", ""), data.get("needs", ""), words, bool(data.get("spoken", True))
        )


Step = StepKind


@dataclass(frozen=True)
class Rung:
    """One step of a ladder: so long after asking or, where `before_due` is given, so long before the answer is due.

    `channels` overrides the question's (the next message takes another road rather than repeating itself).
    """

    step: StepKind
    after: timedelta = timedelta(0)
    before_due: timedelta | None = None
    channels: tuple[str, ...] = ()
    good_for: timedelta | None = None
    """So late it may still be done; later it is left out and recorded as missed. None: however late."""

    def at(self, asked_at: datetime, due_at: datetime) -> datetime:
        """When the step is due; never before the question was asked."""
        moment = asked_at + self.after if self.before_due is None else due_at - self.before_due
        return max(moment, asked_at)


@dataclass(frozen=True)
class Ladder:
    """What happens while nobody answers, in order of time."""

    rungs: tuple[Rung, ...] = field(default_factory=tuple)

    @classmethod
    def of_minutes(cls, *steps: tuple[StepKind, float]) -> Ladder:
        """Steps by minutes after asking: `Ladder.of_minutes((Step.REMIND, 3), (Step.DEPUTY, 5), (Step.DOOR, 15))`."""
        return cls(tuple(Rung(step, timedelta(minutes=minutes)) for step, minutes in steps))

    @classmethod
    def callout(cls, *, call: float, awake: float, superior: float, door: float) -> Ladder:
        """The ladder of a call-out, from the configured minutes of its colour. Whom the text does not wake is called."""
        rest = cls.of_minutes((Step.DEPUTY, awake), (Step.SUPERIOR, superior), (Step.DOOR, door))
        return cls((Rung(Step.REMIND, timedelta(minutes=call), channels=("voice",)), *rest.rungs))

    def due(self, asked_at: datetime, due_at: datetime) -> list[tuple[Rung, datetime]]:
        """Every rung with its moment, earliest first."""
        return sorted(((rung, rung.at(asked_at, due_at)) for rung in self.rungs), key=lambda pair: pair[1])


UNHURRIED = Ladder(
    (
        Rung(Step.REMIND, before_due=timedelta(hours=24)),
        Rung(Step.DEPUTY, before_due=timedelta(0)),
        Rung(Step.SUPERIOR, before_due=timedelta(hours=-24)),
    )
)
"""For what has days: a reminder the day before, the deputy when it is due, the superior a day later."""


def options(given: Sequence[AnswerOption | tuple[str, str, str]]) -> list[AnswerOption]:
    """The choices of a question, checked: one to six, keys different."""
    choices = [option if isinstance(option, AnswerOption) else AnswerOption(*option) for option in given]
    keys = {option.key for option in choices}
    if not 1 <= len(choices) <= MAX_ANSWERS or len(keys) != len(choices) or any(o.needs not in NEEDS for o in choices):
        raise Invalid(N_("A question has one to six different answers."), code="bad_answers")
    return choices


def stands(answers: Iterable[tuple[datetime, int]]) -> int:
    """The id of the answer that stands: the one given last by its original time, then the one recorded last.

    `answers` are pairs of original time and id (ids rise in the order of recording).
    """
    return max(answers)[1]
