"""By what names messages can leave, and where each road is written. A new channel is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Final

from notify.channels.base import Abilities

ROADS: Final[Mapping[str, str]] = {
    "sms": "notify.channels.twilio_sms:TwilioSms",
    "voice": "notify.channels.twilio_voice:TwilioVoice",
}
NAMES: Final = tuple(ROADS)


@cache
def channel(name: str) -> Any:
    """The class that speaks for `name`. Raises `KeyError` for a name that no road has."""
    module, _, attribute = ROADS[name].partition(":")
    return getattr(import_module(module), attribute)


@cache
def abilities(name: str) -> Abilities:
    """What the road of this name can do; a name from elsewhere can do nothing."""
    found: Abilities = channel(name).ABILITIES if name in ROADS else Abilities()
    return found
