"""journal verify | export."""

from __future__ import annotations

import csv
import sys

import click
import sqlalchemy as sa

from emergency.commands.common import _, actor, format_option, installation, print_json
from emergency.oversight import service as oversight
from emergency.privacy import journal as chain
from emergency.upkeep import JOURNAL_FAULTS
from kernel.clock import BEIJING


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(journal)


@click.group()
def journal() -> None:
    """The chained record of every touch of personal data."""


@journal.command()
@format_option
def verify(output: str) -> None:
    """Walk the whole chain; exit 1 if anything was changed, removed, inserted or cut off."""
    with installation() as runtime:
        verdict = oversight.verify(runtime.database)
    if output == "json":
        print_json({"entries": verdict.entries, "whole": verdict.whole, "fault": verdict.fault, "at": verdict.at_seq})
    elif verdict.whole:
        click.echo(_("The journal is whole: %(n)s entries.", n=f"{verdict.entries:,}"))
    else:
        click.echo(
            _("The journal is NOT whole. %(fault)s Entry: %(at)s.", fault=_(JOURNAL_FAULTS.get(verdict.fault or "", "–")),
              at=verdict.at_seq or "–"), err=True,
        )  # fmt: skip
    if not verdict.whole:
        raise click.exceptions.Exit(1)


@journal.command()
@click.option("--since", type=int, default=0, help="Only entries after this sequence number.")
def export(since: int) -> None:
    """All entries as CSV on stdout; the export itself is journalled."""
    out = csv.writer(sys.stdout)
    out.writerow(["seq", "at", "kind", "actor", "subject_kind", "subject_id", "purpose", "data", "mac"])
    with installation() as runtime:
        with runtime.database.write() as session:
            chain.record(session, chain.EXPORTED, actor=actor(), list="journal", purpose=chain.Purpose.AUDIT)
        last = since
        while True:
            with runtime.database.read() as session:
                entries = session.scalars(
                    sa.select(chain.JournalEntry)
                    .where(chain.JournalEntry.seq > last)
                    .order_by(chain.JournalEntry.seq)
                    .limit(2000)
                ).all()
            if not entries:
                return
            for entry in entries:
                moment = entry.at.astimezone(BEIJING).isoformat(timespec="seconds")
                out.writerow(
                    [entry.seq, moment, entry.kind, entry.actor, entry.subject_kind, entry.subject_id, entry.purpose,
                     entry.data, entry.mac.hex()]
                )  # fmt: skip
            last = entries[-1].seq
