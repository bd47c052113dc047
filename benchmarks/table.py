"""Results as Markdown, as `docs/performance.md` shows them."""

from __future__ import annotations

from typing import Any

GOALS = {
    ("per_second", 1): 4_000,
    ("per_second", 2): 5_500,
    "ceiling": 0.70,
    "ratio": 16,
    "deviation": 2.0,
    ("ledger", "sqlite"): 2.0,
    ("ledger", "postgresql"): 5.0,
    "first_ms": 1_000,
    "memory_mb": 300,
    "district_seconds": 150,
}
DISTRICT = 787_106


def _number(value: float | None, digits: int = 0) -> str:
    return "—" if value is None else f"{value:,.{digits}f}"


def _grid(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]] + [""]


def _spread(rows: list[float]) -> str:
    return f" ({min(rows):,.0f}–{max(rows):,.0f})" if len(rows) > 1 else ""


def _handover(databases: dict[str, Any]) -> list[str]:
    rows = []
    for name, result in databases.items():
        for pair in result.get("handover", []):
            runs = [run["engine"] for run in pair["runs"] if "engine" in run]
            share, simple, celery = (pair.get(f"engine_to_{n}") for n in ("ceiling", "straightforward", "celery"))
            rows.append(
                [
                    name,
                    f"{pair['latency_ms']:g} ms",
                    str(pair["engines"]),
                    _number(runs[0]["messages"] if runs else None),
                    f"**{_number(pair.get('engine'))}**" + (_spread([run["per_second"] for run in runs])),
                    _number(pair.get("ceiling")) + (f" (we reach {share:.0%})" if share else ""),
                    _number(pair.get("straightforward")) + (f" (× {simple:.1f})" if simple else ""),
                    _number(pair.get("celery")) + (f" (× {celery:.1f})" if celery else ""),
                    _number(_mean(runs, "engine_cpu_us")),
                    _number(_mean(runs, "gateway_cpu_us")),
                    _number(_mean(runs, "load_before"), 1),
                ]
            )
    head = ["database", "gateway answers in", "engines", "messages", "messages/s", "the client alone/s"]
    head += ["script/s", "Celery/s", "engine CPU µs", "gateway CPU µs", "load before"]
    return ["### Handing over", "", *_grid(head, rows)] if rows else []


def _mean(rows: list[dict[str, Any]], name: str) -> float | None:
    return sum(row[name] for row in rows) / len(rows) if rows else None


def _rates(databases: dict[str, Any]) -> list[str]:
    rows = [
        [
            name,
            str(rate["engines"]),
            f"{rate['configured']:,.0f}",
            _number(rate["held"], 1),
            f"{rate['deviation_percent']:+.2f} %",
            f"{rate['worst_deviation_percent']:+.2f} %",
            _number(max(run["most_in_a_second"] for run in rate["runs"])),
        ]
        for name, result in databases.items()
        for rate in result.get("rate", [])
    ]
    head = ["database", "engines", "configured/s", "held/s", "deviation", "worst run", "most in any second"]
    return ["### Holding a configured rate (gateway answers in 100 ms)", "", *_grid(head, rows)] if rows else []


def _others(databases: dict[str, Any]) -> list[str]:
    rows = []
    for name, result in databases.items():
        if "ledger" in result:
            entered = result["ledger"]
            rows.append([name, f"ledger of {entered['rows']:,} numbers", f"{entered['seconds']:.2f} s"])
        if "first" in result:
            first = result["first"]
            words = f"{first['idle_ms']:.0f} ms, worst {first['idle_worst_ms']:.0f} ms"
            rows.append([name, f"first of {first['messages']:,} after the commit, engine idle", words])
            if "routine" in first:
                words = f"{first['behind_routine_first_ms']:.0f} ms; the last of them {first['behind_routine_last_ms']:.0f} ms"
                rows.append([name, f"first of {first['urgent']:,} urgent behind {first['routine']:,} routine", words])
        for run in result.get("memory", []):
            words = f"{run['engine_peak_mb']:.0f} MB; done in {run['seconds']:.1f} s, {run['per_second']:,}/s"
            rows.append(
                [name, f"most memory of an engine, {run['people']:,} people, {run['engines']} engine(s)", words]
            )
    return ["### Ledger, first message, memory", "", *_grid(["database", "what", "figure"], rows)] if rows else []


