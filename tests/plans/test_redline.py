"""The redline: whatever two texts say, undoing gives the old one and applying the new one, within bounded work."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emergency.plans.redline import STEPS, Budget, Span, applied, paragraphs, spans, undone

WORDS = st.text(alphabet="防汛预案转移甲乙丙。，12 ab\n", max_size=120)


@given(WORDS, WORDS)
@settings(max_examples=300, deadline=None)
def test_undoing_gives_the_old_text_and_applying_the_new_one(old: str, new: str) -> None:
    found = spans(old, new)
    assert undone(found) == old and applied(found) == new


@given(WORDS, WORDS)
@settings(max_examples=200, deadline=None)
def test_lines_hold_both_texts(old: str, new: str) -> None:
    found = paragraphs(old, new)
    assert "\n".join(undone(p.spans) for p in found if p.op != "+") == old
    assert "\n".join(applied(p.spans) for p in found if p.op != "-") == new


@given(WORDS, WORDS, st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_a_spent_budget_changes_how_fine_it_is_never_what_it_says(old: str, new: str, steps: int) -> None:
    found = spans(old, new, Budget(steps))
    assert undone(found) == old and applied(found) == new


def test_a_changed_number_is_one_change_and_the_words_around_it_stay() -> None:
    assert spans("接到预警后30分钟内转移", "接到预警后120分钟内转移") == (
        Span("=", "接到预警后"), Span("-", "30"), Span("+", "120"), Span("=", "分钟内转移"),
    )  # fmt: skip


def test_one_character_between_two_changes_is_not_left_standing() -> None:
    found = spans("甲的乙", "丙的丁")
    assert [(s.op, s.text) for s in found] == [("-", "甲的乙"), ("+", "丙的丁")]


def test_a_post_is_changed_as_a_whole() -> None:
    found = spans("由{{post:12}}负责", "由{{post:13}}负责")
    assert Span("-", "{{post:12}}") in found and Span("+", "{{post:13}}") in found


def _texts() -> list[tuple[str, str, str]]:
    chance = random.Random(7)
    signs = "防汛预案转移安置预警响应指挥部镇村组织人员物资"
    long = "".join(chance.choice(signs) for _ in range(200_000))
    edited = list(long)
    for _ in range(800):
        edited[chance.randrange(len(edited))] = "改"
    lines = "\n".join(chance.choice("甲乙") for _ in range(100_000))
    return [
        ("one paragraph, edited in many places", long, "".join(edited)),
        ("nothing alike", long, "".join(chance.choice("一二三四五六") for _ in range(200_000))),
        ("two kinds of lines without end", lines, "\n".join(chance.choice("甲乙") for _ in range(100_000))),
        ("one sign without end", "汛" * 200_000, "汛" * 100_000 + "案" + "汛" * 99_999),
        ("the halves change places", long, long[100_000:] + long[:100_000]),
    ]


@pytest.mark.parametrize(("what", "old", "new"), _texts(), ids=lambda value: value if len(str(value)) < 60 else "")
def test_two_hundred_thousand_characters_take_bounded_work(what: str, old: str, new: str) -> None:
    budget = Budget()
    found = paragraphs(old, new, budget)
    assert "\n".join(applied(p.spans) for p in found if p.op != "-") == new
    assert budget.left > -STEPS, what  # at most one piece beyond the budget
