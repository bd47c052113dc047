from __future__ import annotations

import json
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from roads import ROADS, Provider, Road, form_of
from support import TOKEN, Gateway

from kernel.db import Database
from notify import receipts, twiml
from notify.models import ReceiptKind
from notify.ports import Ports


@pytest.fixture(params=ROADS, ids=[road.name for road in ROADS])
def road(request: pytest.FixtureRequest) -> Road:
    found: Road = request.param
    return found


class _Server(BaseHTTPRequestHandler):
    def form(self) -> dict[str, str]:
        return form_of(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def answer(self, status: int, body: str = "", kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def _serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    told = Provider()

    class Handler(_Server):
        def do_POST(self) -> None:
            told.asked.append(self.form())
            self.answer(told.status, json.dumps(told.body), "application/json")

    for told.url in _serve(Handler):
        yield told


@pytest.fixture
def webhooks(database: Database, ports: Ports, gateway: Gateway) -> Iterator[str]:
    """The doors that the product has for providers: `/status`, `/inbound`, `/voice`."""

    class Handler(_Server):
        def do_POST(self) -> None:
            form, path = self.form(), urllib.parse.urlsplit(self.path).path
            answers = path == "/inbound" or bool(form.get("Digits"))
            ours = receipts.take(
                database, ports, auth_token=TOKEN, url=f"http://{self.headers['Host']}{self.path}", form=form,
                header=self.headers.get("X-Twilio-Signature"),
                kind=ReceiptKind.INBOUND if answers else ReceiptKind.STATUS,
                channel="voice" if "CallSid" in form else "sms",
            )  # fmt: skip
            self.answer(200 if ours else 403, twiml.farewell("谢谢" if answers else "", twiml.Voice()), "text/xml")

    for url in _serve(Handler):
        gateway.control("/faults", {"inbound_url": f"{url}/inbound"})
        yield url
    gateway.control("/faults", {"inbound_url": ""})
