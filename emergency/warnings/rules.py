"""What a warning may do and what it must say. Pure: facts in, decision out.

The CAP rules are those that the schema of CAP 1.2 lets pass and that have gone out wrong somewhere. Every refusal
names its rule and the value that offended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from emergency.warnings.models import Audience, Category, MessageType, Source, WarningLevel, WarningState, WarningStatus
from kernel.clock import BEIJING
from kernel.errors import N_, Invalid
from notify import markers
from notify.channels import catalogue

S = WarningState
ALLOWED: Final[Mapping[S, frozenset[S]]] = {
    S.DRAFT: frozenset({S.SUBMITTED, S.WITHDRAWN}),
    S.SUBMITTED: frozenset({S.RETURNED, S.REJECTED, S.ISSUED, S.DRAFT}),
    S.RETURNED: frozenset({S.SUBMITTED, S.WITHDRAWN}),
    S.REJECTED: frozenset(),
    S.WITHDRAWN: frozenset(),
    S.ISSUED: frozenset({S.ENDED, S.CANCELLED, S.SUPERSEDED}),
    S.SUPERSEDED: frozenset(),
    S.CANCELLED: frozenset(),
    S.ENDED: frozenset(),
}
"""Submitted → draft is the author taking it back. What was issued only ever ends; what follows it is a new message."""
EDITABLE: Final = frozenset({S.DRAFT, S.RETURNED})
FINAL: Final = frozenset(state for state, after in ALLOWED.items() if not after)

SEVERITY: Final = {"red": "Extreme", "orange": "Severe", "yellow": "Moderate", "blue": "Minor"}
PRIORITY: Final = {"red": 0, "orange": 1, "yellow": 2, "blue": 3}
CHANNELS: Final = catalogue.NAMES
WEATHER_PREFIX: Final = "11B"
LONGEST_TEXT: Final = 500
"""Characters with signature that carriers of the mainland take in one message."""

_CATEGORY = {"11": Category.NATURAL, "12": Category.ACCIDENT, "13": Category.HEALTH, "14": Category.SECURITY}
_COLOURS = {"红色": "red", "橙色": "orange", "黄色": "yellow", "蓝色": "blue"}
_LINK = re.compile(r"https?://|www\.|\b[a-z0-9-]+\.(?:com|cn|net|org)\b", re.IGNORECASE)
_PHONE = re.compile(r"(?<!\d)(?:1[3-9]\d{9}|0\d{2,3}-?\d{7,8})(?!\d)")
_IDENTIFIER = re.compile(r"^\d{11,14}_\d{14}(_\d+)?$")
_UNSAFE = re.compile(r"[\s,&<]")
NAMED: Final = N_("Rule %(rule)s, value %(value)s.")
STATEMENTS: Final = {
    "headline": N_("Headline"),
    "description": N_("Matters to note"),
    "instruction": N_("Measures to take"),
    "issuer": N_("Issued by"),
    "area": N_("Possible extent"),
}
"""What the parts of art. 64 are called on the pages."""


class RuleFault(Invalid):
    """A rule of CAP or of the law is broken; 422 with the rule's name and the offending value.

    Programmes get both behind the sentence; people at a page get `sentence` alone. `terms` are parameters that are
    message ids themselves.
    """

    def __init__(
        self,
        message: str,
        *,
        rule: str,
        value: Any,
        field: str = "",
        terms: Mapping[str, str] | None = None,
        **params: Any,
    ):
        shown = str(value)
        shown = shown if len(shown) <= 120 else shown[:117] + "…"
        super().__init__(
            message, code=rule, fields={field: f"{rule}: {shown}"} if field else None, rule=rule, value=shown, **params
        )
        self.rule = rule
        self.value = value
        self.terms = dict(terms or {})
        self.extra = {"rule": rule, "value": shown}

    def sentence(self, translate: Callable[[str], str] = lambda message: message) -> str:
        """What is wrong, in words for people."""
        return translate(self.message) % (self.params | {name: translate(term) for name, term in self.terms.items()})

    def text(self, translate: Callable[[str], str] = lambda message: message) -> str:
        """The sentence, then the rule's name and the value."""
        said = self.sentence(translate)
        gap = "" if said.endswith("。") else " "
        return said + gap + translate(NAMED) % self.params


@dataclass(frozen=True)
class EventFacts:
    """What the rules need of an event type."""

    code: str
    name: str
    levels: Sequence[str]
    aliases: Sequence[str] = ()


