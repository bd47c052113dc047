"""A district with its rules and working days, a planner and an approver."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans import lawbook, service
from emergency.plans.drafting import Draft, SectionText
from emergency.plans.models import Hazard, Part, Plan, PlanKind, PlanLevel, PlanVersion
from kernel.db import Database
from scheduler.workdays import import_known
from tests.plans.acting_support import officer, ready  # noqa: F401 - fixtures of the tests about acting
from tests.plans.support import DISTRICT, person, places

FULL = tuple(SectionText(part.zh, "正文。", part=part) for part in Part)


@pytest.fixture
def district(database: Database) -> Database:
    with database.write() as session:
        places(session)
        lawbook.load(session)
        import_known(session)
    return database


@pytest.fixture
def planner() -> Actor:
    return person(Role.PLANNER, id=1)


@pytest.fixture
def approver() -> Actor:
    return person(Role.APPROVER, id=2)


@pytest.fixture
def make(planner: Actor) -> Callable[..., tuple[Plan, PlanVersion]]:
    """A plan with a draft that has every part that art. 28 asks for."""

    def create(session: Session, **changes: Any) -> tuple[Plan, PlanVersion]:
        given: dict[str, Any] = {
            "kind": PlanKind.SPECIAL, "level": PlanLevel.DISTRICT, "title": "静海区防汛预案", "division_code": DISTRICT,
            "issuer": "静海区人民政府", "hazards": (Hazard.FLOOD,),
        } | changes  # fmt: skip
        plan = service.create(session, actor=planner, facts=service.NewPlan(**given))
        row = service.versions(session, actor=planner, plan_id=plan.id)[0]
        row = service.edit_draft(
            session, actor=planner, version_id=row.id, version=row.version, draft=Draft(sections=FULL)
        )
        return plan, row

    return create


@pytest.fixture
def publish(planner: Actor, approver: Actor) -> Callable[..., PlanVersion]:
    """Through review and approval to the issued text."""

    def go(session: Session, row: PlanVersion, issued_on: date = date(2026, 11, 2)) -> PlanVersion:
        for step, actor in (
            (service.submit, planner), (service.pass_review, approver), (service.approve, approver)
        ):  # fmt: skip
            row = step(session, actor=actor, version_id=row.id, version=row.version)
        return service.issue(session, actor=approver, version_id=row.id, version=row.version, issued_on=issued_on)

    return go
