"""STOP, 退订 and START: honoured for residents, a red defect of a post, and kept for numbers that come in later."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from emergency.asking import matching, service
from emergency.http.permissions import Role
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact, OptMeans, PhoneState
from emergency.people.posts import defects as post_defects
from emergency.people.posts import service as posts
from emergency.people.posts.models import PostHolder
from emergency.privacy.vault import Vault
from emergency.readiness import rules as readiness
from emergency.readiness.rules import Severity
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Invalid
from tests.asking.conftest import Outbox
from tests.asking.support import World, person

PHONE = "+8615400000001"
Say = Callable[..., str]


@pytest.fixture
def say(database: Database, vault: Vault, clock: ManualClock, world: World) -> Say:
    count = iter(range(1, 100))

    def says(text: str, phone: str = PHONE) -> str:
        with database.write() as session:
            key = vault.index("phone", phone)
            return service.ReplyDesk().received(session, key, text, clock.now(), "sms", next(count))

    return says


def _state(database: Database, world: World, name: str = "village0") -> PhoneState:
    with database.read() as session:
        return contacts.get(session, world.contacts[name]).phone_state


@pytest.mark.parametrize("word", ["STOP", "t", "Ｔ", "TD", "td ", "退订", "【退订】", "Unsubscribe", "回复TD。"])
def test_the_agreed_words_stop_messages_with_their_time_and_their_stored_message(
    say: Say, database: Database, vault: Vault, world: World, clock: ManualClock, word: str
) -> None:
    assert say(word) == "opted_out"
    assert _state(database, world) is PhoneState.OPTED_OUT
    with database.read() as session:
        [objection] = contacts.opt_outs(session, vault.index("phone", PHONE))
        assert (objection.at, objection.raw_id, objection.means) == (clock.now(), 1, OptMeans.REPLY)
        assert service.replies(session, actor=person(Role.DUTY_OFFICER)).items == []


@pytest.mark.parametrize("words", ["不退订", "T恤", "stop it please", "别停", "TD1", ""])
def test_words_that_only_contain_one_stop_nothing(words: str) -> None:
    assert matching.subscription(words) is None


def test_start_takes_it_back_and_twice_changes_nothing(
    say: Say, database: Database, vault: Vault, world: World
) -> None:
    assert [say(word) for word in ("TD", "TD", "START", "恢复")] == ["opted_out", "opted_out", "opted_in", "opted_in"]
    assert _state(database, world) is PhoneState.UNVERIFIED
    with database.read() as session:
        [objection] = contacts.opt_outs(session, vault.index("phone", PHONE))
        assert objection.ended_raw_id == 3


def test_a_number_that_nobody_has_yet_comes_in_refusing(say: Say, database: Database) -> None:
    assert say("退订", "+8615400008888") == "opted_out"
    with database.write() as session:
        assert contacts.create(session, name="张某一", phone="15400008888").phone_state is PhoneState.OPTED_OUT


def test_notices_go_no_more_and_warnings_still_do(
    say: Say, database: Database, vault: Vault, world: World, ask: Callable[..., object], outbox: Outbox
) -> None:
    say("TD")
    ask()
    assert outbox.messages() == []
    book, contact = contacts.ContactAddressBook(database, vault), world.contacts["village0"]
    assert book.addresses([contact], broadcast_id=1, purpose="deliver:notice") == {}
    assert book.addresses([contact], broadcast_id=1, purpose="deliver:exercise") == {}
    assert book.addresses([contact], broadcast_id=1, purpose="deliver:actual") == {contact: PHONE}


def test_for_a_post_it_is_a_red_defect_until_a_clerk_writes_down_the_proof(
    say: Say, database: Database, world: World, clock: ManualClock
) -> None:
    say("STOP")
    post, officer = world.posts["village"], person(Role.DUTY_OFFICER)
    with database.read() as session:
        [defect] = post_defects.defects(session, clock.now(), [("post", post)])
        assert defect.rule == "post_opted_out" and readiness.SEVERITIES[defect.rule] is Severity.RED
        assert "21610" in defect.reason
        holder = session.scalars(
            sa.select(PostHolder.id).where(PostHolder.post_id == post, PostHolder.order == 0)
        ).one()
    with database.write() as session, pytest.raises(Invalid):
        posts.take_back_objection(session, actor=officer, post_id=post, holder_id=holder, reason=" ")
    with database.write() as session:
        proof = "本人到值班室当面说明"
        posts.take_back_objection(session, actor=officer, post_id=post, holder_id=holder, reason=proof)
    with database.read() as session:
        assert all(d.rule != "post_opted_out" for d in post_defects.defects(session, clock.now(), [("post", post)]))
        assert session.get_one(Contact, world.contacts["village0"]).phone_state is PhoneState.UNVERIFIED
