from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.errors import Invalid
from notify import text
from notify.models import Kind

GSM = "abcXYZ 0123456789@£$?!åÄñ"
HAN = "暴雨洪涝预警请立即转移"


@pytest.mark.parametrize(
    ("body", "encoding", "units", "parts"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("雨" * 70, "UCS-2", 70, 1),
        ("雨" * 71, "UCS-2", 71, 2),
        ("雨" * 134, "UCS-2", 134, 2),
        ("雨" * 135, "UCS-2", 135, 3),
        ("😀" * 35, "UCS-2", 70, 1),
        ("a" * 152 + "€" + "a" * 10, "GSM-7", 164, 2),
        ("雨" * 66 + "😀" + "雨" * 66, "UCS-2", 134, 3),
    ],
)
def test_parts_are_counted_as_the_provider_counts_them(body: str, encoding: str, units: int, parts: int) -> None:
    assert text.segments(body) == text.Segments(encoding, units, parts)  # type: ignore[arg-type]


def test_the_signature_counts() -> None:
    assert text.segments("雨" * 64, "静海应急") == text.Segments("UCS-2", 70, 1)
    assert text.segments("雨" * 65, "【静海应急】").parts == 2
    assert text.segments("a" * 160, "静海").encoding == "UCS-2"


@given(st.text(alphabet=GSM, max_size=700))
def test_gsm_text_never_takes_more_parts_than_its_septets_need_with_one_wasted_each(body: str) -> None:
    found = text.segments(body)
    assert found.encoding == "GSM-7"
    least = 1 if found.units <= 160 else -(-found.units // 153)
    assert least <= found.parts <= least + 1


@given(st.text(max_size=400))
def test_one_more_character_never_takes_fewer_parts(body: str) -> None:
    found = text.segments(body)
    assert text.segments(body + "雨").parts >= found.parts
    assert found.parts == 1 or found.units > (160 if found.encoding == "GSM-7" else 70)
    if found.encoding == "UCS-2":
        assert found.units == len(body.encode("utf-16-le", "surrogatepass")) // 2


@given(st.text(alphabet=HAN + GSM, max_size=300), st.text(alphabet=HAN, max_size=8))
def test_a_signature_is_the_same_text_with_it_in_front(body: str, name: str) -> None:
    assert text.segments(body, name) == text.segments(text.signed(body, name))


def test_named_fields_are_filled_and_nothing_else_is() -> None:
    assert text.render("{name}：请于{time}到岗。", {"name": "张某一", "time": "8时"}) == "张某一：请于8时到岗。"
    assert text.render("{{{name}}}", {"name": "甲"}) == "{甲}"
    assert text.render("final {text}", None) == "final {text}"
    assert text.render("{a}", {"a": "{b}\n【"}) == "{b} 【"


@pytest.mark.parametrize("bad", ["{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{", "}", "{a.__class__}"])
def test_only_plain_named_fields_are_templates(bad: str) -> None:
    with pytest.raises(Invalid) as refused:
        text.render(bad, {"a": 1})
    assert refused.value.code == "bad_template"


def test_a_missing_field_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        text.render("{a}{b}", {"a": 1})
    assert refused.value.params["names"] == "b"


def test_every_exercise_is_wrapped_once() -> None:
    once = text.mark(Kind.EXERCISE, "请转移。")
    assert once == "【演练】请转移。【演练】"
    assert text.mark(Kind.EXERCISE, once) == once
    assert text.mark(Kind.TEST, "线路测试") == "【测试】线路测试"
    assert text.mark(Kind.NOTICE, "请参加演练。") == "请参加演练。"


@given(st.text(min_size=1, max_size=60), st.sampled_from(list(Kind)))
def test_whatever_mark_returns_agrees_with_its_kind(body: str, kind: Kind) -> None:
    try:
        marked = text.mark(kind, body)
    except Invalid as refused:
        assert refused.code in ("kind_mismatch", "exercise_claims_real", "actual_says_drill")
    else:
        assert text.disagreement(kind, marked) is None
        assert text.mark(kind, marked) == marked


@pytest.mark.parametrize("body", ["【演练】请转移。【演练】", "请【演练】转移", "【测试】线路"])
def test_an_actual_that_looks_like_a_drill_is_refused(body: str) -> None:
    with pytest.raises(Invalid):
        text.mark(Kind.ACTUAL, body)


@pytest.mark.parametrize("body", ["请转移。", "【演练】请转移。", "请转移。【演练】", "【演练】【演练】"])
def test_an_exercise_that_is_not_wrapped_does_not_leave(body: str) -> None:
    assert text.disagreement(Kind.EXERCISE, body) == "exercise_without_marker"


# An independent, slow count: the tables of 3GPP TS 23.038 by code, a text packed by trying every place of a part.
_BASIC_ROWS = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ",
    " !\"#¤%&'()*+,-./0123456789:;<=>?",
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§",
    "¿abcdefghijklmnopqrstuvwxyzäöñüà",
)
_ESCAPED = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}


def septets(whole: str) -> list[list[int]] | None:
    """Each character as its septets; None where one has none."""
    codes = {c: [code] for code, c in enumerate("".join(_BASIC_ROWS)) if c != "\x1b"}
    codes |= {c: [0x1B, code] for code, c in _ESCAPED.items()}
    return [codes[c] for c in whole] if all(c in codes for c in whole) else None


