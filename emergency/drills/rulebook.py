"""The rulebook: reading the rules, changing, adopting and dropping them, the bureau's own; and who did what, why.

The rules are the district's (a township's planner reads them); what is changed keeps its history, and the law's own
register is never overwritten by a release.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Unit, UnitSector
from emergency.divisions.rules import ANY_UNIT, REST, SECTORS, in_scope, parse
from emergency.drills import rules
from emergency.drills.models import (
    Basis,
    Binding,
    DrillKind,
    DrillRule,
    DrillRuleKind,
    DrillRuleSector,
    Evidence,
)
from emergency.drills.standing_models import RuleChange, StandingRow
from emergency.drills.standing_rules import PLAN_WORDS
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import journal, vault
from kernel.db import now
from kernel.errors import N_, Conflict, Forbidden, Invalid, NotFound
from kernel.ids import new_id

CHANGED = journal.kind("drills.rule_changed", "演练规则调整", "Drill rule changed", "rule", "what", "fields")
DISTRICT_DIGITS = 6
MOST_MONTHS = 120
MOST_CHANGES = 100
EVERY, OTHERS = ("所有单位", "every unit"), ("消防安全重点单位以外的单位", "every unit but key fire units")
REPORTED_TO = {"county_safety_dept": ("区应急管理局", "The district's emergency management bureau")}
"""Bodies that the register names by a word of its own."""
_TABLE = RuleChange.__tablename__
_FILL = N_("Fill this in.")


@dataclass(frozen=True)
class RuleText:
    """What a form says of a rule."""

    title: str
    months: int | None
    basis: Basis
    source: str
    groups: Sequence[frozenset[str]] = ()
    kinds: frozenset[DrillKind] = field(default_factory=frozenset)
    note: str = ""
    report_to: str = ""
    skip_school_holidays: bool = False


@dataclass(frozen=True)
class Entry:
    """One step of a rule's history, opened."""

    change: RuleChange
    reason: str


@dataclass(frozen=True)
class WholeRule:
    """A rule with whom it means, what satisfies it, and its history, the latest step first."""

    rule: DrillRule
    groups: Sequence[frozenset[str]]
    kinds: Sequence[DrillKind]
    history: Sequence[Entry]

    @property
    def about_plans(self) -> list[str]:
        """The words by which the rule speaks of plans."""
        return [word for word in self.rule.words if word in PLAN_WORDS]


def list_rules(
    session: Session,
    *,
    adopted: bool | None = None,
    binding: Binding | None = None,
    evidence: Evidence | None = None,
    kind: DrillKind | None = None,
) -> list[DrillRule]:
    """The rules, adopted ones first; there are dozens, not thousands."""
    statement = sa.select(DrillRule)
    if adopted is not None:
        statement = statement.where(DrillRule.adopted.is_(adopted))
    if binding is not None:
        statement = statement.where(DrillRule.binding == binding, DrillRule.own.is_(False))
    if evidence is not None:
        statement = statement.where(DrillRule.evidence == evidence)
    if kind is not None:
        statement = statement.where(
            DrillRule.id.in_(sa.select(DrillRuleKind.rule_id).where(DrillRuleKind.kind == kind))
        )
    return list(session.scalars(statement.order_by(DrillRule.adopted.desc(), DrillRule.id).limit(500)))


def get_rule(session: Session, *, actor: Actor, rule_id: int) -> WholeRule:
    """One rule with everything about it."""
    actor.require(Permission.DRILLS_VIEW)
    rule = _rule(session, rule_id)
    changes = session.scalars(
        sa.select(RuleChange).where(RuleChange.rule_id == rule.id).order_by(RuleChange.id.desc()).limit(MOST_CHANGES)
    ).all()
    safe = vault.of(session)
    history = [
        Entry(change, safe.open(_TABLE, "reason", change.id, change.reason_sealed) if change.reason_sealed else "")
        for change in changes
    ]
    return WholeRule(rule, groups_of(session, rule.id), kinds_of(session, rule.id), history)


