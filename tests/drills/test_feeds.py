"""Feeds: what they carry of the rows, who may read them, and what becomes of an address that is wrong or withdrawn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import flask
import icalendar
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.drills import feeds, feeds_reading, service
from emergency.drills.feed_models import DrillFeed, FeedOf
from emergency.drills.models import Answered, DrillKind, Invitation, Occurrence, OccurrenceState, Programme
from emergency.http.actor import SYSTEM, Actor
from emergency.http.permissions import Role
from emergency.people.accounts import service as accounts
from emergency.people.posts.models import PostHolder
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, DomainError, NotFound
from scheduler.recurrence import Freq, Recurrence
from tests.drills.calendars import Seen, by_icalendar, by_vobject, faults
from tests.drills.conftest import World
from tests.plans.support import DISTRICT, DULIU, TAITOU, YIHE, signed_in

Plan = Callable[..., Programme]


@pytest.fixture
def hold(world: World) -> Callable[..., Actor]:
    """A new account with a role in a division, as the actor that it is."""
    made = iter(range(1, 99))

    def one(role: Role = Role.LIAISON, division: str = TAITOU) -> Actor:
        with world.database.write() as session:
            account = accounts.create_user(
                session, actor=SYSTEM, username=f"person{next(made)}", roles=[role], division_code=division
            )
            return accounts.actor_of(account)

    return one


def make(database: Database, actor: Actor, **given: Any) -> str:
    """A feed of the actor's own area unless said otherwise; its path."""
    with database.write() as session:
        asked = {"source": FeedOf.DIVISION, "division_code": actor.division_code} | given
        _feed, raw = feeds.create(session, actor=actor, **asked)
    return f"/calendar/{raw}.ics"


def rows(database: Database) -> dict[str, Occurrence]:
    with database.read() as session:
        found = session.scalars(sa.select(Occurrence)).all()
    return {f"occurrence-{row.id}@120118000000.emergency.invalid": row for row in found}


def wanted(row: Occurrence, uid: str) -> Seen:
    off = row.state is OccurrenceState.CANCELLED
    status = "CANCELLED" if off else "TENTATIVE" if row.provisional else "CONFIRMED"
    return Seen(uid, row.starts_at, row.ends_at, row.sequence, status)


def events(client: FlaskClient, path: str) -> dict[str, icalendar.Event]:
    return {str(event["UID"]): event for event in icalendar.Calendar.from_ical(client.get(path).data).walk("VEVENT")}


# --- content -----------------------------------------------------------------------------------------------------


def test_two_libraries_read_exactly_the_rows_of_the_township(
    world: World, plan: Plan, hold: Any, client: FlaskClient, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
        plan(
            session,
            title="台头镇夜间疏散演练；🚒,\\",
            start_time=time(23, 30),
            duration_minutes=120,
            kind=DrillKind.FIRE,
        )
        plan(session, title="独流镇演练", division_code=DULIU, post_ids=[])
        plan(session, title="义和村演练", division_code=YIHE, post_ids=[])
    path = make(world.database, hold())
    table = rows(world.database)
    mine = [uid for uid, row in table.items() if row.division_code.startswith(TAITOU[:9])]
    with world.database.write() as session:
        moved, off, unsure = (session.get_one(Occurrence, table[uid].id) for uid in mine[2:5])
        service.reschedule(
            session,
            actor=world.planner,
            occurrence_id=moved.id,
            version=moved.version,
            starts_at=moved.starts_at + timedelta(days=1),
        )
        service.cancel(session, actor=world.planner, occurrence_id=off.id, reason="台风")
        unsure.provisional = True
    answer = client.get(path)
    assert answer.status_code == 200 and answer.content_type == "text/calendar; charset=utf-8"
    assert faults(answer.data) == []
    edge = clock.now() + timedelta(days=385)
    table = {uid: row for uid, row in rows(world.database).items() if uid in mine and row.starts_at < edge}
    read = {seen for seen in by_icalendar(answer.data) if seen.starts_at < edge}
    assert read == {seen for seen in by_vobject(answer.data) if seen.starts_at < edge}
    assert read == {wanted(row, uid) for uid, row in table.items()}
    assert {seen.status for seen in read} == {"CONFIRMED", "TENTATIVE", "CANCELLED"}
    night = [seen for seen in read if seen.starts_at.hour == 15]
    assert night and all(seen.ends_at - seen.starts_at == timedelta(hours=2) for seen in night)


def test_a_moved_drill_keeps_its_uid_and_its_sequence_rises(
    world: World, plan: Plan, hold: Any, client: FlaskClient, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
    path = make(world.database, hold())
    uid, row = next(iter(sorted(rows(world.database).items(), key=lambda pair: pair[1].starts_at)))
    before = events(client, path)[uid]
    clock.advance(timedelta(minutes=5))
    with world.database.write() as session:
        service.reschedule(
            session,
            actor=world.planner,
            occurrence_id=row.id,
            version=row.version,
            starts_at=row.starts_at + timedelta(days=2),
        )
    after = events(client, path)[uid]
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])
    assert after["DTSTART"].dt - before["DTSTART"].dt == timedelta(days=2)
    assert after["LAST-MODIFIED"].dt == clock.now() and after["DTSTAMP"].dt == clock.now()


