"""Every place where a process can die, walked: the gateway keeps its own record in its own process, and it must agree."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import sqlalchemy as sa
from nursery import Child, Nursery
from support import (
    FAST,
    ROOT,
    Book,
    Gateway,
    Index,
    Sealer,
    account,
    counts,
    number,
    recipients,
    running,
    spec,
    wait_for,
)

from kernel.db import Database
from notify import failpoints, service
from notify.channels.twilio_sms import TwilioSms
from notify.engine import Engine, default_holder
from notify.models import Broadcast, Delivery, DeliveryBlock, EngineBeat
from notify.ports import Ports

PEOPLE = 24
SETTINGS = {"intent_chunk": 8, "absent_after_seconds": 1.0, "lease_seconds": 2.0, "request_timeout": 3.0}
RESOLVED_WITHIN = 60.0
"""Seconds from the restart until nothing is open, with nobody's help."""
HALF_LOST = {"share_500": 0.5, "share_500_after_accept": 0.5}


@dataclass(frozen=True)
class Walk:
    """Who dies there, at which time that the place is reached, and what must be so that it is reached at all."""

    who: str = "engine"
    hit: int = 1
    receipts: bool = False
    faults: dict[str, float] = field(default_factory=dict)


WALKS = {
    "entered": Walk("enter"),
    "claimed": Walk(),
    "addressed": Walk(),
    "intended": Walk(hit=2),
    "answered": Walk(hit=5),
    "settling": Walk(),
    "settled": Walk(),
    "released": Walk(),
    "receipt_verified": Walk("webhook", hit=3, receipts=True),
    "receipt_stored": Walk("webhook", hit=3, receipts=True),
    "folding": Walk(receipts=True),
    "folded": Walk(receipts=True),
    "reconciling": Walk(faults=HALF_LOST),
}
ENGINE_WALKS = [point for point, walk in WALKS.items() if walk.who == "engine"]


def quick_at(*quick: str) -> list[Any]:
    """The points, most of them marked slow: make test walks every kill, the landing run the rest as well."""
    return [point if point in quick else pytest.param(point, marks=pytest.mark.slow) for point in failpoints.POINTS]


def test_every_point_is_walked_and_every_walk_has_a_point() -> None:
    assert set(WALKS) == set(failpoints.POINTS)


@pytest.fixture(scope="module")
def mother(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("children"))
    yield nursery
    nursery.close()


@pytest.fixture
def nursery(mother: Nursery) -> Iterator[Nursery]:
    yield mother
    mother.clear()


@pytest.fixture
def scene(database: Database, database_url: str, gateway: Gateway, nursery: Nursery, start: int) -> Scene:
    return Scene(database, database_url, gateway, nursery, start)


class Scene:
    """One broadcast, one gateway, and processes that come and go."""

    def __init__(self, database: Database, url: str, gateway: Gateway, nursery: Nursery, start: int):
        self.database, self.url, self.gateway, self.nursery, self.start = database, url, gateway, nursery, start
        self.port = 0
        self.ids: list[int] = []
        with database.write() as session:
            recipients(session, start, PEOPLE)

    def begin(self, walk: Walk, failpoint: str) -> Child:
        """Bring the process that is to suffer to the place where it does."""
        self.gateway.faults(latency_ms=5, jitter_ms=10, receipts="final" if walk.receipts else "none", **walk.faults)
        if walk.who == "enter":
            return self.enters(failpoint)
        with self.database.write() as session:
            chosen = recipients(session, self.start, PEOPLE)
            self.ids.append(service.broadcast(session, spec(self.database), chosen).id)
        victim = None
        if walk.receipts:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
            victim = self.webhook(failpoint if walk.who == "webhook" else "")
            wait_for(self.answers)
        engine = self.engine(failpoint if walk.who == "engine" else "")
        return engine if walk.who == "engine" else victim or engine

    def engine(self, failpoint: str = "", **settings: float) -> Child:
        callback = f"http://127.0.0.1:{self.port}/status" if self.port else ""
        return self.nursery.start(
            "engine", database=self.url, gateway=self.gateway.url, callback=callback, failpoints=failpoint,
            settings={**SETTINGS, **settings},
        )  # fmt: skip

    def webhook(self, failpoint: str = "") -> Child:
        return self.nursery.start("webhook", database=self.url, port=self.port, failpoints=failpoint)

    def answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def enters(self, failpoint: str = "") -> Child:
        return self.nursery.start("enter", database=self.url, start=self.start, people=PEOPLE, failpoints=failpoint)

    def taken(self) -> dict[str, list[tuple[str, str]]]:
        """(reference, last status) of what the gateway's own record says of each of our numbers."""
        mine = {number(key) for key in range(self.start, self.start + PEOPLE)}
        run, found, status = "", {to: [] for to in mine}, {}  # type: ignore[var-annotated]
        lines = [json.loads(line) for line in self.gateway.record.read_text("utf-8").splitlines()]
        for line in lines:
            if line[0] == "s":
                status[line[1]] = line[2]
        for line in lines:
            if line[0] == "r":
                run = line[1]
            elif line[0] == "m" and line[2] in mine:
                found[line[2]].append((f"SM{run}{line[1]:016x}", status.get(line[1], "queued")))
        return found

    def is_exact(self, wanted: dict[str, int]) -> None:
        """Everybody once, and the ledger row of each carries the reference under which the gateway knows it."""
        [record_id] = self.ids
        found = self.taken()
        assert {to: len(messages) for to, messages in found.items()} == dict.fromkeys(found, 1)
        assert counts(self.database, record_id) == wanted
        with self.database.read() as session:
            rows = session.execute(sa.select(Delivery.address_key, Delivery.provider_ref, Delivery.state)).all()
        assert {number(key): (ref, state.value) for key, ref, state in rows} == {
            to: (ref, {"queued": "submitted"}.get(status, status)) for to, [(ref, status)] in found.items()
        }


