"""Whether this installation is fit to warn people: database, engine, clock, disk, receipts. Reasons, not only a colour."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import versions
from emergency.config import Config
from kernel.clock import SystemClock
from kernel.db import Database, now
from kernel.errors import N_
from notify import watch
from notify.models import Broadcast, Delivery, DeliveryState, DeliveryTally, EngineBeat, RawReceipt, ReceiptKind
from scheduler.models import ClockStep

ENGINE_SILENT_AFTER = timedelta(seconds=30)
CLOCK_STEP_MATTERS_FOR = timedelta(minutes=5)
CLOCK_STEP_SECONDS = 5.0
CLOCK_DRIFT_SECONDS = 5.0
MINIMUM_FREE_BYTES = 200 * 1024 * 1024
RECEIPTS_WITHIN = timedelta(seconds=60)
RECEIPTS_LOOKED_FOR = timedelta(hours=24)
HANDED_OVER_AT_LEAST = 10
REFUSED_MATTERS_FOR = timedelta(minutes=10)
REFUSALS = "emergency.receipts_refused"


@dataclass(frozen=True)
class Check:
    """One question and its answer. `reason` is an English message id with `params`; empty when fit."""

    name: str
    fit: bool
    reason: str = ""
    params: tuple[tuple[str, object], ...] = ()
    grave: bool = True
    """Whether nobody should be sent here while it is so; what is not grave is to be looked at, and warnings leave."""

    def text(self, translate: Callable[[str], str] = lambda message: message) -> str:
        """The reason in words."""
        words = translate(self.reason) if self.reason else ""
        return words % dict(self.params) if self.params else words


def _unfit(name: str, reason: str, **params: object) -> Check:
    return Check(name, False, reason, tuple(params.items()))


def _doubtful(name: str, reason: str, **params: object) -> Check:
    return Check(name, False, reason, tuple(params.items()), grave=False)


@dataclass
class Refusals:
    """When this process turned receipts away; the last thousand of them."""

    moments: deque[datetime] = field(default_factory=lambda: deque(maxlen=1000))

    def note(self, moment: datetime) -> None:
        """One more."""
        self.moments.append(moment)

    def lately(self, moment: datetime) -> int:
        """How many within the minutes that matter."""
        return sum(1 for at in list(self.moments) if at > moment - REFUSED_MATTERS_FOR)


def check_database(database: Database) -> Check:
    """Whether it answers, and belongs to this program."""
    try:
        with database.read() as session:
            session.execute(sa.text("SELECT 1"))
        found = versions.current(database.engine)
    except Exception:  # whatever the driver throws, the answer is the same
        return _unfit("database", N_("The database does not answer."))
    if found is not None and found != versions.head():
        return _unfit("database", N_("The database is of version %(found)s, the program of another."), found=found)
    return Check("database", True)


def check_engine(session: Session) -> Check:
    """Whether an engine gave a sign of life lately."""
    beat = session.scalar(sa.select(sa.func.max(EngineBeat.beat_at)))
    if beat is None:
        return _unfit("engine", N_("No engine has ever run."))
    silent = now(session) - beat
    if silent > ENGINE_SILENT_AFTER:
        return _unfit("engine", N_("No engine has been heard for %(n)s seconds."), n=round(silent.total_seconds()))
    return Check("engine", True)


CAUSES = {
    watch.Cause.NO_ENGINE: N_("%(n)s messages wait and no engine lives."),
    watch.Cause.DRAINING: N_("%(n)s messages wait and the engines were asked to take nothing new."),
    watch.Cause.NO_ROAD: N_("%(n)s messages wait and no account may carry them."),
    watch.Cause.PAUSED: N_("%(n)s messages wait and every account that may carry them is paused."),
    watch.Cause.STUCK: N_("%(n)s messages wait and nothing has left for half a minute."),
}


def check_delivery(session: Session, expected: int = 1) -> Check:
    """Whether what waits leaves, and as many engines live as should."""
    alarm = watch.alarm(session)
    if alarm is not None:
        return _unfit("delivery", CAUSES[alarm.cause], n=alarm.waiting)
    moment = now(session)
    heard = session.scalars(sa.select(EngineBeat).where(EngineBeat.beat_at > moment - ENGINE_SILENT_AFTER)).all()
    if 0 < len(heard) < expected:
        return _doubtful("delivery", N_("%(n)s of %(all)s engines live."), n=len(heard), all=expected)
    return Check("delivery", True)


def check_clock(session: Session) -> Check:
    """Whether the wall clock moved evenly, and agrees with the database server's."""
    moment = now(session)
    step = session.scalars(
        sa.select(ClockStep)
        .where(ClockStep.at > moment - CLOCK_STEP_MATTERS_FOR)
        .order_by(ClockStep.id.desc())
        .limit(1)
    ).first()
    if step is not None and abs(step.seconds) >= CLOCK_STEP_SECONDS:
        return _unfit("clock", N_("The clock jumped by %(n)s seconds a moment ago."), n=round(step.seconds))
    # a clock that was handed in (tests, rehearsals) is not the machine's and is not to be compared with the server's
    if session.get_bind().dialect.name == "postgresql" and isinstance(session.info["clock"], SystemClock):
        drift = abs((session.execute(sa.select(sa.func.clock_timestamp())).scalar_one() - moment).total_seconds())
        if drift > CLOCK_DRIFT_SECONDS:
            return _unfit("clock", N_("This machine and the database differ by %(n)s seconds."), n=round(drift))
    return Check("clock", True)


