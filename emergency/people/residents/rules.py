"""Pure rules of residents: who is helped first, the normal form of a row, how an import moves on."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from emergency.people.contacts.rules import Number, clean_name
from emergency.people.residents.models import RunState

R = RunState
TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    R.WAITING: frozenset({R.READING, R.FAILED}),
    R.READING: frozenset({R.APPLYING, R.DONE, R.FAILED}),
    # Rows that were swapped in stay: what began to be applied is brought to its end, never half forgotten.
    R.APPLYING: frozenset({R.DONE}),
    R.DONE: frozenset(),
    R.FAILED: frozenset(),
}
ACTIVE = (R.READING, R.APPLYING)

NO_NEED = 3
PRIORITY_WORDS: Mapping[int, tuple[str, ...]] = {
    0: (
        "卧床", "失能", "瘫", "行动不便", "不能自理", "残疾", "肢残", "轮椅", "透析", "吸氧", "呼吸机", "失明", "盲",
        "重病", "危重", "精神", "智力", "孕", "产妇", "bedridden", "wheelchair", "disab", "dialysis", "oxygen",
        "ventilator", "blind", "pregnan", "cannot move", "immobile",
    ),
    1: (
        "独居", "孤寡", "高龄", "空巢", "五保", "特困", "孤儿", "留守", "听力", "失聪", "聋", "婴", "幼儿",
        "lives alone", "living alone", "elderly", "deaf", "infant", "orphan",
    ),
}  # fmt: skip
"""Words of a stated need by class: 0 has to be carried or is in danger at once, 1 needs somebody to come."""
_NOTHING = {"", "无", "没有", "否", "-", "—", "none", "no", "n/a", "正常"}

PRIORITY_LABELS: Mapping[int, tuple[str, str]] = {
    0: ("第一优先（需抬送）", "First: has to be carried"),
    1: ("第二优先（需上门）", "Second: somebody has to come"),
    2: ("第三优先（有需求）", "Third: has a need"),
    3: ("一般", "No stated need"),
}

RANK_STEP = 10_000_000
"""Between two priority classes in the sending order; below it lies the distance."""
POINT_DECIMALS = 3
_LENGTHS = {"external_id": 64, "household": 64, "address": 200, "needs": 200}
_DEGREE_METRES = 111_320


@dataclass(frozen=True, slots=True)
class ResidentRow:
    """One resident as a file states it, in normal form."""

    external_id: str
    division_code: str
    name: str
    number: Number
    household: str
    address: str
    lat: float | None
    lon: float | None
    needs: str

    def fingerprint(self) -> str:
        """Everything that is kept of the row, in one text; its keyed digest recognises the row again."""
        point = "" if self.lat is None or self.lon is None else f"{self.lat:.3f},{self.lon:.3f}"
        parts = (
            self.external_id, self.division_code, self.name, self.number.text, self.household, self.address, point,
            self.needs,
        )  # fmt: skip
        return "\x1f".join(parts)


def clean(text: str, column: str) -> str:
    """A free text without stray blanks and control characters, cut to what the column holds."""
    plain = unicodedata.normalize("NFC", text)
    plain = re.sub(r"[\x00-\x1f\x7f]+", " ", plain)
    return " ".join(plain.split())[: _LENGTHS.get(column, 200)].rstrip()


def clean_needs(text: str) -> str:
    """The stated need, empty where somebody wrote that there is none."""
    plain = clean(text, "needs")
    return "" if plain.casefold() in _NOTHING else plain


def priority_class(needs: str) -> int:
    """0 (helped first) to 3 by the words of the stated need; any other need is 2."""
    plain = clean_needs(needs).casefold()
    if not plain:
        return NO_NEED
    for level, words in PRIORITY_WORDS.items():
        if any(word in plain for word in words):
            return level
    return 2


def round_point(lat: float, lon: float) -> tuple[float, float]:
    """About 100 m: enough to lie inside a polygon, too little to find a door."""
    return round(lat, POINT_DECIMALS) + 0.0, round(lon, POINT_DECIMALS) + 0.0


def parse_point(lat: str, lon: str) -> tuple[float, float] | None:
    """Two numbers in degrees, or None where both are empty; ValueError where they are no point."""
    if not lat and not lon:
        return None
    y, x = float(lat), float(lon)
    if not (math.isfinite(y) and math.isfinite(x) and -90 <= y <= 90 and -180 <= x <= 180):
        raise ValueError
    return y, x


def distance_units(lat: float) -> tuple[float, float]:
    """Hundreds of metres a degree of latitude and of longitude, for a rank that needs no square root."""
    return _DEGREE_METRES / 100, _DEGREE_METRES / 100 * math.cos(math.radians(lat))


def person_name(text: str) -> str:
    """A name in normal form."""
    return clean_name(text)


def next_piece(size: int, seconds: float, *, target: float = 0.06, least: int = 25, most: int = 600) -> int:
    """How many rows the next transaction takes, so that none holds the writer for long on this machine.

    A quarter of what is allowed, and growing by steps: a machine that stalls must not find a large piece under way.
    """
    wished = int(size * target / seconds) if seconds > 0 else most
    return max(least, min(most, wished, size + size // 2))
