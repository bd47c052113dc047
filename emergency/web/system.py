"""The state of the installation in facts: engine, jobs, versions, configuration. No secret is among them."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import flask
import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import versions
from emergency.config import Config, Twilio
from emergency.http.i18n import _, _l
from emergency.web import filters, health, nav
from kernel.db import Database
from notify import service as notify
from scheduler.models import ClockStep, JobRun, JobState

LIBRARIES = ("flask", "sqlalchemy", "alembic", "twilio", "apscheduler", "cryptography", "granian", "shapely")


JOBS = {
    "accounts.end_stale": _l("End idle sessions"),
    "accounts.forget": _l("Forget old sign-in attempts"),
    "asking.escalate": _l("Ask again, ask deputies"),
    "asking.expire": _l("Close unanswered questions"),
    "asking.forget_tokens": _l("Forget links that have left"),
    "drills.ahead": _l("Plan drills ahead"),
    "drills.actions": _l("Remind and escalate corrective actions"),
    "drills.ask": _l("Ask the posts of drills"),
    "drills.call": _l("Call posts that a text did not reach"),
    "drills.standings": _l("Keep how everybody stands with the rules of drills"),
    "drills.tell": _l("Remind and tell the posts of drills"),
    "drills.missed": _l("Mark missed drills"),
    "drills.year": _l("Compute and accept calendars of a year"),
    "drills.year_again": _l("Compute a year again once its holidays are announced"),
    "drills.injects": _l("Send the injects of running drills"),
    "drills.patterns": _l("Copy lists of injects to new dates"),
    "drills.photos": _l("Delete drill photographs whose time is over"),
    "drills.recompute": _l("Compute drills again after holidays are announced"),
    "drills.rules": _l("Load the rules of drills"),
    "oversight.verify": _l("Verify the journal when asked"),
    "oversight.verify_daily": _l("Verify the journal every day"),
    "plans.filing": _l("Count the deadlines of filing"),
    "plans.citations": _l("Read which statutes plans name"),
    "plans.import_leftovers": _l("Erase plan files that nobody confirmed"),
    "plans.imports": _l("Read the plans that were handed in"),
    "plans.late": _l("Remind of tasks that are late"),
    "plans.rules": _l("Load the rules of plans"),
    "plans.triggers": _l("Hold warnings against the conditions of plans"),
    "readiness.calendar": _l("Load the holidays"),
    "readiness.gather": _l("Look for faults everywhere"),
    "readiness.look_again": _l("Look again at what changed"),
    "readiness.daily": _l("Tell owners what is wrong with their plans"),
    "readiness.score": _l("Keep the score of the day"),
    "residents.import_leftovers": _l("Clear away what imports left"),
    "residents.imports": _l("Import the lists of residents"),
    "supplies.reservations": _l("Release reservations that ran out"),
    "warnings.door_lists": _l("Make the lists of doors"),
    "warnings.end_expired": _l("End warnings that ran out"),
    "warnings.next_channel": _l("Try the next channel where one did not reach"),
    "warnings.remind_approvers": _l("Remind the approvers"),
}
"""What the recurring jobs do, in words."""


def job_words(name: str) -> str:
    """A recurring job in the reader's language; one that nobody named, as it is."""
    return str(JOBS.get(name, name))


@dataclass(frozen=True)
class SystemView:
    """Everything that the system page shows."""

    checks: list[health.Check]
    engine: notify.Status | None
    jobs: list[JobState]
    failures: list[JobRun]
    steps: list[ClockStep]
    versions: list[tuple[str, str]]
    settings: list[tuple[str, str]]
    links: list[tuple[str, str, str]]

    @property
    def unfit(self) -> list[health.Check]:
        """What keeps warnings from leaving now."""
        return [check for check in self.checks if not check.fit and check.grave]

    @property
    def doubtful(self) -> list[health.Check]:
        """What has to be looked at, though warnings leave."""
        return [check for check in self.checks if not check.fit and not check.grave]


def _guard(work: Any, default: Any) -> Any:
    try:
        return work()
    except Exception:
        return default


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "—"


def facts_of_versions(database: Database) -> list[tuple[str, str]]:
    """The program, its database and its libraries."""
    if database.is_sqlite:
        engine = f"SQLite {sqlite3.sqlite_version}"
    else:
        with database.engine.connect() as connection:
            engine = f"PostgreSQL {'.'.join(map(str, connection.dialect.server_version_info or ()))}"
    return [
        (_("Program"), _package("jinghai-emergency")),
        (_("Database"), engine),
        (
            _("Version of the tables"),
            _guard(lambda: f"{versions.current(database.engine) or '—'} / {versions.head()}", "—"),
        ),
        ("Python", platform.python_version()),
        (_("Libraries"), ", ".join(f"{name} {_package(name)}" for name in LIBRARIES)),
    ]


