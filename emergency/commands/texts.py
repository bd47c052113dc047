"""notify templates: the texts that leave, checked and counted."""

from __future__ import annotations

import click

from emergency import messages
from emergency.commands.common import _, explain, format_option, installation, print_json, print_table
from emergency.commands.notify import notify
from kernel.errors import N_, DomainError, NotFound
from notify import text as notify_text


def register(cli: click.Group) -> None:
    """Add the command to `notify`, which `cli` has."""
    notify.add_command(templates)


@click.command()
@click.argument("name", required=False)
@format_option
def templates(name: str | None, output: str) -> None:
    """List the texts that leave, with their parts; NAME shows one as a phone does. Exit 1 where one is faulty."""
    with installation(check=False) as runtime:
        signature = runtime.config.site.sms_signature
        rows = messages.listed()
        strays = messages.strays()
    if name is not None:
        rows = [row for row in rows if row.name == name]
        if not rows:
            raise NotFound(
                N_("There is no message template “%(name)s”. There are: %(names)s."),
                name=name, names=", ".join(messages.CATALOGUE),
            )  # fmt: skip
    faulty = any(row.fault for row in rows) or (bool(strays) and name is None)
    if output == "json":
        print_json([_facts(row, signature) for row in rows])
    elif name is not None:
        for row in rows:
            _show(row, signature)
    else:
        headings = [_("Text"), _("Purpose"), _("Comes from"), _("Characters"), _("Parts"), _("Fields")]
        print_table(headings, [_line(row, signature) for row in rows])
        for row in rows:
            if row.fault is not None:
                click.echo(f"{row.name}: {explain(row.fault)} {_('The built-in text is used.')}", err=True)
        for path in strays:
            click.echo(_("%(file)s takes no text's place; its name is none of these.", file=path.name), err=True)
    if faulty:
        raise click.exceptions.Exit(1)


def _measured(row: messages.Found, signature: str) -> notify_text.Segments:
    return notify_text.segments(row.sample, signature if messages.CATALOGUE[row.name].whole else "")


def _source(row: messages.Found) -> str:
    if row.fault is not None:
        return _("own, faulty")
    return _("own") if row.own else _("built in")


def _line(row: messages.Found, signature: str) -> list[object]:
    entry = messages.CATALOGUE[row.name]
    found = _measured(row, signature)
    label = row.name if row.language == "zh" else f"{row.name} ({row.language})"
    parts = found.parts if entry.whole else "–"
    return [label, _(entry.purpose), _source(row), found.units, parts, "、".join(entry.sample)]


def _show(row: messages.Found, signature: str) -> None:
    whole = messages.CATALOGUE[row.name].whole
    shown = notify_text.signed(row.sample, signature if whole else "")
    places = notify_text.cuts(row.sample, signature if whole else "")
    found = _measured(row, signature)
    click.echo(f"{row.name} ({row.language}) · {_source(row)} · {row.path}")
    if row.fault is not None:
        click.echo(explain(row.fault), err=True)
    click.echo(row.body)
    click.echo("")
    for start, end in zip([0, *places], [*places, len(shown)], strict=True):
        click.echo(f"  | {shown[start:end]}")
    click.echo(
        _("%(n)s characters (%(encoding)s), %(p)s part(s)", n=found.units, encoding=found.encoding, p=found.parts)
    )


def _facts(row: messages.Found, signature: str) -> dict[str, object]:
    found = _measured(row, signature)
    entry: DomainError | None = row.fault
    return {
        "name": row.name,
        "language": row.language,
        "own": row.own,
        "fault": explain(entry) if entry is not None else None,
        "fields": list(messages.CATALOGUE[row.name].sample),
        "body": row.body,
        "sample": row.sample,
        "encoding": found.encoding,
        "units": found.units,
        "parts": found.parts,
    }