def groups_of(session: Session, rule_id: int) -> list[frozenset[str]]:
    """Whom a rule means: units that carry every tag of one of the groups."""
    found: dict[int, set[str]] = {}
    for row in session.scalars(sa.select(DrillRuleSector).where(DrillRuleSector.rule_id == rule_id)):
        found.setdefault(row.group_number, set()).add(row.sector)
    return [frozenset(found[number]) for number in sorted(found)]


def kinds_of(session: Session, rule_id: int) -> list[DrillKind]:
    """What satisfies a rule, in the order of the vocabulary."""
    known = set(session.scalars(sa.select(DrillRuleKind.kind).where(DrillRuleKind.rule_id == rule_id)))
    return [kind for kind in DrillKind if kind in known]


def units_meant(session: Session, *, actor: Actor, groups: Iterable[frozenset[str]]) -> int:
    """How many units of the actor's area a rule with these groups means."""
    conditions = [_carries(group) for group in groups if group]
    if not conditions:
        return 0
    statement = sa.select(sa.func.count()).select_from(Unit)
    return session.scalar(
        statement.where(Unit.closed_at.is_(None), in_scope(Unit.division_code, actor), sa.or_(*conditions))
    ) or 0  # fmt: skip


def _carries(group: frozenset[str]) -> sa.ColumnElement[bool]:
    if group == {ANY_UNIT}:
        return sa.true()
    if group == {REST}:
        return Unit.key_fire.is_(False)
    return sa.and_(
        *(Unit.id.in_(sa.select(UnitSector.unit_id).where(UnitSector.sector == tag)) for tag in sorted(group))
    )


def standings_of(session: Session, *, actor: Actor, rule_id: int) -> dict[rules.Standing, int]:
    """How many of those that a rule means, in the actor's area, stand how."""
    counted = session.execute(
        sa.select(StandingRow.standing, sa.func.count())
        .where(StandingRow.rule_id == rule_id, in_scope(StandingRow.division_code, actor))
        .group_by(StandingRow.standing)
    ).all()
    found = dict.fromkeys(rules.Standing, 0)
    found.update((state, n) for state, n in counted)
    return found


# --- deciding -----------------------------------------------------------------------------------------------------


def adopt_rule(
    session: Session, *, actor: Actor, rule_id: int, adopted: bool, reason: str, version: int | None = None
) -> DrillRule:
    """The bureau decides that a rule binds here, or that it does not; who and why is kept."""
    require_deciding(actor)
    rule = _rule(session, rule_id)
    _reason(reason)
    if rule.adopted is adopted:
        raise Conflict(N_("This has been decided already."), code="decided_already")
    moment = now(session)
    _save(session, rule, version, adopted=adopted, adopted_by=str(actor), adopted_at=moment)
    changes = [("adopted", str(not adopted).lower(), str(adopted).lower())]
    _note(session, actor, rule, "adopted" if adopted else "dropped", changes, reason)
    return rule


def change_rule(
    session: Session, *, actor: Actor, rule_id: int, version: int, text: RuleText, reason: str
) -> DrillRule:
    """Correct a rule. 409 `version_conflict` where somebody else did so first; nothing is kept without a reason."""
    require_deciding(actor)
    rule = _rule(session, rule_id)
    about_plans = any(word in PLAN_WORDS for word in rule.words)
    _check(text, about_plans=about_plans)
    _reason(reason)
    before = _told(rule, groups_of(session, rule.id), kinds_of(session, rule.id))
    values = {
        "title": text.title.strip(), "months": text.months, "basis": text.basis, "source": text.source.strip(),
        "note": text.note.strip(), "report_to": text.report_to.strip() or None,
        "skip_school_holidays": text.skip_school_holidays,
    }  # fmt: skip
    if before == _told_text(text):
        raise Invalid(N_("Nothing was changed."), code="nothing_changed")
    _save(session, rule, version, **values)
    _whom(session, rule.id, text)
    after = _told(rule, groups_of(session, rule.id), kinds_of(session, rule.id))
    changes = [(name, before[name], after[name]) for name in before if before[name] != after[name]]
    _note(session, actor, rule, "changed", changes, reason)
    return rule