def _goals(databases: dict[str, Any], full_size: bool) -> list[str]:
    """Each goal of the engine with what was measured; sizes below the goal's own prove nothing and say so."""
    rows: list[tuple[str, str, str, bool]] = []
    for name, result in databases.items():
        for pair in result.get("handover", []):
            goal = GOALS.get(("per_second", pair["engines"]))
            who = f"{name}, {pair['engines']} engine(s)"
            if pair["latency_ms"] or "engine" not in pair:
                continue
            if goal:
                rows.append((f"{who}: messages/s", f"≥ {goal:,}", f"{pair['engine']:,.0f}", pair["engine"] >= goal))
            if "engine_to_ceiling" in pair:
                share = pair["engine_to_ceiling"]
                rows.append((f"{who}: of the client alone", "≥ 70 %", f"{share:.0%}", share >= GOALS["ceiling"]))
            for other in ("straightforward", "celery"):
                if f"engine_to_{other}" in pair:
                    times = pair[f"engine_to_{other}"]
                    rows.append((f"{who}: times {other}", "≥ 16", f"{times:.1f}", times >= GOALS["ratio"]))
        for rate in result.get("rate", []):
            off = rate["deviation_percent"]
            what = f"{name}, {rate['engines']} engine(s): {rate['configured']:,.0f}/s held"
            rows.append((what, "± 2 %", f"{off:+.2f} %", abs(off) <= GOALS["deviation"]))
        if "ledger" in result:
            goal, seconds = GOALS[("ledger", name)], result["ledger"]["seconds"]
            rows.append((f"{name}: ledger", f"≤ {goal:g} s", f"{seconds:.2f} s", seconds <= goal))
        if "first" in result:
            for key in ("idle_worst_ms", "behind_routine_first_ms"):
                if key in result["first"]:
                    ms = result["first"][key]
                    rows.append((f"{name}: first, {key}", "≤ 1 s", f"{ms:.0f} ms", ms <= GOALS["first_ms"]))
        for run in result.get("memory", []):
            rows.append(
                (f"{name}: memory, {run['people']:,}", "≤ 300 MB", f"{run['engine_peak_mb']:.0f} MB",
                 run["engine_peak_mb"] <= GOALS["memory_mb"])
            )  # fmt: skip
            if run["people"] >= DISTRICT:
                seconds = run["seconds"] + run["ledger_seconds"]
                ok = seconds <= GOALS["district_seconds"]
                rows.append((f"{name}: the whole district", "≤ 150 s", f"{seconds:.0f} s", ok))
    if not rows:
        return []
    words = [[what, goal, figure, "yes" if met else "**no**"] for what, goal, figure, met in rows]
    title = "### Against the goals" + ("" if full_size else " (sizes too small to prove anything)")
    return [title, "", *_grid(["goal", "wanted", "measured", "met"], words)]


def markdown(report: dict[str, Any]) -> str:
    """The whole report."""
    databases = report["databases"]
    gateways = {"instant": "the benchmark's own instant gateway", "local": "the product's local gateway"}
    lines = [
        f"Measured {report['at'][:16].replace('T', ' ')} UTC with `{report['command']}`: Python {report['python']}, "
        f"{report['cores']} cores, load {report['load_before']} before the run, {gateways[report['gateway']]} for the engine "
        f"and every baseline alike, medians of {report['repeat']}.",
        "",
    ]
    for what, why in report["skipped"].items():
        lines += [f"Skipped: {what} ({why}).", ""]
    rows = [run for result in databases.values() for run in result.get("memory", [])]
    full_size = any(run["people"] >= DISTRICT for run in rows)
    return "\n".join(
        [*lines, *_goals(databases, full_size), *_handover(databases), *_rates(databases), *_others(databases)]
    )
