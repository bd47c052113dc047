"""What is wrong with divisions and units today: readiness gathers it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules
from emergency.divisions.models import Division, Unit
from kernel.clock import BEIJING
from kernel.errors import N_

ROOM = "divisions"


@dataclass(frozen=True)
class Defect:
    """One fault of one subject, in words that can be translated, with the page that mends it. Days are Beijing's."""

    room: str
    rule: str
    subject_kind: str
    subject_id: int
    division_code: str
    reason: str
    since: date
    url: str
    title: str = ""
    due: date | None = None
    owner_post_id: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> tuple[str, int]:
        """What it is about."""
        return self.subject_kind, self.subject_id


NO_POINT = N_("%(n)s villages of %(place)s have no point: an area drawn on the map cannot find them.")
NO_SECTOR = N_("%(unit)s has no sector tag: no drill rule can be applied to it.")
NO_CONTACT = N_("%(unit)s has no contact: nobody there can be reached.")


def defects(session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None = None) -> list[Defect]:
    """Every fault, or those of the subjects in `limit_to` (`("division", code)`, `("unit", id)`)."""
    today = now.astimezone(BEIJING).date()
    return [*_villages_without_point(session, today, limit_to), *_units(session, today, limit_to)]


def _villages_without_point(
    session: Session, today: date, limit_to: Collection[tuple[str, int]] | None
) -> Iterator[Defect]:
    statement = (
        sa.select(Division.parent_code, sa.func.count().label("n"))
        .where(Division.level == rules.VILLAGE, Division.lat.is_(None), Division.boundary.is_(None))
        .group_by(Division.parent_code)
    )
    if limit_to is not None:
        wanted = [str(number).zfill(12) for kind, number in limit_to if kind == "division"]
        parents = {code if rules.level(code) < rules.VILLAGE else (rules.nested_parent(code) or "") for code in wanted}
        if not parents:
            return
        statement = statement.where(Division.parent_code.in_(sorted(parents)))
    bare = {row.parent_code: int(row.n) for row in session.execute(statement) if row.parent_code}
    places = session.execute(sa.select(Division.code, Division.name).where(Division.code.in_(sorted(bare))))
    for code, name in places:
        yield Defect(
            room=ROOM,
            subject_kind="division",
            subject_id=int(code),
            rule="villages_without_point",
            reason=NO_POINT,
            params={"n": bare[code], "place": name},
            division_code=code,
            url=f"/divisions/{code}",
            title=name,
            since=today,
        )


def _units(session: Session, today: date, limit_to: Collection[tuple[str, int]] | None) -> Iterator[Defect]:
    statement = sa.select(Unit.id, Unit.name, Unit.division_code, Unit.sectors, Unit.contact_id).where(
        Unit.closed_at.is_(None)
    )
    if limit_to is not None:
        wanted = [number for kind, number in limit_to if kind == "unit"]
        if not wanted:
            return
        statement = statement.where(Unit.id.in_(wanted))
    for row in session.execute(statement.order_by(Unit.id)):
        faults = [("unit_without_sector", NO_SECTOR)] if not row.sectors else []
        if row.contact_id is None:
            faults.append(("unit_without_contact", NO_CONTACT))
        for rule, reason in faults:
            yield Defect(
                room=ROOM,
                subject_kind="unit",
                subject_id=row.id,
                rule=rule,
                reason=reason,
                params={"unit": row.name},
                division_code=row.division_code,
                url=f"/units/{row.id}",
                title=row.name,
                since=today,
            )
