"""One vocabulary, and no word of the drill rules without its place in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from emergency.divisions import rules
from emergency.divisions.models import UnitKind

SHARED = Path(__file__).resolve().parents[3] / "shared" / "domain" / "rules.yaml"


@pytest.mark.skipif(not SHARED.exists(), reason="the shared rules are not on this machine")
def test_every_word_of_the_rules_has_its_place() -> None:
    found = yaml.safe_load(SHARED.read_text("utf-8"))
    words = {word for group in found.values() for rule in group for word in rule.get("applies_to", [])}
    assert words <= set(rules.APPLIES_TO)


def test_the_table_speaks_of_known_tags_only() -> None:
    for word, applies in rules.APPLIES_TO.items():
        assert applies.sectors <= set(rules.SECTORS) | {"*", "~"}, word
        assert applies.groups or applies.subject == "plan", word


@pytest.mark.parametrize(
    ("word", "tags", "flags", "expected"),
    [
        ("school", ["primary_school"], {}, True),
        ("crowded_place", ["kindergarten"], {}, True),
        ("crowded_place", ["dike"], {}, False),
        ("crowded_place", ["dike"], {"crowded": True}, True),
        ("fire_key_unit", ["mall"], {"key_fire": True}, True),
        ("other_units", ["mall"], {"key_fire": True}, False),
        ("other_units", ["mall"], {}, True),
        ("hospital storing_or_using dangerous goods", ["hospital"], {}, False),
        ("hospital storing_or_using dangerous goods", ["hospital", "dangerous_goods_user"], {}, True),
        ("school storing_or_using dangerous goods", ["primary_school"], {}, False),
        ("school storing_or_using dangerous goods", ["university", "dangerous_goods_user"], {}, True),
        ("research storing_or_using dangerous goods", ["research"], {}, False),
        ("unit", [], {}, True),
        ("all_production_units", ["coal_mine"], {}, True),
        ("gov_special_plan", ["county_government"], {}, False),
    ],
)
def test_a_word_means_these_units(word: str, tags: list[str], flags: dict[str, bool], expected: bool) -> None:
    assert rules.applies(word, rules.widen(tags, **flags)) is expected


@pytest.mark.parametrize(
    ("text", "tags", "unknown"),
    [
        ("小学；寄宿学校", ["primary_school", "boarding_school"], []),
        ("primary_school;school_bus", ["primary_school", "school_bus"], []),
        ("养老院", ["care_home"], []),
        ("Sluice", [], ["Sluice"]),
        ("医院、火箭发射场", ["hospital"], ["火箭发射场"]),
        ("", [], []),
    ],
)
def test_a_file_may_say_it_in_words(text: str, tags: list[str], unknown: list[str]) -> None:
    assert rules.parse(text) == (tags, unknown)


def test_every_tag_comes_back_from_its_own_words() -> None:
    for code, sector in rules.SECTORS.items():
        assert rules.parse(sector.zh) == ([code], [])
    assert rules.kind_of(["care_home", "medical"]) is UnitKind.CARE_HOME
