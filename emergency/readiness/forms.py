"""Forms of readiness."""

from __future__ import annotations

from emergency.http.forms import Day, Form, LongText, length, required
from emergency.http.i18n import _l


class MuteForm(Form):
    """Put a fault aside for a while."""

    until = Day(_l("Put aside until"), [required()], description=_l("At most 90 days. Then it comes back by itself."))
    reason = LongText(_l("Why it can wait"), [required(), length(most=300)], description=_l("No names of persons."))
