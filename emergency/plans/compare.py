"""What changed between two versions of a plan: sections even where they moved, levels, acts, lists, what it counts on."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.plans.models import PlanSection
from emergency.plans.picking import names_of
from emergency.plans.queries import Parts, Text, version_text
from emergency.plans.redline import Budget, Paragraph, Span, paragraphs, rising, spans
from kernel.errors import N_, Invalid
from kernel.types import LabelledEnum

__all__ = ["Comparison", "RowChange", "SectionChange", "Sign", "compare", "compare_sections"]


class Sign(LabelledEnum):
    """What became of a piece between two versions."""

    SAME = "same", "未变", "Unchanged"
    CHANGED = "changed", "修改", "Changed", "wait"
    ADDED = "added", "新增", "Added", "done"
    REMOVED = "removed", "删除", "Removed", "late"


@dataclass(frozen=True)
class SectionChange:
    """One section: what became of it, whether it stands elsewhere now, and its difference."""

    sign: Sign
    moved: bool
    old: PlanSection | None
    new: PlanSection | None
    title: tuple[Span, ...]
    body: tuple[Paragraph, ...]
    facts: bool = False
    """Its depth or its part of the law changed."""

    @property
    def section(self) -> PlanSection:
        """As it stands now, or stood."""
        return self.new or self.old  # type: ignore[return-value]  # one of them is there


@dataclass(frozen=True)
class RowChange:
    """One row of a list, with each cell's difference."""

    sign: Sign
    title: str
    cells: tuple[tuple[str, tuple[Span, ...]], ...]


