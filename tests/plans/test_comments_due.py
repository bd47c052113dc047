"""A review comment that nobody answers is a fault with an age, an owner and one way to end it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import flask
import pytest

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.posts.models import Duty
from emergency.plans import defects, kept, owning, reviewing, service
from emergency.plans.review_models import CommentAnswer
from emergency.plans.rules import Fault
from emergency.readiness import gathering, plans_today
from kernel.clock import ManualClock
from kernel.db import Database
from tests.plans.support import DISTRICT, TAITOU, add_post, person, signed_in

WORDS = "第三节与市级预案不一致，请核。"


@pytest.fixture
def reviewed(
    district: Database, make: Any, planner: Actor, approver: Actor, monkeypatch: pytest.MonkeyPatch
) -> tuple[Database, int, int, int]:
    """A plan with an owner, its draft in review with two comments."""
    monkeypatch.setattr(kept, "_ledger", plans_today.Ledger())
    monkeypatch.setattr(gathering, "_ROOMS", {"plans": defects.defects})
    monkeypatch.setattr(gathering, "_WIDER", {"plans": defects.widen})
    with district.write() as session:
        post = add_post(session, DISTRICT, Duty.DUTY_ROOM, "15400000051")
        plan, row = make(session)
        owning.name_owner(session, actor=planner, plan_id=plan.id, post_id=post)
        row = service.submit(session, actor=planner, version_id=row.id, version=row.version)
        for text in (WORDS, "附件缺少联系表。"):
            reviewing.comment(session, actor=approver, version_id=row.id, text=text)
        return district, plan.id, row.id, post


def _found(database: Database, clock: ManualClock) -> list[Any]:
    gathering.look_again(database, clock.now())
    gathering.gather(database, clock.now())
    with database.read() as session:
        return plans_today.wrong(session, person(Role.PLANNER), rule=Fault.COMMENTS_UNANSWERED).items


def test_unanswered_comments_become_a_fault_with_age_owner_and_the_page_that_ends_it(
    reviewed: tuple[Database, int, int, int], clock: ManualClock, app: flask.Flask
) -> None:
    database, plan_id, version_id, post = reviewed
    assert not _found(database, clock)  # a comment of today is work, no fault
    clock.set(clock.now() + timedelta(days=6))
    (item,) = _found(database, clock)
    assert (item.defect.subject_kind, item.defect.subject_id) == ("plan", plan_id)
    assert (item.defect.owner_post_id, item.defect.url) == (post, f"/plans/versions/{version_id}/review")
    assert item.days == 1 and "2条" in item.reason and item.mend == "答复审核意见"
    assert WORDS[:4] not in item.reason
    client = signed_in(app, person(Role.PLANNER))
    page = client.get("/plans/wrong?rule=comments_unanswered").get_data(as_text=True)
    assert "审核意见未答复" in page and f"/plans/versions/{version_id}/review" in page
    assert client.get(f"/plans/versions/{version_id}/review").status_code == 200
    assert (
        not client.get(f"/plans/wrong?division={TAITOU}&rule=comments_unanswered")
        .get_data(as_text=True)
        .count(f"/plans/versions/{version_id}/review")
    )


def test_answering_the_last_comment_ends_it_at_once(
    reviewed: tuple[Database, int, int, int], clock: ManualClock, planner: Actor, approver: Actor
) -> None:
    database, _plan_id, version_id, _post = reviewed
    clock.set(clock.now() + timedelta(days=9))
    assert _found(database, clock)
    with database.write() as session:
        row = service.version_text(session, actor=approver, version_id=version_id).version
        service.return_version(
            session, actor=approver, version_id=version_id, version=row.version, reason="请答复审核意见"
        )
        first, second = (c.row.id for c in reviewing.rounds(session, actor=planner, version_id=version_id)[0].comments)
        reviewing.answer(session, actor=planner, comment_id=first, said=CommentAnswer.ACCEPTED)
    (item,) = _found(database, clock)
    assert "1条" in item.reason
    with database.write() as session:
        reviewing.answer(
            session, actor=planner, comment_id=second, said=CommentAnswer.NOT_ACCEPTED, text="已列入附件二"
        )
    gathering.look_again(database, clock.now())
    with database.read() as session:
        assert not plans_today.wrong(session, person(Role.PLANNER), rule=Fault.COMMENTS_UNANSWERED).items


def test_a_withdrawn_comment_waits_for_nobody(
    reviewed: tuple[Database, int, int, int], clock: ManualClock, approver: Actor
) -> None:
    database, _plan_id, version_id, _post = reviewed
    clock.set(clock.now() + timedelta(days=9))
    assert _found(database, clock)
    with database.write() as session:
        for held in reviewing.rounds(session, actor=approver, version_id=version_id):
            for comment in held.comments:
                reviewing.withdraw(session, actor=approver, comment_id=comment.row.id)
    gathering.look_again(database, clock.now())
    with database.read() as session:
        assert not plans_today.wrong(session, person(Role.PLANNER), rule=Fault.COMMENTS_UNANSWERED).items


def test_the_page_of_a_division_says_how_its_plans_stand(
    reviewed: tuple[Database, int, int, int], clock: ManualClock, app: flask.Flask
) -> None:
    database, _plan_id, _version_id, _post = reviewed
    _found(database, clock)
    with database.read() as session:
        actor = person(Role.PLANNER)
        held = plans_today.in_place(session, actor, DISTRICT)
        assert held is not None
        assert (held.plans, held.faulty) == (1, 1)
        assert held.faults == plans_today.counts(session, actor, division=DISTRICT).all
        assert plans_today.in_place(session, person(Role.PLANNER, division=TAITOU), DISTRICT) is None
    client = signed_in(app, person(Role.PLANNER))
    page = client.get(f"/divisions/{DISTRICT}").get_data(as_text=True)
    assert f"{held.faults}处问题待整改" in page and f"/plans/wrong?division={DISTRICT}" in page
