"""The time limits and addressees of 管理办法 art. 26 and its evaluation clause, as rows to load; facts, not code paths."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.plans import approval
from emergency.plans.models import Destination, FilingDestination, PlanKind, PlanRule, RuleSubject, TimeUnit
from kernel.ids import new_id

_GOV = ["gov.general", "gov.special", "gov.dept"]
_FILED = [*_GOV, "gov.town", "org.village", "joint"]
_S, _U = RuleSubject, TimeUnit
_OFFICE = "国办发〔2024〕5号"

RULES: tuple[tuple[str, RuleSubject, list[str], int, TimeUnit, str, str, str, bool], ...] = (
    ("rev-gov-3y", _S.EVALUATION, _GOV, 36, _U.MONTH, f"{_OFFICE} 评估条", "national", "seen2", True),
    ("rev-unit-3y", _S.EVALUATION, ["org.unit"], 36, _U.MONTH, "应急管理部令第2号 art. 35", "national", "mem", False),
    ("file-plan", _S.FILING, _FILED, 20, _U.WORKING_DAY, f"{_OFFICE} art. 26", "national", "seen", True),
    ("file-receipt", _S.RECEIPT, _FILED, 5, _U.WORKING_DAY, _OFFICE, "national", "seen2", True),
    (
        "file-unit-plan",
        _S.FILING,
        ["org.unit"],
        20,
        _U.WORKING_DAY,
        "应急管理部令第2号 art. 26",
        "national",
        "mem",
        False,
    ),
    (
        "unit-receipt",
        _S.RECEIPT,
        ["org.unit"],
        5,
        _U.WORKING_DAY,
        "应急管理部令第2号 art. 28",
        "national",
        "mem",
        False,
    ),
)
_K, _D = PlanKind, Destination
DESTINATIONS: tuple[tuple[PlanKind, Destination, str, str], ...] = (
    (_K.GENERAL, _D.FILE, "上一级人民政府", "the government one level up"),
    (_K.GENERAL, _D.DELIVER, "上一级应急管理部门", "the emergency department one level up"),
    (_K.GENERAL, _D.COPY, "上一级有关部门", "departments concerned one level up"),
    (_K.SPECIAL, _D.FILE, "上一级相应牵头部门", "the lead department one level up"),
    (_K.SPECIAL, _D.COPY, "上一级应急管理部门和有关部门", "the emergency and other departments one level up"),
    (_K.DEPARTMENT, _D.FILE, "本级人民政府", "the government of the same level"),
    (_K.DEPARTMENT, _D.DELIVER, "本级应急管理部门", "the emergency department of the same level"),
    (_K.DEPARTMENT, _D.COPY, "本级有关部门", "departments concerned of the same level"),
    (_K.TOWNSHIP, _D.FILE, "上一级人民政府", "the government one level up"),
    (_K.TOWNSHIP, _D.DELIVER, "上一级应急管理部门", "the emergency department one level up"),
    (_K.TOWNSHIP, _D.COPY, "上一级有关部门", "departments concerned one level up"),
    (_K.VILLAGE, _D.FILE, "所在乡镇人民政府（街道办事处）", "the township or street office"),
    (_K.JOINT, _D.COPY, "本地区上一级或共同上一级应急管理部门", "the common emergency department one level up"),
)


def load(session: Session) -> int:
    """Enter the rules that are not there yet; what the bureau changed or adopted stays. Returns how many were new."""
    known = set(session.scalars(sa.select(PlanRule.key)))
    new = [
        PlanRule(
            id=new_id(), key=key, subject=subject, kinds=kinds, amount=amount, unit=unit, source=source,
            binding=binding, evidence=evidence, adopted=adopted,
        )
        for key, subject, kinds, amount, unit, source, binding, evidence, adopted in RULES
        if key not in known
    ]  # fmt: skip
    session.add_all(new)
    if not known:
        session.add_all(
            FilingDestination(
                id=new_id(), kind=kind, way=way, body=body, body_en=body_en, source=f"{_OFFICE} art. 26",
                evidence="seen",
            )
            for kind, way, body, body_en in DESTINATIONS
        )  # fmt: skip
    session.flush()
    return len(new) + approval.load(session)
