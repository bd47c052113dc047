"""To which hazards a place is exposed, and which plans are missing for that.

Three sources, each shown beside its exposure: rows that the bureau enters, with their source; statutes that ask every
government for a plan; the register of units (where a chemical plant or a low-lying unit stands, the place is exposed).
A place that nobody assessed for a hazard is neither exposed nor safe, and shown as that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit, UnitKind
from emergency.divisions.rules import DISTRICT, TOWNSHIP, VILLAGE, ancestors, in_scope, is_code, level, within
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans.dynamic_models import PlanExposure, Reach
from emergency.plans.models import Hazard
from emergency.privacy import journal
from kernel.db import now, touch
from kernel.errors import N_, Invalid, NotFound
from kernel.ids import new_id

NOTED = journal.kind(
    "plans.exposure_noted", "风险暴露登记", "Exposure noted", "division", "hazard", "reach", "exposed", "source"
)
BY_UNIT_KIND = {UnitKind.HAZCHEM: Hazard.HAZCHEM}
_REGISTER_CHEMICAL = "单位名录：辖区有 %(n)s 家危险化学品单位"
_REGISTER_LOW = "单位名录：辖区有 %(n)s 家低洼单位"

SITE_SEEDS: tuple[tuple[str, Hazard, Reach, str], ...] = (
    ("120118000000", Hazard.ALL, Reach.PLACE, "《突发事件应对法》第二十六条"),
    ("120118000000", Hazard.ALL, Reach.TOWNSHIPS, "《突发事件应对法》第二十六条（地方各级人民政府）"),
    ("120118000000", Hazard.RELIEF, Reach.PLACE, "《自然灾害救助条例》第八条"),
    ("120118000000", Hazard.HEALTH, Reach.PLACE, "《突发公共卫生事件应对法》第十九、二十条"),
    ("120118000000", Hazard.FLOOD, Reach.PLACE, "津静海政办发〔2022〕10号区防汛抗旱应急预案"),
    ("120118000000", Hazard.HAZCHEM, Reach.PLACE, "《生产安全事故应急条例》第五条"),
    ("120118102000", Hazard.FLOOD, Reach.PLACE, "东淀蓄滞洪区：2023 年 8 月转移 4 村"),
    ("120118103000", Hazard.FLOOD, Reach.PLACE, "东淀蓄滞洪区：2023 年 8 月转移 1 村"),
    ("120118104000", Hazard.FLOOD, Reach.PLACE, "东淀蓄滞洪区：2023 年 8 月转移 18 村"),
)
"""Facts that are published: what statutes ask of each government, and where people had to leave in 2023."""


@dataclass(frozen=True)
class Exposure:
    """Whether one place is exposed to one hazard, and how that is known."""

    exposed: bool
    source: str
    row_id: int | None = None


Key = tuple[str, Hazard]


def load(session: Session) -> int:
    """Enter the published facts for the places that exist. What was entered or taken back by the bureau stays."""
    if session.scalar(sa.select(PlanExposure.id).limit(1)) is not None:
        return 0
    places = set(session.scalars(sa.select(Division.code).where(Division.code.in_({row[0] for row in SITE_SEEDS}))))
    moment = now(session)
    new = [
        PlanExposure(
            id=new_id(), division_code=code, hazard=hazard, reach=reach, exposed=True, source=source,
            noted_by="system:lawbook", noted_at=moment,
        )
        for code, hazard, reach, source in SITE_SEEDS
        if code in places
    ]  # fmt: skip
    session.add_all(new)
    session.flush()
    return len(new)


def _reaching(row: PlanExposure) -> int:
    return {Reach.PLACE: level(row.division_code), Reach.TOWNSHIPS: TOWNSHIP, Reach.VILLAGES: VILLAGE}[row.reach]


class Exposures:
    """What is known of every place; two statements, then lookups. A row for the place itself outweighs one from
    above, and a row of the bureau outweighs the register."""

    def __init__(self, session: Session) -> None:
        self._rows: dict[tuple[str, Hazard, int], PlanExposure] = {}
        self.hazards: set[Hazard] = set()
        for row in session.scalars(sa.select(PlanExposure)):
            self._rows[row.division_code, row.hazard, _reaching(row)] = row
            self.hazards.add(row.hazard)
        self._register: dict[Key, tuple[str, int]] = {}
        counts: dict[Key, int] = defaultdict(int)
        for code, kind, low, number in session.execute(
            sa.select(Unit.division_code, Unit.kind, Unit.low_lying, sa.func.count())
            .where(Unit.closed_at.is_(None), sa.or_(Unit.kind.in_(BY_UNIT_KIND), Unit.low_lying))
            .group_by(Unit.division_code, Unit.kind, Unit.low_lying)
        ):
            town = f"{code[:9]}000"
            if kind in BY_UNIT_KIND:
                counts[town, BY_UNIT_KIND[kind]] += number
            if low:
                counts[town, Hazard.FLOOD] += number
        for key, number in counts.items():
            words = _REGISTER_CHEMICAL if key[1] is Hazard.HAZCHEM else _REGISTER_LOW
            self._register[key] = (words, number)
            self.hazards.add(key[1])

    def of(self, code: str, hazard: Hazard) -> Exposure | None:
        """What is known of one place; None where nobody assessed it."""
        own = level(code)
        for place in (code, *sorted(ancestors(code), reverse=True)):
            row = self._rows.get((place, hazard, own))
            if row is not None:
                return Exposure(row.exposed, row.source, row.id)
        found = self._register.get((code, hazard))
        return Exposure(True, found[0] % {"n": found[1]}) if found else None

    def villages_above(self) -> set[str]:
        """Townships or districts whose villages are all spoken for by a row, and villages with a row of their own."""
        return {code for code, _hazard, reaching in self._rows if reaching == VILLAGE}


def exposures(session: Session, *, actor: Actor) -> list[PlanExposure]:
    """The rows in scope, and those above it that speak for it."""
    actor.require(Permission.PLANS_VIEW)
    scope = in_scope(PlanExposure.division_code, actor)
    if actor.division_code:
        scope = sa.or_(scope, PlanExposure.division_code.in_(ancestors(actor.division_code)))
    return list(
        session.scalars(
            sa.select(PlanExposure)
            .where(scope)
            .order_by(PlanExposure.division_code, PlanExposure.hazard, PlanExposure.reach)
            .limit(1000)
        )
    )


def note(
    session: Session, *, actor: Actor, division_code: str, hazard: Hazard, reach: Reach, exposed: bool, source: str
) -> PlanExposure:
    """Say that a place is, or is not, exposed, and how one knows."""
    actor.require(Permission.PLANS_EDIT)
    if not is_code(division_code) or session.get(Division, division_code) is None:
        message = N_("There is no such place.")
        raise Invalid(message, code="invalid_division", fields={"division_code": message})
    actor.require_covers(division_code)
    if not source.strip():
        message = N_("Say how one knows: a document, a map, an event.")
        raise Invalid(message, code="incomplete", fields={"source": message})
    if (reach is Reach.TOWNSHIPS and level(division_code) > DISTRICT) or (
        reach is Reach.VILLAGES and level(division_code) > TOWNSHIP
    ):
        message = N_("Nothing of that kind lies in this place.")
        raise Invalid(message, code="bad_reach", fields={"reach": message})
    row = session.scalar(
        sa.select(PlanExposure).where(
            PlanExposure.division_code == division_code, PlanExposure.hazard == hazard, PlanExposure.reach == reach
        )
    )
    if row is None:
        row = PlanExposure(id=new_id(), division_code=division_code, hazard=hazard, reach=reach)
        session.add(row)
    row.exposed, row.source, row.noted_by, row.noted_at = exposed, source.strip()[:200], str(actor), now(session)
    session.flush()
    _changed(session, actor, row)
    return row


def forget(session: Session, *, actor: Actor, exposure_id: int) -> None:
    """Take a row back: the place counts as not assessed again."""
    actor.require(Permission.PLANS_EDIT)
    row = session.get(PlanExposure, exposure_id)
    if row is None or not actor.covers(row.division_code):
        raise NotFound(N_("There is no such exposure in your area."))
    _changed(session, actor, row, forgotten=True)
    session.delete(row)
    session.flush()


def _changed(session: Session, actor: Actor, row: PlanExposure, *, forgotten: bool = False) -> None:
    touch(session, "exposure", int(row.division_code))
    journal.record(
        session, NOTED, actor=actor, subject=("plan_exposure", row.id), division=row.division_code,
        hazard=row.hazard.value, reach=row.reach.value, exposed="forgotten" if forgotten else row.exposed,
        source=row.source,
    )  # fmt: skip


def places(session: Session, codes: Collection[str] | None, known: Exposures) -> Sequence[tuple[str, str]]:
    """`(code, name)` of what may need a plan: the district, townships, and villages that some row speaks for."""
    statement = sa.select(Division.code, Division.name)
    if codes is not None:
        statement = statement.where(Division.code.in_(codes), Division.level >= DISTRICT)
    else:
        spoken = [within(Division.code, code) for code in known.villages_above()]
        statement = statement.where(
            sa.or_(
                Division.level.in_([DISTRICT, TOWNSHIP]),
                sa.and_(Division.level == VILLAGE, sa.or_(sa.false(), *spoken)),
            )
        )
    return [(code, name) for code, name in session.execute(statement.order_by(Division.code))]
