"""The ceiling: the engine's own client with nothing behind it — no ledger, no decryption, no journal, no settlement.

`python benchmarks/ceiling.py GATEWAY-URL FIRST COUNT IN-FLIGHT` is one process of it: it opens its connections, says
`ready`, and begins when a line comes in. `run` starts as many as there are engines and measures them together.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import harness

from notify.channels.base import Answer, Message
from notify.channels.twilio_sms import TwilioSms
from notify.models import Kind


async def send_all(url: str, first: int, count: int, in_flight: int) -> int:
    """Send `count` messages, `in_flight` at a time. Returns how many were accepted."""
    channel = TwilioSms(harness.account(url, 1e9))
    await channel.open()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    upcoming, accepted = iter(range(first, first + count)), 0

    async def worker() -> None:
        nonlocal accepted
        for i in upcoming:
            sent = await channel.send(Message(i, Kind.ACTUAL, harness.number(i), harness.BODY, 7200))
            accepted += sent.answer is Answer.ACCEPTED

    await asyncio.gather(*(worker() for _ in range(min(in_flight, count))))
    await channel.close()
    return accepted


def run(gateway: harness.GatewayProcess, messages: int, processes: int, in_flight: int) -> dict[str, Any]:
    """So many processes share the messages; from the word to begin until the last has its answers."""
    part = -(-messages // processes)
    command = [sys.executable, str(Path(__file__)), gateway.url]
    running = [
        subprocess.Popen(
            [*command, str(i * part), str(min(part, messages - i * part)), str(in_flight)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(processes)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the ceiling's client did not start")
        began = time.perf_counter()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        accepted = 0
        for process in running:
            assert process.stdout is not None
            accepted += int(process.stdout.readline())
        seconds = time.perf_counter() - began
    finally:
        for process in running:
            process.terminate()
            process.communicate()
    if accepted != messages:
        raise RuntimeError(f"the ceiling handed over {accepted} of {messages}")
    return {
        "messages": messages,
        "in_flight": in_flight,
        "seconds": round(seconds, 3),
        "per_second": round(messages / seconds),
    }


def main() -> None:
    """One process."""
    import uvloop

    url, first, count, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        accepted = runner.run(send_all(url, first, count, in_flight))
    sys.stdout.write(f"{accepted}\n")


if __name__ == "__main__":
    main()
