"""The command line: parses, calls a room, prints. Exit codes: 0 done, 1 refused or failed, 2 wrong usage."""

from __future__ import annotations

import logging
import os
import sys

import click
import sqlalchemy as sa

from emergency.commands import (
    accounts,
    demo,
    drills,
    journal,
    keys,
    notify,
    plans,
    plans_acting,
    plans_public,
    replies,
    sheets,
    texts,
    upkeep,
    warnings,
    words,
)
from emergency.commands import serve as serving
from emergency.commands.common import explain
from kernel.errors import N_, DomainError

log = logging.getLogger(__name__)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """静海区应急准备系统 / District emergency preparedness."""


for module in (
    replies,
    serving,
    upkeep,
    demo,
    sheets,
    accounts,
    warnings,
    drills,
    plans,
    plans_public,
    plans_acting,
    notify,
    texts,
    journal,
    keys,
):
    module.register(cli)


class Fault(DomainError):
    """What went wrong beneath the program's own rules, as one sentence."""

    code = "fault"


def fault(error: Exception) -> Fault | None:
    """The sentence for what the disk or the database refused; None for what nobody foresaw."""
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        return Fault(N_("The database does not answer: %(why)s"), why=_first_line(error))
    if isinstance(error, sa.exc.DatabaseError):
        return Fault(N_("The database refused: %(why)s. Nothing of this step was kept."), why=_first_line(error))
    if isinstance(error, OSError) and error.strerror:
        return Fault(
            N_("%(path)s cannot be used: %(why)s. Nothing more was done."),
            path=str(error.filename or "–"),
            why=error.strerror,
        )
    return None


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def main() -> None:
    """Run a command; whatever goes wrong is one sentence on stderr."""
    os.umask(0o077)  # what a command writes holds the district's records: its owner's business alone
    words.translate(cli)
    try:
        code = cli.main(standalone_mode=False)
    except click.Abort:
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except DomainError as error:
        click.echo(explain(error), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        known = fault(error)
        if known is None:
            log.exception("unforeseen")
            known = Fault(N_("An unforeseen fault. Nothing of this step was kept; the lines above say what happened."))
        click.echo(explain(known), err=True)
        sys.exit(1)
    # without standalone mode click hands an exit code back instead of leaving with it
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
