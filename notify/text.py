"""What a message says: parts as the provider counts them, named fields, the drill marker. Pure."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from kernel.errors import N_, Invalid
from notify import markers
from notify.models import Kind

DRILL_MARK: Final = "【演练】"
TEST_MARK: Final = "【测试】"

# GSM 03.38: one septet each, and those that cost two because an escape precedes them.
_GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
_ROOM: Final[Mapping[str, tuple[int, int]]] = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
MAX_UNITS: Final = 1600
"""UTF-16 units that Twilio accepts in one message, signature included."""


@dataclass(frozen=True, slots=True)
class Segments:
    """How a text travels: its encoding, its length in that encoding's units, and the parts that are charged."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    parts: int


def signed(text: str, signature: str) -> str:
    """The text as it leaves, with the sender's 【signature】 in front. Carriers in China refuse an SMS without one."""
    bare = signature.strip().strip("【】").strip()
    if not bare or text.startswith(f"【{bare}】"):
        return text
    return f"【{bare}】{text}"


def too_long(whole: str) -> bool:
    """Whether a text with its signature is more than the provider takes in one message."""
    return len(whole) > MAX_UNITS // 2 and len(whole.encode("utf-16-le", "surrogatepass")) // 2 > MAX_UNITS


def cuts(text: str, signature: str = "") -> list[int]:
    """Where part 2, 3 … begin, as positions in the text with its signature; empty for one part."""
    whole = signed(text, signature)
    encoding, sizes = _sizes(whole)
    alone, joined = _ROOM[encoding]
    if sum(sizes) <= alone:
        return []
    found, used = [], 0
    for position, size in enumerate(sizes):
        if used + size > joined:
            found.append(position)
            used = 0
        used += size
    return found


def segments(text: str, signature: str = "") -> Segments:
    """Parts of `text` with its 【signature】.

    160 GSM-7 septets or 70 UCS-2 units travel alone, 153 or 67 each when joined; a character is never cut in two.
    """
    encoding, sizes = _sizes(signed(text, signature))
    return Segments(encoding, sum(sizes), len(cuts(text, signature)) + 1)


def _sizes(whole: str) -> tuple[Literal["GSM-7", "UCS-2"], list[int]]:
    if all(c in _GSM_BASIC or c in _GSM_EXTENDED for c in whole):
        return "GSM-7", [2 if c in _GSM_EXTENDED else 1 for c in whole]
    return "UCS-2", [2 if ord(c) > 0xFFFF else 1 for c in whole]


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
    missing = fields(template) - {name for name, value in params.items() if value is not None}
    if missing:
        raise Invalid(
            N_("The text needs a value for %(names)s."), code="missing_field", names=", ".join(sorted(missing))
        )
    filled = {name: " ".join(str(value).splitlines()) for name, value in params.items()}
    return template.format_map(filled)


def mark(kind: Kind, text: str) -> str:
    """`text` with the marker that its kind demands.

    Every Exercise is wrapped in 【演练】…【演练】 and every Test begins with 【测试】; marking twice changes nothing.
    An Actual that carries either marker, or says that it is an exercise, is refused, and so is an Exercise or a Test
    that claims to be real; see `notify.markers` for what is recognised. Line ends become plain.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if kind is Kind.EXERCISE:
        inner = text.removeprefix(DRILL_MARK).removesuffix(DRILL_MARK)
        text = f"{DRILL_MARK}{inner}{DRILL_MARK}"
    elif kind is Kind.TEST:
        text = text if text.startswith(TEST_MARK) else TEST_MARK + text
    fault = disagreement(kind, text)
    if fault in ("exercise_claims_real", "actual_says_drill"):
        words = markers.claims_real(text) if fault == "exercise_claims_real" else markers.says_drill(text)
        raise Invalid(
            N_("An exercise must not claim to be real: “%(words)s”. Take these words out; nothing was sent.")
            if fault == "exercise_claims_real"
            else N_("A real message must not say that it is an exercise: “%(words)s”. Nothing was sent."),
            code=fault,
            words=words or "",
        )
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
        if not whole:
            return "exercise_without_marker"
    if kind is Kind.TEST and not text.startswith(TEST_MARK):
        return "test_without_marker"
    if kind in (Kind.EXERCISE, Kind.TEST):
        return "exercise_claims_real" if markers.claims_real(text) else None
    if kind is Kind.ACTUAL and markers.drill_mark(text):
        return "actual_with_marker"
    if kind is Kind.ACTUAL and markers.says_drill(text):
        return "actual_says_drill"
    return None
