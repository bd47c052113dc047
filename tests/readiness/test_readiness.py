"""What is wrong today: one row as long as the fault lasts, owned, counted, put aside with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from emergency.config import Config
from emergency.http.permissions import Role
from emergency.readiness import api, gathering, jobs, rules, seed, service, system, views
from emergency.readiness.models import Defect, ScoreDay, Severity
from kernel.clock import ManualClock
from kernel.db import Database, Touched, touch
from kernel.errors import Forbidden, Invalid, NotFound
from scheduler.models import CalendarYear, ClockStep, JobState
from scheduler.ticker import Ticker
from tests.asking.support import OTHER_TOWN, TOWN, VILLAGE, World, app_with, build, person

PLANNER = person(Role.PLANNER)


class Room:
    """A room whose faults the test decides."""

    def __init__(self) -> None:
        self.faults: list[Any] = []
        self.asked: list[Any] = []
        self.broken = False

    def defects(self, _session: Any, _now: datetime, limit_to: Any = None) -> Iterator[Any]:
        self.asked.append(limit_to)
        if self.broken:
            raise RuntimeError("no")
        yield from self.faults


def fault(n: int, **more: Any) -> dict[str, Any]:
    return {
        "rule": "post_vacant", "subject_kind": "post", "subject_id": n, "division_code": VILLAGE, "severity": "orange",
        "reason": "Nothing is wrong today", "params": {}, "url": f"/posts/{n}",
    } | more  # fmt: skip


@pytest.fixture
def world(database: Database) -> World:
    return build(database)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, world: World) -> Room:
    monkeypatch.setattr(gathering, "_ROOMS", {})
    made = Room()
    service.register("posts", made.defects)
    return made


@pytest.fixture
def listed(database: Database) -> Callable[..., list[int]]:
    def lists(actor: Any = PLANNER, **filters: Any) -> list[int]:
        with database.read() as session:
            return [d.subject_id for d in service.open_defects(session, actor, **filters).items]

    return lists


def test_a_fault_is_one_row_from_when_it_is_seen_until_it_is_mended(
    room: Room, database: Database, clock: ManualClock
) -> None:
    room.faults = [fault(1), fault(2)]
    assert service.gather(database, clock.now()) == 2
    began = clock.now()
    clock.advance(timedelta(days=2))
    assert service.gather(database, clock.now()) == 0
    room.faults = [fault(2, severity="red", url="/posts/2/holder")]
    assert service.gather(database, clock.now()) == 2
    with database.read() as session:
        rows = session.scalars(sa.select(Defect).order_by(Defect.subject_id)).all()
    assert [(r.subject_id, r.since, r.closed_at) for r in rows] == [(1, began, clock.now()), (2, began, None)]
    assert (rows[1].severity, rows[1].severity_rank, rows[1].url) == (Severity.RED, 0, "/posts/2/holder")
    room.faults = [fault(1), fault(2)]
    service.gather(database, clock.now())
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Defect)) == 3, "what comes back is a new fault"


def test_the_database_refuses_two_open_rows_of_one_fault(room: Room, database: Database, clock: ManualClock) -> None:
    room.faults = [fault(1)]
    service.gather(database, clock.now())
    with pytest.raises(sa.exc.IntegrityError), database.write() as session:
        row = session.scalars(sa.select(Defect)).one()
        values = {c.name: getattr(row, c.name) for c in Defect.__table__.columns} | {"id": 7}
        session.execute(sa.insert(Defect).values(**values))


def test_a_touched_record_is_looked_at_again_at_once_and_nothing_else_is_closed(
    room: Room, database: Database, clock: ManualClock
) -> None:
    room.faults = [fault(1), fault(2)]
    service.gather(database, clock.now())
    with database.write() as session:
        touch(session, "post", 1)
        touch(session, "post", 3)
    room.faults = [fault(3)]  # a limited look: what was not asked about is not reported
    assert service.look_again(database, clock.now()) == 2
    assert room.asked[-1] == frozenset({("post", 1), ("post", 3)})
    with database.read() as session:
        still_open = session.scalars(sa.select(Defect.subject_id).where(Defect.closed_at.is_(None)))
        assert sorted(still_open) == [2, 3]
        assert session.scalars(sa.select(Touched)).all() == []
    assert service.look_again(database, clock.now()) == 0


def test_what_is_touched_again_meanwhile_is_not_forgotten(room: Room, database: Database, clock: ManualClock) -> None:
    with database.write() as session:
        touch(session, "post", 1)

    def touches_again(_session: Any, _now: datetime, _limit: Any = None) -> list[Any]:
        clock.advance(1)
        with database.write() as session:
            touch(session, "post", 1)
        return []

    service.register("posts", touches_again)
    service.look_again(database, clock.now())
    with database.read() as session:
        assert [t.subject_id for t in session.scalars(sa.select(Touched))] == [1]


def test_a_limited_look_that_yields_more_than_asked_opens_nothing_twice(
    room: Room, database: Database, clock: ManualClock
) -> None:
    room.faults = [fault(1), fault(2)]
    service.gather(database, clock.now())
    with database.write() as session:
        touch(session, "post", 1)
    assert service.look_again(database, clock.now()) == 0


def test_a_room_that_fails_keeps_its_rows_and_stops_no_other(
    room: Room, database: Database, clock: ManualClock, listed: Callable[..., list[int]]
) -> None:
    other = Room()
    service.register("supplies", other.defects)
    room.faults, other.faults = [fault(1)], []
    service.gather(database, clock.now())
    room.broken, other.faults = True, [fault(9)]
    with pytest.raises(gathering.GatheringFailed, match="posts"):
        service.gather(database, clock.now())
    assert listed() == [1, 9]


@dataclass
class Reported:
    """A fault as an object instead of a mapping."""

    rule: str = "r"
    subject: tuple[str, int] = ("post", 5)
    division_code: str = VILLAGE
    reason: str = "why"
    severity: Severity = Severity.RED
    due: datetime | None = None


def test_a_fault_may_be_a_mapping_or_an_object_but_never_half_of_one() -> None:
    assert rules.read(Reported()).key == ("r", "post", 5)
    assert rules.read(fault(1)).severity is Severity.ORANGE
    with pytest.raises(ValueError, match="division_code"):
        rules.read({"rule": "r", "subject": ("post", 1), "reason": "x"})
    with pytest.raises(ValueError, match="purple"):
        rules.read(fault(1, severity="purple"))


def test_the_list_is_by_urgency_in_scope_and_filtered(
    room: Room, database: Database, clock: ManualClock, listed: Callable[..., list[int]]
) -> None:
    room.faults = [
        fault(1, severity="blue"), fault(2, severity="red"), fault(3, division_code=OTHER_TOWN), fault(4),
    ]  # fmt: skip
    service.gather(database, clock.now())
    assert listed() == [2, 3, 4, 1]
    assert listed(person(Role.LIAISON, division=TOWN)) == [2, 4, 1]
    assert listed(division_code=OTHER_TOWN) == [3]
    assert listed(severity=Severity.RED) == [2]
    assert listed(room="plans") == []
    with database.read() as session:
        first = service.open_defects(session, PLANNER, limit=3)
        rest = service.open_defects(session, PLANNER, limit=3, cursor=first.next_cursor)
        assert [d.subject_id for d in rest.items] == [1]
        with pytest.raises(Invalid):
            service.open_defects(session, PLANNER, division_code="1201")


def test_a_fault_is_put_aside_with_a_reason_and_comes_back_by_itself(
    room: Room, database: Database, clock: ManualClock, listed: Callable[..., list[int]]
) -> None:
    room.faults = [fault(1)]
    service.gather(database, clock.now())
    with database.read() as session:
        defect_id = service.open_defects(session, PLANNER).items[0].id
    until = clock.now() + timedelta(days=10)
    for bad in ({"reason": " "}, {"until": clock.now()}, {"until": clock.now() + timedelta(days=91)}):
        with pytest.raises(Invalid), database.write() as session:
            given: dict[str, Any] = {"until": until, "reason": "等换届"} | bad
            service.mute(session, actor=PLANNER, defect_id=defect_id, **given)
    with pytest.raises(Forbidden), database.write() as session:
        service.mute(session, actor=person(Role.STOREKEEPER), defect_id=defect_id, until=until, reason="x")
    with pytest.raises(NotFound), database.write() as session:
        elsewhere = person(Role.PLANNER, division=OTHER_TOWN)
        service.mute(session, actor=elsewhere, defect_id=defect_id, until=until, reason="x")
    with database.write() as session:
        service.mute(session, actor=PLANNER, defect_id=defect_id, until=until, reason="等换届")
    service.gather(database, clock.now())
    assert listed() == [] and listed(muted=True) == [1]
    with database.read() as session:
        assert service.score(session, PLANNER).value == 100
    clock.advance(timedelta(days=11))
    assert listed() == [1]


@given(st.dictionaries(st.sampled_from(Severity), st.integers(0, 500)), st.integers(0, 30))
def test_the_score_stays_in_its_range_and_is_whole_only_without_serious_faults(
    counts: dict[Severity, int], townships: int
) -> None:
    value = rules.score(counts, townships)
    serious = counts.get(Severity.RED, 0) + counts.get(Severity.ORANGE, 0) + counts.get(Severity.YELLOW, 0)
    assert 0 <= value <= 100 and (value == 100) == (serious == 0)
    assert rules.score(counts | {Severity.RED: counts.get(Severity.RED, 0) + 1}, townships) <= value


def test_the_score_of_each_day_is_kept_once(room: Room, database: Database, clock: ManualClock) -> None:
    room.faults = [fault(1, severity="red")]
    service.gather(database, clock.now())
    assert jobs.keep_score(database, clock.now()) == 3
    room.faults = []
    service.gather(database, clock.now())
    assert jobs.keep_score(database, clock.now()) == 0
    with database.read() as session:
        rows = session.execute(sa.select(ScoreDay.division_code, ScoreDay.day, ScoreDay.score)).all()
        assert {(r.day, r.score) for r in rows} == {("2026-11-23", 100)}
    clock.advance(timedelta(days=1))
    assert jobs.keep_score(database, clock.now()) == 3
    with database.read() as session:
        assert service.score(session, PLANNER).trend == [("2026-11-23", 100), ("2026-11-24", 100)]


def test_the_machinery_reports_its_own_faults(world: World, database: Database, clock: ManualClock) -> None:
    def rules_found() -> list[str]:
        with database.read() as session:
            return [found["rule"] for found in system.defects(session, clock.now())]

    assert rules_found() == ["holidays_missing"]
    jobs.import_calendar(database, clock.now())
    assert jobs.import_calendar(database, clock.now()) == 0, "what was imported by hand is left alone"
    assert rules_found() == []
    with database.write() as session:
        session.add(
            JobState(name="asking.escalate", next_at=clock.now(), runs=9, failures=3, failing_since=clock.now())
        )
        session.add(ClockStep(at=clock.now(), seconds=-3600, holder="x"))
    assert rules_found() == ["job_fails", "clock_stepped"]
    clock.set(datetime(2026, 12, 2, tzinfo=UTC))
    assert rules_found() == ["job_fails", "holidays_missing"]


def test_the_ticker_and_the_seed_gather(room: Room, database: Database, clock: ManualClock) -> None:
    room.faults = [fault(1)]
    seed.seed(database, scale=1)
    with database.read() as session:
        assert session.scalars(sa.select(CalendarYear.year)).all() == [2024, 2025, 2026]
        assert session.scalar(sa.select(sa.func.count()).select_from(Defect)) == 1
    room.faults = []
    assert Ticker(database, jobs.JOBS).tick()["readiness.gather"] == 1


@pytest.fixture
def app(database: Database, config: Config, room: Room) -> flask.Flask:
    made = app_with(database, config, [views], [api.blueprint])
    made.config["ACTOR"] = PLANNER
    return made


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return app.test_client()


def test_the_page_names_the_fault_its_owner_and_where_to_mend_it(
    client: FlaskClient, room: Room, database: Database, clock: ManualClock, world: World
) -> None:
    room.faults = [
        fault(1, owner_post_id=world.posts["town"], due_at=clock.now() + timedelta(days=1)),
        fault(2, reason="%(missing)s is not there", severity="red"),
    ]
    service.gather(database, clock.now())
    page = client.get("/readiness").text
    assert "今天有 2 项缺陷" in page and "台头镇 防汛责任人" in page and 'href="/posts/1"' in page
    assert client.get(f"/readiness?room=posts&severity=red&division={TOWN}").status_code == 200
    assert client.get("/readiness?division=12").status_code == 422
    with database.read() as session:
        defect = service.open_defects(session, PLANNER).items[1]
    shown = client.get(f"/readiness/{defect.id}").text
    assert "去整改" in shown and "posts.post_vacant" in shown
    assert client.get("/readiness/5").status_code == 404


def test_a_fault_is_put_aside_and_taken_up_again_on_its_page(
    client: FlaskClient, room: Room, database: Database, clock: ManualClock
) -> None:
    room.faults = [fault(1)]
    service.gather(database, clock.now())
    with database.read() as session:
        url = f"/readiness/{service.open_defects(session, PLANNER).items[0].id}"
    for bad in (
        {"until": "2026-12-24"},
        {"until": "soon", "reason": "等"},
        {"until": "2028-01-01", "reason": "等换届"},
    ):
        response = client.post(f"{url}/mute", data=bad)
        assert response.status_code == 422 and "has-error" in response.text
    assert client.post(f"{url}/mute", data={"until": "2026-12-24", "reason": "等换届"}).status_code == 303
    assert "等换届" in client.get(url).text and "/posts/1" in client.get("/readiness?muted=1").text
    assert client.post(f"{url}/unmute").status_code == 303
    assert "今天有 1 项缺陷" in client.get("/readiness").text


def test_defects_in_json(client: FlaskClient, room: Room, database: Database, clock: ManualClock) -> None:
    room.faults = [fault(1), fault(2, severity="red")]
    service.gather(database, clock.now())
    listed = client.get("/api/v1/defects?limit=1").json
    assert listed is not None and [item["severity"] for item in listed["items"]] == ["red"]
    rest = client.get(f"/api/v1/defects?limit=1&cursor={listed['next_cursor']}").json
    assert rest is not None and [item["url"] for item in rest["items"]] == ["/posts/1"]
    assert client.get("/api/v1/defects?severity=purple").status_code == 422


def test_nothing_wrong_is_said_kindly(client: FlaskClient) -> None:
    assert "今天没有缺陷" in client.get("/readiness").text


def test_rooms_that_count_in_days_and_name_no_severity_are_understood() -> None:
    from datetime import date

    from emergency.divisions.defects import Defect as DayDefect

    found = rules.read(
        DayDefect(
            "posts", "post_vacant", "post", 4, VILLAGE, "why", date(2026, 11, 20), "/posts/4", due=date(2026, 12, 1)
        )
    )
    assert found.severity is Severity.RED
    assert found.since is not None and found.since.isoformat() == "2026-11-20T00:00:00+08:00"
    assert found.due_at is not None and found.due_at.isoformat() == "2026-12-02T00:00:00+08:00"
    assert rules.read(fault(1, severity=None, rule="drill_overdue:fire")).severity is Severity.ORANGE
    assert rules.read(fault(1, severity=None, rule="whatever")).severity is Severity.YELLOW


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")
def test_every_room_of_the_house_speaks_the_language_of_defects(world: World, database: Database) -> None:
    from emergency.runtime import furniture

    for _name, module in furniture("defects"):
        with database.read() as session:
            for given in module.defects(session, database.clock.now(), None):
                rules.read(given)
            for given in module.defects(session, database.clock.now(), frozenset({("post", world.posts["town"])})):
                rules.read(given)
