"""demo load | clear | rehearse."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import time
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from emergency import config as configuration
from emergency import processes, versions
from emergency.commands.common import Progress, _, folder, format_option, installation, print_json
from emergency.config import Config
from emergency.divisions.models import Division
from emergency.privacy.journal import JournalEntry
from emergency.runtime import Runtime
from kernel.errors import N_, DomainError

SEEDS = (
    "emergency.divisions",
    "emergency.people.accounts",
    "emergency.people.posts",
    "emergency.people.residents",
    "emergency.supplies",
    "emergency.plans",
    "emergency.drills",
    "emergency.warnings",
    "emergency.asking",
    "emergency.readiness",
)


class NotEmpty(DomainError):
    """The database already holds a district; the demo never mixes with it."""

    code = "not_empty"


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(demo)


@click.group()
def demo() -> None:
    """The demonstration district: real codes and names, synthetic people on unallocated numbers."""


@demo.command()
@click.option("--people", type=click.IntRange(0, 2_000_000), default=20_000, show_default=True, help="Residents.")
@click.option("--if-empty", is_flag=True, help="Do nothing where a district is loaded already.")
def load(people: int, if_empty: bool) -> None:
    """Create the database and fill it; refuses where there is a district already."""
    config = configuration.load()
    place = folder(config)
    if _half_loaded(config):
        click.echo(_("An earlier loading of the demo was interrupted; it begins again."))
        _remove(config)
    if _is_loaded(config):
        if if_empty:
            with installation():
                click.echo(_("The demo district is loaded already; it was left as it is."))
            return
        raise NotEmpty(
            N_("The database holds a district already. “emergency demo clear” removes the demo; nothing was changed.")
        )
    with processes.alone(place):
        started = time.monotonic()
        fresh = versions.is_empty(config.database_url) and not config.path(config.privacy.key_file).exists()
        with installation(create_keys=fresh, check=False) as runtime:
            _mark(config, loaded=False, made_keys=fresh)
            versions.upgrade(runtime.database.engine)
            _fill(runtime, people)
            _mark(config, loaded=True, made_keys=fresh, first=_first_entry(runtime))
    click.echo(_("The demo district is loaded in %(seconds)s s.", seconds=f"{time.monotonic() - started:.0f}"))


def _fill(runtime: Runtime, people: int) -> None:
    for name in SEEDS:
        if importlib.util.find_spec(f"{name}.seed") is None:
            continue
        module = importlib.import_module(f"{name}.seed")
        progress = Progress(name.rpartition(".")[2])
        if name.endswith("residents"):
            module.seed(runtime.database, people=people, progress=progress)
        else:
            module.seed(runtime.database)
        progress.finish()


# --- the marker: what `demo load` made, so that `demo clear` removes that and never anything else ------------------


def _marker(config: Config) -> Path:
    return folder(config) / "demo-district"


def _mark(config: Config, *, loaded: bool, made_keys: bool, first: str = "") -> None:
    facts = {"loaded": loaded, "made_keys": made_keys, "database": _name_of(config), "first_entry": first}
    _marker(config).write_text(json.dumps(facts) + "\n", "utf-8")


def _marked(config: Config) -> dict[str, Any]:
    try:
        facts = json.loads(_marker(config).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) and facts.get("database") == _name_of(config) else {}


def _name_of(config: Config) -> str:
    """Which database the marker means, without showing its address."""
    return hashlib.sha256(config.database_url.encode()).hexdigest()[:24]


def _first_entry(runtime: Runtime) -> str:
    """The journal's first link: no two databases share it."""
    with runtime.database.read() as session:
        mac = session.scalar(sa.select(JournalEntry.mac).where(JournalEntry.seq == 1))
    return mac.hex() if mac else ""


def is_demo(runtime: Runtime) -> bool:
    """Whether this database is the one that `demo load` made."""
    facts = _marked(runtime.config)
    return bool(facts.get("loaded")) and facts.get("first_entry") == _first_entry(runtime)


def _half_loaded(config: Config) -> bool:
    return _marked(config).get("loaded") is False


def _is_loaded(config: Config) -> bool:
    if versions.is_empty(config.database_url):
        return False
    with installation() as runtime, runtime.database.read() as session:
        return session.scalar(sa.select(Division.code).limit(1)) is not None


@demo.command()
@click.confirmation_option(prompt="Remove the demo district with everything in it? / 删除演示区及其全部数据？")
def clear() -> None:
    """Remove a database that `demo load` made; never any other. The system must be stopped."""
    _remove(configuration.load())
    click.echo(_("The demo district is removed."))


def _remove(config: Config) -> None:
    facts = _marked(config)
    if not facts:
        raise NotEmpty(N_("This database was not made by “emergency demo load”; it was left as it is."))
    with processes.alone(folder(config)):
        if not versions.is_empty(config.database_url):
            with installation(check=False) as runtime:
                if facts["loaded"] and not is_demo(runtime):
                    raise NotEmpty(N_("This database was not made by “emergency demo load”; it was left as it is."))
                url = runtime.database.engine.url
                if not runtime.database.is_sqlite:
                    versions.empty(runtime.database.engine)
            if url.get_backend_name() == "sqlite":
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{url.database}{suffix}").unlink(missing_ok=True)
        leftovers = [config.privacy.journal_anchor, config.notify.gateway.record]
        if facts["made_keys"]:
            leftovers.append(config.privacy.key_file)
        for leftover in leftovers:
            config.path(leftover).unlink(missing_ok=True)
        _marker(config).unlink()


@demo.command()
@click.option(
    "--speed", type=click.FloatRange(1, 10_000), default=60.0, show_default=True, help="Times faster than 2023."
)
@format_option
def rehearse(speed: float, output: str) -> None:
    """Play the 2023 东淀 evacuation as an exercise against the local gateway and print a report."""
    from emergency import rehearsal

    def say(text: str) -> None:
        click.echo(text, err=output == "json")

    with installation() as runtime:
        report = rehearsal.play(runtime, speed=speed, say=say)
    if output == "json":
        print_json(report.to_json())
    else:
        click.echo(report.text())
