"""A drill by telephone over sockets: the local gateway's phone rings, keys are pressed, the answers stand."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.asking.escalation import escalate
from emergency.asking.models import Answer, Means, Reply
from emergency.drills import confirming_jobs, lawbook, service
from emergency.drills.models import Answered, DrillKind, Form, Invitation, Occurrence
from emergency.http.actor import Actor
from emergency.people.posts.models import Duty
from kernel.clock import BEIJING
from kernel.db import Database
from notify.models import Delivery, DeliveryState
from scheduler.recurrence import Freq, Recurrence
from tests.house import House as AtWork
from tests.house import wait_for
from tests.plans.support import TAITOU, YIHE, add_post, places

CHIEF, GONG = "+8615400000001", "+8615400000002"
ACTOR = Actor.system("test")


@dataclass
class Town:
    """Two posts and a drill of the day after tomorrow."""

    chief: int
    gong: int
    occurrence: int


def build(database: Database) -> Town:
    with database.write() as session:
        places(session)
        lawbook.load(session)
        chief = add_post(session, TAITOU, Duty.FLOOD_CHIEF, CHIEF.removeprefix("+86"))
        gong = add_post(session, YIHE, Duty.GONG_KEEPER, GONG.removeprefix("+86"))
        at = database.clock.now().astimezone(BEIJING) + timedelta(days=2)
        service.create_programme(
            session, actor=ACTOR,
            facts=service.NewProgramme(
                "台头镇防汛转移演练", DrillKind.FLOOD, Form.FIELD, TAITOU,
                Recurrence(Freq.YEARLY, at.date(), until=at.date()), at.time().replace(tzinfo=None), post_ids=[chief, gong],
            ),
        )  # fmt: skip
        occurrence = session.scalars(sa.select(Occurrence.id)).one()
    return Town(chief, gong, occurrence)


class House(AtWork):
    """With a gateway whose phones can be pressed on."""

    def control(self, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/control/{path}", json.dumps(body).encode() if body is not None else None,
            {"Content-Type": "application/json", "Authorization": "Bearer x"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())

    def calls(self, phone: str) -> list[dict[str, Any]]:
        """The calls of a number, the newest first."""
        return list(self.control(f"calls?to=%2B{phone[1:]}")["calls"])

    def listens(self, phone: str) -> bool:
        """Whether a call of the number waits for a key now."""
        return any(call["listening"] for call in self.calls(phone))

    def press(self, phone: str, key: str) -> None:
        """Press a key as soon as the call listens."""

        def pressed() -> bool:
            try:
                self.control("press", {"to": phone, "key": key})
            except urllib.error.HTTPError:
                return False
            return True

        wait_for(pressed)

    def said(self, post_id: int) -> Answered | None:
        with self.database.read() as session:
            return session.scalars(sa.select(Invitation.answer).where(Invitation.post_id == post_id)).one()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, build) as built:
        yield built


def test_a_post_hears_the_call_again_takes_part_and_another_cannot(house: House) -> None:
    town: Town = house.world
    with house.database.write() as session:
        assert service.invite(session, actor=ACTOR, occurrence_id=town.occurrence, call=True) == 2

    wait_for(lambda: house.listens(CHIEF))
    house.press(CHIEF, "9")
    wait_for(lambda: house.listens(CHIEF) and house.calls(CHIEF)[0]["keys"] == "9")
    assert house.said(town.chief) is None, "9 only lets it be heard again"
    house.press(CHIEF, "1")
    wait_for(lambda: house.said(town.chief) is Answered.YES)

    house.press(GONG, "2")
    wait_for(lambda: house.said(town.gong) is Answered.NO)

    [script] = {call["script"] for call in house.calls(CHIEF)}
    assert "按键答复：1 能参加，2 不能参加，9 重听" in script and "http" not in script
    with house.database.read() as session:
        answers = session.scalars(sa.select(Answer).order_by(Answer.at)).all()
        assert [(a.key, a.means) for a in answers] == [("yes", Means.KEY), ("no", Means.KEY)]
        assert {a.recorded_by for a in answers} == {f"post:{town.chief}", f"post:{town.gong}"}
        assert session.scalars(sa.select(Reply)).all() == [], "no key waits for a person"

    def heard() -> bool:
        with house.database.read() as session:
            rows = session.scalars(sa.select(Delivery).where(Delivery.channel == "voice")).all()
            return len(rows) == 2 and all(row.state is DeliveryState.DELIVERED for row in rows)

    wait_for(heard)


def test_a_key_that_means_nothing_waits_for_a_person_and_the_call_may_be_answered_anew(house: House) -> None:
    town: Town = house.world
    with house.database.write() as session:
        service.invite(session, actor=ACTOR, occurrence_id=town.occurrence, post_ids=[town.chief], call=True)
    house.press(CHIEF, "7")

    def kept() -> bool:
        with house.database.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(Reply)) == 1

    wait_for(kept)
    assert house.said(town.chief) is None


def test_whom_the_text_does_not_reach_is_called_and_answers_by_key(house: House) -> None:
    town: Town = house.world
    with house.database.write() as session:
        service.invite(session, actor=ACTOR, occurrence_id=town.occurrence, post_ids=[town.chief])
    wait_for(lambda: any(number == CHIEF for number, _text in house.messages()))
    moment = house.database.clock.now()
    noon = moment.astimezone(BEIJING).replace(hour=12)
    with house.database.write() as session:
        session.execute(sa.update(Delivery).values(state=DeliveryState.FAILED, reason="30005"))
    assert confirming_jobs.call_unreached(house.database, noon) == 1
    escalate(house.database, max(noon, moment))
    house.press(CHIEF, "1")
    wait_for(lambda: house.said(town.chief) is Answered.YES)
