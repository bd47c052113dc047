"""drills propose: a year's calendar from a terminal."""

from __future__ import annotations

import time
from typing import Any

import click

from emergency.commands.common import _, actor, format_option, installation, language, print_json, print_table
from kernel.errors import N_


def register(group: click.Group) -> None:
    """Add the command to `drills`."""
    group.add_command(propose)


@click.command()
@click.argument("year", type=int)
@click.option(
    "--division", default=None, help="12-digit code of a district, township or village; the district if left out."
)
@click.option("--accept-all", is_flag=True, help="Accept every proposed date at once.")
@format_option
def propose(year: int, division: str | None, accept_all: bool, output: str) -> None:
    """Propose a year's calendar of drills from the adopted rules, and compute it here.

    An open calendar of the same year and area is computed again; what was decided stays.
    """
    from emergency.drills import proposing_deciding, proposing_jobs, proposing_queries

    with installation() as runtime:
        database, who, started = runtime.database, actor(), time.monotonic()
        proposal_id = _asked(database, year, division)
        _until_done(database, proposal_id)
        if accept_all:
            with database.write() as session:
                proposing_deciding.ask_all(session, actor=who, proposal_id=proposal_id, division_code=None)
            proposing_jobs.accept_asked(database, time.monotonic() + 3600)
        with database.read() as session:
            seen = proposing_queries.overview(session, actor=who, proposal_id=proposal_id)
    facts: dict[str, Any] = {
        "id": proposal_id, "year": year, "division": seen.proposal.division_code, "owners": seen.owners,
        "windows": seen.windows, "met": seen.met, "served": seen.served, "open": seen.open_windows,
        "dates": {state.value: n for state, n in seen.states.items() if n},
        "gaps": {code.value: n for code, n in seen.gaps.items() if n}, "peak_a_day": seen.peak,
        "even_a_day": round(seen.ideal, 2), "provisional": seen.proposal.provisional,
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    if output == "json":
        print_json(facts)
        return
    rows = [
        (N_("Number"), str(proposal_id)), (N_("Units and divisions"), seen.owners),
        (N_("Windows of the rules"), seen.windows), (N_("Met by drills already planned"), seen.met),
        (N_("Served by proposed dates"), seen.served), (N_("Left open"), seen.open_windows),
        *((state.label(language()), n) for state, n in seen.states.items() if n),
        *((code.label(language()), n) for code, n in seen.gaps.items() if n),
        (N_("Fullest day"), seen.peak), (N_("Even spread a working day"), facts["even_a_day"]),
        (N_("Seconds"), facts["seconds"]),
    ]  # fmt: skip
    print_table([_("Figure"), _("Value")], [[_(name), value] for name, value in rows])
    if seen.proposal.provisional:
        click.echo(_("Some holidays or terms of the year have not been announced: dates are provisional."))


def _asked(database: Any, year: int, division: str | None) -> int:
    """A new calendar, or the open one of this year and area, computed again."""
    import sqlalchemy as sa

    from emergency.divisions.models import Division
    from emergency.drills import proposing
    from emergency.drills.proposal_models import ProposalState, YearProposal

    with database.write() as session:
        code = division or session.scalar(
            sa.select(Division.code).where(Division.level == 3).order_by(Division.code).limit(1)
        )
        open_one = session.scalar(
            sa.select(YearProposal).where(
                YearProposal.year == year, YearProposal.division_code == code,
                YearProposal.state != ProposalState.CLOSED,
            )
        )  # fmt: skip
        if open_one is None:
            return int(proposing.create(session, actor=actor(), year=year, division_code=code or "").id)
        if open_one.state is ProposalState.READY:
            proposing.compute_again(session, actor=actor(), proposal_id=open_one.id)
        return int(open_one.id)


def _until_done(database: Any, proposal_id: int) -> None:
    """Compute until it is ready, whoever else computes with us."""
    from emergency.drills.proposal_models import ProposalState, YearProposal
    from emergency.drills.proposing_computing import compute

    while True:
        compute(database, proposal_id, 60)
        with database.read() as session:
            if session.get_one(YearProposal, proposal_id).state is not ProposalState.COMPUTING:
                return
        time.sleep(0.2)
