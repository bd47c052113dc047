"""The room's pages: the door, one's own account, the administrator's list."""

from __future__ import annotations

from emergency.people.accounts import views_admin, views_door, views_own

blueprint = views_door.blueprint
__all__ = ["blueprint", "views_admin", "views_own"]
