"""What is wrong with plans beyond their own dates: what they count on, name, lack, or contradict.

Each finder reads the whole table, or the given plans, in a fixed number of statements; a reason never names a person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from emergency.divisions.defects import Defect
from emergency.divisions.models import Unit
from emergency.divisions.rules import DISTRICT, covers, level
from emergency.people.contacts.models import Contact
from emergency.people.posts import rules as post_rules
from emergency.people.posts import service as posts
from emergency.people.posts.models import Post, PostHolder, PostState
from emergency.plans.checks import Check
from emergency.plans.coverage import in_force
from emergency.plans.dynamic_models import LegalChange, LegalText, PlanCitation, Shelter
from emergency.plans.models import (
    EvacuationRow,
    Filing,
    FilingState,
    Plan,
    PlanHazard,
    PlanKind,
    PlanRule,
    PlanVersion,
    Reliance,
    ResponseAction,
    ResponseLevel,
    RuleSubject,
    TimeUnit,
)
from emergency.plans.review_models import PlanComment
from emergency.plans.rules import FULL_TEXT_KINDS, IN_WORK, LIVING, Fault
from emergency.supplies import service as supplies
from emergency.supplies.models import Agreement, AgreementState, Depot, DepotState, Item
from emergency.supplies.rules import VERIFY_MONTHS, Holding
from kernel.clock import BEIJING
from kernel.errors import N_
from scheduler.deadlines import Deadline
from scheduler.deadlines import Unit as Counted
from scheduler.workdays import NotAnnounced, WorkCalendar

ROOM = "plans"
SHOWN = 3
REASONS: dict[Fault, str] = {
    Fault.LAW_CHANGED: N_("%(title)s names 《%(law)s》, which changed on %(day)s (%(what)s)"),
    Fault.RECEIPT_OVERDUE: N_("%(title)s: the receipt of its filing was due on %(day)s"),
    Fault.LEVELS_MISSING: N_("%(title)s fixes no response levels"),
    Fault.RELIED_POST: N_("%(title)s counts on posts that nobody holds or that have no number (%(n)s): %(names)s"),
    Fault.RELIED_UNVERIFIED: N_("%(title)s counts on posts whose number is not verified (%(n)s): %(names)s"),
    Fault.RELIED_STOCK: N_(
        "%(title)s counts on %(wanted)s of %(item)s; usable government stock is %(held)s (others, counted apart: %(others)s)"
    ),
    Fault.RELIED_AGREEMENT: N_("%(title)s counts on the agreement with %(names)s, which has ended or is not verified"),
    Fault.RELIED_CLOSED: N_("%(title)s counts on what is closed: %(names)s"),
    Fault.SHELTER_UNKNOWN: N_("%(title)s sends people to places of unknown capacity (%(n)s): %(names)s"),
    Fault.SHELTER_FULL: N_("%(title)s sends %(people)s people to %(names)s, which takes %(capacity)s"),
    Fault.OWNER_MISSING: N_("%(title)s: no post is responsible for it"),
    Fault.DRAFT_UNTOUCHED: N_("%(title)s: nobody has touched version %(number)s since %(day)s"),
    Fault.COMMENTS_UNANSWERED: N_("%(title)s: comments on version %(number)s without an answer since %(day)s (%(n)s)"),
    Fault.WORKBOOK_MISSING: N_("%(title)s has no workbook beneath it"),
    Fault.CARD_MISSING: N_("%(title)s has no action scheme beneath it"),
}


@dataclass(frozen=True)
class Look:
    """What is being looked at: everything, or some plans; on which day."""

    session: Session
    now: datetime
    checks: Mapping[Fault, Check]
    plan_ids: Collection[int] | None = None

    @property
    def today(self) -> date:
        """The date in Beijing."""
        return self.now.astimezone(BEIJING).date()

    def plans(self) -> tuple[Any, ...]:
        """SQL: the plans looked at."""
        return () if self.plan_ids is None else (Plan.id.in_(self.plan_ids),)

    def acting(self, *columns: Any) -> sa.Select[Any]:
        """A select over the texts in force of the plans looked at, with the plan's columns first."""
        return (
            sa.select(*_PLAN, *columns)
            .join(PlanVersion, PlanVersion.plan_id == Plan.id)
            .where(*in_force(), *self.plans())
        )


