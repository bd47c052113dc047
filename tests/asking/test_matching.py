"""The matcher alone: open questions × words → a verdict. Nothing is guessed, whatever is thrown at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emergency.asking import matching
from emergency.asking.matching import Asked, Verdict, judge
from emergency.asking.models import QuestionState, ReplyWhy
from emergency.asking.rules import PERSON, AnswerOption
from emergency.asking.verification import ANSWERS as VERIFICATION
from emergency.drills.confirming import ANSWERS as INVITATION

AT = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CALLOUT = (AnswerOption("yes", "能到", "I will come"), AnswerOption("no", "去不了", "I cannot", "reason"))
SAID = (
    "1", "１", "①", "1。", "1️⃣", "2", "3", "4", "9", "一", "选1", "A1", "1A", "b2", "C1", "能到", "参加", "不能", "是", "收到", "好的",
    "", "1 还是 3", "演练1", "3 身体不好", "3 天后回来", "改期 12月3日", "不能到", "谢谢", "11", "1 3", "水进院了",
)  # fmt: skip

options = st.sampled_from([INVITATION, VERIFICATION, CALLOUT])
offsets = st.integers(-72 * 60, 72 * 60).map(lambda minutes: timedelta(minutes=minutes))


@st.composite
def questions(draw: st.DrawFn) -> list[Asked]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        sent = AT + draw(offsets)
        found.append(
            Asked(
                question_id=number + 1, options=draw(options), state=draw(st.sampled_from(QuestionState)), sent_at=sent,
                closes_at=max(sent, AT + draw(offsets)) + timedelta(minutes=draw(st.sampled_from([0, 5, 90]))),
                exercise=draw(st.booleans()), drill=draw(st.booleans()), about=("thing", draw(st.integers(1, 3))),
            )
        )  # fmt: skip
    return found


texts = st.one_of(st.sampled_from(SAID), st.text(max_size=12))


@settings(max_examples=600, deadline=None)
@given(questions(), texts, st.sampled_from([None, True, False]), st.booleans(), st.data())
def test_what_is_counted_was_asked_before_is_open_and_could_mean_nothing_else(
    asked: list[Asked], text: str, exercise_only: bool | None, lettered: bool, data: st.DataObject
) -> None:
    letters = [one.question_id for one in asked] if lettered else []
    exact = data.draw(st.sampled_from([None, *(one.question_id for one in asked)]))
    verdict = judge(asked, text, AT, letters=letters, exact=exact, exercise_only=exercise_only)
    known = {one.question_id: one for one in asked}
    assert set(verdict.candidates) <= known.keys()
    if verdict.choice is None:
        assert verdict.why is not None and verdict.question_id is None
        return
    assert verdict.why is None and verdict.question_id is not None
    meant = known[verdict.question_id]
    assert meant.sent_at <= AT < meant.closes_at and meant.state is not QuestionState.CLOSED
    assert verdict.choice.option in meant.options and verdict.choice.option.needs not in PERSON
    assert exercise_only is None or meant.exercise is exercise_only
    if exact is not None:
        assert verdict.question_id == exact
        return
    if matching.plain(text).isdecimal():  # a bare digit: nothing else may have been open to it, of either kind
        others = [
            one
            for one in asked
            if one is not meant
            and one.sent_at <= AT < one.closes_at
            and one.state is not QuestionState.CLOSED
            and (exercise_only is None or one.exercise is exercise_only)
        ]
        waiting = [one for one in others if one.state is not QuestionState.ANSWERED]
        assert not waiting or meant.state is not QuestionState.ANSWERED
        if meant.state is not QuestionState.ANSWERED:
            assert not waiting and all(one.exercise is meant.exercise for one in others)
        else:
            assert not others


@given(questions(), texts)
def test_the_order_of_the_questions_changes_nothing(asked: list[Asked], text: str) -> None:
    there, back = judge(asked, text, AT), judge(asked[::-1], text, AT)
    assert (there.question_id, there.choice, there.why) == (back.question_id, back.choice, back.why)
    assert set(there.candidates) == set(back.candidates)


@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=5, unique=True), st.lists(st.lists(st.integers(1, 5)), max_size=6)
)
def test_nobody_is_asked_back_twice_about_the_same_questions(ids: list[int], earlier: list[list[int]]) -> None:
    verdict = Verdict(why=ReplyWhy.AMBIGUOUS, candidates=tuple(ids))
    first = matching.asks_back(verdict, earlier, two_way=True)
    assert not matching.asks_back(verdict, [*earlier, ids], two_way=True)
    assert not matching.asks_back(verdict, earlier, two_way=False)
    assert first == (not any(set(ids) <= set(before) for before in earlier))


@pytest.mark.parametrize(
    ("text", "key", "rest"),
    [
        ("1", "yes", ""), ("１", "yes", ""), ("①", "yes", ""), ("1。", "yes", ""), ("1️⃣", "yes", ""), ("一", "yes", ""),
        ("回复1", "yes", ""), ("1 参加", "yes", ""), ("1参加", "yes", ""), ("是", "yes", ""), ("参加！", "yes", ""),
        ("3", "deputy", ""), ("派人", "deputy", ""), ("不能", "no", ""), ("2 身体不好", "no", "身体不好"),
        ("不能参加，出差", "no", "出差"), ("改期 12月3日", "other", "12月3日"), ("改期12月3日", "other", "12月3日"),
        ("改期 12月3日下午2点", "other", "12月3日下午2点"), ("改到12月3日14:30", "other", "12月3日14:30"),
        ("4 12月3日下午2点", "other", "12月3日下午2点"), ("4，下周三上午9点", "other", "下周三上午9点"),
        ("改期 12月3日或4日", None, ""), ("4 12月3日", None, ""), ("1 3", None, ""), ("11", None, ""), ("1 还是 3", None, ""), ("2 还是参加", None, ""),
        ("3 天后回来", None, ""), ("1 不能参加", None, ""), ("收到", None, ""), ("好的", None, ""), ("5", None, ""),
        ("参加吗", None, ""), ("我不能参加", None, ""), ("", None, ""), ("👍", None, ""),
    ],
)  # fmt: skip
def test_what_a_reply_to_an_invitation_means(text: str, key: str | None, rest: str) -> None:
    choice = matching.choose(text, INVITATION, AT)
    assert (choice.option.key if choice else None, choice.rest if choice else "") == (key, rest)


def _open(number: int, **changes: object) -> Asked:
    given: dict[str, object] = {"question_id": number, "options": CALLOUT, "state": QuestionState.OPEN,
                                "sent_at": AT - HOUR, "closes_at": AT + HOUR, "about": ("thing", number)}  # fmt: skip
    return Asked(**(given | changes))  # type: ignore[arg-type]


def test_a_digit_minutes_after_another_question_ran_out_waits_for_a_person() -> None:
    gone = _open(1, state=QuestionState.EXPIRED, closes_at=AT - timedelta(minutes=2))
    assert judge([gone, _open(2)], "1", AT).why is ReplyWhy.AMBIGUOUS
    assert judge([gone, _open(2, about=("thing", 1))], "1", AT).question_id == 2  # the same thing, asked again
    assert judge([_open(1, state=QuestionState.EXPIRED, closes_at=AT - HOUR), _open(2)], "1", AT).question_id == 2


def test_the_words_of_one_question_alone_say_which_is_meant() -> None:
    both = [_open(1), _open(2, options=INVITATION)]
    assert judge(both, "能到", AT).question_id == 1 and judge(both, "能参加", AT).question_id == 2
    assert judge(both, "1", AT).why is ReplyWhy.AMBIGUOUS and judge(both, "水大", AT).why is ReplyWhy.UNCLEAR
