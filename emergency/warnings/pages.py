"""What the pages show of one warning, gathered once so that templates only draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.http.actor import Actor
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission
from emergency.warnings import access, doors, events, forms, lifting, listing, notices, picture, reach, rules, texts
from emergency.warnings import estimate as estimates
from emergency.warnings.models import (
    DoorOutcome,
    Issue,
    MessageType,
    Source,
    Warning,
    WarningLevel,
    WarningState,
    WarningStatus,
)
from kernel.db import now
from kernel.errors import N_, Invalid
from notify import speech
from notify import text as notify_text
from notify.channels import catalogue
from notify.models import DeliveryState

LETTER = {"red": "r", "orange": "o", "yellow": "y", "blue": "b"}


@dataclass(frozen=True)
class Message:
    """A text as a phone shows it."""

    text: str
    cuts: list[int]
    units: int
    parts: int
    sender: str


@dataclass(frozen=True)
class Sheet:
    """What the pages of one warning share."""

    warning: Warning
    issue: Issue | None
    title: str
    letter: str
    drill: bool
    figures: dict[str, Any]
    message: Message
    lifting: Message
    names: dict[str, str]
    phrase: str
    kind: str
    """What kind of message it is: first, an update, 解除, 撤销."""
    ends: bool
    about: str
    """To how many people, as the button and the phrase say it."""
    cautions: list[str]
    channels: str
    spoken: str
    """What a call says, where one is made; otherwise empty."""


def message(session: Session, text: str, *, marked: bool = False, warning: Warning | None = None) -> Message:
    """A final text with its signature, where its parts begin."""
    signature = texts.signature(session)
    if not marked and warning is not None:
        text = notify_text.mark(texts.KIND[warning.status], text)
    measured = notify_text.segments(text, signature)
    config: Config = session.info["config"]
    sender = config.notify.twilio.from_number or "12379"
    return Message(
        notify_text.signed(text, signature), notify_text.cuts(text, signature), measured.units, measured.parts, sender
    )


def sheet(session: Session, warning: Warning) -> Sheet:
    """Gather."""
    issue = access.issue_of(session, warning.id)
    moment = now(session)
    text = issue.text if issue else texts.final(warning, moment, relay=estimates.issuer_here(session))
    undo = warning.cancel_text or texts.prepared_lifting(warning, warning.area_words)
    figures = warning.estimate or {}
    people = int(figures.get("everybody", 0))
    signature = texts.signature(session)
    found = rules.cautions(text, signature_length=len(notify_text.signed("", signature)))
    return Sheet(
        warning=warning,
        issue=issue,
        title=texts.title(warning),
        letter=LETTER[warning.level.value],
        drill=warning.status is not WarningStatus.ACTUAL,
        figures=figures,
        message=message(session, text, marked=True),
        lifting=message(session, texts.lifting(warning, undo, moment, name="all_clear"), marked=True),
        names=listing.names(
            session,
            [warning.created_by, warning.edited_by, warning.submitted_by, warning.approved_by, warning.decided_by],
        ),
        phrase=rules.phrase(warning.status, warning.level, people),
        kind=kind_words(warning),
        ends=warning.msg_type is MessageType.CANCEL,
        about=about(people),
        cautions=[caution_words(code) for code in found],
        channels=channel_words(warning.channels),
        spoken=spoken(warning, text, signature),
    )


def look(
    session: Session, *, status: WarningStatus, content: Mapping[str, Any], before: Warning | None = None
) -> Message:
    """What is typed in the form, as a phone would show it; nothing is kept. Raises `Invalid` for words that may not
    leave as this kind."""
    config: Config = session.info["config"]
    source, relayed_from = content["source"]
    event = next((one.name for one in events.all_types(session) if one.code == content["event_code"]), "")
    issuer = config.site.issuer if source is not Source.RELAYED else relayed_from or ""
    draft = Warning(
        status=status, msg_type=before.msg_type if before else MessageType.ALERT,
        template=before.template if before else None, event_name=event, level=content["level"], source=source,
        relayed_from=relayed_from, issuer=issuer, headline=content["headline"], description=content["description"],
        instruction=content["instruction"], text=content["text"],
    )  # fmt: skip
    text = texts.final(draft, now(session), relay=estimates.issuer_here(session))
    if notify_text.too_long(notify_text.signed(text, texts.signature(session))):
        raise Invalid(
            N_("The text is longer than the %(most)s characters that one message can carry. Shorten it."),
            code="text_too_long", most=notify_text.MAX_UNITS,
        )  # fmt: skip
    return message(session, text, marked=True)


def channel_words(names: Sequence[str]) -> str:
    """`短信，未送达者改用语音电话`: the roads in their order."""
    return str(forms.WAYS.get(",".join(names), ", ".join(names)))


def spoken(warning: Warning, text: str, signature: str) -> str:
    """What the phone hears of a final text, where a channel of the warning speaks."""
    if not any(catalogue.abilities(name).voice for name in warning.channels):
        return ""
    return speech.call_text(texts.KIND[warning.status], notify_text.signed(text, signature))


def kind_words(warning: Warning) -> str:
    """The kind of message; one that ends another is either the lifting or the taking back."""
    if warning.msg_type is MessageType.CANCEL:
        return _("taking back") if warning.template == "cancel" else _("lifting")
    return warning.msg_type.label(language())


def about(people: int) -> str:
    """`218人`, `约21,400人`: the number that is typed."""
    rounded = rules.rounded_people(people)
    if rounded == people:
        return _("%(n)s people", n=f"{people:,}")
    return _("about %(n)s people", n=f"{rounded:,}")


def people_words(figures: Mapping[str, Any] | None, channels: Sequence[str] = ("sms",)) -> str:
    """`218人，其中短信209人、上门9人`: the one sentence about whom a warning is for, and how."""
    if not figures:
        return ""
    by_message, at_door = int(figures["people"]), int(figures["unreachable"])
    voices = {catalogue.abilities(name).voice for name in channels}
    alone, beside = _REACHED_BY[frozenset(voices)]
    if not at_door:
        return _(alone, n=f"{by_message:,}")
    return _(beside, n=f"{by_message + at_door:,}", s=f"{by_message:,}", d=f"{at_door:,}")


_BY_TEXT = (N_("%(n)s people, all by text"), N_("%(n)s people: %(s)s by text, %(d)s at the door"))
_BY_CALL = (N_("%(n)s people, all by call"), N_("%(n)s people: %(s)s by call, %(d)s at the door"))
_BY_BOTH = (N_("%(n)s people, all by text or call"), N_("%(n)s people: %(s)s by text or call, %(d)s at the door"))
_REACHED_BY = {
    frozenset({False}): _BY_TEXT,
    frozenset({True}): _BY_CALL,
    frozenset({False, True}): _BY_BOTH,
    frozenset[bool](): _BY_TEXT,
}


def caution_words(code: str) -> str:
    """A caution as a sentence."""
    words = {
        "link_in_text": _("There is a link in the text: carriers may stop it."),
        "phone_in_text": _("There is a phone number in the text: carriers may stop it."),
        "text_long": _("The text is longer than 500 characters: some carriers refuse it."),
    }
    return words.get(code, code)


@dataclass(frozen=True)
class Decision:
    """What the approver sees beside the sheet."""

    now_figures: dict[str, Any]
    difference: int
    moved: bool
    own: bool
    may: bool
    glass: bool
    call_leader: bool
    """Red, real, and this author cannot issue it alone: somebody with an approver's account can."""
    waited: float
    rows: list[dict[str, Any]]
    map: picture.Picture


