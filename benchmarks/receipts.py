"""How many receipts a second: `python benchmarks/receipts.py [--smoke]`; writes `benchmarks/receipts.json`.

The real web process (`emergency web`) takes signed callbacks over kept-alive connections from a load process, seals
and stores them in grouped commits, and a real engine (`emergency engine`) folds them into the ledger meanwhile. The
paired baseline in the same run is the straightforward view on the same server: the provider's validator, the row by
the ORM, a commit each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent))

import harness
import sqlalchemy as sa

from emergency import delivery, runtime
from emergency.runtime import Runtime
from notify import receipts, service
from notify.models import Delivery, DeliveryBlock, DeliveryState, DeliveryTally, RawReceipt

RESULTS = Path(__file__).parent / "receipts.json"
STRAIGHT = Path(__file__).parent / "receipts_straight.py"
ACCOUNT = "AC" + "0" * 31 + "1"
CONFIG = """
[site]
public_url = "http://127.0.0.1:{port}"
[server]
port = {port}
workers = {workers}
threads = {threads}
[notify.gateway]
enabled = false
[notify.twilio]
account_sid = "{account}"
auth_token = "{token}"
from_number = "+8610690000118"
base_url = "http://127.0.0.1:9"
"""


def _cpu(pid: int) -> float:
    """Processor seconds of a process, with those of its children."""
    found = 0.0
    for one in [pid, *_children(pid)]:
        try:
            words = Path(f"/proc/{one}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
        except OSError:
            continue
        found += (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return found


def _children(pid: int) -> list[int]:
    try:
        direct = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()]
    except OSError:
        return []
    return direct + [below for one in direct for below in _children(one)]


@contextmanager
def process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the product, stopped at the end."""
    running = subprocess.Popen(command, env={**os.environ, **environment}, cwd=harness.ROOT)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


