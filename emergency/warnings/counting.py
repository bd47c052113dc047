"""The audience is counted before the writer is taken.

Counting a whole district takes seconds; a transaction that writes may take a quarter of one, because a red warning, a
receipt or an import may be waiting behind it. So the edge counts in a reading unit of work and lays the figures beside
the writing session; whoever makes an estimate there uses them if they are of the same area and audience. What happens
between the two is caught by the drift that approval checks.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from emergency.http import request as unit
from emergency.http.actor import Actor
from emergency.warnings import area as areas
from emergency.warnings import audience, geometry
from emergency.warnings.area import Targets
from emergency.warnings.audience import Count
from emergency.warnings.models import Warning, WarningStatus
from kernel.errors import DomainError

View = TypeVar("View", bound=Callable[..., Any])
_READY = "warnings.counted"


@dataclass(frozen=True)
class Ready:
    """Figures that were counted a moment ago, and of what."""

    of: tuple[str, str]
    count: Count


def _of(warning: Warning) -> tuple[str, str]:
    return json.dumps(warning.area, sort_keys=True), f"{warning.audience.value} {warning.status.value}"


def is_real(warning: Warning) -> bool:
    """Whether it goes to numbers that refuse messages as well."""
    return warning.status is WarningStatus.ACTUAL


def count(session: Session, warning: Warning, targets: Targets) -> Count:
    """The audience of a warning: as counted before the writer was taken, or now."""
    ready: Ready | None = session.info.get(_READY)
    if ready is not None and ready.of == _of(warning):
        return ready.count
    return audience.count(session, targets, warning.audience, real=is_real(warning))


def forget(session: Session) -> None:
    """What was counted is too old: count again."""
    session.info.pop(_READY, None)


def beforehand(session: Session, warning_id: int) -> Ready | None:
    """Count in a reading session. None where there is nothing to count: the service will say why."""
    warning = session.get(Warning, warning_id)
    if warning is None:
        return None
    try:
        targets = areas.resolve(session, geometry.parse(warning.area))
        return Ready(_of(warning), audience.count(session, targets, warning.audience, real=is_real(warning)))
    except DomainError:
        return None


def count_first(view: View) -> View:
    """The view's warning is counted before its unit of work begins. Stands between `@requires` and the rest."""

    @functools.wraps(view)
    def counted(*args: Any, **kwargs: Any) -> Any:
        with unit.database().read() as reader:
            ready = beforehand(reader, int(kwargs["warning_id"]))
        if ready is not None:
            unit.session().info[_READY] = ready
        return view(*args, **kwargs)

    return counted  # type: ignore[return-value]


def measure_next(warning_id: int, actor: Actor) -> dict[str, Any]:
    """Commit the change of area or audience, count it in a reading unit of work, and keep the figures."""
    from emergency.warnings.drafting import measure

    unit.next_unit()
    with unit.database().read() as reader:
        ready = beforehand(reader, warning_id)
    unit.session().info[_READY] = ready
    return measure(unit.session(), actor=actor, warning_id=warning_id)
