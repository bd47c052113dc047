"""drills rules list | show | adopt | drop | counts | refresh | watch."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from emergency.commands.common import (
    _,
    actor,
    format_option,
    installation,
    language,
    print_json,
    print_table,
    reading,
)
from kernel.clock import BEIJING
from kernel.errors import N_, NotFound

LIST = {
    "key": N_("Rule"), "title": N_("Title"), "months": N_("Months"), "basis": N_("Window"), "binding": N_("Force"),
    "evidence": N_("Evidence"), "adopted": N_("Adopted"),
}  # fmt: skip
COUNTS = {
    "kind": N_("Kind"), "subjects": N_("Subjects"), "overdue": N_("Overdue"), "due": N_("Still due"),
    "satisfied": N_("Satisfied"),
}  # fmt: skip


def register(group: click.Group) -> None:
    """Add the commands."""
    group.add_command(rules)


@click.group()
def rules() -> None:
    """The rules of drills, and who keeps them."""


def _table(headings: dict[str, str], rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo(_("None."))
        return
    print_table([_(text) for text in headings.values()], [[row[name] for name in headings] for row in rows])


def _rule_id(session: Any, key: str) -> int:
    from emergency.drills import rulebook

    found = next((rule.id for rule in rulebook.list_rules(session) if key in (rule.key, str(rule.id))), None)
    if found is None:
        raise NotFound(N_("There is no such rule."))
    return found


@rules.command("list")
@click.option("--adopted/--not-adopted", default=None, help="Only those that bind here, or only the others.")
@format_option
def listed(adopted: bool | None, output: str) -> None:
    """The rules of law as rows."""
    from emergency.drills import rulebook

    with installation() as runtime, reading(runtime) as session:
        found = rulebook.list_rules(session, adopted=adopted)
    words = language()
    rows = [
        {
            "id": rule.id, "key": rule.key, "title": rule.title, "months": rule.months,
            "basis": rule.basis.value if output == "json" else rule.basis.label(words),
            "binding": rule.binding.value if output == "json" else rule.binding.label(words),
            "evidence": rule.evidence.value if output == "json" else rule.evidence.label(words),
            "adopted": rule.adopted if output == "json" else (_("yes") if rule.adopted else _("no")),
            "source": rule.source, "version": rule.version,
        }
        for rule in found
    ]  # fmt: skip
    if output == "json":
        print_json(rows)
    else:
        _table(LIST, rows)


@rules.command()
@click.argument("key")
def show(key: str) -> None:
    """One rule with whom it means, what satisfies it, and its history, as JSON."""
    from emergency.drills import rulebook

    with installation() as runtime, reading(runtime) as session:
        whole = rulebook.get_rule(session, actor=actor(), rule_id=_rule_id(session, key))
        counts = rulebook.standings_of(session, actor=actor(), rule_id=whole.rule.id)
    rule = whole.rule
    print_json(
        {
            "key": rule.key, "title": rule.title, "source": rule.source, "months": rule.months,
            "basis": rule.basis.value, "adopted": rule.adopted, "version": rule.version,
            "groups": [sorted(group) for group in whole.groups], "kinds": [kind.value for kind in whole.kinds],
            "standings": {standing.value: n for standing, n in counts.items()},
            "history": [
                {"at": e.change.at, "actor": e.change.actor, "field": e.change.field, "before": e.change.before,
                 "after": e.change.after, "reason": e.reason}
                for e in whole.history
            ],
        }
    )  # fmt: skip


def _decide(key: str, reason: str, adopted: bool) -> None:
    from emergency.drills import rulebook

    with installation() as runtime, runtime.database.write() as session:
        rule = rulebook.adopt_rule(
            session, actor=actor(), rule_id=_rule_id(session, key), adopted=adopted, reason=reason
        )
        title = rule.title
    text = _("Adopted: %(title)s", title=title) if adopted else _("No longer binding: %(title)s", title=title)
    click.echo(text)


@rules.command()
@click.argument("key")
@click.option("--reason", required=True, help="Why; it is kept with the rule.")
def adopt(key: str, reason: str) -> None:
    """The rule binds here."""
    _decide(key, reason, True)


@rules.command()
@click.argument("key")
@click.option("--reason", required=True, help="Why; it is kept with the rule.")
def drop(key: str, reason: str) -> None:
    """The rule binds here no longer."""
    _decide(key, reason, False)


@rules.command()
@format_option
def counts(output: str) -> None:
    """Duties and subjects by kind, as the page of compliance counts them."""
    from emergency.drills import standing_queries

    with installation() as runtime, reading(runtime) as session:
        cube = standing_queries.cube(session, actor=actor(), chosen=standing_queries.Filter())
    rows = [
        {"kind": name if output == "json" else standing_queries.group_label(name, language()),
         "subjects": tally.subjects} | {standing.value: n for standing, n in tally.duties.items()}
        for name, tally in cube.by_group.items()
    ]  # fmt: skip
    if output == "json":
        print_json(rows)
    else:
        _table(COUNTS, rows)


@rules.command()
def refresh() -> None:
    """Bring the table of standings up to date now instead of at the next tick."""
    from emergency.drills import standings

    with installation() as runtime:
        done = standings.keep(runtime.database, runtime.database.clock.now())
    click.echo(_("%(n)s subjects were computed.", n=done))


@rules.command()
@click.option("--since", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The first day, like 2026-01-01.")
@click.option("--reason", required=True, help="Why; it is journalled.")
def watch(since: datetime, reason: str) -> None:
    """Everybody on the list is watched from this day: windows that began later are asked for."""
    from emergency.drills import standings

    with installation() as runtime:
        moment = runtime.database.clock.now()
        standings.enter(runtime.database, moment)
        with runtime.database.write() as session:
            changed = standings.watch_from(
                session, actor=actor(), since=since.date(), today=moment.astimezone(BEIJING).date(), reason=reason
            )
        standings.keep(runtime.database, moment)
    click.echo(_("%(n)s subjects are watched from %(day)s.", n=changed, day=since.date().isoformat()))
