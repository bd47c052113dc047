"""The Celery side of the baseline; runs in an environment of its own that has Celery and the Redis client.

`celery -A celery_tasks worker` is the worker; `python celery_tasks.py FIRST COUNT` publishes one task a message:
it says `ready` when it is connected, and begins when a line comes in.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import harness
import sqlalchemy as sa
import straightforward
from celery import Celery
from celery.signals import worker_process_init
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kernel.db import Database, make_engine
from notify.models import Delivery, DeliveryState

app = Celery("bench", broker=os.environ["BENCH_REDIS"])
app.conf.update(
    task_ignore_result=True,
    task_default_queue=os.environ["BENCH_QUEUE"],
    # What a careful operator sets so that a killed child does not lose its task.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_connection_retry_on_startup=False,
)
warm: dict[str, Any] = {}


@worker_process_init.connect
def prepare(**_: object) -> None:
    """Each child keeps a database, a client and a cipher: nothing is made anew for a message."""
    warm["database"] = Database(make_engine(os.environ["BENCH_DATABASE"]))
    warm["client"] = straightforward.client(os.environ["BENCH_GATEWAY"])
    warm["cipher"] = AESGCM(harness.KEY)


@app.task(name="bench.send")  # the publisher knows this file by another name than the worker
def send(delivery_id: int) -> None:
    """One message: load the row, open the number, hand over, commit."""
    database: Database = warm["database"]
    with database.read() as session:
        key, state, sealed = session.execute(
            sa.select(Delivery.address_key, Delivery.state, harness.person.c.sealed)
            .join_from(Delivery, harness.person, harness.person.c.id == Delivery.address_key)
            .where(Delivery.id == delivery_id)
        ).one()
    if state is not DeliveryState.QUEUED:
        return
    to = warm["cipher"].decrypt(sealed[:12], sealed[12:], b"phone:%d" % key).decode()
    sent = warm["client"].messages.create(to=to, from_=harness.FROM, body=harness.BODY)
    with database.write() as session:
        session.execute(
            sa.update(Delivery)
            .where(Delivery.id == delivery_id)
            .values(state=DeliveryState.SUBMITTED, provider_ref=sent.sid)
        )


def main() -> None:
    """Publish so many tasks, from a delivery id on."""
    first, count = int(sys.argv[1]), int(sys.argv[2])
    with app.producer_pool.acquire(block=True) as producer:
        producer.connection.ensure_connection(max_retries=1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for delivery_id in range(first, first + count):
            send.apply_async((delivery_id,), producer=producer)


if __name__ == "__main__":
    main()
