"""What other rooms, pages and commands ask of residents."""

from __future__ import annotations

from emergency.people.residents.audience import Audience, count_audience, numbers, recipients
from emergency.people.residents.corrections import correct, leave, register, village
from emergency.people.residents.exports import export_residents
from emergency.people.residents.imports import import_residents
from emergency.people.residents.needs import helped_first
from emergency.people.residents.objections import objections, set_messages
from emergency.people.residents.points import Inside, Points, ids_select, inside, points
from emergency.people.residents.records import (
    Listed,
    Record,
    RevealedResident,
    list_residents,
    record,
    reveal,
    search,
)
from emergency.people.residents.runs import upload

__all__ = [
    "Audience",
    "Inside",
    "Listed",
    "Points",
    "Record",
    "RevealedResident",
    "correct",
    "count_audience",
    "export_residents",
    "helped_first",
    "ids_select",
    "import_residents",
    "inside",
    "leave",
    "list_residents",
    "numbers",
    "objections",
    "points",
    "recipients",
    "record",
    "register",
    "reveal",
    "search",
    "set_messages",
    "upload",
    "village",
]
