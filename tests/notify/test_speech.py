"""What a voice says for a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify import speech
from notify.models import Kind
from notify.text import mark, signed


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("请于8:30前到达", "请于8点30分前到达"),
        ("08：05集合", "8点零5分集合"),
        ("14:00解除", "14点解除"),
        ("2026-11-23起", "2026年11月23日起"),
        ("阵风8-10级", "阵风8到10级"),
        ("雨量50～80mm", "雨量50到80毫米"),
        ("气温-5℃", "气温零下5摄氏度"),
        ("气温-5℃至-2℃", "气温零下5摄氏度到零下2摄氏度"),
        ("概率60%", "概率百分之60"),
        ("流量1200m³/s", "流量1200立方米每秒"),
        ("风速25.5 m/s", "风速25.5 米每秒"),
        ("咨询12379", "咨询1 2 3 7 9"),
        ("电话022-28942111", "电话0 2 2 2 8 9 4 2 1 1 1"),
        ("转移21400人", "转移21400人"),
        ("【静海应急】大风", "静海应急。大风"),
        ("团泊镇（北港村）集合", "团泊镇，北港村，集合"),
        ("一、转移\n二、关电闸", "一、转移。二、关电闸"),
        ("注意⚠️防范☔", "注意防范"),
        ("１２级", "12级"),
        ("详见https://e.cn/c/abc-_~1", ""),
        ("请回家，或点击 https://e.cn/c/abc 查看。", "请回家 查看。"),
        ("“王口”·“台头”", "王口，台头"),
    ],
)
def test_it_is_said_as_a_person_would_say_it(written: str, said: str) -> None:
    assert speech.speakable(written) == said


def test_what_is_no_time_stays_as_it_is() -> None:
    assert "点" not in speech.speakable("比分25:99") and "点" not in speech.speakable("1:2:3")


@given(st.text(max_size=300))
def test_nothing_that_a_voice_would_stumble_over_is_left(text: str) -> None:
    said = speech.speakable(text)
    assert not set(said) & set("【】[]()（）{}<>《》#*_|\\/~^`@$&")
    assert "http://" not in said and "https://" not in said
    assert speech.speakable(said) == said or len(said) > 0


@given(st.sampled_from(["今夜有大风", "请于8:30前转移到镇中心小学。", "气温-5℃"]))
def test_an_exercise_begins_and_ends_with_the_word(text: str) -> None:
    said = speech.call_text(Kind.EXERCISE, signed(mark(Kind.EXERCISE, text), "静海应急"))
    assert said.startswith("演练，演练。静海应急。") and said.endswith("以上是演练。听到请按 1。")


def test_a_test_says_that_it_is_one_and_the_real_does_not() -> None:
    assert speech.call_text(Kind.TEST, "【静海应急】【测试】链路测试").startswith("测试，测试。静海应急。链路测试")
    assert speech.call_text(Kind.ACTUAL, "【静海应急】大风") == "静海应急。大风。听到请按 1。"


@pytest.mark.parametrize("text", ["到岗请按 1。", "请按键答复：1 能到，2 去不了。", "到岗请回复1，未到岗请回复２。"])
def test_who_is_asked_for_a_key_already_is_not_asked_again(text: str) -> None:
    said = speech.call_text(Kind.NOTICE, text)
    assert "按" in said and speech.PRESS_ONE not in said and "回复" not in said


def test_minutes_are_begun_minutes() -> None:
    assert [speech.minutes("雨" * n) for n in (1, 100, 130, 1500)] == [1, 1, 2, 13]
