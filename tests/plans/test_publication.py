"""What the public reads of plans: only what was published by decision, and never anything of a person."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.patience import Patience
from emergency.http.permissions import Role
from emergency.people.posts.models import Duty
from emergency.plans import attachments, bodies, publication, service
from emergency.plans.attachment_models import AttachmentKind
from emergency.plans.drafting import ActionText, Draft, EvacuationText, LevelText, SectionText
from emergency.plans.models import PlanKind, PlanLevel, PlanSection, PlanVersion, ResponseGrade
from emergency.plans.publication_models import Openness
from emergency.privacy.journal import JournalEntry
from emergency.privacy.vault import Vault
from kernel.db import Database
from kernel.errors import Conflict, DomainError, Forbidden, Invalid, TooMany
from tests.plans.conftest import FULL
from tests.plans.support import DULIU, TAITOU, YIHE, add_post, add_unit, person, signed_in

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
MOBILE = "13812345678"


@pytest.fixture
def issued(district: Database, make: Callable[..., Any], publish: Callable[..., PlanVersion], planner: Actor) -> Any:
    """A township plan with a post, an evacuation list and levels, in force; returns plan and version ids."""

    def go(session: Session, sections: Any = None, **changes: Any) -> tuple[int, int]:
        plan, row = make(session, **{"kind": PlanKind.TOWNSHIP, "level": PlanLevel.TOWNSHIP, "division_code": TAITOU,
                                     "title": "台头镇防汛应急预案", "issuer": "台头镇人民政府", "public": True} | changes)  # fmt: skip
        post = add_post(session, YIHE, Duty.FLOOD_CHIEF, MOBILE)
        row = service.edit_draft(
            session, actor=planner, version_id=row.id, version=row.version,
            draft=Draft(
                sections=sections or [SectionText("职责", f"由{bodies.post_token(post)}负责。", "1")],
                levels=[LevelText(ResponseGrade.II, "超过汛限水位", "总指挥", [ActionText("到岗", post, "", 30)])],
                evacuation=[
                    EvacuationText("中心小学", subject_code=YIHE, people=412, route="村主路"),
                    EvacuationText("体育馆", household_id=77, people=3, route="某某家门前"),
                    EvacuationText("养护院", unit_id=add_unit(session, "夕阳红敬老院", YIHE, _care()).id, people=31),
                ],
            ),
        )  # fmt: skip
        return plan.id, publish(session, row).id

    return go


def _care() -> Any:
    from emergency.divisions.models import UnitKind

    return UnitKind.CARE_HOME


@pytest.fixture
def visitor(app: flask.Flask) -> FlaskClient:
    return app.test_client()


def text_of(page: str) -> str:
    found = re.search(r'<article class="public".*?</article>', page, re.S)
    assert found is not None
    # Its title is the heading of the public page, and a line on the page that shows it to the author.
    return re.sub(r"<h1>(.*?)</h1>", r'<p class="h1">\1</p>', found[0])


def test_nothing_is_public_until_somebody_publishes_it(
    district: Database, issued: Any, approver: Actor, visitor: FlaskClient
) -> None:
    with district.write() as session:
        plan_id, version_id = issued(session)
    assert visitor.get(f"/public/plans/{plan_id}").status_code == 404
    assert "台头镇防汛应急预案" not in visitor.get("/public/plans").get_data(as_text=True)
    with district.write() as session:
        publication.publish(session, actor=approver, plan_id=plan_id, version_id=version_id)
    with district.read() as session:
        assert session.scalar(sa.select(sa.func.count()).where(JournalEntry.kind == "plan.published")) == 1
    answer = visitor.get(f"/public/plans/{plan_id}")
    assert answer.status_code == 200 and "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    again = visitor.get(f"/public/plans/{plan_id}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert "台头镇防汛应急预案" in visitor.get(f"/public/plans?place={TAITOU}&hazard=flood").get_data(as_text=True)
    assert "台头镇防汛应急预案" not in visitor.get(f"/public/plans?place={DULIU}").get_data(as_text=True)
    assert "台头镇防汛应急预案" not in visitor.get("/public/plans?hazard=fire").get_data(as_text=True)


def test_the_public_sees_posts_and_villages_but_no_person_no_number_no_household(
    district: Database, issued: Any, approver: Actor, visitor: FlaskClient
) -> None:
    with district.write() as session:
        plan_id, version_id = issued(session)
        publication.publish(session, actor=approver, plan_id=plan_id, version_id=version_id)
    page = visitor.get(f"/public/plans/{plan_id}").get_data(as_text=True)
    assert "义和村 防汛责任人" in page and "中心小学" in page and "超过汛限水位" in page and "到岗" in page
    for hidden in (MOBILE, "张某一", "夕阳红敬老院", "某某家门前", "412", "周某一", "account:"):
        assert hidden not in page


def test_the_preview_is_what_the_public_sees(
    district: Database, issued: Any, approver: Actor, app: flask.Flask
) -> None:
    with district.write() as session:
        plan_id, version_id = issued(session)
        publication.publish(session, actor=approver, plan_id=plan_id, version_id=version_id)
    client = signed_in(app, approver)
    preview = client.get(f"/plans/{plan_id}/publication").get_data(as_text=True)
    assert text_of(preview) == text_of(client.get(f"/public/plans/{plan_id}").get_data(as_text=True))


def test_publishing_on_the_page_and_withdrawing_with_a_reason(
    district: Database, issued: Any, approver: Actor, app: flask.Flask
) -> None:
    with district.write() as session:
        plan_id, version_id = issued(session)
    client = signed_in(app, approver)
    assert client.post(f"/plans/{plan_id}/publication", data={"version_id": version_id}).status_code == 303
    assert client.get(f"/public/plans/{plan_id}").status_code == 200
    refused = client.post(f"/plans/{plan_id}/publication/withdraw", data={"reason": " "})
    assert refused.status_code == 422 and client.get(f"/public/plans/{plan_id}").status_code == 200
    assert client.post(f"/plans/{plan_id}/publication/withdraw", data={"reason": "内容有误"}).status_code == 303
    assert client.get(f"/public/plans/{plan_id}").status_code == 404


def test_only_who_approves_plans_of_this_place_publishes(district: Database, issued: Any) -> None:
    with district.write() as session:
        plan_id, version_id = issued(session)
        for actor, error in (
            (person(Role.PLANNER), Forbidden), (person(Role.APPROVER, division=DULIU), DomainError)
        ):  # fmt: skip
            with pytest.raises(error):
                publication.publish(session, actor=actor, plan_id=plan_id, version_id=version_id)


@pytest.mark.parametrize("value", [Openness.CLOSED, Openness.ON_REQUEST, Openness.SECRET])
def test_what_is_not_open_is_gone_at_once_and_cannot_be_published(
    district: Database, issued: Any, approver: Actor, app: flask.Flask, visitor: FlaskClient, value: Openness
) -> None:
    with district.write() as session:
        plan_id, version_id = issued(session)
        publication.publish(session, actor=approver, plan_id=plan_id, version_id=version_id)
        with pytest.raises(Invalid):
            publication.decide_openness(session, actor=approver, plan_id=plan_id, value=value, reason="")
        publication.decide_openness(session, actor=approver, plan_id=plan_id, value=value, reason="第十四条")
        with pytest.raises(Invalid) as refused:
            publication.publish(session, actor=approver, plan_id=plan_id, version_id=version_id)
        assert refused.value.code == "not_open"
    secret, missing = visitor.get(f"/public/plans/{plan_id}"), app.test_client().get("/public/plans/4711")
    assert secret.status_code == missing.status_code == 404
    drop = re.compile(
        rb"name=\"csrf_token\" value=\"[^\"]+\"|nonce-[\w\-+/=]+|nonce=\"[^\"]+\"|[0-9a-f]{8,}|/public/plans/\d+|%2F\d+|\d\d:\d\d(:\d\d)?|\d{13}"
    )
    one, other = drop.sub(b"", secret.data).splitlines(), drop.sub(b"", missing.data).splitlines()
    assert [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]] == []
    assert set(secret.headers.keys()) == set(missing.headers.keys())
    assert secret.headers["Cache-Control"] == missing.headers["Cache-Control"] == "no-store"


def test_a_replaced_or_repealed_text_is_not_shown_as_in_force(
    district: Database, issued: Any, approver: Actor, planner: Actor, publish: Any, visitor: FlaskClient
) -> None:
    with district.write() as session:
        plan_id, version_id = issued(session)
        publication.publish(session, actor=approver, plan_id=plan_id, version_id=version_id)
    with district.write() as session:
        row = service.new_draft(session, actor=planner, plan_id=plan_id)
    assert visitor.get(f"/public/plans/{plan_id}").status_code == 200
    with district.write() as session:
        row = service.get_version(session, actor=planner, version_id=row.id)[0]
        new = publish(session, row)
    assert visitor.get(f"/public/plans/{plan_id}").status_code == 404
    with district.write() as session:
        with pytest.raises(Conflict):
            publication.publish(session, actor=approver, plan_id=plan_id, version_id=version_id)
        publication.publish(session, actor=approver, plan_id=plan_id, version_id=new.id)
    assert visitor.get(f"/public/plans/{plan_id}").status_code == 200
    with district.write() as session:
        service.repeal(session, actor=approver, plan_id=plan_id, reason="并入")
    assert visitor.get(f"/public/plans/{plan_id}").status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (f"值班电话{MOBILE}", "phone_in_public_text"),
        ("| 岗位 | 手机 |\n| --- | --- |\n| 组长 | 138 1234 5678 |", "phone_in_public_text"),
        ("联系人：王小明，负责值守", "name_in_public_text"),
        ("| 姓名 | 职务 |\n| --- | --- |\n| 某人 | 组长 |", "name_in_public_text"),
    ],
)
def test_a_text_with_a_number_or_a_name_cannot_be_published(
    district: Database, issued: Any, approver: Actor, planner: Actor, make: Any, body: str, code: str
) -> None:
    with district.write() as session:
        plan, row = make(session, public=True)
        # older texts came in before numbers were refused at the door
        session.add(
            PlanSection(id=4711, version_id=row.id, position=99, depth=1, number="9", heading="附录", body=body)
        )
        session.flush()
        parts = service.version_text(session, actor=planner, version_id=row.id).parts
        with pytest.raises(Invalid) as refused:
            publication.refuse_personal(plan, parts)
        assert refused.value.code == code
        assert refused.value.params["places"] == "9 附录"


def test_only_the_pictures_that_were_chosen_are_public(
    district: Database, make: Any, publish: Any, planner: Actor, approver: Actor, vault: Vault, app: flask.Flask
) -> None:
    with district.write() as session:
        plan, row = make(session, public=True)
        made = [
            attachments.prepare(vault, kind=kind, name="a.png", media_type="image/png", data=PNG)
            for kind in (AttachmentKind.IMAGE, AttachmentKind.IMAGE, AttachmentKind.ORIGINAL)
        ]
        first, second, original = attachments.attach(session, actor=planner, version_id=row.id, prepared=made)
        lines = "\n".join(bodies.image_line(found, "内部图示") for found in (first, second))
        row = service.edit_draft(
            session, actor=planner, version_id=row.id, version=row.version,
            draft=Draft(sections=[*FULL, SectionText("附图", f"见图。\n{lines}")]),
        )  # fmt: skip
        version = publish(session, row)
        publication.publish(
            session, actor=approver, plan_id=plan.id, version_id=version.id, files=[first, original, 99]
        )
    visitor = app.test_client()
    page = visitor.get(f"/public/plans/{plan.id}").get_data(as_text=True)
    assert f"/public/plans/{plan.id}/files/{first}" in page and str(second) not in page
    shown = visitor.get(f"/public/plans/{plan.id}/files/{first}")
    assert shown.status_code == 200 and shown.data == PNG and shown.content_type == "image/png"
    for closed in (second, original, 99):
        assert visitor.get(f"/public/plans/{plan.id}/files/{closed}").status_code == 404


def test_the_public_pages_speak_both_languages(
    district: Database, issued: Any, approver: Actor, visitor: FlaskClient
) -> None:
    with district.write() as session:
        plan_id, version_id = issued(session)
        publication.publish(session, actor=approver, plan_id=plan_id, version_id=version_id)
    chinese = visitor.get(f"/public/plans/{plan_id}", headers={"Accept-Language": "zh"})
    visitor.set_cookie("language", "en")
    english = visitor.get(f"/public/plans/{plan_id}")
    assert "响应级别" in chinese.get_data(as_text=True) and "Response levels" in english.get_data(as_text=True)
    assert chinese.headers["ETag"] != english.headers["ETag"]


def test_who_asks_too_fast_waits(app: flask.Flask) -> None:
    client = app.test_client()
    codes = [client.get("/public/plans").status_code for _n in range(70)]
    assert codes[0] == 200 and codes[-1] == 429
    moment = 0.0
    bucket = Patience(rate=1, burst=2, clock=lambda: moment)
    bucket.take("a")
    bucket.take("a")
    with pytest.raises(TooMany):
        bucket.take("a")
    bucket.take("b")
    moment = 1.5
    bucket.take("a")
