"""drills run ID: start, pause, resume or end a drill's day, with its time pressed where it is held at a table."""

from __future__ import annotations

from typing import Any

import click

from emergency.commands.common import _, actor, format_option, installation, language, moment, print_json, print_table
from kernel.errors import N_

HEADINGS = {
    "id": N_("Number"), "title": N_("Drill"), "state": N_("State"), "factor": N_("Minutes of the scenario in one minute"),
    "began_at": N_("Began"), "ended_at": N_("Ended"), "scenario": N_("Time of the scenario"),
    "injects": N_("Injects on the list"), "held": N_("Gives way to"),
}  # fmt: skip


def register(group: click.Group) -> None:
    """Add the command."""
    group.add_command(run)


@click.command()
@click.argument("drill_id", type=int)
@click.option("--factor", type=click.IntRange(1, 120), default=None, help="Minutes of the scenario in one minute.")
@click.option("--pause", "what", flag_value="pause", help="Let the scenario stand still.")
@click.option("--resume", "what", flag_value="resume", help="Let it go on where it stood.")
@click.option("--end", "what", flag_value="end", help="The drill is over.")
@click.option("--reason", default="", help="Why; needed beside a red warning or a real response.")
@format_option
def run(drill_id: int, factor: int | None, what: str | None, reason: str, output: str) -> None:
    """Start a drill's day, as its director does on the page; the engine then sends its injects at their minute."""
    from emergency.drills import day_pages, day_running

    given: dict[str, Any] = {"actor": actor(), "occurrence_id": drill_id}
    with installation() as runtime:
        with runtime.database.write() as session:
            if what == "pause":
                day_running.pause(session, **given, reason=reason)
            elif what == "resume":
                day_running.resume(session, **given, factor=factor, reason=reason)
            elif what == "end":
                day_running.end(session, **given)
            else:
                day_running.start(session, **given, factor=factor or 1, reason=reason)
        with runtime.database.read() as session:
            facts = _facts(day_pages.page(session, **given, language="zh"))
    if output == "json":
        print_json(facts)
        return
    print_table([], [[_(HEADINGS[name]), _words(value)] for name, value in facts.items() if value not in (None, [])])


def _facts(page: Any) -> dict[str, Any]:
    return {
        "id": page.occurrence.id, "title": page.occurrence.title, "state": page.state.value, "factor": page.day.factor,
        "began_at": page.day.began_at, "ended_at": page.day.ended_at, "scenario": page.scenario_at,
        "injects": len(page.lines), "held": [row.words for row in page.held],
    }  # fmt: skip


def _words(value: Any) -> str:
    if isinstance(value, list):
        return "；".join(value)
    if isinstance(value, str):
        from emergency.drills.day_models import DayState

        state = next((state for state in DayState if state.value == value), None)
        return state.label(language()) if state is not None else value
    return moment(value) if hasattr(value, "astimezone") else str(value)
