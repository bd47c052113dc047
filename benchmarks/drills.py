"""Drills at scale: `python benchmarks/drills.py [--units 2000] [--smoke]`; writes `benchmarks/drills.json`.

A district with so many units (schools, kindergartens, chemical plants, malls, care homes …), for each of them a
programme by every kind of drill that its adopted rules ask for, and a year of records; beside it the same district
without a unit. Measured by the product's own jobs and web application: writing the dates of 13 months, the table of
standings, the proposed year, the pages of compliance, a liaison's page without sign-in and its bytes, a township's
calendar feed. Seconds of a job, milliseconds of a page from the request to the last byte, in the process; median and
95th percentile, both districts in turn. What is over its goal says `SLOW` and ends with status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import secrets
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import flask
import sqlalchemy as sa
from flask.testing import FlaskClient
from plans import DISTRICT, ask, build, places, spread

from emergency import create_app
from emergency.asking import sending
from emergency.asking.models import Link, Question
from emergency.divisions.models import Unit, UnitKind, UnitSector
from emergency.divisions.rules import prefix
from emergency.divisions.sectors import SECTORS
from emergency.drills import compliance, feeds, jobs, lawbook, proposing, proposing_jobs, service, standings
from emergency.drills.feed_models import FeedOf
from emergency.drills.models import (
    Content,
    DrillKind,
    Form,
    Occurrence,
    OccurrenceState,
    Programme,
    ProgrammePost,
    ProgrammeRule,
    ProgrammeState,
    Record,
)
from emergency.drills.proposal_models import ProposalItem, ProposalState, YearProposal
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.contacts import service as contacts
from emergency.people.posts.models import Duty, Post, PostHolder, PostState
from emergency.runtime import Runtime
from emergency.wiring import wire
from kernel.clock import BEIJING
from kernel.ids import new_id
from scheduler.recurrence import Freq, OnBreak, OnHoliday, Recurrence
from scheduler.workdays import import_known

RESULTS = Path(__file__).parent / "drills.json"
PLANNER = Actor(
    kind="account", id=1, name="benchmark", roles=frozenset({Role.PLANNER}), division_prefix=prefix(DISTRICT),
    division_code=DISTRICT,
)  # fmt: skip
TOWN = "120118104000"
PAGES = {
    "compliance": "/drills/compliance",
    "compliance_overdue": "/drills/compliance?standing=overdue",
    "compliance_township": f"/drills/compliance?town={TOWN}",
    "compliance_unit": "/drills/compliance?unit={unit}",
    "calendar": "/drills/calendar",
    "overview": "/drills?days=30",
    "liaison": "{liaison}",
    "feed": "{feed}",
}
LIMITS = {"liaison": 50.0, "feed": 50.0}
PAGE_MS, WRITE_SECONDS, YEAR_SECONDS, LIAISON_BYTES = 150.0, 10.0, 60.0, 15_000
KINDS_OF_UNITS: tuple[tuple[int, tuple[str, ...], str], ...] = (
    (20, ("primary_school",), "小学"), (6, ("middle_school",), "中学"), (3, ("middle_school", "boarding_school"), "高中"),
    (20, ("kindergarten",), "幼儿园"), (2, ("nursery",), "托育园"), (6, ("care_home",), "养老院"),
    (3, ("hospital",), "医院"), (5, ("medical",), "诊所"), (8, ("mall",), "商场"), (3, ("hotel",), "宾馆"),
    (2, ("entertainment",), "影院"), (4, ("hazchem",), "化工厂"), (2, ("major_hazard_source",), "危化品库"),
    (4, ("construction",), "工地"), (6, ("medium_plus",), "机械厂"), (3, ("gas",), "燃气站"),
    (2, ("special_equipment",), "锅炉房"), (1, ("public_transport",), "公交场站"),
)  # fmt: skip
"""How many of a hundred, their tags, the word in their names."""


def fill_units(runtime: Runtime, count: int) -> int:
    """Units of every sort, spread over the villages; returns the first unit's id."""
    dice = random.Random(11)
    villages = [(code, name) for code, name, level, _above in places() if level == 5]
    sorts = [sort for sort in KINDS_OF_UNITS for _n in range(sort[0])]
    rows, tags = [], []
    for number in range(count):
        _share, sectors, word = dice.choice(sorts)
        code, name = villages[number % len(villages)]
        row = {
            "id": new_id(), "code": f"B{number:05}", "name": f"{name}示例{word}{number}", "division_code": code,
            "kind": SECTORS[sectors[0]].kind, "sectors": list(sectors), "crowded": False,
            "key_fire": dice.random() < 0.2, "low_lying": False, "people": dice.randrange(20, 1500),
        }  # fmt: skip
        rows.append(row)
        tags += [{"unit_id": row["id"], "sector": sector} for sector in sectors]
    with runtime.database.write() as session:
        session.execute(sa.insert(Unit), rows)
        session.execute(sa.insert(UnitSector), tags)
    return int(rows[0]["id"])


