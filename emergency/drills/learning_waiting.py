"""What of learning waits for a planner: the workbench's lines."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from emergency.asking.service import Waiting
from emergency.drills import learning_findings, learning_lists, learning_reports
from emergency.http.actor import Actor
from emergency.http.i18n import _
from emergency.http.permissions import Permission


def waiting(session: Session, actor: Actor, now: datetime) -> list[Waiting]:
    """Versions that may mend a finding, actions that are late or want a second look, reports that are late."""
    if not actor.can(Permission.DRILLS_EDIT) or actor.is_system:
        return []
    lines = [
        Waiting(None, _("Version %(n)s was issued after the finding", n=offer.version.number), offer.finding.text, None,
                f"/drills/findings/{offer.finding.id}", _("Look at it"))
        for offer in learning_findings.mendings(session, actor=actor)[:5]
    ]  # fmt: skip
    counts = learning_lists.action_counts(session, actor)
    if counts["late"]:
        lines.append(Waiting(None, _("%(n)s corrective actions of drills are overdue", n=counts["late"]), "", None,
                             "/drills/actions?overdue=1", _("Look at them")))  # fmt: skip
    if counts["done"]:
        lines.append(Waiting(None, _("%(n)s corrective actions wait for a second look", n=counts["done"]), "", None,
                             "/drills/actions?state=done", _("Look at them")))  # fmt: skip
    late = learning_reports.counts(session, actor)["late"]
    if late:
        lines.append(Waiting(None, _("%(n)s reports of drills are late", n=late), "", None,
                             "/drills/reports?standing=late", _("Look at them")))  # fmt: skip
    return lines
