"""Import runs of plans: a file is taken sealed, read beside the requests, looked at, and then confirmed or dropped."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts.models import Duty
from emergency.plans.importing import reading
from emergency.plans.importing.elements import Remark
from emergency.plans.importing.models import PlanImport, PlanImportState
from emergency.plans.importing.outline import Section
from emergency.plans.importing.package import refuse, too_large
from emergency.plans.importing.people import Person
from emergency.plans.importing.reading import Reading
from emergency.plans.models import Part
from emergency.plans.queries import get_plan
from emergency.privacy import vault
from kernel.db import Database, now
from kernel.errors import N_, DomainError, NotFound
from kernel.ids import new_id
from kernel.logs import kv
from kernel.states import transition
from scheduler.ticker import Job

log = logging.getLogger(__name__)
S = PlanImportState
TABLE = "plan_import"
TRANSITIONS: Mapping[PlanImportState, frozenset[PlanImportState]] = {
    S.WAITING: frozenset({S.READING, S.FAILED, S.DISCARDED}),
    S.READING: frozenset({S.READY, S.FAILED, S.DISCARDED}),
    S.READY: frozenset({S.DONE, S.DISCARDED}),
    S.DONE: frozenset(),
    S.FAILED: frozenset(),
    S.DISCARDED: frozenset(),
}
CLAIM = timedelta(seconds=120)
KEEP_READY = timedelta(days=30)
"""A file that nobody confirmed is forgotten after so long: it carries names and numbers."""
DEFAULT_LIMIT = 64 * 1024 * 1024


def upload(
    database: Database,
    data: bytes,
    *,
    actor: Actor,
    name: str,
    typed: str = "",
    plan_id: int | None = None,
    limit: int = DEFAULT_LIMIT,
) -> int:
    """Take a file: sealed before it is written, read by the next tick. Returns the run's id.

    Raises `FileRefused` for what is empty or too large, 403 for a plan outside the actor's scope.
    """
    actor.require(Permission.PLANS_EDIT)
    if len(data) > limit:
        raise too_large(limit)
    if not data.strip() and not typed.strip():
        raise refuse("file_empty", N_("The file is empty. Nothing was imported."))
    run_id = new_id()
    with database.read() as session:
        if plan_id is not None:
            actor.require_covers(get_plan(session, actor=actor, plan_id=plan_id).division_code)
        store = vault.of(session)
    columns = {
        "file_sealed": store.seal(TABLE, "file", run_id, name[-200:]) if name else None,
        "data_sealed": store.seal_bytes(TABLE, "data", run_id, data) if data else None,
        "outline_sealed": store.seal(TABLE, "outline", run_id, typed) if typed.strip() else None,
    }
    with database.write() as session:
        session.add(
            PlanImport(
                id=run_id, state=S.WAITING, actor=str(actor), plan_id=plan_id, size=len(data),
                created_at=now(session), **columns,
            )
        )  # fmt: skip
    return run_id


@dataclass(frozen=True)
class Kept:
    """A run's file, opened."""

    data: bytes
    name: str
    typed: str


def opened(session: Session, run: PlanImport) -> Kept:
    """The file of a run in clear; for the reading and the confirming only."""
    store = vault.of(session)
    return Kept(
        store.open_bytes(TABLE, "data", run.id, run.data_sealed) if run.data_sealed else b"",
        store.open(TABLE, "file", run.id, run.file_sealed) if run.file_sealed else "",
        store.open(TABLE, "outline", run.id, run.outline_sealed) if run.outline_sealed else "",
    )