def slow_parts(whole: str) -> list[str]:
    """The text as parts, as a phone would join them."""
    pieces = septets(whole)
    if pieces is None:
        pieces = [list(c.encode("utf-16-be", "surrogatepass")[::2]) for c in whole]
        alone, joined = 70, 67
    else:
        alone, joined = 160, 153
    if sum(map(len, pieces)) <= alone:
        return [whole]
    parts: list[str] = []
    while pieces:
        taken = max(n for n in range(1, len(pieces) + 1) if sum(map(len, pieces[:n])) <= joined)
        parts.append(whole[:taken])
        whole, pieces = whole[taken:], pieces[taken:]
    return parts


def test_the_tables_have_all_their_places() -> None:
    assert [len(row) for row in _BASIC_ROWS] == [32, 32, 32, 32]
    assert len(_ESCAPED) == 10


ANY = st.text(
    alphabet=st.one_of(st.sampled_from(GSM + "€^{}[]~|\\\f\n\r" + HAN + "😀👨‍👩‍👧`çÇ"), st.characters()), max_size=420
)


@settings(max_examples=400, deadline=None)
@given(ANY, st.sampled_from(["", "静海应急", "【静海应急】", "Jinghai"]))
def test_parts_and_their_places_equal_an_independent_count(body: str, name: str) -> None:
    parts = slow_parts(text.signed(body, name))
    found = text.segments(body, name)
    assert found.parts == len(parts)
    places = [len("".join(parts[:n])) for n in range(1, len(parts))]
    assert text.cuts(body, name) == places
    assert found.encoding == ("UCS-2" if septets(text.signed(body, name)) is None else "GSM-7")


def test_no_character_is_cut_in_two() -> None:
    body = "雨" * 66 + "😀" * 40
    whole = text.signed(body, "静海应急")
    places = [0, *text.cuts(body, "静海应急"), len(whole)]
    parts = [whole[a:b] for a, b in pairwise(places)]
    assert "".join(parts) == whole and all(len(p.encode("utf-16-be")) <= 134 for p in parts)


def test_line_ends_are_one_character_whoever_typed_them() -> None:
    assert text.mark(Kind.ACTUAL, "一\r\n二\r三") == "一\n二\n三"
    assert text.segments("a\r\nb").units == 4, "what was not tidied is counted as it would leave"


def test_a_signature_that_was_typed_is_not_put_twice() -> None:
    assert text.signed("【静海应急】请转移。", "静海应急") == "【静海应急】请转移。"


@pytest.mark.parametrize(
    ("body", "long"), [("雨" * 1594, False), ("雨" * 1595, True), ("😀" * 798, True), ("a" * 1594, False)]
)
def test_more_than_the_provider_takes_is_known_beforehand(body: str, long: bool) -> None:
    assert text.too_long(text.signed(body, "静海应急")) is long


def test_a_field_without_a_value_is_missing_and_never_the_word_none() -> None:
    with pytest.raises(Invalid) as refused:
        text.render("请{who}到岗", {"who": None})
    assert refused.value.params["names"] == "who"


MARKS = [
    "【演练】", "［演练］", "(演習)", "〔 测 试 〕", "【演\u200b练】", "【ＤＲＩＬＬ】", "【演·練】", "〖演练〗", "「演练」",
    "【\u2060演\ufe0f练\u00ad】", "（Exercise）", "【应急演练】", "[T E S T]",
]  # fmt: skip
REAL = [
    "这不是演练", "非演练", "并非演习", "这 不 是 演 练", "這不是演練", "不是\u200b演练", "不是·演练", "實警", "真实预警",
    "真實險情", "This is NOT a drill", "ｎｏｔ ａ ｄｒｉｌｌ", "real emergency", "不是一次演练", "绝非测试",
]  # fmt: skip
SAYS = ["这是一次演练", "本次为演练", "此次预警为防汛演练", "這是演習", "本短信属于测试", "仅为演练", "演练短信，请勿惊慌", "演练：请转移", "This is a drill"]  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_recognised_in_every_disguise(mark: str) -> None:
    assert text.disagreement(Kind.ACTUAL, f"请{mark}立即转移。") == "actual_with_marker"


@pytest.mark.parametrize("words", REAL)
def test_an_exercise_or_a_test_that_claims_to_be_real_is_refused(words: str) -> None:
    for kind in (Kind.EXERCISE, Kind.TEST):
        with pytest.raises(Invalid) as refused:
            text.mark(kind, f"请立即转移，{words}。")
        assert refused.value.code == "exercise_claims_real"
    assert text.mark(Kind.ACTUAL, f"请立即转移，{words}。")


@pytest.mark.parametrize("words", SAYS)
def test_a_real_message_that_says_it_is_an_exercise_is_refused(words: str) -> None:
    with pytest.raises(Invalid) as refused:
        text.mark(Kind.ACTUAL, f"{words}。")
    assert refused.value.code == "actual_says_drill"
    assert text.mark(Kind.EXERCISE, f"{words}。")


@pytest.mark.parametrize(
    "body",
    ["请按演练时走过的路线撤离。", "落实警戒线，无关人员不得入内。", "落实警示教育。", "情况属实，警方已到场。",
     "请到上次演练的安置点集合。", "这是演练时确定的路线，请照此撤离。", "请不要在堤上锻炼。"],
)  # fmt: skip
def test_words_that_only_look_alike_are_left_alone(body: str) -> None:
    assert text.mark(Kind.ACTUAL, body) == body
    assert text.mark(Kind.EXERCISE, body)


def test_people_who_take_no_part_may_be_named_in_an_exercise() -> None:
    assert text.mark(Kind.EXERCISE, "非演练人员请勿惊慌。")