def fill_programmes(runtime: Runtime) -> int:
    """For each unit and each kind that its adopted rules ask for one programme, as often as the strictest of them."""
    dice, today = random.Random(13), datetime.now(BEIJING).date()
    moment = datetime.now(UTC)
    made: list[dict[str, Any]] = []
    served: list[dict[str, Any]] = []
    with runtime.database.read() as session:
        book = compliance.book(session, adopted_only=True)
        units = session.scalars(sa.select(Unit).order_by(Unit.id)).all()
        for unit in units:
            wanted: dict[DrillKind, list[Any]] = defaultdict(list)
            for rule in book.for_unit(unit):
                kinds = sorted(book.kinds_of(rule), key=lambda kind: kind.value)
                if rule.months and kinds:
                    wanted[next((kind for kind in kinds if kind in wanted), kinds[0])].append(rule)
            for kind, rules in wanted.items():
                programme_id = new_id()
                school = unit.kind in (UnitKind.SCHOOL, UnitKind.KINDERGARTEN)
                recurrence = Recurrence(
                    Freq.MONTHLY, today.replace(day=1), interval=min(rule.months for rule in rules),
                    day=dice.randrange(3, 29), on_holiday=OnHoliday.NEXT,
                    on_break=OnBreak.SKIP if school else OnBreak.KEEP,
                )  # fmt: skip
                made.append({
                    "id": programme_id, "title": f"{unit.name}{kind.zh}演练", "kind": kind, "form": Form.FIELD,
                    "content": Content.SINGLE, "division_code": unit.division_code, "unit_id": unit.id,
                    "recurrence": recurrence.to_json(), "starts_on": recurrence.start,
                    "start_time": clock_time(9 + dice.randrange(7), 30), "duration_minutes": 40, "place": "集合点",
                    "state": ProgrammeState.ACTIVE, "created_by": "system:benchmark", "created_at": moment,
                    "version": 1,
                })  # fmt: skip
                served += [{"programme_id": programme_id, "rule_id": rule.id} for rule in rules]
    with runtime.database.write() as session:
        for start in range(0, len(made), 2000):
            session.execute(sa.insert(Programme), made[start : start + 2000])
        for start in range(0, len(served), 5000):
            session.execute(sa.insert(ProgrammeRule), served[start : start + 5000])
    return len(made)


