"""Pure rules of plans: who may follow whom, which dates are late, what a text must contain."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from emergency.plans.models import FilingState, Part, PlanKind, PlanLevel, PlanState, VersionState
from kernel.types import LabelledEnum

V, P, F, K, L = VersionState, PlanState, FilingState, PlanKind, PlanLevel

VERSION_TRANSITIONS: dict[VersionState, frozenset[VersionState]] = {
    V.DRAFT: frozenset({V.LINKAGE_REVIEW}),
    V.LINKAGE_REVIEW: frozenset({V.APPROVAL, V.DRAFT}),
    V.APPROVAL: frozenset({V.APPROVED, V.DRAFT, V.REJECTED}),
    V.APPROVED: frozenset({V.ISSUED}),
    V.ISSUED: frozenset(),
    V.REJECTED: frozenset(),
}
PLAN_TRANSITIONS: dict[PlanState, frozenset[PlanState]] = {
    P.DRAFTING: frozenset({P.IN_FORCE, P.REPEALED}),
    P.IN_FORCE: frozenset({P.UNDER_REVISION, P.SUPERSEDED, P.REPEALED}),
    P.UNDER_REVISION: frozenset({P.IN_FORCE, P.SUPERSEDED, P.REPEALED}),
    P.SUPERSEDED: frozenset(),
    P.REPEALED: frozenset(),
}
FILING_TRANSITIONS: dict[FilingState, frozenset[FilingState]] = {
    F.DUE: frozenset({F.FILED}),
    F.FILED: frozenset({F.RECEIPTED, F.RETURNED}),
    F.RETURNED: frozenset({F.FILED}),
    F.RECEIPTED: frozenset(),
}
IN_WORK = frozenset({V.DRAFT, V.LINKAGE_REVIEW, V.APPROVAL, V.APPROVED})
"""A plan has one version at most in these states."""
NEEDS_REASON = frozenset({V.DRAFT, V.REJECTED})
"""Steps back say why."""
LIVING = frozenset({P.DRAFTING, P.IN_FORCE, P.UNDER_REVISION})

REQUIRED_PARTS = (Part.COMMAND, Part.PREVENTION, Part.HANDLING, Part.SUPPORT, Part.RECOVERY)
"""突发事件应对法 art. 28: every government plan has these; short village and unit plans may be plain."""
FULL_TEXT_KINDS = frozenset({K.GENERAL, K.SPECIAL, K.DEPARTMENT})
SUPPORTING = frozenset({K.WORKBOOK, K.ACTION})
"""What supports a plan and stands beneath it: 应急工作手册, 事件应急行动方案."""
LEVEL_OF: dict[PlanKind, frozenset[PlanLevel]] = {
    K.GENERAL: frozenset({L.CITY, L.DISTRICT}),
    K.SPECIAL: frozenset({L.CITY, L.DISTRICT}),
    K.DEPARTMENT: frozenset({L.CITY, L.DISTRICT}),
    K.TOWNSHIP: frozenset({L.TOWNSHIP}),
    K.VILLAGE: frozenset({L.VILLAGE}),
    K.UNIT: frozenset({L.UNIT}),
}
_ORDER = {L.CITY: 0, L.DISTRICT: 1, L.TOWNSHIP: 2, L.VILLAGE: 3, L.UNIT: 3}
MAX_DEPTH = 12


class Fault(LabelledEnum):
    """What can be wrong with a plan. The last two are known to the room of drills, which reports them."""

    EVALUATION_OVERDUE = "evaluation_overdue", "评估逾期", "Evaluation overdue", "late"
    PARENT_SUPERSEDED = "parent_superseded", "上级预案已更新", "Parent plan has a newer version", "wait"
    PARENT_GONE = "parent_gone", "上级预案已停用", "Parent plan is no longer in force", "late"
    FILING_OVERDUE = "filing_overdue", "备案逾期", "Filing overdue", "late"
    FILING_SOON = "filing_soon", "备案将到期", "Filing due soon", "wait"
    NO_VERSION = "no_version", "尚无有效文本", "No text in force", "absent"
    NOT_ON_ANY_LIST = "not_on_any_list", "未列入转移名单", "On no evacuation list", "late"
    LAW_CHANGED = "law_changed", "依据的法律已变化", "A law that it names has changed", "wait"
    RECEIPT_OVERDUE = "receipt_overdue", "回执逾期", "Receipt overdue", "late"
    PLAN_MISSING = "plan_missing", "应编未编", "A plan is missing", "late"
    LEVELS_MISSING = "levels_missing", "未定响应级别", "No response levels", "wait"
    RELIED_POST = "relied_post", "所依靠的岗位缺人或无号码", "A post that it counts on cannot be reached", "late"
    RELIED_UNVERIFIED = (
        "relied_unverified",
        "所依靠的岗位号码未核实",
        "A number that it counts on is not verified",
        "wait",
    )
    RELIED_STOCK = "relied_stock", "所依靠的物资不足", "Stock that it counts on is short", "late"
    RELIED_AGREEMENT = "relied_agreement", "所依靠的协议失效", "An agreement that it counts on has lapsed", "late"
    RELIED_CLOSED = "relied_closed", "所依靠的库点或单位已关闭", "What it counts on has closed", "late"
    LISTS_DISAGREE = "lists_disagree", "转移去处不一致", "Evacuation lists disagree", "late"
    SHELTER_UNKNOWN = "shelter_unknown", "安置点容量未核定", "Capacity of a shelter unknown", "wait"
    SHELTER_FULL = "shelter_full", "安置点超员", "A shelter is assigned too many", "late"
    OWNER_MISSING = "owner_missing", "未定责任岗位", "No owner post", "wait"
    DRAFT_UNTOUCHED = "draft_untouched", "草稿久置", "A draft lies untouched", "wait"
    COMMENTS_UNANSWERED = "comments_unanswered", "审核意见未答复", "Review comments without an answer", "wait"
    WORKBOOK_MISSING = "workbook_missing", "缺应急工作手册", "No workbook", "wait"
    CARD_MISSING = "card_missing", "缺事件应急行动方案", "No action scheme", "wait"
    FINDING_OPEN = "finding_open", "演练发现须修订", "A drill found what its text must answer", "wait"
    DRILL_OVERDUE = "drill_overdue", "演练逾期", "A drill of it is overdue", "late"


def missing_parts(kind: PlanKind, parts: Iterable[Part | None]) -> list[Part]:
    """The parts of art. 28 that a government plan's text does not contain; others may be plain."""
    if kind not in FULL_TEXT_KINDS:
        return []
    present = set(parts)
    return [part for part in REQUIRED_PARTS if part not in present]


