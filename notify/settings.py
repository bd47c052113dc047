"""What can be set about the engine and its accounts. The lead's `config.toml` fills these."""

from __future__ import annotations

from dataclasses import dataclass, field

from notify.models import Kind

REAL_KINDS = frozenset({Kind.ACTUAL, Kind.TEST, Kind.NOTICE})
EXERCISE_KINDS = frozenset({Kind.EXERCISE})


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How one engine works. Times in seconds."""

    batch: int = 1000
    """Deliveries a block: what one engine holds at a time and what an address look-up reads at once."""
    lease_seconds: float = 20.0
    """How long a block stays ours without renewal; renewed at a third of it."""
    concurrency: int = 800
    """Requests in flight, all channels together."""
    intent_chunk: int = 400
    """Intents recorded in one commit. A crash leaves at most this many plus those in flight to be found out."""
    settle_seconds: float = 0.05
    """The longest that a result waits for company before it is stored."""
    poll_seconds: float = 0.2
    """How often an engine with nothing to do looks for work; also how soon an urgent broadcast is seen."""
    beat_seconds: float = 2.0
    request_timeout: float = 15.0
    absent_after_seconds: float = 20.0
    """After this long without a trace in the provider's list, an unknown message was not accepted."""
    reconcile_seconds: float = 2.0
    fold_batch: int = 1000
    drain_seconds: float = 20.0
    """How long a stopping engine waits for the answers of what is in flight."""


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Credentials and limits of one account at Twilio, or at anything that speaks its API."""

    account_sid: str
    auth_token: str = field(repr=False)
    base_url: str = "https://api.twilio.com"
    from_number: str = ""
    messaging_service_sid: str = ""
    messages_per_second: float = 1000.0
    weight: float = 1.0
    """Its share among the accounts for the same kinds; 0 for a reserve."""
    status_callback: str = ""
    """The address that receives receipts; the delivery id and its MAC are added to it. Empty: no receipts."""
    name: str = "twilio"
    kinds: frozenset[Kind] = REAL_KINDS
    """What these credentials may carry; an exercise has credentials of its own or goes to the local gateway."""
    callback_secret: str = field(default="", repr=False)
    """Of ours, and another for each account: whoever holds an account's token must not vouch for another's messages."""

    @property
    def mac_secret(self) -> str:
        """What the delivery id in a callback's address is bound with."""
        return self.callback_secret or self.auth_token


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """How calls are made over an account. Times in seconds."""

    answer_url: str = ""
    """Where the provider asks on when a key was pressed or all was said; the delivery id and its MAC are added."""
    voice: str = "Polly.Zhiyu"
    """The provider's name of the voice."""
    language: str = "cmn-CN"
    machine_detection: bool = True
    """Whether the provider listens for an answering machine; the person hears nothing for about two seconds."""
    ring_seconds: int = 45
    repeat: int = 2
    """How often the text is said."""
    key_seconds: int = 6
    """How long a key is waited for after the last word."""