def create_rule(session: Session, *, actor: Actor, text: RuleText, reason: str) -> DrillRule:
    """A rule of the bureau's own, adopted by being made."""
    require_deciding(actor)
    _check(text)
    _reason(reason)
    moment, rule_id = now(session), new_id()
    rule = DrillRule(
        id=rule_id, key=f"own-{rule_id}", title=text.title.strip(), words=[], kind_word="", months=text.months,
        basis=text.basis, skip_school_holidays=text.skip_school_holidays, report_to=text.report_to.strip() or None,
        source=text.source.strip(), binding=Binding.GUIDANCE, evidence=Evidence.SEEN, confidence="high",
        note=text.note.strip(), adopted=True, adopted_by=str(actor), adopted_at=moment, own=True, version=1,
    )  # fmt: skip
    session.add(rule)
    session.flush()
    _whom(session, rule.id, text)
    _note(session, actor, rule, "created", [("created", "", rule.title)], reason)
    return rule


def _rule(session: Session, rule_id: int) -> DrillRule:
    rule = session.scalar(sa.select(DrillRule).where(DrillRule.id == rule_id))
    if rule is None:
        raise NotFound(N_("There is no such rule."))
    return rule


def may_decide(actor: Actor) -> bool:
    """Whether the actor is a planner of the whole district."""
    return actor.can(Permission.DRILLS_EDIT) and len(actor.division_prefix) <= DISTRICT_DIGITS


def require_deciding(actor: Actor) -> None:
    """Refuse whoever is no planner of the whole district (403)."""
    actor.require(Permission.DRILLS_EDIT)
    if not may_decide(actor):
        raise Forbidden(N_("The rules are kept for the whole district; ask its planner."), code="out_of_scope")


def _reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid(
            N_("Say why, so that the decision can be understood later."), code="reason_required",
            fields={"reason": _FILL},
        )  # fmt: skip


def _check(text: RuleText, *, about_plans: bool = False) -> None:
    fields: dict[str, str] = {}
    for name in ("title", "source"):
        if not getattr(text, name).strip():
            fields[name] = _FILL
    if not text.kinds:
        fields["kinds"] = N_("Choose at least one kind of drill; without one nothing could ever satisfy the rule.")
    if not text.groups and not about_plans:
        fields["groups"] = N_("Say whom the rule means.")
    if text.months is not None and not 1 <= text.months <= MOST_MONTHS:
        fields["months"] = N_("Write 1 to 120 months, or leave it empty where the text names no number.")
    elif text.months is not None and rules.WINDOW_MONTHS.get(text.basis, text.months) != text.months:
        fields["months"] = N_("This does not fit the window: a month is 1, a quarter 3, a half-year 6, a year 12.")
    if text.basis is Basis.EVENT and text.months is not None:
        fields["months"] = N_("Before each event means no number of months; leave it empty.")
    if text.skip_school_holidays and text.basis is not Basis.MONTH:
        fields["skip_school_holidays"] = N_("Only a rule for each calendar month skips the school holidays.")
    if fields:
        raise Invalid(N_("The rule does not fit together; look at the fields."), code="bad_rule", fields=fields)


