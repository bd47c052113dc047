"""plans wrong | coverage | unlisted."""

from __future__ import annotations

import sys

import click

from emergency.commands.common import _, actor, format_option, installation, language, print_json, print_table, reading
from emergency.http.sheets import Column, csv_text
from emergency.plans.rules import Fault
from kernel.errors import N_

HEADINGS = {
    "severity": N_("How soon it hurts"), "reason": N_("What is wrong"), "division_code": N_("Where"),
    "days": N_("Days"), "owner": N_("Owner post"), "mend": N_("Mend it"), "url": N_("Page"),
}  # fmt: skip


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(plans)


@click.group()
def plans() -> None:
    """Plans."""


@plans.command()
@click.option("--division", default=None, help="12-digit code of a district, township or village.")
@click.option("--rule", type=click.Choice([fault.value for fault in Fault]), default=None, help="One rule only.")
@click.option("--owner", type=int, default=None, help="One owner post only; -1 for what no post owns.")
@click.option("--csv", "as_csv", is_flag=True, help="Everything as CSV on the standard output.")
@format_option
def wrong(division: str | None, rule: str | None, owner: int | None, as_csv: bool, output: str) -> None:
    """What is wrong with the plans today, the most urgent first."""
    from emergency.readiness import plans_today

    with installation() as runtime, reading(runtime) as session:
        rows = list(
            plans_today.every(
                session,
                actor(),
                division=division,
                rule=Fault(rule) if rule else None,
                owner=owner,
                severity=None,
                words=language(),
            )
        )
    if as_csv:
        sys.stdout.writelines(csv_text(rows, [Column(key) for key in plans_today.COLUMNS]))
    elif output == "json":
        print_json(rows)
    elif not rows:
        click.echo(_("None."))
    else:
        print_table([_(words) for words in HEADINGS.values()], [[row[key] for key in HEADINGS] for row in rows])


@plans.command()
@click.option("--open", "opened", default=None, help="12-digit code of a township whose villages are wanted.")
@format_option
def coverage(opened: str | None, output: str) -> None:
    """Which place has a plan against which hazard."""
    from emergency.plans import service

    with installation() as runtime, reading(runtime) as session:
        found = service.matrix(session, actor(), opened=opened)
    words = language()
    if output == "json":
        print_json(
            [
                {
                    "division_code": row.code, "name": row.name,
                    "cells": {h.value: c.state.value for h, c in zip(found.hazards, row.cells, strict=True)},
                }
                for row in found.rows
            ]
        )  # fmt: skip
        return
    print_table(
        [_("Place"), *(hazard.label(words) for hazard in found.hazards)],
        [[row.name, *(cell.mark for cell in row.cells)] for row in found.rows],
    )


@plans.command()
@format_option
def unlisted(output: str) -> None:
    """Villages and units that stand on no evacuation list in force."""
    from emergency.plans.coverage import everybody_off_list

    with installation() as runtime, reading(runtime) as session:
        rows = everybody_off_list(session, actor(), language())
    if output == "json":
        print_json(rows)
    elif not rows:
        click.echo(_("None."))
    else:
        print_table(
            [_("Kind"), _("Where"), _("Name"), _("People")], [[str(value) for value in row.values()] for row in rows]
        )
