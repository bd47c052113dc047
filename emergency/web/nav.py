"""The main navigation: nine places, each shown to whoever may go there, found by the paths that rooms serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from emergency.http.actor import Actor
from emergency.http.i18n import _l
from emergency.http.permissions import Permission as P


@dataclass(frozen=True)
class Place:
    """One entry: where it leads (the first of `paths` that the app serves) and which pages lie in it."""

    key: str
    label: Any
    icon: str
    paths: tuple[str, ...]
    needs: tuple[P, ...]
    within: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether the page at `path` lies in this place."""
        if path == "/":
            return self.key == "workbench"
        return any(path == p or path.startswith(f"{p}/") for p in (*self.paths, *self.within) if p != "/")


@dataclass(frozen=True)
class Entry:
    """A place as the page shows it."""

    key: str
    label: Any
    icon: str
    url: str
    current: bool
    count: int | None = None


PLACES = (
    Place("workbench", _l("Workbench"), "M3 4h5v6H3zM10 4h5v3h-5zM10 9h5v6h-5zM3 12h5v3H3z", ("/",), (P.WORKBENCH,),
          ("/readiness", "/defects", "/search")),
    Place("warnings", _l("Warnings"), "M9 2.5 16 15H2zM9 7v4M9 12.6v.6", ("/warnings",), (P.WARNINGS_VIEW,),
          ("/deliveries", "/delivery", "/notify")),
    Place("drills", _l("Drills"), "M4 2.5v13M4 3.5h10l-2.5 3L14 9.5H4", ("/drills",), (P.DRILLS_VIEW,),
          ("/programmes", "/occurrences")),
    Place("plans", _l("Plans"), "M4 2.5h7l3 3v10H4zM11 2.5v3h3M6.5 8.5h5M6.5 11.5h5", ("/plans",), (P.PLANS_VIEW,)),
    Place("supplies", _l("Supplies"), "M2.5 6 9 2.5 15.5 6v6.5L9 15.5l-6.5-3zM2.5 6 9 9l6.5-3M9 9v6.5",
          ("/supplies", "/stock"), (P.SUPPLIES_VIEW,), ("/items", "/depots", "/lots")),
    Place("people", _l("Posts and people"),
          "M6.5 3.3a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 1 0 0-5.4M1.8 15c.3-3 2-4.6 4.7-4.6s4.4 1.6 4.7 4.6"
          "M11.5 3.6a2.6 2.6 0 0 1 0 4.9M13 10.7c2 .5 3 2 3.2 4.3",
          ("/people", "/posts"), (P.POSTS_VIEW, P.ROSTER_VIEW, P.RESIDENTS_VIEW),
          ("/residents", "/roster", "/questions", "/contacts", "/households", "/imports")),
    Place("map", _l("One map"), "m2.5 4.5 4.3-2 4.4 2 4.3-2v11l-4.3 2-4.4-2-4.3 2zM6.8 2.5v11M11.2 4.5v11",
          ("/map",), (P.DIVISIONS_VIEW,), ("/divisions", "/units")),
    Place("audit", _l("Audit"), "M8 3a5 5 0 1 0 0 10A5 5 0 1 0 8 3m3.7 8.7 4 4M5.8 8l1.6 1.6 2.8-3",
          ("/oversight", "/audit", "/journal"), (P.JOURNAL_VIEW,)),
    Place("system", _l("System"),
          "M2.5 5h7M13 5h2.5M2.5 13H5M8.5 13h7M11.2 3.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 1 0 0-3.6"
          "M6.7 11.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 1 0 0-3.6",
          ("/system",), (P.SYSTEM_VIEW, P.ACCOUNTS_MANAGE), ("/accounts",)),
)  # fmt: skip
LISTS: tuple[tuple[tuple[str, Any, P], ...], ...] = (
    (("/", _l("Workbench"), P.WORKBENCH), ("/readiness", _l("What is wrong today"), P.READINESS_VIEW)),
    (
        ("/posts", _l("Posts"), P.POSTS_VIEW),
        ("/residents", _l("Residents"), P.RESIDENTS_VIEW),
        ("/questions", _l("Questions and answers"), P.QUESTIONS_VIEW),
        ("/roster", _l("Duty roster"), P.ROSTER_VIEW),
    ),
    (
        ("/system", _l("System"), P.SYSTEM_VIEW),
        ("/system/delivery", _l("Delivery"), P.DELIVERY_VIEW),
        ("/accounts", _l("Accounts"), P.ACCOUNTS_MANAGE),
    ),
    (
        ("/map", _l("One map"), P.DIVISIONS_VIEW),
        ("/divisions", _l("Divisions"), P.DIVISIONS_VIEW),
        ("/units", _l("Units"), P.DIVISIONS_VIEW),
    ),
)
"""Lists that share one entry of the navigation; each list's page shows its neighbours."""
MORE_ICON = "M3 5h12M3 9h12M3 13h12"
PHONE_KEYS = ("workbench", "warnings", "drills")

Count = Callable[[Any, Actor], int]
_counts: dict[str, Count] = {}


def register_count(key: str, count: Count) -> None:
    """Show `count(session, actor)` beside a place: what is open there. Must be a bounded, indexed query."""
    _counts[key] = count


def counts() -> dict[str, Count]:
    """The registered counts."""
    return dict(_counts)


def serves(path: str) -> bool:
    """Whether the app answers GET on `path`."""
    known: dict[str, bool] = flask.current_app.extensions.setdefault("emergency.web.serves", {})
    if path not in known:
        adapter = flask.current_app.url_map.bind("localhost")
        try:
            adapter.match(path, method="GET")
            known[path] = True
        except RequestRedirect:
            known[path] = True
        except HTTPException:
            known[path] = False
    return known[path]


def first_served(*paths: str) -> str | None:
    """The first of the paths that the app serves."""
    return next((path for path in paths if serves(path)), None)


def entries(actor: Actor, path: str, numbers: dict[str, int] | None = None) -> list[Entry]:
    """What this actor sees, the present place marked."""
    here = next((place.key for place in PLACES if place.holds(path)), "")
    shown = []
    for place in PLACES:
        url = first_served(*place.paths)
        if url is not None and any(actor.can(needed) for needed in place.needs):
            count = (numbers or {}).get(place.key)
            shown.append(Entry(place.key, place.label, place.icon, url, place.key == here, count or None))
    return shown


def lists(actor: Actor, path: str) -> list[Entry]:
    """The lists that stand beside the one at `path`, for whoever may read them; none on the pages of a record."""
    for group in LISTS:
        if path != "/" and path in {address for address, _label, _needed in group}:
            shown = [
                Entry(address, label, "", address, address == path)
                for address, label, needed in group
                if actor.can(needed) and serves(address)
            ]
            return shown if len(shown) > 1 else []
    return []


def every_list(actor: Actor) -> list[Entry]:
    """The lists that have no entry of their own in the navigation."""
    own = {address for place in PLACES for address in place.paths}
    return [
        Entry(address, label, "", address, False)
        for group in LISTS
        for address, label, needed in group
        if actor.can(needed) and serves(address) and (address not in own)
    ]
