"""Text replies: counted only where they can mean one thing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.asking import service
from emergency.asking.escalation import expire
from emergency.asking.models import Means, Question, Reply, ReplyState, ReplyWhy
from emergency.asking.tokens import forget_tokens
from emergency.config import Config, Notify, TwilioWithExercise
from emergency.http.permissions import Role
from emergency.people.posts import holding
from emergency.privacy.vault import Vault
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import DomainError, NotFound
from notify.models import Broadcast, Delivery, DeliveryState, Kind
from tests.asking.conftest import Outbox, fetch
from tests.asking.support import DISTRICT, OTHER_TOWN, World, person

Ask = Callable[..., Question]
OFFICER = person(Role.DUTY_OFFICER)


@pytest.fixture
def reply(database: Database, vault: Vault, clock: ManualClock, world: World) -> Callable[..., str]:
    count = iter(range(1, 100))

    def replies(text: str, phone: str = "+8615400000001", raw_id: int | None = None, **more: Any) -> str:
        desk, at = service.ReplyDesk(more.pop("kinds", None)), more.pop("at", None) or clock.now()
        with database.write() as session:
            key = vault.index("phone", phone)
            return desk.received(session, key, text, at, more.pop("channel", "sms"), raw_id or next(count), **more)

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
    assert reply("1", channel="voice") == "ambiguous"
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


@pytest.mark.parametrize("text", ["好的", "9", "", "1 还是 3"])
def test_what_is_no_plain_answer_waits_for_a_person(ask: Ask, reply: Callable[..., str], text: str) -> None:
    ask()
    assert reply(text) == "unclear"


def test_who_comes_instead_is_asked_by_a_person(ask: Ask, reply: Callable[..., str], database: Database) -> None:
    question = ask()
    assert reply("2") == "needs_name"
    with database.read() as session:
        assert fetch(session, question).answer_key is None


def test_the_same_raw_reply_is_kept_once(ask: Ask, reply: Callable[..., str], database: Database) -> None:
    ask()
    reply("好的", raw_id=5)
    reply("好的", raw_id=5)
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Reply)) == 1


def test_a_number_that_nobody_asked_is_kept_for_a_person(
    ask: Ask, reply: Callable[..., str], database: Database
) -> None:
    ask()
    assert reply("1", "+8615400000021") == "no_question"
    assert reply("水进院了", "+8615400009999") == "unknown_number"
    with database.read() as session:
        known, stranger = service.replies(session, actor=OFFICER).items
        assert (known.division_code, stranger.division_code, stranger.contact_id) == (OTHER_TOWN, DISTRICT, None)
        assert service.counts(session, actor=person(Role.LIAISON, division=OTHER_TOWN))[ReplyWhy.UNKNOWN_NUMBER] == 0


def test_a_reply_after_the_link_has_closed_is_kept_and_shown_as_late(
    ask: Ask, reply: Callable[..., str], clock: ManualClock, database: Database
) -> None:
    question = ask(closes_at=clock.now() + timedelta(hours=2))
    clock.advance(timedelta(hours=3))
    assert reply("1") == "late"
    with database.read() as session:
        assert fetch(session, question).answer_key is None
        assert [late.question_ids for late in service.late_replies(session, question.id)] == [[question.id]]


def test_a_reply_that_came_in_time_counts_though_it_is_looked_at_after_the_end(
    ask: Ask, reply: Callable[..., str], clock: ManualClock, database: Database
) -> None:
    question = ask(closes_at=clock.now() + timedelta(hours=2))
    said_at = clock.advance(timedelta(hours=1))
    expire(database, clock.advance(timedelta(hours=2)))
    assert reply("1", at=said_at) == "matched"
    with database.read() as session:
        assert fetch(session, question).answered_at == said_at


def test_a_reply_older_than_the_question_never_answers_it(
    ask: Ask, reply: Callable[..., str], clock: ManualClock, database: Database
) -> None:
    before = clock.now()
    clock.advance(timedelta(minutes=1))
    question = ask()
    assert reply("1", at=before) == "no_question"
    with database.read() as session:
        assert fetch(session, question).answer_key is None


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
        assert service.reveal_reply(session, actor=OFFICER, reply_id=waiting.id, purpose="drill").text == "谢谢"
    with database.write() as session, pytest.raises(NotFound):
        service.use_reply(session, actor=OFFICER, reply_id=waiting.id, question_id=1, answer="yes")
    with database.write() as session:
        service.dismiss_reply(session, actor=OFFICER, reply_id=waiting.id, reason="只是道谢")
    with database.read() as session:
        assert fetch(session, question).answer_key is None


def test_one_with_two_open_questions_asks_back_once_and_a1_settles(
    ask: Ask, reply: Callable[..., str], database: Database, outbox: Outbox
) -> None:
    first, second = ask(text="甲演练，您能到吗？"), ask(text="乙演练，您能到吗？", subject=("thing", 8))
    sent = len(outbox.messages())
    assert reply("1") == "ambiguous"
    recipient, text, _link = outbox.messages()[-1]
    assert len(outbox.messages()) == sent + 1 and recipient == f"post:{first.post_id}"
    assert "A" in text and "甲演练" in text and "B" in text and "乙演练" in text and "A1" in text
    assert reply("1") == "ambiguous" and len(outbox.messages()) == sent + 1
    assert reply("B3") == "matched" and reply("１a") == "matched"
    with database.read() as session:
        assert (fetch(session, first).answer_key, fetch(session, second).answer_key) == ("yes", "no")
        assert service.replies(session, actor=OFFICER, state=ReplyState.USED).items
        # The second "1" was not asked back about: which of the two it meant only a person can say.
        assert len(service.replies(session, actor=OFFICER).items) == 1


def test_where_no_text_can_be_answered_nothing_is_asked_back_and_nobody_is_invited_to_reply(
    ask: Ask, reply: Callable[..., str], database: Database, outbox: Outbox
) -> None:
    one_way = Config(notify=Notify(twilio=TwilioWithExercise(account_sid="AC1", auth_token="t", from_number="+1")))
    database.attach("config", one_way)
    ask()
    ask(subject=("thing", 8))
    sent = outbox.messages()
    assert all("回复" not in text.replace("不接收回复", "") and "{link}" in text for _recipient, text, _link in sent)
    assert reply("1") == "ambiguous" and outbox.messages() == sent


def test_an_exercise_and_a_real_question_are_never_confused(
    ask: Ask, reply: Callable[..., str], database: Database
) -> None:
    drill, real = ask(notice_kind=Kind.EXERCISE), ask(subject=("thing", 8))
    assert reply("1", channel="voice") == "ambiguous"
    kinds = {"AC-exercise": {Kind.EXERCISE}, "AC-real": {Kind.ACTUAL, Kind.NOTICE}}
    assert reply("1", kinds=kinds, account="AC-exercise") == "matched"
    with database.read() as session:
        assert (fetch(session, drill).answer_key, fetch(session, real).answer_key) == ("yes", None)
    # The exercise is answered, yet the digit might change that answer: it must not settle the real one.
    assert reply("3") == "ambiguous"
    assert reply("演练 3") == "matched"
    assert reply("1", kinds=kinds, account="AC-real") == "matched"
    with database.read() as session:
        assert (fetch(session, drill).answer_key, fetch(session, real).answer_key) == ("no", "yes")


def test_a_key_pressed_in_a_call_answers_the_question_of_that_call(
    ask: Ask, reply: Callable[..., str], database: Database
) -> None:
    first, second = ask(), ask(subject=("thing", 8))
    with database.read() as session:
        serials = list(session.scalars(sa.select(Broadcast).order_by(Broadcast.serial)))
    assert reply("1", channel="voice", delivery_id=serials[1].first_id + 1) == "matched"
    assert reply("1", channel="voice", delivery_id=serials[1].first_id + 99) == "no_question"
    with database.read() as session:
        assert fetch(session, first).answer_key is None and fetch(session, second).answer_key == "yes"
        assert [a.means for a in service.answers_of(session, second.id)] == [Means.KEY]


def test_a_reply_may_be_counted_for_another_question_of_the_sender_and_keeps_its_words(
    ask: Ask, reply: Callable[..., str], database: Database, clock: ManualClock
) -> None:
    question = ask()
    reply("水大，去不了", "+8615400009999")
    with database.read() as session:
        [waiting] = service.replies(session, actor=OFFICER).items
        assert [q.id for q in service.assignable(session, actor=OFFICER, reply=waiting)] == [question.id]
    later = ask(subject=("thing", 9), due_at=clock.advance(timedelta(minutes=5)) + timedelta(hours=1))
    with database.write() as session, pytest.raises(DomainError) as refused:
        service.use_reply(session, actor=OFFICER, reply_id=waiting.id, question_id=later.id, answer="no")
    assert refused.value.code == "asked_later"
    with database.write() as session:
        answer = service.use_reply(session, actor=OFFICER, reply_id=waiting.id, question_id=question.id, answer="no")
        assert service.remark_of(session, answer) == {"note": "水大，去不了"}
        assert answer.at == waiting.at and answer.recorded_by == str(OFFICER)


def test_thank_yous_without_a_question_are_put_aside_together(
    ask: Ask, reply: Callable[..., str], database: Database, clock: ManualClock
) -> None:
    for _again in range(3):
        assert reply("收到，谢谢", "+8615400000021") == "courtesy"
    assert reply("水进院了", "+8615400000021") == "no_question"
    with database.write() as session:
        assert "1" in service.waiting(session, OFFICER, clock.now())[0].what
        assert service.dismiss_courtesies(session, actor=OFFICER, reason="致谢") == 3
        assert len(service.replies(session, actor=OFFICER).items) == 1


def test_the_ledger_forgets_a_link_once_its_message_has_left(
    ask: Ask, database: Database, clock: ManualClock, outbox: Outbox
) -> None:
    ask(ladder=service.Ladder(()))
    ask(subject=("thing", 8), ladder=service.Ladder(()))
    [_first, kept] = outbox.links()
    with database.write() as session:
        left = session.scalars(sa.select(Delivery).order_by(Delivery.id)).first()
        assert left is not None
        left.state = DeliveryState.SUBMITTED
    assert forget_tokens(database, clock.now()) == 0
    assert forget_tokens(database, clock.advance(timedelta(minutes=11))) == 1
    assert outbox.messages()[0][2] == ""
    assert outbox.messages()[1][2].endswith(kept)


def test_the_reply_of_a_former_holder_waits_for_a_person(
    ask: Ask, reply: Callable[..., str], database: Database, world: World
) -> None:
    question = ask()
    with database.write() as session:
        holding.set_holder(
            session, actor=OFFICER, post_id=world.posts["village"], name="李某二", phone="15400000077", reason="换届"
        )
    assert reply("1") == "no_question"
    with database.read() as session:
        assert fetch(session, question).answer_key is None
        [waiting] = service.replies(session, actor=OFFICER).items
        assert waiting.question_ids == [question.id]
