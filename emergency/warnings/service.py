"""The room's one door for pages, JSON, commands and higher rooms. The work is in the modules beside it."""

from __future__ import annotations

from emergency.warnings.approval import approve, break_glass, recount, reject, require_confirmation, return_
from emergency.warnings.doors import counts as door_counts
from emergency.warnings.doors import door_page, door_sheet, record_visit, villages, visits
from emergency.warnings.drafting import create, edit, measure, submit, take_back, update, withdraw
from emergency.warnings.events import all_types, ensure
from emergency.warnings.heard import red_in_force
from emergency.warnings.lifting import all_clear, cancel
from emergency.warnings.listing import (
    StripItem,
    WaitingItem,
    count_by_group,
    get,
    history,
    in_force,
    issues,
    list_warnings,
    names,
    open_count,
    reached_shares,
    related,
    waiting,
)
from emergency.warnings.models import AckMethod, DoorOutcome
from emergency.warnings.reach import acknowledge, acknowledgements, deliveries, figures, posts_of, reach
from emergency.warnings.rules import RuleFault
from emergency.warnings.texts import title
from notify.models import DeliveryState

__all__ = [
    "AckMethod",
    "DeliveryState",
    "DoorOutcome",
    "RuleFault",
    "StripItem",
    "WaitingItem",
    "acknowledge",
    "acknowledgements",
    "all_clear",
    "all_types",
    "approve",
    "break_glass",
    "cancel",
    "count_by_group",
    "create",
    "deliveries",
    "door_counts",
    "door_page",
    "door_sheet",
    "edit",
    "ensure",
    "figures",
    "get",
    "history",
    "in_force",
    "issues",
    "list_warnings",
    "measure",
    "names",
    "open_count",
    "posts_of",
    "reach",
    "reached_shares",
    "record_visit",
    "recount",
    "red_in_force",
    "reject",
    "related",
    "require_confirmation",
    "return_",
    "submit",
    "take_back",
    "title",
    "update",
    "villages",
    "visits",
    "waiting",
    "withdraw",
]  # fmt: skip
