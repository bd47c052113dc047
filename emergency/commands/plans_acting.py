"""plans status | activate | change: acting on a plan from a terminal."""

from __future__ import annotations

from typing import Any

import click

from emergency.commands.common import _, actor, format_option, installation, language, print_json, print_table, reading
from emergency.commands.plans import plans
from emergency.plans.activation_models import ActivationKind
from emergency.plans.models import ResponseGrade
from kernel.errors import N_

HEADINGS = (N_("Number"), N_("Kind"), N_("Plan"), N_("Level"), N_("State"), N_("Actions done"), N_("Late"))
KINDS = {"real": ActivationKind.ACTUAL, "exercise": ActivationKind.EXERCISE}
kind_option = click.option("--kind", required=True, type=click.Choice(list(KINDS)), help="Real, or an exercise.")
reason_option = click.option("--reason", required=True, help="Why; it is kept sealed.")


def register(cli: click.Group) -> None:
    """Add the commands to `plans`, which `cli` has."""
    for command in (status, activate, change):
        plans.add_command(command)


def _row(standing: Any) -> dict[str, Any]:
    a = standing.activation
    return {
        "id": a.id, "kind": a.kind.value, "plan": standing.title, "plan_id": a.plan_id, "level": a.grade.value,
        "state": a.state.value, "lines": standing.lines, "done": standing.done, "late": standing.late,
        "decision_waits": standing.waiting, "started_at": a.started_at, "ended_at": a.ended_at,
    }  # fmt: skip


@click.command()
@click.option("--ended", is_flag=True, help="Those that have ended.")
@format_option
def status(ended: bool, output: str) -> None:
    """Responses that run or wait for their decision."""
    from emergency.plans import activation_queries as queries

    with installation() as runtime, reading(runtime) as session:
        page = queries.list_activations(session, actor=actor(), group="ended" if ended else "open", limit=200)
        found = queries.standings(session, page.items)
    if output == "json":
        print_json([_row(one) for one in found])
        return
    if not found:
        click.echo(_("None."))
        return
    print_table(
        [_(heading) for heading in HEADINGS],
        [
            [one.activation.id, one.activation.kind.label(language()), one.title,
             one.activation.grade.label(language()), one.activation.state.label(language()),
             f"{one.done}/{one.lines}", one.late]
            for one in found
        ],
    )  # fmt: skip


@click.command()
@click.argument("plan", type=int)
@kind_option
@click.option("--level", required=True, type=click.Choice([grade.value for grade in ResponseGrade]), help="I to IV.")
@click.option("--matter", required=True, help="What the response is for.")
@reason_option
def activate(plan: int, kind: str, level: str, matter: str, reason: str) -> None:
    """Propose a response by a plan; a real one is decided by another person."""
    from emergency.plans import acting

    with installation() as runtime, runtime.database.write() as session:
        proposal = acting.Proposal(KINDS[kind], ResponseGrade(level), matter, reason)
        made = acting.propose(session, actor=actor(), plan_id=plan, proposal=proposal)
        said = f"{made.id} {made.state.label(language())}"
    click.echo(said)


@click.command()
@click.argument("response", type=int)
@kind_option
@reason_option
@click.option("--to", default="end", type=click.Choice([*(grade.value for grade in ResponseGrade), "end"]))
def change(response: int, kind: str, reason: str, to: str) -> None:
    """Raise, lower or end a response, or propose it where another person has to decide."""
    from emergency.plans import acting

    with installation() as runtime, runtime.database.write() as session:
        step = acting.change(
            session, actor=actor(), activation_id=response, kind=KINDS[kind], reason=reason,
            to=None if to == "end" else ResponseGrade(to),
        )  # fmt: skip
        said = f"{response} {step.state.label(language())}"
    click.echo(said)
