"""Publishing a plan: an act of its own, of exactly the text that the preview showed, without anything of a person.

Plans for natural disasters, accidents and public health are published; what is secret or not to be disclosed never is
(突发事件应急预案管理办法, 国办发〔2024〕5号; 政府信息公开条例). What the public reads is made in one place, `PublicText`,
for the preview and for the public page alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from markupsafe import Markup
from sqlalchemy.orm import Session

from emergency.divisions import service as divisions
from emergency.divisions.rules import within
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts import service as posts
from emergency.plans import bodies, indexing
from emergency.plans.attachment_models import AttachmentKind, PlanAttachment
from emergency.plans.models import Hazard, Plan, PlanHazard, PlanKind, PlanVersion, ResponseGrade
from emergency.plans.phones import find_phones
from emergency.plans.publication_models import Openness, PlanOpenness, PlanPublication
from emergency.plans.queries import Parts, get_plan, in_force, version_parts
from emergency.privacy import journal
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id

PUBLISHED = journal.kind("plan.published", "公开预案", "Plan published", "version", "files")
WITHDRAWN = journal.kind("plan.withdrawn", "撤回公开", "Publication withdrawn", "version")
OPENNESS = journal.kind("plan.openness", "确定公开属性", "Openness of a plan decided", "openness")
PAGE = 50


@dataclass(frozen=True)
class Act:
    """One act of a response level; `who` is a post's title or the plan's own words."""

    action: str
    who: str
    within_minutes: int | None


@dataclass(frozen=True)
class Level:
    """One response level as the public reads it."""

    grade: ResponseGrade
    trigger: str
    decided_by: str
    acts: Sequence[Act]


@dataclass(frozen=True)
class Way:
    """Where the people of a village go (自然灾害救助条例 art. 11: shelters and routes are announced)."""

    place: str
    destination: str
    route: str
    means: str
    within_hours: int | None


@dataclass(frozen=True)
class PublicSection:
    """A section with its body as HTML."""

    position: int
    depth: int
    number: str
    heading: str
    body: Markup


@dataclass(frozen=True)
class PublicText:
    """Everything that the public sees of a plan, and nothing else: no person, no number, no household, no unit."""

    plan_id: int
    version_id: int
    title: str
    place: str
    issuer: str
    kind: PlanKind
    hazards: Sequence[Hazard]
    document_number: str | None
    issued_on: date | None
    sections: Sequence[PublicSection]
    levels: Sequence[Level]
    ways: Sequence[Way]


def openness(session: Session, plan: Plan) -> Openness:
    """How open a plan is: as decided, otherwise by the mark that it was entered with."""
    row = session.get(PlanOpenness, plan.id)
    if row is not None:
        return row.openness
    return Openness.OPEN if plan.public else Openness.CLOSED


def decide_openness(session: Session, *, actor: Actor, plan_id: int, value: Openness, reason: str) -> PlanOpenness:
    """Say how open a plan is. What is no longer open is off the public page in the same moment."""
    actor.require(Permission.PLANS_APPROVE)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    if value is not Openness.OPEN and not reason.strip():
        raise Invalid(
            N_("Say why the public may not read it: the article or the decision."),
            code="reason_required",
            fields={"reason": N_("Fill this in.")},
        )
    if value is not Openness.OPEN and standing(session, plan.id) is not None:
        withdraw(session, actor=actor, plan_id=plan.id, reason=reason)
    row = session.get(PlanOpenness, plan.id) or PlanOpenness(plan_id=plan.id)
    row.openness, row.reason = value, reason.strip()[:300]
    row.decided_at, row.decided_by = now(session), str(actor)
    plan.public = value is Openness.OPEN
    plan.version += 1
    session.add(row)
    session.flush()
    journal.record(session, OPENNESS, actor=actor, subject=("plan", plan.id), openness=value.value)
    touch(session, "plan", plan.id)
    return row


def standing(session: Session, plan_id: int) -> PlanPublication | None:
    """The publication that nobody withdrew; its text may have been replaced since."""
    return session.scalar(
        sa.select(PlanPublication).where(PlanPublication.plan_id == plan_id, PlanPublication.withdrawn_at.is_(None))
    )


def images(session: Session, version: PlanVersion) -> list[int]:
    """The pictures that a text shows, in order: the only files that can be made public."""
    shown = [
        found
        for section in version_parts(session, version.id).sections
        for found in bodies.attachment_ids(section.body)
    ]
    known = session.scalars(
        sa.select(PlanAttachment.id)
        .join(PlanVersion, PlanVersion.id == PlanAttachment.version_id)
        .where(
            PlanAttachment.id.in_(shown),
            PlanAttachment.kind == AttachmentKind.IMAGE,
            PlanVersion.plan_id == version.plan_id,
        )
    ).all()
    return [found for found in dict.fromkeys(shown) if found in known]


def publish(
    session: Session, *, actor: Actor, plan_id: int, version_id: int, files: Sequence[int] = ()
) -> PlanPublication:
    """Publish the text in force, exactly as it was previewed, with the pictures that were chosen.

    409 `not_in_force` where the text was replaced since; 422 `not_open`, `phone_in_public_text`, `name_in_public_text`.
    """
    actor.require(Permission.PLANS_APPROVE)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    version = in_force(session, plan.id)
    if version is None or version.id != version_id or plan.state not in indexing.LIVE:
        raise Conflict(N_("This text is not in force any more. Look at the preview again."), code="not_in_force")
    if openness(session, plan) is not Openness.OPEN:
        raise Invalid(N_("This plan is not open to the public. Nothing was published."), code="not_open")
    refuse_personal(plan, version_parts(session, version.id))
    moment = now(session)
    before = standing(session, plan.id)
    if before is not None:
        before.withdrawn_at, before.withdrawn_by, before.withdrawn_reason = moment, str(actor), ""
        session.flush()
    allowed = images(session, version)
    row = PlanPublication(
        id=new_id(), plan_id=plan.id, version_id=version.id, files=[f for f in allowed if f in set(files)],
        published_at=moment, published_by=str(actor), withdrawn_reason="",
    )  # fmt: skip
    session.add(row)
    session.flush()
    journal.record(
        session, PUBLISHED, actor=actor, subject=("plan", plan.id), version=version.number, files=len(row.files)
    )
    touch(session, "plan", plan.id)
    return row


def withdraw(session: Session, *, actor: Actor, plan_id: int, reason: str) -> None:
    """Take a plan off the public page, with the reason; what others copied meanwhile cannot be taken back."""
    actor.require(Permission.PLANS_APPROVE)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    if not reason.strip():
        raise Invalid(N_("Say why."), code="reason_required", fields={"reason": N_("Fill this in.")})
    row = standing(session, plan.id)
    if row is None:
        raise Conflict(N_("This plan is not published."), code="not_published")
    row.withdrawn_at, row.withdrawn_by, row.withdrawn_reason = now(session), str(actor), reason.strip()[:300]
    session.flush()
    version = session.get(PlanVersion, row.version_id)
    journal.record(
        session, WITHDRAWN, actor=actor, subject=("plan", plan.id), version=version.number if version else None
    )
    touch(session, "plan", plan.id)


_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
_NAMED = re.compile(
    rf"(?:联系人|负责人|责任人|姓名|总指挥|指挥长|组长|主任|镇长|书记)\s*[:：]\s*[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}"
    r"(?=$|[\s，,。；;、（(/])"
)
_NAME_HEADS = re.compile(r"\s*(?:姓\s*名|联系人|联络员姓名|负责人姓名|责任人姓名)\s*")


def _strings(plan: Plan, parts: Parts) -> Iterator[tuple[str, str]]:
    """Every stretch of free text that the public would read, with where it stands."""
    yield plan.title, plan.title
    yield plan.title, plan.issuer
    for section in parts.sections:
        where = f"{section.number} {section.heading}".strip()
        yield where, section.heading
        for line in section.body.splitlines():
            yield where, line
    for level in parts.levels:
        where = level.grade.label("zh")
        yield where, level.trigger
        yield where, level.decided_by
        for act in parts.actions[level.id]:
            yield where, act.action
            yield where, act.actor_words
    for row in parts.evacuation:
        for text in (row.destination, row.route, row.means):
            yield "转移安置", text


def refuse_personal(plan: Plan, parts: Parts) -> None:
    """422 where a text carries a telephone number or names a person; says where, never what."""
    phones = [where for where, text in _strings(plan, parts) if find_phones(text)]
    phones += [f"{s.number} {s.heading}".strip() for s in parts.sections if bodies.parse_phones(s.body)]
    if phones:
        raise Invalid(
            N_("Telephone numbers stand in: %(places)s. Nothing was published; name posts in their place."),
            code="phone_in_public_text",
            places=_listed(phones),
        )
    names = [where for where, text in _strings(plan, parts) if _NAMED.search(text)]
    names += [f"{s.number} {s.heading}".strip() for s in parts.sections if _name_column(s.body)]
    if names:
        raise Invalid(
            N_("People seem to be named in: %(places)s. Nothing was published; name posts in their place."),
            code="name_in_public_text",
            places=_listed(names),
        )


def _name_column(body: str) -> bool:
    tables = [block for block in bodies.parse(body) if isinstance(block, bodies.Table)]
    return any(_NAME_HEADS.fullmatch(cell) for table in tables for row in table.rows[:3] for cell in row)


def _listed(places: Sequence[str]) -> str:
    clean = ["…" if find_phones(place) else place for place in dict.fromkeys(places)]
    return "、".join(clean[:8]) + ("…" if len(clean) > 8 else "")


def public_text(
    session: Session,
    plan: Plan,
    version: PlanVersion,
    *,
    files: Sequence[int],
    image_url: Callable[[int], str],
    language: str = "zh",
) -> PublicText:
    """What the public reads of this version. The preview and the public page both come from here."""
    parts = version_parts(session, version.id)
    titles = bodies.post_titles(session, [s.body for s in parts.sections], language=language)
    acting = {a.post_id for acts in parts.actions.values() for a in acts if a.post_id}
    who = posts.titles(session, acting, language=language) if acting else {}
    villages = [row for row in parts.evacuation if row.subject_code]
    places = divisions.names(session, [plan.division_code, *(row.subject_code for row in villages if row.subject_code)])
    return PublicText(
        plan.id, version.id, plan.title, places.get(plan.division_code, ""), plan.issuer, plan.kind,
        session.scalars(sa.select(PlanHazard.hazard).where(PlanHazard.plan_id == plan.id)).all(),
        version.document_number, version.issued_on,
        [
            PublicSection(
                s.position, s.depth, s.number, s.heading,
                bodies.to_html(_without(s.body, files), titles, image_url=image_url),
            )
            for s in parts.sections
        ],
        [
            Level(level.grade, level.trigger, level.decided_by, [
                Act(a.action, who.get(a.post_id or 0) or a.actor_words, a.within_minutes)
                for a in parts.actions[level.id]
            ])
            for level in parts.levels
        ],
        [
            Way(places.get(row.subject_code or "", ""), row.destination, row.route, row.means, row.within_hours)
            for row in villages
        ],
    )  # fmt: skip


_IMAGE_LINE = re.compile(r"(?m)^[ \t]*\[图 attachment:(\d{1,20})\].*\n?")


def _without(body: str, files: Sequence[int]) -> str:
    """The body without the pictures that were not made public, captions included."""
    return _IMAGE_LINE.sub(lambda m: m[0] if int(m[1]) in files else "", body)


def _open() -> Any:
    """SQL: published, still in force, still open."""
    return (
        sa.select(PlanPublication, Plan, PlanVersion)
        .join(Plan, Plan.id == PlanPublication.plan_id)
        .join(PlanVersion, PlanVersion.id == PlanPublication.version_id)
        .join(PlanOpenness, PlanOpenness.plan_id == Plan.id, isouter=True)
        .where(
            PlanPublication.withdrawn_at.is_(None),
            Plan.public,
            sa.or_(PlanOpenness.openness.is_(None), PlanOpenness.openness == Openness.OPEN),
            indexing.in_force(),
        )
    )


def public_plan(session: Session, plan_id: int) -> tuple[PlanPublication, Plan, PlanVersion]:
    """A plan on the public page; one and the same 404 for what is secret, withdrawn, replaced or was never there."""
    found = session.execute(_open().where(Plan.id == plan_id)).one_or_none()
    if found is None:
        raise NotFound(N_("This page does not exist."))
    return found[0], found[1], found[2]


@dataclass(frozen=True)
class PublicRow:
    """A line of the public list."""

    plan_id: int
    title: str
    issuer: str
    division_code: str
    issued_on: date | None
    document_number: str | None
    published_at: datetime


def public_plans(
    session: Session, *, place: str = "", hazard: Hazard | None = None, after: int = 0, limit: int = PAGE
) -> tuple[list[PublicRow], int | None]:
    """What is published, by level and place; with how many to skip for the next page."""
    statement = _open()
    if place:
        statement = statement.where(within(Plan.division_code, place))
    if hazard is not None:
        statement = statement.where(
            sa.select(PlanHazard.plan_id).where(PlanHazard.plan_id == Plan.id, PlanHazard.hazard == hazard).exists()
        )
    rows = session.execute(
        statement.order_by(Plan.division_code, Plan.id).offset(after).limit(limit + 1)
    ).all()  # fmt: skip
    made = [
        PublicRow(p.id, p.title, p.issuer, p.division_code, v.issued_on, v.document_number, pub.published_at)
        for pub, p, v in rows[:limit]
    ]
    return made, after + limit if len(rows) > limit else None


def public_file(session: Session, plan_id: int, file_id: int) -> int:
    """The id of a picture that stands on a public page; the same 404 for every other."""
    row, _plan, _version = public_plan(session, plan_id)
    if file_id not in row.files:
        raise NotFound(N_("This page does not exist."))
    return file_id


def awaiting(session: Session, plan: Plan) -> bool:
    """Whether the plan is open, has a text in force, and the public does not read it (yet, or not this one)."""
    version = in_force(session, plan.id)
    row = standing(session, plan.id)
    if version is None or plan.state not in indexing.LIVE or openness(session, plan) is not Openness.OPEN:
        return False
    return row is None or row.version_id != version.id
