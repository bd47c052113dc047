"""Words of the index: Chinese as overlapping pairs of characters, Latin words and numbers whole (T9704: t, 9704).

Chinese has no spaces, and the words that people look for (防汛, 台风) have two characters. Width, case and
punctuation make no difference: `ＧＢ／Ｔ９７０４` is `gb/t 9704`, `Ⅱ级` is `II级`, `防汛、抗旱` is `防汛抗旱`.
What the index finds is checked against the text before anybody sees it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_WORDS = 8
MAX_UNITS = 60
_LONGEST = 60
_IDEOGRAPHS = "⺀"
_SAFE = "鿌"
"""The last ideograph that every supported SQLite counts as a letter; later ones are spelt by their number."""
_QUOTED = re.compile(r'["“”「『](.*?)(?:["“”」』]|$)')
_BETWEEN = re.compile(r"[\s,，、;；]+")
NOTHING = "-"
"""Stands for an empty text: PostgreSQL takes no empty word."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One ideograph, or one Latin word or number, where it stands in the text as printed."""

    text: str
    start: int
    end: int

    @property
    def single(self) -> bool:
        """Whether it is an ideograph."""
        return self.text >= _IDEOGRAPHS


@functools.lru_cache(maxsize=40_000)
def _fold(character: str) -> str:
    return unicodedata.normalize("NFKC", character).lower()


def units(text: str) -> list[Unit]:
    """The letters of one line, in order."""
    found: list[Unit] = []
    word, begin, last = "", 0, 0
    for at, character in enumerate(text):
        for letter in _fold(character):
            if letter.isalnum() and letter < _IDEOGRAPHS:
                if word and letter.isdigit() != word[-1].isdigit():
                    found.append(Unit(word, begin, last))
                    word = ""
                if not word:
                    begin = at
                word, last = word + letter, at + 1
                continue
            if word:
                found.append(Unit(word, begin, last))
                word = ""
            if letter.isalnum():
                found.append(Unit(letter, at, at + 1))
    if word:
        found.append(Unit(word, begin, last))
    return found


def _spelt(text: str) -> str:
    return text if text <= _SAFE else f"x{ord(text):x}"


def tokens(line: Sequence[Unit]) -> Iterator[str]:
    """The words under which a line is found."""
    for at, unit in enumerate(line):
        if not unit.single:
            yield unit.text[:_LONGEST]
        elif at + 1 < len(line) and line[at + 1].single:
            yield _spelt(unit.text) + _spelt(line[at + 1].text)
        else:
            yield _spelt(unit.text)


def grams(text: str, mark: str = "") -> str:
    """A text as the words of the index, apart by spaces; every word begins with `mark`."""
    return " ".join(mark + token for line in text.splitlines() for token in tokens(units(line))) or NOTHING


@dataclass(frozen=True)
class Phrase:
    """What has to stand together in a text."""

    units: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The words of the index that a text with this phrase has; a last `*` means: begins with."""
        line = [Unit(text, 0, 0) for text in self.units]
        made = list(tokens(line))
        if not line[-1].single:
            return made
        if len(line) > 1 and line[-2].single:
            return made[:-1]
        return [*made[:-1], made[-1] + "*"]


def phrases(query: str) -> list[Phrase]:
    """What somebody looks for: words and quoted phrases, each of which must be there. No character is a command."""
    parts: list[str] = []
    last = 0
    for found in _QUOTED.finditer(query):
        parts += _BETWEEN.split(query[last : found.start()])
        parts.append(found[1])
        last = found.end()
    parts += _BETWEEN.split(query[last:])
    made: list[Phrase] = []
    for part in parts:
        letters = tuple(unit.text for unit in units(part))[:MAX_UNITS]
        if letters and Phrase(letters) not in made:
            made.append(Phrase(letters))
    return made[:MAX_WORDS]


def places(text: str, phrase: Phrase) -> list[tuple[int, int]]:
    """Where a phrase stands in a text as printed, punctuation between its letters included; never across lines."""
    found: list[tuple[int, int]] = []
    wanted, offset = phrase.units, 0
    for line in text.splitlines(keepends=True):
        letters = units(line)
        for at in range(len(letters) - len(wanted) + 1):
            if letters[at].text == wanted[0] and all(letters[at + n].text == wanted[n] for n in range(1, len(wanted))):
                found.append((offset + letters[at].start, offset + letters[at + len(wanted) - 1].end))
        offset += len(line)
    return found


@dataclass(frozen=True)
class Shown:
    """A stretch of text; `found` where it is what was looked for."""

    text: str
    found: bool


def marked(text: str, wanted: Sequence[Phrase], *, around: int | None = None) -> list[Shown]:
    """A text with what was looked for set apart; `around` cuts it to so many characters about the first place."""
    spots = _merged([place for phrase in wanted for place in places(text, phrase)])
    begin, end = 0, len(text)
    if around is not None and len(text) > around:
        first = spots[0][0] if spots else 0
        begin = max(0, min(first - around // 4, len(text) - around))
        end = begin + around
    made = [Shown("…", False)] if begin else []
    at = begin
    for start, stop in spots:
        start, stop = max(start, begin), min(stop, end)
        if start >= stop:
            continue
        if start > at:
            made.append(Shown(text[at:start], False))
        made.append(Shown(text[start:stop], True))
        at = stop
    if at < end:
        made.append(Shown(text[at:end], False))
    return [*made, Shown("…", False)] if end < len(text) else made


def _merged(spots: list[tuple[int, int]]) -> list[tuple[int, int]]:
    made: list[tuple[int, int]] = []
    for start, stop in sorted(spots):
        if made and start <= made[-1][1]:
            made[-1] = (made[-1][0], max(stop, made[-1][1]))
        else:
            made.append((start, stop))
    return made
