"""The papers of a filing (国办发〔2024〕5号 art. 26): letter, list, receipt to be filled in, report of an evaluation.

A letter goes from one issuer to one body and may carry several plans. To the government above it is a 报告, to a
department it is a 函. Whoever prints it adds the letter's own number and the contact by hand: no person's name or
number comes from the system.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import service as divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.http.word import Column, Form, chinese_day
from emergency.plans import rules
from emergency.plans.filing import destinations
from emergency.plans.models import (
    Destination,
    Filing,
    FilingDestination,
    FilingState,
    Plan,
    PlanRule,
    PlanVersion,
    RuleSubject,
    VersionState,
)
from emergency.plans.paper import journalled
from emergency.plans.queries import evaluation_months, facts, readable, today
from kernel.db import now
from kernel.errors import N_, Invalid, NotFound

LAW = "《突发事件应急预案管理办法》（国办发〔2024〕5号）"
MOST = 500
"""Plans in one batch of letters."""
MATERIALS = ("正式印发文本（含电子文本）", "编制说明")
_COLUMNS = (
    Column("序号", 13, True), Column("预案名称", 36), Column("预案种类", 22), Column("发文字号", 27),
    Column("印发日期", 25, True), Column("报备期限", 25, True), Column("材料", 24),
)  # fmt: skip


@dataclass(frozen=True)
class Filed:
    """One issued version that has to be filed."""

    plan: Plan
    version: PlanVersion
    filing: Filing


@dataclass(frozen=True)
class Letter:
    """What one issuer sends to one body."""

    issuer: str
    body: str
    deliver: tuple[str, ...]
    copies: tuple[str, ...]
    plans: tuple[Filed, ...]

    @property
    def kind(self) -> str:
        """报告 upwards to a government or office, 函 to a department, which is not one's superior."""
        return "函" if self.body.endswith(("部门", "局", "委", "委员会", "办")) else "报告"

    @property
    def title(self) -> str:
        """The letter's title."""
        one = self.plans[0].plan.title
        what = f"《{one}》" if len(self.plans) == 1 else f"《{one}》等{len(self.plans)}件应急预案"
        return f"关于报送{what}备案的{self.kind}"


def filed(session: Session, *, actor: Actor, plan_ids: Sequence[int], open_only: bool = False) -> list[Filed]:
    """The versions in force of these plans that have to be filed; refuses a plan outside the actor's scope."""
    actor.require(Permission.PLANS_EDIT)
    if len(plan_ids) > MOST:
        raise Invalid(N_("Choose at most %(n)s plans at once."), code="too_many", n=MOST)
    found = session.execute(
        sa.select(Plan, PlanVersion, Filing)
        .join(PlanVersion, PlanVersion.plan_id == Plan.id)
        .join(Filing, Filing.version_id == PlanVersion.id)
        .where(
            Plan.id.in_(plan_ids), readable(actor), PlanVersion.state == VersionState.ISSUED,
            PlanVersion.replaced_at.is_(None),
        )
        .order_by(Plan.level, Plan.division_code, Plan.id)
    ).all()  # fmt: skip
    for plan, _version, _filing in found:
        actor.require_covers(plan.division_code)
    rows = [Filed(*row) for row in found]
    if open_only:
        rows = [row for row in rows if row.filing.state in (FilingState.DUE, FilingState.RETURNED)]
    if not rows:
        raise NotFound(N_("None of these plans has a version in force that must be filed."), code="nothing_to_file")
    return rows


def letters(session: Session, rows: Sequence[Filed]) -> list[Letter]:
    """One letter for each issuer and addressee; the bodies come from the table of destinations."""
    known: dict[object, list[FilingDestination]] = {}
    grouped: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[Filed]] = defaultdict(list)
    for row in rows:
        if row.plan.kind not in known:
            known[row.plan.kind] = destinations(session, row.plan.kind)
        by_way: dict[Destination, list[str]] = defaultdict(list)
        named = named_bodies(session, row.plan)
        for destination in known[row.plan.kind]:
            by_way[destination.way].append(named.get(destination.body, destination.body))
        to = by_way[Destination.FILE] or by_way[Destination.DELIVER] or by_way[Destination.COPY]
        key = (row.plan.issuer, "、".join(to) or "（主送机关）", tuple(by_way[Destination.DELIVER]),
               tuple(body for body in by_way[Destination.COPY] if body not in to))  # fmt: skip
        grouped[key].append(row)
    return [Letter(*key, tuple(found)) for key, found in grouped.items()]


def named_bodies(session: Session, plan: Plan) -> dict[str, str]:
    """The governments and emergency departments that the table of destinations means, by name; other departments
    keep the table's words."""
    chain = [division.name for division in divisions.path(session, plan.division_code) if division.name != "市辖区"]
    found: dict[str, str] = {}
    if chain:
        found |= {"本级人民政府": _government(chain[-1]), "本级应急管理部门": _department(chain[-1])}
    if len(chain) > 1:
        found |= {"上一级人民政府": _government(chain[-2]), "上一级应急管理部门": _department(chain[-2])}
        found["所在乡镇人民政府（街道办事处）"] = _government(chain[-2])
    return {words: name for words, name in found.items() if name}


