"""The receipts benchmark's baseline: the view one would write first. `receipts_straight.py PORT THREADS ACCOUNT TOKEN`."""

from __future__ import annotations

import os
import sys
from typing import Any

import flask
from sqlalchemy.orm import Session
from twilio.request_validator import RequestValidator

from emergency import runtime
from notify.models import Delivery, DeliveryState


def make() -> Any:
    """A Flask app with one view: verify, load the row, change it, commit."""
    from emergency import delivery

    site = runtime.build()
    account = next(
        one for one in delivery.accounts(site.config, site.vault) if one.account_sid == os.environ["BENCH_ACCOUNT"]
    )
    validator = RequestValidator(account.auth_token)
    app = flask.Flask("straight")

    @app.post("/webhooks/twilio/status")
    def status() -> tuple[str, int]:
        request = flask.request
        url = f"{account.status_callback}?{request.query_string.decode()}"
        if not validator.validate(url, request.form.to_dict(), request.headers.get("X-Twilio-Signature", "")):
            return "", 403
        with Session(site.database.engine) as session:
            row = session.get_one(Delivery, int(request.args["d"]))
            row.state, row.provider_ref = DeliveryState.DELIVERED, request.form["MessageSid"]
            session.commit()
        return "", 204

    return app


if __name__ == "__main__":
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    os.environ["BENCH_ACCOUNT"] = sys.argv[3]
    Server(
        "receipts_straight:make", factory=True, address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.WSGI,
        workers=1, blocking_threads=int(sys.argv[2]), websockets=False, log_access=False, log_level=LogLevels.error,
    ).serve()  # fmt: skip
