"""drills feed create | list | renew | revoke."""

from __future__ import annotations

import click

from emergency.commands.common import _, actor, format_option, installation, language, print_json, print_table
from kernel.errors import N_

HEADINGS = {
    "id": N_("Number"), "name": N_("Name"), "division_code": N_("Area"), "kinds": N_("Kind of drill"),
    "made_at": N_("Created"), "last_used_on": N_("Last used"),
}  # fmt: skip


def register(group: click.Group) -> None:
    """Add the commands."""
    group.add_command(feed)


@click.group()
def feed() -> None:
    """Calendar feeds of drills that belong to the installation and not to a person."""


@feed.command()
@click.option("--division", required=True, help="12-digit code of a district, township or village.")
@click.option("--kind", "kinds", multiple=True, help="One kind of drill only; may be said several times.")
@click.option("--name", default="", help="The calendar's name; the division's where none is given.")
def create(division: str, kinds: tuple[str, ...], name: str) -> None:
    """Make a feed and print its address once, as the last word on stdout."""
    from emergency.drills import feeds
    from emergency.drills.feed_models import FeedOf
    from emergency.drills.models import DrillKind

    known = {kind.value: kind for kind in DrillKind}
    if wrong := [word for word in kinds if word not in known]:
        raise click.BadParameter(
            _("There is no kind %(kind)s; there are: %(known)s.", kind=wrong[0], known=", ".join(known)),
            param_hint="--kind",
        )
    with installation() as runtime:
        with runtime.database.write() as session:
            _made, raw = feeds.create(
                session, actor=actor(), source=FeedOf.DIVISION, division_code=division, name=name,
                kinds=[known[word] for word in kinds],
            )  # fmt: skip
        click.echo(feeds.address(runtime.config, raw))


@feed.command("list")
@format_option
def listed(output: str) -> None:
    """The installation's own feeds that work. Their addresses are not kept."""
    from emergency.drills import feeds
    from emergency.drills.models import DrillKind

    with installation() as runtime, runtime.database.read() as session:
        rows = [{name: getattr(row, name) for name in HEADINGS} for row in feeds.own(session, actor=actor())]
    if output == "json":
        print_json(rows)
        return
    if not rows:
        click.echo(_("None."))
        return
    for row in rows:
        row["kinds"] = ", ".join(DrillKind(word).label(language()) for word in row["kinds"])
        row["made_at"] = f"{row['made_at']:%Y-%m-%d}"
        row["last_used_on"] = row["last_used_on"] or _("never")
    print_table([_(words) for words in HEADINGS.values()], [list(row.values()) for row in rows])


@feed.command()
@click.argument("feed_id", type=int)
def renew(feed_id: int) -> None:
    """Give a feed a new address and print it; the old one opens nothing from now on."""
    from emergency.drills import feeds

    with installation() as runtime:
        with runtime.database.write() as session:
            _renewed, raw = feeds.renew(session, actor=actor(), feed_id=feed_id)
        click.echo(feeds.address(runtime.config, raw))


@feed.command()
@click.argument("feed_id", type=int)
def revoke(feed_id: int) -> None:
    """Withdraw a feed, anybody's."""
    from emergency.drills import feeds

    with installation() as runtime:
        with runtime.database.write() as session:
            gone = feeds.revoke(session, actor=actor(), feed_id=feed_id)
        click.echo(_("Withdrawn: %(name)s. Its address opens nothing any more.", name=gone.name))
