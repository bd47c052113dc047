"""What the provider's error codes mean for a message: Twilio's error dictionary, as far as creating messages goes.

What matters is whose fault it is. A fault of the account must never write off the messages: they wait until it is
mended, or another account carries them. A fault of one number must never hold up all the others.
"""

from __future__ import annotations

import json
from typing import Any, Final

from notify.channels.base import Answer, Sent

RATE_CODES: Final = frozenset(
    {
        10004,  # too many calls at once
        14107,  # too many messages from one number
        20429,  # too many requests
        21611,  # the sender's queue is full
        30001,  # queue overflow
        30022,  # carriers' rate for the campaign
        63017,  # too many a second over all accounts
        63018,  # too many a second for the channel
    }
)
"""Not now, whatever the HTTP status."""

ACCOUNT_CODES: Final = frozenset(
    {
        10001,  # the account is not active
        20003,  # authentication
        20005,  # the account is not active
        20006,  # access denied
        20008,  # test credentials
        20403,  # forbidden
        21210,  # the caller's number is not one of this account
        21212,  # the sender's number is not valid
        21213,  # a caller's number is required
        21601,  # the sender is not a number of this account
        21603,  # a sender is required
        21606,  # the sender cannot send for this account
        21609,  # the address for receipts is not valid
        21659,  # the sender is not a number of the provider
        21660,  # the sender belongs to another account
        21661,  # the sender cannot send messages
        21701,  # the messaging service does not exist
        21702,  # nor can it be used
        21703,  # the messaging service has no numbers
        21705,  # the messaging service's id is not valid
        30002,  # the account is suspended
        30124,  # the messaging service is missing
        30127,  # the messaging service's id is not valid
        63038,  # the day's messages are used up
        60728,  # the hour's messages are used up
    }
)
"""The account or how it is set up: nothing was taken, and nothing else will be until somebody mends it."""

SERVER_CODES: Final = frozenset({20500, 20503, 20504})
"""Their fault: it may have been taken."""

MESSAGE_CODES: Final = frozenset(
    {
        13224,  # the number cannot be called
        13227,  # the region may not be called
        14103,  # no valid text
        20001,  # a parameter
        20422,  # a parameter
        21201,  # no number to call
        21205,  # neither words nor an address
        21211,  # the number is not valid
        21214,  # the number cannot be reached
        21215,  # the region may not be called
        21216,  # the number may not be called
        21217,  # the number is not valid
        21235,  # the words of a call are too long
        21265,  # a short code
        21266,  # the sender's own number
        21408,  # the region is not permitted
        21602,  # no text
        21604,  # no number
        21605,  # too long
        21608,  # not verified, in a trial
        21610,  # opted out
        21612,  # cannot be reached from this sender
        21614,  # not a mobile
        21617,  # too long
        21618,  # the text cannot be sent
        21619,  # no text
        21635,  # a landline
        30003,
        30004,
        30005,
        30006,
        30007,  # filtered
        30008,
    }
)
"""This number or this text: it will never be taken, and says nothing about the others."""

_LONGEST_RAW = 4000


def storable(text: object) -> str:
    """Text of a stranger such as every database and every cipher takes: no NUL, no half of a surrogate pair."""
    return str(text)[:_LONGEST_RAW].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def code_in(raw: str | None) -> int | None:
    """The error code in an answer's body; None where there is none."""
    try:
        found: Any = json.loads(raw or "")
    except (ValueError, RecursionError):
        return None
    return as_code(found.get("code")) if isinstance(found, dict) else None


def as_code(value: object) -> int | None:
    """A code as a number; None for what is none of theirs (an HTTP status in its place, for one)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 6:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 10_000 <= value < 1_000_000 else None


def verdict(status: int, raw: str | None) -> Sent:
    """What an error answer (HTTP 4xx with JSON, as documented) says about the message.

    Without a code of theirs it did not come from their API: some proxy's opinion writes nobody off.
    """
    known = code_in(raw)
    raw = None if raw is None else storable(raw)
    if known is None:
        return Sent(Answer.UNKNOWN, reason=f"http_{status}", account_fault=True, raw=raw)
    reason = str(known)
    if known in SERVER_CODES:
        return Sent(Answer.UNKNOWN, reason=reason, account_fault=True, raw=raw)
    if known in RATE_CODES:
        return Sent(Answer.NOT_TAKEN, reason=reason, retry_after=1.0, account_fault=True, raw=raw)
    if known in ACCOUNT_CODES:
        return Sent(Answer.NOT_TAKEN, reason=reason, account_fault=True, raw=raw)
    return Sent(Answer.REFUSED, reason=reason, raw=raw)
