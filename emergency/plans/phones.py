"""Telephone numbers in the text of a plan: found by form and by what stands around them, and refused in clear.

A plan names posts; who holds a post, and under which number, stands in the register of posts, sealed. Numbers that
only look alike stay text: dates, sums of money, document numbers, standards, identity numbers, coordinates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from emergency.privacy.vault import normalise_phone
from kernel.errors import N_, Invalid

_WIDTHS = str.maketrans("０１２３４５６７８９＋－（）．　—–－", "0123456789+-(). ---")
_GAP = r"[ \-\t]?"
_MOBILE = re.compile(
    rf"(?:(?:\+|00)?86{_GAP})?1[3-9]\d{_GAP}(?:\d{{4}}{_GAP}\d{{4}}|\d{{2}}{_GAP}\d{{3}}{_GAP}\d{{3}})"
)
_LANDLINE = re.compile(rf"(?:\((?:0\d{{2,3}})\) ?|(?:(?:\+|00)?86{_GAP})?0\d{{2,3}}{_GAP})[2-8]\d{{2,3}}{_GAP}\d{{4}}")
_OFFICE = re.compile(rf"(?:\((?:0\d{{2,3}})\) ?|0\d{{2,3}}-)0{{3,4}}{_GAP}\d{{4}}")
_LOCAL = re.compile(r"[2-8]\d{2,3}-?\d{4}")
_EXTENSION = re.compile(r" ?(?:转|-|ext\.?) ?\d{1,6}(?!\d)", re.IGNORECASE)
_WORDS = re.compile(
    r"(?:电话|手机|座机|联系方式|联系号码|号码|热线|传真|小灵通|手机号|tel|phone|mobile|fax)", re.IGNORECASE
)
_WORD_BEFORE = re.compile(
    r"(?:(?:电话|手机|座机|联系方式|号码|热线|传真|tel|phone|mobile|fax)(?:号码?)?[^0-9。；;\n]{0,6}"
    r"|(?:值班室|值班|办公室|防办|总机)[:： \t\u3000]{0,3})$",
    re.IGNORECASE,
)
_MONEY = re.compile(r"\s?(?:元|万|亿|美元|人民币|立方|吨|公斤|千克|平方|米|人次)")
_LATIN_BEFORE = re.compile(r"[A-Za-z0-9]+$")
_LATIN_WORDS = frozenset({"tel", "t", "m", "p", "mob", "mobile", "phone", "fax", "f"})
_DATE = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_LIST_BEFORE = re.compile(r"\d(?:\s?转\s?\d{1,6})?[、,，/;； ]{1,2}$")


@dataclass(frozen=True)
class PhoneFound:
    """One number where it stands: `text[start:end]` as written; `mobile` where it can only be a person's."""

    start: int
    end: int
    text: str
    e164: str | None
    """None for a local number without its area code."""
    mobile: bool


def find_phones(text: str, *, in_phone_column: bool = False) -> list[PhoneFound]:
    """Every telephone number in a text, in order.

    A number without area code counts only behind a word that says so, or in a table's column of numbers. A local or
    office number that somebody declared to be none (a backslash before it) is passed over; a mobile number never is.
    """
    flat = text.translate(_WIDTHS)
    found: list[PhoneFound] = []
    taken = 0
    for start, end, mobile, local in _candidates(flat):
        if start < taken or not _stands_alone(flat, start, end):
            continue
        if not mobile and start and flat[start - 1] == "\\":
            taken = end
            continue
        if local and not _said_to_be_one(flat, start, end, in_phone_column, found):
            continue
        extension = _EXTENSION.match(flat, end) if not mobile else None
        stop = extension.end() if extension else end
        found.append(PhoneFound(start, stop, text[start:stop], normalise_phone(flat[start:end]), mobile))
        taken = stop
    return found


def _candidates(flat: str) -> Iterator[tuple[int, int, bool, bool]]:
    every = [
        (m.start(), -m.end(), mobile, local)
        for pattern, mobile, local in (
            (_MOBILE, True, False), (_LANDLINE, False, False), (_OFFICE, False, False), (_LOCAL, False, True)
        )
        for m in _overlapping(pattern, flat)
    ]  # fmt: skip
    for start, end, mobile, local in sorted(every):
        yield start, -end, mobile, local


def _overlapping(pattern: re.Pattern[str], flat: str) -> Iterator[re.Match[str]]:
    """Matches that begin at the beginning of a run of digits: the middle of a longer number is no number."""
    at = 0
    while found := pattern.search(flat, at):
        if found.start() == 0 or not flat[found.start() - 1].isdigit():
            yield found
            at = found.end()
        else:
            at = found.start() + 1


def _stands_alone(flat: str, start: int, end: int) -> bool:
    before, after = flat[max(0, start - 24) : start], flat[end : end + 8]
    if after[:1].isdigit() or re.match(r"[.,]\d|[A-Za-z]|号文|%", after) or _MONEY.match(after):
        return False
    if re.search(
        r"\d[.,]$|[¥￥$〔\[]$|(?:统一社会信用代码|身份证号码?|证件号码?|账号|帐号|卡号|编号|文号)[:：]?\s*$", before
    ):
        return False
    latin = _LATIN_BEFORE.search(before)
    return latin is None or latin[0].lower() in _LATIN_WORDS


def _said_to_be_one(flat: str, start: int, end: int, in_column: bool, found: list[PhoneFound]) -> bool:
    before = flat[max(0, start - 16) : start]
    if re.search(r"[\d\-]\s?[\-~]$|\d-$|[(]$", before) and not in_column:
        return False
    if _WORD_BEFORE.search(before):
        return True
    if _DATE.fullmatch(flat[start:end].replace("-", "")):
        return False
    follows = bool(found) and found[-1].end <= start <= found[-1].end + 2 and bool(_LIST_BEFORE.search(before))
    return in_column or follows


def is_phone_heading(text: str) -> bool:
    """Whether a table's heading announces telephone numbers."""
    return len(text) <= 20 and bool(_WORDS.search(text)) and "编号" not in text


class PhoneInText(Invalid):
    """A text was to be kept with a telephone number in clear."""

    code = "phone_in_text"


def refuse_phones(sections: Iterable[tuple[str, str, str]]) -> None:
    """Refuse a text that carries numbers in clear: `(number, heading, body)` of each section; 422 `phone_in_text`.

    The error names the sections and how many numbers, never a number.
    """
    from emergency.plans.bodies import parse_phones

    places, count = [], 0
    for at, (number, heading, body) in enumerate(sections, start=1):
        here = len(find_phones(heading)) + len(parse_phones(body))
        if here:
            count += here
            clean = heading if not find_phones(heading) else ""
            places.append(f"{number} {clean}".strip() or f"#{at}")
    if places:
        raise PhoneInText(
            N_(
                "%(n)s telephone numbers stand in the text, in: %(places)s. A plan names posts, and the numbers of "
                "their holders are kept sealed: choose a post in place of each number. Nothing was saved."
            ),
            n=count,
            places="、".join(places[:8]) + ("…" if len(places) > 8 else ""),
        )