def test_a_cancelled_drill_says_so_and_stays_for_a_quarter(
    world: World, plan: Plan, hold: Any, client: FlaskClient, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
    path = make(world.database, hold())
    uid, row = next(iter(sorted(rows(world.database).items(), key=lambda pair: pair[1].starts_at)))
    with world.database.write() as session:
        service.cancel(session, actor=world.planner, occurrence_id=row.id, reason="台风")
    event = events(client, path)[uid]
    assert str(event["STATUS"]) == "CANCELLED" and str(event["SUMMARY"]).startswith("【演练】【已取消】")
    clock.set(row.starts_at + timedelta(days=89))
    assert uid in events(client, path)
    clock.set(row.starts_at + timedelta(days=91))
    assert uid not in events(client, path)


def test_a_provisional_date_is_tentative_and_says_why(world: World, plan: Plan, hold: Any, client: FlaskClient) -> None:
    with world.database.write() as session:
        plan(session)
        session.execute(sa.update(Occurrence).values(provisional=True))
    event = next(iter(events(client, make(world.database, hold())).values()))
    assert str(event["STATUS"]) == "TENTATIVE" and "日期待定" in str(event["DESCRIPTION"])


def test_an_entry_says_what_where_and_how_it_stands_and_names_nobody(
    world: World, plan: Plan, hold: Any, client: FlaskClient
) -> None:
    with world.database.write() as session:
        plan(session, place="镇文化广场")
    first = min(rows(world.database).values(), key=lambda row: row.starts_at)
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=first.id)
    body = client.get(make(world.database, hold())).data.decode().replace("\r\n ", "")
    event = icalendar.Calendar.from_ical(body).walk("VEVENT")[0]
    assert str(event["SUMMARY"]) == "【演练】台头镇防汛转移演练" and str(event["LOCATION"]) == "镇文化广场"
    assert str(event["URL"]).endswith(f"/drills/{first.id}")
    assert "已答复 0/2" in str(event["DESCRIPTION"]) and "防汛转移" in str(event["DESCRIPTION"])
    assert "张某" not in body and not re.search(r"1540000\d{4}", body) and "ATTENDEE" not in body


def test_a_feed_of_some_kinds_carries_those_only(world: World, plan: Plan, hold: Any, client: FlaskClient) -> None:
    with world.database.write() as session:
        plan(session)
        plan(session, title="消防", kind=DrillKind.FIRE)
    found = events(client, make(world.database, hold(), kinds=[DrillKind.FIRE]))
    assert found and all("消防" in str(event["SUMMARY"]) for event in found.values())


