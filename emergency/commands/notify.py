"""notify test | status | drain."""

from __future__ import annotations

import click

from emergency.commands.common import _, actor, format_option, installation, moment, print_json, print_table, reading

DRAIN_MINUTES = 10


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(notify)


@click.group()
def notify() -> None:
    """The delivery engine."""


@notify.command()
@click.option("--channel", default="sms", show_default=True)
@click.option(
    "--to", "post_id", type=int, required=True, help="Number of the post whose holder receives the link test."
)
@format_option
def test(channel: str, post_id: int, output: str) -> None:
    """Send a link test (kind Test) to the holder of one post."""
    from emergency import delivery

    with installation() as runtime, runtime.database.write() as session:
        broadcast = delivery.link_test(session, actor=actor(), post_id=post_id, channel=channel)
        found = {"broadcast": broadcast.id, "messages": broadcast.messages}
    if output == "json":
        print_json(found)
    else:
        click.echo(_("Link test %(id)s is queued: %(n)s number.", id=found["broadcast"], n=found["messages"]))


@notify.command()
@format_option
def status(output: str) -> None:
    """Lanes, rates, the oldest waiting, errors, what is unknown."""
    from notify import service

    with installation() as runtime, reading(runtime) as session:
        found = service.status(session)
    facts = {
        "engines": found.alive,
        "waiting": found.waiting,
        "unknown": found.unknown,
        "silent": found.silent,
        "last_handed_over_at": found.last_handed_over_at,
        "draining_until": found.draining_until,
        "lanes": [
            {"priority": lane.priority, "blocks": lane.blocks, "messages": lane.messages, "oldest_due": lane.oldest_due}
            for lane in found.lanes
        ],
    }
    if output == "json":
        print_json(facts)
        return
    click.echo(_("Engines at work: %(n)s", n=found.alive))
    click.echo(_("Messages waiting: %(n)s; result not known: %(unknown)s", n=found.waiting, unknown=found.unknown))
    if found.last_handed_over_at is not None:
        click.echo(_("Last handed over: %(at)s", at=moment(found.last_handed_over_at)))
    if found.draining_until is not None:
        click.echo(_("Nothing new is taken until %(at)s.", at=moment(found.draining_until)))
    if found.silent:
        click.echo(_("Messages wait and nothing leaves. Look at “emergency doctor”."), err=True)
    if found.lanes:
        headings = [_("Priority"), _("Messages"), _("Waiting since")]
        print_table(headings, [[lane.priority, lane.messages, moment(lane.oldest_due)] for lane in found.lanes])


@notify.command()
@click.option("--resume", is_flag=True, help="Let them take new messages again at once.")
def drain(resume: bool) -> None:
    """Ask every engine to finish what it holds and take nothing new for ten minutes."""
    from notify import service

    with installation() as runtime:
        service.drain(runtime.database, minutes=0 if resume else DRAIN_MINUTES)
    if resume:
        click.echo(_("Engines take new messages again."))
    else:
        click.echo(_("Engines take nothing new for %(n)s minutes; what they hold is being finished.", n=DRAIN_MINUTES))
