"""What was issued, for everybody: a feed and one CAP document a message. Nothing here needs an account.

Exercises have a feed of their own and are marked in every text; link tests are never published.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import flask
import sqlalchemy as sa
from flask.typing import ResponseReturnValue

from emergency.http.permissions import public
from emergency.http.request import config, session
from emergency.warnings import cap, issuing, rules
from emergency.warnings.models import Issue, Warning, WarningStatus
from kernel.db import now
from kernel.errors import N_, NotFound, Unavailable

blueprint = flask.Blueprint("cap", __name__, url_prefix="/cap")
LATEST = 50
PUBLISHED = (WarningStatus.ACTUAL, WarningStatus.EXERCISE)


def _intact(issue: Issue) -> dict[str, Any]:
    if issuing.digest(issue.snapshot) != issue.digest:
        raise Unavailable(N_("This message is not as it was issued; it is not given out."), code="snapshot_damaged")
    return issue.snapshot


def _answer(content: bytes, kind: str, *, etag: str, changed: datetime | None, seconds: int) -> ResponseReturnValue:
    response = flask.Response(content, content_type=f"{kind}; charset=utf-8")
    response.set_etag(etag)
    response.last_modified = changed
    response.cache_control.public = True
    response.cache_control.max_age = seconds
    return response.make_conditional(flask.request)


@blueprint.get("/feed.atom")
@public("warnings are published by law; other systems read them here")
def feed() -> ResponseReturnValue:
    """The latest real messages; `?status=Exercise` gives the exercises instead."""
    exercise = flask.request.args.get("status") == WarningStatus.EXERCISE.value
    status = WarningStatus.EXERCISE if exercise else WarningStatus.ACTUAL
    issues = session().scalars(
        sa.select(Issue)
        .join(Warning, Warning.id == Issue.warning_id)
        .where(Warning.status == status)
        .order_by(Issue.sent.desc(), Issue.id.desc())
        .limit(LATEST)
    ).all()  # fmt: skip
    base = f"{config().public_url}/cap"
    address = f"{base}/feed.atom" + ("?status=Exercise" if exercise else "")
    changed = issues[0].sent if issues else None
    content = cap.feed(
        [_intact(issue) for issue in issues], address=address, base=base, name=config().site.name,
        updated=rules.cap_time(changed or now(session())), exercise=exercise,
    )  # fmt: skip
    seen = "\n".join([address, *(issue.identifier for issue in issues)])
    return _answer(
        content, cap.ATOM_TYPE, etag=hashlib.sha256(seen.encode()).hexdigest()[:32], changed=changed, seconds=30
    )


@blueprint.get("/<identifier>.xml")
@public("warnings are published by law; other systems read them here")
def message(identifier: str) -> ResponseReturnValue:
    """One message, exactly as it was issued."""
    issue = None
    if rules.is_identifier(identifier):
        issue = session().scalar(
            sa.select(Issue)
            .join(Warning, Warning.id == Issue.warning_id)
            .where(Issue.identifier == identifier, Warning.status.in_(PUBLISHED))
        )
    if issue is None:
        raise NotFound(N_("No message was issued under this identifier."))
    content = cap.document(_intact(issue))
    return _answer(content, cap.CAP_TYPE, etag=issue.digest.hex()[:32], changed=issue.sent, seconds=3600)
