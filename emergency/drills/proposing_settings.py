"""What a planner says about a year's calendar: on which days and hours, and how much at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any, Self

from kernel.errors import N_, Invalid

HOURS = (time(9, 30), time(10, 0), time(14, 30), time(15, 0))
WORKDAYS_A_YEAR = 240
DRILLS_A_UNIT = 6
"""How many drills the rules ask of a unit in a year, roughly; only for the figures that a form begins with."""


@dataclass(frozen=True)
class Settings:
    """Limits of a calendar. `weekdays` 0 Monday to 6 Sunday; `hours` times of the day in Beijing; distance in days."""

    max_per_day: int = 12
    max_per_township_week: int = 10
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    hours: tuple[time, ...] = HOURS
    min_distance: int = 10

    def __post_init__(self) -> None:
        checks = (
            (1 <= self.max_per_day <= 1000, "max_per_day", N_("Between 1 and 1000 drills a day.")),
            (1 <= self.max_per_township_week <= 1000, "max_per_township_week", N_("Between 1 and 1000 drills a week.")),
            (
                bool(self.weekdays) and set(self.weekdays) <= set(range(7)),
                "weekdays",
                N_("Choose at least one weekday."),
            ),
            (1 <= len(self.hours) <= 12, "hours", N_("Name between one and twelve times of day, like 09:30.")),
            (1 <= self.min_distance <= 60, "min_distance", N_("Between 1 and 60 days.")),
        )
        wrong = {name: text for ok, name, text in checks if not ok}
        if wrong:
            raise Invalid(N_("A year cannot be planned with these limits."), code="bad_settings", fields=wrong)

    @property
    def allowed(self) -> frozenset[int]:
        """The weekdays on which a working day may be used. A make-up Saturday is no day for a drill unless asked."""
        return frozenset(self.weekdays)

    def to_json(self) -> dict[str, Any]:
        """As a row keeps it."""
        return {
            "max_per_day": self.max_per_day, "max_per_township_week": self.max_per_township_week,
            "weekdays": list(self.weekdays), "hours": [hour.strftime("%H:%M") for hour in self.hours],
            "min_distance": self.min_distance,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` wrote, or what a programme sent; anything else is refused (`bad_settings`)."""
        plain = cls()
        try:
            return cls(
                max_per_day=_whole(data.get("max_per_day", plain.max_per_day)),
                max_per_township_week=_whole(data.get("max_per_township_week", plain.max_per_township_week)),
                weekdays=tuple(sorted({_whole(day) for day in data.get("weekdays", plain.weekdays)})),
                hours=hours_of(data["hours"]) if "hours" in data else plain.hours,
                min_distance=_whole(data.get("min_distance", plain.min_distance)),
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise Invalid(N_("A year cannot be planned with these limits."), code="bad_settings") from error

    @classmethod
    def suggested(cls, units: int, townships: int) -> Self:
        """Limits that leave room for twice the even load of so many units."""
        drills = units * DRILLS_A_UNIT
        return cls(
            max_per_day=max(4, math.ceil(2 * drills / WORKDAYS_A_YEAR)),
            max_per_township_week=max(5, math.ceil(3 * drills / (48 * max(townships, 1)))),
        )


def hours_of(words: Any) -> tuple[time, ...]:
    """Times of day from a list of texts like `09:30`, in order and once each; ValueError where one is none."""
    return tuple(
        sorted({time.fromisoformat(str(word)).replace(second=0, microsecond=0, tzinfo=None) for word in words})
    )


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")
    return value