def work(database: Database, run_id: int) -> bool:
    """Read one waiting run. Whatever is wrong with the file becomes the run's failure. False when another has it."""
    holder = secrets.token_hex(12)
    with database.write() as session:
        moment = now(session)
        claimed = session.execute(
            sa.update(PlanImport)
            .where(
                PlanImport.id == run_id, PlanImport.state.in_((S.WAITING, S.READING)),
                sa.or_(PlanImport.claimed_until.is_(None), PlanImport.claimed_until <= moment),
            )
            .values(claimed_by=holder, claimed_until=moment + CLAIM)
        )  # fmt: skip
        if claimed.rowcount != 1:  # type: ignore[attr-defined]
            return False
        run = session.get_one(PlanImport, run_id, populate_existing=True)
        if run.state is S.READING:
            # The process that read it is gone, and perhaps because of the file: it is not read a second time.
            gone = {"code": "interrupted", "message": INTERRUPTED, "params": {}}
            close(session, run, S.FAILED, actor=run.actor, failure=gone)
            return True
        transition(session, run, S.READING, allowed=TRANSITIONS, actor=run.actor)
    with database.read() as session:
        kept = opened(session, session.get_one(PlanImport, run_id))
        store = vault.of(session)
    result: Reading | None = None
    failure: dict[str, Any] | None = None
    try:
        result = reading.read(kept.data, kept.name, typed=kept.typed, limit=max(len(kept.data), 1))
    except DomainError as error:
        params = {key: value if isinstance(value, int | float) else str(value) for key, value in error.params.items()}
        failure = {"code": error.code, "message": error.message, "params": params}
    except Exception as error:
        # A file that breaks the reader in a way nobody thought of. Its kind only: the text could carry a person.
        log.error("plan import could not be read %s", kv(error=type(error).__name__, run=run_id))
        failure = {"code": "file_broken", "message": UNREADABLE, "params": {}}
    sealed = store.seal(TABLE, "result", run_id, to_json(result)) if result else None
    with database.write() as session:
        run = session.get_one(PlanImport, run_id, populate_existing=True)
        if run.claimed_by != holder or run.state is not S.READING:
            return False
        if result is None:
            transition(session, run, S.FAILED, allowed=TRANSITIONS, actor=run.actor, values={
                "failure": failure, "finished_at": now(session), "claimed_until": None, "data_sealed": None,
                "outline_sealed": None,
            })  # fmt: skip
        else:
            transition(session, run, S.READY, allowed=TRANSITIONS, actor=run.actor, values={
                "result_sealed": sealed, "claimed_until": None, "sections": len(result.sections),
                "images": len(result.pictures), "phones": sum(len(p.phones) for p in result.people),
                "remarks": len(result.remarks),
            })  # fmt: skip
    return True


INTERRUPTED = N_("Reading the file was interrupted. Nothing was imported; import the file again.")
UNREADABLE = N_("The file could not be read. Save it again in Word as .docx; nothing was imported.")


def seen(session: Session, *, actor: Actor, run_id: int) -> PlanImport:
    """A run for whoever began it; for everybody else it does not exist."""
    actor.require(Permission.PLANS_EDIT)
    run = session.get(PlanImport, run_id)
    if run is None or run.actor != str(actor):
        raise NotFound(N_("This import does not exist."))
    return run


def result_of(session: Session, run: PlanImport) -> Reading | None:
    """What was read, in clear; for whoever brought the file."""
    if run.result_sealed is None:
        return None
    return from_json(vault.of(session).open(TABLE, "result", run.id, run.result_sealed))


def name_of(session: Session, run: PlanImport) -> str:
    """The file's name for whoever brought it."""
    with contextlib.suppress(DomainError):
        return vault.of(session).open(TABLE, "file", run.id, run.file_sealed) if run.file_sealed else ""
    return ""


def failure_of(run: PlanImport) -> DomainError | None:
    """Why it was not read."""
    if not run.failure:
        return None
    return DomainError(run.failure["message"], code=run.failure["code"], **run.failure["params"])


def list_runs(session: Session, *, actor: Actor, limit: int = 20) -> list[PlanImport]:
    """One's own imports, the latest first."""
    statement = sa.select(PlanImport).where(PlanImport.actor == str(actor)).order_by(PlanImport.id.desc()).limit(limit)
    return list(session.scalars(statement.options(*_light())))


