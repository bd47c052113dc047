"""What one would write first: ORM rows, `client.messages.create` in a loop, a commit before and after each."""

from __future__ import annotations

import time
from typing import Any

import harness
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import Database
from notify import service
from notify.models import Delivery, DeliveryState


def client(gateway_url: str) -> Any:
    """The provider's own client as it comes, pointed at the gateway."""
    from twilio.rest import Client

    stock = Client(harness.ACCOUNT, harness.TOKEN)
    stock.api.base_url = gateway_url
    return stock


def run(database: Database, gateway: harness.GatewayProcess, messages: int) -> dict[str, Any]:
    """One process, one message after the other; the ledger is entered beforehand and not counted."""
    cipher = harness.Book(database).cipher
    with database.write() as session:
        record = service.broadcast(session, harness.spec(database), harness.recipients(messages))
        body = harness.BODY
    stock = client(gateway.url)
    with Session(database.engine) as session:
        ids = session.scalars(sa.select(Delivery.id).where(Delivery.broadcast_id == record.id)).all()
        session.rollback()
        began = time.perf_counter()
        for delivery_id in ids:
            row = session.get_one(Delivery, delivery_id)
            sealed = session.execute(
                sa.select(harness.person.c.sealed).where(harness.person.c.id == row.address_key)
            ).scalar_one()
            to = cipher.decrypt(sealed[:12], sealed[12:], b"phone:%d" % row.address_key).decode()
            row.state = DeliveryState.CLAIMED
            session.commit()
            sent = stock.messages.create(to=to, from_=harness.FROM, body=body)
            row.state, row.provider_ref = DeliveryState.SUBMITTED, sent.sid
            session.commit()
        seconds = time.perf_counter() - began
    return {"messages": messages, "seconds": round(seconds, 3), "per_second": round(messages / seconds, 1)}