def wanted(walk: Walk) -> dict[str, int]:
    return {"delivered" if walk.receipts else "submitted": PEOPLE}


def finish(scene: Scene, walk: Walk) -> None:
    [record_id] = scene.ids
    wait_for(lambda: counts(scene.database, record_id) == wanted(walk), RESOLVED_WITHIN)
    scene.is_exact(wanted(walk))


@pytest.mark.parametrize("point", failpoints.POINTS)
def test_kill_9_there_loses_nobody_and_doubles_nobody(scene: Scene, point: str) -> None:
    walk = WALKS[point]
    victim = scene.begin(walk, f"{point}=kill@{walk.hit}")
    assert victim.wait() == -9, f"{point} was not reached"
    scene.gateway.faults(receipts="final" if walk.receipts else "none")
    if walk.who == "enter":
        nothing_was_entered(scene)
        assert scene.enters().wait() == 0
        scene.ids = [the_only(scene.database)]
    if walk.who == "webhook":
        scene.webhook()
    else:
        scene.engine()
    finish(scene, walk)


def nothing_was_entered(scene: Scene) -> None:
    with scene.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Broadcast)) == 0
        assert session.scalar(sa.select(sa.func.count()).select_from(Delivery)) == 0
    assert not any(scene.taken().values())


def the_only(database: Database) -> int:
    with database.read() as session:
        return session.scalars(sa.select(Broadcast.id)).one()


@pytest.mark.parametrize("point", quick_at("entered", "intended", "answered", "receipt_stored"))
def test_a_fault_there_is_overcome_by_the_same_process(scene: Scene, point: str) -> None:
    walk = WALKS[point]
    victim = scene.begin(walk, f"{point}=fail@{walk.hit}")
    wait_for(lambda: victim.reached(point), 20)
    if walk.who == "enter":
        assert victim.wait() == 1
        nothing_was_entered(scene)
        assert scene.enters().wait() == 0
        scene.ids = [the_only(scene.database)]
        victim = scene.engine()
    scene.gateway.faults(receipts="final" if walk.receipts else "none")
    finish(scene, walk)
    assert victim.code() is None


@pytest.mark.parametrize(
    "point", [p for p in quick_at("intended") if str(getattr(p, "values", [p])[0]) in ENGINE_WALKS]
)
def test_frozen_there_longer_than_its_lease_it_is_fenced_off(scene: Scene, point: str) -> None:
    walk = WALKS[point]
    frozen = scene.begin(walk, f"{point}=freeze:3@{walk.hit}")
    wait_for(lambda: frozen.reached(point), 20)
    scene.gateway.faults(receipts="final" if walk.receipts else "none")
    scene.engine()
    finish(scene, walk)
    wait_for(lambda: "thawed" in frozen.log.read_text("utf-8"))
    # What it holds in memory is settled late, and changes nothing.
    time.sleep(0.5)
    scene.is_exact(wanted(walk))
    assert frozen.code() is None


def test_a_fresh_engine_under_the_dead_ones_number_need_not_wait_for_its_lease(scene: Scene) -> None:
    """In a container every engine has the same process number and often the same host name."""
    walk = WALKS["intended"]
    assert scene.begin(walk, "intended=kill").wait() == -9
    with scene.database.write() as session:
        session.execute(sa.update(DeliveryBlock).values(holder=default_holder()))
        session.execute(sa.update(EngineBeat).values(holder=default_holder(), pid=os.getpid()))
    settings = replace(FAST, lease_seconds=600.0, absent_after_seconds=0.4)
    ports = Ports(Book(), Sealer(), Index())
    fresh = Engine(scene.database, [TwilioSms(account(scene.gateway), timeout=1.0)], ports, settings)
    with running(fresh):
        finish(scene, walk)


def test_points_are_armed_from_the_environment_and_only_then(tmp_path: Any) -> None:
    code = "from notify import failpoints; failpoints.reach('claimed'); failpoints.reach('claimed'); print('lives')"

    def run(value: str | None) -> subprocess.CompletedProcess[str]:
        environment = {key: text for key, text in os.environ.items() if key != failpoints.VARIABLE}
        if value is not None:
            environment[failpoints.VARIABLE] = value
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30
        )

    assert run(None).stdout == "lives\n"
    assert run("claimed=kill@2").returncode == -9
    assert run("claimed=kill@3").stdout == "lives\n"
    assert "Tripped: claimed" in run("claimed=fail").stderr
    refused = run("claimd=kill")
    assert refused.returncode == 1 and "claimd=kill" in refused.stderr


@pytest.mark.parametrize("wrong", ["claimed", "claimed=explode", "nowhere=kill", "claimed=freeze:x", "claimed=kill@x"])
def test_a_wish_that_makes_no_sense_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        failpoints.arm(wrong)
    failpoints.arm("")