def test_the_window_is_90_days_back_and_13_months_ahead(
    world: World, plan: Plan, hold: Any, client: FlaskClient, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
        programme = plan(session, title="年度演练", recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 1)))
        for days in (-91, -89, 390, 400):
            at = clock.now() + timedelta(days=days)
            session.add(
                Occurrence(
                    programme_id=programme.id, slot_on=at.date(), starts_at=at, ends_at=at + timedelta(hours=1),
                    title=f"第{days}天", kind=DrillKind.FLOOD, division_code=TAITOU, due_at=at + timedelta(days=7),
                )
            )  # fmt: skip
    titles = {
        str(event["SUMMARY"]).removeprefix("【演练】")
        for event in events(client, make(world.database, hold())).values()
    }
    assert titles & {"第-91天", "第-89天", "第390天", "第400天"} == {"第-89天", "第390天"}


def test_a_feed_that_would_grow_too_long_keeps_the_next_ones_and_says_so(
    world: World, plan: Plan, hold: Any, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds_reading, "MOST_AHEAD", 3)
    with world.database.write() as session:
        plan(session)
    answer = client.get(make(world.database, hold()))
    starts = sorted(row.starts_at for row in rows(world.database).values())
    assert sorted(seen.starts_at for seen in by_icalendar(answer.data)) == starts[:3]
    assert "只含今后 3 场" in str(icalendar.Calendar.from_ical(answer.data)["X-WR-CALDESC"])


# --- the posts of a person -----------------------------------------------------------------------------------------


def test_a_persons_feed_carries_the_invitations_of_their_posts_with_the_answer(
    world: World, plan: Plan, hold: Any, client: FlaskClient, clock: ManualClock
) -> None:
    me = hold()
    with world.database.write() as session:
        plan(session)
        plan(session, title="不相干", post_ids=[world.gong])
        session.execute(sa.update(PostHolder).where(PostHolder.post_id == world.chief).values(account_id=me.id))
    first = min((row for row in rows(world.database).values() if row.title != "不相干"), key=lambda row: row.starts_at)
    path = make(world.database, me, source=FeedOf.POSTS)
    assert events(client, path) == {}
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=first.id)
    (event,) = events(client, path).values()
    assert "台头镇 防汛责任人：尚未答复" in str(event["DESCRIPTION"]) and "锣长" not in str(event["DESCRIPTION"])
    assert event.walk("VALARM")
    clock.advance(timedelta(minutes=9))
    with world.database.write() as session:
        invitation = session.scalars(sa.select(Invitation).where(Invitation.post_id == world.chief)).one()
        invitation.answer, invitation.answered_at = Answered.YES, clock.now()
    (event,) = events(client, path).values()
    assert "台头镇 防汛责任人：参加" in str(event["DESCRIPTION"]) and event["LAST-MODIFIED"].dt == clock.now()


def test_who_leaves_a_post_loses_its_drills(world: World, plan: Plan, hold: Any, client: FlaskClient) -> None:
    me = hold()
    with world.database.write() as session:
        plan(session)
        session.execute(sa.update(PostHolder).where(PostHolder.post_id == world.chief).values(account_id=me.id))
    with world.database.write() as session:
        first = session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)).first()
        service.invite(session, actor=world.planner, occurrence_id=first.id)  # type: ignore[union-attr]
    path = make(world.database, me, source=FeedOf.POSTS)
    assert len(events(client, path)) == 1
    with world.database.write() as session:
        session.execute(sa.update(PostHolder).where(PostHolder.post_id == world.chief).values(account_id=None))
    assert events(client, path) == {}


# --- who may ---------------------------------------------------------------------------------------------------------


def test_nobody_makes_a_feed_of_what_they_do_not_see(world: World, hold: Any) -> None:
    me = hold()
    for code in (DULIU, DISTRICT, "999999999999", "x", ""):
        with pytest.raises(NotFound):
            make(world.database, me, division_code=code)
    with pytest.raises(DomainError) as refused:
        make(world.database, hold(Role.AUDITOR, DISTRICT))
    assert refused.value.status == 403