def _account(account: Twilio) -> str:
    if not account.configured:
        return _("not configured: the local gateway takes it")
    return _("%(host)s, up to %(n)s a second", host=account.base_url, n=filters.number(account.messages_per_second))


def _calls(account: Twilio) -> str:
    if not account.configured:
        return _("not configured: the local gateway takes it")
    if not account.voice.from_number:
        return _("none: no number that may call is set")
    return _("%(voice)s, up to %(n)s a second", voice=account.voice.voice, n=account.voice.calls_per_second)


def _second_factor(setting: str) -> str:
    words = {"required": _("everybody must"), "optional": _("whoever wants to"), "off": _("switched off")}
    return words.get(setting, setting)


def facts_of_settings(config: Config) -> list[tuple[str, str]]:
    """What the configuration says, without what it must not say."""
    folder = health.data_folder(config)
    free = shutil.disk_usage(folder if folder.exists() else config.base).free
    return [
        (_("Office"), config.site.name),
        (_("Issuer of warnings"), config.site.issuer),
        (_("Signature of text messages"), config.site.sms_signature),
        (_("Public address"), config.public_url),
        (_("SMS account"), _account(config.notify.twilio)),
        (_("SMS account of exercises"), _account(config.notify.twilio.exercise)),
        (_("Voice calls"), _calls(config.notify.twilio)),
        (_("Voice calls of exercises"), _calls(config.notify.twilio.exercise)),
        (_("Local gateway"), f"{config.notify.gateway.host}:{config.notify.gateway.port}"
         if config.notify.gateway.enabled else _("switched off")),
        (_("Messages to one number a day"), filters.number(config.notify.daily_quota_per_number)),
        (_("Engine"), _("%(batch)s a batch, %(n)s at once, a tick every %(tick)s s", batch=config.engine.batch,
                        n=config.engine.concurrency, tick=config.engine.tick_seconds)),
        (_("Cipher"), config.privacy.cipher.upper()),
        (_("Sign-in with two factors"), _second_factor(config.security.second_factor)),
        (_("Idle sessions end after"), filters.duration(config.security.session_idle_minutes * 60)),
        (_("Free on the disk"), _("%(n)s GB", n=f"{free / 1e9:,.1f}")),
    ]  # fmt: skip


def links(config: Config) -> list[tuple[str, str, str]]:
    """Where else to look: label, address, what is there."""
    offered = [
        (_("Accounts"), nav.first_served("/accounts", "/system/accounts"), _("who may sign in, and as what")),
        (_("Journal"), nav.first_served("/audit", "/oversight", "/journal"), _("who saw and changed what")),
        (_("Readiness"), nav.first_served("/readiness", "/defects"), _("what is wrong today")),
        (_("JSON surface"), nav.first_served("/api/v1/openapi.json"), "OpenAPI 3"),
        (_("Fit to warn?"), "/readyz", _("for machines that watch")),
        (_("Metrics"), "/metrics", "Prometheus"),
    ]
    if config.notify.gateway.enabled:
        gateway = nav.first_served("/gateway", "/system/gateway")
        offered.insert(0, (_("Phones of the local gateway"), gateway, _("what the phones of the exercise received")))
    return [(text, url, note) for text, url, note in offered if url]


def view(session: Session, database: Database, config: Config) -> SystemView:
    """The system page's facts. What cannot be read is left empty; the checks say why."""
    return SystemView(
        checks=health.checks(database, config, flask.current_app.extensions.get(health.REFUSALS)),
        engine=_guard(lambda: notify.status(session), None),
        jobs=_guard(lambda: list(session.scalars(sa.select(JobState).order_by(JobState.name).limit(100))), []),
        failures=_guard(
            lambda: list(
                session.scalars(sa.select(JobRun).where(JobRun.error.is_not(None)).order_by(JobRun.id.desc()).limit(10))
            ),
            [],
        ),
        steps=_guard(lambda: list(session.scalars(sa.select(ClockStep).order_by(ClockStep.id.desc()).limit(5))), []),
        versions=_guard(lambda: facts_of_versions(database), []),
        settings=facts_of_settings(config),
        links=links(config),
    )
