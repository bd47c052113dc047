"""The tree counts over everything what it shows line by line, and never grows beyond what can be read."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans import defects, hierarchy, kept, service
from emergency.plans.hierarchy import tree
from emergency.plans.models import Plan, PlanKind, PlanLevel
from emergency.readiness import gathering, plans_today
from emergency.readiness.models import Defect
from kernel.db import Database
from tests.plans.support import DULIU, TAITOU, YIHE, person


@pytest.fixture
def grown(
    district: Database, make: Any, publish: Any, planner: Actor, monkeypatch: pytest.MonkeyPatch
) -> tuple[Database, int]:
    """A district plan with a newer version, townships under the old one, one overdue, one never issued."""
    with district.write() as session:
        top, row = make(session)
        publish(session, row, date(2026, 1, 5))
        for code, issued in ((TAITOU, date(2026, 2, 2)), (DULIU, date(2020, 2, 3)), (YIHE, None)):
            village = code == YIHE
            _plan, row = make(
                session, kind=PlanKind.VILLAGE if village else PlanKind.TOWNSHIP, title=f"{code}预案",
                level=PlanLevel.VILLAGE if village else PlanLevel.TOWNSHIP, division_code=code, parent_id=top.id,
                evaluate_months=36,
            )  # fmt: skip
            if issued:
                publish(session, row, issued)
    with district.write() as session:
        row = service.new_draft(session, actor=planner, plan_id=top.id)
        publish(session, row, date(2026, 11, 2))
    monkeypatch.setattr(kept, "_ledger", plans_today.Ledger())
    monkeypatch.setattr(gathering, "_ROOMS", {"plans": defects.defects})
    monkeypatch.setattr(gathering, "_WIDER", {"plans": defects.widen})
    gathering.gather(district, datetime.now(UTC))
    return district, top.id


def _fresh(session: Session) -> Counter[int]:
    found = defects.defects(session, datetime.now(UTC))
    return Counter(defect.subject_id for defect in found if defect.subject_kind == "plan")


def test_the_tree_the_lines_and_the_page_of_faults_count_the_same_rows(
    grown: tuple[Database, int], planner: Actor
) -> None:
    database, top = grown
    with database.read() as session:
        made = tree(session, planner, open_ids=[top])
        fresh = _fresh(session)
        assert made.plans == 4 and made.faults >= 4
        assert made.faults == sum(fresh.values()) == sum(len(line.faults) for line in made.lines)
        assert made.faulty == len(fresh) == plans_today.faulty_plans(session, planner)
        assert {line.facts.plan_id: len(line.faults) for line in made.lines if line.faults} == fresh
        rows = {item.defect.subject_id for item in plans_today.wrong(session, planner, limit=200).items}
        assert set(fresh) <= rows
        assert {line.depth for line in made.lines} == {0, 1} and not made.cut
        flat = tree(session, planner, faulty_only=True)
        assert [line.depth for line in flat.lines] == [0] * made.faulty


def test_what_was_put_aside_is_counted_nowhere(grown: tuple[Database, int], planner: Actor) -> None:
    database, _top = grown
    with database.write() as session:
        one = session.scalars(sa.select(Defect).where(Defect.subject_kind == "plan").order_by(Defect.id)).first()
        assert one is not None
        before = tree(session, planner).faults
        one.muted_until, one.muted_reason, one.muted_by = datetime.now(UTC) + timedelta(days=3), "汛后办理", "account:1"
        session.flush()
        assert tree(session, planner).faults == before - 1
        one.closed_at = datetime.now(UTC)
        session.flush()
        assert tree(session, planner).faults == before - 1


def test_a_township_below_an_area_does_not_count_its_neighbour(grown: tuple[Database, int]) -> None:
    database, _top = grown
    with database.read() as session:
        here = tree(session, person(Role.PLANNER, division=TAITOU))
        fresh = _fresh(session)
        own = set(session.scalars(sa.select(Plan.id).where(Plan.division_code.startswith(TAITOU[:9]))))
    assert here.faults == sum(n for plan_id, n in fresh.items() if plan_id in own)


def test_a_township_counts_only_its_own(grown: tuple[Database, int]) -> None:
    database, _top = grown
    with database.read() as session:
        made = tree(session, person(Role.PLANNER, division=TAITOU))
    assert made.plans == 2 and {line.facts.division_code for line in made.lines} >= {TAITOU}
    assert not [line for line in made.lines if line.facts.division_code == DULIU]


def test_what_is_too_long_to_read_is_cut_and_says_so(
    grown: tuple[Database, int], planner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, top = grown
    monkeypatch.setattr(hierarchy, "MOST_LINES", 2)
    with database.read() as session:
        made = tree(session, planner, open_ids=[top])
    assert len(made.lines) == 2 and made.cut and made.plans == 4
