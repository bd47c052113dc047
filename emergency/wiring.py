"""What a lower room needs of a higher one, handed over once at start: ports, subjects, defects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import delivery
from emergency.asking import service as asking
from emergency.http.actor import Actor
from emergency.people.contacts import refusals
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact, OptMeans
from emergency.people.posts.models import PostHolder
from emergency.people.residents.models import Resident
from emergency.plans import kept, signals
from emergency.privacy import journal
from emergency.readiness import plans_today
from emergency.readiness import service as readiness
from emergency.runtime import furniture
from emergency.warnings import heard
from kernel.db import touch
from notify.models import Broadcast, Delivery, DeliveryState, Kind
from notify.ports import Settled
from notify.rules import PERMANENT_REASONS

if TYPE_CHECKING:
    from emergency.runtime import Runtime

ENGINE = Actor.system("engine")
OPTED_OUT = frozenset({"21610"})
"""Error codes that say: this number wants no messages from us."""

SEND_REFUSED = journal.kind(
    "delivery.refused", "引擎拒发", "Engine refused to send", "reason", "count", "broadcast_kind"
)
NUMBER_REFUSED = journal.kind("delivery.number_refused", "号码无法送达", "Number refused for good", "reason")


class Outcomes:
    """Hears what became of messages (`notify.ports.Outcomes`)."""

    def settled(self, session: Session, broadcast: Broadcast, results: Sequence[Settled]) -> None:
        """The ledger's tallies count; a message that arrived ends what was held against its number."""
        arrived = [result.delivery_id for result in results if result.state == DeliveryState.DELIVERED.value]
        if arrived and refusals.any_stands(session):
            keys = session.scalars(sa.select(Delivery.number_key).where(Delivery.id.in_(arrived))).all()
            for contact_id in refusals.end(session, set(keys)):
                touch(session, "contact", contact_id)

    def refused(self, session: Session, broadcast: Broadcast, reason: str, count: int) -> None:
        """Kinds disagreed at the last door: journalled, because somebody has to explain it."""
        journal.record(
            session, SEND_REFUSED, actor=ENGINE, subject=(broadcast.subject_kind, broadcast.subject_id),
            reason=reason, count=count, broadcast_kind=broadcast.kind.value,
        )  # fmt: skip

    def defect(
        self, session: Session, recipient: str, reason: str, *, number_key: bytes | None = None, channel: str = ""
    ) -> None:
        """A number is refused for good: whoever it belongs to becomes a defect, never a retry."""
        kind, _, number = recipient.partition(":")
        if not number.isdigit():
            return
        refused = number_key is not None and reason in PERMANENT_REASONS and reason not in OPTED_OUT
        if refused and not refusals.note(session, number_key=number_key or b"", channel=channel, code=reason):
            return
        journal.record(session, NUMBER_REFUSED, actor=ENGINE, subject=(kind, int(number)), reason=reason)
        touch(session, kind, int(number))
        if reason in OPTED_OUT:
            for key in session.scalars(_number_keys(kind, int(number))):
                if key is not None:
                    contacts.opt_out(session, actor=ENGINE, number_key=key, reason="STOP", means=OptMeans.CARRIER)


def _number_keys(kind: str, subject_id: int) -> sa.Select[bytes | None]:
    query = sa.select(Contact.phone_index)
    if kind == "post":
        return query.join(PostHolder, PostHolder.contact_id == Contact.id).where(
            PostHolder.post_id == subject_id, PostHolder.order == 0
        )
    return query.join(Resident, Resident.contact_id == Contact.id).where(Resident.id == subject_id)


def _desk(runtime: Runtime) -> asking.ReplyDesk:
    kinds: dict[str, frozenset[Kind]] = {}
    for account in delivery.accounts(runtime.config, runtime.vault):
        # The local gateway stands in for two accounts under one number: what comes in there may be of any kind.
        kinds[account.account_sid] = kinds.get(account.account_sid, frozenset()) | account.kinds
    return asking.ReplyDesk(kinds)


def wire(runtime: Runtime) -> None:
    """Tell the rooms of each other."""
    runtime.database.attach("ports", delivery.ports(runtime, outcomes=Outcomes(), answers=_desk(runtime)))
    for room, module in furniture("defects"):
        readiness.register(room.removeprefix("emergency."), module.defects, getattr(module, "widen", None))
    kept.provide(plans_today.Ledger())
    signals.provide(heard.between, heard.standing, heard.event_names)
