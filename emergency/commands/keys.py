"""keys rotate."""

from __future__ import annotations

import time

import click

from emergency import processes
from emergency.commands.common import Progress, _, actor, folder, installation
from emergency.privacy import journal, keys, rotation
from emergency.privacy.vault import REFRESH_SECONDS, Vault
from emergency.runtime import Runtime
from notify import service as notify


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(keys_group)


@click.group("keys")
def keys_group() -> None:
    """The keys of the vault."""


@keys_group.command()
def rotate() -> None:
    """Make a new sealing key and reseal everything in pieces; old keys stay in the file for older backups."""
    with installation() as runtime:
        path = runtime.config.path(runtime.config.privacy.key_file)
        ring = runtime.vault.ring
        resumed = rotation.behind(runtime.database, ring.active)
        if not resumed:
            ring = ring.rotated()
            keys.save(path, ring)
        vault = Vault(ring, runtime.config.privacy.cipher)
        runtime.database.attach("vault", vault)
        with runtime.database.write() as session:
            journal.record(session, journal.MAINTAINED, actor=actor(), what="keys.rotate", detail=str(ring.active))
        progress = Progress(_("Resealing"))
        count = rotation.reseal(runtime.database, vault, progress)
        if _is_served(runtime):
            # what runs looks for a new key every few seconds; what it sealed until then is done now
            time.sleep(REFRESH_SECONDS + 1)
            count += rotation.reseal(runtime.database, vault, progress)
        progress.finish()
    if resumed:
        click.echo(_("An earlier rotation had been interrupted; it was finished, and no further key was made."))
    click.echo(
        _("Key %(key)s seals from now on; %(n)s values were resealed. Make a new safe copy of %(path)s.",
          key=ring.active, n=f"{count:,}", path=str(path))
    )  # fmt: skip


def _is_served(runtime: Runtime) -> bool:
    with runtime.database.read() as session:
        engines = notify.status(session).alive
    try:
        with processes.alone(folder(runtime.config)):
            return engines > 0
    except processes.AlreadyRunning:
        return True
