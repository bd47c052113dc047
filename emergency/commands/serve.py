"""serve, web, engine: the running system."""

from __future__ import annotations

import logging
import os
import signal
import stat
import sys
import threading
from types import FrameType

import click

from emergency import config as configuration
from emergency import delivery, processes
from emergency import runtime as runtime_module
from emergency.commands.common import _, folder, installation, print_table
from emergency.commands.demo import NotEmpty, is_demo
from emergency.config import Config
from emergency.http.permissions import Role
from emergency.privacy.vault import Vault
from emergency.processes import Child, Supervisor
from kernel.errors import N_

log = logging.getLogger(__name__)
WEB_PORT = "server.port (--port N, make demo PORT=N)"
GATEWAY_PORT = "notify.gateway.port (EMERGENCY__NOTIFY__GATEWAY__PORT=N)"


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(serve)
    cli.add_command(web)
    cli.add_command(engine)


def _overridden(host: str | None, port: int | None) -> Config:
    """The configuration with the command's host and port, also for the processes started from here."""
    given = {"EMERGENCY__SERVER__HOST": host} if host else {}
    if port is not None:
        given["EMERGENCY__SERVER__PORT"] = str(port)
    config = configuration.load(environment={**os.environ, **given})
    os.environ.update(given)  # only what was accepted: a refused port stays with the command that named it
    return config


@click.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--demo-links", is_flag=True, help="Print a one-time sign-in link for each role of the demo.")
def serve(host: str | None, port: int | None, demo_links: bool) -> None:
    """Web, engine and local gateway together; Ctrl-C stops them cleanly."""
    config = _overridden(host, port)
    gateway = config.notify.gateway
    # the lock before the ports: whoever starts it twice hears that, and not that a port is taken
    with processes.serving_lock(folder(config)):
        children = []
        with installation() as runtime:
            warn_of_open_keys(runtime)
            processes.check_port(config.server.host, config.server.port, WEB_PORT)
            if gateway.enabled:
                processes.check_port(gateway.host, gateway.port, GATEWAY_PORT)
                children.append(_gateway(config, runtime.vault))
            links = _links(runtime) if demo_links else []
        children.append(Child("engine", [sys.executable, "-m", "emergency", "engine"]))
        children.append(Child("web", [sys.executable, "-m", "emergency", "web"]))
        click.echo(_("Open %(url)s in a browser. Ctrl-C stops it.", url=config.public_url))
        if gateway.enabled:
            click.echo(_("The phones of the local gateway: %(url)s", url=f"{config.public_url}/gateway"))
        if links:
            print_table([], [[role, Role(role).zh, username, url] for role, username, url in links])
        sys.stdout.flush()
        Supervisor(children).run(log.warning)


def warn_of_open_keys(runtime: runtime_module.Runtime) -> None:
    """Say it where the keys lie open to others; a warning must leave all the same."""
    path = runtime.config.path(runtime.config.privacy.key_file)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        click.echo(_("Others can read the key file. Run: chmod 600 %(path)s", path=str(path)), err=True)


def _gateway(config: Config, vault: Vault) -> Child:
    """The local gateway: a process of its own with a record of its own; its secrets come by environment."""
    sid, token = delivery.gateway_credentials(vault)
    settings = config.notify.gateway
    return Child(
        "gateway",
        [sys.executable, "-m", "notify.gateway", "--host", settings.host, "--port", str(settings.port),
         "--record", str(config.path(settings.record)),
         "--inbound-url", f"{config.public_url}/webhooks/twilio/inbound"],
        {
            "GATEWAY_ACCOUNT_SID": sid,
            "GATEWAY_AUTH_TOKEN": token,
            "GATEWAY_SECRET": delivery.gateway_secret(vault),
        },
    )  # fmt: skip


def _links(runtime: runtime_module.Runtime) -> list[tuple[str, str, str]]:
    from emergency.people.accounts import seed

    if not is_demo(runtime):
        raise NotEmpty(N_("Such links are for the demo district only; this database holds another."))
    return seed.demo_links(runtime.database, runtime.config.public_url)


@click.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
def web(host: str | None, port: int | None) -> None:
    """The web process alone, for several machines."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    config = _overridden(host, port)
    with processes.at_work(folder(config)):
        with installation() as runtime:
            sqlite = runtime.database.is_sqlite
        processes.check_port(config.server.host, config.server.port, WEB_PORT)
        Server(
            "emergency.wsgi:app",
            address=config.server.host,
            port=config.server.port,
            interface=Interfaces.WSGI,
            workers=1 if sqlite else config.server.workers,
            blocking_threads=config.server.threads,
            websockets=False,
            log_access=False,
            respawn_failed_workers=True,
            log_level=LogLevels.error,  # what starts and stops is said by the supervisor
        ).serve()


@click.command()
def engine() -> None:
    """The delivery engine and the ticker alone, for several machines."""
    with processes.at_work(folder(configuration.load())), installation() as runtime:
        stop = threading.Event()

        def leave(_number: int, _frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGINT, leave)
        delivery.run(runtime, stop)