_PLAN = (Plan.id, Plan.title, Plan.division_code, Plan.owner_post_id)


def _defect(fault: Fault, row: Any, since: date, url: str, *, due: date | None = None, **params: Any) -> Defect:
    return Defect(
        ROOM, fault.value, "plan", row.id, row.division_code, REASONS[fault], since, url, title=row.title, due=due,
        owner_post_id=row.owner_post_id, params={"title": row.title, **params},
    )  # fmt: skip


def _names(names: Collection[str]) -> str:
    shown = list(dict.fromkeys(names))
    return "、".join(shown[:SHOWN]) + ("…" if len(shown) > SHOWN else "")


def laws(look: Look) -> Iterator[Defect]:
    """Plans whose text is older than a change of a statute that it names; one line a plan, for the latest change."""
    evaluated = sa.func.coalesce(PlanVersion.evaluated_on, PlanVersion.issued_on)
    statement = (
        look.acting(LegalText.title.label("law"), LegalText.change, LegalText.changed_on, LegalText.replaced_by)
        .join(PlanCitation, PlanCitation.version_id == PlanVersion.id)
        .join(LegalText, LegalText.title == PlanCitation.title)
        .where(
            LegalText.change != LegalChange.NONE,
            LegalText.changed_on <= look.today,
            LegalText.changed_on > PlanVersion.issued_on,
            LegalText.changed_on > evaluated,
        )
        .order_by(Plan.id, LegalText.changed_on.desc(), LegalText.id)
    )
    told: set[int] = set()
    for row in look.session.execute(statement):
        if row.id not in told:
            told.add(row.id)
            what = row.change.zh + (f"：《{row.replaced_by}》" if row.replaced_by else "")
            yield _defect(Fault.LAW_CHANGED, row, row.changed_on, f"/plans/{row.id}/mend/law_changed", law=row.law,
                          day=row.changed_on.isoformat(), what=what)  # fmt: skip


def receipts(look: Look) -> Iterator[Defect]:
    """Filed, and no receipt within the working days of the rule; a year not announced makes nothing late."""
    allowed = look.session.scalars(
        sa.select(PlanRule).where(
            PlanRule.subject == RuleSubject.RECEIPT, PlanRule.adopted, PlanRule.unit == TimeUnit.WORKING_DAY
        )
    ).all()
    if not allowed:
        return
    calendar = WorkCalendar.load(look.session)
    statement = (
        look.acting(Plan.kind, Filing.filed_on)
        .join(Filing, Filing.version_id == PlanVersion.id)
        .where(Filing.state == FilingState.FILED, Filing.filed_on.is_not(None))
    )
    for row in look.session.execute(statement):
        rule = next((rule for rule in allowed if row.kind.value in rule.kinds), None)
        if rule is None:
            continue
        try:
            due = Deadline(rule.amount, Counted.WORKING_DAY).last_day(row.filed_on, calendar)
        except NotAnnounced:
            continue
        if due < look.today:
            yield _defect(Fault.RECEIPT_OVERDUE, row, due, f"/plans/{row.id}#filing", due=due, day=due.isoformat())


def levels(look: Look) -> Iterator[Defect]:
    """Government plans that fix no response levels (突发事件应对法 art. 71)."""
    fixed = sa.select(ResponseLevel.id).where(ResponseLevel.version_id == PlanVersion.id)
    statement = look.acting(PlanVersion.issued_on).where(Plan.kind.in_(FULL_TEXT_KINDS), ~fixed.exists())
    for row in look.session.execute(statement):
        yield _defect(Fault.LEVELS_MISSING, row, row.issued_on, f"/plans/{row.id}/mend/levels_missing")


