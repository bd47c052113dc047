"""A drill's day by command: started with its time pressed, paused, gone on, ended."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from emergency.commands.common import installation
from emergency.drills import service
from emergency.drills.models import DrillKind, Form, Occurrence
from emergency.http.actor import Actor
from kernel.clock import BEIJING
from kernel.db import now
from scheduler.recurrence import Recurrence
from tests.roof.conftest import Run


def planned(form: Form) -> int:
    """A drill of the township within the hour."""
    with installation() as runtime, runtime.database.write() as session:
        at = (now(session) + timedelta(minutes=30)).astimezone(BEIJING)
        programme = service.create_programme(
            session, actor=Actor.command_line(),
            facts=service.NewProgramme(
                "台头镇桌面推演", DrillKind.FLOOD, form, "120118104000", Recurrence.listed([at.date()]),
                at.time().replace(second=0, microsecond=0),
            ),
        )  # fmt: skip
        return session.scalars(sa.select(Occurrence.id).where(Occurrence.programme_id == programme.id)).one()


def test_a_tabletop_drill_runs_with_its_time_pressed(site: Path, run: Run) -> None:
    number = str(planned(Form.TABLETOP))
    begun = json.loads(run("drills", "run", number, "--factor", "60", "--format", "json").out)
    assert (begun["state"], begun["factor"], begun["held"]) == ("running", 60, [])
    assert run("drills", "run", number).code == 1, "it runs already"
    assert json.loads(run("drills", "run", number, "--pause", "--format", "json").out)["state"] == "paused"
    shown = run("drills", "run", number, "--resume", "--factor", "5")
    assert shown.code == 0 and "5" in shown.out
    ended = json.loads(run("drills", "run", number, "--end", "--format", "json").out)
    assert ended["state"] == "ended" and ended["ended_at"]


@pytest.mark.parametrize(("factor", "code"), [("10", 1), ("0", 2), ("121", 2)])
def test_people_move_at_their_own_pace(site: Path, run: Run, factor: str, code: int) -> None:
    number = str(planned(Form.FIELD))
    assert run("drills", "run", number, "--factor", factor).code == code
    assert run("drills", "run", "4711").code == 1
