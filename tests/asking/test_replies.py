"""Text replies: counted only where they can mean one thing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from emergency.asking import rules, service
from emergency.asking.models import Means, Question, Reply, ReplyState
from emergency.http.permissions import Role
from emergency.privacy.vault import Vault
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, DomainError, NotFound
from tests.asking.conftest import ANSWERS, fetch
from tests.asking.support import World, person

Ask = Callable[..., Question]
OFFICER = person(Role.DUTY_OFFICER)


@pytest.fixture
def reply(database: Database, vault: Vault, clock: ManualClock, world: World) -> Callable[..., str]:
    count = iter(range(1, 100))

    def replies(text: str, phone: str = "+8615400000001", raw_id: int | None = None) -> str:
        with database.write() as session:
            key = vault.index("phone", phone)
            return service.ReplyDesk().received(session, key, text, clock.now(), "sms", raw_id or next(count))

    return replies


@pytest.mark.parametrize("text", ["1", " １ ", "1。", "能到", "能到！"])
def test_a_number_or_its_word_is_an_answer(ask: Ask, reply: Callable[..., str], database: Database, text: str) -> None:
    question = ask()
    assert reply(text) == "matched"
    with database.read() as session:
        assert fetch(session, question).answer_key == "yes"
        [answer] = service.answers_of(session, question.id)
        assert (answer.means, answer.recorded_by) == (Means.SMS, f"post:{question.post_id}")


def test_one_with_two_open_questions_waits_for_a_person(
    ask: Ask, reply: Callable[..., str], database: Database
) -> None:
    first, second = ask(), ask(subject=("thing", 8))
    assert reply("1") == "ambiguous"
    with database.read() as session:
        [waiting] = service.replies(session, actor=OFFICER).items
        assert waiting.question_ids == [first.id, second.id]
        assert waiting.text_sealed != b"1" and waiting.state is ReplyState.WAITING
        assert fetch(session, first).answer_key is None and fetch(session, second).answer_key is None
        assert "1" in service.waiting(session, OFFICER, first.due_at)[0].what
    with database.write() as session:
        service.use_reply(session, actor=OFFICER, reply_id=waiting.id, question_id=second.id, answer="yes")
    with database.read() as session:
        assert fetch(session, first).answer_key is None and fetch(session, second).answer_key == "yes"
        assert service.replies(session, actor=OFFICER).items == []
    with database.write() as session, pytest.raises(DomainError) as refused:
        service.use_reply(session, actor=OFFICER, reply_id=waiting.id, question_id=first.id, answer="yes")
    assert refused.value.code == "wrong_state"


def test_with_one_open_and_one_answered_the_reply_is_for_the_open_one(
    ask: Ask, reply: Callable[..., str], database: Database
) -> None:
    first = ask()
    reply("1")
    second = ask(subject=("thing", 8))
    assert reply("3") == "matched"
    with database.read() as session:
        assert fetch(session, first).answer_key == "yes" and fetch(session, second).answer_key == "no"


def test_a_mind_may_be_changed_by_text(ask: Ask, reply: Callable[..., str], database: Database) -> None:
    question = ask()
    assert (reply("1"), reply("3")) == ("matched", "matched")
    with database.read() as session:
        assert fetch(session, question).answer_key == "no"


@pytest.mark.parametrize("text", ["好的", "2", "9", "", "1 还是 3"])
def test_what_is_no_plain_answer_waits_for_a_person(ask: Ask, reply: Callable[..., str], text: str) -> None:
    ask()
    assert reply(text) == "unclear"


def test_the_same_raw_reply_is_kept_once(ask: Ask, reply: Callable[..., str], database: Database) -> None:
    ask()
    reply("好的", raw_id=5)
    reply("好的", raw_id=5)
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Reply)) == 1


def test_a_number_that_nobody_asked_is_left_alone(ask: Ask, reply: Callable[..., str]) -> None:
    ask()
    assert reply("1", "+8615400000021") == "no_question"
    assert reply("1", "+8615400009999") == "unknown_number"


def test_a_reply_after_the_link_has_closed_is_no_answer(
    ask: Ask, reply: Callable[..., str], clock: ManualClock
) -> None:
    ask(closes_at=clock.now() + timedelta(hours=2))
    clock.advance(timedelta(hours=3))
    assert reply("1") == "no_question"


def test_a_reply_is_shown_with_a_purpose_put_aside_with_a_reason_and_never_out_of_scope(
    ask: Ask, reply: Callable[..., str], database: Database
) -> None:
    question = ask()
    reply("谢谢")
    with database.read() as session:
        [waiting] = service.replies(session, actor=OFFICER).items
        stranger = person(Role.DUTY_OFFICER, division="120118100000")
        with pytest.raises(NotFound):
            service.reveal_reply(session, actor=stranger, reply_id=waiting.id, purpose="drill")
    with database.read() as session:
        assert service.reveal_reply(session, actor=OFFICER, reply_id=waiting.id, purpose="drill")[1] == "谢谢"
    with database.write() as session, pytest.raises(Conflict):
        service.use_reply(session, actor=OFFICER, reply_id=waiting.id, question_id=1, answer="yes")
    with database.write() as session:
        service.dismiss_reply(session, actor=OFFICER, reply_id=waiting.id, reason="只是道谢")
    with database.read() as session:
        assert fetch(session, question).answer_key is None


def test_nothing_is_guessed_from_words_that_only_look_alike() -> None:
    choices = list(ANSWERS)
    assert rules.reply_choice("能到吗", choices) is None
    assert rules.reply_choice("11", choices) is None
    assert rules.reply_choice("I WILL COME", choices) is choices[0]
