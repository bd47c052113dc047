"""Argon2id, and the gate before it: one verification costs about 80 ms of a core and 46 MB, and no transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import argon2

from emergency.people.accounts import rules
from kernel.errors import N_, TooMany


class Hasher:
    """Hashes and verifies. Tests inject a cheap one; the parameters travel in the hash itself."""

    def __init__(self, *, time_cost: int = 3, memory_kib: int = 47_104, lanes: int = 1):
        self._argon = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=lanes)
        self._nobody = self._argon.hash("there is no such account")

    def hash(self, password: str) -> str:
        """A salted Argon2id hash."""
        return self._argon.hash(rules.normal_password(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password. Without a stored hash the same work is done, and the answer is no."""
        try:
            right = self._argon.verify(stored or self._nobody, rules.normal_password(password)[:1024])
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        return right and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        return self._argon.check_needs_rehash(stored)


class Gate:
    """The throttle over everybody: so many verifications at once for strangers, one place kept for known browsers.

    A flood of guesses from a thousand addresses costs a bounded share of the machine, and a duty officer on the
    machine of the duty room does not stand in that queue.
    """

    def __init__(self, strangers: int = 2, known: int = 2, patience_seconds: float = 3.0):
        self._places = {False: threading.BoundedSemaphore(strangers), True: threading.BoundedSemaphore(known)}
        self._patience = patience_seconds

    @contextmanager
    def enter(self, *, known: bool) -> Iterator[None]:
        """Wait for a place; 429 `busy` where none comes free."""
        if not self._places[known].acquire(timeout=self._patience):
            raise TooMany(
                N_("Too many people try to sign in at this moment. Try again in a minute, or use a one-time link."),
                code="busy",
            )
        try:
            yield
        finally:
            self._places[known].release()


_default: Hasher | None = None


def default() -> Hasher:
    """The product's hasher, made when it is first needed."""
    global _default
    if _default is None:
        _default = Hasher()
    return _default
