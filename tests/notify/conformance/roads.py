"""The roads that the suite runs over. A new channel is one entry in `ROADS`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from support import Gateway, wait_for

from notify.callbacks import callback_url
from notify.channels.base import Channel
from notify.channels.twilio_sms import TwilioSms
from notify.channels.twilio_voice import TwilioVoice
from notify.models import DeliveryState, ReceiptKind
from notify.settings import TwilioAccount, VoiceSettings
from notify.twiml import at_step

S = DeliveryState
Post = tuple[ReceiptKind, str, dict[str, str]]
"""A webhook request: what it is, its address, its fields without those that every one has."""


@dataclass
class Provider:
    """A provider that answers every request as it is told, and keeps what was asked."""

    url: str = ""
    status: int = 201
    body: dict[str, object] = field(default_factory=lambda: {"sid": "XX" + "0" * 32, "status": "queued"})
    asked: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Road:
    """How the suite makes a channel, looks at the other end of it, and speaks as its provider and its people."""

    name: str
    make: Callable[[TwilioAccount, str, float], Channel]
    """Account, address of the webhooks, timeout."""
    arrived: Callable[[Gateway, str], list[str]]
    """What the phone of a number got, the oldest first."""
    answer: Callable[[Gateway, str], None]
    """The person there answers 1."""
    validity: Callable[[Mapping[str, str]], int]
    """For how long the provider was told that the message is good, by the request's fields."""
    fates: Mapping[str, tuple[DeliveryState, str | None]]
    """What becomes of a message by the number's ending, once every receipt is in."""
    good: Callable[[str, str], list[Post]]
    """Everything that a provider reports of a message that arrived: base address, provider's reference."""
    bad: Callable[[str, str], list[Post]]
    """The same of one that did not arrive."""
    account_code: int
    """An error code that blames the sender's number."""


def _sms(account: TwilioAccount, _webhooks: str, timeout: float) -> Channel:
    return TwilioSms(account, timeout=timeout)


def _sms_arrived(gateway: Gateway, number: str) -> list[str]:
    return [text for to, text in gateway.taken() if to == number]


def _sms_answer(gateway: Gateway, number: str) -> None:
    gateway.control("/reply", {"from": number, "to": "+8602200001234", "body": "1"})


def _sms_reports(*words: tuple[str, str]) -> Callable[[str, str], list[Post]]:
    def posts(base: str, ref: str) -> list[Post]:
        return [
            (
                ReceiptKind.STATUS,
                base,
                {"MessageSid": ref, "MessageStatus": word, **({"ErrorCode": code} if code else {})},
            )
            for word, code in words
        ]

    return posts


def _voice(account: TwilioAccount, webhooks: str, timeout: float) -> Channel:
    return TwilioVoice(account, VoiceSettings(answer_url=f"{webhooks}/voice", key_seconds=1), timeout=timeout)


def _voice_arrived(gateway: Gateway, number: str) -> list[str]:
    return [call["script"] for call in reversed(gateway.called(number))]


def _voice_answer(gateway: Gateway, number: str) -> None:
    gateway.control("/faults", {"speech_ms": 5000})
    wait_for(lambda: any(call["listening"] for call in gateway.called(number)))
    gateway.control("/press", {"to": number, "key": "1"})
    time.sleep(0.01)
    gateway.control("/faults", {"speech_ms": 60})


def _call(ref: str, **fields: str) -> dict[str, str]:
    return {"CallSid": ref, "Direction": "outbound-api", **fields}


def _voice_good(base: str, ref: str) -> list[Post]:
    human = {"AnsweredBy": "human"}
    words = [("initiated", {}), ("ringing", {}), ("in-progress", human), ("completed", human)]
    posts: list[Post] = [(ReceiptKind.STATUS, base, _call(ref, CallStatus=word, **more)) for word, more in words]
    end = at_step(base.replace("/status", "/voice"), "end")
    return [*posts, (ReceiptKind.STATUS, end, _call(ref, CallStatus="in-progress", **human))]


def _voice_bad(base: str, ref: str) -> list[Post]:
    return [(ReceiptKind.STATUS, base, _call(ref, CallStatus=word)) for word in ("initiated", "ringing", "no-answer")]


ROADS = [
    Road(
        "sms", _sms, _sms_arrived, _sms_answer,
        validity=lambda form: int(form["ValidityPeriod"]),
        fates={"01": (S.DELIVERED, None), "97": (S.FAILED, "30003"), "98": (S.FAILED, "30005"), "99": (S.SUBMITTED, None)},
        good=_sms_reports(("queued", ""), ("sent", ""), ("delivered", "")),
        bad=_sms_reports(("sent", ""), ("undelivered", "30003")),
        account_code=21606,
    ),
    Road(
        "voice", _voice, _voice_arrived, _voice_answer,
        validity=lambda form: int(form["Timeout"]),
        fates={
            "01": (S.DELIVERED, "heard"), "90": (S.DELIVERED, "key_1"), "91": (S.FAILED, "busy"),
            "92": (S.FAILED, "no_answer"), "93": (S.FAILED, "machine"), "94": (S.FAILED, "hung_up"),
            "98": (S.FAILED, "failed_404"), "99": (S.FAILED, "no_answer"),
        },
        good=_voice_good, bad=_voice_bad, account_code=21210,
    ),
]  # fmt: skip


def form_of(body: bytes) -> dict[str, str]:
    """The fields of a request."""
    return {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}


def report_url(webhooks: str, secret: str, delivery_id: int) -> str:
    """Where a provider reports on this delivery."""
    return callback_url(f"{webhooks}/status", secret, delivery_id)
