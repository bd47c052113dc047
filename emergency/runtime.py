"""The roof: builds one installation from its configuration and tells the rooms of each other.

Nothing here decides anything. Each room offers its furniture under fixed names (`views.blueprint`, `api.blueprint`,
`jobs.JOBS`, `defects.defects`); this module finds it, and hands notify its ports.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emergency import config as configuration
from emergency import messages, schema
from emergency.config import Config
from emergency.privacy import journal, keys
from emergency.privacy.vault import Vault
from kernel.clock import Clock
from kernel.db import Database, make_engine
from kernel.errors import N_, DomainError

ROOMS = (
    "emergency.divisions",
    "emergency.people.contacts",
    "emergency.people.residents",
    "emergency.people.posts",
    "emergency.people.accounts",
    "emergency.asking",
    "emergency.supplies",
    "emergency.plans",
    "emergency.warnings",
    "emergency.drills",
    "emergency.readiness",
    "emergency.oversight",
    "emergency.engineroom",
)


class NotWritable(DomainError):
    """A folder or file that must be written cannot be."""

    code = "not_writable"
    status = 503


@dataclass(frozen=True)
class Runtime:
    """One installation: its configuration, database and vault."""

    config: Config
    database: Database
    vault: Vault

    def close(self) -> None:
        """Let go of the database."""
        self.database.engine.dispose()


@functools.cache
def furniture(piece: str) -> tuple[tuple[str, Any], ...]:
    """`(room, module)` for every room that has `piece` (views, api, jobs, defects)."""
    return tuple(
        (room, importlib.import_module(f"{room}.{piece}"))
        for room in ROOMS
        if importlib.util.find_spec(f"{room}.{piece}") is not None
    )


def build(config: Config | None = None, *, clock: Clock | None = None, create_keys: bool = False) -> Runtime:
    """Open the installation. Raises `ConfigError`, `KeyFileError` or `NotWritable` with one clear sentence.

    Keys are made only where `create_keys` says that this is the first run; a database without its keys is unreadable,
    and making fresh ones would hide that.
    """
    from emergency.wiring import wire

    config = config or configuration.load()
    check_writable(config)
    key_path = config.path(config.privacy.key_file)
    ring = keys.load_or_create(key_path) if create_keys else keys.load(key_path)
    vault = Vault(ring, config.privacy.cipher, reload=lambda: keys.load(key_path))
    database = Database(make_engine(config.database_url), clock)
    database.attach("config", config)
    messages.use(config.path(config.notify.messages) if config.notify.messages else None)
    journal.install(database, vault, config.path(config.privacy.journal_anchor))
    runtime = Runtime(config, database, vault)
    wire(runtime)
    return runtime


def check_writable(config: Config) -> None:
    """Refuse with one sentence where the instance folder or the database file cannot be written."""
    places = [config.path(config.privacy.key_file).parent, config.path(config.privacy.journal_anchor).parent]
    url = config.database_url
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        places.append(file.parent)
        if file.exists() and not os.access(file, os.W_OK):
            raise NotWritable(N_("No permission to write %(path)s. Nothing was started."), path=str(file))
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotWritable(
                N_("The folder %(path)s cannot be made: %(why)s. Nothing was started."),
                path=str(place),
                why=error.strerror or str(error),
            ) from error
        if not os.access(place, os.W_OK):
            raise NotWritable(N_("No permission to write in %(path)s. Nothing was started."), path=str(place))


def jobs() -> list[Any]:
    """Everything that the ticker calls."""
    return [job for _room, module in furniture("jobs") for job in module.JOBS]


__all__ = ["ROOMS", "Runtime", "build", "furniture", "jobs", "schema"]
