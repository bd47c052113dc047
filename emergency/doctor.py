"""The examination behind `emergency doctor`: each finding is one sentence and says what to do."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from emergency import config as configuration
from emergency import runtime as runtime_module
from emergency import upkeep, versions
from emergency.oversight import service as oversight
from emergency.plans import indexing
from emergency.runtime import Runtime
from kernel.errors import N_, DomainError
from notify import failpoints

LOW_DISK = 2 * 1024**3
NO_DISK = 200 * 1024**2


@dataclass(frozen=True)
class Finding:
    """One checked thing: `ok`, `warn` (works, mend it) or `bad` (unfit)."""

    check: str
    state: str
    text: str
    params: dict[str, Any] = field(default_factory=dict)


def examine() -> list[Finding]:
    """Every check in order; what cannot be checked because an earlier one failed is left out."""
    try:
        config = configuration.load()
    except DomainError as error:
        return [Finding("config", "bad", error.message, error.params)]
    findings = [Finding("config", "ok", N_("The configuration is valid."))]
    findings += [_clock(), _disk(config.path("instance")), _libraries()]
    if os.environ.get(failpoints.VARIABLE):
        findings.append(
            Finding(
                "failpoints",
                "bad",
                N_("%(variable)s is set: processes will die or stand still on purpose. Unset it and start again."),
                {"variable": failpoints.VARIABLE},
            )
        )
    try:
        runtime_module.check_writable(config)
        versions.check_exists(config.database_url)
    except DomainError as error:
        return [*findings, Finding("database", "bad", error.message, error.params)]
    except sa.exc.SQLAlchemyError as error:
        return [*findings, _silent(error)]
    try:
        runtime = runtime_module.build(config)
    except DomainError as error:
        return [*findings, Finding("keys", "bad", error.message, error.params)]
    try:
        findings += [_key_file(runtime)]
        database = _database(runtime)
        findings.append(database)
        if database.state != "bad":
            checks: tuple[Callable[[Runtime], Finding], ...] = (
                _journal,
                _engine,
                _receipts,
                _channels,
                _calls,
                _exercise,
                _address,
                _plan_index,
            )
            findings += [check(runtime) for check in checks]
    finally:
        runtime.close()
    return findings


def _clock() -> Finding:
    year = datetime.now(UTC).year
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.05)
    drift = abs((time.time() - wall) - (time.monotonic() - steady))
    if year < 2026 or drift > 1:
        return Finding("clock", "bad", N_("The machine's clock is wrong. Set it, and have it kept by NTP."))
    return Finding("clock", "ok", N_("The clock runs evenly."))


def _disk(folder: Path) -> Finding:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    amount = {"free": f"{free / 1024**3:.1f}"}
    if free < NO_DISK:
        return Finding("disk", "bad", N_("Only %(free)s GiB are free. Make room before anything is lost."), amount)
    if free < LOW_DISK:
        return Finding("disk", "warn", N_("%(free)s GiB are free; make room soon."), amount)
    return Finding("disk", "ok", N_("%(free)s GiB are free."), amount)


def _libraries() -> Finding:
    import sqlite3
    import ssl

    found = {"sqlite": sqlite3.sqlite_version, "ssl": ssl.OPENSSL_VERSION.split()[1]}
    if sqlite3.sqlite_version_info < (3, 35):
        return Finding("libraries", "bad", N_("SQLite %(sqlite)s is too old; 3.35 or newer is needed."), found)
    return Finding("libraries", "ok", N_("SQLite %(sqlite)s, OpenSSL %(ssl)s."), found)


def _plan_index(runtime: Runtime) -> Finding:
    with runtime.database.read() as session:
        state = indexing.examine(session)
    params = {"n": state.texts, "missing": state.missing, "stale": state.stale}
    if state.sound:
        return Finding("plan_index", "ok", N_("All %(n)s plan texts in force can be found by their words."), params)
    return Finding(
        "plan_index", "warn",
        N_("The search index of plans is not true: %(missing)s of %(n)s texts missing, %(stale)s too many. "
           "Run: emergency db reindex"),
        params,
    )  # fmt: skip


def _key_file(runtime: Runtime) -> Finding:
    path = runtime.config.path(runtime.config.privacy.key_file)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding("keys", "bad", N_("Others can read the key file. Run: chmod 600 %(path)s"), {"path": str(path)})
    return Finding("keys", "ok", N_("The key file is private; key %(n)s seals."), {"n": runtime.vault.ring.active})


def _silent(error: sa.exc.SQLAlchemyError) -> Finding:
    why = str(getattr(error, "orig", error)).strip().partition("\n")[0]
    return Finding("database", "bad", N_("The database does not answer: %(why)s"), {"why": why})


def _database(runtime: Runtime) -> Finding:
    try:
        versions.check(runtime.database.engine)
        upkeep.check_keys(runtime)
    except DomainError as error:
        return Finding("database", "bad", error.message, error.params)
    except sa.exc.SQLAlchemyError as error:
        return _silent(error)
    name = runtime.database.engine.dialect.name
    return Finding("database", "ok", N_("%(name)s at version %(v)s."), {"name": name, "v": versions.head()})


def _journal(runtime: Runtime) -> Finding:
    verdict = oversight.verify(runtime.database)
    if verdict.whole:
        return Finding("journal", "ok", N_("The journal is whole: %(n)s entries."), {"n": f"{verdict.entries:,}"})
    return Finding(
        "journal",
        "bad",
        N_("The journal is NOT whole. Keep everything as it is and call the auditor. %(why)s"),
        {"why": upkeep.JOURNAL_FAULTS.get(verdict.fault or "", verdict.fault)},
    )


def _engine(runtime: Runtime) -> Finding:
    from notify.models import EngineBeat

    with runtime.database.read() as session:
        last = session.scalar(sa.select(sa.func.max(EngineBeat.beat_at)))
    if last is None or (runtime.database.clock.now() - last).total_seconds() > 30:
        return Finding("engine", "warn", N_("No engine is running; messages wait. Start “emergency serve”."))
    return Finding("engine", "ok", N_("An engine is running."))


def _receipts(runtime: Runtime) -> Finding:
    from emergency.web import health

    with runtime.database.read() as session:
        check = health.check_receipts(session)
    if not check.fit:
        return Finding("receipts", "warn", check.reason, dict(check.params))
    return Finding("receipts", "ok", N_("Receipts come back, or none is due."))


def _channels(runtime: Runtime) -> Finding:
    config = runtime.config
    if config.notify.twilio.configured:
        return Finding(
            "channels", "ok", N_("Real messages leave through %(url)s."), {"url": config.notify.twilio.base_url}
        )
    if config.notify.gateway.enabled:
        return Finding(
            "channels",
            "warn",
            N_("No account is configured: every message goes to the local gateway, no real phone rings."),
        )
    return Finding("channels", "bad", N_("There is no channel: configure notify.twilio or enable the local gateway."))


def _calls(runtime: Runtime) -> Finding:
    real = runtime.config.notify.twilio
    if real.configured and real.voice.from_number:
        if not real.voice.machine_detection:
            return Finding("calls", "warn", N_("Calls do not tell an answering machine from a person."))
        return Finding(
            "calls", "ok", N_("Calls leave through the same account, %(n)s a second, in the voice %(voice)s."),
            {"n": real.voice.calls_per_second, "voice": real.voice.voice},
        )  # fmt: skip
    if real.configured:
        return Finding("calls", "ok", N_("No calls are made: notify.twilio.voice.from_number is empty."))
    return Finding("calls", "ok", N_("Calls ring at the local gateway only."))


def _exercise(runtime: Runtime) -> Finding:
    config = runtime.config
    own = config.notify.twilio.exercise
    if own.configured and own.account_sid == config.notify.twilio.account_sid:
        return Finding(
            "exercise", "bad", N_("Exercises use the account of real warnings. Give them an account of their own.")
        )
    if not own.configured and not config.notify.gateway.enabled:
        return Finding(
            "exercise", "bad", N_("Exercises have no way out: enable the local gateway or give them an account.")
        )
    return Finding("exercise", "ok", N_("Exercises are kept apart from real warnings."))


def _address(runtime: Runtime) -> Finding:
    url = runtime.config.public_url
    local = "127.0.0.1" in url or "localhost" in url
    if runtime.config.notify.twilio.configured and (local or not url.startswith("https://")):
        return Finding(
            "address", "bad", N_("Providers cannot reach %(url)s. Set site.public_url to the public https address."),
            {"url": url},
        )  # fmt: skip
    return Finding("address", "ok", N_("Links and receipts use %(url)s."), {"url": url})