def relied_posts(look: Look) -> Iterator[Defect]:
    """Plans that count on posts which nobody could reach today: held by nobody, without a number, not verified."""
    faulty = _faulty_posts(look)
    if not faulty:
        return
    relied: dict[tuple[Fault, int], tuple[Any, dict[int, date]]] = {}
    for row in _relied(look):
        if row.post_id in faulty:
            fault, since = faulty[row.post_id]
            relied.setdefault((fault, row.id), (row, {}))[1][row.post_id] = since
    first = {post_id for _row, held in relied.values() for post_id in list(held)[:SHOWN]}
    titles = posts.titles(look.session, first)
    for (fault, plan_id), (row, held) in sorted(relied.items(), key=lambda item: (item[0][1], item[0][0].value)):
        names = [titles.get(post_id, "—") for post_id in list(held)[:SHOWN]]
        text = "、".join(names) + ("…" if len(held) > SHOWN else "")
        yield _defect(fault, row, min(held.values()), f"/plans/{plan_id}/mend/{fault.value}", n=len(held), names=text)


def _relied(look: Look) -> Iterator[Any]:
    """Every pair of a plan in force and a post that it counts on: by name, in its acts, in its lists, as its owner."""
    statements = (
        look.acting(Reliance.ref_id.label("post_id"))
        .join(Reliance, Reliance.version_id == PlanVersion.id)
        .where(Reliance.kind == "post"),
        look.acting(ResponseAction.post_id.label("post_id"))
        .join(ResponseLevel, ResponseLevel.version_id == PlanVersion.id)
        .join(ResponseAction, ResponseAction.level_id == ResponseLevel.id)
        .where(ResponseAction.post_id.is_not(None)),
        look.acting(EvacuationRow.post_id.label("post_id"))
        .join(EvacuationRow, EvacuationRow.version_id == PlanVersion.id)
        .where(EvacuationRow.post_id.is_not(None)),
        look.acting(Plan.owner_post_id.label("post_id")).where(Plan.owner_post_id.is_not(None)),
    )
    for statement in statements:
        yield from look.session.execute(statement.distinct())


def faulty_posts_of(look: Look, plan_id: int) -> list[tuple[int, str]]:
    """The posts that one plan counts on and that nobody could reach, with their titles."""
    faulty = _faulty_posts(look)
    ids = {row.post_id for row in _relied(look) if row.id == plan_id and row.post_id in faulty}
    return sorted(posts.titles(look.session, ids).items())


def _faulty_posts(look: Look) -> dict[int, tuple[Fault, date]]:
    rows = look.session.execute(
        sa.select(Post.id, Post.state, Contact.phone_state, Contact.verified_at, PostHolder.since)
        .outerjoin(PostHolder, sa.and_(PostHolder.post_id == Post.id, PostHolder.order == 0))
        .outerjoin(Contact, Contact.id == PostHolder.contact_id)
    )
    found: dict[int, tuple[Fault, date]] = {}
    for row in rows:
        since = (row.since or look.now).astimezone(BEIJING).date()
        if row.state is PostState.ABOLISHED:
            found[row.id] = (Fault.RELIED_POST, since)
            continue
        fault = post_rules.fault(row.state, row.phone_state, row.verified_at, look.now)
        if fault is None:
            continue
        if fault in (post_rules.Fault.UNVERIFIED, post_rules.Fault.STALE):
            if row.verified_at is not None:
                since = (row.verified_at + post_rules.VERIFY_AFTER).astimezone(BEIJING).date()
            found[row.id] = (Fault.RELIED_UNVERIFIED, min(since, look.today))
        else:
            found[row.id] = (Fault.RELIED_POST, since)
    return found


