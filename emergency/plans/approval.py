"""Who approves which kind of plan and to whom it is filed: rows of rule, their changes, and the act of approval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans.checks import require_district
from emergency.plans.models import Destination, FilingDestination, Plan, PlanKind, PlanLevel, PlanVersion
from emergency.plans.queries import today
from emergency.plans.review_models import ApprovalWay, Evidence, PlanApproval, PlanApprovalRule
from kernel.db import now
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import StateChange, note, timeline

__all__ = [
    "EVIDENCE", "Decision", "RuleText", "add_destination", "approval_of", "change_destination", "change_rule",
    "history", "load", "record", "remove_destination", "rule_for", "rules", "save_rule",
]  # fmt: skip

EVIDENCE = tuple(evidence.value for evidence in Evidence)
"""seen: the article was read; seen2: a page about it was read; mem: not verified."""
_OFFICE = "国办发〔2024〕5号"
_K, _L, _W = PlanKind, PlanLevel, ApprovalWay
RULES: tuple[tuple[PlanKind, tuple[PlanLevel, ...], str, str, ApprovalWay, str, str, str], ...] = (
    (_K.GENERAL, (_L.CITY, _L.DISTRICT), "本级党委、人民政府（政府常务会议审议）", "the government's executive meeting",
     _W.GOVERNMENT_MEETING, "本级人民政府", f"{_OFFICE} 审批条", "mem"),
    (_K.SPECIAL, (_L.CITY, _L.DISTRICT), "本级人民政府", "the government of the same level",
     _W.GOVERNMENT_MEETING, "本级人民政府办公厅（室）", f"{_OFFICE} 审批条", "mem"),
    (_K.DEPARTMENT, (_L.CITY, _L.DISTRICT), "本部门有关会议", "a meeting of the department",
     _W.DEPARTMENT_MEETING, "本部门", f"{_OFFICE} 审批条", "seen2"),
    (_K.TOWNSHIP, (_L.TOWNSHIP,), "乡镇（街道）主要负责人", "the head of the township", _W.SIGNED,
     "乡镇人民政府（街道办事处）", f"{_OFFICE} 审批条", "mem"),
    (_K.VILLAGE, (_L.VILLAGE,), "村（居）民委员会主要负责人", "the head of the village committee", _W.SIGNED,
     "村（居）民委员会", f"{_OFFICE} 审批条", "seen"),
    (_K.UNIT, (_L.UNIT,), "单位主要负责人", "the head of the unit", _W.SIGNED, "本单位", f"{_OFFICE} 审批条", "seen"),
    (_K.JOINT, (_L.DISTRICT, _L.TOWNSHIP), "参与编制各方", "the parties", _W.AGREED, "参与编制各方",
     f"{_OFFICE} 审批条", "seen2"),
    (_K.EVENT, (_L.DISTRICT, _L.TOWNSHIP), "本级人民政府", "the government of the same level", _W.GOVERNMENT_MEETING,
     "本级人民政府办公厅（室）", f"{_OFFICE} 审批条", "mem"),
    (_K.WORKBOOK, tuple(_L)[1:], "编制单位主要负责人", "the head of the body that made it", _W.SIGNED, "编制单位",
     f"{_OFFICE} 支撑文件条", "mem"),
    (_K.ACTION, tuple(_L)[1:], "编制单位主要负责人", "the head of the body that made it", _W.SIGNED, "编制单位",
     f"{_OFFICE} 支撑文件条", "mem"),
)  # fmt: skip


def load(session: Session) -> int:
    """Enter the rules that are not there yet; what the bureau changed stays. Returns how many were new."""
    known = set(session.execute(sa.select(PlanApprovalRule.kind, PlanApprovalRule.level)))
    new = [
        PlanApprovalRule(
            id=new_id(), kind=kind, level=at, body=body, body_en=body_en, way=way, issued_by=issued_by, source=source,
            evidence=evidence, version=1,
        )
        for kind, levels, body, body_en, way, issued_by, source, evidence in RULES
        for at in levels
        if (kind, at) not in known
    ]  # fmt: skip
    session.add_all(new)
    session.flush()
    return len(new)


@dataclass(frozen=True)
class RuleText:
    """What a rule of approval says."""

    body: str
    body_en: str
    way: ApprovalWay
    issued_by: str = ""
    source: str = ""
    evidence: str = "mem"


@dataclass(frozen=True)
class Decision:
    """The act of approval as its papers show it."""

    body: str
    decided_on: date
    way: ApprovalWay | None = None
    meeting: str = ""
    document_number: str = ""


_KINDS, _LEVELS, _WAYS = list(PlanKind), list(PlanLevel), list(Destination)


def rules(session: Session) -> list[PlanApprovalRule]:
    """Every rule of approval, in the order of the kinds."""
    rows = session.scalars(sa.select(PlanApprovalRule))
    return sorted(rows, key=lambda row: (_KINDS.index(row.kind), _LEVELS.index(row.level)))


def rule_for(session: Session, plan: Plan) -> PlanApprovalRule | None:
    """Who approves this plan; None where no row says."""
    return session.scalar(
        sa.select(PlanApprovalRule).where(PlanApprovalRule.kind == plan.kind, PlanApprovalRule.level == plan.level)
    )


def approval_of(session: Session, version_id: int) -> PlanApproval | None:
    """The act by which a version was approved."""
    return session.scalar(sa.select(PlanApproval).where(PlanApproval.version_id == version_id))


def record(
    session: Session, *, actor: Actor, plan: Plan, version: PlanVersion, decision: Decision | None
) -> PlanApproval:
    """Write down the act of approval. Without papers it is the act of the body that the rule names, today."""
    rule, day = rule_for(session, plan), today(session)
    if decision is None:
        decision = Decision(rule.body if rule else plan.issuer, day, rule.way if rule else None)
    if not decision.body.strip():
        raise Invalid(
            N_("Say which body approved the text."), code="incomplete", fields={"body": N_("Fill this in.")}
        )  # fmt: skip
    if decision.decided_on > day:
        raise Invalid(
            N_("A decision of tomorrow cannot be recorded today."), code="bad_dates",
            fields={"decided_on": N_("A decision of tomorrow cannot be recorded today.")},
        )  # fmt: skip
    row = PlanApproval(
        id=new_id(), version_id=version.id, rule_id=rule.id if rule else None, body=decision.body.strip()[:100],
        way=decision.way, meeting=decision.meeting.strip()[:200], decided_on=decision.decided_on,
        document_number=decision.document_number.strip()[:60], entered_by=str(actor), entered_at=now(session),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def _may_rule(actor: Actor, reason: str) -> str:
    """Rules hold for the whole district: its planner keeps them, and says why."""
    actor.require(Permission.PLANS_EDIT)
    require_district(actor)
    if not reason.strip():
        raise Invalid(
            N_("Say why, so that the decision can be understood later."), code="reason_required",
            fields={"reason": N_("Fill this in.")},
        )  # fmt: skip
    return reason.strip()


def _sound(body: str, evidence: str) -> None:
    if not body.strip():
        raise Invalid(N_("Name the body."), code="incomplete", fields={"body": N_("Fill this in.")})
    if evidence not in EVIDENCE:
        raise Invalid(N_("“%(value)s” is not one of the choices."), code="unknown_choice", value=evidence[:40])


def change_rule(
    session: Session, *, actor: Actor, rule_id: int, version: int, text: RuleText, reason: str
) -> PlanApprovalRule:
    """Change who approves a kind of plan, as it was read; what it said before stays in its history."""
    reason = _may_rule(actor, reason)
    _sound(text.body, text.evidence)
    row = session.get(PlanApprovalRule, rule_id, populate_existing=True)
    if row is None:
        raise NotFound(N_("There is no such rule."))
    before = f"{row.body} · {row.way.zh} · {row.source} · {row.evidence}"
    done = session.execute(
        sa.update(PlanApprovalRule)
        .where(PlanApprovalRule.id == rule_id, PlanApprovalRule.version == version)
        .values(
            body=text.body.strip()[:100], body_en=(text.body_en.strip() or text.body.strip())[:100], way=text.way,
            issued_by=text.issued_by.strip()[:100], source=text.source.strip(), evidence=text.evidence,
            version=PlanApprovalRule.version + 1,
        )
    )  # fmt: skip
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    session.refresh(row)
    note(session, "plan_approval_rule", row.id, "changed", "changed", actor=actor, reason=f"{reason}（原为：{before}）")
    return row


def save_rule(
    session: Session, *, actor: Actor, kind: PlanKind, at: PlanLevel, text: RuleText, reason: str
) -> PlanApprovalRule:
    """A rule for a kind and level that has none yet."""
    reason = _may_rule(actor, reason)
    _sound(text.body, text.evidence)
    held = session.scalar(
        sa.select(PlanApprovalRule.id).where(PlanApprovalRule.kind == kind, PlanApprovalRule.level == at)
    )
    if held is not None:
        raise Conflict(N_("There is a rule for this kind and level already. Change that one."), code="duplicate")
    row = PlanApprovalRule(
        id=new_id(), kind=kind, level=at, body=text.body.strip()[:100],
        body_en=(text.body_en.strip() or text.body.strip())[:100], way=text.way,
        issued_by=text.issued_by.strip()[:100], source=text.source.strip(), evidence=text.evidence, version=1,
    )  # fmt: skip
    session.add(row)
    session.flush()
    note(session, "plan_approval_rule", row.id, "", "added", actor=actor, reason=reason)
    return row


def destinations(session: Session) -> list[FilingDestination]:
    """To whom each kind of plan is filed, delivered, copied."""
    rows = session.scalars(sa.select(FilingDestination))
    return sorted(rows, key=lambda row: (_KINDS.index(row.kind), _WAYS.index(row.way)))


def _destination(session: Session, destination_id: int, was: str) -> FilingDestination:
    row = session.get(FilingDestination, destination_id, populate_existing=True, with_for_update=True)
    if row is None:
        raise NotFound(N_("There is no such rule."))
    if row.body != was:
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    return row


def change_destination(
    session: Session,
    *,
    actor: Actor,
    destination_id: int,
    was: str,
    body: str,
    body_en: str,
    source: str,
    evidence: str,
    reason: str,
) -> FilingDestination:
    """Change the body that gets a kind of plan; `was` is the body that was read."""
    reason = _may_rule(actor, reason)
    _sound(body, evidence)
    row = _destination(session, destination_id, was)
    before = f"{row.body} · {row.source} · {row.evidence}"
    row.body, row.body_en = body.strip()[:100], (body_en.strip() or body.strip())[:100]
    row.source, row.evidence = source.strip(), evidence
    session.flush()
    note(session, "plan_filing_destination", row.id, "changed", "changed", actor=actor,
         reason=f"{reason}（原为：{before}）")  # fmt: skip
    return row


def add_destination(
    session: Session,
    *,
    actor: Actor,
    kind: PlanKind,
    way: Destination,
    body: str,
    body_en: str,
    source: str,
    evidence: str,
    reason: str,
) -> FilingDestination:
    """A further body for a kind of plan; one body a way."""
    reason = _may_rule(actor, reason)
    _sound(body, evidence)
    held = session.scalar(
        sa.select(FilingDestination.id).where(FilingDestination.kind == kind, FilingDestination.way == way)
    )
    if held is not None:
        raise Conflict(N_("There is a row for this kind and way already. Change that one."), code="duplicate")
    row = FilingDestination(
        id=new_id(), kind=kind, way=way, body=body.strip()[:100], body_en=(body_en.strip() or body.strip())[:100],
        source=source.strip(), evidence=evidence,
    )  # fmt: skip
    session.add(row)
    session.flush()
    note(session, "plan_filing_destination", row.id, "", "added", actor=actor, reason=reason)
    return row


def remove_destination(session: Session, *, actor: Actor, destination_id: int, was: str, reason: str) -> None:
    """This kind of plan does not go there any more."""
    reason = _may_rule(actor, reason)
    row = _destination(session, destination_id, was)
    note(session, "plan_filing_destination", row.id, "changed", "removed", actor=actor,
         reason=f"{reason}（原为：{row.kind.zh} {row.way.zh} {row.body}）")  # fmt: skip
    session.delete(row)
    session.flush()


def history(session: Session, limit: int = 100) -> list[StateChange]:
    """The latest changes of both lists, each with its reason in clear, latest first."""
    rows = session.execute(
        sa.select(StateChange.kind, StateChange.subject_id)
        .where(StateChange.kind.in_(["plan_approval_rule", "plan_filing_destination"]))
        .order_by(StateChange.id.desc())
        .limit(limit)
    )
    subjects = dict.fromkeys(rows)
    changes = [change for kind, subject in subjects for change in timeline(session, kind, subject)]
    return sorted(changes, key=lambda change: change.id, reverse=True)[:limit]
