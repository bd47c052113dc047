"""Replies over sockets: the phone of the local gateway answers, the signed webhook stores, the engine folds, it counts."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from emergency.asking import service
from emergency.asking.models import Question, ReplyWhy
from emergency.http.actor import SYSTEM
from emergency.http.permissions import Role
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import PhoneState
from kernel.db import now
from tests.asking.conftest import ANSWERS
from tests.asking.support import build, person
from tests.house import House as AtWork
from tests.house import wait_for

PHONE = "+8615400000001"
OFFICER = person(Role.DUTY_OFFICER)


class House(AtWork):
    """With questions to people, and a gateway whose phones can write."""

    def gateway_options(self) -> list[str]:
        return ["--inbound-url", f"{self.config.public_url}/webhooks/twilio/inbound"]

    def write(self, body: str, phone: str = PHONE) -> None:
        """The phone writes."""
        request = urllib.request.Request(
            f"{self.url}/control/reply", json.dumps({"from": phone, "body": body}).encode(),
            {"Content-Type": "application/json", "Authorization": "Bearer x"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 201

    def texts(self, phone: str = PHONE) -> list[str]:
        """What the phone got, oldest first."""
        return [text for number, text in self.messages() if number == phone]

    def ask(self, text: str, subject: int) -> Question:
        with self.database.write() as session:
            return service.ask(
                session, actor=SYSTEM, post_id=self.world.posts["village"], subject=("thing", subject), kind="drill",
                text=text, answers=ANSWERS, due_at=now(session) + timedelta(hours=1), ladder=service.Ladder(()),
            )  # fmt: skip

    def answers(self, *questions: Question) -> list[str | None]:
        with self.database.read() as session:
            return [session.get_one(Question, question.id).answer_key for question in questions]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, build) as built:
        yield built


def test_a_phone_answers_is_asked_back_stops_and_starts_again(house: House) -> None:
    first = house.ask("甲演练，您能到吗？", 1)
    wait_for(lambda: any("甲演练" in text for text in house.texts()))
    house.write("１")
    wait_for(lambda: house.answers(first) == ["yes"])

    second, third = house.ask("乙演练，您能到吗？", 2), house.ask("丙演练，您能到吗？", 3)
    wait_for(lambda: any("丙演练" in text for text in house.texts()))
    house.write("1")
    wait_for(lambda: any("A1" in text for text in house.texts()))
    assert house.answers(second, third) == [None, None]
    house.write("B3")
    wait_for(lambda: house.answers(second, third) == [None, "no"])

    house.write("水进院了", "+8615400009999")

    def stranger_is_kept() -> bool:
        with house.database.read() as session:
            return service.counts(session, actor=OFFICER)[ReplyWhy.UNKNOWN_NUMBER] == 1

    wait_for(stranger_is_kept)
    with house.database.read() as session:
        [kept] = service.replies(session, actor=OFFICER, why=ReplyWhy.UNKNOWN_NUMBER).items
    with house.database.read() as session:
        shown = service.reveal_reply(session, actor=OFFICER, reply_id=kept.id, purpose="warning")
        assert (shown.text, shown.number) == ("水进院了", "+8615400009999")

    def state() -> PhoneState:
        with house.database.read() as session:
            return contacts.get(session, house.world.contacts["village0"]).phone_state

    house.write("TD")
    wait_for(lambda: state() is PhoneState.OPTED_OUT)
    house.write("START")
    wait_for(lambda: state() is PhoneState.UNVERIFIED)
