"""warnings list | show | cancel."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from emergency.commands.common import (
    _,
    actor,
    format_option,
    installation,
    language,
    moment,
    print_json,
    print_table,
    reading,
)
from emergency.warnings.models import WarningLevel, WarningState, WarningStatus


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(warnings)


@click.group()
def warnings() -> None:
    """Warnings."""


def _line(row: dict[str, Any]) -> list[str]:
    """The words for what a row holds as values."""
    labels = (WarningStatus(row["status"]), WarningState(row["state"]), WarningLevel(row["level"]))
    return [label.zh if language() == "zh" else label.en for label in labels]


@warnings.command("list")
@format_option
def list_warnings(output: str) -> None:
    """The newest warnings and how they stand."""
    from emergency.warnings import exports

    with installation() as runtime, reading(runtime) as session:
        rows = list(exports.list_rows(session, actor=actor()))
    if output == "json":
        print_json(rows)
        return
    headings = [_("Number"), _("Status"), _("State"), _("Level"), _("Issued"), _("Headline")]
    print_table(
        headings,
        [[row["id"], *_line(row), _short(row["issued_at"]), row["headline"]] for row in rows],
    )


def _short(at: str | None) -> str:
    return moment(datetime.fromisoformat(at))[:-3] if at else "–"


@warnings.command()
@click.argument("warning_id", metavar="ID", type=int)
@format_option
def show(warning_id: int, output: str) -> None:
    """One warning with its snapshot, steps and reach."""
    from emergency.warnings import exports

    with installation() as runtime, reading(runtime) as session:
        facts = exports.show(session, actor=actor(), warning_id=warning_id)
    if output == "json":
        print_json(facts)
        return
    status, state, level = _line(facts)
    click.echo(f"{status} · {level} · {state}  {facts['headline']}")
    for heading, text in (
        (_("Area"), facts["area"]),
        (_("Issuer"), facts["issuer"]),
        (_("Issued"), _short(facts["issued_at"])),
        (_("Expires"), _short(facts["expires"])),
        (_("Identifier"), facts["identifier"] or "–"),
        (_("What happens"), facts["description"]),
        (_("What to do"), facts["instruction"]),
    ):
        click.echo(f"{heading}{'：' if language() == 'zh' else ': '}{text}")
    for step in facts["steps"]:
        label = WarningState(step["state"])
        said = f"  {step['reason']}" if step["reason"] else ""
        click.echo(f"  {_short(step['at'])}  {label.zh if language() == 'zh' else label.en}  {step['by']}{said}")
    reach = facts["reach"]
    if reach:
        click.echo(
            _("Reached %(reached)s of %(targeted)s numbers (%(people)s of %(all)s people); %(failed)s failed, %(unknown)s not known",
              reached=reach["reached"], targeted=reach["targeted"], people=reach["reached_people"],
              all=reach["targeted_people"], failed=reach["by_state"]["failed"], unknown=reach["by_state"]["unknown"])
        )  # fmt: skip


@warnings.command()
@click.argument("warning_id", metavar="ID", type=int)
@click.option("--reason", required=True, help="Why; it goes into the record and the cancel message.")
def cancel(warning_id: int, reason: str) -> None:
    """Stop what has not been sent and tell those who were reached."""
    from emergency.warnings import exports

    with installation() as runtime, runtime.database.write() as session:
        exports.cancel(session, actor=actor(), warning_id=warning_id, reason=reason)
    click.echo(_("Warning %(id)s is cancelled.", id=warning_id))