def may_be_parent(parent: PlanLevel, child: PlanLevel) -> bool:
    """A parent stands at the same level (general over special) or above."""
    return _ORDER[parent] <= _ORDER[child]


def makes_cycle(plan_id: int, parent_id: int, parent_of: Mapping[int, int | None]) -> bool:
    """Whether `plan_id` already stands above `parent_id`."""
    above: int | None = parent_id
    for _step in range(len(parent_of) + 1):
        if above is None:
            return False
        if above == plan_id:
            return True
        above = parent_of.get(above)
    return True


@functools.lru_cache(maxsize=4096)
def evaluation_due(issued_on: date, evaluated_on: date | None, months: int | None) -> date | None:
    """The last day by which the text should have been evaluated again; None where no rule binds it."""
    return max(issued_on, evaluated_on or issued_on) + relativedelta(months=months) if months else None


def shorter(*months: int | None) -> int | None:
    """The interval that binds: the shortest of those that the law, the bureau and the plan itself set."""
    return min((given for given in months if given), default=None)


@dataclass(frozen=True)
class Facts:
    """What is known of one plan, its text in force, the text in work, its filing and its parent."""

    plan_id: int
    title: str
    kind: PlanKind
    level: PlanLevel
    state: PlanState
    division_code: str
    parent_id: int | None
    unit_id: int | None
    owner_post_id: int | None
    evaluate_months: int | None
    created_on: date
    version_id: int | None = None
    number: int | None = None
    issued_on: date | None = None
    evaluated_on: date | None = None
    cited_id: int | None = None
    work_id: int | None = None
    work_state: VersionState | None = None
    filing: FilingState | None = None
    filing_due: date | None = None
    parent_state: PlanState | None = None
    parent_version_id: int | None = None
    parent_number: int | None = None
    parent_issued_on: date | None = None


