"""The vault: what is personal is sealed before it reaches the database.

A sealed value is `key number (2 bytes) | cipher (1) | nonce (12) | ciphertext and tag`; it is bound to its table,
column and row by the additional data, so that a value copied to another row does not open. The blind index is a
keyed digest of the normalised value with a key of its own: equal values can be found, none can be read.
AES-256-GCM by default, SM4-GCM where commercial cryptography is prescribed (密码法 art. 27; GB/T 39786-2021).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import time
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm import Session

from emergency.privacy.keys import KeyRing
from kernel.errors import N_, DomainError

AES_256_GCM = "aes-256-gcm"
SM4_GCM = "sm4-gcm"
_CIPHERS = {AES_256_GCM: 1, SM4_GCM: 2}
_NONCE = 12
_TAG = 16
_HEADER = 3
REFRESH_SECONDS = 5.0
"""So long a running process may still seal with a key that has been replaced."""


class CannotOpen(DomainError):
    """A sealed value does not open: wrong key, moved to another row, or altered."""

    code = "vault_cannot_open"
    status = 500


class Vault:
    """Seals, opens, indexes and signs with one key ring."""

    def __init__(self, ring: KeyRing, cipher: str = AES_256_GCM, reload: Callable[[], KeyRing] | None = None):
        if cipher not in _CIPHERS:
            raise ValueError(f"unknown cipher {cipher}")
        self.cipher = _CIPHERS[cipher]
        self._reload = reload
        self._look_at = time.monotonic() + REFRESH_SECONDS
        self._take(ring)

    def _take(self, ring: KeyRing) -> None:
        # the ciphers first: another thread that sees the new active number must find its cipher
        self._aes = {number: AESGCM(key) for number, key in ring.sealing.items()}
        self.ring = ring

    def _look_again(self) -> None:
        """Every few seconds: whether another process has made a new key, so that nothing more is sealed with the old."""
        if self._reload is None or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + REFRESH_SECONDS
        try:
            self._take(self._reload())
        except DomainError:
            # the file is gone or unreadable: doctor says so; what runs goes on with the keys that it has
            return

    def _knows(self, number: int) -> bool:
        """Whether the key is in the ring; one that another process has just made is read from the file."""
        if number not in self._aes and self._reload is not None:
            self._take(self._reload())
        return number in self._aes

    def seal(self, table: str, column: str, row: int | str, text: str) -> bytes:
        """Seal `text` for one cell."""
        return self.seal_bytes(table, column, row, text.encode())

    def open(self, table: str, column: str, row: int | str, sealed: bytes) -> str:
        """Open a cell; `CannotOpen` when it was altered, moved, or its key is gone."""
        return self.open_bytes(table, column, row, sealed).decode()

    def seal_bytes(self, table: str, column: str, row: int | str, data: bytes) -> bytes:
        """As `seal`, for files and raw payloads."""
        self._look_again()
        number = self.ring.active
        header = number.to_bytes(2, "big") + bytes([self.cipher])
        nonce = os.urandom(_NONCE)
        bound = f"{table}\x1f{column}\x1f{row}".encode()
        if self.cipher == _CIPHERS[AES_256_GCM]:
            return header + nonce + self._aes[number].encrypt(nonce, data, bound)
        encryptor = Cipher(algorithms.SM4(self.ring.sealing[number][:16]), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(bound)
        return header + nonce + encryptor.update(data) + encryptor.finalize() + encryptor.tag

    def open_bytes(self, table: str, column: str, row: int | str, sealed: bytes) -> bytes:
        """As `open`, for files and raw payloads."""
        number = int.from_bytes(sealed[:2], "big")
        self._knows(number)
        nonce = sealed[_HEADER : _HEADER + _NONCE]
        bound = f"{table}\x1f{column}\x1f{row}".encode()
        try:
            if sealed[2] == _CIPHERS[AES_256_GCM]:
                return self._aes[number].decrypt(nonce, sealed[_HEADER + _NONCE :], bound)
            if sealed[2] != _CIPHERS[SM4_GCM]:
                raise ValueError("unknown cipher")
            body, tag = sealed[_HEADER + _NONCE : -_TAG], sealed[-_TAG:]
            cipher = Cipher(algorithms.SM4(self.ring.sealing[number][:16]), modes.GCM(nonce, tag))
            decryptor = cipher.decryptor()
            decryptor.authenticate_additional_data(bound)
            return decryptor.update(body) + decryptor.finalize()
        except (InvalidTag, KeyError, IndexError, ValueError) as error:
            raise CannotOpen(
                N_("A sealed record does not open: it was altered, or its key is missing. Run “emergency doctor”.")
            ) from error

    def key_number(self, sealed: bytes) -> int:
        """Which sealing key a value was sealed with (rotation reseals the others)."""
        return int.from_bytes(sealed[:2], "big")

    def index(self, domain: str, value: str) -> bytes:
        """The blind index of a normalised value, 16 bytes; `domain` keeps phones and names apart."""
        return hmac.digest(self.ring.index, f"{domain}\x1f{value}".encode(), "sha256")[:16]

    def sign(self, purpose: str, text: str) -> str:
        """A short URL-safe MAC over `text` for links and callbacks."""
        mac = hmac.digest(self.ring.signing, f"{purpose}\x1f{text}".encode(), "sha256")[:18]
        return base64.urlsafe_b64encode(mac).decode()

    def check(self, purpose: str, text: str, signature: str) -> bool:
        """Whether `signature` is ours, in constant time."""
        return hmac.compare_digest(self.sign(purpose, text).encode(), signature.encode("utf-8", "replace"))

    def digest(self, purpose: str, text: str) -> bytes:
        """A keyed digest (32 bytes) of something that must be recognised again and never read."""
        return hmac.new(self.ring.index, f"{purpose}\x1f{text}".encode(), hashlib.sha256).digest()


def of(session: Session) -> Vault:
    """The vault that this session carries."""
    vault: Vault = session.info["vault"]
    return vault


# --- normal forms and masks -------------------------------------------------------------------------------------

_MOBILE = re.compile(r"^1[3-9]\d{9}$")
_LANDLINE = re.compile(r"^0\d{2,3}\d{7,8}$")
_INTERNATIONAL = re.compile(r"^\+[1-9]\d{6,14}$")
_NOISE = re.compile(r"[\s\-()（）.·]")


def normalise_phone(text: str) -> str | None:
    """The E.164 form of what somebody typed, or None where it is no number.

    Mainland mobiles by form (`^1[3-9]\\d{9}$`), landlines with area code, and other countries with a plus sign.
    """
    digits = _NOISE.sub("", _half_width(text))
    if digits.startswith("0086"):
        digits = "+86" + digits[4:]
    if digits.startswith("+86"):
        national = digits[3:]
        if _MOBILE.match(national):
            return "+86" + national
        national = national if national.startswith("0") else "0" + national
        return "+86" + national[1:] if _LANDLINE.match(national) else None
    if digits.startswith("86") and _MOBILE.match(digits[2:]):
        return "+" + digits
    if _MOBILE.match(digits):
        return "+86" + digits
    if _LANDLINE.match(digits):
        return "+86" + digits[1:]
    return digits if _INTERNATIONAL.match(digits) else None


@lru_cache(maxsize=1)
def _widths() -> dict[int, int]:
    return {0xFF10 + n: 0x30 + n for n in range(10)} | {0xFF0B: 0x2B, 0xFF0D: 0x2D, 0x3000: 0x20}


def _half_width(text: str) -> str:
    return text.strip().translate(_widths())


def is_mobile(e164: str) -> bool:
    """Whether a text message can reach it: a mainland mobile, or a foreign number (nobody can tell those apart)."""
    return bool(_MOBILE.match(e164[3:])) if e164.startswith("+86") else True


def mask_phone(phone: str) -> str:
    """138****5678; shorter or foreign numbers keep their last two digits only."""
    national = phone[3:] if phone.startswith("+86") else phone
    if _MOBILE.match(national):
        return f"{national[:3]}****{national[-4:]}"
    return "*" * max(len(national) - 2, 4) + national[-2:]


def mask_name(name: str) -> str:
    """张三丰 is shown as 张某某; an unknown name as 某."""
    name = name.strip()
    return name[:1] + "某" * min(max(len(name) - 1, 1), 2) if name else "某"


def mask_address(address: str) -> str:
    """Only that there is an address; in which village it lies, the record says itself."""
    return "***" if address else ""
