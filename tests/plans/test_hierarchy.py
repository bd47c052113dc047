"""The tree counts over everything what it shows line by line, and never grows beyond what can be read."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans import hierarchy, rules, service
from emergency.plans.hierarchy import tree
from emergency.plans.models import PlanKind, PlanLevel
from emergency.plans.queries import evaluation_months, facts, today
from kernel.db import Database
from tests.plans.support import DULIU, TAITOU, YIHE, person


@pytest.fixture
def grown(district: Database, make: Any, publish: Any, planner: Actor) -> tuple[Database, int]:
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
    return district, top.id


def test_the_counts_are_those_of_the_rules_and_of_the_lines(grown: tuple[Database, int], planner: Actor) -> None:
    database, top = grown
    with database.read() as session:
        made = tree(session, planner, open_ids=[top])
        months, day = evaluation_months(session), today(session)
        expected = [rules.faults(f, rule_months=months.get(f.kind), today=day) for f in facts(session)]
        assert made.plans == len(expected) == 4
        assert made.faults == sum(len(found) for found in expected) == sum(len(line.faults) for line in made.lines)
        assert made.faulty == sum(1 for found in expected if found)
        assert made.faults >= 4
        assert {line.depth for line in made.lines} == {0, 1} and not made.cut
        flat = tree(session, planner, faulty_only=True)
        assert [line.depth for line in flat.lines] == [0] * made.faulty


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
