"""Loading the rules of law into their tables. What the bureau changed or adopted there stays."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import APPLIES_TO
from emergency.drills import rules
from emergency.drills.models import Basis, Binding, DrillKind, DrillRule, DrillRuleKind, DrillRuleSector, Evidence
from kernel.ids import new_id

DATA = Path(__file__).parent / "data"


def facts() -> list[dict[str, Any]]:
    """The rules of the data file."""
    with (DATA / "rules.toml").open("rb") as source:
        found: list[dict[str, Any]] = tomllib.load(source)["rule"]
    return found


def kinds_of() -> dict[str, list[DrillKind]]:
    """Which kinds of drill each word of the rules is satisfied by."""
    with (DATA / "kinds.toml").open("rb") as source:
        words: dict[str, list[str]] = tomllib.load(source)
    return {
        word: list(DrillKind) if kinds == ["*"] else [DrillKind(kind) for kind in kinds]
        for word, kinds in words.items()
    }


def load(session: Session) -> int:
    """Enter the rules that are not there yet, with their sectors and kinds. Returns how many were new."""
    known = set(session.scalars(sa.select(DrillRule.key)))
    new = {fact["key"]: (_rule(fact), fact) for fact in facts() if fact["key"] not in known}
    session.add_all(rule for rule, _fact in new.values())
    session.flush()
    kinds = kinds_of()
    for rule, fact in new.values():
        groups = dict.fromkeys(group for word in fact["words"] for group in APPLIES_TO[word].groups)
        session.add_all(
            DrillRuleSector(rule_id=rule.id, group_number=number, sector=sector)
            for number, group in enumerate(groups, start=1)
            for sector in sorted(group)
        )
        session.add_all(DrillRuleKind(rule_id=rule.id, kind=kind) for kind in kinds[fact["kind"]])
    session.flush()
    return len(new)


def _rule(fact: dict[str, Any]) -> DrillRule:
    binding, evidence = Binding(fact["binding"]), Evidence(fact["evidence"])
    return DrillRule(
        id=new_id(), key=fact["key"], title=fact["title"], words=fact["words"], kind_word=fact["kind"],
        months=fact["months"] or None, basis=Basis(fact["basis"]),
        skip_school_holidays=fact.get("skip_school_holidays", False), report_to=fact.get("report_to"),
        source=fact["source"], binding=binding, evidence=evidence, confidence=fact["confidence"],
        note=fact.get("note", ""), adopted=rules.adopted_by_itself(binding, evidence),
    )  # fmt: skip