def _department(name: str) -> str:
    """A district's or a municipality's; a township has none."""
    return f"{name}应急管理局" if name.endswith(("市", "区", "县")) and "开发区" not in name else ""


def _government(name: str) -> str:
    if name.endswith("街道"):
        return f"{name}办事处"
    return f"{name}人民政府" if name.endswith(("省", "市", "区", "县", "镇", "乡")) and "开发区" not in name else ""


def limit(session: Session, subject: RuleSubject, kind: str) -> int | None:
    """Working days of the adopted rule, for the words of a letter."""
    for rule in session.scalars(sa.select(PlanRule).where(PlanRule.subject == subject, PlanRule.adopted)):
        if kind in rule.kinds:
            return rule.amount
    return None


def filing_letter(session: Session, letter: Letter) -> bytes:
    """备案报告（函）, with its list as an annex."""
    form = Form(letter.title, at=now(session))
    form.heading_of_document()
    form.addressee(letter.body)
    first = letter.plans[0]
    days = limit(session, RuleSubject.FILING, first.plan.kind.value)
    within = f"自印发之日起{days}个工作日内报送备案的规定" if days else "备案规定"
    if len(letter.plans) == 1:
        form.paragraph(
            f"《{first.plan.title}》已于{_issued(first)}{_numbered(first)}印发。根据{LAW}第二十六条关于{within}，"
            f"现将正式印发文本（含电子文本）及编制说明报送你单位备案。"
        )
    else:
        form.paragraph(
            f"根据{LAW}第二十六条关于{within}，现将《{first.plan.title}》等{len(letter.plans)}件应急预案的"
            f"正式印发文本（含电子文本）及编制说明报送你单位备案，具体见附件。"
        )
    form.paragraph(f"{'特此报告' if letter.kind == '报告' else '请予备案并函复'}。")
    names = ["备案材料目录", *(_file_name(row.plan) for row in letter.plans[:5])]
    if len(letter.plans) > 5:
        names[-1] += f"等{len(letter.plans)}件预案及编制说明"
    form.list_of_annexes(names)
    form.signature(letter.issuer, None)
    form.paragraph("（联系人：　　　　　　联系电话：　　　　　　　　）")
    form.copies([*(f"{body}（径送）" for body in letter.deliver), *letter.copies])
    form.annex("附件1", "备案材料目录")
    _list(form, letter)
    return form.to_bytes()


def filing_list(session: Session, letter: Letter) -> bytes:
    """备案材料目录 by itself."""
    form = Form("备案材料目录", at=now(session))
    form.heading_of_document()
    _list(form, letter)
    return form.to_bytes()


def _list(form: Form, letter: Letter) -> None:
    rows = [
        (
            str(number), row.plan.title, row.plan.kind.zh, row.version.document_number or "",
            _day(row.version.issued_on), _day(row.filing.due_on) or "待公布节假日安排", "\n".join(MATERIALS),
        )
        for number, row in enumerate(letter.plans, start=1)
    ]  # fmt: skip
    form.table(_COLUMNS, rows)
    form.paragraph(f"报送单位：{letter.issuer}")
    form.paragraph(f"备案单位：{letter.body}")
    form.paragraph(f"共{len(letter.plans)}件预案，材料各一式　　份，电子文本　　份。")


def filing_receipt(session: Session, letter: Letter) -> bytes:
    """备案回执, for the filing office to fill in and send back."""
    form = Form("应急预案备案回执", at=now(session))
    form.number("备案编号：〔　　　　〕　　　号")
    form.heading_of_document()
    form.addressee(letter.issuer)
    days = limit(session, RuleSubject.RECEIPT, letter.plans[0].plan.kind.value)
    form.paragraph(f"你单位报送的下列应急预案备案材料于　　　　年　　月　　日收到，依据{LAW}进行了形式审查：")
    form.table(
        (Column("序号", 13, True), Column("预案名称", 60), Column("发文字号", 37), Column("审查结果", 46)),
        [
            (str(n), row.plan.title, row.version.document_number or "", "□齐全，予以备案\n□需补正：")
            for n, row in enumerate(letter.plans, start=1)
        ],
    )
    form.paragraph("需补正的材料和理由：　　　　　　　　　　　　　　　　　　　　　　　　")
    if days:
        form.paragraph(f"材料齐全的，自收到之日起{days}个工作日内予以备案并出具本回执。")
    form.signature(f"{letter.body}（盖章）", None)
    return form.to_bytes()


def explanation_document(session: Session, row: Filed) -> bytes:
    """编制说明 of one version, as it was written with it."""
    form = Form(f"《{row.plan.title}》编制说明", at=row.version.issued_at)
    form.heading_of_document()
    written = [line.strip() for line in row.version.explanation.splitlines() if line.strip()]
    for line in written or ["（编制说明尚未填写，请在系统中补写后再报送。）"]:
        form.paragraph(line)
    form.signature(row.plan.issuer, row.version.issued_on)
    return form.to_bytes()