def relied_stock(look: Look) -> Iterator[Defect]:
    """Plans that count on more than the government holds usable in their area. What others hold is told apart and
    never added (突发事件应对法 art. 45-46)."""
    rows = look.session.execute(
        look.acting(PlanVersion.issued_on, Reliance.ref_id, Reliance.quantity, Item.name, Item.unit)
        .join(Reliance, Reliance.version_id == PlanVersion.id)
        .join(Item, Item.id == Reliance.ref_id)
        .where(Reliance.kind == "item")
        .order_by(Plan.id, Reliance.id)
    ).all()
    stock = supplies.usable(look.session, sorted({row.ref_id for row in rows}), look.today) if rows else []
    told: set[int] = set()
    for row in rows:
        sums: dict[Holding, int] = defaultdict(int)
        for place, item_id, holding, pieces in stock:
            if item_id == row.ref_id and covers(row.division_code, place):
                sums[holding] += pieces
        wanted = row.quantity or 1
        if sums[Holding.GOVERNMENT] < wanted and row.id not in told:
            told.add(row.id)
            others = [f"{h.zh} {sums[h]}" for h in Holding if h is not Holding.GOVERNMENT and sums[h]]
            yield _defect(
                Fault.RELIED_STOCK, row, row.issued_on, f"/supplies/items/{row.ref_id}", item=row.name,
                wanted=f"{wanted}{row.unit}", held=f"{sums[Holding.GOVERNMENT]}{row.unit}", others="；".join(others) or "0",
            )  # fmt: skip


def relied_agreements(look: Look) -> Iterator[Defect]:
    """Plans that count on an agreement which ended, runs out unrenewed, or which nobody verified for half a year."""
    stale = look.today - timedelta(days=VERIFY_MONTHS * 31)
    rows = look.session.execute(
        look.acting(Agreement.enterprise, Agreement.depot_id, Agreement.valid_to)
        .join(Reliance, Reliance.version_id == PlanVersion.id)
        .join(Agreement, Agreement.id == Reliance.ref_id)
        .where(
            Reliance.kind == "agreement",
            sa.or_(
                Agreement.state == AgreementState.ENDED,
                Agreement.valid_to < look.today,
                sa.func.coalesce(Agreement.last_verified_on, Agreement.valid_from) < stale,
            ),
        )
        .order_by(Plan.id, Agreement.valid_to)
    )
    for row, lapsed in _grouped(rows):
        since = min(min(one.valid_to for one in lapsed), look.today)
        yield _defect(Fault.RELIED_AGREEMENT, row, since, f"/supplies/depots/{row.depot_id}",
                      names=_names([one.enterprise for one in lapsed]))  # fmt: skip


def _grouped(rows: Any) -> Iterator[tuple[Any, list[Any]]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.id, []).append(row)
    for held in found.values():
        yield held[0], held


def relied_closed(look: Look) -> Iterator[Defect]:
    """Plans that count on a depot or unit that has closed."""
    depots = (
        look.acting(Depot.name)
        .join(Reliance, Reliance.version_id == PlanVersion.id)
        .join(Depot, Depot.id == Reliance.ref_id)
        .where(Reliance.kind == "depot", Depot.state == DepotState.CLOSED)
    )
    units = (
        look.acting(Unit.name)
        .join(Reliance, Reliance.version_id == PlanVersion.id)
        .join(Unit, Unit.id == Reliance.ref_id)
        .where(Reliance.kind == "unit", Unit.closed_at.is_not(None))
    )
    listed = (
        look.acting(Unit.name)
        .join(EvacuationRow, EvacuationRow.version_id == PlanVersion.id)
        .join(Unit, Unit.id == EvacuationRow.unit_id)
        .where(Unit.closed_at.is_not(None))
    )
    rows = [row for statement in (depots, units, listed) for row in look.session.execute(statement.order_by(Plan.id))]
    for row, closed in _grouped(rows):
        names = _names([one.name for one in closed])
        yield _defect(Fault.RELIED_CLOSED, row, look.today, f"/plans/{row.id}/mend/relied_closed", names=names)


