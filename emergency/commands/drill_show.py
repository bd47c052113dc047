"""drills show ID."""

from __future__ import annotations

from typing import Any

import click

from emergency.commands.common import (
    _,
    actor,
    format_option,
    installation,
    language,
    moment,
    print_json,
    print_table,
    reading,
)
from kernel.errors import N_


def register(group: click.Group) -> None:
    """Add the command."""
    group.add_command(show)


@click.command()
@click.argument("drill_id", type=int)
@format_option
def show(drill_id: int, output: str) -> None:
    """One drill: when, whose, how it stands, who was asked and what they said, what was recorded. No personal data."""
    from emergency.drills import service

    with installation() as runtime, reading(runtime) as session:
        whole = service.get(session, actor=actor(), occurrence_id=drill_id)
        titles = service.post_words(session, [i.post_id for i in whole.invitations], language())
        facts = _facts(whole)
        asked: list[dict[str, Any]] = [
            {"post": titles.get(i.post_id, str(i.post_id)), "answer": i.answer, "answered_at": i.answered_at}
            for i in whole.invitations
        ]
    if output == "json":
        print_json({**facts, "invitations": [row | {"answer": row["answer"] and row["answer"].value} for row in asked]})
        return
    print_table([], [[_(HEADINGS[name]), _words(value)] for name, value in facts.items() if value is not None])
    if asked:
        click.echo("")
        print_table(
            [_("Asked"), _("Answer"), _("When")],
            [[r["post"], _words(r["answer"]) if r["answer"] else "–", _words(r["answered_at"]) or "–"] for r in asked],
        )


HEADINGS = {
    "id": N_("Number"), "title": N_("Drill"), "owner": N_("Held by"), "division_code": N_("Area"),
    "kind": N_("Kind of drill"), "form": N_("How it is held"), "starts_at": N_("Starts"), "ends_at": N_("Ends"),
    "place": N_("Where"), "state": N_("State"), "provisional": N_("Provisional date"),
    "attendance": N_("People who took part"), "evacuation_seconds": N_("Seconds until everybody was out"),
    "findings_open": N_("Findings that are open"),
}  # fmt: skip


def _facts(whole: Any) -> dict[str, Any]:
    occurrence, record = whole.occurrence, whole.record
    return {
        "id": occurrence.id, "title": occurrence.title, "owner": whole.row.owner,
        "division_code": occurrence.division_code, "kind": occurrence.kind, "form": whole.programme.form,
        "starts_at": occurrence.starts_at, "ends_at": occurrence.ends_at, "place": whole.programme.place or None,
        "state": occurrence.state, "provisional": occurrence.provisional,
        "attendance": record.attendance if record else None,
        "evacuation_seconds": record.evacuation_seconds if record else None,
        "findings_open": sum(1 for told in whole.findings if told.finding.state.value == "open"),
    }  # fmt: skip


def _words(value: Any) -> str:
    if value is None:
        return ""
    if hasattr(value, "label"):
        return str(value.label(language()))
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return moment(value) if hasattr(value, "astimezone") else str(value)
