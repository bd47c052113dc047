"""db upgrade | check | backup | restore | verify, and doctor."""

from __future__ import annotations

from pathlib import Path

import click

from emergency import config as configuration
from emergency import doctor as clinic
from emergency import processes, versions
from emergency import runtime as runtime_module
from emergency import upkeep as work
from emergency.commands.common import (
    FILE,
    Progress,
    _,
    actor,
    folder,
    format_option,
    installation,
    print_json,
    sentence,
)


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(db)
    cli.add_command(doctor)


@click.group()
def db() -> None:
    """The database: version, backup, restore."""


@db.command()
@click.option("--to", default="head", hidden=True)
def upgrade(to: str) -> None:
    """Create the database or bring it to this program's version; makes the keys on the first run."""
    config = configuration.load()
    runtime_module.check_writable(config)
    first_run = versions.is_empty(config.database_url) and not config.path(config.privacy.key_file).exists()
    with installation(create_keys=first_run, check=False) as runtime:
        before = versions.current(runtime.database.engine)
        if before == versions.head():
            work.check_keys(runtime)
        versions.upgrade(runtime.database.engine, to)
        after = versions.current(runtime.database.engine)
    if before == after:
        click.echo(_("The database is at version %(version)s already.", version=after))
    else:
        click.echo(_("The database is now at version %(version)s.", version=after))
    if first_run:
        path = config.path(config.privacy.key_file)
        click.echo(_("New keys are in %(path)s. Keep a second copy in a safe place.", path=str(path)))


@db.command()
@click.option("--models", is_flag=True, help="Also compare the migrations with the program's tables.")
@format_option
def check(models: bool, output: str) -> None:
    """Whether the database's version is this program's; exit 1 if not."""
    if models:
        differences = work.differences()
        for difference in differences:
            click.echo(str(difference), err=True)
        if differences:
            raise click.exceptions.Exit(1)
        click.echo(_("The migrations and the tables agree."))
        return
    with installation() as runtime:
        version = versions.current(runtime.database.engine)
    if output == "json":
        print_json({"version": version})
    else:
        click.echo(_("The database is at version %(version)s.", version=version))


@db.command()
@click.argument("file", type=FILE)
@format_option
def backup(file: Path, output: str) -> None:
    """Write a consistent backup while the system runs; the key file is not in it."""
    with installation() as runtime:
        progress = Progress(_("Backup"))
        facts = work.backup(runtime, file, actor=actor(), report=progress)
        progress.finish()
        key_file = runtime.config.path(runtime.config.privacy.key_file)
    if output == "json":
        print_json(facts.__dict__)
    else:
        click.echo(
            _("Backed up %(rows)s rows to %(path)s. Keep the key file %(keys)s in another safe place: without it the backup cannot be read.",
              rows=f"{facts.rows:,}", path=str(file), keys=str(key_file))
        )  # fmt: skip
    _tell_fault(facts)


@db.command()
@click.argument("file", type=FILE)
@format_option
def verify(file: Path, output: str) -> None:
    """Check a backup file from end to end; changes nothing. Exit 1 if it is not sound."""
    with installation(check=False) as runtime:
        facts = work.verify(runtime, file)
    if output == "json":
        print_json(facts.__dict__)
    else:
        click.echo(
            _("%(rows)s rows, version %(version)s, %(entries)s journal entries.",
              rows=f"{facts.rows:,}", version=facts.revision, entries=f"{facts.journal_entries:,}")
        )  # fmt: skip
    _tell_fault(facts)
    if facts.journal_fault:
        raise click.exceptions.Exit(1)


def _tell_fault(facts: work.BackupFacts) -> None:
    if facts.journal_fault:
        fault = work.JOURNAL_FAULTS.get(facts.journal_fault, facts.journal_fault)
        click.echo(_("Its journal is not whole: %(fault)s", fault=_(fault)), err=True)


@db.command()
@click.argument("file", type=FILE)
@format_option
def restore(file: Path, output: str) -> None:
    """Replace the database by a backup; what is replaced is kept beside it. The system must be stopped."""
    config = configuration.load()
    with installation(check=False) as runtime, processes.alone(folder(config)):
        progress = Progress(_("Restore"))
        facts, kept = work.restore(runtime, file, actor=actor(), report=progress)
        progress.finish()
    if output == "json":
        print_json({**facts.__dict__, "kept": str(kept) if kept else None})
        return
    click.echo(_("Restored %(rows)s rows.", rows=f"{facts.rows:,}"))
    if kept is not None:
        click.echo(_("What was there before is kept in %(kept)s.", kept=str(kept)))


@click.command()
@format_option
def doctor(output: str) -> None:
    """Check configuration, clock, database, keys, journal, channels and disk; exit 1 if unfit."""
    findings = [(finding, sentence(finding.text, finding.params)) for finding in clinic.examine()]
    if output == "json":
        print_json([{"check": finding.check, "state": finding.state, "text": text} for finding, text in findings])
    else:
        signs = {"ok": "✓", "warn": "!", "bad": "✗"}
        for finding, text in findings:
            click.echo(f"{signs[finding.state]} {finding.check:<14}{text}")
    if any(finding.state == "bad" for finding, _text in findings):
        raise click.exceptions.Exit(1)
