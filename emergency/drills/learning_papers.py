"""Reports in Word on the official page: evaluation report with improvement plan, and the report to the supervisors.

The sections are those that AQ/T 9009-2015 asks of an evaluation report and AQ/T 9007-2019 of a summary (as they are
described elsewhere), and those of the HSEEP after-action report and improvement plan. Nobody is named unless a purpose
was given; who took a paper is written to the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.drills.learning_models import Cause, DrillReport, Finding, Mark, Rating
from emergency.drills.learning_rules import DEFINITIONS
from emergency.drills.learning_whole import AfterAction, capability_of, reached
from emergency.drills.models import DrillRule, Occurrence
from emergency.drills.rulebook import report_words
from emergency.http.actor import Actor
from emergency.http.word import Column, Form, chinese_day
from emergency.privacy import journal
from kernel.clock import BEIJING
from kernel.db import now

EXERCISE = "【演练】"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PRINTED = journal.kind("drill.paper", "导出演练报告", "Drill report taken out", "paper", "revealed", "division")
SEALED = "评估员的观察记录已封存，凭用途在系统内查阅。"
OBJECTIVES = (
    Column("序号", 12, True), Column("演练目标", 46), Column("能力", 26), Column("标准", 36),
    Column("评定", 20, True), Column("评估人数", 16, True),
)  # fmt: skip
FINDINGS = (
    Column("序号", 12, True), Column("问题", 50), Column("原因", 44), Column("程度", 14, True), Column("涉及预案", 24),
    Column("状态", 14, True),
)  # fmt: skip
LANDSCAPE = 297 - 37 - 35
"""The width of the type area of a sheet that is turned, in millimetres."""
PLAN = (
    Column("能力", 22), Column("问题", 34), Column("整改措施", 36), Column("要素", 20), Column("责任岗位（单位）", 28),
    Column("开始", 18, True), Column("期限", 18, True), Column("状态", 18, True),
)  # fmt: skip
CHECKS = (Column("检查内容", 88), *(Column(mark.zh, 16, True) for mark in Mark))


def _moment(at: datetime) -> str:
    local = at.astimezone(BEIJING)
    return f"{chinese_day(local.date())}{local:%H:%M}"


def _length(seconds: int) -> str:
    return f"{seconds // 60}分{seconds % 60}秒" if seconds >= 60 else f"{seconds}秒"


def evaluation_report(session: Session, *, actor: Actor, whole: AfterAction) -> bytes:
    """The evaluation report with its improvement plan; marked as an exercise on every page."""
    form = Form(f"{whole.occurrence.title}评估总结报告", marks=[EXERCISE], at=now(session))
    form.heading_of_document()
    _overview(form, whole)
    _carried_out(form, whole)
    _aims(form, whole)
    _performance(form, whole)
    _strengths(form, whole)
    _findings(form, whole)
    _before(form, whole)
    _lessons(form, whole)
    rows = list(improvement_rows(whole))
    _improvement(form, whole, bool(rows))
    _definitions(form)
    config: Config = session.info["config"]
    form.list_of_annexes(["整改计划表"] if rows else [])
    form.signature(config.site.name, now(session).astimezone(BEIJING).date())
    if rows:
        form.annex("附件", "整改计划表", landscape=True)
        form.table(PLAN, rows, width=LANDSCAPE)
    journal.record(
        session, PRINTED, actor=actor, subject=("drill_occurrence", whole.occurrence.id), paper="evaluation",
        revealed=bool(whole.words), division=whole.occurrence.division_code,
    )  # fmt: skip
    return form.to_bytes()


def _overview(form: Form, whole: AfterAction) -> None:
    drill, programme, record = whole.occurrence, whole.programme, whole.record
    form.heading("一、演练基本概要", 1)
    form.heading("（一）演练目的", 2)
    form.paragraph(f"本次演练为{programme.purpose.zh}演练。" + ("检验下列目标：" if whole.judged else ""))
    for number, row in enumerate(whole.judged, start=1):
        form.paragraph(f"{number}. {row.words}" + (f"（标准：{row.target}）" if row.target else "") + "。")
    form.heading("（二）时间和地点", 2)
    start, end = (record.started_at, record.ended_at) if record else (drill.starts_at, drill.ends_at)
    where = (record.place if record else "") or programme.place or whole.place
    form.paragraph(f"时间：{_moment(start)}至{_moment(end)}。")
    form.paragraph(f"地点：{where}。")
    form.heading("（三）参演单位和人员", 2)
    form.paragraph(f"组织单位：{whole.owner}。参加单位：{(record.departments if record else '') or whole.owner}。")
    if record is not None:
        of = f"，应到{record.expected}人" if record.expected is not None else ""
        form.paragraph(f"参加人员：实到{record.attendance}人{of}。评估员：{len(whole.standing)}人。")
    form.heading("（四）方案概要", 2)
    by = f"依据《{whole.plan.title.strip('《》')}》，" if whole.plan is not None else ""
    form.paragraph(f"{by}科目为{drill.kind.zh}，以{programme.form.zh}方式开展，内容为{programme.content.zh}。")


def _carried_out(form: Form, whole: AfterAction) -> None:
    form.heading("二、组织和实施情况", 1)
    record = whole.record
    if record is None:
        form.paragraph("尚无演练记录。")
        return
    form.paragraph(record.content or f"按方案开展了{whole.occurrence.kind.zh}演练。")
    if whole.asked:
        form.paragraph(f"演练前征询了{whole.asked}个岗位。")
    if record.evacuation_seconds is not None:
        target = whole.programme.target_seconds
        against = ""
        if target:
            kept = "达到" if record.evacuation_seconds <= target else "未达到"
            against = f"，目标{_length(target)}，{kept}目标"
        form.paragraph(f"全部疏散用时{_length(record.evacuation_seconds)}{against}。")


def _aims(form: Form, whole: AfterAction) -> None:
    form.heading("三、演练目标实现情况", 1)
    if not whole.judged:
        form.paragraph("本次演练未设定目标。")
        return
    met, judged = reached(whole)
    form.paragraph(f"共设目标{len(whole.judged)}项，已评定{judged}项，其中{met}项实现（P、S）。"
                   "同一目标有多份评估表的，以最差的评定为准。")  # fmt: skip
    form.table(OBJECTIVES, ([
        str(number), row.words, row.capability, row.target, _rating(row.summary),
        str(row.summary.sheets) if row.summary else "0",
    ] for number, row in enumerate(whole.judged, start=1)))  # fmt: skip
    counted = len(whole.standing)
    for row in whole.judged:
        for task, seen in row.tasks:
            form.paragraph(f"关键任务“{task}”：{counted}名评估员中{seen}名确认完成。")
    if any(row.summary is not None and row.summary.spread >= 2 for row in whole.judged):
        form.paragraph("部分目标的评定相差两级以上，建议评估员共同复核。")


def _rating(summary: object) -> str:
    worst = getattr(summary, "worst", None)
    return worst.zh if worst is not None else "未评定"


def _performance(form: Form, whole: AfterAction) -> None:
    form.heading("四、参演人员表现", 1)
    if not whole.marks:
        form.paragraph("未填写检查表。")
    for group in whole.groups:
        rows = [
            [line.zh, *(str(whole.marks[line.key].get(mark, 0)) for mark in Mark)]
            for line in group.lines
            if line.key in whole.marks
        ]
        if rows:
            form.table(CHECKS, rows, caption=group.zh)
    if any(sheet.sealed for sheet in whole.standing) and not whole.words:
        form.paragraph(SEALED)
    for number, sheet in enumerate(whole.standing, start=1):
        opened = whole.words.get(sheet.evaluation.id)
        for row in sheet.ratings:
            text = opened.observations.get(row.id, "") if opened is not None else ""
            if text:
                form.paragraph(f"评估员{number}，“{row.objective}”：{text}")


def _strengths(form: Form, whole: AfterAction) -> None:
    form.heading("五、好的做法", 1)
    good = [row.words for row in whole.judged if row.summary is not None and row.summary.worst is Rating.P]
    if good:
        form.paragraph(f"顺利完成的目标：{'；'.join(good)}。")
    said = [words.strengths for words in whole.words.values() if words.strengths]
    for text in said:
        form.paragraph(text)
    if not said and any(sheet.evaluation.strengths_sealed for sheet in whole.standing):
        form.paragraph("评估员记录的好的做法已封存，凭用途在系统内查阅。")
    elif not good and not said:
        form.paragraph("评估员未记录。")


def _findings(form: Form, whole: AfterAction) -> None:
    form.heading("六、发现的问题与原因", 1)
    if not whole.findings:
        form.paragraph("未发现需要整改的问题。")
        return
    form.table(FINDINGS, ([
        str(number), finding.text + ("（再次出现）" if finding.recurs_id else ""), _cause(finding),
        finding.severity.zh, whole.plans.get(finding.plan_id or 0, ""), _state(whole, finding),
    ] for number, finding in enumerate(whole.findings, start=1)))  # fmt: skip


def _cause(finding: Finding) -> str:
    return "：".join(part for part in (finding.cause.zh if finding.cause else "", finding.root_cause) if part)


def _state(whole: AfterAction, finding: Finding) -> str:
    number = whole.mended.get(finding.id)
    return f"{finding.state.zh}（预案第{number}版）" if number is not None else finding.state.zh


def _before(form: Form, whole: AfterAction) -> None:
    form.heading("七、上次演练发现问题的检验情况", 1)
    if whole.before.occurrence is None:
        form.paragraph("此前没有同类演练。")
        return
    form.paragraph(f"上次同类演练：{whole.before.occurrence.title}（{_moment(whole.before.occurrence.starts_at)}）。")
    if not whole.before.findings:
        form.paragraph("上次演练没有记录问题。")
    for number, earlier in enumerate(whole.before.findings, start=1):
        said = earlier.check.outcome.zh if earlier.check is not None else "尚未评定"
        form.paragraph(f"{number}. {earlier.finding.text}：{said}。")


def _lessons(form: Form, whole: AfterAction) -> None:
    form.heading("八、经验教训", 1)
    by_cause = Counter(finding.cause for finding in whole.findings if finding.cause is not None)
    if by_cause:
        said = "、".join(f"{cause.zh}{by_cause[cause]}项" for cause in Cause if by_cause[cause])
        form.paragraph(f"问题的根源：{said}。")
    roots = list(dict.fromkeys(finding.root_cause for finding in whole.findings if finding.root_cause))
    for root in roots:
        form.paragraph(f"教训：{root.rstrip('。')}。")
    again = sum(finding.recurs_id is not None for finding in whole.findings)
    if again:
        form.paragraph(f"有{again}项问题以前已经发现而再次出现，说明此前的整改没有奏效，应优先解决。")
    if not by_cause and not roots and not again:
        form.paragraph("无。")


def _improvement(form: Form, whole: AfterAction, planned: bool) -> None:
    form.heading("九、改进建议和整改计划", 1)
    wanted = list(dict.fromkeys(whole.plans[p] for f in whole.findings if (p := f.plan_id or 0) in whole.plans))
    if wanted:
        form.paragraph(f"建议修订预案：{'；'.join(wanted)}。")
    form.paragraph("整改措施、责任岗位和期限见附件。" if planned else "未下达整改措施。")


def improvement_rows(whole: AfterAction) -> Iterable[Sequence[str]]:
    """The matrix of the improvement plan: one row an action, and one for each finding that has none."""
    for finding in whole.findings:
        about = [capability_of(whole, finding), finding.text]
        element = finding.cause.zh if finding.cause is not None else ""
        for action in whole.actions.get(finding.id, ()):
            yield [
                *about,
                action.text,
                element,
                whole.owner_of(action),
                action.starts_on.isoformat() if action.starts_on else "",
                action.due_on.isoformat(),
                action.state.zh,
            ]
        if not whole.actions.get(finding.id):
            yield [*about, "（未下达）", element, "", "", "", finding.state.zh]


def _definitions(form: Form) -> None:
    form.heading("附：评定等级的含义", 1)
    for rating in (Rating.P, Rating.S, Rating.M, Rating.U):
        form.paragraph(f"{rating.zh}：{DEFINITIONS[rating][0]}")


def department_report(
    session: Session, *, actor: Actor, whole: AfterAction, report: DrillReport, rule: DrillRule
) -> bytes:
    """What the supervising department wants of a drill (生产安全事故应急条例 art. 8): the facts, the problems, what is done."""
    drill: Occurrence = whole.occurrence
    form = Form(f"关于报送{drill.title}情况的报告", marks=[EXERCISE], at=now(session))
    if report.reference:
        form.number(report.reference)
    form.heading_of_document()
    form.addressee(report_words(report.to_whom, "zh"))
    form.paragraph(f"根据{rule.source}，现将{drill.title}情况报告如下。")
    record = whole.record
    start, end = (record.started_at, record.ended_at) if record else (drill.starts_at, drill.ends_at)
    form.heading("一、时间和地点", 1)
    where = (record.place if record else "") or whole.programme.place or whole.place
    form.paragraph(f"{_moment(start)}至{_moment(end)}，{where}。")
    form.heading("二、演练内容", 1)
    form.paragraph(record.content if record and record.content else f"{drill.kind.zh}，{whole.programme.form.zh}。")
    form.heading("三、参加单位和人员", 1)
    who, heads = (record.departments, record.attendance) if record else ("", 0)
    form.paragraph(f"{who or whole.owner}；共{heads}人。")
    _told_of_findings(form, whole)
    form.signature(whole.owner, now(session).astimezone(BEIJING).date())
    journal.record(session, PRINTED, actor=actor, subject=("drill_report", report.id), paper="department",
                   revealed=False, division=drill.division_code)  # fmt: skip
    return form.to_bytes()


def _told_of_findings(form: Form, whole: AfterAction) -> None:
    form.heading("四、评估情况", 1)
    met, judged = reached(whole)
    form.paragraph(f"评定目标{judged}项，实现{met}项。" if judged else "尚未评估。")
    for row in whole.judged:
        form.paragraph(f"{row.words}：{_rating(row.summary)}。")
    form.heading("五、发现的问题和整改情况", 1)
    if not whole.findings:
        form.paragraph("未发现需要整改的问题。")
    for number, finding in enumerate(whole.findings, start=1):
        why = f"原因：{_cause(finding)}。" if _cause(finding) else ""
        form.paragraph(f"{number}. {finding.text}（{_state(whole, finding)}）。{why}")
        for action in whole.actions.get(finding.id, ()):
            by = f"{whole.owner_of(action)}，{chinese_day(action.due_on)}前，{action.state.zh}"
            form.paragraph(f"整改：{action.text}，{by}。")
