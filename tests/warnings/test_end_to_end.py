"""The whole path over sockets: approve, the real engine, the local gateway in its own process, signed receipts, reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.warnings import service
from emergency.warnings.models import Audience, Issue, Warning, WarningStatus
from notify.models import Broadcast, Kind
from tests.house import FAST, wait_for
from tests.house import House as AtWork
from tests.warnings.support import TOWN, VILLAGE, build, content


class House(AtWork):
    """With the district's warnings, and phones that confirm."""

    settings = replace(FAST, reconcile_seconds=0.2, absent_after_seconds=2.0)

    def gateway_options(self) -> list[str]:
        return ["--receipts", "final"]

    def submit(self, **changes: Any) -> Warning:
        """Written, and waiting."""
        with self.database.write() as session:
            draft = service.create(session, actor=self.world.author, **content(**changes))
        with self.database.write() as session:
            return service.submit(session, actor=self.world.author, warning_id=draft.id)

    def issue(self, **changes: Any) -> Issue:
        """Written by one, approved by another."""
        waiting = self.submit(**changes)
        with self.database.write() as session:
            return service.approve(session, actor=self.world.approver, warning_id=waiting.id, version=waiting.version)

    def reach(self, issue: Issue, actor: Actor | None = None) -> dict[str, Any]:
        with self.database.read() as session:
            return service.reach(session, actor=actor or self.world.author, warning_id=issue.warning_id)

    def phones(self, text: str) -> list[str]:
        """Numbers on the gateway's own record that got this text, doubles included."""
        return sorted(number for number, said in self.messages() if said.endswith(text))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house"), build) as house:
        yield house


def test_an_approved_warning_reaches_the_phones_and_their_receipts_count(house: House) -> None:
    issue = house.issue(area={"divisions": [TOWN]}, audience=Audience.ALL)
    wanted = issue.snapshot["estimate"]
    wait_for(lambda: house.reach(issue)["by_state"]["delivered"] == wanted["recipients"])
    found = house.reach(issue)
    assert (found["reached"], found["reached_people"]) == (wanted["recipients"], wanted["people"])
    assert found["targeted"] == sum(found["by_state"].values())
    numbers = house.phones(issue.text)
    assert len(numbers) == len(set(numbers)) == wanted["recipients"], "one message a number, nobody twice"
    assert {place["code"]: place["reached"] for place in found["by_division"]} == {
        row["code"]: row["numbers"] for row in wanted["by_division"] if row["numbers"]
    }


def test_an_exercise_travels_on_its_own_account_with_its_mark(house: House) -> None:
    issue = house.issue(status=WarningStatus.EXERCISE)
    wait_for(lambda: house.reach(issue)["reached"] == 2)
    with house.database.read() as session:
        kinds = session.scalars(sa.select(Broadcast.kind).where(Broadcast.subject_id == issue.warning_id)).all()
    assert set(kinds) == {Kind.EXERCISE}
    assert issue.text.startswith("【演练】") and len(house.phones(issue.text)) == 2


def test_an_all_clear_reaches_exactly_whoever_was_told(house: House) -> None:
    issue = house.issue(area={"divisions": [VILLAGE]}, description="义和村须在今天12时前全部转移")
    wait_for(lambda: house.reach(issue)["reached"] == 2)
    with house.database.write() as session:
        _warning, message = service.all_clear(session, actor=house.world.author, warning_id=issue.warning_id)
    wait_for(lambda: house.reach(message)["reached"] == 2)
    assert house.phones(message.text) == house.phones(issue.text)


def test_the_approver_on_duty_is_told_on_the_phone(house: House) -> None:
    house.submit()
    approver = "+8615400009002"
    wait_for(
        lambda: any(approver in line and "等您批准" in line for line in house.record.read_text("utf-8").splitlines())
    )


def test_nothing_of_a_warning_is_readable_as_a_number_in_the_database(house: House, tmp_path: Path) -> None:
    with house.database.write() as session:
        session.execute(sa.text("SELECT 1"))
    raw = b"".join(path.read_bytes() for path in house.runtime.config.path("instance").glob("emergency.db*"))
    assert b"15400000001" not in raw and "张某一".encode() not in raw