REASONS = (
    "有关法律、法规、规章、标准、上位预案中的有关规定发生重大变化的",
    "应急指挥机构及其职责发生重大调整的",
    "面临的风险发生重大变化的",
    "重要应急资源发生重大变化的",
    "在突发事件实际应对和应急演练中发现问题需要作出重大调整的",
    "应急预案制定单位认为应当修订的其他情况",
)
_BLANK = "　　　　　　　　　　　　　　　　　　　　　　　　　　"


def evaluation_report(session: Session, *, actor: Actor, plan_ids: Sequence[int], year: int | None = None) -> bytes:
    """The skeleton of the year's evaluation: what the system knows is filled in, judgement is left to the evaluators."""
    actor.require(Permission.PLANS_EDIT)
    if len(plan_ids) > MOST:
        raise Invalid(N_("Choose at most %(n)s plans at once."), code="too_many", n=MOST)
    found = [f for f in facts(session, Plan.id.in_(plan_ids), readable(actor)) if f.state in rules.LIVING]
    if not found:
        raise NotFound(N_("There is no such plan in your area."))
    for fact in found:
        actor.require_covers(fact.division_code)
    day, months = today(session), evaluation_months(session)
    issuers = list(
        dict.fromkeys(session.scalars(sa.select(Plan.issuer).where(Plan.id.in_(plan_ids)).order_by(Plan.id)))
    )
    journalled.note_many(
        session, actor=actor, paper="evaluation", count=len(found), division=actor.division_code
    )  # fmt: skip
    form = Form(f"{year or day.year}年度应急预案评估报告", at=now(session))
    form.heading_of_document()
    form.heading("一、评估工作概况", 1)
    form.paragraph(f"根据{LAW}，对下列{len(found)}件应急预案进行定期评估。评估单位：{_BLANK}")
    form.paragraph("评估时间：　　　　年　　月　　日至　　　　年　　月　　日。评估方式：□自行评估　□委托第三方评估")
    form.heading("二、预案基本情况", 1)
    form.table(
        (Column("序号", 13, True), Column("预案名称", 38), Column("版次", 14, True), Column("印发日期", 25, True),
         Column("上次评估", 25, True), Column("应评估日期", 25, True), Column("备案", 18, True)),
        [_evaluated(n, f, rules.shorter(months.get(f.kind), f.evaluate_months)) for n, f in enumerate(found, start=1)],
    )  # fmt: skip
    form.heading("三、系统记录的问题", 1)
    rows = list(_problems(found, lambda f: rules.faults(f, rule_months=months.get(f.kind), today=day)))
    if rows:
        form.table(
            (Column("序号", 13, True), Column("预案名称", 62), Column("问题", 52), Column("起始日期", 25, True)), rows
        )
    else:
        form.paragraph("截至本报告生成之日，系统未记录上述预案存在问题。")
    form.heading("四、修订情形逐项核对", 1)
    form.table(
        (Column("序号", 13, True), Column("情形", 74), Column("是否存在", 26, True), Column("涉及的预案和说明", 43)),
        [(str(n), reason, "□是　□否", "") for n, reason in enumerate(REASONS, start=1)],
    )
    form.heading("五、演练和实际处置中发现的问题", 1)
    for _line in range(3):
        form.paragraph(_BLANK)
    form.heading("六、评估结论", 1)
    form.table(
        (Column("序号", 13, True), Column("预案名称", 56), Column("结论", 45), Column("责任单位和完成时限", 42)),
        [(str(n), f.title, "□继续有效　□修订\n□重新编制　□废止", "") for n, f in enumerate(found, start=1)],
    )
    form.paragraph(f"评估人员（签字）：{_BLANK}")
    form.signature(issuers[0] if len(issuers) == 1 else "（评估单位）", None)
    return form.to_bytes()


def _evaluated(number: int, f: rules.Facts, months: int | None) -> tuple[str, ...]:
    due = rules.evaluation_due(f.issued_on, f.evaluated_on, months) if f.issued_on else None
    return (
        str(number), f.title, str(f.number) if f.number else "无", _day(f.issued_on), _day(f.evaluated_on),
        _day(due) or "无规定", f.filing.zh if f.filing else "不适用",
    )  # fmt: skip


def _problems(
    found: Sequence[rules.Facts], faults: Callable[[rules.Facts], Sequence[rules.Found]]
) -> Iterator[tuple[str, ...]]:
    number = 0
    for fact in found:
        for fault in faults(fact):
            number += 1
            yield str(number), fact.title, fault.fault.zh, _day(fault.since)


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""


def _issued(row: Filed) -> str:
    return chinese_day(row.version.issued_on) if row.version.issued_on else ""


def _numbered(row: Filed) -> str:
    return f"以{row.version.document_number}" if row.version.document_number else ""


def _file_name(plan: Plan) -> str:
    return f"《{plan.title}》及编制说明"
