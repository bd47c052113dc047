"""The benchmarks with their paired baselines; results go to `benchmarks/results.json`.

`run.py` measures everything, `--only` some of it, `--smoke` everything tiny, `--table` prints the last results as
Markdown and measures nothing. `benchmarks/README.md` says what each scenario is and what it is compared with.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import celery_baseline
import harness
import scenarios
import table

RESULTS = Path(__file__).parent / "results.json"
SCENARIOS = ("ledger", "handover", "ceiling", "celery", "rate", "first", "memory")
SMOKE = {
    "messages": 300,
    "baseline": 40,
    "ledger": 2_000,
    "rate_seconds": 2.0,
    "rates": [1_000.0],
    "latencies": [0.0],
    "engines": [2.0],
    "small": 2_000,
    "routine": 1_000,
    "repeat": 1,
}


def numbers(text: str) -> list[float]:
    """`500,1000` as numbers."""
    return [float(word) for word in text.split(",")]


def names(text: str) -> set[str]:
    """Scenario names; an unknown one is refused."""
    wanted = set(text.split(","))
    if wanted - set(SCENARIOS):
        raise argparse.ArgumentTypeError(f"not a scenario: {', '.join(sorted(wanted - set(SCENARIOS)))}")
    return wanted


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names, default=set(SCENARIOS), metavar=",".join(SCENARIOS))
    parser.add_argument("--smoke", action="store_true", help="every scenario tiny: does it still run")
    parser.add_argument("--table", action="store_true", help="print the last results as Markdown and measure nothing")
    parser.add_argument("--gateway", choices=["instant", "local"], default="instant", help="which gateway answers")
    parser.add_argument("--engines", type=numbers, default=[1.0, 2.0])
    parser.add_argument("--latencies", type=numbers, default=[0.0, 100.0], help="of the gateway, in ms")
    parser.add_argument("--messages", type=int, default=60_000, help="a hand-over of an engine and of the ceiling")
    parser.add_argument("--baseline", type=int, default=2_000, help="messages of the slow baselines")
    parser.add_argument("--ledger", type=int, default=787_106, help="the whole district")
    parser.add_argument("--small", type=int, default=10_000, help="the small broadcast of `memory` and `first`")
    parser.add_argument("--routine", type=int, default=200_000, help="waiting when an urgent one comes in (`first`)")
    parser.add_argument("--rates", type=numbers, default=[500.0, 1000.0, 2500.0])
    parser.add_argument("--rate-seconds", type=float, default=20.0)
    parser.add_argument("--rate-latency", type=float, default=100.0)
    parser.add_argument("--repeat", type=int, default=3, help="runs of ledger, handover, its baselines and rate")
    parser.add_argument("--postgres", default=os.environ.get("EMERGENCY_BENCH_POSTGRES_URL"))
    parser.add_argument("--databases", default="sqlite,postgresql", help="one of them, or both")
    parser.add_argument("--redis", default=os.environ.get("EMERGENCY_BENCH_REDIS_URL", "redis://127.0.0.1:6379/15"))
    parser.add_argument("--profile", help="write the first engine's cProfile here")
    parser.add_argument("--waits", action="store_true", help="also what the engines wait for in PostgreSQL")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.smoke:
        vars(options).update(SMOKE)
    options.engines = [int(count) for count in options.engines]
    return options


def everybody(options: argparse.Namespace) -> int:
    """How many people the scenarios asked for need."""
    wanted: set[str] = options.only
    sizes = [options.messages, options.baseline, 100]
    if wanted & {"ledger", "memory"}:
        sizes.append(options.ledger)
    if "first" in wanted:
        sizes += [options.small, options.routine + min(options.small, 1000)]
    if "rate" in wanted:
        sizes.append(int(max(options.rates) * options.rate_seconds) + 20)
    return max(sizes)


def one_database(
    setting: scenarios.Setting, options: argparse.Namespace, result: dict[str, Any], keep: Callable[[], None]
) -> None:
    """All scenarios asked for on one database; `keep` after each, so that a long run never loses what it has."""
    wanted: set[str] = options.only
    if "ledger" in wanted:
        scenarios.say("  ledger")
        result["ledger"] = scenarios.ledger(setting, options.ledger)
        keep()
    if wanted & {"handover", "ceiling", "celery"}:
        result["handover"] = [
            scenarios.paired(setting, options.messages, options.baseline, count, latency, wanted)
            for latency in options.latencies
            for count in options.engines
        ]
        keep()
    if "rate" in wanted:
        result["rate"] = [
            scenarios.rate(setting, rate, count, options.rate_seconds, options.rate_latency)
            for rate in options.rates
            for count in options.engines
        ]
        keep()
    if "first" in wanted:
        scenarios.say("  first message")
        result["first"] = scenarios.first(setting, options.small, options.routine, 2 if options.smoke else 7)
        keep()
    if "memory" in wanted:
        result["memory"] = scenarios.memory(setting, [options.small, options.ledger], max(options.engines))
        keep()


def broken(report: dict[str, Any]) -> list[str]:
    """Where somebody was lost or doubled: such a run has no speed."""
    faults = []
    for name, result in report["databases"].items():
        rows = [run["engine"] for pair in result.get("handover", []) for run in pair["runs"] if "engine" in run]
        rows += [run for rate in result.get("rate", []) for run in rate["runs"]] + result.get("memory", [])
        for row in rows:
            if row["lost"] or row["doubled"] or row["handed_over"] != row["messages"]:
                faults.append(f"{name}: {row['lost']} lost, {row['doubled']} doubled of {row['messages']}")
    return faults


def main() -> int:
    """Run what was asked for and write it down. Exit status 1 where somebody was lost or doubled."""
    options = arguments()
    if options.table:
        last = json.loads(options.output.read_text("utf-8"))
        if "databases" not in last:
            print(f"{options.output} was written by an older version of the benchmarks: measure again.")
            return 1
        print(table.markdown(last))
        return 0
    began = time.monotonic()
    report: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python", "benchmarks/run.py", *sys.argv[1:]]),
        "smoke": options.smoke,
        "gateway": options.gateway,
        "repeat": options.repeat,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "skipped": {},
        "databases": {},
    }

    def keep() -> None:
        report["seconds"] = round(time.monotonic() - began)
        options.output.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8")

    celery = None
    if "celery" in options.only:
        try:
            celery = celery_baseline.prepare(options.redis)
        except celery_baseline.Skipped as reason:
            report["skipped"]["celery"] = str(reason)
            scenarios.say(f"the Celery baseline is skipped: {reason}")
    with tempfile.TemporaryDirectory(prefix="emergency-bench-") as scratch:
        folder = Path(scratch)
        chosen = options.databases.split(",")
        targets = {"sqlite": f"sqlite:///{folder / 'bench.db'}"} if "sqlite" in chosen else {}
        if options.postgres and "postgresql" in chosen:
            targets["postgresql"] = options.postgres
        elif "postgresql" in chosen:
            report["skipped"]["postgresql"] = "no --postgres and no EMERGENCY_BENCH_POSTGRES_URL"
        for name, url in targets.items():
            scenarios.say(f"{name}: {everybody(options)} people")
            database = harness.fresh(url)
            harness.populate(database, everybody(options))
            setting = scenarios.Setting(
                database,
                folder,
                options.gateway,
                options.repeat,
                options.profile,
                celery,
                options.redis,
                options.waits,
            )
            one_database(setting, options, report["databases"].setdefault(name, {}), keep)
            database.engine.dispose()
    print(table.markdown(report))
    faults = broken(report)
    for fault in faults:
        print(f"BROKEN {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
