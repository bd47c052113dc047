"""One version of a plan as a Word document in the official form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from emergency.divisions.rules import place_name
from emergency.http.actor import Actor
from emergency.http.word import WIDTH, Column, Form
from emergency.people.posts import service as posts
from emergency.plans import attachments, bodies
from emergency.plans.importing.numbering import chinese
from emergency.plans.models import EvacuationRow, PlanSection, ResponseAction, VersionState
from emergency.plans.paper import journalled
from emergency.plans.queries import Text, version_text
from kernel.errors import DomainError

EXERCISE = "【演练】"
LANDSCAPE_WIDTH = 297 - 37 - 35
ACTION_COLUMNS = (
    Column("序号", 13, True),
    Column("行动", 78),
    Column("责任岗位（单位）", 42),
    Column("时限", 23, True),
)
EVACUATION_COLUMNS = (
    Column("序号", 13, True), Column("村（社区）、单位", 36), Column("人数", 15, True), Column("安置点", 36),
    Column("路线", 34), Column("方式", 28), Column("责任岗位", 35), Column("级别", 15, True), Column("时限", 22, True),
)  # fmt: skip


@dataclass(frozen=True)
class Whole:
    """A version with what its posts are called."""

    text: Text
    posts: Mapping[int, str]

    @property
    def draft(self) -> bool:
        """Whether nobody has issued it: it says so on every page."""
        return self.text.version.state is not VersionState.ISSUED


def whole(session: Session, *, actor: Actor, version_id: int) -> Whole:
    """A version that the actor may read, with the titles of every post in it; never who holds them."""
    text = version_text(session, actor=actor, version_id=version_id)
    parts = text.parts
    wanted = set().union(*(bodies.post_ids(section.body) for section in parts.sections), set())
    wanted |= {action.post_id for actions in parts.actions.values() for action in actions if action.post_id}
    wanted |= {row.post_id for row in parts.evacuation if row.post_id}
    wanted |= {row.ref_id for row in parts.reliances if row.kind == "post"}
    return Whole(text, posts.titles(session, wanted) if wanted else {})


def place_of(text: Text, row: EvacuationRow) -> str:
    """Whom a line of the evacuation list is about; a household by its kind only, its people stand in the register."""
    if row.unit_id:
        return text.units.get(row.unit_id, "")
    if row.subject_code:
        return place_name(text.names.get(row.subject_code, row.subject_code))
    return "一户（见人员登记册）"


def who(action: ResponseAction | EvacuationRow, titles: Mapping[int, str]) -> str:
    """The post's title, or the plan's own words."""
    if action.post_id:
        return titles.get(action.post_id, bodies.GONE)
    return getattr(action, "actor_words", "") or ""


def minutes(value: int | None) -> str:
    """A time limit in words."""
    if value is None:
        return ""
    if value == 0:
        return "立即"
    return f"{value // 60}小时内" if value >= 60 and value % 60 == 0 else f"{value}分钟内"


def marks_of(held: Whole, exercise: bool) -> list[str]:
    """What every page says at its top."""
    words = (
        f"草稿（第{held.text.version.number}版，{held.text.version.state.zh}，不得作为执行依据）" if held.draft else ""
    )
    return [mark for mark in (EXERCISE if exercise else "", words) if mark]


def plan_document(session: Session, *, actor: Actor, version_id: int, exercise: bool = False) -> bytes:
    """A version as .docx: text, response levels, acts, evacuation list. Journalled; no person's name or number in it."""
    held = whole(session, actor=actor, version_id=version_id)
    journalled.note(session, actor=actor, text=held.text, paper="word", exercise=exercise)
    return write(session, held, actor=actor, exercise=exercise)


def write(session: Session, held: Whole, *, actor: Actor, exercise: bool = False) -> bytes:
    """The document of a version that was read already."""
    text, version, plan = held.text, held.text.version, held.text.plan
    form = Form(plan.title, marks=marks_of(held, exercise), at=version.issued_at or version.edited_at)
    if version.document_number:
        form.number(version.document_number)
    form.heading_of_document()
    for heading, section in zip(headings(text.sections), text.sections, strict=True):
        form.heading(heading, section.depth)
        _body(session, form, held, section, actor)
    annexes = [name for name, present in (
        ("响应分级与启动条件", text.parts.levels),
        ("各级响应行动", any(text.parts.actions.values())),
        ("转移避险名单", text.parts.evacuation),
    ) if present]  # fmt: skip
    form.list_of_annexes(annexes)
    if not held.draft:
        form.signature(plan.issuer, version.issued_on)
    for number, name in enumerate(annexes, start=1):
        form.annex(f"附件{number}" if len(annexes) > 1 else "附件", name, landscape=name == "转移避险名单")
        _ANNEXES[name](form, held)
    return form.to_bytes()


