"""`python -m notify.gateway --port P --record FILE`: the local gateway as a process of its own.

Secrets come by environment, never on the command line: `GATEWAY_AUTH_TOKEN` (the account's), `GATEWAY_SECRET` (for its
page and its control surface).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from notify.gateway.faults import Faults
from notify.gateway.server import Gateway

DEFAULT_ACCOUNT = "AC00000000000000000000000000000000"


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m notify.gateway", description="Local SMS gateway (Twilio-shaped).")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8900, help="0 takes a free one; it is printed")
    parser.add_argument("--record", type=Path, required=True, help="append-only file of everything taken")
    parser.add_argument("--account", default=os.environ.get("GATEWAY_ACCOUNT_SID", DEFAULT_ACCOUNT))
    parser.add_argument("--inbound-url", default="", help="where replies are posted")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--jitter-ms", type=float, default=0.0)
    parser.add_argument("--receipts", choices=["none", "final", "all"], default="final")
    parser.add_argument("--receipt-delay-ms", type=float, default=300.0)
    parser.add_argument("--script", type=Path, help="JSON file with further faults by name")
    return parser.parse_args(argv)


async def serve(options: argparse.Namespace) -> None:
    """Run until SIGTERM or SIGINT."""
    faults = Faults(
        latency_ms=options.latency_ms,
        jitter_ms=options.jitter_ms,
        receipts=options.receipts,
        receipt_delay_ms=options.receipt_delay_ms,
    )
    if options.script:
        faults.update(json.loads(options.script.read_text("utf-8")))
    gateway = Gateway(
        options.record,
        account_sid=options.account,
        auth_token=os.environ.get("GATEWAY_AUTH_TOKEN", ""),
        secret=os.environ.get("GATEWAY_SECRET", ""),
        inbound_url=options.inbound_url,
        faults=faults,
    )
    runner = web.AppRunner(gateway.app(), access_log=None, shutdown_timeout=1.0)
    try:
        await runner.setup()
        site = web.TCPSite(runner, options.host, options.port, backlog=2048, reuse_address=True)
        await site.start()
        sys.stdout.write(f"gateway http://{options.host}:{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
    finally:
        await runner.cleanup()


def main(argv: list[str] | None = None) -> int:
    """The process. Exit code 1 when it cannot begin, with one sentence why."""
    options = arguments(argv)
    if not os.environ.get("GATEWAY_AUTH_TOKEN"):
        sys.stderr.write("GATEWAY_AUTH_TOKEN is not set: the gateway will not run without an account token.\n")
        return 1
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        factory = None
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serve(options))
    except OSError as error:
        sys.stderr.write(f"The gateway cannot start: {error.strerror or error}.\n")
        return 1
    except ValueError as error:
        sys.stderr.write(f"The gateway's script is wrong: {error}.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
