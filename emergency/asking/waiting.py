"""What of asking waits for a person: the workbench's lines (`web.workbench.register_waiting(service.waiting)`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from emergency.asking import labels, lookup, sorting
from emergency.http.actor import Actor
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission


@dataclass(frozen=True)
class Waiting:
    """One line: the attributes that the workbench reads."""

    level: Any
    what: str
    why: str
    due_at: datetime | None
    url: str
    action_label: str


def waiting(session: Session, actor: Actor, now: datetime) -> list[Waiting]:
    """Questions asked of this account, doors to go to, replies that nobody could place."""
    lines = [
        Waiting(None, question.text, _("Asked of you"), question.due_at, f"/questions/{question.id}", _("Answer"))
        for question in lookup.asked_of_me(session, actor=actor)
    ]
    if not actor.can(Permission.QUESTIONS_ANSWER):
        return lines
    doors = lookup.at_the_door(session, actor=actor)
    asked = labels.asked_of(session, doors, language())
    lines += [
        Waiting(
            None if question.drill else "red",
            _("Go to the door: %(who)s does not answer", who=asked[question.id]),
            question.text,
            question.due_at,
            f"/questions/{question.id}",
            _("Record the visit"),
        )
        for question in doors
    ]
    found = sorting.counts(session, actor=actor)
    pressing = sum(count for why, count in found.items() if why not in sorting.QUIET)
    if pressing:
        what = _("%(n)s text replies have to be placed by a person", n=pressing)
        first = sorting.first_waiting(session, actor=actor)
        why = language_list([f"{why.label(language())} {found[why]}" for why in found if found[why]])
        lines.append(Waiting(None, what, why, first, "/questions/replies", _("Look at them")))
    return lines


def language_list(parts: list[str]) -> str:
    """Parts of a sentence, joined as the reader's language does it."""
    return (", " if language() == "en" else "，").join(parts)
