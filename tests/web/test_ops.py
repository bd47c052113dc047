from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from emergency.http.permissions import Role
from emergency.web import health
from kernel.db import Database
from notify import service as notify
from notify.models import Delivery, DeliveryState, DeliveryTally, EngineBeat, Kind, RawReceipt, ReceiptKind
from scheduler.models import ClockStep


@pytest.fixture(autouse=True)
def _nobody(shell_app):
    shell_app.config["ACTOR"] = None


def test_alive_touches_nothing(client, shell_app):
    del shell_app.extensions["emergency.database"]
    assert client.get("/healthz").json == {"status": "alive"}


def test_ready_when_everything_is_well(client, beating):
    answer = client.get("/readyz")
    assert answer.status_code == 200, answer.json
    assert answer.json["status"] == "ready" and answer.json["reasons"] == []
    assert set(answer.json["checks"]) == {"database", "engine", "delivery", "clock", "disk", "receipts"}


def test_unfit_without_an_engine(client):
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert [reason["check"] for reason in answer.json["reasons"]] == ["engine"]


def test_unfit_when_the_engine_falls_silent(client, beating, clock):
    clock.advance(timedelta(seconds=40))
    answer = client.get("/readyz")
    assert answer.status_code == 503 and "42 seconds" in answer.json["reasons"][0]["reason"]


def test_unfit_for_a_while_after_the_clock_jumped(client, beating, clock, database: Database):
    with database.write() as session:
        session.add(ClockStep(at=clock.now(), seconds=-3600.0, holder="engine-1"))
    assert client.get("/readyz").json["checks"]["clock"] == "unfit"


def test_unfit_when_the_disk_is_full(client, beating, monkeypatch):
    monkeypatch.setattr(health.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 5 * 1024 * 1024})())
    answer = client.get("/readyz")
    assert answer.status_code == 503 and "5 MB" in answer.json["reasons"][0]["reason"]


def test_unfit_when_the_database_is_away(client, beating, monkeypatch, database: Database):
    def away(*_args, **_kwargs):
        raise OSError("gone")

    monkeypatch.setattr(database, "open_session", away)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["checks"]["database"] == "unfit" and answer.json["checks"]["engine"] == "unfit"


def test_metrics_are_read_from_the_tables(client, beating):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["emergency_engine_beat_age_seconds"].samples[0].value == 2.0
    assert families["emergency_scrape_failures"].samples[0].value == 0.0
    assert "emergency_deliveries_unknown" in families and "emergency_queue_messages" in families


def test_metrics_are_for_this_machine_only(client):
    assert client.get("/metrics", environ_overrides={"REMOTE_ADDR": "10.0.0.9"}).status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.5"}).status_code == 403


def test_metrics_with_a_token_need_the_token(client, shell_app):
    config = shell_app.extensions["emergency.config"]
    security = dataclasses.replace(config.security, metrics_token="s3cret")
    shell_app.extensions["emergency.config"] = dataclasses.replace(config, security=security)
    far = {"REMOTE_ADDR": "10.0.0.9"}
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer s3cret"}, environ_overrides=far).status_code == 200


@pytest.fixture
def handed_over(database: Database, clock) -> int:
    """Twelve messages that a provider took just now."""
    with database.write() as session:
        spec = notify.BroadcastSpec(
            kind=Kind.NOTICE, priority=4, text="试", valid_until=clock.now() + timedelta(hours=1), channels=["sms"],
            subject_kind="thing", subject_id=1,
        )  # fmt: skip
        people = [notify.Recipient(f"post:{n}", "120118104000", n, n.to_bytes(16)) for n in range(1, 13)]
        broadcast = notify.deliver(session, spec, people)
        for table in (Delivery, DeliveryTally):
            session.execute(
                sa.update(table).where(table.broadcast_id == broadcast.id).values(state=DeliveryState.SUBMITTED)
            )
    return broadcast.id


def test_no_receipt_within_a_minute_is_to_be_looked_at_and_keeps_nobody_away(
    client, beating, handed_over, clock, database: Database
):
    def receipts():
        with database.read() as session:
            return health.check_receipts(session)

    assert receipts().fit, "receipts take a moment"
    clock.advance(timedelta(seconds=61))
    doubt = receipts()
    assert not doubt.fit and not doubt.grave and "12 messages" in doubt.text()
    with database.write() as session:
        session.get(EngineBeat, "engine-1").beat_at = clock.now()
    answer = client.get("/readyz")
    assert answer.status_code == 200 and answer.json["checks"]["receipts"] == "doubtful"
    with database.write() as session:
        session.add(
            RawReceipt(kind=ReceiptKind.STATUS, channel="sms", delivery_id=1, received_at=clock.now(), sealed=b"x")
        )
    assert receipts().fit


def test_receipts_that_were_turned_away_are_told_for_ten_minutes(client, beating, shell_app, clock, database, person):
    refusals = shell_app.extensions[health.REFUSALS] = health.Refusals()
    refusals.note(clock.now())
    shell_app.config["ACTOR"] = person(Role.ADMINISTRATOR)
    page = client.get("/system").text
    assert "可以发预警；6 项检查中有 1 项要查看" in page and "1 条回执未能收下" in page and "待查看" in page
    assert refusals.lately(clock.now() + timedelta(minutes=10)) == 0


def test_every_recurring_job_has_its_words():
    from emergency.runtime import jobs
    from emergency.web.system import JOBS

    assert {job.name for job in jobs()} <= set(JOBS)


def test_metrics_carry_what_engines_counted_whoever_counted_it(client, beating, database: Database, clock):
    from notify import counters
    from notify.models import ChannelState

    metrics = counters.TableMetrics(database)
    metrics.count(counters.HANDED_OVER, 7, kind="actual", channel="sms")
    metrics.count("notify_reconciled_total", 2, verdict="absent")
    with database.write() as session:
        counters.observe_first(session, metrics, 0.4, 0)
        session.add(ChannelState(holder="engine-1", name="twilio", configured_rate=10, rate=5, updated_at=clock.now()))
    metrics.flush_now()
    text = client.get("/metrics").text
    for line in (
        'emergency_messages_handed_over_total{channel="sms",kind="actual"} 7.0',
        'emergency_reconciled_total{verdict="absent"} 2.0',
        'emergency_first_message_seconds_bucket{le="0.25",priority="0"} 0.0',
        'emergency_first_message_seconds_bucket{le="0.5",priority="0"} 1.0',
        'emergency_first_message_seconds_count{priority="0"} 1.0',
        'emergency_channel_breaker{channel="twilio",holder="engine-1",state="closed"} 1.0',
        'emergency_delivery_silent{cause="no_engine"} 0.0',
        "emergency_engines_alive 1.0",
        "emergency_engine_late_results_total 0.0",
        "emergency_scrape_failures 0.0",
    ):
        assert line in text, f"{line}\n{text}"


def test_a_missing_engine_is_told_and_warnings_leave_all_the_same(client, beating, shell_app):
    config = shell_app.extensions["emergency.config"]
    shell_app.extensions["emergency.config"] = dataclasses.replace(
        config, engine=dataclasses.replace(config.engine, expected=2)
    )
    answer = client.get("/readyz")
    assert answer.status_code == 200 and answer.json["checks"]["delivery"] == "doubtful"
