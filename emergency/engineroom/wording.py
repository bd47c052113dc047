"""What a code of the engine or of a provider means, and what to do about it. A code that nobody knows is shown as it is.

The codes are those of `notify` and of Twilio's error dictionary, as far as sending and receipts go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kernel.errors import N_
from notify.models import Kind
from notify.watch import Alarm, Cause, Status

Say = Callable[..., str]
"""`gettext`: a message id and its named parameters."""
Clock = Callable[[datetime], str]


@dataclass(frozen=True)
class Words:
    """What a code means, and what to do."""

    code: str
    meaning: str
    todo: str


_NOTHING = N_("Nothing to do: the engine tries again by itself.")
_ASKS = N_("Nothing to do: the engine looks into the provider's list and settles it.")
_NETWORK = N_("Check the network of this machine and the provider's address in config.toml; the engine goes on trying.")
_ACCOUNT = N_("Mend the account at the provider or in config.toml and restart the engine; what waits is kept.")
_CALL_PROVIDER = N_("Ring the provider; the engine goes on trying, what waits is kept.")
_NUMBER = N_("Tell this person another way, then correct the number; it is not tried again.")
_TEXT = N_("Change the text and send it again; the provider refuses this one for everybody.")
_OURS = N_("Do not send again. Tell the administrator: a guard of this system stopped it, and it is in the journal.")
_REACH = N_("Tell this person another way if it is urgent.")

_BAD_NUMBER = N_("The number does not exist or is not complete.")
_NO_PHONE = N_("The phone cannot be reached: switched off, or out of reach for long.")
_NO_MOBILE = N_("The number is a landline or cannot receive text messages.")
_OPTED_OUT = N_("The holder of this number has refused messages from us.")
_SENDER = N_("The number we send from is not usable for this account.")
_INACTIVE = N_("The account at the provider is suspended or closed.")
_PASSWORD = N_("The provider does not accept the account's name or password.")
_SERVICE = N_("The messaging service named in the settings does not exist or has no numbers.")
_USED_UP = N_("The account's allowance at the provider is used up.")
_SLOWER = N_("The provider asks us to send more slowly; the engine does.")
_THEIR_FAULT = N_("The provider's own system failed; it may have taken the message.")
_TOO_LONG = N_("The text is too long for one message.")
_NO_TEXT = N_("The provider finds no text in the message.")
_WRONG_KIND = N_("The words of the message do not fit its kind: an exercise, a test or the real thing.")

_TABLE: dict[str, tuple[str, str]] = {
    # the way to the provider
    "connection_refused": (N_("Nobody answers at the provider's address."), _NETWORK),
    "name_not_found": (N_("The provider's name is not found: the name service (DNS) does not answer."), _NETWORK),
    "certificate": (N_("The provider's certificate is not valid: somebody may stand between us."), _NETWORK),
    "tls": (N_("The encrypted connection to the provider cannot be made."), _NETWORK),
    "connect_timeout": (N_("The connection to the provider takes too long."), _NETWORK),
    "no_connection_free": (N_("Every connection to the provider is in use."), _NOTHING),
    "client_closed": (N_("The engine was stopping."), _NOTHING),
    "bad_header": (N_("The settings of the account contain a character that cannot be sent."), _ACCOUNT),
    "disconnected": (N_("The provider closed the connection without an answer."), _ASKS),
    "connection_reset": (N_("The connection broke before an answer came."), _ASKS),
    "broken_answer": (N_("The provider's answer broke off."), _ASKS),
    "timeout": (N_("The provider did not answer in time."), _ASKS),
    "oversized_answer": (N_("The answer was far too large to be the provider's."), _NETWORK),
    "unreadable_answer": (N_("The answer was not the provider's: perhaps a page of some network device."), _NETWORK),
    "answer_without_sid": (N_("The provider said yes and gave no number for the message."), _ASKS),
    "http_401": (_PASSWORD, _ACCOUNT),
    "http_403": (N_("The provider refuses this account."), _ACCOUNT),
    "http_404": (N_("The provider does not know this address or account."), _ACCOUNT),
    "http_405": (N_("The address in the settings is not the provider's."), _ACCOUNT),
    "http_429": (_SLOWER, _NOTHING),
    # our own last look
    "lease_ran_out": (N_("The engine stood still for so long that another may have taken over."), _NOTHING),
    "expired": (N_("Its time had run out before it could leave."), _REACH),
    "absent_at_provider": (N_("The provider's list does not show it: it never arrived there, and is sent again."), _NOTHING),
    "again_by_policy": (
        N_("Nobody can say whether the provider took it: a real warning is sent once more, rather twice than never."),
        _NOTHING,
    ),
    "by_hand": (
        N_("No machine can find out whether the provider took it."),
        N_("Settle it by hand: ask the person or the provider, then say what it was."),
    ),
    "no_address": (N_("There is no number behind this recipient any more."), _NUMBER),
    "no_channel_for_kind": (N_("No account may carry this kind of message."), _ACCOUNT),
    "kind_not_allowed_by_credentials": (N_("This account may not carry this kind of message."), _OURS),
    "kind_mismatch": (_WRONG_KIND, _OURS),
    "exercise_without_marker": (N_("A message of an exercise did not say that it is one."), _OURS),
    "test_without_marker": (N_("A test message did not say that it is one."), _OURS),
    "actual_with_marker": (N_("A real message carried the mark of an exercise."), _OURS),
    "actual_says_drill": (N_("A real message called itself an exercise."), _OURS),
    "exercise_claims_real": (N_("A message of an exercise claimed to be real."), _OURS),
    "too_long": (_TOO_LONG, _TEXT),
    "too_long_to_say": (N_("The text is too long to be spoken."), _TEXT),
    "missing_field": (N_("A field of the text had nothing to put into it."), _OURS),
    "bad_template": (N_("The text's fields are not written correctly."), _OURS),
    "settled_submitted": (N_("A person found out that the provider had taken it."), ""),
    "settled_failed": (N_("A person found out that it had not arrived."), _REACH),
    # what became of a call
    "busy": (N_("The line was busy."), _REACH),
    "no_answer": (N_("Nobody answered the call."), _REACH),
    "no-answer": (N_("Nobody answered the call."), _REACH),
    "hung_up": (N_("The call was ended before the text was heard."), _REACH),
    "machine": (N_("An answering machine took the call."), _REACH),
    "unreachable": (_NO_PHONE, _REACH),
    "heard": (N_("The call was heard to the end."), ""),
    "failed": (N_("The provider could not deliver it and gives no reason."), _REACH),
    "undelivered": (N_("The network could not deliver it and gives no reason."), _REACH),
    "canceled": (N_("It was called off at the provider."), _REACH),
    # the account, by the provider's code
    **dict.fromkeys(("10001", "20005", "30002"), (_INACTIVE, _ACCOUNT)),
    **dict.fromkeys(("20003", "20006", "20403"), (_PASSWORD, _ACCOUNT)),
    "20008": (N_("These are the provider's test credentials: nothing really leaves."), _ACCOUNT),
    **dict.fromkeys(("21212", "21601", "21603", "21606", "21659", "21660", "21661"), (_SENDER, _ACCOUNT)),
    "21609": (N_("The address for receipts is not valid."), _ACCOUNT),
    **dict.fromkeys(("21701", "21702", "21703", "21705", "30124", "30127"), (_SERVICE, _ACCOUNT)),
    **dict.fromkeys(("63038", "60728"), (_USED_UP, _CALL_PROVIDER)),
    **dict.fromkeys(("14107", "20429", "21611", "30001", "30022", "63017", "63018"), (_SLOWER, _NOTHING)),
    **dict.fromkeys(("20500", "20503", "20504"), (_THEIR_FAULT, _ASKS)),
    # one number or one text, by the provider's code
    **dict.fromkeys(("14103", "21602", "21619"), (_NO_TEXT, _TEXT)),
    **dict.fromkeys(("20001", "20422"), (N_("The provider does not accept a part of the message."), _TEXT)),
    **dict.fromkeys(("21211", "21217", "21604"), (_BAD_NUMBER, _NUMBER)),
    "21214": (N_("The number cannot be reached."), _NUMBER),
    "21265": (N_("The number is a short code, not a phone."), _NUMBER),
    "21266": (N_("The number is the one we send from."), _NUMBER),
    "10004": (N_("The account makes as many calls at once as the provider allows."), _NOTHING),
    "13224": (N_("The provider cannot dial this number."), _NUMBER),
    **dict.fromkeys(("13227", "21215", "21216"), (N_("The account may not call this region or number."), _ACCOUNT)),
    "21201": (N_("The call names no number."), _NUMBER),
    "21205": (N_("The address of the call's text is not valid."), _ACCOUNT),
    **dict.fromkeys(("21210", "21213"), (_SENDER, _ACCOUNT)),
    "21408": (N_("The account may not send to this region."), _ACCOUNT),
    **dict.fromkeys(("21605", "21617", "21235"), (_TOO_LONG, _TEXT)),
    "21608": (N_("A trial account may only send to numbers that it has verified."), _ACCOUNT),
    "21610": (_OPTED_OUT, N_("Speak to this person; until they allow it again nothing is sent to them.")),
    "21612": (N_("This number cannot be reached from ours."), _NUMBER),
    **dict.fromkeys(("21614", "21635", "30006"), (_NO_MOBILE, _NUMBER)),
    "21618": (N_("The provider cannot send this text."), _TEXT),
    "30003": (_NO_PHONE, _REACH),
    "30004": (N_("The number is blocked, or refuses messages."), _NUMBER),
    "30005": (N_("The network does not know this number."), _NUMBER),
    "30007": (N_("The network held the text for advertising or fraud."), _CALL_PROVIDER),
    "30008": (N_("The network could not deliver it and gives no reason."), _REACH),
}  # fmt: skip


def explain(code: str | None, _: Say) -> Words | None:
    """A code in words, in the language of `_`; None where there is nothing to explain or nobody knows the code."""
    if not code:
        return None
    found = _TABLE.get(code)
    if found is not None:
        meaning, todo = found
        return Words(code, _(meaning), _(todo) if todo else "")
    if code.startswith("http_5"):
        return Words(code, _(_THEIR_FAULT), _(_ASKS))
    if code.startswith("http_3"):
        return Words(code, _("The provider's address leads somewhere else."), _(_ACCOUNT))
    if code.startswith("key_"):
        return Words(code, _("The person pressed key %(key)s.", key=code.removeprefix("key_")), "")
    if code.startswith("failed_"):
        number = code.removeprefix("failed_")
        return Words(
            code, _("The telephone network did not put the call through (code %(code)s).", code=number), _(_REACH)
        )
    if code.startswith("unknown_status:"):
        word = code.removeprefix("unknown_status:")
        return Words(code, _("The provider reported “%(word)s”, which we do not know.", word=word), _(_CALL_PROVIDER))
    if code.startswith("internal:"):
        return Words(code, _("The engine met a fault of its own."), _("Give the log to the administrator."))
    return None


def meaning(code: str | None, _: Say) -> str:
    """The meaning alone; an unknown code as it is, nothing for nothing."""
    words = explain(code, _)
    return words.meaning if words is not None else (code or "")


def known() -> list[str]:
    """Every code that has words of its own."""
    return sorted(_TABLE)


def table(_: Say) -> list[Words]:
    """Every known code with its words, for the page that explains them."""
    return [found for found in (explain(code, _) for code in known()) if found is not None]


_KINDS: dict[Kind, str] = {
    Kind.ACTUAL: N_("real warnings"),
    Kind.EXERCISE: N_("messages of an exercise"),
    Kind.TEST: N_("link tests"),
    Kind.NOTICE: N_("everyday messages"),
}


@dataclass(frozen=True)
class Alert:
    """An alarm in words: what is wrong, why, what to do."""

    headline: str
    why: str
    todo: str


def alert(alarm: Alarm, at: datetime, _: Say, clock: Clock) -> Alert:
    """The alarm in the language of `_`; `clock` writes a time of day."""
    seconds = max(0, round((at - alarm.since).total_seconds()))
    waits = {"n": f"{alarm.waiting:,}", "kind": _(_KINDS[alarm.kind]), "time": _span(seconds, _)}
    headline = _("%(n)s %(kind)s wait and nothing has left for %(time)s", **waits)
    return Alert(headline, *_reason(alarm, _, clock))


def _reason(alarm: Alarm, _: Say, clock: Clock) -> tuple[str, str]:
    if alarm.cause is Cause.NO_ENGINE:
        todo = _(
            "Start it: “emergency serve” or “emergency engine” on the machine. What waits is kept and leaves then."
        )
        if alarm.heard_at is None:
            return _("No engine lives, and none has been heard within a day."), todo
        return _("No engine lives: the last was heard at %(at)s.", at=clock(alarm.heard_at)), todo
    if alarm.cause is Cause.DRAINING:
        return (
            _("The engines were asked to take nothing new until %(at)s.", at=clock(alarm.until or alarm.since)),
            _("If the work on the machine is done: “emergency notify drain --resume”."),
        )
    if alarm.cause is Cause.NO_ROAD:
        return _("No account may carry this kind of message."), _(_ACCOUNT)
    words = explain(alarm.error, _)
    said = words.meaning if words else (alarm.error or "")
    if alarm.cause is Cause.PAUSED:
        why = _("Every account that may carry them is paused until %(at)s.", at=clock(alarm.until or alarm.since))
        return f"{why} {said}".strip(), words.todo if words and words.todo else _(_CALL_PROVIDER)
    why = _("An engine lives and the accounts are open, and still nothing leaves.")
    todo = words.todo if words and words.todo else _("Look at “emergency doctor” and at the log of the engine.")
    return f"{why} {said}".strip(), todo


def _span(seconds: int, _: Say) -> str:
    if seconds < 120:
        return _("%(n)s seconds", n=seconds)
    if seconds < 7200:
        return _("%(n)s minutes", n=seconds // 60)
    return _("%(n)s hours", n=seconds // 3600)


def missing(status: Status, _: Say) -> str:
    """That fewer engines live than should, or nothing."""
    if not status.missing:
        return ""
    return _(
        "%(alive)s of %(expected)s engines live. Start the missing one; what it held is taken over by the others.",
        alive=status.alive,
        expected=status.expected,
    )
