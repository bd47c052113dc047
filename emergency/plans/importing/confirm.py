"""The confirmed file becomes a draft: posts in place of people, images sealed, one transaction or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as division_rules
from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.people.contacts.rules import read_phone
from emergency.people.posts import service as posts
from emergency.people.posts.models import Duty, Post, PostState
from emergency.plans import attachments, bodies, rules, service
from emergency.plans.attachment_models import AttachmentKind
from emergency.plans.drafting import ActionText, Draft, EvacuationText, LevelText, SectionText, edit_draft, new_draft
from emergency.plans.importing import reading, runs
from emergency.plans.importing.models import PlanImportState
from emergency.plans.importing.people import PLACEHOLDER, Person, named_before
from emergency.plans.importing.reading import Reading
from emergency.plans.models import Part, Plan, PlanKind, PlanSection, PlanVersion, ResponseGrade, VersionState
from emergency.plans.phones import refuse_phones
from emergency.plans.queries import get_plan
from emergency.plans.service import NewPlan
from emergency.privacy import journal, vault
from kernel.db import Database
from kernel.errors import N_, Conflict, Invalid
from kernel.ids import new_id

POST, LEAVE_OUT, KEEP = "post", "leave-out", "keep"
LEFT_OUT = "〔略〕"
AT_POST = "〔电话见岗位〕"
MOST_PEOPLE = 2_000


@dataclass(frozen=True)
class Decision:
    """What becomes of one entry of a list of telephones."""

    action: str = LEAVE_OUT
    duty: Duty | None = None
    division_code: str = ""


@dataclass(frozen=True)
class Choices:
    """What whoever confirms has decided."""

    plan_id: int | None = None
    new: NewPlan | None = None
    people: Mapping[int, Decision] = field(default_factory=dict)
    levels: bool = False
    evacuation: bool = False


@dataclass
class Places:
    """The divisions that a file's words can mean, within one division."""

    names: dict[str, str]

    @classmethod
    def within(cls, session: Session, actor: Actor, code: str | None) -> Places:
        statement = sa.select(Division.code, Division.name).where(division_rules.in_scope(Division.code, actor))
        if code:
            statement = statement.where(division_rules.within(Division.code, code))
        return cls({row.code: row.name for row in session.execute(statement.order_by(Division.code).limit(2000))})

    def find(self, words: str) -> str | None:
        """The one division that a text names; None where none or several could be meant."""
        best: dict[int, set[str]] = {}
        for code, name in self.names.items():
            for short in {name, re.sub(r"(?:村民?委员?会|村委会|社区居委会|居民?委员?会|居委会)$", "", name)}:
                if len(short) >= 2 and short in words:
                    best.setdefault(len(short), set()).add(code)
        longest = best.get(max(best, default=0), set())
        return next(iter(longest)) if len(longest) == 1 else None


def suggested(people: Sequence[Person], places: Places, home: str) -> dict[int, Decision]:
    """What the file itself says: a post where duty is certain; left out where nobody could say which."""
    found: dict[int, Decision] = {}
    for person in people:
        code = places.find(f"{person.place_words} {person.words}") or home
        action = POST if person.duty is not None and code in places.names else LEAVE_OUT
        found[person.key] = Decision(action, person.duty, code if code in places.names else "")
    return found


def missing(kind: PlanKind, result: Reading) -> list[Part]:
    """The parts of art. 28 that no heading announces."""
    return rules.missing_parts(kind, [section.part for section in result.sections])