def test_a_closed_account_closes_its_feed(world: World, plan: Plan, hold: Any, client: FlaskClient) -> None:
    me = hold()
    with world.database.write() as session:
        plan(session)
    path = make(world.database, me)
    assert client.get(path).status_code == 200
    with world.database.write() as session:
        accounts.close(session, actor=SYSTEM, account_id=me.id)
    assert client.get(path).status_code == 404


def test_a_feed_shrinks_with_its_accounts_area_and_ends_where_that_moves_away(
    world: World, plan: Plan, hold: Any, client: FlaskClient
) -> None:
    me = hold(Role.PLANNER, DISTRICT)
    with world.database.write() as session:
        plan(session)
        plan(session, title="独流镇演练", division_code=DULIU, post_ids=[])
    whole, of_duliu = make(world.database, me), make(world.database, me, division_code=DULIU)
    assert {str(e["SUMMARY"]) for e in events(client, whole).values()} == {
        "【演练】台头镇防汛转移演练",
        "【演练】独流镇演练",
    }
    with world.database.write() as session:
        accounts.edit(session, actor=SYSTEM, account_id=me.id, roles=[Role.PLANNER], division_code=TAITOU)
    assert {str(e["SUMMARY"]) for e in events(client, whole).values()} == {"【演练】台头镇防汛转移演练"}
    assert client.get(of_duliu).status_code == 404
    with world.database.write() as session:
        accounts.edit(session, actor=SYSTEM, account_id=me.id, roles=[Role.AUDITOR], division_code=TAITOU)
    assert client.get(whole).status_code == 404


def test_renewing_kills_the_old_address_and_revoking_kills_both(
    world: World, plan: Plan, hold: Any, client: FlaskClient
) -> None:
    me, other = hold(), hold()
    path = make(world.database, me)
    with world.database.read() as session:
        feed_id = session.scalars(sa.select(DrillFeed.id)).one()
    with pytest.raises(NotFound), world.database.write() as session:
        feeds.renew(session, actor=other, feed_id=feed_id)
    with pytest.raises(NotFound), world.database.write() as session:
        feeds.revoke(session, actor=other, feed_id=feed_id)
    with world.database.write() as session:
        _feed, raw = feeds.renew(session, actor=me, feed_id=feed_id)
    assert client.get(path).status_code == 404
    assert client.get(f"/calendar/{raw}.ics").status_code == 200
    with world.database.write() as session:  # the planner of the area withdraws what a leaver left
        feeds.revoke(session, actor=world.planner, feed_id=feed_id)
    assert client.get(f"/calendar/{raw}.ics").status_code == 404
    with world.database.read() as session:
        data = [
            entry.data for entry in session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "drill.feed"))
        ]
    assert [json.loads(entry)["what"] for entry in data] == ["made", "renewed", "revoked"]


def test_an_account_has_at_most_twenty_feeds(world: World, hold: Any) -> None:
    me = hold()
    for _n in range(feeds.MOST_FEEDS):
        make(world.database, me)
    with pytest.raises(Conflict, match="feeds already"):
        make(world.database, me)


def test_the_table_knows_no_address(world: World, hold: Any) -> None:
    path = make(world.database, hold())
    raw = path.removeprefix("/calendar/").removesuffix(".ics")
    assert len(raw) >= 22  # 128 bits in base64
    with world.database.read() as session:
        feed = session.scalars(sa.select(DrillFeed)).one()
    assert raw not in repr(vars(feed)) and raw.encode() not in feed.token_digest


# --- the road ----------------------------------------------------------------------------------------------------------

HOSTILE = ["x", "x" * 63, "x" * 5000, "%00", "%E6%BC%94", "..%2f..%2fetc", "' OR 1=1 --", "🚒", "-", "%FF%FE", "a.ics"]


