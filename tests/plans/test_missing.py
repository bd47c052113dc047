"""Which plans are missing is counted by the database; cell by cell it must be what the picture shows."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.plans.dynamic_models import PlanExposure, Reach
from emergency.plans.exposures import Exposures, places
from emergency.plans.matrix import CellState, Held, matrix, missing
from emergency.plans.models import Hazard, Plan, PlanHazard, PlanKind, PlanLevel, PlanState, PlanVersion, VersionState
from kernel.db import Database
from kernel.ids import new_id
from tests.plans.support import DISTRICT, DULIU, NANBATAI, TAITOU, YIHE, YOUHAO

PLACES = (DISTRICT, TAITOU, DULIU, YIHE, NANBATAI, YOUHAO)
HAZARDS = (Hazard.ALL, Hazard.FLOOD, Hazard.FIRE)
LEVELS = {3: PlanLevel.DISTRICT, 4: PlanLevel.TOWNSHIP, 5: PlanLevel.VILLAGE}


def _level(code: str) -> int:
    return 3 if code == DISTRICT else 4 if code.endswith("000") else 5


def _plan(session: Session, code: str, hazard: Hazard, kind: PlanKind, state: PlanState, issued: bool) -> None:
    plan = Plan(
        id=new_id(), kind=kind, level=LEVELS[_level(code)], title=f"{code}{hazard.zh}预案", division_code=code,
        issuer="示例机构", state=state, public=True, created_by="account:1", version=1, created_at=datetime.now(UTC),
    )  # fmt: skip
    session.add(plan)
    session.flush()
    session.add(PlanHazard(plan_id=plan.id, hazard=hazard))
    if issued:
        moment = datetime.now(UTC)
        session.add(PlanVersion(
            id=new_id(), plan_id=plan.id, number=1, state=VersionState.ISSUED, author="account:1", created_at=moment,
            edited_at=moment, explanation="", version=1, approved_by="account:2", approved_at=moment, issued_at=moment,
            issued_on=date(2026, 1, 5),
        ))  # fmt: skip
    session.flush()


class _Undone(Exception):
    """Ends an example without keeping what it wrote."""


PLANS = st.lists(
    st.tuples(
        st.sampled_from(PLACES), st.sampled_from(HAZARDS),
        st.sampled_from([PlanKind.SPECIAL, PlanKind.VILLAGE, PlanKind.WORKBOOK]),
        st.sampled_from([PlanState.DRAFTING, PlanState.IN_FORCE, PlanState.UNDER_REVISION, PlanState.REPEALED]),
        st.booleans(),
    ),
    max_size=8,
)  # fmt: skip
EXPOSURES = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from(HAZARDS), st.sampled_from(Reach), st.booleans()),
    max_size=6, unique_by=lambda given: given[:3],
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans=PLANS, exposures=EXPOSURES)
def test_what_the_database_counts_is_what_the_cells_show(
    district: Database, planner: Actor, plans: list[Any], exposures: list[Any]
) -> None:
    with contextlib.suppress(_Undone), district.write() as session:
        moment = datetime.now(UTC)
        for code, hazard, reach, exposed in exposures:
            session.add(PlanExposure(
                id=new_id(), division_code=code, hazard=hazard, reach=reach, exposed=exposed, source="巡查记录",
                noted_by="account:1", noted_at=moment,
            ))  # fmt: skip
        session.flush()
        for given_plan in plans:
            _plan(session, *given_plan)
        known, held = Exposures(session), Held(session)
        expected = {
            (code, hazard)
            for code, _name in places(session, None, known)
            for hazard in Hazard
            if held.cell(code, hazard, known.of(code, hazard)).state is CellState.MISSING
        }
        assert {(code, hazard) for code, hazard, *_rest in missing(session, None)} == expected
        shown = matrix(session, planner, opened=TAITOU)
        below = Counter(f"{code[:9]}000" for code, _hazard in expected if _level(code) == 5)
        assert {row.code: row.village_gaps for row in shown.rows if row.village_gaps} == below
        raise _Undone
