"""What every command shares: the installation, the language, the output, the progress line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from emergency import config as configuration
from emergency import runtime as runtime_module
from emergency import upkeep, versions
from emergency.config import Config
from emergency.http import i18n
from emergency.http.actor import Actor
from emergency.privacy import journal
from emergency.privacy.journal import Purpose
from emergency.runtime import Runtime
from kernel import logs
from kernel.clock import BEIJING
from kernel.errors import N_, DomainError


def language() -> str:
    """The configured language, also where the rest of the configuration is refused."""
    try:
        return configuration.load().site.language
    except DomainError:
        return configuration.stated_language()


def _(message: str, /, **params: Any) -> str:
    text = i18n.catalogue(language()).gettext(message)
    return text % params if params else text


REASONS = (
    N_("No such file or directory"),
    N_("Permission denied"),
    N_("Is a directory"),
    N_("Not a directory"),
    N_("File exists"),
    N_("No space left on device"),
    N_("Read-only file system"),
    N_("Cannot assign requested address"),
    N_("unable to open database file"),
    N_("file is not a database"),
    N_("database disk image is malformed"),
    N_("database or disk is full"),
    N_("database is locked"),
)
"""What the system and SQLite say, so that it can be said in Chinese."""


def sentence(message: str, params: dict[str, Any]) -> str:
    """A message in the configured language. What its `why` says is a message too: the system's own words."""
    translate = i18n.catalogue(language()).gettext
    said = {name: translate(value) if name == "why" and value else value for name, value in params.items()}
    text = translate(message)
    return text % said if said else text


def explain(error: DomainError) -> str:
    """The error's sentence in the configured language."""
    return sentence(error.message, error.params)


@contextmanager
def installation(*, create_keys: bool = False, check: bool = True) -> Iterator[Runtime]:
    """The installation of this configuration; its database checked against the program and against the keys."""
    logs.configure()
    config = configuration.load()
    runtime_module.check_writable(config)
    if check:
        versions.check_exists(config.database_url)
    runtime = runtime_module.build(config, create_keys=create_keys)
    try:
        if check:
            versions.check(runtime.database.engine)
            upkeep.check_keys(runtime)
        yield runtime
    finally:
        runtime.close()


@contextmanager
def reading(runtime: Runtime) -> Iterator[Session]:
    """A reading unit of work whose journal entries are kept, as the web's edge does it: no entry, no answer."""
    with runtime.database.read() as session:
        yield session
        pending = session.info.get(journal.PENDING)
    if pending:
        with runtime.database.write() as writer:
            writer.info[journal.PENDING] = pending


def folder(config: Config) -> Path:
    """Where the locks of this installation are; refuses where nothing can be written."""
    runtime_module.check_writable(config)
    return config.path("instance")


def actor() -> Actor:
    """Whoever typed the command, by the operating system's user name."""
    return Actor.command_line()


def print_json(value: Any) -> None:
    """One JSON document on stdout; times as they are said in Beijing, with their offset."""
    click.echo(json.dumps(value, ensure_ascii=False, default=_plain, separators=(",", ":")))


def _plain(value: Any) -> str:
    return value.astimezone(BEIJING).isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def moment(at: datetime) -> str:
    """A time for people."""
    return f"{at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"


def print_table(headings: list[str], rows: list[list[Any]]) -> None:
    """Columns under headings, where there are some; Chinese characters count as two."""
    table = [["" if cell is None else str(cell) for cell in row] for row in ([headings] if headings else []) + rows]
    widths = [max(_width(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        line = "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def _width(text: str) -> int:
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text)


FILE = click.Path(path_type=Path, readable=False)
"""A file's name; what is wrong with the file is said by whoever opens it."""
format_option = click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help="For people or for programs."
)


def purpose_option(default: Purpose | None = None) -> Callable[[Any], Any]:
    """`--purpose`, one of the words that the journal knows."""
    return click.option(
        "--purpose",
        type=click.Choice([purpose.value for purpose in Purpose]),
        default=default.value if default else None,
        help="Why personal data is read; it is journalled.",
    )


class Progress:
    """Rows done and rate on a terminal; silence in a pipe."""

    def __init__(self, label: str):
        self.label = label
        self._started = time.monotonic()
        self._shown = 0.0
        self._live = sys.stderr.isatty()

    def __call__(self, done: int, of: float | None = None) -> None:
        """Show where the work is, at most five times a second. `of` is how many there are, or the fraction that is done."""
        moment = time.monotonic()
        if not self._live or (moment - self._shown < 0.2 and of not in (done, 1.0)):
            return
        self._shown = moment
        rate = done / max(moment - self._started, 0.001)
        share = "" if not of else f"  {of:.0%}" if isinstance(of, float) else f" / {of:,}"
        click.echo(f"\r{self.label} {done:,}{share}  {rate:,.0f}/s  ", err=True, nl=False)

    def finish(self) -> None:
        """End the line."""
        if self._live and self._shown:
            click.echo("", err=True)
