"""import and export: the same nouns, the same columns; export then import changes nothing."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from emergency.commands import plan_papers, plans_import
from emergency.commands.common import FILE, Progress, _, actor, format_option, installation, print_json, purpose_option
from emergency.http import i18n
from emergency.http.sheets import Column, csv_text, write_csv, write_xlsx
from emergency.plans.models import Hazard, PlanKind, PlanLevel
from emergency.privacy.journal import Purpose
from emergency.runtime import Runtime


@dataclass(frozen=True)
class Noun:
    """A table that can be imported and exported, and the room that does it."""

    room: str
    columns: tuple[str, ...]
    personal: bool = False


NOUNS = {
    "divisions": Noun("emergency.divisions", ("code", "name", "parent_code", "kind", "lat", "lon")),
    "units": Noun(
        "emergency.divisions",
        ("code", "name", "division_code", "sectors", "address", "lat", "lon", "contact_name", "contact_phone"),
        personal=True,
    ),
    "residents": Noun(
        "emergency.people.residents",
        ("external_id", "division_code", "name", "phone", "household", "address", "lat", "lon", "needs"),
        personal=True,
    ),
    "posts": Noun("emergency.people.posts", ("division_code", "duty", "name", "phone", "deputy_order"), personal=True),
    "supplies": Noun(
        "emergency.supplies",
        ("item_code", "item_name", "unit", "depot", "ownership", "lot", "quantity", "made_on", "expires_on"),
    ),
    "holidays": Noun("scheduler", ("year", "date", "kind", "name")),
    "terms": Noun("emergency.drills", ("school_year", "term", "begins_on", "ends_on", "announced")),
}


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(import_)
    cli.add_command(export)


def _room(noun: str, piece: str) -> Any:
    """`import_<noun>` or `export_<noun>` of the room that keeps the table."""
    return getattr(importlib.import_module(f"{NOUNS[noun].room}.{piece}s"), f"{piece}_{noun}")


IMPORT = (
    "Read a CSV or XLSX file; errors are reported by row and the rest is kept. Exit 1 if any row was refused.\n\n"
    "Plans are read from .docx, .txt and .md files, and from .doc, .wps and .pdf files with --outline."
)
"""The help of `import`; one text, so that its Chinese is found."""


@click.command("import", help=IMPORT)
@click.argument("noun", type=click.Choice(sorted([*NOUNS, "plans"])))
@click.argument("files", metavar="FILE…", type=FILE, nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@click.option("--datum", type=click.Choice(["wgs84", "gcj02"]), default="wgs84", help="What the file's points mean.")
@format_option
@purpose_option(default=Purpose.MAINTENANCE)
@click.option("--plan", "plan_id", type=int, help="plans: the text becomes a draft of this plan.")
@click.option("--new", "kind", type=click.Choice([k.value for k in PlanKind]), help="plans: enter a new plan.")
@click.option("--level", type=click.Choice([v.value for v in PlanLevel]), help="plans: whose plan it is.")
@click.option("--division", help="plans: code of the division whose plan it is.")
@click.option("--issuer", help="plans: the body in whose name it is issued.")
@click.option("--title", help="plans: its title; otherwise the file's own.")
@click.option(
    "--hazard", "hazards", multiple=True, type=click.Choice([h.value for h in Hazard]), help="plans: its hazards."
)
@click.option("--parent", "parent_id", type=int, help="plans: the plan above it.")
@click.option("--leave-numbers-out", is_flag=True, help="plans: make no posts of telephone lists.")
@click.option("--outline", type=FILE, help="plans: a text file with the outline beside an old format.")
def import_(
    noun: str,
    files: tuple[Path, ...],
    dry_run: bool,
    datum: str,
    output: str,
    purpose: str,
    leave_numbers_out: bool,
    **plan: Any,
) -> None:
    if noun == "plans":
        plans_import.run(
            files, plans_import.Options(leave_out=leave_numbers_out, **plan), dry_run=dry_run, output=output
        )
        return
    if len(files) > 1:
        raise click.UsageError(_("Give one file."))
    if given_plan := sorted(key for key, value in plan.items() if value):
        raise click.UsageError(_("Only plans have these options: %(names)s", names=", ".join(given_plan)))
    (file,) = files
    run = _room(noun, "import")
    progress = Progress(_("Rows"))
    options: dict[str, Any] = {"dry_run": dry_run, "datum": datum, "purpose": purpose, "progress": progress}
    accepted = inspect.signature(run).parameters
    with installation() as runtime:
        given = {name: value for name, value in options.items() if name in accepted}
        report = run(runtime.database, file, actor=actor(), **given)
        progress.finish()
        facts = report.to_json(i18n.catalogue(runtime.config.site.language).gettext)
    if not facts.get("ignored_columns"):
        facts.pop("ignored_columns", None)
    if output == "json":
        print_json(facts)
    else:
        _tell(facts, dry_run)
    if _refused(facts):
        raise click.exceptions.Exit(1)


def _refused(facts: Mapping[str, Any]) -> int:
    """How many rows were not taken. A row with a wrong number is taken and its number marked: that is no refusal."""
    taken = facts["created"] + facts["updated"] + facts["unchanged"]
    if not facts["rows"]:
        return len(facts["errors"])
    return int(max(facts["rows"] - taken, 0))


def _tell(facts: Mapping[str, Any], dry_run: bool) -> None:
    remarks = facts.get("error_count", len(facts["errors"]))
    click.echo(
        _("%(rows)s rows: %(created)s new, %(updated)s changed, %(unchanged)s unchanged, %(errors)s refused.",
          rows=facts["rows"], created=facts["created"], updated=facts["updated"],
          unchanged=facts["unchanged"], errors=_refused(facts))
    )  # fmt: skip
    if facts.get("ignored_columns"):
        click.echo(
            _("Columns that are not known and were ignored: %(names)s", names=", ".join(facts["ignored_columns"]))
        )
    shown = facts["errors"][:50]
    for error in shown:
        place = _("Row %(row)s, %(column)s: ", row=error["row"], column=error["column"] or "–")
        click.echo(place + error["message"], err=True)
    if remarks > len(shown):
        click.echo(_("… and %(n)s more; --format json lists them.", n=remarks - len(shown)), err=True)
    if dry_run:
        click.echo(_("This was a dry run; nothing was written."))


@click.command()
@click.argument("noun", type=click.Choice(sorted({*NOUNS, "plans"})))
@plan_papers.options
@purpose_option()
@click.option("--output-file", "-o", type=FILE, help="Write here instead of stdout; .xlsx makes a workbook.")
def export(
    noun: str,
    purpose: str | None,
    output_file: Path | None,
    plan_ids: tuple[int, ...],
    division: str | None,
    form: str | None,
    exercise: bool,
) -> None:
    """Write the noun as CSV with the columns that import reads; plans as Word. What is personal is journalled with its purpose."""
    if noun == "plans":
        plan_papers.export_plans(
            form=form or "word", plan_ids=plan_ids, division=division, exercise=exercise, purpose=purpose,
            target=output_file,
        )  # fmt: skip
        return
    if plan_ids or division or form or exercise:
        raise click.UsageError(_("--plan, --division, --as and --exercise are for plans."))
    if NOUNS[noun].personal and purpose is None:
        raise click.UsageError(
            _("This reads personal data. Say why: --purpose %(choices)s", choices="|".join(p.value for p in Purpose))
        )
    columns = [Column(key) for key in NOUNS[noun].columns]
    progress = Progress(_("Rows"))
    with installation() as runtime, _rows(runtime, noun, purpose) as rows:
        _write(_counted(rows, progress if output_file else None), columns, output_file)
    progress.finish()


@contextmanager
def _rows(runtime: Runtime, noun: str, purpose: str | None) -> Iterator[Iterable[Mapping[str, Any]]]:
    """The room's rows; one that wants a session has it for as long as its rows are read."""
    run = _room(noun, "export")
    if "session" in inspect.signature(run).parameters:
        with runtime.database.read() as session:
            yield run(session, actor=actor(), purpose=purpose)
    else:
        yield run(runtime.database, actor=actor(), purpose=purpose)


def _counted(rows: Iterable[Mapping[str, Any]], progress: Progress | None) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, start=1):
        if progress is not None and number % 100 == 0:
            progress(number)
        yield row


def _write(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column], target: Path | None) -> None:
    if target is None:
        for piece in csv_text(rows, columns):
            sys.stdout.write(piece.removeprefix("\ufeff"))  # a program reads this; only Excel wants the mark
        return
    temporary = target.with_name(target.name + ".part")
    try:
        if target.suffix.lower() == ".xlsx":
            write_xlsx(rows, columns, temporary)
        else:
            write_csv(rows, columns, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