def confirm(database: Database, *, actor: Actor, run_id: int, choices: Choices) -> tuple[int, int]:
    """Write the draft. Returns plan and version; whatever refuses, nothing of it was written.

    Raises `Conflict` `in_work` when another draft of the plan has a text already, 403 outside the actor's scope.
    """
    with database.read() as session:
        run = runs.seen(session, actor=actor, run_id=run_id)
        if run.state is not PlanImportState.READY:
            raise Conflict(N_("This import is over or not read yet."), code="wrong_state")
        result, kept = runs.result_of(session, run), runs.opened(session, run)
        store = vault.of(session)
    if result is None:
        raise Conflict(N_("This import is over or not read yet."), code="wrong_state")
    if result.pictures == [] and run.images:
        result = replace(
            result, pictures=reading.read(kept.data, kept.name, typed=kept.typed, limit=len(kept.data)).pictures
        )
    where = _pictures_at(result)
    ids = [new_id() for _picture in result.pictures]
    prepared = [
        attachments.prepare(
            store, kind=AttachmentKind.IMAGE, name=picture.name, media_type=picture.media_type, data=picture.data,
            section_position=where.get(position), attachment_id=ids[position],
        )
        for position, picture in enumerate(result.pictures)
    ]  # fmt: skip
    if kept.data:
        kind = AttachmentKind.OLD_FORMAT if result.kind == "old" else AttachmentKind.ORIGINAL
        prepared.append(
            attachments.prepare(store, kind=kind, name=kept.name, media_type=result.media_type, data=kept.data)
        )
    with database.write() as session:
        plan, version = _target(session, actor, run.plan_id or choices.plan_id, choices.new)
        words = _People(session, actor, result.people, choices.people, plan.division_code)
        images = {n: bodies.image_line(ids[n], picture.caption) for n, picture in enumerate(result.pictures)}
        sections = _sections(result, plan, words, images)
        refuse_phones([(s.number, s.heading, s.body) for s in sections])
        saved = edit_draft(
            session, actor=actor, version_id=version.id, version=version.version,
            draft=Draft(
                sections=sections, levels=_levels(result, words) if choices.levels else None,
                evacuation=_evacuation(session, actor, result, plan.division_code) if choices.evacuation else None,
            ),
        )  # fmt: skip
        attachments.attach(session, actor=actor, version_id=version.id, prepared=prepared)
        runs.close(
            session, runs.seen(session, actor=actor, run_id=run_id), PlanImportState.DONE, actor=actor,
            version_id=saved.id, plan_id=plan.id,
        )  # fmt: skip
        journal.record(
            session, journal.IMPORTED, actor=actor, subject=("plan_import", run_id), purpose=journal.Purpose.MAINTENANCE,
            list="plans", rows=len(sections), created=words.made, updated=words.referred, errors=len(result.remarks),
        )  # fmt: skip
        return plan.id, saved.id


def _target(session: Session, actor: Actor, plan_id: int | None, new: NewPlan | None) -> tuple[Plan, PlanVersion]:
    if plan_id is None:
        if new is None:
            raise Invalid(N_("Say which plan the text is for, or enter a new one."), code="plan_required")
        plan = service.create(session, actor=actor, facts=new)
    else:
        plan = get_plan(session, actor=actor, plan_id=plan_id)
        actor.require_covers(plan.division_code)
    work = session.scalars(
        sa.select(PlanVersion).where(PlanVersion.plan_id == plan.id, PlanVersion.state.in_(rules.IN_WORK))
    ).first()
    if work is None:
        return plan, new_draft(session, actor=actor, plan_id=plan.id)
    written = session.scalar(sa.select(PlanSection.id).where(PlanSection.version_id == work.id).limit(1))
    if work.state is not VersionState.DRAFT or written is not None:
        raise Conflict(N_("A version of this plan is being worked on already. Go on with that one."), code="in_work")
    return plan, work