@pytest.mark.parametrize("token", HOSTILE)
def test_a_wrong_address_is_404_and_says_nothing(
    world: World, plan: Plan, hold: Any, client: FlaskClient, token: str
) -> None:
    path = make(world.database, hold())
    answer = client.get(f"/calendar/{token}.ics")
    assert answer.status_code in (400, 404)
    near = path.replace(".ics", "x.ics"), path[:-5] + ("A" if path[-5] != "A" else "B") + ".ics"
    for wrong in near:
        assert client.get(wrong).data == b"404\n"


def test_a_withdrawn_address_and_a_guessed_one_look_the_same(world: World, hold: Any, client: FlaskClient) -> None:
    path = make(world.database, hold())
    with world.database.write() as session:
        session.execute(sa.update(DrillFeed).values(revoked_at=datetime(2026, 11, 1, tzinfo=UTC)))
    gone, guessed = client.get(path), client.get("/calendar/" + "A" * 32 + ".ics")
    ignored = {"X-Request-Id"}
    assert gone.status_code == guessed.status_code == 404 and gone.data == guessed.data
    assert {k: v for k, v in gone.headers if k not in ignored} == {k: v for k, v in guessed.headers if k not in ignored}


def test_whoever_tries_addresses_is_stopped(world: World, hold: Any, client: FlaskClient) -> None:
    codes = [client.get(f"/calendar/guess{n}.ics").status_code for n in range(40)]
    assert codes[0] == 404 and codes[-1] == 429


def test_an_office_behind_one_address_is_not_taken_for_a_guesser(world: World, hold: Any, client: FlaskClient) -> None:
    path = make(world.database, hold())
    assert {client.get(path).status_code for _n in range(100)} == {200}


def test_what_has_not_changed_is_304_and_what_has_is_not(
    world: World, plan: Plan, hold: Any, client: FlaskClient, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
    path = make(world.database, hold())
    first = client.get(path)
    assert first.headers["Cache-Control"] == "private, max-age=300"
    assert "Set-Cookie" not in first.headers
    etag, changed = first.headers["ETag"], first.headers["Last-Modified"]
    clock.advance(timedelta(hours=7))
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert client.get(path, headers={"If-Modified-Since": changed}).status_code == 304
    with world.database.write() as session:
        row = session.scalars(sa.select(Occurrence)).first()
        service.cancel(session, actor=world.planner, occurrence_id=row.id, reason="台风")  # type: ignore[union-attr]
    assert client.get(path, headers={"If-Modified-Since": changed}).status_code == 200
    after = client.get(path, headers={"If-None-Match": etag})
    assert after.status_code == 200 and after.headers["ETag"] != etag


def test_only_the_day_of_the_last_reading_is_kept(
    world: World, hold: Any, client: FlaskClient, clock: ManualClock
) -> None:
    path = make(world.database, hold())
    client.get(path)
    with world.database.read() as session:
        assert session.scalars(sa.select(DrillFeed.last_used_on)).one() == date(2026, 11, 23)
    clock.advance(timedelta(days=3))
    client.get(path, headers={"If-None-Match": "x"})
    with world.database.read() as session:
        assert session.scalars(sa.select(DrillFeed.last_used_on)).one() == date(2026, 11, 26)


def test_head_answers_like_get_without_a_body(world: World, hold: Any, client: FlaskClient) -> None:
    path = make(world.database, hold())
    assert client.head(path).status_code == 200 and client.head(path).data == b""


# --- page and JSON -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_makes_a_feed_and_shows_its_address_once(
    world: World, plan: Plan, hold: Any, app: flask.Flask, language: str
) -> None:
    with world.database.write() as session:
        plan(session)
    client = signed_in(app, hold(), language)
    empty = client.get("/drills/feeds")
    assert empty.status_code == 200 and empty.text.count("<h1") == 1
    made = client.post("/drills/feeds", data={"of": TAITOU, "name": "", "kinds": ["flood"]})
    found = re.search(r"http://[^\"]*(/calendar/[\w-]+\.ics)", made.text)
    assert made.status_code == 200 and found and "webcal://" in made.text and "<svg" in made.text
    assert client.get(found[1]).status_code == 200
    assert "/calendar/" not in client.get("/drills/feeds").text
    with world.database.read() as session:
        feed = session.scalars(sa.select(DrillFeed)).one()
    assert (feed.name, feed.kinds, feed.source) == ("台头镇演练", ["flood"], FeedOf.DIVISION)
    renewed = client.post(f"/drills/feeds/{feed.id}/renew")
    again = re.search(r"/calendar/[\w-]+\.ics", renewed.text)
    assert again and again[0] != found[1] and client.get(found[1]).status_code == 404
    assert client.post(f"/drills/feeds/{feed.id}/revoke").status_code == 303
    assert client.get(again[0]).status_code == 404