def fill_history(runtime: Runtime) -> int:
    """A year of the past: held with a record, but for every tenth, which nobody held."""
    dice, today = random.Random(17), datetime.now(BEIJING).date()
    held, records = [], []
    with runtime.database.read() as session:
        programmes = session.execute(
            sa.select(
                Programme.id, Programme.title, Programme.kind, Programme.division_code, Programme.unit_id,
                Programme.recurrence,
            )
        ).all()  # fmt: skip
    for programme in programmes:
        every = 30 * int(programme.recurrence.get("interval", 1))
        for days in range(min(20, every // 2), 365, every):
            on = today - timedelta(days=days + dice.randrange(5))
            starts = datetime.combine(on, clock_time(10), BEIJING)
            missed = dice.random() < 0.1
            row = {
                "id": new_id(), "programme_id": programme.id, "slot_on": on, "starts_at": starts,
                "ends_at": starts + timedelta(minutes=40), "title": programme.title, "kind": programme.kind,
                "division_code": programme.division_code, "unit_id": programme.unit_id,
                "state": OccurrenceState.MISSED if missed else OccurrenceState.HELD, "provisional": False,
                "due_at": starts + timedelta(days=7), "done_at": None if missed else starts, "sequence": 0, "version": 1,
            }  # fmt: skip
            held.append(row)
            if not missed:
                records.append({
                    "id": new_id(), "occurrence_id": row["id"], "started_at": starts, "ended_at": row["ends_at"],
                    "attendance": 120, "expected": 125, "recorded_by": "system:benchmark", "recorded_at": starts,
                    "version": 1,
                })  # fmt: skip
    with runtime.database.write() as session:
        known = {
            (row.programme_id, row.slot_on)
            for row in session.execute(sa.select(Occurrence.programme_id, Occurrence.slot_on))
        }
        fresh = [row for row in held if (row["programme_id"], row["slot_on"]) not in known]
        ids = {row["id"] for row in fresh}
        kept = [row for row in records if row["occurrence_id"] in ids]
        for rows, model in ((fresh, Occurrence), (kept, Record)):
            for start in range(0, len(rows), 4000):
                session.execute(sa.insert(model), rows[start : start + 4000])
    with runtime.database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
    return len(fresh)


def liaison_page(runtime: Runtime, division: str) -> str:
    """A drill of next month, one post that is asked about it, and the address that its message carries."""
    with runtime.database.write() as session:
        day = datetime.now(BEIJING).date() + timedelta(days=30)
        post = Post(
            id=new_id(), division_code=division, duty=Duty.LIAISON, responsible=True, state=PostState.HELD, version=1,
            title="",
        )  # fmt: skip
        session.add(post)
        contact = contacts.create(session, name="示例某", phone="15400000001")
        session.add(PostHolder(id=new_id(), post_id=post.id, contact_id=contact.id, order=0, since=datetime.now(UTC)))
        session.flush()
        service.create_programme(
            session, actor=Actor.system("benchmark"),
            facts=service.NewProgramme(
                "示例镇防汛转移演练", DrillKind.FLOOD, Form.FIELD, division, _once(day), clock_time(9), place="镇政府广场",
                post_ids=[post.id],
            ),
        )  # fmt: skip
    with runtime.database.write() as session:
        occurrence_id = session.scalars(
            sa.select(Occurrence.id)
            .join(ProgrammePost, ProgrammePost.programme_id == Occurrence.programme_id)
            .where(ProgrammePost.post_id == post.id)
        ).one()
        service.invite(session, actor=Actor.system("benchmark"), occurrence_id=occurrence_id)
        question_id = session.scalars(sa.select(Question.id).where(Question.post_id == post.id)).one()
        token = secrets.token_urlsafe(18)
        session.add(
            Link(
                id=new_id(), question_id=question_id, token_digest=sending.digest(session, token),
                recipient=f"post:{post.id}", contact_id=contact.id, created_at=datetime.now(UTC),
            )
        )  # fmt: skip
    return f"/c/{token}"


def _once(day: date) -> Recurrence:
    return Recurrence(Freq.YEARLY, day, until=day)


def feed_page(runtime: Runtime) -> str:
    """A township's calendar."""
    with runtime.database.write() as session:
        _feed, raw = feeds.create(session, actor=Actor.system("benchmark"), source=FeedOf.DIVISION, division_code=TOWN)
    return f"/calendar/{raw}.ics"


def propose_year(runtime: Runtime) -> tuple[float, int]:
    """Seconds until next year's calendar of the whole district is ready, and how many dates it proposes."""
    began = time.perf_counter()
    with runtime.database.write() as session:
        proposal = proposing.create(
            session, actor=Actor.system("benchmark"), year=datetime.now(BEIJING).year + 1, division_code=DISTRICT
        )
    while True:
        proposing_jobs.work(runtime.database, datetime.now(UTC))
        with runtime.database.read() as session:
            if session.get_one(YearProposal, proposal.id).state is not ProposalState.COMPUTING:
                items = session.scalar(sa.select(sa.func.count()).select_from(ProposalItem)) or 0
                return time.perf_counter() - began, items
        if time.perf_counter() - began > 600:
            raise SystemExit("the year's calendar was not ready after ten minutes")


def browser(runtime: Runtime) -> FlaskClient:
    """A planner of the district on the pages of drills; a stranger on the pages that need no sign-in."""
    app = create_app(runtime)
    # a benchmark asks for the same page far oftener than any calendar programme may
    app.extensions["emergency.patience"] = _NoLimit()

    @app.before_request
    def _as() -> None:
        if flask.request.path.startswith("/drills"):
            flask.g.actor = PLANNER

    return app.test_client()


class _NoLimit(dict[str, Any]):
    def setdefault(self, key: str, default: Any = None) -> Any:
        return self

    def take(self, address: str) -> None:
        """Nobody waits."""


def whole_bytes(client: FlaskClient, path: str) -> int:
    """The page with every style sheet and script that it loads, in bytes."""
    page = client.get(path)
    parts = set(re.findall(r'<(?:link|script)[^>]+(?:href|src)="(/static/[^"]+)"', page.text))
    icons = set(re.findall(r'<link[^>]+rel="icon"[^>]+href="([^"]+)"', page.text))
    return len(page.data) + sum(len(client.get(part).data) for part in parts - icons)


def timed(name: str, work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds on the clock, and what the work returned."""
    began = time.perf_counter()
    found = work()
    took = time.perf_counter() - began
    print(f"{name}: {took:.2f} s ({found})", flush=True)
    return took, found


def measure(clients: dict[str, tuple[FlaskClient, dict[str, str]]], chosen: list[str], repeat: int) -> dict[str, Any]:
    """Each page of both districts in turn."""
    results: dict[str, Any] = {}
    for name in chosen:
        times: dict[str, list[tuple[float, float]]] = {which: [] for which in clients}
        paths = {which: _where(client, PAGES[name].format(**known)) for which, (client, known) in clients.items()}
        for which, (client, _known) in clients.items():
            ask(client, paths[which])
        for _turn in range(repeat):
            for which, (client, _known) in clients.items():
                times[which].append(ask(client, paths[which]))
        results[name] = {which: spread(values) for which, values in times.items()}
        print(name, json.dumps(results[name]), flush=True)
    return results


def _where(client: FlaskClient, path: str) -> str:
    """The page behind an address that only leads to it."""
    answer = client.get(path)
    return str(answer.headers["Location"]) if answer.status_code in (302, 303) else path


def installation(folder: Path) -> Runtime:
    """An installation with the law's rules and the announced working days."""
    runtime = build(folder)
    wire(runtime)
    with runtime.database.write() as session:
        lawbook.load(session)
        import_known(session)
    return runtime


def main() -> int:
    """Build both, run the jobs, ask in turn, write, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--limit", type=float, default=PAGE_MS, help="milliseconds of a page's 95th percentile")
    parser.add_argument("--only", default="", help="pages, apart by commas")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--smoke", action="store_true", help="tiny, judges nothing")
    given = parser.parse_args()
    count, repeat = (40, 2) if given.smoke else (given.units, given.repeat)
    chosen = [name for name in PAGES if not given.only or name in given.only.split(",")]
    load = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory(prefix="emergency-drills-") as folder:
        empty, full = installation(Path(folder) / "empty"), installation(Path(folder) / "full")
        unit = fill_units(full, count)
        # The year first: nothing is planned yet, so that every window of every rule wants a date.
        year, items = propose_year(full)
        print(f"year: {year:.2f} s ({items})", flush=True)
        programmes = fill_programmes(full)
        written, dates = timed("13 months of dates", lambda: jobs.write_ahead(full.database, datetime.now(UTC)))
        again, _none = timed("the same again", lambda: jobs.write_ahead(full.database, datetime.now(UTC)))
        history = fill_history(full)
        kept, _rows = timed("table of standings", lambda: standings.keep(full.database, datetime.now(UTC)))
        standings.keep(empty.database, datetime.now(UTC))
        clients = {
            which: (browser(runtime), {
                "unit": str(unit if which == "full" else ""), "liaison": liaison_page(runtime, TOWN), "feed": feed_page(runtime),
            })
            for which, runtime in (("empty", empty), ("full", full))
        }  # fmt: skip
        results = measure(clients, chosen, repeat)
        client, known = clients["full"]
        sizes = {
            "liaison_bytes": whole_bytes(client, known["liaison"]),
            "feed_bytes": len(client.get(known["feed"]).data),
        }
        sizes["feed_events"] = client.get(known["feed"]).data.count(b"BEGIN:VEVENT")
        print(json.dumps(sizes), flush=True)
        for runtime in (empty, full):
            runtime.close()
    seconds = {"dates": written, "dates_again": again, "standings": kept, "year": year}
    slow = judge(results, seconds, sizes, given.limit)
    given.output.write_text(json.dumps({
        "units": count, "programmes": programmes, "dates": dates, "history": history, "proposed": items,
        "seconds": {name: round(took, 2) for name, took in seconds.items()}, **sizes, "repeat": repeat,
        "limit_ms": given.limit, "pages": results, "slow": slow, "load_before": load,
                "nice": os.nice(0),
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "cores": os.cpu_count(),
        "python": platform.python_version(), "sqlite": sqlite3.sqlite_version,
    }, ensure_ascii=False, indent=1) + "\n", "utf-8")  # fmt: skip
    for fault in slow:
        print("SLOW", fault)
    return 1 if slow and not given.smoke else 0


def judge(results: dict[str, Any], seconds: dict[str, float], sizes: dict[str, int], limit: float) -> list[str]:
    """What is over its goal, as lines."""
    slow = [
        f"{name} {found['full']['p95_ms']} ms, goal {LIMITS.get(name, limit)}"
        for name, found in results.items()
        if found["full"]["p95_ms"] > LIMITS.get(name, limit)
    ]
    for name, goal in (("dates", WRITE_SECONDS), ("year", YEAR_SECONDS)):
        if seconds[name] > goal:
            slow.append(f"{name} {seconds[name]:.1f} s, goal {goal}")
    if sizes["liaison_bytes"] > LIAISON_BYTES:
        slow.append(f"liaison {sizes['liaison_bytes']} bytes, goal {LIAISON_BYTES}")
    return slow


if __name__ == "__main__":
    sys.exit(main())
