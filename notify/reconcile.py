"""Settle what is unknown without anybody's help: look into the provider's own list."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import now
from kernel.errors import DomainError
from notify import blocks, calls, counters, failpoints, ledger, rules, text
from notify.channels.base import Channel, Found
from notify.dispatcher import Dispatcher
from notify.models import Broadcast, Delivery, DeliveryState, Kind
from notify.watch import BY_HAND

AT_ONCE = 32
ONCE_MORE = 1
"""A real warning that nobody can find out about goes so many times more: rather twice than never."""
LIMIT = 500
CLOCK_SKEW = timedelta(seconds=90)
UNTOLD = timedelta(minutes=5)
"""How long a call that could be this message's or another's waits for a report before a person is asked."""


@dataclass(frozen=True, slots=True)
class _Case:
    row: Delivery
    record: Broadcast
    ripe: bool


def _unknowns(session: Session, settings_absent: float, silent: Collection[str]) -> list[_Case]:
    moment = now(session)
    query = (
        sa.select(Delivery, Broadcast)
        .join(Broadcast, Broadcast.id == Delivery.broadcast_id)
        .where(
            Delivery.state == sa.literal_column("'unknown'"),
            sa.or_(Delivery.reason.is_(None), Delivery.reason != BY_HAND),
        )
        .order_by(Delivery.changed_at)
        .limit(LIMIT)
    )
    if silent:
        query = query.where(sa.or_(Delivery.account.is_(None), Delivery.account.not_in(sorted(silent))))
    rows = session.execute(query)
    ripe_before = moment - timedelta(seconds=settings_absent)
    return [_Case(row, record, row.changed_at <= ripe_before) for row, record in rows]


async def reconcile(dispatcher: Dispatcher) -> int:
    """One round over what is unknown: present in the provider's list → settled; absent for long enough → queued again
    until it expires; where there is no list, a real warning goes once more and a drill never. Returns how many moved.

    Only the account that carried a message is asked about it. While its list cannot be had the message stays unknown,
    however well another account works: what A may have taken never goes again over B.
    """
    await dispatcher.mind_the_clock()
    absent_after = dispatcher.settings.absent_after_seconds
    asked_at = dispatcher.database.clock.now()
    # An account whose list could not be had is left out of every other round: what waits for it must not fill all
    # the places of those behind it.
    silent = frozenset(dispatcher.silent)
    dispatcher.silent.clear()
    cases = await dispatcher.read(lambda session: _unknowns(session, absent_after, silent))
    groups: dict[tuple[int, str, str | None], list[_Case]] = {}
    for case in cases:
        groups.setdefault((case.record.id, case.row.channel, case.row.account), []).append(case)
    moved = 0
    for group in groups.values():
        moved += await _settle_group(dispatcher, group, asked_at - timedelta(seconds=absent_after))
    return moved


async def _settle_group(dispatcher: Dispatcher, group: Sequence[_Case], older_than: datetime) -> int:
    record = group[0].record
    account = group[0].row.account
    bearers = dispatcher.roads.bearers(group[0].row.channel, record.kind, account)
    if not bearers:
        # The account is no longer configured: nobody can say whether it took the message.
        return await _by_hand(dispatcher, [case.row.id for case in group if case.ripe])
    if not all(channel.abilities.lists for channel in bearers):
        return await _by_policy(dispatcher, group, older_than)
    addresses = await dispatcher.addresses(record, [case.row.address_key for case in group], "reconcile")
    asked_at = dispatcher.database.clock.now()
    taken = await dispatcher.read(lambda session: _taken_elsewhere(session, record, [c.row for c in group]))
    present: list[ledger.Move] = []
    absent: list[tuple[int, int]] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def look(case: _Case) -> tuple[_Case, str | None, list[Found] | None]:
        number = addresses.get(case.row.address_key)
        if number is None:
            return case, None, None
        async with gate:
            since = record.created_at - CLOCK_SKEW - dispatcher.watch.total
            return case, number, await _find(bearers, number, since)

    looked = await asyncio.gather(*(look(case) for case in group))
    if account is not None and any(found is None and number is not None for _, number, found in looked):
        dispatcher.silent.add(account)
    claims = _Claims()
    if any(one.body is None for _, _, found in looked for one in found or ()):
        claims = await dispatcher.read(lambda session: _claims(session, record, [c.row for c in group]))
    untold: list[int] = []
    for case, number, found in looked:
        if found is None:
            if number is None and case.ripe:
                present.append((case.row.id, DeliveryState.FAILED, None, "no_address"))
            continue
        match: Found | bool | None
        if any(one.body is None for one in found):
            match = calls.matched(
                found,
                frozenset(taken | claims.refs),
                earliest=record.created_at - CLOCK_SKEW - dispatcher.watch.total,
                latest=case.row.changed_at + CLOCK_SKEW + dispatcher.watch.total,
                rivals=claims.blind.get(case.row.number_key, 1) - 1,
            )
            if match is None:
                if asked_at - case.row.changed_at > UNTOLD:
                    untold.append(case.row.id)
                continue
        else:
            match = _match(record, case.row, found, taken)
        if match:
            assert isinstance(match, Found)  # noqa: S101 - `matched` is never True
            taken.add(match.ref)
            state, reason = rules.state_of(match.status, match.error_code)
            present.append((case.row.id, state, match.ref, reason))
        elif case.ripe:
            absent.append((case.row.id, case.row.attempt))

    failpoints.reach("reconciling")

    def work(session: Session) -> int:
        done = len(ledger.move_unknown(session, present)) if present else 0
        if untold:
            _ask_a_person(session, untold)
        return done + (blocks.requeue_absent(session, absent, older_than) if absent else 0)

    done = await dispatcher.write(work) if present or absent else 0
    for verdict, cases in (("present", len(present)), ("absent", len(absent))):
        if cases:
            dispatcher.ports.metrics.count("notify_reconciled_total", cases, verdict=verdict)
    return done


async def _find(bearers: Sequence[Channel], number: str, since: datetime) -> list[Found] | None:
    """What these accounts together have sent to a number; None where one of them could not be asked."""
    found: list[Found] = []
    for channel in bearers:
        part = await channel.find(number, since)
        if part is None:
            return None
        found.extend(part)
    return found


async def _by_hand(dispatcher: Dispatcher, ids: Sequence[int]) -> int:
    def work(session: Session) -> None:
        _ask_a_person(session, ids)
        counters.count_after(session, dispatcher.ports.metrics, "notify_reconciled_total", len(ids), verdict="by_hand")

    if ids:
        await dispatcher.write(work)
    return 0


def _match(record: Broadcast, row: Delivery, found: Sequence[Found], taken: set[str]) -> Found | None:
    try:
        body = text.signed(text.render(record.text, row.params), record.signature)
    except DomainError:
        return None
    return next((one for one in found if one.body == body and one.ref not in taken), None)


def _taken_elsewhere(session: Session, record: Broadcast, rows: Sequence[Delivery]) -> set[str]:
    """References that belong to the same text sent to the same numbers by another broadcast about that time."""
    siblings = session.scalars(
        sa.select(Broadcast.serial).where(
            Broadcast.text_digest == record.text_digest,
            Broadcast.id != record.id,
            Broadcast.created_at >= record.created_at - timedelta(days=2),
        )
    ).all()
    taken: set[str] = set()
    for serial in siblings:
        low, high = ledger.range_of(serial)
        taken.update(
            ref
            for ref in session.scalars(
                sa.select(Delivery.provider_ref).where(
                    Delivery.id.between(low, high), Delivery.number_key.in_({row.number_key for row in rows})
                )
            )
            if ref
        )
    return taken


@dataclass(slots=True)
class _Claims:
    """Calls that messages of ours are known to have made, and how many messages of each number have none yet."""

    refs: set[str] = field(default_factory=set)
    blind: dict[bytes, int] = field(default_factory=dict)


def _claims(session: Session, record: Broadcast, rows: Sequence[Delivery]) -> _Claims:
    """What else of ours called these numbers about that time, whatever it said."""
    claims = _Claims()
    near = session.execute(
        sa.select(Broadcast.serial, Broadcast.channels).where(
            Broadcast.created_at >= record.created_at - timedelta(days=2)
        )
    )
    for serial, names in near.all():
        if rows[0].channel not in names:
            continue
        found = session.execute(
            sa.select(Delivery.number_key, Delivery.provider_ref, Delivery.state).where(
                Delivery.id.between(*ledger.range_of(serial)),
                Delivery.channel == rows[0].channel,
                Delivery.number_key.in_({row.number_key for row in rows}),
            )
        )
        for number_key, ref, state in found:
            if ref:
                claims.refs.add(ref)
            elif state in (DeliveryState.CLAIMED, DeliveryState.UNKNOWN):
                claims.blind[number_key] = claims.blind.get(number_key, 0) + 1
    return claims


def _ask_a_person(session: Session, ids: Sequence[int]) -> None:
    table = Delivery.__table__
    session.execute(
        sa.update(table)  # type: ignore[arg-type]
        .where(table.c.id.in_(ids), table.c.state == DeliveryState.UNKNOWN)
        .values(reason=BY_HAND)
    )


async def _by_policy(dispatcher: Dispatcher, group: Sequence[_Case], older_than: datetime) -> int:
    ripe = [case for case in group if case.ripe]
    again = [
        (case.row.id, case.row.attempt)
        for case in ripe
        if case.record.kind is Kind.ACTUAL and case.row.sent_again < ONCE_MORE
    ]
    rest = [case.row.id for case in ripe if (case.row.id, case.row.attempt) not in again]

    def work(session: Session) -> int:
        if rest:
            _ask_a_person(session, rest)
        metrics = dispatcher.ports.metrics
        counters.count_after(session, metrics, "notify_reconciled_total", len(rest), verdict="by_hand")
        if not again:
            return 0
        done = blocks.requeue_absent(session, again, older_than, by_policy=True)
        counters.count_after(session, metrics, "notify_reconciled_total", done, verdict="again")
        return done

    return await dispatcher.write(work) if ripe else 0
