"""A provider that behaves as badly as a socket allows: one behaviour a server, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SID = "SM" + "0123456789abcdef" * 2
MEBIBYTE = 1 << 20


@dataclass
class Exchange:
    """One connection, and what was asked on it."""

    server: Hostile
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    method: str = ""
    target: str = ""
    head: str = ""
    form: dict[str, str] = field(default_factory=dict)

    async def read(self) -> bool:
        """The next request; False when the client is gone."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            body = await self.reader.readexactly(int(length[1])) if length else b""
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        self.head = head.decode("latin-1")
        self.method, self.target, _ = self.head.split(" ", 2)
        self.form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        self.server.requests.append(self.head)
        return True

    async def write(self, data: bytes) -> None:
        """Bytes, counted: what a client does not want to read stays here."""
        self.writer.write(data)
        await self.writer.drain()
        self.server.written += len(data)

    def reset(self) -> None:
        """RST instead of FIN."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Until the client hangs up."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Behaviour = Callable[[Exchange], Awaitable[None]]


class Hostile:
    """A server on a loopback port whose every connection is handed to `behave`."""

    def __init__(self, behave: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"):
        self.behave = behave
        self.requests: list[str] = []
        self.connections = 0
        self.written = 0
        self.taken: list[tuple[str, str, str]] = []
        """(reference, number, text) of what it accepted, whatever it said."""
        self._tls, self._host = tls, host
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def url(self) -> str:
        """Its address."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._met, self._host, 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, ssl.SSLError):
            await self.behave(Exchange(self, reader, writer))
        with contextlib.suppress(Exception):
            writer.close()

    def stop(self) -> None:
        """Close everything."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    # -- what a provider remembers -------------------------------------------------------------------------------

    def take(self, form: dict[str, str]) -> str:
        """Accept a message for good."""
        reference = f"SM{len(self.taken):032x}"
        self.taken.append((reference, form["To"], form["Body"]))
        return reference

    def listed(self, target: str) -> bytes:
        """Its list of messages to one number, as the API gives it."""
        to = parse_qs(urlsplit(target).query).get("To", [""])[0]
        moment = datetime.datetime.now(datetime.UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        rows = [
            {"sid": sid, "to": number, "body": text, "status": "sent", "direction": "outbound-api",
             "date_created": moment}
            for sid, number, text in self.taken if number == to
        ]  # fmt: skip
        return answer(json.dumps({"messages": rows, "uri": unquote(target), "next_page_uri": None}), 200)


def answer(body: str | bytes, status: int = 201, *headers: str, length: int | None = None) -> bytes:
    """An HTTP answer as bytes."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", "Content-Type: application/json", *headers]
    lines.append(f"Content-Length: {len(content) if length is None else length}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


def created(sid: object = SID) -> bytes:
    """The answer to a message that was taken."""
    return answer(json.dumps({"sid": sid, "status": "queued"}))


def always(data: bytes) -> Behaviour:
    """The same bytes to every request, on connections that stay."""

    async def behave(exchange: Exchange) -> None:
        while await exchange.read():
            await exchange.write(data)

    return behave


def once(data: bytes) -> Behaviour:
    """The bytes, then the end of the connection."""

    async def behave(exchange: Exchange) -> None:
        if await exchange.read():
            await exchange.write(data)

    return behave


@contextlib.contextmanager
def serving(behave: Behaviour, **options: object) -> Iterator[Hostile]:
    """A hostile server for the length of a test."""
    server = Hostile(behave, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certificate(folder: Path, *names: str, expired: bool = False) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS with a certificate of its own making for `names`, and the file whoever trusts it needs."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hostile")])
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=30 if expired else 1)
    alternatives: list[x509.GeneralName] = []
    for name in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alternatives.append(x509.DNSName(name))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment)
        .not_valid_after(moment + datetime.timedelta(days=10))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    return context, chain