def _light() -> list[Any]:
    from sqlalchemy.orm import defer

    return [defer(PlanImport.data_sealed), defer(PlanImport.result_sealed), defer(PlanImport.outline_sealed)]


def discard(session: Session, *, actor: Actor, run_id: int) -> PlanImport:
    """Forget a file that is not wanted, with everything that was read from it."""
    run = seen(session, actor=actor, run_id=run_id)
    close(session, run, S.DISCARDED, actor=actor)
    return run


def close(session: Session, run: PlanImport, to: PlanImportState, *, actor: Any, **values: Any) -> None:
    """The end of a run: what it held is erased."""
    transition(session, run, to, allowed=TRANSITIONS, actor=actor, values={
        "finished_at": now(session), "claimed_until": None, "data_sealed": None, "result_sealed": None,
        "outline_sealed": None, **values,
    })  # fmt: skip


def to_json(result: Reading) -> str:
    """Everything but the pictures, which the file gives again."""
    made = asdict(
        Reading(
            result.kind, result.media_type, result.title, result.sections, result.people, result.remarks, [],
            result.levels, result.evacuation,
        )
    )  # fmt: skip
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"), default=lambda member: member.value)


def from_json(text: str) -> Reading:
    """What `to_json` wrote."""
    given = json.loads(text)
    return Reading(
        given["kind"], given["media_type"], given["title"],
        [Section(**{**s, "part": Part(s["part"]) if s["part"] else None}) for s in given["sections"]],
        [Person(**{**p, "duty": Duty(p["duty"]) if p["duty"] else None}) for p in given["people"]],
        [Remark(**r) for r in given["remarks"]], [], given["levels"], given["evacuation"],
    )  # fmt: skip


# --- what the ticker does -----------------------------------------------------------------------------------------

_starting = threading.Lock()
_worker: threading.Thread | None = None


def waiting(session: Session) -> list[int]:
    """Runs to be read: new ones, and those whose process is gone."""
    moment = now(session)
    statement = sa.select(PlanImport.id).where(
        PlanImport.state.in_((S.WAITING, S.READING)),
        sa.or_(PlanImport.claimed_until.is_(None), PlanImport.claimed_until <= moment),
    )
    return list(session.scalars(statement.order_by(PlanImport.id).limit(20)))


def run_waiting(database: Database) -> int:
    """Read everything that waits. Returns how many."""
    with database.read() as session:
        found = waiting(session)
    return sum(work(database, run_id) for run_id in found)


def start_waiting(database: Database, now: datetime) -> int:
    """The ticker's part: reading takes seconds and runs beside the ticks, never in one."""
    global _worker
    with _starting:
        if _worker is not None and _worker.is_alive():
            return 0
        with database.read() as session:
            if not waiting(session):
                return 0
        _worker = threading.Thread(target=_work_beside, args=(database,), name="plans-import", daemon=True)
        _worker.start()
        return 1


def _work_beside(database: Database) -> None:
    try:
        run_waiting(database)
    except (DomainError, sa.exc.SQLAlchemyError, OSError) as error:
        log.error("plan imports stopped %s", kv(error=type(error).__name__))


def forget_old(database: Database, now: datetime) -> int:
    """Erase files that nobody confirmed within a month."""
    with database.read() as session:
        old = session.scalars(
            sa.select(PlanImport.id).where(
                PlanImport.state.in_((S.WAITING, S.READY)), PlanImport.created_at < now - KEEP_READY
            )
        ).all()
    for run_id in old:
        with database.write() as session:
            close(session, session.get_one(PlanImport, run_id), S.DISCARDED, actor="system")
    return len(old)


JOBS = [Job("plans.imports", start_waiting), Job("plans.import_leftovers", forget_old, every_seconds=86_400)]