class _People:
    """The posts that the entries of the lists became, and what stands in the text for them."""

    def __init__(
        self, session: Session, actor: Actor, people: Sequence[Person], decisions: Mapping[int, Decision], home: str
    ):
        if len(people) > MOST_PEOPLE:
            raise Invalid(
                N_("The file carries more than %(n)s people. Import lists of people as posts."),
                code="too_many",
                n=MOST_PEOPLE,
            )
        self.made = self.referred = 0
        self._people = {person.key: person for person in people}
        first = named_before(people)  # decided once, and so for every mention that is not decided by itself
        self._decided = {
            person.key: decisions.get(person.key) or decisions.get(first.get(person.key, person.key), Decision())
            for person in people
        }
        self._post: dict[int, int] = {}
        for person in people:
            decision = self._decided[person.key]
            if decision.action == KEEP and person.mobile:
                raise Invalid(
                    N_("A mobile number cannot stay in the text: choose a post for it or leave it out (paragraph %(at)s)."),
                    code="phone_in_text", at=person.at,
                )  # fmt: skip
            if decision.action == POST:
                self._post[person.key] = self._posted(session, actor, person, decision, home)

    def _posted(self, session: Session, actor: Actor, person: Person, decision: Decision, home: str) -> int:
        if decision.duty is None:
            raise Invalid(N_("Choose the duty of the post (paragraph %(at)s)."), code="duty_required", at=person.at)
        code = decision.division_code or home
        actor.require_covers(code)
        mobile = next((p for p in person.phones if read_phone(p).text.startswith("+861")), person.phones[0])
        name = person.name or person.words or decision.duty.zh
        post = session.scalars(
            sa.select(Post).where(Post.division_code == code, Post.duty == decision.duty, Post.unit_id.is_(None))
        ).first()
        if post is None:
            post = posts.create_post(session, actor=actor, division_code=code, duty=decision.duty, title=_title(person))
        elif post.state is PostState.ABOLISHED:
            posts.restore(session, actor=actor, post_id=post.id)
        people = posts.holders(session, [post.id]).get(post.id, [])
        same = posts.numbers.same(session, {p.contact_id: (person.name, mobile) for p in people})
        if same:
            self.referred += 1
        elif post.state is PostState.HELD:
            posts.add_deputy(session, actor=actor, post_id=post.id, name=name, phone=mobile)
            self.made += 1
        else:
            posts.set_holder(session, actor=actor, post_id=post.id, name=name, phone=mobile)
            self.made += 1
        return post.id

    def into(self, text: str, images: Mapping[int, str]) -> str:
        """A body with its placeholders resolved."""

        def put(found: re.Match[str]) -> str:
            what, key = found[1], int(found[2])
            if what == "i":
                return images.get(key, "")
            person, decision = self._people[key], self._decided[key]
            if decision.action == KEEP:
                return person.name if what == "n" else "\\" + person.phones[int(found[3] or 0)]
            if decision.action != POST:
                return LEFT_OUT
            first = what == "n" or (not person.name and not int(found[3] or 0))
            return bodies.post_token(self._post[key]) if first else AT_POST

        return PLACEHOLDER.sub(put, text)

    def plain(self, text: str) -> str:
        """A text that is no body (a trigger, an act): what was taken out stays out."""
        return PLACEHOLDER.sub(LEFT_OUT, text)


def _title(person: Person) -> str:
    """The office in the file's words, as far as it carries no name and no number."""
    words = re.sub(r"[\d\s]+", "", PLACEHOLDER.sub("", person.words))
    return "" if person.name and person.name in words else words[:30]


def _pictures_at(result: Reading) -> dict[int, int]:
    found: dict[int, int] = {}
    for position, section in enumerate(result.sections, start=1):
        for match in PLACEHOLDER.finditer(section.body):
            if match[1] == "i":
                found[int(match[2])] = position
    return found


def _sections(result: Reading, plan: Plan, words: _People, images: Mapping[int, str]) -> list[SectionText]:
    made = []
    for section in result.sections:
        if section.is_title and not section.lines and _same(section.heading, plan.title):
            continue
        made.append(
            SectionText(section.heading, words.into(section.body, images), section.number, section.depth, section.part)
        )
    return made


def _same(one: str, other: str) -> bool:
    return re.sub(r"\s", "", one) == re.sub(r"\s", "", other)


def _levels(result: Reading, words: _People) -> list[LevelText]:
    return [
        LevelText(
            ResponseGrade(row["grade"]), words.plain(row["trigger"]), words.plain(row["decided_by"]),
            [ActionText(words.plain(a["action"]), None, words.plain(a["actor_words"]), a["within_minutes"]) for a in row["actions"]],
        )
        for row in result.levels
    ]  # fmt: skip


def _evacuation(session: Session, actor: Actor, result: Reading, home: str) -> list[EvacuationText]:
    places = Places.within(session, actor, home)
    return [
        EvacuationText(
            destination=PLACEHOLDER.sub(LEFT_OUT, row["destination"]), subject_code=code, people=row["people"],
            route=PLACEHOLDER.sub(LEFT_OUT, row["route"]), means=PLACEHOLDER.sub(LEFT_OUT, row["means"]),
        )
        for row, code in matched(result.evacuation, places)
        if code is not None
    ]  # fmt: skip


def matched(rows: Sequence[Mapping[str, Any]], places: Places) -> list[tuple[Mapping[str, Any], str | None]]:
    """Rows of evacuation tables with the division that each names; None stays text."""
    return [(row, places.find(str(row["who"]))) for row in rows]
