"""The settings about drills; their meaning stands in config.toml."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Drills:
    """Asking the posts of a drill, and who is asked next."""

    ask_days_before: int = 14
    remind_hours_before: tuple[float, ...] = (168.0, 24.0, 2.0)
    deputy_hours_before: float = 1.5
    superior_hours_before: float = 1.0
    call_hours_before: float = 2.0
    call_unreached: bool = True
    confirmed_remind_hours_before: tuple[float, ...] = (24.0, 2.0)
    action_remind_days: int = 3
    action_superior_days: int = 3
    report_working_days: int = 10
    season_day: str = "06-15"

    def numbers(self) -> list[tuple[str, float]]:
        """Every setting with its number; none may be negative."""
        lists = {
            "remind_hours_before": self.remind_hours_before,
            "confirmed_remind_hours_before": self.confirmed_remind_hours_before,
            "ask_days_before": (self.ask_days_before,),
            "deputy_hours_before": (self.deputy_hours_before,),
            "superior_hours_before": (self.superior_hours_before,),
            "call_hours_before": (self.call_hours_before,),
            "action_remind_days": (self.action_remind_days,),
            "action_superior_days": (self.action_superior_days,),
            "report_working_days": (self.report_working_days,),
        }
        return [(f"drills.{name}", value) for name, values in lists.items() for value in values]