@dataclass(frozen=True)
class Found:
    """One fault of one plan: since when, by when it had to be mended, the number that its sentence needs."""

    fault: Fault
    since: date
    due: date | None = None
    number: int = 0


FILING_SOON_DAYS = 5
DATED = frozenset({
    Fault.NO_VERSION, Fault.EVALUATION_OVERDUE, Fault.PARENT_GONE, Fault.PARENT_SUPERSEDED, Fault.FILING_OVERDUE,
    Fault.FILING_SOON,
})  # fmt: skip
"""What `faults` tells from a plan's own dates and states; the rest needs other rooms and is kept."""


def faults(facts: Facts, *, rule_months: int | None, today: date) -> list[Found]:
    """What is wrong with a plan today. Only an adopted rule, or the plan's own promise, makes anything overdue;
    where both bind, the shorter."""
    if facts.state not in LIVING:
        return []
    if facts.version_id is None or facts.issued_on is None:
        return [Found(Fault.NO_VERSION, facts.created_on)]
    found: list[Found] = []
    due = evaluation_due(facts.issued_on, facts.evaluated_on, shorter(rule_months, facts.evaluate_months))
    if due is not None and due < today:
        found.append(Found(Fault.EVALUATION_OVERDUE, due, due))
    if facts.parent_id is not None:
        if facts.parent_state in (PlanState.REPEALED, PlanState.SUPERSEDED):
            found.append(Found(Fault.PARENT_GONE, facts.parent_issued_on or facts.issued_on))
        elif facts.parent_version_id is not None and facts.cited_id != facts.parent_version_id:
            since = facts.parent_issued_on or facts.issued_on
            found.append(Found(Fault.PARENT_SUPERSEDED, since, None, facts.parent_number or 0))
    if facts.filing in (FilingState.DUE, FilingState.RETURNED) and facts.filing_due is not None:
        if facts.filing_due < today:
            found.append(Found(Fault.FILING_OVERDUE, facts.filing_due, facts.filing_due))
        elif facts.filing_due <= today + timedelta(days=FILING_SOON_DAYS):
            found.append(Found(Fault.FILING_SOON, today, facts.filing_due))
    return found


@dataclass(frozen=True)
class Outline:
    """One heading as typed: `1.1 编制目的` is depth 2."""

    number: str
    heading: str
    depth: int


_NUMBERED = re.compile(r"^\s*(\d{1,2}(?:\.\d{1,2}){0,4})[\s、.．]*(.+)$")


def outline_of(line: str) -> Outline:
    """The number, words and depth of a heading line."""
    found = _NUMBERED.match(line)
    if not found:
        return Outline("", line.strip(), 1)
    return Outline(found[1], found[2].strip(), found[1].count(".") + 1)


_PART_WORDS: tuple[tuple[str, Part], ...] = (
    ("附则", Part.ANNEX),
    ("附件", Part.ANNEX),
    ("总则", Part.GENERAL),
    ("后期", Part.RECOVERY),
    ("恢复", Part.RECOVERY),
    ("善后", Part.RECOVERY),
    ("保障", Part.SUPPORT),
    ("预警", Part.PREVENTION),
    ("预防", Part.PREVENTION),
    ("监测", Part.PREVENTION),
    ("组织", Part.COMMAND),
    ("职责", Part.COMMAND),
    ("指挥", Part.COMMAND),
    ("响应", Part.HANDLING),
    ("处置", Part.HANDLING),
    ("信息报告", Part.HANDLING),
)


def part_of(heading: str) -> Part | None:
    """Which part of art. 28 a top heading most likely is; a planner may say otherwise."""
    return next((part for words, part in _PART_WORDS if words in heading), None)
