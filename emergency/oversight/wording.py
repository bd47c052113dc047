"""What the journal keeps as keys, said in words: states, levels, means, what was done. The journal itself keeps keys,
because words change and a sealed chain must not."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from emergency.asking.models import Means
from emergency.http.permissions import Role
from emergency.people.accounts.models import EndReason, LinkPurpose, SignInMethod
from emergency.people.posts.models import ActKind, Duty, ShiftRole
from emergency.people.posts.models import Means as Heard
from emergency.privacy.journal import Purpose
from emergency.warnings.models import AckMethod, MessageType, WarningLevel, WarningStatus
from kernel.db import Base
from kernel.errors import N_
from kernel.types import LabelledEnum
from notify.models import Kind

Words = type[LabelledEnum] | Mapping[str, str]

WHAT: Mapping[str, str] = {
    "created": N_("founded"),
    "changed": N_("changed"),
    "edited": N_("edited"),
    "closed": N_("closed"),
    "holder": N_("holder changed"),
    "deputy": N_("deputies changed"),
    "released": N_("declared vacant"),
    "abolished": N_("abolished"),
    "restored": N_("restored"),
    "corrected": N_("name or number corrected"),
    "boundary": N_("boundary drawn"),
    "point": N_("point set"),
    "db.backup": N_("backup"),
    "db.restore": N_("restored from a backup"),
    "keys.rotate": N_("keys changed"),
    "password": N_("password set"),
    "roles": N_("roles changed"),
    "contact": N_("contact changed"),
    "factor_set": N_("second factor set"),
    "factor_removed": N_("second factor taken away"),
    "recovery_codes": N_("recovery codes made"),
    "recovery_code_used": N_("recovery code used"),
    "token_made": N_("token made"),
    "token_revoked": N_("token revoked"),
    **{f"link_made:{purpose.value}": N_("sign-in link made") for purpose in LinkPurpose},
}
QUESTIONS: Mapping[str, str] = {
    "drill.confirm": N_("who takes part in a drill"),
    "drill.invitation": N_("invitation to a drill"),
    "post.verification": N_("verifying a number"),
    "warning_approval": N_("a warning that waits for approval"),
}
ANSWERS: Mapping[str, str] = {
    "yes": N_("yes"),
    "no": N_("no"),
    "other": N_("another date"),
    "deputy": N_("somebody instead"),
    "changed": N_("somebody else holds it"),
    "looking": N_("looks at it"),
    "unable": N_("cannot decide now"),
}
FIELDS_OF_RECORDS: Mapping[str, str] = {
    "state": N_("state"),
    "phone_state": N_("state of the number"),
    "name": N_("name"),
    "phone": N_("number"),
    "address": N_("address"),
    "needs": N_("needs"),
    "note": N_("note"),
}
CHANNELS: Mapping[str, str] = {"sms": N_("text message"), "voice": N_("call")}
YES_NO: Mapping[str, str] = {"True": N_("yes"), "False": N_("no"), "forgotten": N_("no longer noted")}
BY_KIND: Mapping[tuple[str, str], Words] = {
    ("account.signed_in", "method"): SignInMethod,
    ("account.signed_out", "why"): EndReason,
    ("post.verified", "means"): Heard,
    ("post.verified", "result"): ActKind,
    ("question.answered", "means"): Means,
    ("question.answered", "answer"): ANSWERS,
    ("question.asked", "kind"): QUESTIONS,
    ("warning.acknowledged", "method"): AckMethod,
    ("plans.check_decided", "adopted"): YES_NO,
    ("plans.exposure_noted", "exposed"): YES_NO,
    ("plan.response", "break_glass"): YES_NO,
    ("warning.issued", "break_glass"): YES_NO,
}
BY_COLUMN: Mapping[tuple[str, str], tuple[str, str]] = {
    ("delivery.settled_by_hand", "outcome"): ("delivery", "state"),
    ("plan.original_opened", "kind"): ("plan_attachment", "kind"),
    ("plan.response", "what"): ("plan_activation_step", "what"),
    ("plan.response", "kind"): ("plan_activation", "kind"),
    ("plan.response", "from"): ("plan_activation", "grade"),
    ("plan.response", "to"): ("plan_activation", "grade"),
    ("plans.exposure_noted", "hazard"): ("plan_exposure", "hazard"),
    ("plans.exposure_noted", "reach"): ("plan_exposure", "reach"),
    ("plans.law_noted", "change"): ("plan_legal_text", "change"),
}
"""Fields that hold what a column holds, in the words of that column."""
BY_FIELD: Mapping[str, Words] = {
    "level": WarningLevel,
    "msg_type": MessageType,
    "status": WarningStatus,
    "broadcast_kind": Kind,
    "duty": Duty,
    "role": ShiftRole,
    "roles": Role,
    "what": WHAT,
    "channel": CHANNELS,
    "field": FIELDS_OF_RECORDS,
    "fields": FIELDS_OF_RECORDS,
}


@lru_cache(maxsize=256)
def _states(table: str, column: str) -> type[LabelledEnum] | None:
    """The enum behind a column of a table."""
    for mapper in Base.registry.mappers:
        local = mapper.local_table
        if isinstance(local, sa.Table) and local.name == table and column in local.c:
            kind = getattr(local.c[column].type, "enum_class", None)
            return kind if isinstance(kind, type) and issubclass(kind, LabelledEnum) else None
    return None


def words_of(kind: str, name: str, subject: str | None, data: Mapping[str, Any]) -> Words | None:
    """Which words the values of a field are said in, or None where they are said as they are."""
    if kind == "state.changed" and name in ("from", "to"):
        return _states(subject or "", str(data.get("field") or "state"))
    if (kind, name) in BY_COLUMN:
        return _states(*BY_COLUMN[kind, name])
    return BY_KIND.get((kind, name)) or BY_FIELD.get(name)


def said(value: Any, words: Words | None, language: str, translate: Any) -> str:
    """One value in words; several that stand in one text, each; what nobody named, as it is."""
    if isinstance(value, (list, tuple)):
        return "、".join(said(one, words, language, translate) for one in value)
    text = str(value)
    if words is None:
        return text
    if isinstance(words, type) and issubclass(words, enum.Enum):
        known = {str(member.value): member for member in words}
        if text in known:
            return known[text].label(language)
    elif text in words:
        return str(translate(words[text]))
    if "," in text:
        return "、".join(said(part.strip(), words, language, translate) for part in text.split(","))
    return text


def purpose(key: str | None, language: str, translate: Any) -> str:
    """A purpose; what the engine sends carries the kind of message."""
    if not key:
        return "—"
    head, _, tail = key.partition(":")
    if head == "deliver" and tail:
        return str(translate(N_("sending: %(kind)s"))) % {"kind": said(tail, Kind, language, translate)}
    return said(key, Purpose, language, translate)


def codes_of(entries: Iterable[Mapping[str, Any]]) -> set[str]:
    """The division codes that the entries speak of."""
    return {str(data["division"]) for data in entries if data.get("division")}
