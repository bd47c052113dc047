"""The blueprints of a drill's day, in one place for the room's list."""

from __future__ import annotations

from emergency.drills import views_attendance, views_checkin, views_day, views_daylog, views_msel

BLUEPRINTS = (
    views_day.blueprint, views_msel.blueprint, views_attendance.blueprint, views_daylog.blueprint,
    views_checkin.blueprint,
)  # fmt: skip
