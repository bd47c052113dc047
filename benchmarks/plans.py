"""Plans at scale: `python benchmarks/plans.py [--plans 5000] [--versions 5] [--smoke]`; writes `benchmarks/plans.json`.

A district with so many plans, each with so many versions, in a SQLite file of its own, and beside it the same district
without a plan. Both are asked in turn for the same pages by the product's own web application: the tree, what is
wrong, the picture of coverage, search for common, rare, single-character and quoted words. Milliseconds a page, from the request to the last
byte, in the process; median and 95th percentile. A page over `--limit` (150 ms) says `SLOW` and ends with status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import flask
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency import create_app, processes, versions
from emergency import runtime as runtimes
from emergency.config import Config
from emergency.divisions.models import Division
from emergency.divisions.rules import prefix
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans import indexing, lawbook
from emergency.plans.dynamic_models import PlanExposure, Reach
from emergency.plans.models import (
    Hazard,
    Plan,
    PlanHazard,
    PlanKind,
    PlanLevel,
    PlanSection,
    PlanState,
    PlanVersion,
    VersionState,
)
from emergency.readiness import gathering
from emergency.runtime import Runtime
from kernel.ids import new_id

RESULTS = Path(__file__).parent / "plans.json"
DISTRICT = "120118000000"
TOWNSHIPS, VILLAGES = 23, 20
PAGES = {
    "tree": "/plans",
    "tree_filtered": "/plans?kind=village",
    "faulty": "/plans?show=faulty",
    "wrong": "/plans/wrong",
    "wrong_rule": "/plans/wrong?rule=parent_superseded",
    "coverage": "/plans/coverage",
    "coverage_open": "/plans/coverage?open=120118100000",
    "unlisted": "/plans/unlisted",
    "defects": "/readiness",
    "search_common": "/plans/search?q=防汛",
    "search_two": "/plans/search?q=转移 养老",
    "search_rare": "/plans/search?q=彩钢板房",
    "search_single": "/plans/search?q=汛",
    "search_phrase": "/plans/search?q=“老年人先行转移”",
    "search_none": "/plans/search?q=火山喷发",
    "search_everything": "/search?q=巡堤",
}
WORDS = (
    "防汛指挥机构按照职责分工组织会商研判",
    "老年人先行转移，儿童、病人、残疾人由专人护送",
    "巡堤查险每小时一次，险工险段专人盯守",
    "台风外围影响期间加固广告牌和临时棚房",
    "养老机构、学校、低洼院落逐户核对转移名单",
    "物资由储备点调运，车辆和船只汛前核对",
    "预警信息十分钟内叫应到村级责任人",
    "危险化学品企业停产撤人并报告",
    "安置点设医疗点，供水供电由专人负责",
    "响应结束后评估处置过程并修订预案",
)
RARE = "彩钢板房周边设置警戒"
HEADINGS = (
    "总则",
    "组织指挥体系与职责",
    "预防与预警机制",
    "人员转移与处置程序",
    "应急保障",
    "后期恢复",
    "附则",
    "附件",
)


def places() -> list[tuple[str, str, int, str | None]]:
    """A district with townships and villages; the benchmark needs their number, not their names."""
    made: list[tuple[str, str, int, str | None]] = [
        ("120000000000", "天津市", 1, None), ("120100000000", "市辖区", 2, "120000000000"),
        (DISTRICT, "静海区", 3, "120100000000"),
    ]  # fmt: skip
    for town in range(TOWNSHIPS):
        code = f"120118{100 + town}000"
        made.append((code, f"示例{town + 1}镇", 4, DISTRICT))
        made += [(f"{code[:9]}{201 + n}", f"示例{town + 1}镇{n + 1}村", 5, code) for n in range(VILLAGES)]
    return made


def build(folder: Path) -> Runtime:
    """An installation of its own: keys, configuration, migrated database, divisions, rules of plans."""
    folder.mkdir(parents=True)
    runtime = runtimes.build(Config(base=folder), create_keys=True)
    versions.upgrade(runtime.database.engine)
    with runtime.database.write() as session:
        for code, name, level, parent in places():
            session.add(Division(code=code, name=name, level=level, parent_code=parent, prefix=prefix(code)))
            session.flush()
        lawbook.load(session)
    return runtime


def fill(runtime: Runtime, plans: int, numbers: int) -> None:
    """Plans with their versions, all issued; about a fifth of them has something wrong with it."""
    dice = random.Random(7)
    moment, today = datetime.now(UTC), datetime.now(UTC).date()
    towns = [(code, name) for code, name, level, _above in places() if level == 4]
    villages = [(code, name) for code, name, level, _above in places() if level == 5]
    rows: list[dict[str, Any]] = []
    parents: dict[str, int] = {}
    for n in range(plans):
        if n == 0:
            kind, level, (code, name), above = PlanKind.SPECIAL, PlanLevel.DISTRICT, (DISTRICT, "静海区"), None
        elif n <= len(towns):
            kind, level, (code, name) = PlanKind.TOWNSHIP, PlanLevel.TOWNSHIP, towns[n - 1]
            above = parents[DISTRICT]
        else:
            kind, level, (code, name) = PlanKind.VILLAGE, PlanLevel.VILLAGE, villages[n % len(villages)]
            above = parents.get(code[:9] + "000")
        row = {
            "id": new_id(), "kind": kind, "level": level, "title": f"{name}防汛应急预案（示例{n}）",
            "division_code": code, "issuer": f"{name}示例机构", "parent_id": above, "state": PlanState.IN_FORCE,
            "public": True, "created_at": moment, "created_by": "system:benchmark", "version": 1,
            "evaluate_months": 36,
        }  # fmt: skip
        parents.setdefault(code, row["id"])
        rows.append(row)
    with runtime.database.write() as session:
        session.execute(sa.insert(Plan), rows)
        session.execute(sa.insert(PlanHazard), [{"plan_id": row["id"], "hazard": Hazard.FLOOD} for row in rows])
    before: dict[int, int] = {}
    for number in range(1, numbers + 1):
        _issue(runtime, rows, number, before, moment, today, dice)
    with runtime.database.write() as session:
        # Every village is asked for two plans, of which it has one: the coverage counts what is missing everywhere.
        session.add_all(
            PlanExposure(
                id=new_id(), division_code=DISTRICT, hazard=hazard, reach=Reach.VILLAGES, exposed=True,
                source="benchmark", noted_by="system:benchmark", noted_at=moment,
            )
            for hazard in (Hazard.FLOOD, Hazard.FIRE)
        )  # fmt: skip
    indexing.rebuild(runtime.database)
    with runtime.database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")


def _issue(
    runtime: Runtime, rows: list[dict[str, Any]], number: int, before: dict[int, int], moment: datetime, today: date,
    dice: random.Random,
) -> None:  # fmt: skip
    made, sections = [], []
    for row in rows:
        version_id = new_id()
        made.append({
            "id": version_id, "plan_id": row["id"], "number": number, "state": VersionState.DRAFT,
            "author": "system:benchmark", "created_at": moment, "edited_at": moment, "explanation": "", "version": 1,
            "parent_version_id": before.get(row["parent_id"] or 0) if dice.random() < 0.9 else None,
        })  # fmt: skip
        for position, heading in enumerate(HEADINGS, start=1):
            body = "。\n".join(dice.sample(WORDS, 4)) + "。"
            if dice.random() < 0.002:
                body += RARE + "。"
            sections.append({
                "id": new_id(), "version_id": version_id, "position": position, "depth": 1, "number": str(position),
                "heading": heading, "body": body, "part": None,
            })  # fmt: skip
    with runtime.database.write() as session:
        session.execute(sa.insert(PlanVersion), made)
        for start in range(0, len(sections), 5000):
            session.execute(sa.insert(PlanSection), sections[start : start + 5000])
        session.execute(
            sa.update(PlanVersion)
            .where(PlanVersion.state == VersionState.ISSUED, PlanVersion.replaced_at.is_(None))
            .values(replaced_at=moment)
        )
        session.execute(
            sa.update(PlanVersion)
            .where(PlanVersion.state == VersionState.DRAFT)
            .values(
                state=VersionState.ISSUED, approved_by="system:approver", approved_at=moment, issued_at=moment,
                issued_on=sa.case(
                    (PlanVersion.plan_id % 5 == 0, today - timedelta(days=1300)), else_=today - timedelta(days=200)
                ),
            )
        )  # fmt: skip
    before.update({row["plan_id"]: row["id"] for row in made})


def browser(runtime: Runtime) -> FlaskClient:
    """A planner of the district, signed in; the sign-in is measured elsewhere."""
    app = create_app(runtime)
    actor = Actor(
        kind="account", id=1, name="benchmark", roles=frozenset({Role.PLANNER}), division_prefix=prefix(DISTRICT),
        division_code=DISTRICT,
    )  # fmt: skip

    @app.before_request
    def _as() -> None:
        flask.g.actor = actor

    return app.test_client()


def ask(client: FlaskClient, path: str) -> tuple[float, float]:
    """Milliseconds of one page on the clock, and of this process' processor; anything but 200 ends the run."""
    began, worked = time.perf_counter(), time.process_time()
    answer = client.get(path)
    answer.get_data()
    took = ((time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000)
    if answer.status_code != 200:
        raise SystemExit(f"{path} answered {answer.status_code}")
    return took


def spread(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds; the processor's own beside the clock's, for a machine that others
    use too."""
    ordered, worked = sorted(wall for wall, _cpu in pairs), sorted(cpu for _wall, cpu in pairs)
    at = max(0, -(-95 * len(ordered) // 100) - 1)
    return {
        "p50_ms": round(statistics.median(ordered), 1), "p95_ms": round(ordered[at], 1),
        "cpu_p50_ms": round(statistics.median(worked), 1), "cpu_p95_ms": round(worked[at], 1),
    }  # fmt: skip


def main() -> int:
    """Build both, ask in turn, write, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", type=int, default=5000)
    parser.add_argument("--versions", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--limit", type=float, default=150.0, help="milliseconds of the 95th percentile")
    parser.add_argument("--only", default="", help="pages, apart by commas")
    parser.add_argument("--smoke", action="store_true", help="tiny, writes nothing, judges nothing")
    given = parser.parse_args()
    plans, numbers, repeat = (60, 2, 2) if given.smoke else (given.plans, given.versions, given.repeat)
    chosen = {name: path for name, path in PAGES.items() if not given.only or name in given.only.split(",")}
    with tempfile.TemporaryDirectory(prefix="emergency-plans-") as folder:
        empty, full = build(Path(folder) / "empty"), build(Path(folder) / "full")
        began = time.perf_counter()
        fill(full, plans, numbers)
        built = time.perf_counter() - began
        clients = {"empty": browser(empty), "full": browser(full)}
        began = time.perf_counter()
        gathering.gather(full.database, datetime.now(UTC))  # the faults, as the ticker keeps them
        gathered = time.perf_counter() - began
        print("gathered", round(gathered, 1), "s", flush=True)
        processes.settle()  # as the web server does before its first page
        results: dict[str, Any] = {}
        for name, path in chosen.items():
            times: dict[str, list[tuple[float, float]]] = {"empty": [], "full": []}
            for client in clients.values():
                ask(client, path)
            for _turn in range(repeat):
                for which, client in clients.items():
                    times[which].append(ask(client, path))
            results[name] = {which: spread(values) for which, values in times.items()}
            print(name, json.dumps(results[name]), flush=True)
        with full.database.read() as session:
            rows = session.scalar(sa.text("SELECT count(*) FROM plan_search"))
        for runtime in (empty, full):
            runtime.close()
    slow = [name for name, found in results.items() if found["full"]["p95_ms"] > given.limit]
    if given.smoke:
        return 0
    RESULTS.write_text(json.dumps({
        "plans": plans, "versions": numbers, "rows_in_index": rows, "built_in_s": round(built, 1),
        "gathered_in_s": round(gathered, 1), "repeat": repeat,
        "limit_ms": given.limit, "pages": results, "slow": slow, "load_before": round(os.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "cores": os.cpu_count(),
        "python": platform.python_version(), "sqlite": sqlite3.sqlite_version,
    }, ensure_ascii=False, indent=1) + "\n", "utf-8")  # fmt: skip
    for name in slow:
        print("SLOW", name, results[name]["full"]["p95_ms"], "ms")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