@dataclass(frozen=True)
class Comparison:
    """Everything that differs between two versions."""

    old: Text
    new: Text
    sections: Sequence[SectionChange]
    lists: Mapping[str, Sequence[RowChange]]
    explanation: tuple[Paragraph, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many sections were added, removed, changed, moved; how many rows differ."""
        signs = [change.sign.value for change in self.sections]
        return {name: signs.count(name) for name in ("added", "removed", "changed")} | {
            "moved": sum(change.moved for change in self.sections),
            "rows": sum(row.sign is not Sign.SAME for rows in self.lists.values() for row in rows),
        }


def compare(session: Session, *, actor: Actor, old_id: int, new_id: int, language: str = "zh") -> Comparison:
    """The redline of two versions of one plan. Raises NotFound outside the actor's area, Invalid across plans."""
    old = version_text(session, actor=actor, version_id=old_id)
    new = version_text(session, actor=actor, version_id=new_id)
    if old.plan.id != new.plan.id:
        raise Invalid(N_("Two versions can be compared only where they belong to one plan."), code="other_plan")
    budget = Budget()
    lists = _lists(session, old.parts, new.parts, language, budget)
    return Comparison(
        old, new, compare_sections(old.sections, new.sections, budget), lists,
        paragraphs(old.version.explanation, new.version.explanation, budget),
    )  # fmt: skip


def _title(section: PlanSection) -> str:
    return f"{section.number} {section.heading}".strip()


_KEYS: tuple[Callable[[PlanSection], Hashable], ...] = (
    lambda s: (s.number, s.heading),
    lambda s: s.heading,
    lambda s: s.body if len(s.body) > 20 else None,
    lambda s: s.number or None,
)


def _matched(old: Sequence[PlanSection], new: Sequence[PlanSection]) -> dict[int, int]:
    """Place in `new` → place in `old`: by number and heading, by heading, by the same words, by number; first to first."""
    found: dict[int, int] = {}
    taken: set[int] = set()
    for key in _KEYS:
        waiting: dict[Hashable, list[int]] = {}
        for at, section in enumerate(old):
            if at not in taken and key(section) is not None:
                waiting.setdefault(key(section), []).append(at)
        for at, section in enumerate(new):
            if at not in found and waiting.get(key(section)):
                found[at] = waiting[key(section)].pop(0)
                taken.add(found[at])
    return found


def _moved(pairs: Mapping[int, int]) -> set[int]:
    """Places in `new` outside the longest run that kept its order."""
    order = sorted(pairs.items())
    return set(pairs) - {at for at, _was in rising(order)}


def compare_sections(
    old: Sequence[PlanSection], new: Sequence[PlanSection], budget: Budget | None = None
) -> list[SectionChange]:
    """Sections in the new order; what was removed stands where it stood."""
    budget = budget or Budget()
    pairs = _matched(old, new)
    moved, gone = _moved(pairs), [at for at in range(len(old)) if at not in set(pairs.values())]
    before: dict[int, list[int]] = {}
    keeps = {was: at for at, was in pairs.items() if at not in moved}
    for at in gone:
        after = next((keeps[was] for was in range(at + 1, len(old)) if was in keeps), len(new))
        before.setdefault(after, []).append(at)
    made: list[SectionChange] = []
    for at in range(len(new) + 1):
        made.extend(_change(old[was], None, False, budget) for was in before.get(at, ()))
        if at < len(new):
            made.append(_change(old[pairs[at]] if at in pairs else None, new[at], at in moved, budget))
    return made


def _change(old: PlanSection | None, new: PlanSection | None, moved: bool, budget: Budget) -> SectionChange:
    title = spans(_title(old) if old else "", _title(new) if new else "", budget)
    body = paragraphs(old.body if old else "", new.body if new else "", budget)
    facts = bool(old and new and (old.depth, old.part) != (new.depth, new.part))
    if old is None or new is None:
        sign = Sign.ADDED if old is None else Sign.REMOVED
    else:
        same = not facts and all(s.op == "=" for s in title) and all(p.op == "=" for p in body)
        sign = Sign.SAME if same else Sign.CHANGED
    return SectionChange(sign, moved, old, new, title, body, facts)


@dataclass(frozen=True)
class _Row:
    key: Hashable
    title: str
    cells: tuple[tuple[str, str], ...]


def _lists(session: Session, old: Parts, new: Parts, language: str, budget: Budget) -> dict[str, list[RowChange]]:
    names = names_of(session, [old, new], language=language)
    made: dict[str, list[RowChange]] = {}
    for name, rows in (("levels", _levels), ("actions", _actions), ("evacuation", _evacuation),
                       ("reliances", _reliances)):  # fmt: skip
        made[name] = _rows(rows(old, names, language), rows(new, names, language), budget)
    return made


Names = Mapping[tuple[str, Any], str]


def _post(names: Names, post_id: int | None) -> str:
    return names.get(("post", post_id), "") if post_id else ""


def _levels(parts: Parts, names: Names, language: str) -> list[_Row]:
    return [
        _Row(level.grade, level.grade.label(language),
             ((N_("Begins when"), level.trigger), (N_("Decided by"), level.decided_by)))
        for level in parts.levels
    ]  # fmt: skip


def _actions(parts: Parts, names: Names, language: str) -> list[_Row]:
    return [
        _Row((level.grade, action.action), level.grade.label(language), (
            (N_("Act"), action.action), (N_("Who acts"), _post(names, action.post_id) or action.actor_words),
            (N_("Within minutes"), str(action.within_minutes or "")),
        ))
        for level in parts.levels for action in parts.actions[level.id]
    ]  # fmt: skip


def _evacuation(parts: Parts, names: Names, language: str) -> list[_Row]:
    rows = []
    for row in parts.evacuation:
        key: tuple[str, Any] = (
            ("division", row.subject_code) if row.subject_code
            else ("unit", row.unit_id) if row.unit_id else ("household", row.household_id)
        )  # fmt: skip
        rows.append(_Row(key, names.get(key, str(key[1])), (
            (N_("People"), str(row.people)), (N_("Where to"), row.destination), (N_("Route"), row.route),
            (N_("Means"), row.means), (N_("Led by"), _post(names, row.post_id)),
            (N_("From level"), row.grade.label(language) if row.grade else ""),
            (N_("Within hours"), str(row.within_hours or "")),
        )))  # fmt: skip
    return rows


def _reliances(parts: Parts, names: Names, language: str) -> list[_Row]:
    return [
        _Row((row.kind, row.ref_id), names.get((row.kind, row.ref_id), str(row.ref_id)),
             ((N_("Quantity"), str(row.quantity or "")), (N_("Note"), row.note)))
        for row in parts.reliances
    ]  # fmt: skip


def _rows(old: Sequence[_Row], new: Sequence[_Row], budget: Budget) -> list[RowChange]:
    """Rows that differ, matched by what they speak of (acts that were reworded: in order within their level)."""
    waiting: dict[Hashable, list[_Row]] = {}
    for row in old:
        waiting.setdefault(row.key, []).append(row)
    pairs: list[tuple[_Row | None, _Row]] = []
    for row in new:
        held = waiting.get(row.key)
        pairs.append((held.pop(0) if held else None, row))
    left = [row for rows in waiting.values() for row in rows]
    for at, (was, row) in enumerate(pairs):
        if was is None and isinstance(row.key, tuple) and row.cells and row.cells[0][0] == "Act":
            reworded = next((o for o in left if isinstance(o.key, tuple) and o.key[0] == row.key[0]), None)
            if reworded is not None:
                left.remove(reworded)
                pairs[at] = (reworded, row)
    made = [_row(row, None, budget) for row in left]
    made.extend(_row(was, row, budget) for was, row in pairs)
    return [change for change in made if change.sign is not Sign.SAME]


def _row(old: _Row | None, new: _Row | None, budget: Budget) -> RowChange:
    shown = new or old or _Row("", "", ())
    before = dict(old.cells) if old else {}
    after = dict(new.cells) if new else {}
    cells = tuple((name, spans(before.get(name, ""), after.get(name, ""), budget)) for name, _text in shown.cells)
    sign = Sign.ADDED if old is None else Sign.REMOVED if new is None else Sign.CHANGED
    if sign is Sign.CHANGED and before == after:
        sign = Sign.SAME
    return RowChange(sign, shown.title, cells)


def with_words(found: Sequence[Paragraph], words: Callable[[str], str]) -> list[Paragraph]:
    """The same difference with what people read in place of tokens (`{{post:7}}` → the post's title)."""
    return [replace(p, spans=tuple(Span(s.op, words(s.text)) for s in p.spans)) for p in found]
