"""The little TwiML that a call needs: say the text, take one key, say thanks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>'
EMPTY: Final = f"{HEAD}<Response/>"
STEP_FIELD: Final = "s"
KEY_STEP, END_STEP = "key", "end"
"""What brought the call to our door: a key, or the text having been said to its end."""
MOST: Final = 4000
"""Characters of TwiML that the provider takes with a call."""
ANNOUNCED: Final = {
    "thanks": "按键已记录，谢谢。再见。",
    "no_calls": "您好，这是应急信息发布专用号码，不接听来电。预警内容请看短信，急需帮助请拨打 1 1 0 或 1 1 9。再见。",
}


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks: the provider's name of a voice, and its language."""

    name: str = "Polly.Zhiyu"
    language: str = "cmn-CN"


def at_step(url: str, step: str) -> str:
    """The address of our door for a step of a call."""
    return f"{url}{'&' if '?' in url else '?'}{STEP_FIELD}={step}"


def announcement(text: str, url: str, voice: Voice, *, repeat: int, key_seconds: int) -> str:
    """Say `text` so often, one key ends it; whoever lets it end is sent on to the end step.

    That second request is the only proof that nobody hung up before: the provider makes it when all was said.
    """
    say = _say(text, voice, repeat)
    return (
        f'{HEAD}<Response><Gather input="dtmf" numDigits="1" timeout="{key_seconds}" method="POST"'
        f" action={quoteattr(at_step(url, KEY_STEP))}>{say}</Gather>"
        f'<Redirect method="POST">{escape(at_step(url, END_STEP))}</Redirect></Response>'
    )


def farewell(words: str, voice: Voice) -> str:
    """Say `words`, if any, and hang up."""
    return f"{HEAD}<Response>{_say(words, voice) if words else ''}<Hangup/></Response>"


def _say(text: str, voice: Voice, repeat: int = 1) -> str:
    loop = f' loop="{repeat}"' if repeat > 1 else ""
    return f"<Say voice={quoteattr(voice.name)} language={quoteattr(voice.language)}{loop}>{escape(text)}</Say>"
