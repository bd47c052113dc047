"""The 2023 东淀 evacuation, played as an exercise against the local gateway.

What happened: on 2 August 2023 台头, 独流 and 王口 were told to move 23 villages by noon of the next day; during the
event the list grew to 26. The rehearsal writes that warning, has another person approve it, watches the phones, lets the
area grow in mid-event without starting again, gives the all-clear, and says in minutes and people what came of it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.commands.common import _
from emergency.divisions import service as divisions
from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.people.accounts import service as accounts
from emergency.processes import STOP_SECONDS, AlreadyRunning, die_with_parent, serving_lock
from emergency.runtime import Runtime
from emergency.warnings import service as warnings
from emergency.warnings.models import WarningLevel, WarningStatus
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_, DomainError, Unavailable
from notify.models import DeliveryState, EngineBeat

FIRST = {"120118104000": 18, "120118102000": 4, "120118103000": 1}
"""Villages to leave by township, as first ordered."""
THEN = {"120118104000": 18, "120118102000": 5, "120118103000": 3}
"""As the list stood in the end."""
HOURS_BETWEEN = 1.0
PENDING = (DeliveryState.QUEUED, DeliveryState.CLAIMED, DeliveryState.SUBMITTED, DeliveryState.UNKNOWN)
PATIENCE_SECONDS = 180.0
QUIET_SECONDS = 10.0
"""Everything was handed over and no receipt came for so long: those that are silent stay so."""
WORST = 5
START_SECONDS = 60.0


class NoDemo(DomainError):
    """The rehearsal needs the demo district."""

    code = "no_demo"


@dataclass(frozen=True)
class Act:
    """One act of the rehearsal and what came of it."""

    title: str
    villages: int
    numbers: int
    people: int
    reached_people: int
    failed: int
    unresolved: int
    first_seconds: float
    last_seconds: float
    by_division: list[dict[str, Any]]


@dataclass
class Report:
    """What the rehearsal found."""

    acts: list[Act] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {"acts": [asdict(act) for act in self.acts]}

    def text(self) -> str:
        """The report for people."""
        lines = [_("Rehearsal of the 2023 东淀 evacuation (exercise)")]
        for act in self.acts:
            lines.append("")
            lines.append(
                _("%(title)s: %(villages)s villages, %(people)s people behind %(numbers)s numbers",
                  title=act.title, villages=act.villages, people=f"{act.people:,}", numbers=f"{act.numbers:,}")
            )  # fmt: skip
            share = act.reached_people / act.people if act.people else 0.0
            lines.append(
                _("  first phone after %(first)s s, last after %(last)s s; reached %(share)s of the people; "
                  "%(failed)s numbers failed, %(unresolved)s gave no receipt",
                  first=f"{act.first_seconds:.1f}", last=f"{act.last_seconds:.1f}", share=f"{share:.1%}",
                  failed=act.failed, unresolved=act.unresolved)
            )  # fmt: skip
            short = [row for row in act.by_division if row["reached_people"] < row["targeted_people"]]
            for row in sorted(short, key=lambda row: row["reached_people"] / row["targeted_people"])[:WORST]:
                lines.append(
                    _("  fewest reached: %(name)s, %(reached)s of %(targeted)s people", name=row["name"],
                      reached=f"{row['reached_people']:,}", targeted=f"{row['targeted_people']:,}")
                )  # fmt: skip
        return "\n".join(lines)


def play(runtime: Runtime, *, speed: float, say: Callable[[str], None]) -> Report:
    """Play the three acts. Starts the system for the time of the rehearsal where it is not running."""
    report = Report()
    config = runtime.config
    if config.notify.twilio.exercise.configured or not config.notify.gateway.enabled:
        raise NoDemo(N_("The rehearsal plays on the local gateway only; this configuration sends exercises elsewhere."))
    with runtime.database.read() as session:
        officer, approver = _person(session, "duty"), _person(session, "approver")
        before, after = _villages(session, FIRST), _villages(session, THEN)
    with _running(runtime, say):
        pause = HOURS_BETWEEN * 3600 / speed
        say(_("Act 1: %(n)s villages have to leave by noon.", n=len(before)))
        first = _issue(runtime, officer, approver, lambda s: _draft(s, officer, before))
        report.acts.append(_watch(runtime, officer, first, _("First order"), len(before)))
        time.sleep(min(pause, 60.0))
        say(_("Act 2: the list grows to %(n)s villages.", n=len(after)))
        second = _issue(runtime, officer, approver, lambda s: _grown(s, officer, first, after))
        report.acts.append(_watch(runtime, officer, second, _("The area grew"), len(after)))
        time.sleep(min(pause, 60.0))
        say(_("Act 3: the all-clear."))
        with runtime.database.write() as session:
            third = warnings.all_clear(session, actor=officer, warning_id=second)[1].warning_id
        report.acts.append(_watch(runtime, officer, third, _("All-clear"), len(after)))
    return report


@contextlib.contextmanager
def _running(runtime: Runtime, say: Callable[[str], None]) -> Iterator[None]:
    process: subprocess.Popen[bytes] | None = None
    try:
        with serving_lock(runtime.config.path("instance")):
            pass
    except AlreadyRunning:
        yield
        return
    say(_("Starting web, engine and local gateway for the rehearsal."))
    started = runtime.database.clock.now()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "emergency", "serve"],
            stdout=subprocess.DEVNULL,
            stderr=output,
            preexec_fn=die_with_parent,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _beat_since(runtime, started):
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    said = output.read().decode(errors="replace").strip().rpartition("\n")[2]
                    raise Unavailable(N_("The system did not start for the rehearsal. %(why)s"), why=said)
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait(STOP_SECONDS + 5)


def _beat_since(runtime: Runtime, moment: datetime) -> bool:
    with runtime.database.read() as session:
        last = session.scalar(sa.select(sa.func.max(EngineBeat.beat_at)))
    return last is not None and last >= moment


def _person(session: Session, username: str) -> Actor:
    account = accounts.find(session, username)
    if account is None:
        raise NoDemo(N_("The rehearsal plays in the demo district. Run “emergency demo load” first."))
    return accounts.actor_of(account)


def _villages(session: Session, wanted: dict[str, int]) -> list[str]:
    chosen = []
    for township, number in wanted.items():
        rows: list[Division] = divisions.villages(session, township)
        chosen += [village.code for village in rows[:number]]
    return chosen


def _draft(session: Session, officer: Actor, villages: list[str]) -> int:
    moment = now(session)
    warning = warnings.create(
        session,
        actor=officer,
        status=WarningStatus.EXERCISE,
        event_code="11A01",
        level=WarningLevel.RED,
        headline="东淀蓄滞洪区启用，涉及村庄群众立即转移",
        description="东淀水位上涨快，涉及村庄须在明日12时前全部转移。",
        instruction="带好身份证和常用药，听村干部安排到集合点上车，不要返回取东西。",
        area={"divisions": villages},
        effective=moment,
        expires=moment + timedelta(hours=24),
        audience="all",
    )
    return warning.id


def _grown(session: Session, officer: Actor, first: int, villages: list[str]) -> int:
    headline = f"转移范围扩大到{len(villages)}个村，{now(session).astimezone(BEIJING):%H:%M}起执行"
    return warnings.update(session, actor=officer, warning_id=first, headline=headline, area={"divisions": villages}).id


def _issue(runtime: Runtime, officer: Actor, approver: Actor, write: Callable[[Session], int]) -> int:
    with runtime.database.write() as session:
        warning_id = write(session)
    with runtime.database.write() as session:
        version = warnings.submit(session, actor=officer, warning_id=warning_id).version
    with runtime.database.write() as session:
        warnings.approve(session, actor=approver, warning_id=warning_id, version=version)
    return warning_id


def _watch(runtime: Runtime, officer: Actor, warning_id: int, title: str, villages: int) -> Act:
    """Look until nothing is pending any more, nothing comes in any more, or patience ends."""
    started, first, last, figures = time.monotonic(), 0.0, 0.0, {}
    handed, moved = -1, started
    before: dict[str, int] = {}
    while time.monotonic() - started < PATIENCE_SECONDS:
        with runtime.database.read() as session:
            figures = warnings.reach(session, actor=officer, warning_id=warning_id)
        states = figures["by_state"]
        gone = figures["targeted"] - states["queued"] - states["claimed"]
        if gone and not first:
            first = time.monotonic() - started
        if gone != handed:
            handed, last = gone, time.monotonic() - started
        if states != before:
            before, moved = states, time.monotonic()
        if not any(states[state.value] for state in PENDING):
            break
        if gone == figures["targeted"] and time.monotonic() - moved > QUIET_SECONDS:
            break
        time.sleep(0.2)
    states = figures["by_state"]
    return Act(
        title=title,
        villages=villages,
        numbers=figures["targeted"],
        people=figures["targeted_people"],
        reached_people=figures["reached_people"],
        failed=states["failed"] + states["expired"],
        unresolved=states["unknown"] + states["submitted"],
        first_seconds=first,
        last_seconds=last,
        by_division=figures["by_division"],
    )
