"""drills due | overdue, and what the modules drill_*.py beside this one add."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import click

from emergency.commands.common import _, actor, format_option, installation, language, print_json, print_table, reading
from emergency.drills.models import OccurrenceState
from kernel.errors import N_

HEADINGS = {
    "id": N_("Number"),
    "starts_at": N_("Starts"),
    "title": N_("Drill"),
    "owner": N_("Held by"),
    "state": N_("State"),
    "asked": N_("Asked"),
    "answered": N_("Answered"),
    "unit": N_("Unit"),
    "due": N_("Due"),
    "last_held": N_("Last held"),
}


def register(cli: click.Group) -> None:
    """Add the commands; each module of this package that is named drill_* adds its own to the group."""
    for module in sorted(found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)])):
        if module.startswith("drill_"):
            importlib.import_module(f"{__package__}.{module}").register(drills)
    cli.add_command(drills)


@click.group()
def drills() -> None:
    """Drills."""


def _show(which: str, output: str) -> None:
    from emergency.drills import service

    with installation() as runtime, reading(runtime) as session:
        rows = getattr(service, which)(session, actor=actor())
    if output == "json":
        print_json(rows)
        return
    if not rows:
        click.echo(_("None."))
        return
    names = [name for name in rows[0] if name in HEADINGS]
    print_table([_(HEADINGS[name]) for name in names], [[_shown(name, row[name]) for name in names] for row in rows])


def _shown(name: str, value: Any) -> Any:
    if name == "state":
        state = OccurrenceState(value)
        return state.zh if language() == "zh" else state.en
    return str(value).replace("T", " ")[:16] if name == "starts_at" else value


@drills.command()
@format_option
def due(output: str) -> None:
    """Drills whose time has come or comes soon."""
    _show("due", output)


@drills.command()
@format_option
def overdue(output: str) -> None:
    """Drills that an adopted rule asked for and that were not held."""
    _show("overdue", output)