def shelters(look: Look) -> Iterator[Defect]:
    """Plans that send people where nobody knows how many fit, or more than fit."""
    rows = look.session.execute(
        look.acting(
            PlanVersion.issued_on, EvacuationRow.destination, sa.func.sum(EvacuationRow.people).label("people"),
            Shelter.capacity,
        )
        .join(EvacuationRow, EvacuationRow.version_id == PlanVersion.id)
        .outerjoin(Shelter, Shelter.name == EvacuationRow.destination)
        .group_by(*_PLAN, PlanVersion.issued_on, EvacuationRow.destination, Shelter.capacity)
        .order_by(Plan.id, EvacuationRow.destination)
    )  # fmt: skip
    for row, lines in _grouped(rows):
        unknown = [line.destination for line in lines if line.capacity is None]
        url = f"/plans/shelters?plan={row.id}"
        if unknown:
            yield _defect(Fault.SHELTER_UNKNOWN, row, row.issued_on, url, n=len(unknown), names=_names(unknown))
        full = next((line for line in lines if line.capacity is not None and line.people > line.capacity), None)
        if full is not None:
            yield _defect(Fault.SHELTER_FULL, row, row.issued_on, url, names=full.destination, people=int(full.people),
                          capacity=full.capacity)  # fmt: skip


def owners(look: Look) -> Iterator[Defect]:
    """Plans of which no post is the keeper, so that nobody is told what is wrong with them."""
    statement = sa.select(*_PLAN, Plan.created_at).where(
        Plan.owner_post_id.is_(None), Plan.state.in_(LIVING), *look.plans()
    )
    for row in look.session.execute(statement):
        since = row.created_at.astimezone(BEIJING).date()
        yield _defect(Fault.OWNER_MISSING, row, since, f"/plans/{row.id}/owner")


def drafts(look: Look) -> Iterator[Defect]:
    """Drafts, reviews and approvals that nobody touched for as many days as the check says."""
    days = look.checks[Fault.DRAFT_UNTOUCHED].days or 30
    lasting = sa.func.coalesce(PlanVersion.reviewed_at, PlanVersion.submitted_at, PlanVersion.edited_at)
    statement = (
        sa.select(*_PLAN, PlanVersion.id.label("version_id"), PlanVersion.number, PlanVersion.edited_at)
        .join(PlanVersion, PlanVersion.plan_id == Plan.id)
        .where(
            PlanVersion.state.in_(IN_WORK), PlanVersion.edited_at < look.now - timedelta(days=days),
            lasting < look.now - timedelta(days=days), Plan.state.in_(LIVING), *look.plans(),
        )
    )  # fmt: skip
    for row in look.session.execute(statement):
        day = row.edited_at.astimezone(BEIJING).date()
        yield _defect(Fault.DRAFT_UNTOUCHED, row, day + timedelta(days=days), f"/plans/versions/{row.version_id}",
                      number=row.number, day=day.isoformat())  # fmt: skip


def comments(look: Look) -> Iterator[Defect]:
    """Versions on their way to approval with review comments that nobody answered for as many days as the check says.

    The words of a comment may speak of people; only how many there are leaves their version.
    """
    days = look.checks[Fault.COMMENTS_UNANSWERED].days or 5
    statement = (
        sa.select(
            *_PLAN, PlanVersion.id.label("version_id"), PlanVersion.number, sa.func.count().label("n"),
            sa.func.min(PlanComment.at).label("oldest"),
        )
        .join(PlanVersion, PlanVersion.plan_id == Plan.id)
        .join(PlanComment, PlanComment.version_id == PlanVersion.id)
        .where(
            PlanVersion.state.in_(IN_WORK), Plan.state.in_(LIVING), PlanComment.answer.is_(None),
            PlanComment.at < look.now - timedelta(days=days), *look.plans(),
        )
        .group_by(*_PLAN, PlanVersion.id, PlanVersion.number)
        .order_by(Plan.id)
    )  # fmt: skip
    for row in look.session.execute(statement):
        day = row.oldest.astimezone(BEIJING).date()
        yield _defect(
            Fault.COMMENTS_UNANSWERED, row, day + timedelta(days=days), f"/plans/versions/{row.version_id}/review",
            n=row.n, number=row.number, day=day.isoformat(),
        )  # fmt: skip