@dataclass(frozen=True)
class Facts:
    """What the rules need of a warning."""

    status: WarningStatus
    msg_type: MessageType
    event: EventFacts
    level: WarningLevel
    headline: str
    description: str
    instruction: str
    issuer: str
    source: Source
    relayed_from: str | None
    effective: datetime
    expires: datetime
    audience: Audience
    channels: Sequence[str]
    text: str
    references: Sequence[str]
    cancel_text: str = ""
    offered: Sequence[str] = CHANNELS
    """By what channels this kind of message can leave here."""


def category_of(code: str) -> Category:
    """The category of art. 2 by the first digits of the event's code."""
    return _CATEGORY.get(code[:2], Category.OTHER)


def is_weather(code: str) -> bool:
    """Whether the code belongs to what only the weather service may signal (气象法 art. 22)."""
    return code.startswith(WEATHER_PREFIX)


def check_content(facts: Facts, *, now: datetime, own_weather: bool, other_names: Iterable[str] = ()) -> None:
    """Refuse what is wrong in itself, complete or not."""
    if facts.level.value not in facts.event.levels:
        raise RuleFault(
            N_("%(event)s has no %(level)s warning."),
            rule="level_not_allowed", value=facts.level.value, field="level",
            event=facts.event.name, level=facts.level.zh,
        )  # fmt: skip
    if facts.source is Source.RELAYED and not (facts.relayed_from or "").strip():
        raise RuleFault(
            N_("A relayed warning names who issued it."),
            rule="relayed_without_issuer", value=facts.relayed_from, field="source",
        )  # fmt: skip
    if facts.source is Source.OWN and is_weather(facts.event.code) and not own_weather:
        raise RuleFault(
            N_(
                "Weather signals are issued by the weather service alone (气象法 art. 22): relay it with its issuer."
            ),
            rule="own_weather", value=facts.event.code, field="event_code",
        )  # fmt: skip
    if facts.expires <= facts.effective:
        raise RuleFault(
            N_("The warning ends before it begins."),
            rule="expires_before_effective", value=cap_time(facts.expires), field="expires",
        )  # fmt: skip
    if facts.expires <= now:
        raise RuleFault(
            N_("The warning has already expired."),
            rule="expires_before_sent", value=cap_time(facts.expires), field="expires",
        )  # fmt: skip
    if facts.msg_type is not MessageType.ALERT and not facts.references:
        raise RuleFault(
            N_("An update or a cancellation says what it refers to."),
            rule="references_missing", value=facts.msg_type.value, field="references",
        )  # fmt: skip
    for reference in facts.references:
        if len(reference.split(",")) != 3:
            raise RuleFault(
                N_("A reference is sender, identifier and time."),
                rule="reference_malformed", value=reference, field="references",
            )  # fmt: skip
    _check_words(facts, other_names)
    if not facts.channels:
        raise RuleFault(N_("Choose at least one channel."), rule="channel_missing", value="", field="channels")
    for channel in facts.channels:
        if channel not in CHANNELS:
            raise RuleFault(
                N_("This system has no channel of that name."),
                rule="channel_unknown", value=channel, field="channels",
            )  # fmt: skip
        if channel not in facts.offered:
            raise RuleFault(
                N_("No account is set up that carries this kind of message by this channel."),
                rule="channel_not_set_up", value=channel, field="channels",
            )  # fmt: skip
    if len(set(facts.channels)) < len(facts.channels):
        raise RuleFault(
            N_("A channel is named twice."),
            rule="channel_twice", value=", ".join(facts.channels), field="channels",
        )  # fmt: skip
    if facts.status is WarningStatus.TEST and facts.audience is not Audience.POSTS:
        raise RuleFault(
            N_("A link test goes to posts only, never to residents."),
            rule="test_audience", value=facts.audience.value, field="audience",
        )  # fmt: skip


def _check_words(facts: Facts, other_names: Iterable[str]) -> None:
    for name in ("headline", "description", "instruction", "text", "cancel_text"):
        words = getattr(facts, name)
        mark = markers.drill_mark(words)
        if facts.status is WarningStatus.ACTUAL and mark:
            raise RuleFault(
                N_("A real warning must not carry the mark of an exercise: “%(value)s”."),
                rule="actual_with_drill_mark", value=mark, field=name,
            )  # fmt: skip
        says = markers.says_drill(words)
        if facts.status is WarningStatus.ACTUAL and says:
            raise RuleFault(
                N_("A real warning must not say that it is an exercise: “%(value)s”."),
                rule="actual_says_drill", value=says, field=name,
            )  # fmt: skip
        claim = markers.claims_real(words)
        if facts.status is not WarningStatus.ACTUAL and claim:
            raise RuleFault(
                N_("An exercise must not claim to be real: “%(value)s”."),
                rule="exercise_claims_real", value=claim, field=name,
            )  # fmt: skip
    colours = {value for word, value in _COLOURS.items() if word in facts.headline}
    if colours and facts.level.value not in colours:
        raise RuleFault(
            N_("The headline names another colour than the level."),
            rule="headline_level_mismatch", value=facts.headline, field="headline",
        )  # fmt: skip
    named = re.search(r"([一-龥]{2,12}?)(?:红色|橙色|黄色|蓝色)预警", facts.headline)
    if named and not any(name in facts.headline for name in (facts.event.name, *facts.event.aliases)):
        # Some feeds use a shifted table of codes (暴雨 as 11B02): the name decides whether the code is right.
        wrong = next((name for name in other_names if named.group(1).endswith(name)), None)
        if wrong is not None:
            raise RuleFault(
                N_("The code means %(event)s, the headline says %(wrong)s."),
                rule="event_name_mismatch", value=facts.event.code, field="event_code",
                event=facts.event.name, wrong=wrong,
            )  # fmt: skip