_OFFICIAL = ("{}、", "（{}）", "{}.", "（{}）", "{}）", "{}）")


def headings(sections: Sequence[PlanSection]) -> Iterator[str]:
    """The headings with their numbers. A text that numbers itself keeps its numbers; one that does not gets 一、（一）1.（1）."""
    own = any(section.number for section in sections)
    counts: list[int] = []
    for section in sections:
        if own:
            yield numbered(section.number, section.heading)
            continue
        counts = counts[: section.depth]
        counts += [0] * (section.depth - len(counts))
        counts[-1] += 1
        number = chinese(counts[-1]) if section.depth <= 2 else str(counts[-1])
        yield _OFFICIAL[section.depth - 1].format(number) + section.heading


def numbered(number: str, heading: str) -> str:
    """`1.1 编制目的`, `一、总则`, `第一条　总则`: a space only where the number does not end in a sign."""
    if not number:
        return heading
    if number[-1] in "、.．）)":
        return number + heading
    return f"{number}{'　' if number.startswith('第') else ' '}{heading}"


def _words(text: str, titles: Mapping[int, str], *, cell: bool = False) -> str:
    pieces = bodies.inline(text, cell=cell)
    return "".join(titles.get(p.id, bodies.GONE) if isinstance(p, bodies.Post) else p for p in pieces)


def _body(session: Session, form: Form, held: Whole, section: PlanSection, actor: Actor) -> None:
    for block in bodies.parse(section.body):
        if isinstance(block, bodies.Paragraph):
            form.paragraph(_words(block.text, held.posts).strip())
        elif isinstance(block, bodies.Table):
            columns = len(block.rows[0])
            form.grid(block.merged, columns, block.headings, lambda text: _words(text, held.posts, cell=True))
        else:
            _picture(session, form, held, block, actor)


def _picture(session: Session, form: Form, held: Whole, block: bodies.Image, actor: Actor) -> None:
    try:
        found = attachments.open_attachment(
            session, actor=actor, plan_id=held.text.plan.id, attachment_id=block.attachment_id
        )
    except DomainError:
        form.paragraph(f"〔图缺失〕{block.caption}")
        return
    if not form.picture(found.data, block.caption):
        form.paragraph(f"〔图：{found.media_type}，请在系统中查看〕{block.caption}")


def _levels(form: Form, held: Whole) -> None:
    form.table(
        (Column("响应级别", 10, True), Column("启动条件", 32), Column("决定", 14)),
        [(level.grade.zh, level.trigger, level.decided_by) for level in held.text.parts.levels],
    )


def _actions(form: Form, held: Whole) -> None:
    for level in held.text.parts.levels:
        found = held.text.parts.actions.get(level.id, [])
        if found:
            rows = [
                (str(number), action.action, who(action, held.posts), minutes(action.within_minutes))
                for number, action in enumerate(found, start=1)
            ]
            form.table(ACTION_COLUMNS, rows, width=WIDTH, caption=level.grade.zh)


def evacuation_rows(held: Whole) -> Iterator[tuple[str, ...]]:
    """The evacuation list, as its table is printed."""
    for number, row in enumerate(held.text.parts.evacuation, start=1):
        yield (
            str(number), place_of(held.text, row), str(row.people or ""), row.destination, row.route, row.means,
            who(row, held.posts), row.grade.zh.removesuffix("响应") if row.grade else "",
            f"{row.within_hours}小时内" if row.within_hours else "",
        )  # fmt: skip


def _evacuation(form: Form, held: Whole) -> None:
    form.table(EVACUATION_COLUMNS, evacuation_rows(held), width=LANDSCAPE_WIDTH)


_ANNEXES = {"响应分级与启动条件": _levels, "各级响应行动": _actions, "转移避险名单": _evacuation}
