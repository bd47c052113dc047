"""Words of the auditor's pages. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from emergency.oversight.models import VerificationState
from kernel.clock import BEIJING
from kernel.errors import N_

V = VerificationState
TRANSITIONS: dict[VerificationState, frozenset[VerificationState]] = {
    V.ASKED: frozenset({V.WHOLE, V.BROKEN, V.FAILED}),
    V.WHOLE: frozenset(),
    V.BROKEN: frozenset(),
    V.FAILED: frozenset(),
}

FAULTS = {
    "altered": N_("An entry was changed, or the chain was computed anew."),
    "gap": N_("Entries were removed or inserted."),
    "head_mismatch": N_("The last entries do not agree with the recorded head."),
    "truncated": N_("The newest entries were cut off."),
    "anchor_missing": N_("The anchor file beside the database is missing."),
    "anchor_forged": N_("The anchor file holds a line that this system did not write."),
}

FIELDS = {
    "field": N_("field:"),
    "from": N_("from:"),
    "to": N_("to:"),
    "reason_given": N_("reason given:"),
    "list": N_("list:"),
    "count": N_("count:"),
    "division": N_("division:"),
    "fields": N_("fields:"),
    "by": N_("by:"),
    "rows": N_("rows:"),
    "created": N_("created:"),
    "updated": N_("updated:"),
    "errors": N_("errors:"),
    "broadcast": N_("broadcast:"),
    "first": N_("first:"),
    "last": N_("last:"),
    "code": N_("code:"),
    "route": N_("page:"),
    "method": N_("way:"),
    "why": N_("why:"),
    "what": N_("what:"),
    "roles": N_("roles:"),
    "value": N_("value:"),
    "detail": N_("detail:"),
    "kind": N_("kind:"),
    "due": N_("due:"),
    "answer": N_("answer:"),
    "means": N_("means:"),
    "stands": N_("stands:"),
    "rule": N_("rule:"),
    "until": N_("until:"),
    "since": N_("since:"),
    "numbers": N_("numbers:"),
    "people": N_("people:"),
    "channel": N_("channel:"),
    "broadcast_kind": N_("kind of message:"),
    "duty": N_("duty:"),
    "account": N_("account no.:"),
    "role": N_("as what:"),
    "level": N_("level:"),
    "msg_type": N_("type:"),
    "status": N_("status:"),
    "version": N_("version no.:"),
    "identifier": N_("identifier:"),
    "break_glass": N_("by one person alone:"),
    "reason": N_("reason:"),
    "result": N_("result:"),
    "datum": N_("datum:"),
    "plan": N_("plan no.:"),
    "lines": N_("tasks:"),
    "size": N_("size in bytes:"),
    "check": N_("check:"),
    "adopted": N_("adopted:"),
    "days": N_("days:"),
    "title": N_("title:"),
    "change": N_("change:"),
    "day": N_("day:"),
    "name": N_("name:"),
    "capacity": N_("room for how many people:"),
    "hazard": N_("hazard:"),
    "reach": N_("for whom:"),
    "exposed": N_("exposed:"),
    "source": N_("source:"),
    "questions": N_("questions:"),
    "outcome": N_("outcome:"),
    "files": N_("files:"),
    "post": N_("post:"),
    "paper": N_("paper:"),
    "number": N_("number:"),
    "exercise": N_("as an exercise:"),
    "openness": N_("open to the public:"),
    "year": N_("year:"),
    "run": N_("computing no.:"),
    "held_back": N_("numbers left out by the day's quota:"),
    "unit": N_("unit no.:"),
    "term": N_("term of the school year:"),
    "begins": N_("begins on:"),
    "ends": N_("ends on:"),
    "wanted": N_("wanted instead:"),
    "kept": N_("dates kept:"),
    "moved": N_("dates moved:"),
    "added": N_("dates added:"),
    "removed": N_("dates taken away:"),
    "before": N_("before:"),
    "after": N_("after:"),
    "by_time": N_("because its time was over:"),
    "revealed": N_("with what is sealed:"),
    "filed_on": N_("filed on:"),
    "reference": N_("reference:"),
}
MOMENTS = frozenset({"due", "until", "since", "wanted"})
"""Fields that hold a moment in its full form."""


NOUNS = {
    "account": N_("account"),
    "accounts": N_("account"),
    "answer": N_("answer"),
    "areas": N_("area"),
    "defect": N_("fault"),
    "deliveries": N_("message"),
    "division": N_("division"),
    "doors": N_("door"),
    "duty_shift": N_("duty shift"),
    "gateway.phones": N_("local gateway"),
    "import_run": N_("import"),
    "journal": N_("journal"),
    "journal_verification": N_("check of the journal"),
    "link_test": N_("test of the link"),
    "post": N_("post"),
    "posts": N_("post"),
    "question": N_("question"),
    "question_reply": N_("reply"),
    "resident": N_("resident"),
    "residents": N_("resident"),
    "sessions": N_("sign-in"),
    "stock_count": N_("stock count"),
    "unit": N_("unit of the district"),
    "units": N_("unit of the district"),
    "warning": N_("warning record"),
    "contact": N_("contact details"),
    "drill_occurrence": N_("drill"),
    "drill_finding": N_("finding"),
    "drill_corrective_action": N_("corrective action"),
    "one_time_link": N_("sign-in link"),
    "api_token": N_("token of a programme"),
    "drill_programme": N_("programme of drills"),
    "drill_year_proposal": N_("calendar of a year"),
    "drill_proposal_item": N_("date of a calendar of a year"),
    "plan": N_("plan"),
    "plan_version": N_("version of a plan"),
    "plan_filing": N_("filing of a plan"),
    "plan_activation": N_("response"),
    "plan_attachment": N_("file of a plan"),
    "plan_exposure": N_("exposure to a hazard"),
    "plan_law": N_("statute"),
    "plan_shelter": N_("shelter"),
    "plan_check": N_("check of plans"),
    "lot": N_("lot"),
    "write_off": N_("writing off"),
    "supply_request": N_("request for goods"),
    "reservation": N_("reservation"),
    "agreement": N_("agreement"),
    "depot": N_("depot"),
    "household": N_("household"),
    "job": N_("recurring job"),
}
"""What records and lists are called; the journal stores their keys."""
SUBJECTS = (
    "resident",
    "post",
    "warning",
    "account",
    "question",
    "answer",
    "question_reply",
    "duty_shift",
    "division",
    "unit",
    "import_run",
    "stock_count",
    "defect",
    "journal_verification",
    "link_test",
)
"""The kinds of record that an entry may be about."""


def moment(text: str) -> str:
    """`2026-11-24 15:24`, Beijing time, of a stored moment; a day as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M") if at.tzinfo else text


_FIRST = {"field": 0, "from": 1, "to": 2}
"""What is read first; the rest stays in its stored order."""


def facts(data: str) -> list[tuple[str, Any]]:
    """The fields of an entry in their stored order; what is no JSON object is shown as it is."""
    try:
        read = json.loads(data)
    except ValueError:
        return [("", data)]
    if not isinstance(read, dict):
        return [("", data)]
    return sorted(read.items(), key=lambda pair: _FIRST.get(pair[0], len(_FIRST)))