def check_complete(facts: Facts, *, area_words: str, has_area: bool) -> None:
    """Refuse to submit what lacks one of the eight statements of art. 64."""
    for name, value in (
        ("headline", facts.headline),
        ("description", facts.description),
        ("instruction", facts.instruction),
        ("issuer", facts.issuer),
        ("area", area_words if has_area else ""),
    ):
        if not value.strip():
            raise RuleFault(
                N_("Article 64 demands eight statements; “%(what)s” is missing."),
                rule="statement_missing", value=name, field=name, terms={"what": STATEMENTS[name]},
            )  # fmt: skip


def cautions(text: str, *, signature_length: int) -> list[str]:
    """What carriers may stop or people may miss: codes of sentences, not refusals."""
    found = []
    if _LINK.search(text):
        found.append("link_in_text")
    if _PHONE.search(text):
        found.append("phone_in_text")
    if len(text) + signature_length > LONGEST_TEXT:
        found.append("text_long")
    return found


def cap_time(moment: datetime) -> str:
    """`2026-11-23T08:00:00+08:00`: whole seconds and an offset in digits, as CAP wants it."""
    return moment.astimezone(BEIJING).replace(microsecond=0).isoformat()


def identifier(area_code: str, sent: datetime, serial: int) -> str:
    """`ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N` (31 characters): area by GB/T 2260, body, unit, extension; Beijing time."""
    return f"{area_code[:6]}00000000_{sent.astimezone(BEIJING):%Y%m%d%H%M%S}_{serial}"


def is_identifier(text: str) -> bool:
    """Whether it is an identifier as Chinese platforms write them, 11 or 14 digits before the time."""
    return bool(_IDENTIFIER.match(text)) and not _UNSAFE.search(text)


def reference(sender: str, of_identifier: str, sent: datetime) -> str:
    """`sender,identifier,sent`, as CAP's `references` wants it."""
    return f"{_UNSAFE.sub('_', sender)},{of_identifier},{cap_time(sent)}"


def rounded_people(people: int) -> int:
    """A number that a tired person can type: above a thousand to the nearest hundred."""
    return people if people < 1000 else (people + 50) // 100 * 100


def phrase(status: WarningStatus, level: WarningLevel, people: int) -> str:
    """What the approver types: kind or colour, and how many people. `红色 21400`, `演练 31`, `测试 3`."""
    words = {WarningStatus.EXERCISE: "演练", WarningStatus.TEST: "测试"}
    return f"{words.get(status, level.zh)} {rounded_people(people)}"


def phrase_matches(typed: str, expected: str) -> bool:
    """Whether it was typed, whatever the blanks, commas and width of the digits."""
    widths = {0xFF10 + n: 0x30 + n for n in range(10)} | {0x3000: 0x20, 0xFF0C: 0x2C}

    def bare(text: str) -> str:
        return re.sub(r"[\s,]", "", text.translate(widths))

    return bare(typed) == bare(expected)


def drift_percent(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """By how many percent an audience moved: people who came and people who went, place by place."""
    moved = sum(abs(after.get(code, 0) - before.get(code, 0)) for code in before.keys() | after.keys())
    return 100.0 * moved / max(sum(before.values()), 1)


def reminders_due(submitted_at: datetime, now: datetime, minutes: Sequence[int]) -> int:
    """How many reminders should have gone out by now; after the last one, one more each time its step passes."""
    waited = (now - submitted_at) / timedelta(minutes=1)
    due = sum(1 for minute in minutes if waited >= minute)
    if minutes and waited >= minutes[-1]:
        step = max(minutes[-1] - (minutes[-2] if len(minutes) > 1 else 0), 1)
        due += int((waited - minutes[-1]) // step)
    return due
