"""users create, tokens create."""

from __future__ import annotations

import sys

import click

from emergency.commands.common import _, actor, installation
from emergency.http.permissions import Role


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(users)
    cli.add_command(tokens)


@click.group()
def users() -> None:
    """Accounts."""


@users.command()
@click.argument("name")
@click.option("--role", "roles", type=click.Choice([role.value for role in Role]), multiple=True, required=True)
@click.option("--division", required=True, help="12-digit code of the scope.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--link", is_flag=True, help="Print a one-time sign-in link instead of setting a password.")
def create(name: str, roles: tuple[str, ...], division: str, password_stdin: bool, link: bool) -> None:
    """Create an account; its password comes from standard input, or it enters by a one-time link."""
    from emergency.people.accounts import service

    if password_stdin == link:
        raise click.UsageError(_("Say either --password-stdin or --link."))
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with installation() as runtime:
        hashed = service.hash_password(password, username=name, config=runtime.config) if password is not None else None
        with runtime.database.write() as session:
            account = service.create_user(
                session,
                actor=actor(),
                username=name,
                roles=[Role(role) for role in roles],
                division_code=division,
                password_hash=hashed,
            )
            url = service.make_link(session, actor=actor(), account=account) if link else None
        if url is not None:
            click.echo(url)
        else:
            click.echo(_("Account %(name)s was created.", name=name))


@users.command()
@click.argument("name")
def link(name: str) -> None:
    """Print a one-time sign-in link for an existing account; links that it still had are worth nothing any more."""
    from emergency.people.accounts import service

    with installation() as runtime:
        with runtime.database.write() as session:
            url = service.make_link(session, actor=actor(), account=service.by_username(session, name))
        click.echo(url)


@click.group()
def tokens() -> None:
    """API tokens."""


@tokens.command("create")
@click.argument("user")
@click.option("--name", required=True, help="What the token is for.")
def create_token(user: str, name: str) -> None:
    """Create an API token and print it once, as the last word on stdout."""
    from emergency.people.accounts import service

    with installation() as runtime, runtime.database.write() as session:
        account = service.by_username(session, user)
        raw = service.create_token(session, actor=actor(), account=account, name=name)
    click.echo(_("Keep this token; it is not shown again:"), err=True)
    click.echo(raw)