def decision(session: Session, actor: Actor, found: Sheet) -> Decision:
    """Count the audience as it is now, and compare."""
    warning = found.warning
    moment = now(session)
    config: Config = session.info["config"]
    figures = estimates.estimate(session, warning, estimates.targets_of(session, warning), moment)
    person = notices.person_of(session, actor)
    own = person in (warning.created_by, warning.edited_by, warning.submitted_by)
    rows = list(figures["by_division"])
    breakable = (
        config.warnings.break_glass and warning.level is WarningLevel.RED and warning.status is WarningStatus.ACTUAL
    )
    return Decision(
        now_figures=figures,
        difference=figures["everybody"] - int(found.figures.get("everybody", 0)),
        moved=estimates.drift(warning.estimate, figures) > config.warnings.audience_drift_percent,
        own=own,
        may=actor.can(Permission.WARNINGS_APPROVE) and not own and actor.covers(warning.division_code),
        glass=breakable and actor.can(Permission.WARNINGS_BREAK_GLASS),
        call_leader=breakable and own and not actor.can(Permission.WARNINGS_BREAK_GLASS),
        waited=(moment - (warning.submitted_at or moment)).total_seconds(),
        rows=rows,
        map=picture.draw(session, warning, rows),
    )


@dataclass(frozen=True)
class Record:
    """What the record page shows beside the sheet."""

    reach: dict[str, Any] | None
    share: float | None
    everybody: int
    """Whom it is for, by text and at the door, in the actor's scope."""
    words: str
    told: int
    doors_ready: bool
    at_doors: int
    own: bool
    may_decide: bool
    worst: list[dict[str, Any]]
    doors: dict[DoorOutcome, int]
    steps: list[Any]
    step_names: dict[str, str]
    related: list[Warning]
    acknowledgements: list[Any]
    editable: bool
    liftable: bool
    in_force: bool
    rows: list[dict[str, Any]]
    map: picture.Picture
    minutes: int


