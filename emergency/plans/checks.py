"""The checks of dynamic management: what each rests on, the act that mends it, which of them the bureau wants made.

The rows come from here once; what the bureau decided about them stays. Marks as in the register of rules: `seen` the
text was read, `seen2` a secondary copy, `mem` from memory. Only adopted checks are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import DISTRICT, level
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans.dynamic_models import PlanCheck
from emergency.plans.rules import Fault
from emergency.privacy import journal
from kernel.errors import N_, Forbidden, Invalid, NotFound

DECIDED = journal.kind("plans.check_decided", "预案检查事项调整", "Check of plans decided", "check", "adopted", "days")
_METHOD, _RESPONSE, _SAFETY = (
    "国办发〔2024〕5号《突发事件应急预案管理办法》",
    "《突发事件应对法》",
    "《生产安全事故应急条例》",
)
_BUREAU = "区应急管理局工作要求"
_LAW, _ADVICE, _LESSON, _HOUSE = "national", "guidance", "lesson", "house"

_F = Fault
LAWBOOK: tuple[tuple[Fault, str, str, str, str, int | None, bool], ...] = (
    (_F.EVALUATION_OVERDUE, _METHOD, "定期评估", _LAW, "seen2", None, True),
    (_F.PARENT_SUPERSEDED, _METHOD, "修订情形（一）上位预案重大变化", _LAW, "seen2", None, True),
    (_F.PARENT_GONE, _METHOD, "修订情形（一）上位预案重大变化", _LAW, "seen2", None, True),
    (_F.LAW_CHANGED, _SAFETY, "第六条第二款第（一）项", _LAW, "seen", None, True),
    (_F.FILING_OVERDUE, _METHOD, "第二十六条", _LAW, "seen", None, True),
    (_F.FILING_SOON, _METHOD, "第二十六条", _LAW, "seen", None, True),
    (_F.RECEIPT_OVERDUE, _METHOD, "备案回执", _LAW, "seen2", None, True),
    (_F.NO_VERSION, _RESPONSE, "第二十六条", _LAW, "seen", None, True),
    (_F.PLAN_MISSING, _RESPONSE, "第二十六条", _LAW, "seen", None, True),
    (_F.LEVELS_MISSING, _RESPONSE, "第七十一条", _LAW, "seen", None, True),
    (_F.RELIED_POST, _METHOD, "修订情形（二）指挥机构及职责重大变化", _LAW, "seen2", None, True),
    (_F.RELIED_UNVERIFIED, _METHOD, "修订情形（二）指挥机构及职责重大变化", _LAW, "seen2", None, True),
    (_F.RELIED_STOCK, _METHOD, "修订情形（四）重要应急资源重大变化", _LAW, "seen2", None, True),
    (_F.RELIED_AGREEMENT, _METHOD, "修订情形（四）重要应急资源重大变化", _LAW, "seen2", None, True),
    (_F.RELIED_CLOSED, _METHOD, "修订情形（四）重要应急资源重大变化", _LAW, "seen2", None, True),
    (_F.NOT_ON_ANY_LIST, "密云太师屯 2025 年 7 月教训", "养老机构未列入转移名单", _LESSON, "seen", None, True),
    (_F.LISTS_DISAGREE, _BUREAU, "同一对象只有一个去处", _HOUSE, "seen", None, True),
    (_F.SHELTER_UNKNOWN, _BUREAU, "安置点须核定容量", _HOUSE, "seen", None, True),
    (_F.SHELTER_FULL, _BUREAU, "安置点不得超员", _HOUSE, "seen", None, True),
    (_F.OWNER_MISSING, _BUREAU, "每部预案有责任岗位", _HOUSE, "seen", None, True),
    (_F.DRAFT_UNTOUCHED, _BUREAU, "草稿不得久置", _HOUSE, "seen", 30, True),
    (_F.COMMENTS_UNANSWERED, _BUREAU, "审核意见及时答复", _HOUSE, "seen", 5, True),
    (_F.WORKBOOK_MISSING, _METHOD, "应急工作手册", _ADVICE, "seen2", None, True),
    (_F.CARD_MISSING, _METHOD, "事件应急行动方案", _ADVICE, "mem", None, False),
    (_F.FINDING_OPEN, _METHOD, "修订情形（五）演练中发现问题需重大调整", _LAW, "seen2", None, True),
    (_F.DRILL_OVERDUE, _METHOD, "专项、部门预案至少每3年演练一次", _LAW, "seen", None, True),
)

MENDS: dict[Fault, str] = {
    _F.EVALUATION_OVERDUE: N_("Record the evaluation"),
    _F.PARENT_SUPERSEDED: N_("Revise under the parent's present version"),
    _F.PARENT_GONE: N_("Revise it, and name another plan above"),
    _F.LAW_CHANGED: N_("Revise it, or record that it still fits"),
    _F.FILING_OVERDUE: N_("Note the filing"),
    _F.FILING_SOON: N_("Note the filing"),
    _F.RECEIPT_OVERDUE: N_("Note the receipt"),
    _F.NO_VERSION: N_("Go on with the text"),
    _F.PLAN_MISSING: N_("Begin this plan"),
    _F.LEVELS_MISSING: N_("Revise it and fix the levels"),
    _F.RELIED_POST: N_("Name a holder"),
    _F.RELIED_UNVERIFIED: N_("Verify the number"),
    _F.RELIED_STOCK: N_("See the stock of this item"),
    _F.RELIED_AGREEMENT: N_("Verify or renew the agreement"),
    _F.RELIED_CLOSED: N_("Revise what it counts on"),
    _F.NOT_ON_ANY_LIST: N_("Put it on an evacuation list"),
    _F.LISTS_DISAGREE: N_("Compare the lists"),
    _F.SHELTER_UNKNOWN: N_("Enter how many it takes"),
    _F.SHELTER_FULL: N_("See what is assigned there"),
    _F.OWNER_MISSING: N_("Name the owner post"),
    _F.DRAFT_UNTOUCHED: N_("Go on with the draft"),
    _F.COMMENTS_UNANSWERED: N_("Answer the comments"),
    _F.WORKBOOK_MISSING: N_("Begin the workbook"),
    _F.CARD_MISSING: N_("Begin the action scheme"),
    _F.FINDING_OPEN: N_("Name the version or the proof that mends it"),
    _F.DRILL_OVERDUE: N_("Plan the drill"),
}
"""The one act that ends the fault: what its button says."""
_ON_ITS_PAGE = {_F.EVALUATION_OVERDUE: "#evaluation", _F.FILING_OVERDUE: "#filing", _F.FILING_SOON: "#filing"}


def mend_url(plan_id: int, fault: Fault) -> str:
    """Where a plan's own dates are mended: in a form of its page, or on the page of that act."""
    return f"/plans/{plan_id}{_ON_ITS_PAGE.get(fault) or f'/mend/{fault.value}'}"


