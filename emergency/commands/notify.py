"""notify test | status | settle | drain."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from emergency.engineroom.wording import Alert
    from notify.channels.base import Channel
    from notify.watch import Progress, Status

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
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def status(output: str, as_json: bool) -> None:
    """Lanes, rates, the oldest waiting, errors, what is unknown. Ends with 1 while something waits and nothing leaves."""
    from emergency.engineroom import wording
    from notify import watch

    with installation() as runtime, reading(runtime) as session:
        found = watch.status(session, runtime.config.engine.expected)
        running, more = watch.under_way(session)
    alert = wording.alert(found.alarm, found.at, _, moment) if found.alarm is not None else None
    if output == "json" or as_json:
        print_json(_facts(found, alert, running, more))
    else:
        _show(found, alert, running, more)
    if alert is not None:
        sys.exit(1)


def _facts(found: Status, alert: Alert | None, running: list[Progress], more: int) -> dict[str, Any]:
    from emergency.engineroom import wording

    return {
        "at": found.at,
        "engines": found.alive,
        "expected": found.expected,
        "waiting": found.waiting,
        "per_second": found.per_second,
        "unknown": found.unknown,
        "unknown_since": found.unknown_since,
        "by_hand": found.by_hand,
        "by_hand_since": found.by_hand_since,
        "silent": found.silent,
        "alarm": None if alert is None or found.alarm is None else {
            "cause": found.alarm.cause.value, "kind": found.alarm.kind.value, "since": found.alarm.since,
            "waiting": found.alarm.waiting, "until": found.alarm.until, "error": found.alarm.error,
            "headline": alert.headline, "why": alert.why, "todo": alert.todo,
        },
        "last_handed_over_at": found.last_handed_over_at,
        "draining_until": found.draining_until,
        "lanes": [
            {"priority": lane.priority, "blocks": lane.blocks, "messages": lane.messages,
             "oldest_due": lane.oldest_due, "later": lane.later, "seconds_left": lane.seconds_left}
            for lane in found.lanes
        ],
        "engine": [
            {"holder": beat.holder, "alive": found.lives(beat), "heard_at": beat.beat_at,
             "handed_over": beat.handed_over, "per_second": beat.per_second, "in_flight": beat.in_flight}
            for beat in found.engines
        ],
        "accounts": [
            {"account": road.name, "engine": road.holder, "kinds": road.kinds.split(","), "rate": road.rate,
             "breaker": road.breaker.value, "share": road.share, "taken": road.taken, "troubles": road.troubles,
             "breaks": road.breaks, "configured_rate": road.configured_rate, "paused_until": road.paused_until,
             "last_error": road.last_error, "meaning": wording.meaning(road.last_error, _) or None,
             "last_error_at": road.last_error_at}
            for road in found.channels
        ],
        "broadcasts": [
            {"broadcast": one.record.id, "kind": one.record.kind.value, "messages": one.record.messages,
             "done": one.done, "failed": one.failed, "unknown": one.unknown}
            for one in running
        ],
        "broadcasts_more": more,
        "receipts": {
            "waiting": found.receipts.waiting, "oldest": found.receipts.oldest, "refused": found.receipts.refused,
            "unplaced": found.receipts.unplaced,
        },
    }  # fmt: skip


def _show(found: Status, alert: Alert | None, running: list[Progress], more: int) -> None:
    from emergency.engineroom import wording

    click.echo(_("Engines at work: %(n)s", n=found.alive))
    if found.missing:
        click.echo(wording.missing(found, _), err=True)
    click.echo(_("Messages waiting: %(n)s; result not known: %(unknown)s", n=found.waiting, unknown=found.unknown))
    if found.by_hand:
        click.echo(_("To be settled by hand: %(n)s (“emergency notify settle”)", n=found.by_hand))
    if found.receipts.waiting:
        click.echo(_("Receipts to be folded in: %(n)s", n=found.receipts.waiting))
    if found.last_handed_over_at is not None:
        click.echo(_("Last handed over: %(at)s", at=moment(found.last_handed_over_at)))
    if found.draining_until is not None:
        click.echo(_("Nothing new is taken until %(at)s.", at=moment(found.draining_until)))
    if found.lanes:
        click.echo()
        headings = [_("Priority"), _("Messages"), _("Waiting since"), _("Seconds left, about")]
        print_table(headings, [
            [lane.priority, lane.messages, moment(lane.oldest_due),
             "" if lane.seconds_left is None else round(lane.seconds_left)]
            for lane in found.lanes
        ])  # fmt: skip
    if found.engines:
        click.echo()
        print_table(
            [_("Engine"), _("Lives"), _("Heard"), _("Taken by a provider"), _("a second"), _("Under way")],
            [
                [beat.holder, _("yes") if found.lives(beat) else _("no"), moment(beat.beat_at), beat.handed_over,
                 beat.per_second if found.lives(beat) else 0, beat.in_flight if found.lives(beat) else 0]
                for beat in found.engines
            ],
        )  # fmt: skip
    if found.channels:
        click.echo()
        print_table(
            [_("Account"), _("Rate"), _("Breaker"), _("Paused until"), _("Last error")],
            [
                [road.name, f"{road.rate:.0f}/{road.configured_rate:.0f}", road.breaker.label(language()),
                 moment(road.paused_until) if road.paused_until and road.paused_until > found.at else "",
                 wording.meaning(road.last_error, _)]
                for road in found.channels
            ],
        )  # fmt: skip
    if running:
        click.echo()
        print_table(
            [_("Broadcast"), _("Done"), _("Messages"), _("Failed"), _("Outcome unknown")],
            [[one.record.id, one.done, one.record.messages, one.failed, one.unknown] for one in running],
        )
        if more:
            click.echo(_("and %(n)s more", n=more))
    if alert is not None:
        click.echo()
        for line in (alert.headline, alert.why, _("What to do:") + " " + alert.todo):
            click.echo(line, err=True)


@notify.command()
@click.argument("message", type=int, required=False)
@click.option("--broadcast", "broadcast_id", type=int, help="Settle everything of this broadcast that waits.")
@click.option("--count", type=int, help="With --broadcast: how many wait; another number changes nothing.")
@click.option("--as", "outcome", type=click.Choice(["handed-over", "failed"]), help="What became of it.")
@click.option("--reason", default="", help="How you know; kept with the message.")
@format_option
def settle(
    message: int | None, broadcast_id: int | None, count: int | None, outcome: str | None, reason: str, output: str
) -> None:
    """Settle by hand what no machine can find out. Without a message or broadcast: list what waits."""
    from emergency.engineroom import service
    from notify.models import DeliveryState

    if message is None and (broadcast_id is None or outcome is None):
        _list_unknown(broadcast_id, output)
        return
    if outcome is None:
        raise click.UsageError(_("Say --as handed-over or --as failed."))
    state = DeliveryState.SUBMITTED if outcome == "handed-over" else DeliveryState.FAILED
    with installation() as runtime, runtime.database.write() as session:
        if message is not None:
            service.settle(session, actor=actor(), delivery_id=message, state=state, reason=reason)
            done = 1
        else:
            assert broadcast_id is not None  # noqa: S101 - listed otherwise
            if count is None:
                raise click.UsageError(_("Say with --count how many wait; “emergency notify settle” lists them."))
            done = service.settle_broadcast(
                session, actor=actor(), broadcast_id=broadcast_id, state=state, reason=reason, expected=count
            )
    if output == "json":
        print_json({"settled": done})
    else:
        click.echo(_("%(n)s messages settled.", n=done))


def _list_unknown(broadcast_id: int | None, output: str) -> None:
    from emergency.engineroom import service

    with installation() as runtime, reading(runtime) as session:
        groups = service.waiting_by_broadcast(session, actor=actor())
        page = service.by_hand(session, actor=actor(), broadcast_id=broadcast_id)
        rows: list[dict[str, Any]] = [
            {"message": item.id, "broadcast": item.broadcast.id, "phone": item.phone, "place": item.division_name,
             "since": item.since, "tried": item.attempt}
            for item in page.items
        ]  # fmt: skip
        counts = [{"broadcast": record.id, "count": n} for record, n in groups]
    if output == "json":
        print_json({"messages": rows, "broadcasts": counts, "more": page.next_cursor is not None})
        return
    if not rows:
        click.echo(_("Nothing has to be settled by hand."))
        return
    print_table(
        [_("Message"), _("Broadcast"), _("Phone number"), _("Town or village"), _("Unknown since"), _("Tried")],
        [[row["message"], row["broadcast"], row["phone"], row["place"], moment(row["since"]), row["tried"]]
         for row in rows],
    )  # fmt: skip
    click.echo()
    print_table([_("Broadcast"), _("Messages")], [[row["broadcast"], row["count"]] for row in counts])


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


@notify.command()
@format_option
def channels(output: str) -> None:
    """Every road that messages can take here: what it carries, what it can do, what a part costs."""
    from emergency import delivery

    with installation() as runtime:
        roads = delivery.channels(runtime.config, runtime.vault)
    rows = [_road(road) for road in roads]
    if output == "json":
        print_json(rows)
        return
    headings = [_("Channel"), _("Account"), _("Carries"), _("A second"), _("It can"), _("Price of a part")]
    can = {
        "two_way": _("be answered"), "links": _("carry links"), "receipts": _("report back"),
        "lists": _("be looked up"), "voice": _("speak"),
    }  # fmt: skip
    table = [
        [
            row["channel"], row["account"], ", ".join(row["kinds"]), f"{row['rate']:g}",
            ", ".join(words for name, words in can.items() if row[name]), row["price"] or _("not known"),
        ]
        for row in rows
    ]  # fmt: skip
    print_table(headings, table)


def _road(road: Channel) -> dict[str, Any]:
    able = road.abilities
    return {
        "channel": road.name,
        "account": road.account,
        "kinds": sorted(kind.label(language()) for kind in road.kinds),
        "rate": road.rate,
        "two_way": able.two_way,
        "links": able.links,
        "receipts": able.receipts,
        "lists": able.lists,
        "expires": able.expires,
        "voice": able.voice,
        "price": f"{able.cost.per_part} {able.cost.currency}" if able.cost else None,
    }