def record(session: Session, actor: Actor, found: Sheet) -> Record:
    """Gather the record page."""
    warning = found.warning
    steps = listing.history(session, warning)
    figures = reach.figures(session, warning, actor) if found.issue is not None else None
    rows = list(found.figures.get("by_division", []))
    beyond = {row["code"]: int(row["unreachable"]) for row in rows if actor.covers(row["code"])}
    worst = _worst(figures, beyond, {row["code"]: row["name"] for row in rows})
    by_text = int(figures["targeted_people"]) if figures else 0
    everybody = by_text + sum(beyond.values())
    moment: datetime = now(session)
    in_force = warning.state is WarningState.ISSUED and warning.msg_type is not MessageType.CANCEL
    covers = actor.covers(warning.division_code)
    person = notices.person_of(session, actor)
    own = person in (warning.created_by, warning.edited_by, warning.submitted_by)
    return Record(
        reach=figures,
        share=min(figures["reached_people"] / everybody, 1.0) if figures and everybody else None,
        everybody=everybody,
        words=(
            people_words({"people": by_text, "unreachable": sum(beyond.values())}, warning.channels) if figures else ""
        ),
        told=lifting.people_told(session, warning) if in_force and covers else 0,
        doors_ready=warning.doors_through in (None, doors.COMPLETE),
        at_doors=sum(beyond.values()),
        own=own,
        may_decide=actor.can(Permission.WARNINGS_APPROVE) and not own and covers,
        worst=worst,
        doors=doors.counts(session, warning.id, actor),
        steps=steps,
        step_names=listing.names(session, [step.actor for step in steps]),
        related=listing.related(session, actor=actor, warning=warning),
        acknowledgements=reach.acknowledgements(session, actor=actor, warning_id=warning.id, limit=20)
        if found.issue is not None
        else [],
        editable=warning.state in rules.EDITABLE and actor.can(Permission.WARNINGS_DRAFT) and covers,
        liftable=in_force and actor.can(Permission.WARNINGS_DRAFT) and covers,
        in_force=in_force and warning.expires > moment,
        rows=rows,
        map=picture.draw(session, warning, rows),
        minutes=int((moment - (warning.issued_at or moment)).total_seconds() // 60),
    )


def _worst(figures: dict[str, Any] | None, beyond: dict[str, int], names: dict[str, str]) -> list[dict[str, Any]]:
    """Places by the share of everybody who was reached, those at the door among them; the worst first."""
    places = {row["code"]: row for row in (figures or {}).get("by_division", [])}
    states = {state.value: 0 for state in DeliveryState}
    empty = {"targeted": 0, "targeted_people": 0, "by_state": states, "reached": 0, "reached_people": 0}
    rows = []
    for code in sorted({*places, *beyond}) if figures else []:
        row = places.get(code) or {"code": code, "name": names.get(code, code), **empty}
        everybody = row["targeted_people"] + beyond.get(code, 0)
        if everybody:
            rows.append({**row, "everybody": everybody, "missing": max(everybody - row["reached_people"], 0)})
    return sorted(rows, key=lambda row: (row["reached_people"] / row["everybody"], -row["everybody"]))


def steps(found: Sheet, urls: dict[str, str]) -> list[tuple[str, str, str | None, bool]]:
    """The wizard's steps: name, what it holds by now, where it is, and whether it is done."""
    warning = found.warning
    figures = found.figures
    return [
        (
            _("Content"),
            f"{warning.event_name}，{warning.level.label()}" if _zh() else warning.level.en,
            urls["content"],
            bool(warning.description and warning.instruction),
        ),
        (_("Extent"), warning.area_words, urls["area"], bool(warning.area_words)),
        (_("Audience"), _people(figures), urls["audience"], bool(figures)),
        (_("Preview"), _("as the phone shows it"), urls["preview"], False),
        (_("Submit"), _("another person approves"), None, False),
    ]


def _zh() -> bool:
    return language() == "zh"


def _people(figures: dict[str, Any]) -> str:
    return _("%(n)s people", n=f"{figures['everybody']:,}") if figures else ""
