"""Every pair of states, every rule of CAP and of the law, by name."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergency.warnings import geometry, rules
from emergency.warnings.models import Audience, MessageType, Source, WarningLevel, WarningState, WarningStatus
from emergency.warnings.rules import EventFacts, Facts, RuleFault

S = WarningState
NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
STEPS = {
    (S.DRAFT, S.SUBMITTED), (S.DRAFT, S.WITHDRAWN), (S.RETURNED, S.SUBMITTED), (S.RETURNED, S.WITHDRAWN),
    (S.SUBMITTED, S.RETURNED), (S.SUBMITTED, S.REJECTED), (S.SUBMITTED, S.ISSUED), (S.SUBMITTED, S.DRAFT),
    (S.ISSUED, S.ENDED), (S.ISSUED, S.CANCELLED), (S.ISSUED, S.SUPERSEDED),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), list(itertools.product(S, S)))
def test_only_the_steps_of_the_table_are_allowed(before: WarningState, after: WarningState) -> None:
    assert (after in rules.ALLOWED[before]) is ((before, after) in STEPS)


def test_what_was_issued_never_goes_back_to_its_author() -> None:
    assert not rules.ALLOWED[S.ISSUED] & {S.DRAFT, S.SUBMITTED, S.RETURNED}


FLOOD = EventFacts("11A01", "洪水", ["red", "orange", "yellow", "blue"], ["洪涝"])
FROST = EventFacts("11B16", "霜冻", ["orange", "yellow", "blue"])
RAIN = EventFacts("11B03", "暴雨", ["red", "orange", "yellow", "blue"])
REFERENCE = "静海区人民政府,12011800000000_20261123080000_0,2026-11-23T08:00:00+08:00"


def facts(**changes: Any) -> Facts:
    whole: dict[str, Any] = {
        "status": WarningStatus.ACTUAL, "msg_type": MessageType.ALERT, "event": FLOOD, "level": WarningLevel.RED,
        "headline": "洪水红色预警", "description": "水位上涨", "instruction": "马上转移", "issuer": "静海区人民政府",
        "source": Source.OWN, "relayed_from": None, "effective": NOW, "expires": NOW + timedelta(hours=6),
        "audience": Audience.RESIDENTS, "channels": ["sms"], "text": "", "references": [],
    } | changes  # fmt: skip
    return Facts(**whole)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("level_not_allowed", {"event": FROST, "headline": "", "source": Source.RELAYED, "relayed_from": "气象台"}),
        ("relayed_without_issuer", {"source": Source.RELAYED, "relayed_from": " "}),
        ("own_weather", {"event": RAIN, "headline": "暴雨红色预警"}),
        ("expires_before_effective", {"expires": NOW - timedelta(hours=1)}),
        ("expires_before_effective", {"expires": NOW}),
        ("expires_before_sent", {"effective": NOW - timedelta(days=2), "expires": NOW - timedelta(hours=1)}),
        ("references_missing", {"msg_type": MessageType.UPDATE}),
        ("references_missing", {"msg_type": MessageType.CANCEL}),
        ("reference_malformed", {"msg_type": MessageType.UPDATE, "references": ["只有一个编号"]}),
        ("actual_with_drill_mark", {"description": "【演练】水位上涨"}),
        ("actual_with_drill_mark", {"text": "［演习］请转移"}),
        ("exercise_claims_real", {"status": WarningStatus.EXERCISE, "description": "这不是演练"}),
        ("headline_level_mismatch", {"headline": "洪水橙色预警"}),
        ("event_name_mismatch", {"headline": "暴雨红色预警"}),
        ("channel_missing", {"channels": []}),
        ("channel_unknown", {"channels": ["pigeon"]}),
        ("channel_not_set_up", {"channels": ["sms", "voice"], "offered": ("sms",)}),
        ("channel_twice", {"channels": ["voice", "voice"]}),
        ("test_audience", {"status": WarningStatus.TEST, "audience": Audience.RESIDENTS}),
        ("test_audience", {"status": WarningStatus.TEST, "audience": Audience.ALL}),
    ],
)
def test_a_wrong_warning_is_refused_by_the_name_of_its_rule(rule: str, changes: dict[str, Any]) -> None:
    with pytest.raises(RuleFault) as refused:
        rules.check_content(facts(**changes), now=NOW, own_weather=False, other_names=["暴雨", "台风"])
    assert refused.value.code == rule
    assert refused.value.status == 422
    assert rule in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"event": RAIN, "headline": "暴雨红色预警", "source": Source.RELAYED, "relayed_from": "静海区气象台"},
        {"status": WarningStatus.EXERCISE, "description": "假设水位上涨"},
        {"status": WarningStatus.TEST, "audience": Audience.POSTS},
        {"msg_type": MessageType.UPDATE, "references": [REFERENCE], "headline": "洪水橙色预警升级为红色预警"},
        {"headline": "洪涝红色预警"},
    ],
)
def test_a_right_warning_passes(changes: dict[str, Any]) -> None:
    rules.check_content(facts(**changes), now=NOW, own_weather=False, other_names=["暴雨", "台风"])


def test_own_weather_passes_where_the_configuration_says_so() -> None:
    rules.check_content(facts(event=RAIN, headline="暴雨红色预警"), now=NOW, own_weather=True)


@pytest.mark.parametrize("missing", ["headline", "description", "instruction", "issuer"])
def test_each_statutory_statement_is_demanded(missing: str) -> None:
    with pytest.raises(RuleFault) as refused:
        rules.check_complete(facts(**{missing: " "}), area_words="台头镇", has_area=True)
    assert (refused.value.code, refused.value.value) == ("statement_missing", missing)


def test_a_warning_without_an_area_is_not_complete() -> None:
    with pytest.raises(RuleFault, match="area"):
        rules.check_complete(facts(), area_words="", has_area=False)


RING = [[116.6, 38.9], [116.8, 38.9], [116.8, 39.0], [116.6, 39.0], [116.6, 38.9]]


@pytest.mark.parametrize(
    ("rule", "area"),
    [
        ("polygon_self_crossing",
         {"polygons": [[[116.6, 38.9], [116.8, 39.0], [116.8, 38.9], [116.6, 39.0], [116.6, 38.9]]]}),
        ("polygon_not_closed", {"polygons": [RING[:-1]]}),
        ("polygon_too_short", {"polygons": [[[116.6, 38.9], [116.8, 38.9], [116.6, 38.9]]]}),
        ("coordinates_swapped", {"polygons": [[[lat, lon] for lon, lat in RING]]}),
        ("coordinates_out_of_range", {"polygons": [[[lon - 180, lat] for lon, lat in RING]]}),
        ("polygon_point", {"polygons": [[["a", "b"]] * 5]}),
        ("polygon_point", {"polygons": [[[116.6], *RING[1:]]]}),
        ("polygon_point", {"polygons": [[[float("nan"), 38.9], *RING[1:]]]}),
        ("polygon_self_crossing", {"polygons": [[[116.6, 38.9]] * 5]}),
        ("not_a_list", {"polygons": "rubbish"}),
        ("circle_without_radius", {"circles": [{"lon": 116.7, "lat": 38.9}]}),
        ("circle_radius", {"circles": [{"lon": 116.7, "lat": 38.9, "radius_m": 0}]}),
        ("circle_radius", {"circles": [{"lon": 116.7, "lat": 38.9, "radius_m": "wide"}]}),
        ("coordinates_swapped", {"circles": [{"lon": 38.9, "lat": 116.7, "radius_m": 10}]}),
        ("circle_shape", {"circles": [[116.7, 38.9, 10]]}),
        ("division_code", {"divisions": ["120118"]}),
        ("division_code", {"divisions": ["台头镇"]}),
        ("too_many_shapes", {"polygons": [RING] * 51}),
    ],
)  # fmt: skip
def test_a_wrong_area_is_refused_by_the_name_of_its_rule(rule: str, area: dict[str, Any]) -> None:
    with pytest.raises(RuleFault) as refused:
        geometry.parse(area)
    assert refused.value.code == rule
    assert refused.value.fields


def test_an_area_reads_back_as_it_was_written() -> None:
    shape = {
        "divisions": ["120118104000"],
        "polygons": [RING],
        "circles": [{"lon": 116.7, "lat": 38.9, "radius_m": 5.0}],
    }
    once = geometry.parse(shape).to_json()
    assert geometry.parse(json.loads(json.dumps(once))).to_json() == once


@given(st.floats(116.5, 117.0), st.floats(38.8, 39.1))
def test_inside_agrees_with_the_rectangle_that_it_is(lon: float, lat: float) -> None:
    area = geometry.parse({"polygons": [RING]})
    hit = bool(geometry.inside(area, np.array([lon]), np.array([lat]))[0])
    assert hit is (116.6 <= lon <= 116.8 and 38.9 <= lat <= 39.0)


@given(st.floats(116.6, 116.8), st.floats(38.9, 39.0))
def test_a_circle_holds_what_is_nearer_than_its_radius(lon: float, lat: float) -> None:
    area = geometry.parse({"circles": [{"lon": 116.7, "lat": 38.95, "radius_m": 3000}]})
    metres = geometry.distance_m(116.7, 38.95, np.array([lon]), np.array([lat]))[0]
    assert bool(geometry.inside(area, np.array([lon]), np.array([lat]))[0]) is bool(metres <= 3000)


def test_a_point_that_nobody_knows_is_inside_nothing() -> None:
    area = geometry.parse({"polygons": [RING], "circles": [{"lon": 116.7, "lat": 38.95, "radius_m": 3000}]})
    assert not geometry.inside(area, np.array([np.nan]), np.array([np.nan])).any()


@pytest.mark.parametrize(
    ("status", "people", "phrase"),
    [
        (WarningStatus.ACTUAL, 21386, "红色 21400"),
        (WarningStatus.ACTUAL, 6, "红色 6"),
        (WarningStatus.EXERCISE, 31, "演练 31"),
        (WarningStatus.TEST, 3, "测试 3"),
    ],
)
def test_the_phrase_repeats_kind_or_colour_and_people(status: WarningStatus, people: int, phrase: str) -> None:
    assert rules.phrase(status, WarningLevel.RED, people) == phrase


@pytest.mark.parametrize(
    ("typed", "right"),
    [("红色 21400", True), ("红色21400", True), ("红色　２１４００", True), ("红色 21,400", True), ("演练 21400", False),
     ("红色 2140", False), ("橙色 21400", False), ("", False)],
)  # fmt: skip
def test_what_is_typed_is_compared_kindly_and_strictly(typed: str, right: bool) -> None:
    assert rules.phrase_matches(typed, "红色 21400") is right


def test_an_identifier_has_31_characters_and_beijing_time() -> None:
    made = rules.identifier("120118000000", NOW, 3)
    assert (made, len(made)) == ("12011800000000_20261123090000_3", 31)
    assert rules.is_identifier(made)


@pytest.mark.parametrize(
    ("text", "right"),
    [("12000041600000_20180121223442", True), ("12011841600_20180121223442_1", True), ("a b", False),
     ("12000041600000_20180121223442,1", False)],
)  # fmt: skip
def test_identifiers_of_other_platforms_are_read(text: str, right: bool) -> None:
    assert rules.is_identifier(text) is right


def test_times_for_cap_have_no_fraction_and_an_offset_in_digits() -> None:
    assert rules.cap_time(NOW.replace(microsecond=123456)) == "2026-11-23T09:00:00+08:00"


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 500), min_size=1))
def test_an_audience_that_did_not_move_has_no_drift(audience: dict[str, int]) -> None:
    assert rules.drift_percent(audience, dict(audience)) == 0


def test_two_villages_that_change_places_are_drift_though_the_sum_stays() -> None:
    assert rules.drift_percent({"a": 100}, {"b": 100}) == 200


@pytest.mark.parametrize(
    ("minutes", "due"), [(0, 0), (1.9, 0), (2, 1), (5, 2), (9, 2), (10, 3), (14, 3), (15, 4), (20, 5)]
)
def test_reminders_go_on_after_the_last_configured_minute(minutes: float, due: int) -> None:
    assert rules.reminders_due(NOW, NOW + timedelta(minutes=minutes), (2, 5, 10)) == due


def test_cautions_name_what_carriers_filter() -> None:
    text = "请看 http://example.com 或致电 022-00001234"
    assert rules.cautions(text, signature_length=6) == ["link_in_text", "phone_in_text"]
    assert rules.cautions("请" * 495, signature_length=6) == ["text_long"]