def beneath(look: Look) -> Iterator[Defect]:
    """Special plans of the district without a workbook, or without an action scheme, beneath them."""
    for fault, kind in ((Fault.WORKBOOK_MISSING, PlanKind.WORKBOOK), (Fault.CARD_MISSING, PlanKind.ACTION)):
        child = aliased(Plan)
        held = sa.select(child.id).where(child.parent_id == Plan.id, child.kind == kind, child.state.in_(LIVING))
        statement = look.acting(PlanVersion.issued_on).where(Plan.kind == PlanKind.SPECIAL, ~held.exists())
        for row in look.session.execute(statement):
            url = f"/plans/new?parent={row.id}&kind={kind.value}&level=district&place={row.division_code}"
            yield _defect(fault, row, row.issued_on, url)


FINDERS: tuple[Callable[[Look], Iterator[Defect]], ...] = (
    laws, receipts, levels, relied_posts, relied_stock, relied_agreements, relied_closed, shelters, owners, drafts,
    comments, beneath,
)  # fmt: skip


def find(look: Look) -> Iterator[Defect]:
    """Everything, for plans that are ours to mend: a plan of the city above is not."""
    if look.plan_ids is not None and not look.plan_ids:
        return
    for finder in FINDERS:
        yield from (defect for defect in finder(look) if level(defect.division_code) >= DISTRICT)


@dataclass(frozen=True)
class Place:
    """One line of a list in force, to be compared with others about the same subject."""

    plan_id: int
    title: str
    destination: str
    grade: Any
    division_code: str
    owner_post_id: int | None


def contradictions(
    session: Session, subjects: Collection[tuple[str, int]] | None
) -> Iterator[tuple[str, int, Place, Place]]:
    """Subjects (`division`, `unit`, `household`) that two lists in force send to different places in the same
    response level; `(kind, id, one, other)`. Plans of one plan family only: what a flood and a gas leak need differs."""
    for kind, column in (
        ("division", EvacuationRow.subject_code), ("unit", EvacuationRow.unit_id), ("household", EvacuationRow.household_id),
    ):  # fmt: skip
        narrowed: list[Any] = [column.is_not(None)]
        if subjects is not None:
            wanted: list[Any] = [f"{i:012d}" if kind == "division" else i for k, i in subjects if k == kind]
            if not wanted:
                continue
            narrowed.append(column.in_(wanted))
        base = (
            sa.select(column.label("subject"))
            .join(PlanVersion, PlanVersion.id == EvacuationRow.version_id)
            .join(Plan, Plan.id == PlanVersion.plan_id)
            .where(*in_force(), *narrowed)
            .group_by(column)
            .having(sa.func.count(sa.distinct(EvacuationRow.destination)) > 1)
        )
        doubtful = session.scalars(base).all()
        if not doubtful:
            continue
        lines: dict[Any, list[tuple[Place, frozenset[Any]]]] = defaultdict(list)
        rows = session.execute(
            sa.select(
                column.label("subject"), Plan.id, Plan.title, EvacuationRow.destination, EvacuationRow.grade,
                Plan.division_code, Plan.owner_post_id,
            )
            .join(PlanVersion, PlanVersion.id == EvacuationRow.version_id)
            .join(Plan, Plan.id == PlanVersion.plan_id)
            .where(*in_force(), column.in_(doubtful))
            .order_by(Plan.id, EvacuationRow.position)
        ).all()  # fmt: skip
        hazards: dict[int, set[Any]] = defaultdict(set)
        for plan_id, hazard in session.execute(
            sa.select(PlanHazard.plan_id, PlanHazard.hazard).where(PlanHazard.plan_id.in_({row.id for row in rows}))
        ):
            hazards[plan_id].add(hazard)
        for row in rows:
            place = Place(row.id, row.title, row.destination, row.grade, row.division_code, row.owner_post_id)
            lines[row.subject].append((place, frozenset(hazards[row.id])))
        for subject, held in lines.items():
            clash = next(
                (
                    (one, other)
                    for number, (one, mine) in enumerate(held)
                    for other, theirs in held[number + 1 :]
                    if one.destination != other.destination
                    and mine & theirs
                    and (one.grade is None or other.grade is None or one.grade is other.grade)
                ),
                None,
            )
            if clash is not None:
                yield kind, int(subject), *clash
