"""The demo's warnings are real rows through the services, and none of them leaves by itself."""

from __future__ import annotations

import sqlalchemy as sa

from emergency.http.permissions import Role
from emergency.privacy import journal
from emergency.warnings import exports, seed, service
from emergency.warnings.jobs import JOBS
from emergency.warnings.models import Warning, WarningState
from kernel.clock import ManualClock
from kernel.db import Database
from notify.models import BlockState, Delivery, DeliveryBlock, DeliveryState
from tests.warnings.support import World, add_account


def test_the_demo_has_a_history_and_nothing_to_send(database: Database, world: World, clock: ManualClock) -> None:
    with database.write() as session:
        add_account(session, "duty", 9101, Role.DUTY_OFFICER)
        add_account(session, "approver", 9102, Role.APPROVER)
        session.execute(
            sa.text(
                "INSERT INTO division (code, name, level, parent_code, prefix, kind) "
                "VALUES ('120118111000', '团泊镇', 4, '120118000000', '120118111', '')"
            )
        )
    assert seed.seed(database) == 4
    assert seed.seed(database) == 0
    for job in JOBS:
        job.run(database, clock.now())
    with database.read() as session:
        states = sorted(str(state.value) for state in session.scalars(sa.select(Warning.state)))
        assert states == ["draft", "ended", "ended", "ended", "submitted", "superseded"]
        waiting = session.scalars(
            sa.select(DeliveryBlock.broadcast_id).where(DeliveryBlock.state != BlockState.DONE)
        ).all()
        queued = session.scalars(sa.select(Delivery.id).where(Delivery.state == DeliveryState.QUEUED)).all()
        assert (list(waiting), list(queued)) == ([], [])
        assert journal.verify(session).whole
        over = next(w for w in service.list_warnings(session, actor=world.author, group="ended").items
                    if w.state is WarningState.SUPERSEDED)  # fmt: skip
        shown = exports.show(session, actor=world.author, warning_id=over.id)
        assert shown["reach"]["reached_people"] > 0 and len(shown["steps"]) == 3
    with database.write() as session:
        rows = list(exports.list_rows(session, actor=world.author, group="waiting"))
        assert [row["status"] for row in rows] == ["Exercise"]
        done = exports.cancel(session, actor=world.author, warning_id=rows[0]["id"], reason="演练改期")
        assert done["state"] == "withdrawn"
