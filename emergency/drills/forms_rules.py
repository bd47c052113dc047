"""Forms of the rulebook and of spot checks."""

from __future__ import annotations

from typing import Any

from wtforms import BooleanField, HiddenField

from emergency.drills.inspection_models import Inspected
from emergency.drills.models import Basis, DrillKind
from emergency.drills.rulebook import (
    MOST_MONTHS,
    RuleText,
    WholeRule,
    group_words,
    read_groups,
    report_key,
    report_words,
)
from emergency.http.forms import (
    Day,
    EnumField,
    Form,
    LongText,
    Number,
    Text,
    Ticks,
    between,
    enum_choices,
    length,
    required,
)
from emergency.http.forms import optional as may_stay_empty
from emergency.http.i18n import _l, language


class RuleForm(Form):
    """One rule: what it asks, of whom, by what it is satisfied."""

    title = Text(_l("Rule"), [required(), length(most=100)])
    source = Text(_l("Source and article"), [required(), length(most=300)])
    basis = EnumField(_l("The window that the text means"), Basis)
    months = Number(
        _l("Interval in months"),
        [may_stay_empty(), between(1, MOST_MONTHS)],
        description=_l("Leave it empty where the text names no number; then nothing is ever overdue by it."),
    )
    skip_school_holidays = BooleanField(_l("Asks for nothing in the school holidays"))
    groups = LongText(
        _l("Whom it means"),
        [may_stay_empty(), length(most=2000)],
        description=_l("One line for each kind of unit; a unit that carries every word of one line is meant. "
                       "“所有单位” means every unit, “消防安全重点单位以外的单位” every other one."),
    )  # fmt: skip
    kinds = Ticks(_l("What satisfies it"), [required()], coerce=str, validate_choice=False)
    report_to = Text(_l("To whom the drill is reported"), [may_stay_empty(), length(most=60)])
    note = LongText(_l("Remark"), [may_stay_empty(), length(most=1000)])
    reason = LongText(_l("Why it is changed"), [required(), length(most=500)])
    version = HiddenField()

    def offer(self, *, about_plans: bool = False) -> RuleForm:
        """The choices in the reader's language. Only a rule about plans means no unit."""
        self.kinds.choices = enum_choices(DrillKind)
        self.groups.flags.required = not about_plans
        return self

    def show(self, whole: WholeRule) -> RuleForm:
        """What is stored."""
        rule = whole.rule
        for name in ("title", "source", "basis", "months", "skip_school_holidays", "note", "version"):
            self[name].data = getattr(rule, name)
        self.report_to.data = report_words(rule.report_to, language())
        self.groups.data = "\n".join(group_words(group, language()) for group in whole.groups)
        self.kinds.data = [kind.value for kind in whole.kinds]
        return self

    def text(self) -> RuleText:
        """What was typed; 422 where a word of `groups` is unknown."""
        known: dict[str, Any] = {kind.value: kind for kind in DrillKind}
        return RuleText(
            self.title.data or "", self.months.data, self.basis.data, self.source.data or "",
            tuple(read_groups(self.groups.data or "")),
            frozenset(known[value] for value in self.kinds.data or () if value in known),
            self.note.data or "", report_key(self.report_to.data or ""), bool(self.skip_school_holidays.data),
        )  # fmt: skip


class InspectionForm(Form):
    """A spot check of a drill."""

    inspected_on = Day(_l("Day of the check"), [required()])
    result = EnumField(_l("What was found"), Inspected)
    ordered = LongText(_l("What has to be corrected"), [may_stay_empty(), length(most=1000)])
    due_on = Day(_l("To be corrected by"), [may_stay_empty()])


class CorrectionForm(Form):
    """The ordered correction was made."""

    corrected_on = Day(_l("Corrected on"), [may_stay_empty()])
    proof = LongText(_l("Proof"), [may_stay_empty(), length(most=1000)])