def data_folder(config: Config) -> Path:
    """Where the database file is, or where the keys are if the database is elsewhere."""
    url = config.database_url
    place = Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else None
    return place if place is not None and place.exists() else config.path(config.privacy.key_file).parent


def check_disk(config: Config) -> Check:
    """Whether there is room to write."""
    folder = data_folder(config)
    try:
        free = shutil.disk_usage(folder if folder.exists() else config.base).free
    except OSError:
        return _unfit("disk", N_("The data folder cannot be read."))
    if free < MINIMUM_FREE_BYTES:
        return _unfit("disk", N_("Only %(n)s MB are free on the disk."), n=free // (1024 * 1024))
    return Check("disk", True)


def check_receipts(session: Session, refused: Refusals | None = None) -> Check:
    """Whether providers' receipts reach us: without them everybody stands as not reached, and nobody would know why."""
    moment = now(session)
    turned_away = refused.lately(moment) if refused is not None else 0
    if turned_away:
        return _doubtful(
            "receipts", N_("%(n)s receipts were turned away within ten minutes. Look at the log of the web process."),
            n=turned_away,
        )  # fmt: skip
    recent = session.execute(
        sa.select(Broadcast.id, Broadcast.created_at, Broadcast.serial, sa.func.sum(DeliveryTally.messages))
        .join(DeliveryTally, DeliveryTally.broadcast_id == Broadcast.id)
        .where(
            Broadcast.created_at.between(moment - RECEIPTS_LOOKED_FOR, moment - RECEIPTS_WITHIN),
            DeliveryTally.state == DeliveryState.SUBMITTED,
        )
        .group_by(Broadcast.id, Broadcast.created_at, Broadcast.serial)
        .having(sa.func.sum(DeliveryTally.messages) >= HANDED_OVER_AT_LEAST)
        .order_by(Broadcast.id.desc())
        .limit(1)
    ).first()
    if recent is None:
        return Check("receipts", True)
    last = session.scalar(
        sa.select(RawReceipt.received_at)
        .where(RawReceipt.kind == ReceiptKind.STATUS)
        .order_by(RawReceipt.id.desc())
        .limit(1)
    )
    if last is not None and last >= recent.created_at:
        return Check("receipts", True)
    # What was handed over first stands first in the ledger: one row tells since when we wait.
    bounds = Broadcast(serial=recent.serial)
    since = session.scalar(
        sa.select(Delivery.changed_at)
        .where(Delivery.id.between(bounds.first_id, bounds.last_id), Delivery.state == DeliveryState.SUBMITTED)
        .order_by(Delivery.id)
        .limit(1)
    )
    if since is None or moment - since < RECEIPTS_WITHIN:
        return Check("receipts", True)
    return _doubtful(
        "receipts",
        N_("%(n)s messages were handed over and not one receipt came back. Check the public address and the log."),
        n=int(recent[3]),
    )


def checks(database: Database, config: Config, refused: Refusals | None = None) -> list[Check]:
    """Every check. Where the database does not answer, what needs it is unfit too."""
    first = check_database(database)
    found = [first]
    asking: tuple[tuple[str, Callable[[Session], Check]], ...] = (
        ("engine", check_engine),
        ("delivery", lambda session: check_delivery(session, config.engine.expected)),
        ("clock", check_clock),
        ("receipts", lambda session: check_receipts(session, refused)),
    )
    for name, check in asking:
        try:
            with database.read() as session:
                found.append(check(session))
        except Exception:
            found.append(_unfit(name, N_("It cannot be told without the database.")))
    found.append(check_disk(config))
    return found
