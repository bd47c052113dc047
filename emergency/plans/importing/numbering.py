"""Numbers that Word shows and the text does not contain: list formatting turned into words."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DIGITS = "〇一二三四五六七八九"
_LEGAL = "零壹贰叁肆伍陆柒捌玖"
MOST_LEVELS = 9


def chinese(number: int) -> str:
    """十二, 二十, 一百零三 …; beyond ten thousand the figures."""
    if not 0 < number < 10_000:
        return str(number)
    words, zero = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            words += ("零" if zero and words else "") + _DIGITS[digit] + name
            zero = False
        elif words:
            zero = True
    return words[1:] if words.startswith("一十") else words


def roman(number: int) -> str:
    """XIV."""
    made = ""
    for value, sign in (
        (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
        (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
    ):  # fmt: skip
        while number >= value and len(made) < 40:
            made, number = made + sign, number - value
    return made


def letters(number: int) -> str:
    """a … z, aa, bb …"""
    return chr(97 + (number - 1) % 26) * min((number - 1) // 26 + 1, 8) if number > 0 else ""


def formatted(number: int, style: str) -> str:
    """A number in one of Word's formats; an unknown format counts in figures."""
    if style in ("chineseCounting", "chineseCountingThousand", "japaneseCounting", "taiwaneseCounting",
                 "taiwaneseCountingThousand"):  # fmt: skip
        return chinese(number)
    if style in ("ideographDigital", "japaneseDigitalTenThousand", "taiwaneseDigital"):
        return "".join(_DIGITS[int(digit)] for digit in str(number))
    if style in ("chineseLegalSimplified", "ideographLegalTraditional", "japaneseLegal"):
        return "".join(_LEGAL["〇一二三四五六七八九".index(c)] if c in _DIGITS else {"十": "拾", "百": "佰", "千": "仟"}.get(c, c)
                       for c in chinese(number))  # fmt: skip
    if style.startswith("decimalEnclosedCircle") and 1 <= number <= 20:
        return chr(0x2460 + number - 1)
    if style == "decimalEnclosedParen" and 1 <= number <= 20:
        return chr(0x2474 + number - 1)
    if style == "decimalZero":
        return f"{number:02d}"
    if style.startswith("decimalFullWidth"):
        return str(number).translate({0x30 + n: 0xFF10 + n for n in range(10)})
    if style in ("upperRoman", "lowerRoman"):
        return roman(number) if style == "upperRoman" else roman(number).lower()
    if style in ("upperLetter", "lowerLetter"):
        return letters(number).upper() if style == "upperLetter" else letters(number)
    return "" if style in ("none", "bullet") else str(number)


@dataclass
class Level:
    """One level of a list."""

    style: str = "decimal"
    text: str = ""
    start: int = 1
    plain: bool = False
    """isLgl: every number of the text in figures."""
    restart: int | None = None


@dataclass
class Numbering:
    """The lists of a document and how far each has counted."""

    lists: dict[str, dict[int, Level]] = field(default_factory=dict)
    abstract_of: dict[str, str] = field(default_factory=dict)
    starts: dict[tuple[str, int], int] = field(default_factory=dict)
    _counts: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    _begun: set[tuple[str, int]] = field(default_factory=set)

    @classmethod
    def read(cls, root: Any) -> Numbering:
        """From numbering.xml."""
        made = cls()
        links: dict[str, str] = {}
        named: dict[str, str] = {}
        for abstract in root.iter(W + "abstractNum"):
            key = abstract.get(W + "abstractNumId", "")
            made.lists[key] = {_int(level.get(W + "ilvl"), 0): _level(level) for level in abstract.iter(W + "lvl")}
            if (link := abstract.find(W + "numStyleLink")) is not None:
                links[key] = link.get(W + "val", "")
            if (style := abstract.find(W + "styleLink")) is not None:
                named[style.get(W + "val", "")] = key
        for key, style in links.items():
            if not made.lists.get(key) and style in named:
                made.lists[key] = made.lists[named[style]]
        for num in root.iter(W + "num"):
            number = num.get(W + "numId", "")
            link = num.find(W + "abstractNumId")
            made.abstract_of[number] = link.get(W + "val", "") if link is not None else ""
            for override in num.iter(W + "lvlOverride"):
                at = _int(override.get(W + "ilvl"), 0)
                if (start := override.find(W + "startOverride")) is not None:
                    made.starts[number, at] = _int(start.get(W + "val"), 1)
                if (level := override.find(W + "lvl")) is not None:
                    own = f"num:{number}"
                    made.lists[own] = {**made.lists.get(made.abstract_of[number], {}), at: _level(level)}
                    made.abstract_of[number] = own
        return made

    def next(self, number: str, at: int) -> str:
        """Count one paragraph of a list and give what Word shows before it; empty for bullets and unknown lists."""
        key = self.abstract_of.get(number)
        levels = self.lists.get(key or "")
        if key is None or not levels or at not in levels or not 0 <= at < MOST_LEVELS:
            return ""
        counts = self._counts[key]
        if (number, at) in self.starts and (number, at) not in self._begun:
            self._begun.add((number, at))
            counts[at] = self.starts[number, at]
        else:
            counts[at] = counts[at] + 1 if at in counts else levels[at].start
        for deeper in [d for d in counts if d > at and levels.get(d, Level()).restart != 0]:
            del counts[deeper]
        level = levels[at]
        if level.style == "bullet":
            return ""

        def shown(found: re.Match[str]) -> str:
            other = int(found[1]) - 1
            held = levels.get(other, Level())
            value = counts.get(other, held.start)
            return formatted(value, "decimal" if level.plain else held.style)

        return re.sub(r"%([1-9])", shown, level.text)


def _level(node: Any) -> Level:
    def value(name: str, default: str = "") -> str:
        child = node.find(W + name)
        return default if child is None else child.get(W + "val", default)

    plain = node.find(W + "isLgl")
    restart = value("lvlRestart")
    return Level(
        value("numFmt", "decimal"), value("lvlText"), _int(value("start"), 1),
        plain is not None and plain.get(W + "val", "1") not in ("0", "false"), int(restart) if restart.isdigit() else None,
    )  # fmt: skip


def _int(text: str | None, default: int) -> int:
    return int(text) if text and text.lstrip("-").isdigit() and len(text) < 9 else default
