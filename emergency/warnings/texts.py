"""What leaves: texts in Chinese from `templates/messages/`, plain named fields, nothing that a field could execute.

Who issues and when always stand at the end (art. 64), put there by us: nobody can forget them. The moment is that of
approval; its length does not change between preview and send.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from emergency import messages
from emergency.config import Config
from emergency.warnings.models import MessageType, Source, Warning, WarningStatus
from kernel.clock import BEIJING
from notify import text as notify_text
from notify.models import Kind

KIND = {
    WarningStatus.ACTUAL: Kind.ACTUAL,
    WarningStatus.EXERCISE: Kind.EXERCISE,
    WarningStatus.TEST: Kind.TEST,
}
_ENDS = "。！？；…!?;"


def render(name: str, **params: Any) -> str:
    """A template with its fields filled; values are inserted as they are."""
    return messages.render(name, **params)


def sentence(text: str) -> str:
    """The text with a full stop where it has none."""
    text = " ".join(text.split())
    return text if not text or text[-1] in _ENDS else text + "。"


def moment_words(moment: datetime) -> str:
    """`8月3日03:00`, Beijing time."""
    local = moment.astimezone(BEIJING)
    return f"{local.month}月{local.day}日{local:%H:%M}"


def title(warning: Warning) -> str:
    """`洪水红色预警`, or `洪水红色预警解除`: event, colour and what becomes of it, in words that every phone shows."""
    return f"{warning.event_name}{warning.level.zh}预警{ending(warning)}"


def ending(warning: Warning) -> str:
    """What a message that ends another is called: `撤销` where it was wrong, `解除` where it is over."""
    if warning.msg_type is not MessageType.CANCEL:
        return ""
    return "撤销" if warning.template == "cancel" else "解除"


def headline(warning: Warning) -> str:
    """The first words of the text: the officer's, or the title where none were written."""
    return warning.headline.strip().rstrip("。") or title(warning)


def bare(warning: Warning, sent: datetime, *, relay: str = "") -> str:
    """The text without signature and marks, as issued at `sent`."""
    when = moment_words(sent)
    if warning.text.strip():
        return render("own", text=sentence(warning.text), issuer=warning.issuer, sent=when)
    params = {
        "headline": headline(warning),
        "description": sentence(warning.description),
        "instruction": sentence(warning.instruction),
        "sent": when,
    }
    if warning.source is Source.RELAYED:
        return render("relayed", relayed_from=warning.relayed_from or "", issuer=relay, **params)
    name = "update" if warning.msg_type is MessageType.UPDATE else "alert"
    return render(name, issuer=warning.issuer, **params)


def final(warning: Warning, sent: datetime, *, relay: str = "") -> str:
    """The text as the ledger keeps it: marked by kind; the signature is put in front when it leaves."""
    return notify_text.mark(KIND[warning.status], bare(warning, sent, relay=relay))


def lifting(warning: Warning, words: str, sent: datetime, *, name: str) -> str:
    """The text that cancels or lifts a warning."""
    params = {"issuer": warning.issuer, "sent": moment_words(sent)}
    if name == "cancel":
        body = render("cancel", headline=headline(warning), reason=sentence(words), **params)
    else:
        body = render("all_clear", text=sentence(words), **params)
    return notify_text.mark(KIND[warning.status], body)


def prepared_lifting(warning: Warning, area_words: str) -> str:
    """The all-clear that stands ready before the warning leaves."""
    return render("all_clear_default", headline=headline(warning), area=area_words or "原预警范围")


def signature(session: Session) -> str:
    """What stands in 【】 before every text."""
    config: Config = session.info["config"]
    return config.site.sms_signature