def _save(session: Session, rule: DrillRule, version: int | None, **values: Any) -> None:
    done = session.execute(
        sa.update(DrillRule)
        .where(DrillRule.id == rule.id, DrillRule.version == (rule.version if version is None else version))
        .values(version=DrillRule.version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    session.refresh(rule)


def _whom(session: Session, rule_id: int, text: RuleText) -> None:
    session.execute(sa.delete(DrillRuleSector).where(DrillRuleSector.rule_id == rule_id))
    session.execute(sa.delete(DrillRuleKind).where(DrillRuleKind.rule_id == rule_id))
    rows = [
        {"rule_id": rule_id, "group_number": number, "sector": tag}
        for number, group in enumerate(dict.fromkeys(text.groups), start=1)
        for tag in sorted(group)
    ]
    if rows:
        session.execute(sa.insert(DrillRuleSector), rows)
    kinds = [{"rule_id": rule_id, "kind": kind} for kind in DrillKind if kind in text.kinds]
    session.execute(sa.insert(DrillRuleKind), kinds)


def _told(rule: DrillRule, groups: Iterable[frozenset[str]], kinds: Iterable[DrillKind]) -> dict[str, str]:
    """Every field of a rule as the history writes it."""
    return {
        "title": rule.title, "months": str(rule.months or ""), "basis": rule.basis.value, "source": rule.source,
        "note": rule.note, "report_to": rule.report_to or "",
        "skip_school_holidays": str(rule.skip_school_holidays).lower(),
        "groups": "; ".join(sorted("+".join(sorted(group)) for group in groups)),
        "kinds": " ".join(sorted(kind.value for kind in kinds)),
    }  # fmt: skip


def _told_text(text: RuleText) -> dict[str, str]:
    return {
        "title": text.title.strip(), "months": str(text.months or ""), "basis": text.basis.value,
        "source": text.source.strip(), "note": text.note.strip(), "report_to": text.report_to.strip(),
        "skip_school_holidays": str(text.skip_school_holidays).lower(),
        "groups": "; ".join(sorted("+".join(sorted(group)) for group in dict.fromkeys(text.groups))),
        "kinds": " ".join(sorted(kind.value for kind in text.kinds)),
    }  # fmt: skip


def _note(
    session: Session, actor: Actor, rule: DrillRule, what: str, changes: Sequence[tuple[str, str, str]], reason: str
) -> None:
    safe, moment = vault.of(session), now(session)
    for name, before, after in changes:
        change_id = new_id()
        session.add(
            RuleChange(
                id=change_id, rule_id=rule.id, at=moment, actor=str(actor), field=name, before=before, after=after,
                reason_sealed=safe.seal(_TABLE, "reason", change_id, reason.strip()[:500]),
            )
        )  # fmt: skip
    session.flush()
    journal.record(
        session, CHANGED, actor=actor, subject=(DrillRule.__tablename__, rule.id), rule=rule.key, what=what,
        fields=",".join(name for name, _before, _after in changes),
    )  # fmt: skip


# --- whom, in words -----------------------------------------------------------------------------------------------


def read_groups(text: str) -> list[frozenset[str]]:
    """Groups from lines of words, one group a line; 422 `sector_unknown` with the words that nobody knows."""
    found: list[frozenset[str]] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line == ANY_UNIT or line.casefold() in EVERY:
            found.append(frozenset({ANY_UNIT}))
        elif line == REST or line.casefold() in OTHERS:
            found.append(frozenset({REST}))
        else:
            tags, unknown = parse(line)
            if unknown:
                message = N_("“%(word)s” is not a sector of the vocabulary.")
                raise Invalid(message, code="sector_unknown", word=unknown[0][:40])
            found.append(frozenset(tags))
    return list(dict.fromkeys(found))


def group_words(group: Iterable[str], language: str) -> str:
    """One group in words: the tags that a unit has to carry."""
    chosen, english = set(group), language.startswith("en")
    if chosen == {ANY_UNIT}:
        return EVERY[english]
    if chosen == {REST}:
        return OTHERS[english]
    words = [SECTORS[tag].label(language) if tag in SECTORS else tag for tag in sorted(chosen)]
    return (", " if english else "、").join(words)


def report_words(stored: str | None, language: str) -> str:
    """To whom a drill is reported, in words."""
    zh, en = REPORTED_TO.get(stored or "", (stored or "", stored or ""))
    return en if language.startswith("en") else zh


def report_key(words: str) -> str:
    """What is stored for such words."""
    return next((key for key, labels in REPORTED_TO.items() if words.strip() in labels), words.strip())
