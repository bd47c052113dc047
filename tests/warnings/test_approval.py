"""What was read, by another person, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.people.accounts.models import ApiToken
from emergency.privacy import journal
from emergency.warnings import issuing, service
from emergency.warnings.models import Issue, Warning, WarningLevel, WarningState, WarningStatus
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, DomainError, Forbidden, Invalid
from kernel.ids import new_id
from notify.models import Broadcast, Delivery, Kind
from tests.warnings.support import OTHER_VILLAGE, VILLAGE, World, phone, settle


def approve(database: Database, actor: Actor, waiting: Warning, version: int | None = None, **more: Any) -> Issue:
    with database.write() as session:
        return service.approve(session, actor=actor, warning_id=waiting.id, version=version or waiting.version, **more)


def sent(database: Database, kind: Kind = Kind.ACTUAL) -> list[Broadcast]:
    with database.read() as session:
        return list(session.scalars(sa.select(Broadcast).where(Broadcast.kind == kind).order_by(Broadcast.serial)))


def test_state_snapshot_and_ledger_come_together(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    issue = approve(database, world.approver, waiting)
    (broadcast,) = sent(database)
    with database.read() as session:
        warning = session.get_one(Warning, waiting.id)
        deliveries = session.scalars(sa.select(Delivery).where(Delivery.broadcast_id == broadcast.id)).all()
    assert warning.state is WarningState.ISSUED
    assert issue.snapshot["text"] == issue.text == broadcast.text
    assert issue.snapshot["estimate"]["recipients"] == len(deliveries) == broadcast.messages == 2
    assert issue.snapshot["people"] == sum(d.people for d in deliveries) == 4
    assert issue.digest == issuing.digest(issue.snapshot)
    assert "静海区人民政府11月23日09:00" in issue.text
    assert waiting.estimate and waiting.estimate["by_division"] == issue.snapshot["estimate"]["by_division"]


def test_the_author_never_approves(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    author = Actor(**{**world.author.__dict__, "roles": world.approver.roles})
    with pytest.raises(Forbidden) as refused:
        approve(database, author, waiting)
    assert refused.value.code == "four_eyes"
    assert sent(database) == []


def test_a_programme_of_the_author_is_no_second_person(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        token = ApiToken(id=new_id(), account_id=world.author.id, name="x", token_digest=b"x" * 32,
                         made_at=waiting.created_at)  # fmt: skip
        session.add(token)
    programme = Actor(kind="token", id=token.id, roles=world.approver.roles, division_prefix="120118")
    with pytest.raises(Forbidden) as refused:
        approve(database, programme, waiting)
    assert refused.value.code == "four_eyes"


def test_whoever_edited_it_last_does_not_approve_either(database: Database, world: World, drafted: Any) -> None:
    draft = drafted()
    with database.write() as session:
        service.edit(session, actor=world.approver, warning_id=draft.id, version=1, headline="洪水红色预警（改）")
    with database.write() as session:
        waiting = service.submit(session, actor=world.author, warning_id=draft.id)
    with pytest.raises(Forbidden):
        approve(database, world.approver, waiting)
    assert approve(database, world.second, waiting).warning_id == waiting.id


def test_a_stale_version_is_refused(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        service.edit(session, actor=world.author, warning_id=waiting.id, headline="洪水红色预警（更正）")
    with pytest.raises(Conflict) as refused:
        approve(database, world.approver, waiting)
    assert refused.value.code == "version_conflict"
    with database.write() as session:
        again = service.submit(session, actor=world.author, warning_id=waiting.id)
    with pytest.raises(Conflict):
        approve(database, world.approver, waiting, version=waiting.version)
    assert approve(database, world.approver, again)


def test_an_audience_that_moved_needs_another_look(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        settle(session, "new", world, VILLAGE, phone=phone(50))
    with pytest.raises(Conflict) as refused:
        approve(database, world.approver, waiting)
    assert refused.value.code == "audience_moved"
    assert sent(database) == []
    with database.write() as session:
        counted = service.recount(session, actor=world.approver, warning_id=waiting.id, version=waiting.version)
    assert counted.version == waiting.version + 1
    issue = approve(database, world.approver, counted)
    assert issue.snapshot["numbers"] == 3


def test_people_who_move_elsewhere_do_not_hold_the_warning_up(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        settle(session, "new", world, OTHER_VILLAGE, phone=phone(50))
    assert approve(database, world.approver, waiting)


def test_pressed_twice_it_is_sent_once(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    first = approve(database, world.approver, waiting)
    again = approve(database, world.approver, waiting)
    assert (first.id, first.identifier) == (again.id, again.identifier)
    assert len(sent(database)) == 1
    with pytest.raises(Conflict):
        approve(database, world.second, waiting)
    assert len(sent(database)) == 1


def test_an_approver_of_another_area_is_refused(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted(area={"divisions": [VILLAGE, OTHER_VILLAGE]})
    narrow = Actor(kind="account", id=77, roles=world.approver.roles, division_prefix="120118104")
    with pytest.raises(Forbidden) as refused:
        approve(database, narrow, waiting)
    assert refused.value.code == "out_of_scope"


def test_a_draft_cannot_be_approved(database: Database, world: World, drafted: Any) -> None:
    with pytest.raises(DomainError) as refused:
        approve(database, world.approver, drafted())
    assert refused.value.code == "wrong_state"


def test_a_warning_that_expired_while_it_waited_is_refused(
    database: Database, world: World, submitted: Any, clock: ManualClock
) -> None:
    waiting = submitted(expires=clock.now() + timedelta(hours=1))
    clock.advance(timedelta(hours=2))
    with pytest.raises(DomainError) as refused:
        approve(database, world.approver, waiting)
    assert refused.value.code == "expires_before_sent"


def test_the_phrase_that_is_typed_must_be_the_one_that_is_shown(
    database: Database, world: World, submitted: Any
) -> None:
    waiting = submitted()
    with pytest.raises(Invalid) as refused:
        approve(database, world.approver, waiting, confirmation="橙色 6")
    assert refused.value.code == "confirmation_wrong"
    assert approve(database, world.approver, waiting, confirmation="红色 6")


def test_a_returned_warning_keeps_its_reason_and_comes_again(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        back = service.return_(session, actor=world.approver, warning_id=waiting.id, reason="范围要改")
    assert (back.state, back.decision_reason) == (WarningState.RETURNED, "范围要改")
    with database.read() as session:
        assert any("范围要改" in item.why for item in service.waiting(session, world.author, back.created_at))
    with database.write() as session:
        again = service.submit(session, actor=world.author, warning_id=waiting.id)
    assert again.state is WarningState.SUBMITTED


def test_a_refusal_without_a_reason_is_refused(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    for decide in (service.return_, service.reject):
        with database.write() as session, pytest.raises(Invalid) as refused:
            decide(session, actor=world.approver, warning_id=waiting.id, reason="  ")
        assert refused.value.code == "reason_required"


def test_a_rejected_warning_is_over(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        service.reject(session, actor=world.approver, warning_id=waiting.id, reason="依据不足")
    with database.write() as session, pytest.raises(DomainError):
        service.submit(session, actor=world.author, warning_id=waiting.id)


@pytest.mark.parametrize("statement", ["UPDATE warning_issue SET text = 'x'", "DELETE FROM warning_issue"])
def test_the_database_refuses_to_change_what_was_issued(database: Database, approved: Any, statement: str) -> None:
    approved()
    with pytest.raises(sa.exc.DBAPIError, match="never changed"), database.write() as session:
        session.execute(sa.text(statement))


def test_an_exercise_wears_its_mark_and_leaves_as_an_exercise(database: Database, approved: Any) -> None:
    issue = approved(status=WarningStatus.EXERCISE)
    (broadcast,) = sent(database, Kind.EXERCISE)
    assert sent(database) == []
    assert broadcast.text == issue.text
    assert issue.text.startswith("【演练】") and issue.text.endswith("【演练】")
    assert broadcast.priority > 3


def test_a_link_test_goes_to_posts_only(database: Database, approved: Any) -> None:
    from emergency.warnings.models import Audience

    approved(status=WarningStatus.TEST, audience=Audience.POSTS)
    (broadcast,) = sent(database, Kind.TEST)
    with database.read() as session:
        people = session.scalars(sa.select(Delivery.recipient).where(Delivery.broadcast_id == broadcast.id)).all()
    assert people and all(recipient.startswith("post:") for recipient in people)


def test_one_person_may_issue_a_red_warning_alone_with_a_reason_and_an_alarm(
    database: Database, world: World, submitted: Any
) -> None:
    waiting = submitted()
    with database.write() as session:
        service.take_back(session, actor=world.author, warning_id=waiting.id)
    alone = Actor(**{**world.author.__dict__, "roles": world.approver.roles})
    with database.write() as session:
        draft = session.get_one(Warning, waiting.id)
        issue = service.break_glass(
            session, actor=alone, warning_id=draft.id, version=draft.version, reason="批准人电话均无人接听"
        )
    assert issue.snapshot["break_glass"] is True
    alarms = [b for b in sent(database, Kind.NOTICE) if "应急发布" in b.text]
    assert [b.messages for b in alarms] == [2]
    with database.read() as session:
        assert session.get_one(Warning, waiting.id).break_glass_reason == "批准人电话均无人接听"
        kinds = set(session.scalars(sa.select(journal.JournalEntry.kind)))
        assert "warning.issued" in kinds and journal.verify(session).whole


@pytest.mark.parametrize(
    "changes", [{"level": WarningLevel.ORANGE, "headline": "洪水橙色预警"}, {"status": WarningStatus.EXERCISE}]
)
def test_glass_is_for_real_red_warnings_only(
    database: Database, world: World, submitted: Any, changes: dict[str, Any]
) -> None:
    waiting = submitted(**changes)
    with database.write() as session, pytest.raises(Forbidden) as refused:
        service.break_glass(session, actor=world.approver, warning_id=waiting.id, version=waiting.version, reason="急")
    assert refused.value.code == "four_eyes"


def test_ten_warnings_of_one_second_have_ten_identifiers(database: Database, approved: Any) -> None:
    found = {approved().identifier for _ in range(11)}
    assert len(found) == 11


def test_nothing_personal_stands_in_the_snapshot_or_the_journal(database: Database, approved: Any) -> None:
    issue = approved()
    with database.read() as session:
        texts = [str(issue.snapshot), *session.scalars(sa.select(journal.JournalEntry.data))]
    assert not any("154000" in text or "张某一" in text for text in texts)


def test_a_count_that_is_a_moment_old_never_enters_the_snapshot(
    database: Database, world: World, submitted: Any
) -> None:
    from emergency.warnings import counting

    waiting = submitted()
    with database.read() as reader:
        ready = counting.beforehand(reader, waiting.id)
    with database.write() as session:
        settle(session, "new", world, VILLAGE, phone=phone(50))
    with database.write() as session, pytest.raises(Conflict) as refused:
        session.info[counting._READY] = ready
        service.approve(session, actor=world.approver, warning_id=waiting.id, version=waiting.version)
    assert refused.value.code == "audience_moved"
    assert sent(database) == []
    with database.write() as session:
        alone = Actor(**{**world.author.__dict__, "roles": world.approver.roles})
        session.info[counting._READY] = ready
        issue = service.break_glass(
            session, actor=alone, warning_id=waiting.id, version=waiting.version, reason="无人接听"
        )
    assert issue.snapshot["estimate"]["recipients"] == issue.snapshot["numbers"] == 3
