"""A year's calendar in words: what a date serves, why that day; what a gap means and what to do about it."""

from __future__ import annotations

from typing import Any

from emergency.drills.proposal_models import GapCode
from emergency.drills.proposing_queries import ItemRow
from emergency.http.i18n import _
from kernel.errors import N_

AVOIDED = (
    ("off", N_("%(n)s statutory days off")),
    ("likely", N_("%(n)s days that will be off in all likelihood")),
    ("break", N_("%(n)s days of school holidays")),
    ("full", N_("%(n)s days that are full")),
    ("near", N_("%(n)s days close to the unit's other drills")),
)
FLAGS = (
    ("late", N_("The rule is overdue or due at once: made good as soon as can be.")),
    ("squeezed", N_("No day keeps the usual distance to the unit's other drills.")),
)
MENDS: dict[GapCode, str] = {
    GapCode.NO_SCHOOL_DAY: N_("Enter the announced terms, or hold the drill before the holidays by hand."),
    GapCode.NO_WORKDAY: N_("Allow more weekdays in the limits and compute again."),
    GapCode.WINDOW_PAST: N_("Nothing can be planned for it any more. If it was held, write its record."),
    GapCode.SEASON: N_("The window lies in the flood season. Look at the rule with the flood office."),
    GapCode.DAYS_FULL: N_("Raise the limit of a day or of a township's week, and compute again."),
    GapCode.TOO_CLOSE: N_("Lower the distance between two drills, or let one drill serve both rules."),
    GapCode.CLOSES: N_("The unit closes before a day can be found. Check its closing day."),
    GapCode.REFUSED: N_("Somebody decided against it. Accept or move that date if the drill is wanted after all."),
    GapCode.NO_KIND: N_("Say on the rule's page which kinds of drill satisfy it, and compute again."),
    GapCode.NO_NUMBER: N_("No date follows from it. Plan such drills by need."),
}


def serves(row: ItemRow) -> str:
    """The rules that a date serves, once each."""
    return "、".join(dict.fromkeys(title for title, _start, _end in row.serves))


def window(row: ItemRow) -> str:
    """The days on which it serves them all."""
    return f"{row.item.window_from.isoformat()} – {row.item.window_to.isoformat()}"


def avoided(row: ItemRow) -> str:
    """What was left out to find the day; empty where nothing was."""
    return "、".join(_(text, n=row.item.why[name]) for name, text in AVOIDED if row.item.why.get(name))


def remarks(row: ItemRow) -> list[str]:
    """What a planner should know of the day."""
    return [_(text) for name, text in FLAGS if row.item.why.get(name)]


def explained(row: ItemRow) -> str:
    """All of it in one line, for files and programmes: `满足：… 周期：… 避开：…`."""
    left_out = avoided(row)
    parts = [_("Serves: %(rules)s", rules=serves(row)), _("Window: %(window)s", window=window(row))]
    if left_out:
        parts.append(_("Avoids: %(what)s", what=left_out))
    return " ".join([*parts, *remarks(row)])


def mend(code: GapCode) -> str:
    """What to do about a gap."""
    return _(MENDS[code])


def context() -> dict[str, Any]:
    """What the pages of a year call these words."""
    words = {"serves": serves, "window": window, "avoided": avoided, "remarks": remarks, "mend": mend}
    return {"year_words": words}