@dataclass(frozen=True)
class Check:
    """One check as a page shows it."""

    fault: Fault
    source: str
    article: str
    binding: str
    evidence: str
    days: int | None
    adopted: bool
    decided_by: str | None = None

    @property
    def mend(self) -> str:
        """What the button says, an English message id."""
        return MENDS[self.fault]


def of_district(actor: Actor) -> bool:
    """Whether the whole district is the actor's. Checks, rules and statutes hold for all its plans: others only read."""
    return actor.is_system or (bool(actor.division_code) and level(actor.division_code) <= DISTRICT)


def require_district(actor: Actor) -> None:
    """403 for whoever does not speak for the whole district."""
    if not of_district(actor):
        raise Forbidden(N_("This holds for the whole district, and the district keeps it."), code="out_of_scope")


def load(session: Session) -> int:
    """Enter the checks that are not there yet. Returns how many were new."""
    known = set(session.scalars(sa.select(PlanCheck.key)))
    new = [
        PlanCheck(
            key=fault.value, source=source, article=article, binding=binding, evidence=evidence, days=days,
            adopted=adopted,
        )
        for fault, source, article, binding, evidence, days, adopted in LAWBOOK
        if fault.value not in known
    ]  # fmt: skip
    session.add_all(new)
    session.flush()
    return len(new)


def checks(session: Session) -> dict[Fault, Check]:
    """Every check, as the bureau decided it; one that no row says otherwise about is as the release brought it."""
    decided = {row.key: row for row in session.scalars(sa.select(PlanCheck))}
    found = {}
    for fault, source, article, binding, evidence, days, adopted in LAWBOOK:
        row = decided.get(fault.value)
        found[fault] = (
            Check(fault, row.source, row.article, row.binding, row.evidence, row.days, row.adopted, row.decided_by)
            if row is not None
            else Check(fault, source, article, binding, evidence, days, adopted)
        )
    return found


def decide(session: Session, *, actor: Actor, key: str, adopted: bool, days: int | None = None) -> PlanCheck:
    """Make this check from now on, or no more. What the law orders is not ours to leave off (422 `ordered_by_law`),
    and what the whole district looks for is not a township's to say (403)."""
    actor.require(Permission.PLANS_APPROVE)
    require_district(actor)
    row = session.get(PlanCheck, key)
    if row is None:
        raise NotFound(N_("There is no such check."))
    if row.binding == _LAW and not adopted:
        raise Invalid(N_("The law orders this. It stays."), code="ordered_by_law")
    row.adopted, row.decided_by = adopted, str(actor)
    if row.days is not None and days:
        row.days = days
    session.flush()
    journal.record(
        session, DECIDED, actor=actor, subject=("plan_check", 0), check=key, adopted=adopted, days=row.days or 0
    )
    return row
