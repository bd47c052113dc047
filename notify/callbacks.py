"""Signatures: theirs on what they send us, ours on the delivery id in the callback's address. Pure; never raises."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit, urlunsplit

ID_FIELD = "d"
MAC_FIELD = "m"


def _mac(secret: str, delivery_id: int) -> str:
    return hmac.digest(secret.encode(), b"notify-callback:%d" % delivery_id, "sha256").hex()[:24]


def callback_url(base: str, secret: str, delivery_id: int) -> str:
    """Where the provider reports on this delivery: our id and a MAC, so that a report finds its row even when we
    died before we stored the provider's own id."""
    joint = "&" if "?" in base else "?"
    return f"{base}{joint}{ID_FIELD}={delivery_id}&{MAC_FIELD}={_mac(secret, delivery_id)}"


def delivery_of(url: str, secret: str) -> int | None:
    """The delivery id in a callback's address if its MAC is ours, else None."""
    query = parse_qs(urlsplit(url).query)
    raw, mac = query.get(ID_FIELD, [""])[0], query.get(MAC_FIELD, [""])[0]
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 19):
        return None
    delivery_id = int(raw)
    return delivery_id if hmac.compare_digest(_mac(secret, delivery_id).encode(), mac.encode()) else None


def sign(auth_token: str, url: str, form: Mapping[str, str | Sequence[str]]) -> str:
    """`X-Twilio-Signature` for a form post to `url`: HMAC-SHA1 over the address and the sorted fields."""
    pieces = [url]
    for name in sorted(form):
        value = form[name]
        values = [value] if isinstance(value, str) else sorted(set(value))
        pieces.extend(f"{name}{one}" for one in values)
    digest = hmac.digest(auth_token.encode(), "".join(pieces).encode("utf-8", "surrogatepass"), "sha1")
    return base64.b64encode(digest).decode()


def verify_signature(
    auth_token: str, url: str, form: Mapping[str, str | Sequence[str]] | None, header: str | None
) -> bool:
    """Whether a request was signed with this token. A missing or absurd header is False, never an error.

    Providers sign with or without the default port; both are accepted.
    """
    if not header or not auth_token or not isinstance(header, str):
        return False
    fields = form or {}
    given = header.strip().encode("utf-8", "replace")
    return any(hmac.compare_digest(sign(auth_token, one, fields).encode(), given) for one in _spellings(url))


def _spellings(url: str) -> Iterator[str]:
    yield url
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        return
    if ":" in host:
        host = f"[{host}]"
    default = 443 if parts.scheme == "https" else 80
    without = urlunsplit(parts._replace(netloc=host))
    with_port = urlunsplit(parts._replace(netloc=f"{host}:{port or default}"))
    yield from dict.fromkeys(one for one in (without, with_port) if one != url)
