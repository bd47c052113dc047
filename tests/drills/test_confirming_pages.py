"""The page behind the link, the QR code and the short code; the planner's page and the JSON of asking."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.asking.models import Answer, Link, Means, Question, QuestionState, ShortCode
from emergency.asking.showing import plain_code
from emergency.drills import confirming_jobs, service, telling
from emergency.drills.confirming_models import DateProposal, ProposalState
from emergency.drills.models import Answered, Invitation, Occurrence, OccurrenceState, Programme
from emergency.http.permissions import Role
from emergency.people.posts.models import PostHolder
from emergency.privacy.journal import JournalEntry
from kernel.clock import BEIJING, ManualClock
from notify.models import Delivery
from tests.drills.conftest import World
from tests.plans.support import DULIU, person, signed_in

Plan = Callable[..., Programme]
BOTH = person(Role.PLANNER, Role.DUTY_OFFICER)
LATER = datetime(2026, 12, 2, 14, tzinfo=BEIJING)
WECHAT = (
    "Mozilla/5.0 (Linux; Android 10; HMA-AL00) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/107.0 "
    "Mobile Safari/537.36 XWEB/5023 MMWEBSDK/20230202 MicroMessenger/8.0.33.2320(0x28002151)"
)
PREVIEWS = (
    {"User-Agent": WECHAT, "Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"X-Moz": "prefetch"},
    {"X-Purpose": "preview"}, {"User-Agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"},
    {"User-Agent": "TwilioBot/1.0"}, {"User-Agent": "Mozilla/5.0 (compatible; Bytespider)"},
)  # fmt: skip


@pytest.fixture
def asked(world: World, plan: Plan) -> Occurrence:
    with world.database.write() as session:
        plan(session, place="镇中心小学操场")
        occurrence_id = session.scalars(sa.select(Occurrence.id).order_by(Occurrence.starts_at)).first()
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=occurrence_id or 0)
    return again(world)


@pytest.fixture
def phone(app: flask.Flask) -> Iterator[FlaskClient]:
    """A telephone that nobody is signed in on."""
    client = app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = WECHAT
    yield client


def again(world: World) -> Occurrence:
    with world.database.read() as session:
        return session.scalars(sa.select(Occurrence).order_by(Occurrence.slot_on)).first()  # type: ignore[return-value]


def link(world: World, post_id: int) -> str:
    """The newest link that left to a post."""
    with world.database.read() as session:
        rows = session.scalars(
            sa.select(Delivery.params).where(Delivery.recipient == f"post:{post_id}").order_by(Delivery.id.desc())
        )
        url = next(str(params["link"]) for params in rows if params and "link" in params)
    return url[url.index("/c/") :]


def answers(world: World) -> list[tuple[str, Means]]:
    with world.database.read() as session:
        return [(a.key, a.means) for a in session.scalars(sa.select(Answer).order_by(Answer.at, Answer.id))]


def test_the_page_is_small_whole_and_made_for_old_hands(world: World, asked: Occurrence, phone: FlaskClient) -> None:
    response = phone.get(link(world, world.chief))
    page = response.text
    assert response.status_code == 200 and len(response.data) < 15_000
    assert not re.search(r"<script|src=|<link[^>]+stylesheet|@import|url\(|https?://", page), "it asks for nothing else"
    assert 'name="viewport"' in page and "font:18px" in page
    sizes = [float(size) for size in re.findall(r"font-size:(\d+)px", page)]
    assert min(sizes) >= 18
    assert all(int(height) >= 60 for height in re.findall(r"min-height:(\d\d+)px", page))
    first, second = page.index(">能参加<"), page.index(">不能参加<")
    assert first < second < page.index("派人代替") < page.index("建议改期")
    assert "演练，不是真的" in page and "#6536a3" in page and "张某" not in page and "1540000" not in page
    assert response.headers["Referrer-Policy"] == "no-referrer" and response.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in response.headers


def test_the_page_comes_at_once(world: World, asked: Occurrence, phone: FlaskClient) -> None:
    path, asked_of_the_database = link(world, world.chief), []
    sa.event.listen(world.database.engine, "before_cursor_execute", count := lambda *_: asked_of_the_database.append(1))
    try:
        assert phone.get(path).status_code == 200
    finally:
        sa.event.remove(world.database.engine, "before_cursor_execute", count)
    assert len(asked_of_the_database) <= 20, "the page is answered from a few rows, whatever else is stored"


@pytest.mark.parametrize("headers", PREVIEWS)
def test_a_preview_or_a_prefetch_never_confirms(
    world: World, asked: Occurrence, phone: FlaskClient, headers: dict[str, str]
) -> None:
    path = link(world, world.chief)
    assert phone.get(path, headers=headers).status_code == 200
    assert phone.head(path, headers=headers).status_code == 200
    assert phone.get(path + "?answer=yes", headers=headers).status_code == 200
    if "User-Agent" not in headers or len(headers) > 1:
        assert phone.post(path, data={"answer": "yes"}, headers=headers).status_code == 200
    assert answers(world) == [] and again(world).state is OccurrenceState.INVITED


def test_a_button_pressed_twice_is_one_answer(world: World, asked: Occurrence, phone: FlaskClient) -> None:
    path = link(world, world.chief)
    for _ in range(3):
        assert phone.post(path, data={"answer": "yes"}).status_code == 303
    assert answers(world) == [("yes", Means.LINK)] and "已记下" in phone.get(path).text
    phone.post(path, data={"answer": "no", "why": "ill"})
    phone.post(path, data={"answer": "yes"})
    assert [key for key, _means in answers(world)] == ["yes", "no", "yes"]


def test_a_decline_keeps_its_reason_sealed(world: World, asked: Occurrence, phone: FlaskClient) -> None:
    path = link(world, world.chief)
    assert phone.post(path, data={"answer": "no"}).status_code == 422
    assert phone.post(path, data={"answer": "no", "why": "away"}).status_code == 303
    with world.database.read() as session:
        [answer] = session.scalars(sa.select(Answer)).all()
        assert answer.note_sealed is not None and b"away" not in answer.note_sealed


@pytest.mark.parametrize(
    "typed",
    [
        {"day": "2026-12-02", "clock": "14:00"}, {"day": "12月2日", "clock": "下午2点"}, {"day": "2026/12/2", "clock": "14:00"},
    ],
)  # fmt: skip
def test_the_page_takes_another_date_and_time(
    world: World, asked: Occurrence, phone: FlaskClient, typed: dict[str, str]
) -> None:
    path = link(world, world.gong)
    assert phone.post(path, data={"answer": "other", "note": "村里有会", **typed}).status_code == 303
    with world.database.read() as session:
        [proposal] = session.scalars(sa.select(DateProposal)).all()
        assert (proposal.wanted_at, proposal.state) == (LATER, ProposalState.OPEN)


@pytest.mark.parametrize(
    "typed",
    [
        {}, {"day": "2026-12-02"}, {"clock": "14:00"}, {"day": "2026-02-30", "clock": "14:00"}, {"day": "<b>", "clock": "x"},
        {"day": "2026-11-22", "clock": "09:00"}, {"day": "2031-01-01", "clock": "09:00"}, {"day": "9" * 5000, "clock": "1"},
    ],
)  # fmt: skip
def test_a_proposal_without_a_plain_time_is_sent_back(
    world: World, asked: Occurrence, phone: FlaskClient, typed: dict[str, str]
) -> None:
    response = phone.post(link(world, world.gong), data={"answer": "other", **typed})
    assert response.status_code == 422 and 'role="alert"' in response.text and "<b>x" not in response.text
    assert answers(world) == []


def test_after_a_move_the_old_link_says_where_to_and_the_new_one_shows_the_earlier_answer(
    world: World, asked: Occurrence, phone: FlaskClient
) -> None:
    old = link(world, world.chief)
    phone.post(old, data={"answer": "yes"})
    with world.database.write() as session:
        telling.move(
            session, actor=world.planner, occurrence_id=asked.id, version=again(world).version, starts_at=LATER
        )
    for response in (phone.get(old), phone.post(old, data={"answer": "no", "why": "ill"})):
        assert response.status_code == 410 and "已改到12月2日（周三）14:00" in response.text
        assert response.text.count("<h1") == 1 and "<form" not in response.text
    page = phone.get(link(world, world.chief)).text
    assert "此前答复" in page and "12月2日（周三）14:00" in page
    assert [key for key, _means in answers(world)] == ["yes"]


def test_a_link_of_a_called_off_drill_says_so(
    world: World, asked: Occurrence, phone: FlaskClient, app: flask.Flask
) -> None:
    path = link(world, world.chief)
    config = app.extensions["emergency.config"]
    app.extensions["emergency.config"] = replace(config, site=replace(config.site, duty_phone="022-00000118"))
    with world.database.write() as session:
        telling.call_off(session, actor=world.planner, occurrence_id=asked.id, reason="有任务")
    for response in (phone.get(path), phone.post(path, data={"answer": "yes"})):
        assert response.status_code == 410 and "这场演练已取消" in response.text
        assert 'href="tel:022-00000118"' in response.text
    assert answers(world) == []


def test_a_link_after_the_drill_began_says_that_it_is_too_late(
    world: World, asked: Occurrence, phone: FlaskClient, clock: ManualClock
) -> None:
    path = link(world, world.chief)
    clock.set(asked.starts_at)
    response = phone.post(path, data={"answer": "yes"})
    assert response.status_code == 410 and "答复时间已过" in response.text and answers(world) == []


def test_a_link_answers_its_own_occurrence_and_no_other(
    world: World, plan: Plan, asked: Occurrence, phone: FlaskClient
) -> None:
    path = link(world, world.chief)
    with world.database.write() as session:
        other = session.scalars(sa.select(Occurrence.id).order_by(Occurrence.starts_at).offset(1)).first()
        service.invite(session, actor=world.planner, occurrence_id=other or 0)
    phone.post(path, data={"answer": "yes", "occurrence": str(other), "question": "1", "post": str(world.gong)})
    with world.database.read() as session:
        said = {
            (i.occurrence_id, i.post_id): i.answer
            for i in session.scalars(sa.select(Invitation).where(Invitation.answer.is_not(None)))
        }
    assert said == {(asked.id, world.chief): Answered.YES}


def test_guessing_links_is_slowed_down_and_a_real_link_still_opens(
    world: World, asked: Occurrence, phone: FlaskClient
) -> None:
    codes = [phone.get(f"/c/{n:022d}").status_code for n in range(40)]
    assert codes[:30] == [404] * 30 and codes[-1] == 429
    blocked = phone.get("/c/" + "y" * 22)
    assert blocked.status_code == 429 and "尝试次数过多" in blocked.text
    assert phone.get(link(world, world.chief)).status_code == 200


# ---- shown instead of sent ----


def show(world: World, app: flask.Flask, post_id: int) -> str:
    with world.database.read() as session:
        invitation = session.scalars(sa.select(Invitation.id).where(Invitation.post_id == post_id)).first()
    client = app.extensions.setdefault("the planner's browser", None) or signed_in(app, BOTH)
    app.extensions["the planner's browser"] = client
    response = client.post(f"/drills/invitations/{invitation}/code")
    assert response.status_code == 200 and response.headers["Cache-Control"] == "no-store"
    return response.text


def code_in(page: str) -> str:
    found = re.search(r"\b([A-Z]{4}-[A-Z]{4})\b", page)
    assert found is not None
    return found[1]


def test_a_code_that_is_read_out_opens_the_question_of_its_post(
    world: World, asked: Occurrence, app: flask.Flask
) -> None:
    page = show(world, app, world.chief)
    code = code_in(page)
    assert "<svg" in page and plain_code(code) is not None
    with world.database.read() as session:
        kept = session.scalars(sa.select(ShortCode)).one()
        assert code.replace("-", "").encode() not in kept.code_digest and kept.recipient == f"post:{world.chief}"
        [entry] = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "question.shown")).all()
        assert entry.purpose == "drill" and code not in entry.data
    phone = app.test_client()
    assert "短码" in phone.get("/c").text
    opened = phone.post("/c/code", data={"code": code.lower().replace("-", " ")})
    assert opened.status_code == 303
    path = opened.headers["Location"]
    assert "能参加" in phone.get(path).text and phone.post(path, data={"answer": "yes"}).status_code == 303
    with world.database.read() as session:
        [invitation] = session.scalars(sa.select(Invitation).where(Invitation.post_id == world.chief)).all()
        assert invitation.answer is Answered.YES
        [answer] = session.scalars(sa.select(Answer)).all()
        used = session.get_one(Link, answer.link_id)
        assert used.shown_by == "account:1" and used.recipient == f"post:{world.chief}"


def test_a_new_code_ends_the_one_before(world: World, asked: Occurrence, app: flask.Flask) -> None:
    first, second = code_in(show(world, app, world.chief)), code_in(show(world, app, world.chief))
    phone = app.test_client()
    assert phone.post("/c/code", data={"code": first}).status_code == 422
    assert phone.post("/c/code", data={"code": second}).status_code == 303
    with world.database.read() as session:
        assert len(session.scalars(sa.select(ShortCode)).all()) == 1


@pytest.mark.parametrize("ended", ["begun", "called off", "moved"])
def test_a_code_dies_with_its_question(
    world: World, asked: Occurrence, app: flask.Flask, clock: ManualClock, ended: str
) -> None:
    code = code_in(show(world, app, world.chief))
    if ended == "begun":
        clock.set(asked.starts_at)
    else:
        with world.database.write() as session:
            if ended == "moved":
                telling.move(
                    session, actor=world.planner, occurrence_id=asked.id, version=again(world).version, starts_at=LATER
                )
            else:
                telling.call_off(session, actor=world.planner, occurrence_id=asked.id, reason="有任务")
    response = app.test_client().post("/c/code", data={"code": code})
    assert response.status_code == 422 and "短码无效或已失效" in response.text


def test_guessing_codes_is_slowed_down_for_an_address_and_for_everybody(
    world: World, asked: Occurrence, app: flask.Flask
) -> None:
    code = code_in(show(world, app, world.chief))
    phone = app.test_client()
    wrong = [phone.post("/c/code", data={"code": "ABCDEFGH"}).status_code for _ in range(12)]
    assert wrong == [422] * 10 + [429] * 2
    assert phone.post("/c/code", data={"code": code}).status_code == 429, "not even the right one, from there"
    elsewhere = {"REMOTE_ADDR": "10.0.0.9"}
    assert phone.post("/c/code", data={"code": code}, environ_base=elsewhere).status_code == 303
    many = [
        phone.post("/c/code", data={"code": "ABCDEFGH"}, environ_base={"REMOTE_ADDR": f"10.1.0.{n}"}).status_code
        for n in range(60)
    ]
    assert many[-1] == 429


@pytest.mark.parametrize("typed", ["", "1", "ILOQ-UVAB", "x" * 9000, "ＡＢ", "<script>", "ABCD EFG"])
def test_rubbish_for_a_code_is_sent_back_kindly(world: World, asked: Occurrence, app: flask.Flask, typed: str) -> None:
    response = app.test_client().post("/c/code", data={"code": typed})
    assert response.status_code == 422 and "<script>" not in response.text


def test_a_code_is_never_entered_by_a_prefetch(world: World, asked: Occurrence, app: flask.Flask) -> None:
    code = code_in(show(world, app, world.chief))
    response = app.test_client().post("/c/code", data={"code": code}, headers={"Sec-Purpose": "prefetch"})
    assert response.status_code == 422


def test_the_sheet_has_one_piece_a_post_and_leaves_out_what_nobody_holds(
    world: World, asked: Occurrence, app: flask.Flask
) -> None:
    with world.database.write() as session:
        session.execute(sa.delete(PostHolder).where(PostHolder.post_id == world.gong))
    response = signed_in(app, BOTH).post(f"/drills/{asked.id}/codes")
    assert response.status_code == 200 and response.text.count('class="qr"') == 1
    assert len(set(re.findall(r"\b[A-Z]{4}-[A-Z]{4}\b", response.text))) == 1 and "另有 1 个岗位没有" in response.text
    with world.database.read() as session:
        [entry] = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "question.shown")).all()
        assert '"count": 1' in entry.data


def test_a_sheet_of_a_drill_that_nobody_was_asked_about_is_refused(world: World, plan: Plan, app: flask.Flask) -> None:
    with world.database.write() as session:
        plan(session)
    assert signed_in(app, BOTH).post(f"/drills/{again(world).id}/codes").status_code == 409


def test_a_neighbour_is_shown_no_code_and_told_nothing(world: World, asked: Occurrence, app: flask.Flask) -> None:
    with world.database.read() as session:
        invitation = session.scalars(sa.select(Invitation.id)).first()
    client = signed_in(app, person(Role.PLANNER, Role.DUTY_OFFICER, division=DULIU, id=9))
    for path in (
        f"/drills/invitations/{invitation}/code", f"/drills/{asked.id}/codes", f"/drills/{asked.id}/reschedule",
        f"/drills/invitations/{invitation}/answer", f"/drills/{asked.id}/cancel", f"/drills/{asked.id}/invite",
    ):  # fmt: skip
        assert client.post(path).status_code == 404, path
    with world.database.read() as session:
        assert session.scalars(sa.select(ShortCode)).all() == []


# ---- the planner's page ----


def test_the_page_says_how_it_stands_and_what_the_phone_will_show(world: World, plan: Plan, app: flask.Flask) -> None:
    with world.database.write() as session:
        plan(session, recurrence=service_recurrence())
    client, url = signed_in(app, BOTH), f"/drills/{again(world).id}"
    before = client.get(url).text
    assert "尚未征询，应征询 2 个岗位" in before and "手机上的样子" in before and "请确认是否参加演练" in before
    assert "自动征询" in before and before.count("btn-primary") >= 1
    client.post(f"{url}/invite")
    after = client.get(url).text
    assert "已征询 2 个岗位：能参加 0，不能参加 0，建议改期 0，未答复 2" in after and "手机上的样子" not in after


def service_recurrence() -> object:
    from datetime import date

    from scheduler.recurrence import Freq, Recurrence

    return Recurrence(Freq.YEARLY, date(2026, 12, 28))


def test_a_proposal_is_decided_on_the_page(world: World, asked: Occurrence, app: flask.Flask) -> None:
    client, url = signed_in(app, BOTH), f"/drills/{asked.id}"
    phone = app.test_client()
    phone.post(link(world, world.chief), data={"answer": "yes"})
    phone.post(link(world, world.gong), data={"answer": "other", "day": "2026-12-02", "clock": "14:00"})
    page = client.get(url).text
    assert "改期建议" in page and "采纳并改期" in page and "1 条待定" in page
    with world.database.read() as session:
        proposal = session.scalars(sa.select(DateProposal.id)).one()
    assert client.post(f"/drills/proposals/{proposal}/refuse", data={"reason": ""}).status_code == 422
    assert client.post(f"/drills/proposals/{proposal}/accept").status_code == 303
    page = client.get(url).text
    assert "12月2日" in page and "改期通知" in page and "对原定时间的答复：参加" in page and "告知情况" in page
    assert client.post(f"/drills/proposals/{proposal}/accept").status_code == 409


def test_the_page_of_a_called_off_drill_shows_who_was_told(
    world: World, asked: Occurrence, app: flask.Flask, clock: ManualClock
) -> None:
    client, url = signed_in(app, BOTH), f"/drills/{asked.id}"
    assert client.post(f"{url}/cancel", data={"reason": "有实际任务"}).status_code == 303
    confirming_jobs.send_notices(world.database, clock.now())
    page = client.get(url).text
    assert "本场演练已取消" in page and page.count("取消通知") == 2 and "已发出" in page


def test_what_was_heard_earlier_is_typed_in_on_the_page(
    world: World, asked: Occurrence, app: flask.Flask, clock: ManualClock
) -> None:
    with world.database.read() as session:
        invitation = session.scalars(sa.select(Invitation.id)).first()
    clock.advance(timedelta(hours=3))
    client = signed_in(app, BOTH)
    typed = {"answer": "deputy", "means": "radio", "at": "2026-11-23T09:30", "note": "李某二来"}
    assert client.post(f"/drills/invitations/{invitation}/answer", data=typed).status_code == 303
    page = client.get(f"/drills/{asked.id}").text
    assert "派人代替" in page and "09:30" in page and "李某二" not in page
    for wrong in ({"answer": "perhaps", "means": "radio"}, {"answer": "yes", "means": "link"}, {}):
        assert client.post(f"/drills/invitations/{invitation}/answer", data=wrong).status_code == 422


# ---- JSON ----


def test_asking_moving_and_calling_off_in_json(world: World, plan: Plan, app: flask.Flask, clock: ManualClock) -> None:
    with world.database.write() as session:
        plan(session)
    occurrence = again(world)
    client, base = signed_in(app, BOTH), f"/api/v1/drills/{occurrence.id}"
    assert client.post(f"{base}/invite", json={}).json == {"posts": 2}
    assert client.post(f"{base}/invite", json={}).json == {"posts": 0}
    listed = client.get(f"{base}/invitations").json
    assert listed is not None and [i["answer"] for i in listed["invitations"]] == [None, None]
    invitation = listed["invitations"][0]["id"]
    said = {"answer": "other", "means": "phone", "proposed_at": LATER.isoformat()}
    answered = client.post(f"/api/v1/drills/invitations/{invitation}/answers", json=said)
    assert answered.status_code == 201 and answered.json is not None and answered.json["answer"] == "other"
    listed = client.get(f"{base}/invitations").json
    assert listed is not None
    [proposal] = listed["proposals"]
    assert datetime.fromisoformat(proposal["wanted_at"]) == LATER and proposal["state"] == "open"
    moved = client.post(f"/api/v1/drills/proposals/{proposal['id']}/accept").json
    assert moved is not None and datetime.fromisoformat(moved["starts_at"]) == LATER and moved["posts"] == 2
    stale = client.post(f"{base}/reschedule", json={"starts_at": "2026-12-03T09:00:00+08:00", "version": 1})
    assert stale.status_code == 409
    clock.advance(timedelta(minutes=1))
    fresh = client.post(
        f"{base}/reschedule", json={"starts_at": "2026-12-03T09:00:00+08:00", "version": moved["version"]}
    )
    assert fresh.status_code == 200 and fresh.json is not None and fresh.json["posts"] == 2
    gone = client.post(f"{base}/cancel", json={"reason": "有任务"})
    assert gone.status_code == 200 and gone.json is not None and gone.json["state"] == "cancelled"
    assert client.post(f"{base}/cancel", json={}).status_code == 422
    with world.database.read() as session:
        assert set(session.scalars(sa.select(Question.state))) == {QuestionState.CLOSED}


@pytest.mark.parametrize(
    "said",
    [
        {"answer": "perhaps"}, {"answer": "yes", "means": "link"}, {"answer": "yes", "at": "2026-11-23T09:00:00"},
        {"answer": "other", "proposed_at": "2020-01-01T00:00:00+08:00"}, {},
    ],
)  # fmt: skip
def test_faulty_json_changes_nothing(world: World, asked: Occurrence, app: flask.Flask, said: dict[str, str]) -> None:
    with world.database.read() as session:
        invitation = session.scalars(sa.select(Invitation.id)).first()
    client = signed_in(app, BOTH)
    assert client.post(f"/api/v1/drills/invitations/{invitation}/answers", json=said).status_code == 422
    assert answers(world) == []


def test_no_markup_leaks_into_a_sentence(world: World, asked: Occurrence, app: flask.Flask) -> None:
    page = signed_in(app, BOTH).get(f"/drills/{asked.id}").text
    assert "&lt;time" not in page and "11月30日 09:00（周一）" in page
