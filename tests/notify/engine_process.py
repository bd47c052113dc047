"""An engine in a process of its own, to be killed: `engine_process.py DATABASE-URL GATEWAY-URL`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2])]

import support  # noqa: E402

from kernel.db import Database, make_engine  # noqa: E402
from notify.channels.twilio_sms import TwilioSms  # noqa: E402
from notify.engine import Engine  # noqa: E402
from notify.ports import Ports  # noqa: E402

if __name__ == "__main__":
    database = Database(make_engine(sys.argv[1]))
    ports = Ports(support.Book(), support.Sealer(), support.Index())
    account = support.account(sys.argv[2], messages_per_second=400.0)
    Engine(database, [TwilioSms(account, timeout=2.0)], ports, support.FAST).run_forever()