def until_it_answers(port: int) -> None:
    """Wait for the web process."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the web process did not answer")


def install(folder: Path, url: str, options: argparse.Namespace) -> tuple[Runtime, dict[str, str]]:
    """An installation of its own, its database at the present version, and the environment that points to it."""
    values = {"port": options.port, "workers": options.workers, "threads": options.threads}
    text = CONFIG.format(account=ACCOUNT, token=harness.TOKEN, **values)
    if not url.startswith("sqlite"):
        text = f'[database]\nurl = "{url}"\n' + text
    (folder / "config.toml").write_text(text, "utf-8")
    environment = {"EMERGENCY_CONFIG": str(folder / "config.toml")}
    os.environ.update(environment)
    if not url.startswith("sqlite"):
        from kernel.db import make_engine

        engine = make_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()
    subprocess.run([sys.executable, "-m", "emergency", "db", "upgrade"], check=True, cwd=harness.ROOT)
    return runtime.build(), environment


def ledger(site: Runtime, messages: int) -> list[int]:
    """So many messages that were handed over and wait for their receipts."""
    keys = [site.vault.index("phone", harness.number(i)) for i in range(messages)]
    with site.database.write() as session:
        people = [service.Recipient(f"bench:{i}", f"120118{i % 425:06d}", i + 1, key) for i, key in enumerate(keys)]
        record = service.deliver(session, harness.spec(site.database), people)
        inside = Delivery.broadcast_id == record.id
        session.execute(sa.delete(DeliveryBlock).where(DeliveryBlock.broadcast_id == record.id))
        for table, condition in (
            (Delivery, inside), (DeliveryTally, DeliveryTally.broadcast_id == record.id),
        ):  # fmt: skip
            session.execute(
                sa.update(table)
                .where(condition)
                .values(state=DeliveryState.SUBMITTED)
                .execution_options(synchronize_session=False)
            )
        session.execute(sa.update(Delivery).where(inside).values(attempt=1))
        return list(session.scalars(sa.select(Delivery.id).where(inside).order_by(Delivery.address_key)))


def requests(site: Runtime, ids: list[int], port: int) -> list[bytes]:
    """Every callback as bytes, with the fields that the provider sends."""
    account = next(one for one in delivery.accounts(site.config, site.vault) if one.account_sid == ACCOUNT)
    made = []
    for place, delivery_id in enumerate(ids):
        url = receipts.callback_url(account.status_callback, account.mac_secret, delivery_id)
        sid = f"SM{place:032x}"
        form = {
            "SmsSid": sid, "SmsStatus": "delivered", "MessageStatus": "delivered", "To": harness.number(place),
            "MessageSid": sid, "AccountSid": ACCOUNT, "From": "+8610690000118", "ApiVersion": "2010-04-01",
            "RawDlrDoneDate": "2611231200", "MessagingServiceSid": "MG" + "0" * 32,
        }  # fmt: skip
        body = urlencode(form).encode()
        path = url.removeprefix(f"http://127.0.0.1:{port}")
        made.append(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Twilio-Signature: "
            f"{receipts.sign(account.auth_token, url, form)}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"User-Agent: TwilioProxy/1.1\r\nAccept: */*\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
    return made


def load(port: int, file: Path, connections: int) -> dict[str, Any]:
    """Send everything in `file` over so many kept-alive connections; the answers' times in milliseconds."""
    import pickle

    import uvloop

    waiting: list[bytes] = pickle.loads(file.read_bytes())
    waiting.reverse()
    times: list[float] = []
    answers: dict[str, int] = {}

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            request = waiting.pop()
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            times.append(time.perf_counter() - began)
            word = head[9:12].decode()
            answers[word] = answers.get(word, 0) + 1
            if word != "204":
                raise RuntimeError(head.decode())
        writer.close()

    async def work() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(connections)))
        return time.perf_counter() - began

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seconds = runner.run(work())
    times.sort()
    return {
        "receipts": len(times),
        "seconds": round(seconds, 2),
        "per_second": round(len(times) / seconds),
        "p50_ms": round(1000 * times[len(times) // 2], 1),
        "p99_ms": round(1000 * times[int(len(times) * 0.99)], 1),
        "answers": answers,
    }


def send(folder: Path, made: list[bytes], port: int, connections: int) -> dict[str, Any]:
    """The load, from a process of its own."""
    import pickle

    file = folder / "requests.pickle"
    file.write_bytes(pickle.dumps(made))
    command = [sys.executable, __file__, "--load", str(file), "--port", str(port), "--connections", str(connections)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return dict(json.loads(done.stdout))


def ours(site: Runtime, folder: Path, environment: dict[str, str], options: argparse.Namespace) -> dict[str, Any]:
    """The product: web and engine as processes, until the last receipt is folded."""
    ids = ledger(site, options.receipts)
    made = requests(site, ids, options.port)
    web = [sys.executable, "-m", "emergency", "web"]
    with (
        process(web, environment) as server,
        process([sys.executable, "-m", "emergency", "engine"], environment) as engine,
    ):
        until_it_answers(options.port)
        time.sleep(2.0)
        web_before, engine_before = _cpu(server.pid), _cpu(engine.pid)
        began = time.perf_counter()
        if options.profile:
            worker = (_children(server.pid) or [server.pid])[-1]
            subprocess.Popen(
                ["py-spy", "record", "-d", "8", "-r", "250", "-f", "raw", "-o", options.profile, "-p", str(worker)]
            )
        found = send(folder, made, options.port, options.connections)
        while True:
            with site.database.read() as session:
                waiting = session.scalar(
                    sa.select(sa.func.count()).select_from(RawReceipt).where(RawReceipt.folded_at.is_(None))
                )
                done = session.scalar(
                    sa.select(sa.func.count()).select_from(Delivery).where(Delivery.state == DeliveryState.DELIVERED)
                )
            if not waiting or time.perf_counter() - began > 600:
                break
            time.sleep(0.1)
        found["folded_after_seconds"] = round(time.perf_counter() - began, 2)
        found["web_cpu_us"] = round(1e6 * (_cpu(server.pid) - web_before) / len(ids))
        found["engine_cpu_us"] = round(1e6 * (_cpu(engine.pid) - engine_before) / len(ids))
    with site.database.read() as session:
        found["stored"] = session.scalar(sa.select(sa.func.count()).select_from(RawReceipt))
    found["delivered"] = done
    found["lost"] = len(ids) - int(done or 0)
    return found


def straightforward(
    site: Runtime, folder: Path, environment: dict[str, str], options: argparse.Namespace
) -> dict[str, Any]:
    """What one would write first, on the same server with as many threads."""
    ids = ledger(site, options.baseline)
    made = requests(site, ids, options.port)
    command = [sys.executable, str(STRAIGHT), str(options.port), str(options.threads), ACCOUNT, harness.TOKEN]
    with process(command, {**environment, "PYTHONPATH": f"{harness.ROOT}:{STRAIGHT.parent}"}) as server:
        until_it_answers(options.port)
        before = _cpu(server.pid)
        found = send(folder, made, options.port, options.connections)
        found["web_cpu_us"] = round(1e6 * (_cpu(server.pid) - before) / len(ids))
    return found


def main() -> int:
    """Run what was asked for and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few hundred receipts: does it still run")
    parser.add_argument("--receipts", type=int, default=40_000)
    parser.add_argument("--baseline", type=int, default=2_000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2, help="web processes on PostgreSQL; on SQLite always one")
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--port", type=int, default=8660)
    parser.add_argument("--postgres", default=os.environ.get("EMERGENCY_BENCH_POSTGRES_URL"))
    parser.add_argument("--only-postgres", action="store_true")
    parser.add_argument("--profile", help="write py-spy's stacks of a web worker here")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(load(options.port, options.load, options.connections)))
        return 0
    if options.smoke:
        options.receipts, options.baseline = 400, 50
    report: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "smoke": options.smoke,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "command": " ".join(["python", "benchmarks/receipts.py", *sys.argv[1:]]),
        "runs": {},
    }
    targets = {} if options.only_postgres else {"sqlite": "sqlite"}
    if options.postgres:
        targets["postgresql"] = options.postgres
    for name, url in targets.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            site, environment = install(folder, url, options)
            run: dict[str, Any] = {"load_before": round(os.getloadavg()[0], 2)}
            run["ours"] = ours(site, folder, environment, options)
            if options.baseline:
                run["straightforward"] = straightforward(site, folder, environment, options)
                run["ratio"] = round(run["ours"]["per_second"] / max(1, run["straightforward"]["per_second"]), 1)
            report["runs"][name] = run
            site.close()
    options.output.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", "utf-8")
    print(json.dumps(report, ensure_ascii=False, indent=2))
    return 1 if any(run["ours"]["lost"] for run in report["runs"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