@pytest.mark.parametrize(
    "data", [{}, {"of": DULIU}, {"of": "x"}, {"of": TAITOU, "kinds": ["nonsense"]}, {"of": TAITOU, "name": "长" * 61}]
)
def test_a_wrong_form_is_told_and_makes_nothing(
    world: World, hold: Any, app: flask.Flask, data: dict[str, Any]
) -> None:
    client = signed_in(app, hold())
    assert client.post("/drills/feeds", data=data).status_code == 422
    with world.database.read() as session:
        assert session.scalar(sa.select(sa.func.count(DrillFeed.id))) == 0


def test_anothers_feed_is_404_for_a_stranger_and_listed_for_the_planner(
    world: World, hold: Any, app: flask.Flask
) -> None:
    make(world.database, hold(), name="张镇长办公室")
    with world.database.read() as session:
        feed_id = session.scalars(sa.select(DrillFeed.id)).one()
    who = [hold(division=DULIU)]

    @app.before_request
    def _now() -> None:
        flask.g.actor = who[-1]

    planner = stranger = signed_in(app, who[0])
    app.before_request_funcs[None].append(_now)
    for what in ("renew", "revoke"):
        assert stranger.post(f"/drills/feeds/{feed_id}/{what}").status_code == 404
    who.append(world.planner)
    page = planner.get("/drills/feeds")
    assert "张镇长办公室" in page.text and f"/drills/feeds/{feed_id}/renew" not in page.text
    assert planner.post(f"/drills/feeds/{feed_id}/renew").status_code == 404
    assert planner.post(f"/drills/feeds/{feed_id}/revoke").status_code == 303


def test_a_programme_makes_lists_and_ends_feeds(world: World, plan: Plan, hold: Any, app: flask.Flask) -> None:
    with world.database.write() as session:
        plan(session)
    me = hold()
    client = app.test_client()
    with world.database.write() as session:
        raw = accounts.create_token(session, actor=me, account=accounts.get(session, me.id), name="日历")
    head = {"Authorization": f"Bearer {raw}"}
    made = client.post("/api/v1/drills/feeds", json={"division_code": TAITOU, "kinds": ["flood"]}, headers=head)
    assert made.status_code == 201, made.json
    path = "/calendar/" + made.json["url"].rpartition("/")[2]
    assert client.get(path).status_code == 200
    listed = client.get("/api/v1/drills/feeds", headers=head).json["items"]
    assert [row["id"] for row in listed] == [made.json["id"]] and "url" not in listed[0]
    renewed = client.post(f"/api/v1/drills/feeds/{made.json['id']}/renew", headers=head)
    assert renewed.status_code == 200 and renewed.json["url"] != made.json["url"]
    assert client.post(f"/api/v1/drills/feeds/{made.json['id']}/revoke", headers=head).status_code == 200
    assert client.get(path).status_code == 404
    for body, status in (({"division_code": DULIU}, 404), ({"division_code": TAITOU, "cancelled_days": 5}, 422),
                         ({"division_code": TAITOU, "kinds": ["x"]}, 422), ({"nonsense": 1}, 422)):  # fmt: skip
        assert client.post("/api/v1/drills/feeds", json=body, headers=head).status_code == status
