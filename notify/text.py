"""What a message says: parts as the provider counts them, named fields, the drill marker. Pure."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from kernel.errors import N_, Invalid
from notify.models import Kind

DRILL_MARK: Final = "【演练】"
TEST_MARK: Final = "【测试】"
_MARKS: Final[Mapping[Kind, str]] = {Kind.EXERCISE: DRILL_MARK, Kind.TEST: TEST_MARK}

# GSM 03.38: one septet each, and those that cost two because an escape precedes them.
_GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
_ROOM: Final[Mapping[str, tuple[int, int]]] = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
MAX_UNITS: Final = 1600
"""Characters that Twilio accepts in one message."""


@dataclass(frozen=True, slots=True)
class Segments:
    """How a text travels: its encoding, its length in that encoding's units, and the parts that are charged."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    parts: int


def signed(text: str, signature: str) -> str:
    """The text as it leaves, with the sender's 【signature】 in front. Carriers in China refuse an SMS without one."""
    bare = signature.strip().strip("【】").strip()
    return f"【{bare}】{text}" if bare else text


def segments(text: str, signature: str = "") -> Segments:
    """Parts of `text` with its 【signature】.

    160 GSM-7 septets or 70 UCS-2 units travel alone, 153 or 67 each when joined; a character is never cut in two.
    """
    whole = signed(text, signature)
    if all(c in _GSM_BASIC or c in _GSM_EXTENDED for c in whole):
        return _pack("GSM-7", (2 if c in _GSM_EXTENDED else 1 for c in whole))
    return _pack("UCS-2", (2 if ord(c) > 0xFFFF else 1 for c in whole))


def _pack(encoding: Literal["GSM-7", "UCS-2"], sizes: Iterator[int]) -> Segments:
    alone, joined = _ROOM[encoding]
    units, parts, room = 0, 1, joined
    for size in sizes:
        units += size
        if size > room:
            parts, room = parts + 1, joined
        room -= size
    return Segments(encoding, units, 1 if units <= alone else parts)


def fields(template: str) -> set[str]:
    """The names that `template` wants filled. Refuses anything but plain `{name}` fields."""
    names = set()
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError:
        raise _bad_template() from None
    for _literal, name, spec, conversion in parsed:
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise _bad_template()
        names.add(name)
    return names


def _bad_template() -> Invalid:
    return Invalid(
        N_("The text has a brace that is not a named field. Write {name} for a field and {{ for a brace."),
        code="bad_template",
    )


def render(template: str, params: Mapping[str, Any] | None) -> str:
    """`template` with its named fields filled from `params`; without params the text is final and left alone.

    A field's value is inserted as it is: it is never looked at for further fields, and line breaks become blanks.
    """
    if params is None:
        return template
    missing = fields(template) - params.keys()
    if missing:
        raise Invalid(
            N_("The text needs a value for %(names)s."), code="missing_field", names=", ".join(sorted(missing))
        )
    filled = {name: " ".join(str(value).splitlines()) for name, value in params.items()}
    return template.format_map(filled)


def mark(kind: Kind, text: str) -> str:
    """`text` with the marker that its kind demands.

    Every Exercise is wrapped in 【演练】…【演练】 and every Test begins with 【测试】; marking twice changes nothing.
    An Actual that carries either marker is refused.
    """
    if kind is Kind.EXERCISE:
        inner = text.removeprefix(DRILL_MARK).removesuffix(DRILL_MARK)
        text = f"{DRILL_MARK}{inner}{DRILL_MARK}"
    elif kind is Kind.TEST:
        text = text if text.startswith(TEST_MARK) else TEST_MARK + text
    fault = disagreement(kind, text)
    if fault is not None:
        raise Invalid(
            N_("The text and its kind disagree: a real message must not carry %(mark)s, and a marked one is not real."),
            code="kind_mismatch",
            mark=DRILL_MARK,
        )
    return text


def disagreement(kind: Kind, text: str) -> str | None:
    """Why `text` may not leave as `kind`, as a short code; None when they agree. Checked again at send."""
    if kind is Kind.EXERCISE:
        whole = text.startswith(DRILL_MARK) and text.endswith(DRILL_MARK) and len(text) > 2 * len(DRILL_MARK)
        return None if whole else "exercise_without_marker"
    if kind is Kind.TEST:
        return None if text.startswith(TEST_MARK) else "test_without_marker"
    if kind is Kind.ACTUAL and any(marker in text for marker in _MARKS.values()):
        return "actual_with_marker"
    return None
