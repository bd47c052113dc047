"""The settings about plans; their meaning stands in config.toml."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plans:
    """Acting on plans."""

    two_people: bool = True
    exercise_two_people: bool = False
    break_glass: bool = True
    late_minutes: tuple[int, ...] = (0, 15, 30)
    task_minutes: tuple[int, ...] = (5, 10, 20)
