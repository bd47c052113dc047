"""plans search | publish | withdraw, and db reindex."""

from __future__ import annotations

import click

from emergency.commands.common import Progress, _, actor, format_option, installation, print_json, print_table, reading
from emergency.commands.plans import plans
from emergency.commands.upkeep import db


def register(cli: click.Group) -> None:
    """Add the commands to `plans` and `db`, which `cli` has."""
    plans.add_command(search)
    plans.add_command(publish)
    plans.add_command(withdraw)
    db.add_command(reindex)


@click.command()
@click.argument("words")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="At most so many sections.")
@format_option
def search(words: str, limit: int, output: str) -> None:
    """Search the texts in force; several words must all be there, quotes keep words together."""
    from emergency.plans import finding

    with installation() as runtime, reading(runtime) as session:
        found = finding.find(session, actor=actor(), query=words, limit=limit)
    rows = [
        {
            "plan_id": hit.plan_id, "version_id": hit.version_id, "plan": hit.title, "version": hit.number,
            "section": "".join(part.text for part in hit.heading),
            "passage": "".join(part.text for part in hit.passage).replace("\n", " "), "url": hit.url,
        }
        for hit in found.hits
    ]  # fmt: skip
    if output == "json":
        print_json({"items": rows, "more": found.more})
        return
    if rows:
        print_table(
            [_("Plan"), _("Section"), _("Passage")], [[row["plan"], row["section"], row["passage"]] for row in rows]
        )
    else:
        click.echo(_("None."))
    if found.more:
        click.echo(_("There is more; add a word or raise --limit."), err=True)


@click.command()
@click.argument("plan_id", type=int)
@click.option("--yes", is_flag=True, help="Publish without showing the text first.")
def publish(plan_id: int, yes: bool) -> None:
    """Publish a plan's text in force; its pictures stay closed (choose them on the page)."""
    from emergency.plans import publication
    from emergency.plans.queries import get_plan, in_force

    with installation() as runtime:
        with reading(runtime) as session:
            plan = get_plan(session, actor=actor(), plan_id=plan_id)
            version = in_force(session, plan.id)
            number = version.number if version else 0
            if version and not yes:
                text = publication.public_text(session, plan, version, files=[], image_url=str)
                click.echo(text.title)
                for section in text.sections:
                    click.echo(f"{section.number} {section.heading}\n{section.body.striptags()}")
        if not yes:
            click.confirm(_("Everybody will read version %(n)s. Publish it?", n=number), abort=True)
        with runtime.database.write() as session:
            publication.publish(
                session, actor=actor(), plan_id=plan_id, version_id=version.id if version else 0
            )  # fmt: skip
    click.echo(_("Published: /public/plans/%(id)s", id=plan_id))


@click.command()
@click.argument("plan_id", type=int)
@click.option("--reason", required=True, help="Why the public may not read it any more.")
def withdraw(plan_id: int, reason: str) -> None:
    """Take a plan off the public page."""
    from emergency.plans import publication

    with installation() as runtime, runtime.database.write() as session:
        publication.withdraw(session, actor=actor(), plan_id=plan_id, reason=reason)
    click.echo(_("Withdrawn. The public page does not show it any more."))


@click.command()
def reindex() -> None:
    """Write the search index of the plans in force anew; the system may go on meanwhile."""
    from emergency.plans import indexing

    with installation() as runtime:
        progress = Progress(_("Texts in the index"))
        count = indexing.rebuild(runtime.database, report=progress)
        progress.finish()
    click.echo(_("%(n)s texts in force can be found.", n=count))
