from __future__ import annotations

import pytest
from hypothesis import given
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
        assert refused.code == "kind_mismatch"
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
