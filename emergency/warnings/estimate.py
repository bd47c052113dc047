"""What a warning would do, in figures, before the last button: people, numbers, parts, those without a phone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.divisions.models import Division
from emergency.warnings import area as areas
from emergency.warnings import audience, counting, geometry, issuing, rules, texts
from emergency.warnings.area import Targets
from emergency.warnings.models import Warning
from notify import quota
from notify import text as notify_text
from notify.models import DeliveryTally


def estimate(session: Session, warning: Warning, targets: Targets, now: datetime) -> dict[str, Any]:
    """The figures, from the very select that would fill the ledger.

    `recipients` are numbers (one message each), `people` those behind them; `unreachable` (without a phone, with a
    wrong number, opted out) come on top. `segments` are the parts of one message, `messages` all parts together.
    """
    counted = counting.count(session, warning, targets)
    names = division_names(session, list(counted.by_division))
    return {
        "recipients": counted.numbers,
        "numbers": counted.numbers,
        "people": counted.people,
        "without_phone": counted.without_phone,
        "invalid_phone": counted.invalid_phone,
        "opted_out": counted.opted_out,
        "unreachable": counted.unreachable,
        "everybody": counted.people + counted.unreachable,
        "held_back": held_back(session, warning, targets),
        **_of_the_text(session, warning, counted.numbers, now),
        "by_division": [
            {
                "code": code,
                "name": names.get(code, code),
                "numbers": place.numbers,
                "people": place.people,
                "unreachable": place.unreachable,
            }
            for code, place in counted.by_division.items()
        ],
        "undecided": [
            {"key": u.key, "name": u.name, "township": u.township, "people": u.people} for u in targets.undecided
        ],
        "at": rules.cap_time(now),
    }


def held_back(session: Session, warning: Warning, targets: Targets) -> int:
    """Numbers of the audience that had their day's messages already, where the quota applies to this warning."""
    limit = issuing.quota_of(session, warning)
    used_up = quota.full(session, texts.KIND[warning.status], limit)
    if not used_up:
        return 0
    rows = audience.recipients(session, targets, warning.audience).subquery("told")
    return session.scalar(sa.select(sa.func.count()).select_from(rows).where(used_up.holds(rows.c.number_key))) or 0


def _of_the_text(session: Session, warning: Warning, numbers: int, now: datetime) -> dict[str, Any]:
    text = texts.final(warning, now, relay=issuer_here(session))
    signature = texts.signature(session)
    measured = notify_text.segments(text, signature)
    return {
        "segments": measured.parts,
        "units": measured.units,
        "encoding": measured.encoding,
        "messages": measured.parts * numbers,
        "seconds": max(round(measured.parts * numbers / max(rate(session), 1)), 1),
        "cautions": rules.cautions(text, signature_length=len(notify_text.signed("", signature))),
    }


def reworded(session: Session, warning: Warning, figures: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The figures of the same audience with other words: people stay as counted, parts and seconds do not."""
    return {**figures, **_of_the_text(session, warning, int(figures["numbers"]), now)}


def agrees(session: Session, broadcast_id: int, figures: dict[str, Any]) -> bool:
    """Whether the ledger holds, place by place, exactly the numbers and people of these figures."""
    rows = session.execute(
        sa.select(DeliveryTally.division, sa.func.sum(DeliveryTally.messages), sa.func.sum(DeliveryTally.people))
        .where(DeliveryTally.broadcast_id == broadcast_id)
        .group_by(DeliveryTally.division)
    )
    entered = {code: (int(numbers), int(people)) for code, numbers, people in rows}
    counted = {row["code"]: (row["numbers"], row["people"]) for row in figures["by_division"] if row["numbers"]}
    return entered == counted


def people_by_division(figures: dict[str, Any] | None) -> dict[str, int]:
    """People of an estimate by division, phone or not: what drift is measured with."""
    rows = (figures or {}).get("by_division", [])
    return {row["code"]: row["people"] + row["unreachable"] for row in rows}


def numbers_by_division(figures: dict[str, Any] | None) -> dict[str, int]:
    """Numbers of an estimate by division."""
    return {row["code"]: row["numbers"] for row in (figures or {}).get("by_division", [])}


def drift(before: dict[str, Any] | None, after: dict[str, Any]) -> float:
    """By how many percent the audience moved: in people or in numbers, whichever moved more."""
    return max(
        rules.drift_percent(people_by_division(before), people_by_division(after)),
        rules.drift_percent(numbers_by_division(before), numbers_by_division(after)),
    )


def targets_of(session: Session, warning: Warning) -> Targets:
    """The warning's area, looked up now."""
    return areas.resolve(session, geometry.parse(warning.area))


def division_names(session: Session, codes: list[str]) -> dict[str, str]:
    """Names by code."""
    if not codes:
        return {}
    rows = session.execute(sa.select(Division.code, Division.name).where(Division.code.in_(codes)))
    return {row.code: row.name for row in rows}


def rate(session: Session) -> int:
    """Messages a second that the accounts allow together."""
    config: Config = session.info["config"]
    return config.notify.twilio.rate or config.notify.twilio.messages_per_second


def issuer_here(session: Session) -> str:
    """The configured government body."""
    config: Config = session.info["config"]
    return config.site.issuer
