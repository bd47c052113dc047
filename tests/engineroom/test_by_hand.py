"""What no machine can settle: a person says what it was, with a reason, once, and within their area."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from emergency.engineroom import service
from emergency.http.permissions import Role
from emergency.privacy.journal import JournalEntry
from emergency.runtime import Runtime
from kernel.db import Database
from kernel.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from kernel.states import timeline
from notify import ledger
from notify import service as notify
from notify.models import Delivery, DeliveryState
from tests.asking.support import TOWN, person
from tests.engineroom.conftest import Scene

OFFICER = person(Role.DUTY_OFFICER)
TOWNSHIP = person(Role.DUTY_OFFICER, division=TOWN, id=5)


@pytest.fixture(autouse=True)
def _wired(runtime: Runtime) -> None:
    """Ports as the roof hands them over."""


def test_a_decision_moves_ledger_and_tallies_and_is_kept_with_who_and_why(database: Database, scene: Scene) -> None:
    with database.write() as session:
        service.settle(session, actor=OFFICER, delivery_id=scene.mine[0], state=DeliveryState.SUBMITTED,
                       reason="张某一电话确认收到")  # fmt: skip
    with database.read() as session:
        row = session.get_one(Delivery, scene.mine[0])
        assert (row.state, row.reason) == (DeliveryState.SUBMITTED, "settled_submitted")
        tally = notify.tallies(session, [scene.broadcast])
        assert (tally.by_state[DeliveryState.UNKNOWN], tally.by_state[DeliveryState.SUBMITTED]) == (2, 1)
        [change] = timeline(session, "delivery", scene.mine[0])
        assert (change.to_state, change.actor, change.reason) == ("submitted", "account:1", "张某一电话确认收到")
        entry = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "delivery.settled_by_hand")).one()
        assert json.loads(entry.data) == {"broadcast_kind": "actual", "count": 1, "outcome": "submitted"}


def test_who_comes_second_changes_nothing(database: Database, scene: Scene) -> None:
    with database.write() as session:
        service.settle(session, actor=OFFICER, delivery_id=scene.mine[0], state=DeliveryState.FAILED, reason="未收到")
    with pytest.raises(Conflict) as refused, database.write() as session:
        service.settle(session, actor=OFFICER, delivery_id=scene.mine[0], state=DeliveryState.SUBMITTED, reason="x")
    assert refused.value.code == "already_settled"


def test_two_people_at_once_one_decides(database: Database, scene: Scene) -> None:
    outcomes: list[str] = []

    def decide(state: DeliveryState) -> None:
        try:
            with database.write() as session:
                service.settle(session, actor=OFFICER, delivery_id=scene.mine[0], state=state, reason="x")
            outcomes.append("done")
        except DomainError as error:
            outcomes.append(error.code)

    threads = [
        threading.Thread(target=decide, args=(state,)) for state in (DeliveryState.FAILED, DeliveryState.SUBMITTED)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already_settled", "done"]


def test_what_the_page_showed_must_still_be_so(database: Database, scene: Scene) -> None:
    with pytest.raises(Conflict) as refused, database.write() as session:
        service.settle(session, actor=OFFICER, delivery_id=scene.mine[0], state=DeliveryState.FAILED, reason="x",
                       seen="7.1")  # fmt: skip
    assert refused.value.code == "version_conflict"


def test_a_receipt_that_comes_first_wins(database: Database, scene: Scene) -> None:
    with database.write() as session:
        ledger.land(session, [(scene.mine[0], DeliveryState.DELIVERED, "SM1", None)])
    with pytest.raises(Conflict), database.write() as session:
        service.settle(session, actor=OFFICER, delivery_id=scene.mine[0], state=DeliveryState.FAILED, reason="x")


def test_what_the_engine_still_looks_for_is_left_to_it(database: Database, scene: Scene) -> None:
    with database.write() as session:
        session.get_one(Delivery, scene.mine[0]).reason = "timeout"
    with pytest.raises(Conflict) as refused, database.write() as session:
        service.settle(session, actor=OFFICER, delivery_id=scene.mine[0], state=DeliveryState.FAILED, reason="x")
    assert refused.value.code == "still_looking"


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_reason_is_demanded(database: Database, scene: Scene, reason: str) -> None:
    with pytest.raises(Invalid) as refused, database.write() as session:
        service.settle(session, actor=OFFICER, delivery_id=scene.mine[0], state=DeliveryState.FAILED, reason=reason)
    assert refused.value.code == "reason_required"


def test_only_who_may_and_only_in_their_area(database: Database, scene: Scene) -> None:
    for role in (Role.ADMINISTRATOR, Role.AUDITOR, Role.LIAISON):
        with pytest.raises(Forbidden), database.write() as session:
            service.settle(session, actor=person(role), delivery_id=scene.mine[0], state=DeliveryState.FAILED,
                           reason="x")  # fmt: skip
    with pytest.raises(NotFound), database.write() as session:
        service.settle(session, actor=TOWNSHIP, delivery_id=scene.elsewhere, state=DeliveryState.FAILED, reason="x")


def test_a_whole_broadcast_is_settled_where_the_number_shown_still_holds(database: Database, scene: Scene) -> None:
    with pytest.raises(Conflict), database.write() as session:
        service.settle_broadcast(session, actor=OFFICER, broadcast_id=scene.broadcast, state=DeliveryState.FAILED,
                                 reason="运营商中断", expected=2)  # fmt: skip
    with database.write() as session:
        done = service.settle_broadcast(session, actor=TOWNSHIP, broadcast_id=scene.broadcast,
                                        state=DeliveryState.FAILED, reason="运营商中断", expected=2)  # fmt: skip
    assert done == 2
    with database.read() as session:
        assert session.get_one(Delivery, scene.elsewhere).state is DeliveryState.UNKNOWN
        assert notify.tallies(session, [scene.broadcast]).by_state[DeliveryState.FAILED] == 2


def test_the_list_is_masked_in_scope_and_journalled(database: Database, scene: Scene) -> None:
    with database.write() as session:
        page = service.by_hand(session, actor=TOWNSHIP)
        assert [item.id for item in page.items] == scene.mine
        assert all("****" in item.phone and "河水上涨" in item.text for item in page.items)
        assert service.waiting_by_broadcast(session, actor=TOWNSHIP)[0][1] == 2
    with database.read() as session:
        entry = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "personal.listed")).one()
        assert json.loads(entry.data) == {"count": 2, "list": "unknown_deliveries"}


def test_the_list_goes_on_where_the_page_ended(
    database: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch, enter: Callable[..., object]
) -> None:
    monkeypatch.setattr(service, "PAGE_SIZE", 2)
    seen = []
    cursor = None
    with database.write() as session:
        while True:
            page = service.by_hand(session, actor=OFFICER, cursor=cursor)
            seen += [item.id for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert seen == [*scene.mine, scene.elsewhere]
